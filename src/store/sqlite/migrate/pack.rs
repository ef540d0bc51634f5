//! Packs heads and members' rows that were kept as rows of tables.

use rusqlite::{Row, Transaction};

use crate::domain::conversation::Head;
use crate::domain::holes::Holes;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, Slot, TimeMs};
use crate::domain::member::Member;
use crate::store::Result;
use crate::store::sqlite::journal::put_row;
use crate::store::sqlite::members::PageChange;
use crate::store::sqlite::migrate::fixed_heads::FixedHeads;

const HEADS: &str = "
    SELECT id, head_position, head_id, head_at FROM conversation WHERE head_position > 0 ORDER BY id";
const MEMBERS: &str = "
    SELECT conversation, account, slot, joined_at, joined_after, left_after, alias, read, sent, sent_read,
        acknowledged, holes, hidden_at, pinned
    FROM member ORDER BY account, conversation";

/// Moves them into pages, and drops where they were.
pub(super) fn pack(transaction: &Transaction<'_>) -> Result<()> {
    let mut writer = FixedHeads::default();
    let mut heads = transaction.prepare(HEADS)?;
    let mut heads = heads.query([])?;
    while let Some(row) = heads.next()? {
        let head = Head {
            position: Position(number(row, 1)?),
            message: MessageId(number(row, 2)?),
            at: TimeMs(row.get(3)?),
        };
        writer.put(transaction, ConversationId(number(row, 0)?), head)?;
    }
    writer.flush(transaction)?;
    drop(heads);
    let mut change = PageChange::default();
    let mut members = transaction.prepare(MEMBERS)?;
    let mut row = Vec::new();
    let mut is_begun = false;
    for member in members.query_map([], member)? {
        let member = member?;
        let key = (member.account.0, member.conversation.0);
        if !is_begun || !change.covers(key) {
            if is_begun {
                change.store(transaction)?;
            }
            change.begin(transaction, key)?;
            is_begun = true;
        }
        row.clear();
        put_row(&mut row, &member);
        change.put(key, &row);
    }
    if is_begun {
        change.store(transaction)?;
    }
    drop(members);
    transaction.execute_batch(
        "DROP TABLE member;
         ALTER TABLE conversation DROP COLUMN head_position;
         ALTER TABLE conversation DROP COLUMN head_id;
         ALTER TABLE conversation DROP COLUMN head_at;",
    )?;
    Ok(())
}

/// A number below 2^63 in a column.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// A row of the members' table.
fn member(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        conversation: ConversationId(number(row, 0)?),
        account: AccountId(number(row, 1)?),
        slot: Slot(row.get(2)?),
        joined_at: TimeMs(row.get(3)?),
        joined_after: Position(number(row, 4)?),
        left_after: row
            .get::<_, Option<i64>>(5)?
            .map(|position| Position(position.cast_unsigned())),
        alias: row.get(6)?,
        read: Position(number(row, 7)?),
        sent: number(row, 8)?,
        sent_read: number(row, 9)?,
        acknowledged: Position(number(row, 10)?),
        holes: holes(row, 11)?,
        hidden_at: row
            .get::<_, Option<i64>>(12)?
            .map(|position| Position(position.cast_unsigned())),
        pinned: row.get(13)?,
    })
}

fn holes(row: &Row<'_>, column: usize) -> rusqlite::Result<Holes> {
    let Some(bytes) = row.get_ref(column)?.as_blob_or_null()? else {
        return Ok(Holes::default());
    };
    let (numbers, _) = bytes.as_chunks::<8>();
    let (pairs, _) = numbers.as_chunks::<2>();
    let ranges = pairs.iter().map(|[from, to]| {
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        (number(from), number(to))
    });
    Ok(Holes::new(ranges.collect()))
}
