//! What each dialect makes of bytes, and bytes of what happens: a message up to the command in which it results, its answer, what others
//! are sent of it, and a page of history.

use std::cell::RefCell;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use imd::dialect::chat::Chat;
use imd::dialect::jim::Jim;
use imd::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep};
use imd::dialect::{Ask, Call, Context, Outcome, Settings, Step, route};
use imd::domain::backend::BackendAnswer;
use imd::domain::chat::{ChatAnswer, ChatRow};
use imd::domain::command::Reply;
use imd::domain::desk::{Desk, SessionMemo};
use imd::domain::message::Dialect;
use imd::domain::presence::NobodyOnline;
use imd::domain::query::{Answer, Session};
use imd::domain::token::{Token, TokenHash};
use imd::proto::http::target::decode_path;

use crate::http::{post, requests};
use crate::world::{
    self, BODY, BUYER, NOW, PAGE_ROWS, SHOP, TOKEN, buyer, messages, page, settings,
};

const BUYER_SAY: &[u8] = b"GET /soa-im/buyer/sendMsg?buyer_name=chaogai&shopname=sunsanniang&token=vjo8oep70ue6jb75w9e7694i9\
    &content=Is%20the%20cap%20still%20there%3F%20%E5%B8%BD%E5%AD%90%E8%BF%98%E6%9C%89%E5%90%97 HTTP/1.1\r\nHost: a\r\n\r\n";
const BUYER_PAGE: &[u8] = b"GET /soa-im/buyer/getHistoryMsg?buyer_name=chaogai&shopname=sunsanniang&token=vjo8oep70ue6jb75w9e7694i9\
    &page_size=20 HTTP/1.1\r\nHost: a\r\n\r\n";
const CONV_SAY: &str = r#"{"from_id":"CKD_P_903000000000001","to_id":"CKD_D_903000000000002","msg":"Is the cap still there? 帽子还有吗","msg_type":0}"#;
const CONV_PAGE: &str =
    r#"{"from_id":"CKD_P_903000000000001","to_id":"CKD_D_903000000000002","page_size":20}"#;
const JIM_SAY: &str = r#"{"cmd":11,"from":"chaogai","to":"sunsanniang","chatType":2,"msgType":0,"content":"Is the cap still there? 帽子还有吗","id":"7"}"#;
const JIM_PAGE: &str =
    r#"{"cmd":19,"type":"1","userId":"chaogai","fromUserId":"sunsanniang","offset":0,"count":20}"#;
const CHAT_LOGIN: &str = r#"{"msgType":"Auth","fromUserId":2,"content":"{'t1'}"}"#;
const CHAT_SAY: &str = r#"{"id":1268242042090295296,"fromUserId":2,"toUserId":3,"chatType":"Single","msgType":"Text","content":"Is the cap still there? 帽子还有吗"}"#;
const CHAT_PAGE: &str = r#"{"fromUserId":2,"toUserId":3,"pageNum":1,"pageSize":20}"#;

/// Each of the four, there and back.
pub fn bench(c: &mut Criterion) {
    let sent = Outcome::Reply(Reply::Sent {
        message: messages(1).remove(0),
        repeated: false,
        recipient: Some(SHOP),
    });

    let mut http = Http::new();
    http.bench_decode(c, "buyer/decode a message", BUYER_SAY);
    http.bench_encode(c, "buyer/encode its answer", BUYER_SAY, &sent, 1);
    let rows = Outcome::Answer(Answer::History(Some(Box::new(page()))));
    http.bench_encode(c, "buyer/encode 20 messages", BUYER_PAGE, &rows, PAGE_ROWS);

    let say = post("/im/send/msg", CONV_SAY);
    http.bench_decode(c, "conv/decode a message", &say);
    http.bench_encode(c, "conv/encode its answer", &say, &sent, 0);
    let rows = BackendAnswer::Transcript(Box::new(page()));
    let rows = Outcome::Answer(Answer::Backend(Ok(rows)));
    let data = post("/im/from/to", CONV_PAGE);
    http.bench_encode(c, "conv/encode 20 messages", &data, &rows, PAGE_ROWS);

    let mut jim = Socket::<Jim>::open("token=t1", None);
    jim.bench_decode(c, "jim/decode a message", JIM_SAY);
    jim.bench_encode(c, "jim/encode its answer", JIM_SAY, &sent, 0);
    let rows = Outcome::Answer(Answer::Range(Some(Box::new(page()))));
    jim.bench_encode(c, "jim/encode 20 messages", JIM_PAGE, &rows, PAGE_ROWS);
    bench_push::<Jim>(c, "jim/encode a push");

    let mut chat = Socket::<Chat>::open("", Some(CHAT_LOGIN));
    chat.bench_decode(c, "chat/decode a message", CHAT_SAY);
    chat.bench_encode(c, "chat/encode its answer", CHAT_SAY, &sent, 0);
    let row = |message| ChatRow {
        message,
        recipient: Some(BUYER),
        receiver: BUYER,
        is_acknowledged: true,
        is_read: false,
    };
    let rows = ChatAnswer::Rows(Some(messages(PAGE_ROWS).into_iter().map(row).collect()));
    let rows = Outcome::Answer(Answer::Chat(Box::new(rows)));
    let data = post("/im/message/user/get/page", CHAT_PAGE);
    http.bench_encode(c, "chat/encode 20 messages", &data, &rows, PAGE_ROWS);
    bench_push::<Chat>(c, "chat/encode a push");
}

