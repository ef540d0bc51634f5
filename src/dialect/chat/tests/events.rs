//! What apps tell each other of their users.

use serde_json::{Value, json};

use super::host::{Host, over_both};
use crate::domain::command::{Command, Recall, Refusal};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::Dialect;
use crate::limits::CHAT_REPEAT_MS;

const COMMENT: &str = "/im/event/message/comment";

/// An event on a socket.
fn event(id: u64, to: u64, name: &str) -> String {
    json!({"id": id, "toUserId": to, "chatType": "Single", "msgType": "Event", "eventType": name, "content": "x"})
        .to_string()
}

#[test]
fn an_event_its_push_and_its_row_byte_for_byte() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        host.frame(
            a,
            r#"{"id":7,"fromUserId":2,"toUserId":3,"chatType":"Single","msgType":"Event","eventType":"Like","content":"{\"photo\":1}"}"#,
        );
        let at = host.now.0;
        let push = format!(
            r#"{{"fromUserId":2,"toUserId":3,"teamId":null,"msgType":"Event","eventType":"Like","content":"{{\"photo\":1}}","id":7,"timestamp":{at},"chatType":"Single","stateEnum":"ServerToClientIng","isRead":false}}"#
        );
        assert_eq!(host.raw(b), [push]);
        // The sender gets no Ack.
        assert_eq!(host.raw(a), [""; 0]);
        assert_eq!(host.offline(a_id), [0; 0]);
        let (status, rows) = host.post("/im/message/offline", &json!({"userId": b_id}));
        let rows: Vec<Value> = serde_json::from_str(&rows).expect("a list");
        let expected = json!({
            "msgType": "Event", "fromUserId": 2, "isRead": false, "eventType": "Like", "toUserId": 3, "content": "{\"photo\":1}",
            "stateEnum": rows[0]["stateEnum"], "teamId": null, "name": null, "serverSendTime": null, "id": 7, "chatType": "Single",
            "timestamp": at
        });
        assert_eq!((status, rows), (200, vec![expected]));
    });
}

#[test]
fn every_event_is_told_and_comes_back_under_its_name() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        let names = [
            "Comment", "Like", "Relay", "Share", "Follow", "Unfollow", "Offline", "Online",
        ];
        for (name, id) in names.iter().zip(1..) {
            host.frame(a, &event(id, b_id, name));
            let pushes = host.take(b);
            assert_eq!(pushes.len(), 1);
            assert_eq!(pushes[0]["eventType"], *name);
        }
        // The address of the call says which event it is, unless the body does.
        for (body, name) in [
            (
                json!({"fromUserId": a_id, "toUserId": b_id, "content": "x"}),
                "Comment",
            ),
            (
                json!({"fromUserId": a_id, "toUserId": b_id, "msgType": "Event", "eventType": "Share", "content": "x"}),
                "Share",
            ),
            (
                json!({"fromUserId": a_id, "toUserId": b_id, "chatType": "Single", "msgType": "Text", "content": "x"}),
                "Comment",
            ),
        ] {
            host.done(COMMENT, &body);
            let pushes = host.take(b);
            assert_eq!((pushes.len(), &pushes[0]["eventType"]), (1, &json!(name)));
            assert_eq!(pushes[0]["msgType"], "Event");
        }
        assert_eq!(host.raw(a), [""; 0]);
        assert_eq!(host.offline(b_id).len(), names.len() + 3);
    });
}

#[test]
fn an_event_waits_until_it_is_acknowledged() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        host.frame(a, &event(1, b_id, "Follow"));
        host.say(a, 2, b_id, "x");
        host.frame(a, &event(3, b_id, "Unfollow"));
        assert_eq!(host.ids(b), [1, 2, 3]);
        host.wait_ms(CHAT_REPEAT_MS);
        assert_eq!(host.ids(b), [1, 2, 3]);
        host.ack(b, 1);
        assert_eq!(host.offline(b_id), [2, 3]);
        if host.restart() {
            assert_eq!(host.offline(b_id), [2, 3]);
            let b = host.login(b_id, "x");
            assert_eq!(host.take(b)[0]["content"], "您有2离线消息");
            host.ack(b, 3);
            assert_eq!(host.offline(b_id), [2]);
            let a = host.login(a_id, "x");
            // The same again is stored once, as it is with messages.
            host.frame(a, &event(3, b_id, "Unfollow"));
            assert_eq!((host.offline(b_id), host.raw(a).len()), (vec![2], 0));
        }
    });
}

