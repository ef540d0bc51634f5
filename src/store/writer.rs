//! The writer as a state machine: commands in, commits out. Its thread, channels and clock belong to the runtime.
//!
//! ```text
//! handle(Submit) → needs → decide → apply ┐ staged, in order, until the batch ends
//!                    └ missing rows: the command waits, poll_load gives what a reader must fetch, handle(Loaded) goes on
//! commit() → the store's commit → Released: what to tell and what to answer
//! ```
//!
//! Commands of one lane (a connection) run in the order in which they came: one that waits for rows holds those behind it.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::domain::command::{Command, Effect, Refusal, Reply};
use crate::domain::decide::{Decision, Numbers, Policy, decide};
use crate::domain::event::Told;
use crate::domain::ids::{AccountId, CommitNumber, IdGenerator, TimeMs};
use crate::domain::needs::{Facts, Key, Row, needs};
use crate::domain::presence::{NobodyOnline, Presence};
use crate::domain::state::State;
use crate::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, LOADS_PER_COMMAND_MAX};
use crate::store::{Counters, Store, StoreError};

#[cfg(test)]
mod tests;

/// A command on its way; `R` says to whom the answer goes.
#[derive(Debug)]
pub struct Submitted<R> {
    /// What must stay in order: one number for each connection.
    pub lane: u64,
    /// What to do.
    pub command: Command,
    /// Where the answer goes.
    pub reply_to: R,
}

/// Rows that a command waits for, to be read in a snapshot that is opened after this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// Names the request in [`Loaded`].
    pub id: u64,
    /// What to read.
    pub keys: Vec<Key>,
}

/// What a reader found.
#[derive(Debug)]
pub struct Loaded {
    /// Of the request.
    pub id: u64,
    /// The rows of its keys, or why there are none.
    pub rows: Result<Vec<Row>, StoreError>,
}

/// What a batch comes to.
#[derive(Debug)]
pub struct Released<R> {
    /// The commit, if there was anything to commit.
    pub commit: Option<CommitNumber>,
    /// Who is told of what, in order; before the answers.
    pub told: Vec<Told>,
    /// The answers.
    pub replies: Vec<(R, Result<Reply, Refusal>)>,
    /// How many rows were stored.
    pub effects: usize,
    /// What the store could not do. If the commit failed, every answer is a refusal.
    pub failures: Vec<StoreError>,
}

/// The sequencer: decides commands one after the other and commits them in batches.
pub struct Writer<R> {
    store: Box<dyn Store>,
    policy: Policy,
    presence: Box<dyn Presence + Send>,
    state: State,
    numbers: Numbers,
    /// The newest commit.
    commit: CommitNumber,
    /// Whether the store must be opened again before anything else.
    broken: bool,
    /// A batch whose commit failed, while the store cannot be opened to see whether it is stored all the same.
    uncertain: Option<(CommitNumber, Vec<Told>)>,
    /// Rises when what is in memory is thrown away: loads from before are void.
    epoch: u64,
    batch: Batch<R>,
    /// Kept for its memory.
    decision: Decision,
    waiting: HashMap<u64, Waiting<R>>,
    /// Commands behind one that waits, by lane.
    held: HashMap<u64, VecDeque<Submitted<R>>>,
    requests: Vec<LoadRequest>,
    next_load: u64,
    failures: Vec<StoreError>,
}

struct Batch<R> {
    effects: Vec<Effect>,
    told: Vec<Told>,
    replies: Vec<(R, Result<Reply, Refusal>)>,
    commands: usize,
    bytes: usize,
}

impl<R> Default for Batch<R> {
    fn default() -> Batch<R> {
        Batch {
            effects: Vec::new(),
            told: Vec::new(),
            replies: Vec::new(),
            commands: 0,
            bytes: 0,
        }
    }
}

impl<R> Batch<R> {
    /// Takes what is there, and leaves room for as much.
    fn take(&mut self) -> Batch<R> {
        let next = Batch {
            effects: Vec::with_capacity(self.effects.len()),
            told: Vec::with_capacity(self.told.len()),
            replies: Vec::with_capacity(self.replies.len()),
            commands: 0,
            bytes: 0,
        };
        std::mem::replace(self, next)
    }
}

