//! Whatever a client sends on a socket of the chat dialect, before and after it is let in, it does not panic, and every frame that is sent is
//! a JSON object with eleven keys.
#![no_main]

use std::sync::Arc;

use imd::dialect::chat::Chat;
use imd::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep};
use imd::dialect::{Ask, Outcome, Settings};
use imd::domain::account::{Account, Profile};
use imd::domain::chat::{ChatAnswer, ChatQuery, ChatRow, NotPushed};
use imd::domain::command::{Command, Refusal, Reply};
use imd::domain::desk::Desk;
use imd::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use imd::domain::message::Message;
use imd::domain::presence::NobodyOnline;
use imd::domain::query::{Answer, Query, Resolved};
use libfuzzer_sys::fuzz_target;

const NOW: TimeMs = TimeMs(1_800_000_000_000);

#[derive(Default)]
struct Received {
    closed: bool,
}

impl Frames for Received {
    fn text(&mut self, payload: &[u8]) {
        let frame: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        assert_eq!(frame.as_object().map(|keys| keys.len()), Some(11));
    }

    fn binary(&mut self, _: &[u8]) {
        panic!("answers are text");
    }

    fn close(&mut self, code: u16, _: &'static str) {
        assert!(matches!(code, 1008 | 1013));
        self.closed = true;
    }
}

/// Knows account 2, stores every second message, and has one that waits for each of four ids.
fn answer(ask: Ask, stored: &mut u64) -> Outcome {
    match ask {
        Ask::Session(_) => Outcome::Session(None),
        Ask::Attach(_) => Outcome::Attached,
        Ask::Query(Query::Resolve { account, .. }) => {
            let found = (account == AccountId(2)).then(|| {
                let account = Account {
                    id: account,
                    name: "a".into(),
                    created_at: TimeMs(0),
                    profile: Profile::default(),
                };
                Resolved::Account(Arc::new(account), None)
            });
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
            assert!(!send.body.is_empty() && send.body.len() <= 1024);
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
    let settings = Settings {
        zone: jiff::tz::TimeZone::UTC,
        public_url: None,
        app_keys: None,
        message_bytes_max: 1024,
        upload_bytes_max: 1024,
        open_directory: true,
        token_idle_ms_max: 1_000_000,
        jim_text_field: None,
    };
    let mut desk = Desk::new(0, settings.token_idle_ms_max);
    let mut received = Received::default();
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
    assert!(received.closed || chat.account().is_some());
});
