//! The store on disk: one SQLite file in WAL mode, written by one connection and read by others.
//!
//! A message costs its commit a part of a row that is appended to a `log`, and what changes as often stands there as well, or in a
//! `journal`; both go to a `tail` in memory, out of which snapshots are answered together with the file. A `fold` brings the tail's oldest
//! `segment` into sorted `run`s of `block`s and into pages of `members` and `heads`, and a `merge` keeps the runs few: a little of either
//! within each commit (`upkeep`), so that none takes long. What a crash leaves of the tail is `recover`ed from log and journal.
//! `checkpoint` keeps the write-ahead log small.
//!
//! `lock` keeps a second server out of the data directory, `migrate` brings the file to the schema that `write` and `read` speak.
//! `guest` reads beside a server that holds the directory, and `backup` copies so. Nothing outside this module knows of SQL.

pub mod backup;
mod block;
pub mod check;
mod checkpoint;
mod fold;
pub mod guest;
mod heads;
mod journal;
mod keys;
mod lock;
mod log;
mod members;
mod merge;
mod migrate;
mod newest;
mod read;
mod recover;
mod run;
mod segment;
mod sorted;
mod tail;
mod upkeep;
mod varint;
mod write;

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::domain::command::Effect;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, MessageId};
use crate::domain::message::Dialect;
use crate::limits::{
    READER_CACHE_BYTES_MAX, STORE_BUSY_MS_MAX, STORE_CACHE_BYTES_MAX, WAL_BYTES_MAX,
};
use crate::store::{Counters, Reader, Result, Store, StoreError};

use checkpoint::{Checkpointer, Thresholds};
use lock::DirectoryLock;
use newest::Newest;
use read::SqliteReader;
use recover::{FileState, recover};
use segment::Segment;
use tail::Tail;
use upkeep::{Load, Tuning, Upkeep};
use write::{Additions, Batch};

/// The database's name in the data directory.
const FILE_NAME: &str = "imd.sqlite";
/// Bytes of a database page.
const PAGE_BYTES: u32 = 8 * 1024;
/// Prepared statements that each connection keeps; there are fewer.
const STATEMENTS_MAX: usize = 64;

/// What a commit survives once it has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power: it is synced to disk.
    #[default]
    Full,
    /// The end of the process, however sudden. A loss of power may take the newest commits, but leaves the file whole.
    Process,
}

/// What the writing side shares with its readers.
#[derive(Debug, Default)]
struct Shared {
    tail: Tail,
    newest: Newest,
    /// Held for reading by whoever has a snapshot open. Closed while the write-ahead log starts anew.
    gate: RwLock<()>,
}

/// Keeps everything in `imd.sqlite` in a data directory, which it holds for itself while it is open.
pub struct SqliteStore {
    dir: PathBuf,
    durability: Durability,
    tuning: Tuning,
    thresholds: Thresholds,
    shared: Arc<Shared>,
    /// The writing side, while open.
    open: Option<Box<Open>>,
    /// Whether a commit failed since the last [`Store::open`].
    failed: bool,
    /// Declared last: it is let go after the connections.
    lock: Option<DirectoryLock>,
}

/// A store that is open for writing.
struct Open {
    /// Declared first: its connection goes before the writing one. `None` while a failed commit is dealt with.
    checkpointer: Option<Checkpointer>,
    connection: Connection,
    upkeep: Upkeep,
    /// The newest commit.
    commit: CommitNumber,
    /// The newest message.
    newest: MessageId,
    additions: Additions,
    /// A folded segment, kept for its memory.
    spare: Option<Segment>,
    /// Whether pages that become free are overwritten.
    is_erasing: bool,
}

impl SqliteStore {
    /// A store in the directory `dir`. Nothing is touched before [`Store::open`], which makes the directory if need be.
    pub fn new(dir: impl Into<PathBuf>, durability: Durability) -> SqliteStore {
        SqliteStore {
            dir: dir.into(),
            durability,
            tuning: Tuning::default(),
            thresholds: Thresholds::default(),
            shared: Arc::default(),
            open: None,
            failed: false,
            lock: None,
        }
    }

    /// For tests: a store that folds every `fold_messages` messages, merges three runs at a time and starts its log anew every few
    /// pages, so that all of it happens soon.
    pub fn busy(dir: impl Into<PathBuf>, fold_messages: usize) -> SqliteStore {
        let mut store = SqliteStore::new(dir, Durability::Process);
        store.tuning = Tuning {
            fold_messages,
            merge_runs: 3,
            quantum: 4,
            delete_blocks: 2,
            trim_commits: 4,
            ..Tuning::default()
        };
        store.thresholds = Thresholds {
            commits: 1,
            checkpoint: 20,
            left_max: 20,
            restart: 60,
            max: 200,
        };
        store
    }

    /// Which of fold, merges, deletions of runs and of the journal are under way.
    #[cfg(test)]
    pub(in crate::store) fn under_way(&self) -> [bool; 4] {
        let upkeep = self.open.as_ref().map(|open| &open.upkeep);
        upkeep.map_or([false; 4], Upkeep::under_way)
    }

