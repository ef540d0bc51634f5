//! Rows for tests, each as plain as it can be.

use std::sync::Arc;

use crate::domain::account::{Account, Profile, ServiceRole};
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, Slot, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::token::{Token, TokenHash};

pub(super) fn account(id: u64, name: &str) -> Account {
    Account {
        id: AccountId(id),
        name: Arc::from(name),
        created_at: TimeMs(id as i64 * 100),
        profile: Profile::default(),
    }
}

pub(super) fn rich_account(id: u64, name: &str) -> Account {
    Account {
        profile: Profile {
            nick: Arc::from("小王"),
            avatar: Arc::from("http://x/y.png"),
            terminal: Arc::from("web"),
            role: Some(ServiceRole::Consultant),
        },
        ..account(id, name)
    }
}

pub(super) fn token(seed: u8, account: u64, used_at: i64) -> Token {
    Token {
        hash: TokenHash([seed; 16]),
        account: AccountId(account),
        used_at: TimeMs(used_at),
    }
}

pub(super) fn pair(one: u64, other: u64) -> Pair {
    Pair::new(AccountId(one), AccountId(other)).unwrap()
}

pub(super) fn single(id: u64, pair: Pair, created_at: i64) -> Conversation {
    conversation(id, ConversationKind::Single(pair), created_at)
}

pub(super) fn events_of(id: u64, pair: Pair, created_at: i64) -> Conversation {
    conversation(id, ConversationKind::Events(pair), created_at)
}

pub(super) fn group(id: u64, owner: u64, name: &str, created_at: i64) -> Conversation {
    let group = Group {
        owner: AccountId(owner),
        name: Arc::from(name),
        image: Arc::from("http://x/g.png"),
        description: Arc::from(""),
        jim_name: None,
        member_count: 1,
        next_slot: Slot(1),
    };
    conversation(id, ConversationKind::Group(Arc::new(group)), created_at)
}

pub(super) fn rename(conversation: &mut Conversation, name: &str) {
    if let ConversationKind::Group(group) = &mut conversation.kind {
        let group = Arc::make_mut(group);
        group.name = Arc::from(name);
        group.jim_name = Some(Arc::from(name));
        group.member_count += 1;
    }
}

fn conversation(id: u64, kind: ConversationKind, created_at: i64) -> Conversation {
    let created_at = TimeMs(created_at);
    Conversation {
        id: ConversationId(id),
        created_at,
        kind,
        head: Head {
            at: created_at,
            ..Head::default()
        },
    }
}

/// `conversation` when `message` is its newest.
pub(super) fn with_head(conversation: &Conversation, message: &Message) -> Conversation {
    Conversation {
        head: Head {
            position: message.position,
            message: message.id,
            at: message.at,
        },
        ..conversation.clone()
    }
}

/// A member who joined after `joined_after`.
pub(super) fn member(conversation: u64, account: u64, slot: u32, joined_after: u64) -> Member {
    Member::new(
        ConversationId(conversation),
        AccountId(account),
        Slot(slot),
        Position(joined_after),
        TimeMs(7),
    )
}

pub(super) fn message(id: u64, conversation: u64, position: u64, sender: u64) -> Message {
    Message {
        id: MessageId(id),
        conversation: ConversationId(conversation),
        position: Position(position),
        sender: AccountId(sender),
        at: TimeMs(10_000 + position as i64),
        kind: MessageKind::Text,
        body: Arc::from(format!("{conversation}.{position}")),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
        recalled: false,
    }
}
