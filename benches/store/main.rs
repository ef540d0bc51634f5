//! The store under a growing number of messages: how fast commits are, how long the longest takes, what is written and kept for a
//! message, and how quickly it is read again and started again.
//!
//! ```sh
//! cargo bench --bench store -- --messages 1000000
//! ```
//!
//! Each variant is a process of its own. They take turns, a slice of messages each, so that all see the same good and bad minutes of the
//! machine; a ratio is the median over the turns. Commits alone count, folds, merges and checkpoints within them included. While others
//! have their turn, a variant's checkpoint may catch up: slices are large so that this matters little. What the processor did for a message,
//! in the thread that commits, is told apart from what the disk and other processes made it wait. Pages are read with the files in the kernel's
//! page cache.

mod bare;
mod options;
mod worker;
mod world;

use std::error::Error;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use options::{Options, Variant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Most messages in a slice; a run has at least ten, and so have its first of these.
const SLICE_MESSAGES_MAX: usize = 100_000;
/// Syncs that tell how fast the disk is.
const SYNCS: usize = 200;

fn main() -> Result<()> {
    let options = Options::read();
    match options.worker.as_deref() {
        None => coordinate(&options),
        Some("reopen") => worker::reopen(&options.directory, options.durability),
        Some(name) => {
            let variant = Variant::ALL
                .into_iter()
                .find(|variant| variant.name() == name);
            let variant = variant.ok_or_else(|| format!("no such variant: {name}"))?;
            worker::run(variant, &options.directory, &options)
        }
    }
}

/// What was measured of one variant.
struct Measured {
    variant: Variant,
    /// Nanoseconds of commits, slice by slice.
    slices: Vec<u64>,
    /// Nanoseconds of the 99th percentile of a commit, slice by slice.
    slices_p99: Vec<f64>,
    /// Nanoseconds in which a processor was at a commit.
    busy_nanos: f64,
    /// The most of these in one commit.
    busy_worst: f64,
    report: Value,
    pages_of_10: Value,
    pages_of_100: Value,
    after_kill: Value,
    after_stop: Value,
}

fn coordinate(options: &Options) -> Result<()> {
    let root = tempfile::Builder::new()
        .prefix("store-bench")
        .tempdir_in(&options.directory)?;
    let sync_ms = sync_ms(root.path())?;
    let mut workers = Vec::new();
    for variant in &options.variants {
        workers.push(Worker::start(*variant, &root, options)?);
    }
    let slice = options.messages.div_ceil(10).min(SLICE_MESSAGES_MAX);
    let mut sizes = Vec::new();
    let mut left = options.messages;
    while left > 0 {
        let stored = options.messages - left;
        let early = stored < SLICE_MESSAGES_MAX;
        let size = left.min(if early {
            slice.min(SLICE_MESSAGES_MAX / 10)
        } else {
            slice
        });
        left -= size;
        sizes.push(size);
        for worker in &mut workers {
            let answer = worker.ask(&format!("messages {size}"))?;
            worker.slices.push(number(&answer, "nanos") as u64);
            worker.slices_p99.push(number(&answer, "p99"));
            worker.busy_nanos += number(&answer, "busy_nanos");
            worker.busy_worst = worker.busy_worst.max(number(&answer, "busy_worst"));
        }
        eprint!(
            "\r{} of {} messages",
            options.messages - left,
            options.messages
        );
    }
    eprintln!();
    let mut measured = Vec::new();
    for worker in workers {
        measured.push(worker.finish(options)?);
    }
    print(&measured, &sizes, options);
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", report(&measured, &sizes, options)))?;
    }
    println!("\nfdatasync of 4 KiB on this disk, at the start: {sync_ms}");
    Ok(())
}

