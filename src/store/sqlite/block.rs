//! Blocks: sorted entries, packed into a little less than a page of the file.
//!
//! A block of lists is a row of pieces, each of one conversation and of positions without gaps; a block of keys is a row of entries.
//! Numbers are varints and differences from what stands before:
//!
//! ```text
//! piece: conversation+, first position, first message±, entries, bytes of what follows; the first sender, then (message+, sender) each
//! key:   key+, message±
//! ```
//!
//! A sender is 0 for that of the entry before, 1 for the other one who wrote last in the piece, else the account + 2.

use crate::store::sqlite::PAGE_BYTES;
use crate::store::sqlite::keys::Filter;
use crate::store::sqlite::varint::{Bytes, VARINT_BYTES_MAX, damaged, put, put_signed};
use crate::store::{Result, StoreError};

/// Most bytes of a block. With its row's header it fills a page.
pub(super) const BLOCK_BYTES_MAX: usize = PAGE_BYTES as usize - 100;
/// Most entries of a piece.
pub(super) const PIECE_ENTRIES_MAX: u64 = 512;
/// Most keys of a block: its filter is made for so many.
pub(super) const BLOCK_KEYS_MAX: usize = 819;

/// What a run's entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Messages by conversation and position.
    Lists = 1,
    /// Messages by the hash of who sent them with which id.
    Keys = 2,
}

impl Kind {
    /// The kind of a stored code.
    pub(super) fn from_code(code: i64) -> Result<Kind> {
        match code {
            1 => Ok(Kind::Lists),
            2 => Ok(Kind::Keys),
            _ => Err(damaged("a run of an unknown kind")),
        }
    }
}

/// One message in a list or under a key. Entries of a run rise by list and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The conversation, or the key.
    pub(super) list: u64,
    /// The position, or the message once more.
    pub(super) place: u64,
    /// The message's id.
    pub(super) message: u64,
    /// Who sent it; 0 under a key.
    pub(super) sender: u64,
}

/// A block that is ready to be stored.
#[derive(Debug)]
pub(super) struct Full {
    /// The first entry's list and place.
    pub(super) first: (u64, u64),
    /// The packed entries.
    pub(super) data: Vec<u8>,
    /// Of a block of keys.
    pub(super) filter: Option<Filter>,
}

/// Packs entries, which must come sorted, into blocks.
#[derive(Debug)]
pub(super) struct Builder {
    kind: Kind,
    data: Vec<u8>,
    /// The first entry's list and place, once there is one.
    first: Option<(u64, u64)>,
    /// What the next piece or key is told apart from.
    list: u64,
    message: u64,
    piece: Option<OpenPiece>,
    /// The open piece's entries.
    body: Vec<u8>,
    filter: Filter,
    keys: usize,
}

/// A piece that may grow.
#[derive(Debug)]
struct OpenPiece {
    first: Entry,
    last: Entry,
    count: u64,
    /// Who wrote last before the last sender.
    other: u64,
}

/// The worst that the next entry can add to a block: a piece's header, an entry, and the header of the piece that it ends.
const ROOM_BYTES: usize = 12 * VARINT_BYTES_MAX;

impl Builder {
    /// Nothing yet.
    pub(super) fn new(kind: Kind) -> Builder {
        Builder {
            kind,
            data: Vec::with_capacity(BLOCK_BYTES_MAX),
            first: None,
            list: 0,
            message: 0,
            piece: None,
            body: Vec::new(),
            filter: Filter::default(),
            keys: 0,
        }
    }

    /// Takes the next entry; gives a block if the one under way had no room for it.
    pub(super) fn push(&mut self, entry: Entry) -> Option<Full> {
        let is_full = self.data.len() + self.body.len() + ROOM_BYTES > BLOCK_BYTES_MAX
            || self.keys == BLOCK_KEYS_MAX;
        let full = if is_full { self.finish() } else { None };
        self.first.get_or_insert((entry.list, entry.place));
        match self.kind {
            Kind::Lists => self.push_place(entry),
            Kind::Keys => {
                put(&mut self.data, entry.list.wrapping_sub(self.list));
                let difference = entry.message.wrapping_sub(self.message);
                put_signed(&mut self.data, difference.cast_signed());
                (self.list, self.message) = (entry.list, entry.message);
                self.filter.add(entry.list);
                self.keys += 1;
            }
        }
        full
    }

    fn push_place(&mut self, entry: Entry) {
        let goes_on = |piece: &&mut OpenPiece| {
            piece.last.list == entry.list
                && piece.last.place + 1 == entry.place
                && piece.last.message < entry.message
                && piece.count < PIECE_ENTRIES_MAX
        };
        if let Some(piece) = self.piece.as_mut().filter(goes_on) {
            put(&mut self.body, entry.message - piece.last.message);
            if entry.sender == piece.last.sender {
                put(&mut self.body, 0);
            } else {
                match entry.sender == piece.other {
                    true => put(&mut self.body, 1),
                    false => put(&mut self.body, entry.sender.wrapping_add(2)),
                }
                piece.other = piece.last.sender;
            }
            piece.last = entry;
            piece.count += 1;
            return;
        }
        self.close_piece();
        put(&mut self.body, entry.sender.wrapping_add(2));
        self.piece = Some(OpenPiece {
            first: entry,
            last: entry,
            count: 1,
            other: 0,
        });
    }

