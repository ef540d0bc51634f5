//! A shard's memory: who uses a token, and which views stay.

use std::sync::Arc;

use super::*;
use crate::domain::account::Profile;
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use crate::domain::event::Delivery;
use crate::domain::ids::{MessageId, Position, Slot};
use crate::domain::member::Member;
use crate::domain::message::{Message, MessageKind};
use crate::domain::token::Token;
use crate::domain::view::{Other, ViewRow};

const IDLE_MS: i64 = 7 * 24 * 3_600_000;
const START: TimeMs = TimeMs(1_800_000_000_000);
const TOKEN: &[u8] = b"secret";

fn desk() -> Desk {
    Desk::new(1 << 20, IDLE_MS)
}

fn later(ms: i64) -> TimeMs {
    TimeMs(START.0 + ms)
}

fn hash() -> TokenHash {
    TokenHash::new(Dialect::Buyer, TOKEN)
}

fn account(id: u64) -> Arc<Account> {
    Arc::new(Account {
        id: AccountId(id),
        name: Arc::from(format!("account {id}")),
        created_at: START,
        profile: Profile::default(),
    })
}

fn session(used_at: TimeMs) -> Option<Session> {
    Some(Session {
        token: Token {
            hash: hash(),
            account: AccountId(2),
            used_at,
        },
        account: account(2),
    })
}

fn known() -> Lookup {
    Lookup::Known(account(2))
}

fn ended() -> Told {
    Told {
        audience: Audience::Everyone,
        event: Arc::new(Event::TokenEnded(Token {
            hash: hash(),
            account: AccountId(2),
            used_at: TimeMs(0),
        })),
    }
}

fn look(desk: &mut Desk, memo: &mut SessionMemo, now: TimeMs) -> Lookup {
    desk.session(memo, Dialect::Buyer, TOKEN, now)
}

/// A desk that knows the session, and a connection that remembers it.
fn logged_in() -> (Desk, SessionMemo) {
    let (mut desk, mut memo) = (desk(), SessionMemo::default());
    desk.expect_session(hash());
    assert_eq!(
        desk.deliver_session(hash(), session(START), START),
        Some(account(2))
    );
    assert_eq!(look(&mut desk, &mut memo, START), known());
    (desk, memo)
}

#[test]
fn a_token_is_one_dialects_and_has_bytes() {
    let (mut desk, mut memo) = logged_in();
    let mut ask =
        |memo: &mut SessionMemo, dialect, token: &[u8]| desk.session(memo, dialect, token, START);
    assert_eq!(
        ask(&mut memo, Dialect::Jim, TOKEN),
        Lookup::Load(TokenHash::new(Dialect::Jim, TOKEN))
    );
    assert_eq!(
        ask(&mut memo, Dialect::Buyer, b"other"),
        Lookup::Load(TokenHash::new(Dialect::Buyer, b"other"))
    );
    assert_eq!(ask(&mut memo, Dialect::Buyer, b""), Lookup::Nobody);
    assert_eq!(
        ask(&mut memo, Dialect::Buyer, &[b'x'; TOKEN_BYTES_MAX + 1]),
        Lookup::Nobody
    );
    assert!(matches!(
        ask(&mut memo, Dialect::Buyer, &[b'x'; TOKEN_BYTES_MAX]),
        Lookup::Load(_)
    ));
    assert_eq!(ask(&mut memo, Dialect::Buyer, TOKEN), known());
}

#[test]
fn an_ended_token_is_nobodys_on_every_connection() {
    let (mut desk, mut memo) = logged_in();
    let mut other = SessionMemo::default();
    assert_eq!(look(&mut desk, &mut other, START), known());
    desk.apply(CommitNumber(1), &ended());
    assert_eq!(look(&mut desk, &mut memo, START), Lookup::Load(hash()));
    assert_eq!(look(&mut desk, &mut other, START), Lookup::Load(hash()));
    desk.expect_session(hash());
    assert_eq!(desk.deliver_session(hash(), None, START), None);
    assert_eq!(desk.sessions(), 0);
}

#[test]
fn a_session_that_ends_while_it_is_loaded_is_not_taken() {
    let (mut desk, mut memo) = (desk(), SessionMemo::default());
    desk.expect_session(hash());
    desk.expect_session(hash());
    desk.apply(CommitNumber(1), &ended());
    // Both were read before the token ended.
    assert_eq!(desk.deliver_session(hash(), session(START), START), None);
    assert_eq!(desk.deliver_session(hash(), session(START), START), None);
    assert_eq!(look(&mut desk, &mut memo, START), Lookup::Load(hash()));
    // Of a load that begins after, nothing is held against it.
    desk.expect_session(hash());
    assert_eq!(
        desk.deliver_session(hash(), session(START), START),
        Some(account(2))
    );
    // Ended after it was taken: the usual case.
    desk.apply(CommitNumber(2), &ended());
    assert_eq!(look(&mut desk, &mut memo, START), Lookup::Load(hash()));
}

