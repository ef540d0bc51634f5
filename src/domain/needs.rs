//! Which rows a command looks at: gathered from what the writer has in memory, or named so that a reader can load them.

mod relay;
mod send;
mod service;

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::command::{Command, Who};
use crate::domain::conversation::{Conversation, Pair, Topic};
use crate::domain::ids::{AccountId, ConversationId, MessageId, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message};
use crate::domain::presence::Presence;
use crate::domain::service::Candidates;
use crate::domain::state::{Found, State};
use crate::domain::token::{Token, TokenHash};

/// Names one thing that a command looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An account by its number.
    Account(AccountId),
    /// An account by its name.
    Name(Arc<str>),
    /// A conversation of a pair, with its head and both members.
    Single(Pair, Topic),
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
    /// The group that `jim` clients made under a name.
    JimGroup(Arc<str>),
    /// All members of a group.
    Members(ConversationId),
    /// Among whom a visitor's agent is chosen, with their visitors counted since a time.
    Candidates(AccountId, TimeMs),
    /// A message to take back.
    Recall(RecallKey),
}

/// What a message to take back is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecallKey {
    /// Who sent it, if it is found by the client's id.
    pub sender: AccountId,
    /// Where; `None` for anywhere.
    pub conversation: Option<ConversationId>,
    /// In which dialect the client gave the id.
    pub origin: Dialect,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The server's id, if there is no message with the client's.
    pub message: Option<MessageId>,
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
    /// For [`Key::Single`], and for the others that name a pair's conversation: it is in memory whole or not at all.
    Single(Pair, Topic, Option<Box<SingleRow>>),
    /// For [`Key::Conversation`] and [`Key::Member`], unless it is a pair's.
    Conversation(ConversationId, Option<Conversation>),
    /// For [`Key::Member`], unless the conversation is a pair's.
    Member(ConversationId, AccountId, Option<Member>),
    /// For [`Key::Shown`].
    Shown(AccountId, Arc<str>, Option<ConversationId>),
    /// For [`Key::Token`].
    Token(TokenHash, Option<Token>),
    /// For [`Key::Tokens`].
    Tokens(AccountId, Vec<Token>),
    /// For [`Key::ClientId`].
    ClientId(ClientKey, Option<Arc<Message>>),
    /// For [`Key::JimGroup`].
    JimGroup(Arc<str>, Option<ConversationId>),
    /// For [`Key::Members`]: those who are members.
    Members(ConversationId, Vec<Member>),
    /// For [`Key::Candidates`].
    Candidates(Box<Candidates>),
    /// For [`Key::Recall`].
    Recall(RecallKey, Option<Arc<Message>>),
}

/// A conversation of a pair with both its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleRow {
    /// The conversation.
    pub conversation: Conversation,
    /// The party with the lower account number.
    pub low: Member,
    /// The party with the higher account number.
    pub high: Member,
}

/// What a command looks at, as it stands: all that [`crate::domain::decide::decide`] needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    /// For [`Command::Login`].
    Login {
        /// The account of that name.
        account: Option<Arc<Account>>,
        /// Its tokens.
        tokens: Vec<Token>,
    },
    /// For [`Command::Logout`] and [`Command::Touch`].
    Token(Option<Token>),
    /// For [`Command::Send`].
    Send {
        /// The sender.
        sender: Option<Arc<Account>>,
        /// Where to.
        place: Place,
    },
    /// For [`Command::Relay`].
    Relay {
        /// The sender.
        sender: Named,
        /// Where to.
        place: Place,
    },
    /// For [`Command::ReserveId`].
    Nothing,
    /// For [`Command::Read`] and [`Command::Arrange`].
    Read {
        /// The conversation.
        conversation: Option<Conversation>,
        /// The reader's part in it.
        member: Option<Member>,
    },
    /// For [`Command::CreateGroup`].
    CreateGroup {
        /// The owner.
        owner: Named,
        /// The members, in their order.
        members: Vec<Named>,
        /// Whether an account has the group's name.
        name_taken: bool,
    },
    /// For [`Command::AddMembers`], [`Command::RemoveMembers`], with one [`Command::SetAlias`], and [`Command::ChangeGroup`], those who
    /// leave before those who join.
    Members {
        /// The group.
        conversation: Option<Conversation>,
        /// Whom, and their part in it.
        members: Vec<(Named, Option<Member>)>,
        /// Whether an account has the name that the group then has.
        name_taken: bool,
    },
    /// For [`Command::DeleteGroup`].
    Group {
        /// The group.
        conversation: Option<Conversation>,
        /// All its members.
        members: Vec<Member>,
    },
    /// For [`Command::SetProfile`] and [`Command::SetCard`].
    Profile(Named),
    /// For [`Command::BindToken`].
    BindToken {
        /// The account of that name.
        account: Option<Arc<Account>>,
        /// Its tokens.
        tokens: Vec<Token>,
        /// The token, if it is anybody's.
        token: Option<Token>,
    },
    /// For [`Command::MakeContact`] and [`Command::Assign`].
    Contact {
        /// The one.
        account: Option<Arc<Account>>,
        /// The other; for an assignment the agent who was chosen.
        other: Option<Arc<Account>>,
        /// Whether the visitor's last assignment is to the other.
        assigned: bool,
        /// The conversation of the two.
        existing: Option<ConversationId>,
    },
    /// For [`Command::JoinNamed`].
    JoinNamed {
        /// Who joins.
        account: Option<Arc<Account>>,
        /// The group of that name and the account's part in it.
        existing: Option<Box<(Conversation, Option<Member>)>>,
        /// Whether an account has the group's name.
        name_taken: bool,
    },
    /// For [`Command::Leave`].
    Leave {
        /// Who leaves.
        account: Option<Arc<Account>>,
        /// The group and the account's part in it.
        existing: Option<Box<(Conversation, Option<Member>)>>,
    },
    /// For [`Command::Recall`].
    Recall(Option<Box<Recallable>>),
    /// For [`Command::ReadAll`] and [`Command::Acknowledge`]: each conversation and the account's part in it.
    Parts(Vec<(Option<Conversation>, Option<Member>)>),
}

