//! What snapshots see of a segment: messages and rows up to the commit of each.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::domain::conversation::Head;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::member::Member;
use crate::store::Result;
use crate::store::sqlite::block::Entry as ListEntry;
use crate::store::sqlite::journal::take_row;
use crate::store::sqlite::keys::{prefix, same_id};
use crate::store::sqlite::varint::Bytes;

use super::{Changed, Data, NONE, chain, hash};

impl Data {
    /// What a snapshot of `commit` may see is tagged so or lower; `None` if it may see nothing.
    pub(in crate::store::sqlite) fn tag_at(&self, commit: u64) -> Option<u32> {
        let behind = commit.checked_sub(self.base)?;
        Some(u32::try_from(behind).unwrap_or(NONE))
    }

    /// The newest version of a member's row that is tagged `tag` or lower.
    fn version(&self, member: &Changed, tag: u32) -> Result<Option<Member>> {
        let mut versions = chain(&self.versions, member.newest, |version| version.previous);
        let Some(seen) = versions.find(|version| version.commit <= tag) else {
            return Ok(None);
        };
        let account = AccountId(member.account);
        let conversation = ConversationId(member.conversation);
        take_row(&mut Bytes(self.row_of(seen)), account, conversation).map(Some)
    }

    /// The newest message of a conversation that is tagged `tag` or lower.
    pub(in crate::store::sqlite) fn head(
        &self,
        conversation: ConversationId,
        tag: u32,
    ) -> Option<Head> {
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
    pub(in crate::store::sqlite) fn newest_first(
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
    pub(in crate::store::sqlite) fn may_have(&self, key: u64) -> bool {
        self.of_id(key).next().is_some()
    }

    /// The keys of the id of `key` with their messages, from the newest on.
    pub(in crate::store::sqlite) fn of_id(&self, key: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.by_id.first(hash(prefix(key)));
        let keys = chain(&self.keys, first, |key| key.previous);
        let keys = keys.filter(move |other| same_id(other.key, key));
        keys.map(|key| (key.key, key.message))
    }

    /// A member's row as it stands at `tag`, if it changed up to there.
    pub(in crate::store::sqlite) fn member(
        &self,
        conversation: ConversationId,
        account: AccountId,
        tag: u32,
    ) -> Result<Option<Member>> {
        let index = self.member_index(account.0, conversation.0);
        let member = self.members.get(index as usize);
        member.map_or(Ok(None), |member| self.version(member, tag))
    }

    /// Adds the rows of a conversation's members that changed up to `tag`, but of those that are there.
    pub(in crate::store::sqlite) fn members_of(
        &self,
        conversation: ConversationId,
        tag: u32,
        members: &mut BTreeMap<AccountId, Member>,
    ) -> Result<()> {
        let first = self.list(conversation.0).map_or(NONE, |list| list.member);
        for member in chain(&self.members, first, |member| member.next_member) {
            let account = AccountId(member.account);
            if !members.contains_key(&account)
                && let Some(member) = self.version(member, tag)?
            {
                members.insert(account, member);
            }
        }
        Ok(())
    }

    /// Adds the rows of an account's memberships that changed up to `tag`, but of those that are there.
    pub(in crate::store::sqlite) fn memberships_of(
        &self,
        account: AccountId,
        tag: u32,
        memberships: &mut BTreeMap<ConversationId, Member>,
    ) -> Result<()> {
        let first = self.by_account.first(hash(account.0));
        let chain = chain(&self.members, first, |member| member.next_membership);
        for member in chain.filter(|member| member.account == account.0) {
            let conversation = ConversationId(member.conversation);
            if !memberships.contains_key(&conversation)
                && let Some(member) = self.version(member, tag)?
            {
                memberships.insert(conversation, member);
            }
        }
        Ok(())
    }
}
