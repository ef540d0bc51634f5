//! Members' rows as bytes: in the log or the journal, which keep what each commit changed, in memory until they are folded, and in pages
//! after that.

use std::sync::Arc;

use crate::domain::holes::Holes;
use crate::domain::ids::{AccountId, ConversationId, Position, Slot, TimeMs};
use crate::domain::member::Member;
use crate::store::Result;
use crate::store::sqlite::varint::{Bytes, damaged, put, put_signed};

const LEFT: u64 = 1;
const HIDDEN: u64 = 2;
const PINNED: u64 = 4;
const ALIAS: u64 = 8;
const HOLES: u64 = 16;

/// Appends whose row that of `member` is, which follows.
pub(super) fn put_key(out: &mut Vec<u8>, member: &Member) {
    put(out, member.account.0);
    put(out, member.conversation.0);
}

/// Appends the row of `member` without whose it is.
pub(super) fn put_row(out: &mut Vec<u8>, member: &Member) {
    let holes = member.holes.ranges();
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    let flags = flag(member.left_after.is_some(), LEFT)
        | flag(member.hidden_at.is_some(), HIDDEN)
        | flag(member.pinned, PINNED)
        | flag(!member.alias.is_empty(), ALIAS)
        | flag(!holes.is_empty(), HOLES);
    put(out, flags);
    put(out, u64::from(member.slot.0));
    put_signed(out, member.joined_at.0);
    put(out, member.joined_after.0);
    put(out, member.read.0);
    put(out, member.sent);
    put(out, member.sent_read);
    put(out, member.acknowledged.0);
    for position in [member.left_after, member.hidden_at].into_iter().flatten() {
        put(out, position.0);
    }
    if !member.alias.is_empty() {
        put(out, member.alias.len() as u64);
        out.extend_from_slice(member.alias.as_bytes());
    }
    if !holes.is_empty() {
        put(out, holes.len() as u64);
        let mut before = 0;
        for (from, to) in holes {
            put(out, from.wrapping_sub(before));
            put(out, to.wrapping_sub(*from));
            before = *to;
        }
    }
}

/// Takes whose row is next, and the row.
///
/// # Errors
/// When there is no row.
pub(super) fn take_member(bytes: &mut Bytes<'_>) -> Result<Member> {
    let account = AccountId(bytes.number()?);
    let conversation = ConversationId(bytes.number()?);
    take_row(bytes, account, conversation)
}

/// Takes the next row, which is that of `account` in `conversation`.
///
/// # Errors
/// When there is no row.
pub(super) fn take_row(
    bytes: &mut Bytes<'_>,
    account: AccountId,
    conversation: ConversationId,
) -> Result<Member> {
    let flags = bytes.number()?;
    let slot = u32::try_from(bytes.number()?).map_err(|_| damaged("a slot is too large"))?;
    let mut member = Member {
        conversation,
        account,
        slot: Slot(slot),
        joined_at: TimeMs(bytes.signed()?),
        joined_after: Position(bytes.number()?),
        left_after: None,
        // Without memory of its own.
        alias: Arc::default(),
        read: Position(bytes.number()?),
        sent: bytes.number()?,
        sent_read: bytes.number()?,
        acknowledged: Position(bytes.number()?),
        holes: Holes::default(),
        hidden_at: None,
        pinned: flags & PINNED != 0,
    };
    if flags & LEFT != 0 {
        member.left_after = Some(Position(bytes.number()?));
    }
    if flags & HIDDEN != 0 {
        member.hidden_at = Some(Position(bytes.number()?));
    }
    if flags & ALIAS != 0 {
        let length = bytes.number()?;
        let alias = std::str::from_utf8(bytes.take(length)?);
        member.alias = Arc::from(alias.map_err(|_| damaged("an alias is no text"))?);
    }
    if flags & HOLES != 0 {
        member.holes = take_holes(bytes)?;
    }
    Ok(member)
}

fn take_holes(bytes: &mut Bytes<'_>) -> Result<Holes> {
    let mut ranges = Vec::new();
    let mut before: u64 = 0;
    for _ in 0..bytes.number()? {
        let from = before.checked_add(bytes.number()?);
        let from = from.ok_or_else(|| damaged("a hole is too large"))?;
        let to = from.checked_add(bytes.number()?);
        let to = to.ok_or_else(|| damaged("a hole is too large"))?;
        ranges.push((from, to));
        before = to;
    }
    Ok(Holes::new(ranges))
}

#[cfg(test)]
mod tests;
