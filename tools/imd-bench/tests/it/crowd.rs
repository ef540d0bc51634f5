//! Many connections.

use super::mock::{Mischief, Mock};
use super::run;

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
