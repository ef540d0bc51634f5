//! `conv` over the running server, and how its groups and messages look to buyers.

use crate::harness::{Backend, Request, Server};
use serde_json::json;

/// A server, and a back end that is connected to it.
fn server() -> (Server, Backend) {
    let server = Server::memory(&[]);
    let backend = Backend::new(server.client());
    (server, backend)
}

/// Pairs of borrowed texts.
fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(one, other)| (&**one, &**other))
        .collect()
}

#[test]
fn a_conversation_from_the_first_message_on() {
    let (_server, mut backend) = server();
    let (doctor, patient) = ("CKD_D_903000000000002", "CKD_P_903000000000001");
    assert!(backend.list(patient).is_empty());
    let first = backend.send(patient, doctor, "医生好");
    let row = backend.list(doctor).remove(0);
    let conv_id = row["conv_id"].as_str().expect("an id").to_owned();
    let time = row["last_time"].as_i64().expect("milliseconds");
    assert!(time > 1_700_000_000_000);
    assert_eq!(
        row,
        json!({"conv_id": conv_id, "conv_type": 0, "conv_users": [doctor, patient], "users_type": ["D", "P"],
            "last_msg": "医生好", "last_msg_type": 0, "last_user_name": "903000000000001", "last_time": time, "unread_count": 1})
    );
    let message = json!([{"msg_id": first, "msg_type": 0, "msg": "医生好", "conv_id": conv_id, "from_id": patient, "from_time": time,
        "user": {"id": "903000000000001", "type": "P", "img": "", "name": "903000000000001"}}]);
    assert_eq!(
        backend.data(&format!("/im/conv/{conv_id}"), &json!({})),
        message
    );
    assert_eq!(backend.unread(doctor, &conv_id), 1);
    let pair = json!({"from_id": doctor, "to_id": patient});
    assert_eq!(backend.data("/im/from/to", &pair), message);
    assert_eq!(backend.unread(doctor, &conv_id), 0);
}

#[test]
fn groups_show_up_in_buyers_lists_under_numbered_names() {
    let (server, mut backend) = server();
    let mut buyer = server.buyer("chaogai");
    assert!(buyer.list("getFirstShowChatList").is_empty());
    backend.group("群", "songjiang", &["chaogai"]);
    backend.group("群", "chaogai", &[]);
    backend.group("sunsanniang", "chaogai", &[]);
    server.buyer("sunsanniang");
    backend.group("群", "songjiang", &["wuyong"]);
    let list = buyer.list("getFirstShowChatList");
    assert_eq!(
        borrowed(&list),
        [("sunsanniang (2)", "0"), ("群 (2)", "0"), ("群", "0")]
    );
    let late = backend.group("群", "songjiang", &["wuyong"]);
    backend.add(&late, &["chaogai", "wuyong"]);
    let list = buyer.list("getFirstShowChatList");
    assert_eq!(list[0].0, "群 (3)");
    assert_eq!(list.len(), 4);
}

#[test]
fn a_buyer_reads_a_group_with_the_names_of_who_speaks() {
    let (server, mut backend) = server();
    let mut buyer = server.buyer("chaogai");
    let group = backend.group("群", "songjiang", &["chaogai", "wuyong"]);
    backend.send_into("songjiang", &group, "hi");
    backend.send_into("wuyong", &group, "在吗");
    assert_eq!(borrowed(&buyer.list("getCurrentChatList")), [("群", "2")]);
    assert_eq!(buyer.read("群"), ["songjiang: hi", "wuyong: 在吗"]);
    assert_eq!(
        borrowed(&buyer.history("群")),
        [("songjiang", "hi"), ("wuyong", "在吗")]
    );
}

#[test]
fn a_buyer_sends_into_a_group_by_its_shown_name() {
    let (server, mut backend) = server();
    let mut buyer = server.buyer("chaogai");
    let first = backend.group("群", "songjiang", &["chaogai"]);
    let second = backend.group("群", "songjiang", &["chaogai"]);
    buyer.send("群 (2)", "to the second");
    buyer.send("群", "to the first");
    assert_eq!(
        borrowed(&backend.messages(&first, None)),
        [("chaogai", "to the first")]
    );
    assert_eq!(
        borrowed(&backend.messages(&second, None)),
        [("chaogai", "to the second")]
    );
    assert_eq!(backend.list("songjiang").len(), 2, "nobody new");
}