/// How long the disk takes to sync a page, p50 and p99.
fn sync_ms(directory: &Path) -> Result<String> {
    let mut file = std::fs::File::create(directory.join("sync"))?;
    file.write_all(&vec![0; SYNCS * 4096])?;
    file.sync_all()?;
    let mut nanos = Vec::new();
    for at in 0..SYNCS {
        file.seek(SeekFrom::Start(at as u64 * 4096))?;
        file.write_all(&[1; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        nanos.push(started.elapsed().as_nanos() as f64);
    }
    nanos.sort_unstable_by(f64::total_cmp);
    let ms = |share: usize| nanos[SYNCS * share / 100] / 1e6;
    Ok(format!("p50 {:.2} ms, p99 {:.2} ms", ms(50), ms(99)))
}

/// A process that holds a store.
struct Worker {
    variant: Variant,
    directory: PathBuf,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    slices: Vec<u64>,
    slices_p99: Vec<f64>,
    busy_nanos: f64,
    busy_worst: f64,
}

impl Worker {
    fn start(variant: Variant, root: &TempDir, options: &Options) -> Result<Worker> {
        let directory = root.path().join(variant.name());
        std::fs::create_dir(&directory)?;
        let mut child = spawn(variant.name(), &directory, options)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err("the worker has no pipes".into());
        };
        let mut worker = Worker {
            variant,
            directory,
            child,
            input,
            output: BufReader::new(output),
            slices: Vec::new(),
            slices_p99: Vec::new(),
            busy_nanos: 0.0,
            busy_worst: 0.0,
        };
        worker.answer()?;
        Ok(worker)
    }

    fn ask(&mut self, command: &str) -> Result<Value> {
        writeln!(self.input, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("{} has ended", self.variant.name()).into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Reads, then kills the process, starts on what it left, stops and starts again.
    fn finish(mut self, options: &Options) -> Result<Measured> {
        let report = self.ask("report")?;
        let pages_of_10 = self.ask("pages 10")?;
        let pages_of_100 = self.ask("pages 100")?;
        let (mut after_kill, mut after_stop) = (Value::Null, Value::Null);
        if self.variant.is_bare() {
            self.ask("close")?;
        } else {
            self.child.kill()?;
            self.child.wait()?;
            after_kill = reopen(&self.directory, options)?;
            after_stop = reopen(&self.directory, options)?;
            for start in [&after_kill, &after_stop] {
                if start["commit"] != report["commit"] {
                    let what = format!(
                        "{}: commit {} after a start, not {}",
                        self.variant.name(),
                        start["commit"],
                        report["commit"]
                    );
                    return Err(what.into());
                }
            }
        }
        Ok(Measured {
            variant: self.variant,
            slices: std::mem::take(&mut self.slices),
            slices_p99: std::mem::take(&mut self.slices_p99),
            busy_nanos: self.busy_nanos,
            busy_worst: self.busy_worst,
            report,
            pages_of_10,
            pages_of_100,
            after_kill,
            after_stop,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(part: &str, directory: &Path, options: &Options) -> Result<Child> {
    let child = Command::new(std::env::current_exe()?)
        .args(["--worker", part, "--dir"])
        .arg(directory)
        .args(["--conversations", &options.conversations.to_string()])
        .args(["--batch", &options.batch.to_string()])
        .args(["--body", &options.body_bytes.to_string()])
        .args(["--durability", options.durability_name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

fn reopen(directory: &Path, options: &Options) -> Result<Value> {
    let output = spawn("reopen", directory, options)?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{} does not start again", directory.display()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn number(answer: &Value, field: &str) -> f64 {
    answer[field].as_f64().unwrap_or(f64::NAN)
}

fn print(measured: &[Measured], sizes: &[usize], options: &Options) {
    println!(
        "{} messages of {} bytes in {} conversations at random, {} a commit, durability {}, 16 MiB cache, {} slices\n",
        options.messages,
        options.body_bytes,
        options.conversations,
        options.batch,
        options.durability_name(),
        sizes.len()
    );
    println!(
        "| | rows/s | last tenth | of the bare log | processor µs a message | commit p50 / p99 / p99.9 / worst, ms | worst at a processor, ms | bytes written a message | file bytes a message | resident MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for one in measured {
        let bound = measured
            .iter()
            .find(|bound| bound.variant == one.variant.bare());
        let tail = sizes.len() - sizes.len().div_ceil(10);
        let ratio = bound.map_or(f64::NAN, |bound| {
            median(
                bound
                    .slices
                    .iter()
                    .zip(&one.slices)
                    .map(|(bound, own)| *bound as f64 / *own as f64),
            )
        });
        let ms = |field| format!("{:.2}", number(&one.report, field) / 1e6);
        let per_message = |bytes: f64| match bytes.is_nan() {
            true => String::new(),
            false => format!("{:.0}", bytes / options.messages as f64),
        };
        println!(
            "| {} | {:.0} | {:.0} | {ratio:.2} | {:.2} | {} / {} / {} / {} | {:.2} | {} | {} | {:.1} |",
            one.variant.title(),
            rate(sizes, &one.slices),
            rate(&sizes[tail..], &one.slices[tail..]),
            one.busy_nanos / 1e3 / options.messages as f64,
            ms("p50"),
            ms("p99"),
            ms("p999"),
            ms("worst"),
            one.busy_worst / 1e6,
            per_message(number(&one.report, "written")),
            per_message(number(&one.after_stop, "file") - number(&one.report, "file_before")),
            number(&one.report, "resident") / f64::from(1 << 20),
        );
    }
    println!(
        "\n| | page of 10, p50 / p99 / worst, µs | rows in it | page of 100, p50 / p99 / worst, µs | rows in it | start after a stop, ms | after a kill, ms | clean stop, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for one in measured.iter().filter(|one| !one.variant.is_bare()) {
        let page = |page: &Value| {
            let us = |field| format!("{:.0}", number(page, field) / 1e3);
            format!(
                "{} / {} / {} | {:.1}",
                us("p50"),
                us("p99"),
                us("worst"),
                number(page, "rows")
            )
        };
        println!(
            "| {} | {} | {} | {:.1} | {:.1} | {:.1} |",
            one.variant.title(),
            page(&one.pages_of_10),
            page(&one.pages_of_100),
            number(&one.after_stop, "open") / 1e6,
            number(&one.after_kill, "open") / 1e6,
            number(&one.after_kill, "close") / 1e6,
        );
    }
}

/// The same for programs.
fn report(measured: &[Measured], sizes: &[usize], options: &Options) -> Value {
    let page = |page: &Value| {
        let ms = |field| number(page, field) / 1e6;
        json!({"p50_ms": ms("p50"), "p99_ms": ms("p99"), "worst_ms": ms("worst"), "rows": page["rows"]})
    };
    let variants = measured.iter().map(|one| {
        let mut stored = 0;
        let slices = sizes.iter().zip(&one.slices).zip(&one.slices_p99);
        let slices: Vec<Value> = slices
            .map(|((size, nanos), p99)| {
                stored += size;
                json!({
                    "stored": stored,
                    "rows_per_s": rate(&[*size], &[*nanos]),
                    "p99_ms": p99 / 1e6,
                })
            })
            .collect();
        let ms = |field| number(&one.report, field) / 1e6;
        json!({
            "name": one.variant.name(),
            "slices": slices,
            "rows_per_s": rate(sizes, &one.slices),
            "busy_us": one.busy_nanos / 1e3 / options.messages as f64,
            "busy_worst_ms": one.busy_worst / 1e6,
            "commit": {"p50_ms": ms("p50"), "p99_ms": ms("p99"), "p999_ms": ms("p999"), "worst_ms": ms("worst")},
            "resident_mib": number(&one.report, "resident") / f64::from(1 << 20),
            "file_bytes": one.after_stop["file"],
            "pages_of_10": page(&one.pages_of_10),
            "pages_of_100": page(&one.pages_of_100),
            "start_after_stop_ms": number(&one.after_stop, "open") / 1e6,
            "start_after_kill_ms": number(&one.after_kill, "open") / 1e6,
        })
    });
    json!({
        "messages": options.messages,
        "conversations": options.conversations,
        "body_bytes": options.body_bytes,
        "batch": options.batch,
        "durability": options.durability_name(),
        "variants": variants.collect::<Vec<_>>(),
    })
}

/// Messages a second, of messages and nanoseconds slice by slice.
fn rate(sizes: &[usize], nanos: &[u64]) -> f64 {
    sizes.iter().sum::<usize>() as f64 * 1e9 / nanos.iter().sum::<u64>() as f64
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
