//! A server in one piece and one thread: the writer over a store, its reader, and sockets.

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dialect::chat::Chat;
use crate::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep};
use crate::dialect::{AppKey, Ask, Context, Outcome, Settings, Step, route};
use crate::domain::command::{Command, Refusal, Reply};
use crate::domain::decide::Policy;
use crate::domain::desk::{Desk, SessionMemo};
use crate::domain::event::{Audience, Event, Told};
use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::domain::query::{Answer, Query};
use crate::domain::view::View;
use crate::proto::http::request::{Decoder, Event as Decoded, Limits};
use crate::runtime::sessions::Sessions;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::{Durability, SqliteStore};
use crate::store::writer::{Submitted, Writer};
use crate::store::{Reader, Store, load, query};

/// When everything happens, in milliseconds.
pub const NOW: i64 = 1_722_332_144_206;

/// A client's socket, as the client sees it.
pub struct Socket {
    chat: Chat,
    attached: bool,
    pub received: Vec<String>,
    pub closed: Option<u16>,
}

#[derive(Default)]
struct Sent {
    frames: Vec<String>,
    close: Option<u16>,
}

impl Frames for Sent {
    fn text(&mut self, payload: &[u8]) {
        let text = String::from_utf8(payload.to_vec()).expect("UTF-8");
        self.frames.push(text);
    }

    fn binary(&mut self, _: &[u8]) {
        panic!("this dialect sends text")
    }

    fn close(&mut self, code: u16, _: &'static str) {
        self.close.get_or_insert(code);
    }
}

pub struct Host {
    pub settings: Settings,
    pub now: TimeMs,
    /// The monotonic clock.
    pub now_ms: u64,
    /// Given instead of the answer to the next command.
    pub refuse: Option<Refusal>,
    /// Acknowledged on a socket by an id between the store's next answer to a frame and what is made of it.
    pub meanwhile: Option<(usize, u64)>,
    pub sockets: Vec<Socket>,
    seed: u8,
    writer: Writer<()>,
    reader: Box<dyn Reader>,
    views: Vec<View>,
    desk: Desk,
    sessions: Sessions,
    /// What the last command told.
    told: Vec<Told>,
    dir: Option<TempDir>,
}

/// Runs `test` over both stores.
pub fn over_both(test: impl Fn(&mut Host)) {
    test(&mut Host::new());
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::new(dir.path(), Durability::Process);
    test(&mut Host::over(Box::new(store), Some(dir)));
}

const POLICY: Policy = Policy {
    open_directory: true,
    group_members_max: 5,
    token_idle_ms_max: 1_000_000,
};

fn settings() -> Settings {
    Settings {
        zone: TimeZone::UTC,
        public_url: None,
        app_keys: None,
        message_bytes_max: 64 * 1024,
        upload_bytes_max: 1024,
        open_directory: true,
        token_idle_ms_max: 1_000_000,
        jim_text_field: None,
    }
}

impl Host {
    pub fn new() -> Host {
        Host::over(Box::new(MemoryStore::new()), None)
    }

    fn over(mut store: Box<dyn Store>, dir: Option<TempDir>) -> Host {
        let counters = store.open().expect("a store");
        Host {
            reader: store.reader().expect("a reader"),
            writer: Writer::resume(store, POLICY, counters),
            desk: Desk::new(1 << 20, 1_000_000),
            sessions: Sessions::default(),
            told: Vec::new(),
            settings: settings(),
            now: TimeMs(NOW),
            now_ms: 1_000,
            refuse: None,
            meanwhile: None,
            sockets: Vec::new(),
            seed: 0,
            views: Vec::new(),
            dir,
        }
    }

    /// Ends the server and starts it again on what is stored; `false` over the store in memory.
    pub fn restart(&mut self) -> bool {
        let Some(dir) = self.dir.take() else {
            return false;
        };
        let empty = Host::new();
        drop(std::mem::replace(self, empty));
        let store = SqliteStore::new(dir.path(), Durability::Process);
        *self = Host::over(Box::new(store), Some(dir));
        true
    }

    /// Lets only those in who show a token or this key.
    pub fn sign(&mut self, secret: &str) {
        self.settings.app_keys = Some(vec![AppKey {
            id: "app".into(),
            secret: secret.into(),
        }]);
    }

