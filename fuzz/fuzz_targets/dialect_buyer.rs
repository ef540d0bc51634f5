//! A stream of requests to `buyer`, whole and cut, gets the same answers, whatever the server says in between; nothing
//! panics, and every answer has one of the forms of the contract.
#![no_main]

use std::sync::Arc;

use imd::dialect::{Ask, Outcome, Response, Settings};
use imd::domain::account::Account;
use imd::domain::command::{Command, Refusal, Reply};
use imd::domain::conversation::{Conversation, ConversationKind, Group, Head, Pair};
use imd::domain::desk::Desk;
use imd::domain::ids::{
    AccountId, CommitNumber, ConversationId, MessageId, Position, Slot, TimeMs,
};
use imd::domain::member::{Member, ReadMark};
use imd::domain::message::{Dialect, Message, MessageKind};
use imd::domain::query::{Answer, ConversationList, MessagePage, Query, Session};
use imd::domain::token::{Token, TokenHash};
use imd::domain::view::{Other, View, ViewRow, group_names};
use imd::proto::http::request::Limits;
use imd_fuzz::{Calls, NOW, account, cuts, decode, settings};
use jiff::tz::{TimeZone, offset};
use libfuzzer_sys::fuzz_target;

const BUYER: AccountId = AccountId(2);
const SHOP: AccountId = AccountId(3);
/// Most answers of the server in one call; each call asks for fewer.
const ASKS_MAX: usize = 8;

const CALLS: [&str; 9] = [
    "registerAndLogin",
    "logout",
    "getFirstShowChatList",
    "getCurrentChatList",
    "getHistoryMsg",
    "getMsg",
    "sendMsg",
    "uploadImage",
    "getUnreadMsgCount",
];

