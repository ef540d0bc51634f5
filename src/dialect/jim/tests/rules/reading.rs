//! Messages, contacts and details that are asked for.

use super::*;

#[test]
fn unread_is_marked_by_type_0_only_and_for_the_conversation_that_was_asked() {
    let mut host = Host::new();
    let b = host.log_in("b");
    for (from, text) in [("a", "1"), ("c", "2"), ("a", "3")] {
        host.say(from, "b", MessageKind::Text, text);
    }
    host.take(b);
    for _ in 0..2 {
        let unread = host.ask(b, r#"{"cmd":19,"type":2}"#);
        assert_eq!(
            values(&unread, "content"),
            ["1", "3", "2"],
            "by name, then old to new"
        );
    }
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":0,"fromUserId":"c"}"#),
            "content"
        ),
        ["2"]
    );
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":0,"userId":"b"}"#),
            "content"
        ),
        ["1", "3"]
    );
    assert!(values(&host.ask(b, r#"{"cmd":19,"type":2}"#), "content").is_empty());
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":1,"fromUserId":"a"}"#),
            "content"
        ),
        ["1", "3"]
    );
    let nobody = host.ask(b, r#"{"cmd":19,"type":0,"fromUserId":"nobody"}"#);
    assert!(nobody.contains(r#""friends":{},"groups":{}"#), "{nobody}");
}

#[test]
fn what_is_not_returned_is_not_marked() {
    let mut host = Host::new();
    let b = host.log_in("b");
    let large = "x".repeat(60_000);
    for from in ["a", "c", "a"] {
        for _ in 0..10 {
            host.say(from, "b", MessageKind::Text, &large);
        }
    }
    host.take(b);
    let mut rows = 0;
    loop {
        let answer = host.ask(b, r#"{"cmd":19,"type":0}"#);
        assert!(answer.len() <= 1024 * 1024);
        match values(&answer, "id").len() {
            0 => break,
            given => rows += given,
        }
    }
    assert_eq!(rows, 30);
    for _ in 0..1_001 {
        host.say("a", "b", MessageKind::Text, "y");
    }
    host.take(b);
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":0,"fromUserId":"a"}"#),
            "id"
        )
        .len(),
        1_000
    );
    assert_eq!(
        values(&host.ask(b, r#"{"cmd":19,"type":0}"#), "id").len(),
        1
    );
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":1,"fromUserId":"c"}"#),
            "id"
        )
        .len(),
        10
    );
}

#[test]
fn history_by_time_and_by_count() {
    let mut host = Host::new();
    let b = host.log_in("b");
    let begin = host.now.0 / 1_000;
    for text in ["0", "1", "2", "3", "4"] {
        host.say("a", "b", MessageKind::Text, text);
    }
    host.take(b);
    let mut history = |rest: String| {
        let answer = host.ask(
            b,
            &format!(r#"{{"cmd":19,"type":1,"userId":"b","fromUserId":"a"{rest}}}"#),
        );
        values(&answer, "content").concat()
    };
    let range = |from: i64, to: i64| format!(r#","beginTime":{from},"endTime":{to}"#);
    let (second, ms) = (begin, begin * 1_000 + 479);
    assert_eq!(
        history(range(ms + 1_000, ms + 3_000)),
        "123",
        "both ends count"
    );
    assert_eq!(history(range(ms + 1_001, ms + 2_999)), "2");
    assert_eq!(history(range(second + 1, second + 2)), "12", "in seconds");
    assert_eq!(history(range(ms - 9, ms - 1)), "");
    assert_eq!(history(range(ms + 9_000, ms + 9_999)), "");
    assert_eq!(history(range(ms, 99_999_999_999_999)), "01234");
    assert_eq!(history(r#","offset":"1","count":"2""#.into()), "12");
    assert_eq!(history(r#","offset":4,"count":1000"#.into()), "4");
    assert_eq!(history(r#","offset":5,"count":1"#.into()), "");
    assert_eq!(history(r#","offset":0,"count":0"#.into()), "");
    assert_eq!(
        history(range(ms + 1_000, ms + 3_000) + r#","offset":1,"count":1"#),
        "2"
    );
    assert_eq!(history(String::new()), "01234");
}

#[test]
fn requests_for_messages_that_are_wrong() {
    let mut host = Host::new();
    let a = host.log_in("a");
    for rest in [
        r#""type":3"#,
        r#""userId":"a""#,
        r#""type":"x""#,
        r#""type":1"#,
        r#""type":1,"fromUserId":"b","beginTime":1"#,
        r#""type":1,"fromUserId":"b","endTime":1"#,
        r#""type":1,"fromUserId":"b","offset":1"#,
        r#""type":1,"fromUserId":"b","count":1"#,
        r#""type":1,"fromUserId":"b","offset":-1,"count":1"#,
        r#""type":1,"fromUserId":"b","offset":0,"count":1001"#,
        r#""type":0,"groupId":"nowhere""#,
        r#""type":1,"groupId":"c0000000000000099""#,
        r#""type":0,"fromUserId":"b","groupId":"g""#,
    ] {
        assert_eq!(
            host.ask(a, &format!(r#"{{"cmd":19,{rest}}}"#)),
            NO_MESSAGES,
            "{rest}"
        );
    }
    let (_, elsewhere) = group_elsewhere(&mut host, &["x", "y"]);
    assert_eq!(
        host.ask(
            a,
            &format!(r#"{{"cmd":19,"type":1,"groupId":"{elsewhere}"}}"#)
        ),
        NO_MESSAGES
    );
    let ignored = host.ask(
        a,
        r#"{"cmd":19,"type":2,"fromUserId":"b","offset":-1,"count":"x"}"#,
    );
    assert!(ignored.contains("10018"), "{ignored}");
}

#[test]
fn contacts_by_pull_type_and_search() {
    let mut host = Host::new();
    let a = host.log_in("a");
    host.log_in_as("Lizi", "栗子 Li", 0);
    host.say("old", "a", MessageKind::Text, "x");
    host.take(a);
    host.ask(a, r#"{"cmd":19,"type":0}"#);
    host.now.0 += 2 * 24 * 3600 * 1_000;
    host.say("a", "Lizi", MessageKind::Text, "from a");
    host.say("new", "a", MessageKind::Text, "x");
    host.take(a);
    let mut pull = |extras: &str| {
        let answer = host.ask(a, &format!(r#"{{"cmd":17,"type":"2","extras":{extras}}}"#));
        let mut ids: Vec<String> = values(&answer, "userId")
            .iter()
            .map(|id| (*id).to_owned())
            .collect();
        assert!(ids.is_empty() || ids.pop().as_deref() == Some("a"));
        ids.join(" ")
    };
    assert_eq!(pull("null"), "new Lizi old");
    assert_eq!(pull(r#"{"pullType":"1"}"#), "new Lizi old");
    assert_eq!(pull(r#"{"pullType":2}"#), "new");
    assert_eq!(pull(r#"{"pullType":3}"#), "new Lizi");
    assert_eq!(pull(r#"{"searchKey":"LI"}"#), "Lizi");
    assert_eq!(pull(r#"{"searchKey":"栗"}"#), "Lizi");
    assert_eq!(pull(r#"{"searchKey":"nobody"}"#), "");
    for wrong in [
        r#"{"cmd":17}"#,
        r#"{"cmd":17,"type":3}"#,
        r#"{"cmd":17,"type":2,"extras":{"pullType":4}}"#,
        r#"{"cmd":17,"type":2,"extras":[]}"#,
    ] {
        assert_eq!(host.ask(a, wrong), NO_USER, "{wrong}");
    }
}

#[test]
fn details_show_the_newest_ten_messages() {
    let mut host = Host::new();
    let a = host.log_in("a");
    for number in 0..12 {
        host.say("b", "a", MessageKind::Text, &number.to_string());
    }
    host.take(a);
    let answer = host.ask(a, r#"{"cmd":17,"type":2}"#);
    assert_eq!(
        values(&answer, "content"),
        ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]
    );
    assert!(answer.contains(r#""unReadNum":12"#));
}
