//! The writer's thread: drain, decide, commit, release.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use crate::admin::metrics::{CommandResult, Counter, Gauge, Histogram, Recorder};
use crate::config::LogLevel;
use crate::domain::command::{Refusal, Reply};
use crate::domain::event::{Audience, Told};
use crate::limits::{INBOX_ENTRIES_MAX, LOADS_PER_SNAPSHOT_MAX};
use crate::runtime::inbox::{CommandSlot, Entry, Inbox};
use crate::runtime::shared::Shared;
use crate::runtime::work_queue::WorkQueue;
use crate::store::writer::{LoadRequest, Loaded, Released, Submitted, Writer};

/// How long the writer rests while a shard has too much in its inbox.
const INBOX_FULL_REST: Duration = Duration::from_micros(200);

/// How long the writer waits for something to do before it tries again to open a store that has failed.
const REOPEN_REST: Duration = Duration::from_secs(1);

/// Something for the writer.
#[derive(Debug)]
pub enum ToWriter {
    /// A command.
    Submit(Submitted<CommandSlot>),
    /// Rows that commands wait for.
    Loaded(Vec<Loaded>),
    /// Commit what is there and stop.
    Stop,
}

/// The writer with all that its thread needs.
pub struct WriterThread {
    /// The state machine.
    pub writer: Writer<CommandSlot>,
    /// Where everything comes from.
    pub inbox: Receiver<ToWriter>,
    /// Where what must be read goes.
    pub readers: Arc<WorkQueue>,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Counts for this thread.
    pub recorder: Recorder,
    /// How long it looks for work before it sleeps.
    pub busy_poll: Duration,
}

impl WriterThread {
    /// Runs until it is told to stop, then leaves the store tidy.
    pub fn run(mut self) {
        let mut stopping = false;
        while !stopping {
            self.wait_for_inboxes();
            match self.wait() {
                Ok(first) => stopping = self.handle(first),
                // To see whether the store opens again.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while !stopping && !self.writer.is_batch_full() {
                match self.inbox.try_recv() {
                    Ok(next) => stopping = self.handle(next),
                    Err(_) => break,
                }
            }
            self.request_loads();
            let mut released = self.commit();
            self.tell(&mut released);
            self.publish(&released);
            self.answer(released);
        }
        if let Err(error) = self.writer.close() {
            self.shared
                .log(LogLevel::Error, &format!("closing the store: {error}"));
        }
    }

    /// Waits for work, at first without sleeping if it is to be so, and not for long while the store is closed.
    fn wait(&self) -> Result<ToWriter, RecvTimeoutError> {
        if !self.busy_poll.is_zero() {
            let begun = Instant::now();
            while begun.elapsed() < self.busy_poll {
                match self.inbox.try_recv() {
                    Ok(first) => return Ok(first),
                    Err(TryRecvError::Empty) => std::hint::spin_loop(),
                    Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                }
            }
        }
        match self.writer.is_healthy() {
            true => Ok(self.inbox.recv()?),
            false => self.inbox.recv_timeout(REOPEN_REST),
        }
    }

    /// Takes something into the batch; `true` when it is time to stop.
    pub fn handle(&mut self, input: ToWriter) -> bool {
        match input {
            ToWriter::Submit(submitted) => {
                self.writer.handle_submitted(submitted, self.shared.wall())
            }
            ToWriter::Loaded(loaded) => {
                for loaded in loaded {
                    self.writer.handle_loaded(loaded, self.shared.wall());
                }
            }
            ToWriter::Stop => return true,
        }
        false
    }

    /// A server that stops has shards that do not look any more.
    fn wait_for_inboxes(&self) {
        let is_full = |inbox: &Inbox| inbox.len() > INBOX_ENTRIES_MAX;
        while !self.shared.is_draining() && self.shared.inboxes.iter().any(is_full) {
            std::thread::sleep(INBOX_FULL_REST);
        }
    }

    /// Has the readers fetch what commands wait for.
    pub fn request_loads(&mut self) {
        let mut requests = std::iter::from_fn(|| self.writer.poll_load()).peekable();
        while requests.peek().is_some() {
            let some: Vec<LoadRequest> = requests.by_ref().take(LOADS_PER_SNAPSHOT_MAX).collect();
            self.recorder
                .count(Counter::CommandMisses, some.len() as u64);
            self.readers.push_loads(some);
        }
    }

