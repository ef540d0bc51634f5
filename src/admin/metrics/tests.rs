use super::*;
use crate::admin::process::Process;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;

const PROCESS: Process = Process {
    started_at_ms: 1_767_225_600_250,
    resident_bytes: Some(8_192),
    open_fds: Some(12),
};

fn rendered(metrics: &Metrics) -> String {
    let mut out = String::new();
    metrics.render(&PROCESS, &mut out);
    out
}

/// The value of a sample, given as it stands in the text.
fn sample<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

fn families() -> impl Iterator<Item = &'static Family> {
    [
        Counter::FAMILIES,
        CallCounter::FAMILIES,
        Gauge::FAMILIES,
        Histogram::FAMILIES,
        ProcessGauge::FAMILIES,
    ]
    .into_iter()
    .flatten()
}

#[test]
fn every_thread_counts_for_itself_and_the_sum_is_shown() {
    let metrics = Metrics::new(vec!["a"]);
    let work = |recorder: Recorder| {
        move || {
            for _ in 0..1_000 {
                recorder.count(Counter::BytesSent, 3);
                recorder.count(Counter::ConnectionsClosed(CloseReason::Idle), 1);
                recorder.add(Gauge::ConnectionsOpen, 2);
                recorder.sub(Gauge::ConnectionsOpen, 1);
                recorder.request(Some(0), Outcome::Ok, Duration::from_millis(1));
            }
            recorder.set(Gauge::Sessions, 5);
        }
    };
    let threads: Vec<_> = (0..4)
        .map(|_| thread::spawn(work(metrics.recorder())))
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let text = rendered(&metrics);
    for (series, value) in [
        ("imd_sent_bytes_total", "12000"),
        ("imd_connections_closed_total{reason=\"idle\"}", "4000"),
        ("imd_connections_closed_total{reason=\"peer\"}", "0"),
        ("imd_connections_open", "4000"),
        ("imd_sessions", "20"),
        ("imd_requests_total{call=\"a\",outcome=\"ok\"}", "4000"),
        ("imd_request_duration_seconds_count", "4000"),
        ("imd_request_duration_seconds_sum", "4"),
    ] {
        assert_eq!(sample(&text, series), Some(value), "{series}");
    }
}

#[test]
fn a_gauge_may_be_added_to_by_one_thread_and_taken_from_by_another() {
    let metrics = Metrics::new(vec![]);
    let (shard, reader) = (metrics.recorder(), metrics.recorder());
    let short = Gauge::ReaderQueue(ReaderQueue::Short);
    shard.add(short, 7);
    reader.sub(short, 5);
    let series = "imd_reader_queue_queries{queue=\"short\"}";
    assert_eq!(sample(&rendered(&metrics), series), Some("2"));
    reader.sub(short, 3);
    assert_eq!(sample(&rendered(&metrics), series), Some("0"));
}

#[test]
fn requests_are_shown_by_call_and_outcome() {
    let metrics = Metrics::new(vec!["buyer.sendMsg", "buyer.getMsg", "buyer.sendMsg"]);
    let recorder = metrics.recorder();
    let time = Duration::from_micros(50);
    recorder.request(Some(0), Outcome::Ok, time);
    recorder.request(Some(2), Outcome::Ok, time);
    recorder.request(Some(1), Outcome::Busy, time);
    recorder.request(None, Outcome::HttpError, time);
    recorder.request(Some(3), Outcome::HttpError, time);
    recorder.request(Some(usize::MAX), Outcome::HttpError, time);
    let text = rendered(&metrics);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("imd_requests_total{") && !line.ends_with(" 0"))
        .collect();
    assert_eq!(
        lines,
        [
            "imd_requests_total{call=\"buyer.sendMsg\",outcome=\"ok\"} 2",
            "imd_requests_total{call=\"buyer.getMsg\",outcome=\"busy\"} 1",
            "imd_requests_total{call=\"none\",outcome=\"http_error\"} 3",
        ]
    );
    assert_eq!(text.matches("call=\"buyer.sendMsg\"").count(), 6);
}

#[test]
fn a_histogram_in_full() {
    let metrics = Metrics::new(vec![]);
    let recorder = metrics.recorder();
    for commands in [0, 1, 2, 3, 512, 513, 100_000] {
        recorder.observe(Histogram::CommitCommands, commands);
    }
    let text = rendered(&metrics);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("imd_commit_commands"))
        .collect();
    assert_eq!(
        lines,
        [
            "# HELP imd_commit_commands Commands in a commit.",
            "# TYPE imd_commit_commands histogram",
            "imd_commit_commands_bucket{le=\"1\"} 2",
            "imd_commit_commands_bucket{le=\"2\"} 3",
            "imd_commit_commands_bucket{le=\"4\"} 4",
            "imd_commit_commands_bucket{le=\"8\"} 4",
            "imd_commit_commands_bucket{le=\"16\"} 4",
            "imd_commit_commands_bucket{le=\"32\"} 4",
            "imd_commit_commands_bucket{le=\"64\"} 4",
            "imd_commit_commands_bucket{le=\"128\"} 4",
            "imd_commit_commands_bucket{le=\"256\"} 4",
            "imd_commit_commands_bucket{le=\"512\"} 5",
            "imd_commit_commands_bucket{le=\"+Inf\"} 7",
            "imd_commit_commands_sum 101031",
            "imd_commit_commands_count 7",
        ]
    );
}

