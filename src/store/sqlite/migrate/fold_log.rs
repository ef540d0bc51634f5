//! Folds a log that was written before there were folds, while its indexes are still there.

use rusqlite::{Connection, Transaction, params};

use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::message::Dialect;
use crate::limits::{CLIENT_ID_TTL_MS, FOLD_MESSAGES, MERGE_RUNS};
use crate::store::sqlite::block::{Entry, Kind};
use crate::store::sqlite::fold::set_mark;
use crate::store::sqlite::int;
use crate::store::sqlite::keys::{SECRET_BYTES, Secret};
use crate::store::sqlite::run::{NextIds, Run, RunWriter};
use crate::store::{Result, StoreError};

/// Keys that are sorted in memory at a time.
const KEYS_MAX: usize = 1_000_000;

/// Writes lists, heads and the keys of the last day, sets the mark at the end of the log, and drops the indexes.
pub(super) fn fold(transaction: &Transaction<'_>) -> Result<()> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)
        .map_err(|error| StoreError(format!("no random numbers to be had: {error}")))?;
    let put_secret = "UPDATE meta SET key_secret = ?1 WHERE id = 1";
    transaction.execute(put_secret, [secret])?;
    let bounds = "SELECT min(id), max(id), count(*) FROM message";
    let (first, last, count) = transaction.query_row(bounds, [], |row| {
        let ids: (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok((ids.0, ids.1, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    if let (Some(first), Some(last)) = (first, last) {
        let newest_at = "SELECT at FROM message WHERE id = ?1";
        let run = Run {
            id: 0,
            kind: Kind::Lists,
            level: level(count),
            first_message: first.cast_unsigned(),
            last_message: last.cast_unsigned(),
            newest_at: transaction.query_row(newest_at, [last], |row| row.get(0))?,
        };
        let mut ids = NextIds::load(transaction)?;
        fold_lists(transaction, &mut ids, run.clone())?;
        fold_keys(transaction, &mut ids, &run, &Secret(secret))?;
        let commit = "SELECT commit_number FROM meta WHERE id = 1";
        let commit: i64 = transaction.query_row(commit, [], |row| row.get(0))?;
        set_mark(transaction, commit.cast_unsigned(), run.last_message)?;
    }
    transaction
        .execute_batch("DROP INDEX message_by_position; DROP INDEX message_by_client_id;")?;
    Ok(())
}

/// The level at which runs have about so many entries.
fn level(entries: u64) -> u32 {
    let folds = entries / FOLD_MESSAGES as u64;
    folds.checked_ilog(MERGE_RUNS as u64).unwrap_or(0)
}

fn fold_lists(connection: &Connection, ids: &mut NextIds, run: Run) -> Result<()> {
    let mut writer = RunWriter::begin(connection, ids, run)?;
    let mut set_head = connection.prepare(
        "UPDATE conversation SET head_position = ?2, head_id = ?3, head_at = ?4 WHERE id = ?1",
    )?;
    let mut put_head = |(entry, at): (Entry, i64)| {
        let (position, message) = (int(entry.place), int(entry.message));
        set_head.execute(params![int(entry.list), position, message, at])
    };
    let mut log = connection.prepare(
        "SELECT conversation, position, id, sender, at FROM message ORDER BY conversation, position",
    )?;
    let mut rows = log.query([])?;
    let mut last: Option<(Entry, i64)> = None;
    while let Some(row) = rows.next()? {
        let number = |column| -> Result<u64> { Ok(row.get::<_, i64>(column)?.cast_unsigned()) };
        let entry = Entry {
            list: number(0)?,
            place: number(1)?,
            message: number(2)?,
            sender: number(3)?,
        };
        writer.push(connection, ids, entry)?;
        let next = (entry, row.get(4)?);
        if let Some(newest) = last
            .replace(next)
            .filter(|(last, _)| last.list != entry.list)
        {
            put_head(newest)?;
        }
    }
    if let Some(newest) = last {
        put_head(newest)?;
    }
    writer.finish(connection, ids)?;
    Ok(())
}

fn fold_keys(
    connection: &Connection,
    ids: &mut NextIds,
    whole: &Run,
    secret: &Secret,
) -> Result<()> {
    let oldest_at = whole.newest_at.saturating_sub(CLIENT_ID_TTL_MS);
    let mut log = connection.prepare(
        "SELECT id, conversation, sender, at, origin, client_id FROM message ORDER BY id DESC",
    )?;
    let mut rows = log.query([])?;
    let mut keys: Vec<(u64, u64)> = Vec::new();
    let (mut up_to, mut newest_at) = (whole.last_message, i64::MIN);
    loop {
        let row = rows.next()?;
        let number = |column| -> Result<u64> {
            let number = row.map(|row| row.get::<_, i64>(column)).transpose()?;
            Ok(number.unwrap_or(0).cast_unsigned())
        };
        let message = number(0)?;
        let at = row.map(|row| row.get(3)).transpose()?.unwrap_or(i64::MIN);
        let is_last = row.is_none() || at < oldest_at;
        if is_last || keys.len() >= KEYS_MAX {
            let run = Run {
                kind: Kind::Keys,
                level: level(keys.len() as u64),
                first_message: message + 1,
                last_message: up_to,
                newest_at,
                ..*whole
            };
            if !keys.is_empty() {
                put_keys(connection, ids, run, &mut keys)?;
            }
            (up_to, newest_at) = (message, i64::MIN);
        }
        let Some(row) = row.filter(|_| !is_last) else {
            return Ok(());
        };
        newest_at = newest_at.max(at);
        if let Some(client_id) = row.get::<_, Option<String>>(5)? {
            let origin = Dialect::from_code(row.get(4)?)
                .ok_or_else(|| StoreError(format!("message {message} is of no dialect")))?;
            let (conversation, sender) = (ConversationId(number(1)?), AccountId(number(2)?));
            keys.push((
                secret.key(sender, conversation, origin, &client_id),
                message,
            ));
        }
    }
}

fn put_keys(
    connection: &Connection,
    ids: &mut NextIds,
    run: Run,
    keys: &mut Vec<(u64, u64)>,
) -> Result<()> {
    keys.sort_unstable();
    let mut writer = RunWriter::begin(connection, ids, run)?;
    for (key, message) in keys.drain(..) {
        let entry = Entry {
            list: key,
            place: message,
            message,
            sender: 0,
        };
        writer.push(connection, ids, entry)?;
    }
    writer.finish(connection, ids)?;
    Ok(())
}
