//! `echo` and `heartbeat`: a message and its answer, over and over.

use std::io::Write;

use super::flow::Flow;
use super::socket::{Entry, Script, Socket};
use crate::ledger::{Delivery, Ledger};
use crate::login::Identity;

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
}

const HEARTBEAT: &[u8] = br#"{"cmd":13,"hbbyte":"-127"}"#;

/// One thread's connections.
pub struct Exchange {
    plan: ExchangePlan,
    identities: Vec<Identity>,
    ledgers: Vec<Ledger>,
    /// What the next answer on each connection is numbered, where answers have no number.
    next: Vec<u64>,
    filler: Vec<u8>,
    payload: Vec<u8>,
}

impl Exchange {
    /// The script of `count` connections; `identities` has one user a connection for heartbeats.
    pub fn new(plan: ExchangePlan, count: usize, identities: Vec<Identity>) -> Self {
        let filler = match plan.kind {
            Kind::Echo { size } => vec![b'x'; size.saturating_sub(NUMBER_DIGITS)],
            Kind::Heartbeat => Vec::new(),
        };
        Exchange {
            plan,
            identities,
            ledgers: (0..count).map(|_| Ledger::default()).collect(),
            next: vec![0; count],
            filler,
            payload: Vec::new(),
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
        self.ledgers.iter().map(Ledger::settle).sum()
    }
}

impl Script for Exchange {
    fn entry(&self, id: usize) -> Entry {
        match self.plan.kind {
            Kind::Echo { .. } => Entry::Plain(self.plan.path.clone()),
            Kind::Heartbeat => Entry::Jim(self.identities[id].clone()),
        }
    }

    fn opened(&mut self, socket: &mut Socket<'_>, id: usize) {
        socket.flow.ready += 1;
        for _ in 0..self.plan.outstanding {
            socket.flow.free(id);
        }
    }

    fn send(&mut self, socket: &mut Socket<'_>, id: usize, intended_ns: u64) {
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
                    socket.flow.completed += 1;
                    socket.record(0, progress.intended_ns);
                    socket.flow.free(id);
                }
            }
        }
        Ok(())
    }

    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str) {
        socket.flow.lose(id, cause, 1);
    }

    fn is_settled(&self, flow: &Flow, now_ns: u64) -> bool {
        flow.alive == 0 || flow.is_over(now_ns) && self.ledgers.iter().all(Ledger::is_settled)
    }
}
