//! Commands 7 and 10: groups that are made by joining, and those of other dialects.

use crate::harness::{
    Backend, Jim, Server, Socket, answer, check_pattern, group_message, join_all, message, push,
    say, say_in,
};
use serde_json::json;

const JOIN: &str = r#"{"cmd":7,"groupId":"G"}"#;
const LEAVE: &str = r#"{"cmd":10,"groupId":"G"}"#;
const JOINED: &str = r#"{"code":10011,"command":8,"data":{"group":"G","result":1},"msg":"join group ok! 加入群组成功!"}"#;
const NOT_JOINED: &str = r#"{"code":10012,"command":8,"msg":"join group failed! 加入群组失败!"}"#;
const SENT: &str = r#"{"code":10000,"command":12,"msg":"ok 发送成功"}"#;

fn notice(command: u8, name: &str) -> String {
    format!(r#"{{"command":{command},"data":{{"group":"G","user":{{"id":"{name}"}}}}}}"#)
}

#[test]
fn joining_tells_all_members_connections_and_then_answers() {
    let server = Server::memory(&[]);
    server.jim_profile("a", 0, "甲");
    server.jim_profile("b", 0, "乙");
    let mut all: Vec<Jim> = (0..10).map(|_| Jim::open(server.addr(), "a")).collect();
    let mut b = Jim::open(server.addr(), "b");
    let first = r#"{"command":9,"data":{"group":"G","user":{"id":"a","nick":"甲"}}}"#;
    all[0].socket.exchange(JOIN, &[first, JOINED]);
    let second = r#"{"command":9,"data":{"group":"G","user":{"id":"b","nick":"乙"}}}"#;
    b.socket.exchange(JOIN, &[second, JOINED]);
    for (at, a) in all.iter_mut().enumerate() {
        if at > 0 {
            a.socket.expect(&[first]);
        }
        a.socket.expect(&[second]);
    }
}

#[test]
fn a_member_who_joins_again_gets_the_answer_alone() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a, &mut b], "G");
    b.socket.exchange(JOIN, &[JOINED]);
    b.socket
        .exchange(r#"{"cmd":"7","group_id":"G"}"#, &[JOINED]);
    let pushed = push(&group_message("b", "G", "1", "x"));
    b.socket
        .exchange(&say_in("b", "G", "1", "x"), &[&pushed, SENT]);
    a.socket.expect(&[&pushed]);
}

#[test]
fn leaving_tells_the_rest_and_the_leaver() {
    let server = Server::memory(&[]);
    server.jim_profile("b", 0, "乙");
    let mut a = server.jim("a");
    let mut b = Jim::open(server.addr(), "b");
    join_all(&mut [&mut a, &mut b], "G");
    let notice = r#"{"command":10,"data":{"group":"G","user":{"id":"b","nick":"乙"}}}"#;
    b.socket.exchange(LEAVE, &[notice]);
    a.socket.expect(&[notice]);
    b.socket
        .exchange(&say_in("b", "G", "1", "x"), &[&answer(10020, 12)]);
    let pushed = push(&group_message("a", "G", "2", "x"));
    a.socket
        .exchange(&say_in("a", "G", "2", "x"), &[&pushed, SENT]);
    a.socket
        .exchange(&say("a", "b", "3", "still there"), &[SENT]);
    b.hears("a", "3", "still there");
    assert!(
        b.messages(&json!({"type": 2}))["groups"]
            .as_object()
            .expect("an object")
            .is_empty()
    );
}

#[test]
fn who_left_is_told_again_that_a_message_was_sent_and_sends_no_other() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a, &mut b], "G");
    let pushed = push(&group_message("b", "G", "1", "x"));
    b.socket
        .exchange(&say_in("b", "G", "1", "x"), &[&pushed, SENT]);
    b.socket.exchange(LEAVE, &[&notice(10, "b")]);
    b.socket.exchange(&say_in("b", "G", "1", "x"), &[SENT]);
    b.socket
        .exchange(&say_in("b", "G", "2", "x"), &[&answer(10020, 12)]);
    a.socket.expect(&[&pushed, &notice(10, "b")]);
    assert_eq!(a.group_ids(1, "G"), ["1"]);
}

#[test]
fn who_left_may_come_back_and_sees_nothing_earlier() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a, &mut b], "G");
    b.socket.exchange(LEAVE, &[&notice(10, "b")]);
    let pushed = push(&group_message("a", "G", "1", "x"));
    a.socket.exchange(
        &say_in("a", "G", "1", "x"),
        &[&notice(10, "b"), &pushed, SENT],
    );
    b.socket.exchange(JOIN, &[&notice(9, "b"), JOINED]);
    assert!(b.group_ids(2, "G").is_empty());
    assert!(b.group_ids(1, "G").is_empty());
    let pushed = push(&group_message("a", "G", "2", "x"));
    a.socket.exchange(
        &say_in("a", "G", "2", "x"),
        &[&notice(9, "b"), &pushed, SENT],
    );
    b.socket.expect(&[&pushed]);
    assert_eq!(b.group_ids(2, "G"), ["2"]);
}

#[test]
fn a_new_member_has_nothing_unread_and_sees_no_earlier_message() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a], "G");
    a.call(&say_in("a", "G", "1", "before"));
    a.socket.text();
    b.socket.exchange(JOIN, &[&notice(9, "b"), JOINED]);
    for kind in [0, 1, 2] {
        assert!(b.group_ids(kind, "G").is_empty());
    }
}

