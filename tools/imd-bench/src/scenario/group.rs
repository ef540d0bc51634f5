//! `group`: some members of one group write, and all that are there get it. Every delivery is accounted for.

use std::collections::{HashMap, HashSet, VecDeque};

use super::chat::{ACKNOWLEDGED, DELIVERED, write_content};
use super::dialect::{Dialect, Heard, Message, To};
use super::flow::Flow;
use super::socket::{Entry, Script, Socket};
use crate::engine::Share;
use crate::ledger::Delivery;
use crate::login::{Group as Name, Identity};

/// A gap between two messages that is larger is no gap: the number is wrong.
const GAP_MAX: u64 = 1 << 20;

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// The run's name, part of every message's.
    pub run: String,
    /// The group.
    pub group: Name,
    /// How members are reached.
    pub over: Dialect,
    /// Members that are there.
    pub online: usize,
    /// How many of them write.
    pub publishers: usize,
    /// Messages of each that may be on their way at once.
    pub outstanding: usize,
    /// Bytes of a message; more if its numbers take more.
    pub size: usize,
    /// Whether messages have an id of the client's.
    pub client_ids: bool,
}

impl GroupPlan {
    /// Which publisher member `unit` is; they are spread evenly, so that every thread has its part.
    fn publisher(&self, unit: usize) -> Option<usize> {
        let before = |unit| unit * self.publishers / self.online;
        (before(unit) < before(unit + 1)).then(|| before(unit))
    }

    /// Whether one of the members of a share publishes.
    pub fn has_publisher(&self, share: &Share) -> bool {
        let mut units = share.units.clone();
        units.any(|unit| self.publisher(unit).is_some())
    }

    /// Whether who writes gets it, too.
    fn echoes(&self) -> bool {
        self.over == Dialect::Jim
    }
}

/// A message that is on its way.
#[derive(Debug)]
struct Flight {
    intended_ns: u64,
    is_answered: bool,
    /// Members of the publisher's own thread that have not got it. A publisher waits for them, so that nobody falls behind for ever.
    missing: usize,
}

/// What a publisher sent.
#[derive(Debug, Default)]
pub struct Published {
    /// The publisher's connection in its thread.
    id: usize,
    sent: u64,
    answered: u64,
    refused: HashSet<u64>,
    flights: HashMap<u64, Flight>,
    unanswered: VecDeque<u64>,
}

/// What a member got of one publisher's messages.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// One more than the highest number.
    end: u64,
    /// Numbers below that have not arrived.
    missing: HashSet<u64>,
}

impl Seen {
    /// A message arrives.
    fn arrive(&mut self, number: u64, counts: &mut Delivery) {
        if number >= self.end + GAP_MAX {
            counts.foreign += 1;
        } else if number >= self.end {
            self.missing.extend(self.end..number);
            self.end = number + 1;
            counts.delivered += 1;
        } else if self.missing.remove(&number) {
            counts.delivered += 1;
            counts.reordered += 1;
        } else {
            counts.duplicated += 1;
        }
    }

    /// Compares with what was sent.
    fn settle(&self, published: &Published, counts: &mut Delivery) {
        let is_refused = |number: &u64| published.refused.contains(number);
        let arrived = |number: &u64| *number < self.end && !self.missing.contains(number);
        counts.foreign += self.end.saturating_sub(published.sent);
        let foreign = published.refused.iter().filter(|number| arrived(number));
        counts.foreign += foreign.count() as u64;
        let never = self
            .missing
            .iter()
            .copied()
            .chain(self.end..published.answered);
        let never = never.filter(|number| *number < published.answered);
        counts.lost += never.filter(|number| !is_refused(number)).count() as u64;
    }
}

/// One thread's members.
pub struct Group {
    plan: GroupPlan,
    share: Share,
    identities: Vec<Identity>,
    /// The publishers of this thread, by their number among all.
    published: HashMap<usize, Published>,
    /// By member and publisher.
    seen: Vec<Seen>,
    counts: Delivery,
    alive: Vec<bool>,
    content: String,
    message_id: String,
    scratch: String,
}

