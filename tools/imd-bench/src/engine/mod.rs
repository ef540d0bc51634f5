//! The loops that drive connections: one epoll instance a thread, every thread with its own share of the connections.

mod links;
mod timer;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::clock::{SECOND_NS, now_ns};
use crate::measure::Recorder;
use crate::pace::Window;
use crate::target::Target;

pub use links::Links;
use timer::Timer;

const READ_BYTES: usize = 256 << 10;
const EVENTS_PER_TURN: usize = 1024;
const TIMER: Token = Token(usize::MAX);
/// How long is listened for what is not expected any more, such as a message delivered twice.
const LINGER_NS: u64 = SECOND_NS / 5;
/// How soon the beginning, an interruption and the end of waiting are noticed when nothing else happens.
const IDLE_POLL: Duration = Duration::from_millis(10);

/// What a run is to do, whatever it measures.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// How many units (connections, or pairs of them) all threads drive together.
    pub units: usize,
    /// How many connections the units of a thread have.
    pub layout: Layout,
    /// How many threads.
    pub threads: usize,
    /// How many source addresses; 1: the system chooses.
    pub sources: usize,
    /// How many connections of a thread may be being opened at once.
    pub dialing_max: usize,
    /// How long is sent before things count, in nanoseconds.
    pub warmup_ns: u64,
    /// How long things count, in nanoseconds.
    pub duration_ns: u64,
    /// How long is waited for what is on its way at the end, in nanoseconds.
    pub drain_ns: u64,
}

/// How many connections a thread has for its units.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// One each.
    One,
    /// One each, and as many others: for each unit its own, or this number if that is more.
    Facing(usize),
}

impl Layout {
    fn links(self, units: usize) -> usize {
        match self {
            Layout::One => units,
            Layout::Facing(others) => units + others.max(units),
        }
    }
}

/// A thread's part of a run.
#[derive(Clone, Debug)]
pub struct Share {
    /// Which thread.
    pub thread: usize,
    /// Of how many.
    pub threads: usize,
    /// Its units.
    pub units: Range<usize>,
    /// How many connections all threads before it have.
    pub first_link: usize,
    /// How many connections it has.
    pub links: usize,
}

impl Plan {
    /// The part of every thread, as even as can be.
    pub fn shares(&self) -> Vec<Share> {
        let threads = self.threads.clamp(1, self.units.max(1));
        let edge = |thread: usize| self.units * thread / threads;
        let mut first_link = 0;
        (0..threads)
            .map(|thread| {
                let units = edge(thread)..edge(thread + 1);
                let links = self.layout.links(units.len());
                first_link += links;
                Share {
                    thread,
                    threads,
                    units,
                    first_link: first_link - links,
                    links,
                }
            })
            .collect()
    }

    /// How many connections all threads have.
    pub fn links(&self) -> usize {
        self.shares().iter().map(|share| share.links).sum()
    }
}

/// A thread's side of a scenario: told what happens on its connections, it says what to do. Connections are numbered from 0 in each thread.
pub trait Load: Send {
    /// The connection is there.
    fn opened(&mut self, links: &mut Links, id: usize);

    /// Bytes came; tells how many of them it took. The rest comes again with what follows.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    fn received(&mut self, links: &mut Links, id: usize, bytes: &[u8]) -> Result<usize, String>;

    /// The connection has ended, or could not be made, through no wish of this side.
    fn closed(&mut self, links: &mut Links, id: usize, cause: &str);

    /// The time of sending is fixed.
    fn begin(&mut self, window: Window);

    /// Sends what it is time for; called once a turn.
    fn turn(&mut self, links: &mut Links);

    /// When a turn is needed without anything else happening.
    fn wake_ns(&self, now_ns: u64) -> Option<u64>;

    /// Sends nothing more.
    fn stop(&mut self);

    /// Whether everything that was sent came to its end.
    fn is_settled(&self, now_ns: u64) -> bool;

    /// How many units are ready, or will never be.
    fn ready(&self) -> usize;

    /// How many messages or calls have been completed.
    fn completed(&self) -> u64;

    /// What was measured; `None` before the beginning.
    fn into_recorder(self) -> Option<Recorder>;
}

/// What the threads and the one that watches them tell each other.
#[derive(Debug, Default)]
pub struct Control {
    start_ns: AtomicU64,
    stopped: AtomicBool,
    threads: Vec<Gauge>,
}

/// What a thread shows while it runs; on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Gauge {
    ready: AtomicUsize,
    completed: AtomicU64,
    finished: AtomicBool,
}

impl Control {
    /// For this many threads.
    pub fn new(threads: usize) -> Self {
        Control {
            threads: (0..threads).map(|_| Gauge::default()).collect(),
            ..Control::default()
        }
    }

    /// Fixes the time of sending.
    pub fn start(&self, plan: &Plan, start_ns: u64) -> Window {
        self.start_ns.store(start_ns, Ordering::Relaxed);
        window(plan, start_ns)
    }

