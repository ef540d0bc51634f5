//! A process that holds one store, so that its memory and its writes are its own. It does what lines on standard input say and answers
//! each with a line of JSON.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, Write, sink, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use imd::domain::command::Effect;
use imd::domain::ids::CommitNumber;
use imd::store::sqlite::{Durability, SqliteStore};
use imd::store::{Order, Store};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::bare::BareLog;
use crate::options::{Options, Variant};
use crate::world::{Random, World};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Pages that are read of each size.
const PAGES_READ: usize = 5_000;
/// Effects in a commit of those that fill the store before the first message.
const ROWS_PER_COMMIT: usize = 4_096;

/// What takes the commits.
enum Log {
    Bare(BareLog),
    Store(Box<SqliteStore>, CommitNumber),
}

impl Log {
    fn commit(&mut self, effects: &[Effect]) -> Result<()> {
        match self {
            Log::Bare(log) => Ok(log.commit(effects)?),
            Log::Store(store, newest) => {
                newest.0 += 1;
                Ok(store.commit(*newest, effects)?)
            }
        }
    }
}

/// Fills a new store in `directory` and serves standard input until it ends.
pub fn run(variant: Variant, directory: &Path, options: &Options) -> Result<()> {
    let mut world = World::new(options.conversations, options.body_bytes, variant.extras());
    let rss_before = resident_bytes()?;
    let mut log = open(variant, directory, &world, options.durability)?;
    let file_before = file_bytes(directory);
    let written_before = written_bytes()?;
    // Nanoseconds, to a minute.
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    answer(&json!({}))?;
    for line in stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("messages", count) => {
                let took = append(
                    &mut log,
                    &mut world,
                    count.parse()?,
                    options,
                    &mut latencies,
                )?;
                answer(&took)?;
            }
            ("report", _) => answer(&json!({
                "commit": commits(&log),
                "p50": latencies.value_at_quantile(0.5),
                "p99": latencies.value_at_quantile(0.99),
                "p999": latencies.value_at_quantile(0.999),
                "worst": latencies.max(),
                "written": written_bytes()? - written_before,
                "resident": resident_bytes()?.saturating_sub(rss_before),
                "file_before": file_before,
            }))?,
            ("pages", rows) => match &log {
                Log::Bare(_) => answer(&Value::Null)?,
                Log::Store(store, _) => {
                    answer(&read_pages(directory, store, &world, rows.parse()?)?)?
                }
            },
            ("close", _) => break,
            _ => return Err(format!("no such command: {line}").into()),
        }
    }
    if let Log::Bare(bare) = log {
        bare.close()?;
    }
    answer(&Value::Null)
}

/// Opens the store in `directory` as after a stop or a kill, closes it and tells how long each took.
pub fn reopen(directory: &Path, durability: Durability) -> Result<()> {
    let mut store = SqliteStore::new(directory, durability);
    let started = Instant::now();
    let counters = store.open()?;
    let open = started.elapsed();
    store.close()?;
    let close = started.elapsed() - open;
    answer(&json!({
        "commit": counters.commit.0,
        "open": open.as_nanos() as u64,
        "close": close.as_nanos() as u64,
        "file": file_bytes(directory),
    }))
}

fn open(variant: Variant, directory: &Path, world: &World, durability: Durability) -> Result<Log> {
    if variant.is_bare() {
        return Ok(Log::Bare(BareLog::create(directory, durability)?));
    }
    let mut store = SqliteStore::new(directory, durability);
    let mut newest = store.open()?.commit;
    for rows in world.rows().chunks(ROWS_PER_COMMIT) {
        newest.0 += 1;
        store.commit(newest, rows)?;
    }
    // What is there before the first message lies in the file.
    store.close()?;
    store.open()?;
    Ok(Log::Store(Box::new(store), newest))
}

/// Commits `messages` more and gives the nanoseconds that the commits took, those of them in which a processor was at it, the most of these
/// in one commit, and the 99th percentile of a commit; making the effects does not count.
fn append(
    log: &mut Log,
    world: &mut World,
    messages: usize,
    options: &Options,
    latencies: &mut Histogram<u64>,
) -> Result<Value> {
    let (mut nanos, mut busy_nanos, mut busy_worst) = (0, 0, 0);
    let mut own = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut left = messages;
    while left > 0 {
        let count = left.min(options.batch);
        left -= count;
        let effects = world.commit(count);
        let (started, busy_before) = (Instant::now(), busy());
        log.commit(&effects)?;
        let was_busy = busy() - busy_before;
        busy_nanos += was_busy;
        busy_worst = was_busy.max(busy_worst);
        let took = started.elapsed().as_nanos() as u64;
        own.saturating_record(took);
        nanos += took;
    }
    latencies.add(&own)?;
    Ok(json!({
        "nanos": nanos,
        "busy_nanos": busy_nanos,
        "busy_worst": busy_worst,
        "p99": own.value_at_quantile(0.99),
    }))
}

/// Nanoseconds of a processor that this thread has had.
fn busy() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn commits(log: &Log) -> u64 {
    match log {
        Log::Bare(_) => 0,
        Log::Store(_, newest) => newest.0,
    }
}

/// Reads history pages of up to `rows` messages that end at a random place of a random conversation, as a reader thread does: the
/// conversation, the member and the messages in one snapshot. Before that the files are read through once, so that all of them are in the
/// kernel's page cache, as far as it has room: what is measured is the store, not what else this machine used its memory for.
fn read_pages(directory: &Path, store: &SqliteStore, world: &World, rows: u64) -> Result<Value> {
    for name in ["imd.sqlite", "imd.sqlite-wal"] {
        std::io::copy(&mut File::open(directory.join(name))?, &mut sink())?;
    }
    let mut reader = store.reader()?;
    let mut random = Random::new(7);
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut found = 0;
    for _ in 0..PAGES_READ {
        let (conversation, account, head) = world.pick(&mut random);
        let newest = random.below(head.max(1)) + 1;
        let started = Instant::now();
        let mut got = 0;
        reader.snapshot(&mut |snapshot| {
            snapshot.conversation(conversation)?;
            snapshot.member(conversation, account)?;
            let oldest = newest.saturating_sub(rows - 1).max(1);
            let range = oldest..=newest;
            let page = snapshot.messages(conversation, range, Order::NewestFirst, rows as usize)?;
            got = page.len();
            Ok(())
        })?;
        latencies.saturating_record(started.elapsed().as_nanos() as u64);
        let expected = if head == 0 { 0 } else { newest.min(rows) };
        if got as u64 != expected {
            let what = format!("{conversation} up to {newest}: {got} messages, not {expected}");
            return Err(what.into());
        }
        found += got;
    }
    Ok(json!({
        "p50": latencies.value_at_quantile(0.5),
        "p99": latencies.value_at_quantile(0.99),
        "worst": latencies.max(),
        "rows": found as f64 / PAGES_READ as f64,
    }))
}

fn answer(value: &Value) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

fn file_bytes(directory: &Path) -> u64 {
    fs::metadata(directory.join("imd.sqlite")).map_or(0, |file| file.len())
}

/// Bytes that this process had the kernel write to disk, those that wait included.
fn written_bytes() -> Result<u64> {
    number_in("/proc/self/io", "write_bytes:")
}

/// Resident memory of this process in bytes.
fn resident_bytes() -> Result<u64> {
    Ok(number_in("/proc/self/status", "VmRSS:")? * 1024)
}

fn number_in(path: &str, field: &str) -> Result<u64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number
        .ok_or_else(|| format!("{path} has no {field}"))?
        .parse()?)
}
