//! What a run found: the table for people and the JSON for everything else.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::conduct::Watched;
use crate::ledger::Delivery;
use crate::measure::{Recorder, Track};
use crate::process::cpu_percent;

/// The quantiles of the table.
const SHOWN: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
/// Points of a percentile curve for each tenfold rarer latency.
const CURVE_POINTS_PER_DECADE: u32 = 20;

/// From here on a thread is taken to be busy all the time.
const BUSY_PERCENT: f64 = 95.0;

/// A run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The command line, so that the run can be repeated.
    pub command: Vec<String>,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: u64,
    /// The machine of the client.
    pub machine: String,
    /// Connections that were asked for.
    pub connections: usize,
    /// Threads of the client.
    pub threads: usize,
    /// How long things counted, in seconds.
    pub counted_s: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// How long it took until all connections were ready, in seconds.
    pub ready_s: f64,
    /// How many calls or messages were completed in the time that counts, of each kind.
    pub throughput: Vec<Throughput>,
    /// From the time that was meant to the end, of each kind.
    pub latency: Vec<Latency>,
    /// What became of every message, where messages are told apart.
    pub delivery: Option<Delivery>,
    /// How many failures of each kind there were.
    pub errors: BTreeMap<String, u64>,
    /// The client and, if it was watched, the server.
    pub processes: Vec<Process>,
    /// Bytes received and sent.
    pub bytes: (u64, u64),
    /// Anything else, with its unit in its name.
    pub facts: BTreeMap<String, f64>,
}

/// How much was done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// What.
    pub name: String,
    /// How many in the time that counts.
    pub completed: u64,
    /// How many a second.
    pub per_second: f64,
    /// Over the run.
    pub series: Vec<Point>,
}

/// An interval of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// Its middle, in seconds since things began to count.
    pub at_s: f64,
    /// How many a second ended in it.
    pub per_second: f64,
    /// The median latency of those, in microseconds.
    pub p50_us: f64,
    /// Their 99th percentile, in microseconds.
    pub p99_us: f64,
}

/// A distribution of latencies, in microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Of what.
    pub name: String,
    /// How many were measured.
    pub count: u64,
    /// The mean.
    pub mean_us: f64,
    /// The shortest.
    pub min_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Quantile and latency, for 0.5, 0.9, 0.99, 0.999 and 0.9999.
    pub quantiles: Vec<(f64, f64)>,
    /// The whole curve: quantile and latency.
    pub curve: Vec<(f64, f64)>,
}

/// What a process took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// `client` or `server`.
    pub role: String,
    /// Processor time while things counted, in percent of one core.
    pub cpu_percent: f64,
    /// Resident memory before the first connection, when things begin to count, and at the end, in KiB.
    pub rss_kib: [u64; 3],
    /// The same without files.
    pub anonymous_kib: [u64; 3],
}

impl Report {
    /// Enters what was measured.
    pub fn enter(&mut self, recorder: &Recorder) {
        self.errors.clone_from(&recorder.errors);
        self.counted_s = recorder.counted_s();
        for track in &recorder.tracks {
            self.throughput.push(throughput(recorder, track));
            self.latency.push(latency(track));
        }
    }

    /// Enters latencies alone, of what has no time that counts.
    pub fn enter_latencies(&mut self, recorder: &Recorder) {
        self.errors.clone_from(&recorder.errors);
        self.latency.extend(recorder.tracks.iter().map(latency));
    }

    /// Enters what a process took.
    pub fn enter_process(&mut self, role: &str, watched: Option<Watched>) {
        if let Some(Watched {
            before,
            counted,
            end,
        }) = watched
        {
            self.processes.push(Process {
                role: role.to_owned(),
                cpu_percent: cpu_percent(counted, end),
                rss_kib: [before, counted, end].map(|sample| sample.rss_kib),
                anonymous_kib: [before, counted, end].map(|sample| sample.anonymous_kib),
            });
        }
    }

    /// Whether anything failed, was lost, doubled or out of order.
    pub fn is_broken(&self) -> bool {
        !self.errors.is_empty() || self.delivery.as_ref().is_some_and(Delivery::is_broken)
    }

