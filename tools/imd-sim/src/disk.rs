//! A store on disk that can be killed: between any two commits, and in the middle of writing one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use imd::store::sqlite::SqliteStore;
use imd::store::sqlite::check::check;
use imd::store::{Counters, Store};
use tempfile::TempDir;

use crate::history::{Broken, Kept, hold};

const DATABASE: &str = "imd.sqlite";
const LOG: &str = "imd.sqlite-wal";
/// Where the write-ahead log says which one it is: another salt is another log.
const SALT: std::ops::Range<usize> = 16..24;
/// After so many messages they are folded.
const FOLD_MESSAGES: usize = 20;

/// The directories of a store, one after the other: each kill leaves one behind as it is and goes on in a copy.
pub struct Disk {
    root: TempDir,
    lives: u32,
}

/// The files of a store at some moment.
pub struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

fn failed(error: io::Error) -> Broken {
    Broken(format!("the disk: {error}"))
}

fn read(path: &Path) -> Kept<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(failed),
    }
}

impl Disk {
    /// An empty one, in memory where the system has such a directory.
    ///
    /// # Errors
    /// When there is no room.
    pub fn new() -> Kept<Disk> {
        let memory = Path::new("/dev/shm");
        let root = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Ok(Disk {
            root: root.map_err(failed)?,
            lives: 0,
        })
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join(self.lives.to_string())
    }

    /// A store on what there is: one that folds, merges and starts its log anew all the time.
    pub fn store(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::busy(self.directory(), FOLD_MESSAGES))
    }

    /// The files as they are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn files(&self) -> Kept<Files> {
        let directory = self.directory();
        // In this order: what is moved out of the log in between is still in it.
        Ok(Files {
            database: read(&directory.join(DATABASE))?,
            log: read(&directory.join(LOG))?,
        })
    }

    /// Goes on in a directory that has these files, and gives the store there. The one before is left as it is.
    ///
    /// # Errors
    /// When they cannot be written, or what they hold is not whole.
    pub fn go_on(&mut self, files: &Files, is_checked: bool) -> Kept<Box<dyn Store>> {
        let old = self.directory();
        self.lives += 1;
        let directory = self.directory();
        fs::create_dir(&directory).map_err(failed)?;
        fs::write(directory.join(DATABASE), &files.database).map_err(failed)?;
        fs::write(directory.join(LOG), &files.log).map_err(failed)?;
        // The files that are still open there stay until they are closed.
        fs::remove_dir_all(old).map_err(failed)?;
        if is_checked && !files.database.is_empty() {
            self.check()?;
        }
        Ok(self.store())
    }

    /// Holds the files to each other. Nobody may have them open.
    ///
    /// # Errors
    /// When something is wrong.
    pub fn check(&self) -> Kept {
        let report =
            check(&self.directory()).map_err(|error| Broken(format!("checking: {error}")))?;
        hold(report.is_whole(), || {
            format!("not whole: {:?}", report.faults)
        })
    }
}

impl Files {
    /// The files of a process that was killed while it wrote what leads from these to `after`: of the log's changed bytes the first
    /// `share` of 1,000 parts.
    pub fn torn(self, after: Files, share: usize) -> Files {
        let same = |one: &[u8], other: &[u8]| one.get(SALT) == other.get(SALT);
        if !self.log.is_empty() && !same(&self.log, &after.log) {
            // The log was started anew in between: it was written out before.
            return after;
        }
        let pairs = self.log.iter().zip(&after.log);
        let first = pairs.take_while(|(one, other)| one == other).count();
        let until = first + (after.log.len() - first) * share / 1_000;
        let mut log = after.log[..until].to_vec();
        log.extend(self.log.get(until..).unwrap_or_default());
        Files { log, ..self }
    }
}

/// The newest commit of a store that is opened.
///
/// # Errors
/// When it cannot be opened.
pub fn newest(store: &mut dyn Store) -> Kept<Counters> {
    store
        .open()
        .map_err(|error| Broken(format!("opening after a kill: {error}")))
}
