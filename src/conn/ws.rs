//! WebSocket on a connection: messages in, answers in the order of their messages, pushes in between.

use smallvec::SmallVec;

use crate::conn::outbox::{BufferPool, Outbox};
use crate::conn::{Cause, Closing, Parsed, Side, Turn, Want, Wanted};
use crate::dialect::Outcome;
use crate::dialect::socket::{Endpoint, Frames, SocketContext, SocketStep, Turnstile};
use crate::domain::event::Event as Happened;
use crate::domain::ids::AccountId;
use crate::limits::{PUSH_BUFFER_BYTES_MAX, SOCKET_CALLS_MAX};
use crate::proto::ws::assembler::{Decoder, Event, Limits};
use crate::proto::ws::deflate::Compressor;
use crate::proto::ws::extension::Deflate;
use crate::proto::ws::{close, encode};

/// What an operator has settled for WebSockets.
#[derive(Clone, Debug)]
pub struct WsSettings {
    /// What a client may send at most.
    pub limits: Limits,
    /// Silence after which a ping is sent, in milliseconds.
    pub ping_after_ms: u64,
    /// Silence after which the connection is closed, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Whether compression is agreed on (permessage-deflate, RFC 7692).
    pub deflate: bool,
    /// Whether `/echo` is served.
    pub diagnostics: bool,
}

/// The compressors of a shard, one for each size of window: without context between messages they serve all connections.
#[derive(Debug, Default)]
pub struct Compressors([Option<Box<Compressor>>; 16]);

impl Compressors {
    fn of(&mut self, deflate: &Deflate) -> Option<&mut Compressor> {
        let slot = self.0.get_mut(usize::from(deflate.server_window_bits()))?;
        Some(slot.get_or_insert_with(|| Box::new(deflate.compressor())))
    }
}

/// What an event means on the wire, made once for all sockets of a dialect.
#[derive(Debug, Default)]
pub struct EncodedPush {
    /// Whether the dialect sends something; `None` before the payload was made.
    is_sent: Option<bool>,
    payload: Vec<u8>,
    frame: Vec<u8>,
}

impl EncodedPush {
    /// Makes it ready for another event. Buffers are kept, unless they are large.
    pub(super) fn clear(&mut self) {
        self.is_sent = None;
        for buffer in [&mut self.payload, &mut self.frame] {
            buffer.clear();
            buffer.shrink_to(PUSH_BUFFER_BYTES_MAX);
        }
    }

    fn encode<E: Endpoint>(&mut self, event: &Happened, turn: &Turn<'_>) -> Option<(&[u8], &[u8])> {
        let payload = &mut self.payload;
        let is_sent = self
            .is_sent
            .get_or_insert_with(|| E::encode_push(event, turn.settings, payload));
        if !*is_sent {
            return None;
        }
        if self.frame.is_empty() {
            encode::text(&mut self.frame, &self.payload);
        }
        Some((&self.payload, &self.frame))
    }
}

/// The WebSocket side of a connection of one dialect.
pub(super) struct Ws<E: Endpoint> {
    decoder: Decoder,
    talk: Talk<E>,
    /// When the peer was last heard, by the monotonic clock in milliseconds.
    heard_ms: u64,
    has_pinged: bool,
}

/// Messages and their answers, above the frames.
struct Talk<E: Endpoint> {
    endpoint: E,
    deflate: Option<Deflate>,
    /// Messages begun; names those that wait.
    calls: u32,
    under_way: Option<Box<UnderWay<E>>>,
}

impl<E: Endpoint> std::fmt::Debug for Ws<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ws")
            .field("account", &self.account())
            .finish_non_exhaustive()
    }
}

