//! Command 19: what is unread, what was said, and what that marks.

use crate::harness::{
    Backend, Jim, Server, answer, answer_with, group_message, ids, join_all, message, say, say_in,
};
use serde_json::{Value, json};

const ROWS_MAX: usize = 1_000;

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// `a` has sent `count` messages to `b`, whose socket is opened after that.
fn sent(server: &Server, count: usize) -> (Jim, Jim) {
    let mut a = server.jim("a");
    server.jim_user("b");
    for n in 0..count {
        a.socket.send(&say("a", "b", &n.to_string(), "x"));
    }
    for _ in 0..count {
        a.socket.expect(&[&answer(10001, 12)]);
    }
    (a, Jim::open(server.addr(), "b"))
}

#[test]
fn unread_messages_of_somebody_exactly() {
    let server = Server::memory(&[]);
    let (_a, mut b) = sent(&server, 2);
    let rows = [message("a", "b", "0", "x"), message("a", "b", "1", "x")].join(",");
    let expected = answer_with(
        10018,
        20,
        &format!(r#"{{"friends":{{"a":[{rows}]}},"groups":{{}},"userid":"b"}}"#),
    );
    assert_eq!(
        expected,
        r#"{"code":10018,"command":20,"data":{"friends":{"a":[{"chatType":2,"cmd":11,"content":"x","createTime":7,"from":"a","id":"0","msgType":0,"to":"b"},{"chatType":2,"cmd":11,"content":"x","createTime":7,"from":"a","id":"1","msgType":0,"to":"b"}]},"groups":{},"userid":"b"},"msg":"get user message ok! 获取历史消息成功!"}"#
    );
    let peek = r#"{"cmd":19,"type":"2","userId":"b","fromUserId":"a","offset":1,"count":2}"#;
    b.socket.exchange(peek, &[&expected]);
    b.socket.exchange(peek, &[&expected]);
    let read = r#"{"cmd":19,"type":"0","userId":"b","fromUserId":"a","offset":1,"count":2}"#;
    b.socket.exchange(read, &[&expected]);
    let nothing = answer_with(10018, 20, r#"{"friends":{},"groups":{},"userid":"b"}"#);
    b.socket.exchange(peek, &[&nothing]);
    b.socket.exchange(read, &[&nothing]);
}

#[test]
fn unread_messages_of_a_group_exactly() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a, &mut b], "G");
    a.socket.send(&say_in("a", "G", "1", "x"));
    b.socket.text();
    let row = group_message("a", "G", "1", "x");
    let expected = answer_with(
        10018,
        20,
        &format!(r#"{{"friends":{{}},"groups":{{"G":[{row}]}},"userid":"b"}}"#),
    );
    b.socket.exchange(
        r#"{"cmd":19,"type":0,"userId":"b","groupId":"G"}"#,
        &[&expected],
    );
    assert!(b.group_ids(0, "G").is_empty());
    b.socket.exchange(
        r#"{"cmd":19,"type":1,"userId":"b","groupId":"G"}"#,
        &[&expected],
    );
}

#[test]
fn without_a_peer_everybody_is_meant() {
    let server = Server::memory(&[]);
    let mut b = server.jim("b");
    let mut backend = Backend::new(server.client());
    let group = backend.group("群", "a", &["b"]);
    backend.send_into("a", &group, "1");
    for (from, text) in [("a", "2"), ("c", "3"), ("a", "4")] {
        backend.send(from, "b", text);
        b.socket.text();
    }
    b.socket.text();
    let texts = |data: &Value, kind: &str, with: &str| -> Vec<Value> {
        let rows = data[kind][with].as_array().expect("a list");
        rows.iter().map(|row| row["content"].clone()).collect()
    };
    for (kind, ends) in [(2, false), (0, false), (0, true), (2, true)] {
        let data = b.messages(&json!({"type": kind}));
        assert_eq!(data["userid"], "b");
        if ends {
            assert_eq!(data, json!({"friends": {}, "groups": {}, "userid": "b"}));
            continue;
        }
        assert_eq!(texts(&data, "friends", "a"), ["2", "4"]);
        assert_eq!(texts(&data, "friends", "c"), ["3"]);
        assert_eq!(texts(&data, "groups", &group), ["1"]);
    }
}

