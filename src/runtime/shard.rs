//! A shard: one thread, one poll, its connections for life. A turn, one function a step: poll, inbox, sockets, timers, submit, flush.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::admin::metrics::{Gauge, Histogram, Recorder};
use crate::config::LogLevel;
use crate::conn::{BufferPool, Compressors, Delivered, Finished, HttpSettings, Want, WsSettings};
use crate::dialect::Settings;
use crate::domain::desk::Desk;
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::roster::Roster;
use crate::limits::RECEIVE_BUFFER_BYTES;
use crate::proto::http::date::{ImfFixdate, imf_fixdate};
use crate::runtime::inbox::{CallKey, CommandSlot, Entry, Question};
use crate::runtime::peers::{Listener, Peer};
use crate::runtime::reader::Heavy;
use crate::runtime::shared::{Shared, wall_clock};
use crate::runtime::slab::{Key, Slab};
use crate::runtime::wheel::Wheel;
use crate::runtime::writer::ToWriter;
use crate::store::writer::Submitted;

/// The token of a shard's waker.
pub const WAKER: Token = Token(usize::MAX);
/// Listeners' tokens count down from here.
const LISTENERS: usize = usize::MAX - 1;
/// The generation of keys that connections never have, so that their tokens stay below those of listeners.
pub(super) const GENERATION_MAX: u32 = u32::MAX;

/// What a shard is made of.
pub struct Parts {
    /// Its number, from 0.
    pub index: usize,
    /// Its poll, with the waker of its inbox registered under [`WAKER`].
    pub poll: Poll,
    /// Its listeners.
    pub listeners: Vec<TcpListener>,
    /// The operator's settings for dialects.
    pub settings: Arc<Settings>,
    /// The operator's settings for HTTP.
    pub http: Arc<HttpSettings>,
    /// The operator's settings for WebSockets.
    pub ws: Arc<WsSettings>,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// To the writer.
    pub writer: Sender<ToWriter>,
    /// To the readers, what is quick.
    pub short: Sender<Question>,
    /// To the readers, what takes long.
    pub heavy: Sender<Heavy>,
    /// Counts for this thread.
    pub recorder: Recorder,
    /// Names of the calls, in the order of the metrics.
    pub calls: Arc<HashMap<&'static str, usize>>,
    /// Most bytes of views.
    pub views_bytes_max: usize,
    /// Most connections over all shards.
    pub connections_max: usize,
    /// How long connections have for their last answers when the server stops.
    pub drain_timeout: Duration,
}

/// One event loop. See the module.
pub struct Shard {
    pub(super) index: usize,
    pub(super) poll: Poll,
    pub(super) listeners: Vec<Listener>,
    pub(super) settings: Arc<Settings>,
    pub(super) http: Arc<HttpSettings>,
    pub(super) ws: Arc<WsSettings>,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Sender<ToWriter>,
    pub(super) short: Sender<Question>,
    pub(super) heavy: Sender<Heavy>,
    pub(super) recorder: Recorder,
    pub(super) calls: Arc<HashMap<&'static str, usize>>,
    pub(super) connections_max: usize,
    pub(super) drain_timeout: Duration,

    pub(super) peers: Slab<Peer>,
    pub(super) wheel: Wheel,
    pub(super) desk: Desk,
    /// The newest commit whose events have been handled.
    pub(super) seen: u64,
    /// Connections with something to read or to go on with.
    pub(super) ready: VecDeque<Key>,
    /// Connections with something to write.
    pub(super) dirty: Vec<Key>,
    /// Commands of this turn.
    pub(super) submits: Vec<Submitted<CommandSlot>>,
    pub(super) commands_in_flight: usize,
    pub(super) command_bytes_in_flight: usize,
    /// The accounts of the sockets here.
    pub(super) roster: Roster<Key, CallKey>,
    /// Calls that wait for a view that is being loaded.
    pub(super) view_waiters: HashMap<AccountId, Vec<CallKey>>,
    /// Bytes of request bodies under way.
    pub(super) body_bytes: usize,
    /// What was wanted and is here, to be handed to connections.
    pub(super) delivered: VecDeque<(CallKey, Delivered)>,

