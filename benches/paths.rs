//! What every message passes through on its way, each step alone and on one core: bytes into requests and frames, a message of each
//! dialect understood, a command decided and applied, a frame written.
//!
//! ```sh
//! cargo bench --bench paths            # all; a word behind `--` picks some
//! ```

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use imd::dialect::chat::Chat;
use imd::dialect::jim::Jim;
use imd::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep};
use imd::dialect::{Ask, Context, Outcome, Settings, Step, route};
use imd::domain::account::{Account, Profile};
use imd::domain::chat::ChatAnswer;
use imd::domain::command::{Command, Peer, Send, Who};
use imd::domain::conversation::{Conversation, ConversationKind, Head, Pair, Topic};
use imd::domain::decide::{Numbers, Policy, decide};
use imd::domain::desk::{Desk, SessionMemo};
use imd::domain::ids::{
    AccountId, CommitNumber, ConversationId, IdGenerator, MessageId, Position, TimeMs,
};
use imd::domain::member::Member;
use imd::domain::message::{Dialect, MessageKind};
use imd::domain::needs::{Row, SingleRow, needs};
use imd::domain::presence::NobodyOnline;
use imd::domain::query::{Answer, Session};
use imd::domain::state::State;
use imd::domain::token::{Token, TokenHash};
use imd::proto::http::request::{Decoder, Event, Limits, Request};
use imd::proto::http::target::decode_path;
use imd::proto::ws::{assembler, encode, mask};

const NOW: TimeMs = TimeMs(1_800_000_000_000);
const TOKEN: &[u8] = b"vjo8oep70ue6jb75w9e7694i9";
/// As browsers send it.
const GET: &[u8] = b"GET /soa-im/buyer/getUnreadMsgCount?buyer_name=sunsanniang&token=vjo8oep70ue6jb75w9e7694i9 HTTP/1.1\r\n\
    Host: chat.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n\
    Accept: */*\r\nAccept-Language: zh-CN,zh;q=0.9\r\nReferer: https://shop.example.com/\r\nConnection: keep-alive\r\n\r\n";
const BUYER: &[u8] = b"GET /soa-im/buyer/sendMsg?buyer_name=chaogai&shopname=sunsanniang&token=vjo8oep70ue6jb75w9e7694i9\
    &content=Is%20the%20cap%20still%20there%3F HTTP/1.1\r\nHost: a\r\n\r\n";
const CONV: &str = r#"{"from_id":"CKD_P_903000000000001","to_id":"CKD_D_903000000000002","msg":"Is the cap still there?","msg_type":0}"#;
const JIM: &str = r#"{"cmd":11,"from":"agent","to":"chaogai","chatType":2,"msgType":0,"content":"Is the cap still there?","id":"7"}"#;
const CHAT: &str = r#"{"id":1268242042090295296,"fromUserId":4,"toUserId":5,"chatType":"Single","msgType":"Text","content":"Is the cap still there?"}"#;

