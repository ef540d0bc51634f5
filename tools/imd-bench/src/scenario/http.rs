//! `http`: the same call again and again over keep-alive connections.

use std::collections::VecDeque;

use crate::engine::{Links, Load, Share};
use crate::login::Identity;
use crate::measure::Recorder;
use crate::pace::{Pump, Rate, Window};
use crate::random::Random;
use crate::wire::http;

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A call of the buyer API, by its name.
    Buyer(&'static str),
    /// `GET` of any path; every status but 200 is a failure.
    Path(String),
}

/// The calls of the buyer API that can be measured.
pub const BUYER_CALLS: &[&str] = &[
    "getUnreadMsgCount",
    "getMsg",
    "getCurrentChatList",
    "getFirstShowChatList",
    "getHistoryMsg",
    "sendMsg",
];

impl Call {
    /// Understands a call's name or a path.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Call::Path(text.to_owned()));
        }
        let known = BUYER_CALLS.iter().find(|name| **name == text);
        known
            .map(|name| Call::Buyer(name))
            .ok_or_else(|| format!("a path, or one of {}", BUYER_CALLS.join(", ")))
    }
}

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct HttpPlan {
    /// What is called.
    pub call: Call,
    /// What stands before `/buyer` in the server's paths.
    pub prefix: String,
    /// The run's name, which begins all users' names.
    pub run: String,
    /// Calls on their way at once on each connection.
    pub pipeline: usize,
    /// How many parties the calls are about, each call about one at random.
    pub peers: usize,
    /// Bytes of a message.
    pub size: usize,
    /// The rate of an open loop.
    pub rate: Option<Rate>,
}

/// One thread's connections.
pub struct HttpLoad {
    plan: HttpPlan,
    share: Share,
    pump: Pump,
    recorder: Option<Recorder>,
    random: Random,
    /// The request of each connection: up to the party that it is about, and what follows. All of it where it is about nobody.
    requests: Vec<(Vec<u8>, Vec<u8>)>,
    /// When the calls that each connection waits for were meant to be made.
    pending: Vec<VecDeque<u64>>,
    ready: usize,
    alive: usize,
    outstanding: usize,
    completed: u64,
    /// Failures before the run begins.
    early: Vec<String>,
}

impl HttpLoad {
    /// The load of a share; `identities` has one buyer a connection, or nobody if the call needs none.
    pub fn new(plan: HttpPlan, share: Share, authority: &str, identities: &[Identity]) -> Self {
        let count = share.units.len();
        let requests = (0..count).map(|id| {
            let end = format!(" HTTP/1.1\r\nHost: {authority}\r\n\r\n");
            match &plan.call {
                Call::Path(path) => (format!("GET {path}{end}").into_bytes(), Vec::new()),
                Call::Buyer(call) => {
                    let Identity { name, token } = &identities[id];
                    let (prefix, run) = (&plan.prefix, &plan.run);
                    let begin =
                        format!("GET {prefix}/buyer/{call}?buyer_name={name}&token={token}");
                    match *call {
                        "getMsg" | "getHistoryMsg" | "sendMsg" => {
                            let begin = format!("{begin}&shopname={run}-shop-");
                            let end = match *call {
                                "sendMsg" => format!("&content={}{end}", "x".repeat(plan.size)),
                                _ => end,
                            };
                            (begin.into_bytes(), end.into_bytes())
                        }
                        _ => (format!("{begin}{end}").into_bytes(), Vec::new()),
                    }
                }
            }
        });
        HttpLoad {
            requests: requests.collect(),
            random: Random::new(share.thread as u64),
            pending: vec![VecDeque::new(); count],
            pump: Pump::default(),
            recorder: None,
            ready: 0,
            alive: count,
            outstanding: 0,
            completed: 0,
            early: Vec::new(),
            plan,
            share,
        }
    }

    fn send_due(&mut self, links: &mut Links) {
        let now_ns = links.now_ns();
        while let Some((id, intended_ns)) = self.pump.next(now_ns) {
            let (begin, end) = &self.requests[id];
            let output = links.output(id);
            output.extend_from_slice(begin);
            if !end.is_empty() {
                let peer = self.random.below(self.plan.peers as u64);
                output.extend_from_slice(itoa::Buffer::new().format(peer).as_bytes());
                output.extend_from_slice(end);
            }
            self.pending[id].push_back(intended_ns);
            self.outstanding += 1;
        }
    }

    fn complete(&mut self, id: usize, now_ns: u64, failure: Option<String>) -> Result<(), String> {
        let intended_ns = self.pending[id]
            .pop_front()
            .ok_or("response to no request")?;
        self.outstanding -= 1;
        self.completed += 1;
        if let Some(recorder) = &mut self.recorder {
            match failure {
                None => recorder.record(0, intended_ns, now_ns),
                Some(failure) => recorder.fail(&failure, 1),
            }
        }
        Ok(())
    }

    fn judge(&self, status: u16, body: &[u8]) -> Option<String> {
        if status != 200 {
            return Some(format!("status {status}"));
        }
        let done = match self.plan.call {
            Call::Path(_) => true,
            Call::Buyer(_) => memchr::memmem::find(body, br#""success":true"#).is_some(),
        };
        (!done).then(|| "success is not true".to_owned())
    }
}

impl Load for HttpLoad {
    fn opened(&mut self, _: &mut Links, id: usize) {
        self.ready += 1;
        for _ in 0..self.plan.pipeline {
            self.pump.free(id);
        }
    }

    fn received(&mut self, links: &mut Links, id: usize, bytes: &[u8]) -> Result<usize, String> {
        let mut at = 0;
        let mut closes = false;
        while !closes && let Some(response) = http::parse(&bytes[at..])? {
            let body = &bytes[at..][response.body];
            let failure = self.judge(response.status, body);
            self.complete(id, links.now_ns(), failure)?;
            at += response.taken;
            closes = response.closes;
            if !closes {
                self.pump.free(id);
            }
        }
        if closes {
            return Err("closed by the server".to_owned());
        }
        self.send_due(links);
        Ok(at)
    }

    fn closed(&mut self, _: &mut Links, id: usize, cause: &str) {
        self.alive -= 1;
        self.pump.discard(id);
        let lost = self.pending[id].len();
        self.pending[id].clear();
        self.outstanding -= lost;
        match &mut self.recorder {
            Some(recorder) => recorder.fail(cause, lost.max(1) as u64),
            None => {
                self.ready += 1;
                self.early.push(cause.to_owned());
            }
        }
    }

    fn begin(&mut self, _: &mut Links, window: Window) {
        let mut recorder = Recorder::new(&["response"], window);
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

    fn turn(&mut self, links: &mut Links) {
        self.send_due(links);
    }

    fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        self.pump.wake_ns(now_ns)
    }

    fn stop(&mut self) {
        self.pump.stop();
    }

    fn is_settled(&self, now_ns: u64) -> bool {
        self.outstanding == 0 && (self.alive == 0 || self.pump.is_over(now_ns))
    }

    fn ready(&self) -> usize {
        self.ready
    }

    fn completed(&self) -> u64 {
        self.completed
    }

    fn into_recorder(self) -> Option<Recorder> {
        let mut recorder = self.recorder?;
        recorder.fail("no response", self.outstanding as u64);
        recorder.fail("not sent in time", self.pump.unsent());
        Some(recorder)
    }
}
