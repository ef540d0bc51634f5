//! A segment of the tail: what some successive commits changed, found by conversation, account and key.
//!
//! Everything stands in the order of its coming; what belongs together is chained by indexes of 4 bytes, and the beginnings of chains are
//! found by hash. Nothing is sorted before the segment is folded.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard};

use crate::domain::conversation::Head;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::member::Member;
use crate::store::sqlite::block::Entry;
use crate::store::sqlite::journal::{first_row, take_member};
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
    conversations: Vec<List>,
    by_conversation: HashTable<u32>,
    keys: Vec<Key>,
    by_id: HashTable<u32>,
    /// Members whose rows changed.
    members: Vec<Slot>,
    by_member: HashTable<u32>,
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
    /// The member who came last.
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
    /// The one before it of the same id, in this or another conversation.
    previous: u32,
}

/// A member whose row changed.
#[derive(Clone, Copy, Debug)]
struct Slot {
    account: u64,
    conversation: u64,
    /// The newest version of its row.
    newest: u32,
    /// Another member of the conversation.
    next_member: u32,
    /// The account in another conversation.
    next_membership: u32,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    /// Where its row begins.
    row: u32,
    commit: u32,
    /// The version before it.
    previous: u32,
}

/// A message as the tail keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appended {
    /// The conversation, the position, the id and the sender.
    pub(super) entry: Entry,
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

/// Room that a segment asks for at once, so that it grows without copying: memory that is not used is not had.
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
            conversations: Vec::new(),
            by_conversation: HashTable::new(),
            keys: Vec::new(),
            by_id: HashTable::new(),
            members: Vec::new(),
            by_member: HashTable::new(),
            by_account: HashTable::new(),
            versions: Vec::new(),
            rows: Vec::with_capacity(room.member_bytes),
        };
        Segment {
            data: RwLock::new(data),
        }
    }

    /// What is inside. The writer waits for whoever holds it.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.data.read()
    }

    /// Adds what `commit` brings: messages in the order of their ids, and `rows`, which begin where `rows_at` says.
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
        tag_of(begin + rows.len())?;
        data.rows.extend_from_slice(rows);
        for row in rows_at {
            let offset = tag_of(begin + row.offset)?;
            data.append_row(tag, row, offset)?;
        }
        Ok(())
    }
}

fn tag(number: u64) -> Result<u32> {
    let tag = u32::try_from(number).ok().filter(|tag| *tag != NONE);
    tag.ok_or_else(|| StoreError("a segment of the store's tail has no room".to_owned()))
}

fn tag_of(number: usize) -> Result<u32> {
    tag(number as u64)
}

