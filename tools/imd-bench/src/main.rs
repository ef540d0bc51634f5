//! `imd-bench`: loads a chat server, accounts for every message, and tells what it found. It shares no code with the server.
//!
//! ```text
//! main → cli        what was typed
//!      → scenario   what it means: http, exchange (echo, heartbeat), crowd (idle, storm), chat, group
//!      → conduct    starts the threads, watches them
//!      → engine     a thread: epoll, connections, a timer
//!      → wire       HTTP and WebSocket as a client reads and writes them
//!      → pace, measure, ledger   when to send, how long it took, what became of it
//!      → report, plot            what a run found, for people and for programs; plot/growth: how it grows over several
//! ```

mod cli;
mod clock;
mod conduct;
mod engine;
mod ledger;
mod login;
mod measure;
mod pace;
mod plot;
mod process;
mod random;
mod report;
mod scenario;
mod target;
mod wire;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use serde::de::DeserializeOwned;

use cli::{Cli, Common, GrowthArgs, Scenario, Task};
use report::{Report, comparison};

/// Something failed, was lost, doubled or out of order.
const EXIT_BROKEN: u8 = 1;
/// The run could not be made.
const EXIT_FAILURE: u8 = 2;

fn main() -> ExitCode {
    clock::now_ns();
    let cli = Cli::parse();
    let outcome = match &cli.task {
        Some(Task::Play(scenario)) => run(scenario),
        Some(Task::Growth(args)) => draw_growth(args),
        None => compare(&cli),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("imd-bench: {error}");
        ExitCode::from(EXIT_FAILURE)
    })
}

fn run(scenario: &Scenario) -> Result<ExitCode, String> {
    let report = scenario::play(scenario)?;
    print!("{}", report.table());
    let Common { json, plot, .. } = common(scenario);
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        write(path, &text)?;
    }
    if let Some(path) = plot {
        let title = format!("{}, {} connections", report.scenario, report.connections);
        write(path, &plot::draw(&title, &[(String::new(), &report)])?)?;
    }
    Ok(match report.is_broken() {
        true => ExitCode::from(EXIT_BROKEN),
        false => ExitCode::SUCCESS,
    })
}

fn common(scenario: &Scenario) -> &Common {
    match scenario {
        Scenario::Http(args) => &args.common,
        Scenario::Echo(args) => &args.common,
        Scenario::Heartbeat(args) => &args.common,
        Scenario::Idle(args) => &args.common,
        Scenario::Storm(args) => &args.common,
        Scenario::Chat(args) => &args.common,
        Scenario::Group(args) => &args.common,
    }
}

fn compare(cli: &Cli) -> Result<ExitCode, String> {
    let [one_path, two_path] = &cli.compare[..] else {
        return Err("two runs are needed to compare".to_owned());
    };
    let (one, two): (Report, Report) = (read(one_path)?, read(two_path)?);
    println!("A {}: {}", one_path.display(), one.scenario);
    println!("B {}: {}", two_path.display(), two.scenario);
    print!("{}", comparison(&one, &two));
    if let Some(path) = &cli.plot {
        let name = |path: &Path| {
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let runs = [(name(one_path), &one), (name(two_path), &two)];
        let title = match one.scenario == two.scenario {
            true => one.scenario.clone(),
            false => format!("{} / {}", one.scenario, two.scenario),
        };
        write(path, &plot::draw(&title, &runs)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn draw_growth(args: &GrowthArgs) -> Result<ExitCode, String> {
    let picture = plot::growth::draw(&read(&args.series)?)?;
    write(&args.plot, &picture)?;
    Ok(ExitCode::SUCCESS)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
