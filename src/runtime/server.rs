//! A server: its threads, from start to stop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::{Poll, Waker};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::CpuSet;

use crate::admin::metrics::Metrics;
use crate::config::{self, Auth, Config, CorsOrigins, LogLevel, Storage};
use crate::conn::{CorsPolicy, HttpSettings, WsSettings};
use crate::dialect::{self, AppKey, Settings};
use crate::domain::decide::Policy;
use crate::limits::{CONNECTIONS_FEW, SHARD_COMMANDS_MAX, SPARE_DESCRIPTORS, VIEWS_BYTES_MAX};
use crate::media::store::MediaStore;
use crate::proto::http::request::Limits;
use crate::proto::ws::assembler;
use crate::runtime::clock::SystemClock;
use crate::runtime::event_loop::{EventLoop, WAKER};
use crate::runtime::inbox::Inbox;
use crate::runtime::reader::ReaderThread;
use crate::runtime::shard::{Parts, Shard};
use crate::runtime::shared::{Log, OnlineHere, Shared};
use crate::runtime::socket::listen;
use crate::runtime::work_queue::WorkQueue;
use crate::runtime::writer::{ToWriter, WriterThread};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::{Durability, SqliteStore};
use crate::store::writer::Writer;

/// A running server. Dropping it without [`Server::stop`] leaves its threads running.
pub struct Server {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    writer: Sender<ToWriter>,
    work: Arc<WorkQueue>,
    shards: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    died: Receiver<&'static str>,
    /// Uploads of a server that keeps nothing; removed when it stops.
    temporary: Option<std::path::PathBuf>,
}

/// Why a server could not start or did not stop well. The text is for people.
#[derive(Debug)]
pub struct ServerError(String);

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerError {}

fn failed<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> ServerError {
    move |error| ServerError(format!("{what}: {error}"))
}

/// Says so when a thread ends, however it ends.
struct Obituary {
    name: &'static str,
    died: Sender<&'static str>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        // Nobody listens any more when the server has been told to stop.
        let _ = self.died.try_send(self.name);
    }
}

