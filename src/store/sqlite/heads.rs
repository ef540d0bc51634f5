//! Where conversations end, as far as that is folded: heads in pages, by the conversations' numbers.

use rusqlite::{Connection, Row, params};

use crate::domain::conversation::Head;
use crate::domain::ids::{ConversationId, MessageId, Position, TimeMs};
use crate::store::Result;
use crate::store::sqlite::int;
use crate::store::sqlite::varint::damaged;

const PAGE: &str = "SELECT data FROM head_page WHERE id = ?1";
const PUT_PAGE: &str = "
    INSERT INTO head_page (id, data) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET data = excluded.data";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [PAGE, PUT_PAGE];

/// Heads of a page, which with its row's header is one of the file's.
pub(super) const PAGE_HEADS: u64 = 320;
/// Bytes of a head: three numbers of eight.
const HEAD_BYTES: usize = 24;
const DATA_BYTES: usize = PAGE_HEADS as usize * HEAD_BYTES;

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
    let (heads, _) = heads_of(row, 0)?.as_chunks();
    let head = heads.get(place(conversation)).map(unpack);
    Ok(head.filter(|head| head.position.0 > 0))
}

/// The heads that a row has in a column, packed.
fn heads_of<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8; DATA_BYTES]> {
    let data = row.get_ref(column)?.as_blob();
    let data = data.map_err(|_| damaged("a page of heads is no blob"))?;
    let data = data.try_into();
    data.map_err(|_| damaged("a page of heads is of a wrong size"))
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
        let (heads, _) = heads_of(row, 1)?.as_chunks();
        let first = page.checked_mul(PAGE_HEADS);
        let first = first.filter(|first| *first <= i64::MAX.cast_unsigned());
        let first = first.ok_or_else(|| damaged("a page of heads has no place"))?;
        for (number, bytes) in (first..).zip(heads) {
            let head = unpack(bytes);
            if head.position.0 > 0 {
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

fn unpack(bytes: &[u8; HEAD_BYTES]) -> Head {
    let (numbers, _) = bytes.as_chunks::<8>();
    let number = |index: usize| numbers.get(index).copied().map_or(0, u64::from_le_bytes);
    Head {
        position: Position(number(0)),
        message: MessageId(number(1)),
        at: TimeMs(number(2).cast_signed()),
    }
}

fn pack(head: Head) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    let numbers = [head.position.0, head.message.0, head.at.0.cast_unsigned()];
    let (places, _) = bytes.as_chunks_mut::<8>();
    for (place, number) in places.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    bytes
}

/// Changes heads: each page is read and written once if they come by their conversations' numbers.
#[derive(Debug, Default)]
pub(super) struct HeadWriter {
    /// The page that is being changed.
    page: Option<u64>,
    data: Vec<u8>,
}

impl HeadWriter {
    /// Sets the head of a conversation. A page is written when another one's turn comes, and by [`HeadWriter::flush`]; says
    /// whether another one was begun.
    ///
    /// # Errors
    /// When a page cannot be read or written.
    pub(super) fn put(
        &mut self,
        connection: &Connection,
        conversation: ConversationId,
        head: Head,
    ) -> Result<bool> {
        let page = conversation.0 / PAGE_HEADS;
        let is_other = self.page != Some(page);
        if is_other {
            self.flush(connection)?;
            self.read(connection, page)?;
        }
        let (heads, _) = self.data.as_chunks_mut();
        if let Some(place) = heads.get_mut(place(conversation)) {
            *place = pack(head);
        }
        Ok(is_other)
    }

    fn read(&mut self, connection: &Connection, page: u64) -> Result<()> {
        let mut find = connection.prepare_cached(PAGE)?;
        let mut rows = find.query([int(page)])?;
        self.data.clear();
        if let Some(row) = rows.next()? {
            self.data.extend_from_slice(heads_of(row, 0)?);
        }
        self.data.resize(DATA_BYTES, 0);
        self.page = Some(page);
        Ok(())
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<()> {
        if let Some(page) = self.page.take() {
            let mut put = connection.prepare_cached(PUT_PAGE)?;
            put.execute(params![int(page), self.data])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
