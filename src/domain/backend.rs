//! What a back end asks and does on behalf of accounts. It has no session and names them; the dialect has settled that it may.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::command::{Peer, Send, Who};
use crate::domain::conversation::Conversation;
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::query::MessagePage;

/// A message that a back end sends for an account. In a group the account has then read everything up to it, since the
/// clients behind a back end have no other way to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Who says it; created where naming somebody creates them and the message goes to an account.
    pub from: Who,
    /// Where.
    pub to: RelayTo,
    /// What the body is.
    pub kind: MessageKind,
    /// 1 byte to 64 KiB; the dialect has checked it.
    pub body: Arc<str>,
    /// The dialect of the back end.
    pub origin: Dialect,
    /// The id that the back end gave it, as in [`Send`].
    pub client_id: Option<Arc<str>>,
}

/// Where a [`Relay`] goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayTo {
    /// To an account.
    Account(Who),
    /// Into a conversation that the sender is a member of.
    Conversation {
        /// Its number.
        id: ConversationId,
        /// In a single conversation the name of the other party, if the caller gave one as well; nothing in a group.
        other: Option<Arc<str>>,
    },
}

impl Relay {
    /// The same message once its sender has a number.
    pub(super) fn to_send(&self, from: AccountId) -> Send {
        let to = match &self.to {
            RelayTo::Account(who) => Peer::Account(who.clone()),
            RelayTo::Conversation { id, .. } => Peer::Conversation(*id),
        };
        Send {
            from,
            to,
            kind: self.kind,
            body: Arc::clone(&self.body),
            origin: self.origin,
            client_id: self.client_id.clone(),
            attributes: None,
        }
    }
}

/// What a back end asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendQuery {
    /// The conversations of an account with their newest messages; of nobody none.
    Overview {
        /// Whose.
        account: Arc<str>,
        /// Most rows.
        rows_max: usize,
        /// Most members of each conversation.
        members_max: usize,
    },
    /// One page of a conversation, counted from its end.
    Transcript {
        /// Who reads: sees only what lies within their membership. Nobody in particular sees everything.
        reader: Option<Arc<str>>,
        /// Which conversation.
        talk: Talk,
        /// From 1, the newest.
        page: u64,
        /// Rows a page, 1 to [`crate::limits::PAGE_ROWS_MAX`].
        size: usize,
    },
    /// The members of a group, in the order in which they joined.
    Members {
        /// The group.
        group: ConversationId,
        /// Most rows.
        rows_max: usize,
    },
}

/// Which conversation is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Talk {
    /// That of a number.
    Number(ConversationId),
    /// The reader's with the account of a name.
    With(Arc<str>),
}

/// What a [`BackendQuery`] gives.
#[derive(Clone, Debug)]
pub enum BackendAnswer {
    /// To [`BackendQuery::Overview`], newest activity first.
    Overview(Vec<OverviewRow>),
    /// To [`BackendQuery::Transcript`]. Its mark is the reader's up to the newest message of the page.
    Transcript(Box<MessagePage>),
    /// To [`BackendQuery::Members`].
    Members(Vec<(Arc<Account>, Member)>),
}

/// A conversation of an account's with its newest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverviewRow {
    /// The conversation with its head.
    pub conversation: Conversation,
    /// How many messages from others are unread.
    pub unread: u64,
    /// The first of the members: in a single conversation the account and the other party, in a group in the order in
    /// which they joined.
    pub members: Vec<Arc<Account>>,
    /// The newest message that the account may see, and its sender.
    pub last: Option<(Arc<Message>, Arc<Account>)>,
}
