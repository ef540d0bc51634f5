//! A connection as a pure state machine: bytes and outcomes in, bytes and wants out. No sockets, no clock.
//!
//! ```text
//! handle_bytes ──▶ http decoder ──▶ dialect call ──▶ Turn::wants (commands, queries, pages)
//! handle_outcome ─▶ the call goes on ──▶ answer ──▶ outbox ──▶ output / handle_written
//! ```
//!
//! Whoever owns it calls, in any order: [`Conn::handle_bytes`] with what was read, [`Conn::handle_outcome`] with what it wanted,
//! [`Conn::handle_end`] when the peer sends no more, [`Conn::handle_timeout`] when [`Conn::deadline_ms`] has come and
//! [`Conn::handle_drain`] when the server stops. After each of these it writes [`Conn::output`], reports with
//! [`Conn::handle_written`], looks at [`Conn::closing`], and calls [`Conn::resume`] as long as [`Conn::has_unparsed_work`].

mod http;
mod outbox;
#[cfg(test)]
mod tests;
mod ws;

pub use http::{CorsPolicy, HttpSettings};
pub use outbox::{BufferPool, Outbox};
pub use ws::{Compressors, WsSettings};

use http::Http;
use ws::{EncodedPush, Ws, close_socket};

use crate::dialect::chat::Chat;
use crate::dialect::echo::Echo;
use crate::dialect::jim::Jim;
use crate::dialect::socket::Presence;
use crate::dialect::{Ask, Outcome, Route, Settings};
use crate::domain::desk::{Desk, SessionMemo};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, TimeMs};
use crate::limits::{
    ANSWERS_WAITING_BYTES_MAX, LINGER_BYTES_MAX, LINGER_MS_MAX, WRITE_STALL_MS_MAX,
};
use crate::proto::http::date::ImfFixdate;
use crate::proto::http::head::Method;
use crate::proto::ws::close;

/// What a connection may look at and use while it handles something: its shard's, for one turn.
pub struct Turn<'a> {
    /// What the shard has in memory.
    pub desk: &'a mut Desk,
    /// The operator's settings for the dialects.
    pub settings: &'a Settings,
    /// The operator's settings for HTTP.
    pub http: &'a HttpSettings,
    /// The operator's settings for WebSockets.
    pub ws: &'a WsSettings,
    /// Who is online.
    pub presence: &'a dyn Presence,
    /// The shard's compressors.
    pub compressors: &'a mut Compressors,
    /// The wall clock.
    pub now: TimeMs,
    /// The monotonic clock in milliseconds.
    pub now_ms: u64,
    /// The wall clock as HTTP writes it.
    pub date: &'a ImfFixdate,
    /// Fills with bytes from the operating system's generator.
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// Where a call writes the body of its answer.
    pub scratch: &'a mut Vec<u8>,
    /// Buffers for what is to be written.
    pub buffers: &'a mut BufferPool,
    /// What the connection wants, for its owner to fetch or do.
    pub wants: &'a mut Vec<Want>,
    /// The calls that were answered.
    pub finished: &'a mut Vec<Finished>,
    /// Whether the server is stopping: every answer is the last of its connection.
    pub draining: bool,
}

/// Something that a connection waits for.
#[derive(Debug)]
pub struct Want {
    /// Names it in [`Conn::handle_outcome`].
    pub call: u32,
    /// What it is.
    pub what: Wanted,
}

/// What a connection waits for.
#[derive(Debug)]
pub enum Wanted {
    /// Of a dialect's call.
    Ask(Ask),
    /// A page: whatever is at a path that is no call.
    Page(Box<PageRequest>),
}

/// A request for a path that is no call of a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// `GET` or `HEAD`, or anything else, which a page that exists answers with 405.
    pub method: Method,
    /// The path, decoded, each repeated slash once.
    pub path: String,
    /// `If-None-Match`.
    pub if_none_match: Option<Vec<u8>>,
    /// `If-Range`.
    pub if_range: Option<Vec<u8>>,
    /// `Range`.
    pub range: Option<Vec<u8>>,
}

