//! The tail as log and journal say, past the fold mark.

use std::sync::Arc;

use rusqlite::{Connection, Rows};

use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::domain::message::Dialect;
use crate::store::Result;
use crate::store::sqlite::block::Entry;
use crate::store::sqlite::int;
use crate::store::sqlite::journal::take_row;
use crate::store::sqlite::keys::{SECRET_BYTES, Secret};
use crate::store::sqlite::segment::{Appended, RowAt, Segment};
use crate::store::sqlite::upkeep::Tuning;
use crate::store::sqlite::varint::{Bytes, damaged};

const STATE: &str = "SELECT fold_commit, fold_message, key_secret FROM meta WHERE id = 1";
const JOURNAL: &str = "
    SELECT commit_number, last_message, members FROM journal WHERE commit_number > ?1 ORDER BY commit_number";
const LOG: &str = "
    SELECT id, conversation, position, sender, at, origin, client_id FROM message WHERE id > ?1 ORDER BY id";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 3] = [STATE, JOURNAL, LOG];

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
    let mut last_message = state.fold_message;
    let mut log = connection.prepare_cached(LOG)?;
    let mut log = Log {
        rows: log.query([int(state.fold_message)])?,
        next: None,
        secret: state.secret,
    };
    let mut messages = Vec::new();
    let mut journal = connection.prepare_cached(JOURNAL)?;
    let mut journal = journal.query([int(state.fold_commit)])?;
    while let Some(row) = journal.next()? {
        let commit = row.get::<_, i64>(0)?.cast_unsigned();
        let up_to = row.get::<_, i64>(1)?.cast_unsigned();
        let members = row.get_ref(2)?.as_blob();
        let members = members.map_err(|_| damaged("a row of the journal is no blob"))?;
        messages.clear();
        log.take_up_to(up_to, &mut messages)?;
        last_message = last_message.max(up_to);
        newest.append(commit, &messages, members, &rows_at(members)?)?;
        if tuning.is_full(&newest) {
            let next = Segment::new(commit, last_message, tuning.room());
            sealed.push(Arc::new(std::mem::replace(&mut newest, next)));
        }
    }
    messages.clear();
    log.take_up_to(u64::MAX, &mut messages)?;
    if !messages.is_empty() {
        return Err(damaged("there are messages of no commit"));
    }
    sealed.push(Arc::new(newest));
    Ok((sealed, last_message))
}

/// Where each row stands in a row of the journal.
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

/// Reads the log in order.
struct Log<'a> {
    rows: Rows<'a>,
    next: Option<Appended>,
    secret: Secret,
}

impl Log<'_> {
    /// Appends the next messages, as long as their ids are not above `up_to`.
    fn take_up_to(&mut self, up_to: u64, messages: &mut Vec<Appended>) -> Result<()> {
        loop {
            if self.next.is_none() {
                self.next = self.read()?;
            }
            match self.next.take_if(|next| next.entry.message <= up_to) {
                Some(message) => messages.push(message),
                None => return Ok(()),
            }
        }
    }

    fn read(&mut self) -> Result<Option<Appended>> {
        let Some(row) = self.rows.next()? else {
            return Ok(None);
        };
        let number = |column| -> Result<u64> { Ok(row.get::<_, i64>(column)?.cast_unsigned()) };
        let (message, list, place, sender) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let client_id = row.get_ref(6)?.as_str_or_null();
        let client_id = client_id.map_err(|_| damaged("a client's id is no text"))?;
        let key = match client_id {
            Some(client_id) => {
                let origin = Dialect::from_code(row.get(5)?);
                let origin = origin.ok_or_else(|| damaged("a message of no dialect"))?;
                let (sender, conversation) = (AccountId(sender), ConversationId(list));
                Some(self.secret.key(sender, conversation, origin, client_id))
            }
            None => None,
        };
        Ok(Some(Appended {
            entry: Entry {
                list,
                place,
                message,
                sender,
            },
            at: TimeMs(row.get(4)?),
            key,
        }))
    }
}
