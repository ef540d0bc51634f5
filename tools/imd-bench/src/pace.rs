//! When messages are to be sent: at once when there is room (closed loop), or at times fixed beforehand (open loop).

use std::collections::VecDeque;
use std::str::FromStr;

use crate::clock::{ns, seconds};

/// A rate in events a second over a run: `R`, or `A..B` for one that grows evenly from `A` to `B`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// At the beginning.
    pub from: f64,
    /// At the end.
    pub to: f64,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str| {
            let number: f64 = text.parse().ok()?;
            (number.is_finite() && (0.0..=1e9).contains(&number)).then_some(number)
        };
        match (number(from), number(to)) {
            (Some(from), Some(to)) if to > 0.0 => Ok(Rate { from, to }),
            _ => Err("a rate is R or A..B in events a second, at most 1e9".to_owned()),
        }
    }
}

/// The intended times of one thread's events: every `threads`-th of the run's.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: Rate,
    start_ns: u64,
    length_s: f64,
    next: u64,
    step: u64,
    end: u64,
}

impl Schedule {
    /// The events of thread `thread` of `threads` in a run that begins at `start_ns` and lasts `length_s` seconds.
    pub fn new(rate: Rate, start_ns: u64, length_s: f64, thread: u64, threads: u64) -> Self {
        Schedule {
            rate,
            start_ns,
            length_s,
            next: thread,
            step: threads,
            end: ((rate.from + rate.to) / 2.0 * length_s).floor() as u64,
        }
    }

    /// When the next event is to happen; `None` when all have.
    pub fn peek(&self) -> Option<u64> {
        (self.next < self.end).then(|| self.start_ns + ns(self.time_of(self.next as f64)))
    }

    /// Goes on to the event after the next.
    pub fn advance(&mut self) {
        self.next += self.step;
    }

    /// How many events are still to happen.
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.next).div_ceil(self.step)
    }

    /// The time in seconds at which `count` events have happened: the inverse of `from·t + growth/2·t²`.
    fn time_of(&self, count: f64) -> f64 {
        let growth = (self.rate.to - self.rate.from) / self.length_s;
        let root = (self.rate.from * self.rate.from + 2.0 * growth * count)
            .max(0.0)
            .sqrt();
        // The form that does not cancel when the rate hardly grows.
        if count == 0.0 {
            0.0
        } else {
            2.0 * count / (self.rate.from + root)
        }
    }
}

/// The part of a run in which messages are sent.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// When the first message is sent.
    pub start_ns: u64,
    /// From when on things count: behind the warm-up.
    pub counted_ns: u64,
    /// When the last message is sent.
    pub end_ns: u64,
}

/// Hands out places in which a message may be on its way, and the time at which each is meant to be sent.
#[derive(Debug, Default)]
pub struct Pump {
    free: VecDeque<usize>,
    schedule: Option<Schedule>,
    start_ns: u64,
    end_ns: u64,
}

impl Pump {
    /// Begins a run; nothing is handed out before.
    pub fn begin(&mut self, window: Window, rate: Option<Rate>, thread: u64, threads: u64) {
        let length_s = seconds(window.end_ns - window.start_ns);
        self.schedule =
            rate.map(|rate| Schedule::new(rate, window.start_ns, length_s, thread, threads));
        self.start_ns = window.start_ns;
        self.end_ns = window.end_ns;
    }

    /// A place is gone.
    pub fn discard(&mut self, place: usize) {
        self.free.retain(|free| *free != place);
    }

    /// A place is free.
    pub fn free(&mut self, place: usize) {
        self.free.push_back(place);
    }

    /// A place for which it is time, and the time at which its message is meant to be sent. In an open loop that may be long ago: then no place was
    /// free, and the wait counts. What was meant for before the end is sent behind it.
    pub fn next(&mut self, now_ns: u64) -> Option<(usize, u64)> {
        let intended_ns = match &self.schedule {
            None => (self.start_ns..self.end_ns)
                .contains(&now_ns)
                .then_some(now_ns)?,
            Some(schedule) => schedule.peek().filter(|due_ns| *due_ns <= now_ns)?,
        };
        let place = self.free.pop_front()?;
        if let Some(schedule) = &mut self.schedule {
            schedule.advance();
        }
        Some((place, intended_ns))
    }

