//! The lock that keeps a data directory to one server.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::store::sqlite::io_error;
use crate::store::{Result, StoreError};

/// The lock's name in the data directory. The file stays when the lock is let go; the kernel lets go when the process ends.
const FILE_NAME: &str = "imd.lock";

/// A data directory held for this process, until dropped.
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Holds `dir`, making it (for its owner only) if it is not there.
    pub(super) fn take(dir: &Path) -> Result<DirectoryLock> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| io_error("create the data directory", dir, error))?;
        let path = dir.join(FILE_NAME);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.map_err(|error| io_error("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(dir, &mut file)),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path, error)),
        }
        let noted = file
            .set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()));
        noted.map_err(|error| io_error("write", &path, error))?;
        Ok(DirectoryLock { _file: file })
    }
}

fn held(dir: &Path, file: &mut File) -> StoreError {
    let mut holder = String::new();
    // The number only helps to find the other server, so the message stands without it.
    let process = match file
        .read_to_string(&mut holder)
        .ok()
        .and_then(|_| holder.trim().parse::<u32>().ok())
    {
        Some(id) => format!(" (process {id})"),
        None => String::new(),
    };
    StoreError(format!(
        "the data directory {} is in use by another imd{process}: stop it, or start with another --data",
        dir.display()
    ))
}