/// The messages that are not answered yet, in their order; exists only while there are any.
struct UnderWay<E: Endpoint> {
    /// At most [`SOCKET_CALLS_MAX`], and mostly one.
    flights: SmallVec<[Flight<E::Call>; 1]>,
    /// A message that must wait for those before it.
    held: Option<Box<(Turnstile, E::Incoming)>>,
    /// Whether it is what the endpoint began the connection with: messages mean nothing before it is known who talks.
    is_opening: bool,
}

struct Flight<C> {
    call: u32,
    turnstile: Turnstile,
    /// `None` when it is answered.
    waiting: Option<C>,
    answer: Answer,
}

/// Frames that wait for the answers before them.
#[derive(Default)]
struct Answer {
    frames: Vec<u8>,
    close: Option<(u16, &'static str)>,
}

/// Encodes an endpoint's messages.
struct Sink<'a> {
    out: Out<'a>,
    close: &'a mut Option<(u16, &'static str)>,
    compressor: Option<&'a mut Compressor>,
    scratch: &'a mut Vec<u8>,
}

/// Where frames go.
enum Out<'a> {
    /// Into an answer that keeps its place.
    Answer(&'a mut Vec<u8>),
    /// To the peer. What sends nothing borrows no buffer.
    Outbox(&'a mut Outbox, &'a mut BufferPool),
}

impl Out<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        match self {
            Out::Answer(frames) => frames,
            Out::Outbox(outbox, pool) => outbox.buffer(pool),
        }
    }
}

impl Frames for Sink<'_> {
    fn text(&mut self, payload: &[u8]) {
        match &mut self.compressor {
            Some(compressor) => encode::text_deflated(self.out.buffer(), payload, compressor),
            None => encode::text(self.out.buffer(), payload),
        }
    }

    fn text_with(&mut self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let mut payload = std::mem::take(self.scratch);
        payload.clear();
        write(&mut payload);
        self.text(&payload);
        *self.scratch = payload;
    }

    fn binary(&mut self, payload: &[u8]) {
        match &mut self.compressor {
            Some(compressor) => encode::binary_deflated(self.out.buffer(), payload, compressor),
            None => encode::binary(self.out.buffer(), payload),
        }
    }

    fn close(&mut self, code: u16, reason: &'static str) {
        self.close.get_or_insert((code, reason));
    }
}

impl<E: Endpoint> Ws<E> {
    /// Begins with the handshake done: its answer is in the outbox, and the endpoint may speak first.
    pub(super) fn open(
        query: Option<&str>,
        deflate: Option<Deflate>,
        side: &mut Side<'_, '_>,
    ) -> Ws<E> {
        let (endpoint, step) = with_context(None, deflate.as_ref(), side, |context| {
            E::open(query, context)
        });
        let mut talk = Talk {
            endpoint,
            deflate,
            calls: 0,
            under_way: None,
        };
        talk.take_step(step, Turnstile::Read, Answer::default(), side);
        if let Some(under_way) = &mut talk.under_way {
            under_way.is_opening = true;
        }
        Ws {
            decoder: Decoder::new(deflate),
            talk,
            heard_ms: side.turn.now_ms,
            has_pinged: false,
        }
    }

