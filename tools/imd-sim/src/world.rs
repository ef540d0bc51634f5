//! The steps of a simulation.

use std::collections::VecDeque;
use std::sync::Arc;

use imd::runtime::clock::Clock;
use imd::store::Store;
use imd::store::memory::MemoryStore;
use parking_lot::Mutex;

use crate::clients::{Client, Context, Kind, NAMES, Said, USERS, user_name};
use crate::disk::{Disk, newest};
use crate::history::{Broken, History, Kept, hold};
use crate::server::{Rig, Server, Virtual};
use crate::source::Source;
use crate::watched::{Fault, Remains, Watch};
use crate::wire::Link;

/// Bytes on their way to a client that takes them.
const ROOMY: usize = 64 * 1024;
/// Bytes on their way to a client that is often slow.
const NARROW: usize = 512;
/// Steps of the trace that are kept.
const TRACE_STEPS: usize = 40;
/// Between two looks at everything, in steps.
const REST_STEPS: u32 = 500;
/// Passes over everything after which it has to be at rest.
const PASSES_MAX: usize = 10_000;

/// What a simulation is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many steps at most.
    pub steps: u32,
    /// Whether messages are kept on disk, and kills happen.
    pub is_on_disk: bool,
    /// What is told of the steps.
    pub trace: Trace,
}

/// What is told of the steps of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Nothing: it is quickest.
    None,
    /// The last ones, when it fails.
    Last,
    /// Each is printed.
    Print,
}

/// What a simulation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many steps were taken.
    pub steps: u32,
    /// How many messages clients have tried to send.
    pub said: u64,
    /// How many commits there were.
    pub commits: u64,
    /// A hash over all that clients were sent, in their order.
    pub trace_hash: u64,
}

/// A failure, and how it came about.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: u32,
    /// The promise that was not kept.
    pub broken: Broken,
    /// The last steps.
    pub trace: Vec<String>,
}

/// A server and its clients.
pub struct World<'a> {
    pub(crate) source: Source,
    pub(crate) server: Server,
    pub(crate) history: History,
    pub(crate) clients: Vec<Client>,
    pub(crate) said: Vec<Said>,
    pub(crate) clock: Arc<Virtual>,
    rig: &'a Rig,
    store: Arc<Mutex<Box<dyn Store>>>,
    watch: Watch,
    shards: usize,
    starts: u64,
    step: u32,
    told: Trace,
    trace: VecDeque<String>,
    trace_hash: u64,
}

/// Runs a simulation to its end.
///
/// # Errors
/// The first promise that is not kept.
pub fn run(rig: &Rig, source: Source, plan: &Plan) -> Result<Summary, Box<Failure>> {
    let failure = |broken| {
        Box::new(Failure {
            step: 0,
            broken,
            trace: Vec::new(),
        })
    };
    let mut world = World::new(rig, source, plan).map_err(failure)?;
    let result = world.run(plan.steps);
    let summary = Summary {
        steps: world.step,
        said: world.said.len() as u64,
        commits: world.history.commit,
        trace_hash: world.trace_hash,
    };
    result.map(|()| summary).map_err(|broken| {
        Box::new(Failure {
            step: world.step,
            broken,
            trace: world.trace.into(),
        })
    })
}