/// How often the message is in `bytes`.
fn count_bodies(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).matches(BODY).count()
}

/// A connection of the buyer, who is logged in, as far as calls over HTTP look at it.
struct Http {
    desk: Desk,
    memo: SessionMemo,
    settings: Settings,
    body: Vec<u8>,
}

impl Http {
    fn new() -> Http {
        let settings = settings();
        let mut desk = Desk::new(1 << 20, settings.token_idle_ms_max);
        let hash = TokenHash::new(Dialect::Buyer, TOKEN);
        let token = Token {
            hash,
            account: BUYER,
            used_at: NOW,
        };
        desk.expect_session(hash);
        let account = buyer();
        desk.deliver_session(hash, Some(Session { token, account }), NOW);
        Http {
            desk,
            memo: SessionMemo::default(),
            settings,
            body: Vec::new(),
        }
    }

    fn with_context<T>(&mut self, run: impl FnOnce(&mut Context<'_>) -> T) -> T {
        run(&mut Context {
            desk: &mut self.desk,
            memo: &mut self.memo,
            settings: &self.settings,
            presence: &NobodyOnline,
            now: NOW,
            random: &mut |bytes| bytes.fill(7),
            body: &mut self.body,
        })
    }

    /// From bytes to what the call waits for.
    fn start(&mut self, data: &[u8]) -> (Ask, Call) {
        self.body.clear();
        let mut step = None;
        requests(data, |request| {
            let path = decode_path(request.head().path()).expect("a path");
            let route = route(&path).expect("a call");
            step = Some(self.with_context(|context| (route.start)(request, context)));
        });
        match step {
            Some(Step::Wait(ask, call)) => (ask, call),
            _ => panic!(
                "it is answered at once: {}",
                String::from_utf8_lossy(&self.body)
            ),
        }
    }

    /// From what it waited for to the answer, in `body`.
    fn finish(&mut self, call: Call, outcome: Outcome) {
        self.body.clear();
        let step = self.with_context(|context| call.resume(outcome, context));
        match step {
            Step::Done(response) => assert_eq!(response.status, 200),
            Step::Wait(ask, _) => panic!("{ask:?}"),
        }
    }

    fn bench_decode(&mut self, c: &mut Criterion, name: &str, data: &[u8]) {
        let mut group = c.benchmark_group("dialect");
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |b| {
            b.iter(|| {
                let (ask, _) = self.start(black_box(data));
                assert!(matches!(black_box(ask), Ask::Submit(_)));
            });
        });
    }

