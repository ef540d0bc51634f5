//! A segment of the tail: what some successive commits changed, found by conversation, account and key.
//!
//! What comes is appended; what belongs together is chained by indexes of 4 bytes, and the beginnings of chains are found by hash. Nothing is
//! sorted before the segment is folded.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::{RwLock, RwLockReadGuard};

use crate::domain::conversation::Head;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::member::Member;
use crate::store::sqlite::block::Entry as ListEntry;
use crate::store::sqlite::journal::{skip_key, take_member};
use crate::store::sqlite::keys::{prefix, same_id};
use crate::store::sqlite::varint::Bytes;
use crate::store::{Result, StoreError};

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
    conversations: HashTable<List>,
    keys: Vec<Key>,
    /// The newest key of each id.
    by_id: HashTable<u32>,
    members: HashTable<Changed>,
    /// Members in the order of their coming.
    links: Vec<Link>,
    /// The last link of each account.
    by_account: HashTable<u32>,
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
    newest: u32,
    /// The link of the member who came last.
    member: u32,
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
    /// The one before it of the same id, in this or another conversation. A sender who uses one id everywhere has a long chain, but not
    /// longer than the segment.
    previous: u32,
}

/// A member whose row changed.
#[derive(Clone, Copy, Debug)]
struct Changed {
    account: u64,
    conversation: u64,
    /// The newest version of its row.
    newest: u32,
}

/// What leads from a member to others.
#[derive(Clone, Copy, Debug)]
struct Link {
    account: u64,
    conversation: u64,
    /// Another member of the conversation.
    next_member: u32,
    /// The account in another conversation.
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

/// Where a member's row begins in the journal's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowAt {
    /// Whose.
    pub(super) account: AccountId,
    /// Where it is a member.
    pub(super) conversation: ConversationId,
    /// Bytes before it.
    pub(super) offset: usize,
}

/// Room for what takes most that a segment asks for at once, so that it is not copied as it grows: memory that is not used is not had.
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
            conversations: HashTable::new(),
            keys: Vec::new(),
            by_id: HashTable::new(),
            members: HashTable::new(),
            links: Vec::new(),
            by_account: HashTable::new(),
            versions: Vec::new(),
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
        data.conversations.clear();
        data.keys.clear();
        data.by_id.clear();
        data.members.clear();
        data.links.clear();
        data.by_account.clear();
        data.versions.clear();
        data.rows.clear();
    }

    /// What is inside. The writer waits for whoever holds it.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.data.read()
    }

    /// Adds what `commit` brings: messages in the order of their ids, and `rows`, which begin where `rows_at` says, one behind the other.
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
        let mut data = self.data.write();
        let tag = tag(commit.saturating_sub(data.base))?;
        data.last_commit = commit;
        for message in messages {
            data.append_message(tag, message)?;
        }
        let begin = data.rows.len();
        index_of(begin + rows.len())?;
        data.rows.extend_from_slice(rows);
        let ends = rows_at.iter().skip(1).map(|next| next.offset);
        for (row, end) in rows_at.iter().zip(ends.chain([rows.len()])) {
            let (row_at, end) = (index_of(begin + row.offset)?, index_of(begin + end)?);
            data.append_row(tag, row, row_at..end)?;
        }
        Ok(())
    }
}

fn tag(number: u64) -> Result<u32> {
    let tag = u32::try_from(number).ok().filter(|tag| *tag != NONE);
    tag.ok_or_else(|| StoreError("a segment of the store's tail has no room".to_owned()))
}

