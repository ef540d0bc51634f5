use std::sync::Arc;

use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::conversation::{Conversation, ConversationKind, Group, Head};
use crate::domain::event::Delivery;
use crate::domain::ids::{MessageId, Position, Slot, TimeMs};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::token::{Token, TokenHash};

type Names = Roster<&'static str, &'static str>;

const ALICE: AccountId = AccountId(2);
const BOB: AccountId = AccountId(3);
const GROUP: ConversationId = ConversationId(7);

fn group() -> Conversation {
    let group = Group {
        owner: BOB,
        name: "g".into(),
        image: "".into(),
        description: "".into(),
        jim_name: None,
        member_count: 2,
        next_slot: Slot(2),
    };
    Conversation {
        id: GROUP,
        created_at: TimeMs(0),
        kind: ConversationKind::Group(Arc::new(group)),
        head: Head::default(),
    }
}

fn member(account: AccountId) -> Member {
    Member::new(GROUP, account, Slot(0), Position(0), TimeMs(0))
}

fn told(audience: Audience, event: Event) -> Told {
    Told {
        audience,
        event: Arc::new(event),
    }
}

fn said_in_group() -> Told {
    let sender = Account {
        id: BOB,
        name: "bob".into(),
        created_at: TimeMs(0),
        profile: Profile::default(),
    };
    let message = Message {
        id: MessageId(1),
        conversation: GROUP,
        position: Position(1),
        sender: BOB,
        at: TimeMs(0),
        kind: MessageKind::Text,
        body: "hi".into(),
        origin: Dialect::Jim,
        client_id: None,
        attributes: None,
        recalled: false,
    };
    let delivery = Delivery {
        message: Arc::new(message),
        conversation: group(),
        sender: Arc::new(sender),
        sender_member: member(BOB),
        recipient: None,
    };
    told(Audience::Everyone, Event::Message(delivery))
}

fn read_by(account: AccountId) -> Told {
    told(
        Audience::One(account),
        Event::Read {
            member: member(account),
            cleared: 0,
        },
    )
}

fn attached(
    account: AccountId,
    socket: &'static str,
    commit: u64,
    groups: Vec<ConversationId>,
) -> Names {
    let mut roster = Names::default();
    assert_eq!(roster.attach(account, socket, socket), Attach::Load);
    let (waiting, since) = roster.deliver(account, CommitNumber(commit), groups);
    assert_eq!((waiting, since), (vec![socket], vec![]));
    assert_eq!(roster.attach(account, socket, socket), Attach::Attached);
    roster
}

#[test]
fn an_event_is_given_once_either_by_the_load_or_after_it() {
    let mut roster = Names::default();
    assert_eq!(roster.attach(ALICE, "a", "a"), Attach::Load);
    assert_eq!(roster.attach(ALICE, "b", "b"), Attach::Wait);
    for commit in 1..=4 {
        assert!(
            roster
                .apply(CommitNumber(commit), &read_by(ALICE))
                .is_empty()
        );
        assert!(roster.apply(CommitNumber(commit), &read_by(BOB)).is_empty());
    }
    let (waiting, since) = roster.deliver(ALICE, CommitNumber(2), vec![]);
    assert_eq!(waiting, ["a", "b"]);
    assert_eq!(since, [read_by(ALICE), read_by(ALICE)]);
    roster.attach(ALICE, "a", "a");
    assert_eq!(
        roster.apply(CommitNumber(2), &read_by(ALICE)).to_vec(),
        Vec::<&str>::new()
    );
    assert_eq!(
        roster.apply(CommitNumber(5), &read_by(ALICE)).to_vec(),
        ["a"]
    );
}

#[test]
fn what_is_said_in_a_group_is_for_its_members_alone_also_while_they_attach() {
    let mut roster = attached(ALICE, "a", 1, vec![]);
    assert!(roster.apply(CommitNumber(2), &said_in_group()).is_empty());
    let joined = Event::Joined {
        conversation: group(),
        member: member(ALICE),
        name_taken: false,
    };
    assert_eq!(
        roster
            .apply(CommitNumber(3), &told(Audience::Everyone, joined))
            .to_vec(),
        ["a"]
    );
    assert_eq!(
        roster.apply(CommitNumber(4), &said_in_group()).to_vec(),
        ["a"]
    );
    let left = Event::Left {
        member: member(ALICE),
        cleared: 0,
    };
    assert_eq!(
        roster
            .apply(CommitNumber(5), &told(Audience::Everyone, left))
            .to_vec(),
        ["a"]
    );
    assert!(roster.apply(CommitNumber(6), &said_in_group()).is_empty());

    let mut roster = Names::default();
    roster.attach(ALICE, "a", "a");
    roster.apply(CommitNumber(2), &said_in_group());
    assert_eq!(
        roster.deliver(ALICE, CommitNumber(1), vec![]),
        (vec!["a"], vec![])
    );
}

#[test]
fn the_end_of_a_token_is_told_to_the_sockets_of_its_account() {
    let mut roster = attached(ALICE, "a", 1, vec![]);
    let ended = |account| {
        let token = Token {
            hash: TokenHash([0; 16]),
            account,
            used_at: TimeMs(0),
        };
        told(Audience::Everyone, Event::TokenEnded(token))
    };
    assert_eq!(roster.apply(CommitNumber(2), &ended(ALICE)).to_vec(), ["a"]);
    assert!(roster.apply(CommitNumber(3), &ended(BOB)).is_empty());
}

#[test]
fn the_last_socket_takes_the_groups_along() {
    let mut roster = attached(ALICE, "a", 1, vec![GROUP]);
    roster.attach(ALICE, "b", "b");
    assert_eq!(
        roster.apply(CommitNumber(2), &said_in_group()).to_vec(),
        ["a", "b"]
    );
    assert!(!roster.detach(ALICE, "a"));
    assert!(roster.detach(ALICE, "b"));
    assert!(roster.apply(CommitNumber(3), &said_in_group()).is_empty());
    assert!(roster.attached.is_empty() && roster.groups.is_empty());
}
