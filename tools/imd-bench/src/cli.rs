//! What was typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::clock::{SECOND_NS, ns};
use crate::pace::Rate;
use crate::scenario::dialect::{Dialect, Push};
use crate::scenario::http::Call;
use crate::target::Target;

/// Loads a chat server and tells what it found. Exits with 1 if anything failed, was lost, doubled or out of order.
#[derive(Debug, Parser)]
#[command(
    name = "imd-bench",
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// Compares two runs that --json wrote
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"], required = true)]
    pub compare: Vec<PathBuf>,
    /// Draws the comparison
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What can be done besides a comparison.
#[derive(Debug, Subcommand)]
pub enum Task {
    #[command(flatten)]
    Play(Scenario),
    /// Draws measurements over a quantity that grows, such as connections
    Growth(GrowthArgs),
}

/// The scenarios.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// One HTTP call again and again over keep-alive connections
    Http(HttpArgs),
    /// Messages to a WebSocket server that sends them back
    Echo(EchoArgs),
    /// jim heartbeats
    Heartbeat(HeartbeatArgs),
    /// Opens connections and holds them
    Idle(IdleArgs),
    /// Loses all connections and makes them again at once
    Storm(StormArgs),
    /// Users who write to others; every message accounted for
    Chat(ChatArgs),
    /// Members of one group, some of whom write to all; every delivery accounted for
    Group(GroupArgs),
}

/// What all scenarios have in common.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The server, such as http://127.0.0.1:8080 or ws://127.0.0.1:8080/echo
    #[arg(long, value_parser = Target::parse)]
    pub url: Target,
    /// Where users and groups are made known over HTTP, if elsewhere
    #[arg(long, value_parser = Target::parse)]
    pub login_url: Option<Target>,
    /// Threads of this tool; as many as it may use cores if not given
    #[arg(long)]
    pub threads: Option<usize>,
    /// Source addresses 127.0.0.1 to 127.0.0.N, so that many connections fit; one for each 20,000 connections if not given
    #[arg(long)]
    pub sources: Option<usize>,
    /// Connections of a thread that may be being opened at once
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub dialing: usize,
    /// The server's process, to tell its processor time and memory
    #[arg(long)]
    pub pid: Option<u32>,
    /// What users' names begin with; a new one each time if not given
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// How long to wait for what is on its way at the end
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub drain: u64,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE.json")]
    pub json: Option<PathBuf>,
    /// Draws the percentile curve and the throughput over time
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// When messages are sent.
#[derive(Clone, Debug, Args)]
pub struct Pacing {
    /// How long things count
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub duration: u64,
    /// How long is sent before things count
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub warmup: u64,
    /// Open loop: so many a second over all connections, or A..B for a ramp; latency counts from the time that was meant. Closed loop if not given
    #[arg(long)]
    pub rate: Option<Rate>,
}

/// `http`.
#[derive(Debug, Args)]
pub struct HttpArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub pacing: Pacing,
    /// A call of the buyer API, or a path that begins with /
    #[arg(long, default_value = "getUnreadMsgCount", value_parser = Call::parse)]
    pub call: Call,
    /// Connections, each with a buyer of its own
    #[arg(long, short = 'c', default_value_t = 50)]
    pub connections: usize,
    /// Calls on their way at once on each connection
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,
    /// Parties that the calls are about, each call about one at random
    #[arg(long, default_value_t = 100)]
    pub peers: usize,
    /// Bytes of a message of sendMsg
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// What stands before /buyer in the server's paths
    #[arg(long, default_value = "/soa-im")]
    pub prefix: String,
}

/// `echo`.
#[derive(Debug, Args)]
pub struct EchoArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub pacing: Pacing,
    /// Connections
    #[arg(long, short = 'c', default_value_t = 50)]
    pub connections: usize,
    /// Bytes of a message, at least 16: it begins with its number
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(16..=1 << 24))]
    pub size: u32,
    /// Messages on their way at once on each connection
    #[arg(long, default_value_t = 1)]
    pub outstanding: usize,
}

/// `heartbeat`.
#[derive(Debug, Args)]
pub struct HeartbeatArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub pacing: Pacing,
    /// Connections, each with a user of its own
    #[arg(long, short = 'c', default_value_t = 50)]
    pub connections: usize,
    /// Heartbeats on their way at once on each connection
    #[arg(long, default_value_t = 1)]
    pub outstanding: usize,
}

/// `idle`.
#[derive(Debug, Args)]
pub struct IdleArgs {
    #[command(flatten)]
    pub common: Common,
    /// Connections
    #[arg(long, short = 'c', default_value_t = 10_000)]
    pub connections: usize,
    /// How long to hold them
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub hold: u64,
    /// Logs every connection in with a user of its own
    #[arg(long, value_name = "DIALECT")]
    pub login: Option<Push>,
}

