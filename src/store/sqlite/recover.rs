//! The tail as log and journal say, past the fold mark.

use std::sync::Arc;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{Connection, Row, Rows};

use crate::domain::ids::{AccountId, ConversationId};
use crate::store::Result;
use crate::store::sqlite::int;
use crate::store::sqlite::journal::take_row;
use crate::store::sqlite::keys::{SECRET_BYTES, Secret};
use crate::store::sqlite::log::{CHUNKS_AFTER, Chunk};
use crate::store::sqlite::segment::{RowAt, Segment};
use crate::store::sqlite::upkeep::Tuning;
use crate::store::sqlite::varint::{Bytes, damaged};

const STATE: &str = "SELECT fold_commit, fold_message, key_secret FROM meta WHERE id = 1";
const JOURNAL: &str =
    "SELECT commit_number, members FROM journal WHERE commit_number > ?1 ORDER BY commit_number";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [STATE, JOURNAL];

/// Where a file stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileState {
    /// The newest commit that is folded.
    pub(super) fold_commit: u64,
    /// The newest message of that commit or before.
    pub(super) fold_message: u64,
    /// What keys are hashed with.
    pub(super) secret: Secret,
}

impl FileState {
    /// Reads it.
    pub(super) fn load(connection: &Connection) -> Result<FileState> {
        let (numbers, secret) = connection.prepare_cached(STATE)?.query_row([], |row| {
            let numbers: [i64; 2] = [row.get(0)?, row.get(1)?];
            Ok((numbers, row.get::<_, Option<[u8; SECRET_BYTES]>>(2)?))
        })?;
        let [fold_commit, fold_message] = numbers.map(i64::cast_unsigned);
        Ok(FileState {
            fold_commit,
            fold_message,
            secret: Secret(secret.ok_or_else(|| damaged("it has no secret for keys"))?),
        })
    }
}

/// The tail of a file, and its newest message.
pub(super) fn recover(
    connection: &Connection,
    state: &FileState,
    tuning: &Tuning,
) -> Result<(Vec<Arc<Segment>>, u64)> {
    let mut newest = Segment::new(state.fold_commit, state.fold_message, tuning.room());
    let mut sealed = Vec::new();
    let (mut last_commit, mut last_message) = (state.fold_commit, state.fold_message);
    let mut log = connection.prepare_cached(CHUNKS_AFTER)?;
    let mut log = Commits::of(log.query([int(state.fold_message)])?)?;
    let mut journal = connection.prepare_cached(JOURNAL)?;
    let mut journal = Commits::of(journal.query([int(state.fold_commit)])?)?;
    let (mut messages, mut rows) = (Vec::new(), Vec::new());
    while let Some(commit) = [log.next()?, journal.next()?].into_iter().flatten().min() {
        if commit <= last_commit {
            return Err(damaged("the log's commits are out of order"));
        }
        last_commit = commit;
        messages.clear();
        rows.clear();
        log.take(commit, |row| {
            let chunk = Chunk::of(row)?;
            rows.extend_from_slice(chunk.rows);
            for message in chunk.messages() {
                let message = message?;
                if message.id.0 <= last_message {
                    return Err(damaged("the log's messages are out of order"));
                }
                last_message = message.id.0;
                messages.push(message.appended(&state.secret));
            }
            Ok(())
        })?;
        journal.take(commit, |row| {
            let members = row.get_ref(1)?.as_blob();
            rows.extend_from_slice(
                members.map_err(|_| damaged("a row of the journal is no blob"))?,
            );
            Ok(())
        })?;
        newest.append(commit, &messages, &rows, &rows_at(&rows)?)?;
        if tuning.is_full(&newest) {
            let next = Segment::new(commit, last_message, tuning.room());
            sealed.push(Arc::new(std::mem::replace(&mut newest, next)));
        }
    }
    sealed.push(Arc::new(newest));
    Ok((sealed, last_message))
}

/// Where each of a commit's rows stands.
pub(super) fn rows_at(members: &[u8]) -> Result<Vec<RowAt>> {
    let mut bytes = Bytes(members);
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let account = AccountId(bytes.number()?);
        let conversation = ConversationId(bytes.number()?);
        let start = members.len() - bytes.0.len();
        take_row(&mut bytes, account, conversation)?;
        rows.push(RowAt {
            account,
            conversation,
            row: start..members.len() - bytes.0.len(),
        });
    }
    Ok(rows)
}

/// Rows that begin with the numbers of commits, which rise.
struct Commits<'a>(Rows<'a>);

impl<'a> Commits<'a> {
    fn of(mut rows: Rows<'a>) -> Result<Commits<'a>> {
        rows.advance()?;
        Ok(Commits(rows))
    }

    /// The commit of the next row.
    fn next(&self) -> Result<Option<u64>> {
        let commit = self.0.get().map(|row| row.get::<_, i64>(0)).transpose()?;
        Ok(commit.map(i64::cast_unsigned))
    }

    /// Calls `each` with the next rows, as long as they are of `commit`.
    fn take(&mut self, commit: u64, mut each: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        while self.next()? == Some(commit)
            && let Some(row) = self.0.get()
        {
            each(row)?;
            self.0.advance()?;
        }
        Ok(())
    }
}
