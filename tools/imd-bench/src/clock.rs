//! Time of a run: nanoseconds since the tool began, the same on all threads.

use std::sync::LazyLock;
use std::time::Instant;

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the first call.
pub fn now_ns() -> u64 {
    BEGIN.elapsed().as_nanos() as u64
}

/// One second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// `seconds` in nanoseconds.
pub fn ns(seconds: f64) -> u64 {
    (seconds * SECOND_NS as f64) as u64
}

/// `ns` in seconds.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / SECOND_NS as f64
}
