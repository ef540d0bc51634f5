//! A shard: one thread, one poll, its connections for life. A turn, one function a step: poll, inbox, sockets, timers, submit, flush.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::admin::metrics::{CloseReason, Counter, Gauge, Histogram, Outcome, Recorder};
use crate::config::LogLevel;
use crate::conn::{
    BufferPool, Cause, Closing, Compressors, Conn, Delivered, Finished, HttpSettings, Turn, Want,
    WsSettings,
};
use crate::dialect::{CallResult, Settings};
use crate::domain::desk::Desk;
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::roster::Roster;
use crate::limits::{
    ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN_MAX, READS_PER_TURN_MAX, RECEIVE_BUFFER_BYTES,
    SHARD_BODY_BYTES_MAX,
};
use crate::proto::http::date::{ImfFixdate, imf_fixdate};
use crate::runtime::inbox::{CallKey, CommandSlot, Entry, Question};
use crate::runtime::reader::Heavy;
use crate::runtime::shared::{Shared, wall_clock};
use crate::runtime::slab::{Key, Slab};
use crate::runtime::socket::Transport;
use crate::runtime::wheel::Wheel;
use crate::runtime::writer::ToWriter;
use crate::store::writer::Submitted;

/// The token of a shard's waker.
pub const WAKER: Token = Token(usize::MAX);
/// Listeners' tokens count down from here.
const LISTENERS: usize = usize::MAX - 1;
/// The generation of keys that connections never have, so that their tokens stay below those of listeners.
const GENERATION_MAX: u32 = u32::MAX;

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

/// A connection and its socket.
struct Peer {
    transport: Transport,
    conn: Conn,
    /// Whether the kernel may have more to read: edges are reported once.
    readable: bool,
    /// Whether the peer has said that it sends no more, so that a short read is not the last.
    read_closed: bool,
    /// Whether the socket takes bytes.
    writable: bool,
    is_ready: bool,
    is_dirty: bool,
    has_shut: bool,
    /// Whose socket it is, once it is attached.
    account: Option<AccountId>,
    /// When the wheel brings it up next.
    timer_ms: u64,
    /// Its part of [`Shard::body_bytes`].
    body_bytes: usize,
}

/// One event loop. See the module.
pub struct Shard {
    pub(super) index: usize,
    poll: Poll,
    listeners: Vec<Listener>,
    pub(super) settings: Arc<Settings>,
    http: Arc<HttpSettings>,
    ws: Arc<WsSettings>,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Sender<ToWriter>,
    pub(super) short: Sender<Question>,
    pub(super) heavy: Sender<Heavy>,
    pub(super) recorder: Recorder,
    calls: Arc<HashMap<&'static str, usize>>,
    connections_max: usize,
    drain_timeout: Duration,

    peers: Slab<Peer>,
    wheel: Wheel,
    pub(super) desk: Desk,
    /// The newest commit whose events have been handled.
    seen: u64,
    /// Connections with something to read or to go on with.
    ready: VecDeque<Key>,
    /// Connections with something to write.
    dirty: Vec<Key>,
    /// Commands of this turn.
    pub(super) submits: Vec<Submitted<CommandSlot>>,
    pub(super) commands_in_flight: usize,
    pub(super) command_bytes_in_flight: usize,
    /// The accounts of the sockets here.
    pub(super) roster: Roster<Key, CallKey>,
    /// Calls that wait for a view that is being loaded.
    pub(super) view_waiters: HashMap<AccountId, Vec<CallKey>>,
    /// Bytes of request bodies under way.
    body_bytes: usize,
    /// What was wanted and is here, to be handed to connections.
    pub(super) delivered: VecDeque<(CallKey, Delivered)>,

    receive: Box<[u8]>,
    entries: Vec<Entry>,
    due: Vec<Key>,
    wants: Vec<Want>,
    finished: Vec<Finished>,
    scratch: Vec<u8>,
    buffers: BufferPool,
    compressors: Compressors,
    pub(super) now: TimeMs,
    now_ms: u64,
    date: ImfFixdate,
    date_second: i64,
    draining_since: Option<Instant>,
}

struct Listener {
    socket: TcpListener,
    is_ready: bool,
    /// Until when accepting rests for want of descriptors, by the monotonic clock in milliseconds.
    paused_until_ms: u64,
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

    fn make_ready(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.is_ready
            && (peer.conn.has_unparsed_work(&self.http)
                || (peer.readable && peer.conn.wants_read(&self.http)))
        {
            peer.is_ready = true;
            self.ready.push_back(key);
        }
    }