    /// The account that is logged in.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.talk.endpoint.account()
    }

    /// Whether the next message must wait.
    pub(super) fn is_full(&self) -> bool {
        let under_way = self.talk.under_way.as_ref();
        under_way.is_some_and(|under_way| {
            let is_full = under_way.flights.len() >= SOCKET_CALLS_MAX;
            let is_full = is_full || self.talk.endpoint.is_full();
            is_full || under_way.held.is_some() || under_way.is_opening
        })
    }

    /// Whether an answer is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.talk.under_way.is_some()
    }

    /// Bytes that are kept of a message under way.
    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }

    /// There is no room for the message under way.
    pub(super) fn refuse_body(&mut self, side: &mut Side<'_, '_>) {
        close_socket(
            close::TRY_AGAIN_LATER,
            "too many large messages at once",
            Cause::Overload,
            side,
        );
        self.decoder = Decoder::new(None);
    }

    pub(super) fn deadline_ms(&mut self, turn: &Turn<'_>) -> u64 {
        let own_ms = self.talk.endpoint.deadline_ms(turn.now_ms);
        own_ms.min(self.silence_deadline_ms(turn))
    }

    fn silence_deadline_ms(&self, turn: &Turn<'_>) -> u64 {
        let settings = turn.ws;
        self.heard_ms
            + if self.has_pinged {
                settings.idle_timeout_ms
            } else {
                settings.ping_after_ms
            }
    }

    /// The endpoint's time has come, or the peer was silent for too long: then it is asked whether it is there, or given up.
    pub(super) fn handle_timeout(&mut self, side: &mut Side<'_, '_>) {
        let now_ms = side.turn.now_ms;
        if self.talk.endpoint.deadline_ms(now_ms) <= now_ms {
            let (endpoint, deflate) = (&mut self.talk.endpoint, self.talk.deflate.as_ref());
            with_context(None, deflate, side, |context| {
                endpoint.handle_timeout(now_ms, context)
            });
        }
        if now_ms < self.silence_deadline_ms(side.turn) {
            return;
        }
        let silent_ms = side.turn.now_ms.saturating_sub(self.heard_ms);
        if silent_ms >= side.turn.ws.idle_timeout_ms {
            close_socket(close::GOING_AWAY, "no sign of life", Cause::Idle, side);
        } else {
            encode::ping(side.outbox.buffer(side.turn.buffers), b"");
            self.has_pinged = true;
        }
    }

    /// Takes the next messages out of `data`, the last perhaps in part.
    pub(super) fn parse(&mut self, data: &mut [u8], side: &mut Side<'_, '_>) -> Parsed {
        if !data.is_empty() {
            self.heard_ms = side.turn.now_ms;
            self.has_pinged = false;
        }
        let mut limits = side.turn.ws.limits;
        limits.message_bytes_max = E::MESSAGE_BYTES_MAX.unwrap_or(limits.message_bytes_max);
        let mut taken = 0;
        loop {
            let rest = data.get_mut(taken..).unwrap_or_default();
            let parsed = self.parse_one(rest, &limits, side);
            taken += parsed.taken;
            if parsed.starved {
                return Parsed::starved(taken);
            }
            if *side.closing != Closing::Open || self.is_full() || !side.has_room() {
                return Parsed::taken(taken);
            }
        }
    }

    /// Takes the next message out of `data`, or part of it.
    fn parse_one(&mut self, data: &mut [u8], limits: &Limits, side: &mut Side<'_, '_>) -> Parsed {
        let length = data.len();
        match self.decoder.decode(data, limits) {
            Ok((taken, Event::NeedMore)) => Parsed::starved(taken),
            Ok((taken, event)) => {
                match event {
                    Event::Text(text) => self.talk.handle_message(text.as_bytes(), true, side),
                    Event::Binary(bytes) => self.talk.handle_message(bytes, false, side),
                    Event::Ping(payload) => {
                        encode::pong(side.outbox.buffer(side.turn.buffers), payload)
                    }
                    Event::Close { code, .. } => {
                        encode::close(side.outbox.buffer(side.turn.buffers), code, "");
                        side.end(Closing::Lingering, Cause::Peer);
                    }
                    Event::Pong(_) | Event::NeedMore => {}
                }
                Parsed::taken(taken)
            }
            Err(violation) => {
                close_socket(
                    violation.close_code(),
                    violation.reason(),
                    Cause::Refused,
                    side,
                );
                Parsed::taken(length)
            }
        }
    }

    /// Takes what a message under way wanted.
    pub(super) fn handle_outcome(&mut self, call: u32, outcome: Outcome, side: &mut Side<'_, '_>) {
        self.talk.handle_outcome(call, outcome, side);
    }

    /// Tells the socket of an event that concerns its account.
    pub(super) fn handle_event(
        &mut self,
        event: &Happened,
        push: &mut EncodedPush,
        side: &mut Side<'_, '_>,
    ) {
        if let Happened::TokenEnded(token) = event {
            if self.talk.endpoint.token() == Some(token.hash) {
                close_socket(close::POLICY_VIOLATION, "logged out", Cause::Answered, side);
            }
            return;
        }
        let endpoint = &mut self.talk.endpoint;
        let is_told = with_context(None, None, side, |context| endpoint.pushes(event, context));
        if !is_told {
            return;
        }
        let Some((payload, frame)) = push.encode::<E>(event, side.turn) else {
            return;
        };
        let out = side.outbox.buffer(side.turn.buffers);
        match self
            .talk
            .deflate
            .as_ref()
            .and_then(|deflate| side.turn.compressors.of(deflate))
        {
            Some(compressor) => encode::text_deflated(out, payload, compressor),
            None => out.extend_from_slice(frame),
        }
        if side.outbox.len() > side.turn.http.outbox_bytes_max {
            close_socket(
                close::TRY_AGAIN_LATER,
                "too slow",
                Cause::SlowConsumer,
                side,
            );
        }
    }
}

