//! Clocks, so that a server can be driven without waiting.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::ids::TimeMs;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Microseconds since some moment before the server started: never 0, never falling.
    fn monotonic_us(&self) -> u64;
    /// The wall clock, which people and other machines may set.
    fn wall(&self) -> TimeMs;
}

/// The clocks of the system.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The monotonic clock begins here.
    pub fn start() -> SystemClock {
        SystemClock {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn monotonic_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64 + 1
    }

    fn wall(&self) -> TimeMs {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        TimeMs(since.as_millis() as i64)
    }
}
