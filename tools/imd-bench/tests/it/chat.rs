//! Every message is accounted for.

use super::mock::{Mischief, Mock};
use super::{Run, run};

const PAIRS: u64 = 3;
const OPTIONS: &str =
    "--pairs 3 --outstanding 4 --warmup 0s --duration 300ms --drain 300ms --threads 2";

fn chat(mischief: Mischief, more: &str) -> Run {
    let mock = Mock::start(mischief);
    let run = run(&mock, "chat", "/", &format!("{OPTIONS} {more}"));
    let expected = if mischief == Mischief::None { 0 } else { PAIRS };
    assert_eq!(mock.mischief_done(), expected, "{}", run.out);
    run
}

/// What may break: everything but that is 0.
fn assert_broken(run: &Run, expected: &[(&str, u64)]) {
    for name in [
        "unanswered",
        "lost",
        "duplicated",
        "reordered",
        "foreign",
        "refused",
    ] {
        let count = expected.iter().find(|(other, _)| *other == name);
        let count = count.map_or(0, |(_, count)| *count);
        assert_eq!(run.delivery(name), count, "{name}\n{}", run.out);
    }
}

#[test]
fn a_server_that_behaves_passes() {
    for more in [
        "",
        "--client-ids",
        "--size 1000",
        "--until-acknowledged",
        "--rate 500",
    ] {
        let run = chat(Mischief::None, more);
        assert_eq!(run.code, 0, "{more}\n{}", run.out);
        assert_broken(&run, &[]);
        assert!(run.delivery("sent") > PAIRS);
        assert_eq!(run.delivery("sent"), run.delivery("delivered"));
        assert_eq!(run.delivery("sent"), run.delivery("acknowledged"));
        assert_eq!(run.report["latency"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_lost_message_is_noticed() {
    let run = chat(Mischief::Lose, "");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("lost", PAIRS)]);
}

#[test]
fn a_doubled_message_is_noticed() {
    let run = chat(Mischief::Double, "--client-ids");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("duplicated", PAIRS)]);
}

#[test]
fn a_reordered_message_is_noticed() {
    let run = chat(Mischief::Swap, "");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("reordered", PAIRS)]);
}

#[test]
fn a_changed_message_is_noticed_and_the_one_that_was_sent_is_lost() {
    let run = chat(Mischief::Change, "");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("foreign", PAIRS), ("lost", PAIRS)]);
}

#[test]
fn a_message_for_somebody_else_is_noticed() {
    let run = chat(Mischief::Misdeliver, "");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("foreign", PAIRS), ("lost", PAIRS)]);
}

#[test]
fn a_refused_message_is_a_failure_and_not_lost() {
    let run = chat(Mischief::Refuse, "");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("refused", PAIRS)]);
    assert_eq!(run.errors("refused: 10022"), PAIRS);
}

#[test]
fn a_refused_message_must_not_arrive() {
    let run = chat(Mischief::RefuseAndDeliver, "");
    assert_eq!(run.code, 1);
    assert_broken(&run, &[("refused", PAIRS), ("foreign", PAIRS)]);
}

#[test]
fn an_answer_that_does_not_come_is_noticed() {
    let run = chat(Mischief::Ignore, "");
    assert_eq!(run.code, 1);
    // Answers carry no id: they are counted off, so the last ones are those that are missing.
    assert_broken(&run, &[("unanswered", PAIRS)]);
}

#[test]
fn a_connection_that_ends_is_a_failure() {
    let run = chat(Mischief::Close, "");
    assert_eq!(run.code, 1);
    assert_eq!(run.all_errors(), PAIRS);
    assert!(run.delivery("unanswered") >= PAIRS);
}
