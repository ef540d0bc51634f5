//! What a thread measures: latencies, throughput over time, failures.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::clock::{SECOND_NS, seconds};
use crate::pace::Window;

/// Longest latency that is told apart, in nanoseconds.
const LATENCY_NS_MAX: u64 = 3_600 * SECOND_NS;
/// How many intervals a run is cut into.
const INTERVALS: u64 = 100;
const INTERVAL_NS_MIN: u64 = SECOND_NS / 10;

/// One kind of latency, such as that from a message to its acknowledgement.
#[derive(Clone, Debug)]
pub struct Track {
    /// What it is called in the report.
    pub name: &'static str,
    /// Latencies in nanoseconds of what was meant to be sent in the counted window, to three digits.
    pub latency: Histogram<u64>,
    /// The same by the interval in which it ended, to two digits.
    pub intervals: Vec<Histogram<u32>>,
    /// How many ended in the counted window.
    pub completed: u64,
}

/// All that a thread measures.
#[derive(Clone, Debug)]
pub struct Recorder {
    window: Window,
    interval_ns: u64,
    /// By kind.
    pub tracks: Vec<Track>,
    /// How many of each kind of failure there were.
    pub errors: BTreeMap<String, u64>,
}

impl Recorder {
    /// A recorder of latencies with these names.
    pub fn new(names: &[&'static str], window: Window) -> Self {
        let interval_ns = ((window.end_ns - window.counted_ns) / INTERVALS).max(INTERVAL_NS_MIN);
        let tracks = names.iter().map(|name| Track {
            name,
            latency: histogram(3),
            intervals: Vec::new(),
            completed: 0,
        });
        Recorder {
            window,
            interval_ns,
            tracks: tracks.collect(),
            errors: BTreeMap::new(),
        }
    }

    /// Something that was meant to begin at `intended_ns` ends.
    pub fn record(&mut self, track: usize, intended_ns: u64, now_ns: u64) {
        let latency_ns = now_ns.saturating_sub(intended_ns);
        let track = &mut self.tracks[track];
        if (self.window.counted_ns..self.window.end_ns).contains(&intended_ns) {
            track.latency.saturating_record(latency_ns);
        }
        if (self.window.counted_ns..self.window.end_ns).contains(&now_ns) {
            track.completed += 1;
            let index = ((now_ns - self.window.counted_ns) / self.interval_ns) as usize;
            while track.intervals.len() <= index {
                track.intervals.push(histogram(2));
            }
            track.intervals[index].saturating_record(latency_ns);
        }
    }

    /// Counts `count` failures of a kind.
    pub fn fail(&mut self, kind: &str, count: u64) {
        if count > 0 {
            match self.errors.get_mut(kind) {
                Some(counted) => *counted += count,
                None => drop(self.errors.insert(kind.to_owned(), count)),
            }
        }
    }

    /// Adds what another thread measured in the same window.
    pub fn merge(&mut self, other: &Recorder) {
        for (mine, other) in self.tracks.iter_mut().zip(&other.tracks) {
            add(&mut mine.latency, &other.latency);
            while mine.intervals.len() < other.intervals.len() {
                mine.intervals.push(histogram(2));
            }
            for (mine, other) in mine.intervals.iter_mut().zip(&other.intervals) {
                add(mine, other);
            }
            mine.completed += other.completed;
        }
        for (kind, count) in &other.errors {
            self.fail(kind, *count);
        }
    }

    /// The run was ended at `end_ns`: nothing counted behind it.
    pub fn cut(&mut self, end_ns: u64) {
        self.window.end_ns = self.window.end_ns.min(end_ns).max(self.window.counted_ns);
    }

    /// How long an interval is, in seconds.
    pub fn interval_s(&self) -> f64 {
        seconds(self.interval_ns)
    }

    /// How many of them are whole.
    pub fn intervals(&self) -> usize {
        ((self.window.end_ns - self.window.counted_ns) / self.interval_ns) as usize
    }

    /// How long things counted, in seconds.
    pub fn counted_s(&self) -> f64 {
        seconds(self.window.end_ns - self.window.counted_ns)
    }
}

fn histogram<C: hdrhistogram::Counter>(digits: u8) -> Histogram<C> {
    Histogram::new_with_max(LATENCY_NS_MAX, digits).expect("bounds in order")
}

fn add<C: hdrhistogram::Counter>(to: &mut Histogram<C>, from: &Histogram<C>) {
    to.add(from).expect("histograms of the same bounds");
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        start_ns: 0,
        counted_ns: SECOND_NS,
        end_ns: 3 * SECOND_NS,
    };

    #[test]
    fn latency_counts_by_the_beginning_and_throughput_by_the_end() {
        let mut recorder = Recorder::new(&["a"], WINDOW);
        recorder.record(0, SECOND_NS - 1, SECOND_NS + 5);
        recorder.record(0, SECOND_NS, SECOND_NS + 5);
        recorder.record(0, 3 * SECOND_NS - 1, 4 * SECOND_NS);
        let track = &recorder.tracks[0];
        assert_eq!((track.latency.len(), track.completed), (2, 2));
        assert_eq!(track.intervals[0].len(), 2);
        assert!(track.latency.max() >= SECOND_NS);
    }

    #[test]
    fn threads_add_up() {
        let mut one = Recorder::new(&["a"], WINDOW);
        let mut two = Recorder::new(&["a"], WINDOW);
        one.record(0, SECOND_NS, SECOND_NS + 10);
        two.record(0, SECOND_NS, 2 * SECOND_NS + 10);
        two.record(0, SECOND_NS, SECOND_NS + 20);
        two.fail("closed", 2);
        one.fail("closed", 1);
        one.merge(&two);
        assert_eq!(
            (one.tracks[0].latency.len(), one.tracks[0].completed),
            (3, 3)
        );
        assert_eq!(one.tracks[0].intervals[0].len(), 2);
        assert_eq!(one.errors["closed"], 3);
        assert_eq!(one.intervals(), 20);
    }

    #[test]
    fn an_hour_is_told_from_a_minute() {
        let mut recorder = Recorder::new(&["a"], WINDOW);
        recorder.record(0, SECOND_NS, LATENCY_NS_MAX);
        assert!(recorder.tracks[0].latency.max() > 3_500 * SECOND_NS);
    }
}
