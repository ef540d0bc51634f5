//! `http`: the same call again and again over keep-alive connections.

use std::collections::VecDeque;

use super::flow::Flow;
use super::socket::{Entry, Script, Socket};
use crate::login::Identity;

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
}

/// One thread's connections.
pub struct Http {
    plan: HttpPlan,
    /// The request of each connection: up to the party that it is about, and what follows. All of it where it is about nobody.
    requests: Vec<(Vec<u8>, Vec<u8>)>,
    /// When the calls that each connection waits for were meant to be made.
    pending: Vec<VecDeque<u64>>,
    outstanding: usize,
}

impl Http {
    /// The script of `count` connections; `identities` has one buyer a connection, or nobody if the call needs none.
    pub fn new(plan: HttpPlan, count: usize, authority: &str, identities: &[Identity]) -> Self {
        let requests = (0..count).map(|id| {
            let end = format!(" HTTP/1.1\r\nHost: {authority}\r\n\r\n");
            match &plan.call {
                Call::Path(path) => (format!("GET {path}{end}").into_bytes(), Vec::new()),
                Call::Buyer(call) => {
                    let Identity { name, token, .. } = &identities[id];
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
        Http {
            requests: requests.collect(),
            pending: vec![VecDeque::new(); count],
            outstanding: 0,
            plan,
        }
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

impl Script for Http {
    fn entry(&self, _: usize) -> Entry {
        Entry::Http
    }

    fn opened(&mut self, socket: &mut Socket<'_>, id: usize) {
        socket.flow.ready += 1;
        for _ in 0..self.plan.pipeline {
            socket.flow.free(id);
        }
    }

    fn send(&mut self, socket: &mut Socket<'_>, id: usize, intended_ns: u64) {
        let (begin, end) = &self.requests[id];
        let peer = socket.random_below(self.plan.peers);
        let output = socket.links().output(id);
        output.extend_from_slice(begin);
        if !end.is_empty() {
            output.extend_from_slice(itoa::Buffer::new().format(peer).as_bytes());
            output.extend_from_slice(end);
        }
        self.pending[id].push_back(intended_ns);
        self.outstanding += 1;
    }

    fn response(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        status: u16,
        body: &[u8],
    ) -> Result<(), String> {
        let intended_ns = self.pending[id].pop_front();
        let intended_ns = intended_ns.ok_or("response to no request")?;
        self.outstanding -= 1;
        socket.flow.completed += 1;
        match self.judge(status, body) {
            None => socket.record(0, intended_ns),
            Some(failure) => socket.flow.fail(&failure, 1),
        }
        socket.flow.free(id);
        Ok(())
    }

    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str) {
        let lost = self.pending[id].len();
        self.pending[id].clear();
        self.outstanding -= lost;
        socket.flow.lose(id, cause, lost.max(1) as u64);
    }

    fn is_settled(&self, flow: &Flow, now_ns: u64) -> bool {
        self.outstanding == 0 && (flow.alive == 0 || flow.is_over(now_ns))
    }

    fn end(&mut self, flow: &mut Flow) {
        flow.fail("no response", self.outstanding as u64);
    }
}
