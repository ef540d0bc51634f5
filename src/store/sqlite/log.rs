//! The log: messages in the order of their ids, several to a row, so that a commit inserts few rows.
//!
//! A row is a chunk of what one commit appended: some of its messages, and some of the members' rows that changed with them, which the
//! journal would have if they were not here. Recovery needs these until they are folded; then they stay and are passed over, which takes
//! less writing than to have them on pages of their own and delete them. No chunk crosses a commit that is not folded, so none the fold mark.
//!
//! ```text
//! chunk:   bytes of members' rows+; these, as in the journal; time± of the first message; the messages
//! message: bytes of what follows+; ids from it to the chunk's newest+; conversation+; position+; sender+; milliseconds after the
//!          first message±; kind±; a byte that says what else there is; [bytes+, client id;] [bytes+, attributes;] the body
//! ```

use std::sync::Arc;

use rusqlite::{Connection, Row, Statement, params};

use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::store::sqlite::block::Entry;
use crate::store::sqlite::int;
use crate::store::sqlite::keys::Secret;
use crate::store::sqlite::segment::{Appended, RowAt};
use crate::store::sqlite::varint::{Bytes, damaged, put, put_signed};
use crate::store::{Result, StoreError};

const PUT: &str = "INSERT INTO log (id, commit_number, data) VALUES (?1, ?2, ?3)";
const CHANGE: &str = "UPDATE log SET data = ?2 WHERE id = ?1";
const CHUNK_OF: &str = "SELECT commit_number, id, data FROM log WHERE id >= ?1 ORDER BY id LIMIT 1";
/// The rows of [`Chunk::of`] whose newest messages are newer than a message.
pub(super) const CHUNKS_AFTER: &str =
    "SELECT commit_number, id, data FROM log WHERE id > ?1 ORDER BY id";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 4] = [PUT, CHANGE, CHUNK_OF, CHUNKS_AFTER];

/// A chunk takes no further message beyond so many bytes. Smaller ones cost more rows; what larger ones leave free at the end of a page
/// is more.
const CHUNK_BYTES: usize = 1_000;
/// About what a message takes besides its texts.
const MESSAGE_BYTES: usize = 20;
/// Members' rows go with the messages of a commit if these have so much room for each message, else to the journal.
const ROWS_BYTES_MAX: usize = 64;

/// In the byte that says what else there is: the code of the dialect, and flags.
const ORIGIN: u8 = 7;
const CLIENT_ID: u8 = 8;
const ATTRIBUTES: u8 = 16;
const RECALLED: u8 = 32;

/// Whether `bytes` of members' rows go with so many messages.
pub(super) fn takes_rows(messages: usize, bytes: usize) -> bool {
    messages > 0 && bytes <= messages * ROWS_BYTES_MAX
}

/// Appends the messages of a commit, which rise by their ids and are newer than all that are there, and `rows` of members, each of which
/// ends where `rows_at` says. Chunks are made in `data`, which is kept for its memory.
///
/// # Errors
/// When they cannot be written.
pub(super) fn append(
    connection: &Connection,
    commit: u64,
    messages: &[&Message],
    rows: &[u8],
    rows_at: &[RowAt],
    data: &mut Vec<u8>,
) -> Result<()> {
    let mut put = connection.prepare_cached(PUT)?;
    let rows_bytes = rows.len() / messages.len().max(1);
    let (mut left, mut rows_done) = (messages, 0);
    while let [first, ..] = left {
        let mut bytes = 0;
        let fits = |message: &&&Message| {
            bytes += bytes_of(message) + rows_bytes;
            bytes <= CHUNK_BYTES
        };
        let count = left.iter().take_while(fits).count().max(1);
        let (chunk, rest) = left.split_at(count);
        left = rest;
        // As much of the rows as of the messages.
        let share = rows.len() * (messages.len() - left.len()) / messages.len();
        let rows_before = rows_at.partition_point(|at| at.row.end <= share);
        let last = rows_before
            .checked_sub(1)
            .and_then(|last| rows_at.get(last));
        let end = last.map_or(0, |last| last.row.end);
        begin(rows.get(rows_done..end).unwrap_or_default(), first.at, data);
        rows_done = end;
        let newest = chunk.last().map_or(first.id, |last| last.id);
        for message in chunk {
            put_message(data, newest, first.at, &Logged::of(message));
        }
        put.execute(params![int(newest.0), int(commit), &*data])?;
    }
    Ok(())
}