    pub fn post(&mut self, path: &str, body: &Value) -> (u16, String) {
        self.post_with(path, "", &body.to_string())
    }

    /// The answer with status 200, as JSON.
    #[track_caller]
    pub fn ok(&mut self, path: &str, body: &Value) -> Value {
        let (status, body) = self.post(path, body);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Asserts status 200 and an empty body.
    #[track_caller]
    pub fn done(&mut self, path: &str, body: &Value) {
        assert_eq!(self.post(path, body), (200, String::new()));
    }

    /// Asserts a refusal for this reason.
    #[track_caller]
    pub fn refused(&mut self, path: &str, fields: &str, body: &Value, reason: &str) {
        let (status, text) = self.post_with(path, fields, &body.to_string());
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!((status, &answer["reason"]), (500, &json!(reason)), "{text}");
        assert_eq!(answer["code"], 500);
        assert!(answer["msg"].as_str().is_some_and(|msg| !msg.is_empty()));
    }

    pub fn post_with(&mut self, path: &str, fields: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: im\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut decoder = Decoder::new();
        let (_, decoded) = decoder
            .decode(request.as_bytes(), &Limits::default(), |_| usize::MAX)
            .expect("a request");
        let Decoded::Request(request) = decoded else {
            panic!("a whole request, not {decoded:?}")
        };
        let route = route(path).expect("a call");
        let mut written = Vec::new();
        let mut memo = SessionMemo::default();
        let mut step = self.call(&mut written, &mut memo, |context| {
            (route.start)(&request, context)
        });
        loop {
            match step {
                Step::Done(response) => {
                    return (response.status, String::from_utf8(written).expect("UTF-8"));
                }
                Step::Wait(ask, call) => {
                    let outcome = self.answer(ask);
                    step = self.call(&mut written, &mut memo, |context| {
                        call.resume(outcome, context)
                    });
                }
            }
        }
    }

    fn call(
        &mut self,
        body: &mut Vec<u8>,
        memo: &mut SessionMemo,
        step: impl FnOnce(&mut Context<'_>) -> Step,
    ) -> Step {
        self.seed += 1;
        let seed = self.seed;
        step(&mut Context {
            desk: &mut self.desk,
            memo,
            settings: &self.settings,
            presence: &self.sessions,
            now: self.now,
            random: &mut |bytes| bytes.fill(seed),
            body,
        })
    }

    fn answer(&mut self, ask: Ask) -> Outcome {
        match ask {
            Ask::Query(query) => Outcome::Answer(self.query(&query)),
            Ask::Session(hash) => {
                self.desk.expect_session(hash);
                let Answer::Session(session) = self.query(&Query::Session(hash)) else {
                    panic!("a session")
                };
                Outcome::Session(self.desk.deliver_session(hash, session, self.now))
            }
            Ask::Submit(command) => match self.refuse.take() {
                Some(refusal) => Outcome::Refused(refusal),
                None => match self.submit(command) {
                    Ok(reply) => Outcome::Reply(reply),
                    Err(refusal) => Outcome::Refused(refusal),
                },
            },
            other => panic!("not asked here: {other:?}"),
        }
    }

    pub fn query(&mut self, asked: &Query) -> Answer {
        query::ask(&mut *self.reader, asked)
            .expect("an answer")
            .answer
    }

    pub fn submit(&mut self, command: Command) -> Result<Reply, Refusal> {
        let submitted = Submitted {
            lane: 1,
            command,
            reply_to: (),
        };
        self.now.0 += 1;
        self.writer.handle_submitted(submitted, self.now);
        while let Some(request) = self.writer.poll_load() {
            let loaded = load::fetch(&mut *self.reader, &request);
            self.writer.handle_loaded(loaded, self.now);
        }
        let mut released = self.writer.commit();
        assert!(released.failures.is_empty(), "{:?}", released.failures);
        if let Some(commit) = released.commit {
            for told in &released.told {
                self.desk.apply(commit, told);
                self.tell(told);
            }
            for view in &mut self.views {
                let events = released.told.iter();
                events.for_each(|told| view.apply(commit, &told.event));
                view.advance(commit);
            }
            for view in self.views.clone() {
                let fresh = self.load_view(view.account());
                assert_eq!(view, fresh, "events applied to a view equal a fresh load");
            }
        }
        self.told = released.told;
        released.replies.remove(0).1
    }

    /// From here on the account's view is held to a fresh load after each command.
    pub fn watch(&mut self, user: u64) {
        let view = self.load_view(AccountId(user));
        self.views.push(view);
    }

    fn load_view(&mut self, account: AccountId) -> View {
        match self.query(&Query::View(account)) {
            Answer::View(view) => *view,
            other => panic!("not a view: {other:?}"),
        }
    }

    fn is_member(&mut self, group: ConversationId, account: AccountId) -> bool {
        match self.query(&Query::Groups(account)) {
            Answer::Groups(groups) => groups.contains(&group),
            other => panic!("not groups: {other:?}"),
        }
    }

    /// The shard hears late of the last command.
    pub fn tell_again(&mut self) {
        for told in self.told.clone() {
            self.tell(&told);
        }
    }

    /// Tells the sockets that the shard would tell.
    fn tell(&mut self, told: &Told) {
        for place in 0..self.sockets.len() {
            let Some(account) = self.sockets[place].chat.account() else {
                continue;
            };
            let concerns = match (&told.audience, &*told.event) {
                (Audience::One(one), _) => *one == account,
                (Audience::Two(one, other), _) => *one == account || *other == account,
                (Audience::Everyone, Event::Message(delivery)) => {
                    self.is_member(delivery.conversation.id, account)
                }
                (Audience::Everyone, Event::Left { member, .. }) => member.account == account,
                (Audience::Everyone, _) => false,
            };
            if !self.sockets[place].attached || !concerns {
                continue;
            }
            let is_pushed = self.with(place, |chat, context| chat.pushes(&told.event, context));
            let mut payload = Vec::new();
            if is_pushed && Chat::encode_push(&told.event, &self.settings, &mut payload) {
                let text = String::from_utf8(payload).expect("UTF-8");
                self.sockets[place].received.push(text);
            }
        }
    }

    /// A new socket that has not said who it is.
    pub fn open(&mut self) -> usize {
        let mut sent = Sent::default();
        let (mut chat, step) = self.with_context(&mut sent, |_, context| Chat::open(None, context));
        assert!(matches!(step, SocketStep::Done) && sent.frames.is_empty());
        chat.deadline_ms(self.now_ms);
        self.sockets.push(Socket {
            chat,
            attached: false,
            received: Vec::new(),
            closed: None,
        });
        self.sockets.len() - 1
    }

    fn with<T>(
        &mut self,
        place: usize,
        handle: impl FnOnce(&mut Chat, &mut SocketContext<'_>) -> T,
    ) -> T {
        let mut sent = Sent::default();
        let result = self.with_context(&mut sent, |sockets, context| {
            handle(&mut sockets[place].chat, context)
        });
        let socket = &mut self.sockets[place];
        socket.received.append(&mut sent.frames);
        socket.closed = socket.closed.or(sent.close);
        result
    }

    fn with_context<T>(
        &mut self,
        sent: &mut Sent,
        handle: impl FnOnce(&mut [Socket], &mut SocketContext<'_>) -> T,
    ) -> T {
        handle(
            &mut self.sockets,
            &mut SocketContext {
                desk: &mut self.desk,
                settings: &self.settings,
                now: self.now,
                presence: &self.sessions,
                random: &mut |bytes| bytes.fill(9),
                frames: sent,
            },
        )
    }

    /// The client sends a frame.
    pub fn frame(&mut self, place: usize, frame: &str) {
        let (_, incoming) = self.sockets[place].chat.decode(frame.as_bytes(), true);
        let mut step = self.with(place, |chat, context| chat.start(incoming, context));
        while let SocketStep::Wait(ask, call) = step {
            let outcome = match ask {
                Ask::Attach(_) => {
                    self.sockets[place].attached = true;
                    Outcome::Attached
                }
                ask => {
                    let is_query = matches!(&ask, Ask::Query(Query::Chat(_)));
                    let outcome = self.answer(ask);
                    if is_query && let Some((other, id)) = self.meanwhile.take() {
                        self.ack(other, id);
                    }
                    outcome
                }
            };
            step = self.with(place, |chat, context| chat.resume(call, outcome, context));
        }
        self.sockets[place].chat.deadline_ms(self.now_ms);
    }

    /// Time passes, and the sockets' deadlines come.
    pub fn wait_ms(&mut self, ms: u64) {
        self.now_ms += ms;
        for place in 0..self.sockets.len() {
            let now_ms = self.now_ms;
            if self.sockets[place].chat.deadline_ms(now_ms) <= now_ms {
                self.with(place, |chat, context| chat.handle_timeout(now_ms, context));
            }
        }
    }

    /// What a socket has received since the last call.
    pub fn raw(&mut self, place: usize) -> Vec<String> {
        let frames = std::mem::take(&mut self.sockets[place].received);
        for socket in &mut self.sockets {
            socket.chat.deadline_ms(self.now_ms);
        }
        frames
    }

    /// The same as JSON; every frame has its eleven keys.
    #[track_caller]
    pub fn take(&mut self, place: usize) -> Vec<Value> {
        let frames = self.raw(place);
        let frames = frames.iter().map(|text| {
            let frame: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(frame.as_object().map(|keys| keys.len()), Some(11), "{text}");
            frame
        });
        frames.collect()
    }

    /// The ids of what a socket has received.
    #[track_caller]
    pub fn ids(&mut self, place: usize) -> Vec<u64> {
        let frames = self.take(place);
        frames
            .iter()
            .filter_map(|frame| frame["id"].as_u64())
            .collect()
    }

    /// Registers a user; gives number and token.
    #[track_caller]
    pub fn register(&mut self, name: &str) -> (u64, String) {
        let body = json!({"company": "c", "app": "a", "thirdUserId": name});
        let answer = self.ok("/im/user/register", &body);
        let token = answer["token"].as_str().expect("a token");
        (
            answer["userId"].as_u64().expect("a number"),
            token.to_owned(),
        )
    }

    /// A socket of a user who is let in.
    #[track_caller]
    pub fn login(&mut self, user: u64, token: &str) -> usize {
        let place = self.open();
        let content = json!({"token": token}).to_string();
        let auth = json!({"msgType": "Auth", "fromUserId": user, "content": content});
        self.frame(place, &auth.to_string());
        assert_eq!(self.sockets[place].closed, None);
        place
    }

    /// Two users with a socket each.
    pub fn two(&mut self) -> ((u64, usize), (u64, usize)) {
        let (a, a_token) = self.register("a");
        let (b, b_token) = self.register("b");
        let sockets = (self.login(a, &a_token), self.login(b, &b_token));
        ((a, sockets.0), (b, sockets.1))
    }

    /// The client is gone.
    pub fn hang_up(&mut self, place: usize) {
        self.sockets[place].attached = false;
    }

    /// Under which ids messages wait for a user, and their states.
    #[track_caller]
    pub fn states(&mut self, path: &str, body: &Value) -> Vec<(u64, String)> {
        let rows = self.ok(path, body);
        let rows = rows.as_array().expect("a list").iter();
        let row = |row: &Value| {
            let state = row["stateEnum"].as_str().expect("a state");
            (row["id"].as_u64().expect("an id"), state.to_owned())
        };
        rows.map(row).collect()
    }

    /// Says a text to somebody.
    pub fn say(&mut self, place: usize, id: u64, to: u64, text: &str) {
        let frame = json!({
            "id": id, "toUserId": to, "chatType": "Single", "msgType": "Text", "content": text
        });
        self.frame(place, &frame.to_string());
    }

    /// Acknowledges a message.
    pub fn ack(&mut self, place: usize, id: u64) {
        let content = format!("{{'srcId': {id}}}");
        let frame = json!({"msgType": "Ack", "content": content});
        self.frame(place, &frame.to_string());
    }

    /// The ids of what waits for a user.
    #[track_caller]
    pub fn offline(&mut self, user: u64) -> Vec<u64> {
        let rows = self.ok("/im/message/offline", &json!({"userId": user}));
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| row["id"].as_u64().expect("an id")).collect()
    }

    /// The rows of a user's list.
    #[track_caller]
    pub fn list(&mut self, user: u64) -> Vec<Value> {
        let rows = self.ok("/im/user/chat/list", &json!({"userId": user}));
        rows.as_array().expect("a list").clone()
    }
}