/// Follows a chain through `items` from `first` on.
fn chain<T>(items: &[T], first: u32, next: impl Fn(&T) -> u32) -> impl Iterator<Item = (u32, &T)> {
    let mut index = first;
    std::iter::from_fn(move || {
        let item = items.get(index as usize)?;
        let found = (index, item);
        index = next(item);
        Some(found)
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

    /// The conversations with messages, in the order of their coming, with where their lists stand.
    pub(super) fn conversations(&self) -> impl Iterator<Item = (u64, u32)> {
        let lists = (0..).zip(&self.conversations);
        let lists = lists.filter(|(_, list)| list.newest != NONE);
        lists.map(|(index, list)| (list.conversation, index))
    }

    /// Keys with their messages, in the order of their coming.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.keys.iter().map(|key| (key.key, key.message))
    }

    /// Accounts and conversations of members whose rows changed, in the order of their coming, with where they stand.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = ((u64, u64), u32)> {
        let members = self.members.iter().enumerate();
        members.map(|(index, slot)| ((slot.account, slot.conversation), index as u32))
    }

    fn list(&self, conversation: u64) -> Option<&List> {
        let is_it = |list: &List| list.conversation == conversation;
        let found = self.by_conversation.find(hash(conversation), |index| {
            self.conversations.get(*index as usize).is_some_and(is_it)
        });
        self.conversations.get(*found? as usize)
    }

    /// The list of a conversation, which is made if need be.
    fn list_mut(&mut self, conversation: u64) -> Result<&mut List> {
        let lists = &mut self.conversations;
        let next = tag_of(lists.len())?;
        let hash_at = |lists: &[List], index: u32| {
            lists
                .get(index as usize)
                .map_or(0, |list| hash(list.conversation))
        };
        let entry = self.by_conversation.entry(
            hash(conversation),
            |index| {
                lists
                    .get(*index as usize)
                    .is_some_and(|list| list.conversation == conversation)
            },
            |index| hash_at(lists, *index),
        );
        let index = *entry.or_insert(next).get();
        if index == next {
            lists.push(List {
                conversation,
                first: 0,
                newest: NONE,
                member: NONE,
            });
        }
        lists
            .get_mut(index as usize)
            .ok_or_else(|| StoreError("a list of the store's tail is lost".to_owned()))
    }

    fn append_message(&mut self, tag: u32, appended: &Appended) -> Result<()> {
        let Entry {
            list,
            place,
            message,
            sender,
        } = appended.entry;
        let index = tag_of(self.messages.len())?;
        let newest = self.list_mut(list)?.newest;
        if let Some(last) = self.messages.get(newest as usize)
            && last.position + 1 != place
        {
            return Err(StoreError(format!(
                "message {message} at position {place} does not follow position {}",
                last.position
            )));
        }
        let list = self.list_mut(list)?;
        list.newest = index;
        if newest == NONE {
            list.first = place;
        }
        self.messages.push(TailMessage {
            position: place,
            message,
            sender,
            at: appended.at.0,
            commit: tag,
            previous: newest,
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
        let index = tag_of(keys.len())?;
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

    fn append_row(&mut self, tag: u32, row: &RowAt, offset: u32) -> Result<()> {
        let version = tag_of(self.versions.len())?;
        let (account, conversation) = (row.account.0, row.conversation.0);
        let mut previous = NONE;
        match self.slot(account, conversation) {
            Some(index) => {
                if let Some(slot) = self.members.get_mut(index as usize) {
                    previous = std::mem::replace(&mut slot.newest, version);
                }
            }
            None => self.append_member(account, conversation, version)?,
        }
        self.versions.push(Version {
            row: offset,
            commit: tag,
            previous,
        });
        Ok(())
    }

    fn append_member(&mut self, account: u64, conversation: u64, newest: u32) -> Result<()> {
        let index = tag_of(self.members.len())?;
        let next_member = std::mem::replace(&mut self.list_mut(conversation)?.member, index);
        let members = &mut self.members;
        let of = |members: &[Slot], index: &u32| members.get(*index as usize).copied();
        let mut first = self
            .by_account
            .entry(
                hash(account),
                |index| of(members, index).is_some_and(|slot| slot.account == account),
                |index| of(members, index).map_or(0, |slot| hash(slot.account)),
            )
            .or_insert(NONE);
        let next_membership = std::mem::replace(first.get_mut(), index);
        members.push(Slot {
            account,
            conversation,
            newest,
            next_member,
            next_membership,
        });
        self.by_member
            .insert_unique(hash_member(account, conversation), index, |index| {
                of(members, index).map_or(0, |slot| hash_member(slot.account, slot.conversation))
            });
        Ok(())
    }

    fn slot(&self, account: u64, conversation: u64) -> Option<u32> {
        let is_it = |slot: &Slot| slot.account == account && slot.conversation == conversation;
        let hash = hash_member(account, conversation);
        let found = self.by_member.find(hash, |index| {
            self.members.get(*index as usize).is_some_and(is_it)
        });
        found.copied()
    }

    /// What a snapshot of `commit` may see is tagged so or lower; `None` if it may see nothing.
    pub(super) fn tag_at(&self, commit: u64) -> Option<u32> {
        let behind = commit.checked_sub(self.base)?;
        Some(u32::try_from(behind).unwrap_or(NONE))
    }

    /// The messages of `list` from the newest on.
    fn chain(&self, list: &List) -> impl Iterator<Item = &TailMessage> {
        chain(&self.messages, list.newest, |message| message.previous).map(|(_, message)| message)
    }

    /// The entries of the conversation at `index` by position, and the time of the last one.
    pub(super) fn entries(&self, index: u32, out: &mut Vec<Entry>) -> i64 {
        out.clear();
        let Some(list) = self.conversations.get(index as usize) else {
            return 0;
        };
        let messages = self.chain(list);
        out.extend(messages.map(|message| message.entry(list.conversation)));
        out.reverse();
        self.messages
            .get(list.newest as usize)
            .map_or(0, |newest| newest.at)
    }

    /// The newest version of the row of the member at `index`, as in the journal but without whose it is.
    pub(super) fn newest_row(&self, index: u32) -> Result<&[u8]> {
        let slot = self.members.get(index as usize);
        let version = slot.and_then(|slot| self.versions.get(slot.newest as usize));
        let rows = version.and_then(|version| self.rows.get(version.row as usize..));
        first_row(rows.unwrap_or_default())
    }

    /// The newest version of a member's row that is tagged `tag` or lower.
    fn version(&self, slot: &Slot, tag: u32) -> Result<Option<Member>> {
        let mut versions = chain(&self.versions, slot.newest, |version| version.previous);
        let Some((_, version)) = versions.find(|(_, version)| version.commit <= tag) else {
            return Ok(None);
        };
        let row = self.rows.get(version.row as usize..).unwrap_or_default();
        take_member(&mut Bytes(row)).map(Some)
    }

    /// The newest message of a conversation that is tagged `tag` or lower.
    pub(super) fn head(&self, conversation: ConversationId, tag: u32) -> Option<Head> {
        let mut messages = self.chain(self.list(conversation.0)?);
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
        out: &mut Vec<Entry>,
    ) -> bool {
        let Some(list) = self.list(conversation.0) else {
            return false;
        };
        if list.first > *positions.end() {
            return false;
        }
        for message in self.chain(list) {
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
        chain(&self.keys, first, |key| key.previous).map(|(_, key)| (key.key, key.message))
    }

    /// A member's row as it stands at `tag`, if it changed up to there.
    pub(super) fn member(
        &self,
        conversation: ConversationId,
        account: AccountId,
        tag: u32,
    ) -> Result<Option<Member>> {
        let slot = self.slot(account.0, conversation.0);
        let slot = slot.and_then(|index| self.members.get(index as usize));
        slot.map_or(Ok(None), |slot| self.version(slot, tag))
    }

    /// Adds the rows of a conversation's members that changed up to `tag`, but of those that are there.
    pub(super) fn members_of(
        &self,
        conversation: ConversationId,
        tag: u32,
        members: &mut BTreeMap<AccountId, Member>,
    ) -> Result<()> {
        let first = self.list(conversation.0).map_or(NONE, |list| list.member);
        for (_, slot) in chain(&self.members, first, |slot| slot.next_member) {
            let account = AccountId(slot.account);
            if !members.contains_key(&account)
                && let Some(member) = self.version(slot, tag)?
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
            self.members
                .get(*index as usize)
                .is_some_and(|slot| slot.account == account.0)
        });
        let first = first.copied().unwrap_or(NONE);
        for (_, slot) in chain(&self.members, first, |slot| slot.next_membership) {
            let conversation = ConversationId(slot.conversation);
            if !memberships.contains_key(&conversation)
                && let Some(member) = self.version(slot, tag)?
            {
                memberships.insert(conversation, member);
            }
        }
        Ok(())
    }
}

impl TailMessage {
    fn entry(&self, conversation: u64) -> Entry {
        Entry {
            list: conversation,
            place: self.position,
            message: self.message,
            sender: self.sender,
        }
    }
}
