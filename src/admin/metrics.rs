//! Counters, gauges and histograms: declared in one list, counted without contention, shown in Prometheus text format.
//!
//! Every thread counts through a [`Recorder`] of its own, which nobody else writes to; [`Metrics::render`] sums them up.
//! Counting is a load and a store of memory that stays in the thread's cache: no lock, no atomic read-modify-write.

mod declare;
mod render;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use declare::{Buckets, Family, Kind, Place, Unit, buckets_max, labels, metrics, series_before};

pub use render::CONTENT_TYPE;

metrics! {
    /// What only grows.
    Counter Counter {
        /// Connections accepted.
        ConnectionsAccepted = "imd_connections_accepted_total", Each;
        /// Connections closed, by reason.
        ConnectionsClosed(reason: CloseReason) = "imd_connections_closed_total", Each;
        /// Bytes read from connections.
        BytesReceived = "imd_received_bytes_total", Bytes;
        /// Bytes written to connections.
        BytesSent = "imd_sent_bytes_total", Bytes;
        /// Commands that the writer has decided, by result.
        Commands(result: CommandResult) = "imd_commands_total", Each;
        /// Commands that the writer has sent back because what they look at was not in memory.
        CommandMisses = "imd_command_misses_total", Each;
        /// Commits that failed, every command in them with them.
        CommitFailures = "imd_commit_failures_total", Each;
        /// Files uploaded and kept.
        Uploads = "imd_uploads_total", Each;
        /// Bytes of files uploaded and kept.
        UploadBytes = "imd_upload_bytes_total", Bytes;
    }

    /// What only grows, counted for each call of the APIs.
    Counter CallCounter {
        /// Requests answered, by call and outcome.
        Requests(outcome: Outcome) = "imd_requests_total", Each;
    }

    /// What goes up and down. Threads may share one: shown is the sum of what each of them has set or added.
    Gauge Gauge {
        /// Open connections.
        ConnectionsOpen = "imd_connections_open", Each;
        /// Commands that wait in the writer's queue.
        WriterQueue = "imd_writer_queue_commands", Each;
        /// Commands that wait until what they look at is in memory.
        CommandsParked = "imd_parked_commands", Each;
        /// Queries and files that wait for a reader, by queue.
        ReaderQueue(queue: ReaderQueue) = "imd_reader_queue_queries", Each;
        /// Entries in the inboxes of the shards.
        InboxEntries = "imd_inbox_entries", Each;
        /// Bytes in the inboxes of the shards.
        InboxBytes = "imd_inbox_bytes", Bytes;
        /// Views of accounts in memory.
        Views = "imd_views", Each;
        /// Bytes of views in memory.
        ViewBytes = "imd_view_bytes", Bytes;
        /// Sessions in memory.
        Sessions = "imd_sessions", Each;
    }

    /// How values are distributed.
    Histogram Histogram {
        /// Time from a request's last byte to its answer.
        RequestDuration = "imd_request_duration_seconds", Seconds, 2^10..=34;
        /// Time of a commit, its sync included.
        CommitDuration = "imd_commit_duration_seconds", Seconds, 2^10..=34;
        /// Commands in a commit.
        CommitCommands = "imd_commit_commands", Each, 2^0..=9;
        /// Effects in a commit.
        CommitEffects = "imd_commit_effects", Each, 2^0..=13;
        /// Time that a reader works on a query, by queue.
        QueryDuration(queue: ReaderQueue) = "imd_query_duration_seconds", Seconds, 2^10..=34;
        /// Time of a shard's turn, from the return of the poll to the end: what the last connection served has waited.
        TurnDuration = "imd_turn_duration_seconds", Seconds, 2^10..=34;
    }

    /// What the operating system knows of the process, looked up when it is shown.
    Gauge ProcessGauge {
        /// When the process started, in seconds since 1970.
        StartTime = "process_start_time_seconds", Seconds;
        /// Resident memory.
        ResidentBytes = "process_resident_memory_bytes", Bytes;
        /// Open file descriptors.
        OpenFds = "process_open_fds", Each;
    }
}

labels! {
    /// Why a connection was closed.
    CloseReason {
        /// The client closed it.
        Peer = "peer";
        /// Its last answer said `Connection: close`.
        Answered = "answered";
        /// It was refused: what came was not HTTP, or past a limit.
        Refused = "refused";
        /// It was idle for too long.
        Idle = "idle";
        /// A request came too slowly.
        SlowSender = "slow_sender";
        /// Answers or pushes were taken too slowly.
        SlowConsumer = "slow_consumer";
        /// The socket failed.
        Error = "error";
        /// The server has no room for it.
        Overload = "overload";
        /// The server stopped.
        Shutdown = "shutdown";
    }

    /// How a request was answered.
    Outcome {
        /// Done.
        Ok = "ok";
        /// The application refused it.
        Refused = "refused";
        /// The session is missing, unknown or not the account's.
        Unauthorized = "unauthorized";
        /// Too much was waiting.
        Busy = "busy";
        /// The server failed.
        Failed = "failed";
        /// Refused as HTTP, before or beside the application.
        HttpError = "http_error";
    }

    /// What became of a command.
    CommandResult {
        /// It was done.
        Done = "done";
        /// No account has that name or number, and none may be created.
        NoSuchAccount = "no_such_account";
        /// No conversation has that number.
        NoSuchConversation = "no_such_conversation";
        /// The conversation is not a group.
        NotAGroup = "not_a_group";
        /// The account is not a member.
        NotAMember = "not_a_member";
        /// The group is somebody else's.
        NotTheOwner = "not_the_owner";
        /// The conversation is one with another account than the one that was named.
        OtherPeer = "other_peer";
        /// The name cannot be an account's.
        BadName = "bad_name";
        /// A message to oneself.
        ToSelf = "to_self";
        /// The group would have more members than allowed.
        GroupFull = "group_full";
        /// No message has that id, or it is not the asker's to change.
        NoSuchMessage = "no_such_message";
        /// The token is somebody else's.
        TokenTaken = "token_taken";
        /// No agent is there.
        NoAgent = "no_agent";
        /// Too much was waiting.
        Busy = "busy";
        /// The server failed.
        Failure = "failure";
    }

    /// A queue of the readers.
    ReaderQueue {
        /// For what is quick.
        Short = "short";
        /// For what takes long.
        Heavy = "heavy";
    }
}

