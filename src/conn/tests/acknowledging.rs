//! Acknowledgements of `chat`: they go together, each is recorded, and nothing waits for them.

use std::sync::Arc;

use serde_json::json;

use super::socket::{handshake, text, texts};
use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::chat::{ChatAnswer, ChatRow};
use crate::domain::command::{Command, Refusal};
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::query::{Answer, Query, Resolved};
use crate::limits::{CHAT_ACKNOWLEDGEMENTS_MAX, LIST_ROWS_MAX};

const USER: AccountId = AccountId(2);

fn message(id: u64) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(id),
        conversation: ConversationId(1 + id % 2),
        position: Position(id),
        sender: AccountId(3),
        at: TimeMs(0),
        kind: MessageKind::Text,
        body: "x".into(),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
        recalled: false,
    })
}

fn deliver(peer: &mut Peer, call: u32, outcome: Outcome) {
    peer.deliver(call, Delivered::Outcome(outcome));
}

fn answer(peer: &mut Peer, call: u32, answer: ChatAnswer) {
    deliver(peer, call, Outcome::Answer(Answer::Chat(Box::new(answer))));
}

fn ack(id: u64) -> Vec<u8> {
    text(&json!({"msgType": "Ack", "content": format!("{{'srcId':{id}}}")}).to_string())
}

fn row(message: Arc<Message>) -> ChatRow {
    ChatRow {
        message,
        recipient: Some(USER),
        receiver: USER,
        is_acknowledged: false,
        is_read: false,
    }
}

/// What waits.
fn rows(ids: impl IntoIterator<Item = u64>) -> ChatAnswer {
    let rows = ids.into_iter().map(|id| row(message(id)));
    ChatAnswer::Rows(Some(rows.collect()))
}

