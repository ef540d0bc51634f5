//! HTTP calls.

use super::mock::{Mischief, Mock};
use super::{Run, run};

const OPTIONS: &str = "-c 3 --warmup 0s --duration 200ms --drain 300ms --threads 2";

fn http(more: &str) -> (Run, Mock) {
    let mock = Mock::start(Mischief::None);
    let run = run(&mock, "http", "", &format!("{OPTIONS} {more}"));
    (run, mock)
}

#[test]
fn all_calls_are_answered_and_counted() {
    for more in [
        "--call getMsg",
        "--call getMsg --pipeline 4",
        "--call /hello",
    ] {
        let (run, mock) = http(more);
        assert_eq!(run.code, 0, "{more}\n{}", run.out);
        let count = run.report["latency"][0]["count"].as_u64().unwrap();
        let logins = if more.contains("getMsg") { 3 } else { 0 };
        assert_eq!(count + logins, mock.calls(), "{}", run.out);
        assert!(count > 10);
    }
}

#[test]
fn an_open_loop_makes_the_calls_that_were_asked_for() {
    let (run, mock) = http("--call getMsg --rate 400");
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(mock.calls(), 3 + 80);
}

#[test]
fn failures_are_told_apart() {
    let (run, _) = http("--call /broken");
    assert_eq!(run.code, 1);
    assert!(run.errors("status 500") > 10, "{}", run.out);
    let (run, _) = http("--call getUnreadMsgCount");
    assert_eq!(run.code, 1);
    assert!(run.errors("success is not true") > 10, "{}", run.out);
    assert_eq!(run.report["latency"][0]["count"], 0);
}