/// A page, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The media type; empty for none.
    pub content_type: &'static str,
    /// `Cache-Control`; empty for none.
    pub cache_control: &'static str,
    /// Further header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The content.
    pub body: Vec<u8>,
    /// The content's length where it is left out because the request was `HEAD`.
    pub head_length: Option<u64>,
}

impl Page {
    /// A short page that nobody may store.
    pub fn text(status: u16, body: impl Into<String>) -> Page {
        Page {
            status,
            content_type: "text/plain; charset=utf-8",
            cache_control: "no-store",
            body: body.into().into_bytes(),
            ..Page::default()
        }
    }
}

/// What was wanted.
#[derive(Debug)]
pub enum Delivered {
    /// To [`Wanted::Ask`].
    Outcome(Outcome),
    /// To [`Wanted::Page`].
    Page(Page),
}

/// A call that was answered.
#[derive(Clone, Copy)]
pub struct Finished {
    /// The call's name, or `None` for a page or for what could not be understood.
    pub route: Option<&'static Route>,
    /// How it ended.
    pub status: u16,
    /// What the dialect made of it.
    pub result: crate::dialect::CallResult,
    /// The monotonic clock when the request was complete, in milliseconds.
    pub started_ms: u64,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It goes on.
    Open,
    /// When the output is written the sending side is shut, and what still comes is read and thrown away for a bounded while, so
    /// that the peer can read the last answer. Then it is closed.
    Lingering,
    /// It is to be closed when the output is written.
    AfterOutput,
    /// It is to be closed at once.
    Now,
}

/// What a connection speaks. It begins with HTTP.
#[derive(Debug)]
enum Protocol {
    Http(Box<Http>),
    Echo(Box<Ws<Echo>>),
    Jim(Box<Ws<Jim>>),
    Chat(Box<Ws<Chat>>),
}

/// What an event means on the wire, made once for all sockets of each dialect.
#[derive(Debug, Default)]
pub struct EncodedPushes {
    echo: EncodedPush,
    jim: EncodedPush,
    chat: EncodedPush,
}

impl EncodedPushes {
    /// Makes them ready for another event.
    pub fn clear(&mut self) {
        for push in [&mut self.echo, &mut self.jim, &mut self.chat] {
            push.clear();
        }
    }
}

/// The parts of a connection that its protocol works on.
struct Side<'a, 'b> {
    outbox: &'a mut Outbox,
    memo: &'a mut SessionMemo,
    closing: &'a mut Closing,
    cause: &'a mut Cause,
    turn: &'a mut Turn<'b>,
}

/// How far a protocol came with some bytes.
struct Parsed {
    /// So many were understood.
    taken: usize,
    /// Whether the rest needs more behind it.
    starved: bool,
    /// What the connection speaks from here on, if that changes.
    becomes: Option<Box<Protocol>>,
}

impl Parsed {
    fn taken(taken: usize) -> Parsed {
        Parsed {
            taken,
            starved: false,
            becomes: None,
        }
    }

    fn starved(taken: usize) -> Parsed {
        Parsed {
            taken,
            starved: true,
            becomes: None,
        }
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sends no more.
    Peer,
    /// Its last answer said so.
    Answered,
    /// What came was not HTTP, or past a limit.
    Refused,
    /// Nothing came for too long.
    Idle,
    /// A request came too slowly.
    SlowSender,
    /// The peer took too little of what it was sent.
    SlowConsumer,
    /// The server has no room for what it sends.
    Overload,
    /// The server stops.
    Shutdown,
}

impl Side<'_, '_> {
    /// Whether the answer to a further request finds room.
    fn has_room(&self) -> bool {
        has_room(self.outbox, self.turn.http)
    }