struct Waiting<R> {
    submitted: Submitted<R>,
    /// The newest commit when its rows were asked for.
    asked_at: CommitNumber,
    epoch: u64,
    loads: u32,
}

impl<R> Writer<R> {
    /// A writer over `store`, which has been opened and gave `counters`.
    pub fn resume(store: Box<dyn Store>, policy: Policy, counters: Counters) -> Writer<R> {
        Writer {
            store,
            policy,
            presence: Box::new(NobodyOnline),
            state: State::default(),
            numbers: numbers_after(counters),
            commit: counters.commit,
            broken: false,
            uncertain: None,
            epoch: 0,
            batch: Batch::default(),
            decision: Decision::default(),
            waiting: HashMap::new(),
            held: HashMap::new(),
            requests: Vec::new(),
            next_load: 0,
            failures: Vec::new(),
        }
    }

    /// The same writer, which asks `presence` who is online where a command depends on it.
    pub fn with_presence(self, presence: Box<dyn Presence + Send>) -> Writer<R> {
        Writer { presence, ..self }
    }

    /// The newest commit.
    pub fn commit_number(&self) -> CommitNumber {
        self.commit
    }

    /// Commands that wait for rows or stand behind one that does.
    pub fn parked(&self) -> usize {
        self.waiting.len() + self.held.values().map(VecDeque::len).sum::<usize>()
    }

    /// Whether the store takes commits.
    pub fn is_healthy(&self) -> bool {
        !self.broken
    }

    /// Whether the batch has reached its bounds and is to be committed.
    pub fn is_batch_full(&self) -> bool {
        self.batch.commands >= BATCH_COMMANDS_MAX || self.batch.bytes >= BATCH_BYTES_MAX
    }

    /// How many commands the batch holds.
    pub fn batch_commands(&self) -> usize {
        self.batch.commands
    }

    /// Takes a command into the batch, or lets it wait for what it needs.
    pub fn handle_submitted(&mut self, submitted: Submitted<R>, now: TimeMs) {
        match self.held.get_mut(&submitted.lane) {
            Some(held) => held.push_back(submitted),
            None => {
                let lane = submitted.lane;
                if !self.run(submitted, 0, now) {
                    self.held.insert(lane, VecDeque::new());
                }
            }
        }
    }

    /// Takes the rows that a command waits for, and goes on with it and those behind it.
    pub fn handle_loaded(&mut self, loaded: Loaded, now: TimeMs) {
        let Some(waiting) = self.waiting.remove(&loaded.id) else {
            return;
        };
        let lane = waiting.submitted.lane;
        match loaded.rows {
            Ok(rows) if waiting.epoch == self.epoch => {
                rows.into_iter().for_each(|row| self.state.insert(row))
            }
            Ok(_) => {}
            Err(error) => {
                self.answer(waiting.submitted.reply_to, Err(Refusal::Failure));
                self.failures.push(error);
                self.go_on(lane, now);
                return;
            }
        }
        if self.run(waiting.submitted, waiting.loads, now) {
            self.go_on(lane, now);
        }
    }

    /// The next rows to read.
    pub fn poll_load(&mut self) -> Option<LoadRequest> {
        self.requests.pop()
    }

    fn go_on(&mut self, lane: u64, now: TimeMs) {
        while let Some(next) = self.held.get_mut(&lane).and_then(VecDeque::pop_front) {
            if !self.run(next, 0, now) {
                return;
            }
        }
        self.held.remove(&lane);
    }

