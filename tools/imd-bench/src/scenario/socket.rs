//! What all WebSocket scenarios have in common: the handshake, logging in to jim, pings.

use serde::Deserialize;

use crate::engine::{Links, Load, Share};
use crate::measure::Recorder;
use crate::pace::Window;
use crate::random::Random;
use crate::wire::ws::{Event, Opcode, Peer, encode};

const JIM_LOGGED_IN: i64 = 10_007;

/// Where messages are sent.
pub struct Socket<'a> {
    links: &'a mut Links,
    random: &'a mut Random,
}

impl Socket<'_> {
    /// Sends a text message.
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
}

/// A scenario over WebSocket connections, as a thread plays it.
pub trait Script: Send {
    /// The path and query of the connection.
    fn path(&self, id: usize) -> String;

    /// The connection is open and, where that is asked for, logged in.
    fn opened(&mut self, socket: &mut Socket<'_>, id: usize);

    /// A message came.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    fn message(&mut self, socket: &mut Socket<'_>, id: usize, payload: &[u8])
    -> Result<(), String>;

    /// The connection has ended through no wish of this side.
    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str);

    /// The time of sending is fixed.
    fn begin(&mut self, window: Window);

    /// Sends what it is time for.
    fn turn(&mut self, socket: &mut Socket<'_>);

    /// When a turn is needed without anything else happening.
    fn wake_ns(&self, now_ns: u64) -> Option<u64>;

    /// Sends nothing more.
    fn stop(&mut self);

    /// Whether everything that was sent came to its end.
    fn is_settled(&self, now_ns: u64) -> bool;

    /// How many units are ready, or will never be.
    fn ready(&self) -> usize;

    /// How many messages have been completed.
    fn completed(&self) -> u64;

    /// What was measured; `None` before the beginning.
    fn into_recorder(self) -> Option<Recorder>;
}

/// Drives a script's connections.
pub struct SocketLoad<S> {
    /// The script.
    pub script: S,
    peers: Vec<Peer>,
    awaits_login: Vec<bool>,
    /// Whether the server speaks first and says that one is logged in.
    jim: bool,
    random: Random,
}

impl<S: Script> SocketLoad<S> {
    /// For `count` connections.
    pub fn new(script: S, share: &Share, count: usize, jim: bool) -> Self {
        SocketLoad {
            script,
            peers: (0..count).map(|_| Peer::default()).collect(),
            awaits_login: vec![false; count],
            jim,
            random: Random::new(share.thread as u64),
        }
    }
}

#[derive(Deserialize)]
struct LoginAnswer {
    code: i64,
}

fn check_login(payload: &[u8]) -> Result<(), String> {
    match serde_json::from_slice::<LoginAnswer>(payload) {
        Ok(answer) if answer.code == JIM_LOGGED_IN => Ok(()),
        Ok(answer) => Err(format!("login refused: {}", answer.code)),
        Err(_) => Err("no answer to the login".to_owned()),
    }
}

impl<S: Script> Load for SocketLoad<S> {
    fn opened(&mut self, links: &mut Links, id: usize) {
        let path = self.script.path(id);
        let request = self.peers[id].handshake(links.authority(), &path);
        links.output(id).extend_from_slice(&request);
    }

    fn received(&mut self, links: &mut Links, id: usize, bytes: &[u8]) -> Result<usize, String> {
        let SocketLoad {
            script,
            peers,
            awaits_login,
            jim,
            random,
        } = self;
        let mut socket = Socket { links, random };
        let mut outcome = Ok(());
        let taken = peers[id].feed(bytes, |event| {
            if outcome.is_err() {
                return;
            }
            match event {
                Event::Opened if *jim => awaits_login[id] = true,
                Event::Opened => script.opened(&mut socket, id),
                Event::Message(payload) if awaits_login[id] => {
                    awaits_login[id] = false;
                    outcome = check_login(payload);
                    if outcome.is_ok() {
                        script.opened(&mut socket, id);
                    }
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

    fn closed(&mut self, links: &mut Links, id: usize, cause: &str) {
        self.awaits_login[id] = false;
        let mut socket = Socket {
            links,
            random: &mut self.random,
        };
        self.script.closed(&mut socket, id, cause);
    }

    fn begin(&mut self, _: &mut Links, window: Window) {
        self.script.begin(window);
    }

    fn turn(&mut self, links: &mut Links) {
        let mut socket = Socket {
            links,
            random: &mut self.random,
        };
        self.script.turn(&mut socket);
    }

    fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        self.script.wake_ns(now_ns)
    }

    fn stop(&mut self) {
        self.script.stop();
    }

    fn is_settled(&self, now_ns: u64) -> bool {
        self.script.is_settled(now_ns)
    }

    fn ready(&self) -> usize {
        self.script.ready()
    }

    fn completed(&self) -> u64 {
        self.script.completed()
    }

    fn into_recorder(self) -> Option<Recorder> {
        self.script.into_recorder()
    }
}
