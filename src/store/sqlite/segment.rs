//! A segment of the tail: what some successive commits changed, found by conversation, account and key.
//!
//! What comes is appended; what belongs together is chained by indexes of 4 bytes, and the beginnings of chains are found by hash. Nothing is
//! sorted before the segment is folded. What a commit changes is strewn over all of it, so that the time this takes is that of the few
//! places where memory is looked at.

mod buckets;
mod seen;

use std::hint::black_box;
use std::ops::Range;

use parking_lot::{RwLock, RwLockReadGuard};

use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::store::sqlite::block::Entry as ListEntry;
use crate::store::sqlite::keys::prefix;
use crate::store::{Result, StoreError};

use buckets::Buckets;

/// Stands for no index, and ends a chain.
const NONE: u32 = u32::MAX;

/// What some successive commits changed.
#[derive(Debug)]
pub(super) struct Segment {
    data: RwLock<Data>,
}

/// The inside of a segment.
#[derive(Debug)]
pub(super) struct Data {
    /// The commit before its first.
    base: u64,
    /// Its newest commit.
    pub(super) last_commit: u64,
    /// The newest message up to `last_commit`.
    pub(super) last_message: u64,
    /// The latest time of a message; 0 without any.
    pub(super) newest_at: i64,
    messages: Vec<TailMessage>,
    /// Conversations in the order of their coming.
    lists: Vec<List>,
    by_conversation: Buckets,
    keys: Vec<Key>,
    by_id: Buckets,
    /// Members in the order of their coming.
    members: Vec<Changed>,
    by_member: Buckets,
    by_account: Buckets,
    versions: Vec<Version>,
    /// Members' rows as in the journal.
    rows: Vec<u8>,
}

/// What a segment has of a conversation.
#[derive(Clone, Copy, Debug)]
struct List {
    conversation: u64,
    /// The first position; meaningless without a message.
    first: u64,
    /// How many messages there are, and the newest of them.
    messages: u32,
    newest: u32,
    /// The member who came last.
    member: u32,
    /// Another conversation in its bucket.
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct TailMessage {
    position: u64,
    message: u64,
    sender: u64,
    at: i64,
    commit: u32,
    /// The message before it in its conversation.
    previous: u32,
}

/// A client's id.
#[derive(Clone, Copy, Debug)]
struct Key {
    key: u64,
    message: u64,
    /// The one before it in its bucket: perhaps of the same id, in this or another conversation. A sender who uses one id everywhere makes a
    /// long chain for the few ids of its bucket, but not longer than the segment.
    previous: u32,
}

/// A member whose row changed.
#[derive(Clone, Copy, Debug)]
struct Changed {
    account: u64,
    conversation: u64,
    /// The newest version of its row.
    newest: u32,
    /// Another one in its bucket.
    next: u32,
    /// Another member of the conversation.
    next_member: u32,
    /// Another one in the bucket of its account.
    next_membership: u32,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    /// Where its row begins and ends.
    row: u32,
    end: u32,
    commit: u32,
    /// The version before it.
    previous: u32,
}

/// A message as the tail keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appended {
    /// The conversation, the position, the id and the sender.
    pub(super) entry: ListEntry,
    /// Its time.
    pub(super) at: TimeMs,
    /// Its key, if a client gave it an id.
    pub(super) key: Option<u64>,
}

/// Where a member's row stands among those of its commit.
#[derive(Clone, Debug)]
pub(super) struct RowAt {
    /// Whose.
    pub(super) account: AccountId,
    /// Where it is a member.
    pub(super) conversation: ConversationId,
    /// The row, which comes after whose it is.
    pub(super) row: Range<usize>,
}

/// Room that a segment asks for at once, so that little is copied as it grows, and for which it has buckets: memory that is not used is not
/// had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// For so many messages.
    pub(super) messages: usize,
    /// For so many bytes of members' rows.
    pub(super) member_bytes: usize,
}