    /// Begins the end, unless it has begun.
    fn end(&mut self, closing: Closing, cause: Cause) {
        if *self.closing == Closing::Open {
            *self.closing = closing;
            *self.cause = cause;
        }
    }
}

fn has_room(outbox: &Outbox, http: &HttpSettings) -> bool {
    outbox.len() < http.outbox_bytes_max.min(ANSWERS_WAITING_BYTES_MAX)
}

#[derive(Debug)]
struct Unparsed(Vec<u8>);

/// A connection, from its first byte to its last.
#[derive(Debug)]
pub struct Conn {
    protocol: Protocol,
    /// Bytes that were read and not yet understood; exists only while there are any.
    unparsed: Option<Box<Unparsed>>,
    outbox: Outbox,
    memo: SessionMemo,
    closing: Closing,
    /// Why, once it does not stay open.
    cause: Cause,
    /// Whether the peer sends no more.
    ended: bool,
    /// Whether the unparsed bytes are the beginning of something that needs more.
    starved: bool,
    /// The monotonic clock in milliseconds at which [`Conn::handle_timeout`] is due.
    deadline_ms: u64,
    /// Since when the peer has taken nothing of what waits, by the monotonic clock in milliseconds; 0 when nothing waits.
    stalled_ms: u64,
    /// Bytes thrown away while lingering.
    discarded: u32,
}

impl Conn {
    /// A connection that was accepted at `now_ms`.
    pub fn new(now_ms: u64, http: &HttpSettings) -> Conn {
        Conn {
            protocol: Protocol::Http(Box::default()),
            unparsed: None,
            outbox: Outbox::default(),
            memo: SessionMemo::default(),
            closing: Closing::Open,
            cause: Cause::Peer,
            ended: false,
            starved: false,
            deadline_ms: now_ms + http.idle_timeout_ms,
            stalled_ms: 0,
            discarded: 0,
        }
    }

    /// Takes bytes that were read.
    pub fn handle_bytes(&mut self, data: &mut [u8], turn: &mut Turn<'_>) {
        if self.closing != Closing::Open {
            self.discarded = self
                .discarded
                .saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
            if self.discarded as usize > LINGER_BYTES_MAX {
                self.closing = Closing::Now;
            }
            return;
        }
        if let Some(unparsed) = &mut self.unparsed {
            unparsed.0.extend_from_slice(data);
            self.resume(turn);
        } else {
            let taken = self.parse(data, turn);
            if self.closing == Closing::Open && taken < data.len() {
                let rest = data.get(taken..).unwrap_or_default();
                self.unparsed = Some(Box::new(Unparsed(rest.to_vec())));
            }
        }
        self.update_deadline(turn);
    }

    /// Goes on with bytes that were read before.
    pub fn resume(&mut self, turn: &mut Turn<'_>) {
        if let Some(mut unparsed) = self.unparsed.take() {
            let taken = self.parse(&mut unparsed.0, turn);
            if self.closing == Closing::Open && taken < unparsed.0.len() {
                unparsed.0.drain(..taken);
                self.unparsed = Some(unparsed);
            }
        }
        self.close_if_over();
        self.update_deadline(turn);
    }

    /// Takes what the call of that number wanted. One that it did not wait for is ignored.
    pub fn handle_outcome(&mut self, call: u32, delivered: Delivered, turn: &mut Turn<'_>) {
        let (protocol, mut side) = self.split(turn);
        match (protocol, delivered) {
            (Protocol::Http(http), delivered) => http.handle_outcome(call, delivered, &mut side),
            (Protocol::Echo(ws), Delivered::Outcome(outcome)) => {
                ws.handle_outcome(call, outcome, &mut side)
            }
            (Protocol::Jim(ws), Delivered::Outcome(outcome)) => {
                ws.handle_outcome(call, outcome, &mut side)
            }
            (Protocol::Chat(ws), Delivered::Outcome(outcome)) => {
                ws.handle_outcome(call, outcome, &mut side)
            }
            (Protocol::Echo(_) | Protocol::Jim(_) | Protocol::Chat(_), Delivered::Page(_)) => {}
        }
        if self.has_unparsed_work(turn.http) {
            self.resume(turn);
        }
        self.close_if_over();
        self.update_deadline(turn);
    }