    /// Has all threads stop sending.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// How many units are ready, or will never be.
    pub fn ready(&self) -> usize {
        let threads = self.threads.iter();
        threads
            .map(|gauge| gauge.ready.load(Ordering::Relaxed))
            .sum()
    }

    /// How many messages or calls have been completed.
    pub fn completed(&self) -> u64 {
        let threads = self.threads.iter();
        threads
            .map(|gauge| gauge.completed.load(Ordering::Relaxed))
            .sum()
    }

    /// Whether all threads have ended.
    pub fn is_finished(&self) -> bool {
        let mut threads = self.threads.iter();
        threads.all(|gauge| gauge.finished.load(Ordering::Relaxed))
    }
}

fn window(plan: &Plan, start_ns: u64) -> Window {
    Window {
        start_ns,
        counted_ns: start_ns + plan.warmup_ns,
        end_ns: start_ns + plan.warmup_ns + plan.duration_ns,
    }
}

/// Drives one thread's connections from their opening to the end of the run, and returns the load and how many bytes were received and sent.
///
/// # Errors
/// What the system refused.
pub fn drive<L: Load>(
    plan: &Plan,
    share: &Share,
    mut load: L,
    control: &Control,
) -> Result<(L, u64, u64), String> {
    let gauge = &control.threads[share.thread];
    let outcome = turn_until_settled(plan, share, &mut load, control, gauge);
    gauge.finished.store(true, Ordering::Relaxed);
    let links = outcome.map_err(|error| format!("epoll: {error}"))?;
    Ok((load, links.bytes_in, links.bytes_out))
}

fn turn_until_settled<L: Load>(
    plan: &Plan,
    share: &Share,
    load: &mut L,
    control: &Control,
    gauge: &Gauge,
) -> std::io::Result<Links> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS_PER_TURN);
    let mut timer = Timer::new(poll.registry(), TIMER)?;
    let mut links = Links::new(plan, share, poll.registry().try_clone()?);
    let mut buffer = vec![0; READ_BYTES];
    let mut window = None;
    let mut settled_ns = None;
    for id in 0..links.len() {
        links.dial(id);
    }
    loop {
        links.tick();
        if window.is_none() {
            let start_ns = control.start_ns.load(Ordering::Relaxed);
            if start_ns != 0 {
                let begun = self::window(plan, start_ns);
                load.begin(begun);
                window = Some(begun);
            }
        }
        if control.stopped.load(Ordering::Relaxed) {
            load.stop();
        }
        load.turn(&mut links);
        links.dial_waiting();
        links.flush(load);
        gauge.ready.store(load.ready(), Ordering::Relaxed);
        gauge.completed.store(load.completed(), Ordering::Relaxed);
        let stopped = control.stopped.load(Ordering::Relaxed);
        match window {
            Some(window) => {
                let now_ns = links.now_ns();
                settled_ns = load
                    .is_settled(now_ns)
                    .then(|| settled_ns.unwrap_or(now_ns));
                let lingered = settled_ns.is_some_and(|since_ns| now_ns > since_ns + LINGER_NS);
                if lingered || now_ns > window.end_ns + plan.drain_ns {
                    return Ok(links);
                }
            }
            None if stopped => return Ok(links),
            None => {}
        }
        timer.arm(load.wake_ns(links.now_ns()), links.now_ns())?;
        match poll.poll(&mut events, Some(IDLE_POLL)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            if event.token() == TIMER {
                timer.fired();
                continue;
            }
            let id = event.token().0;
            if event.is_writable() {
                links.writable(load, id);
            }
            if event.is_readable() || event.is_error() {
                links.readable(load, id, &mut buffer, event.is_read_closed());
            }
            links.flush(load);
        }
    }
}

/// The time that threads are given to notice the beginning before it.
pub const START_DELAY_NS: u64 = SECOND_NS / 20;

/// When a run that all are ready for begins.
pub fn start_soon_ns() -> u64 {
    now_ns() + START_DELAY_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_units_evenly() {
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        let mut plan = Plan {
            target,
            units: 10,
            layout: Layout::One,
            threads: 3,
            sources: 1,
            dialing_max: 1,
            warmup_ns: 0,
            duration_ns: 1,
            drain_ns: 0,
        };
        let shares: Vec<_> = plan.shares().into_iter().map(|share| share.units).collect();
        assert_eq!(shares, [0..3, 3..6, 6..10]);
        for (others, links) in [
            (0, [(0, 6), (6, 6), (12, 8)]),
            (4, [(0, 7), (7, 7), (14, 8)]),
        ] {
            plan.layout = Layout::Facing(others);
            let shares = plan.shares().into_iter();
            let found: Vec<_> = shares
                .map(|share| (share.first_link, share.links))
                .collect();
            assert_eq!(found, links);
        }
        plan.units = 2;
        assert_eq!(plan.shares().len(), 2);
    }
}
