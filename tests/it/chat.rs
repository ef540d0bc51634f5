//! `chat` on the running server: sockets, delivery over restarts, and other dialects.

use crate::harness::{App, Backend, Request, Server, vanke};
use serde_json::{Value, json};

#[test]
fn a_message_is_acknowledged_pushed_and_acknowledged() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (App::login(&server, "a"), App::login(&server, "b"));
    b.sync();
    let id = a.call("/im/message/get/id", &json!({}))["id"]
        .as_u64()
        .expect("an id");
    a.say(id, b.user, "Hello,World");
    let push = b.receive();
    assert!(push["timestamp"].is_u64());
    let expected = json!({
        "fromUserId": a.user, "toUserId": b.user, "teamId": null, "msgType": "Text", "eventType": null,
        "content": "Hello,World", "id": id, "timestamp": push["timestamp"], "chatType": "Single",
        "stateEnum": "ServerToClientIng", "isRead": false
    });
    assert_eq!(push, expected);
    assert_eq!(b.offline(), [id]);
    b.acknowledge(id);
    b.sync();
    assert_eq!(b.offline(), [0; 0]);
}

#[test]
fn what_was_acknowledged_stays_so_over_a_kill_and_what_was_not_waits() {
    let mut server = Server::durable(&[]);
    let (mut a, mut b) = (App::login(&server, "a"), App::login(&server, "b"));
    b.sync();
    (1..=4).for_each(|id| a.say(id, b.user, "x"));
    (1..=4).for_each(|id| assert_eq!(b.receive()["id"], id));
    [3, 1].into_iter().for_each(|id| b.acknowledge(id));
    b.sync();
    let handed_out = a.call("/im/message/get/id", &json!({}))["id"].as_u64();
    server.kill();
    server.start_again();
    b.reconnect(&server);
    let notice = b.receive();
    assert_eq!(
        (&notice["eventType"], &notice["content"]),
        (&json!("OfflineMessage"), &json!("您有2离线消息"))
    );
    assert_eq!(b.offline(), [2, 4]);
    [2, 4].into_iter().for_each(|id| b.acknowledge(id));
    b.sync();
    assert_eq!(b.offline(), [0; 0]);
    assert!(b.call("/im/message/get/id", &json!({}))["id"].as_u64() > handed_out);
}

#[test]
fn a_burst_of_acknowledgements_is_recorded_whole_and_delays_no_answer() {
    const COUNT: u64 = 700;
    let mut server = Server::durable(&[]);
    let (mut a, mut b) = (App::login(&server, "a"), App::login(&server, "b"));
    b.sync();
    (1..=COUNT).for_each(|id| a.say(id, b.user, "x"));
    (1..=COUNT).for_each(|id| assert_eq!(b.receive()["id"], id));
    // From the newest to the oldest, all but every hundredth; in the midst of it something is said.
    for id in (1..=COUNT).rev().filter(|id| id % 100 != 0) {
        b.acknowledge(id);
        if id == COUNT / 2 + 1 {
            b.say(COUNT + 1, a.user, "y");
        }
    }
    b.sync();
    let left: Vec<u64> = (1..=COUNT).filter(|id| id % 100 == 0).collect();
    assert_eq!(b.offline(), left);
    server.kill();
    server.start_again();
    b.reconnect(&server);
    assert_eq!(
        b.receive()["content"],
        format!("您有{}离线消息", left.len())
    );
    assert_eq!(b.offline(), left);
    assert_eq!(a.receive()["id"], COUNT + 1);
}

#[test]
fn what_was_pushed_on_any_connection_comes_again_after_the_next_auth() {
    let mut server = Server::durable(&[]);
    let (mut a, mut b) = (App::login(&server, "a"), App::login(&server, "b"));
    let state = |states: &[(u64, &str)]| -> Vec<(u64, String)> {
        let states = states.iter();
        states
            .map(|(id, state)| (*id, (*state).to_owned()))
            .collect()
    };
    b.sync();
    (1..=3).for_each(|id| a.say(id, b.user, "x"));
    (1..=3).for_each(|id| assert_eq!(b.receive()["id"], id));
    b.acknowledge(2);
    b.sync();
    // Whichever shard looks after them, each new connection is pushed what is outstanding, and what one acknowledges is done for all.
    let mut others: Vec<App> = (0..4).map(|_| b.another(&server)).collect();
    for other in &mut others {
        assert_eq!(
            [other.receive()["id"].clone(), other.receive()["id"].clone()],
            [1, 3]
        );
        other.sync();
        assert_eq!(
            other.states(),
            state(&[(1, "ServerToClientIng"), (3, "ServerToClientIng")])
        );
    }
    let last = others.last_mut().expect("four");
    last.acknowledge(3);
    last.sync();
    drop(others);
    b.reconnect(&server);
    assert_eq!(b.receive()["id"], 1);
    b.sync();
    // What came while nobody was there is announced, and after a kill it is unknown what was pushed.
    let register = json!({"company": "c", "app": "a", "thirdUserId": "d"});
    let d = a.call("/im/user/register", &register);
    a.say(4, d["userId"].as_u64().expect("a number"), "x");
    let rows = a.call("/im/message/user/get/page", &json!({"userId": a.user}));
    assert_eq!(
        (&rows[0]["stateEnum"], &rows[1]["stateEnum"]),
        (&json!("Server"), &json!("Client"))
    );
    assert_eq!(rows[3]["stateEnum"], "ServerToClientIng");
    server.kill();
    server.start_again();
    b.reconnect(&server);
    assert_eq!(b.receive()["content"], "您有1离线消息");
    assert_eq!(b.states(), state(&[(1, "Server")]));
}