/// Spreads a number over all bits. Nobody can choose the numbers here so that they collide: they count up, or come out of a keyed hash.
fn hash(number: u64) -> u64 {
    let wide = u128::from(number ^ 0x2545_F491_4F6C_DD1D) * 0x9E37_79B9_7F4A_7C15_u128;
    (wide >> 64) as u64 ^ wide as u64
}

fn hash_member(account: u64, conversation: u64) -> u64 {
    hash(hash(account) ^ conversation)
}

impl Segment {
    /// An empty one for the commits after `commit`, of which `message` is the newest message.
    pub(super) fn new(commit: u64, message: u64, room: Room) -> Segment {
        let data = Data {
            base: commit,
            last_commit: commit,
            last_message: message,
            newest_at: 0,
            messages: Vec::with_capacity(room.messages),
            lists: Vec::with_capacity(room.messages),
            by_conversation: Buckets::new(room.messages),
            keys: Vec::with_capacity(room.messages),
            by_id: Buckets::new(room.messages),
            members: Vec::with_capacity(2 * room.messages),
            by_member: Buckets::new(2 * room.messages),
            by_account: Buckets::new(2 * room.messages),
            versions: Vec::with_capacity(2 * room.messages),
            rows: Vec::with_capacity(room.member_bytes),
        };
        Segment {
            data: RwLock::new(data),
        }
    }

    /// Begins anew after `commit`, in the memory that it has.
    pub(super) fn clear(&mut self, commit: u64, message: u64) {
        let data = self.data.get_mut();
        data.base = commit;
        data.last_commit = commit;
        data.last_message = message;
        data.newest_at = 0;
        data.messages.clear();
        data.lists.clear();
        data.by_conversation.clear();
        data.keys.clear();
        data.by_id.clear();
        data.members.clear();
        data.by_member.clear();
        data.by_account.clear();
        data.versions.clear();
        data.rows.clear();
    }

    /// What is inside. The writer waits for whoever holds it.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.data.read()
    }

    /// Adds what `commit` brings: messages in the order of their ids, and `rows`, which stand where `rows_at` says.
    ///
    /// # Errors
    /// When a message does not stand right behind the one before it in its conversation. Then the segment is not to be used.
    pub(super) fn append(
        &self,
        commit: u64,
        messages: &[Appended],
        rows: &[u8],
        rows_at: &[RowAt],
    ) -> Result<()> {
        // Nobody else appends.
        self.data.read().look_up(messages, rows_at);
        let mut data = self.data.write();
        let tag = tag(commit.saturating_sub(data.base))?;
        data.last_commit = commit;
        for message in messages {
            data.append_message(tag, message)?;
        }
        let begin = data.rows.len();
        index_of(begin + rows.len())?;
        data.rows.extend_from_slice(rows);
        for row in rows_at {
            let (start, end) = (
                index_of(begin + row.row.start)?,
                index_of(begin + row.row.end)?,
            );
            data.append_row(tag, row, start..end)?;
        }
        Ok(())
    }
}

fn tag(number: u64) -> Result<u32> {
    let tag = u32::try_from(number).ok().filter(|tag| *tag != NONE);
    tag.ok_or_else(full)
}

fn full() -> StoreError {
    StoreError("a segment of the store's tail has no room".to_owned())
}

/// A place in one of the lists, as chains have it.
fn index_of(number: usize) -> Result<u32> {
    tag(number as u64)
}

/// Where the first of a chain through `items` is that `is_it`, or [`NONE`].
fn find<T>(items: &[T], first: u32, next: impl Fn(&T) -> u32, is_it: impl Fn(&T) -> bool) -> u32 {
    let mut index = first;
    while let Some(item) = items.get(index as usize)
        && !is_it(item)
    {
        index = next(item);
    }
    index
}

