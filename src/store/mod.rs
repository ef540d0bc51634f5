//! How the state is kept: one interface, two stores ([`memory`] and [`sqlite`]), and what is built on it once for both.
//!
//! A [`Store`] belongs to the writer thread and commits effects in batches. A [`Reader`] belongs to a reader thread and opens
//! [`Snapshot`]s, which give rows; [`load`] turns rows into what a command needs and [`query`] into answers. Nothing outside a store
//! depends on how it keeps things.

pub mod export;
pub mod load;
pub mod memory;
pub mod query;
pub mod sqlite;
pub mod writer;

#[cfg(test)]
mod suite;

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::domain::account::{Account, Profile};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, Pair};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, MessageId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message};
use crate::domain::service::{AgentLoad, Assignment};
use crate::domain::token::{Token, TokenHash};

/// Why a store could not do something. The text is for people.
#[derive(Debug)]
pub struct StoreError(pub String);

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// The result of asking a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The name of [`AccountId::SERVER`]: its control character is in no name that [`crate::domain::account::check_name`] lets pass.
pub const SERVER_NAME: &str = "\u{1}imd";

/// The account of the server itself, which every store holds from the start. It is found by its number only.
pub fn server_account() -> Account {
    Account {
        id: AccountId::SERVER,
        name: Arc::from(SERVER_NAME),
        created_at: TimeMs(0),
        profile: Profile::default(),
    }
}

/// The highest numbers handed out so far, from which the writer goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of the newest commit; 0 when there was none.
    pub commit: CommitNumber,
    /// Of the newest account; 1, the server, when there was none.
    pub account: AccountId,
    /// Of the newest conversation; 0 when there was none.
    pub conversation: ConversationId,
    /// Of the newest message; 0 when there was none.
    pub message: MessageId,
}

/// The writing side, owned by the writer thread.
pub trait Store: Send {
    /// Opens (again) what is stored and says where to go on. Called at start and after a failed commit.
    ///
    /// # Errors
    /// When it cannot be opened; nothing is changed.
    fn open(&mut self) -> Result<Counters>;

    /// Makes `effects` durable as one commit. `number` is one more than that of the commit before it.
    ///
    /// # Errors
    /// When it cannot; then none of the effects is stored and [`Store::open`] must be called before the next commit.
    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()>;

    /// Whether no message that is stored has this id from a client of `sender`, in any conversation. `false` says nothing. It is known
    /// without reading a file; an id counts for [`crate::limits::CLIENT_ID_TTL_MS`] at least.
    fn is_new_client_id(&self, sender: AccountId, origin: Dialect, client_id: &str) -> bool;

    /// A reading side for another thread. Its snapshots show every commit that has returned before they were opened.
    ///
    /// # Errors
    /// When none can be opened.
    fn reader(&self) -> Result<Box<dyn Reader>>;

    /// Finishes what is under way and leaves the store tidy, so that the next start is quick.
    ///
    /// # Errors
    /// When something could not be written; everything committed is stored all the same.
    fn close(&mut self) -> Result<()>;
}

/// The reading side, owned by a reader thread.
pub trait Reader: Send {
    /// Calls `read` with one unchanging state of the store. It must be brief: an open snapshot keeps the log from being reused.
    ///
    /// # Errors
    /// When no snapshot can be opened, or what `read` gives.
    fn snapshot(&mut self, read: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()>;
}

/// What `look` finds in one snapshot of `reader`'s. Like [`Reader::snapshot`] it must be brief.
///
/// # Errors
/// When no snapshot can be opened, or what `look` gives.
pub fn read<T>(
    reader: &mut dyn Reader,
    mut look: impl FnMut(&dyn Snapshot) -> Result<T>,
) -> Result<T> {
    let mut found = None;
    reader.snapshot(&mut |snapshot| {
        found = Some(look(snapshot)?);
        Ok(())
    })?;
    found.ok_or_else(|| StoreError("no snapshot was given".to_owned()))
}

/// Which end of a range of messages comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By rising position.
    OldestFirst,
    /// By falling position.
    NewestFirst,
}

/// One unchanging state of the store.
pub trait Snapshot {
    /// The newest commit that it shows.
    fn commit(&self) -> Result<CommitNumber>;
    /// An account by its number.
    fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>>;
    /// A user's account by its name; never the server's.
    fn account_named(&self, name: &str) -> Result<Option<Arc<Account>>>;
    /// A token in force or past its time: whether it still counts is not the store's to say.
    fn token(&self, hash: TokenHash) -> Result<Option<Token>>;
    /// All tokens of an account, in any order.
    fn tokens(&self, account: AccountId) -> Result<Vec<Token>>;
    /// The conversation of a pair.
    fn single(&self, pair: Pair) -> Result<Option<ConversationId>>;
    /// The conversation that holds the events of a pair.
    fn events(&self, pair: Pair) -> Result<Option<ConversationId>>;
    /// A conversation with its head.
    fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>>;
    /// An account's part in a conversation, also after it has left.
    fn member(&self, conversation: ConversationId, account: AccountId) -> Result<Option<Member>>;
    /// The members of a conversation by slot, also those who have left.
    fn members(&self, conversation: ConversationId) -> Result<Vec<Member>>;
    /// An account's part in all its conversations by conversation, also those that it has left.
    fn memberships(&self, account: AccountId) -> Result<Vec<Member>>;
    /// At most `rows_max` messages of a conversation whose positions lie in `positions`.
    fn messages(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>>;
    /// The ids of the newest `rows_max` of them, from the newest on. They are had without reading the messages.
    fn message_ids(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<MessageId>>;
    /// At most `rows_max` messages of a conversation whose positions lie in `positions`, oldest first, without those sent by `account`.
    fn messages_from_others(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
        rows_max: usize,
    ) -> Result<Vec<Arc<Message>>>;
    /// How many messages of a conversation whose positions lie in `positions` were sent by `account`.
    fn count_sent(
        &self,
        conversation: ConversationId,
        account: AccountId,
        positions: RangeInclusive<u64>,
    ) -> Result<u64>;
    /// The message to which a client gave `client_id`.
    fn message_named(
        &self,
        sender: AccountId,
        conversation: ConversationId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>>;
    /// A message by the server's id.
    fn message(&self, id: MessageId) -> Result<Option<Arc<Message>>>;
    /// The newest of the messages, in any conversation, to which a client gave `client_id`.
    fn newest_message_named(
        &self,
        sender: AccountId,
        origin: Dialect,
        client_id: &str,
    ) -> Result<Option<Arc<Message>>>;
    /// The group that `jim` clients made under a name.
    fn jim_group(&self, name: &str) -> Result<Option<ConversationId>>;
    /// The accounts of agents and consultants, by number.
    fn agents(&self) -> Result<Vec<Arc<Account>>>;
    /// All assignments of a visitor, one for each agent, in any order.
    fn assignments(&self, visitor: AccountId) -> Result<Vec<Assignment>>;
    /// How many visitors an agent was given at `since` or later, and when the last one.
    fn agent_load(&self, agent: AccountId, since: TimeMs) -> Result<AgentLoad>;
}
