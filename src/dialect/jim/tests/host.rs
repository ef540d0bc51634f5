//! A server in one piece without sockets: the real writer over a store in memory, a desk, a roster, and the sockets of clients.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::{TimeZone, offset};
use parking_lot::Mutex;

use crate::dialect::jim::Jim;
use crate::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep};
use crate::dialect::{Ask, Context, Outcome, Settings, Step, route};
use crate::domain::command::{Command, Refusal, Reply, Send, Who};
use crate::domain::decide::Policy;
use crate::domain::desk::{Desk, SessionMemo};
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::presence::Presence;
use crate::domain::query::{Answer, Query};
use crate::domain::roster::{Attach, Roster};
use crate::domain::view::View;
use crate::limits::MESSAGE_BODY_BYTES_MAX;
use crate::proto::http::request::{Decoder, Event as Decoded, Limits};
use crate::store::memory::MemoryStore;
use crate::store::writer::{Submitted, Writer};
use crate::store::{Reader, Store, load, query};

/// 2019-09-13 21:11:31 UTC, as in the contract.
pub const NOW: TimeMs = TimeMs(1_568_380_291_479);

/// A client's socket.
pub type Socket = usize;

#[derive(Clone, Default)]
struct Online(Arc<Mutex<HashMap<AccountId, usize>>>);

impl Presence for Online {
    fn is_online(&self, account: AccountId) -> bool {
        self.0.lock().get(&account).is_some_and(|open| *open > 0)
    }
}

#[derive(Default)]
struct Received {
    frames: Vec<String>,
    closed: Option<(u16, &'static str)>,
}

impl Frames for Received {
    fn text(&mut self, payload: &[u8]) {
        assert_eq!(self.closed, None, "nothing follows the end");
        self.frames
            .push(String::from_utf8(payload.to_vec()).expect("UTF-8"));
    }

    fn binary(&mut self, _: &[u8]) {
        panic!("answers are text");
    }

    fn close(&mut self, code: u16, reason: &'static str) {
        self.closed = Some((code, reason));
    }
}

struct Peer {
    jim: Option<Jim>,
    received: Received,
}

pub struct Host {
    pub settings: Settings,
    pub now: TimeMs,
    /// Given instead of the answer to the next thing that is asked.
    pub refuse: Option<Refusal>,
    writer: Writer<()>,
    reader: Box<dyn Reader>,
    desk: Desk,
    roster: Roster<Socket, Socket>,
    online: Online,
    peers: Vec<Peer>,
    /// Views as events keep them, held to fresh loads by [`Host::check_views`].
    views: Vec<View>,
}

impl Host {
    pub fn new() -> Host {
        Host::with_policy(true, 100)
    }

    pub fn with_policy(open_directory: bool, group_members_max: usize) -> Host {
        let settings = Settings {
            zone: TimeZone::fixed(offset(8)),
            public_url: None,
            app_keys: None,
            message_bytes_max: MESSAGE_BODY_BYTES_MAX,
            upload_bytes_max: 1024,
            open_directory,
            token_idle_ms_max: 7 * 24 * 3600 * 1_000,
            jim_text_field: None,
        };
        let policy = Policy {
            open_directory,
            group_members_max,
            token_idle_ms_max: settings.token_idle_ms_max,
        };
        let online = Online::default();
        let mut store = MemoryStore::new();
        let counters = store.open().expect("a store");
        let reader = store.reader().expect("a reader");
        let writer = Writer::resume(Box::new(store), policy, counters);
        Host {
            desk: Desk::new(1 << 20, settings.token_idle_ms_max),
            settings,
            now: NOW,
            refuse: None,
            writer: writer.with_presence(Box::new(online.clone())),
            reader,
            roster: Roster::default(),
            online,
            peers: Vec::new(),
            views: Vec::new(),
        }
    }

    /// The body of the answer to `POST /im/vanke/<call>`.
    pub fn post(&mut self, call: &str, body: &str) -> String {
        self.post_with(call, "", body)
    }

