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

impl OpenPiece {
    /// Appends the sender of the next entry.
    fn put_sender(&mut self, body: &mut Vec<u8>, sender: u64) {
        if sender == self.last.sender {
            put(body, 0);
            return;
        }
        match sender == self.other {
            true => put(body, 1),
            false => put(body, sender.wrapping_add(2)),
        }
        self.other = std::mem::replace(&mut self.last.sender, sender);
    }
}

/// The worst that the next entry can add to a block: a piece's header, an entry, and the header of the piece that it ends. The same for a
/// piece besides its bytes.
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
            piece.put_sender(&mut self.body, entry.sender);
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

    /// Takes the entries of a whole piece, which come next, if the block under way has room for it as it is: then its bytes are copied but for
    /// what tells them apart from the entries before. Says whether it did; else its entries are to be pushed.
    ///
    /// # Errors
    /// When it is no such piece.
    pub(super) fn push_piece(&mut self, piece: &Piece<'_>) -> Result<bool> {
        if self.data.len() + self.body.len() + piece.body.len() + ROOM_BYTES > BLOCK_BYTES_MAX {
            return Ok(false);
        }
        let ends = piece.ends()?;
        let goes_on = |open: &&mut OpenPiece| {
            open.last.list == piece.list
                && open.last.place + 1 == piece.place
                && open.last.message < piece.message
                && open.count + piece.count <= PIECE_ENTRIES_MAX
        };
        let Some(open) = self.piece.as_mut().filter(goes_on) else {
            self.close_piece();
            self.first.get_or_insert((piece.list, piece.place));
            self.body.extend_from_slice(piece.body);
            self.piece = Some(OpenPiece {
                first: piece.first(ends.first),
                last: ends.last,
                count: piece.count,
                other: ends.other,
            });
            return Ok(true);
        };
        put(&mut self.body, piece.message - open.last.message);
        open.put_sender(&mut self.body, ends.first);
        // Up to here the piece knew no other sender, and this block may. Behind it nothing depends on what was before the piece.
        let mut rest = ends.rest;
        if let Some(change) = &ends.change {
            self.body.extend_from_slice(change.before);
            open.put_sender(&mut self.body, change.sender);
            rest = change.behind;
            open.other = ends.other;
        }
        self.body.extend_from_slice(rest);
        open.last = ends.last;
        open.count += piece.count;
        Ok(true)
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
        let has_sense = (1..=PIECE_ENTRIES_MAX).contains(&count) && !body.is_empty();
        if !has_sense || place.checked_add(count).is_none() {
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

impl<'a> Piece<'a> {
    /// The last position.
    pub(super) fn last(&self) -> u64 {
        self.place + (self.count - 1)
    }

    /// The first entry, of which `sender` is known.
    fn first(&self, sender: u64) -> Entry {
        Entry {
            list: self.list,
            place: self.place,
            message: self.message,
            sender,
        }
    }

    /// What is to be known of it to put it behind another one.
    fn ends(&self) -> Result<Ends<'a>> {
        let mut bytes = Bytes(self.body);
        let first = first_sender(&mut bytes)?;
        let rest = bytes.0;
        let (mut last, mut other) = (self.first(first), 0);
        let mut change = None;
        for _ in 1..self.count {
            last.message = plus(last.message, bytes.number()?)?;
            let code_at = rest.len() - bytes.0.len();
            let before = last.sender;
            match bytes.number()? {
                0 => continue,
                1 => (last.sender, other) = (other, before),
                sender => (last.sender, other) = (sender - 2, before),
            }
            if last.sender == before {
                return Err(damaged(
                    "a piece of a list changes from a sender to the same",
                ));
            }
            change = change.or_else(|| {
                Some(Change {
                    before: rest.get(..code_at)?,
                    sender: last.sender,
                    behind: bytes.0,
                })
            });
        }
        if !bytes.is_empty() {
            return Err(too_long());
        }
        last.place = self.last();
        Ok(Ends {
            first,
            rest,
            change,
            last,
            other,
        })
    }

    /// Calls `each` with the entries, from the first on.
    pub(super) fn entries(&self, mut each: impl FnMut(Entry)) -> Result<()> {
        let mut bytes = Bytes(self.body);
        let mut entry = self.first(first_sender(&mut bytes)?);
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
            false => Err(too_long()),
        }
    }
}

/// What of a piece matters when it is put behind another one.
struct Ends<'a> {
    /// The first sender.
    first: u64,
    /// What follows the first sender.
    rest: &'a [u8],
    /// Where the sender changes for the first time.
    change: Option<Change<'a>>,
    last: Entry,
    /// Who wrote last before the last sender, if there was a change.
    other: u64,
}

/// A change of senders in a piece.
struct Change<'a> {
    /// What stands between the first sender and the changed one.
    before: &'a [u8],
    sender: u64,
    behind: &'a [u8],
}

/// Reads a block of lists piece by piece, without holding on to where it came from.
#[derive(Debug, Default)]
pub(super) struct PieceReader {
    data: Vec<u8>,
    /// Bytes up to the end of the piece.
    end: usize,
    list: u64,
    place: u64,
    count: u64,
    message: u64,
    /// Of the piece, which ends with it; 0 while there is none.
    body_bytes: usize,
}

impl PieceReader {
    /// Begins with another block; the first piece is still to be read.
    pub(super) fn load(&mut self, data: &[u8]) {
        self.data.clear();
        self.data.extend_from_slice(data);
        (self.end, self.body_bytes) = (0, 0);
        (self.list, self.message) = (0, 0);
    }

    /// Goes on to the next piece, if there is one.
    pub(super) fn advance(&mut self) -> Result<()> {
        let mut pieces = Pieces {
            bytes: Bytes(self.data.get(self.end..).unwrap_or_default()),
            list: self.list,
            message: self.message,
        };
        let Some(piece) = pieces.next().transpose()? else {
            self.body_bytes = 0;
            return Ok(());
        };
        (self.list, self.place) = (piece.list, piece.place);
        (self.count, self.message) = (piece.count, piece.message);
        self.body_bytes = piece.body.len();
        self.end = self.data.len() - pieces.bytes.0.len();
        Ok(())
    }

    /// The piece that was gone on to.
    pub(super) fn piece(&self) -> Option<Piece<'_>> {
        let (body, _) = self.data.split_at_checked(self.end)?;
        let (_, body) = body.split_at_checked(body.len().checked_sub(self.body_bytes)?)?;
        (!body.is_empty()).then_some(Piece {
            list: self.list,
            place: self.place,
            count: self.count,
            message: self.message,
            body,
        })
    }
}

fn first_sender(bytes: &mut Bytes<'_>) -> Result<u64> {
    let sender = bytes.number()?.checked_sub(2);
    sender.ok_or_else(|| damaged("a piece without a sender"))
}

fn too_long() -> StoreError {
    damaged("a piece of a list is too long")
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
