//! Every message accounted for, one ledger a sender: what was sent, answered and delivered, and what was lost, doubled or out of order.

use std::collections::{HashSet, VecDeque};
use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// What became of the messages of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Messages that were sent.
    pub sent: u64,
    /// Messages whose answer said that the server has them.
    pub acknowledged: u64,
    /// Messages whose answer said that the server does not take them.
    pub refused: u64,
    /// Messages without an answer when the run ended.
    pub unanswered: u64,
    /// Messages that arrived, each counted once.
    pub delivered: u64,
    /// Messages that were acknowledged and never arrived.
    pub lost: u64,
    /// Arrivals of messages that had arrived before.
    pub duplicated: u64,
    /// Arrivals of messages that a later one of the same sender had overtaken.
    pub reordered: u64,
    /// Arrivals of messages that had been refused, were never sent, went to somebody else or were changed on the way.
    pub foreign: u64,
}

impl Delivery {
    /// Whether a message was lost, doubled, out of order, foreign or left without an answer.
    pub fn is_broken(&self) -> bool {
        self.lost + self.duplicated + self.reordered + self.foreign + self.unanswered > 0
    }

    /// Adds what another ledger counted.
    pub fn add(&mut self, other: &Delivery) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
    }
}

impl Sum for Delivery {
    fn sum<I: Iterator<Item = Delivery>>(parts: I) -> Delivery {
        let mut sum = Delivery::default();
        parts.for_each(|part| sum.add(&part));
        sum
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Accepted,
    Refused,
}

#[derive(Debug)]
struct Entry {
    intended_ns: u64,
    answer: Answer,
    arrived: bool,
}

impl Entry {
    fn is_done(&self) -> bool {
        match self.answer {
            Answer::Awaited => false,
            Answer::Accepted => self.arrived,
            Answer::Refused => true,
        }
    }
}

/// What an answer or an arrival told about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When the message was meant to be sent.
    pub intended_ns: u64,
    /// Whether nothing more is expected of it.
    pub done: bool,
}

/// The messages of one sender, numbered from 0. What is done is forgotten: it takes memory for what is on its way, and for what was refused.
#[derive(Debug, Default)]
pub struct Ledger {
    counts: Delivery,
    /// Messages that are not done, and those behind the first of them.
    window: VecDeque<Entry>,
    /// The number of the first in the window.
    first: u64,
    /// The number of the message that the next answer is about.
    next_answer: u64,
    /// One more than the highest number that arrived.
    arrived_end: u64,
    refused: HashSet<u64>,
}

impl Ledger {
    /// Enters a message; returns its number.
    pub fn send(&mut self, intended_ns: u64) -> u64 {
        self.counts.sent += 1;
        self.window.push_back(Entry {
            intended_ns,
            answer: Answer::Awaited,
            arrived: false,
        });
        self.first + self.window.len() as u64 - 1
    }

    /// The server answers; answers come in the order of the messages. `None`: there was nothing to answer.
    pub fn answer(&mut self, accepted: bool) -> Option<Progress> {
        let number = self.next_answer;
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let entry = self.window.get_mut(index)?;
        self.next_answer += 1;
        if accepted {
            entry.answer = Answer::Accepted;
            self.counts.acknowledged += 1;
        } else {
            entry.answer = Answer::Refused;
            self.counts.refused += 1;
            if entry.arrived {
                self.counts.foreign += 1;
            }
            self.refused.insert(number);
        }
        let progress = Progress {
            intended_ns: entry.intended_ns,
            done: entry.is_done(),
        };
        self.forget_done();
        Some(progress)
    }

    /// The message of this number arrives. `None`: it was not expected (any more), and is counted as what it is.
    pub fn arrive(&mut self, number: u64) -> Option<Progress> {
        if number >= self.first + self.window.len() as u64 || self.refused.contains(&number) {
            self.counts.foreign += 1;
            return None;
        }
        let index = number.checked_sub(self.first);
        let entry = index.and_then(|index| self.window.get_mut(usize::try_from(index).ok()?));
        let Some(entry) = entry.filter(|entry| !entry.arrived) else {
            self.counts.duplicated += 1;
            return None;
        };
        entry.arrived = true;
        self.counts.delivered += 1;
        if number < self.arrived_end {
            self.counts.reordered += 1;
        }
        self.arrived_end = self.arrived_end.max(number + 1);
        let progress = Progress {
            intended_ns: entry.intended_ns,
            done: entry.is_done(),
        };
        self.forget_done();
        Some(progress)
    }

