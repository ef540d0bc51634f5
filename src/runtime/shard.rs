//! A shard: its connections for life, and what they share. A turn, one function a step: inbox, sockets, timers, submit, flush. It knows
//! sockets as [`Transport`]s and time as a [`crate::runtime::clock::Clock`], so that everything can be driven without either;
//! [`crate::runtime::event_loop`] gives it both.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::admin::metrics::{Gauge, Recorder};
use crate::conn::{
    BufferPool, Compressors, Delivered, EncodedPushes, Finished, HttpSettings, Want, WsSettings,
};
use crate::dialect::{Route, Settings};
use crate::domain::command::Command;
use crate::domain::desk::Desk;
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::roster::Roster;
use crate::limits::RECEIVE_BUFFER_BYTES;
use crate::proto::http::date::{ImfFixdate, imf_fixdate};
use crate::runtime::credit::Credit;
use crate::runtime::inbox::{CallKey, CommandSlot, Entry};
use crate::runtime::peers::Peer;
use crate::runtime::shared::Shared;
use crate::runtime::slab::{Key, Slab};
use crate::runtime::socket::Transport;
use crate::runtime::wheel::Wheel;
use crate::runtime::work_queue::WorkQueue;
use crate::runtime::writer::ToWriter;
use crate::store::writer::Submitted;

/// How often a shard that drains looks whether it is over, in milliseconds.
const DRAINING_TURN_MS: u64 = 50;

/// Fills a buffer with bytes that nobody can guess.
pub type Random = dyn FnMut(&mut [u8]) + Send;

/// What a shard is made of.
pub struct Parts {
    /// Its number, from 0.
    pub index: usize,
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
    /// To the readers.
    pub readers: Arc<WorkQueue>,
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
    /// What tokens and names are made of.
    pub random: Box<Random>,
}

/// A shard. See the module.
pub struct Shard<T> {
    pub(super) index: usize,
    pub(super) settings: Arc<Settings>,
    pub(super) http: Arc<HttpSettings>,
    pub(super) ws: Arc<WsSettings>,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Sender<ToWriter>,
    pub(super) readers: Arc<WorkQueue>,
    pub(super) recorder: Recorder,
    pub(super) calls: Arc<HashMap<&'static str, usize>>,
    /// The call that was answered last, which is often the next one too, and its number among the calls.
    pub(super) last_call: Option<(&'static Route, Option<usize>)>,
    pub(super) connections_max: usize,
    pub(super) drain_timeout_ms: u64,
    pub(super) random: Box<Random>,

    pub(super) peers: Slab<Peer<T>>,
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
    pub(super) credit: Credit,
    /// That of read marks and acknowledgements.
    pub(super) marks_credit: Credit,
    /// Those that found no room, in their order.
    pub(super) marks_waiting: VecDeque<(CallKey, Command)>,
    pub(super) mark_bytes_waiting: usize,
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
    /// Of the events that sockets are being told of together.
    pub(super) pushes: Vec<EncodedPushes>,
    pub(super) now: TimeMs,
    pub(super) now_us: u64,
    pub(super) now_ms: u64,
    pub(super) date: ImfFixdate,
    pub(super) date_second: i64,
    /// By the monotonic clock in milliseconds.
    pub(super) draining_since_ms: Option<u64>,
}

impl<T: Transport> Shard<T> {
    /// A shard without connections.
    pub fn new(parts: Parts) -> Shard<T> {
        let desk = Desk::new(parts.views_bytes_max, parts.settings.token_idle_ms_max);
        let now_us = parts.shared.now_us();
        let now_ms = now_us / 1_000;
        Shard {
            index: parts.index,
            settings: parts.settings,
            http: parts.http,
            ws: parts.ws,
            seen: parts.shared.published(),
            now: parts.shared.wall(),
            shared: parts.shared,
            writer: parts.writer,
            readers: parts.readers,
            recorder: parts.recorder,
            calls: parts.calls,
            last_call: None,
            connections_max: parts.connections_max,
            drain_timeout_ms: parts.drain_timeout.as_millis() as u64,
            random: parts.random,
            peers: Slab::default(),
            wheel: Wheel::new(now_ms),
            desk,
            ready: VecDeque::new(),
            dirty: Vec::new(),
            submits: Vec::new(),
            credit: Credit::default(),
            marks_credit: Credit::default(),
            marks_waiting: VecDeque::new(),
            mark_bytes_waiting: 0,
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
            pushes: Vec::new(),
            now_us,
            now_ms,
            date: imf_fixdate(0),
            date_second: -1,
            draining_since_ms: None,
        }
    }

    /// Looks at the clocks. What happens until the next look happens at this time.
    pub fn update_clock(&mut self) {
        self.now = self.shared.wall();
        self.now_us = self.shared.now_us();
        self.now_ms = self.now_us / 1_000;
        let second = self.now.0 / 1_000;
        if second != self.date_second {
            self.date_second = second;
            self.date = imf_fixdate(second as u64);
        }
    }

    /// Does what there is to do, once for each connection that is ready; `false` when it was the last turn.
    pub fn turn(&mut self) -> bool {
        self.drain_inbox();
        self.serve_ready();
        self.handle_timers();
        self.drain_server();
        self.submit_touches();
        self.send_submits();
        self.flush();
        self.update_gauges();
        !self.is_over()
    }

    /// When the next turn has something to do although nobody says so, by the monotonic clock in milliseconds; 0 for at once.
    pub fn next_turn_ms(&mut self) -> Option<u64> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        let draining = self
            .draining_since_ms
            .map(|_| self.now_ms + DRAINING_TURN_MS);
        draining.into_iter().chain(self.wheel.next_ms()).min()
    }

    /// The monotonic clock in microseconds, as this turn knows it.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The monotonic clock in milliseconds, as this turn knows it.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
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

    /// When the server stops: connections that wait for nothing end.
    fn drain_server(&mut self) {
        if self.draining_since_ms.is_some() || !self.shared.is_draining() {
            return;
        }
        self.draining_since_ms = Some(self.now_ms);
        for key in self.peers.keys() {
            self.with_conn(key, |conn, turn| conn.handle_drain(turn));
        }
    }

    fn is_over(&self) -> bool {
        self.draining_since_ms.is_some_and(|since_ms| {
            self.peers.is_empty() || self.now_ms - since_ms >= self.drain_timeout_ms
        })
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

    fn send_submits(&mut self) {
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
