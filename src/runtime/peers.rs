//! What a shard does with its connections: open, read, let them handle things, write, close.

use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::admin::metrics::{CloseReason, Counter, Gauge, Outcome};
use crate::conn::{Cause, Closing, Conn, Finished, Turn};
use crate::dialect::CallResult;
use crate::domain::ids::AccountId;
use crate::limits::{READS_PER_TURN_MAX, SHARD_BODY_BYTES_MAX};
use crate::runtime::inbox::CallKey;
use crate::runtime::shard::Shard;
use crate::runtime::slab::Key;
use crate::runtime::socket::Transport;
use crate::runtime::wheel::Wheel;

/// A connection and its socket.
pub(super) struct Peer<T> {
    pub(super) transport: T,
    pub(super) conn: Conn,
    /// Whether the kernel may have more to read: edges are reported once.
    pub(super) readable: bool,
    /// Whether the peer has said that it sends no more, so that a short read is not the last.
    pub(super) read_closed: bool,
    /// Whether the socket takes bytes.
    pub(super) writable: bool,
    pub(super) is_ready: bool,
    pub(super) is_dirty: bool,
    pub(super) has_shut: bool,
    /// Whose socket it is, once it is attached.
    account: Option<NonZeroU64>,
    /// When the wheel brings it up next.
    pub(super) timer_ms: u64,
    /// Its part of [`Shard::body_bytes`].
    body_bytes: u32,
}

impl<T: Transport> Shard<T> {
    pub(super) fn make_ready(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.is_ready
            && (peer.conn.has_unparsed_work(&self.http)
                || (peer.readable && peer.conn.wants_read(&self.http)))
        {
            peer.is_ready = true;
            self.ready.push_back(key);
        }
    }

    pub(super) fn make_dirty(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.is_dirty
        {
            peer.is_dirty = true;
            self.dirty.push(key);
        }
    }

    /// Takes a connection in, unless there are too many.
    pub fn open(&mut self, transport: T) -> Option<Key> {
        self.recorder.count(Counter::ConnectionsAccepted, 1);
        if self.shared.connections.fetch_add(1, Ordering::Relaxed) >= self.connections_max {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.recorder
                .count(Counter::ConnectionsClosed(CloseReason::Overload), 1);
            return None;
        }
        let conn = Conn::new(self.now_ms, &self.http);
        let key = self.peers.insert(|_| Peer {
            transport,
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
        self.set_timer(key);
        self.make_ready(key);
        Some(key)
    }

    /// The socket of a connection.
    pub fn transport(&mut self, key: Key) -> Option<&mut T> {
        self.peers.get_mut(key).map(|peer| &mut peer.transport)
    }

    /// The socket has something to read, or its end when `is_closed`. It is told once until a read would block.
    pub fn note_readable(&mut self, key: Key, is_closed: bool) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.readable = true;
            peer.read_closed |= is_closed;
            self.make_ready(key);
        }
    }

    /// The socket takes bytes again. It is told once until a write would block.
    pub fn note_writable(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.writable = true;
            if !peer.conn.output().is_empty() {
                self.make_dirty(key);
            }
        }
    }

    /// Serves each connection that was ready when the turn began, once.
    pub(super) fn serve_ready(&mut self) {
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
        let peer = self.peers.get_mut(key);
        if peer.is_some_and(|peer| peer.conn.has_unparsed_work(&self.http)) {
            self.with_conn(key, |conn, turn| conn.resume(turn));
        }
        for _ in 0..READS_PER_TURN_MAX {
            let Some(peer) = self.peers.get_mut(key) else {
                return;
            };
            if !peer.readable || !peer.conn.wants_read(&self.http) {
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
        let held = u32::try_from(peer.conn.held_bytes()).unwrap_or(u32::MAX);
        self.body_bytes = self.body_bytes - peer.body_bytes as usize + held as usize;
        peer.body_bytes = held;
        if held > 0 && self.body_bytes > SHARD_BODY_BYTES_MAX {
            self.with_conn(key, |conn, turn| conn.refuse_body(turn));
            self.bound_bodies_released(key);
        }
    }

    fn bound_bodies_released(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key) {
            self.body_bytes -= peer.body_bytes as usize;
            peer.body_bytes = 0;
        }
    }

    pub(super) fn set_timer(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key) {
            let deadline_ms = peer.conn.deadline_ms();
            if Wheel::is_before(deadline_ms, peer.timer_ms) {
                peer.timer_ms = self.wheel.set(key, deadline_ms);
            }
        }
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
            random: &mut *self.random,
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            wants: &mut self.wants,
            finished: &mut self.finished,
            draining: self.draining_since_ms.is_some(),
        };
        handle(&mut peer.conn, &mut turn);
        let is_closing = peer.conn.closing() != Closing::Open;
        let has_output = !peer.conn.output().is_empty() || is_closing;
        // A socket that is being closed is told nothing more, and its user is not online by it.
        let gone = if is_closing {
            peer.account.take()
        } else {
            None
        };
        let deadline_moved = Wheel::is_before(peer.conn.deadline_ms(), peer.timer_ms);
        if let Some(account) = gone {
            self.detach(AccountId(account.get()), key);
        }
        if has_output {
            self.make_dirty(key);
        }
        if deadline_moved {
            self.set_timer(key);
        }
        for finished in self.finished.drain(..) {
            let call = finished.route.and_then(|route| match self.last_call {
                Some((last, number)) if std::ptr::eq(last, route) => number,
                _ => {
                    let number = self.calls.get(route.name).copied();
                    self.last_call = Some((route, number));
                    number
                }
            });
            let took = Duration::from_millis(self.now_ms.saturating_sub(finished.started_ms));
            self.recorder.request(call, outcome(&finished), took);
        }
        if self.wants.is_empty() {
            return;
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

    pub(super) fn flush(&mut self) {
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
        peer.account = NonZeroU64::new(account.0);
        true
    }

    /// Whose socket a connection is.
    pub(super) fn account_of(&mut self, key: Key) -> Option<AccountId> {
        let account = self.peers.get_mut(key)?.account?;
        Some(AccountId(account.get()))
    }

    /// Closes a connection at once.
    pub fn close(&mut self, key: Key, reason: CloseReason) {
        self.bound_bodies_released(key);
        if let Some(peer) = self.peers.remove(key) {
            if let Some(account) = peer.account {
                self.detach(AccountId(account.get()), key);
            }
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.recorder.sub(Gauge::ConnectionsOpen, 1);
            self.recorder.count(Counter::ConnectionsClosed(reason), 1);
        }
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
