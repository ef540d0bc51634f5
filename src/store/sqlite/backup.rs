//! A copy of the database as it is at one moment, made while a server may be using it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::domain::ids::CommitNumber;
use crate::limits::{BACKUP_STEP_PAGES, STORE_CACHE_BYTES_MAX};
use crate::store::sqlite::{FILE_NAME, configure, io_error, migrate, open_new, open_reader, read};
use crate::store::{Result, StoreError};

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The newest commit in the copy; `None` if another version of the program wrote the file.
    pub commit: Option<CommitNumber>,
    /// Bytes of the copy.
    pub bytes: u64,
}

/// Copies the database in `directory` to the new file `to`, which then is whole and synced.
///
/// The copy is one snapshot: commits go on meanwhile, but the log grows by what they write, since it is not reused before the end.
/// Until it is whole the copy is called `to` with `.partial` after it.
///
/// # Errors
/// When `to` or the partial copy is there already, or something cannot be read or written; then no file is left behind.
pub fn backup(directory: &Path, to: &Path) -> Result<Copied> {
    if to.symlink_metadata().is_ok() {
        return Err(taken(to));
    }
    let partial = partial_of(to)?;
    open_new(&partial).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError(format!(
            "{} is there: another backup is under way, or one was cut off; then remove it",
            partial.display()
        )),
        _ => io_error("create", &partial, error),
    })?;
    let copied = copy(directory, &partial).and_then(|copied| {
        put_in_place(&partial, to)?;
        Ok(copied)
    });
    if copied.is_err() {
        // What failed is told; a partial copy that cannot be removed is named when the backup is tried again.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn taken(to: &Path) -> StoreError {
    StoreError(format!(
        "{} is there already: name a file that is not",
        to.display()
    ))
}

fn partial_of(to: &Path) -> Result<PathBuf> {
    let Some(name) = to.file_name() else {
        return Err(StoreError(format!("{} names no file", to.display())));
    };
    let mut name = name.to_owned();
    name.push(".partial");
    Ok(to.with_file_name(name))
}

fn copy(directory: &Path, partial: &Path) -> Result<Copied> {
    let file = directory.join(FILE_NAME);
    let source = open_reader(&file).map_err(|error| error.of_file(&file))?;
    // An open transaction makes all steps one snapshot. Without it each commit of a server would have the copy start anew.
    let commit = begin(&source).map_err(|error| error.of_file(&file))?;
    write_pages(&source, partial).map_err(|error| error.of_file(partial))?;
    let written = File::open(partial).and_then(|written| {
        written.sync_all()?;
        written.metadata()
    });
    let bytes = written
        .map_err(|error| io_error("sync", partial, error))?
        .len();
    Ok(Copied { commit, bytes })
}

/// Begins a transaction, which sees the file as it is, and gives the newest commit if this program knows where that stands.
fn begin(source: &Connection) -> Result<Option<CommitNumber>> {
    source.execute_batch("BEGIN")?;
    match migrate::version(source)? {
        migrate::VERSION => read::newest_commit(source).map(Some),
        _ => Ok(None),
    }
}

fn write_pages(source: &Connection, partial: &Path) -> Result<()> {
    let mut target = Connection::open_with_flags(
        partial,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&target, STORE_CACHE_BYTES_MAX)?;
    // A copy that is cut off is thrown away, and a whole one is synced at the end.
    target.pragma_update(None, "journal_mode", "off")?;
    target.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(source, &mut target)?;
    loop {
        match backup.step(BACKUP_STEP_PAGES as i32)? {
            StepResult::More => {}
            StepResult::Done => break,
            _ => return Err(StoreError("another process holds it".to_owned())),
        }
    }
    drop(backup);
    target.close().map_err(|(_, error)| StoreError::from(error))
}

/// Gives the whole copy its name, unless that was taken meanwhile, and syncs the directory.
fn put_in_place(partial: &Path, to: &Path) -> Result<()> {
    match renameat_with(CWD, partial, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can do it in one step.
        Err(Errno::INVAL | Errno::NOSYS) if to.symlink_metadata().is_err() => {
            fs::rename(partial, to)
        }
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS) => return Err(taken(to)),
        renamed => renamed.map_err(io::Error::from),
    }
    .map_err(|error| io_error("rename the copy to", to, error))?;
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error("sync", parent, error))
}
