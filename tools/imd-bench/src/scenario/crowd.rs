//! `idle` and `storm`: many connections that say nothing, held, or all lost and made again at once.

use super::socket::{Script, Socket};
use crate::engine::Share;
use crate::login::Identity;
use crate::measure::Recorder;
use crate::pace::Window;

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct CrowdPlan {
    /// The path of connections that do not log in.
    pub path: String,
    /// How many times all connections are lost and made again; 0: they are held.
    pub rounds: usize,
}

/// From the first dialing to the connection being ready.
const OPENED: usize = 0;
/// From the beginning of the storm.
const RETURNED: usize = 1;

/// One thread's connections.
pub struct Crowd {
    plan: CrowdPlan,
    identities: Vec<Identity>,
    recorder: Recorder,
    open: Vec<bool>,
    count: usize,
    /// How many are open, or will not be.
    settled: usize,
    window: Option<Window>,
    rounds_left: usize,
    round_ns: u64,
    /// How long each storm took until everybody was back, in nanoseconds.
    pub rounds_ns: Vec<u64>,
    completed: u64,
    stopped: bool,
}

impl Crowd {
    /// The script of a share; `identities` has one user a connection where they log in, else nobody.
    pub fn new(plan: CrowdPlan, share: &Share, identities: Vec<Identity>) -> Self {
        let count = share.units.len();
        // Opening connections counts although it comes before the time of sending.
        let always = Window {
            start_ns: 0,
            counted_ns: 0,
            end_ns: u64::MAX,
        };
        let names: &[_] = match plan.rounds {
            0 => &["opened"],
            _ => &["opened", "returned"],
        };
        Crowd {
            rounds_left: plan.rounds,
            plan,
            identities,
            recorder: Recorder::new(names, always),
            open: vec![false; count],
            count,
            settled: 0,
            window: None,
            round_ns: 0,
            rounds_ns: Vec::new(),
            completed: 0,
            stopped: false,
        }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.iter().filter(|open| **open).count()
    }

    fn settle(&mut self, now_ns: u64) {
        self.settled += 1;
        if self.settled == self.count && self.round_ns > 0 {
            self.rounds_ns.push(now_ns - self.round_ns);
        }
    }
}

impl Script for Crowd {
    fn path(&self, id: usize) -> String {
        match self.identities.get(id) {
            Some(identity) => format!("/?token={}", identity.token),
            None => self.plan.path.clone(),
        }
    }

    fn opened(&mut self, socket: &mut Socket<'_>, id: usize) {
        let now_ns = socket.now_ns();
        let dialed_ns = socket.links().dialed_ns(id);
        if self.round_ns > 0 {
            self.recorder.record(RETURNED, self.round_ns, now_ns);
        }
        if self.round_ns > 0 || self.plan.rounds == 0 {
            self.recorder.record(OPENED, dialed_ns, now_ns);
        }
        self.completed += 1;
        self.open[id] = true;
        self.settle(now_ns);
    }

    fn message(&mut self, _: &mut Socket<'_>, _: usize, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str) {
        self.recorder.fail(cause, 1);
        if !std::mem::replace(&mut self.open[id], false) {
            self.settle(socket.now_ns());
        }
    }

    fn begin(&mut self, window: Window) {
        self.window = Some(window);
    }

    fn turn(&mut self, socket: &mut Socket<'_>) {
        let now_ns = socket.now_ns();
        let begun = self.window.is_some_and(|window| now_ns >= window.start_ns);
        if begun && self.rounds_left > 0 && self.settled == self.count {
            self.rounds_left -= 1;
            self.round_ns = now_ns;
            self.settled = 0;
            for id in 0..self.count {
                self.open[id] = false;
                socket.links().drop_abruptly(id);
                socket.links().dial(id);
            }
        }
    }

    fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        let start_ns = self.window?.start_ns;
        (start_ns > now_ns).then_some(start_ns)
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn is_settled(&self, now_ns: u64) -> bool {
        let over = match self.plan.rounds {
            0 => self.window.is_some_and(|window| now_ns >= window.end_ns),
            _ => self.rounds_left == 0 && self.settled == self.count,
        };
        over || self.stopped
    }

    fn ready(&self) -> usize {
        self.settled
    }

    fn completed(&self) -> u64 {
        self.completed
    }

    fn into_recorder(mut self) -> Option<Recorder> {
        let missing = self.count - self.settled;
        self.recorder.fail("not back in time", missing as u64);
        Some(self.recorder)
    }
}
