//! Many connections.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::mock::{Mischief, Mock};
use super::{bench, run};

#[test]
fn connections_are_opened_and_held() {
    let mock = Mock::start(Mischief::None);
    for (path, more) in [
        ("/echo", ""),
        ("/", "--login jim"),
        ("/echo", "--sources 3 --dialing 2"),
    ] {
        let pid = std::process::id();
        let options = format!("-c 40 --hold 100ms --threads 2 --pid {pid} {more}");
        let run = run(&mock, "idle", path, &options);
        assert_eq!(run.code, 0, "{}", run.out);
        assert_eq!(run.report["facts"]["connections held to the end"], 40.0);
        assert_eq!(run.report["latency"][0]["count"], 40);
        assert_eq!(run.report["processes"][1]["role"], "server");
    }
}

#[test]
fn everybody_comes_back_after_a_storm() {
    let mock = Mock::start(Mischief::None);
    let run = run(
        &mock,
        "storm",
        "/",
        "-c 40 --rounds 3 --threads 2 --login jim",
    );
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(run.report["latency"][1]["name"], "returned");
    assert_eq!(run.report["latency"][1]["count"], 120);
    for round in 1..=3 {
        let name = format!("storm {round}: all back after, s");
        assert!(run.report["facts"][name].as_f64().unwrap() > 0.0);
    }
    assert_eq!(run.all_errors(), 0);
}

#[test]
fn everybody_comes_back_to_a_server_that_was_restarted() {
    let mock = Mock::start(Mischief::None);
    let url = format!("ws://{}/", mock.address());
    let mut child = bench(&["storm", "--restart", "--login", "jim", "-c", "40"])
        .args(["--threads", "1", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("restart the server"), "{line}");
    assert_eq!(mock.drop_all(), 40);
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains("storm 1: all back after, s"), "{out}");
}
