//! Queries: what is asked of the store without changing it, and the answers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::backend::{BackendAnswer, BackendQuery};
use crate::domain::command::{Peer, Refusal};
use crate::domain::conversation::Conversation;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::Message;
use crate::domain::token::{Token, TokenHash};
use crate::domain::view::{View, ViewRow};

/// A question to a snapshot of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Everything that an account's view holds.
    View(AccountId),
    /// The groups that an account is a member of.
    Groups(AccountId),
    /// Who uses a token.
    Session(TokenHash),
    /// Whom a name or number means.
    Resolve {
        /// Who asks.
        account: AccountId,
        /// Whom they mean.
        peer: Peer,
    },
    /// One page of a conversation, counted from its end.
    History {
        /// Who asks; sees only what lies within their membership.
        account: AccountId,
        /// Which conversation.
        peer: Peer,
        /// From 1, the newest.
        page: u64,
        /// Rows a page, 1 to [`crate::limits::PAGE_ROWS_MAX`].
        size: usize,
    },
    /// The list of an account whose view is too large to hold it.
    Conversations {
        /// Whose.
        account: AccountId,
        /// Most rows.
        rows_max: usize,
        /// Whether those without unread messages are left out.
        unread_only: bool,
    },
    /// What a back end asks.
    Backend(BackendQuery),
    /// What an account has not read in a conversation, the oldest first.
    Unread {
        /// Who asks.
        account: AccountId,
        /// Which conversation.
        peer: Peer,
        /// Most rows.
        rows_max: usize,
    },
}

/// What a query gives.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Query::View`].
    View(Box<View>),
    /// To [`Query::Conversations`].
    Conversations(Box<ConversationList>),
    /// To [`Query::Backend`], or why there is no answer.
    Backend(Result<BackendAnswer, Refusal>),
    /// To [`Query::Groups`].
    Groups(Vec<ConversationId>),
    /// To [`Query::Session`]; `None` for an unknown token.
    Session(Option<Session>),
    /// To [`Query::Resolve`]; `None` for nobody.
    Resolved(Option<Resolved>),
    /// To [`Query::History`]; `None` where there is no such account or conversation.
    History(Option<Box<MessagePage>>),
    /// To [`Query::Unread`]; `None` where there is no such account or conversation.
    Unread(Option<Box<MessagePage>>),
}

/// An answer with the commit that it shows.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The snapshot's commit number.
    pub commit: CommitNumber,
    /// The answer.
    pub answer: Answer,
}

/// A token in force and its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The token.
    pub token: Token,
    /// The account.
    pub account: Arc<Account>,
}

/// Whom a [`Peer`] means to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// An account, and the conversation with it if there is one.
    Account(Arc<Account>, Option<ConversationId>),
    /// A group.
    Group(ConversationId),
}

/// Some of an account's conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationList {
    /// Newest activity first.
    pub rows: Vec<ViewRow>,
    /// Under which name each group among them is shown to the account.
    pub group_names: HashMap<ConversationId, Arc<str>>,
}

/// Messages of one conversation. A conversation that does not exist yet (two accounts that never wrote) gives an empty page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagePage {
    /// The conversation, if it exists.
    pub conversation: Option<Conversation>,
    /// The asker's part in it.
    pub member: Option<Member>,
    /// Old to new.
    pub messages: Vec<Arc<Message>>,
    /// Everybody who sent one of them and, in a single conversation, both parties.
    pub accounts: Vec<Arc<Account>>,
    /// What reading these messages means for the asker's read position; `None` when there is nothing to read.
    pub mark: Option<ReadMark>,
}

impl MessagePage {
    /// The name of `account`, which is in the page; empty if not.
    pub fn name_of(&self, account: AccountId) -> &str {
        self.accounts
            .iter()
            .find(|a| a.id == account)
            .map_or("", |a| &a.name)
    }
}
