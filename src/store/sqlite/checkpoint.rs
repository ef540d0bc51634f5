//! Keeps the write-ahead log small: pages go into the database file on a thread of their own, and the log starts anew when no snapshot
//! needs what is in it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;

use crate::limits::{
    STORE_BUSY_MS_MAX, WAL_CHECKPOINT_PAGES, WAL_LEFT_PAGES_MAX, WAL_PAGES_MAX, WAL_RESTART_PAGES,
    WAL_RESTART_WAIT_MS_MAX,
};
use crate::store::{Result, StoreError};

const LOG_PAGES: &str = "PRAGMA wal_checkpoint(NOOP)";
const MOVE_PAGES: &str = "PRAGMA wal_checkpoint(PASSIVE)";
const START_ANEW: &str = "PRAGMA wal_checkpoint(RESTART)";

/// So many messages count as a commit more.
const LOOK_MESSAGES: usize = 64;

/// At how many pages of the log what is done. Tests choose small numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    /// The log is looked at after so many commits, or that many times [`LOOK_MESSAGES`] messages.
    pub(super) commits: usize,
    /// See [`WAL_CHECKPOINT_PAGES`].
    pub(super) checkpoint: usize,
    /// See [`WAL_LEFT_PAGES_MAX`].
    pub(super) left_max: usize,
    /// See [`WAL_RESTART_PAGES`].
    pub(super) restart: usize,
    /// See [`WAL_PAGES_MAX`].
    pub(super) max: usize,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            commits: 4,
            checkpoint: WAL_CHECKPOINT_PAGES,
            left_max: WAL_LEFT_PAGES_MAX,
            restart: WAL_RESTART_PAGES,
            max: WAL_PAGES_MAX,
        }
    }
}

/// The thread that moves pages.
#[derive(Debug)]
pub(super) struct Checkpointer {
    /// Dropped first, which ends the thread.
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Held by whoever moves pages.
    moving: Arc<Mutex<()>>,
    thresholds: Thresholds,
    /// Since the log was looked at.
    commits: usize,
}

impl Checkpointer {
    /// Starts the thread, which moves pages through `connection`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(connection: Connection, thresholds: Thresholds) -> Result<Checkpointer> {
        let (wake, woken) = bounded(1);
        let moving = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&moving);
        let thread = std::thread::Builder::new()
            .name("imd-checkpoint".to_owned())
            .spawn(move || run(&connection, &woken, &shared))
            .map_err(|error| StoreError(format!("cannot start a thread: {error}")))?;
        Ok(Checkpointer {
            wake: Some(wake),
            thread: Some(thread),
            moving,
            thresholds,
            commits: 0,
        })
    }

    /// Called after each commit by the connection that made it, with the number of its messages. Readers hold `gate` while they have a
    /// snapshot open. What cannot be done is done after another commit.
    pub(super) fn committed(
        &mut self,
        connection: &Connection,
        gate: &RwLock<()>,
        messages: usize,
    ) {
        self.commits += 1 + messages / LOOK_MESSAGES;
        if self.commits < self.thresholds.commits {
            return;
        }
        self.commits = 0;
        let Thresholds {
            checkpoint,
            left_max,
            restart,
            max,
            ..
        } = self.thresholds;
        let Ok((pages, moved)) = log_pages(connection) else {
            return;
        };
        let left = pages.saturating_sub(moved);
        if pages >= max {
            self.start_anew(connection, gate);
        } else if pages >= restart && left < left_max {
            // While the thread is at it more is about to be moved: it can wait for the next commit.
            if !self.moving.is_locked() {
                self.start_anew(connection, gate);
            }
        } else if (left >= checkpoint || pages >= restart)
            && let Some(wake) = &self.wake
        {
            // A thread that has much to do is asked again after the next commit.
            let _ = wake.try_send(());
        }
    }

    /// Moves what is left while no snapshot is open, so that the next commit writes at the log's beginning.
    fn start_anew(&self, connection: &Connection, gate: &RwLock<()>) {
        let _moving = self.moving.lock();
        let wait = Duration::from_millis(WAL_RESTART_WAIT_MS_MAX);
        let Some(_closed) = gate.try_write_for(wait) else {
            return;
        };
        // Another program may have a snapshot open, for which nobody waits here.
        let busy = Duration::from_millis(STORE_BUSY_MS_MAX);
        let _ = connection
            .busy_timeout(Duration::ZERO)
            .and_then(|()| connection.query_row(START_ANEW, [], |_| Ok(())))
            .and(connection.busy_timeout(busy));
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its thread.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, moving: &Mutex<()>) {
    for () in woken {
        let _moving = moving.lock();
        // What could not be moved stays in the log, and another commit asks again.
        let _ = connection.query_row(MOVE_PAGES, [], |_| Ok(()));
    }
}

/// How many pages the log has, and how many of them are in the database file.
pub(super) fn log_pages(connection: &Connection) -> Result<(usize, usize)> {
    let found = connection
        .prepare_cached(LOG_PAGES)?
        .query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let pages = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok((pages(found.0), pages(found.1)))
}
