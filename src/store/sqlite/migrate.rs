//! The schema, and the steps that bring an older file to it.

mod chunks;
mod fixed_heads;
mod fold_log;
mod pack;

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::store::sqlite::int;
use crate::store::{Result, StoreError, server_account};

/// The steps, oldest first; the n-th leads from version n − 1 to n. One that was released is never edited.
const MIGRATIONS: [&str; 8] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
];

/// The version with which the log is folded, which the program does and not the step's text.
const FOLDING: usize = 5;
/// That with which heads and members' rows are packed.
const PACKING: usize = 6;
/// That with which heads take as many bytes as they need.
const VARYING: usize = 7;
/// That with which several messages are one row.
const CHUNKING: usize = 8;

/// The version of a file that this program writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// The version of the file, 0 for an empty one.
///
/// # Errors
/// When it cannot be read, is newer than this program knows, or is not a file of this program.
pub(super) fn version(connection: &Connection) -> Result<usize> {
    let table_exists =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    if !connection.query_row(table_exists, ["migration"], |row| row.get::<_, bool>(0))? {
        let other: Option<String> = connection
            .query_row("SELECT name FROM sqlite_schema LIMIT 1", [], |row| {
                row.get(0)
            })
            .optional()?;
        return match other {
            None => Ok(0),
            Some(other) => Err(StoreError(format!(
                "this database was not made by imd: it has {other:?} and no migrations"
            ))),
        };
    }
    let found: Option<i64> =
        connection.query_row("SELECT max(version) FROM migration", [], |row| row.get(0))?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(usize::MAX);
    if found > VERSION {
        return Err(StoreError(format!(
            "the file has schema version {found}, and imd {} knows versions up to {VERSION}: start the newer imd that wrote it, or \
             restore a copy that was made before that one first ran",
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(found)
}

/// Brings a file of version `from` to [`VERSION`], all steps or none.
pub(super) fn migrate(connection: &mut Connection, from: usize) -> Result<()> {
    migrate_to(connection, from, VERSION)
}

fn migrate_to(connection: &mut Connection, from: usize, to: usize) -> Result<()> {
    if from == to {
        return Ok(());
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (index, step) in MIGRATIONS.iter().enumerate().take(to).skip(from) {
        transaction.execute_batch(step)?;
        match index + 1 {
            FOLDING => fold_log::fold(&transaction)?,
            PACKING => pack::pack(&transaction)?,
            VARYING => fixed_heads::repack(&transaction)?,
            CHUNKING => chunks::pack(&transaction)?,
            _ => {}
        }
        transaction.execute(
            "INSERT INTO migration (version, applied_at) VALUES (?1, ?2)",
            params![int(index as u64 + 1), int(now)],
        )?;
    }
    if from == 0 {
        let server = server_account();
        let insert = "INSERT INTO account (id, name, created_at, nick, avatar, terminal) VALUES (?1, ?2, ?3, '', '', '')";
        transaction.execute(
            insert,
            params![int(server.id.0), server.name, server.created_at.0],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