/// Begins a chunk in `data`.
fn begin(rows: &[u8], at: TimeMs, data: &mut Vec<u8>) {
    data.clear();
    put(data, rows.len() as u64);
    data.extend_from_slice(rows);
    put_signed(data, at.0);
}

/// About what a message takes.
fn bytes_of(message: &Message) -> usize {
    let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
    MESSAGE_BYTES + message.body.len() + text(&message.client_id) + text(&message.attributes)
}

/// Stores what a message of the log is now; its place, its client's id, and who said it when stay as they are.
///
/// # Errors
/// When it is not there, or cannot be written.
pub(super) fn change(connection: &Connection, message: &Message) -> Result<()> {
    edit(connection, message.id, |old| {
        old.kind = message.kind;
        old.body = Arc::clone(&message.body);
        old.attributes = message.attributes.clone();
        old.recalled = message.recalled;
    })
}

/// Stores what `edit` makes of a message of the log.
///
/// # Errors
/// When it is not there, or cannot be written.
pub(super) fn edit(
    connection: &Connection,
    id: MessageId,
    edit: impl FnOnce(&mut Message),
) -> Result<()> {
    let mut find = connection.prepare_cached(CHUNK_OF)?;
    let mut rows = find.query([int(id.0)])?;
    let chunk = rows.next()?.map(Chunk::of).transpose()?;
    let found = match chunk {
        Some(chunk) => chunk.find(id)?.map(|found| (chunk, found)),
        None => None,
    };
    let Some((chunk, found)) = found else {
        let what = format!("message {id} is neither new nor in the log");
        return Err(StoreError(what));
    };
    let mut edited = found.to_message();
    edit(&mut edited);
    let mut data = Vec::new();
    begin(chunk.rows, chunk.at, &mut data);
    let mut messages = Bytes(chunk.messages);
    while !messages.is_empty() {
        let message = part(&mut messages)?;
        match chunk.id(&mut message.clone())? == id {
            true => put_message(&mut data, chunk.newest, chunk.at, &Logged::of(&edited)),
            // As it is, even if it is damaged.
            false => {
                put(&mut data, message.0.len() as u64);
                data.extend_from_slice(message.0);
            }
        }
    }
    let newest = int(chunk.newest.0);
    drop(rows);
    let mut put = connection.prepare_cached(CHANGE)?;
    put.execute(params![newest, data])?;
    Ok(())
}

/// The message of an id, if the log has it.
///
/// # Errors
/// When its chunk cannot be read.
pub(super) fn message(connection: &Connection, id: MessageId) -> Result<Option<Arc<Message>>> {
    find(connection, id, |found| Arc::new(found.to_message()))
}

/// The messages of `ids`, in their order.
///
/// # Errors
/// When a chunk cannot be read, or the log does not have one of them.
pub(super) fn messages(
    connection: &Connection,
    ids: impl Iterator<Item = MessageId>,
) -> Result<Vec<Arc<Message>>> {
    let mut chunk_of = connection.prepare_cached(CHUNK_OF)?;
    let mut messages = Vec::with_capacity(ids.size_hint().0);
    for id in ids {
        let found = find_by(&mut chunk_of, id, |found| Arc::new(found.to_message()))?;
        messages
            .push(found.ok_or_else(|| damaged("a list names a message that is not in the log"))?);
    }
    Ok(messages)
}

