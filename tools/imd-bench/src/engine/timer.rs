//! A timer in the epoll set: its own timeout counts in milliseconds, which an open loop at a high rate would be late by.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::clock::SECOND_NS;

/// One timer, armed for at most one moment.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    armed_ns: Option<u64>,
}

impl Timer {
    /// A timer that reports under `token`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Timer { fd, armed_ns: None })
    }

    /// Has the timer fire at `wake_ns`, or not at all.
    ///
    /// # Errors
    /// Those of the system.
    pub fn arm(&mut self, wake_ns: Option<u64>, now_ns: u64) -> io::Result<()> {
        if self.armed_ns == wake_ns {
            return Ok(());
        }
        self.armed_ns = wake_ns;
        // Zero would disarm it.
        let wait_ns = wake_ns.map_or(0, |wake_ns| wake_ns.saturating_sub(now_ns).max(1));
        let time = |ns: u64| Timespec {
            tv_sec: (ns / SECOND_NS) as i64,
            tv_nsec: (ns % SECOND_NS) as i64,
        };
        let timing = Itimerspec {
            it_interval: time(0),
            it_value: time(wait_ns),
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &timing)?;
        Ok(())
    }

    /// It has fired: it may be armed for the same moment again.
    pub fn fired(&mut self) {
        self.armed_ns = None;
    }
}