impl Group {
    /// The script of a share; `identities` has its members.
    pub fn new(plan: GroupPlan, share: Share, identities: Vec<Identity>) -> Self {
        let units = share.units.clone().enumerate();
        let published = units.filter_map(|(id, unit)| {
            let published = Published {
                id,
                ..Published::default()
            };
            Some((plan.publisher(unit)?, published))
        });
        Group {
            published: published.collect(),
            seen: vec![Seen::default(); share.units.len() * plan.publishers],
            counts: Delivery::default(),
            alive: vec![true; share.units.len()],
            plan,
            share,
            identities,
            content: String::new(),
            message_id: String::new(),
            scratch: String::new(),
        }
    }

    fn publisher(&self, id: usize) -> Option<usize> {
        self.plan.publisher(self.share.units.start + id)
    }

    fn answered(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        answer: Result<(), String>,
    ) -> Result<(), String> {
        let publisher = self.publisher(id);
        let published = publisher.and_then(|publisher| self.published.get_mut(&publisher));
        let published = published.ok_or("answer to no message")?;
        let number = published.unanswered.pop_front();
        let number = number.ok_or("answer to no message")?;
        published.answered += 1;
        let Some(flight) = published.flights.get_mut(&number) else {
            return Ok(());
        };
        flight.is_answered = true;
        match answer {
            Ok(()) => {
                self.counts.acknowledged += 1;
                socket.record(ACKNOWLEDGED, flight.intended_ns);
            }
            Err(cause) => {
                self.counts.refused += 1;
                published.refused.insert(number);
                flight.missing = 0;
                socket.flow.fail(&format!("refused: {cause}"), 1);
            }
        }
        if flight.missing == 0 {
            published.flights.remove(&number);
            self.free(socket, id);
        }
        Ok(())
    }

    fn delivered(&mut self, socket: &mut Socket<'_>, id: usize, content: &str) {
        let Some([publisher, number, intended_ns]) = self.understand(id, content) else {
            self.counts.foreign += 1;
            return;
        };
        let place = publisher as usize;
        let before = self.counts.delivered;
        self.seen[id * self.plan.publishers + place].arrive(number, &mut self.counts);
        if self.counts.delivered == before {
            return;
        }
        socket.flow.completed += 1;
        socket.record(DELIVERED, intended_ns);
        let Some(published) = self.published.get_mut(&place) else {
            return;
        };
        if let Some(flight) = published.flights.get_mut(&number) {
            flight.missing = flight.missing.saturating_sub(1);
            if flight.missing == 0 && flight.is_answered {
                published.flights.remove(&number);
                let id = published.id;
                self.free(socket, id);
            }
        }
    }

    fn free(&mut self, socket: &mut Socket<'_>, id: usize) {
        if self.alive[id] {
            socket.flow.free(id);
        }
    }

    /// Publisher, number and time of what was pushed; `None`: it is not for this member, or was changed on the way.
    fn understand(&mut self, id: usize, content: &str) -> Option<[u64; 3]> {
        let mut parts = content.splitn(4, ' ');
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = parts.next()?.parse().ok()?;
        }
        let [publisher, ..] = numbers;
        let is_own = self.publisher(id).map(|own| own as u64) == Some(publisher);
        if publisher >= self.plan.publishers as u64 || is_own && !self.plan.echoes() {
            return None;
        }
        write_content(&mut self.content, numbers, self.plan.size);
        (self.content == content).then_some(numbers)
    }
}

/// What became of all messages, over all threads: what was sent, and each of its deliveries.
pub fn delivery<'a>(groups: impl Iterator<Item = &'a Group> + Clone) -> Delivery {
    let mut sum = Delivery::default();
    for group in groups.clone() {
        sum.add(&group.counts);
        for published in group.published.values() {
            sum.sent += published.sent;
            sum.unanswered += published.sent - published.answered;
        }
    }
    let all: HashMap<usize, &Published> = groups
        .clone()
        .flat_map(|group| &group.published)
        .map(|(publisher, published)| (*publisher, published))
        .collect();
    for group in groups {
        let members = group.seen.chunks_exact(group.plan.publishers);
        for (id, seen) in members.enumerate() {
            for (publisher, seen) in seen.iter().enumerate() {
                let is_own = group.publisher(id) == Some(publisher);
                if let Some(published) = all.get(&publisher)
                    && (group.plan.echoes() || !is_own)
                {
                    seen.settle(published, &mut sum);
                }
            }
        }
    }
    sum
}

impl Script for Group {
    fn entry(&self, id: usize) -> Entry {
        self.plan.over.entry(&self.identities[id])
    }

    fn opened(&mut self, socket: &mut Socket<'_>, id: usize) {
        socket.flow.ready += 1;
        if self.publisher(id).is_some() {
            for _ in 0..self.plan.outstanding {
                socket.flow.free(id);
            }
        }
    }