    pub(super) receive: Box<[u8]>,
    pub(super) entries: Vec<Entry>,
    pub(super) due: Vec<Key>,
    pub(super) wants: Vec<Want>,
    pub(super) finished: Vec<Finished>,
    pub(super) scratch: Vec<u8>,
    pub(super) buffers: BufferPool,
    pub(super) compressors: Compressors,
    pub(super) now: TimeMs,
    pub(super) now_ms: u64,
    pub(super) date: ImfFixdate,
    pub(super) date_second: i64,
    pub(super) draining_since: Option<Instant>,
}
impl Shard {
    /// A shard that has everything but a thread.
    ///
    /// # Errors
    /// When a listener cannot be polled.
    pub fn new(parts: Parts) -> io::Result<Shard> {
        let mut listeners = Vec::new();
        for (place, mut socket) in parts.listeners.into_iter().enumerate() {
            parts.poll.registry().register(
                &mut socket,
                Token(LISTENERS - place),
                Interest::READABLE,
            )?;
            listeners.push(Listener {
                socket,
                is_ready: false,
                paused_until_ms: 0,
            });
        }
        let desk = Desk::new(parts.views_bytes_max, parts.settings.token_idle_ms_max);
        let now_ms = parts.shared.now_us() / 1_000;
        Ok(Shard {
            index: parts.index,
            poll: parts.poll,
            listeners,
            settings: parts.settings,
            http: parts.http,
            ws: parts.ws,
            seen: parts.shared.published(),
            shared: parts.shared,
            writer: parts.writer,
            short: parts.short,
            heavy: parts.heavy,
            recorder: parts.recorder,
            calls: parts.calls,
            connections_max: parts.connections_max,
            drain_timeout: parts.drain_timeout,
            peers: Slab::default(),
            wheel: Wheel::new(now_ms),
            desk,
            ready: VecDeque::new(),
            dirty: Vec::new(),
            submits: Vec::new(),
            commands_in_flight: 0,
            command_bytes_in_flight: 0,
            roster: Roster::default(),
            view_waiters: HashMap::new(),
            body_bytes: 0,
            delivered: VecDeque::new(),
            receive: vec![0; RECEIVE_BUFFER_BYTES].into_boxed_slice(),
            entries: Vec::new(),
            due: Vec::new(),
            wants: Vec::new(),
            finished: Vec::new(),
            scratch: Vec::new(),
            buffers: BufferPool::default(),
            compressors: Compressors::default(),
            now: wall_clock(),
            now_ms,
            date: imf_fixdate(0),
            date_second: -1,
            draining_since: None,
        })
    }

