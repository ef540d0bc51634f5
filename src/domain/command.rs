//! Commands: what changes the state, and what comes of them.

use std::sync::Arc;

use crate::domain::account::{Account, Profile};
use crate::domain::backend::Relay;
use crate::domain::chat::Arrangement;
use crate::domain::conversation::Conversation;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::service::Assignment;
use crate::domain::token::{Token, TokenHash};

/// What the writer is asked to do. Whoever makes one has settled who acts: a command is obeyed as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Gives the account of that name a token, creating the account if need be.
    Login {
        /// The account's name.
        name: Arc<str>,
        /// The new token's hash.
        token: TokenHash,
    },
    /// Ends a token on every connection that uses it.
    Logout {
        /// Its hash.
        token: TokenHash,
    },
    /// Records that a token is in use.
    Touch {
        /// Its hash.
        token: TokenHash,
    },
    /// Stores a message and delivers it.
    Send(Send),
    /// Stores a message that a back end sends for an account, and delivers it.
    Relay(Box<Relay>),
    /// Moves the read position of an account.
    Read {
        /// Whose.
        account: AccountId,
        /// Where.
        conversation: ConversationId,
        /// Up to where.
        mark: ReadMark,
    },
    /// Makes a group.
    CreateGroup {
        /// Its owner and first member.
        owner: Who,
        /// The other members in their order; who stands twice counts once.
        members: Vec<Who>,
        /// What it is called.
        about: GroupAbout,
    },
    /// Adds members to a group; who is one already stays one.
    AddMembers {
        /// The group.
        group: ConversationId,
        /// Whom, in their order.
        members: Vec<Who>,
    },
    /// Ends memberships of a group; who is none already stays none.
    RemoveMembers {
        /// The group.
        group: ConversationId,
        /// Whom.
        members: Vec<Who>,
    },
    /// Sets what an account tells others of itself, creating the account if need be.
    SetProfile {
        /// Whose.
        who: Who,
        /// The whole new profile.
        profile: Profile,
    },
    /// Gives the account of that name a token that an application chose, creating the account if need be, and sets its profile.
    BindToken {
        /// The account's name.
        name: Arc<str>,
        /// The token's hash.
        token: TokenHash,
        /// The whole new profile.
        profile: Profile,
    },
    /// Makes two accounts contacts of each other: their conversation exists from here on, if without a message.
    MakeContact {
        /// The one.
        account: AccountId,
        /// The other, who is not created.
        other: Who,
    },
    /// Chooses the agent who answers a visitor, and makes the two contacts.
    Assign {
        /// Who asks.
        visitor: AccountId,
        /// Since when the visitors of each agent are counted.
        since: TimeMs,
    },
    /// Makes the account a member of the group that `jim` clients made under a name, making the group if need be, and has the members
    /// told.
    JoinNamed {
        /// Who joins.
        account: AccountId,
        /// The group's name.
        name: Arc<str>,
    },
    /// Ends an account's own membership of a group and has the members told.
    Leave {
        /// Who leaves.
        account: AccountId,
        /// The group.
        group: Peer,
    },
    /// Takes a message back.
    Recall(Recall),
    /// Moves the read position of an account in several conversations, all or none.
    ReadAll {
        /// Whose.
        account: AccountId,
        /// Where and up to where.
        marks: Vec<(ConversationId, ReadMark)>,
    },
    /// Sets how an account is shown to people and leaves the rest of its profile, creating the account if need be.
    SetCard {
        /// Whose.
        who: Who,
        /// The name shown to people, or empty.
        nick: Arc<str>,
        /// URL of a picture, or empty.
        avatar: Arc<str>,
    },
    /// Sets how a group calls one of its members.
    SetAlias {
        /// The group.
        group: ConversationId,
        /// The member.
        who: Who,
        /// What it is called there, or empty.
        alias: Arc<str>,
    },
    /// Records that messages have reached an account's client. Where it is no member any more nothing is recorded.
    Acknowledge {
        /// Whose.
        account: AccountId,
        /// Where they were said, each conversation once, and their places there from low to high.
        messages: Vec<(ConversationId, Vec<Position>)>,
    },
    /// Changes how a conversation stands in an account's list.
    Arrange {
        /// Whose.
        account: AccountId,
        /// Which conversation.
        conversation: ConversationId,
        /// How.
        arrangement: Arrangement,
    },
    /// Hands out an id that no message has or will be given by the server.
    ReserveId,
    /// Changes a group, all or nothing.
    ChangeGroup {
        /// The group.
        group: ConversationId,
        /// Its name from here on, if it gets another.
        name: Option<Arc<str>>,
        /// Whose membership ends, first of all; who is no member stays none.
        removed: Vec<Who>,
        /// Who becomes a member, in their order; who is one already stays one.
        added: Vec<Who>,
    },
    /// Ends all memberships of a group, which nobody can join, change or write to from then on.
    DeleteGroup {
        /// The group.
        group: ConversationId,
        /// Who asks, if it is only done for the owner.
        by: Option<AccountId>,
    },
}

impl Command {
    /// Whether it says what has been read or has arrived: that is small, soon done, and waits for room before it is refused.
    pub fn is_mark(&self) -> bool {
        matches!(
            self,
            Command::Read { .. } | Command::ReadAll { .. } | Command::Acknowledge { .. }
        )
    }

