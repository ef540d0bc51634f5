//! The tool as it is run, against a server in this process that can be told to misbehave.

mod chat;
mod crowd;
mod echo;
mod group;
mod http;
mod mock;
mod output;

use std::process::Command;

use mock::Mock;

/// What a run of the tool came to.
struct Run {
    code: i32,
    out: String,
    report: serde_json::Value,
}

impl Run {
    /// A count of `delivery`.
    fn delivery(&self, name: &str) -> u64 {
        self.report["delivery"][name].as_u64().unwrap()
    }

    /// How many failures of a kind there were.
    fn errors(&self, kind: &str) -> u64 {
        self.report["errors"][kind].as_u64().unwrap_or(0)
    }

    /// All failures.
    fn all_errors(&self) -> u64 {
        let errors = self.report["errors"].as_object().unwrap();
        errors.values().map(|count| count.as_u64().unwrap()).sum()
    }
}

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imd-bench"));
    command.args(arguments);
    command
}

/// Runs a scenario against `mock` at `path`; `options` are parted by spaces.
fn run(mock: &Mock, scenario: &str, path: &str, options: &str) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("run.json");
    let scheme = if scenario == "http" { "http" } else { "ws" };
    let url = format!("{scheme}://{}{path}", mock.address());
    let output = bench(&[scenario, "--url", &url, "--json"])
        .arg(&json)
        .args(options.split_whitespace())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let text = std::fs::read_to_string(&json)
        .unwrap_or_else(|_| panic!("{out}{}", String::from_utf8_lossy(&output.stderr)));
    Run {
        code: output.status.code().unwrap(),
        out,
        report: serde_json::from_str(&text).unwrap(),
    }
}