/// What `read` makes of the message of an id, if the log has it.
///
/// # Errors
/// When its chunk cannot be read.
pub(super) fn find<T>(
    connection: &Connection,
    id: MessageId,
    read: impl FnOnce(&Logged<'_>) -> T,
) -> Result<Option<T>> {
    find_by(&mut *connection.prepare_cached(CHUNK_OF)?, id, read)
}

/// The same by [`CHUNK_OF`], prepared.
fn find_by<T>(
    chunk_of: &mut Statement<'_>,
    id: MessageId,
    read: impl FnOnce(&Logged<'_>) -> T,
) -> Result<Option<T>> {
    let mut rows = chunk_of.query([int(id.0)])?;
    match rows.next()? {
        Some(row) => Ok(Chunk::of(row)?.find(id)?.as_ref().map(read)),
        None => Ok(None),
    }
}

/// A row of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'a> {
    /// Its newest message.
    newest: MessageId,
    /// Rows of members, as in the journal.
    pub(super) rows: &'a [u8],
    /// When its first message was said.
    at: TimeMs,
    messages: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// That of a row of [`CHUNKS_AFTER`].
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn of(row: &'a Row<'_>) -> Result<Chunk<'a>> {
        let newest = MessageId(row.get::<_, i64>(1)?.cast_unsigned());
        let data = row.get_ref(2)?.as_blob();
        Chunk::new(
            newest,
            data.map_err(|_| damaged("a chunk of the log is no blob"))?,
        )
    }

    /// The chunk `data`, whose newest message has the id `newest`.
    fn new(newest: MessageId, data: &'a [u8]) -> Result<Chunk<'a>> {
        let mut bytes = Bytes(data);
        let length = bytes.number()?;
        Ok(Chunk {
            newest,
            rows: bytes.take(length)?,
            at: TimeMs(bytes.signed()?),
            messages: bytes.0,
        })
    }

    /// Its messages, the oldest first.
    pub(super) fn messages(&self) -> impl Iterator<Item = Result<Logged<'a>>> {
        let chunk = *self;
        let mut bytes = Bytes(chunk.messages);
        std::iter::from_fn(move || {
            if bytes.is_empty() {
                return None;
            }
            let message =
                part(&mut bytes).and_then(|mut part| chunk.read(chunk.id(&mut part)?, part));
            if message.is_err() {
                bytes = Bytes(&[]);
            }
            Some(message)
        })
    }

    /// The message of an id, if it is here.
    fn find(&self, id: MessageId) -> Result<Option<Logged<'a>>> {
        let mut bytes = Bytes(self.messages);
        while !bytes.is_empty() {
            let mut part = part(&mut bytes)?;
            if self.id(&mut part)? == id {
                return self.read(id, part).map(Some);
            }
        }
        Ok(None)
    }

    /// Takes the id that a message begins with.
    fn id(&self, message: &mut Bytes<'_>) -> Result<MessageId> {
        let id = self.newest.0.checked_sub(message.number()?);
        id.map(MessageId)
            .ok_or_else(|| damaged("a message has no id"))
    }

    /// Reads what follows the id of a message.
    fn read(&self, id: MessageId, mut bytes: Bytes<'a>) -> Result<Logged<'a>> {
        let conversation = ConversationId(kept(&mut bytes)?);
        let position = Position(kept(&mut bytes)?);
        let sender = AccountId(kept(&mut bytes)?);
        let at = TimeMs(self.at.0.wrapping_add(bytes.signed()?));
        let kind = MessageKind::from_code(bytes.signed()?);
        let kind = kind.ok_or_else(|| damaged("a message is of no kind"))?;
        let flags = bytes.take(1)?.first().copied().unwrap_or_default();
        let origin = Dialect::from_code(flags & ORIGIN);
        let origin = origin.ok_or_else(|| damaged("a message is of no dialect"))?;
        let mut short = |flag| match flags & flag {
            0 => Ok(None),
            _ => part(&mut bytes).and_then(text).map(Some),
        };
        let client_id = short(CLIENT_ID)?;
        let attributes = short(ATTRIBUTES)?;
        Ok(Logged {
            id,
            conversation,
            position,
            sender,
            at,
            kind,
            body: text(bytes)?,
            origin,
            client_id,
            attributes,
            recalled: flags & RECALLED != 0,
        })
    }
}