#[test]
fn unread_agrees_in_both_dialects() {
    let (server, mut backend) = server();
    let mut buyer = server.buyer("chaogai");
    let group = backend.group("群", "songjiang", &["chaogai", "wuyong"]);
    for text in ["1", "2", "3"] {
        backend.send_into("songjiang", &group, text);
        backend.send("songjiang", "chaogai", text);
    }
    let single = backend.list("chaogai")[0]["conv_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let agree = |buyer: &mut crate::harness::Buyer, backend: &mut Backend, counts: (u64, u64)| {
        assert_eq!(
            (
                backend.unread("chaogai", &group),
                backend.unread("chaogai", &single)
            ),
            counts
        );
        assert_eq!(buyer.unread(), counts.0 + counts.1);
        let mut list = buyer.list("getFirstShowChatList");
        list.sort();
        let (one, other) = (counts.1.to_string(), counts.0.to_string());
        assert_eq!(borrowed(&list), [("songjiang", &*one), ("群", &*other)]);
    };
    agree(&mut buyer, &mut backend, (3, 3));
    assert_eq!(buyer.read("群").len(), 3);
    agree(&mut buyer, &mut backend, (0, 3));
    backend.data(
        "/im/from/to",
        &json!({"from_id": "chaogai", "to_id": "songjiang"}),
    );
    agree(&mut buyer, &mut backend, (0, 0));
    backend.send_into("wuyong", &group, "4");
    backend.send_into("songjiang", &group, "5");
    backend.send("songjiang", "chaogai", "4");
    agree(&mut buyer, &mut backend, (2, 1));
    backend.messages(&group, None);
    agree(&mut buyer, &mut backend, (2, 1));
    backend.send_into("chaogai", &group, "sending into a group reads it");
    agree(&mut buyer, &mut backend, (0, 1));
    backend.send("chaogai", "songjiang", "and in no single conversation");
    agree(&mut buyer, &mut backend, (0, 1));
    backend.send_into("wuyong", &group, "6");
    buyer.send("群", "nor does a buyer's");
    agree(&mut buyer, &mut backend, (1, 1));
    assert_eq!(
        borrowed(&backend.messages(&group, Some("chaogai"))).len(),
        8
    );
    agree(&mut buyer, &mut backend, (0, 1));
    assert!(buyer.read("群").is_empty());
}

#[test]
fn a_pair_is_one_conversation_in_both_dialects() {
    let (server, mut backend) = server();
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "在吗");
    backend.send("sunsanniang", "chaogai", "在");
    let rows = backend.list("sunsanniang");
    assert_eq!(rows.len(), 1);
    let conv_id = rows[0]["conv_id"].as_str().expect("an id");
    let expected = [("chaogai", "在吗"), ("sunsanniang", "在")];
    assert_eq!(borrowed(&backend.messages(conv_id, None)), expected);
    assert_eq!(borrowed(&buyer.history("sunsanniang")), expected);
}

#[test]
fn a_nickname_and_a_picture_are_shown() {
    let (_server, mut backend) = server();
    backend.send("CKD_P_1", "CKD_D_2", "hi");
    let profile = json!({"id": "CKD_P_1", "name": "安利英", "img": "http://xxx.png"});
    assert_eq!(backend.data("/im/user/profile", &profile), json!({}));
    let page = backend.data(
        "/im/from/to",
        &json!({"from_id": "CKD_D_2", "to_id": "CKD_P_1"}),
    );
    assert_eq!(
        page[0]["user"],
        json!({"id": "1", "type": "P", "img": "http://xxx.png", "name": "安利英"})
    );
    let group = backend.group("群", "CKD_D_2", &["CKD_P_1"]);
    let alias = json!({"id": "CKD_P_1", "alias": "病人"});
    assert_eq!(
        backend.data(&format!("/im/group/{group}/alias"), &alias),
        json!({})
    );
    assert_eq!(
        backend.data(&format!("/im/group/{group}/list"), &json!({})),
        json!([{"id": "CKD_D_2", "name": "2", "alias": ""}, {"id": "CKD_P_1", "name": "安利英", "alias": "病人"}])
    );
}

