//! Which rows a command looks at: gathered from what the writer has in memory, or named so that a reader can load them.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::conversation::{Conversation, Pair};
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message};
use crate::domain::token::{Token, TokenHash};

/// Names one thing that a command looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An account by its number.
    Account(AccountId),
    /// An account by its name.
    Name(Arc<str>),
    /// The conversation of a pair, with its head and both members.
    Single(Pair),
    /// A conversation with its head.
    Conversation(ConversationId),
    /// An account's part in a conversation.
    Member(ConversationId, AccountId),
    /// The group that is shown to an account under a name.
    Shown(AccountId, Arc<str>),
    /// A token.
    Token(TokenHash),
    /// All tokens of an account.
    Tokens(AccountId),
    /// A message by the id that a client gave it.
    ClientId(ClientKey),
}

/// What makes a message the same one when a client sends it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// Who sent it.
    pub sender: AccountId,
    /// Where.
    pub conversation: ConversationId,
    /// In which dialect.
    pub origin: Dialect,
    /// The client's id.
    pub client_id: Arc<str>,
}

/// What a [`Key`] was loaded as. `None` says that there is no such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// For [`Key::Account`].
    Account(AccountId, Option<Arc<Account>>),
    /// For [`Key::Name`].
    Name(Arc<str>, Option<Arc<Account>>),
    /// For [`Key::Single`].
    Single(Pair, Option<Box<SingleRow>>),
    /// For [`Key::Conversation`].
    Conversation(ConversationId, Option<Conversation>),
    /// For [`Key::Member`].
    Member(ConversationId, AccountId, Option<Member>),
    /// For [`Key::Shown`].
    Shown(AccountId, Arc<str>, Option<ConversationId>),
    /// For [`Key::Token`].
    Token(TokenHash, Option<Token>),
    /// For [`Key::Tokens`].
    Tokens(AccountId, Vec<Token>),
    /// For [`Key::ClientId`].
    ClientId(ClientKey, Option<Arc<Message>>),
}

/// A single conversation with both its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleRow {
    /// The conversation.
    pub conversation: Conversation,
    /// The party with the lower account number.
    pub low: Member,
    /// The party with the higher account number.
    pub high: Member,
}