#[test]
fn type_0_marks_only_what_was_asked_for() {
    let server = Server::memory(&[]);
    let (_a, mut b) = sent(&server, 2);
    server.jim("c").say("b", "c1", "x", 10000);
    b.hears("c", "c1", "x");
    assert_eq!(b.ids(0, "a"), ["0", "1"]);
    assert!(b.ids(2, "a").is_empty());
    assert_eq!(b.ids(2, "c"), ["c1"]);
    assert_eq!(b.ids(0, "c"), ["c1"]);
    assert!(b.ids(2, "c").is_empty());
}

#[test]
fn sending_and_history_mark_nothing() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = sent(&server, 2);
    b.say("a", "back", "x", 10000);
    assert_eq!(b.ids(1, "a"), ["0", "1", "back"]);
    assert_eq!(b.ids(2, "a"), ["0", "1"]);
    a.hears("b", "back", "x");
    assert_eq!(a.ids(2, "b"), ["back"]);
    assert_eq!(a.ids(1, "b"), ["0", "1", "back"]);
}

#[test]
fn what_was_pushed_live_is_unread_under_the_id_of_the_push() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    a.call(r#"{"cmd":11,"chatType":2,"to":"b","content":"x"}"#);
    let pushed: Value = serde_json::from_str(&b.socket.text()).expect("JSON");
    let data = b.messages(&json!({"type": 0, "fromUserId": "a"}));
    assert_eq!(data["friends"]["a"][0], pushed["data"]);
}

#[test]
fn unread_comes_in_thousands_and_what_is_not_returned_is_not_marked() {
    let server = Server::memory(&[]);
    let (_a, mut b) = sent(&server, ROWS_MAX + 5);
    assert_eq!(b.ids(2, "a"), numbers(0..ROWS_MAX));
    assert_eq!(b.ids(0, "a"), numbers(0..ROWS_MAX));
    assert_eq!(b.ids(2, "a"), numbers(ROWS_MAX..ROWS_MAX + 5));
    assert_eq!(b.ids(0, "a"), numbers(ROWS_MAX..ROWS_MAX + 5));
    assert!(b.ids(0, "a").is_empty());
}

#[test]
fn an_answer_stays_under_1_mib_and_marks_what_it_holds() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    let text = "x".repeat(60_000);
    for n in 0..40 {
        a.say("b", &n.to_string(), &text, 10001);
    }
    let mut b = Jim::open(server.addr(), "b");
    let mut read = Vec::new();
    while read.len() < 40 {
        let answer = b.call(r#"{"cmd":19,"type":0,"userId":"b","fromUserId":"a"}"#);
        assert!(answer.len() <= 1024 * 1024, "{} bytes", answer.len());
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let more = ids(&answer["data"]["friends"]["a"]);
        assert!(
            more.len() >= 10 || read.len() + more.len() == 40,
            "{}",
            more.len()
        );
        read.extend(more);
    }
    assert_eq!(read, numbers(0..40));
    assert!(b.ids(2, "a").is_empty());
}

#[test]
fn history_holds_both_sides_old_to_new() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = sent(&server, 2);
    b.say("a", "back", "x", 10000);
    a.hears("b", "back", "x");
    let rows = [
        message("a", "b", "0", "x"),
        message("a", "b", "1", "x"),
        message("b", "a", "back", "x"),
    ]
    .join(",");
    for (reader, peer) in [(&mut a, "b"), (&mut b, "a")] {
        let name = reader.name.clone();
        let expected = answer_with(
            10018,
            20,
            &format!(r#"{{"friends":{{"{peer}":[{rows}]}},"groups":{{}},"userid":"{name}"}}"#),
        );
        reader.socket.exchange(
            &format!(r#"{{"cmd":19,"type":1,"userId":"{name}","fromUserId":"{peer}"}}"#),
            &[&expected],
        );
    }
}

#[test]
fn history_with_nobody_is_empty() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    let nothing = json!({"friends": {}, "groups": {}, "userid": "a"});
    assert_eq!(
        a.messages(&json!({"type": 1, "fromUserId": "nobody"})),
        nothing
    );
}

#[test]
fn history_without_a_page_is_the_newest_thousand() {
    let server = Server::memory(&[]);
    let (_a, mut b) = sent(&server, ROWS_MAX + 7);
    assert_eq!(b.ids(1, "a"), numbers(7..ROWS_MAX + 7));
}

#[test]
fn offset_and_count_count_from_the_oldest() {
    let server = Server::memory(&[]);
    let (_a, mut b) = sent(&server, 12);
    for (offset, count, expected) in [
        (0, 5, 0..5),
        (5, 5, 5..10),
        (10, 5, 10..12),
        (12, 5, 0..0),
        (0, 1000, 0..12),
        (11, 1, 11..12),
        (1_000_000, 1, 0..0),
    ] {
        let data = b.messages(
            &json!({"type": "1", "fromUserId": "a", "offset": offset, "count": count.to_string()}),
        );
        assert_eq!(
            ids(&data["friends"]["a"]),
            numbers(expected),
            "{offset}, {count}"
        );
    }
}

