//! Command 17: whom a user talks to, and how much of it waits.

use crate::harness::{Jim, Server, answer, eventually, join_all, message, say, token, vanke};
use serde_json::{Value, json};

const CONTACTS_MAX: usize = 200;

fn list(jim: &mut Jim, kind: u8) -> Vec<String> {
    let command = json!({"cmd": 17, "type": kind, "userId": jim.name});
    let answer = jim.json(&command);
    assert_eq!(
        (&answer["code"], &answer["command"]),
        (&json!(200), &json!(18))
    );
    let rows = answer["data"].as_array().expect("a list");
    rows.iter()
        .map(|row| row["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// Type 2 with these `extras`: id and unread count of each contact.
fn details(jim: &mut Jim, extras: Value) -> Vec<(String, u64)> {
    let command = json!({"cmd": 17, "type": "2", "userId": jim.name, "extras": extras});
    let answer = jim.json(&command);
    let rows = answer["data"]["friends"].as_array().expect("a list");
    rows.iter()
        .map(|row| {
            let id = row["userId"].as_str().expect("an id").to_owned();
            (id, row["unReadNum"].as_u64().expect("a number"))
        })
        .collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected
        .iter()
        .map(|(id, unread)| (id.to_string(), *unread))
        .collect()
}

/// Joins two users as contacts without a message.
fn join(server: &Server, visitor: &str, agent: &str) {
    let body =
        json!({"senderId": visitor, "token": token(visitor), "type": 0, "receiverId": agent});
    vanke(&mut server.client(), "getReceiver", &body);
}

#[test]
fn the_list_of_contacts_exactly() {
    let server = Server::memory(&[]);
    server.jim_profile("oqRgw5YLLbymI6SKG2Mqrpx-1Q0w", 0, "栗子");
    let mut agent = server.agent("asdfghjkl");
    agent.say("oqRgw5U2o6siu0viOo2MQJIBafcw", "1", "x", 10001);
    agent.say("oqRgw5YLLbymI6SKG2Mqrpx-1Q0w", "2", "x", 10001);
    agent.socket.exchange(
        r#"{"cmd":17,"type":"1","userId":"asdfghjkl"}"#,
        &[r#"{"code":200,"command":18,"data":[{"id":"oqRgw5YLLbymI6SKG2Mqrpx-1Q0w","nick":"栗子","terminal":"ws"},{"id":"oqRgw5U2o6siu0viOo2MQJIBafcw","terminal":"ws"}],"msg":"success "}"#],
    );
}

#[test]
fn the_details_exactly() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let visitor =
        json!({"senderId": "v", "token": "T", "type": 0, "nick": "栗子", "avatar": "http://v.png"});
    vanke(&mut http, "initUser", &visitor);
    let body = json!({"senderId": "a", "token": token("a"), "type": 1, "nick": "770e4"});
    vanke(&mut http, "initUser", &body);
    let mut a = Jim::open(server.addr(), "a");
    a.say("v", "1", "x", 10001);
    a.say("w", "2", "x", 10001);
    let mut v = crate::harness::Socket::open(server.addr(), "/?token=T");
    v.expect(&[&answer(10007, 6)]);
    v.exchange(&say("v", "a", "3", "y"), &[&answer(10000, 12)]);
    a.hears("v", "3", "y");
    let (first, second, third) = (
        message("a", "v", "1", "x"),
        message("v", "a", "3", "y"),
        message("a", "w", "2", "x"),
    );
    a.socket.exchange(
        r#"{"cmd":17,"type":"2","userId":"a","extras":{"pullType":1,"searchKey":""}}"#,
        &[&format!(
            r#"{{"code":200,"command":18,"data":{{"avatar":"","friends":[{{"avatar":"http://v.png","historyMessage":[{first},{second}],"nickname":"栗子","unReadNum":1,"userId":"v"}},{{"avatar":"","historyMessage":[{third}],"nickname":"","unReadNum":0,"userId":"w"}}],"nickname":"770e4","userId":"a"}},"msg":"success "}}"#
        )],
    );
}

#[test]
fn nobody_yet() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for kind in [0, 1] {
        a.socket.exchange(
            &format!(r#"{{"cmd":17,"type":{kind},"userId":"a"}}"#),
            &[r#"{"code":200,"command":18,"data":[],"msg":"success "}"#],
        );
    }
    a.socket.exchange(
        r#"{"cmd":17,"type":2,"userId":"a"}"#,
        &[r#"{"code":200,"command":18,"data":{"avatar":"","friends":[],"nickname":"","userId":"a"},"msg":"success "}"#],
    );
}

#[test]
fn contacts_come_by_newest_activity() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for (id, to) in ["b", "c", "d"].into_iter().enumerate() {
        a.say(to, &id.to_string(), "x", 10001);
    }
    assert_eq!(list(&mut a, 1), ["d", "c", "b"]);
    a.say("b", "again", "x", 10001);
    assert_eq!(list(&mut a, 1), ["b", "d", "c"]);
    let ids: Vec<_> = details(&mut a, json!({}))
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(ids, ["b", "d", "c"]);
    server.buyer("c").send("a", "from elsewhere");
    a.socket.text();
    assert_eq!(list(&mut a, 1), ["c", "b", "d"]);
}

#[test]
fn who_was_joined_by_get_receiver_is_a_contact_of_both() {
    let server = Server::memory(&[]);
    let (mut v, mut a) = (server.jim("v"), server.agent("a"));
    join(&server, "v", "a");
    assert_eq!(list(&mut v, 1), ["a"]);
    assert_eq!(list(&mut a, 1), ["v"]);
    assert_eq!(details(&mut a, json!({"pullType": 1})), pairs(&[("v", 0)]));
}

#[test]
fn type_0_is_who_is_online() {
    let server = Server::memory(&[]);
    let (mut a, b) = (server.jim("a"), server.jim("b"));
    a.say("b", "1", "x", 10000);
    a.say("c", "2", "x", 10001);
    assert_eq!(list(&mut a, 0), ["b"]);
    assert_eq!(list(&mut a, 1), ["c", "b"]);
    drop(b);
    eventually("b is gone", || list(&mut a, 0).is_empty());
    let _c = server.jim("c");
    assert_eq!(list(&mut a, 0), ["c"]);
}

#[test]
fn the_three_pull_types() {
    let server = Server::memory(&[]);
    let (mut a, mut v) = (server.agent("a"), server.jim("v"));
    join(&server, "silent", "a");
    a.say("quiet", "1", "x", 10001);
    v.say("a", "2", "x", 10000);
    v.say("a", "3", "x", 10000);
    a.hears("v", "2", "x");
    a.hears("v", "3", "x");
    let sorted = |jim: &mut Jim, pull_type: Value| {
        let mut rows = details(jim, json!({"pullType": pull_type}));
        rows.sort();
        rows
    };
    let all = pairs(&[("quiet", 0), ("silent", 0), ("v", 2)]);
    assert_eq!(sorted(&mut a, json!(1)), all);
    assert_eq!(sorted(&mut a, json!("1")), all);
    assert_eq!(sorted(&mut a, json!(null)), all);
    assert_eq!(sorted(&mut a, json!(2)), pairs(&[("v", 2)]));
    assert_eq!(sorted(&mut a, json!(3)), pairs(&[("quiet", 0), ("v", 2)]));
    let bare = a.json(&json!({"cmd": 17, "type": 2, "userId": "a"}));
    assert_eq!(bare["data"]["friends"].as_array().expect("a list").len(), 3);
    assert_eq!(a.ids(0, "v"), ["2", "3"]);
    assert_eq!(sorted(&mut a, json!(2)), []);
    let history = a.json(&json!({"cmd": 17, "type": 2, "userId": "a", "extras": {"pullType": 3}}));
    assert_eq!(history["data"]["friends"][0]["userId"], "v");
}

#[test]
fn the_search_key_is_in_nickname_or_id_in_any_case() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_profile("Visitor-1", 0, "Chestnut 栗子");
    server.jim_profile("visitor-2", 0, "ÄPFEL");
    for (id, to) in ["Visitor-1", "visitor-2", "third"].into_iter().enumerate() {
        a.say(to, &id.to_string(), "x", 10001);
    }
    for (key, expected) in [
        ("", &["third", "visitor-2", "Visitor-1"][..]),
        ("VISITOR", &["visitor-2", "Visitor-1"]),
        ("栗", &["Visitor-1"]),
        ("chest", &["Visitor-1"]),
        ("äpfel", &["visitor-2"]),
        ("hir", &["third"]),
        ("nobody", &[]),
    ] {
        let rows = details(&mut a, json!({"pullType": 1, "searchKey": key}));
        let ids: Vec<_> = rows.into_iter().map(|row| row.0).collect();
        assert_eq!(ids, expected, "{key:?}");
    }
    assert_eq!(
        details(&mut a, json!({"pullType": 2, "searchKey": "third"})),
        []
    );
}

#[test]
fn the_newest_ten_messages_come_old_to_new() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for id in 0..13 {
        a.say("b", &id.to_string(), "x", 10001);
    }
    let answer = a.json(&json!({"cmd": 17, "type": 2, "userId": "a"}));
    let history = crate::harness::ids(&answer["data"]["friends"][0]["historyMessage"]);
    assert_eq!(
        history,
        (3..13).map(|id| id.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn at_most_200_contacts_come() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for n in 0..CONTACTS_MAX + 3 {
        a.say(&format!("c{n}"), "1", "x", 10001);
    }
    let expected: Vec<_> = (3..CONTACTS_MAX + 3)
        .rev()
        .map(|n| format!("c{n}"))
        .collect();
    assert_eq!(list(&mut a, 1), expected);
    let ids: Vec<_> = details(&mut a, json!({}))
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(ids, expected);
    let rows = details(&mut a, json!({"searchKey": "c202"}));
    assert_eq!(rows, pairs(&[("c202", 0)]));
}

#[test]
fn groups_are_no_contacts() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    join_all(&mut [&mut a], "G");
    assert!(list(&mut a, 1).is_empty());
    assert_eq!(details(&mut a, json!({})), []);
}

#[test]
fn anything_else_gets_10004() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    let refusal = r#"{"code":10004,"command":18,"msg":"get user failed ! 获取用户信息失败!"}"#;
    for command in [
        json!({"cmd": 17, "userId": "a"}),
        json!({"cmd": 17, "type": 3, "userId": "a"}),
        json!({"cmd": 17, "type": "x", "userId": "a"}),
        json!({"cmd": 17, "type": 2, "userId": "a", "extras": {"pullType": 4}}),
    ] {
        assert_eq!(a.call(&command.to_string()), refusal, "{command}");
    }
}

#[test]
fn contacts_of_somebody_else_are_refused() {
    let server = Server::memory(&[]);
    let (mut a, _b) = (server.jim("a"), server.jim("b"));
    let refusal = r#"{"code":10020,"command":18,"msg":"Invalid verification! 不合法校验"}"#;
    for kind in [0, 1, 2] {
        let command = json!({"cmd": 17, "type": kind, "userId": "b"});
        a.socket.exchange(&command.to_string(), &[refusal]);
    }
}