/// `storm`.
#[derive(Debug, Args)]
pub struct StormArgs {
    #[command(flatten)]
    pub common: Common,
    /// Connections
    #[arg(long, short = 'c', default_value_t = 10_000)]
    pub connections: usize,
    /// How many storms
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Waits for the server to be restarted, instead of dropping connections; counts from when it takes connections again
    #[arg(long)]
    pub restart: bool,
    /// Has each user talk to so many others before
    #[arg(long, default_value_t = 0, requires = "login")]
    pub conversations: usize,
    /// How long all storms together may take
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub patience: u64,
    /// Logs every connection in with a user of its own
    #[arg(long, value_name = "DIALECT")]
    pub login: Option<Push>,
}

/// Which messages are sent.
#[derive(Clone, Debug, Args)]
pub struct Sending {
    /// Messages of each sender that may be on their way at once
    #[arg(long, default_value_t = 1)]
    pub outstanding: usize,
    /// Bytes of a message; more if its own numbers take more
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    /// Messages have ids of the client's
    #[arg(long)]
    pub client_ids: bool,
}

/// `chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub pacing: Pacing,
    #[command(flatten)]
    pub sending: Sending,
    /// How messages are sent
    #[arg(long, default_value = "jim")]
    pub dialect: Dialect,
    /// How they are pushed: chat for chat and jim for others if not given
    #[arg(long, value_name = "DIALECT")]
    pub to: Option<Push>,
    /// Pairs: one user writes to the other, each on a connection
    #[arg(long, default_value_t = 50)]
    pub pairs: usize,
    /// So many conversations at least: each sender writes to as many recipients, to one at random each time
    #[arg(long)]
    pub conversations: Option<usize>,
    /// A message is on its way until it is acknowledged, not until it is delivered as well
    #[arg(long)]
    pub until_acknowledged: bool,
}

/// `group`.
#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub pacing: Pacing,
    #[command(flatten)]
    pub sending: Sending,
    /// How members are reached; chat's acknowledge
    #[arg(long, default_value = "jim")]
    pub dialect: Push,
    /// Members of the group
    #[arg(long, default_value_t = 500)]
    pub members: usize,
    /// How many of them are there, each on a connection; all if not given
    #[arg(long)]
    pub online: Option<usize>,
    /// How many of those write
    #[arg(long, default_value_t = 50)]
    pub publishers: usize,
}

/// `growth`.
#[derive(Debug, Args)]
pub struct GrowthArgs {
    /// The measurements; the README of this tool tells the form
    #[arg(value_name = "SERIES.json")]
    pub series: PathBuf,
    /// The picture
    #[arg(long, value_name = "FILE.svg")]
    pub plot: PathBuf,
}

/// Understands `10s`, `500ms`, `2m`, `1h`, or seconds; in nanoseconds.
fn duration(text: &str) -> Result<u64, String> {
    let (number, unit_s) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60.0)
    } else if let Some(number) = text.strip_suffix('h') {
        (number, 3_600.0)
    } else {
        (text, 1.0)
    };
    let number: Option<f64> = number.parse().ok();
    let length_s = number.map(|number| number * unit_s);
    match length_s.filter(|length_s| (0.0..=1e6).contains(length_s)) {
        Some(length_s) => Ok(ns(length_s)),
        None => Err("a duration is such as 10s, 500ms, 2m or 1h".to_owned()),
    }
}

impl Common {
    /// How many threads to use.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores).max(1)
    }

    /// Where users are made known.
    pub fn login(&self) -> &Target {
        self.login_url.as_ref().unwrap_or(&self.url)
    }

    /// The run's name.
    pub fn run(&self) -> String {
        self.run.clone().unwrap_or_else(|| {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            format!("b{:x}", since.as_nanos() as u64 / (SECOND_NS / 1_000))
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_duration_has_a_unit_or_is_seconds() {
        let seconds = ["10s", "500ms", "2m", "1h", "3", "0"].map(|text| duration(text).unwrap());
        assert_eq!(
            seconds.map(|ns| ns / 1_000_000),
            [10_000, 500, 120_000, 3_600_000, 3_000, 0]
        );
        for bad in ["", "s", "-1s", "x", "1d", "inf"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_comparison_needs_no_scenario_and_a_scenario_no_comparison() {
        assert!(Cli::try_parse_from(["imd-bench", "--compare", "a", "b"]).is_ok());
        assert!(Cli::try_parse_from(["imd-bench", "http", "--url", "http://127.0.0.1:1"]).is_ok());
        assert!(Cli::try_parse_from(["imd-bench"]).is_err());
        assert!(Cli::try_parse_from(["imd-bench", "--compare", "a"]).is_err());
    }
}