/// What the server says, as the input wants it.
struct Script<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        self.next += 1;
        self.bytes.get(self.next - 1).copied().unwrap_or(0)
    }

    fn account(&mut self, id: AccountId) -> Arc<Account> {
        let names = ["a", "s", "群", "群 (2)", "\u{2028}\"<", "b/c"];
        let name = match id {
            BUYER => "a",
            _ => names[usize::from(self.byte()) % names.len()],
        };
        account(id, name)
    }

    fn kind(&mut self) -> ConversationKind {
        let group = Group {
            owner: SHOP,
            name: "群".into(),
            image: "".into(),
            description: "".into(),
            jim_name: None,
            member_count: 2,
            next_slot: Slot(2),
        };
        match self.byte() % 2 {
            0 => Pair::new(BUYER, SHOP)
                .map(ConversationKind::Single)
                .expect("two accounts"),
            _ => ConversationKind::Group(Arc::new(group)),
        }
    }

    fn conversation(&mut self) -> Conversation {
        let position = Position(u64::from(self.byte()));
        Conversation {
            id: ConversationId(1 + u64::from(self.byte() % 4)),
            created_at: NOW,
            kind: self.kind(),
            head: Head {
                position,
                message: MessageId(position.0),
                at: NOW,
            },
        }
    }

    fn member(&mut self, conversation: ConversationId) -> Member {
        let read = Position(u64::from(self.byte()));
        Member::new(conversation, BUYER, Slot(0), read, NOW)
    }

    fn row(&mut self) -> ViewRow {
        let conversation = self.conversation();
        let other = match &conversation.kind {
            ConversationKind::Single(_) | ConversationKind::Events(_) => {
                Other::Account(self.account(SHOP))
            }
            ConversationKind::Group(_) => Other::Group {
                name_taken: self.byte() % 2 == 1,
            },
        };
        ViewRow {
            member: self.member(conversation.id),
            conversation,
            other,
        }
    }

    fn rows(&mut self) -> Vec<ViewRow> {
        let mut rows: Vec<_> = (0..self.byte() % 4).map(|_| self.row()).collect();
        rows.sort_by_key(|row| row.conversation.id);
        rows.dedup_by_key(|row| row.conversation.id);
        rows
    }

    fn message(&mut self) -> Arc<Message> {
        let kinds = [
            MessageKind::Text,
            MessageKind::Image,
            MessageKind::Video,
            MessageKind::Other(-1),
        ];
        let bodies = ["", "x", "\u{2028}\u{2029}\"\\\u{1}", "中"];
        Arc::new(Message {
            id: MessageId(1),
            conversation: ConversationId(1),
            position: Position(1),
            sender: [BUYER, SHOP, AccountId(9)][usize::from(self.byte() % 3)],
            at: TimeMs([i64::MIN, 0, NOW.0, i64::MAX][usize::from(self.byte() % 4)]),
            kind: kinds[usize::from(self.byte() % 4)],
            body: bodies[usize::from(self.byte() % 4)].into(),
            origin: Dialect::Chat,
            client_id: None,
            attributes: None,
            recalled: self.byte() % 4 == 3,
        })
    }

    fn page(&mut self) -> Option<Box<MessagePage>> {
        if self.byte() % 8 == 7 {
            return None;
        }
        let conversation = (self.byte() % 4 != 3).then(|| self.conversation());
        Some(Box::new(MessagePage {
            member: conversation
                .as_ref()
                .map(|conversation| self.member(conversation.id)),
            conversation,
            messages: (0..self.byte() % 4).map(|_| self.message()).collect(),
            accounts: vec![self.account(BUYER), self.account(SHOP)],
            mark: (self.byte() % 4 != 3).then_some(ReadMark {
                position: Position(1),
                own: 0,
            }),
            instead: (self.byte() % 4 == 3).then_some((3, 2)),
        }))
    }

    fn answer(&mut self, query: &Query) -> Answer {
        match query {
            Query::Unread { .. } => Answer::Unread(self.page()),
            Query::History { .. } => Answer::History(self.page()),
            Query::Conversations { .. } => {
                let rows = self.rows();
                let group_names = group_names(&rows);
                Answer::Conversations(Box::new(ConversationList { rows, group_names }))
            }
            _ => Answer::Resolved(None),
        }
    }

    /// What fits `ask`, or a refusal, or what does not fit it.
    fn outcome(&mut self, ask: &Ask, desk: &mut Desk) -> Outcome {
        let refusals = [
            Refusal::Busy,
            Refusal::Failure,
            Refusal::NoSuchAccount,
            Refusal::ToSelf,
        ];
        match self.byte() {
            byte @ 240.. => return Outcome::Refused(refusals[usize::from(byte % 4)]),
            byte @ 230.. => {
                return match byte % 5 {
                    0 => Outcome::Saved,
                    1 => Outcome::Reply(Reply::Done),
                    2 => Outcome::Session(None),
                    3 => Outcome::View(None),
                    _ => Outcome::Answer(Answer::Session(None)),
                };
            }
            _ => {}
        }
        match ask {
            Ask::Session(hash) => {
                desk.expect_session(*hash);
                let session = (self.byte() % 4 != 3).then(|| session(*hash, self.account(BUYER)));
                Outcome::Session(desk.deliver_session(*hash, session, NOW))
            }
            Ask::View(account) => {
                desk.expect_view(*account);
                let view = View::load(*account, CommitNumber(1), self.rows());
                Outcome::View(desk.deliver_view(view).map(Box::new))
            }
            Ask::Query(query) => Outcome::Answer(self.answer(query)),
            Ask::Submit(Command::Send(_)) => Outcome::Reply(Reply::Sent {
                message: self.message(),
                repeated: false,
                recipient: Some(SHOP),
            }),
            Ask::Submit(Command::Login { .. }) => {
                Outcome::Reply(Reply::Account(self.account(BUYER)))
            }
            Ask::Submit(_) => Outcome::Reply(Reply::Done),
            Ask::Save(_) => Outcome::Saved,
            Ask::Attach(_) => Outcome::Attached,
        }
    }
}

fn session(hash: TokenHash, account: Arc<Account>) -> Session {
    let token = Token {
        hash,
        account: account.id,
        used_at: NOW,
    };
    Session { token, account }
}