/// Ends a connection with a close frame.
pub(super) fn close_socket(code: u16, reason: &str, cause: Cause, side: &mut Side<'_, '_>) {
    if *side.closing == Closing::Open {
        encode::close(side.outbox.buffer(side.turn.buffers), Some(code), reason);
        side.end(Closing::Lingering, cause);
    }
}

impl<E: Endpoint> Talk<E> {
    fn handle_message(&mut self, payload: &[u8], is_text: bool, side: &mut Side<'_, '_>) {
        if self.under_way.is_none() {
            let (endpoint, deflate) = (&mut self.endpoint, self.deflate.as_ref());
            if with_context(None, deflate, side, |context| {
                endpoint.answer_at_once(payload, is_text, context)
            }) {
                return;
            }
        }
        let (turnstile, incoming) = self.endpoint.decode(payload, is_text);
        match &mut self.under_way {
            Some(under_way) if !under_way.lets_in(turnstile) => {
                under_way.held = Some(Box::new((turnstile, incoming)))
            }
            _ => self.start(turnstile, incoming, side),
        }
    }

    fn start(&mut self, turnstile: Turnstile, incoming: E::Incoming, side: &mut Side<'_, '_>) {
        let mut answer = Answer::default();
        let later = self.under_way.is_some().then_some(&mut answer);
        let (endpoint, deflate) = (&mut self.endpoint, self.deflate.as_ref());
        let step = with_context(later, deflate, side, |context| {
            endpoint.start(incoming, context)
        });
        self.take_step(step, turnstile, answer, side);
    }

    /// Keeps the place of a message that waits, and of its answer if others are before it.
    fn take_step(
        &mut self,
        step: SocketStep<E::Call>,
        turnstile: Turnstile,
        answer: Answer,
        side: &mut Side<'_, '_>,
    ) {
        let waiting = match step {
            // It is written, or nobody waits for its place.
            SocketStep::Done if answer.is_empty() => return,
            SocketStep::Done => None,
            SocketStep::Wait(ask, waiting) => {
                side.turn.wants.push(Want {
                    call: self.calls,
                    what: Wanted::Ask(ask),
                });
                Some(waiting)
            }
        };
        let flight = Flight {
            call: self.calls,
            turnstile,
            waiting,
            answer,
        };
        self.calls = self.calls.wrapping_add(1);
        let under_way = self.under_way.get_or_insert_with(|| {
            Box::new(UnderWay {
                flights: SmallVec::new(),
                held: None,
                is_opening: false,
            })
        });
        let is_answered = flight.waiting.is_none();
        under_way.flights.push(flight);
        if is_answered {
            under_way.write_answers(side);
        }
    }

