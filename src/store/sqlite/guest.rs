//! Connections of a process that does not hold the data directory: a server may be serving it meanwhile. They only read.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::limits::READER_CACHE_BYTES_MAX;
use crate::store::sqlite::read::SqliteReader;
use crate::store::sqlite::{FILE_NAME, configure, migrate};
use crate::store::{Reader, Result, StoreError};

/// Whether `directory` holds a database, of whatever version.
pub fn is_data_directory(directory: &Path) -> bool {
    directory.join(FILE_NAME).is_file()
}

/// A reading side of what is stored in `directory`, beside the server that may be using it. Snapshots must be brief: the server's log
/// is not reused while one is open.
///
/// # Errors
/// When there is no database, or none of exactly this program's schema.
pub fn reader(directory: &Path) -> Result<Box<dyn Reader>> {
    let file = directory.join(FILE_NAME);
    let opened = connect(&file).and_then(|connection| {
        let version = migrate::version(&connection)?;
        if version < migrate::VERSION {
            return Err(StoreError(format!(
                "the file has schema version {version}, and imd {} reads version {}: start the server once, which brings it there",
                env!("CARGO_PKG_VERSION"),
                migrate::VERSION
            )));
        }
        Ok(connection)
    });
    let connection = opened.map_err(|error| error.of_file(&file))?;
    Ok(Box::new(SqliteReader::new(connection)))
}

/// A connection that reads `file`, which must be there.
pub(super) fn connect(file: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection, READER_CACHE_BYTES_MAX)?;
    Ok(connection)
}
