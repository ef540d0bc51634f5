//! A run from its first connection to its last answer: starts the threads, watches them, and puts together what they measured.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::clock::{SECOND_NS, now_ns, seconds};
use crate::engine::{Control, Load, Plan, Share, drive, start_soon_ns};
use crate::pace::Window;
use crate::process::{Sample, sample};

/// How often the progress is shown and the end is looked for.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);
/// How long is waited for the first connections to be ready.
const READY_NS_MAX: u64 = 300 * SECOND_NS;

/// The samples of a process over a run.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Before the first connection.
    pub before: Sample,
    /// When things begin to count.
    pub counted: Sample,
    /// When sending ends.
    pub end: Sample,
}

/// What came of a run.
pub struct Outcome<L> {
    /// The threads' loads.
    pub loads: Vec<L>,
    /// The time of sending; its end is earlier than planned if the run was interrupted.
    pub window: Window,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// How long it took until all units were ready, in seconds.
    pub ready_s: f64,
    /// Bytes received and sent.
    pub bytes: (u64, u64),
    /// This process.
    pub client: Option<Watched>,
    /// The server's, if its number was given.
    pub server: Option<Watched>,
}

/// Plays a run; `make` gives each thread its load.
///
/// # Errors
/// What the system refused, or that nothing became ready.
pub fn conduct<L: Load>(
    plan: &Plan,
    server: Option<u32>,
    make: impl Fn(&Share) -> L,
) -> Result<Outcome<L>, String> {
    let interrupted = interruption()?;
    let shares = plan.shares();
    let control = Control::new(shares.len());
    let before = samples(server)?;
    let begin_ns = now_ns();
    thread::scope(|scope| {
        let threads: Vec<_> = shares
            .iter()
            .map(|share| {
                let load = make(share);
                let control = &control;
                scope.spawn(move || drive(plan, share, load, control))
            })
            .collect();
        let bar = bar();
        let watched = watch(plan, &control, &bar, &interrupted, server);
        // Whatever ended the watching ends the threads.
        let finished = watched.is_ok() && !interrupted.load(Ordering::Relaxed);
        if !finished {
            control.stop();
        }
        let mut loads = Vec::new();
        let mut bytes = (0, 0);
        let mut failure = None;
        for thread in threads {
            match thread.join() {
                Ok(Ok((load, bytes_in, bytes_out))) => {
                    loads.push(load);
                    bytes = (bytes.0 + bytes_in, bytes.1 + bytes_out);
                }
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some("a thread has panicked".to_owned()),
            }
        }
        bar.finish_and_clear();
        let (window, ready_ns, counted, end) = watched?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let together = |index: usize| {
            Some(Watched {
                before: before[index]?,
                counted: counted[index]?,
                end: end[index]?,
            })
        };
        Ok(Outcome {
            loads,
            window,
            interrupted: interrupted.load(Ordering::Relaxed),
            ready_s: seconds(ready_ns - begin_ns),
            bytes,
            client: together(0),
            server: together(1),
        })
    })
}

type Samples = [Option<Sample>; 2];

fn samples(server: Option<u32>) -> Result<Samples, String> {
    let server = match server {
        Some(pid) => Some(sample(pid).ok_or_else(|| format!("there is no process {pid}"))?),
        None => None,
    };
    Ok([sample(std::process::id()), server])
}

fn watch(
    plan: &Plan,
    control: &Control,
    bar: &ProgressBar,
    interrupted: &AtomicBool,
    server: Option<u32>,
) -> Result<(Window, u64, Samples, Samples), String> {
    let begin_ns = now_ns();
    bar.set_length(plan.units as u64);
    bar.set_message("getting ready");
    while control.ready() < plan.units && !control.is_finished() {
        if interrupted.load(Ordering::Relaxed) {
            return Err("interrupted before the beginning".to_owned());
        }
        if now_ns() > begin_ns + READY_NS_MAX {
            return Err(format!(
                "only {} of {} became ready",
                control.ready(),
                plan.units
            ));
        }
        bar.set_position(control.ready() as u64);
        thread::sleep(WATCH_INTERVAL / 20);
    }
    let ready_ns = now_ns();
    let mut window = control.start(plan, start_soon_ns());
    let whole_ns = window.end_ns - window.start_ns;
    bar.set_length(whole_ns / 1_000_000);
    let mut last = (ready_ns, control.completed());
    let mut counted = None;
    while !control.is_finished() {
        thread::sleep(WATCH_INTERVAL);
        let now_ns = now_ns();
        if counted.is_none() && now_ns >= window.counted_ns {
            counted = Some(samples(server)?);
        }
        if interrupted.load(Ordering::Relaxed) {
            window.end_ns = now_ns.min(window.end_ns);
            control.stop();
        }
        if now_ns >= window.end_ns {
            break;
        }
        if now_ns > last.0 + SECOND_NS / 2 {
            let completed = control.completed();
            let per_second = (completed - last.1) as f64 / seconds(now_ns - last.0);
            bar.set_message(format!("{per_second:.0}/s"));
            last = (now_ns, completed);
        }
        let passed_ns = now_ns.saturating_sub(window.start_ns);
        bar.set_position(passed_ns.min(whole_ns) / 1_000_000);
    }
    window.end_ns = window.end_ns.min(now_ns());
    let end = samples(server).unwrap_or([None; 2]);
    Ok((window, ready_ns, counted.unwrap_or(end), end))
}

/// Set by the first wish to stop; the second ends the process at once.
fn interruption() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| format!("handling signals: {error}"))?;
    }
    Ok(flag)
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1);
    // The template is a constant: one that is wrong would be noticed by every run.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}% {msg}") {
        bar.set_style(style);
    }
    bar
}