#[test]
fn sessions_expire_without_use_and_use_is_recorded() {
    let (mut desk, mut memo) = logged_in();
    assert!(
        desk.take_touches().is_empty(),
        "the store knows of a use at this time"
    );
    assert_eq!(
        look(&mut desk, &mut memo, later(TOKEN_TOUCH_MS_MIN - 1)),
        known()
    );
    assert!(desk.take_touches().is_empty());
    assert_eq!(
        look(&mut desk, &mut memo, later(TOKEN_TOUCH_MS_MIN)),
        known()
    );
    assert_eq!(desk.take_touches(), [hash()]);
    assert!(desk.take_touches().is_empty());
    let used = TOKEN_TOUCH_MS_MIN;
    assert_eq!(
        look(&mut desk, &mut memo, later(used + IDLE_MS - 1)),
        known()
    );
    assert_eq!(desk.take_touches(), [hash()]);
    let expired = later(used + IDLE_MS - 1 + IDLE_MS);
    assert_eq!(look(&mut desk, &mut memo, expired), Lookup::Load(hash()));
    desk.expect_session(hash());
    assert_eq!(desk.deliver_session(hash(), session(START), expired), None);
    // On another shard it was used since.
    desk.expect_session(hash());
    let used_at = TimeMs(expired.0 - IDLE_MS + 1);
    assert_eq!(
        desk.deliver_session(hash(), session(used_at), expired),
        Some(account(2))
    );
    assert_eq!(desk.take_touches(), [hash()]);
}

#[test]
fn a_short_life_is_touched_in_time() {
    let (mut desk, mut memo) = (Desk::new(0, 10), SessionMemo::default());
    desk.expect_session(hash());
    desk.deliver_session(hash(), session(START), START);
    // Used every four milliseconds, it lives on though the memo could have answered.
    for ms in (0..100).step_by(4) {
        assert_eq!(
            look(&mut desk, &mut memo, later(ms)),
            known(),
            "after {ms} ms"
        );
    }
    assert!(!desk.take_touches().is_empty());
    assert_eq!(
        look(&mut desk, &mut memo, later(96 + 10)),
        Lookup::Load(hash())
    );
}

fn single(id: u64, account_id: u64, other: u64) -> (Conversation, Member) {
    let pair = Pair::new(AccountId(account_id), AccountId(other)).unwrap();
    let conversation = Conversation {
        id: ConversationId(id),
        created_at: START,
        kind: ConversationKind::Single(pair),
        head: Head {
            position: Position(1),
            message: MessageId(1),
            at: START,
        },
    };
    let member = Member::new(
        conversation.id,
        AccountId(account_id),
        pair.slot(AccountId(account_id)),
        Position(0),
        START,
    );
    (conversation, member)
}

fn view(account_id: u64, rows: u64) -> View {
    let row = |place| {
        let other = 1_000 + place;
        let (conversation, member) = single(account_id * 1_000 + place, account_id, other);
        ViewRow {
            conversation,
            member,
            other: Other::Account(account(other)),
        }
    };
    View::load(AccountId(account_id), CommitNumber(1), (0..rows).map(row))
}

/// A first message of somebody else to `account_id`.
fn first_message(account_id: u64, id: u64) -> Told {
    let other = 5_000 + id;
    let (conversation, recipient_member) = single(id, account_id, other);
    let (_, sender_member) = single(id, other, account_id);
    let message = Message {
        id: MessageId(9),
        conversation: conversation.id,
        position: Position(1),
        sender: AccountId(other),
        at: START,
        kind: MessageKind::Text,
        body: Arc::from("hello"),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
        recalled: false,
    };
    let delivery = Delivery {
        message: Arc::new(message),
        conversation,
        sender: account(other),
        sender_member,
        recipient: Some((account(account_id), recipient_member)),
    };
    Told {
        audience: Audience::Two(AccountId(other), AccountId(account_id)),
        event: Arc::new(Event::Message(delivery)),
    }
}

fn load(desk: &mut Desk, view: View) -> Option<View> {
    assert!(desk.expect_view(view.account()));
    assert!(!desk.expect_view(view.account()), "one load is enough");
    desk.deliver_view(view)
}

