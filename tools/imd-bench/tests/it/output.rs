//! What is typed and what is written.

use std::net::TcpListener;

use super::bench;
use super::mock::{Mischief, Mock};

#[test]
fn two_runs_are_drawn_and_compared() {
    let mock = Mock::start(Mischief::None);
    let url = format!("http://{}", mock.address());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for run in ["one", "two"] {
        let (json, svg) = (path(&format!("{run}.json")), path(&format!("{run}.svg")));
        let status = bench(&["http", "--url", &url, "--call", "/hello", "--warmup", "0s"])
            .args(["--duration", "300ms", "--json", &json, "--plot", &svg])
            .output()
            .unwrap()
            .status;
        assert!(status.success());
        let svg = std::fs::read_to_string(svg).unwrap();
        assert!(svg.contains("Latency by percentile") && svg.contains("Throughput over time"));
    }
    let (one, two, svg) = (path("one.json"), path("two.json"), path("both.svg"));
    let output = bench(&["--compare", &one, &two, "--plot", &svg])
        .output()
        .unwrap();
    assert!(output.status.success());
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.contains("response, a second") && out.contains("response p99.9"),
        "{out}"
    );
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.contains("one: response") && svg.contains("two: response"));
}

#[test]
fn growth_is_drawn_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (series, svg) = (
        directory.path().join("series.json"),
        directory.path().join("growth.svg"),
    );
    let draw = |text: &str| {
        std::fs::write(&series, text).unwrap();
        let mut command = bench(&["growth"]);
        let output = command.arg(&series).arg("--plot").arg(&svg).output();
        output.unwrap().status.code()
    };
    let line = r#"{"label": "echoes", "axis": "left", "points": [[10, 5], [1000, 4]]}"#;
    let whole = |lines: &str| {
        format!(r#"{{"title": "T", "x": "connections", "left": "a second", "lines": [{lines}]}}"#)
    };
    for bad in ["", "{}", &whole(""), &whole(&line.replace("10,", "0,"))] {
        assert_eq!(draw(bad), Some(2), "{bad}");
        assert!(!svg.exists());
    }
    assert_eq!(draw(&whole(line)), Some(0));
    let svg = std::fs::read_to_string(&svg).unwrap();
    assert!(svg.contains("connections") && svg.contains("echoes"));
}

#[test]
fn what_cannot_be_run_exits_with_2() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{closed}");
    for arguments in [
        &["http", "--url", &url][..],
        &["http", "--url", "nowhere"],
        &["http", "--url", &url, "--call", "noSuchCall"],
        &["http", "--url", &url, "--call", "/", "--pid", "0"],
        &["echo", "--url", &url, "--size", "3"],
        &["--compare", "/no/such/file", "/nor/this"],
        &[],
    ] {
        let output = bench(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn connections_that_cannot_be_made_are_failures() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("ws://{closed}/echo");
    let output = bench(&["echo", "--url", &url, "--duration", "100ms"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("connection refused"), "{out}");
}