    /// Stages a command; `false` when it must wait for rows.
    fn run(&mut self, submitted: Submitted<R>, loads: u32, now: TimeMs) -> bool {
        if self.broken {
            self.answer(submitted.reply_to, Err(Refusal::Failure));
            return true;
        }
        let facts = match self.gather(&submitted.command) {
            Ok(facts) => facts,
            Err(_) if loads >= LOADS_PER_COMMAND_MAX => {
                self.answer(submitted.reply_to, Err(Refusal::Busy));
                return true;
            }
            Err(keys) => {
                self.next_load += 1;
                let id = self.next_load;
                self.requests.push(LoadRequest { id, keys });
                self.waiting.insert(
                    id,
                    Waiting {
                        submitted,
                        asked_at: self.commit,
                        epoch: self.epoch,
                        loads: loads + 1,
                    },
                );
                return false;
            }
        };
        let decision = &mut self.decision;
        let reply = decide(
            &submitted.command,
            facts,
            &mut self.numbers,
            &self.policy,
            now,
            decision,
        );
        if reply.is_ok() {
            let commit = CommitNumber(self.commit.0 + 1);
            self.state.apply(&decision.effects, commit);
            self.batch.effects.append(&mut decision.effects);
            self.batch.told.append(&mut decision.told);
            self.batch.bytes += submitted.command.bytes();
        }
        self.answer(submitted.reply_to, reply);
        true
    }

    /// What `command` looks at, or the keys of what must be loaded.
    fn gather(&mut self, command: &Command) -> Result<Facts, Vec<Key>> {
        let mut keys = match needs(command, &mut self.state, &*self.presence) {
            Ok(facts) => return Ok(facts),
            Err(keys) => keys,
        };
        // A client's id that is not in memory is none of this batch; most are new, which the store knows without reading.
        let loaded = keys.len();
        keys.retain(|key| match key {
            Key::ClientId(named)
                if self
                    .store
                    .is_new_client_id(named.sender, named.origin, &named.client_id) =>
            {
                self.state.insert(Row::ClientId(named.clone(), None));
                false
            }
            _ => true,
        });
        match keys.is_empty() && loaded > 0 {
            true => needs(command, &mut self.state, &*self.presence),
            false => Err(keys),
        }
    }

    fn answer(&mut self, reply_to: R, reply: Result<Reply, Refusal>) {
        self.batch.commands += 1;
        self.batch.replies.push((reply_to, reply));
    }

    /// Ends the batch: commits it and gives what may leave now.
    ///
    /// If the commit fails memory is dropped and the store opened again, which says whether the batch is stored all the same: if so, it
    /// is released as any other, else the whole batch is refused. As long as the store cannot be opened every command is refused.
    pub fn commit(&mut self) -> Released<R> {
        let batch = self.batch.take();
        let mut released = Released {
            commit: None,
            told: batch.told,
            replies: batch.replies,
            effects: batch.effects.len(),
            failures: std::mem::take(&mut self.failures),
        };
        if self.broken {
            // Nothing was decided since.
            self.reopen(&mut released);
            if let Some((number, told)) = self.uncertain.take_if(|_| !self.broken)
                && number == self.commit
            {
                released.commit = Some(number);
                released.told = told;
            }
        }
        if batch.effects.is_empty() {
            self.shrink();
            return released;
        }
        let number = CommitNumber(self.commit.0 + 1);
        if let Err(error) = self.store.commit(number, &batch.effects) {
            released.failures.push(error);
            self.broken = true;
            self.reopen(&mut released);
            if self.broken || self.commit != number {
                released.effects = 0;
                released
                    .replies
                    .iter_mut()
                    .for_each(|(_, reply)| *reply = Err(Refusal::Failure));
                let told = std::mem::take(&mut released.told);
                self.uncertain = self.broken.then_some((number, told));
                return released;
            }
        }
        self.commit = number;
        released.commit = Some(number);
        self.shrink();
        released
    }

    fn shrink(&mut self) {
        let floor = self.waiting.values().map(|waiting| waiting.asked_at).min();
        self.state.shrink(floor.unwrap_or(self.commit));
    }

    /// Drops memory and opens the store again, if it can be.
    fn reopen(&mut self, released: &mut Released<R>) {
        self.state = State::default();
        self.epoch += 1;
        match self.store.open() {
            Ok(counters) => {
                self.numbers = numbers_after(counters);
                self.commit = counters.commit;
                self.broken = false;
            }
            Err(error) => released.failures.push(error),
        }
    }

    /// Leaves the store tidy. Everything committed is stored in any case.
    ///
    /// # Errors
    /// When the store could not finish.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.store.close()
    }
}

fn numbers_after(counters: Counters) -> Numbers {
    Numbers {
        account: counters.account.max(AccountId::SERVER),
        conversation: counters.conversation,
        ids: IdGenerator::new(0, counters.message),
    }
}
