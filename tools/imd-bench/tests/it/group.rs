//! Every delivery in a group is accounted for.

use super::mock::{Mischief, Mock};
use super::{Run, run};

const PUBLISHERS: u64 = 2;
const MEMBERS: u64 = 5;
const OPTIONS: &str = "--members 7 --online 5 --publishers 2 --outstanding 3 --warmup 0s --duration 200ms --drain 300ms --threads 2";

fn group(mischief: Mischief, more: &str) -> Run {
    let mock = Mock::start(mischief);
    run(&mock, "group", "/", &format!("{OPTIONS} {more}"))
}

#[test]
fn a_server_that_behaves_passes() {
    for more in ["", "--client-ids --size 1000", "--rate 200"] {
        let run = group(Mischief::None, more);
        assert_eq!(run.code, 0, "{more}\n{}", run.out);
        assert!(run.delivery("sent") > PUBLISHERS);
        assert_eq!(run.delivery("sent"), run.delivery("acknowledged"));
        assert_eq!(run.delivery("sent") * MEMBERS, run.delivery("delivered"));
        assert_eq!(run.report["latency"][1]["name"], "delivered");
    }
}

#[test]
fn what_one_member_gets_wrong_is_noticed() {
    for (mischief, name) in [
        (Mischief::Lose, "lost"),
        (Mischief::Double, "duplicated"),
        (Mischief::Swap, "reordered"),
        (Mischief::Change, "foreign"),
        (Mischief::Ignore, "unanswered"),
    ] {
        let run = group(mischief, "");
        assert_eq!(
            (run.code, run.delivery(name)),
            (1, PUBLISHERS),
            "{mischief:?}\n{}",
            run.out
        );
    }
}

#[test]
fn a_refused_message_must_reach_nobody() {
    let run = group(Mischief::RefuseAndDeliver, "");
    assert_eq!(run.code, 1);
    assert_eq!(run.delivery("refused"), PUBLISHERS, "{}", run.out);
    assert_eq!(run.delivery("foreign"), PUBLISHERS * MEMBERS, "{}", run.out);
}

#[test]
fn a_connection_that_ends_is_a_failure() {
    let run = group(Mischief::Close, "");
    assert_eq!(run.code, 1);
    assert!(run.all_errors() > 0, "{}", run.out);
}
