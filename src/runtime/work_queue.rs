//! What waits for the readers: one queue for all of them, in three classes.

use std::collections::VecDeque;
use std::mem::replace;

use parking_lot::{Condvar, Mutex, MutexGuard};
use smallvec::SmallVec;

use crate::conn::PageRequest;
use crate::dialect::Upload;
use crate::limits::{FILES_WAITING_MAX, QUESTIONS_PER_SNAPSHOT_MAX};
use crate::runtime::inbox::{CallKey, Question};
use crate::store::writer::LoadRequest;

/// What takes long: files, and queries over much.
#[derive(Debug)]
pub enum Heavy {
    /// A query over much.
    Query(Question),
    /// Keep a file.
    Save {
        /// The shard that asks.
        shard: usize,
        /// Who waits.
        call: CallKey,
        /// The file.
        upload: Upload,
    },
    /// Serve a file.
    Serve {
        /// The shard that asks.
        shard: usize,
        /// Who waits.
        call: CallKey,
        /// The file's name.
        name: String,
        /// What was asked.
        request: Box<PageRequest>,
    },
}

/// What a reader does next.
#[derive(Debug)]
pub enum Work {
    /// Rows that the writer waits for.
    Loads(Vec<LoadRequest>),
    /// Quick questions, one at least, in the order in which they were asked.
    Questions(SmallVec<[Question; 1]>),
    /// Something that takes long.
    Heavy(Heavy),
}

/// The queue of all readers. A push wakes one reader at most, and costs no system call when none is asleep.
#[derive(Debug, Default)]
pub struct WorkQueue {
    waiting: Mutex<Waiting>,
    /// Where readers sleep that leave heavy work to others.
    light_readers: Condvar,
    /// Where readers sleep that take everything.
    all_round_readers: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    loads: VecDeque<Vec<LoadRequest>>,
    short: VecDeque<Question>,
    heavy: VecDeque<Heavy>,
    /// Whether questions have just gone before heavy work, by a reader that could have taken it.
    heavy_is_due: bool,
    /// Whether a reader has been told of work that every reader takes, and none has looked since.
    is_waking: bool,
    is_closed: bool,
}

impl WorkQueue {
    /// Has a reader load rows for the writer. Never refused: the writer bounds what it waits for.
    pub fn push_loads(&self, requests: Vec<LoadRequest>) {
        let mut waiting = self.waiting.lock();
        waiting.loads.push_back(requests);
        self.wake_any(waiting);
    }

    /// Has a reader answer something quick; `false`, and it is dropped, when `waiting_max` questions wait already.
    #[must_use]
    pub fn try_push_question(&self, question: Question, waiting_max: usize) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.short.len() >= waiting_max {
            return false;
        }
        waiting.short.push_back(question);
        self.wake_any(waiting);
        true
    }

    /// Has a reader do something that takes long; `false`, and it is dropped, when [`FILES_WAITING_MAX`] wait already.
    #[must_use]
    pub fn try_push_heavy(&self, task: Heavy) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.heavy.len() >= FILES_WAITING_MAX {
            return false;
        }
        waiting.heavy.push_back(task);
        drop(waiting);
        self.all_round_readers.notify_one();
        true
    }

    /// For work that every reader takes. Those that take nothing else go first, and one is woken at a time: it wakes the next if it
    /// leaves something.
    fn wake_any(&self, mut waiting: MutexGuard<Waiting>) {
        let is_under_way = replace(&mut waiting.is_waking, true);
        drop(waiting);
        if !is_under_way && !self.light_readers.notify_one() {
            self.all_round_readers.notify_one();
        }
    }

    /// Takes what is next, and sleeps until there is something; `None` when the queue is closed and holds nothing for this reader.
    ///
    /// Loads go first, then questions, then what takes long, unless it was passed over the last time. Questions come with half of
    /// those behind the first, [`QUESTIONS_PER_SNAPSHOT_MAX`] at most; the other half is left to the other readers.
    pub fn take(&self, takes_heavy: bool) -> Option<Work> {
        let sleepers = match takes_heavy {
            true => &self.all_round_readers,
            false => &self.light_readers,
        };
        let mut waiting = self.waiting.lock();
        loop {
            waiting.is_waking = false;
            let next = waiting.next(takes_heavy, QUESTIONS_PER_SNAPSHOT_MAX);
            if next.is_some() || waiting.is_closed {
                if takes_heavy && !waiting.heavy.is_empty() {
                    self.all_round_readers.notify_one();
                }
                if !waiting.loads.is_empty() || !waiting.short.is_empty() {
                    self.wake_any(waiting);
                }
                return next;
            }
            sleepers.wait(&mut waiting);
        }
    }

    /// Takes what is next like [`WorkQueue::take`], with at most `questions_max` questions (one at least); `None` when there is nothing.
    pub fn try_take(&self, takes_heavy: bool, questions_max: usize) -> Option<Work> {
        self.waiting.lock().next(takes_heavy, questions_max)
    }

    /// Takes what the writer waits for, if it waits.
    pub fn try_take_loads(&self) -> Option<Vec<LoadRequest>> {
        self.waiting.lock().loads.pop_front()
    }

    /// Lets the readers end when they have done what is here.
    pub fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.light_readers.notify_all();
        self.all_round_readers.notify_all();
    }

    /// How many questions wait.
    pub fn questions(&self) -> usize {
        self.waiting.lock().short.len()
    }

    /// How much waits that takes long, [`FILES_WAITING_MAX`] at most.
    pub fn heavy(&self) -> usize {
        self.waiting.lock().heavy.len()
    }
}

impl Waiting {
    fn next(&mut self, takes_heavy: bool, questions_max: usize) -> Option<Work> {
        if let Some(requests) = self.loads.pop_front() {
            return Some(Work::Loads(requests));
        }
        let is_heavy_here = takes_heavy && !self.heavy.is_empty();
        if is_heavy_here && (self.heavy_is_due || self.short.is_empty()) {
            self.heavy_is_due = false;
            return self.heavy.pop_front().map(Work::Heavy);
        }
        self.heavy_is_due |= is_heavy_here;
        let behind = self.short.len().checked_sub(1)?;
        let count = 1 + (behind / 2).min(questions_max.saturating_sub(1));
        Some(Work::Questions(self.short.drain(..count).collect()))
    }
}

#[cfg(test)]
mod tests;
