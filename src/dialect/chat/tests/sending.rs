//! Who is let in, and what sending does.

use serde_json::json;

use super::host::{Host, over_both};
use crate::dialect::chat::decode;
use crate::domain::command::Refusal;

#[test]
fn a_message_its_ack_and_its_push_byte_for_byte() {
    over_both(|host| {
        let ((_, a), (_, b)) = host.two();
        host.frame(
            a,
            r#"{"id":1268242042090295296,"fromUserId":2,"toUserId":3,"chatType":"Single","msgType":"Text","content":"Hello,\"World\""}"#,
        );
        let at = host.now.0;
        let push = format!(
            r#"{{"fromUserId":2,"toUserId":3,"teamId":null,"msgType":"Text","eventType":null,"content":"Hello,\"World\"","id":1268242042090295296,"timestamp":{at},"chatType":"Single","stateEnum":"ServerToClientIng","isRead":false}}"#
        );
        assert_eq!(host.raw(b), [push]);
        let ack = host.raw(a).remove(0);
        let (head, tail) = ack.split_once(r#""id":"#).expect("an id");
        assert_eq!(
            head,
            r#"{"fromUserId":1,"toUserId":2,"teamId":null,"msgType":"Ack","eventType":null,"content":"{\"srcId\":1268242042090295296}","#
        );
        let (id, tail) = tail.split_once(',').expect("more");
        assert!(id.parse::<u64>().is_ok_and(|id| id < 1 << 53));
        let rest =
            format!(r#""timestamp":{at},"chatType":"Single","stateEnum":null,"isRead":false}}"#);
        assert_eq!(tail, rest);
    });
}

#[test]
fn tokens_are_read_in_all_their_forms() {
    for content in [
        r#"{"token":"T"}"#,
        "{'token':'T'}",
        "{ 'token' : 'T' }",
        "{'T'}",
        "T",
        "{“token”:“T”}",
        "{‘T’}",
        r#"{"token":"T","x":1}"#,
    ] {
        assert_eq!(decode::token(content), "T", "{content}");
    }
}

#[test]
fn the_first_message_must_be_a_valid_auth() {
    let mut host = Host::new();
    let (a, token) = host.register("a");
    let (b, _) = host.register("b");
    host.sign("0123456789abcdef");
    let auth = |user: u64, token: &str| {
        json!({"msgType": "Auth", "fromUserId": user, "content": token}).to_string()
    };
    for first in [
        auth(b, &token),
        auth(a, "x"),
        auth(a, ""),
        auth(99, &token),
        json!({"msgType": "Heartbeat"}).to_string(),
        json!({"msgType": "Ack", "content": "{'srcId':1}"}).to_string(),
        json!({"toUserId": b, "chatType": "Single", "msgType": "Text", "content": "x"}).to_string(),
        "".to_owned(),
        "[]".to_owned(),
    ] {
        let socket = host.open();
        host.frame(socket, &first);
        let frames = host.take(socket);
        assert_eq!(frames[0]["msgType"], "Error", "{first}");
        assert_eq!(frames[0]["content"], r#"{"error":"not_logged_in"}"#);
        assert_eq!(host.sockets[socket].closed, Some(1008), "{first}");
    }
    let socket = host.open();
    host.frame(socket, &auth(a, &token));
    assert_eq!(host.raw(socket), [""; 0]);
    // The same again changes nothing; another ends it.
    host.frame(socket, &auth(a, &token));
    assert_eq!(
        (host.raw(socket).len(), host.sockets[socket].closed),
        (0, None)
    );
    host.frame(socket, &auth(b, &token));
    assert_eq!(host.sockets[socket].closed, Some(1008));
}

#[test]
fn where_everybody_is_let_in_a_foreign_token_is_the_applications() {
    let mut host = Host::new();
    let (a, token) = host.register("a");
    let (b, _) = host.register("b");
    for (user, token, closed) in [
        (a, "foreign", None),
        (b, "", None),
        (b, &*token, Some(1008)),
        (1, "foreign", Some(1008)),
        (99, "foreign", Some(1008)),
    ] {
        let socket = host.open();
        let auth = json!({"msgType": "Auth", "fromUserId": user, "content": token});
        host.frame(socket, &auth.to_string());
        assert_eq!(host.sockets[socket].closed, closed, "{user} {token}");
    }
}

#[test]
fn who_says_nothing_is_turned_away_after_ten_seconds() {
    let mut host = Host::new();
    let socket = host.open();
    host.wait_ms(9_999);
    assert_eq!(host.sockets[socket].closed, None);
    host.wait_ms(1);
    assert_eq!(host.take(socket)[0]["msgType"], "Error");
    assert_eq!(host.sockets[socket].closed, Some(1008));
}

#[test]
fn the_same_id_again_is_answered_alike_and_does_nothing() {
    over_both(|host| {
        let ((_, a), (b_id, b)) = host.two();
        host.say(a, 77, b_id, "first");
        host.say(a, 77, b_id, "second");
        let acks = host.raw(a);
        assert_eq!(acks.len(), 2);
        assert_eq!(acks[0], acks[1]);
        let pushes = host.take(b);
        assert_eq!((pushes.len(), &pushes[0]["content"]), (1, &json!("first")));
        assert_eq!(host.offline(b_id), [77]);
    });
}

#[test]
fn what_cannot_be_sent_is_an_error_with_its_id() {
    let mut host = Host::new();
    let ((a_id, a), (b_id, _)) = host.two();
    let long = "x".repeat(host.settings.message_bytes_max + 1);
    let base = || json!({"id": 5, "toUserId": b_id, "chatType": "Single", "msgType": "Text", "content": "x"});
    for (key, value, reason) in [
        ("toUserId", json!(99), "not_found"),
        ("toUserId", json!(1), "not_found"),
        ("toUserId", json!(a_id), "bad_request"),
        ("toUserId", json!("x"), "bad_request"),
        ("toUserId", json!(null), "bad_request"),
        ("fromUserId", json!(b_id), "not_yours"),
        ("content", json!(""), "bad_request"),
        ("content", json!({}), "bad_request"),
        ("content", json!(long), "bad_request"),
        ("msgType", json!("Nonsense"), "bad_request"),
        ("chatType", json!("Nonsense"), "bad_request"),
        ("chatType", json!("Group"), "bad_request"),
    ] {
        let mut frame = base();
        frame[key] = value;
        host.frame(a, &frame.to_string());
        let content = format!(r#"{{"error":"{reason}","srcId":5}}"#);
        let errors = host.take(a);
        assert_eq!(
            (errors.len(), &errors[0]["content"]),
            (1, &json!(content)),
            "{key}"
        );
        assert_eq!(errors[0]["toUserId"], a_id);
    }
    host.refuse = Some(Refusal::Busy);
    host.frame(a, &base().to_string());
    assert_eq!(host.take(a)[0]["content"], r#"{"error":"busy","srcId":5}"#);
    for id in [0, 1_u64 << 63] {
        let mut frame = base();
        frame["id"] = json!(id);
        host.frame(a, &frame.to_string());
        assert_eq!(host.take(a)[0]["msgType"], "Error");
    }
    assert_eq!(host.sockets[a].closed, None);
    assert_eq!(host.offline(b_id), [0; 0]);
}

#[test]
fn numbers_may_come_as_strings_and_ids_be_left_out() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let frame = json!({"toUserId": b_id.to_string(), "chatType": "Single", "msgType": "Image", "content": "http://x/y.png", "id": null});
    host.frame(a, &frame.to_string());
    let push = host.take(b).remove(0);
    let ack = host.take(a).remove(0);
    assert_eq!(push["id"], ack["id"]);
    assert_eq!(ack["content"], format!(r#"{{"srcId":{}}}"#, push["id"]));
    assert_eq!(push["msgType"], "Image");
}

#[test]
fn groups_and_service_groups_say_what_they_are() {
    let mut host = Host::new();
    let ((a_id, a), (b_id, b)) = host.two();
    let members = json!([{"userId": a_id}, {"userId": b_id}]);
    let team = host.ok("/im/team/add", &json!({"name": "g", "members": members}));
    let again = host.login(a_id, "foreign");
    host.raw(again);
    for chat_type in ["Group", "Custom"] {
        let frame =
            json!({"teamId": team["id"], "chatType": chat_type, "msgType": "Text", "content": "x"});
        host.frame(a, &frame.to_string());
        let (push, ack) = (host.take(b).remove(0), host.take(a).remove(0));
        for frame in [&push, &ack] {
            assert_eq!(
                (&frame["chatType"], &frame["teamId"]),
                (&json!(chat_type), &team["id"])
            );
            assert_eq!(frame["toUserId"], json!(null));
        }
        // A sender's other connections are not told.
        assert_eq!(host.raw(again), [""; 0]);
    }
    // The number of a single conversation is no group's.
    host.say(a, 8, b_id, "x");
    host.raw(a);
    let frame =
        json!({"id": 9, "teamId": 2, "chatType": "Group", "msgType": "Text", "content": "x"});
    host.frame(a, &frame.to_string());
    assert_eq!(
        host.take(a)[0]["content"],
        r#"{"error":"not_found","srcId":9}"#
    );
}