fn settings() -> Settings {
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

fn account(id: u64, name: &str) -> Arc<Account> {
    Arc::new(Account {
        id: AccountId(id),
        name: Arc::from(name),
        created_at: NOW,
        profile: Profile::default(),
    })
}

/// Calls `each` with every request in `data` and gives how many there are.
fn requests(data: &[u8], mut each: impl FnMut(&Request<'_>)) -> usize {
    let mut decoder = Decoder::new();
    let (mut at, mut count) = (0, 0);
    while at < data.len() {
        match decoder.decode(&data[at..], &Limits::default(), |_| 1 << 20) {
            Ok((taken, Event::Request(request))) => {
                each(&request);
                at += taken;
                count += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    count
}

fn http(c: &mut Criterion) {
    let mut group = c.benchmark_group("http");
    let post = format!(
        "POST /im/send/msg HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{CONV}",
        CONV.len()
    );
    for (name, data, count) in [
        ("get", GET.to_vec(), 1),
        ("get, 16 pipelined", GET.repeat(16), 16),
        ("post with a body", post.into_bytes(), 1),
    ] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |b| {
            b.iter(|| {
                let found = requests(black_box(&data), |request| {
                    black_box(request.body());
                });
                assert_eq!(found as u64, count);
            });
        });
    }
    group.finish();
}

/// `payload` as a client sends it.
fn frame(payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![0x81];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0xFE);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(key);
    let start = frame.len();
    frame.extend(payload);
    mask::unmask(&mut frame[start..], key);
    frame
}

fn websocket(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket");
    for (name, bytes, count) in [
        ("150 B", 150, 1),
        ("150 B, 16 in a read", 150, 16),
        ("16 KiB", 16 * 1024, 1),
    ] {
        let payload = "a中".repeat(bytes / 4).into_bytes();
        let received = frame(&payload).repeat(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("decode {name}"), |b| {
            let limits = assembler::Limits::default();
            // Frames are unmasked where they lie, so each round needs them anew; the copy counts.
            let mut buffer = received.clone();
            b.iter(|| {
                buffer.copy_from_slice(black_box(&received));
                let mut decoder = assembler::Decoder::new(None);
                let (mut at, mut found) = (0, 0);
                while at < buffer.len() {
                    let (taken, event) = decoder
                        .decode(&mut buffer[at..], &limits)
                        .expect("right frames");
                    at += taken;
                    found += usize::from(matches!(black_box(event), assembler::Event::Text(_)));
                }
                assert_eq!(found, count);
            });
        });
        group.bench_function(format!("encode {name}"), |b| {
            let mut out = Vec::with_capacity(received.len());
            b.iter(|| {
                out.clear();
                for _ in 0..count {
                    encode::text(&mut out, black_box(&payload));
                }
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// Answers that nobody looks at.
struct Unread;

impl Frames for Unread {
    fn text(&mut self, _: &[u8]) {}
    fn binary(&mut self, _: &[u8]) {}
    fn close(&mut self, _: u16, reason: &'static str) {
        panic!("closed: {reason}");
    }
}

/// A request up to the command in which it results.
fn over_http(c: &mut Criterion, name: &str, data: &[u8]) {
    let settings = settings();
    let mut desk = Desk::new(1 << 20, settings.token_idle_ms_max);
    let hash = TokenHash::new(Dialect::Buyer, TOKEN);
    let account = account(2, "chaogai");
    let token = Token {
        hash,
        account: account.id,
        used_at: NOW,
    };
    desk.expect_session(hash);
    desk.deliver_session(hash, Some(Session { token, account }), NOW);
    let (mut memo, mut body) = (SessionMemo::default(), Vec::new());
    c.bench_function(name, |b| {
        b.iter(|| {
            requests(black_box(data), |request| {
                let path = decode_path(request.head().path()).expect("a path");
                let route = route(&path).expect("a call");
                let step = (route.start)(
                    request,
                    &mut Context {
                        desk: &mut desk,
                        memo: &mut memo,
                        settings: &settings,
                        presence: &NobodyOnline,
                        now: NOW,
                        random: &mut |bytes| bytes.fill(7),
                        body: &mut body,
                    },
                );
                assert!(matches!(black_box(step), Step::Wait(Ask::Submit(_), _)));
            });
        });
    });
}

/// A message up to the command in which it results, on a socket that is logged in.
fn over_socket<E: Endpoint>(
    c: &mut Criterion,
    name: &str,
    query: &str,
    login: Option<&str>,
    payload: &str,
) {
    let settings = settings();
    let mut desk = Desk::new(0, settings.token_idle_ms_max);
    let mut random = |bytes: &mut [u8]| bytes.fill(7);
    let mut context = SocketContext {
        desk: &mut desk,
        settings: &settings,
        now: NOW,
        presence: &NobodyOnline,
        random: &mut random,
        frames: &mut Unread,
    };
    let (mut socket, mut step) = E::open(Some(query), &mut context);
    let mut login = login.into_iter();
    loop {
        match step {
            SocketStep::Wait(Ask::Session(_), call) => {
                let session = Outcome::Session(Some(account(4, "agent")));
                step = socket.resume(call, session, &mut context);
            }
            SocketStep::Wait(Ask::Attach(_), call) => {
                step = socket.resume(call, Outcome::Attached, &mut context);
            }
            SocketStep::Wait(Ask::Query(_), call) => {
                let nothing = Answer::Chat(Box::new(ChatAnswer::Count(0)));
                step = socket.resume(call, Outcome::Answer(nothing), &mut context);
            }
            SocketStep::Wait(ask, _) => panic!("{ask:?}"),
            SocketStep::Done => {
                let Some(login) = login.next() else {
                    break;
                };
                let (_, incoming) = socket.decode(login.as_bytes(), true);
                step = socket.start(incoming, &mut context);
            }
        }
    }
    c.bench_function(name, |b| {
        b.iter(|| {
            let (_, incoming) = socket.decode(black_box(payload.as_bytes()), true);
            let step = socket.start(incoming, &mut context);
            assert!(matches!(
                black_box(step),
                SocketStep::Wait(Ask::Submit(_), _)
            ));
        });
    });
}

fn dialects(c: &mut Criterion) {
    over_http(c, "dialect/buyer", BUYER);
    let post = format!(
        "POST /im/send/msg HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{CONV}",
        CONV.len()
    );
    over_http(c, "dialect/conv", post.as_bytes());
    over_socket::<Jim>(c, "dialect/jim", "token=t1", None, JIM);
    let login = r#"{"msgType":"Auth","fromUserId":4,"content":"{'t1'}"}"#;
    over_socket::<Chat>(c, "dialect/chat", "", Some(login), CHAT);
}

/// A state that holds two accounts and their conversation.
fn two_accounts() -> State {
    let (one, other) = (AccountId(2), AccountId(3));
    let pair = Pair::new(one, other).expect("two accounts");
    let conversation = ConversationId(1);
    let part = |account| Member::new(conversation, account, pair.slot(account), Position(0), NOW);
    let mut state = State::default();
    state.insert(Row::Account(one, Some(account(2, "chaogai"))));
    state.insert(Row::Name(
        Arc::from("sunsanniang"),
        Some(account(3, "sunsanniang")),
    ));
    let row = SingleRow {
        conversation: Conversation {
            id: conversation,
            created_at: NOW,
            kind: ConversationKind::Single(pair),
            head: Head {
                at: NOW,
                ..Head::default()
            },
        },
        low: part(pair.low()),
        high: part(pair.high()),
    };
    state.insert(Row::Single(pair, Topic::Messages, Some(Box::new(row))));
    state
}

fn commands(c: &mut Criterion) {
    let policy = Policy {
        open_directory: true,
        group_members_max: 2_000,
        token_idle_ms_max: 1_000_000,
    };
    let send = Command::Send(Send {
        from: AccountId(2),
        to: Peer::Account(Who::Name(Arc::from("sunsanniang"))),
        kind: MessageKind::Text,
        body: Arc::from("x".repeat(100)),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
    });
    let numbers = Numbers {
        account: AccountId(3),
        conversation: ConversationId(1),
        ids: IdGenerator::new(0, MessageId(0)),
    };
    let mut group = c.benchmark_group("domain");
    group.throughput(Throughput::Elements(64));
    group.bench_function("64 sends gathered, decided and applied", |b| {
        b.iter_batched_ref(
            || (two_accounts(), numbers.clone()),
            |(state, numbers)| {
                for commit in 1..=64 {
                    let facts =
                        needs(black_box(&send), state, &NobodyOnline).expect("all is in memory");
                    let decision =
                        decide(&send, facts, numbers, &policy, NOW).expect("it is allowed");
                    state.apply(&decision.effects, CommitNumber(commit));
                    black_box(decision);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group! {
    name = paths;
    // Brief: a path takes well under a microsecond, so half a second is many thousand rounds.
    config = Criterion::default()
        .without_plots()
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(800));
    targets = http, websocket, dialects, commands
}
criterion_main!(paths);
