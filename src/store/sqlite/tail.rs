//! What is not folded yet, in memory: messages by conversation, members' rows, keys.
//!
//! Each commit appends to the newest of a few segments before it is durable, tagged with its number; a snapshot that shows commit N
//! ignores what is tagged higher, so there is no moment at which it could miss or foresee anything. A full segment is sealed and folded
//! into the file; it goes when the commit that ends the fold is durable, since from then on every new snapshot finds it in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};

use crate::domain::conversation::Head;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::member::Member;
use crate::store::sqlite::block::Entry;
use crate::store::sqlite::journal::{first_row, take_member};
use crate::store::sqlite::keys::{Secret, anywhere};
use crate::store::sqlite::varint::Bytes;
use crate::store::{Result, StoreError};

/// Stands for no index.
const NONE: u32 = u32::MAX;

/// What writer and readers share.
#[derive(Debug, Default)]
pub(super) struct Tail {
    state: RwLock<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// From the oldest on; the last one takes what is committed.
    segments: Vec<Arc<Segment>>,
    secret: Secret,
}

impl Tail {
    /// Replaces everything.
    pub(super) fn reset(&self, segments: Vec<Arc<Segment>>, secret: Secret) {
        *self.state.write() = State { segments, secret };
    }

    /// The segments from the oldest on.
    pub(super) fn segments(&self) -> Vec<Arc<Segment>> {
        self.state.read().segments.clone()
    }

    /// Seals the newest segment and opens one for the commits after `commit`.
    pub(super) fn seal(&self, segment: Segment) {
        self.state.write().segments.push(Arc::new(segment));
    }

    /// Drops the oldest segment, whose fold is durable.
    pub(super) fn drop_oldest(&self) -> Option<Arc<Segment>> {
        let mut state = self.state.write();
        (!state.segments.is_empty()).then(|| state.segments.remove(0))
    }

    /// Begins a snapshot by `begin`, which gives the newest commit that it shows, and takes what belongs to it.
    ///
    /// # Errors
    /// Those of `begin`.
    pub(super) fn view<T>(&self, begin: impl FnOnce() -> Result<(u64, T)>) -> Result<(View, T)> {
        // While this is held no segment goes: whatever the snapshot does not find in the file is in one of them.
        let state = self.state.read();
        let (commit, begun) = begin()?;
        let view = View {
            segments: state.segments.clone(),
            secret: state.secret,
            commit,
        };
        Ok((view, begun))
    }

    /// Whether a message that is not folded may have the id of `key`, in any conversation.
    pub(super) fn may_have(&self, key: u64) -> bool {
        let (low, high) = anywhere(key).into_inner();
        let state = self.state.read();
        state.segments.iter().any(|segment| {
            let data = segment.data.read();
            data.keys
                .range((low, 0)..=(high, u64::MAX))
                .next()
                .is_some()
        })
    }

    /// What keys are hashed with.
    pub(super) fn secret(&self) -> Secret {
        self.state.read().secret
    }
}

/// What some successive commits changed.
#[derive(Debug)]
pub(super) struct Segment {
    data: RwLock<Data>,
}

/// The inside of a segment. Indexes are of 4 bytes, and [`NONE`] ends a chain.
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
    pub(super) conversations: BTreeMap<u64, List>,
    /// By key and message.
    pub(super) keys: BTreeSet<(u64, u64)>,
    /// The newest version of each member's row, by account and conversation.
    pub(super) members: BTreeMap<(u64, u64), u32>,
    versions: Vec<Version>,
    /// Members' rows as in the journal.
    rows: Vec<u8>,
}

/// What a segment has of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    newest: u32,
    /// The first position; meaningless without a message.
    first: u64,
    /// The first version of the row of the member that came last.
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