    /// Tells the connection of an event that concerns its account.
    pub fn handle_event(&mut self, event: &Event, pushes: &mut EncodedPushes, turn: &mut Turn<'_>) {
        if self.closing != Closing::Open {
            return;
        }
        let (protocol, mut side) = self.split(turn);
        match protocol {
            Protocol::Http(_) => {}
            Protocol::Echo(ws) => ws.handle_event(event, &mut pushes.echo, &mut side),
            Protocol::Jim(ws) => ws.handle_event(event, &mut pushes.jim, &mut side),
            Protocol::Chat(ws) => ws.handle_event(event, &mut pushes.chat, &mut side),
        }
        self.update_deadline(turn);
    }

    /// The account that is logged in on a socket.
    pub fn account(&self) -> Option<AccountId> {
        match &self.protocol {
            Protocol::Http(_) => None,
            Protocol::Echo(ws) => ws.account(),
            Protocol::Jim(ws) => ws.account(),
            Protocol::Chat(ws) => ws.account(),
        }
    }

    /// The peer sends no more. What it asked for is still answered.
    pub fn handle_end(&mut self) {
        self.ended = true;
        self.close_if_over();
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        if turn.now_ms < self.deadline_ms {
            return;
        }
        let has_unparsed = self.unparsed.is_some();
        if self.closing != Closing::Open || !self.outbox.is_empty() {
            if self.closing == Closing::Open {
                self.cause = Cause::SlowConsumer;
            }
            self.closing = Closing::Now;
            return;
        }
        let (protocol, mut side) = self.split(turn);
        match protocol {
            Protocol::Http(http) => http.handle_timeout(has_unparsed, &mut side),
            Protocol::Echo(ws) => ws.handle_timeout(&mut side),
            Protocol::Jim(ws) => ws.handle_timeout(&mut side),
            Protocol::Chat(ws) => ws.handle_timeout(&mut side),
        }
        self.update_deadline(turn);
    }

    /// The server stops: the connection ends now, or with the answer under way.
    pub fn handle_drain(&mut self, turn: &mut Turn<'_>) {
        let (protocol, mut side) = self.split(turn);
        match protocol {
            Protocol::Http(http) if http.is_waiting() => {}
            Protocol::Http(_) => side.end(Closing::AfterOutput, Cause::Shutdown),
            Protocol::Echo(_) | Protocol::Jim(_) | Protocol::Chat(_) => close_socket(
                close::GOING_AWAY,
                "the server stops",
                Cause::Shutdown,
                &mut side,
            ),
        }
        self.close_if_written();
        self.update_deadline(turn);
    }

    /// Bytes that are kept of a body or message under way.
    pub fn held_bytes(&self) -> usize {
        match &self.protocol {
            Protocol::Http(http) => http.held_bytes(),
            Protocol::Echo(ws) => ws.held_bytes(),
            Protocol::Jim(ws) => ws.held_bytes(),
            Protocol::Chat(ws) => ws.held_bytes(),
        }
    }

    /// There is no room for the body or message under way.
    pub fn refuse_body(&mut self, turn: &mut Turn<'_>) {
        let (protocol, mut side) = self.split(turn);
        match protocol {
            Protocol::Http(http) => http.refuse_body(&mut side),
            Protocol::Echo(ws) => ws.refuse_body(&mut side),
            Protocol::Jim(ws) => ws.refuse_body(&mut side),
            Protocol::Chat(ws) => ws.refuse_body(&mut side),
        }
        self.update_deadline(turn);
    }

    /// Bytes to write.
    pub fn output(&self) -> &[u8] {
        self.outbox.bytes()
    }

    /// So many bytes of [`Conn::output`] were written.
    pub fn handle_written(&mut self, count: usize, turn: &mut Turn<'_>) {
        self.outbox.advance(count, turn.buffers);
        self.stalled_ms = turn.now_ms;
        self.close_if_over();
        self.update_deadline(turn);
    }

    fn close_if_written(&mut self) {
        if self.outbox.is_empty() && self.closing == Closing::AfterOutput {
            self.closing = Closing::Now;
        }
    }

    /// How it ends.
    pub fn closing(&self) -> Closing {
        self.closing
    }

    /// Why it ends, once [`Conn::closing`] says that it does.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether what the peer sends should be read: not while an answer is awaited or too much waits to be written.
    pub fn wants_read(&self, http: &HttpSettings) -> bool {
        match self.closing {
            Closing::Open => !self.ended && self.can_parse(http),
            Closing::Lingering => !self.ended,
            Closing::AfterOutput | Closing::Now => false,
        }
    }