#[test]
fn a_buyer_and_a_user_of_an_app_reach_each_other() {
    let server = Server::memory(&[]);
    let mut app = App::login(&server, "shop");
    app.sync();
    let mut buyer = server.buyer("buyer");
    buyer.send("c/a/shop", "在吗");
    let push = app.receive();
    assert_eq!(
        (&push["msgType"], &push["content"]),
        (&json!("Text"), &json!("在吗"))
    );
    let from = push["fromUserId"].as_u64().expect("a number");
    app.say(5, from, "在的");
    assert_eq!(buyer.unread(), 1);
    assert_eq!(buyer.read("c/a/shop"), ["在的"]);
    let page = json!({"userId": app.user});
    let rows = app.call("/im/message/user/get/page", &page);
    let states: Vec<(&Value, &Value)> = rows
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (&row["content"], &row["isRead"]))
        .collect();
    assert_eq!(
        states,
        [
            (&json!("在的"), &json!(true)),
            (&json!("在吗"), &json!(false))
        ]
    );
    app.call(
        "/im/user/chat/clear/unread2",
        &json!({"fromUserId": app.user, "toUserId": from}),
    );
    assert_eq!(app.offline(), [0; 0]);
    assert_eq!(buyer.history("c/a/shop").len(), 2);
}

#[test]
fn a_team_is_a_group_of_the_other_dialects() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (App::login(&server, "a"), App::login(&server, "b"));
    b.sync();
    let members = json!([{"userId": a.user}, {"userId": b.user}]);
    let team = a.call("/im/team/add", &json!({"name": "群", "members": members}));
    let mut backend = Backend::new(server.client());
    let rows = backend.list("c/a/b");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["conv_users"], json!(["c/a/a", "c/a/b"]));
    let conv_id = rows[0]["conv_id"].as_str().expect("an id").to_owned();
    backend.send_into("c/a/a", &conv_id, "x");
    let push = b.receive();
    assert_eq!(
        (&push["chatType"], &push["teamId"]),
        (&json!("Group"), &team["id"])
    );
    let frame = json!({"id": 9, "teamId": team["id"], "chatType": "Group", "msgType": "Image", "content": "http://x/y.png"});
    b.send(&frame);
    assert_eq!(b.receive()["msgType"], "Ack");
    assert_eq!(a.receive()["id"], 9);
    assert_eq!(backend.unread("c/a/a", &conv_id), 1);
    let texts = backend.messages(&conv_id, Some("c/a/a"));
    let expected = [("c/a/a", "x"), ("c/a/b", "http://x/y.png")];
    assert_eq!(
        texts,
        expected.map(|(from, text)| (from.to_owned(), text.to_owned()))
    );
    // Reading there has acknowledged it here.
    assert_eq!(a.offline(), [0; 0]);
}

#[test]
fn a_deleted_team_is_gone_in_every_dialect_and_what_was_said_there_stays() {
    let mut server = Server::durable(&[]);
    let (mut a, b) = (App::login(&server, "a"), App::login(&server, "b"));
    let members = json!([{"userId": a.user}, {"userId": b.user}]);
    let team = a.call("/im/team/add", &json!({"name": "群", "members": members}));
    let mut backend = Backend::new(server.client());
    let rows = backend.list("c/a/b");
    let conv_id = rows[0]["conv_id"].as_str().expect("an id").to_owned();
    backend.send_into("c/a/a", &conv_id, "x");
    a.call("/im/team/delete", &json!({"teamId": team["id"]}));
    for _ in 0..2 {
        let mut backend = Backend::new(server.client());
        assert_eq!(backend.list("c/a/a").len() + backend.list("c/a/b").len(), 0);
        let joining = json!({"conv_id": conv_id, "member": ["c/a/a", "new"]});
        backend.refused("/im/add/group/merber", &joining, 404);
        backend.refused(&format!("/im/group/{conv_id}/list"), &json!({}), 404);
        let alias = json!({"id": "c/a/a", "alias": "z"});
        backend.refused(&format!("/im/group/{conv_id}/alias"), &alias, 404);
        let said = json!({"from_id": "c/a/a", "conv_id": conv_id, "msg": "y"});
        backend.refused("/im/send/msg", &said, 404);
        assert_eq!(backend.messages(&conv_id, None).len(), 1);
        server.kill();
        server.start_again();
    }
}

