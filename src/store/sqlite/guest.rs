//! Connections of a process that does not hold the data directory: a server may be serving it meanwhile. They only read.

use std::path::Path;
use std::sync::Arc;

use crate::store::sqlite::read::SqliteReader;
use crate::store::sqlite::recover::{FileState, recover};
use crate::store::sqlite::upkeep::Tuning;
use crate::store::sqlite::{FILE_NAME, Shared, migrate, open_reader};
use crate::store::{Reader, Result, StoreError};

/// Whether `directory` holds a database, of whatever version.
pub fn is_data_directory(directory: &Path) -> bool {
    directory.join(FILE_NAME).is_file()
}

/// A reading side of what is stored in `directory`, beside the server that may be using it: of what is committed by the time of this
/// call, also in snapshots that show more rows. Snapshots must be brief: the server's log is not reused while one is open.
///
/// # Errors
/// When there is no database, or none of exactly this program's schema.
pub fn reader(directory: &Path) -> Result<Box<dyn Reader>> {
    let file = directory.join(FILE_NAME);
    open(&file).map_err(|error| error.of_file(&file))
}

fn open(file: &Path) -> Result<Box<dyn Reader>> {
    let mut connection = open_reader(file)?;
    let version = migrate::version(&connection)?;
    if version < migrate::VERSION {
        return Err(StoreError(format!(
            "the file has schema version {version}, and imd {} reads version {}: start the server once, which brings the file there",
            env!("CARGO_PKG_VERSION"),
            migrate::VERSION
        )));
    }
    // The server's tail is in its memory. Whatever it folds later is in the file and, up to this commit, here as well: that is found once.
    let transaction = connection.transaction()?;
    let state = FileState::load(&transaction)?;
    let (segments, _) = recover(&transaction, &state, &Tuning::default())?;
    drop(transaction);
    let shared = Shared::default();
    shared.tail.reset(segments, state.secret);
    Ok(Box::new(SqliteReader::new(connection, Arc::new(shared))))
}

#[cfg(test)]
mod tests;
