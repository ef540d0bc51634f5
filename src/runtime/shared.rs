//! What the threads of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::admin::metrics::Metrics;
use crate::domain::ids::{AccountId, CommitNumber, TimeMs};
use crate::domain::presence::Presence;
use crate::limits::QUEUE_WAIT_US_MAX;
use crate::runtime::clock::Clock;
use crate::runtime::inbox::Inbox;
use crate::runtime::sessions::Sessions;

/// Where log lines go: main prints them.
pub type Log = Arc<dyn Fn(crate::config::LogLevel, &str) + Send + Sync>;

/// What the threads of a server share.
pub struct Shared {
    /// The newest commit that every inbox has been given: set after the inboxes, before the answers.
    published: AtomicU64,
    /// Which shards look after an account.
    pub sessions: Sessions,
    /// One for each shard.
    pub inboxes: Vec<Inbox>,
    /// How the writer keeps up.
    pub pressure: Pressure,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// Where log lines go.
    pub log: Log,
    /// Bytes of uploads that wait for the disk.
    pub upload_bytes: AtomicUsize,
    /// Open connections, over all shards.
    pub connections: AtomicUsize,
    /// Whether the server is stopping.
    draining: AtomicBool,
    /// Whether the writer runs.
    pub writer_alive: AtomicBool,
    /// Whether the store takes commits.
    pub store_healthy: AtomicBool,
    clock: Arc<dyn Clock>,
    started_at: TimeMs,
}

impl Shared {
    /// What a server begins with: nothing published after `commit`.
    pub fn new(
        commit: CommitNumber,
        inboxes: Vec<Inbox>,
        metrics: Arc<Metrics>,
        log: Log,
        clock: Arc<dyn Clock>,
    ) -> Shared {
        Shared {
            published: AtomicU64::new(commit.0),
            sessions: Sessions::default(),
            inboxes,
            pressure: Pressure::default(),
            metrics,
            log,
            upload_bytes: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            writer_alive: AtomicBool::new(true),
            store_healthy: AtomicBool::new(true),
            started_at: clock.wall(),
            clock,
        }
    }

    /// The newest commit that every inbox has been given.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Says that every inbox has been given `commit`.
    pub fn publish(&self, commit: CommitNumber) {
        self.published.store(commit.0, Ordering::Release);
    }

    /// Has every shard finish what it has and take nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.inboxes.iter().for_each(Inbox::wake);
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The monotonic clock in microseconds, never 0.
    pub fn now_us(&self) -> u64 {
        self.clock.monotonic_us()
    }

    /// The wall clock.
    pub fn wall(&self) -> TimeMs {
        self.clock.wall()
    }

    /// The wall clock when the server started, in milliseconds since the Unix epoch.
    pub fn started_at_ms(&self) -> u64 {
        self.started_at.0 as u64
    }

    /// Writes a log line.
    pub fn log(&self, level: crate::config::LogLevel, line: &str) {
        (self.log)(level, line);
    }
}

/// Who has a socket at this server.
pub struct OnlineHere(pub Arc<Shared>);

impl Presence for OnlineHere {
    fn is_online(&self, account: AccountId) -> bool {
        self.0.sessions.is_online(account)
    }
}

/// How long commands wait for the writer.
#[derive(Debug, Default)]
pub struct Pressure {
    /// When the oldest command that is in no batch was submitted, in microseconds of [`Shared::now_us`]; 0 for none.
    oldest_us: AtomicU64,
    /// How long the last commit took, in microseconds.
    commit_us: AtomicU64,
}

impl Pressure {
    /// A command is submitted.
    pub fn submitted(&self, now_us: u64) {
        let _ = self
            .oldest_us
            .compare_exchange(0, now_us, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The writer has taken a batch; `left` says whether commands are left.
    pub fn batch_taken(&self, now_us: u64, left: bool) {
        self.oldest_us
            .store(if left { now_us } else { 0 }, Ordering::Relaxed);
    }

    /// A commit took so long.
    pub fn committed(&self, took_us: u64) {
        self.commit_us.store(took_us, Ordering::Relaxed);
    }

    /// Whether commands have waited for too long: then no more are taken.
    pub fn is_high(&self, now_us: u64) -> bool {
        let oldest_us = self.oldest_us.load(Ordering::Relaxed);
        let bound_us = QUEUE_WAIT_US_MAX.max(2 * self.commit_us.load(Ordering::Relaxed));
        oldest_us != 0 && now_us.saturating_sub(oldest_us) > bound_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_high_when_the_oldest_command_has_waited_for_too_long() {
        let pressure = Pressure::default();
        assert!(!pressure.is_high(1 << 40));
        pressure.submitted(1_000);
        pressure.submitted(900_000);
        assert!(!pressure.is_high(1_000 + QUEUE_WAIT_US_MAX));
        assert!(pressure.is_high(1_001 + QUEUE_WAIT_US_MAX));
        pressure.committed(QUEUE_WAIT_US_MAX);
        assert!(!pressure.is_high(1_001 + QUEUE_WAIT_US_MAX));
        pressure.batch_taken(2_000, false);
        assert!(!pressure.is_high(1 << 40));
    }
}
