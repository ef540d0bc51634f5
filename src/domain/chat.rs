//! What apps ask that know which messages have reached them, and the list of conversations that they keep.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::domain::conversation::Conversation;
use crate::domain::ids::{AccountId, ConversationId, Slot};
use crate::domain::member::Member;
use crate::domain::message::Message;
use crate::domain::pushed::Pushed;

/// How a conversation is to stand in an account's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Above the others, or not.
    Pin(bool),
    /// Not at all until a new message comes.
    Hide,
}

/// What such an app asks. An account sees only what lies within its memberships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatQuery {
    /// Messages to an account that it has not acknowledged, the oldest first.
    Undelivered {
        /// Whose.
        account: AccountId,
        /// Most rows.
        rows_max: usize,
    },
    /// The same of those that were pushed, and where and how many the others are.
    Waiting {
        /// Whose.
        account: AccountId,
        /// What was pushed to it.
        pushed: Pushed,
        /// Most rows.
        rows_max: usize,
    },
    /// All messages that an account sent or received, by pages from the newest on.
    Everything {
        /// Whose.
        account: AccountId,
        /// From 1, the newest.
        page: u64,
        /// Rows a page, 1 to [`crate::limits::PAGE_ROWS_MAX`].
        size: usize,
    },
    /// The same of the messages between two accounts.
    Between {
        /// Who asks.
        account: AccountId,
        /// The other.
        other: AccountId,
        /// From 1, the newest.
        page: u64,
        /// Rows a page, 1 to [`crate::limits::PAGE_ROWS_MAX`].
        size: usize,
    },
    /// The same of a group.
    Team {
        /// Who asks.
        account: AccountId,
        /// The group.
        group: ConversationId,
        /// From 1, the newest.
        page: u64,
        /// Rows a page, 1 to [`crate::limits::PAGE_ROWS_MAX`].
        size: usize,
    },
    /// The conversations that stand in an account's list: pinned first, then newest activity.
    List {
        /// Whose.
        account: AccountId,
        /// Most rows.
        rows_max: usize,
    },
    /// Messages from others that are unread, over all conversations of an account.
    Unread(AccountId),
    /// A conversation and one member of it.
    Part(ConversationId, Slot),
    /// The conversation of two accounts and the first one's part in it.
    PartWith(AccountId, AccountId),
    /// A group and its members.
    Members(ConversationId),
}

/// What a [`ChatQuery`] gives.
#[derive(Clone, Debug)]
pub enum ChatAnswer {
    /// Messages; `None` where there is no such account or conversation, or the asker has no part in it.
    Rows(Option<Vec<ChatRow>>),
    /// To [`ChatQuery::Waiting`].
    Waiting {
        /// Messages that were pushed, the oldest first.
        pushed: Vec<ChatRow>,
        /// Those that were not, until they are more than [`crate::limits::LIST_ROWS_MAX`].
        others: Vec<NotPushed>,
    },
    /// How many.
    Count(u64),
    /// Conversations.
    List(Vec<ListRow>),
    /// A conversation and a member, if there are.
    Part(Option<Box<(Conversation, Member)>>),
    /// A group and the numbers of its members, if there is one.
    Members(Option<Box<(Conversation, Vec<AccountId>)>>),
}

/// Messages to an account that wait next to each other and were not pushed to it. Its own may stand among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPushed {
    /// Where they were said.
    pub conversation: ConversationId,
    /// Their positions.
    pub positions: RangeInclusive<u64>,
    /// How many of them others have said; at least one.
    pub count: u64,
}

/// A message as one account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatRow {
    /// The message.
    pub message: Arc<Message>,
    /// To whom it was said; `None` in a group.
    pub recipient: Option<AccountId>,
    /// Whom it was meant for, as far as the account may know: itself, or the recipient of what it sent.
    pub receiver: AccountId,
    /// Whether it has reached them.
    pub is_acknowledged: bool,
    /// Whether they have read it.
    pub is_read: bool,
}

/// A conversation in an account's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// The conversation.
    pub conversation: Conversation,
    /// The account's part in it.
    pub member: Member,
    /// The newest message that it may see.
    pub last: Option<Arc<Message>>,
}