impl<'a> World<'a> {
    fn new(rig: &'a Rig, mut source: Source, plan: &Plan) -> Kept<World<'a>> {
        let clock = Arc::new(Virtual::start());
        let (disk, store): (_, Box<dyn Store>) = match plan.is_on_disk {
            true => {
                let disk = Disk::new()?;
                let store = disk.store();
                (Some(disk), store)
            }
            false => (None, Box::new(MemoryStore::new())),
        };
        let watch = Watch::new(disk);
        let store = Arc::new(Mutex::new(store));
        let shards = 1 + source.below(3);
        let server = Server::start(rig, watch.over(&store), Arc::clone(&clock), shards, 1)?;
        let mut clients = Vec::new();
        for name in NAMES {
            for kind in [Kind::Buyer, Kind::Conv, Kind::Jim] {
                clients.push(Client::new(kind, name));
            }
        }
        for name in USERS.map(user_name) {
            for kind in [Kind::Chat, Kind::ChatCalls, Kind::Conv] {
                clients.push(Client::new(kind, &name));
            }
            clients.push(Client::new(Kind::Chat, &name));
        }
        clients.push(Client::new(Kind::Jim, NAMES[0]));
        Ok(World {
            source,
            server,
            history: History::default(),
            clients,
            said: Vec::new(),
            clock,
            rig,
            store,
            watch,
            shards,
            starts: 1,
            step: 0,
            told: plan.trace,
            trace: VecDeque::new(),
            trace_hash: 0,
        })
    }

    fn run(&mut self, steps: u32) -> Kept {
        while self.step < steps && !self.source.is_over() {
            self.step += 1;
            self.take_step()?;
            if self.step.is_multiple_of(REST_STEPS) {
                self.rest()?;
            }
        }
        self.rest()?;
        self.end()
    }

    /// The server is left without a word, and the store closed and checked.
    fn end(&mut self) -> Kept {
        let closed = self.store.lock().close();
        closed.map_err(|error| Broken(format!("closing: {error}")))?;
        self.watch.with_disk(|disk| disk.check()).unwrap_or(Ok(()))
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.told != Trace::None {
            let line = format!("{}: {}", self.step, line());
            if self.told == Trace::Print {
                println!("{line}");
            }
            if self.trace.len() == TRACE_STEPS {
                self.trace.pop_front();
            }
            self.trace.push_back(line);
        }
    }

    fn take_step(&mut self) -> Kept {
        let client = self.source.below(self.clients.len());
        match self.source.below(200) {
            0..60 => {
                self.act(client);
                if self.source.once_in(2) {
                    self.carry(client, usize::MAX);
                }
            }
            60..85 => {
                let count = match self.source.once_in(2) {
                    true => 1 + self.source.below(200),
                    false => usize::MAX,
                };
                self.carry(client, count);
            }
            85..120 => {
                let shard = self.source.below(self.shards);
                self.note(|| format!("shard {shard} takes a turn"));
                self.server.turn(shard);
            }
            120..135 => {
                let fails = self.source.once_in(200);
                let most = 1 + self.source.below(4);
                self.note(|| format!("readers read {most}, failing: {fails}"));
                for _ in 0..most {
                    self.server.read(fails)?;
                }
            }
            135..150 => {
                let most = 1 + self.source.below(4);
                for _ in 0..most.min(self.server.read_and_waiting()) {
                    let place = self.source.below(self.server.read_and_waiting());
                    self.note(|| format!("what was read is brought, from place {place}"));
                    self.server.bring(place);
                }
            }
            150..175 => {
                let most = 1 + self.source.below(8);
                self.note(|| format!("the writer takes {most} or releases"));
                self.write(most)?;
            }
            175..193 => {
                for client in 0..self.clients.len() {
                    if self.source.once_in(2) {
                        let count = match self.source.once_in(8) {
                            true => 1 + self.source.below(100),
                            false => usize::MAX,
                        };
                        self.receive(client, count)?;
                    }
                }
            }
            193..197 => {
                let ms = *self.source.pick(&[1, 1, 2, 2, 5, 5, 40, 700, 11_000]);
                self.note(|| format!("{ms} ms pass"));
                self.clock.pass(ms);
            }
            _ => self.disturb(client)?,
        }
        Ok(())
    }

    /// Something that does not happen often.
    fn disturb(&mut self, client: usize) -> Kept {
        match self.source.below(16) {
            0..3 => {
                let is_slow = !self.clients[client].is_slow;
                self.clients[client].is_slow = is_slow;
                self.note(|| format!("client {client} is slow: {is_slow}"));
            }
            3..6 => self.cut(client, true),
            6..8 => self.cut(client, false),
            8 | 9 => {
                let share = self.source.below(1_001);
                let faults = [Fault::Refused, Fault::Unsaid, Fault::Killed(share)];
                let fault = *self.source.pick(&faults);
                let closed = self.source.below(3);
                self.note(|| format!("the next commit: {fault:?}, then {closed} times closed"));
                self.watch.fail(fault, closed);
            }
            10 | 11 => {
                let ms = *self.source.pick(&[-3_600_000, -50, 50, 3_600_000]);
                self.note(|| format!("the wall clock steps by {ms} ms"));
                self.clock.step(ms);
            }
            12 => {
                let ms = *self.source.pick(&[31_000, 65_000, 3_600_000]);
                self.note(|| format!("{ms} ms pass"));
                self.clock.pass(ms);
            }
            _ if self.source.once_in(4) => return self.restart(),
            _ => {}
        }
        Ok(())
    }

    /// The server ends without a word and starts again on what is stored.
    fn restart(&mut self) -> Kept {
        self.note(|| "the server starts again".to_owned());
        for client in &mut self.clients {
            client.disconnect();
        }
        self.watch.heal();
        self.revive()?;
        let store = self.watch.over(&self.store);
        self.starts += 1;
        let clock = Arc::clone(&self.clock);
        self.server = Server::start(self.rig, store, clock, self.shards, self.starts)?;
        self.look()
    }

    /// On disk: the store is closed, or goes on from what a kill has left.
    fn revive(&mut self) -> Kept {
        let remains = self.watch.take_remains();
        if remains.is_none() && self.source.once_in(2) {
            let closed = self.store.lock().close();
            return closed.map_err(|error| Broken(format!("closing: {error}")));
        }
        let is_checked = self.source.once_in(2);
        let (files, commit) = match remains {
            Some(Remains { files, commit }) => (Some(files), Some(commit)),
            None => (None, None),
        };
        let store = self.watch.with_disk(|disk| {
            let files = match files {
                Some(files) => files,
                None => disk.files()?,
            };
            disk.go_on(&files, is_checked)
        });
        let Some(store) = store else {
            return Ok(());
        };
        let mut store = store?;
        let counters = newest(&mut *store)?;
        if let Some(commit) = commit.filter(|(number, _)| counters.commit == *number) {
            self.watch.found(commit);
        }
        hold(counters.commit.0 >= self.history.commit, || {
            format!("commit {} is lost: {counters:?}", self.history.commit)
        })?;
        *self.store.lock() = store;
        Ok(())
    }

    fn act(&mut self, at: usize) {
        if self.clients[at].link.is_none() {
            let capacity = *self.source.pick(&[ROOMY, ROOMY, NARROW]);
            let shard = self.source.below(self.shards);
            let shards = &mut self.server.shards;
            let link = Link::open(capacity, |wire| Some((shard, shards[shard].open(wire)?)));
            if let Some(link) = link {
                self.clients[at].connect(link);
            }
        }
        let before = self.unsent(at);
        let (clients, mut context) = self.context();
        clients[at].act(&mut context);
        if self.told != Trace::None {
            let sent = self.clients[at].link.as_ref().map(|link| {
                let sent: Vec<u8> = link.unsent.iter().skip(before).copied().collect();
                String::from_utf8_lossy(&sent).into_owned()
            });
            let (kind, name) = (self.clients[at].kind, self.clients[at].name.clone());
            self.note(|| format!("client {at} ({kind:?} {name}) sends {sent:?}"));
        }
    }

    /// The clients, and what they look at.
    pub(crate) fn context(&mut self) -> (&mut Vec<Client>, Context<'_>) {
        let context = Context {
            source: &mut self.source,
            history: &self.history,
            said: &mut self.said,
            published: self.server.published(),
        };
        (&mut self.clients, context)
    }

    fn unsent(&self, at: usize) -> usize {
        self.clients[at]
            .link
            .as_ref()
            .map_or(0, |link| link.unsent.len())
    }

    /// The network brings bytes to the server; `false` when there were none.
    pub(crate) fn carry(&mut self, at: usize, count: usize) -> bool {
        let Some(link) = &mut self.clients[at].link else {
            return false;
        };
        if link.unsent.is_empty() {
            return false;
        }
        link.carry(count);
        self.server.shards[link.shard].note_readable(link.key, false);
        true
    }

    /// A client takes what the server has sent; `false` when there was nothing.
    pub(crate) fn receive(&mut self, at: usize, count: usize) -> Kept<bool> {
        let client = &mut self.clients[at];
        if client.is_slow {
            return Ok(false);
        }
        let Some(link) = client.link.as_mut().filter(|link| link.has_news()) else {
            return Ok(false);
        };
        let received = link.receive(count);
        if received.made_room {
            self.server.shards[link.shard].note_writable(link.key);
        }
        for byte in &received.bytes {
            let hash = self.trace_hash ^ u64::from(*byte);
            self.trace_hash = hash.wrapping_mul(0x0100_0000_01B3);
        }
        if self.told != Trace::None {
            let text = String::from_utf8_lossy(&received.bytes).into_owned();
            self.note(|| format!("client {at} receives {text:?}, over: {}", received.is_over));
        }
        let (clients, mut context) = self.context();
        clients[at].receive(&received.bytes, &mut context)?;
        if received.is_over {
            if let Some(link) = &self.clients[at].link {
                link.finish();
                self.server.shards[link.shard].note_readable(link.key, true);
            }
            self.clients[at].disconnect();
        }
        Ok(true)
    }

    fn cut(&mut self, at: usize, hard: bool) {
        self.note(|| format!("client {at} is cut off, hard: {hard}"));
        if let Some(link) = &self.clients[at].link {
            match hard {
                true => link.reset(),
                false => link.finish(),
            }
            self.server.shards[link.shard].note_readable(link.key, true);
        }
        self.clients[at].disconnect();
    }

    fn write(&mut self, most: usize) -> Kept<bool> {
        let wrote = self.server.write(most);
        self.look()?;
        if self.watch.has_remains() {
            self.restart()?;
        }
        Ok(wrote)
    }

    /// Looks at what was stored since the last look.
    fn look(&mut self) -> Kept {
        for (number, effects) in self.watch.take() {
            self.history.apply(number, &effects)?;
            self.note(|| format!("commit {number} is stored: {effects:?}"));
        }
        Ok(())
    }

    /// Lets everything that is under way come to its end.
    pub(crate) fn settle(&mut self) -> Kept {
        self.watch.heal();
        for client in &mut self.clients {
            client.is_slow = false;
        }
        for _ in 0..PASSES_MAX {
            let mut goes_on = false;
            for at in 0..self.clients.len() {
                goes_on |= self.carry(at, usize::MAX);
            }
            for shard in 0..self.shards {
                self.server.turn(shard);
                let next_ms = self.server.shards[shard].next_turn_ms();
                goes_on |=
                    next_ms.is_some_and(|next_ms| next_ms <= self.clock.monotonic_us() / 1_000);
            }
            while self.server.read(false)? {
                goes_on = true;
            }
            while self.server.read_and_waiting() > 0 {
                self.server.bring(0);
                goes_on = true;
            }
            while self.write(usize::MAX)? || self.server.is_releasing() {
                goes_on = true;
            }
            for at in 0..self.clients.len() {
                goes_on |= self.receive(at, usize::MAX)?;
            }
            if !goes_on
                && self
                    .server
                    .shared
                    .inboxes
                    .iter()
                    .all(|inbox| inbox.is_empty())
            {
                return Ok(());
            }
        }
        Err(Broken("it does not come to rest".to_owned()))
    }
}
