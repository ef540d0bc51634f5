//! Members' rows, as far as they are folded: packed into pages by account and conversation, so that an account's memberships lie together
//! and a fold writes each page once.
//!
//! A page has the rows from where it begins to where the next one does. Each stands there as what tells it from the one before, its length,
//! and what the journal has of it:
//!
//! ```text
//! account+, conversation or conversation+ in the same account, bytes of what follows; the row
//! ```

use std::ops::Range;

use rusqlite::{Connection, params};

use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::store::sqlite::journal::take_row;
use crate::store::sqlite::varint::{Bytes, VARINT_BYTES_MAX, damaged, put};
use crate::store::sqlite::{PAGE_BYTES, int};
use crate::store::{Result, StoreError};

const PAGE_UP_TO: &str = "
    SELECT k.account, k.conversation, k.page, p.data FROM member_page_key k JOIN member_page p ON p.id = k.page
    WHERE (k.account, k.conversation) <= (?1, ?2) ORDER BY k.account DESC, k.conversation DESC LIMIT 1";
const PAGES_FROM: &str = "
    SELECT k.account, k.conversation, k.page, p.data FROM member_page_key k JOIN member_page p ON p.id = k.page
    WHERE (k.account, k.conversation) > (?1, ?2) ORDER BY k.account, k.conversation";
const NEXT_KEY: &str = "
    SELECT account, conversation FROM member_page_key
    WHERE (account, conversation) > (?1, ?2) ORDER BY account, conversation LIMIT 1";
// Pages are never deleted.
const PAGE_COUNT: &str = "SELECT max(id) FROM member_page";
const CHANGE_PAGE: &str = "UPDATE member_page SET data = ?2 WHERE id = ?1";
const PUT_PAGE: &str = "INSERT INTO member_page (data) VALUES (?1)";
const PUT_PAGE_KEY: &str =
    "INSERT INTO member_page_key (account, conversation, page) VALUES (?1, ?2, ?3)";
const GROUP_MEMBERS: &str =
    "SELECT account FROM group_member WHERE conversation = ?1 ORDER BY account";
// One that could fail in the middle would begin with a savepoint, which costs more than all the rest.
const PUT_GROUP_MEMBER: &str = "
    INSERT OR IGNORE INTO group_member (conversation, account)
    SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM conversation WHERE id = ?1 AND owner IS NOT NULL)";

/// Every statement here, for the test that none of them scans a table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 9] = [
    PAGE_COUNT,
    PAGE_UP_TO,
    PAGES_FROM,
    NEXT_KEY,
    CHANGE_PAGE,
    PUT_PAGE,
    PUT_PAGE_KEY,
    GROUP_MEMBERS,
    PUT_GROUP_MEMBER,
];

/// Most bytes of a page with more than one row. With its own row's header it fills one of the file's.
const DATA_BYTES_MAX: usize = PAGE_BYTES as usize - 100;
/// So much of a page is changed at a time, lest all that lies behind the last page be written in one commit.
const CHANGE_BYTES_MAX: usize = 4 * DATA_BYTES_MAX;
/// The worst that a row's own numbers take.
const HEADER_BYTES_MAX: usize = 3 * VARINT_BYTES_MAX;

/// Account and conversation, by which rows are sorted.
pub(super) type Key = (u64, u64);

/// The rows of a page in their order.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    bytes: Bytes<'a>,
    last: Key,
}