    fn make_dirty(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.is_dirty
        {
            peer.is_dirty = true;
            self.dirty.push(key);
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
    fn catch_up(&mut self) {
        if self.shared.published() > self.seen {
            self.drain_inbox();
        }
    }

    fn accept_all(&mut self) {
        for place in 0..self.listeners.len() {
            self.accept(place);
        }
    }

    fn accept(&mut self, place: usize) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let now_ms = self.now_ms;
            let Some(listener) = self.listeners.get_mut(place) else {
                return;
            };
            if !listener.is_ready || listener.paused_until_ms > now_ms {
                return;
            }
            match listener.socket.accept() {
                Ok((stream, _)) => self.accept_one(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listener.is_ready = false;
                    return;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    listener.paused_until_ms = now_ms + ACCEPT_PAUSE_MS;
                    self.shared.log(
                        LogLevel::Warn,
                        &format!("accepting rests for {ACCEPT_PAUSE_MS} ms: {error}"),
                    );
                    return;
                }
            }
        }
    }

    fn accept_one(&mut self, stream: mio::net::TcpStream) {
        self.recorder.count(Counter::ConnectionsAccepted, 1);
        if self.shared.connections.fetch_add(1, Ordering::Relaxed) >= self.connections_max {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.recorder
                .count(Counter::ConnectionsClosed(CloseReason::Overload), 1);
            return;
        }
        // Without it answers wait for acknowledgements; a socket that refuses it works all the same.
        let _ = stream.set_nodelay(true);
        let conn = Conn::new(self.now_ms, &self.http);
        let key = self.peers.insert(|_| Peer {
            transport: Transport::Plain(stream),
            conn,
            readable: true,
            read_closed: false,
            writable: true,
            is_ready: false,
            is_dirty: false,
            has_shut: false,
            account: None,
            timer_ms: u64::MAX,
            body_bytes: 0,
        });
        self.recorder.add(Gauge::ConnectionsOpen, 1);
        let token = Token((key.generation as usize) << u32::BITS | key.slot as usize);
        let registry = self.poll.registry();
        let registered = self
            .peers
            .get_mut(key)
            .map(|peer| peer.transport.register(registry, token));
        match registered {
            Some(Ok(())) if key.generation < GENERATION_MAX => {
                self.set_timer(key);
                self.make_ready(key);
            }
            _ => self.close(key, CloseReason::Error),
        }
    }