#[test]
fn views_leave_least_recently_used_first_and_are_announced() {
    let mut desk = Desk::new(3 * view(2, 1).bytes(), IDLE_MS);
    for account_id in [2, 3, 4] {
        assert!(load(&mut desk, view(account_id, 1)).is_none());
    }
    assert!(desk.view(AccountId(2)).is_some());
    assert!(load(&mut desk, view(5, 1)).is_none());
    assert_eq!(desk.take_dropped_views(), [AccountId(3)]);
    assert!(desk.view(AccountId(3)).is_none() && desk.views() == 3);
    assert_eq!(desk.views_bytes(), 3 * view(2, 1).bytes());
    assert!(desk.take_dropped_views().is_empty());
}

#[test]
fn views_that_grow_make_others_leave() {
    let mut desk = Desk::new(3 * view(2, 1).bytes(), IDLE_MS);
    for account_id in [2, 3] {
        load(&mut desk, view(account_id, 1));
    }
    for id in 0..100 {
        desk.apply(CommitNumber(2 + id), &first_message(3, 100 + id));
        assert!(desk.views_bytes() <= 3 * view(2, 1).bytes());
    }
    assert_eq!(desk.take_dropped_views(), [AccountId(2), AccountId(3)]);
    assert_eq!((desk.views(), desk.views_bytes()), (0, 0));
}

#[test]
fn a_view_larger_than_all_may_be_is_given_back_and_announced() {
    let mut desk = Desk::new(view(2, 1).bytes(), IDLE_MS);
    let given = load(&mut desk, view(2, 2)).expect("too large");
    assert_eq!(given, view(2, 2));
    assert_eq!((desk.views(), desk.views_bytes()), (0, 0));
    assert_eq!(desk.take_dropped_views(), [AccountId(2)]);
}

#[test]
fn what_is_loaded_again_is_not_announced_as_dropped() {
    let mut desk = Desk::new(view(2, 1).bytes(), IDLE_MS);
    load(&mut desk, view(2, 1));
    load(&mut desk, view(3, 1));
    // Dropped, and asked for again before anybody heard of it.
    assert!(desk.expect_view(AccountId(2)));
    assert!(desk.take_dropped_views().is_empty());
    desk.abandon_view(AccountId(2));
    assert_eq!(desk.take_dropped_views(), [AccountId(2)]);
    desk.abandon_view(AccountId(2));
    assert!(desk.take_dropped_views().is_empty());
}

#[test]
fn events_wait_for_the_load_and_what_it_shows_is_not_counted_twice() {
    let mut desk = desk();
    assert!(desk.expect_view(AccountId(2)));
    desk.apply(CommitNumber(1), &first_message(2, 100));
    desk.apply(CommitNumber(2), &first_message(2, 101));
    assert!(desk.deliver_view(view(2, 0)).is_none());
    let found = desk.view(AccountId(2)).expect("it is here");
    assert_eq!(found.unread(), 1);
    assert!(found.row(ConversationId(100)).is_none() && found.row(ConversationId(101)).is_some());
}

#[test]
fn events_of_a_group_reach_its_members_alone() {
    let mut desk = desk();
    for account_id in [2, 3] {
        load(&mut desk, view(account_id, 0));
    }
    let group = Group {
        owner: AccountId(2),
        name: Arc::from("g"),
        image: Arc::from(""),
        description: Arc::from(""),
        jim_name: None,
        member_count: 2,
        next_slot: Slot(2),
    };
    let conversation = Conversation {
        id: ConversationId(7),
        created_at: START,
        kind: ConversationKind::Group(Arc::new(group)),
        head: Head {
            at: START,
            ..Head::default()
        },
    };
    let member = Member::new(ConversationId(7), AccountId(2), Slot(0), Position(0), START);
    let tell = |event| Told {
        audience: Audience::Everyone,
        event: Arc::new(event),
    };
    let joined = Event::Joined {
        conversation,
        member: member.clone(),
        name_taken: false,
    };
    desk.apply(CommitNumber(2), &tell(joined));
    let groups = |desk: &mut Desk, id| {
        desk.view(AccountId(id))
            .expect("it is here")
            .groups()
            .count()
    };
    assert_eq!((groups(&mut desk, 2), groups(&mut desk, 3)), (1, 0));
    let taken = tell(Event::AccountCreated(Arc::new(Account {
        name: Arc::from("g"),
        ..(*account(9)).clone()
    })));
    desk.apply(CommitNumber(3), &taken);
    let names = desk.view(AccountId(2)).expect("it is here").group_names();
    assert_eq!(*names[&ConversationId(7)], *"g (2)");
    let left = Member {
        left_after: Some(Position(0)),
        ..member
    };
    desk.apply(
        CommitNumber(4),
        &tell(Event::Left {
            member: left,
            cleared: 0,
        }),
    );
    assert_eq!(groups(&mut desk, 2), 0);
}
