//! What all scenarios have in common below: HTTP connections and WebSockets, handshakes, logging in, pings, and the loop that sends.

use std::borrow::Cow;

use serde::Deserialize;

use super::flow::Flow;
use crate::engine::{Links, Load, Share};
use crate::login::Identity;
use crate::measure::Recorder;
use crate::pace::Window;
use crate::random::Random;
use crate::wire::http;
use crate::wire::ws::{Event, Opcode, Peer, encode};

const JIM_LOGGED_IN: i64 = 10_007;
/// chat answers no `Auth`. It refuses this, and does so after what came before.
const CHAT_PROBE: &str = r#"{"msgType":"Probe"}"#;

/// How a connection begins.
#[derive(Clone, Debug)]
pub enum Entry {
    /// HTTP: it is open at once.
    Http,
    /// A WebSocket at this path and query.
    Plain(String),
    /// jim's WebSocket: the server speaks first and says that one is logged in.
    Jim(Identity),
    /// chat's WebSocket: the client says who it is.
    Chat(Identity),
}

impl Entry {
    fn path(&self) -> Cow<'_, str> {
        match self {
            Entry::Http => "".into(),
            Entry::Plain(path) => path.into(),
            Entry::Jim(identity) => format!("/?token={}", identity.token).into(),
            Entry::Chat(_) => "/ws".into(),
        }
    }
}

/// Where messages are sent, and what the thread knows of its run.
pub struct Socket<'a> {
    links: &'a mut Links,
    random: &'a mut Random,
    /// The run.
    pub flow: &'a mut Flow,
}

impl Socket<'_> {
    /// Sends a text message over a WebSocket.
    pub fn text(&mut self, id: usize, payload: &[u8]) {
        let mask = self.random.next() as u32;
        encode(self.links.output(id), Opcode::Text, mask, payload);
    }

    /// The time of what is being handled.
    pub fn now_ns(&self) -> u64 {
        self.links.now_ns()
    }

    /// The connections below.
    pub fn links(&mut self) -> &mut Links {
        self.links
    }

    /// A number from 0 to `end` - 1.
    pub fn random_below(&mut self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    /// Something that was meant to begin at `intended_ns` ends.
    pub fn record(&mut self, track: usize, intended_ns: u64) {
        self.flow.record(track, intended_ns, self.links.now_ns());
    }
}

/// A scenario, as a thread plays it. Connections are numbered from 0 in each thread; what places are is the scenario's affair.
pub trait Script: Send {
    /// How the connection begins.
    fn entry(&self, id: usize) -> Entry;

    /// The connection is open and, where that is asked for, logged in.
    fn opened(&mut self, socket: &mut Socket<'_>, id: usize);

    /// It is time for a message from `place`.
    fn send(&mut self, _: &mut Socket<'_>, _place: usize, _intended_ns: u64) {}

    /// A message came over a WebSocket.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    fn message(&mut self, _: &mut Socket<'_>, _id: usize, _payload: &[u8]) -> Result<(), String> {
        Ok(())
    }

    /// A response came over HTTP.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    fn response(
        &mut self,
        _: &mut Socket<'_>,
        _id: usize,
        _status: u16,
        _body: &[u8],
    ) -> Result<(), String> {
        Ok(())
    }

    /// The connection has ended through no wish of this side.
    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str);

    /// Once a turn, before messages are sent.
    fn turn(&mut self, _: &mut Socket<'_>) {}

    /// When a turn is needed without anything else happening, beside those that messages are sent in.
    fn wake_ns(&self, _: &Flow, _now_ns: u64) -> Option<u64> {
        None
    }

    /// Whether everything that was sent came to its end.
    fn is_settled(&self, flow: &Flow, now_ns: u64) -> bool;

    /// Begins nothing more.
    fn stop(&mut self) {}

    /// The run has ended.
    fn end(&mut self, _: &mut Flow) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    AwaitsJim,
    AwaitsChat,
}

/// Drives a script's connections.
pub struct ScriptLoad<S> {
    /// The script.
    pub script: S,
    flow: Flow,
    /// Nobody where a connection speaks HTTP.
    peers: Vec<Option<Peer>>,
    stages: Vec<Stage>,
    random: Random,
}

impl<S: Script> ScriptLoad<S> {
    /// For the connections of a share.
    pub fn new(script: S, flow: Flow, share: &Share) -> Self {
        ScriptLoad {
            script,
            flow,
            peers: (0..share.links).map(|_| None).collect(),
            stages: vec![Stage::Open; share.links],
            random: Random::new(share.thread as u64),
        }
    }

