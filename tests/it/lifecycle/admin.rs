//! Health and metrics.

use crate::harness::{GUARD, Request, Server};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// The metrics of one scrape.
struct Scrape {
    /// Family name to type.
    types: HashMap<String, String>,
    /// Family names with a help text.
    helped: HashSet<String>,
    /// Sample name with its labels, and value.
    samples: Vec<(String, f64)>,
}

impl Scrape {
    /// Reads the Prometheus text format, version 0.0.4.
    fn of(server: &Server) -> Scrape {
        let response = server.client().call(&Request::get("/metrics"));
        assert_eq!(response.status, 200);
        response.assert_media_type("text/plain");
        assert!(response.text().ends_with('\n'), "the last line ends too");
        let mut scrape = Scrape {
            types: HashMap::new(),
            helped: HashSet::new(),
            samples: Vec::new(),
        };
        for line in response.text().lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (family, text) = help
                    .split_once(' ')
                    .unwrap_or_else(|| panic!("no help text: {line}"));
                assert!(!text.trim().is_empty(), "{line}");
                assert!(scrape.helped.insert(family.to_owned()), "twice: {line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (family, kind) = kind
                    .split_once(' ')
                    .unwrap_or_else(|| panic!("no type: {line}"));
                assert!(
                    matches!(kind, "counter" | "gauge" | "histogram" | "summary"),
                    "{line}"
                );
                assert_eq!(
                    scrape.types.insert(family.to_owned(), kind.to_owned()),
                    None,
                    "twice: {line}"
                );
            } else if !line.is_empty() && !line.starts_with('#') {
                let (name, value) = line
                    .rsplit_once(' ')
                    .unwrap_or_else(|| panic!("not a sample: {line}"));
                let value = value
                    .parse()
                    .unwrap_or_else(|_| panic!("not a number: {line}"));
                scrape.samples.push((name.to_owned(), value));
            }
        }
        scrape
    }

    /// The family of a sample: histograms and summaries have samples under longer names.
    fn family<'a>(&self, sample: &'a str) -> &'a str {
        let name = sample.split('{').next().unwrap_or(sample);
        let shorter = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix));
        match shorter {
            Some(family)
                if self
                    .types
                    .get(family)
                    .is_some_and(|kind| kind == "histogram" || kind == "summary") =>
            {
                family
            }
            _ => name,
        }
    }

    /// The sum over all counters of requests.
    fn requests(&self) -> f64 {
        let is_counter = |sample: &str| {
            self.types
                .get(self.family(sample))
                .is_some_and(|kind| kind == "counter")
        };
        let counts = |sample: &str| self.family(sample).contains("request") && is_counter(sample);
        self.samples
            .iter()
            .filter(|(sample, _)| counts(sample))
            .map(|(_, value)| value)
            .sum()
    }
}

#[test]
fn a_running_server_is_healthy_and_ready() {
    let server = Server::durable(&[]);
    let mut http = server.client();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http.call(&Request::get(path)).status, 200, "{path}");
    }
}

#[test]
fn every_metric_has_a_help_text_and_a_type() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "wowo");
    let scrape = Scrape::of(&server);
    assert!(scrape.samples.len() > 10, "{:?}", scrape.samples);
    for (sample, value) in &scrape.samples {
        let family = scrape.family(sample);
        assert!(scrape.helped.contains(family), "{sample} has no HELP");
        assert!(scrape.types.contains_key(family), "{sample} has no TYPE");
        assert!(!value.is_nan(), "{sample}");
    }
    let names: HashSet<_> = scrape.samples.iter().map(|(sample, _)| sample).collect();
    assert_eq!(names.len(), scrape.samples.len(), "a sample is there twice");
    assert!(
        scrape.types.values().any(|kind| kind == "histogram"),
        "commit times are a histogram"
    );
}

#[test]
fn the_counter_of_requests_rises_with_each_call() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let before = Scrape::of(&server).requests();
    for _ in 0..50 {
        buyer.unread();
    }
    let deadline = Instant::now() + GUARD;
    // Shards may add to what is shown a little after they have answered.
    while Scrape::of(&server).requests() < before + 50.0 {
        assert!(
            Instant::now() < deadline,
            "{before} requests before 50 more, the same after"
        );
    }
}

#[test]
fn what_readers_have_taken_waits_no_longer() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "wowo");
    buyer.unread();
    let scrape = Scrape::of(&server);
    let queues = scrape
        .samples
        .iter()
        .filter(|(sample, _)| sample.starts_with("imd_reader_queue_queries{"));
    let waiting: Vec<f64> = queues.map(|(_, value)| *value).collect();
    assert_eq!(waiting, [0.0, 0.0]);
}
