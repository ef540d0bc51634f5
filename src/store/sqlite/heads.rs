//! Where conversations end, as far as that is folded: heads in pages, by the conversations' numbers.
//!
//! A page holds the heads of [`PAGE_HEADS`] conversations, in varints:
//!
//! ```text
//! page: least message, its time±; then for each conversation: position, message+, time±
//! ```
//!
//! A message is told apart from the least one of the page, a time from the one that the message's id makes likely (see [`likely_at`]).
//! Three zeros stand for a conversation without a head. As each head is three numbers, the way to one is counted and not read.

use rusqlite::{Connection, Row, params};

use crate::domain::conversation::Head;
use crate::domain::ids::{ConversationId, MessageId, Position, TimeMs};
use crate::store::sqlite::int;
use crate::store::sqlite::varint::{Bytes, damaged, put, put_signed};
use crate::store::{Result, StoreError};

const PAGE: &str = "SELECT data FROM head_page WHERE id = ?1";
const PUT_PAGE: &str = "
    INSERT INTO head_page (id, data) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET data = excluded.data";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [PAGE, PUT_PAGE];

/// Heads of a page. They take 8 to 10 bytes each as a rule: with its row's header the page is one of the file's.
pub(super) const PAGE_HEADS: u64 = 768;
/// Numbers of a head.
const HEAD_NUMBERS: usize = 3;
/// Numbers of a page: those of all heads, after what they are told apart from.
const NUMBERS: usize = 2 + PAGE_HEADS as usize * HEAD_NUMBERS;
/// An id that is higher by so many bits is a millisecond younger, as a rule.
const ID_MS_SHIFT: u32 = 13;

/// The newest folded message of a conversation; `None` if there is none.
///
/// # Errors
/// When the page cannot be read.
pub(super) fn head(connection: &Connection, conversation: ConversationId) -> Result<Option<Head>> {
    let mut find = connection.prepare_cached(PAGE)?;
    let mut rows = find.query([int(conversation.0 / PAGE_HEADS)])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let mut heads = Heads::new(packed(row, 0)?)?;
    heads.skip(place(conversation))?;
    heads.read()
}

/// The packed heads that a row has in a column.
fn packed<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8]> {
    let data = row.get_ref(column)?.as_blob();
    data.map_err(|_| damaged("a page of heads is no blob"))
}

/// The heads of a page, one after the other.
struct Heads<'a> {
    bytes: Bytes<'a>,
    least: MessageId,
    least_at: TimeMs,
}