    /// Roughly how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let points_to = match self {
            Command::Send(send) => {
                send.body.len() + send.attributes.as_ref().map_or(0, |text| text.len())
            }
            Command::Relay(relay) => size_of::<Relay>() + relay.body.len(),
            Command::CreateGroup { members, .. }
            | Command::AddMembers { members, .. }
            | Command::RemoveMembers { members, .. } => members.iter().map(Who::bytes).sum(),
            Command::ChangeGroup { removed, added, .. } => {
                removed.iter().chain(added).map(Who::bytes).sum()
            }
            Command::Acknowledge { messages, .. } => {
                let positions = messages.iter().map(|(_, positions)| positions.len());
                messages.len() * size_of::<(ConversationId, Vec<Position>)>()
                    + positions.sum::<usize>() * size_of::<Position>()
            }
            Command::ReadAll { marks, .. } => marks.len() * size_of::<(ConversationId, ReadMark)>(),
            _ => 0,
        };
        size_of::<Command>() + points_to
    }
}

/// A message to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Who says it.
    pub from: AccountId,
    /// To whom or where.
    pub to: Peer,
    /// What the body is.
    pub kind: MessageKind,
    /// 1 byte to 64 KiB; the dialect has checked it.
    pub body: Arc<str>,
    /// The dialect that sends it.
    pub origin: Dialect,
    /// The id that the client gave it: the same one again from the same sender, to the same conversation, in the same dialect stores nothing.
    pub client_id: Option<Arc<str>>,
    /// JSON for the dialect of `origin` alone.
    pub attributes: Option<Arc<str>>,
}

/// Which message is taken back, and by whom: one's own of the last two minutes, or any of a group of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Who asks.
    pub account: AccountId,
    /// The id that its sender's client gave it in `origin`. Of several the newest is meant.
    pub client_id: Arc<str>,
    /// The dialect in which a client gave that id.
    pub origin: Dialect,
    /// The server's id, if no message has `client_id`.
    pub message: Option<MessageId>,
    /// The group in which it was said and who said it, if that was told.
    pub said: Option<(Peer, Who)>,
}

/// An account, by number or by name. Naming somebody creates them if the directory is open; a number never does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// By number.
    Id(AccountId),
    /// By name.
    Name(Arc<str>),
}

impl Who {
    fn bytes(&self) -> usize {
        let name = match self {
            Who::Id(_) => 0,
            Who::Name(name) => name.len(),
        };
        size_of::<Who>() + name
    }
}

/// The other side of a conversation, as a dialect names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An account.
    Account(Who),
    /// The account of that name or, if there is none, the group that is shown to this account under it.
    Shown(Arc<str>),
    /// A conversation by its number.
    Conversation(ConversationId),
    /// A group by its number; the number of a single conversation is nobody.
    Group(ConversationId),
    /// The group that `jim` clients made under that name.
    JimGroup(Arc<str>),
}

/// What a group is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupAbout {
    /// Shown to people.
    pub name: Arc<str>,
    /// URL of a picture, or empty.
    pub image: Arc<str>,
    /// Free text, or empty.
    pub description: Arc<str>,
    /// The name that `jim` clients know it by, if they made it.
    pub jim_name: Option<Arc<str>>,
}

/// What a command that was done has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing more.
    Done,
    /// The account that is logged in, whose profile was set, or that is the contact or agent that was asked for.
    Account(Arc<Account>),
    /// The message as stored; with a `client_id` seen before, the first one.
    Sent {
        /// The message.
        message: Arc<Message>,
        /// Whether it was stored by an earlier command.
        repeated: bool,
        /// The other party of a single conversation.
        recipient: Option<AccountId>,
    },
    /// The group's number.
    Group(ConversationId),
    /// The id that was handed out.
    Id(MessageId),
}

/// Why a command or query was not done. It has had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No account has that name or number, and none may be created.
    NoSuchAccount,
    /// No conversation has that number.
    NoSuchConversation,
    /// The conversation is not a group.
    NotAGroup,
    /// The account is not a member.
    NotAMember,
    /// The group is somebody else's.
    NotTheOwner,
    /// The conversation is one with another account than the one that was named.
    OtherPeer,
    /// The name cannot be an account's.
    BadName,
    /// A message to oneself.
    ToSelf,
    /// The group would have more members than allowed.
    GroupFull,
    /// No message has that id, or it is not the asker's to change, or not any more.
    NoSuchMessage,
    /// The token is somebody else's.
    TokenTaken,
    /// No agent is there.
    NoAgent,
    /// Too much is waiting; try again later.
    Busy,
    /// The server failed; nothing is known to have happened.
    Failure,
}

/// A change of the state: rows as they stand afterwards, so that applying one cannot fail and applying it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// An account was created or changed.
    Account(Arc<Account>),
    /// A token was given or used.
    Token(Token),
    /// A token ended.
    TokenEnded(Token),
    /// A conversation was created, or changed in what [`Effect::Append`] does not say.
    Conversation(Conversation),
    /// A member joined, left, read or sent.
    Member(Member),
    /// A message was stored; its conversation's head is now there.
    Append(Arc<Message>),
    /// A stored message was taken back: its row has no body any more.
    Recall(Arc<Message>),
    /// A visitor was given to an agent.
    Assign(Assignment),
    /// An id was handed out: it and those before it are used.
    ReserveId(MessageId),
}