#[test]
fn nobody_sees_or_counts_events_but_who_waits_for_them() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        host.watch(a_id);
        host.watch(b_id);
        let seen = |host: &mut Host| {
            let mut seen = Vec::new();
            for user in [a_id, b_id] {
                let user = json!({"userId": user});
                seen.push(host.ok("/im/user/chat/list", &user));
                seen.push(host.ok("/im/user/chat/unread/count", &user));
                seen.push(host.ok("/im/message/user/get/page", &user));
            }
            let pair = json!({"fromUserId": a_id, "toUserId": b_id});
            seen.push(host.ok("/im/message/user/get/page", &pair));
            seen
        };
        let nothing = seen(host);
        host.frame(a, &event(1, b_id, "Like"));
        assert_eq!(seen(host), nothing);
        host.say(a, 2, b_id, "x");
        let something = seen(host);
        host.frame(b, &event(3, a_id, "Like"));
        host.frame(a, &event(4, b_id, "Like"));
        assert_eq!(seen(host), something);
        // Reading and hiding what people said leaves the events.
        let row = host.list(b_id)[0]["id"].clone();
        host.done("/im/user/chat/clear/unread", &json!({"id": row}));
        host.done("/im/user/delete/chat/list", &json!({"id": row}));
        host.frame(a, &event(5, b_id, "Like"));
        assert_eq!(host.offline(b_id), [1, 4, 5]);
        assert_eq!(host.list(b_id).len(), 0);
        // The rows of their conversation would have these numbers.
        for row in [1_u64 << 20, (1 << 20) + 1] {
            host.refused(
                "/im/user/chat/top",
                "",
                &json!({"id": row, "top": true}),
                "not_found",
            );
        }
    });
}

#[test]
fn an_event_is_not_taken_back() {
    let mut host = Host::new();
    let ((a_id, a), (b_id, b)) = host.two();
    host.frame(a, &json!({"toUserId": b_id, "chatType": "Single", "msgType": "Event", "eventType": "Like", "content": "x"}).to_string());
    let id = host.ids(b)[0];
    let recall = Command::Recall(Recall {
        account: AccountId(a_id),
        client_id: id.to_string().into(),
        origin: Dialect::Jim,
        message: Some(MessageId(id)),
        said: None,
    });
    assert_eq!(host.submit(recall), Err(Refusal::NoSuchMessage));
}

#[test]
fn what_cannot_be_an_event_is_refused() {
    let mut host = Host::new();
    let ((a_id, a), (b_id, b)) = host.two();
    let whole = json!({"id": 9, "toUserId": b_id, "chatType": "Single", "msgType": "Event", "eventType": "Like", "content": "x"});
    for (key, value, reason) in [
        ("eventType", json!("OfflineMessage"), "bad_request"),
        ("eventType", json!(null), "bad_request"),
        ("content", json!(""), "bad_request"),
        ("content", json!("x".repeat(64 * 1024 + 1)), "bad_request"),
        ("toUserId", json!(null), "bad_request"),
        ("toUserId", json!(99), "not_found"),
        ("toUserId", json!(1), "not_found"),
        ("toUserId", json!(a_id), "bad_request"),
        ("chatType", json!("Group"), "bad_request"),
        ("fromUserId", json!(b_id), "not_yours"),
    ] {
        let mut frame = whole.clone();
        frame[key] = value;
        host.frame(a, &frame.to_string());
        let errors = host.take(a);
        assert_eq!(
            errors[0]["content"],
            json!({"error": reason, "srcId": 9}).to_string(),
            "{frame}"
        );
        if key == "fromUserId" || frame["eventType"] == json!(null) {
            continue;
        }
        if frame["fromUserId"] == json!(null) {
            frame["fromUserId"] = json!(a_id);
        }
        host.refused(COMMENT, "", &frame, reason);
    }
    let group = json!({"msgType": "Event", "eventType": "Like", "teamId": 1, "content": "x"});
    host.frame(a, &group.to_string());
    assert_eq!(host.take(a)[0]["content"], r#"{"error":"bad_request"}"#);
    assert_eq!((host.raw(b).len(), host.offline(b_id)), (0, vec![]));
}

#[test]
fn who_tells_of_an_event_over_http_is_the_tokens_user() {
    let mut host = Host::new();
    let (a_id, a_token) = host.register("a");
    let (b_id, b_token) = host.register("b");
    let body = json!({"fromUserId": a_id, "toUserId": b_id, "content": "x"});
    let fields = |token: &str| format!("token: {token}\r\n");
    host.refused(COMMENT, &fields(&b_token), &body, "not_yours");
    let unnamed = json!({"toUserId": b_id, "content": "x"});
    host.refused(COMMENT, "", &unnamed, "bad_request");
    let server = json!({"fromUserId": 1, "toUserId": b_id, "content": "x"});
    host.refused(COMMENT, "", &server, "not_found");
    assert_eq!(host.offline(b_id).len(), 0);
    for body in [&body, &unnamed] {
        let answer = host.post_with(COMMENT, &fields(&a_token), &body.to_string());
        assert_eq!(answer, (200, String::new()));
    }
    let rows = host.ok("/im/message/offline", &json!({"userId": b_id}));
    let rows = rows.as_array().expect("a list");
    assert!(rows.len() == 2 && rows.iter().all(|row| row["fromUserId"] == a_id));
}