    /// How much was completed for each second of processor that a process took: what it could do with a core of its own that is never taken away.
    fn per_processor_second(&self, process: &Process) -> Option<f64> {
        let done = self
            .throughput
            .last()
            .filter(|_| process.cpu_percent >= 1.0)?;
        Some(done.per_second * 100.0 / process.cpu_percent)
    }

    /// What kept the run from being faster: whose share of a core is full, as far as it can be seen from one thread each.
    fn limit(&self) -> &'static str {
        let busy = |role: &str| {
            let process = self.processes.iter().find(|process| process.role == role)?;
            let threads = if role == "client" {
                self.threads as f64
            } else {
                1.0
            };
            Some(process.cpu_percent / threads >= BUSY_PERCENT)
        };
        match (busy("client"), busy("server")) {
            (Some(true), Some(true)) => "both processors",
            (Some(true), _) => "the client's processor",
            (_, Some(true)) => "the server's processor",
            (_, Some(false)) => "neither processor (rate, waiting, or other work on the machine)",
            (_, None) => "not the client's processor (give --pid to see the server's)",
        }
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} over {} connections, {} threads",
            self.scenario, self.connections, self.threads
        )?;
        if self.interrupted {
            writeln!(
                out,
                "INTERRUPTED: what follows is about the time until then"
            )?;
        }
        writeln!(out, "  {:<24} {:>12.3} s", "all ready after", self.ready_s)?;
        for one in &self.throughput {
            writeln!(
                out,
                "  {:<24} {:>12.0} /s   {} in {:.2} s",
                one.name, one.per_second, one.completed, self.counted_s
            )?;
        }
        if !self.latency.is_empty() {
            writeln!(
                out,
                "\n  {:<14} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                "latency", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"
            )?;
        }
        for one in &self.latency {
            write!(out, "  {:<14} {:>9}", one.name, time(one.mean_us))?;
            for (_, us) in &one.quantiles {
                write!(out, " {:>9}", time(*us))?;
            }
            writeln!(out, " {:>9}", time(one.max_us))?;
        }
        if let Some(delivery) = &self.delivery {
            writeln!(out, "\n  messages")?;
            for (name, count) in [
                ("sent", delivery.sent),
                ("acknowledged", delivery.acknowledged),
                ("refused", delivery.refused),
                ("delivered", delivery.delivered),
                ("unanswered", delivery.unanswered),
                ("lost", delivery.lost),
                ("duplicated", delivery.duplicated),
                ("reordered", delivery.reordered),
                ("foreign", delivery.foreign),
            ] {
                writeln!(out, "  {name:<24} {count:>12}")?;
            }
        }
        if !self.errors.is_empty() {
            writeln!(out, "\n  failures")?;
            for (kind, count) in &self.errors {
                writeln!(out, "  {kind:<24} {count:>12}")?;
            }
        }
        writeln!(out)?;
        for (name, value) in &self.facts {
            writeln!(out, "  {name:<36} {value:>12.3}")?;
        }
        for process in &self.processes {
            let [before, counted, end] = process.rss_kib;
            writeln!(
                out,
                "  {:<8} {:>5.0} % of a core, resident {before} → {counted} → {end} KiB",
                process.role, process.cpu_percent
            )?;
            if let Some(per_second) = self.per_processor_second(process) {
                writeln!(
                    out,
                    "  {:<8} {per_second:>7.0} for each second of its processor",
                    ""
                )?;
            }
        }
        writeln!(out, "  limited by: {}", self.limit())
    }
}

fn throughput(recorder: &Recorder, track: &Track) -> Throughput {
    let interval_s = recorder.interval_s();
    let series = track
        .intervals
        .iter()
        .take(recorder.intervals())
        .enumerate();
    Throughput {
        name: track.name.to_owned(),
        completed: track.completed,
        per_second: track.completed as f64 / recorder.counted_s().max(f64::MIN_POSITIVE),
        series: series
            .map(|(index, interval)| Point {
                at_s: (index as f64 + 0.5) * interval_s,
                per_second: interval.len() as f64 / interval_s,
                p50_us: us(interval.value_at_quantile(0.5)),
                p99_us: us(interval.value_at_quantile(0.99)),
            })
            .collect(),
    }
}

