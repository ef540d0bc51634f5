//! A member of a conversation: since when, how far read, and the arithmetic of unread counts.

use std::sync::Arc;

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
            alias: Arc::from(""),
            read: head,
            sent: 0,
            sent_read: 0,
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
        true
    }
}
