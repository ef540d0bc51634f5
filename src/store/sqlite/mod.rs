//! The store on disk: one SQLite file in WAL mode, written by one connection and read by others.
//!
//! `lock` keeps a second server out of the data directory, `migrate` brings the file to the schema that `write` and `read` speak.
//! `guest` reads beside a server that holds the directory, and `backup` copies so. Nothing outside this module knows of SQL.

pub mod backup;
pub mod guest;
mod lock;
mod migrate;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::domain::command::Effect;
use crate::domain::ids::CommitNumber;
use crate::limits::{
    READER_CACHE_BYTES_MAX, STORE_BUSY_MS_MAX, STORE_CACHE_BYTES_MAX, WAL_BYTES_MAX,
    WAL_CHECKPOINT_PAGES,
};
use crate::store::{Counters, Reader, Result, Store, StoreError};

use lock::DirectoryLock;
use read::SqliteReader;

/// The database's name in the data directory.
const FILE_NAME: &str = "imd.sqlite";
/// Bytes of a database page.
const PAGE_BYTES: u32 = 8 * 1024;
/// Prepared statements that each connection keeps; there are fewer.
const STATEMENTS_MAX: usize = 48;

/// What a commit survives once it has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power: it is synced to disk.
    #[default]
    Full,
    /// The end of the process, however sudden. A loss of power may take the newest commits, but leaves the file whole.
    Process,
}

/// Keeps everything in `imd.sqlite` in a data directory, which it holds for itself while it is open.
pub struct SqliteStore {
    dir: PathBuf,
    durability: Durability,
    /// The writing connection, while open.
    connection: Option<Connection>,
    /// Whether a commit failed since the last [`Store::open`].
    failed: bool,
    /// Declared last: it is let go after the connection.
    lock: Option<DirectoryLock>,
}

impl SqliteStore {
    /// A store in the directory `dir`. Nothing is touched before [`Store::open`], which makes the directory if need be.
    pub fn new(dir: impl Into<PathBuf>, durability: Durability) -> SqliteStore {
        SqliteStore {
            dir: dir.into(),
            durability,
            connection: None,
            failed: false,
            lock: None,
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }
}

impl Store for SqliteStore {
    fn open(&mut self) -> Result<Counters> {
        if self.lock.is_none() {
            self.lock = Some(DirectoryLock::take(&self.dir)?);
        }
        if let (true, Some(connection)) = (self.failed, &self.connection) {
            discard_failed(connection)?;
        }
        self.connection = None;
        let file = self.file();
        let connection =
            open_writer(&file, self.durability).map_err(|error| error.of_file(&file))?;
        let counters = read::counters(&connection).map_err(|error| error.of_file(&file))?;
        self.connection = Some(connection);
        self.failed = false;
        Ok(counters)
    }

    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()> {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.failed) else {
            return Err(StoreError(format!(
                "{} is not open for writing",
                self.dir.join(FILE_NAME).display()
            )));
        };
        let result = write::commit(connection, number, effects);
        self.failed = result.is_err();
        result
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        let file = self.file();
        let reader = open_reader(&file).map_err(|error| error.of_file(&file))?;
        Ok(Box::new(reader))
    }

    fn close(&mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        let moved = checkpoint(&connection);
        let closed = connection
            .close()
            .map_err(|(_, error)| StoreError::from(error));
        self.lock = None;
        moved
            .and(closed)
            .map_err(|error| error.of_file(&self.file()))
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
    configure(&connection, STORE_CACHE_BYTES_MAX)?;
    // Before anything is changed: the file may be a newer program's, or another's.
    let version = migrate::version(&connection)?;
    // Heeded only while the file is empty.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Err(StoreError(format!(
            "SQLite keeps no write-ahead log here, but a journal of mode {journal}"
        )));
    }
    // Normal syncs at checkpoints only: what is not synced yet lies in the kernel's hands, and the file is whole at any moment.
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Process => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", int(WAL_CHECKPOINT_PAGES as u64))?;
    connection.pragma_update(None, "journal_size_limit", int(WAL_BYTES_MAX as u64))?;
    // What is taken back is gone from the file, not only from its index.
    connection.pragma_update(None, "secure_delete", "on")?;
    migrate::migrate(&mut connection, version)?;
    if version == 0 {
        checkpoint(&connection)?;
        sync_created(file)?;
    }
    Ok(connection)
}

fn open_reader(file: &Path) -> Result<SqliteReader> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection, READER_CACHE_BYTES_MAX)?;
    Ok(SqliteReader::new(connection))
}

/// What writer and readers have in common.
fn configure(connection: &Connection, cache_bytes_max: usize) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_timeout(Duration::from_millis(STORE_BUSY_MS_MAX))?;
    // A negative size is in KiB, a positive one in pages.
    connection.pragma_update(None, "cache_size", -int(cache_bytes_max as u64 / 1024))?;
    connection.pragma_update(None, "mmap_size", 0)?;
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