    /// Ends the batch. What comes of it leaves in this order: [`WriterThread::tell`], [`WriterThread::publish`],
    /// [`WriterThread::answer`].
    pub fn commit(&mut self) -> Released<CommandSlot> {
        let left = self.inbox.len();
        self.shared
            .pressure
            .batch_taken(self.shared.now_us(), left > 0);
        self.recorder.set(Gauge::WriterQueue, left as u64);
        self.recorder
            .set(Gauge::CommandsParked, self.writer.parked() as u64);
        let commands = self.writer.batch_commands();
        let begun_us = self.shared.now_us();
        let released = self.writer.commit();
        if released.commit.is_some() {
            let took_us = self.shared.now_us() - begun_us;
            self.shared.pressure.committed(took_us);
            self.recorder
                .time(Histogram::CommitDuration, Duration::from_micros(took_us));
            self.recorder
                .observe(Histogram::CommitCommands, commands as u64);
            self.recorder
                .observe(Histogram::CommitEffects, released.effects as u64);
        }
        if !released.failures.is_empty() {
            self.recorder.count(Counter::CommitFailures, 1);
        }
        for failure in &released.failures {
            self.shared
                .log(LogLevel::Error, &format!("the store failed: {failure}"));
        }
        self.shared
            .store_healthy
            .store(self.writer.is_healthy(), Ordering::Relaxed);
        released
    }

    /// Events to every inbox concerned.
    pub fn tell(&mut self, released: &mut Released<CommandSlot>) {
        let Some(number) = released.commit else {
            return;
        };
        let shards = self.shared.inboxes.len();
        let mut told: Vec<Vec<Told>> = per_shard(shards, released.told.len());
        for one in released.told.drain(..) {
            let concerned = self.concerned(one.audience);
            for (shard, told) in told.iter_mut().enumerate() {
                if concerned >> shard & 1 == 1 {
                    told.push(one.clone());
                }
            }
        }
        for (inbox, told) in self.shared.inboxes.iter().zip(told) {
            if !told.is_empty() {
                inbox.push(Entry::Commit { number, told });
                inbox.wake();
            }
        }
    }

    /// The commit's number: whoever sees it finds the events in the inboxes.
    pub fn publish(&mut self, released: &Released<CommandSlot>) {
        if let Some(number) = released.commit {
            self.shared.publish(number);
        }
    }

    /// The answers.
    pub fn answer(&mut self, released: Released<CommandSlot>) {
        let shards = self.shared.inboxes.len();
        let mut replies: Vec<Vec<_>> = per_shard(shards, released.replies.len());
        for (slot, reply) in released.replies {
            self.recorder
                .count(Counter::Commands(command_result(&reply)), 1);
            if let Some(replies) = replies.get_mut(slot.shard) {
                replies.push((slot, reply));
            }
        }
        for (inbox, replies) in self.shared.inboxes.iter().zip(replies) {
            if !replies.is_empty() {
                inbox.push(Entry::Replies(replies));
                inbox.wake();
            }
        }
    }

    /// The shards that are told, one bit each.
    fn concerned(&self, audience: Audience) -> u64 {
        match audience {
            Audience::One(account) => self.shared.sessions.shards(account),
            Audience::Two(one, other) => {
                self.shared.sessions.shards(one) | self.shared.sessions.shards(other)
            }
            Audience::Everyone => u64::MAX,
        }
    }
}

/// A list for each shard, with room for its share of so many if there are more of them than shards.
fn per_shard<T>(shards: usize, count: usize) -> Vec<Vec<T>> {
    let room = count / shards.max(1);
    (0..shards).map(|_| Vec::with_capacity(room)).collect()
}

fn command_result(reply: &Result<Reply, Refusal>) -> CommandResult {
    match reply {
        Ok(_) => CommandResult::Done,
        Err(Refusal::NoSuchAccount) => CommandResult::NoSuchAccount,
        Err(Refusal::NoSuchConversation) => CommandResult::NoSuchConversation,
        Err(Refusal::NotAGroup) => CommandResult::NotAGroup,
        Err(Refusal::NotAMember) => CommandResult::NotAMember,
        Err(Refusal::NotTheOwner) => CommandResult::NotTheOwner,
        Err(Refusal::OtherPeer) => CommandResult::OtherPeer,
        Err(Refusal::BadName) => CommandResult::BadName,
        Err(Refusal::ToSelf) => CommandResult::ToSelf,
        Err(Refusal::GroupFull) => CommandResult::GroupFull,
        Err(Refusal::NoSuchMessage) => CommandResult::NoSuchMessage,
        Err(Refusal::TokenTaken) => CommandResult::TokenTaken,
        Err(Refusal::NoAgent) => CommandResult::NoAgent,
        Err(Refusal::Busy) => CommandResult::Busy,
        Err(Refusal::Failure) => CommandResult::Failure,
    }
}