    fn close_piece(&mut self) {
        let Some(piece) = self.piece.take() else {
            return;
        };
        let first = piece.first;
        put(&mut self.data, first.list.wrapping_sub(self.list));
        put(&mut self.data, first.place);
        let difference = first.message.wrapping_sub(self.message);
        put_signed(&mut self.data, difference.cast_signed());
        put(&mut self.data, piece.count);
        put(&mut self.data, self.body.len() as u64);
        self.data.append(&mut self.body);
        (self.list, self.message) = (first.list, first.message);
    }

    /// The last block, if there is one.
    pub(super) fn finish(&mut self) -> Option<Full> {
        self.close_piece();
        let first = self.first.take()?;
        (self.list, self.message, self.keys) = (0, 0, 0);
        let filter = std::mem::take(&mut self.filter);
        Some(Full {
            first,
            data: std::mem::replace(&mut self.data, Vec::with_capacity(BLOCK_BYTES_MAX)),
            filter: (self.kind == Kind::Keys).then_some(filter),
        })
    }
}

/// The pieces of a block of lists.
pub(super) struct Pieces<'a> {
    bytes: Bytes<'a>,
    list: u64,
    message: u64,
}

/// Successive positions of one conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// The conversation.
    pub(super) list: u64,
    /// The first position.
    pub(super) place: u64,
    /// How many there are, 1 to [`PIECE_ENTRIES_MAX`].
    pub(super) count: u64,
    message: u64,
    body: &'a [u8],
}

impl<'a> Pieces<'a> {
    /// The pieces of `data`.
    pub(super) fn new(data: &'a [u8]) -> Pieces<'a> {
        Pieces {
            bytes: Bytes(data),
            list: 0,
            message: 0,
        }
    }

    fn read(&mut self) -> Result<Piece<'a>> {
        let list = plus(self.list, self.bytes.number()?)?;
        let place = self.bytes.number()?;
        let message = plus_signed(self.message, self.bytes.signed()?)?;
        let count = self.bytes.number()?;
        let length = self.bytes.number()?;
        let body = self.bytes.take(length)?;
        if !(1..=PIECE_ENTRIES_MAX).contains(&count) || place.checked_add(count).is_none() {
            return Err(damaged("a piece of a list has no sense"));
        }
        (self.list, self.message) = (list, message);
        Ok(Piece {
            list,
            place,
            count,
            message,
            body,
        })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>>;

    fn next(&mut self) -> Option<Result<Piece<'a>>> {
        if self.bytes.is_empty() {
            return None;
        }
        let piece = self.read();
        if piece.is_err() {
            self.bytes = Bytes(&[]);
        }
        Some(piece)
    }
}

impl Piece<'_> {
    /// The last position.
    pub(super) fn last(&self) -> u64 {
        self.place + (self.count - 1)
    }

    /// Calls `each` with the entries, from the first on.
    pub(super) fn entries(&self, mut each: impl FnMut(Entry)) -> Result<()> {
        let mut bytes = Bytes(self.body);
        let sender = bytes.number()?.checked_sub(2);
        let mut entry = Entry {
            list: self.list,
            place: self.place,
            message: self.message,
            sender: sender.ok_or_else(|| damaged("a piece without a sender"))?,
        };
        let mut other = 0;
        each(entry);
        for _ in 1..self.count {
            entry.place += 1;
            entry.message = plus(entry.message, bytes.number()?)?;
            let last = entry.sender;
            match bytes.number()? {
                0 => {}
                1 => (entry.sender, other) = (other, last),
                sender => (entry.sender, other) = (sender - 2, last),
            }
            each(entry);
        }
        match bytes.is_empty() {
            true => Ok(()),
            false => Err(damaged("a piece of a list is too long")),
        }
    }
}

/// Appends all entries of a block to `entries`.
///
/// # Errors
/// When it is no such block: then what was appended is not to be used.
pub(super) fn unpack(kind: Kind, data: &[u8], entries: &mut Vec<Entry>) -> Result<()> {
    match kind {
        Kind::Lists => {
            for piece in Pieces::new(data) {
                piece?.entries(|entry| entries.push(entry))?;
            }
        }
        Kind::Keys => {
            let mut bytes = Bytes(data);
            let (mut list, mut message) = (0, 0);
            while !bytes.is_empty() {
                list = plus(list, bytes.number()?)?;
                message = plus_signed(message, bytes.signed()?)?;
                entries.push(Entry {
                    list,
                    place: message,
                    message,
                    sender: 0,
                });
            }
        }
    }
    Ok(())
}

fn plus(number: u64, difference: u64) -> Result<u64> {
    number.checked_add(difference).ok_or_else(overflow)
}

fn plus_signed(number: u64, difference: i64) -> Result<u64> {
    number.checked_add_signed(difference).ok_or_else(overflow)
}

fn overflow() -> StoreError {
    damaged("a number is too large")
}

#[cfg(test)]
mod tests;