    fn send(&mut self, socket: &mut Socket<'_>, id: usize, intended_ns: u64) {
        let Some(publisher) = self.publisher(id) else {
            return;
        };
        let Some(published) = self.published.get_mut(&publisher) else {
            return;
        };
        let number = published.sent;
        published.sent += 1;
        published.unanswered.push_back(number);
        let members = socket.flow.alive - usize::from(!self.plan.echoes());
        let flight = Flight {
            intended_ns,
            is_answered: false,
            missing: members,
        };
        published.flights.insert(number, flight);
        let numbers = [publisher as u64, number, intended_ns];
        write_content(&mut self.content, numbers, self.plan.size);
        self.message_id.clear();
        if self.plan.client_ids {
            let over = self.plan.over;
            over.write_id(&mut self.message_id, &self.plan.run, publisher, number);
        }
        let message = Message {
            from: &self.identities[id],
            to: To::All(&self.plan.group),
            content: &self.content,
            id: &self.message_id,
        };
        let scratch = &mut self.scratch;
        self.plan.over.send(socket, id, &message, scratch);
    }

    fn message(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        payload: &[u8],
    ) -> Result<(), String> {
        match self.plan.over.hear(payload)? {
            Heard::Answer(answer) => self.answered(socket, id, answer)?,
            Heard::Pushed {
                content,
                id: message_id,
                ..
            } => {
                self.delivered(socket, id, &content);
                self.plan.over.acknowledge(socket, id, &message_id);
            }
            Heard::Notice => {}
        }
        Ok(())
    }

    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str) {
        self.alive[id] = false;
        socket.flow.lose(id, cause, 1);
    }

    fn is_settled(&self, flow: &Flow, now_ns: u64) -> bool {
        let mut published = self.published.values();
        flow.alive == 0
            || flow.is_over(now_ns) && published.all(|published| published.flights.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(online: usize, publishers: usize) -> GroupPlan {
        GroupPlan {
            run: "r".to_owned(),
            group: Name::default(),
            over: Dialect::Jim,
            online,
            publishers,
            outstanding: 1,
            size: 0,
            client_ids: false,
        }
    }

    #[test]
    fn publishers_are_spread_evenly() {
        for (online, publishers) in [(1, 1), (10, 3), (7, 7), (500, 50), (3, 2)] {
            let plan = plan(online, publishers);
            let found: Vec<_> = (0..online)
                .filter_map(|unit| plan.publisher(unit))
                .collect();
            assert_eq!(found, (0..publishers).collect::<Vec<_>>());
            let units = 0..online / 2;
            let count = units.filter(|unit| plan.publisher(*unit).is_some()).count();
            assert!(count.abs_diff(publishers / 2) <= 1, "{online} {publishers}");
        }
    }

    /// What became of 5 messages, all answered, of which the second was refused, when these arrive.
    fn arriving(numbers: &[u64]) -> Delivery {
        let published = Published {
            sent: 5,
            answered: 5,
            refused: HashSet::from([1]),
            ..Published::default()
        };
        let mut counts = Delivery::default();
        let mut seen = Seen::default();
        for number in numbers {
            seen.arrive(*number, &mut counts);
        }
        seen.settle(&published, &mut counts);
        counts
    }

    #[test]
    fn every_delivery_is_accounted_for() {
        let counts = |delivered, lost, duplicated, reordered, foreign| Delivery {
            delivered,
            lost,
            duplicated,
            reordered,
            foreign,
            ..Delivery::default()
        };
        assert_eq!(arriving(&[0, 2, 3, 4]), counts(4, 0, 0, 0, 0));
        assert_eq!(arriving(&[0, 3]), counts(2, 2, 0, 0, 0));
        assert_eq!(arriving(&[0, 3, 2, 4]), counts(4, 0, 0, 1, 0));
        assert_eq!(arriving(&[0, 2, 2, 3, 4, 0]), counts(4, 0, 2, 0, 0));
        assert_eq!(arriving(&[0, 1, 2, 3, 4]), counts(5, 0, 0, 0, 1));
        assert_eq!(arriving(&[0, 2, 3, 4, u64::MAX / 2]), counts(4, 0, 0, 0, 1));
        assert_eq!(arriving(&[0, 2, 3, 4, 5]), counts(5, 0, 0, 0, 1));
    }
}
