//! Pages of heads as version 6 has them: of 320 conversations each, three numbers of eight bytes a head.

use rusqlite::{Transaction, params};

use crate::domain::conversation::Head;
use crate::domain::ids::{ConversationId, MessageId, Position, TimeMs};
use crate::store::Result;
use crate::store::sqlite::heads::HeadWriter;
use crate::store::sqlite::int;
use crate::store::sqlite::varint::damaged;

/// Heads of a page.
const PAGE_HEADS: u64 = 320;
/// Bytes of a head.
const HEAD_BYTES: usize = 24;
const DATA_BYTES: usize = PAGE_HEADS as usize * HEAD_BYTES;

/// Writes pages for heads that come by their conversations' numbers.
#[derive(Default)]
pub(super) struct FixedHeads {
    page: Option<u64>,
    data: Vec<u8>,
}

impl FixedHeads {
    /// Sets the head of a conversation that comes after those before.
    pub(super) fn put(
        &mut self,
        transaction: &Transaction<'_>,
        conversation: ConversationId,
        head: Head,
    ) -> Result<()> {
        let page = conversation.0 / PAGE_HEADS;
        if self.page != Some(page) {
            self.flush(transaction)?;
            self.page = Some(page);
        }
        let place = (conversation.0 % PAGE_HEADS) as usize;
        self.data.resize(place * HEAD_BYTES, 0);
        for number in [head.position.0, head.message.0, head.at.0.cast_unsigned()] {
            self.data.extend(number.to_le_bytes());
        }
        Ok(())
    }

    /// Writes what is not written yet.
    pub(super) fn flush(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        if let Some(page) = self.page.take() {
            self.data.resize(DATA_BYTES, 0);
            let put = "INSERT INTO head_page (id, data) VALUES (?1, ?2)";
            transaction.execute(put, params![int(page), self.data])?;
            self.data.clear();
        }
        Ok(())
    }
}

/// Packs the heads of `fixed_head_page` into pages of the form that the program writes, and drops it.
pub(super) fn repack(transaction: &Transaction<'_>) -> Result<()> {
    let mut writer = HeadWriter::default();
    let mut pages = transaction.prepare("SELECT id, data FROM fixed_head_page ORDER BY id")?;
    let mut rows = pages.query([])?;
    while let Some(row) = rows.next()? {
        let page = u64::try_from(row.get::<_, i64>(0)?).ok();
        let first = page.and_then(|page| page.checked_mul(PAGE_HEADS));
        let first = first.filter(|first| i64::try_from(*first).is_ok());
        let first = first.ok_or_else(|| damaged("a page of heads has no place"))?;
        let data = row.get_ref(1)?.as_blob();
        let data = data.map_err(|_| damaged("a page of heads is no blob"))?;
        if data.len() != DATA_BYTES {
            return Err(damaged("a page of heads is of a wrong size"));
        }
        let (heads, _) = data.as_chunks::<HEAD_BYTES>();
        for (conversation, bytes) in (first..).zip(heads) {
            let head = unpack(bytes);
            if head.position.0 > 0 {
                writer.put(transaction, ConversationId(conversation), head)?;
            }
        }
    }
    writer.flush(transaction)?;
    drop(rows);
    drop(pages);
    transaction.execute_batch("DROP TABLE fixed_head_page")?;
    Ok(())
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