    fn split<'a>(&'a mut self, links: &'a mut Links) -> (&'a mut S, Socket<'a>) {
        let socket = Socket {
            links,
            random: &mut self.random,
            flow: &mut self.flow,
        };
        (&mut self.script, socket)
    }

    fn send_due(&mut self, links: &mut Links) {
        let (script, mut socket) = self.split(links);
        while let Some((place, intended_ns)) = socket.flow.next(socket.links.now_ns()) {
            script.send(&mut socket, place, intended_ns);
        }
    }

    fn responses(&mut self, links: &mut Links, id: usize, bytes: &[u8]) -> Result<usize, String> {
        let (script, mut socket) = self.split(links);
        let mut at = 0;
        while let Some(response) = http::parse(&bytes[at..])? {
            let body = &bytes[at..][response.body];
            script.response(&mut socket, id, response.status, body)?;
            at += response.taken;
            if response.closes {
                return Err("closed by the server".to_owned());
            }
        }
        Ok(at)
    }

    fn messages(&mut self, links: &mut Links, id: usize, bytes: &[u8]) -> Result<usize, String> {
        let ScriptLoad {
            script,
            flow,
            peers,
            stages,
            random,
        } = self;
        let Some(peer) = &mut peers[id] else {
            return Ok(bytes.len());
        };
        let stage = &mut stages[id];
        let mut socket = Socket {
            links,
            random,
            flow,
        };
        let mut outcome = Ok(());
        let taken = peer.feed(bytes, |event| {
            if outcome.is_err() {
                return;
            }
            match event {
                Event::Opened => {
                    if *stage == Stage::Open {
                        script.opened(&mut socket, id);
                    }
                    if let Entry::Chat(identity) = script.entry(id) {
                        socket.text(id, chat_auth(&identity).as_bytes());
                        socket.text(id, CHAT_PROBE.as_bytes());
                    }
                }
                Event::Message(payload) if *stage != Stage::Open => {
                    outcome = check_login(*stage, payload).map(|logged_in| {
                        if logged_in {
                            *stage = Stage::Open;
                            script.opened(&mut socket, id);
                        }
                    });
                }
                Event::Message(payload) => outcome = script.message(&mut socket, id, payload),
                Event::Ping(payload) => {
                    let mask = socket.random.next() as u32;
                    encode(socket.links.output(id), Opcode::Pong, mask, payload);
                }
                Event::Closed(code) => outcome = Err(format!("closed by the server: {code}")),
            }
        })?;
        outcome.map(|()| taken)
    }
}

fn chat_auth(identity: &Identity) -> String {
    let Identity { user, token, .. } = identity;
    format!(r#"{{"msgType":"Auth","fromUserId":{user},"content":"{{'token':'{token}'}}"}}"#)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginAnswer<'a> {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    msg_type: &'a str,
}

/// Whether the message says that one is logged in.
fn check_login(stage: Stage, payload: &[u8]) -> Result<bool, String> {
    let answer: LoginAnswer<'_> =
        serde_json::from_slice(payload).map_err(|_| "no answer to the login".to_owned())?;
    match stage {
        Stage::AwaitsJim if answer.code != JIM_LOGGED_IN => {
            Err(format!("login refused: {}", answer.code))
        }
        // What waits is announced before.
        Stage::AwaitsChat => Ok(answer.msg_type == "Error"),
        _ => Ok(true),
    }
}

impl<S: Script> Load for ScriptLoad<S> {
    fn opened(&mut self, links: &mut Links, id: usize) {
        let entry = self.script.entry(id);
        self.stages[id] = match entry {
            Entry::Http => {
                let (script, mut socket) = self.split(links);
                return script.opened(&mut socket, id);
            }
            Entry::Plain(_) => Stage::Open,
            Entry::Jim(_) => Stage::AwaitsJim,
            Entry::Chat(_) => Stage::AwaitsChat,
        };
        let mut peer = Peer::default();
        let request = peer.handshake(links.authority(), &entry.path());
        self.peers[id] = Some(peer);
        links.output(id).extend_from_slice(&request);
    }

    fn received(&mut self, links: &mut Links, id: usize, bytes: &[u8]) -> Result<usize, String> {
        let taken = match self.peers[id] {
            None => self.responses(links, id, bytes),
            Some(_) => self.messages(links, id, bytes),
        };
        self.send_due(links);
        taken
    }

    fn closed(&mut self, links: &mut Links, id: usize, cause: &str) {
        let (script, mut socket) = self.split(links);
        script.closed(&mut socket, id, cause);
    }

    fn begin(&mut self, window: Window) {
        self.flow.begin(window);
    }

    fn turn(&mut self, links: &mut Links) {
        let (script, mut socket) = self.split(links);
        script.turn(&mut socket);
        self.send_due(links);
    }

    fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        let own = self.script.wake_ns(&self.flow, now_ns);
        own.into_iter().chain(self.flow.wake_ns(now_ns)).min()
    }

    fn stop(&mut self) {
        self.script.stop();
        self.flow.stop();
    }

    fn is_settled(&self, now_ns: u64) -> bool {
        self.script.is_settled(&self.flow, now_ns)
    }

    fn ready(&self) -> usize {
        self.flow.ready
    }

    fn completed(&self) -> u64 {
        self.flow.completed
    }

    fn into_recorder(mut self) -> Option<Recorder> {
        self.script.end(&mut self.flow);
        self.flow.into_recorder()
    }
}
