//! A server without threads: its parts, and the queues between them in the simulation's hands.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use imd::admin::metrics::Metrics;
use imd::config::Config;
use imd::conn::{HttpSettings, WsSettings};
use imd::dialect::{self, Settings};
use imd::domain::command::Refusal;
use imd::domain::ids::TimeMs;
use imd::limits::SHARD_COMMANDS_MAX;
use imd::runtime::clock::Clock;
use imd::runtime::inbox::{CommandSlot, Entry, Inbox, Question};
use imd::runtime::server::{dialect_settings, http_settings, policy, ws_settings};
use imd::runtime::shard::{Parts, Shard};
use imd::runtime::shared::{OnlineHere, Shared};
use imd::runtime::work_queue::{Heavy, Work, WorkQueue};
use imd::runtime::writer::{ToWriter, WriterThread};
use imd::store::writer::{LoadRequest, Loaded, Released, Writer};
use imd::store::{Reader, Store, StoreError, load, query};

use crate::history::Broken;
use crate::wire::Wire;

/// Bytes of views that a shard keeps: few, so that they come and go.
const VIEWS_BYTES_MAX: usize = 24 * 1024;
/// Bytes that may wait for a client: few, so that slow ones are dropped.
const OUTBOX_BYTES_MAX: usize = 16 * 1024;

/// Clocks that move when the simulation says so.
pub struct Virtual {
    monotonic_us: AtomicU64,
    wall_ms: AtomicI64,
}

impl Virtual {
    /// They begin in 2027.
    pub fn start() -> Virtual {
        Virtual {
            monotonic_us: AtomicU64::new(1),
            wall_ms: AtomicI64::new(1_800_000_000_000),
        }
    }

