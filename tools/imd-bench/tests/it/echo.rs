//! Echoes and heartbeats.

use super::mock::{Mischief, Mock};
use super::{Run, run};

const OPTIONS: &str = "-c 3 --outstanding 4 --warmup 0s --duration 200ms --drain 300ms --threads 2";

fn echo(mischief: Mischief, more: &str) -> Run {
    run(
        &Mock::start(mischief),
        "echo",
        "/echo",
        &format!("{OPTIONS} {more}"),
    )
}

#[test]
fn an_echo_passes() {
    for more in [
        "",
        "--size 16",
        "--size 5000",
        "--rate 300",
        "--rate 0..500",
    ] {
        let run = echo(Mischief::None, more);
        assert_eq!(run.code, 0, "{more}\n{}", run.out);
        assert!(run.delivery("sent") > 10);
        assert_eq!(run.delivery("sent"), run.delivery("delivered"));
    }
}

#[test]
fn an_open_loop_sends_what_was_asked_for() {
    let run = echo(Mischief::None, "--rate 500");
    assert_eq!(run.delivery("sent"), 100, "{}", run.out);
    assert_eq!(run.report["latency"][0]["count"], 100);
}

#[test]
fn what_an_echo_does_wrong_is_noticed() {
    for (mischief, name) in [
        (Mischief::Lose, "lost"),
        (Mischief::Double, "duplicated"),
        (Mischief::Swap, "reordered"),
        (Mischief::Change, "foreign"),
    ] {
        let run = echo(mischief, "");
        assert_eq!(
            (run.code, run.delivery(name)),
            (1, 3),
            "{mischief:?}\n{}",
            run.out
        );
    }
    let run = echo(Mischief::Close, "");
    assert_eq!((run.code, run.all_errors()), (1, 3));
}

#[test]
fn heartbeats_are_answered() {
    let mock = Mock::start(Mischief::None);
    let run = run(&mock, "heartbeat", "/", OPTIONS);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.delivery("delivered") > 10);
    assert_eq!(mock.calls(), 3);
}
