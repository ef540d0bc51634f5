//! The log as version 7 has it: a row for each message, and in the journal a row for each commit, which says where that ends.

use rusqlite::{Row, Transaction};

use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::store::Result;
use crate::store::sqlite::log;
use crate::store::sqlite::varint::damaged;
use crate::store::sqlite::{int, set_erasing};

/// Messages that are packed at a time.
const MESSAGES_MAX: usize = 1_024;

const MESSAGES: &str = "
    SELECT id, conversation, position, sender, at, kind, body, origin, client_id, attributes, recalled FROM message ORDER BY id";
const COMMITS: &str = "SELECT commit_number, last_message FROM journal WHERE commit_number > ?1 ORDER BY commit_number";

/// Packs the messages into chunks, and drops where they were.
pub(super) fn pack(transaction: &Transaction<'_>) -> Result<()> {
    let pair = |row: &Row<'_>| Ok((number(row, 0)?, number(row, 1)?));
    let mark = "SELECT fold_commit, fold_message FROM meta WHERE id = 1";
    let (mut commit, mut last) = transaction.query_row(mark, [], pair)?;
    let mut commits = transaction.prepare(COMMITS)?;
    let mut commits = commits.query_map([int(commit)], pair)?;
    let mut messages = transaction.prepare(MESSAGES)?;
    let mut messages = messages.query([])?;
    let (mut batch, mut data) = (Vec::new(), Vec::new());
    let mut put = |commit: u64, batch: &mut Vec<Message>| {
        let messages: Vec<&Message> = batch.iter().collect();
        log::append(transaction, commit, &messages, &[], &[], &mut data)?;
        batch.clear();
        Result::Ok(())
    };
    while let Some(row) = messages.next()? {
        let message = message(row)?;
        while message.id.0 > last {
            put(commit, &mut batch)?;
            let next = commits.next().transpose()?;
            (commit, last) = next.ok_or_else(|| damaged("there are messages of no commit"))?;
        }
        batch.push(message);
        if batch.len() >= MESSAGES_MAX {
            put(commit, &mut batch)?;
        }
    }
    put(commit, &mut batch)?;
    drop((messages, commits));
    // What was said, and perhaps is taken back later, is not to be left where the rows were.
    set_erasing(transaction, true)?;
    transaction
        .execute_batch("DROP TABLE message; ALTER TABLE journal DROP COLUMN last_message")?;
    set_erasing(transaction, false)
}

/// A number below 2^63 in a column.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn message(row: &Row<'_>) -> Result<Message> {
    let kind = MessageKind::from_code(row.get(5)?);
    let origin = Dialect::from_code(row.get(7)?);
    Ok(Message {
        id: MessageId(number(row, 0)?),
        conversation: ConversationId(number(row, 1)?),
        position: Position(number(row, 2)?),
        sender: AccountId(number(row, 3)?),
        at: TimeMs(row.get(4)?),
        kind: kind.ok_or_else(|| damaged("a message is of no kind"))?,
        body: row.get(6)?,
        origin: origin.ok_or_else(|| damaged("a message is of no dialect"))?,
        client_id: row.get(8)?,
        attributes: row.get(9)?,
        recalled: row.get(10)?,
    })
}