/// A server that knows the token `t` of the buyer `a`.
fn server(script: &mut Script<'_>, settings: Settings) -> Calls {
    let mut calls = Calls::new(settings);
    let hash = TokenHash::new(Dialect::Buyer, b"t");
    calls.desk.expect_session(hash);
    let session = session(hash, script.account(BUYER));
    calls.desk.deliver_session(hash, Some(session), NOW);
    calls
}

fn check(response: &Response, body: &[u8]) {
    assert!([200, 400, 413].contains(&response.status));
    let text = str::from_utf8(body).expect("UTF-8");
    let envelope = match response.content_type {
        "application/json" => text,
        "application/javascript; charset=utf-8" => {
            assert!(!text.contains(['\u{2028}', '\u{2029}']));
            let call = text
                .strip_prefix("/**/")
                .and_then(|text| text.strip_suffix(");"));
            call.and_then(|call| call.split_once('('))
                .expect("a call")
                .1
        }
        _ => {
            assert!(text.starts_with("<html") || text.starts_with("<img src=\""));
            assert_eq!(text.contains("<img"), text.lines().count() == 1);
            return;
        }
    };
    assert!(envelope.starts_with("{\"state\":") && envelope.ends_with("}}"));
    assert!(!envelope.bytes().any(|byte| byte < b' '));
}

/// The answers to the requests in `input`, fed in pieces that end at `cuts`, with what was asked for them, and how much was left over.
fn outcome(input: &[u8], cuts: &[usize], script: &[u8], settings: &Settings) -> String {
    let mut script = Script {
        bytes: script,
        next: 0,
    };
    let mut server = server(&mut script, settings.clone());
    let mut answers = String::new();
    let end = decode(input, cuts, &Limits::default(), 4096, |request| {
        let mut asks = Vec::new();
        let answer = server.answer("buyer.", request, |ask, desk| {
            assert!(asks.len() < ASKS_MAX);
            let outcome = script.outcome(&ask, desk);
            asks.push(ask);
            outcome
        });
        if let Some((response, body)) = &answer {
            check(response, body);
        }
        answers += &format!("{asks:?} {answer:?}\n");
    });
    format!("{answers}{end:?}")
}

/// The input as it is, or a request of the buyer's that has it as its query or its body.
fn requests(how: u8, input: &[u8]) -> Vec<u8> {
    let Some(call) = CALLS.get(usize::from(how & 0x0f)) else {
        return input.to_vec();
    };
    let session = "buyer_name=a&token=t";
    let content_type = match how >> 4 & 3 {
        0 => {
            let mut request = format!("GET /soa-im/buyer/{call}?{session}&").into_bytes();
            request.extend(input.iter().filter(|byte| !byte.is_ascii_whitespace()));
            request.extend_from_slice(b" HTTP/1.1\r\nHost: h\r\n\r\n");
            return request;
        }
        1 => "application/x-www-form-urlencoded",
        2 => "application/json",
        _ => "multipart/form-data; boundary=b",
    };
    let length = input.len();
    let mut request = format!(
        "POST /soa-im/buyer/{call}?{session} HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(input);
    request
}

fuzz_target!(|data: &[u8]| {
    const CUTS: usize = 4;
    const SCRIPT_BYTES: usize = 24;
    let Some((head, input)) = data.split_at_checked(1 + CUTS + SCRIPT_BYTES) else {
        return;
    };
    let (how, places, script) = (head[0], &head[1..=CUTS], &head[1 + CUTS..]);
    let settings = Settings {
        zone: TimeZone::fixed(offset(8)),
        public_url: (how & 0x40 != 0).then(|| "https://u/'\"&<>".into()),
        open_directory: how & 0x80 == 0,
        token_idle_ms_max: 1_000,
        ..settings()
    };
    let input = requests(how, input);
    let cuts = cuts(places, input.len());
    let whole = outcome(&input, &[], script, &settings);
    assert_eq!(outcome(&input, &cuts, script, &settings), whole);
});