#[test]
fn times_are_the_servers_and_both_ends_are_included() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    let mut between = vec![a.next_ms()];
    for id in ["0", "1", "2"] {
        a.next_ms();
        a.say("b", id, "x", 10000);
        b.hears("a", id, "x");
        between.push(a.next_ms());
    }
    for (begin, end, expected) in [
        (0, 3, 0..3),
        (0, 1, 0..1),
        (1, 2, 1..2),
        (1, 3, 1..3),
        (2, 2, 0..0),
    ] {
        let range = json!({"type": 1, "fromUserId": "a", "beginTime": between[begin], "endTime": between[end].to_string()});
        let data = b.messages(&range);
        assert_eq!(
            ids(&data["friends"]["a"]),
            numbers(expected),
            "{begin} to {end}"
        );
    }
}

#[test]
fn a_range_may_be_in_seconds_and_paged() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = sent(&server, 5);
    let now_s = a.clock() / 1_000;
    let range = json!({"type": 1, "fromUserId": "a", "beginTime": now_s - 100, "endTime": now_s + 100, "offset": 1, "count": 3});
    assert_eq!(ids(&b.messages(&range)["friends"]["a"]), ["1", "2", "3"]);
    let past = json!({"type": 1, "fromUserId": "a", "beginTime": 0, "endTime": now_s - 100});
    assert!(ids(&b.messages(&past)["friends"]["a"]).is_empty());
}

#[test]
fn a_groups_history_is_paged_and_ranged_too() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a, &mut b], "G");
    for id in ["0", "1", "2", "3"] {
        b.socket.send(&say_in("b", "G", id, "x"));
        b.socket.text();
        b.socket.text();
    }
    let now_s = b.clock() / 1_000;
    assert_eq!(b.group_ids(1, "G"), numbers(0..4));
    let page = json!({"type": 1, "groupId": "G", "offset": 1, "count": 2,
        "beginTime": now_s - 100, "endTime": now_s + 100});
    assert_eq!(ids(&b.messages(&page)["groups"]["G"]), numbers(1..3));
}

#[test]
fn what_is_wrong_gets_10015() {
    let server = Server::memory(&[]);
    let (_a, mut b) = sent(&server, 1);
    let refusal =
        r#"{"code":10015,"command":20,"msg":"get user message failed! 获取用户消息失败!"}"#;
    for fields in [
        json!({}),
        json!({"type": 3}),
        json!({"type": -1}),
        json!({"type": "x"}),
        json!({"type": 1, "beginTime": 1}),
        json!({"type": 1, "endTime": 1}),
        json!({"type": 1, "offset": 1}),
        json!({"type": 1, "count": 1}),
        json!({"type": 1, "offset": -1, "count": 1}),
        json!({"type": 1, "offset": 0, "count": ROWS_MAX + 1}),
        json!({"type": 1, "offset": 0, "count": -1}),
        json!({"type": 1, "beginTime": "soon", "endTime": 1}),
    ] {
        let mut command = json!({"cmd": 19, "userId": "b", "fromUserId": "a"});
        let all = command.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        assert_eq!(b.call(&command.to_string()), refusal, "{fields}");
    }
    assert_eq!(b.ids(2, "a"), ["0"], "nothing was marked");
}

#[test]
fn reading_as_somebody_else_is_refused() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = sent(&server, 1);
    for kind in [0, 1, 2] {
        let refusal = r#"{"code":10020,"command":20,"msg":"Invalid verification! 不合法校验"}"#;
        let command = json!({"cmd": 19, "type": kind, "userId": "b", "fromUserId": "a"});
        a.socket.exchange(&command.to_string(), &[refusal]);
    }
    assert_eq!(b.ids(2, "a"), ["0"]);
}

#[test]
fn reading_on_one_connection_counts_on_all() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = sent(&server, 3);
    let mut others: Vec<Jim> = (0..6).map(|_| Jim::open(server.addr(), "b")).collect();
    assert_eq!(b.ids(0, "a").len(), 3);
    for other in &mut others {
        assert!(other.ids(2, "a").is_empty());
    }
    a.say("b", "live", "x", 10000);
    for other in &mut others {
        other.hears("a", "live", "x");
        assert_eq!(other.ids(2, "a"), ["live"]);
    }
}