#[test]
fn times_are_shown_in_seconds_with_all_digits() {
    let metrics = Metrics::new(vec![]);
    let recorder = metrics.recorder();
    let heavy = Histogram::QueryDuration(ReaderQueue::Heavy);
    recorder.time(heavy, Duration::from_nanos(1_024));
    recorder.time(heavy, Duration::from_nanos(1_025));
    recorder.time(heavy, Duration::from_secs(20));
    let text = rendered(&metrics);
    for (series, value) in [
        ("_bucket{queue=\"heavy\",le=\"0.000001024\"}", "1"),
        ("_bucket{queue=\"heavy\",le=\"0.000002048\"}", "2"),
        ("_bucket{queue=\"heavy\",le=\"17.179869184\"}", "2"),
        ("_bucket{queue=\"heavy\",le=\"+Inf\"}", "3"),
        ("_bucket{queue=\"short\",le=\"+Inf\"}", "0"),
        ("_sum{queue=\"heavy\"}", "20.000002049"),
        ("_count{queue=\"heavy\"}", "3"),
    ] {
        let series = format!("imd_query_duration_seconds{series}");
        assert_eq!(sample(&text, &series), Some(value), "{series}");
    }
}

#[test]
fn the_process_is_shown_as_far_as_it_is_known() {
    let metrics = Metrics::new(vec![]);
    let text = rendered(&metrics);
    for (series, value) in [
        ("process_start_time_seconds", "1767225600.25"),
        ("process_resident_memory_bytes", "8192"),
        ("process_open_fds", "12"),
    ] {
        assert_eq!(sample(&text, series), Some(value), "{series}");
    }
    let unknown = Process {
        resident_bytes: None,
        ..PROCESS
    };
    let mut text = String::new();
    metrics.render(&unknown, &mut text);
    assert!(!text.contains("process_resident_memory_bytes"));
    assert!(text.contains("process_open_fds 12\n"));
}

#[test]
fn declarations_keep_to_the_conventions() {
    let mut names = BTreeSet::new();
    for family in families() {
        let Family { name, help, .. } = family;
        assert!(names.insert(name), "{name} is declared twice");
        assert!(
            name.starts_with("imd_") || name.starts_with("process_"),
            "{name}"
        );
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            family.kind == Kind::Counter,
            "{name}"
        );
        let base = name.trim_end_matches("_total");
        assert_eq!(
            base.ends_with("_seconds"),
            family.unit == Unit::Seconds,
            "{name}"
        );
        assert_eq!(
            base.ends_with("_bytes"),
            family.unit == Unit::Bytes,
            "{name}"
        );
        assert!(help.ends_with('.') && !help.contains(['"', '\\']), "{name}");
        for (label, values) in family.label {
            assert!(!["le", "call"].contains(label), "{name}");
            let distinct: BTreeSet<_> = values.iter().collect();
            assert_eq!(distinct.len(), values.len(), "{name}");
        }
    }
}

/// A reader of the text format, strict where it matters: every sample stands below the head of its family, no series
/// stands twice, buckets rise, and the last one is the count.
fn check_text(text: &str) {
    let mut heads = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut family = ("", "");
    let mut bucket_before: BTreeMap<String, u64> = BTreeMap::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = (help.split(' ').next().unwrap(), "");
            assert!(heads.insert(family.0), "{line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!((name, ""), family);
            family.1 = kind;
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "{line}");
        let value: f64 = value.parse().unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let suffix = name.strip_prefix(family.0).unwrap();
        match (family.1, suffix) {
            ("counter" | "gauge", "") | ("histogram", "_sum") => {}
            ("histogram", "_bucket") => {
                let (others, bound) = labels.split_once("le=\"").unwrap();
                let key = format!("{}|{}", family.0, others.trim_end_matches(','));
                let before = bucket_before.insert(key, value as u64).unwrap_or(0);
                assert!(before <= value as u64, "{line}");
                let bound = bound.strip_suffix('"').unwrap();
                assert!(bound == "+Inf" || bound.parse::<f64>().is_ok(), "{line}");
            }
            ("histogram", "_count") => {
                let key = format!("{}|{labels}", family.0);
                assert_eq!(bucket_before[&key], value as u64, "{line}");
            }
            other => panic!("{other:?}: {line}"),
        }
    }
    assert_eq!(heads, families().map(|family| family.name).collect());
}

#[test]
fn the_text_is_well_formed() {
    let metrics = Metrics::new(vec!["a", "quoted \"b\" \\ \n"]);
    check_text(&rendered(&metrics).replace("\\n", ""));
    let recorder = metrics.recorder();
    recorder.request(Some(1), Outcome::Failed, Duration::MAX);
    let text = rendered(&metrics);
    check_text(&text);
    let escaped = "imd_requests_total{call=\"quoted \\\"b\\\" \\\\ \\n\",outcome=\"failed\"}";
    assert_eq!(sample(&text, escaped), Some("1"));
}

proptest! {
    #[test]
    fn a_value_falls_into_the_first_bucket_that_bounds_it(value: u64, shift in 0..64_u32, first in 0..20_u32, length in 0..40_u32) {
        let buckets = Buckets { first_log2: first, last_log2: first + length };
        for value in [value >> shift, 1 << shift, (1 << shift) - 1, (1 << shift) + 1] {
            let bounds: Vec<_> = buckets.bounds().collect();
            let expected = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
            prop_assert_eq!(buckets.index(value), expected);
            prop_assert!(expected < buckets.count());
        }
    }
}
