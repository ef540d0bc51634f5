//! Command 15: what was said is taken back.

use crate::harness::{Jim, Server, answer, group_message, join_all, message, say, say_in};
use serde_json::{Value, json};

const RECALLED: &str = r#"{"code":10023,"command":16,"msg":"recall ok! 撤回成功"}"#;
const NOT_RECALLED: &str = r#"{"code":10024,"command":16,"msg":"recall failed! 撤回失败"}"#;

fn recall(id: &str) -> String {
    json!({"cmd": 15, "id": id}).to_string()
}

fn notice(from: &str, id: &str) -> String {
    format!(r#"{{"command":15,"data":{{"from":"{from}","id":"{id}"}}}}"#)
}

/// Sends the frames to the one member and gives those that come until an answer to command 15.
#[track_caller]
fn recall_frames(jim: &mut Jim, command: &str) -> (Vec<String>, String) {
    jim.socket.send(command);
    let mut before = Vec::new();
    loop {
        let frame = jim.socket.text();
        if frame.contains(r#""command":16"#) {
            return (before, frame);
        }
        before.push(frame);
    }
}

/// Two users, and a message from the first to the second that both have heard of.
fn one_message(server: &Server) -> (Jim, Jim) {
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    a.say("b", "1", "oops", 10000);
    b.hears("a", "1", "oops");
    (a, b)
}

#[test]
fn members_connections_hear_of_it_and_the_caller_is_answered() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = one_message(&server);
    let mut others: Vec<Jim> = (0..8).map(|_| Jim::open(server.addr(), "b")).collect();
    let mut own = Jim::open(server.addr(), "a");
    a.socket
        .exchange(&recall("1"), &[&notice("a", "1"), RECALLED]);
    b.socket.expect(&[&notice("a", "1")]);
    own.socket.expect(&[&notice("a", "1")]);
    for other in &mut others {
        other.socket.expect(&[&notice("a", "1")]);
    }
}

#[test]
fn its_place_stays_with_an_empty_body() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = one_message(&server);
    a.say("b", "2", "after", 10000);
    b.hears("a", "2", "after");
    recall_frames(&mut a, &recall("1"));
    for (jim, peer) in [(&mut a, "b"), (&mut b, "a")] {
        if peer == "a" {
            jim.socket.expect(&[&notice("a", "1")]);
        }
        let data = jim.messages(&json!({"type": 1, "fromUserId": peer}));
        let rows = data["friends"][peer].as_array().expect("a list");
        assert_eq!(rows.len(), 2);
        assert_eq!(
            serde_json::to_string(&rows[0]).expect("JSON"),
            r#"{"chatType":2,"cmd":11,"content":"","createTime":7,"extras":{"recalled":true},"from":"a","id":"1","msgType":0,"to":"b"}"#
        );
        assert_eq!(
            serde_json::to_string(&rows[1]).expect("JSON"),
            message("a", "b", "2", "after")
        );
    }
    let details = b.json(&json!({"cmd": 17, "type": 2, "userId": "b"}));
    let shown = &details["data"]["friends"][0]["historyMessage"][0];
    assert_eq!(
        (&shown["content"], &shown["extras"]),
        (&json!(""), &json!({"recalled": true}))
    );
}

#[test]
fn others_dialects_show_that_it_was_recalled() {
    let server = Server::memory(&[]);
    let (mut a, _b) = one_message(&server);
    let mut buyer = server.buyer("b");
    recall_frames(&mut a, &recall("1"));
    assert_eq!(
        buyer.history("a"),
        [("a".to_owned(), "[已撤回]".to_owned())]
    );
    assert_eq!(buyer.read("a"), ["[已撤回]"]);
}

#[test]
fn extras_of_the_sender_are_gone_with_it() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    let command = json!({"cmd": 11, "chatType": 2, "to": "b", "id": "1", "content": "secret",
        "extras": {"secret": "too"}});
    a.socket
        .exchange(&command.to_string(), &[&answer(10000, 12)]);
    b.socket.text();
    recall_frames(&mut a, &recall("1"));
    b.socket.text();
    let data = b.messages(&json!({"type": 1, "fromUserId": "a"}));
    assert_eq!(data["friends"]["a"][0]["content"], "");
    assert!(!data.to_string().contains("secret"), "{data}");
    assert_eq!(data["friends"]["a"][0]["extras"]["recalled"], true);
}