impl<'a> Heads<'a> {
    /// Those of `data`, which is held to its size here.
    fn new(data: &'a [u8]) -> Result<Heads<'a>> {
        let numbers = data.iter().filter(|byte| is_end(**byte)).count();
        if numbers != NUMBERS || !data.last().copied().is_some_and(is_end) {
            return Err(damaged("a page of heads is of a wrong size"));
        }
        let mut bytes = Bytes(data);
        Ok(Heads {
            least: MessageId(bytes.number()?),
            least_at: TimeMs(bytes.signed()?),
            bytes,
        })
    }

    /// Goes past `count` heads.
    fn skip(&mut self, count: usize) -> Result<()> {
        let mut left = count * HEAD_NUMBERS;
        let mut bytes = self.bytes.0;
        while let Some((eight, rest)) = bytes.split_first_chunk::<8>() {
            let ends = eight.iter().filter(|byte| is_end(**byte)).count();
            // What follows the last end belongs to the next number.
            if ends >= left {
                break;
            }
            (bytes, left) = (rest, left - ends);
        }
        while left > 0 {
            let (byte, rest) = bytes
                .split_first()
                .ok_or_else(|| damaged("a page of heads is cut short"))?;
            (bytes, left) = (rest, left - usize::from(is_end(*byte)));
        }
        self.bytes = Bytes(bytes);
        Ok(())
    }

    /// The next conversation's head, if it has one.
    fn read(&mut self) -> Result<Option<Head>> {
        let position = self.bytes.number()?;
        let message = self.bytes.number()?;
        let late = self.bytes.signed()?;
        if position == 0 && message == 0 && late == 0 {
            return Ok(None);
        }
        let message = self.least.0.checked_add(message);
        let message = message.filter(|message| position > 0 && fits(position) && fits(*message));
        let message = message.map(MessageId);
        let message = message.ok_or_else(|| damaged("a head has no sense"))?;
        let likely = likely_at(self.least, self.least_at, message);
        Ok(Some(Head {
            position: Position(position),
            message,
            at: TimeMs(likely.0.wrapping_add(late)),
        }))
    }
}

/// Whether a number ends with `byte`.
fn is_end(byte: u8) -> bool {
    byte < 0x80
}

/// Whether a number is one of those that the file keeps.
fn fits(number: u64) -> bool {
    i64::try_from(number).is_ok()
}

/// The time of a `message` whose id is not lower than that of `least`, if ids rise with time as they do as a rule.
fn likely_at(least: MessageId, least_at: TimeMs, message: MessageId) -> TimeMs {
    let later = (message.0 >> ID_MS_SHIFT) - (least.0 >> ID_MS_SHIFT);
    TimeMs(least_at.0.wrapping_add_unsigned(later))
}

/// Appends a page of `heads`, of which those at position 0 are none.
fn pack(heads: &[Head], out: &mut Vec<u8>) {
    let there = heads.iter().filter(|head| head.position.0 > 0);
    let least = there.min_by_key(|head| head.message);
    let (least, least_at) = least.map_or_else(Default::default, |least| (least.message, least.at));
    put(out, least.0);
    put_signed(out, least_at.0);
    for head in heads {
        if head.position.0 == 0 {
            out.extend([0; HEAD_NUMBERS]);
            continue;
        }
        put(out, head.position.0);
        put(out, head.message.0 - least.0);
        let likely = likely_at(least, least_at, head.message);
        put_signed(out, head.at.0.wrapping_sub(likely.0));
    }
}

/// Calls `each` with all heads that there are, by their conversations' numbers.
///
/// # Errors
/// When a page cannot be read.
pub(super) fn all(
    connection: &Connection,
    mut each: impl FnMut(ConversationId, Head),
) -> Result<()> {
    let mut pages = connection.prepare("SELECT id, data FROM head_page ORDER BY id")?;
    let mut pages = pages.query([])?;
    while let Some(row) = pages.next()? {
        let page = row.get::<_, i64>(0)?.cast_unsigned();
        let mut heads = Heads::new(packed(row, 1)?)?;
        let first = page.checked_mul(PAGE_HEADS).filter(|first| fits(*first));
        let first = first.ok_or_else(|| damaged("a page of heads has no place"))?;
        for number in (first..).take(PAGE_HEADS as usize) {
            if let Some(head) = heads.read()? {
                each(ConversationId(number), head);
            }
        }
    }
    Ok(())
}

/// Where in its page a conversation's head stands.
fn place(conversation: ConversationId) -> usize {
    (conversation.0 % PAGE_HEADS) as usize
}

/// Changes heads: each page is read and written once if they come by their conversations' numbers.
#[derive(Debug, Default)]
pub(super) struct HeadWriter {
    /// The page that is being changed.
    page: Option<u64>,
    /// Its heads, at position 0 those that are none.
    heads: Vec<Head>,
    /// The page as it is written, kept for its memory.
    data: Vec<u8>,
}

impl HeadWriter {
    /// Sets the head of a conversation. A page is written when another one's turn comes, and by [`HeadWriter::flush`]; says
    /// whether another one was begun.
    ///
    /// # Errors
    /// When a page cannot be read or written, or the head has numbers that the file does not keep.
    pub(super) fn put(
        &mut self,
        connection: &Connection,
        conversation: ConversationId,
        head: Head,
    ) -> Result<bool> {
        if !fits(head.position.0) || !fits(head.message.0) {
            let what = format!("the head of conversation {conversation} is out of bounds");
            return Err(StoreError(what));
        }
        let page = conversation.0 / PAGE_HEADS;
        let is_other = self.page != Some(page);
        if is_other {
            self.flush(connection)?;
            self.read(connection, page)?;
        }
        if let Some(place) = self.heads.get_mut(place(conversation)) {
            *place = head;
        }
        Ok(is_other)
    }

    fn read(&mut self, connection: &Connection, page: u64) -> Result<()> {
        let mut find = connection.prepare_cached(PAGE)?;
        let mut rows = find.query([int(page)])?;
        self.heads.clear();
        if let Some(row) = rows.next()? {
            let mut heads = Heads::new(packed(row, 0)?)?;
            for _ in 0..PAGE_HEADS {
                self.heads.push(heads.read()?.unwrap_or_default());
            }
        }
        self.heads.resize(PAGE_HEADS as usize, Head::default());
        self.page = Some(page);
        Ok(())
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<()> {
        if let Some(page) = self.page.take() {
            self.data.clear();
            pack(&self.heads, &mut self.data);
            let mut put = connection.prepare_cached(PUT_PAGE)?;
            put.execute(params![int(page), self.data])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