    fn handle_outcome(&mut self, call: u32, outcome: Outcome, side: &mut Side<'_, '_>) {
        let Some(under_way) = &mut self.under_way else {
            return;
        };
        let mut is_next = true;
        let Some(flight) = under_way.flights.iter_mut().find(|flight| {
            let is_found = flight.call == call;
            is_next &= is_found || flight.turnstile == Turnstile::Silent;
            is_found
        }) else {
            return;
        };
        let Some(waiting) = flight.waiting.take() else {
            return;
        };
        let is_written = is_next && flight.answer.is_empty() && *side.closing == Closing::Open;
        let later = (!is_written).then_some(&mut flight.answer);
        let (endpoint, deflate) = (&mut self.endpoint, self.deflate.as_ref());
        let step = with_context(later, deflate, side, |context| {
            endpoint.resume(waiting, outcome, context)
        });
        if let SocketStep::Wait(ask, waiting) = step {
            side.turn.wants.push(Want {
                call,
                what: Wanted::Ask(ask),
            });
            flight.waiting = Some(waiting);
        }
        under_way.write_answers(side);
        let lets_in = under_way
            .held
            .as_ref()
            .is_some_and(|held| under_way.lets_in(held.0));
        let held = if lets_in { under_way.held.take() } else { None };
        if under_way.flights.is_empty() && under_way.held.is_none() {
            self.under_way = None;
        }
        if let Some(held) = held
            && *side.closing == Closing::Open
        {
            let (turnstile, incoming) = *held;
            self.start(turnstile, incoming, side);
        }
    }
}

impl<E: Endpoint> UnderWay<E> {
    /// A write may follow writes; anything else waits for all before it.
    fn lets_in(&self, turnstile: Turnstile) -> bool {
        let is_write = |turnstile| turnstile != Turnstile::Read;
        let all_writes = self.flights.iter().all(|flight| is_write(flight.turnstile));
        self.flights.is_empty() || (is_write(turnstile) && all_writes)
    }

    /// Writes the answers that no other has to come before.
    fn write_answers(&mut self, side: &mut Side<'_, '_>) {
        let mut place = 0;
        while let Some(flight) = self.flights.get(place) {
            if flight.waiting.is_none() {
                self.flights.remove(place).answer.write(side);
            } else if flight.turnstile == Turnstile::Silent {
                place += 1;
            } else {
                break;
            }
        }
    }
}

impl Answer {
    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.close.is_none()
    }

    fn write(self, side: &mut Side<'_, '_>) {
        if *side.closing != Closing::Open {
            return;
        }
        if !self.frames.is_empty() {
            side.outbox
                .buffer(side.turn.buffers)
                .extend_from_slice(&self.frames);
        }
        if let Some((code, reason)) = self.close {
            close_socket(code, reason, Cause::Answered, side);
        }
    }
}

/// Lets an endpoint answer: into `later` where other answers come before it, else to the peer.
fn with_context<T>(
    later: Option<&mut Answer>,
    deflate: Option<&Deflate>,
    side: &mut Side<'_, '_>,
    handle: impl FnOnce(&mut SocketContext<'_>) -> T,
) -> T {
    let turn = &mut *side.turn;
    let mut close_now = None;
    let (out, close) = match later {
        Some(answer) => (Out::Answer(&mut answer.frames), &mut answer.close),
        None => (Out::Outbox(side.outbox, turn.buffers), &mut close_now),
    };
    let mut sink = Sink {
        out,
        close,
        compressor: deflate.and_then(|deflate| turn.compressors.of(deflate)),
        scratch: turn.scratch,
    };
    let handled = handle(&mut SocketContext {
        desk: turn.desk,
        settings: turn.settings,
        now: turn.now,
        presence: turn.presence,
        random: turn.random,
        frames: &mut sink,
    });
    if let Some((code, reason)) = close_now {
        close_socket(code, reason, Cause::Answered, side);
    }
    handled
}
