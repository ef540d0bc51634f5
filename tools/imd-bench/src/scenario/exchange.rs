//! `echo` and `heartbeat`: a message and its answer, over and over.

use std::io::Write;

use super::socket::{Script, Socket};
use crate::engine::Share;
use crate::ledger::{Delivery, Ledger};
use crate::login::Identity;
use crate::measure::Recorder;
use crate::pace::{Pump, Rate, Window};

/// Digits of the number that begins the payload of an echo.
pub const NUMBER_DIGITS: usize = 16;

/// What is sent and what is expected.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A payload of so many bytes, at least [`NUMBER_DIGITS`], which comes back as it is. Each has its number.
    Echo {
        /// Its length in bytes.
        size: usize,
    },
    /// jim's heartbeat, whose answers cannot be told from each other.
    Heartbeat,
}

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct ExchangePlan {
    /// What is sent.
    pub kind: Kind,
    /// The path of echo connections.
    pub path: String,
    /// Messages on their way at once on each connection.
    pub outstanding: usize,
    /// The rate of an open loop.
    pub rate: Option<Rate>,
}

const HEARTBEAT: &[u8] = br#"{"cmd":13,"hbbyte":"-127"}"#;

/// One thread's connections.
pub struct Exchange {
    plan: ExchangePlan,
    share: Share,
    identities: Vec<Identity>,
    pump: Pump,
    recorder: Option<Recorder>,
    ledgers: Vec<Ledger>,
    /// What the next answer on each connection is numbered, where answers have no number.
    next: Vec<u64>,
    filler: Vec<u8>,
    payload: Vec<u8>,
    ready: usize,
    alive: usize,
    completed: u64,
    early: Vec<String>,
}

impl Exchange {
    /// The script of a share; `identities` has one user a connection for heartbeats.
    pub fn new(plan: ExchangePlan, share: Share, identities: Vec<Identity>) -> Self {
        let count = share.units.len();
        let filler = match plan.kind {
            Kind::Echo { size } => vec![b'x'; size.saturating_sub(NUMBER_DIGITS)],
            Kind::Heartbeat => Vec::new(),
        };
        Exchange {
            plan,
            share,
            identities,
            pump: Pump::default(),
            recorder: None,
            ledgers: (0..count).map(|_| Ledger::default()).collect(),
            next: vec![0; count],
            filler,
            payload: Vec::new(),
            ready: 0,
            alive: count,
            completed: 0,
            early: Vec::new(),
        }
    }

    fn send_due(&mut self, socket: &mut Socket<'_>) {
        while let Some((id, intended_ns)) = self.pump.next(socket.now_ns()) {
            let ledger = &mut self.ledgers[id];
            let number = ledger.send(intended_ns);
            // The echo is the only answer.
            ledger.answer(true);
            match self.plan.kind {
                Kind::Heartbeat => socket.text(id, HEARTBEAT),
                Kind::Echo { .. } => {
                    self.payload.clear();
                    // Writing to a vector cannot fail.
                    let _ = write!(self.payload, "{number:016x}");
                    self.payload.extend_from_slice(&self.filler);
                    socket.text(id, &self.payload);
                }
            }
        }
    }

    /// The number of the message that `payload` answers; `None`: of none.
    fn number(&mut self, id: usize, payload: &[u8]) -> Option<u64> {
        match self.plan.kind {
            Kind::Echo { .. } => {
                let (number, filler) = payload.split_at_checked(NUMBER_DIGITS)?;
                let number = std::str::from_utf8(number).ok()?;
                let number = u64::from_str_radix(number, 16).ok()?;
                (filler == self.filler).then_some(number)
            }
            Kind::Heartbeat => {
                memchr::memmem::find(payload, br#""command":13,"#)?;
                let number = self.next[id];
                self.next[id] += 1;
                Some(number)
            }
        }
    }

    /// What became of all messages.
    pub fn delivery(&self) -> Delivery {
        let mut sum = Delivery::default();
        for ledger in &self.ledgers {
            sum.add(&ledger.settle());
        }
        sum
    }
}

impl Script for Exchange {
    fn path(&self, id: usize) -> String {
        match self.plan.kind {
            Kind::Echo { .. } => self.plan.path.clone(),
            Kind::Heartbeat => format!("/?token={}", self.identities[id].token),
        }
    }

    fn opened(&mut self, _: &mut Socket<'_>, id: usize) {
        self.ready += 1;
        for _ in 0..self.plan.outstanding {
            self.pump.free(id);
        }
    }

    fn message(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        payload: &[u8],
    ) -> Result<(), String> {
        let number = self.number(id, payload);
        let ledger = &mut self.ledgers[id];
        match number {
            None => ledger.arrive_foreign(),
            Some(number) => {
                if let Some(progress) = ledger.arrive(number) {
                    self.completed += 1;
                    if let Some(recorder) = &mut self.recorder {
                        recorder.record(0, progress.intended_ns, socket.now_ns());
                    }
                    self.pump.free(id);
                }
            }
        }
        self.send_due(socket);
        Ok(())
    }

    fn closed(&mut self, _: &mut Socket<'_>, id: usize, cause: &str) {
        self.alive -= 1;
        self.pump.discard(id);
        match &mut self.recorder {
            Some(recorder) => recorder.fail(cause, 1),
            None => {
                self.ready += 1;
                self.early.push(cause.to_owned());
            }
        }
    }

    fn begin(&mut self, window: Window) {
        let mut recorder = Recorder::new(&["round trip"], window);
        for cause in self.early.drain(..) {
            recorder.fail(&cause, 1);
        }
        self.recorder = Some(recorder);
        let Share {
            thread, threads, ..
        } = self.share;
        self.pump
            .begin(window, self.plan.rate, thread as u64, threads as u64);
    }

    fn turn(&mut self, socket: &mut Socket<'_>) {
        self.send_due(socket);
    }

    fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        self.pump.wake_ns(now_ns)
    }

    fn stop(&mut self) {
        self.pump.stop();
    }

    fn is_settled(&self, now_ns: u64) -> bool {
        self.alive == 0 || self.pump.is_over(now_ns) && self.ledgers.iter().all(Ledger::is_settled)
    }

    fn ready(&self) -> usize {
        self.ready
    }

    fn completed(&self) -> u64 {
        self.completed
    }

    fn into_recorder(self) -> Option<Recorder> {
        let mut recorder = self.recorder?;
        recorder.fail("not sent in time", self.pump.unsent());
        Some(recorder)
    }
}
