//! Queries: what is asked of the store without changing it, and the answers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::backend::{BackendAnswer, BackendQuery};
use crate::domain::chat::{ChatAnswer, ChatQuery};
use crate::domain::command::{Peer, Refusal};
use crate::domain::conversation::Conversation;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position, TimeMs};
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
    /// What an app asks that knows which messages have reached it.
    Chat(ChatQuery),
    /// What an account has not read in a conversation, the oldest first.
    Unread {
        /// Who asks.
        account: AccountId,
        /// Which conversation.
        peer: Peer,
        /// Most rows.
        rows_max: usize,
    },
    /// What an account has not read, the oldest first, in one conversation or in all.
    UnreadPages {
        /// Who asks.
        account: AccountId,
        /// Which conversation; `None` for all.
        peer: Option<Peer>,
        /// Most rows over all conversations.
        rows_max: usize,
    },
    /// A part of a conversation, counted from its beginning or up to its end.
    Range {
        /// Who asks; sees only what lies within their membership.
        account: AccountId,
        /// Which conversation.
        peer: Peer,
        /// Not before and not after, by the server's time.
        times: Option<(TimeMs, TimeMs)>,
        /// How many messages to pass over and how many to give, from the oldest. `None` gives the newest.
        slice: Option<(u64, usize)>,
        /// Most rows.
        rows_max: usize,
    },
    /// Those with whom an account shares a single conversation, newest activity first.
    Contacts {
        /// Whose.
        account: AccountId,
        /// Which of them.
        only: ContactFilter,
        /// Most rows.
        rows_max: usize,
        /// How many of the newest messages are given with each.
        messages_each: usize,
    },
    /// How many contacts an account has, and how much is unread from one of them.
    ContactCounts {
        /// Whose; `None` for the agent to whom `peer` was assigned last.
        owner: Option<Arc<str>>,
        /// The contact.
        peer: Arc<str>,
        /// Since when a contact's last message makes it a recent one.
        since: TimeMs,
    },
}

/// Which contacts are meant; what is not set lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactFilter {
    /// Only those with unread messages.
    pub unread: bool,
    /// Only those with a message since then.
    pub since: Option<TimeMs>,
    /// Only those whose nickname or name contains this, in any case.
    pub text: Option<Arc<str>>,
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
    /// To [`Query::Chat`].
    Chat(Box<ChatAnswer>),
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
    /// To [`Query::UnreadPages`]: the page of the conversation, or one for each that has unread messages; `None` where there is no such
    /// account or conversation.
    UnreadPages(Option<Vec<MessagePage>>),
    /// To [`Query::Range`]; `None` where there is no such account or conversation.
    Range(Option<Box<MessagePage>>),
    /// To [`Query::Contacts`].
    Contacts(Box<ContactList>),
    /// To [`Query::ContactCounts`]; `None` where there is no such owner.
    ContactCounts(Option<Box<ContactCounts>>),
}

/// To [`Query::Contacts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactList {
    /// Whose.
    pub account: Arc<Account>,
    /// Newest activity first.
    pub rows: Vec<Contact>,
}

/// Somebody with whom an account shares a single conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The conversation.
    pub row: ViewRow,
    /// Its newest messages, old to new, as many as were asked for.
    pub messages: Vec<Arc<Message>>,
}

/// To [`Query::ContactCounts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactCounts {
    /// Whose.
    pub owner: Arc<Account>,
    /// Messages from the peer that are unread.
    pub unread: u64,
    /// Contacts with unread messages.
    pub pending: u64,
    /// Contacts with a recent message.
    pub recent: u64,
    /// All contacts.
    pub all: u64,
    /// What reading everything from the peer means; `None` when it is read.
    pub mark: Option<(ConversationId, ReadMark)>,
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
    /// Which page of a history this is, and of how many rows, where an answer cannot hold the one that was asked for: it begins with the
    /// same message, and the next of that many rows goes on where it ends.
    pub instead: Option<(u64, usize)>,
}

impl MessagePage {
    /// Keeps the first `rows` of a page of unread messages, and sets the mark to where they end.
    pub fn cut(&mut self, rows: usize) {
        if rows >= self.messages.len() {
            return;
        }
        self.messages.truncate(rows);
        self.mark = self
            .member
            .as_ref()
            .and_then(|member| mark(member, &self.messages, None));
    }

    /// The name of `account`, which is in the page; empty if not.
    pub fn name_of(&self, account: AccountId) -> &str {
        self.accounts
            .iter()
            .find(|a| a.id == account)
            .map_or("", |a| &a.name)
    }
}

/// Where reading `messages` leads, which are all from others after `member`'s read position up to the last one of them, or up to
/// `visible` when they are all that there is.
pub fn mark(
    member: &Member,
    messages: &[Arc<Message>],
    visible: Option<Position>,
) -> Option<ReadMark> {
    let position = visible.or(messages.last().map(|last| last.position))?;
    let own = position
        .0
        .saturating_sub(member.read.0)
        .saturating_sub(messages.len() as u64);
    Some(ReadMark {
        position,
        own: member.sent_read + own,
    })
}