    /// When there will be something to send without anything else happening.
    pub fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        let due_ns = match &self.schedule {
            None => Some(self.start_ns).filter(|start_ns| *start_ns > now_ns),
            Some(schedule) => schedule.peek(),
        };
        due_ns.filter(|_| !self.free.is_empty())
    }

    /// How many messages were meant to be sent and were not.
    pub fn unsent(&self) -> u64 {
        self.schedule.as_ref().map_or(0, Schedule::left)
    }

    /// Sends nothing more.
    pub fn stop(&mut self) {
        self.end_ns = 0;
        if let Some(schedule) = &mut self.schedule {
            schedule.end = 0;
        }
    }

    /// Whether everything is sent.
    pub fn is_over(&self, now_ns: u64) -> bool {
        match &self.schedule {
            None => now_ns >= self.end_ns,
            Some(schedule) => schedule.peek().is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND_NS;

    fn times(rate: &str, length_s: f64, thread: u64, threads: u64) -> Vec<u64> {
        let rate = rate.parse().unwrap();
        let mut schedule = Schedule::new(rate, 1_000, length_s, thread, threads);
        let mut times = Vec::new();
        while let Some(time) = schedule.peek() {
            assert_eq!(schedule.left(), {
                let mut rest = schedule.clone();
                let mut left = 0;
                while rest.peek().is_some() {
                    rest.advance();
                    left += 1;
                }
                left
            });
            times.push(time - 1_000);
            schedule.advance();
        }
        times
    }

    #[test]
    fn a_steady_rate_is_evenly_spaced() {
        assert_eq!(
            times("4", 1.0, 0, 1),
            [0, 250_000_000, 500_000_000, 750_000_000]
        );
    }

    #[test]
    fn threads_share_a_schedule() {
        let mut all = [
            times("10", 2.0, 0, 3),
            times("10", 2.0, 1, 3),
            times("10", 2.0, 2, 3),
        ]
        .concat();
        all.sort_unstable();
        assert_eq!(all, times("10", 2.0, 0, 1));
    }

    #[test]
    fn a_ramp_sends_what_lies_under_it() {
        for rate in ["0..100", "100..0.001", "20..80"] {
            let times = times(rate, 10.0, 0, 1);
            assert!((499..=500).contains(&times.len()), "{rate}");
            assert!(times.is_sorted());
            assert!(*times.last().unwrap() <= 10 * SECOND_NS);
            // Half of the time holds a quarter of a growing ramp's events, three quarters of a falling one's.
            let half = times.partition_point(|time| *time < 5 * SECOND_NS);
            let expected = match rate {
                "0..100" => 125,
                "100..0.001" => 375,
                _ => 175,
            };
            assert!(half.abs_diff(expected) <= 1, "{rate}: {half}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for bad in ["", "x", "0", "-1", "1..", "..2", "5..0", "inf", "1e12"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_open_loop_keeps_the_time_that_was_meant() {
        let mut pump = Pump::default();
        let window = Window {
            start_ns: 0,
            counted_ns: 0,
            end_ns: SECOND_NS,
        };
        pump.begin(window, Some("10".parse().unwrap()), 0, 1);
        assert_eq!(pump.next(SECOND_NS), None);
        pump.free(7);
        assert_eq!(pump.next(SECOND_NS / 2), Some((7, 0)));
        assert_eq!(pump.next(SECOND_NS / 2), None);
        pump.free(7);
        assert_eq!(pump.next(SECOND_NS / 2), Some((7, SECOND_NS / 10)));
        pump.free(7);
        pump.free(8);
        assert_eq!(pump.wake_ns(0), Some(SECOND_NS / 5));
        assert_eq!(pump.next(SECOND_NS / 5 - 1), None);
        // What falls behind is sent after the end, with its own time.
        assert_eq!(pump.next(2 * SECOND_NS), Some((7, SECOND_NS / 5)));
        assert_eq!(pump.unsent(), 7);
    }

    #[test]
    fn a_closed_loop_sends_whenever_there_is_room_until_the_end() {
        let mut pump = Pump::default();
        assert_eq!(pump.next(1), None);
        let window = Window {
            start_ns: 0,
            counted_ns: 0,
            end_ns: 10,
        };
        pump.free(1);
        pump.begin(window, None, 0, 1);
        assert_eq!(pump.next(5), Some((1, 5)));
        pump.free(1);
        assert_eq!(pump.next(10), None);
        assert!(pump.is_over(10) && !pump.is_over(9));
    }
}
