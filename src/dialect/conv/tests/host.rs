//! A server in one piece and one thread: the writer over a store, and its reader.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dialect::{AppKey, Ask, CallResult, Context, Outcome, Settings, Step, route};
use crate::domain::account::Account;
use crate::domain::command::{Command, Refusal, Reply, Who};
use crate::domain::decide::Policy;
use crate::domain::desk::{Desk, SessionMemo};
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::query::{Answer, Query};
use crate::domain::view::View;
use crate::proto::http::head::Method;
use crate::proto::http::request::{Decoder, Event as Decoded, Limits};
use crate::proto::http::target::decode_path;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::{Durability, SqliteStore};
use crate::store::writer::{Submitted, Writer};
use crate::store::{Reader, Store, load, query, read};

/// When everything happens, in milliseconds.
pub const NOW: i64 = 1_577_336_309_973;

pub const A: &str = "CKD_P_903000000000001";
pub const B: &str = "CKD_D_903000000000002";
pub const C: &str = "CKD_P_903000000000003";

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Received {
    /// The body of an answer with status 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Asserts that the answer is `{}` and gives the value of its only header field.
    #[track_caller]
    pub fn done(self, name: &str) -> String {
        assert_eq!((self.status, &*self.body), (200, "{}"), "{self:?}");
        let [(field, value)] = &self.headers[..] else {
            panic!("one field, not {:?}", self.headers)
        };
        assert_eq!(*field, name);
        value.clone()
    }

    /// Asserts a refusal with a reason.
    #[track_caller]
    pub fn refused(self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(body["code"], status);
        assert!(
            body["msg"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
        assert_eq!(body.as_object().map(|fields| fields.len()), Some(2));
    }
}

pub struct Host {
    pub settings: Settings,
    pub policy: Policy,
    /// Rises by one with each request.
    pub now: TimeMs,
    /// Given instead of the next answer to something that is asked.
    pub refuse: Option<Refusal>,
    /// How the last call ended, for the metrics.
    pub result: Option<CallResult>,
    writer: Writer<()>,
    reader: Box<dyn Reader>,
    /// Views, brought forward by every commit.
    views: Vec<View>,
    desk: Desk,
    memo: SessionMemo,
    _dir: Option<TempDir>,
}

/// Runs `test` over both stores.
pub fn over_both(test: impl Fn(&mut Host)) {
    test(&mut Host::new(true));
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::new(dir.path(), Durability::Process);
    test(&mut Host::over(Box::new(store), Some(dir), true));
}

impl Host {
    /// Over the store in memory; `open_directory` says whether naming somebody creates them.
    pub fn new(open_directory: bool) -> Host {
        Host::over(Box::new(MemoryStore::new()), None, open_directory)
    }

    fn over(mut store: Box<dyn Store>, dir: Option<TempDir>, open_directory: bool) -> Host {
        let settings = Settings {
            zone: TimeZone::UTC,
            public_url: None,
            app_keys: None,
            message_bytes_max: 64 * 1024,
            upload_bytes_max: 1024,
            open_directory,
            token_idle_ms_max: 1_000_000,
            jim_text_field: None,
        };
        let policy = Policy {
            open_directory,
            group_members_max: 5,
            token_idle_ms_max: settings.token_idle_ms_max,
        };
        let counters = store.open().expect("a store");
        let reader = store.reader().expect("a reader");
        Host {
            writer: Writer::resume(store, policy, counters),
            reader,
            desk: Desk::new(1 << 20, settings.token_idle_ms_max),
            settings,
            policy,
            now: TimeMs(NOW - 1),
            refuse: None,
            result: None,
            views: Vec::new(),
            memo: SessionMemo::default(),
            _dir: dir,
        }
    }

    /// Starts anew with a store in memory and this bound of a group.
    pub fn allow_members(&mut self, group_members_max: usize) {
        let mut store = MemoryStore::new();
        let counters = store.open().expect("a store");
        self.reader = store.reader().expect("a reader");
        self.policy.group_members_max = group_members_max;
        self.writer = Writer::resume(Box::new(store), self.policy, counters);
    }

    /// Lets only applications with this key call.
    pub fn sign(&mut self, secret: &str) {
        self.settings.app_keys = Some(vec![AppKey {
            id: "shop".into(),
            secret: secret.into(),
        }]);
    }

    /// The answer to a `POST` of `body`.
    pub fn post(&mut self, path: &str, body: &Value) -> Received {
        self.post_bytes(path, "", body.to_string().as_bytes())
    }

    /// The same of any bytes and with further header fields.
    pub fn post_bytes(&mut self, path: &str, fields: &str, body: &[u8]) -> Received {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: im.example:8080\r\n{fields}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let mut decoder = Decoder::new();
        let (_, decoded) = decoder
            .decode(&request, &Limits::default(), |_| usize::MAX)
            .expect("a request");
        let Decoded::Request(request) = decoded else {
            panic!("a whole request, not {decoded:?}")
        };
        let path = decode_path(request.head().path()).expect("a path");
        let route = route(&path).expect("a call");
        assert_eq!(route.methods, [Method::Post]);
        self.now.0 += 1;
        let mut written = Vec::new();
        let mut step = self.run(&mut written, |context| (route.start)(&request, context));
        let response = loop {
            match step {
                Step::Done(response) => break response,
                Step::Wait(ask, call) => {
                    assert_eq!(written, b"", "written before the end");
                    let outcome = self.answer(ask);
                    step = self.run(&mut written, |context| call.resume(outcome, context));
                }
            }
        };
        assert_eq!(response.content_type, "application/json");
        self.result = Some(response.result);
        let headers = response.headers.into_iter();
        Received {
            status: response.status,
            headers: headers
                .map(|(name, value)| (name, value.into_owned()))
                .collect(),
            body: String::from_utf8(written).expect("UTF-8"),
        }
    }

    fn run(&mut self, body: &mut Vec<u8>, step: impl FnOnce(&mut Context<'_>) -> Step) -> Step {
        step(&mut Context {
            desk: &mut self.desk,
            memo: &mut self.memo,
            settings: &self.settings,
            presence: &crate::domain::presence::NobodyOnline,
            now: self.now,
            random: &mut |bytes| bytes.fill(7),
            body,
        })
    }

    fn answer(&mut self, ask: Ask) -> Outcome {
        if let Some(refusal) = self.refuse.take() {
            return Outcome::Refused(refusal);
        }
        match ask {
            Ask::Query(query) => Outcome::Answer(self.query(&query)),
            Ask::Submit(command) => match self.submit(command) {
                Ok(reply) => Outcome::Reply(reply),
                Err(refusal) => Outcome::Refused(refusal),
            },
            other => panic!("not asked by this dialect: {other:?}"),
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
        self.writer.handle_submitted(submitted, self.now);
        while let Some(request) = self.writer.poll_load() {
            let loaded = load::fetch(&mut *self.reader, &request);
            self.writer.handle_loaded(loaded, self.now);
        }
        let mut released = self.writer.commit();
        assert!(released.failures.is_empty(), "{:?}", released.failures);
        if let Some(commit) = released.commit {
            for view in &mut self.views {
                released
                    .told
                    .iter()
                    .for_each(|told| view.apply(commit, &told.event));
                view.advance(commit);
            }
        }
        self.check_views();
        released.replies.remove(0).1
    }

    /// Watches the account of that name, which exists: from here on its view is held to a fresh load after each command.
    pub fn watch(&mut self, name: &str) {
        let account = self.account(name);
        let view = self.load_view(account);
        self.views.push(view);
    }

    fn check_views(&mut self) {
        for view in self.views.clone() {
            assert_eq!(view, self.load_view(view.account()));
        }
    }

    fn load_view(&mut self, account: AccountId) -> View {
        match self.query(&Query::View(account)) {
            Answer::View(view) => *view,
            other => panic!("not a view: {other:?}"),
        }
    }

    /// The number of the account of that name, which exists.
    pub fn account(&mut self, name: &str) -> AccountId {
        self.account_named(name).expect("an account").id
    }

    /// Whether there is an account of that name.
    pub fn knows(&mut self, name: &str) -> bool {
        self.account_named(name).is_some()
    }

    fn account_named(&mut self, name: &str) -> Option<Arc<Account>> {
        read(&mut *self.reader, |snapshot| snapshot.account_named(name)).expect("a snapshot")
    }

    /// Ends memberships, which no call of this dialect does.
    pub fn remove(&mut self, group: &str, name: &str) {
        let group = crate::dialect::conversation_id::decode(group).expect("an id");
        let members = vec![Who::Name(name.into())];
        self.submit(Command::RemoveMembers { group, members })
            .expect("removed");
    }

    /// `from` says a text to `to`; gives the message's id.
    #[track_caller]
    pub fn say(&mut self, from: &str, to: &str, text: &str) -> String {
        let body = json!({"from_id": from, "to_id": to, "msg": text});
        self.post("/im/send/msg", &body).done("X-Msg-Id")
    }

    /// `from` says a text in a conversation; gives the message's id.
    #[track_caller]
    pub fn say_in(&mut self, from: &str, conv_id: &str, text: &str) -> String {
        let body = json!({"from_id": from, "conv_id": conv_id, "msg": text});
        self.post("/im/send/msg", &body).done("X-Msg-Id")
    }

    /// Makes a group and gives its id.
    #[track_caller]
    pub fn group(&mut self, name: &str, owner: &str, members: &[&str]) -> String {
        let body = json!({"owner_id": owner, "name": name, "member": members});
        self.post("/im/creat/group", &body).done("X-Conv-Id")
    }

    /// The rows of somebody's list.
    #[track_caller]
    pub fn list(&mut self, name: &str) -> Vec<Value> {
        let list = self.post("/im/conv/list", &json!({"from_id": name})).ok();
        list.as_array().expect("a list").clone()
    }

    /// The unread counts in somebody's list, by its order.
    #[track_caller]
    pub fn unread(&mut self, name: &str) -> Vec<u64> {
        let rows = self.list(name);
        let count = |row: &Value| row["unread_count"].as_u64().expect("a number");
        rows.iter().map(count).collect()
    }

    /// The texts of a page.
    #[track_caller]
    pub fn texts(&mut self, path: &str, body: &Value) -> Vec<String> {
        let page = self.post(path, body).ok();
        let rows = page.as_array().expect("a list").iter();
        rows.map(|row| row["msg"].as_str().expect("a text").to_owned())
            .collect()
    }

    /// The texts of a conversation's newest page, as a reader or as nobody in particular.
    #[track_caller]
    pub fn read(&mut self, conv_id: &str, reader: Option<&str>) -> Vec<String> {
        self.texts(&format!("/im/conv/{conv_id}"), &json!({"from_id": reader}))
    }
}
