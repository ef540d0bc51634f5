//! What the store is held to: messages appended to a table without any index, a row for each, with the store's settings. Nothing can be
//! found in it but by its id.
//!
//! Like the store it moves its write-ahead log on a thread of its own and starts the log anew before it grows past the same bound.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use imd::domain::command::Effect;
use imd::limits::{STORE_CACHE_BYTES_MAX, WAL_BYTES_MAX, WAL_CHECKPOINT_PAGES};
use imd::store::sqlite::Durability;
use rusqlite::{Connection, TransactionBehavior, params};

const PAGE_BYTES: usize = 8 * 1024;
const SCHEMA: &str = "
    CREATE TABLE message (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, position INTEGER NOT NULL, sender INTEGER NOT NULL,
        at INTEGER NOT NULL, kind INTEGER NOT NULL, body TEXT NOT NULL, origin INTEGER NOT NULL, client_id TEXT, attributes TEXT,
        recalled INTEGER NOT NULL) STRICT";
const PUT: &str = "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// The log, open for appending.
pub struct BareLog {
    connection: Connection,
    /// Pages in the write-ahead log when it was moved last.
    wal_pages: Arc<AtomicUsize>,
    bytes: usize,
    wake: Sender<()>,
    mover: JoinHandle<()>,
}

impl BareLog {
    /// A new log in `directory`.
    pub fn create(directory: &Path, durability: Durability) -> rusqlite::Result<BareLog> {
        let connection = connect(directory, durability)?;
        connection.execute_batch(SCHEMA)?;
        let wal_pages = Arc::new(AtomicUsize::new(0));
        let (wake, woken) = channel();
        let (other, pages) = (connect(directory, durability)?, Arc::clone(&wal_pages));
        let mover = thread::spawn(move || {
            for () in woken {
                let moved = other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                    row.get::<_, u32>(1)
                });
                pages.store(moved.unwrap_or(0) as usize, Ordering::Relaxed);
            }
        });
        Ok(BareLog {
            connection,
            wal_pages,
            bytes: 0,
            wake,
            mover,
        })
    }

    /// Appends the messages of `effects` in one commit and leaves the rest.
    pub fn commit(&mut self, effects: &[Effect]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for effect in effects {
            let Effect::Append(message) = effect else {
                continue;
            };
            transaction.prepare_cached(PUT)?.execute(params![
                message.id.0.cast_signed(),
                message.conversation.0.cast_signed(),
                message.position.0.cast_signed(),
                message.sender.0.cast_signed(),
                message.at.0,
                message.kind.code(),
                &*message.body,
                message.origin as u8,
                message.client_id.as_deref(),
                message.attributes.as_deref(),
                message.recalled,
            ])?;
            self.bytes += message.body.len();
        }
        transaction.commit()?;
        if self.bytes >= WAL_CHECKPOINT_PAGES * PAGE_BYTES / 2 {
            self.bytes = 0;
            // Gone only when the thread has ended, which `close` would show.
            let _ = self.wake.send(());
        }
        if self.wal_pages.load(Ordering::Relaxed) * PAGE_BYTES >= WAL_BYTES_MAX * 3 / 4 {
            self.wal_pages.store(0, Ordering::Relaxed);
            let restart = "PRAGMA wal_checkpoint(RESTART)";
            self.connection.query_row(restart, [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Moves everything into the file.
    pub fn close(self) -> rusqlite::Result<()> {
        drop(self.wake);
        self.mover
            .join()
            .expect("the thread ends when it is not woken");
        let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(truncate, [], |_| Ok(()))
    }
}

/// With the settings of the store's writer.
fn connect(directory: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = Connection::open(directory.join("imd.sqlite"))?;
    // First: the cache's bytes are made pages of this size as they are set.
    connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    connection.pragma_update(None, "cache_size", -((STORE_CACHE_BYTES_MAX / 1024) as i64))?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.query_row("PRAGMA journal_mode = wal", [], |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Process => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "secure_delete", "fast")?;
    Ok(connection)
}
