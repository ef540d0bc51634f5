//! Events: what a commit means to those who look at the state from memory.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::conversation::Conversation;
use crate::domain::ids::AccountId;
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::token::Token;

/// What happened. Rows are as they stand after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message was stored.
    Message(Delivery),
    /// An account read.
    Read {
        /// The reader's part in the conversation.
        member: Member,
        /// How many messages that were unread are read.
        cleared: u64,
    },
    /// What an account acknowledged, how a conversation stands in its list, or how a group calls it is another.
    MemberChanged {
        /// Its part in the conversation.
        member: Member,
    },
    /// A group has another name.
    GroupRenamed {
        /// The group.
        conversation: Conversation,
        /// Whether an account has the new name.
        name_taken: bool,
    },
    /// Somebody became a member of a group.
    Joined {
        /// The group.
        conversation: Conversation,
        /// Their part in it.
        member: Member,
        /// Whether an account has the group's name.
        name_taken: bool,
    },
    /// Somebody's membership of a group ended.
    Left {
        /// Their part in it.
        member: Member,
        /// How many messages were unread there.
        cleared: u64,
    },
    /// An account was created.
    AccountCreated(Arc<Account>),
    /// What an account tells of itself changed.
    ProfileChanged(Arc<Account>),
    /// A token ended.
    TokenEnded(Token),
    /// Two accounts became contacts without a message.
    ContactMade(Box<Contact>),
    /// The members of a group are told that somebody joins or leaves. It stands after a joining and before a leaving.
    Announced(Box<Announcement>),
    /// A message was taken back.
    Recalled(Box<Recalled>),
}

/// A stored message with what its receivers need to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: Arc<Message>,
    /// The conversation, its head at the message.
    pub conversation: Conversation,
    /// The sender.
    pub sender: Arc<Account>,
    /// The sender's part in the conversation.
    pub sender_member: Member,
    /// In a single conversation the other party and its part.
    pub recipient: Option<(Arc<Account>, Member)>,
}

/// A single conversation that was made without a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The conversation.
    pub conversation: Conversation,
    /// Both parties and their parts in it.
    pub parties: [(Arc<Account>, Member); 2],
}

/// What the members of a group are told of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The group.
    pub conversation: Conversation,
    /// Who joins or leaves.
    pub account: Arc<Account>,
    /// Whether they join.
    pub joins: bool,
}

/// A message that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The message as it stands.
    pub message: Arc<Message>,
    /// Where it was said.
    pub conversation: Conversation,
    /// Who said it.
    pub sender: Arc<Account>,
}

/// Who is told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The shards that look after one account.
    One(AccountId),
    /// The shards that look after either of two accounts.
    Two(AccountId, AccountId),
    /// Every shard.
    Everyone,
}

/// An event and who is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub audience: Audience,
    /// What.
    pub event: Arc<Event>,
}
