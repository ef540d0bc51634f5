//! `imd export`: what one account may see, and nothing else.

use super::{lines, refused, run, texts};
use crate::harness::{Backend, Server};
use serde_json::{Value, json};

fn export(server: &Server, account: &str) -> Vec<Value> {
    let lines = lines("export", server.data(), &["--account", account]);
    let parse = |line: &String| serde_json::from_str(line).expect("a line of JSON");
    lines.iter().map(parse).collect()
}

/// Takes the times out, which must be there.
#[track_caller]
fn without_times(mut object: Value) -> Value {
    let fields = object.as_object_mut().expect("an object");
    for field in ["created_at", "joined_at", "at"] {
        if let Some(time) = fields.remove(field) {
            assert!(time.as_i64().is_some_and(|ms| ms > 1_700_000_000_000));
        }
    }
    object
}

#[test]
fn an_account_its_conversations_and_their_messages_are_shown_as_they_are() {
    let server = Server::durable(&[]);
    let mut a = server.jim("a");
    let b = server.jim("b");
    a.say("b", "one", "oops", 10000);
    a.socket.send(r#"{"cmd":15,"id":"one"}"#);
    while !a.socket.text().contains(r#""command":16"#) {}
    drop(b);
    server.buyer("c").send("a", "\"hi\"\n\u{2028}");
    let shown: Vec<Value> = export(&server, "a")
        .into_iter()
        .map(without_times)
        .collect();
    let [a, b, c] = [&shown[0]["id"], &shown[1]["with"], &shown[3]["with"]];
    let [first, second] = [&shown[2]["id"], &shown[4]["id"]];
    assert!(first.as_u64().is_some() && first.as_u64() < second.as_u64());
    assert_eq!(
        shown,
        [
            json!({"type": "account", "id": a, "name": "a", "role": "visitor"}),
            json!({"type": "conversation", "id": 1, "kind": "single", "with": b, "with_name": "b", "left": false, "read": 0, "unread": 0,
                "positions": [1, 1]}),
            json!({"type": "message", "conversation": 1, "position": 1, "id": first, "sender": a, "sender_name": "a", "kind": "text",
                "body": "", "dialect": "jim", "client_id": "one", "attributes": "7", "recalled": true}),
            json!({"type": "conversation", "id": 2, "kind": "single", "with": c, "with_name": "c", "left": false, "read": 0, "unread": 1,
                "positions": [1, 1]}),
            json!({"type": "message", "conversation": 2, "position": 1, "id": second, "sender": c, "sender_name": "c", "kind": "text",
                "body": "\"hi\"\n\u{2028}", "dialect": "buyer", "recalled": false}),
        ]
    );
}

#[test]
fn of_a_group_only_what_was_said_during_the_membership_is_shown() {
    let server = Server::durable(&[]);
    let mut backend = Backend::new(server.client());
    let group = backend.group("群", "songjiang", &["wuyong"]);
    backend.send_into("songjiang", &group, "before");
    backend.add(&group, &["chaogai"]);
    backend.send_into("wuyong", &group, "during");
    backend.send("songjiang", "wuyong", "not for chaogai");
    let shown = export(&server, "chaogai");
    assert_eq!(shown[1]["kind"], "group");
    assert_eq!(shown[1]["name"], "群");
    assert_eq!(shown[1]["positions"], json!([2, 2]));
    assert_eq!(texts(server.data(), "chaogai"), ["during"]);
    assert_eq!(
        texts(server.data(), "wuyong"),
        ["before", "during", "not for chaogai"]
    );
}

#[test]
fn many_messages_come_oldest_first_while_the_server_takes_more() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    let sent: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    buyer.send_all("sunsanniang", &sent[..950]);
    assert_eq!(texts(server.data(), "sunsanniang"), sent[..950]);
    buyer.send_all("sunsanniang", &sent[950..]);
    assert_eq!(texts(server.data(), "sunsanniang"), sent);
}

#[test]
fn a_name_that_nobody_has_is_refused_the_servers_too() {
    let server = Server::durable(&[]);
    server.buyer("chaogai");
    for name in ["nobody", "", "\u{1}imd"] {
        let code = if name.is_empty() { 2 } else { 1 };
        let rest = ["--account", name];
        refused("export", server.data(), &rest, code, "--account: ");
    }
    let alone = run("export", server.data(), &["--account", "chaogai"]);
    assert_eq!(alone.stdout.len(), 1, "{alone:?}");
}