/// A socket that knows where the messages with ids up to `known` stand, which wait for it.
fn chat(known: u64) -> Peer {
    let mut peer = Peer::new();
    peer.bytes(&handshake("/ws"));
    peer.bytes(&text(r#"{"msgType":"Auth","fromUserId":2,"content":"t"}"#));
    let session = peer.want();
    deliver(&mut peer, session.call, Outcome::Session(None));
    let known_user = peer.want();
    let account = Account {
        id: USER,
        name: "a".into(),
        created_at: TimeMs(0),
        profile: Profile::default(),
    };
    let found = Resolved::Account(Arc::new(account), None);
    let found = Outcome::Answer(Answer::Resolved(Some(found)));
    deliver(&mut peer, known_user.call, found);
    let attach = peer.want();
    deliver(&mut peer, attach.call, Outcome::Attached);
    let waiting = peer.want();
    let nothing = ChatAnswer::Waiting {
        pushed: Vec::new(),
        others: Vec::new(),
    };
    answer(&mut peer, waiting.call, nothing);
    // It asks what waits when an id is not known to it.
    peer.bytes(&ack(u64::from(u32::MAX)));
    let asked = peer.want();
    assert!(matches!(
        asked.what,
        Wanted::Ask(Ask::Query(Query::Chat(_)))
    ));
    answer(&mut peer, asked.call, rows(1..=known));
    assert_eq!(texts(&mut peer), Vec::<String>::new());
    peer
}

/// The ids that a command acknowledges, which the fixture keeps equal to positions.
fn acknowledged(want: &Want) -> Vec<u64> {
    let Wanted::Ask(Ask::Submit(Command::Acknowledge { account, messages })) = &want.what else {
        panic!("{want:?}")
    };
    assert_eq!(*account, USER);
    assert!(messages.is_sorted_by(|(one, _), (other, _)| one < other));
    assert!(messages.iter().all(|(_, places)| places.is_sorted()));
    let places = messages.iter().flat_map(|(_, positions)| positions);
    let mut ids: Vec<u64> = places.map(|position| position.0).collect();
    ids.sort_unstable();
    ids
}

fn sent() -> Reply {
    Reply::Sent {
        message: message(9),
        repeated: false,
        recipient: Some(AccountId(3)),
    }
}

#[test]
fn they_go_together_and_the_answers_after_them_do_not_wait() {
    let mut peer = chat(5);
    let say = text(r#"{"msgType":"Text","toUserId":3,"id":9,"content":"x"}"#);
    peer.bytes(&[ack(4), ack(1), say, ack(5), ack(2)].concat());
    let [first, send] = <[Want; 2]>::try_from(std::mem::take(&mut peer.wants)).expect("two");
    assert_eq!(acknowledged(&first), [4]);
    deliver(&mut peer, send.call, Outcome::Reply(sent()));
    let answers = texts(&mut peer);
    assert!(
        answers.len() == 1 && answers[0].contains(r#""msgType":"Ack""#),
        "{answers:?}"
    );
    // What cannot be understood is answered after everything before it.
    peer.bytes(&text("nonsense"));
    deliver(&mut peer, first.call, Outcome::Reply(Reply::Done));
    let second = peer.want();
    assert_eq!(acknowledged(&second), [1, 2, 5]);
    assert_eq!(texts(&mut peer), Vec::<String>::new());
    deliver(&mut peer, second.call, Outcome::Reply(Reply::Done));
    assert!(texts(&mut peer)[0].contains(r#""msgType":"Error""#));
    assert!(peer.wants.is_empty() && peer.wants_read());
}

#[test]
fn a_socket_that_is_sent_nothing_keeps_no_buffer() {
    let mut peer = chat(1);
    peer.bytes(&ack(1));
    let recorded = peer.want();
    deliver(&mut peer, recorded.call, Outcome::Reply(Reply::Done));
    peer.bytes(&text(r#"{"msgType":"Heartbeat"}"#));
    assert_eq!(format!("{:?}", peer.conn.outbox), "Outbox(None)");
}

#[test]
fn what_could_not_be_recorded_holds_nothing_up_and_is_found_when_it_is_offered_again() {
    for refusal in [Refusal::Busy, Refusal::Failure] {
        let mut peer = chat(5);
        peer.bytes(&[ack(1), ack(2), ack(3)].concat());
        let first = peer.want();
        assert_eq!(acknowledged(&first), [1]);
        deliver(&mut peer, first.call, Outcome::Refused(refusal));
        // Without another frame.
        let second = peer.want();
        assert_eq!(acknowledged(&second), [2, 3]);
        deliver(&mut peer, second.call, Outcome::Reply(Reply::Done));
        assert!(peer.wants.is_empty() && peer.wants_read());
        peer.bytes(&ack(1));
        let asked = peer.want();
        answer(&mut peer, asked.call, rows([1, 4, 5]));
        assert_eq!(acknowledged(&peer.want()), [1]);
    }
}

#[test]
fn several_of_one_id_are_as_many_messages() {
    // All that wait have the same id, and the socket knows of none.
    let same = |positions: &[u64]| {
        let row = |position: &u64| {
            let mut message = (*message(*position)).clone();
            message.origin = Dialect::Chat;
            message.client_id = Some("10".into());
            row(Arc::new(message))
        };
        ChatAnswer::Rows(Some(positions.iter().map(row).collect()))
    };
    let mut peer = chat(0);
    peer.bytes(&[ack(10), ack(10), ack(10), ack(10), ack(10)].concat());
    let mut left = vec![1, 2, 3, 4, 5];
    while let Some(want) = peer.wants.pop() {
        assert!(peer.wants.is_empty());
        match &want.what {
            Wanted::Ask(Ask::Query(_)) => answer(&mut peer, want.call, same(&left)),
            _ => {
                let recorded = acknowledged(&want);
                left.retain(|position| !recorded.contains(position));
                deliver(&mut peer, want.call, Outcome::Reply(Reply::Done));
            }
        }
    }
    assert_eq!(left, [0; 0]);
    assert!(peer.wants_read());
}

#[test]
fn so_many_wait_and_then_the_socket_is_not_read() {
    let count = LIST_ROWS_MAX as u64;
    let mut peer = chat(count);
    peer.bytes(&(1..=count).flat_map(ack).collect::<Vec<_>>());
    let first = peer.want();
    assert_eq!(acknowledged(&first), [1]);
    assert!(!peer.wants_read());
    deliver(&mut peer, first.call, Outcome::Reply(Reply::Done));
    let second = peer.want();
    let last = 1 + CHAT_ACKNOWLEDGEMENTS_MAX as u64;
    assert_eq!(acknowledged(&second), (2..=last).collect::<Vec<_>>());
    assert!(peer.wants_read());
    deliver(&mut peer, second.call, Outcome::Reply(Reply::Done));
    let third = peer.want();
    assert_eq!(acknowledged(&third), (last + 1..=count).collect::<Vec<_>>());
}
