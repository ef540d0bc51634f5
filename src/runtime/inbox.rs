//! What other threads have for a shard: one queue, one wake a batch.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::conn::Page;
use crate::domain::command::{Refusal, Reply};
use crate::domain::event::Told;
use crate::domain::ids::{AccountId, CommitNumber};
use crate::domain::query::{Answered, Query};
use crate::domain::token::TokenHash;
use crate::runtime::slab::Key;

/// Something for a shard.
#[derive(Debug)]
pub enum Entry {
    /// What a commit means to those who look at memory.
    Commit {
        /// Its number.
        number: CommitNumber,
        /// In order.
        told: Vec<Told>,
    },
    /// Answers of the writer, after the commits that they follow from.
    Replies(Vec<(CommandSlot, Result<Reply, Refusal>)>),
    /// An answer of a reader.
    Read {
        /// What for.
        purpose: Purpose,
        /// The answer.
        result: Result<Answered, Refusal>,
    },
    /// A file was kept, or could not be.
    Saved(CallKey, Result<(), Refusal>),
    /// A page that had to be read.
    Page(CallKey, Page),
}

/// A call of a connection of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey {
    /// The connection.
    pub conn: Key,
    /// The call.
    pub call: u32,
}

/// The place that was reserved for a command's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSlot {
    /// The shard that submitted it.
    pub shard: usize,
    /// Who waits; `None` when nobody does.
    pub call: Option<CallKey>,
    /// The credit that comes back with the answer.
    pub bytes: usize,
    /// Whether that is the credit of marks ([`Command::is_mark`](crate::domain::command::Command::is_mark)).
    pub is_mark: bool,
}

/// What an answer of a reader is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For a call that asked a query.
    Call(CallKey),
    /// For a call that asked who uses a token.
    Session(CallKey, TokenHash),
    /// For the roster, and for the calls that wait to be attached.
    Groups(AccountId),
    /// For the desk, and for the calls that wait for the view.
    View(AccountId),
}

/// A question for the readers.
#[derive(Debug)]
pub struct Question {
    /// The shard that asks.
    pub shard: usize,
    /// What for.
    pub purpose: Purpose,
    /// What.
    pub query: Query,
}

/// A shard's inbox.
pub struct Inbox {
    entries: Mutex<Vec<Entry>>,
    /// Whether the shard was woken and has not looked yet.
    woken: AtomicBool,
    waker: Box<dyn Fn() + Send + Sync>,
}

impl Inbox {
    /// An empty inbox whose shard is woken by `waker`.
    pub fn new(waker: impl Fn() + Send + Sync + 'static) -> Inbox {
        Inbox {
            entries: Mutex::new(Vec::new()),
            woken: AtomicBool::new(false),
            waker: Box::new(waker),
        }
    }

    /// Adds an entry. The shard looks when it is woken, or when it looks for another cause.
    pub fn push(&self, entry: Entry) {
        self.entries.lock().push(entry);
    }

    /// Wakes the shard, once until it looks.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            (self.waker)();
        }
    }

    /// Moves everything to `into`, which is empty.
    pub fn drain(&self, into: &mut Vec<Entry>) {
        self.woken.store(false, Ordering::Release);
        std::mem::swap(&mut *self.entries.lock(), into);
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