    /// Whether there are bytes that [`Conn::resume`] can do something with.
    pub fn has_unparsed_work(&self, http: &HttpSettings) -> bool {
        self.unparsed.is_some()
            && !self.starved
            && self.closing == Closing::Open
            && self.can_parse(http)
    }

    /// When [`Conn::handle_timeout`] is due, by the monotonic clock in milliseconds; [`u64::MAX`] for never.
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    fn split<'s, 'a, 'b>(&'s mut self, turn: &'a mut Turn<'b>) -> (&'s mut Protocol, Side<'a, 'b>)
    where
        's: 'a,
    {
        let side = Side {
            outbox: &mut self.outbox,
            memo: &mut self.memo,
            closing: &mut self.closing,
            cause: &mut self.cause,
            turn,
        };
        (&mut self.protocol, side)
    }

    fn can_parse(&self, http: &HttpSettings) -> bool {
        let is_free = match &self.protocol {
            Protocol::Http(http) => !http.is_waiting(),
            Protocol::Echo(ws) => !ws.is_full(),
            Protocol::Jim(ws) => !ws.is_full(),
            Protocol::Chat(ws) => !ws.is_full(),
        };
        is_free && has_room(&self.outbox, http)
    }

    fn parse(&mut self, data: &mut [u8], turn: &mut Turn<'_>) -> usize {
        let mut taken = 0;
        self.starved = false;
        while self.closing == Closing::Open && self.can_parse(turn.http) && !self.starved {
            let rest = data.get_mut(taken..).unwrap_or_default();
            let (protocol, mut side) = self.split(turn);
            let parsed = match protocol {
                Protocol::Http(http) => http.parse(rest, &mut side),
                Protocol::Echo(ws) => ws.parse(rest, &mut side),
                Protocol::Jim(ws) => ws.parse(rest, &mut side),
                Protocol::Chat(ws) => ws.parse(rest, &mut side),
            };
            taken += parsed.taken;
            self.starved = parsed.starved;
            if let Some(protocol) = parsed.becomes {
                self.protocol = *protocol;
            }
        }
        taken
    }

    /// A peer that sends no more and has nothing to wait for is done.
    fn close_if_over(&mut self) {
        let is_waiting = match &self.protocol {
            Protocol::Http(http) => http.is_waiting(),
            Protocol::Echo(ws) => ws.is_waiting(),
            Protocol::Jim(ws) => ws.is_waiting(),
            Protocol::Chat(ws) => ws.is_waiting(),
        };
        let is_all_handled = !is_waiting && (self.unparsed.is_none() || self.starved);
        if self.ended && self.closing == Closing::Open && is_all_handled {
            self.closing = Closing::AfterOutput;
            self.cause = Cause::Peer;
        }
        self.close_if_written();
        if self.ended && self.closing == Closing::Lingering && self.outbox.is_empty() {
            self.closing = Closing::Now;
        }
    }

    fn update_deadline(&mut self, turn: &Turn<'_>) {
        if self.outbox.is_empty() {
            self.stalled_ms = 0;
        } else if self.stalled_ms == 0 {
            self.stalled_ms = turn.now_ms;
        }
        self.deadline_ms = match (&mut self.protocol, self.closing) {
            _ if !self.outbox.is_empty() => self.stalled_ms + WRITE_STALL_MS_MAX,
            (_, Closing::Lingering | Closing::AfterOutput | Closing::Now) => {
                self.deadline_ms.min(turn.now_ms + LINGER_MS_MAX)
            }
            (Protocol::Http(http), Closing::Open) => {
                http.deadline_ms(self.unparsed.is_some(), turn)
            }
            (Protocol::Echo(ws), Closing::Open) => ws.deadline_ms(turn),
            (Protocol::Jim(ws), Closing::Open) => ws.deadline_ms(turn),
            (Protocol::Chat(ws), Closing::Open) => ws.deadline_ms(turn),
        };
    }
}