#[test]
fn refusals_say_why_by_status() {
    let (server, mut backend) = server();
    let group = backend.group("群", "a", &["b"]);
    let say = |from: &str, to: &str| json!({"from_id": from, "conv_id": to, "msg": "hi"});
    backend.refused("/im/send/msg", &say("c", &group), 403);
    backend.refused("/im/send/msg", &say("a", "c00000000000000ff"), 404);
    backend.refused(
        "/im/send/msg",
        &json!({"from_id": "a", "to_id": "a", "msg": "hi"}),
        400,
    );
    let long = json!({"from_id": "a", "to_id": "b", "msg": "x".repeat(64 * 1024 + 1)});
    backend.refused("/im/send/msg", &long, 413);
    let escaped = format!(
        r#"{{"from_id":"a","to_id":"b","msg":"{}"}}"#,
        "\\u0001".repeat(64 * 1024)
    );
    let longest = Request::post("/im/send/msg", "application/json", escaped);
    assert_eq!(backend.http.call(&longest).status, 200);
    backend.refused(
        "/im/from/to",
        &json!({"from_id": "a", "to_id": "b", "page_size": 101}),
        400,
    );
    for request in [
        Request::get("/im/conv/list"),
        Request::new("PUT", "/im/send/msg"),
    ] {
        let response = server.client().call(&request);
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("POST, OPTIONS"))
        );
    }
}

#[test]
fn where_keys_are_asked_for_only_their_holders_call() {
    let secret = "0123456789abcdef";
    let server = Server::memory(&["--auth", "signed", "--app-key", &format!("shop:{secret}")]);
    let mut backend = Backend::new(server.client());
    backend.refused("/im/conv/list", &json!({"from_id": "a"}), 401);
    let call = |key: &str| {
        Request::post("/im/conv/list", "application/json", r#"{"from_id":"a"}"#)
            .header("Authorization", &format!("Bearer {key}"))
    };
    assert_eq!(backend.http.call(&call("0123456789abcdeF")).status, 401);
    let answer = backend.http.call(&call(secret));
    assert_eq!((answer.status, answer.text()), (200, "[]"));
}

#[test]
fn a_closed_directory_knows_only_who_registered() {
    let server = Server::memory(&["--open-directory=false"]);
    let mut backend = Backend::new(server.client());
    server.buyer("a");
    backend.refused(
        "/im/send/msg",
        &json!({"from_id": "a", "to_id": "b", "msg": "hi"}),
        404,
    );
    server.buyer("b");
    backend.send("a", "b", "hi");
    assert_eq!(server.buyer("b").read("a"), ["hi"]);
    assert!(backend.list("nobody").is_empty());
}

#[test]
fn what_was_answered_outlives_a_crash() {
    let mut server = Server::durable(&[]);
    let mut backend = Backend::new(server.client());
    let group = backend.group("群", "a", &["b"]);
    let say = json!({"from_id": "a", "conv_id": group, "msg": "hi", "client_id": "one"});
    let id = backend.call("/im/send/msg", &say);
    backend.data(
        &format!("/im/group/{group}/alias"),
        &json!({"id": "b", "alias": "老二"}),
    );
    backend.data("/im/user/profile", &json!({"id": "b", "name": "贝"}));
    server.kill();
    server.start_again();
    let mut backend = Backend::new(server.client());
    let again = backend.call("/im/send/msg", &say);
    assert_eq!(again.header("x-msg-id"), id.header("x-msg-id"));
    assert_eq!(backend.messages(&group, None).len(), 1);
    assert_eq!(backend.unread("b", &group), 1);
    assert_eq!(
        backend.data(&format!("/im/group/{group}/list"), &json!({}))[1],
        json!({"id": "b", "name": "贝", "alias": "老二"})
    );
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let (_server, mut backend) = server();
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let requests: Vec<_> = texts
        .iter()
        .map(|text| {
            let body = json!({"from_id": "a", "to_id": "b", "msg": text}).to_string();
            Request::post("/im/send/msg", "application/json", body)
        })
        .collect();
    let ids: Vec<u64> = backend
        .http
        .pipeline(&requests)
        .iter()
        .map(|response| {
            response
                .header("x-msg-id")
                .expect("an id")
                .parse()
                .expect("a number")
        })
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
    let conv_id = backend.list("b")[0]["conv_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let said: Vec<String> = backend
        .messages(&conv_id, None)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(said, texts);
}