/// A message that may be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recallable {
    /// The message.
    pub message: Arc<Message>,
    /// Where it was said.
    pub conversation: Conversation,
    /// Who said it.
    pub sender: Arc<Account>,
    /// The asker's part in the conversation.
    pub member: Option<Member>,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To an account.
    Account {
        /// Which.
        recipient: Named,
        /// The conversation with it, the sender's part and the recipient's part.
        existing: Option<Box<(Conversation, Member, Member)>>,
        /// The message that has the client's id already.
        prior: Option<Arc<Message>>,
    },
    /// To a conversation by its number, whose members may write.
    Conversation {
        /// Which.
        conversation: Option<Conversation>,
        /// The sender's part in it.
        member: Option<Member>,
        /// The other party, if it is a single conversation.
        recipient: Option<Box<(Arc<Account>, Member)>>,
        /// The message that has the client's id already.
        prior: Option<Arc<Message>>,
    },
}

/// An account as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// It exists.
    Account(Arc<Account>),
    /// Nobody has that name.
    NewName(Arc<str>),
    /// Nobody has that number.
    UnknownId,
}

/// Gathers what `command` looks at.
///
/// # Errors
/// The keys of what is not in memory. When they are loaded there may be more: ask again.
pub fn needs(
    command: &Command,
    state: &mut State,
    presence: &dyn Presence,
) -> Result<Facts, Vec<Key>> {
    let mut gather = Gather {
        state,
        presence,
        missing: Vec::new(),
    };
    let facts = gather.facts(command);
    match (facts, gather.missing) {
        (Some(facts), missing) if missing.is_empty() => Ok(facts),
        (_, missing) => Err(missing),
    }
}

/// Collects rows, and the keys of those that are missing. `None` means that something is.
struct Gather<'a> {
    state: &'a mut State,
    presence: &'a dyn Presence,
    missing: Vec<Key>,
}

