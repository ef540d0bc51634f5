//! What an account may see, as lines of JSON: the account, then each of its conversations, oldest first, followed by its messages,
//! oldest first.
//!
//! A line is an object whose `type` is `account`, `conversation` or `message`; times are milliseconds since the Unix epoch, and what is
//! not known or not there is left out. An export reads in brief snapshots, one after another, beside a server that goes on: of a
//! conversation it shows what there was when its line was written, of a message what it was when it was read.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::domain::account::{Account, ServiceRole};
use crate::domain::conversation::{Conversation, ConversationKind};
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, EventKind, Message, MessageKind};
use crate::limits::{EXPORT_NAMES_MAX, EXPORT_ROWS_MAX};
use crate::store::{Order, Reader, Result, Snapshot, StoreError, read};

/// Why an export is not whole.
#[derive(Debug)]
pub enum ExportError {
    /// No account has that name.
    NoSuchAccount,
    /// The store cannot be read.
    Store(StoreError),
    /// The lines cannot be written.
    Output(io::Error),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> ExportError {
        ExportError::Store(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> ExportError {
        ExportError::Output(error)
    }
}

/// Writes what the account called `name` may see to `out`. Of an account with many messages it keeps [`EXPORT_ROWS_MAX`] in memory,
/// besides a number for each of its conversations.
///
/// # Errors
/// See [`ExportError`]; what was written until then stands, in whole lines.
pub fn export(
    reader: &mut dyn Reader,
    name: &str,
    out: &mut dyn Write,
) -> std::result::Result<(), ExportError> {
    let found = read(reader, |snapshot| snapshot.account_named(name))?;
    let account = found.ok_or(ExportError::NoSuchAccount)?;
    put_line(out, &AccountLine::new(&account))?;
    let conversations: Vec<ConversationId> = read(reader, |snapshot| {
        let members = snapshot.memberships(account.id)?;
        Ok(members.iter().map(|member| member.conversation).collect())
    })?;
    let mut names = Names::default();
    for id in conversations {
        export_conversation(reader, &account, id, &mut names, out)?;
    }
    Ok(out.flush()?)
}

fn export_conversation(
    reader: &mut dyn Reader,
    account: &Account,
    id: ConversationId,
    names: &mut Names,
    out: &mut dyn Write,
) -> std::result::Result<(), ExportError> {
    let (conversation, member, with) = read(reader, |snapshot| {
        let conversation = found(snapshot.conversation(id)?, id)?;
        let member = found(snapshot.member(id, account.id)?, id)?;
        let with = match &conversation.kind {
            ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
                names.of(snapshot, pair.other(account.id))?
            }
            ConversationKind::Group(_) => None,
        };
        Ok((conversation, member, with))
    })?;
    put_line(
        out,
        &ConversationLine::new(&conversation, &member, account.id, with.as_deref()),
    )?;
    let until = member.visible_until(conversation.head.position).0;
    let mut next = member.joined_after.next().0;
    while next <= until {
        let page = read(reader, |snapshot| {
            let page = snapshot.messages(id, next..=until, Order::OldestFirst, EXPORT_ROWS_MAX)?;
            page.into_iter()
                .map(|message| Ok((names.of(snapshot, message.sender)?, message)))
                .collect::<Result<Vec<_>>>()
        })?;
        if page.is_empty() {
            return Err(missing(id, next).into());
        }
        for (sender, message) in &page {
            if message.position.0 != next {
                return Err(missing(id, next).into());
            }
            put_line(out, &MessageLine::new(message, sender.as_deref()))?;
            next += 1;
        }
    }
    Ok(())
}

fn missing(id: ConversationId, position: u64) -> StoreError {
    StoreError(format!(
        "conversation {id} has no message at position {position}: imd check tells more"
    ))
}

/// A row that the account's memberships name.
fn found<T>(row: Option<T>, id: ConversationId) -> Result<T> {
    row.ok_or_else(|| StoreError(format!("conversation {id} is named by a row but has none")))
}

/// Names of accounts by their numbers.
#[derive(Default)]
struct Names(HashMap<AccountId, Arc<str>>);

impl Names {
    /// The name of an account; the server has none that it is found by.
    fn of(&mut self, snapshot: &dyn Snapshot, id: AccountId) -> Result<Option<Arc<str>>> {
        if id == AccountId::SERVER {
            return Ok(None);
        }
        if let Some(name) = self.0.get(&id) {
            return Ok(Some(name.clone()));
        }
        let name = snapshot.account(id)?.map(|account| account.name.clone());
        if self.0.len() >= EXPORT_NAMES_MAX {
            self.0.clear();
        }
        self.0.extend(name.clone().map(|name| (id, name)));
        Ok(name)
    }
}

fn put_line(out: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "account")]
struct AccountLine<'a> {
    id: u64,
    name: &'a str,
    created_at: i64,
    #[serde(skip_serializing_if = "is_empty")]
    nick: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    avatar: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    terminal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
}

