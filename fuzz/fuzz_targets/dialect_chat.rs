//! Whatever a client sends on a socket of the chat dialect, before and after it is let in, it does not panic, and every frame that is sent is
//! a JSON object with eleven keys.
#![no_main]

use std::sync::Arc;

use imd::dialect::chat::Chat;
use imd::dialect::socket::{Endpoint, SocketContext, SocketStep};
use imd::dialect::{Ask, Outcome};
use imd::domain::chat::{ChatAnswer, ChatQuery, ChatRow, NotPushed};
use imd::domain::command::{Command, Refusal, Reply};
use imd::domain::desk::Desk;
use imd::domain::ids::{AccountId, ConversationId, MessageId, Position};
use imd::domain::message::Message;
use imd::domain::presence::NobodyOnline;
use imd::domain::query::{Answer, Query, Resolved};
use imd_fuzz::{MESSAGE_BYTES_MAX, NOW, Received, settings};
use libfuzzer_sys::fuzz_target;

/// Every frame is a JSON object with eleven keys.
fn check(text: &[u8]) {
    let frame: serde_json::Value = serde_json::from_slice(text).expect("JSON");
    assert_eq!(frame.as_object().map(|keys| keys.len()), Some(11));
}

/// Knows account 2, stores every second message, and has one that waits for each of four ids.
fn answer(ask: Ask, stored: &mut u64) -> Outcome {
    match ask {
        Ask::Session(_) => Outcome::Session(None),
        Ask::Attach(_) => Outcome::Attached,
        Ask::Query(Query::Resolve { account, .. }) => {
            let is_known = account == AccountId(2);
            let found = is_known.then(|| Resolved::Account(imd_fuzz::account(account, "a"), None));
            Outcome::Answer(Answer::Resolved(found))
        }
        Ask::Query(Query::Chat(query)) => {
            let row = |position| ChatRow {
                message: Arc::new(message(position)),
                recipient: Some(AccountId(2)),
                receiver: AccountId(2),
                is_acknowledged: false,
                is_read: false,
            };
            let answer = match query {
                ChatQuery::Waiting { .. } => ChatAnswer::Waiting {
                    pushed: (1..3).map(row).collect(),
                    others: vec![NotPushed {
                        conversation: ConversationId(1),
                        positions: 3..=6,
                        count: 4,
                    }],
                },
                _ => ChatAnswer::Rows(Some((1..5).map(row).collect())),
            };
            Outcome::Answer(Answer::Chat(Box::new(answer)))
        }
        Ask::Submit(Command::Send(send)) => {
            assert_eq!(send.from, AccountId(2));
            assert!(!send.body.is_empty() && send.body.len() <= MESSAGE_BYTES_MAX);
            *stored += 1;
            if stored.is_multiple_of(2) {
                return Outcome::Refused(Refusal::Busy);
            }
            Outcome::Reply(Reply::Sent {
                message: Arc::new(Message {
                    kind: send.kind,
                    body: send.body,
                    client_id: send.client_id,
                    attributes: send.attributes,
                    ..message(*stored)
                }),
                repeated: false,
                recipient: Some(AccountId(3)),
            })
        }
        Ask::Submit(Command::Acknowledge { account, .. }) => {
            assert_eq!(account, AccountId(2));
            Outcome::Reply(Reply::Done)
        }
        _ => Outcome::Refused(Refusal::Busy),
    }
}

fn message(position: u64) -> Message {
    Message {
        id: MessageId(position),
        conversation: ConversationId(1),
        position: Position(position),
        sender: AccountId(3),
        at: NOW,
        kind: imd::domain::message::MessageKind::Text,
        body: "x".into(),
        origin: imd::domain::message::Dialect::Chat,
        client_id: None,
        attributes: None,
        recalled: false,
    }
}

fuzz_target!(|input: &[u8]| {
    let settings = settings();
    let mut desk = Desk::new(0, settings.token_idle_ms_max);
    let mut received = Received::checked_by(check);
    let mut random = |bytes: &mut [u8]| bytes.fill(1);
    let mut context = SocketContext {
        desk: &mut desk,
        settings: &settings,
        now: NOW,
        presence: &NobodyOnline,
        random: &mut random,
        frames: &mut received,
    };
    let (mut chat, _) = Chat::open(None, &mut context);
    let mut stored = 0;
    let is_let_in = input.first().is_some_and(|byte| byte.is_multiple_of(2));
    let auth: &[u8] = match is_let_in {
        true => br#"{"msgType":"Auth","fromUserId":2,"content":"{'T'}"}"#,
        false => b"",
    };
    let frames = input.split(|byte| *byte == b'\n');
    for (place, frame) in std::iter::once(auth).chain(frames).enumerate() {
        let (_, incoming) = chat.decode(frame, true);
        let mut step = chat.start(incoming, &mut context);
        while let SocketStep::Wait(ask, call) = step {
            step = chat.resume(call, answer(ask, &mut stored), &mut context);
        }
        let now_ms = (place as u64 + 1) * 1_000;
        if chat.deadline_ms(now_ms) <= now_ms {
            chat.handle_timeout(now_ms, &mut context);
        }
    }
    // Whoever was let in once stays that user, or is sent away.
    assert!(chat.account().is_none_or(|account| account == AccountId(2)));
    let closed = &received.closed;
    assert!(closed.iter().all(|code| matches!(code, 1008 | 1013)));
    assert!(!closed.is_empty() || chat.account().is_some());
});