#[test]
fn an_event_waits_over_a_kill_until_it_is_acknowledged() {
    let mut server = Server::durable(&[]);
    let (mut a, mut b) = (App::login(&server, "a"), App::login(&server, "b"));
    b.sync();
    for (id, name) in [(1, "Like"), (2, "Follow"), (3, "Online")] {
        a.send(&event(id, b.user, name));
        let push = b.receive();
        let expected = json!({
            "fromUserId": a.user, "toUserId": b.user, "teamId": null, "msgType": "Event", "eventType": name,
            "content": "x", "id": id, "timestamp": push["timestamp"], "chatType": "Single",
            "stateEnum": "ServerToClientIng", "isRead": false
        });
        assert_eq!(push, expected);
    }
    // No Ack stands before the answer to what came after the events.
    a.sync();
    let comment = json!({"id": 4, "fromUserId": a.user, "toUserId": b.user, "content": "x"});
    assert_eq!(a.call("/im/event/message/comment", &comment), Value::Null);
    assert_eq!(b.receive()["eventType"], "Comment");
    b.acknowledge(2);
    b.acknowledge(4);
    b.sync();
    server.kill();
    server.start_again();
    b.reconnect(&server);
    assert_eq!(b.receive()["content"], "您有2离线消息");
    assert_eq!(b.offline(), [1, 3]);
    [3, 1].into_iter().for_each(|id| b.acknowledge(id));
    b.sync();
    assert_eq!(b.offline(), [0; 0]);
}

#[test]
fn nobody_else_sees_or_counts_events() {
    let server = Server::memory(&[]);
    let mut app = App::login(&server, "shop");
    app.sync();
    let (mut buyer, mut jim) = (server.buyer("buyer"), server.jim("jim"));
    buyer.send("c/a/shop", "在吗");
    let buyer_id = app.receive()["fromUserId"].as_u64().expect("a number");
    jim.say("c/a/shop", "1", "在吗", 10000);
    let jim_id = app.receive()["fromUserId"].as_u64().expect("a number");
    for (id, user) in [(11, buyer_id), (12, jim_id)] {
        app.say(id, user, "在的");
    }
    let push = jim.socket.text();
    assert!(push.contains("在的"), "{push}");
    let mut backend = Backend::new(server.client());
    let mut seen = || {
        let lists = ["getCurrentChatList", "getFirstShowChatList"].map(|call| buyer.list(call));
        let counts =
            json!({"from": "c/a/shop", "to": "jim", "op": 1, "isNewMember": 0, "isConcurrent": 0});
        let of_jim = (
            vanke(&mut server.client(), "chatInfo", &counts),
            jim.messages(&json!({"type": 2})),
            jim.messages(&json!({"type": 1, "fromUserId": "c/a/shop"})),
            jim.json(&json!({"cmd": 17, "userId": "jim", "type": "2"})),
        );
        let of_conv = ["buyer", "jim", "c/a/shop"].map(|name| backend.list(name));
        (buyer.unread(), lists, of_jim, of_conv)
    };
    let before = seen();
    assert_eq!(before.0, 1);
    assert!(before.2.0.contains(r#""unReadNum":1"#), "{}", before.2.0);
    for (id, user) in [(21, buyer_id), (22, jim_id), (23, buyer_id)] {
        app.send(&event(id, user, "Like"));
    }
    app.sync();
    assert_eq!(seen(), before);
    let waiting = app.call("/im/message/offline", &json!({"userId": buyer_id}));
    let ids: Vec<&Value> = waiting
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["id"])
        .collect();
    assert_eq!(ids, [11, 21, 23]);
    // A socket of theirs is not told either: the next thing that it hears is a message.
    app.say(24, jim_id, "还在吗");
    let push = jim.socket.text();
    assert!(push.contains("还在吗"), "{push}");
}

/// An event on a socket.
fn event(id: u64, to: u64, name: &str) -> Value {
    json!({"id": id, "toUserId": to, "chatType": "Single", "msgType": "Event", "eventType": name, "content": "x"})
}

#[test]
fn who_is_not_let_in_is_told_and_the_socket_closed() {
    let server = Server::memory(&[]);
    let (mut a, b) = (App::login(&server, "a"), App::login(&server, "b"));
    a.send(&json!({"msgType": "Auth", "fromUserId": b.user, "content": b.token}));
    assert_eq!(a.receive()["content"], r#"{"error":"not_yours"}"#);
    assert_eq!(a.closed(), 1008);
}

#[test]
fn a_get_of_the_sockets_address_is_a_handshake_whatever_else_it_asks() {
    let server = Server::memory(&[]);
    let mut client = server.client();
    let response = client.call(&Request::get("/ws"));
    assert_eq!(response.status, 400, "{}", response.text());
    let response = client.call(&Request::post("/ws", "application/json", "{}"));
    assert_eq!(response.status, 404);
}