    /// Serves each connection that was ready when the turn began, once.
    fn serve_ready(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else {
                return;
            };
            if let Some(peer) = self.peers.get_mut(key) {
                peer.is_ready = false;
                self.serve(key);
            }
        }
    }

    fn serve(&mut self, key: Key) {
        self.catch_up();
        self.with_conn(key, |conn, turn| {
            if conn.has_unparsed_work(turn.http) {
                conn.resume(turn);
            }
        });
        for _ in 0..READS_PER_TURN_MAX {
            let http = Arc::clone(&self.http);
            let Some(peer) = self.peers.get_mut(key) else {
                return;
            };
            if !peer.readable || !peer.conn.wants_read(&http) {
                break;
            }
            match peer.transport.read(&mut self.receive) {
                Ok(0) => {
                    peer.readable = false;
                    self.with_conn(key, |conn, _| conn.handle_end());
                }
                Ok(count) => {
                    // A read that does not fill the buffer has emptied the socket: the next byte is a new edge.
                    peer.readable = count == self.receive.len() || peer.read_closed;
                    self.recorder.count(Counter::BytesReceived, count as u64);
                    self.catch_up();
                    let mut receive = std::mem::take(&mut self.receive);
                    self.with_conn(key, |conn, turn| {
                        conn.handle_bytes(&mut receive[..count], turn)
                    });
                    self.receive = receive;
                    self.bound_bodies(key);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => peer.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(key, CloseReason::Error),
            }
        }
        self.make_ready(key);
    }

    /// The bodies under way share a bound: who needs more than is left is refused.
    fn bound_bodies(&mut self, key: Key) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let held = peer.conn.held_bytes();
        self.body_bytes = self.body_bytes - peer.body_bytes + held;
        peer.body_bytes = held;
        if held > 0 && self.body_bytes > SHARD_BODY_BYTES_MAX {
            self.with_conn(key, |conn, turn| conn.refuse_body(turn));
            self.bound_bodies_released(key);
        }
    }

    fn bound_bodies_released(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key) {
            self.body_bytes -= peer.body_bytes;
            peer.body_bytes = 0;
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

    fn set_timer(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key) {
            let deadline_ms = peer.conn.deadline_ms();
            if deadline_ms < peer.timer_ms {
                peer.timer_ms = self.wheel.set(key, deadline_ms);
            }
        }
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

    /// Lets a connection handle something, then sees to what came of it.
    pub(super) fn with_conn(&mut self, key: Key, handle: impl FnOnce(&mut Conn, &mut Turn<'_>)) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let mut turn = Turn {
            desk: &mut self.desk,
            settings: &self.settings,
            http: &self.http,
            ws: &self.ws,
            presence: &self.shared.sessions,
            compressors: &mut self.compressors,
            now: self.now,
            now_ms: self.now_ms,
            date: &self.date,
            random: &mut fill_random,
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            wants: &mut self.wants,
            finished: &mut self.finished,
            draining: self.draining_since.is_some(),
        };
        handle(&mut peer.conn, &mut turn);
        let has_output = !peer.conn.output().is_empty() || peer.conn.closing() != Closing::Open;
        let deadline_moved = peer.conn.deadline_ms() < peer.timer_ms;
        if has_output {
            self.make_dirty(key);
        }
        if deadline_moved {
            self.set_timer(key);
        }
        for finished in self.finished.drain(..) {
            let call = finished
                .route
                .and_then(|route| self.calls.get(route.name))
                .copied();
            let took = Duration::from_millis(self.now_ms.saturating_sub(finished.started_ms));
            self.recorder.request(call, outcome(&finished), took);
        }
        // In their order: it is the order in which commands reach the writer.
        let mut wants = std::mem::take(&mut self.wants);
        for want in wants.drain(..) {
            let call = CallKey {
                conn: key,
                call: want.call,
            };
            self.want(call, want.what);
        }
        self.wants = wants;
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

    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            self.write(key);
        }
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// One write a connection and turn; what the socket does not take waits for its edge.
    fn write(&mut self, key: Key) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.is_dirty = false;
        let output = peer.conn.output();
        if !output.is_empty() && peer.writable && peer.conn.closing() != Closing::Now {
            let length = output.len();
            match peer.transport.write(output) {
                Ok(count) => {
                    peer.writable = count == length;
                    self.recorder.count(Counter::BytesSent, count as u64);
                    self.with_conn(key, |conn, turn| conn.handle_written(count, turn));
                    self.make_ready(key);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => peer.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.make_dirty(key),
                Err(_) => return self.close(key, CloseReason::Error),
            }
        }
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        match peer.conn.closing() {
            Closing::Now => {
                let reason = close_reason(peer.conn.cause());
                self.close(key, reason);
            }
            Closing::Lingering if peer.conn.output().is_empty() && !peer.has_shut => {
                peer.has_shut = true;
                peer.transport.shut_sending();
                self.make_ready(key);
            }
            _ => {}
        }
    }

    /// Enters whose socket a connection is; `false` when it is gone.
    pub(super) fn set_account(&mut self, key: Key, account: AccountId) -> bool {
        let Some(peer) = self.peers.get_mut(key) else {
            return false;
        };
        peer.account = Some(account);
        true
    }

    /// Whose socket a connection is.
    pub(super) fn account_of(&mut self, key: Key) -> Option<AccountId> {
        self.peers.get_mut(key)?.account
    }

    fn close(&mut self, key: Key, reason: CloseReason) {
        self.bound_bodies_released(key);
        if let Some(peer) = self.peers.remove(key) {
            if let Some(account) = peer.account {
                self.detach(account, key);
            }
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.recorder.sub(Gauge::ConnectionsOpen, 1);
            self.recorder.count(Counter::ConnectionsClosed(reason), 1);
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

fn close_reason(cause: Cause) -> CloseReason {
    match cause {
        Cause::Peer => CloseReason::Peer,
        Cause::Answered => CloseReason::Answered,
        Cause::Refused => CloseReason::Refused,
        Cause::Idle => CloseReason::Idle,
        Cause::SlowSender => CloseReason::SlowSender,
        Cause::SlowConsumer => CloseReason::SlowConsumer,
        Cause::Overload => CloseReason::Overload,
        Cause::Shutdown => CloseReason::Shutdown,
    }
}

fn outcome(finished: &Finished) -> Outcome {
    match finished.result {
        _ if finished.route.is_none() && finished.status >= 400 => Outcome::HttpError,
        CallResult::Ok => Outcome::Ok,
        CallResult::Refused => Outcome::Refused,
        CallResult::Unauthorized => Outcome::Unauthorized,
        CallResult::Busy => Outcome::Busy,
        CallResult::Failed => Outcome::Failed,
    }
}

fn fill_random(bytes: &mut [u8]) {
    // There is no identity to hand out without it.
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Whether the error is about a connection that was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, PermissionDenied};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | PermissionDenied
    )
}