#[test]
fn ones_own_alone() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = one_message(&server);
    let mut c = server.jim("c");
    for other in [&mut b, &mut c] {
        other.socket.exchange(&recall("1"), &[NOT_RECALLED]);
    }
    let other = json!({"cmd": 15, "id": "1", "from": "a"}).to_string();
    let (before, refusal) = recall_frames(&mut b, &other);
    assert_eq!(before, [""; 0]);
    assert!(
        [NOT_RECALLED, &*answer(10020, 16)].contains(&&*refusal),
        "{refusal}"
    );
    a.socket.exchange(&recall("nothing"), &[NOT_RECALLED]);
    a.socket.exchange(r#"{"cmd":15}"#, &[NOT_RECALLED]);
    assert_eq!(
        b.messages(&json!({"type": 1, "fromUserId": "a"}))["friends"]["a"][0]["content"],
        "oops"
    );
}

#[test]
fn an_id_that_the_server_gave_works_too() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    a.call(r#"{"cmd":11,"chatType":2,"to":"b","content":"x"}"#);
    let pushed: Value = serde_json::from_str(&b.socket.text()).expect("JSON");
    let id = pushed["data"]["id"].as_str().expect("an id").to_owned();
    b.socket.exchange(&recall(&id), &[NOT_RECALLED]);
    a.socket
        .exchange(&recall(&id), &[&notice("a", &id), RECALLED]);
    b.socket.expect(&[&notice("a", &id)]);
}

#[test]
fn a_recalled_message_stays_one_message() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = one_message(&server);
    recall_frames(&mut a, &recall("1"));
    b.socket.expect(&[&notice("a", "1")]);
    // Its id is taken: sent again it stays recalled.
    a.socket
        .exchange(&say("a", "b", "1", "oops"), &[&answer(10000, 12)]);
    assert_eq!(b.ids(1, "a"), ["1"]);
    assert_eq!(
        b.messages(&json!({"type": 1, "fromUserId": "a"}))["friends"]["a"][0]["content"],
        ""
    );
}

#[test]
fn a_group_hears_of_it_and_its_owner_may_recall_anything() {
    let server = Server::memory(&[]);
    let (mut owner, mut a, mut b) = (server.jim("owner"), server.jim("a"), server.jim("b"));
    join_all(&mut [&mut owner, &mut a, &mut b], "G");
    for id in ["1", "2", "3"] {
        let pushed = crate::harness::push(&group_message("a", "G", id, "x"));
        a.socket
            .exchange(&say_in("a", "G", id, "x"), &[&pushed, &answer(10000, 12)]);
        b.socket.expect(&[&pushed]);
        owner.socket.expect(&[&pushed]);
    }
    let by_name = |id: &str| json!({"cmd": 15, "id": id, "groupId": "G", "from": "a"}).to_string();
    // A member who is not the owner.
    let (before, refusal) = recall_frames(&mut b, &by_name("1"));
    assert_eq!(before, [""; 0]);
    assert!(
        [NOT_RECALLED, &*answer(10020, 16)].contains(&&*refusal),
        "{refusal}"
    );
    // The sender, then the owner.
    a.socket
        .exchange(&recall("1"), &[&notice("a", "1"), RECALLED]);
    owner.socket.expect(&[&notice("a", "1")]);
    owner
        .socket
        .exchange(&by_name("2"), &[&notice("a", "2"), RECALLED]);
    a.socket.expect(&[&notice("a", "2")]);
    b.socket.expect(&[&notice("a", "1"), &notice("a", "2")]);
    let data = b.messages(&json!({"type": 1, "groupId": "G"}));
    let bodies: Vec<_> = data["groups"]["G"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["content"].as_str().expect("a text"))
        .collect();
    assert_eq!(bodies, ["", "", "x"]);
}