    /// Takes turns until the server has stopped.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        while self.turn(&mut events) {}
    }

    /// `false` when it was the last.
    fn turn(&mut self, events: &mut Events) -> bool {
        let timeout = self.poll_timeout();
        if let Err(error) = self.poll.poll(events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.shared
                .log(LogLevel::Error, &format!("polling: {error}"));
        }
        let begun = Instant::now();
        self.update_clock();
        for event in events.iter() {
            self.note(event);
        }
        self.drain_inbox();
        self.accept_all();
        self.serve_ready();
        self.handle_timers();
        self.drain_server();
        self.submit_touches();
        self.submit();
        self.flush();
        self.update_gauges();
        self.recorder.time(Histogram::TurnDuration, begun.elapsed());
        !self.is_over()
    }

    fn poll_timeout(&mut self) -> Option<Duration> {
        let accepting = self
            .listeners
            .iter()
            .any(|listener| listener.is_ready && listener.paused_until_ms <= self.now_ms);
        if !self.ready.is_empty() || accepting {
            return Some(Duration::ZERO);
        }
        let paused = self
            .listeners
            .iter()
            .filter(|listener| listener.is_ready)
            .map(|listener| listener.paused_until_ms);
        let draining = self.draining_since.map(|_| self.now_ms + 50);
        let next_ms = paused.chain(draining).chain(self.wheel.next_ms()).min()?;
        Some(Duration::from_millis(
            next_ms.saturating_sub(self.shared.now_us() / 1_000),
        ))
    }

    fn update_clock(&mut self) {
        self.now = wall_clock();
        self.now_ms = self.shared.now_us() / 1_000;
        let second = self.now.0 / 1_000;
        if second != self.date_second {
            self.date_second = second;
            self.date = imf_fixdate(second as u64);
        }
    }

    fn note(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKER {
            return;
        }
        if let Some(listener) = LISTENERS
            .checked_sub(token.0)
            .and_then(|place| self.listeners.get_mut(place))
        {
            listener.is_ready = true;
            return;
        }
        let key = Key {
            slot: token.0 as u32,
            generation: (token.0 >> u32::BITS) as u32,
        };
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            peer.readable = true;
            peer.read_closed |= event.is_read_closed() || event.is_error();
            self.make_ready(key);
        }
        if event.is_writable() {
            let Some(peer) = self.peers.get_mut(key) else {
                return;
            };
            peer.writable = true;
            if !peer.conn.output().is_empty() {
                self.make_dirty(key);
            }
        }
    }

    /// Handles everything that other threads have for this shard.
    fn drain_inbox(&mut self) {
        // Whatever is published by now is in the inbox by now.
        let published = self.shared.published();
        let mut entries = std::mem::take(&mut self.entries);
        self.shared.inboxes[self.index].drain(&mut entries);
        for entry in entries.drain(..) {
            self.handle_entry(entry);
            self.deliver();
        }
        self.entries = entries;
        self.seen = published;
    }

    /// Before something is answered from memory: memory shows every commit that a client can have heard of.
    pub(super) fn catch_up(&mut self) {
        if self.shared.published() > self.seen {
            self.drain_inbox();
        }
    }

    fn handle_timers(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.poll(self.now_ms, &mut due);
        for key in due.drain(..) {
            let now_ms = self.now_ms;
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            if peer.timer_ms > now_ms {
                continue;
            }
            peer.timer_ms = u64::MAX;
            if peer.conn.deadline_ms() <= now_ms {
                self.with_conn(key, |conn, turn| conn.handle_timeout(turn));
            }
            self.set_timer(key);
        }
        self.due = due;
    }

    /// When the server stops: no more connections, and those that wait for nothing end.
    fn drain_server(&mut self) {
        if self.draining_since.is_some() || !self.shared.is_draining() {
            return;
        }
        self.draining_since = Some(Instant::now());
        for mut listener in std::mem::take(&mut self.listeners) {
            // It is closed by being dropped in any case.
            let _ = self.poll.registry().deregister(&mut listener.socket);
        }
        for key in self.peers.keys() {
            self.with_conn(key, |conn, turn| conn.handle_drain(turn));
        }
    }

    fn is_over(&self) -> bool {
        self.draining_since
            .is_some_and(|since| self.peers.is_empty() || since.elapsed() >= self.drain_timeout)
    }

    /// Hands over what was wanted, which may lead to further wants.
    pub(super) fn deliver(&mut self) {
        while let Some((call, delivered)) = self.delivered.pop_front() {
            self.with_conn(call.conn, |conn, turn| {
                conn.handle_outcome(call.call, delivered, turn)
            });
            self.make_ready(call.conn);
        }
    }

    fn submit(&mut self) {
        self.deliver();
        for submitted in self.submits.drain(..) {
            // The channel has room for every credit; a writer that is gone has taken the server down.
            let _ = self.writer.send(ToWriter::Submit(submitted));
        }
    }

    fn update_gauges(&self) {
        self.recorder
            .set(Gauge::ViewBytes, self.desk.views_bytes() as u64);
        self.recorder.set(Gauge::Views, self.desk.views() as u64);
        self.recorder
            .set(Gauge::Sessions, self.desk.sessions() as u64);
    }
}
