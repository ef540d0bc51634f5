//! `imd-sim`: simulations by the thousand, or one of them step by step.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use imd_sim::server::Rig;
use imd_sim::source::Source;
use imd_sim::world::{Failure, Plan, Trace, run};
use parking_lot::Mutex;

/// Drives a whole imd server in one thread, without sockets and clocks, and holds it to its promises.
#[derive(Parser)]
#[command(name = "imd-sim")]
struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Steps of each simulation.
    #[arg(long, default_value_t = 2_000)]
    steps: u32,
    /// Threads; by default one for each core.
    #[arg(long)]
    threads: Option<usize>,
    /// Go on after a failure, and print one line for each.
    #[arg(long)]
    all: bool,
    /// Keep messages on disk, and kill the server between commits and in the middle of them.
    #[arg(long)]
    disk: bool,
    /// Print every step.
    #[arg(long)]
    trace: bool,
}

/// Runs a seed that fails once more, and prints the steps before its failure.
fn print_last(seed: u64, plan: &Plan) {
    let plan = Plan {
        trace: Trace::Last,
        ..plan.clone()
    };
    if let Err(failure) = run(&Rig::default(), Source::seeded(seed), &plan) {
        failure.trace.iter().for_each(|line| println!("{line}"));
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.trace {
        1
    } else {
        options.threads.unwrap_or(cores)
    };
    let plan = Plan {
        steps: options.steps,
        is_on_disk: options.disk,
        trace: match options.trace {
            true => Trace::Print,
            false => Trace::None,
        },
    };
    let (next, has_failed) = (AtomicU64::new(options.first), AtomicBool::new(false));
    let (said, commits) = (AtomicU64::new(0), AtomicU64::new(0));
    let failures: Mutex<Vec<(u64, Box<Failure>)>> = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let rig = Rig::default();
                while !has_failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.first + options.seeds {
                        return;
                    }
                    match run(&rig, Source::seeded(seed), &plan) {
                        Ok(summary) => {
                            said.fetch_add(summary.said, Ordering::Relaxed);
                            commits.fetch_add(summary.commits, Ordering::Relaxed);
                        }
                        Err(failure) => {
                            has_failed.store(!options.all, Ordering::Relaxed);
                            failures.lock().push((seed, failure));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    for (seed, failure) in &failures {
        if !options.all && !options.trace {
            print_last(*seed, &plan);
        }
        println!("seed {seed}, step {}: {}", failure.step, failure.broken.0);
    }
    if let Some((seed, _)) = failures.first() {
        let disk = if options.disk { " --disk" } else { "" };
        let steps = options.steps;
        println!("replay one with --first {seed} --seeds 1 --steps {steps}{disk} --trace");
    }
    if !failures.is_empty() {
        return ExitCode::FAILURE;
    }
    println!(
        "{} seeds of {} steps in {:.1} s: {} messages, {} commits, every promise kept",
        options.seeds,
        options.steps,
        begun.elapsed().as_secs_f64(),
        said.into_inner(),
        commits.into_inner()
    );
    ExitCode::SUCCESS
}
