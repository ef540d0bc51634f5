//! What every scenario's loop has in common: when to send, what was measured, what has failed, and when it is over.

use crate::engine::Share;
use crate::measure::Recorder;
use crate::pace::{Pump, Rate, Window};

/// Where one thread's run stands.
pub struct Flow {
    names: &'static [&'static str],
    rate: Option<Rate>,
    thread: u64,
    threads: u64,
    pump: Pump,
    recorder: Option<Recorder>,
    /// The time of sending, once it is fixed.
    pub window: Option<Window>,
    /// Failures before the time of sending.
    early: Vec<(String, u64)>,
    /// How many units are ready, or will never be.
    pub ready: usize,
    /// How many units can still do something.
    pub alive: usize,
    /// How many messages or calls have been completed.
    pub completed: u64,
}

impl Flow {
    /// A run that measures latencies with these `names` while things count.
    pub fn new(names: &'static [&'static str], rate: Option<Rate>, share: &Share) -> Self {
        Flow {
            names,
            rate,
            thread: share.thread as u64,
            threads: share.threads as u64,
            pump: Pump::default(),
            recorder: None,
            window: None,
            early: Vec::new(),
            ready: 0,
            alive: share.units.len(),
            completed: 0,
        }
    }

    /// The same where not all threads send: this is the one of this number among `threads`, or none of them.
    pub fn of_some(self, thread: Option<usize>, threads: usize) -> Self {
        Flow {
            rate: self.rate.filter(|_| thread.is_some()),
            thread: thread.unwrap_or(0) as u64,
            threads: threads as u64,
            ..self
        }
    }

    /// A run like that of [`Flow::new`], but everything counts, whenever it happens.
    pub fn timeless(names: &'static [&'static str], share: &Share) -> Self {
        let always = Window {
            start_ns: 0,
            counted_ns: 0,
            end_ns: u64::MAX,
        };
        Flow {
            recorder: Some(Recorder::new(names, always)),
            ..Flow::new(names, None, share)
        }
    }

    /// The time of sending is fixed.
    pub fn begin(&mut self, window: Window) {
        self.window = Some(window);
        let recorder = self
            .recorder
            .get_or_insert_with(|| Recorder::new(self.names, window));
        for (cause, count) in self.early.drain(..) {
            recorder.fail(&cause, count);
        }
        self.pump
            .begin(window, self.rate, self.thread, self.threads);
    }

    /// Whether the time of sending is fixed.
    pub fn has_begun(&self) -> bool {
        self.window.is_some()
    }

    /// A message may be sent from this place.
    pub fn free(&mut self, place: usize) {
        self.pump.free(place);
    }

    /// Nothing is sent from this place any more.
    pub fn discard(&mut self, place: usize) {
        self.pump.discard(place);
    }

    /// The unit at this place, which has its connection to itself, can do nothing any more: with it `count` things have failed.
    pub fn lose(&mut self, place: usize, cause: &str, count: u64) {
        self.alive -= 1;
        self.discard(place);
        self.ready += usize::from(!self.has_begun());
        self.fail(cause, count);
    }

    /// The place that a message is to be sent from, and when it was meant to be.
    pub fn next(&mut self, now_ns: u64) -> Option<(usize, u64)> {
        self.pump.next(now_ns)
    }

    /// Something that was meant to begin at `intended_ns` ends.
    pub fn record(&mut self, track: usize, intended_ns: u64, now_ns: u64) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(track, intended_ns, now_ns);
        }
    }

    /// Counts `count` failures of a kind.
    pub fn fail(&mut self, cause: &str, count: u64) {
        match &mut self.recorder {
            Some(recorder) => recorder.fail(cause, count),
            None => self.early.push((cause.to_owned(), count)),
        }
    }

    /// Whether nothing more is sent.
    pub fn is_over(&self, now_ns: u64) -> bool {
        self.pump.is_over(now_ns)
    }

    /// When there will be something to send without anything else happening.
    pub fn wake_ns(&self, now_ns: u64) -> Option<u64> {
        self.pump.wake_ns(now_ns)
    }

    /// Sends nothing more.
    pub fn stop(&mut self) {
        self.pump.stop();
    }

    /// What was measured; `None` before the beginning.
    pub fn into_recorder(mut self) -> Option<Recorder> {
        self.fail("not sent in time", self.pump.unsent());
        self.recorder
    }
}