impl Gather<'_> {
    fn want<T>(&mut self, found: Found<T>) -> Option<T> {
        found.map_err(|key| self.missing.push(key)).ok()
    }

    fn facts(&mut self, command: &Command) -> Option<Facts> {
        match command {
            Command::Login { name, .. } => {
                let found = self.state.account_named(name);
                let account = self.want(found)?;
                let tokens = match &account {
                    Some(account) => {
                        let found = self.state.tokens_of(account.id);
                        self.want(found)?
                    }
                    None => Vec::new(),
                };
                Some(Facts::Login { account, tokens })
            }
            Command::Logout { token } | Command::Touch { token } => {
                let found = self.state.token(*token);
                self.want(found).map(Facts::Token)
            }
            Command::Send(send) => self.send(send),
            Command::Relay(relay) => self.relay(relay),
            Command::Read {
                account,
                conversation,
                ..
            } => {
                let (conversation, member) = self.part(*conversation, *account);
                Some(Facts::Read {
                    conversation: conversation?,
                    member: member?,
                })
            }
            Command::CreateGroup {
                owner,
                members,
                about,
            } => {
                let owner = self.named(owner);
                let members = self.all_named(members);
                let name_taken = self.is_name_taken(&about.name);
                Some(Facts::CreateGroup {
                    owner: owner?,
                    members: members?,
                    name_taken: name_taken?,
                })
            }
            Command::AddMembers { group, members } | Command::RemoveMembers { group, members } => {
                self.members(*group, members, None)
            }
            Command::SetProfile { who, .. } | Command::SetCard { who, .. } => {
                self.named(who).map(Facts::Profile)
            }
            Command::SetAlias { group, who, .. } => {
                self.members(*group, std::slice::from_ref(who), None)
            }
            Command::BindToken { name, token, .. } => self.bind_token(name, *token),
            Command::MakeContact { account, other } => {
                let found = self.state.account(*account);
                let account = self.want(found);
                let other = match self.named(other)? {
                    Named::Account(other) => Some(other),
                    Named::NewName(_) | Named::UnknownId => None,
                };
                self.contact(account?, other, false)
            }
            Command::Assign { visitor, since } => self.assign(*visitor, *since),
            Command::JoinNamed { account, name } => self.join_named(*account, name),
            Command::Leave { account, group } => self.leave(*account, group),
            Command::Recall(recall) => self.recall(recall),
            Command::Arrange {
                account,
                conversation,
                ..
            } => {
                let (conversation, member) = self.part(*conversation, *account);
                Some(Facts::Read {
                    conversation: conversation?,
                    member: member?,
                })
            }
            Command::ReserveId => Some(Facts::Nothing),
            Command::ChangeGroup {
                group,
                name,
                removed,
                added,
            } => {
                let whom: Vec<Who> = removed.iter().chain(added).cloned().collect();
                self.members(*group, &whom, name.as_ref())
            }
            Command::DeleteGroup { group, .. } => self.whole_group(*group),
            Command::ReadAll { account, marks } => {
                let conversations = marks.iter().map(|(conversation, _)| *conversation);
                self.parts(*account, conversations)
            }
            Command::Acknowledge { account, messages } => {
                let conversations = messages.iter().map(|(conversation, _)| *conversation);
                self.parts(*account, conversations)
            }
        }
    }

    /// In each the outer layer says whether it is in memory, the inner whether it exists.
    fn part(
        &mut self,
        conversation: ConversationId,
        account: AccountId,
    ) -> (Option<Option<Conversation>>, Option<Option<Member>>) {
        let found = self.state.conversation(conversation);
        let row = self.want(found);
        let found = self.state.member(conversation, account);
        (row, self.want(found))
    }

    /// All that are missing are named at once.
    fn parts(
        &mut self,
        account: AccountId,
        conversations: impl Iterator<Item = ConversationId>,
    ) -> Option<Facts> {
        let parts: Vec<_> = conversations
            .map(|conversation| self.part(conversation, account))
            .collect();
        let whole = parts
            .into_iter()
            .map(|(conversation, member)| conversation.zip(member));
        whole.collect::<Option<_>>().map(Facts::Parts)
    }

    /// A group that is called `name`, or as it is called.
    fn members(
        &mut self,
        group: ConversationId,
        whom: &[Who],
        name: Option<&Arc<str>>,
    ) -> Option<Facts> {
        let found = self.state.conversation(group);
        let conversation = self.want(found);
        let named = self.all_named(whom);
        let own_name = conversation
            .as_ref()
            .and_then(|c| c.as_ref()?.group().map(|group| Arc::clone(&group.name)));
        let name = name.cloned().or(own_name);
        let name_taken = name.map_or(Some(false), |name| self.is_name_taken(&name));
        let mut members = Vec::with_capacity(whom.len());
        for named in named? {
            let member = match &named {
                Named::Account(account) => {
                    let found = self.state.member(group, account.id);
                    self.want(found).flatten()
                }
                Named::NewName(_) | Named::UnknownId => None,
            };
            members.push((named, member));
        }
        Some(Facts::Members {
            conversation: conversation?,
            members,
            name_taken: name_taken?,
        })
    }

    fn whole_group(&mut self, id: ConversationId) -> Option<Facts> {
        let found = self.state.conversation(id);
        let conversation = self.want(found)?;
        let count = conversation
            .as_ref()
            .and_then(Conversation::group)
            .map_or(0, |group| group.member_count);
        let members = match count {
            0 => Vec::new(),
            count => {
                let found = self.state.members(id, count);
                self.want(found)?
            }
        };
        Some(Facts::Group {
            conversation,
            members,
        })
    }

    fn is_name_taken(&mut self, name: &Arc<str>) -> Option<bool> {
        let found = self.state.account_named(name);
        self.want(found).map(|account| account.is_some())
    }

    /// All that are missing are named at once.
    fn all_named(&mut self, whom: &[Who]) -> Option<Vec<Named>> {
        let named: Vec<Option<Named>> = whom.iter().map(|who| self.named(who)).collect();
        named.into_iter().collect()
    }

    fn named(&mut self, who: &Who) -> Option<Named> {
        let account = match who {
            Who::Id(id) => {
                let found = self.state.account(*id);
                self.want(found)?.ok_or(Named::UnknownId)
            }
            Who::Name(name) => {
                let found = self.state.account_named(name);
                self.want(found)?
                    .ok_or_else(|| Named::NewName(Arc::clone(name)))
            }
        };
        Some(account.map_or_else(|named| named, Named::Account))
    }
}
