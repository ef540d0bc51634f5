//! `chat`: pairs of jim users, one of whom writes to the other. Every message is accounted for.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;

use super::socket::{Script, Socket};
use crate::engine::Share;
use crate::ledger::{Delivery, Ledger};
use crate::login::Identity;
use crate::measure::Recorder;
use crate::pace::{Pump, Rate, Window};

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct ChatPlan {
    /// The run's name, part of every message's.
    pub run: String,
    /// Messages of each pair that may be on their way at once.
    pub outstanding: usize,
    /// Bytes of a message; more if its own number takes more.
    pub size: usize,
    /// Whether messages have an id of the client's.
    pub client_ids: bool,
    /// Whether a message is on its way until it is delivered, not only until it is acknowledged.
    pub until_delivered: bool,
    /// The rate of an open loop.
    pub rate: Option<Rate>,
}

const ACKNOWLEDGED: usize = 0;
const DELIVERED: usize = 1;

const COMMAND_PUSH: i64 = 11;
const COMMAND_SENT: i64 = 12;
const CODE_SENT: i64 = 10_000;
const CODE_STORED: i64 = 10_001;

#[derive(Deserialize)]
struct Incoming<'a> {
    command: i64,
    #[serde(default)]
    code: i64,
    #[serde(borrow, default)]
    data: Option<Push<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Push<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Debug)]
struct Pair {
    ledger: Ledger,
    alive: bool,
}

/// One thread's pairs: connection 2i writes to connection 2i + 1.
pub struct Chat {
    plan: ChatPlan,
    share: Share,
    identities: Vec<Identity>,
    pump: Pump,
    recorder: Option<Recorder>,
    pairs: Vec<Pair>,
    opened: Vec<bool>,
    content: String,
    message: String,
    ready: usize,
    alive: usize,
    completed: u64,
    early: Vec<String>,
}

impl Chat {
    /// The script of a share; `identities` has two users a pair.
    pub fn new(plan: ChatPlan, share: Share, identities: Vec<Identity>) -> Self {
        let count = share.units.len();
        let pairs = (0..count).map(|_| Pair {
            ledger: Ledger::default(),
            alive: true,
        });
        Chat {
            pairs: pairs.collect(),
            opened: vec![false; 2 * count],
            plan,
            share,
            identities,
            pump: Pump::default(),
            recorder: None,
            content: String::new(),
            message: String::new(),
            ready: 0,
            alive: count,
            completed: 0,
            early: Vec::new(),
        }
    }