    /// The same with a further header field, line end included.
    pub fn post_with(&mut self, call: &str, field: &str, body: &str) -> String {
        let bytes = format!(
            "POST /im/vanke/{call} HTTP/1.1\r\nHost: h\r\n{field}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut decoder = Decoder::new();
        let (_, decoded) = decoder
            .decode(bytes.as_bytes(), &Limits::default(), |_| usize::MAX)
            .expect("a request");
        let Decoded::Request(request) = decoded else {
            panic!("a whole request, not {decoded:?}")
        };
        let route = route(&format!("/im/vanke/{call}")).expect("a call");
        let mut body = Vec::new();
        let mut step = self.run(&mut body, |context| (route.start)(&request, context));
        let response = loop {
            match step {
                Step::Done(response) => break response,
                Step::Wait(ask, call) => {
                    let outcome = self.answer(ask, None);
                    step = self.run(&mut body, |context| call.resume(outcome, context));
                }
            }
        };
        assert_eq!(
            (response.status, response.content_type),
            (200, "application/json")
        );
        String::from_utf8(body).expect("UTF-8")
    }

    fn run(&mut self, body: &mut Vec<u8>, step: impl FnOnce(&mut Context<'_>) -> Step) -> Step {
        step(&mut Context {
            desk: &mut self.desk,
            memo: &mut SessionMemo::default(),
            settings: &self.settings,
            presence: &crate::domain::presence::NobodyOnline,
            now: self.now,
            random: &mut |_| panic!("nothing here is random"),
            body,
        })
    }

    /// Opens a socket and gives it with what it is told first.
    pub fn open(&mut self, query: &str) -> (Socket, Vec<String>) {
        let socket = self.peers.len();
        self.peers.push(Peer {
            jim: None,
            received: Received::default(),
        });
        let mut received = Received::default();
        let (jim, step) =
            self.with_context(&mut received, |context| Jim::open(Some(query), context));
        self.peers[socket].jim = Some(jim);
        self.finish(step, socket, received);
        (socket, self.take(socket))
    }

    /// The account `name` with a token and a socket on which it is logged in.
    pub fn log_in(&mut self, name: &str) -> Socket {
        self.log_in_as(name, "", 0)
    }

    pub fn log_in_as(&mut self, name: &str, nick: &str, role: u8) -> Socket {
        let body =
            format!(r#"{{"senderId":"{name}","token":"t-{name}","nick":"{nick}","type":{role}}}"#);
        let answer = self.post("initUser", &body);
        assert_eq!(answer, r#"{"code":200,"msg":"success","data":null}"#);
        let (socket, frames) = self.open(&format!("token=t-{name}"));
        assert_eq!(
            frames,
            [r#"{"code":10007,"command":6,"msg":"ok 登录成功!"}"#]
        );
        socket
    }

    /// Ends a socket.
    pub fn close(&mut self, socket: Socket) {
        let jim = self.peers[socket].jim.take().expect("an open socket");
        if let Some(account) = jim.account() {
            self.roster.detach(account, socket);
            *self.online.0.lock().get_mut(&account).expect("online") -= 1;
        }
    }

    /// Sends a frame and gives what the socket is told from then on, pushes included.
    pub fn send(&mut self, socket: Socket, frame: &str) -> Vec<String> {
        self.send_bytes(socket, frame.as_bytes())
    }

    pub fn send_bytes(&mut self, socket: Socket, frame: &[u8]) -> Vec<String> {
        let mut jim = self.peers[socket].jim.take().expect("an open socket");
        let mut received = Received::default();
        let at_once = self.with_context(&mut received, |context| {
            jim.answer_at_once(frame, true, context)
        });
        let step = match at_once {
            true => SocketStep::Done,
            false => {
                let (_, incoming) = jim.decode(frame, true);
                self.with_context(&mut received, |context| jim.start(incoming, context))
            }
        };
        self.peers[socket].jim = Some(jim);
        self.finish(step, socket, received);
        self.take(socket)
    }

    /// Sends a frame that has one answer.
    #[track_caller]
    pub fn ask(&mut self, socket: Socket, frame: &str) -> String {
        let mut frames = self.send(socket, frame);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// What the socket was told since the last look.
    pub fn take(&mut self, socket: Socket) -> Vec<String> {
        std::mem::take(&mut self.peers[socket].received.frames)
    }

    /// With which code and reason the socket was closed.
    pub fn closed(&self, socket: Socket) -> Option<(u16, &'static str)> {
        self.peers[socket].received.closed
    }

    /// Runs a message's handling to its end; its frames come after what was pushed meanwhile.
    fn finish(
        &mut self,
        mut step: SocketStep<<Jim as Endpoint>::Call>,
        socket: Socket,
        mut received: Received,
    ) {
        while let SocketStep::Wait(ask, call) = step {
            let outcome = self.answer(ask, Some(socket));
            let mut jim = self.peers[socket].jim.take().expect("an open socket");
            step = self.with_context(&mut received, |context| jim.resume(call, outcome, context));
            self.peers[socket].jim = Some(jim);
        }
        let peer = &mut self.peers[socket].received;
        peer.frames.append(&mut received.frames);
        peer.closed = peer.closed.or(received.closed);
    }

    fn with_context<T>(
        &mut self,
        frames: &mut Received,
        handle: impl FnOnce(&mut SocketContext<'_>) -> T,
    ) -> T {
        handle(&mut SocketContext {
            desk: &mut self.desk,
            settings: &self.settings,
            now: self.now,
            presence: &self.online,
            random: &mut |_| panic!("nothing here is random"),
            frames,
        })
    }

    fn answer(&mut self, ask: Ask, socket: Option<Socket>) -> Outcome {
        if let Some(refusal) = self.refuse.take() {
            return Outcome::Refused(refusal);
        }
        match ask {
            Ask::Session(hash) => {
                self.desk.expect_session(hash);
                let Answer::Session(session) = self.query(&Query::Session(hash)) else {
                    panic!("no session")
                };
                Outcome::Session(self.desk.deliver_session(hash, session, self.now))
            }
            Ask::Query(query) => Outcome::Answer(self.query(&query)),
            Ask::Submit(command) => match self.submit(command) {
                Ok(reply) => Outcome::Reply(reply),
                Err(refusal) => Outcome::Refused(refusal),
            },
            Ask::Attach(account) => {
                let socket = socket.expect("a socket");
                if self.roster.attach(account, socket, socket) == Attach::Load {
                    let Answer::Groups(groups) = self.query(&Query::Groups(account)) else {
                        panic!("no groups")
                    };
                    self.roster
                        .deliver(account, self.writer.commit_number(), groups);
                    self.roster.attach(account, socket, socket);
                }
                *self.online.0.lock().entry(account).or_default() += 1;
                Outcome::Attached
            }
            other => panic!("not asked by this dialect: {other:?}"),
        }
    }

    pub fn query(&mut self, asked: &Query) -> Answer {
        query::ask(&mut *self.reader, asked)
            .expect("an answer")
            .answer
    }

    /// Does a command of any dialect and tells the sockets.
    pub fn submit(&mut self, command: Command) -> Result<Reply, Refusal> {
        let mut replies = self.submit_all(vec![command]);
        replies.remove(0)
    }

    /// Does commands in one commit.
    pub fn submit_all(&mut self, commands: Vec<Command>) -> Vec<Result<Reply, Refusal>> {
        for command in commands {
            self.writer.handle_submitted(
                Submitted {
                    lane: 0,
                    command,
                    reply_to: (),
                },
                self.now,
            );
            while let Some(request) = self.writer.poll_load() {
                let loaded = load::fetch(&mut *self.reader, &request);
                self.writer.handle_loaded(loaded, self.now);
            }
        }
        let released = self.writer.commit();
        assert!(released.failures.is_empty(), "{:?}", released.failures);
        if let Some(commit) = released.commit {
            for told in &released.told {
                self.desk.apply(commit, told);
                for view in &mut self.views {
                    view.apply(commit, &told.event);
                }
                for socket in self.roster.apply(commit, told) {
                    self.push(socket, &told.event);
                }
            }
            self.views.iter_mut().for_each(|view| view.advance(commit));
        }
        released
            .replies
            .into_iter()
            .map(|(_, reply)| reply)
            .collect()
    }

    fn push(&mut self, socket: Socket, event: &crate::domain::event::Event) {
        let mut jim = self.peers[socket].jim.take().expect("an open socket");
        let mut received = Received::default();
        let is_told = self.with_context(&mut received, |context| jim.pushes(event, context));
        assert!(received.frames.is_empty());
        self.peers[socket].jim = Some(jim);
        let mut frame = Vec::new();
        if is_told && Jim::encode_push(event, &self.settings, &mut frame) {
            let frame = String::from_utf8(frame).expect("UTF-8");
            self.peers[socket].received.frames.push(frame);
        }
    }

    /// The account of that name, which is created if need be.
    pub fn account(&mut self, name: &str) -> AccountId {
        let query = Query::Resolve {
            account: AccountId::SERVER,
            peer: crate::domain::command::Peer::Account(Who::Name(name.into())),
        };
        if let Answer::Resolved(Some(crate::domain::query::Resolved::Account(account, _))) =
            self.query(&query)
        {
            return account.id;
        }
        let command = Command::Login {
            name: name.into(),
            token: crate::domain::token::TokenHash::new(Dialect::Buyer, name.as_bytes()),
        };
        match self.submit(command) {
            Ok(Reply::Account(account)) => account.id,
            other => panic!("{other:?}"),
        }
    }

    /// `from` says a text to somebody over another dialect; a second passes.
    pub fn say(&mut self, from: &str, to: &str, kind: MessageKind, text: &str) -> Reply {
        let from = self.account(from);
        let reply = self.submit(Command::Send(Send {
            from,
            to: crate::domain::command::Peer::Account(Who::Name(to.into())),
            kind,
            body: text.into(),
            origin: Dialect::Buyer,
            client_id: None,
            attributes: None,
        }));
        self.now.0 += 1_000;
        reply.expect("sent")
    }

    /// Keeps a view of everybody from here on.
    pub fn watch_views(&mut self, names: &[&str]) {
        for name in names {
            let account = self.account(name);
            let Answer::View(view) = self.query(&Query::View(account)) else {
                panic!("no view")
            };
            self.views.push(*view);
        }
    }

    /// Holds what events made of views to what a load shows.
    pub fn check_views(&mut self) {
        for view in self.views.clone() {
            let Answer::View(fresh) = self.query(&Query::View(view.account())) else {
                panic!("no view")
            };
            assert_eq!(view, *fresh);
        }
    }
}
