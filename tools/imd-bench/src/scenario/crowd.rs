//! `idle` and `storm`: many connections that say nothing, held, or all lost and made again at once.

use super::dialect::Push;
use super::flow::Flow;
use super::socket::{Entry, Script, Socket};
use crate::clock::SECOND_NS;
use crate::engine::Share;
use crate::login::Identity;

/// How often is looked whether a server that went away is back.
const PROBE_INTERVAL_NS: u64 = SECOND_NS / 100;

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct CrowdPlan {
    /// The path of connections that do not log in.
    pub path: String,
    /// How the others do.
    pub login: Option<Push>,
    /// How many times all connections are lost and made again; 0: they are held.
    pub rounds: usize,
    /// Whether they are lost because the server goes away, and made when it is back.
    pub restart: bool,
}

/// What is measured of connections that are held.
pub const HELD: &[&str] = &["opened"];
/// What is measured of connections that come back.
pub const RETURNING: &[&str] = &["opened", "returned"];
/// From the first dialing to the connection being ready.
const OPENED: usize = 0;
/// From the beginning of the storm.
const RETURNED: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// All connections are open, being opened or lost for good.
    Going,
    /// The server is to go away.
    Leaving,
    /// It is away; the first connection tries whether it is back.
    Away {
        /// When it tries next.
        probe_ns: u64,
    },
}

/// One thread's connections.
pub struct Crowd {
    plan: CrowdPlan,
    identities: Vec<Identity>,
    /// Whether it is this thread that talks to the operator.
    is_first: bool,
    open: Vec<bool>,
    /// How many are open, or will not be.
    settled: usize,
    rounds_left: usize,
    phase: Phase,
    /// When the storm began; 0 before the first.
    round_ns: u64,
    /// How long each storm took until everybody was back, in nanoseconds.
    pub rounds_ns: Vec<u64>,
    stopped: bool,
}

impl Crowd {
    /// The script of a share; `identities` has one user a connection where they log in, else nobody.
    pub fn new(plan: CrowdPlan, share: &Share, identities: Vec<Identity>) -> Self {
        Crowd {
            rounds_left: plan.rounds,
            plan,
            identities,
            is_first: share.thread == 0,
            open: vec![false; share.links],
            settled: 0,
            phase: Phase::Going,
            round_ns: 0,
            rounds_ns: Vec::new(),
            stopped: false,
        }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.iter().filter(|open| **open).count()
    }

    fn all_settled(&self) -> bool {
        self.settled == self.open.len()
    }

    fn settle(&mut self, socket: &mut Socket<'_>) {
        self.settled += 1;
        socket.flow.ready += usize::from(self.round_ns == 0);
        if self.all_settled() && self.round_ns > 0 {
            self.rounds_ns.push(socket.now_ns() - self.round_ns);
        }
    }

    fn begin_round(&mut self, round_ns: u64) {
        self.rounds_left -= 1;
        self.round_ns = round_ns;
        self.settled = 0;
        self.phase = Phase::Going;
    }
}

impl Script for Crowd {
    fn entry(&self, id: usize) -> Entry {
        match (self.plan.login, self.identities.get(id)) {
            (Some(Push::Jim), Some(identity)) => Entry::Jim(identity.clone()),
            (Some(Push::Chat), Some(identity)) => Entry::Chat(identity.clone()),
            _ => Entry::Plain(self.plan.path.clone()),
        }
    }

    fn opened(&mut self, socket: &mut Socket<'_>, id: usize) {
        let dialed_ns = socket.links().dialed_ns(id);
        if matches!(self.phase, Phase::Away { .. }) {
            // The storm began when it was dialed: the server was there.
            self.begin_round(dialed_ns);
            for other in (0..self.open.len()).filter(|other| *other != id) {
                socket.links().dial(other);
            }
        }
        if self.round_ns > 0 {
            socket.record(RETURNED, self.round_ns);
        }
        if self.round_ns > 0 || self.plan.rounds == 0 {
            socket.record(OPENED, dialed_ns);
        }
        socket.flow.completed += 1;
        self.open[id] = true;
        self.settle(socket);
    }

    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str) {
        let was_open = std::mem::replace(&mut self.open[id], false);
        match self.phase {
            Phase::Going => {
                socket.flow.fail(cause, 1);
                if !was_open {
                    self.settle(socket);
                }
            }
            Phase::Leaving if self.open.contains(&true) => {}
            Phase::Leaving | Phase::Away { .. } => {
                let probe_ns = socket.now_ns() + PROBE_INTERVAL_NS;
                self.phase = Phase::Away { probe_ns };
            }
        }
    }

    fn turn(&mut self, socket: &mut Socket<'_>) {
        let now_ns = socket.now_ns();
        if let Phase::Away { probe_ns } = self.phase
            && now_ns >= probe_ns
        {
            let probe_ns = u64::MAX;
            self.phase = Phase::Away { probe_ns };
            socket.links().dial(0);
        }
        let window = socket.flow.window;
        let begun = window.is_some_and(|window| now_ns >= window.start_ns);
        let is_due = begun && self.rounds_left > 0 && self.all_settled();
        if !is_due || self.phase != Phase::Going {
            return;
        }
        if self.plan.restart {
            self.phase = Phase::Leaving;
            if self.is_first {
                eprintln!("imd-bench: restart the server");
            }
            return;
        }
        self.begin_round(now_ns);
        for id in 0..self.open.len() {
            self.open[id] = false;
            socket.links().drop_abruptly(id);
            socket.links().dial(id);
        }
    }

    fn wake_ns(&self, flow: &Flow, now_ns: u64) -> Option<u64> {
        let start_ns = flow.window?.start_ns;
        let probe_ns = match self.phase {
            Phase::Away { probe_ns } => Some(probe_ns).filter(|probe_ns| *probe_ns < u64::MAX),
            _ => None,
        };
        probe_ns.or((start_ns > now_ns).then_some(start_ns))
    }

    fn is_settled(&self, flow: &Flow, now_ns: u64) -> bool {
        let over = match self.plan.rounds {
            0 => flow.window.is_some_and(|window| now_ns >= window.end_ns),
            _ => self.rounds_left == 0 && self.all_settled(),
        };
        over || self.stopped
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn end(&mut self, flow: &mut Flow) {
        let missing = match self.phase {
            Phase::Going => self.open.len() - self.settled,
            // The server never came back.
            _ => self.open.len(),
        };
        flow.fail("not back in time", missing as u64);
    }
}
