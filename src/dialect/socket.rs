//! WebSocket endpoints: what a dialect makes of messages, outcomes and events on a connection.
//!
//! ```text
//! open(target) → Opening                      at the handshake; the socket may speak first
//! decode(message) → Incoming                  its order says whether it may overtake nothing or joins the writes before it
//! start(incoming) → SocketStep::Done | Wait   … resume(outcome) → SocketStep …
//! pushes(event) → bool, encode_push(event)    once per event and dialect, shared by all sockets
//! ```
//!
//! Answers leave in the order of their requests. A write starts while other writes are under way; a read waits for all before it.

use crate::dialect::{Ask, Outcome, Settings};
use crate::domain::desk::Desk;
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, TimeMs};
pub use crate::domain::presence::Presence;
use crate::domain::token::TokenHash;

/// What a socket may look at and use while it handles something.
pub struct SocketContext<'a> {
    /// What the shard has in memory.
    pub desk: &'a mut Desk,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The wall clock.
    pub now: TimeMs,
    /// Who is online.
    pub presence: &'a dyn Presence,
    /// Fills with bytes from the operating system's generator.
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// Where answers go.
    pub frames: &'a mut dyn Frames,
}

/// Where a socket's messages go, in order.
pub trait Frames {
    /// Sends a text message.
    fn text(&mut self, payload: &[u8]);
    /// Sends the text message that `write` puts into an empty buffer.
    fn text_with(&mut self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let mut payload = Vec::new();
        write(&mut payload);
        self.text(&payload);
    }
    /// Sends a binary message.
    fn binary(&mut self, payload: &[u8]);
    /// Ends the connection with this code (RFC 6455 §7.4) when everything before it is sent.
    fn close(&mut self, code: u16, reason: &'static str);
}

/// Whether a message may be handled while others are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turnstile {
    /// Its first and only want is a command: it may follow other such messages before they are answered.
    Write,
    /// The same, and nothing answers it: the answers of what comes after it need not wait for its end.
    Silent,
    /// It waits until everything before it is answered.
    Read,
}

/// What comes next in a message's handling.
pub enum SocketStep<C> {
    /// It is answered, as far as it needs an answer.
    Done,
    /// Something must be fetched or done first.
    Wait(Ask, C),
}

/// A dialect's side of a WebSocket connection.
pub trait Endpoint: Sized {
    /// A message, understood.
    type Incoming;
    /// A message's handling that waits for something.
    type Call;

    /// Longest message in bytes, where it is not the operator's to say.
    const MESSAGE_BYTES_MAX: Option<usize> = None;

    /// Begins a connection whose handshake asked for `query`.
    fn open(query: Option<&str>, context: &mut SocketContext<'_>)
    -> (Self, SocketStep<Self::Call>);

    /// Answers a message that needs nothing but what is at hand; `false` when it is not such a one. Asked only when no answer is awaited.
    fn answer_at_once(
        &mut self,
        _payload: &[u8],
        _is_text: bool,
        _context: &mut SocketContext<'_>,
    ) -> bool {
        false
    }

    /// Understands a message, text or binary.
    fn decode(&mut self, payload: &[u8], is_text: bool) -> (Turnstile, Self::Incoming);

    /// Begins to handle a message.
    fn start(
        &mut self,
        incoming: Self::Incoming,
        context: &mut SocketContext<'_>,
    ) -> SocketStep<Self::Call>;

    /// Goes on with what was waited for.
    fn resume(
        &mut self,
        call: Self::Call,
        outcome: Outcome,
        context: &mut SocketContext<'_>,
    ) -> SocketStep<Self::Call>;

    /// The account that is logged in; from [`Ask::Attach`] on it is given events.
    fn account(&self) -> Option<AccountId>;

    /// The token that it was opened with: when that ends, so does the connection.
    fn token(&self) -> Option<TokenHash> {
        None
    }

    /// Whether it can take no message until something that it waits for is done.
    fn is_full(&self) -> bool {
        false
    }

    /// When [`Endpoint::handle_timeout`] is due, by the monotonic clock in milliseconds; [`u64::MAX`] for never. It is `now_ms`, and
    /// times count from here for what has happened since the last question.
    fn deadline_ms(&mut self, _now_ms: u64) -> u64 {
        u64::MAX
    }

    /// The deadline has come.
    fn handle_timeout(&mut self, _now_ms: u64, _context: &mut SocketContext<'_>) {}

    /// Whether this socket is sent what [`Endpoint::encode_push`] makes of the event. It sends nothing itself.
    fn pushes(&mut self, event: &Event, context: &mut SocketContext<'_>) -> bool;

    /// What the dialect's sockets are sent of an event, the same for all of them; `false` for nothing.
    fn encode_push(event: &Event, settings: &Settings, out: &mut Vec<u8>) -> bool;
}