impl<'a> Rows<'a> {
    /// The rows of `data`.
    pub(super) fn new(data: &'a [u8]) -> Rows<'a> {
        Rows {
            bytes: Bytes(data),
            last: (0, 0),
        }
    }

    fn read(&mut self) -> Result<(Key, &'a [u8])> {
        let further = self.bytes.number()?;
        let conversation = self.bytes.number()?;
        let length = self.bytes.number()?;
        let row = self.bytes.take(length)?;
        let account = self.last.0.checked_add(further);
        let conversation = match further {
            0 => self.last.1.checked_add(conversation),
            _ => Some(conversation),
        };
        let key = account.zip(conversation);
        self.last = key.ok_or_else(|| damaged("a member's number is too large"))?;
        Ok((self.last, row))
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<(Key, &'a [u8])>;

    fn next(&mut self) -> Option<Result<(Key, &'a [u8])>> {
        if self.bytes.is_empty() {
            return None;
        }
        let row = self.read();
        if row.is_err() {
            self.bytes = Bytes(&[]);
        }
        Some(row)
    }
}

/// Puts rows into pages.
#[derive(Debug, Default)]
struct Page {
    data: Vec<u8>,
    last: Key,
}

impl Page {
    #[inline]
    fn push(&mut self, key: Key, row: &[u8]) -> Result<()> {
        let (account, mut conversation) = key;
        let further = account.checked_sub(self.last.0);
        if further == Some(0) {
            conversation = conversation
                .checked_sub(self.last.1)
                .ok_or_else(out_of_order)?;
        }
        put(&mut self.data, further.ok_or_else(out_of_order)?);
        put(&mut self.data, conversation);
        put(&mut self.data, row.len() as u64);
        self.data.extend_from_slice(row);
        self.last = key;
        Ok(())
    }
}

fn out_of_order() -> StoreError {
    damaged("members' rows are out of order")
}

/// The member whose row this is.
pub(super) fn unpack((account, conversation): Key, row: &[u8]) -> Result<Member> {
    let mut bytes = Bytes(row);
    let member = take_row(&mut bytes, AccountId(account), ConversationId(conversation))?;
    match bytes.is_empty() {
        true => Ok(member),
        false => Err(damaged("a member's row is too long")),
    }
}

fn columns<'a>(row: &'a rusqlite::Row<'_>) -> Result<(Key, i64, &'a [u8])> {
    let number = |column| -> Result<u64> { Ok(row.get::<_, i64>(column)?.cast_unsigned()) };
    let data = row.get_ref(3)?.as_blob();
    let data = data.map_err(|_| damaged("a page of members is no blob"))?;
    Ok(((number(0)?, number(1)?), row.get(2)?, data))
}

/// A member's row, if it is folded.
///
/// # Errors
/// When its page cannot be read.
pub(super) fn member(
    connection: &Connection,
    conversation: ConversationId,
    account: AccountId,
) -> Result<Option<Member>> {
    let key = (account.0, conversation.0);
    let mut pages = connection.prepare_cached(PAGE_UP_TO)?;
    let mut pages = pages.query([int(key.0), int(key.1)])?;
    let Some(page) = pages.next()? else {
        return Ok(None);
    };
    for row in Rows::new(columns(page)?.2) {
        let (at, row) = row?;
        if at >= key {
            return (at == key).then(|| unpack(key, row)).transpose();
        }
    }
    Ok(None)
}

/// Calls `each` with the rows of an account's memberships by conversation.
///
/// # Errors
/// When a page cannot be read.
pub(super) fn memberships(
    connection: &Connection,
    account: AccountId,
    mut each: impl FnMut(Member),
) -> Result<()> {
    let mut take = |data: &[u8]| -> Result<bool> {
        for row in Rows::new(data) {
            let (key, row) = row?;
            if key.0 > account.0 {
                return Ok(false);
            }
            if key.0 == account.0 {
                each(unpack(key, row)?);
            }
        }
        Ok(true)
    };
    let first = {
        let mut pages = connection.prepare_cached(PAGE_UP_TO)?;
        let mut pages = pages.query([int(account.0), 0])?;
        let Some(page) = pages.next()? else {
            return Ok(());
        };
        let (first, _, data) = columns(page)?;
        if !take(data)? {
            return Ok(());
        }
        first
    };
    let mut pages = connection.prepare_cached(PAGES_FROM)?;
    let mut pages = pages.query([int(first.0), int(first.1)])?;
    while let Some(page) = pages.next()? {
        let (first, _, data) = columns(page)?;
        if first.0 > account.0 || !take(data)? {
            break;
        }
    }
    Ok(())
}

/// The accounts whose rows are those of a group, by their numbers.
///
/// # Errors
/// When they cannot be read.
pub(super) fn of_group(
    connection: &Connection,
    conversation: ConversationId,
) -> Result<Vec<AccountId>> {
    let mut accounts = connection.prepare_cached(GROUP_MEMBERS)?;
    let accounts = accounts.query_map([int(conversation.0)], |row| {
        Ok(AccountId(row.get::<_, i64>(0)?.cast_unsigned()))
    })?;
    Ok(accounts.collect::<rusqlite::Result<_>>()?)
}

/// How many pages there are.
///
/// # Errors
/// When it cannot be read.
pub(super) fn page_count(connection: &Connection) -> Result<u64> {
    let newest = connection
        .prepare_cached(PAGE_COUNT)?
        .query_row([], |row| row.get::<_, i64>(0))?;
    Ok(newest.cast_unsigned())
}

/// Calls `each` with where a page begins and what it has, for all pages in their order.
///
/// # Errors
/// When they cannot be read, or those of `each`.
pub(super) fn pages(
    connection: &Connection,
    mut each: impl FnMut(Key, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut pages = connection.prepare(PAGES_FROM)?;
    let mut pages = pages.query([-1, -1])?;
    while let Some(page) = pages.next()? {
        let (first, _, data) = columns(page)?;
        each(first, data)?;
    }
    Ok(())
}

/// Changes rows, a page at a time. It is kept from one page to the next for its memory.
#[derive(Debug, Default)]
pub(super) struct PageChange {
    page: i64,
    /// Where the next page begins.
    end: Option<Key>,
    /// What the page had.
    old: Vec<u8>,
    /// New rows, one after the other.
    new: Vec<u8>,
    changes: Vec<(Key, Range<usize>)>,
}

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// How many of its rows are new.
    pub(super) joined: usize,
    /// How many pages were written.
    pub(super) pages: usize,
}

impl PageChange {
    /// Begins to change the page in which `key` belongs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn begin(&mut self, connection: &Connection, key: Key) -> Result<()> {
        let mut pages = connection.prepare_cached(PAGE_UP_TO)?;
        let mut pages = pages.query([int(key.0), int(key.1)])?;
        let page = pages.next()?;
        let page = page.ok_or_else(|| damaged("there is no first page of members"))?;
        let (first, id, data) = columns(page)?;
        self.page = id;
        self.old.clear();
        self.old.extend_from_slice(data);
        self.new.clear();
        self.changes.clear();
        let mut next = connection.prepare_cached(NEXT_KEY)?;
        let mut next = next.query([int(first.0), int(first.1)])?;
        self.end = match next.next()? {
            Some(row) => Some((
                row.get::<_, i64>(0)?.cast_unsigned(),
                row.get::<_, i64>(1)?.cast_unsigned(),
            )),
            None => None,
        };
        Ok(())
    }

    /// Whether `key`, which is not before that of [`PageChange::begin`], belongs in this page, and the change is not too large already: then
    /// it begins another one.
    pub(super) fn covers(&self, key: Key) -> bool {
        self.new.len() < CHANGE_BYTES_MAX && self.end.is_none_or(|end| key < end)
    }

    /// Puts a row in place of the one that is there, or besides. Keys rise from one to the next.
    pub(super) fn put(&mut self, key: Key, row: &[u8]) {
        let start = self.new.len();
        self.new.extend_from_slice(row);
        self.changes.push((key, start..self.new.len()));
    }

    /// Writes the page, and what it has no room for, into further ones.
    ///
    /// # Errors
    /// When the page is damaged or cannot be written.
    pub(super) fn store(&mut self, connection: &Connection) -> Result<Changed> {
        let mut whole = Page::default();
        whole.data.reserve(self.old.len() + self.new.len());
        let mut joined = 0;
        let mut changes = self.changes.iter().peekable();
        let new = |range: &Range<usize>| self.new.get(range.clone()).unwrap_or_default();
        let mut put_group_member = connection.prepare_cached(PUT_GROUP_MEMBER)?;
        let mut join = |key: Key| -> Result<()> {
            joined += 1;
            put_group_member.execute([int(key.1), int(key.0)])?;
            Ok(())
        };
        for old in Rows::new(&self.old) {
            let (key, row) = old?;
            while let Some((before, range)) = changes.next_if(|(change, _)| *change < key) {
                join(*before)?;
                whole.push(*before, new(range))?;
            }
            let changed = changes.next_if(|(change, _)| *change == key);
            whole.push(key, changed.map_or(row, |(_, range)| new(range)))?;
        }
        for (key, range) in changes {
            join(*key)?;
            whole.push(*key, new(range))?;
        }
        let pages = self.write(connection, whole.data)?;
        Ok(Changed { joined, pages })
    }

    /// Writes what `whole` has: into this page if it has room, else into several of like sizes. Behind the last page are more accounts to
    /// come: its rows are left the room that they grow by.
    fn write(&self, connection: &Connection, whole: Vec<u8>) -> Result<usize> {
        let mut pages: Vec<(Key, Vec<u8>)> = Vec::new();
        let count = whole.len().div_ceil(DATA_BYTES_MAX).max(1);
        if count == 1 {
            pages.push(((0, 0), whole));
        } else {
            let goal = match self.end {
                None => DATA_BYTES_MAX * 3 / 4,
                Some(_) => whole.len() / count,
            };
            let mut page = Page::default();
            let mut first = (0, 0);
            for row in Rows::new(&whole) {
                let (key, row) = row?;
                let is_full = page.data.len() >= goal
                    || page.data.len() + HEADER_BYTES_MAX + row.len() > DATA_BYTES_MAX;
                if is_full && !page.data.is_empty() {
                    pages.push((first, std::mem::take(&mut page).data));
                    first = key;
                }
                page.push(key, row)?;
            }
            pages.push((first, page.data));
        }
        for (index, (first, data)) in pages.iter().enumerate() {
            if index == 0 {
                let mut change = connection.prepare_cached(CHANGE_PAGE)?;
                change.execute(params![self.page, data])?;
                continue;
            }
            let mut put = connection.prepare_cached(PUT_PAGE)?;
            let page = put.insert([data])?;
            let mut put_key = connection.prepare_cached(PUT_PAGE_KEY)?;
            put_key.execute([int(first.0), int(first.1), page])?;
        }
        Ok(pages.len())
    }
}

#[cfg(test)]
mod tests;