    /// How many pages the write-ahead log has.
    #[cfg(test)]
    pub(in crate::store) fn log_pages(&self) -> usize {
        let open = self.open.as_ref().expect("it is open");
        let pages = checkpoint::log_pages(&open.connection);
        pages.expect("it can be read").0
    }

    fn file(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }

    fn open_file(&self, file: &Path) -> Result<(Open, Counters)> {
        let mut connection = open_writer(file, self.durability)?;
        let state = FileState::load(&connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let upkeep = Upkeep::load(&transaction, self.tuning, state.fold_commit)?;
        transaction.commit()?;
        let counters = read::counters(&connection)?;
        let (segments, newest) = recover(&connection, &state, &self.tuning)?;
        let checkpointer = open_checkpointer(file, self.durability)?;
        let open = Open {
            checkpointer: Some(Checkpointer::start(checkpointer, self.thresholds)?),
            connection,
            upkeep,
            commit: counters.commit,
            newest: MessageId(newest),
            additions: Additions::default(),
            spare: None,
            is_erasing: false,
        };
        self.shared.tail.reset(segments, state.secret);
        Ok((open, counters))
    }
}

impl Store for SqliteStore {
    fn open(&mut self) -> Result<Counters> {
        if self.lock.is_none() {
            self.lock = Some(DirectoryLock::take(&self.dir)?);
        }
        if let (true, Some(open)) = (self.failed, &mut self.open) {
            open.checkpointer = None;
            discard_failed(&open.connection)?;
        }
        self.open = None;
        self.shared.newest.unsettle();
        let file = self.file();
        let (open, counters) = self
            .open_file(&file)
            .map_err(|error| error.of_file(&file))?;
        self.shared.newest.settle(counters.commit.0);
        self.open = Some(Box::new(open));
        self.failed = false;
        Ok(counters)
    }

    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()> {
        let Some(open) = self.open.as_mut().filter(|_| !self.failed) else {
            return Err(StoreError(format!(
                "{} is not open for writing",
                self.dir.join(FILE_NAME).display()
            )));
        };
        let result = open.commit(&self.shared, &self.tuning, number, effects);
        self.failed = result.is_err();
        result
    }

    fn is_new_client_id(&self, sender: AccountId, origin: Dialect, client_id: &str) -> bool {
        let tail = &self.shared.tail;
        let secret = tail.secret();
        let key = secret.key(sender, ConversationId(0), origin, client_id);
        let Some(open) = self.open.as_ref().filter(|_| !self.failed) else {
            return false;
        };
        !tail.may_have(key) && !open.upkeep.may_have(key)
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        let file = self.file();
        let connection = open_reader(&file).map_err(|error| error.of_file(&file))?;
        let reader = SqliteReader::new(connection, Arc::clone(&self.shared));
        Ok(Box::new(reader))
    }

    fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        // Whoever opens the directory next does not tell the readers of this store.
        self.shared.newest.unsettle();
        let folded = match self.failed {
            true => Ok(()),
            false => open.fold_all(&self.shared),
        };
        open.checkpointer = None;
        let moved = checkpoint(&open.connection).map(|_| ());
        let closed = open.connection.close();
        let closed = closed.map_err(|(_, error)| StoreError::from(error));
        self.lock = None;
        folded
            .and(moved)
            .and(closed)
            .map_err(|error| error.of_file(&self.file()))
    }
}

impl Open {
    fn commit(
        &mut self,
        shared: &Shared,
        tuning: &Tuning,
        number: CommitNumber,
        effects: &[Effect],
    ) -> Result<()> {
        if number.0 != self.commit.0 + 1 {
            return Err(StoreError(format!(
                "commit {number} does not follow commit {}",
                self.commit
            )));
        }
        let tail = &shared.tail;
        let batch = Batch::new(effects);
        let erases = batch.has_changes(self.newest);
        if erases != std::mem::replace(&mut self.is_erasing, erases) {
            set_erasing(&self.connection, erases)?;
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let secret = tail.secret();
        let added = &mut self.additions;
        batch.write(&transaction, number, self.newest, &secret, added)?;
        let segments = tail.segments();
        let Some(newest) = segments.last() else {
            return Err(StoreError("the store has no tail".to_owned()));
        };
        // Before it is durable, so that no snapshot can show the commit without it.
        newest.append(number.0, &added.messages, &added.rows, &added.rows_at)?;
        let load = Load {
            commit: number.0,
            messages: added.messages.len(),
            member_bytes: added.rows.len(),
        };
        let is_folded = self.upkeep.step(&transaction, tail, load)?;
        shared.newest.unsettle();
        transaction.commit()?;
        shared.newest.settle(number.0);
        self.commit = number;
        if let Some(last) = added.messages.last() {
            self.newest = MessageId(last.entry.message);
        }
        if tuning.is_full(newest) {
            tail.seal(self.empty_segment(tuning));
        }
        drop(segments);
        if is_folded {
            // Unless a snapshot still has it.
            let folded = tail.drop_oldest().and_then(Arc::into_inner);
            // One that grew far beyond the others gives its memory back.
            self.spare =
                folded.filter(|folded| folded.read().members().len() <= 2 * tuning.fold_messages);
        }
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.committed(&self.connection, &shared.gate, load.messages);
        }
        Ok(())
    }