impl Server {
    /// Starts a server and returns when it accepts connections.
    ///
    /// # Errors
    /// When an address, the data directory or the store cannot be had.
    pub fn start(config: &Config, log: Log) -> Result<Server, ServerError> {
        let descriptors = raise_descriptor_limit();
        let (store, media_dir, temporary) = open_storage(config)?;
        let mut readers = Vec::new();
        let mut store = store;
        let counters_opened = store.open().map_err(failed("opening the store"))?;
        for _ in 0..config.readers {
            readers.push(
                store
                    .reader()
                    .map_err(failed("opening the store for reading"))?,
            );
        }
        let writer = Writer::resume(store, policy(config), counters_opened);
        let media = Arc::new(
            MediaStore::open(&media_dir)
                .map_err(failed(format!("opening {}", media_dir.display())))?,
        );

        let mut polls = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..config.shards {
            let poll = Poll::new().map_err(failed("creating an event loop"))?;
            let waker =
                Waker::new(poll.registry(), WAKER).map_err(failed("creating an event loop"))?;
            // A failed wake can only be an exhausted eventfd, which means that a wake is pending.
            inboxes.push(Inbox::new(move || drop(waker.wake())));
            polls.push(poll);
        }
        let mut addresses = Vec::new();
        let mut listeners: Vec<Vec<mio::net::TcpListener>> =
            (0..config.shards).map(|_| Vec::new()).collect();
        for address in &config.listen {
            let (bound, sockets) = listen(*address, config.shards)
                .map_err(failed(format!("listening on {address}")))?;
            addresses.push(bound);
            listeners
                .iter_mut()
                .zip(sockets)
                .for_each(|(shard, socket)| shard.push(socket));
        }

        let calls: Vec<&'static str> = dialect::routes().map(|route| route.name).collect();
        let call_numbers: HashMap<&'static str, usize> = calls
            .iter()
            .enumerate()
            .map(|(number, name)| (*name, number))
            .collect();
        let metrics = Metrics::new(calls);
        let shared = Arc::new(Shared::new(
            writer.commit_number(),
            inboxes,
            Arc::clone(&metrics),
            log,
            Arc::new(SystemClock::start()),
        ));
        // Both credits of every shard and the load that each command may wait for: a submit never finds it full.
        let (to_writer, writer_inbox) = bounded(4 * SHARD_COMMANDS_MAX * config.shards + 1);
        let work = Arc::new(WorkQueue::default());
        let (death, died) = bounded(config.shards + config.readers + 1);

        let mut others = Vec::new();
        let heavy_readers = config.readers.div_ceil(2);
        for (place, reader) in readers.into_iter().enumerate() {
            let thread = ReaderThread {
                reader,
                media: Arc::clone(&media),
                queue: Arc::clone(&work),
                takes_heavy: place < heavy_readers,
                writer: to_writer.clone(),
                shared: Arc::clone(&shared),
                recorder: metrics.recorder(),
            };
            others.push(spawn("imd-reader", &death, None, move || thread.run())?);
        }
        let presence = OnlineHere(Arc::clone(&shared));
        let thread = WriterThread {
            writer: writer.with_presence(Box::new(presence)),
            inbox: writer_inbox,
            readers: Arc::clone(&work),
            shared: Arc::clone(&shared),
            recorder: metrics.recorder(),
            busy_poll: config.busy_poll,
        };
        let writer_core = config.pin.then_some(config.shards);
        let writer_shared = Arc::clone(&shared);
        others.push(spawn("imd-writer", &death, writer_core, move || {
            thread.run();
            writer_shared.writer_alive.store(false, Ordering::Relaxed);
        })?);

        let settings = Arc::new(dialect_settings(config));
        let http = Arc::new(http_settings(config));
        let ws = Arc::new(ws_settings(config));
        let call_numbers = Arc::new(call_numbers);
        let connections_max = config
            .connections_max
            .unwrap_or(usize::MAX)
            .min(descriptors.saturating_sub(SPARE_DESCRIPTORS).max(1));
        if connections_max < CONNECTIONS_FEW {
            let line = format!(
                "room for {connections_max} connections only: raise the limit on open files (ulimit -n) or --connections-max"
            );
            shared.log(LogLevel::Warn, &line);
        }
        let mut shards = Vec::new();
        for (index, (poll, listeners)) in polls.into_iter().zip(listeners).enumerate() {
            let shard = Shard::new(Parts {
                index,
                settings: Arc::clone(&settings),
                http: Arc::clone(&http),
                ws: Arc::clone(&ws),
                shared: Arc::clone(&shared),
                writer: to_writer.clone(),
                readers: Arc::clone(&work),
                recorder: metrics.recorder(),
                calls: Arc::clone(&call_numbers),
                views_bytes_max: VIEWS_BYTES_MAX / config.shards,
                connections_max,
                drain_timeout: config.drain_timeout,
                random: Box::new(fill_random),
            });
            let event_loop = EventLoop::new(
                poll,
                listeners,
                shard,
                Arc::clone(&shared),
                config.busy_poll,
            )
            .map_err(failed("creating an event loop"))?;
            shards.push(spawn(
                "imd-shard",
                &death,
                config.pin.then_some(index),
                move || event_loop.run(),
            )?);
        }
        Ok(Server {
            addresses,
            shared,
            writer: to_writer,
            work,
            shards,
            others,
            died,
            temporary,
        })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Gives the name of a thread that has ended although nobody told it to: the server is broken then.
    pub fn died(&self) -> &Receiver<&'static str> {
        &self.died
    }

    /// Stops: no more connections, answers for what is under way, everything committed.
    ///
    /// # Errors
    /// When a thread had failed.
    pub fn stop(self) -> Result<(), ServerError> {
        self.shared.drain();
        let mut failed = join(self.shards);
        // Nobody waits for an answer any more, nor for a command that waits for rows.
        self.work.close();
        // A writer that has died does not need to be told.
        let _ = self.writer.send(ToWriter::Stop);
        drop(self.writer);
        failed |= join(self.others);
        if let Some(directory) = self.temporary
            && let Err(error) = std::fs::remove_dir_all(&directory)
        {
            self.shared.log(
                LogLevel::Warn,
                &format!("removing {}: {error}", directory.display()),
            );
        }
        if failed {
            Err(ServerError("a thread of the server has failed".into()))
        } else {
            Ok(())
        }
    }
}