/// Takes what is as long as the number before it says.
fn part<'a>(bytes: &mut Bytes<'a>) -> Result<Bytes<'a>> {
    let length = bytes.number()?;
    bytes.take(length).map(Bytes)
}

fn text(bytes: Bytes<'_>) -> Result<&str> {
    std::str::from_utf8(bytes.0).map_err(|_| damaged("what a message says is no text"))
}

/// Takes a number of those that the file keeps.
fn kept(bytes: &mut Bytes<'_>) -> Result<u64> {
    let number = bytes.number()?;
    match i64::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(damaged("a message's number is too large")),
    }
}

/// A message as the log has it; see [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged<'a> {
    pub(super) id: MessageId,
    pub(super) conversation: ConversationId,
    pub(super) position: Position,
    pub(super) sender: AccountId,
    pub(super) at: TimeMs,
    pub(super) kind: MessageKind,
    pub(super) body: &'a str,
    pub(super) origin: Dialect,
    pub(super) client_id: Option<&'a str>,
    pub(super) attributes: Option<&'a str>,
    pub(super) recalled: bool,
}

impl<'a> Logged<'a> {
    pub(super) fn of(message: &'a Message) -> Logged<'a> {
        Logged {
            id: message.id,
            conversation: message.conversation,
            position: message.position,
            sender: message.sender,
            at: message.at,
            kind: message.kind,
            body: &message.body,
            origin: message.origin,
            client_id: message.client_id.as_deref(),
            attributes: message.attributes.as_deref(),
            recalled: message.recalled,
        }
    }

    /// What the tail has of it.
    pub(super) fn appended(&self, secret: &Secret) -> Appended {
        Appended {
            entry: Entry {
                list: self.conversation.0,
                place: self.position.0,
                message: self.id.0,
                sender: self.sender.0,
            },
            at: self.at,
            key: secret.key_of(self),
        }
    }

    fn to_message(&self) -> Message {
        Message {
            id: self.id,
            conversation: self.conversation,
            position: self.position,
            sender: self.sender,
            at: self.at,
            kind: self.kind,
            body: Arc::from(self.body),
            origin: self.origin,
            client_id: self.client_id.map(Arc::from),
            attributes: self.attributes.map(Arc::from),
            recalled: self.recalled,
        }
    }
}

/// Appends a message to a chunk that begins at `first_at` and ends with `newest`.
fn put_message(out: &mut Vec<u8>, newest: MessageId, first_at: TimeMs, message: &Logged<'_>) {
    let shorts = [message.client_id, message.attributes];
    let start = out.len();
    put(out, newest.0.wrapping_sub(message.id.0));
    put(out, message.conversation.0);
    put(out, message.position.0);
    put(out, message.sender.0);
    put_signed(out, message.at.0.wrapping_sub(first_at.0));
    put_signed(out, message.kind.code());
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(
        message.origin as u8
            | flag(message.client_id.is_some(), CLIENT_ID)
            | flag(message.attributes.is_some(), ATTRIBUTES)
            | flag(message.recalled, RECALLED),
    );
    for short in shorts.into_iter().flatten() {
        put(out, short.len() as u64);
        out.extend_from_slice(short.as_bytes());
    }
    // How long it is, is known when all but the body is there, and stands before it.
    let end = out.len();
    put(out, (end - start + message.body.len()) as u64);
    let length_bytes = out.len() - end;
    if let Some(whole) = out.get_mut(start..) {
        whole.rotate_right(length_bytes);
    }
    out.extend_from_slice(message.body.as_bytes());
}

#[cfg(test)]
mod tests;