#[test]
fn a_senders_own_message_is_not_unread() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    join_all(&mut [&mut a, &mut b], "G");
    a.call(&say_in("a", "G", "1", "x"));
    a.socket.text();
    assert!(a.group_ids(2, "G").is_empty());
    b.socket.text();
    assert_eq!(b.group_ids(2, "G"), ["1"]);
    let pushed = push(&group_message("b", "G", "2", "x"));
    b.socket
        .exchange(&say_in("b", "G", "2", "x"), &[&pushed, SENT]);
    assert_eq!(b.group_ids(2, "G"), ["1"], "sending over jim reads nothing");
}

#[test]
fn a_full_group_refuses() {
    let server = Server::memory(&["--group-members-max", "2"]);
    let (mut a, mut b, mut c) = (server.jim("a"), server.jim("b"), server.jim("c"));
    join_all(&mut [&mut a, &mut b], "G");
    c.socket.exchange(JOIN, &[NOT_JOINED]);
    c.socket
        .exchange(&say_in("c", "G", "1", "x"), &[&answer(10020, 12)]);
    b.socket.exchange(JOIN, &[JOINED]);
    b.socket.exchange(LEAVE, &[&notice(10, "b")]);
    c.socket.exchange(JOIN, &[&notice(9, "c"), JOINED]);
    a.socket.expect(&[&notice(10, "b"), &notice(9, "c")]);
}

#[test]
fn a_group_without_a_name_is_refused() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for command in [
        json!({"cmd": 7}),
        json!({"cmd": 7, "groupId": ""}),
        json!({"cmd": 7, "groupId": null}),
        json!({"cmd": 7, "groupId": "a\nb"}),
        json!({"cmd": 7, "groupId": "n".repeat(256)}),
    ] {
        a.socket.exchange(&command.to_string(), &[NOT_JOINED]);
    }
}

#[test]
fn joining_as_somebody_else_is_refused() {
    let server = Server::memory(&[]);
    let (mut a, _b) = (server.jim("a"), server.jim("b"));
    a.socket.exchange(
        r#"{"cmd":7,"groupId":"G","userId":"b"}"#,
        &[&answer(10020, 8)],
    );
    a.socket.exchange(
        r#"{"cmd":7,"groupId":"G","userId":"a"}"#,
        &[&notice(9, "a"), JOINED],
    );
}

#[test]
fn a_group_made_elsewhere_is_not_joined_but_used() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    let mut backend = Backend::new(server.client());
    let group = backend.group("群", "boss", &["a"]);
    let join = json!({"cmd": 7, "groupId": group}).to_string();
    b.socket.exchange(&join, &[NOT_JOINED]);
    let id = backend.send_into("boss", &group, "欢迎");
    check_pattern(
        &format!(
            r#"{{"command":11,"data":{{"chatType":1,"cmd":11,"content":"欢迎","createTime":<ms>,"from":"boss","groupId":"{group}","id":"<id>","msgType":0}}}}"#
        ),
        &a.socket.text(),
    );
    assert_ne!(id, "");
    // Members who are added elsewhere cause no notice.
    backend.add(&group, &["b"]);
    let pushed = push(&group_message("a", &group, "1", "x"));
    a.socket
        .exchange(&say_in("a", &group, "1", "x"), &[&pushed, SENT]);
    b.socket.expect(&[&pushed]);
    assert_eq!(b.group_ids(0, &group), ["1"]);
    assert_eq!(backend.messages(&group, None).len(), 2);
}

#[test]
fn a_jim_groups_name_is_its_own() {
    let server = Server::memory(&[]);
    let (mut a, mut g) = (server.jim("a"), server.jim("G"));
    join_all(&mut [&mut a], "G");
    let pushed = push(&message("a", "G", "1", "to the user"));
    a.socket
        .exchange(&say("a", "G", "1", "to the user"), &[SENT]);
    g.socket.expect(&[&pushed]);
    let mut backend = Backend::new(server.client());
    let rows = backend.list("a");
    let group = rows
        .iter()
        .find(|row| row["conv_type"] == 1)
        .expect("the group");
    let conv_id = group["conv_id"].as_str().expect("an id");
    assert_ne!(conv_id, "G");
    backend.add(conv_id, &["b"]);
    backend.send_into("b", conv_id, "elsewhere");
    let pushed: serde_json::Value = serde_json::from_str(&a.socket.text()).expect("JSON");
    assert_eq!(pushed["data"]["groupId"], "G", "{pushed}");
    let join = json!({"cmd": 7, "groupId": conv_id}).to_string();
    g.socket.send(&join);
    let answer = g.socket.text();
    assert!(
        answer == NOT_JOINED || !answer.contains("10011"),
        "not a second name of G: {answer}"
    );
}

#[test]
fn a_member_without_a_socket_of_jim_is_one_all_the_same() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    {
        let mut b = Jim::open(server.addr(), "b");
        join_all(&mut [&mut a, &mut b], "G");
        b.socket.send(r#"{"cmd":14}"#);
        b.socket.expect_close(1000);
    }
    a.call(&say_in("a", "G", "1", "x"));
    let mut b = Socket::open(server.addr(), "/?token=token-of-b");
    b.expect(&[&answer(10007, 6)]);
    b.exchange(
        r#"{"cmd":19,"type":2,"userId":"b","groupId":"G"}"#,
        &[&format!(
            r#"{{"code":10018,"command":20,"data":{{"friends":{{}},"groups":{{"G":[{}]}},"userid":"b"}},"msg":"get user message ok! 获取历史消息成功!"}}"#,
            group_message("a", "G", "1", "x")
        )],
    );
}