const BUCKETS_MAX: usize = buckets_max(Histogram::FAMILIES);

/// Everything that is counted, by all threads.
#[derive(Debug)]
pub struct Metrics {
    calls: Vec<&'static str>,
    stripes: Mutex<Vec<Arc<Stripe>>>,
}

impl Metrics {
    /// Nothing counted yet. `calls` names the calls of the APIs; those of the same name are shown as one.
    pub fn new(calls: Vec<&'static str>) -> Arc<Metrics> {
        Arc::new(Metrics {
            calls,
            stripes: Mutex::new(Vec::new()),
        })
    }

    /// A recorder for one thread. What was recorded stays counted when the thread has ended, gauges included.
    pub fn recorder(&self) -> Recorder {
        let stripe = Arc::new(Stripe::new(self.calls.len()));
        self.stripes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&stripe));
        Recorder {
            stripe,
            one_thread: PhantomData,
        }
    }

    /// The stripes so far.
    fn stripes(&self) -> Vec<Arc<Stripe>> {
        self.stripes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What one thread has counted: written by it alone, read by whoever renders. Aligned to a pair of cache lines, which
/// is what processors fetch at once, so that threads do not take them from each other.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    counters: [AtomicU64; Counter::SERIES],
    gauges: [AtomicU64; Gauge::SERIES],
    histograms: [Distribution; Histogram::SERIES],
    /// By call; the last is for requests that met no call.
    calls: Box<[CallStripe]>,
}

impl Stripe {
    fn new(calls: usize) -> Stripe {
        Stripe {
            counters: [const { AtomicU64::new(0) }; Counter::SERIES],
            gauges: [const { AtomicU64::new(0) }; Gauge::SERIES],
            histograms: [const { Distribution::new() }; Histogram::SERIES],
            calls: (0..=calls).map(|_| CallStripe::default()).collect(),
        }
    }
}

/// What one thread has counted of one call; aligned like [`Stripe`].
#[derive(Debug, Default)]
#[repr(align(128))]
struct CallStripe([AtomicU64; CallCounter::SERIES]);

/// What one thread has observed of one series of a histogram.
#[derive(Debug)]
struct Distribution {
    /// Observations by bucket, not cumulative.
    buckets: [AtomicU64; BUCKETS_MAX],
    sum: AtomicU64,
}

impl Distribution {
    const fn new() -> Distribution {
        Distribution {
            buckets: [const { AtomicU64::new(0) }; BUCKETS_MAX],
            sum: AtomicU64::new(0),
        }
    }
}

/// Counts for one thread: it may be given to another thread, but not shared with one.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<imd::admin::metrics::Recorder>();
/// ```
#[derive(Debug)]
pub struct Recorder {
    stripe: Arc<Stripe>,
    /// Adding is a load and a store: two threads at once would lose counts.
    one_thread: PhantomData<Cell<()>>,
}

impl Recorder {
    /// Adds to a counter.
    #[inline]
    pub fn count(&self, counter: Counter, n: u64) {
        add(&self.stripe.counters[counter.place().series], n);
    }

    /// Sets this thread's part of a gauge.
    #[inline]
    pub fn set(&self, gauge: Gauge, value: u64) {
        self.stripe.gauges[gauge.place().series].store(value, Ordering::Relaxed);
    }

    /// Adds to a gauge. One thread may add what another takes away.
    #[inline]
    pub fn add(&self, gauge: Gauge, n: u64) {
        add(&self.stripe.gauges[gauge.place().series], n);
    }

    /// Takes away from a gauge.
    #[inline]
    pub fn sub(&self, gauge: Gauge, n: u64) {
        add(&self.stripe.gauges[gauge.place().series], n.wrapping_neg());
    }

    /// Adds a value to a histogram, in its unit; for one of seconds see [`Recorder::time`].
    #[inline]
    pub fn observe(&self, histogram: Histogram, value: u64) {
        let place = histogram.place();
        let Kind::Histogram(buckets) = place.family.kind else {
            return;
        };
        let distribution = &self.stripe.histograms[place.series];
        add(&distribution.buckets[buckets.index(value)], 1);
        add(&distribution.sum, value);
    }

    /// Adds a time to a histogram of seconds.
    #[inline]
    pub fn time(&self, histogram: Histogram, time: Duration) {
        self.observe(
            histogram,
            u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    /// Counts a request that was answered, and its time. `call` is the call's place in the list given to
    /// [`Metrics::new`], `None` for a request that met no call.
    #[inline]
    pub fn request(&self, call: Option<usize>, outcome: Outcome, time: Duration) {
        let calls = &self.stripe.calls;
        let other = calls.len() - 1;
        let counters = &calls[call.unwrap_or(other).min(other)];
        add(
            &counters.0[CallCounter::Requests(outcome).place().series],
            1,
        );
        self.time(Histogram::RequestDuration, time);
    }
}

/// Adds to what this thread alone writes.
fn add(cell: &AtomicU64, n: u64) {
    let sum = cell.load(Ordering::Relaxed).wrapping_add(n);
    cell.store(sum, Ordering::Relaxed);
}
