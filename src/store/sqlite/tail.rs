//! What is not folded yet, in memory: messages by conversation, members' rows, keys.
//!
//! Each commit appends to the newest of a few segments before it is durable, tagged with its number; a snapshot that shows commit N
//! ignores what is tagged higher, so there is no moment at which it could miss or foresee anything. A full segment is sealed and folded
//! into the file; it goes when the commit that ends the fold is durable, since from then on every new snapshot finds it in the file.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::conversation::Head;
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::store::Result;
use crate::store::sqlite::block::Entry;
use crate::store::sqlite::keys::Secret;
use crate::store::sqlite::segment::{Data, Segment};

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

    /// Seals the newest segment: `segment` takes what is committed from here on.
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
        let state = self.state.read();
        let mut segments = state.segments.iter();
        segments.any(|segment| segment.read().may_have(key))
    }

    /// What keys are hashed with.
    pub(super) fn secret(&self) -> Secret {
        self.state.read().secret
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
            let data = segment.read();
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
            head = data.head(conversation, tag);
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
            let is_all = data.newest_first(conversation, &positions, tag, rows_max, out);
            Ok(until(is_all))
        })
    }

    /// The messages under the keys of `range`, which are all of one id, in any order; perhaps with some that are newer than the snapshot.
    pub(super) fn keyed(&self, range: RangeInclusive<u64>, out: &mut Vec<u64>) -> Result<()> {
        self.newest_first(|data, _| {
            let keys = data.of_id(*range.start());
            let keys = keys.filter(|(key, _)| range.contains(key));
            out.extend(keys.map(|(_, message)| message));
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
            found = data.member(conversation, account, tag)?;
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
            data.members_of(conversation, tag, &mut newest)?;
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
            data.memberships_of(account, tag, &mut newest)?;
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
