//! Who talks to whom: the same few accounts, conversations and messages for all.

use std::sync::Arc;

use imd::dialect::Settings;
use imd::domain::account::{Account, Profile};
use imd::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use imd::domain::event::{Delivery, Event};
use imd::domain::ids::{AccountId, ConversationId, IdGenerator, MessageId, Position, Slot, TimeMs};
use imd::domain::member::Member;
use imd::domain::message::{Dialect, Message, MessageKind};
use imd::domain::query::MessagePage;

/// The time, always.
pub const NOW: TimeMs = TimeMs(1_800_000_000_000);
/// As the server gives them.
pub const TOKEN: &[u8] = b"vjo8oep70ue6jb75w9e7694i9";
/// What is said.
pub const BODY: &str = "Is the cap still there? 帽子还有吗";
/// Messages in a page.
pub const PAGE_ROWS: usize = 20;
/// Members of the large group.
pub const GROUP_MEMBERS: u64 = 2_000;

/// The two who talk.
pub const BUYER: AccountId = AccountId(2);
/// The other of the two.
pub const SHOP: AccountId = AccountId(3);

/// As an operator leaves them.
pub fn settings() -> Settings {
    Settings {
        zone: jiff::tz::TimeZone::UTC,
        public_url: None,
        app_keys: None,
        message_bytes_max: 64 * 1024,
        upload_bytes_max: 64 * 1024,
        open_directory: true,
        token_idle_ms_max: 1_000_000,
        jim_text_field: None,
    }
}

/// An account of that number and name.
pub fn account(id: AccountId, name: &str) -> Arc<Account> {
    Arc::new(Account {
        id,
        name: Arc::from(name),
        created_at: NOW,
        profile: Profile::default(),
    })
}

/// The one of the two.
pub fn buyer() -> Arc<Account> {
    account(BUYER, "chaogai")
}

/// The other.
pub fn shop() -> Arc<Account> {
    account(SHOP, "sunsanniang")
}

/// The conversation of the two, without a message.
pub fn single() -> Conversation {
    conversation(ConversationKind::Single(pair()))
}

/// The pair of the two.
pub fn pair() -> Pair {
    Pair::new(BUYER, SHOP).expect("two accounts")
}

/// A group of [`GROUP_MEMBERS`], without a message.
pub fn group() -> Conversation {
    conversation(ConversationKind::Group(Arc::new(Group {
        owner: BUYER,
        name: Arc::from("caps"),
        image: Arc::from(""),
        description: Arc::from(""),
        jim_name: None,
        member_count: GROUP_MEMBERS as u32,
        next_slot: Slot(GROUP_MEMBERS as u32),
    })))
}

fn conversation(kind: ConversationKind) -> Conversation {
    Conversation {
        id: ConversationId(1),
        created_at: NOW,
        kind,
        head: Head {
            at: NOW,
            ..Head::default()
        },
    }
}

/// The part that `account` has in the conversation.
pub fn member(account: AccountId) -> Member {
    let slot = Slot((account.0 - BUYER.0) as u32);
    Member::new(ConversationId(1), account, slot, Position(0), NOW)
}

/// Messages from the shop, from the first on.
pub fn messages(count: usize) -> Vec<Arc<Message>> {
    let mut ids = IdGenerator::new(0, MessageId(0));
    let message = |position| {
        Arc::new(Message {
            id: ids.next(NOW),
            conversation: ConversationId(1),
            position: Position(position),
            sender: SHOP,
            at: NOW,
            kind: MessageKind::Text,
            body: Arc::from(BODY),
            origin: Dialect::Buyer,
            client_id: None,
            attributes: None,
            recalled: false,
        })
    };
    (1..=count as u64).map(message).collect()
}

/// [`PAGE_ROWS`] messages as the buyer reads them.
pub fn page() -> MessagePage {
    MessagePage {
        conversation: Some(single()),
        member: Some(member(BUYER)),
        messages: messages(PAGE_ROWS),
        accounts: vec![buyer(), shop()],
        mark: None,
        instead: None,
    }
}

/// A message from the shop to the buyer, or to all of the group.
pub fn said(to_group: bool) -> Event {
    let message = messages(1).remove(0);
    let mut conversation = if to_group { group() } else { single() };
    conversation.head = Head {
        position: message.position,
        message: message.id,
        at: message.at,
    };
    Event::Message(Delivery {
        message,
        conversation,
        sender: shop(),
        sender_member: member(SHOP),
        recipient: (!to_group).then(|| (buyer(), member(BUYER))),
    })
}
