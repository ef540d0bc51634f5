//! Conversations, single and group, and their heads.

use std::sync::Arc;

use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, Slot, TimeMs};

/// A conversation with its head: what is known of it without reading a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Dense number.
    pub id: ConversationId,
    /// When it was created.
    pub created_at: TimeMs,
    /// Between two accounts, or a group.
    pub kind: ConversationKind,
    /// The newest message's place and time; position 0 and the creation time while there is none.
    pub head: Head,
}

/// Between two accounts, or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationKind {
    /// Between two accounts; one conversation a pair.
    Single(Pair),
    /// The events that two accounts' apps send each other; one a pair. It stands in nobody's list, counts or history: its events are only
    /// delivered and acknowledged.
    Events(Pair),
    /// Between the members of a group.
    Group(Arc<Group>),
}

/// Which of its conversations a pair is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What people say: [`ConversationKind::Single`].
    Messages,
    /// What their apps tell: [`ConversationKind::Events`].
    Events,
}

/// An unordered pair of different accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    low: AccountId,
    high: AccountId,
}

impl Pair {
    /// The pair of `one` and `other`, or `None` when they are the same account.
    pub fn new(one: AccountId, other: AccountId) -> Option<Pair> {
        (one != other).then(|| Pair {
            low: one.min(other),
            high: one.max(other),
        })
    }

    /// The account with the lower number; its slot is 0.
    pub fn low(self) -> AccountId {
        self.low
    }

    /// The account with the higher number; its slot is 1.
    pub fn high(self) -> AccountId {
        self.high
    }

    /// The one of the two that is not `account`.
    pub fn other(self, account: AccountId) -> AccountId {
        if account == self.low {
            self.high
        } else {
            self.low
        }
    }

    /// Whether `account` is one of the two.
    pub fn has(self, account: AccountId) -> bool {
        account == self.low || account == self.high
    }

    /// The slot of `account`, which is one of the two.
    pub fn slot(self, account: AccountId) -> Slot {
        Slot(u32::from(account == self.high))
    }
}

/// What a group is, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Who may change it; [`AccountId::SERVER`], which no client is, once it is deleted.
    pub owner: AccountId,
    /// Shown to people; need not be unique.
    pub name: Arc<str>,
    /// URL of a picture, or empty.
    pub image: Arc<str>,
    /// Free text, or empty.
    pub description: Arc<str>,
    /// The name under which `jim` clients made it, if they did: unique among such groups.
    pub jim_name: Option<Arc<str>>,
    /// How many accounts are members.
    pub member_count: u32,
    /// The slot that the next new member gets.
    pub next_slot: Slot,
}

/// The newest message's place, id and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Position of the newest message, 0 for none.
    pub position: Position,
    /// Id of the newest message, 0 for none.
    pub message: MessageId,
    /// Time of the newest message, or of the creation. Never falls within a conversation.
    pub at: TimeMs,
}

/// What orders conversations in a list, newest first when reversed: the time, and the newest message's id among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    at: TimeMs,
    message: MessageId,
    conversation: ConversationId,
}

impl Conversation {
    /// Its place in a list of conversations.
    pub fn activity(&self) -> Activity {
        Activity {
            at: self.head.at,
            message: self.head.message,
            conversation: self.id,
        }
    }

    /// The group, if it is one.
    pub fn group(&self) -> Option<&Arc<Group>> {
        match &self.kind {
            ConversationKind::Group(group) => Some(group),
            ConversationKind::Single(_) | ConversationKind::Events(_) => None,
        }
    }

    /// Whose conversation it is and of what, unless it is a group.
    pub fn pair(&self) -> Option<(Pair, Topic)> {
        match self.kind {
            ConversationKind::Single(pair) => Some((pair, Topic::Messages)),
            ConversationKind::Events(pair) => Some((pair, Topic::Events)),
            ConversationKind::Group(_) => None,
        }
    }

    /// Whether it is a group that was deleted: it has no members and never will, and those who were see what they saw.
    pub fn is_deleted(&self) -> bool {
        self.group()
            .is_some_and(|group| group.owner == AccountId::SERVER)
    }

    /// Whether it holds events only, which nobody sees as a conversation.
    pub fn is_events(&self) -> bool {
        matches!(self.kind, ConversationKind::Events(_))
    }
}