/// `true` when one of them has failed.
fn join(threads: Vec<JoinHandle<()>>) -> bool {
    threads
        .into_iter()
        .map(|thread| thread.join().is_err())
        .fold(false, |failed, one| failed | one)
}

fn spawn(
    name: &'static str,
    died: &Sender<&'static str>,
    core: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ServerError> {
    let died = died.clone();
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _obituary = Obituary { name, died };
            if let Some(core) = core {
                pin(core);
            }
            run();
        });
    thread.map_err(failed("starting a thread"))
}

fn fill_random(bytes: &mut [u8]) {
    // There is no identity to hand out without it.
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Has the thread run on one of the cores that it may use, counted round and round. Best effort: where the system says no, it stays free.
fn pin(core: usize) {
    let Ok(allowed) = rustix::thread::sched_getaffinity(None) else {
        return;
    };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let Some(core) = cores.nth(core % allowed.count().max(1) as usize) else {
        return;
    };
    let mut set = CpuSet::new();
    set.set(core);
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Raises the limit of descriptors as far as it goes; gives the limit.
fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // A process may always raise its soft limit to the hard one.
    let _ = setrlimit(
        Resource::Nofile,
        rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        })
}

type Opened = (
    Box<dyn Store>,
    std::path::PathBuf,
    Option<std::path::PathBuf>,
);

fn open_storage(config: &Config) -> Result<Opened, ServerError> {
    match &config.storage {
        Storage::Directory(directory) => {
            let durability = match config.durability {
                config::Durability::Full => Durability::Full,
                config::Durability::Process => Durability::Process,
            };
            Ok((
                Box::new(SqliteStore::new(directory.clone(), durability)),
                directory.join("uploads"),
                None,
            ))
        }
        Storage::Memory => {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(failed("naming a temporary directory"))?;
            let directory =
                std::env::temp_dir().join(format!("imd-{:016x}", u64::from_ne_bytes(random)));
            Ok((
                Box::new(MemoryStore::new()),
                directory.join("uploads"),
                Some(directory),
            ))
        }
    }
}

/// What the configuration says to the domain.
pub fn policy(config: &Config) -> Policy {
    Policy {
        open_directory: config.open_directory,
        group_members_max: config.group_members_max,
        token_idle_ms_max: config.token_idle_ttl.as_millis() as i64,
    }
}

/// What the configuration says to the dialects.
pub fn dialect_settings(config: &Config) -> Settings {
    let app_keys = match &config.auth {
        Auth::Open => None,
        Auth::Signed(keys) => {
            let key = |key: &config::AppKey| AppKey {
                id: key.id.clone(),
                secret: String::from_utf8_lossy(key.secret.as_bytes()).into_owned(),
            };
            Some(keys.iter().map(key).collect())
        }
    };
    Settings {
        zone: config.timezone.clone(),
        public_url: config.public_url.clone(),
        app_keys,
        message_bytes_max: config.message_bytes_max,
        upload_bytes_max: config.upload_bytes_max,
        open_directory: config.open_directory,
        token_idle_ms_max: config.token_idle_ttl.as_millis() as i64,
        jim_text_field: config.jim_text_field.clone(),
    }
}

/// What the configuration says to WebSockets.
pub fn ws_settings(config: &Config) -> WsSettings {
    WsSettings {
        limits: assembler::Limits::default(),
        ping_after_ms: config.ws_ping_after.as_millis() as u64,
        idle_timeout_ms: config.ws_idle_timeout.as_millis() as u64,
        deflate: config.deflate,
        diagnostics: config.diagnostics,
    }
}

/// What the configuration says to HTTP.
pub fn http_settings(config: &Config) -> HttpSettings {
    let millis = |time: Duration| time.as_millis() as u64;
    HttpSettings {
        header_timeout_ms: millis(config.header_timeout),
        idle_timeout_ms: millis(config.idle_timeout),
        body_rate_min: config.body_rate_min as u64,
        outbox_bytes_max: config.outbox_bytes_max,
        cors: match &config.cors_origins {
            CorsOrigins::SameOrigin => CorsPolicy::SameOrigin,
            CorsOrigins::Listed(origins) => CorsPolicy::Listed(origins.clone()),
            CorsOrigins::Any => CorsPolicy::Any,
        },
        limits: Limits::default(),
    }
}
