//! A member of a conversation: since when, how far read, and the arithmetic of unread counts.

use std::sync::Arc;

use crate::domain::holes::Holes;
use crate::domain::ids::{AccountId, ConversationId, Position, Slot, TimeMs};

/// An account's part in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The conversation.
    pub conversation: ConversationId,
    /// The account.
    pub account: AccountId,
    /// Its place among the members, never given to another account.
    pub slot: Slot,
    /// When it joined.
    pub joined_at: TimeMs,
    /// The head's position when it joined: it sees only what lies after.
    pub joined_after: Position,
    /// The head's position when it left, if it did: it sees nothing after.
    pub left_after: Option<Position>,
    /// How the group calls it, or empty.
    pub alias: Arc<str>,
    /// Position up to which it has read; never below `joined_after`.
    pub read: Position,
    /// How many messages of its own there are in the conversation.
    pub sent: u64,
    /// How many of those lie at or below `read`.
    pub sent_read: u64,
    /// The highest position that its client has acknowledged; never below `read`.
    pub acknowledged: Position,
    /// What lies below that and is not acknowledged.
    pub holes: Holes,
    /// The head's position when the account took the conversation off its list: it is back with the next message.
    pub hidden_at: Option<Position>,
    /// Whether it stands above the others in the account's list.
    pub pinned: bool,
}

/// Up to where an account has read: a fact that stays true, so that two of them can be applied in either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMark {
    /// The last position that was shown.
    pub position: Position,
    /// How many of the account's own messages lie at or below it.
    pub own: u64,
}

impl Member {
    /// A member who joins a conversation whose newest message is at `head`: nothing is unread.
    pub fn new(
        conversation: ConversationId,
        account: AccountId,
        slot: Slot,
        head: Position,
        now: TimeMs,
    ) -> Member {
        Member {
            conversation,
            account,
            slot,
            joined_at: now,
            joined_after: head,
            left_after: None,
            alias: Arc::default(),
            read: head,
            sent: 0,
            sent_read: 0,
            acknowledged: head,
            holes: Holes::default(),
            hidden_at: None,
            pinned: false,
        }
    }

    /// Whether it is one now.
    pub fn is_active(&self) -> bool {
        self.left_after.is_none()
    }

    /// The last position that it may see when the newest message is at `head`.
    pub fn visible_until(&self, head: Position) -> Position {
        self.left_after.map_or(head, |left| left.min(head))
    }

    /// How many messages from others lie after its read position, when the newest message is at `head`.
    pub fn unread(&self, head: Position) -> u64 {
        let behind = self.visible_until(head).0.saturating_sub(self.read.0);
        behind.saturating_sub(self.sent.saturating_sub(self.sent_read))
    }

    /// Moves the read position up to `mark`; `false` when it was there already.
    pub fn apply_read(&mut self, mark: ReadMark) -> bool {
        if mark.position <= self.read {
            return false;
        }
        self.read = mark.position;
        self.sent_read = mark.own;
        self.acknowledged = self.acknowledged.max(mark.position);
        self.holes.fill_up_to(mark.position.0);
        true
    }

    /// Records that the message at `position` is acknowledged; `false` when it was already, or when there are too many holes to
    /// remember it: then the message is offered again.
    pub fn apply_acknowledged(&mut self, position: Position) -> bool {
        if position <= self.acknowledged {
            return self.holes.fill(position.0);
        }
        let gap = (self.acknowledged.0 + 1, position.0 - 1);
        if gap.0 <= gap.1 && !self.holes.push(gap) {
            return false;
        }
        self.acknowledged = position;
        true
    }

    /// Whether the message at `position` is acknowledged.
    pub fn has_acknowledged(&self, position: Position) -> bool {
        position <= self.acknowledged && !self.holes.contains(position.0)
    }

    /// Whether nothing is pushed to it again for the message at `position` of `conversation`: it has acknowledged it, or left. Of other
    /// conversations than its own it says `false`.
    pub fn is_done_with(&self, conversation: ConversationId, position: Position) -> bool {
        self.conversation == conversation && (!self.is_active() || self.has_acknowledged(position))
    }

    /// The positions that are not acknowledged, from low to high, when the newest message is at `head`.
    pub fn unacknowledged(
        &self,
        head: Position,
    ) -> impl Iterator<Item = std::ops::RangeInclusive<u64>> + '_ {
        let visible = self.visible_until(head).0;
        let newest = self.acknowledged.0 + 1..=visible;
        let holes = self.holes.ranges().iter();
        let holes = holes.map(move |(from, to)| *from..=*to.min(&visible));
        holes
            .chain(std::iter::once(newest))
            .filter(|range| !range.is_empty())
    }

    /// Whether the conversation stands in the account's list when the newest message is at `head`.
    pub fn is_listed(&self, head: Position) -> bool {
        self.hidden_at.is_none_or(|hidden| head > hidden)
    }
}
