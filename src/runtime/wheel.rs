//! A timer wheel: many deadlines, mostly moved before they come.

use crate::runtime::slab::Key;

const TICK_MS: u64 = 32;
const SLOTS: usize = 4_096;

/// Deadlines by tick. A deadline further away than the wheel reaches comes early and is to be set again; so is one that was moved: the
/// owner of the time decides whether it has really come.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<Key>>,
    /// Ticks before this one have been polled.
    next_tick: u64,
    /// Nothing is set before this tick: where the search for the next deadline goes on.
    first_tick: u64,
    len: usize,
}

impl Wheel {
    /// An empty wheel that begins at `now_ms`.
    pub fn new(now_ms: u64) -> Wheel {
        Wheel {
            slots: vec![Vec::new(); SLOTS],
            next_tick: now_ms / TICK_MS,
            first_tick: 0,
            len: 0,
        }
    }

    /// Sets a deadline; gives the time at which it will come, not before `deadline_ms` unless the wheel does not reach that far.
    pub fn set(&mut self, key: Key, deadline_ms: u64) -> u64 {
        let tick = (deadline_ms.div_ceil(TICK_MS))
            .clamp(self.next_tick, self.next_tick + SLOTS as u64 - 1);
        self.slots[tick as usize % SLOTS].push(key);
        self.len += 1;
        self.first_tick = self.first_tick.min(tick);
        tick * TICK_MS
    }

    /// Whether a deadline comes before a time that [`Wheel::set`] gave, or before [`u64::MAX`] for none: within a tick they are one.
    pub fn is_before(deadline_ms: u64, set_ms: u64) -> bool {
        deadline_ms <= set_ms.saturating_sub(TICK_MS)
    }

    /// Moves the keys whose time has come at `now_ms` into `due`.
    pub fn poll(&mut self, now_ms: u64, due: &mut Vec<Key>) {
        while self.next_tick <= now_ms / TICK_MS {
            let slot = &mut self.slots[self.next_tick as usize % SLOTS];
            self.len -= slot.len();
            due.append(slot);
            self.next_tick += 1;
            if self.len == 0 {
                self.next_tick = self.next_tick.max(now_ms / TICK_MS);
                break;
            }
        }
    }

    /// When [`Wheel::poll`] has something to do, at the earliest; `None` when nothing is set.
    pub fn next_ms(&mut self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        self.first_tick = self.first_tick.max(self.next_tick);
        while self.slots[self.first_tick as usize % SLOTS].is_empty() {
            self.first_tick += 1;
        }
        Some(self.first_tick * TICK_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key {
            slot,
            generation: 0,
        }
    }

    #[test]
    fn deadlines_come_when_they_are_due_and_not_before() {
        let mut wheel = Wheel::new(1_000);
        let mut due = Vec::new();
        let at = wheel.set(key(1), 5_000);
        assert!((5_000..5_000 + TICK_MS).contains(&at));
        assert_eq!(wheel.next_ms(), Some(at));
        wheel.poll(at - 1, &mut due);
        assert_eq!(due, []);
        wheel.poll(at, &mut due);
        assert_eq!(due, [key(1)]);
        assert_eq!(wheel.next_ms(), None);
    }

    #[test]
    fn what_comes_in_the_same_tick_is_not_before() {
        let mut wheel = Wheel::new(1_000);
        let at = wheel.set(key(1), 5_000);
        for deadline_ms in at - 2 * TICK_MS..at + 2 * TICK_MS {
            let is_before = wheel.set(key(1), deadline_ms) < at;
            assert_eq!(Wheel::is_before(deadline_ms, at), is_before);
        }
        assert!(Wheel::is_before(5_000, u64::MAX) && !Wheel::is_before(u64::MAX, u64::MAX));
    }

    #[test]
    fn past_and_far_deadlines_are_not_lost() {
        let mut wheel = Wheel::new(1_000_000);
        let mut due = Vec::new();
        let soon = wheel.set(key(1), 3);
        let early = wheel.set(key(2), u64::MAX / 2);
        assert!(early < u64::MAX / 2);
        wheel.poll(soon, &mut due);
        assert_eq!(due, [key(1)]);
        wheel.poll(early, &mut due);
        assert_eq!(due, [key(1), key(2)]);
    }

    #[test]
    fn an_empty_wheel_skips_the_time_between() {
        let mut wheel = Wheel::new(0);
        let mut due = Vec::new();
        wheel.poll(1 << 40, &mut due);
        let at = wheel.set(key(1), (1 << 40) + 100);
        assert!((1 << 40..(1 << 40) + 100 + TICK_MS).contains(&at));
        wheel.poll(at, &mut due);
        assert_eq!(due, [key(1)]);
    }
}