/// A place in one of the lists, as chains have it.
fn index_of(number: usize) -> Result<u32> {
    tag(number as u64)
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

/// The list of a conversation, which is made if need be.
fn list_mut(conversations: &mut HashTable<List>, conversation: u64) -> &mut List {
    let found = conversations.entry(
        hash(conversation),
        |list| list.conversation == conversation,
        |list| hash(list.conversation),
    );
    let empty = || List {
        conversation,
        first: 0,
        newest: NONE,
        member: NONE,
    };
    found.or_insert_with(empty).into_mut()
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
        let lists = self.conversations.iter();
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
        members.map(|slot| ((slot.account, slot.conversation), slot.newest))
    }

    fn list(&self, conversation: u64) -> Option<&List> {
        let is_it = |list: &List| list.conversation == conversation;
        self.conversations.find(hash(conversation), is_it)
    }

    fn append_message(&mut self, tag: u32, appended: &Appended) -> Result<()> {
        let ListEntry {
            list,
            place,
            message,
            sender,
        } = appended.entry;
        let index = index_of(self.messages.len())?;
        let list = list_mut(&mut self.conversations, list);
        match self.messages.get(list.newest as usize) {
            Some(last) if last.position.checked_add(1) != Some(place) => {
                return Err(StoreError(format!(
                    "message {message} at position {place} does not follow position {}",
                    last.position
                )));
            }
            Some(_) => {}
            None => list.first = place,
        }
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
            self.append_key(key, message)?;
        }
        self.last_message = self.last_message.max(message);
        self.newest_at = self.newest_at.max(appended.at.0);
        Ok(())
    }

    fn append_key(&mut self, key: u64, message: u64) -> Result<()> {
        let keys = &mut self.keys;
        let index = index_of(keys.len())?;
        let entry = self.by_id.entry(
            hash(prefix(key)),
            |index| {
                keys.get(*index as usize)
                    .is_some_and(|other| same_id(other.key, key))
            },
            |index| {
                keys.get(*index as usize)
                    .map_or(0, |other| hash(prefix(other.key)))
            },
        );
        let mut newest = entry.or_insert(NONE);
        let previous = std::mem::replace(newest.get_mut(), index);
        keys.push(Key {
            key,
            message,
            previous,
        });
        Ok(())
    }

    fn append_row(&mut self, tag: u32, row: &RowAt, bytes: Range<u32>) -> Result<()> {
        let newest = index_of(self.versions.len())?;
        let (account, conversation) = (row.account.0, row.conversation.0);
        let entry = self.members.entry(
            hash_member(account, conversation),
            |slot| (slot.account, slot.conversation) == (account, conversation),
            |slot| hash_member(slot.account, slot.conversation),
        );
        let mut previous = NONE;
        match entry {
            Entry::Occupied(mut slot) => {
                previous = std::mem::replace(&mut slot.get_mut().newest, newest);
            }
            Entry::Vacant(slot) => {
                slot.insert(Changed {
                    account,
                    conversation,
                    newest,
                });
                self.link(account, conversation)?;
            }
        }
        self.versions.push(Version {
            row: bytes.start,
            end: bytes.end,
            commit: tag,
            previous,
        });
        Ok(())
    }

    fn link(&mut self, account: u64, conversation: u64) -> Result<()> {
        let index = index_of(self.links.len())?;
        let list = list_mut(&mut self.conversations, conversation);
        let next_member = std::mem::replace(&mut list.member, index);
        let links = &mut self.links;
        let account_at = |index: &u32| links.get(*index as usize).map(|link| link.account);
        let mut last = self
            .by_account
            .entry(
                hash(account),
                |index| account_at(index) == Some(account),
                |index| account_at(index).map_or(0, hash),
            )
            .or_insert(NONE);
        let next_membership = std::mem::replace(last.get_mut(), index);
        links.push(Link {
            account,
            conversation,
            next_member,
            next_membership,
        });
        Ok(())
    }

    fn slot(&self, account: u64, conversation: u64) -> Option<&Changed> {
        self.members
            .find(hash_member(account, conversation), |slot| {
                (slot.account, slot.conversation) == (account, conversation)
            })
    }

    /// What a snapshot of `commit` may see is tagged so or lower; `None` if it may see nothing.
    pub(super) fn tag_at(&self, commit: u64) -> Option<u32> {
        let behind = commit.checked_sub(self.base)?;
        Some(u32::try_from(behind).unwrap_or(NONE))
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
    pub(super) fn row(&self, version: u32) -> Result<&[u8]> {
        let mut bytes = Bytes(self.whole_row(self.versions.get(version as usize)));
        skip_key(&mut bytes)?;
        Ok(bytes.0)
    }

    fn whole_row(&self, version: Option<&Version>) -> &[u8] {
        let bytes = version.map(|version| version.row as usize..version.end as usize);
        let row = bytes.and_then(|bytes| self.rows.get(bytes));
        row.unwrap_or_default()
    }

    /// The newest version of a member's row that is tagged `tag` or lower.
    fn version(&self, account: u64, conversation: u64, tag: u32) -> Result<Option<Member>> {
        let newest = self
            .slot(account, conversation)
            .map_or(NONE, |slot| slot.newest);
        let mut versions = chain(&self.versions, newest, |version| version.previous);
        match versions.find(|version| version.commit <= tag) {
            Some(seen) => take_member(&mut Bytes(self.whole_row(Some(seen)))).map(Some),
            None => Ok(None),
        }
    }

    /// The newest message of a conversation that is tagged `tag` or lower.
    pub(super) fn head(&self, conversation: ConversationId, tag: u32) -> Option<Head> {
        let mut messages = self.chain(self.list(conversation.0)?.newest);
        let newest = messages.find(|message| message.commit <= tag)?;
        Some(Head {
            position: Position(newest.position),
            message: MessageId(newest.message),
            at: TimeMs(newest.at),
        })
    }

    /// Appends the entries of a conversation at `positions` that are tagged `tag` or lower, from the newest on, until there are `rows_max`;
    /// says whether that was all, so that no older segment has more.
    pub(super) fn newest_first(
        &self,
        conversation: ConversationId,
        positions: &RangeInclusive<u64>,
        tag: u32,
        rows_max: usize,
        out: &mut Vec<ListEntry>,
    ) -> bool {
        let Some(list) = self.list(conversation.0) else {
            return false;
        };
        if list.first > *positions.end() {
            return false;
        }
        for message in self.chain(list.newest) {
            if message.position < *positions.start() || out.len() >= rows_max {
                return true;
            }
            if message.commit <= tag && message.position <= *positions.end() {
                out.push(message.entry(conversation.0));
            }
        }
        false
    }

    /// Whether a message has the id of `key`, in any conversation.
    pub(super) fn may_have(&self, key: u64) -> bool {
        self.of_id(key).next().is_some()
    }

    /// The keys of the id of `key` with their messages, from the newest on.
    pub(super) fn of_id(&self, key: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.by_id.find(hash(prefix(key)), |index| {
            self.keys
                .get(*index as usize)
                .is_some_and(|other| same_id(other.key, key))
        });
        let first = first.copied().unwrap_or(NONE);
        chain(&self.keys, first, |key| key.previous).map(|key| (key.key, key.message))
    }

    /// A member's row as it stands at `tag`, if it changed up to there.
    pub(super) fn member(
        &self,
        conversation: ConversationId,
        account: AccountId,
        tag: u32,
    ) -> Result<Option<Member>> {
        self.version(account.0, conversation.0, tag)
    }

    /// Adds the rows of a conversation's members that changed up to `tag`, but of those that are there.
    pub(super) fn members_of(
        &self,
        conversation: ConversationId,
        tag: u32,
        members: &mut BTreeMap<AccountId, Member>,
    ) -> Result<()> {
        let first = self.list(conversation.0).map_or(NONE, |list| list.member);
        for link in chain(&self.links, first, |link| link.next_member) {
            let account = AccountId(link.account);
            if !members.contains_key(&account)
                && let Some(member) = self.version(link.account, link.conversation, tag)?
            {
                members.insert(account, member);
            }
        }
        Ok(())
    }

    /// Adds the rows of an account's memberships that changed up to `tag`, but of those that are there.
    pub(super) fn memberships_of(
        &self,
        account: AccountId,
        tag: u32,
        memberships: &mut BTreeMap<ConversationId, Member>,
    ) -> Result<()> {
        let first = self.by_account.find(hash(account.0), |index| {
            self.links
                .get(*index as usize)
                .is_some_and(|link| link.account == account.0)
        });
        let first = first.copied().unwrap_or(NONE);
        for link in chain(&self.links, first, |link| link.next_membership) {
            let conversation = ConversationId(link.conversation);
            if !memberships.contains_key(&conversation)
                && let Some(member) = self.version(link.account, link.conversation, tag)?
            {
                memberships.insert(conversation, member);
            }
        }
        Ok(())
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