    /// A segment for what comes after the newest commit.
    fn empty_segment(&mut self, tuning: &Tuning) -> Segment {
        let (commit, message) = (self.commit.0, self.newest.0);
        match self.spare.take() {
            Some(mut spare) => {
                spare.clear(commit, message);
                spare
            }
            None => Segment::new(commit, message, tuning.room()),
        }
    }

    fn fold_all(&mut self, shared: &Shared) -> Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.upkeep.fold_all(&transaction, &shared.tail)?;
        transaction.commit()?;
        shared.tail.reset(Vec::new(), shared.tail.secret());
        Ok(())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError(error.to_string())
    }
}

impl StoreError {
    fn of_file(self, file: &Path) -> StoreError {
        StoreError(format!("{}: {}", file.display(), self.0))
    }
}

fn io_error(doing: &str, path: &Path, error: std::io::Error) -> StoreError {
    StoreError(format!("cannot {doing} {}: {error}", path.display()))
}

fn open_writer(file: &Path, durability: Durability) -> Result<Connection> {
    create_private(file)?;
    let mut connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // Heeded only while the file is empty. The cache's bytes are made pages of this size as they are set.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    configure(&connection, STORE_CACHE_BYTES_MAX)?;
    // Before anything is changed: the file may be a newer program's, or another's.
    let version = migrate::version(&connection)?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Err(StoreError(format!(
            "SQLite keeps no write-ahead log here, but a journal of mode {journal}"
        )));
    }
    set_durability(&connection, durability)?;
    // Its own thread does that.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", int(WAL_BYTES_MAX as u64))?;
    set_erasing(&connection, false)?;
    migrate::migrate(&mut connection, version)?;
    if version != migrate::VERSION {
        // What a migration writes may be more than the log is to have.
        checkpoint(&connection)?;
    }
    if version == 0 {
        sync_created(file)?;
    }
    Ok(connection)
}

fn set_durability(connection: &Connection, durability: Durability) -> Result<()> {
    // Normal syncs at checkpoints only: what is not synced yet lies in the kernel's hands, and the file is whole at any moment.
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Process => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(())
}

/// Whether pages that become free are overwritten, so that what is taken back is gone from the file. Bytes that become free within a page
/// always are. Blocks and the journal, which hold nothing of what was said, need it not.
fn set_erasing(connection: &Connection, erases: bool) -> Result<()> {
    let secure_delete = if erases { "on" } else { "fast" };
    connection.pragma_update(None, "secure_delete", secure_delete)?;
    Ok(())
}

/// A connection that only moves pages from the write-ahead log into the file.
fn open_checkpointer(file: &Path, durability: Durability) -> Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection, READER_CACHE_BYTES_MAX)?;
    set_durability(&connection, durability)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

fn open_reader(file: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection, READER_CACHE_BYTES_MAX)?;
    Ok(connection)
}

/// What writer and readers have in common.
fn configure(connection: &Connection, cache_bytes_max: usize) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_timeout(Duration::from_millis(STORE_BUSY_MS_MAX))?;
    // A negative size is in KiB, a positive one in pages.
    connection.pragma_update(None, "cache_size", -int(cache_bytes_max as u64 / 1024))?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // Plans do not depend on what is bound, so no statement is prepared again for another value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// Makes an empty `file` that only its owner can read, unless it is there. SQLite gives the files beside it the same mode.
fn create_private(file: &Path) -> Result<()> {
    match open_new(file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(io_error("create", file, error))
        }
        _ => Ok(()),
    }
}

/// Makes an empty `file` that only its owner can read, and that must not be there.
fn open_new(file: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
}

/// Syncs a `file` that was just made, its directory, and the directory in which that one stands.
fn sync_created(file: &Path) -> Result<()> {
    let file = fs::canonicalize(file).map_err(|error| io_error("find", file, error))?;
    for path in file.ancestors().take(3) {
        File::open(path)
            .and_then(|opened| opened.sync_all())
            .map_err(|error| io_error("sync", path, error))?;
    }
    Ok(())
}

/// Moves the whole log into the database, syncs it and empties the log. Readers may hold a part of it back: then `false`.
fn checkpoint(connection: &Connection) -> Result<bool> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// After a failed commit: empties the log, so that a commit which was written and could not be synced is not found in it later.
/// When that fails nothing can be promised about the disk, and the store stays closed for writing.
fn discard_failed(connection: &Connection) -> Result<()> {
    match checkpoint(connection)? {
        true => Ok(()),
        false => Err(StoreError(
            "a reader holds the log back that a failed commit must be removed from".to_owned(),
        )),
    }
}

/// `number` as SQLite keeps it. What is stored stays below 2^53; a greater number, which only a client can name, is nobody's.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
