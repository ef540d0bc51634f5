//! The thread of a shard: one poll, its listeners, and turns of the shard whenever there is something to do.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::admin::metrics::{CloseReason, Histogram};
use crate::config::LogLevel;
use crate::limits::{ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN_MAX};
use crate::runtime::shard::Shard;
use crate::runtime::shared::Shared;
use crate::runtime::slab::Key;

/// The token of a shard's waker.
pub const WAKER: Token = Token(usize::MAX);
/// Listeners' tokens count down from here.
const LISTENERS: usize = usize::MAX - 1;
/// The generation of keys that connections never have, so that their tokens stay below those of listeners.
const GENERATION_MAX: u32 = u32::MAX;
/// Most events of one poll.
const EVENTS_MAX: usize = 1_024;

/// One event loop. See the module.
pub struct EventLoop {
    poll: Poll,
    listeners: Vec<Listener>,
    shard: Shard<TcpStream>,
    shared: Arc<Shared>,
    /// How long it looks for events before it sleeps.
    busy_poll: Duration,
    /// The monotonic clock in microseconds when the last turn ended.
    ended_us: u64,
}

struct Listener {
    socket: TcpListener,
    is_ready: bool,
    /// Until when accepting rests for want of descriptors, by the monotonic clock in milliseconds.
    paused_until_ms: u64,
}

impl EventLoop {
    /// An event loop that has everything but a thread. `poll` has the waker of the shard's inbox registered under [`WAKER`].
    ///
    /// # Errors
    /// When a listener cannot be polled.
    pub fn new(
        poll: Poll,
        sockets: Vec<TcpListener>,
        shard: Shard<TcpStream>,
        shared: Arc<Shared>,
        busy_poll: Duration,
    ) -> io::Result<EventLoop> {
        let mut listeners = Vec::new();
        for (place, mut socket) in sockets.into_iter().enumerate() {
            poll.registry()
                .register(&mut socket, Token(LISTENERS - place), Interest::READABLE)?;
            listeners.push(Listener {
                socket,
                is_ready: false,
                paused_until_ms: 0,
            });
        }
        Ok(EventLoop {
            poll,
            listeners,
            shard,
            ended_us: shared.now_us(),
            shared,
            busy_poll,
        })
    }

    /// Takes turns until the server has stopped.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while self.turn(&mut events) {}
    }

    /// `false` when it was the last.
    fn turn(&mut self, events: &mut Events) -> bool {
        if let Err(error) = self.wait(events)
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.shared
                .log(LogLevel::Error, &format!("polling: {error}"));
        }
        self.shard.update_clock();
        for event in events.iter() {
            self.note(event);
        }
        self.accept_all();
        let goes_on = self.shard.turn();
        self.ended_us = self.shared.now_us();
        let took = Duration::from_micros(self.ended_us.saturating_sub(self.shard.now_us()));
        self.shard.recorder.time(Histogram::TurnDuration, took);
        goes_on
    }

    /// Waits for events, at first without sleeping if it is to be so: waking up costs more than looking.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.timeout();
        let busy = timeout.unwrap_or(Duration::MAX).min(self.busy_poll);
        if busy.is_zero() {
            return self.poll.poll(events, timeout);
        }
        let begun = Instant::now();
        while begun.elapsed() < busy {
            self.poll.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                return Ok(());
            }
        }
        let left = timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
        self.poll.poll(events, left)
    }

    fn timeout(&mut self) -> Option<Duration> {
        let waiting = self.listeners.iter().filter(|listener| listener.is_ready);
        let paused_until_ms = waiting.map(|listener| listener.paused_until_ms).min();
        let next_ms = self.shard.next_turn_ms().into_iter().chain(paused_until_ms);
        let next_ms = next_ms.min()?;
        Some(Duration::from_millis(
            next_ms.saturating_sub(self.ended_us / 1_000),
        ))
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
        let is_closed = event.is_read_closed() || event.is_error();
        if event.is_readable() || is_closed {
            self.shard.note_readable(key, is_closed);
        }
        if event.is_writable() {
            self.shard.note_writable(key);
        }
    }

    fn accept_all(&mut self) {
        if self.shared.is_draining() {
            self.listeners.clear();
        }
        for place in 0..self.listeners.len() {
            self.accept(place);
        }
    }

    fn accept(&mut self, place: usize) {
        let now_ms = self.shard.now_ms();
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let Some(listener) = self.listeners.get_mut(place) else {
                return;
            };
            if !listener.is_ready || listener.paused_until_ms > now_ms {
                return;
            }
            match listener.socket.accept() {
                Ok((stream, _)) => self.open(stream),
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

    fn open(&mut self, stream: TcpStream) {
        // Without it answers wait for acknowledgements; a socket that refuses it works all the same.
        let _ = stream.set_nodelay(true);
        let Some(key) = self.shard.open(stream) else {
            return;
        };
        let token = Token((key.generation as usize) << u32::BITS | key.slot as usize);
        let registry = self.poll.registry();
        let registered = self.shard.transport(key).is_some_and(|stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(stream, token, interest).is_ok()
        });
        if !registered || key.generation == GENERATION_MAX {
            self.shard.close(key, CloseReason::Error);
        }
    }
}

/// Whether the error is about a connection that was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, PermissionDenied};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | PermissionDenied
    )
}