fn latency(track: &Track) -> Latency {
    let latency = &track.latency;
    Latency {
        name: track.name.to_owned(),
        count: latency.len(),
        mean_us: latency.mean() / 1_000.0,
        min_us: us(latency.min()),
        max_us: us(latency.max()),
        quantiles: SHOWN.map(|q| (q, us(latency.value_at_quantile(q)))).into(),
        curve: curve(latency),
    }
}

/// The quantiles from 0 as far as the number of values lets them mean something, evenly spaced by the logarithm of how rare the rest is.
fn curve(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    let decades = (latency.len().max(1) as f64).log10();
    let points = (decades * f64::from(CURVE_POINTS_PER_DECADE)) as u32;
    (0..=points)
        .map(|point| {
            let rarity = f64::from(point) / f64::from(CURVE_POINTS_PER_DECADE);
            // Nine digits: as many as survive every reader of JSON.
            let quantile = ((1.0 - 10f64.powf(-rarity)) * 1e9).round() / 1e9;
            (quantile, us(latency.value_at_quantile(quantile)))
        })
        .collect()
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

/// A time with the unit that suits it.
pub fn time(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.1}µs"),
        us if us < 1_000_000.0 => format!("{:.2}ms", us / 1_000.0),
        us => format!("{:.2}s", us / 1_000_000.0),
    }
}

/// Two runs side by side.
pub fn comparison(one: &Report, two: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, a: f64, b: f64, show: fn(f64) -> String| {
        let ratio = if a > 0.0 { b / a } else { f64::NAN };
        let _ = writeln!(
            out,
            "  {name:<28} {:>12} {:>12} {ratio:>8.3}×",
            show(a),
            show(b)
        );
    };
    for a in &one.throughput {
        if let Some(b) = two.throughput.iter().find(|b| b.name == a.name) {
            let name = format!("{}, a second", a.name);
            line(&name, a.per_second, b.per_second, |value| {
                format!("{value:.0}")
            });
        }
    }
    for a in &one.latency {
        if let Some(b) = two.latency.iter().find(|b| b.name == a.name) {
            for ((quantile, a_us), (_, b_us)) in a.quantiles.iter().zip(&b.quantiles) {
                line(
                    &format!("{} p{}", a.name, quantile * 100.0),
                    *a_us,
                    *b_us,
                    time,
                );
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND_NS;
    use crate::pace::Window;

    fn report() -> Report {
        let window = Window {
            start_ns: 0,
            counted_ns: 0,
            end_ns: SECOND_NS,
        };
        let mut recorder = Recorder::new(&["response"], window);
        for n in 0..1_000 {
            recorder.record(0, n * 1_000, n * 1_000 + (n + 1) * 1_000);
        }
        let mut report = Report {
            scenario: "http".into(),
            ..Report::default()
        };
        report.enter(&recorder);
        report
    }

    #[test]
    fn a_report_survives_json() {
        let report = report();
        let json = serde_json::to_string(&report).unwrap();
        let back: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
        assert_eq!(back.throughput[0].completed, 1_000);
    }

    #[test]
    fn quantiles_and_curve_tell_the_distribution() {
        let report = report();
        let latency = &report.latency[0];
        let (_, p90) = latency.quantiles[1];
        assert!((p90 - 900.0).abs() < 2.0, "{p90}");
        assert!(latency.curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert!(report.table().contains("1000 /s"));
        assert!(!report.is_broken());
    }

    #[test]
    fn a_failure_breaks_a_run() {
        let mut failed = report();
        failed.errors.insert("status 500".into(), 1);
        assert!(failed.is_broken() && failed.table().contains("status 500"));
        let mut lost = report();
        lost.delivery = Some(Delivery {
            lost: 1,
            ..Delivery::default()
        });
        assert!(lost.is_broken());
    }

    #[test]
    fn a_comparison_shows_the_ratio() {
        let one = report();
        let mut two = report();
        two.throughput[0].per_second *= 2.0;
        assert!(comparison(&one, &two).contains("2.000×"));
    }
}