impl<'a> AccountLine<'a> {
    fn new(account: &'a Account) -> AccountLine<'a> {
        let profile = &account.profile;
        AccountLine {
            id: account.id.0,
            name: &account.name,
            created_at: account.created_at.0,
            nick: &profile.nick,
            avatar: &profile.avatar,
            terminal: &profile.terminal,
            role: profile.role.map(|role| match role {
                ServiceRole::Visitor => "visitor",
                ServiceRole::Agent => "agent",
                ServiceRole::Consultant => "consultant",
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "conversation")]
struct ConversationLine<'a> {
    id: u64,
    created_at: i64,
    /// What it is, and what only such a conversation has.
    #[serde(flatten)]
    about: About<'a>,
    joined_at: i64,
    /// Whether the account is a member no more.
    left: bool,
    /// Up to which position the account has read.
    read: u64,
    /// How many messages of others lie after that; events are never unread.
    unread: u64,
    /// The positions of the messages that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    positions: Option<(u64, u64)>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum About<'a> {
    Single {
        with: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        with_name: Option<&'a str>,
    },
    /// What the two told each other as events of `chat`.
    Events {
        with: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        with_name: Option<&'a str>,
    },
    Group {
        name: &'a str,
        owner: u64,
        #[serde(skip_serializing_if = "is_empty")]
        image: &'a str,
        #[serde(skip_serializing_if = "is_empty")]
        description: &'a str,
        /// How the group calls the account.
        #[serde(skip_serializing_if = "is_empty")]
        alias: &'a str,
    },
}

impl<'a> ConversationLine<'a> {
    fn new(
        conversation: &'a Conversation,
        member: &'a Member,
        account: AccountId,
        with_name: Option<&'a str>,
    ) -> ConversationLine<'a> {
        let first = member.joined_after.next().0;
        let last = member.visible_until(conversation.head.position).0;
        ConversationLine {
            id: conversation.id.0,
            created_at: conversation.created_at.0,
            about: match &conversation.kind {
                ConversationKind::Single(pair) => About::Single {
                    with: pair.other(account).0,
                    with_name,
                },
                ConversationKind::Events(pair) => About::Events {
                    with: pair.other(account).0,
                    with_name,
                },
                ConversationKind::Group(group) => About::Group {
                    name: &group.name,
                    owner: group.owner.0,
                    image: &group.image,
                    description: &group.description,
                    alias: &member.alias,
                },
            },
            joined_at: member.joined_at.0,
            left: !member.is_active(),
            read: member.read.0,
            unread: match conversation.kind {
                ConversationKind::Events(_) => 0,
                _ => member.unread(conversation.head.position),
            },
            positions: (first <= last).then_some((first, last)),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct MessageLine<'a> {
    conversation: u64,
    position: u64,
    id: u64,
    sender: u64,
    /// Left out where the server itself is the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_name: Option<&'a str>,
    at: i64,
    kind: &'static str,
    /// The number of a kind that only `jim` knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_number: Option<i32>,
    body: &'a str,
    dialect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a str>,
    /// Whether its sender took it back: then the body is empty.
    recalled: bool,
}

impl<'a> MessageLine<'a> {
    fn new(message: &'a Message, sender_name: Option<&'a str>) -> MessageLine<'a> {
        MessageLine {
            conversation: message.conversation.0,
            position: message.position.0,
            id: message.id.0,
            sender: message.sender.0,
            sender_name,
            at: message.at.0,
            kind: kind_name(message.kind),
            kind_number: match message.kind {
                MessageKind::Other(number) => Some(number),
                _ => None,
            },
            body: &message.body,
            dialect: match message.origin {
                Dialect::Buyer => "buyer",
                Dialect::Jim => "jim",
                Dialect::Conv => "conv",
                Dialect::Chat => "chat",
            },
            client_id: message.client_id.as_deref(),
            attributes: message.attributes.as_deref(),
            recalled: message.recalled,
        }
    }
}

fn kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Image => "image",
        MessageKind::Product => "product",
        MessageKind::Sandbox => "sandbox",
        MessageKind::Article => "article",
        MessageKind::Voice => "voice",
        MessageKind::Video => "video",
        MessageKind::File => "file",
        MessageKind::Location => "location",
        MessageKind::Event(event) => match event {
            EventKind::Comment => "comment",
            EventKind::Like => "like",
            EventKind::Relay => "relay",
            EventKind::Share => "share",
            EventKind::Follow => "follow",
            EventKind::Unfollow => "unfollow",
            EventKind::Offline => "offline",
            EventKind::Online => "online",
        },
        MessageKind::Other(_) => "other",
    }
}