/// Follows a chain through `items` from `first` on.
fn chain<T>(items: &[T], first: u32, next: impl Fn(&T) -> u32) -> impl Iterator<Item = &T> {
    let mut index = first;
    std::iter::from_fn(move || {
        let item = items.get(index as usize)?;
        index = next(item);
        Some(item)
    })
}

impl Data {
    /// How many messages it has.
    pub(super) fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes its members' rows take.
    pub(super) fn row_bytes(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is to be folded.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.members.is_empty()
    }

    /// The oldest message's id.
    pub(super) fn first_message(&self) -> Option<u64> {
        self.messages.first().map(|message| message.message)
    }

    /// The conversations with messages, in any order, with the newest one of each.
    pub(super) fn conversations(&self) -> impl Iterator<Item = (u64, u32)> {
        let lists = self.lists.iter();
        let lists = lists.filter(|list| list.newest != NONE);
        lists.map(|list| (list.conversation, list.newest))
    }

    /// Keys with their messages, in the order of their coming.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.keys.iter().map(|key| (key.key, key.message))
    }

    /// Accounts and conversations of members whose rows changed, in any order, with the newest version of each.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = ((u64, u64), u32)> {
        let members = self.members.iter();
        members.map(|member| ((member.account, member.conversation), member.newest))
    }

    fn list(&self, conversation: u64) -> Option<&List> {
        self.lists.get(self.list_index(conversation) as usize)
    }

    /// Where the list of a conversation is, or [`NONE`].
    fn list_index(&self, conversation: u64) -> u32 {
        let first = self.by_conversation.first(hash(conversation));
        let is_it = |list: &List| list.conversation == conversation;
        find(&self.lists, first, |list| list.next, is_it)
    }

    /// The list of a conversation, which is made if need be.
    fn list_mut(&mut self, conversation: u64) -> Result<&mut List> {
        let mut index = self.list_index(conversation);
        if index == NONE {
            index = index_of(self.lists.len())?;
            let next = self.by_conversation.put_first(hash(conversation), index);
            self.lists.push(List {
                conversation,
                first: 0,
                messages: 0,
                newest: NONE,
                member: NONE,
                next,
            });
        }
        self.lists.get_mut(index as usize).ok_or_else(full)
    }

    /// Looks at all that `messages` and `rows` will change. Each of these places is far from the others: memory brings many of them at once,
    /// but only if none waits for what is done with the one before.
    fn look_up(&self, messages: &[Appended], rows: &[RowAt]) {
        let mut found = 0;
        for row in rows {
            found ^= self.member_index(row.account.0, row.conversation.0);
            found ^= self.by_account.first(hash(row.account.0));
        }
        for message in messages {
            found ^= self.list_index(message.entry.list);
        }
        black_box(found);
    }

    fn append_message(&mut self, tag: u32, appended: &Appended) -> Result<()> {
        let ListEntry {
            list,
            place,
            message,
            sender,
        } = appended.entry;
        let index = index_of(self.messages.len())?;
        let list = self.list_mut(list)?;
        let next = list.first.checked_add(u64::from(list.messages));
        match list.messages {
            0 => list.first = place,
            _ if next != Some(place) => {
                return Err(StoreError(format!(
                    "message {message} at position {place} does not follow the {} from {} on",
                    list.messages, list.first
                )));
            }
            _ => {}
        }
        list.messages += 1;
        let previous = std::mem::replace(&mut list.newest, index);
        self.messages.push(TailMessage {
            position: place,
            message,
            sender,
            at: appended.at.0,
            commit: tag,
            previous,
        });
        if let Some(key) = appended.key {
            let index = index_of(self.keys.len())?;
            let previous = self.by_id.put_first(hash(prefix(key)), index);
            self.keys.push(Key {
                key,
                message,
                previous,
            });
        }
        self.last_message = self.last_message.max(message);
        self.newest_at = self.newest_at.max(appended.at.0);
        Ok(())
    }

    fn append_row(&mut self, tag: u32, row: &RowAt, bytes: Range<u32>) -> Result<()> {
        let newest = index_of(self.versions.len())?;
        let (account, conversation) = (row.account.0, row.conversation.0);
        let index = match self.member_index(account, conversation) {
            NONE => self.link(account, conversation)?,
            index => index,
        };
        let member = self.members.get_mut(index as usize).ok_or_else(full)?;
        let previous = std::mem::replace(&mut member.newest, newest);
        self.versions.push(Version {
            row: bytes.start,
            end: bytes.end,
            commit: tag,
            previous,
        });
        Ok(())
    }

    /// Appends a member, which leads to others.
    fn link(&mut self, account: u64, conversation: u64) -> Result<u32> {
        let index = index_of(self.members.len())?;
        let list = self.list_mut(conversation)?;
        let next_member = std::mem::replace(&mut list.member, index);
        let by_member = hash_member(account, conversation);
        self.members.push(Changed {
            account,
            conversation,
            newest: NONE,
            next: self.by_member.put_first(by_member, index),
            next_member,
            next_membership: self.by_account.put_first(hash(account), index),
        });
        Ok(index)
    }

    /// The member that `account` is in a conversation, or [`NONE`].
    fn member_index(&self, account: u64, conversation: u64) -> u32 {
        let first = self.by_member.first(hash_member(account, conversation));
        let is_it =
            |member: &Changed| (member.account, member.conversation) == (account, conversation);
        find(&self.members, first, |member| member.next, is_it)
    }

    /// The messages of a conversation from its newest on.
    fn chain(&self, newest: u32) -> impl Iterator<Item = &TailMessage> {
        chain(&self.messages, newest, |message| message.previous)
    }

    /// The entries of a conversation whose newest message is at `newest`, by position, and the time of the last one.
    pub(super) fn entries(&self, conversation: u64, newest: u32, out: &mut Vec<ListEntry>) -> i64 {
        out.clear();
        out.extend(
            self.chain(newest)
                .map(|message| message.entry(conversation)),
        );
        out.reverse();
        self.messages
            .get(newest as usize)
            .map_or(0, |newest| newest.at)
    }

    /// The row of a version, as in the journal but without whose it is.
    pub(super) fn row(&self, version: u32) -> &[u8] {
        let version = self.versions.get(version as usize);
        version.map_or(&[], |version| self.row_of(version))
    }

    fn row_of(&self, version: &Version) -> &[u8] {
        let row = self.rows.get(version.row as usize..version.end as usize);
        row.unwrap_or_default()
    }

    /// Looks at the rows of `versions`, as [`Data::look_up`] does.
    pub(super) fn look_at_rows(&self, versions: impl Iterator<Item = u32> + Clone) {
        let row = |version| {
            self.versions
                .get(version as usize)
                .map_or(0, |version: &Version| version.row)
        };
        let mut found = versions
            .clone()
            .fold(0, |found, version| found ^ row(version));
        for version in versions {
            let byte = self.rows.get(row(version) as usize);
            found ^= byte.map_or(0, |byte| u32::from(*byte));
        }
        black_box(found);
    }

    /// Looks at the messages at `indexes` and those before them, as [`Data::look_up`] does.
    pub(super) fn look_at_messages(&self, indexes: impl Iterator<Item = u32> + Clone) {
        let previous = |index| {
            let message = self.messages.get(index as usize);
            message.map_or(NONE, |message: &TailMessage| message.previous)
        };
        let mut found = indexes
            .clone()
            .fold(0, |found, index| found ^ previous(index));
        for index in indexes {
            found ^= previous(previous(index));
        }
        black_box(found);
    }
}

impl TailMessage {
    fn entry(&self, conversation: u64) -> ListEntry {
        ListEntry {
            list: conversation,
            place: self.position,
            message: self.message,
            sender: self.sender,
        }
    }
}

#[cfg(test)]
mod tests;