    /// Something arrived that cannot be one of these messages.
    pub fn arrive_foreign(&mut self) {
        self.counts.foreign += 1;
    }

    /// Whether nothing is on its way.
    pub fn is_settled(&self) -> bool {
        self.window.is_empty()
    }

    /// What became of the messages, if nothing more comes.
    pub fn settle(&self) -> Delivery {
        let mut counts = self.counts.clone();
        for entry in &self.window {
            match entry.answer {
                Answer::Awaited => counts.unanswered += 1,
                Answer::Accepted if !entry.arrived => counts.lost += 1,
                _ => {}
            }
        }
        counts
    }

    fn forget_done(&mut self) {
        while self.window.front().is_some_and(Entry::is_done) {
            self.window.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(count: u64) -> Ledger {
        let mut ledger = Ledger::default();
        for number in 0..count {
            assert_eq!(ledger.send(number), number);
        }
        ledger
    }

    #[test]
    fn a_clean_run_leaves_nothing() {
        let mut ledger = sent(3);
        for number in 0..3 {
            assert!(!ledger.answer(true).unwrap().done);
            let progress = ledger.arrive(number).unwrap();
            assert_eq!((progress.intended_ns, progress.done), (number, true));
        }
        assert!(ledger.is_settled());
        let counts = ledger.settle();
        assert!(!counts.is_broken());
        assert_eq!((counts.acknowledged, counts.delivered), (3, 3));
    }

    #[test]
    fn a_message_may_arrive_before_its_answer() {
        let mut ledger = sent(1);
        assert!(!ledger.arrive(0).unwrap().done);
        assert!(ledger.answer(true).unwrap().done);
        assert!(ledger.is_settled() && !ledger.settle().is_broken());
    }

    #[test]
    fn an_acknowledged_message_that_never_arrives_is_lost() {
        let mut ledger = sent(3);
        for _ in 0..3 {
            ledger.answer(true);
        }
        ledger.arrive(0);
        ledger.arrive(2);
        let counts = ledger.settle();
        assert_eq!(
            (counts.lost, counts.unanswered, counts.reordered),
            (1, 0, 0)
        );
    }

    #[test]
    fn a_message_without_an_answer_is_not_lost_but_unanswered() {
        let mut ledger = sent(2);
        ledger.answer(true);
        ledger.arrive(0);
        let counts = ledger.settle();
        assert_eq!((counts.lost, counts.unanswered), (0, 1));
    }

    #[test]
    fn a_second_arrival_is_a_duplicate_before_and_after_the_answer() {
        let mut ledger = sent(1);
        ledger.arrive(0);
        assert_eq!(ledger.arrive(0), None);
        ledger.answer(true);
        assert_eq!(ledger.arrive(0), None);
        let counts = ledger.settle();
        assert_eq!(
            (counts.duplicated, counts.delivered, counts.foreign),
            (2, 1, 0)
        );
    }

    #[test]
    fn what_is_overtaken_is_reordered_once() {
        let mut ledger = sent(3);
        for number in [2, 0, 1] {
            assert!(ledger.arrive(number).is_some());
        }
        let counts = ledger.settle();
        assert_eq!((counts.reordered, counts.delivered), (2, 3));
    }

    #[test]
    fn what_was_never_sent_or_was_refused_is_foreign() {
        let mut ledger = sent(2);
        ledger.arrive(2);
        assert!(ledger.answer(false).unwrap().done);
        ledger.arrive(0);
        ledger.arrive(1);
        ledger.answer(false);
        ledger.arrive_foreign();
        let counts = ledger.settle();
        assert_eq!((counts.foreign, counts.refused, counts.lost), (4, 2, 0));
    }

    #[test]
    fn an_answer_to_nothing_is_noticed() {
        let mut ledger = sent(1);
        assert!(ledger.answer(true).is_some());
        assert_eq!(ledger.answer(true), None);
    }
}