    fn bench_encode(
        &mut self,
        c: &mut Criterion,
        name: &str,
        data: &[u8],
        outcome: &Outcome,
        bodies: usize,
    ) {
        let (_, call) = self.start(data);
        self.finish(call, outcome.clone());
        assert_eq!(count_bodies(&self.body), bodies);
        let expected = self.body.len();
        let mut group = c.benchmark_group("dialect");
        group.throughput(Throughput::Elements(bodies.max(1) as u64));
        let http = RefCell::new(self);
        group.bench_function(name, |b| {
            b.iter_batched(
                || (http.borrow_mut().start(data).1, outcome.clone()),
                |(call, outcome)| {
                    let http = &mut *http.borrow_mut();
                    http.finish(call, outcome);
                    assert_eq!(black_box(&http.body).len(), expected);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// Keeps the newest answer.
#[derive(Default)]
struct Newest(Vec<u8>);

impl Frames for Newest {
    fn text(&mut self, payload: &[u8]) {
        self.0.clear();
        self.0.extend_from_slice(payload);
    }

    fn binary(&mut self, payload: &[u8]) {
        self.text(payload);
    }

    fn close(&mut self, _: u16, reason: &'static str) {
        panic!("closed: {reason}");
    }
}

/// A socket of the buyer, who is logged in.
struct Socket<E: Endpoint> {
    endpoint: E,
    desk: Desk,
    settings: Settings,
    newest: Newest,
}

impl<E: Endpoint> Socket<E> {
    fn open(query: &str, login: Option<&str>) -> Socket<E> {
        let (settings, mut newest) = (settings(), Newest::default());
        let mut desk = Desk::new(0, settings.token_idle_ms_max);
        let (endpoint, mut step) = E::open(
            Some(query),
            &mut SocketContext {
                desk: &mut desk,
                settings: &settings,
                now: NOW,
                presence: &NobodyOnline,
                random: &mut |bytes| bytes.fill(7),
                frames: &mut newest,
            },
        );
        let mut socket = Socket {
            endpoint,
            desk,
            settings,
            newest,
        };
        let mut login = login.into_iter();
        loop {
            step = match step {
                SocketStep::Wait(Ask::Session(_), call) => {
                    socket.resume(call, Outcome::Session(Some(buyer())))
                }
                SocketStep::Wait(Ask::Attach(_), call) => socket.resume(call, Outcome::Attached),
                SocketStep::Wait(Ask::Query(_), call) => {
                    let nothing = Answer::Chat(Box::new(ChatAnswer::Count(0)));
                    socket.resume(call, Outcome::Answer(nothing))
                }
                SocketStep::Wait(ask, _) => panic!("{ask:?}"),
                SocketStep::Done => match login.next() {
                    Some(login) => socket.start(login),
                    None => return socket,
                },
            };
        }
    }

    fn with_context<T>(&mut self, run: impl FnOnce(&mut E, &mut SocketContext<'_>) -> T) -> T {
        let mut context = SocketContext {
            desk: &mut self.desk,
            settings: &self.settings,
            now: NOW,
            presence: &NobodyOnline,
            random: &mut |bytes| bytes.fill(7),
            frames: &mut self.newest,
        };
        run(&mut self.endpoint, &mut context)
    }

    fn start(&mut self, payload: &str) -> SocketStep<E::Call> {
        self.with_context(|endpoint, context| {
            let (_, incoming) = endpoint.decode(payload.as_bytes(), true);
            endpoint.start(incoming, context)
        })
    }

    fn resume(&mut self, call: E::Call, outcome: Outcome) -> SocketStep<E::Call> {
        self.with_context(|endpoint, context| endpoint.resume(call, outcome, context))
    }

    fn finish(&mut self, call: E::Call, outcome: Outcome) {
        self.newest.0.clear();
        let step = self.resume(call, outcome);
        assert!(matches!(step, SocketStep::Done));
    }

    fn bench_decode(&mut self, c: &mut Criterion, name: &str, payload: &str) {
        let mut group = c.benchmark_group("dialect");
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |b| {
            b.iter(|| {
                let step = self.start(black_box(payload));
                assert!(matches!(
                    black_box(step),
                    SocketStep::Wait(Ask::Submit(_), _)
                ));
            });
        });
    }

    fn bench_encode(
        &mut self,
        c: &mut Criterion,
        name: &str,
        payload: &str,
        outcome: &Outcome,
        bodies: usize,
    ) {
        let start = |socket: &mut Socket<E>| match socket.start(payload) {
            SocketStep::Wait(_, call) => call,
            SocketStep::Done => panic!("it is answered at once: {:?}", socket.newest.0),
        };
        let call = start(self);
        self.finish(call, outcome.clone());
        assert_eq!(count_bodies(&self.newest.0), bodies);
        let expected = self.newest.0.len();
        assert_ne!(expected, 0);
        let mut group = c.benchmark_group("dialect");
        group.throughput(Throughput::Elements(bodies.max(1) as u64));
        let socket = RefCell::new(self);
        group.bench_function(name, |b| {
            b.iter_batched(
                || (start(&mut socket.borrow_mut()), outcome.clone()),
                |(call, outcome)| {
                    let socket = &mut *socket.borrow_mut();
                    socket.finish(call, outcome);
                    assert_eq!(black_box(&socket.newest.0).len(), expected);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// What sockets are sent of a message.
fn bench_push<E: Endpoint>(c: &mut Criterion, name: &str) {
    let (settings, event, mut out) = (settings(), world::said(false), Vec::new());
    assert!(E::encode_push(&event, &settings, &mut out));
    assert_eq!(count_bodies(&out), 1);
    let expected = out.len();
    let mut group = c.benchmark_group("dialect");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |b| {
        b.iter(|| {
            out.clear();
            assert!(E::encode_push(black_box(&event), &settings, &mut out));
            assert_eq!(black_box(&out).len(), expected);
        });
    });
}