    fn send_due(&mut self, socket: &mut Socket<'_>) {
        while let Some((pair, intended_ns)) = self.pump.next(socket.now_ns()) {
            let number = self.pairs[pair].ledger.send(intended_ns);
            let sender = &self.identities[2 * pair].name;
            let recipient = &self.identities[2 * pair + 1].name;
            let unit = self.share.units.start + pair;
            write_content(&mut self.content, unit, number, self.plan.size);
            self.message.clear();
            let (message, content) = (&mut self.message, &self.content);
            // Writing to a string cannot fail.
            let _ = write!(
                message,
                r#"{{"cmd":11,"chatType":2,"msgType":0,"from":"{sender}","to":"{recipient}","content":"{content}""#
            );
            if self.plan.client_ids {
                let _ = write!(message, r#","id":"{}-{unit}-{number}""#, self.plan.run);
            }
            message.push('}');
            socket.text(2 * pair, self.message.as_bytes());
        }
    }

    fn acknowledged(&mut self, pair: usize, code: i64, now_ns: u64) -> Result<(), String> {
        let accepted = matches!(code, CODE_SENT | CODE_STORED);
        let progress = self.pairs[pair].ledger.answer(accepted);
        let progress = progress.ok_or("answer to no message")?;
        if let Some(recorder) = &mut self.recorder {
            match accepted {
                true => recorder.record(ACKNOWLEDGED, progress.intended_ns, now_ns),
                false => recorder.fail(&format!("refused: {code}"), 1),
            }
        }
        if progress.done || !self.plan.until_delivered {
            self.free(pair);
        }
        self.completed += u64::from(progress.done);
        Ok(())
    }

    fn delivered(&mut self, pair: usize, push: &Push<'_>, now_ns: u64) {
        let number = self.number(pair, push);
        let ledger = &mut self.pairs[pair].ledger;
        let Some(number) = number else {
            ledger.arrive_foreign();
            return;
        };
        if let Some(progress) = ledger.arrive(number) {
            if let Some(recorder) = &mut self.recorder {
                recorder.record(DELIVERED, progress.intended_ns, now_ns);
            }
            if progress.done && self.plan.until_delivered {
                self.free(pair);
            }
            self.completed += u64::from(progress.done);
        }
    }

    /// A message of the pair is no longer on its way.
    fn free(&mut self, pair: usize) {
        if self.pairs[pair].alive {
            self.pump.free(pair);
        }
    }

    /// The number of the message that was pushed; `None`: it is none of this pair's, or was changed on the way.
    fn number(&mut self, pair: usize, push: &Push<'_>) -> Option<u64> {
        let unit = self.share.units.start + pair;
        let mut parts = push.content.splitn(3, ' ');
        let (of, number) = (parts.next()?, parts.next()?);
        if of.parse() != Ok(unit) || push.from != self.identities[2 * pair].name {
            return None;
        }
        let number = number.parse().ok()?;
        write_content(&mut self.content, unit, number, self.plan.size);
        if self.content != push.content {
            return None;
        }
        if self.plan.client_ids {
            self.message.clear();
            let _ = write!(self.message, "{}-{unit}-{number}", self.plan.run);
            if self.message != push.id {
                return None;
            }
        }
        Some(number)
    }

    /// What became of all messages.
    pub fn delivery(&self) -> Delivery {
        let mut sum = Delivery::default();
        for pair in &self.pairs {
            sum.add(&pair.ledger.settle());
        }
        sum
    }
}

/// What message `number` of pair `unit` says: the two numbers, then letters up to `size` bytes.
fn write_content(content: &mut String, unit: usize, number: u64, size: usize) {
    content.clear();
    // Writing to a string cannot fail.
    let _ = write!(content, "{unit} {number} ");
    while content.len() < size {
        content.push_str(&"abcdefghijklmnopqrstuvwxyz"[..26.min(size - content.len())]);
    }
}

impl Script for Chat {
    fn path(&self, id: usize) -> String {
        format!("/?token={}", self.identities[id].token)
    }

    fn opened(&mut self, _: &mut Socket<'_>, id: usize) {
        self.opened[id] = true;
        let pair = id / 2;
        if self.opened[2 * pair] && self.opened[2 * pair + 1] && self.pairs[pair].alive {
            self.ready += 1;
            for _ in 0..self.plan.outstanding {
                self.pump.free(pair);
            }
        }
    }

    fn message(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        payload: &[u8],
    ) -> Result<(), String> {
        let incoming: Incoming<'_> =
            serde_json::from_slice(payload).map_err(|_| "answer that is no JSON".to_owned())?;
        let (pair, is_recipient) = (id / 2, id % 2 == 1);
        match (incoming.command, incoming.data) {
            (COMMAND_SENT, _) if !is_recipient => {
                self.acknowledged(pair, incoming.code, socket.now_ns())?;
            }
            (COMMAND_PUSH, Some(push)) if is_recipient => {
                self.delivered(pair, &push, socket.now_ns());
            }
            (COMMAND_PUSH, _) => self.pairs[pair].ledger.arrive_foreign(),
            (command, _) => return Err(format!("unexpected command {command}")),
        }
        self.send_due(socket);
        Ok(())
    }

    fn closed(&mut self, _: &mut Socket<'_>, id: usize, cause: &str) {
        let pair = id / 2;
        if let Some(recorder) = &mut self.recorder {
            recorder.fail(cause, 1);
        } else {
            self.early.push(cause.to_owned());
        }
        if std::mem::replace(&mut self.pairs[pair].alive, false) {
            self.alive -= 1;
            self.pump.discard(pair);
            let was_ready = self.opened[2 * pair] && self.opened[2 * pair + 1];
            self.ready += usize::from(!was_ready);
        }
    }

    fn begin(&mut self, window: Window) {
        let mut recorder = Recorder::new(&["acknowledged", "delivered"], window);
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
        let mut pairs = self.pairs.iter();
        self.pump.is_over(now_ns) && pairs.all(|pair| pair.ledger.is_settled()) || self.alive == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_asked_and_tells_its_numbers() {
        let mut content = String::new();
        write_content(&mut content, 3, 17, 100);
        assert_eq!(content.len(), 100);
        assert!(content.starts_with("3 17 abc"));
        write_content(&mut content, 3, 17, 1);
        assert_eq!(content, "3 17 ");
    }
}