    /// Time passes.
    pub fn pass(&self, ms: u64) {
        self.monotonic_us.fetch_add(ms * 1_000, Ordering::Relaxed);
        self.wall_ms.fetch_add(ms as i64, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock, by so many milliseconds.
    pub fn step(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Virtual {
    fn monotonic_us(&self) -> u64 {
        self.monotonic_us.load(Ordering::Relaxed)
    }

    fn wall(&self) -> TimeMs {
        TimeMs(self.wall_ms.load(Ordering::Relaxed))
    }
}

/// What all simulations of a thread share: it does not change.
pub struct Rig {
    config: Config,
    settings: Arc<Settings>,
    http: Arc<HttpSettings>,
    ws: Arc<WsSettings>,
    calls: Arc<HashMap<&'static str, usize>>,
}

impl Default for Rig {
    fn default() -> Rig {
        let config = Config::default();
        let mut http = http_settings(&config);
        http.outbox_bytes_max = OUTBOX_BYTES_MAX;
        let calls = dialect::routes().enumerate();
        Rig {
            settings: Arc::new(dialect_settings(&config)),
            http: Arc::new(http),
            ws: Arc::new(ws_settings(&config)),
            calls: Arc::new(calls.map(|(number, route)| (route.name, number)).collect()),
            config,
        }
    }
}

/// Where the release of a commit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    Tell,
    Publish,
    Answer,
}

/// A running server.
pub struct Server {
    /// What its parts share.
    pub shared: Arc<Shared>,
    /// The shards.
    pub shards: Vec<Shard<Wire>>,
    writer: WriterThread,
    reader: Box<dyn Reader>,
    work: Arc<WorkQueue>,
    to_writer: crossbeam_channel::Sender<ToWriter>,
    /// Read, and not brought to the shard that asked.
    answers: Vec<(usize, Entry)>,
    /// Read, and not brought to the writer.
    loaded: Vec<Vec<Loaded>>,
    releasing: Option<(Released<CommandSlot>, Release)>,
}

impl Server {
    /// Starts on what `store` holds.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn start(
        rig: &Rig,
        mut store: Box<dyn Store>,
        clock: Arc<Virtual>,
        shards: usize,
        seed: u64,
    ) -> Result<Server, Broken> {
        let failed = |error: StoreError| Broken(format!("starting: {error}"));
        let counters = store.open().map_err(failed)?;
        let reader = store.reader().map_err(failed)?;
        let metrics = Metrics::new(dialect::routes().map(|route| route.name).collect());
        let inboxes = (0..shards).map(|_| Inbox::new(|| {})).collect();
        let shared = Arc::new(Shared::new(
            counters.commit,
            inboxes,
            Arc::clone(&metrics),
            Arc::new(|_, _| {}),
            clock,
        ));
        let (to_writer, inbox) = bounded(4 * SHARD_COMMANDS_MAX * shards + 1);
        let work = Arc::new(WorkQueue::default());
        let presence = OnlineHere(Arc::clone(&shared));
        let writer = WriterThread {
            writer: Writer::resume(store, policy(&rig.config), counters)
                .with_presence(Box::new(presence)),
            inbox,
            readers: Arc::clone(&work),
            shared: Arc::clone(&shared),
            recorder: metrics.recorder(),
            busy_poll: Duration::ZERO,
        };
        let shards = (0..shards).map(|index| {
            let mut rng = fastrand::Rng::with_seed(seed << 8 | index as u64);
            Shard::new(Parts {
                index,
                settings: Arc::clone(&rig.settings),
                http: Arc::clone(&rig.http),
                ws: Arc::clone(&rig.ws),
                shared: Arc::clone(&shared),
                writer: to_writer.clone(),
                readers: Arc::clone(&work),
                recorder: metrics.recorder(),
                calls: Arc::clone(&rig.calls),
                views_bytes_max: VIEWS_BYTES_MAX,
                connections_max: usize::MAX,
                drain_timeout: rig.config.drain_timeout,
                random: Box::new(move |bytes| rng.fill(bytes)),
            })
        });
        Ok(Server {
            shards: shards.collect(),
            shared,
            writer,
            reader,
            work,
            to_writer,
            answers: Vec::new(),
            loaded: Vec::new(),
            releasing: None,
        })
    }

    /// The newest commit that every shard can know of.
    pub fn published(&self) -> u64 {
        self.shared.published()
    }

    /// A shard takes a turn.
    pub fn turn(&mut self, shard: usize) {
        self.shards[shard].update_clock();
        self.shards[shard].turn();
    }

    /// A reader reads what is next for it: loads first. `false` when there was nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read(&mut self, fails: bool) -> Result<bool, Broken> {
        match self.work.try_take(true, 1) {
            None => return Ok(false),
            Some(Work::Loads(requests)) => self.load(&requests, fails),
            Some(Work::Questions(questions)) => {
                for question in questions {
                    self.answer(&question, fails)?;
                }
            }
            Some(Work::Heavy(Heavy::Query(question))) => self.answer(&question, fails)?,
            Some(other) => return Err(Broken(format!("not a question: {other:?}"))),
        }
        Ok(true)
    }

    fn load(&mut self, requests: &[LoadRequest], fails: bool) {
        let unreadable = |request: &LoadRequest| Loaded {
            id: request.id,
            rows: Err(StoreError("unreadable".to_owned())),
        };
        self.loaded.push(match fails {
            true => requests.iter().map(unreadable).collect(),
            false => load::fetch_all(&mut *self.reader, requests),
        });
    }

    fn answer(&mut self, question: &Question, fails: bool) -> Result<(), Broken> {
        let result = match fails {
            true => Err(Refusal::Failure),
            false => Ok(query::ask(&mut *self.reader, &question.query)
                .map_err(|error| Broken(format!("reading: {error}")))?),
        };
        let entry = Entry::Read {
            purpose: question.purpose,
            result,
        };
        self.answers.push((question.shard, entry));
        Ok(())
    }

    /// How many things were read and not brought to who asked.
    pub fn read_and_waiting(&self) -> usize {
        self.answers.len() + self.loaded.len()
    }

    /// Brings one of them, by its place.
    pub fn bring(&mut self, place: usize) {
        match place.checked_sub(self.answers.len()) {
            None => {
                let (shard, entry) = self.answers.remove(place);
                self.shared.inboxes[shard].push(entry);
            }
            Some(place) => {
                let loaded = self.loaded.remove(place);
                // The channel has room for every load.
                let _ = self.to_writer.send(ToWriter::Loaded(loaded));
            }
        }
    }

    /// Whether a commit is being released.
    pub fn is_releasing(&self) -> bool {
        self.releasing.is_some()
    }

    /// The writer goes one step on: releases a part of its last commit, or takes at most `most` inputs and commits. `false` when there
    /// was nothing to do.
    pub fn write(&mut self, most: usize) -> bool {
        if let Some((mut released, stage)) = self.releasing.take() {
            match stage {
                Release::Tell => {
                    self.writer.tell(&mut released);
                    self.releasing = Some((released, Release::Publish));
                }
                Release::Publish => {
                    self.writer.publish(&released);
                    self.releasing = Some((released, Release::Answer));
                }
                Release::Answer => self.writer.answer(released),
            }
            return true;
        }
        let mut count = 0;
        while count < most && !self.writer.writer.is_batch_full() {
            let Ok(input) = self.writer.inbox.try_recv() else {
                break;
            };
            self.writer.handle(input);
            count += 1;
        }
        if count == 0 && self.writer.writer.is_healthy() {
            return false;
        }
        self.writer.request_loads();
        self.releasing = Some((self.writer.commit(), Release::Tell));
        count > 0
    }
}