#[derive(Clone, Copy, Debug)]
struct Version {
    /// Where its row begins.
    row: u32,
    commit: u32,
    /// The version before it.
    previous: u32,
    /// Of a first version: that of another member of the conversation.
    next: u32,
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

impl Segment {
    /// An empty one for the commits after `commit`, of which `message` is the newest message.
    pub(super) fn new(commit: u64, message: u64, room: Room) -> Segment {
        let data = Data {
            base: commit,
            last_commit: commit,
            last_message: message,
            newest_at: 0,
            messages: Vec::with_capacity(room.messages),
            conversations: BTreeMap::new(),
            keys: BTreeSet::new(),
            members: BTreeMap::new(),
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

    fn append_message(&mut self, tag: u32, appended: &Appended) -> Result<()> {
        let Entry {
            list,
            place,
            message,
            sender,
        } = appended.entry;
        let index = tag_of(self.messages.len())?;
        let list = self.conversations.entry(list).or_insert(List::EMPTY);
        match self.messages.get(list.newest as usize) {
            Some(last) if last.position + 1 != place => {
                return Err(StoreError(format!(
                    "message {message} at position {place} does not follow position {}",
                    last.position
                )));
            }
            Some(_) => {}
            None => list.first = place,
        }
        self.messages.push(TailMessage {
            position: place,
            message,
            sender,
            at: appended.at.0,
            commit: tag,
            previous: list.newest,
        });
        list.newest = index;
        if let Some(key) = appended.key {
            self.keys.insert((key, message));
        }
        self.last_message = self.last_message.max(message);
        self.newest_at = self.newest_at.max(appended.at.0);
        Ok(())
    }

    fn append_row(&mut self, tag: u32, row: &RowAt, offset: u32) -> Result<()> {
        let index = tag_of(self.versions.len())?;
        let key = (row.account.0, row.conversation.0);
        let previous = self.members.insert(key, index).unwrap_or(NONE);
        let mut next = NONE;
        if previous == NONE {
            let list = self.conversations.entry(row.conversation.0);
            let list = list.or_insert(List::EMPTY);
            next = std::mem::replace(&mut list.member, index);
        }
        self.versions.push(Version {
            row: offset,
            commit: tag,
            previous,
            next,
        });
        Ok(())
    }

    /// What a snapshot of `commit` may see is tagged so or lower; `None` if it may see nothing.
    fn tag_at(&self, commit: u64) -> Option<u32> {
        let behind = commit.checked_sub(self.base)?;
        Some(u32::try_from(behind).unwrap_or(NONE))
    }

    /// The messages of `list` from the newest on.
    fn chain(&self, list: &List) -> impl Iterator<Item = &TailMessage> {
        let mut next = list.newest;
        std::iter::from_fn(move || {
            let message = self.messages.get(next as usize)?;
            next = message.previous;
            Some(message)
        })
    }

    /// The entries of a conversation by position, and the time of the last one.
    pub(super) fn entries(&self, conversation: u64, list: &List, out: &mut Vec<Entry>) -> i64 {
        out.clear();
        out.extend(self.chain(list).map(|message| message.entry(conversation)));
        out.reverse();
        self.messages
            .get(list.newest as usize)
            .map_or(0, |newest| newest.at)
    }

    /// The newest version of a member's row that is tagged `tag` or lower.
    fn version(&self, mut index: u32, tag: u32) -> Result<Option<Member>> {
        while let Some(version) = self.versions.get(index as usize) {
            if version.commit <= tag {
                let row = self.rows.get(version.row as usize..).unwrap_or_default();
                return take_member(&mut Bytes(row)).map(Some);
            }
            index = version.previous;
        }
        Ok(None)
    }

    /// The newest version of the row at `index`, as in the journal but without whose it is.
    pub(super) fn newest_row(&self, index: u32) -> Result<&[u8]> {
        let version = self.versions.get(index as usize);
        let rows = version.and_then(|version| self.rows.get(version.row as usize..));
        first_row(rows.unwrap_or_default())
    }
}

impl List {
    const EMPTY: List = List {
        newest: NONE,
        first: 0,
        member: NONE,
    };
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

/// The tail as one snapshot sees it.
#[derive(Debug)]
pub(super) struct View {
    segments: Vec<Arc<Segment>>,
    secret: Secret,
    commit: u64,
}

impl View {
    /// The newest commit that is seen.
    pub(super) fn commit(&self) -> u64 {
        self.commit
    }

    /// What keys are hashed with.
    pub(super) fn secret(&self) -> Secret {
        self.secret
    }

    /// Calls `each` with the segments from the newest on and the highest tag that is seen, until it breaks.
    fn newest_first(
        &self,
        mut each: impl FnMut(&Data, u32) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        for segment in self.segments.iter().rev() {
            let data = segment.data.read();
            if let Some(tag) = data.tag_at(self.commit)
                && each(&data, tag)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// The head of a conversation, if a message of it is here.
    pub(super) fn head(&self, conversation: ConversationId) -> Result<Option<Head>> {
        let mut head = None;
        self.newest_first(|data, tag| {
            let list = data.conversations.get(&conversation.0);
            let mut chain = list.into_iter().flat_map(|list| data.chain(list));
            head = chain
                .find(|message| message.commit <= tag)
                .map(|message| Head {
                    position: Position(message.position),
                    message: MessageId(message.message),
                    at: TimeMs(message.at),
                });
            Ok(until(head.is_some()))
        })?;
        Ok(head)
    }

    /// Appends the entries of a conversation at `positions`, from the newest on, until there are `rows_max`.
    pub(super) fn entries(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
        out: &mut Vec<Entry>,
    ) -> Result<()> {
        self.newest_first(|data, tag| {
            let Some(list) = data.conversations.get(&conversation.0) else {
                return Ok(ControlFlow::Continue(()));
            };
            if list.first > *positions.end() {
                return Ok(ControlFlow::Continue(()));
            }
            for message in data.chain(list) {
                if message.position < *positions.start() || out.len() >= rows_max {
                    return Ok(ControlFlow::Break(()));
                }
                if message.commit <= tag && message.position <= *positions.end() {
                    out.push(message.entry(conversation.0));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The messages under the keys of `range`, in any order; perhaps with some that are newer than the snapshot.
    pub(super) fn keyed(&self, range: RangeInclusive<u64>, out: &mut Vec<u64>) -> Result<()> {
        let (low, high) = range.into_inner();
        self.newest_first(|data, _| {
            let keys = data.keys.range((low, 0)..=(high, u64::MAX));
            out.extend(keys.map(|(_, message)| *message));
            Ok(ControlFlow::Continue(()))
        })
    }

    /// A member's row, if it changed here.
    pub(super) fn member(
        &self,
        conversation: ConversationId,
        account: AccountId,
    ) -> Result<Option<Member>> {
        let mut found = None;
        self.newest_first(|data, tag| {
            if let Some(index) = data.members.get(&(account.0, conversation.0)) {
                found = data.version(*index, tag)?;
            }
            Ok(until(found.is_some()))
        })?;
        Ok(found)
    }

    /// The rows of a conversation's members that changed here.
    pub(super) fn members(
        &self,
        conversation: ConversationId,
        members: &mut BTreeMap<AccountId, Member>,
    ) -> Result<()> {
        let mut newest = BTreeMap::new();
        self.newest_first(|data, tag| {
            let list = data.conversations.get(&conversation.0);
            let mut next = list.map_or(NONE, |list| list.member);
            while let Some(first) = data.versions.get(next as usize) {
                if let Some(member) = data.version(next, NONE)? {
                    let account = member.account;
                    let index = data.members.get(&(account.0, conversation.0));
                    let seen = data.version(index.copied().unwrap_or(NONE), tag)?;
                    if let Some(seen) = seen.filter(|_| !newest.contains_key(&account)) {
                        newest.insert(account, seen);
                    }
                }
                next = first.next;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        members.append(&mut newest);
        Ok(())
    }

    /// The rows of an account's memberships that changed here.
    pub(super) fn memberships(
        &self,
        account: AccountId,
        memberships: &mut BTreeMap<ConversationId, Member>,
    ) -> Result<()> {
        let mut newest = BTreeMap::new();
        self.newest_first(|data, tag| {
            let range = (account.0, 0)..=(account.0, u64::MAX);
            for ((_, conversation), index) in data.members.range(range) {
                let conversation = ConversationId(*conversation);
                if newest.contains_key(&conversation) {
                    continue;
                }
                if let Some(member) = data.version(*index, tag)? {
                    newest.insert(conversation, member);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        memberships.append(&mut newest);
        Ok(())
    }
}

fn until(is_done: bool) -> ControlFlow<()> {
    match is_done {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}
