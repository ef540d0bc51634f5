//! The three calls over HTTP: profiles, the choice of an agent, and the counts.

use crate::harness::{
    Client, DONE, Jim, NOBODY, Request, Server, check_pattern, eventually, token, vanke,
};
use serde_json::{Value, json};

/// The call of a visitor: the answer's `data.id`, none where nobody is found.
fn receiver(http: &mut Client, visitor: &str) -> Option<String> {
    let body = json!({"senderId": visitor, "receiverId": "", "token": token(visitor), "type": 0});
    let answer = vanke(http, "getReceiver", &body);
    if answer == NOBODY {
        return None;
    }
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        (&answer["code"], &answer["msg"]),
        (&json!(200), &json!("success"))
    );
    Some(answer["data"]["id"].as_str().expect("an id").to_owned())
}

fn wrong(call: &str, body: &Value, http: &mut Client) {
    let answer = vanke(http, call, body);
    check_pattern(r#"{"code":500102,"msg":"<text>","data":null}"#, &answer);
}

/// `chatInfo` with these fields: pending, recent, all, unread.
fn counts(http: &mut Client, body: &Value) -> [u64; 4] {
    let answer: Value = serde_json::from_str(&vanke(http, "chatInfo", body)).expect("JSON");
    assert_eq!(
        (&answer["code"], &answer["msg"]),
        (&json!(200), &json!("success"))
    );
    [
        "pendingReplyNum",
        "lastedContactsNum",
        "allContactsNum",
        "unReadNum",
    ]
    .map(|key| answer["data"][key].as_u64().expect("a number"))
}

/// What `to` has, with nothing marked.
fn look(http: &mut Client, to: &str, from: &str) -> [u64; 4] {
    let body = json!({"to": to, "from": from, "op": 1, "isNewMember": 0, "isConcurrent": 0});
    counts(http, &body)
}

#[test]
fn init_user_as_in_the_contract() {
    let server = Server::memory(&[]);
    let body = r#"{"senderId":"098f64aa0ac8ad53","receiverId":"","avatar":"ggggfff","nick":"测试","terminal":"pc","token":"b92cecbf47a4f04f3","type":0}"#;
    let response = server.client().call(&Request::post(
        "/im/vanke/initUser",
        "application/json",
        body,
    ));
    assert_eq!(
        response.text(),
        r#"{"code":200,"msg":"success","data":null}"#
    );
}

#[test]
fn get_receiver_as_in_the_contract() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let agent = json!({"senderId": "098f64aa0ac8ad55", "receiverId": "", "nick": "测试客服", "avatar": "ggggfff",
        "terminal": "pc", "token": "T", "type": 1});
    assert_eq!(vanke(&mut http, "initUser", &agent), DONE);
    let visitor = json!({"senderId": "098f64aa0ac8ad53", "receiverId": "098f64aa0ac8ad55", "nick": "", "avatar": "",
        "terminal": "", "token": "U", "type": 0});
    assert_eq!(
        vanke(&mut http, "getReceiver", &visitor),
        r#"{"code":200,"msg":"success","data":{"id":"098f64aa0ac8ad55","nick":"测试客服","avatar":"ggggfff","status":null,"sign":null,"terminal":"pc","friends":null,"groups":null,"extras":null}}"#
    );
}

#[test]
fn the_profile_is_stored_anew_each_time() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut a = server.jim("a");
    a.say("b", "1", "x", 10001);
    for nick in ["one", "two", ""] {
        let body = json!({"senderId": "b", "token": "T", "type": 0, "nick": nick, "avatar": nick});
        assert_eq!(vanke(&mut http, "initUser", &body), DONE);
        let answer = a.json(&json!({"cmd": 17, "type": 2, "userId": "a"}));
        let friend = &answer["data"]["friends"][0];
        assert_eq!(
            (&friend["nickname"], &friend["avatar"]),
            (&json!(nick), &json!(nick))
        );
    }
}

#[test]
fn what_is_missing_or_wrong_gets_500102() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for body in [
        json!({"token": "T", "type": 0}),
        json!({"senderId": "", "token": "T", "type": 0}),
        json!({"senderId": null, "token": "T", "type": 0}),
        json!({"senderId": "n".repeat(256), "token": "T", "type": 0}),
        json!({"senderId": "a\nb", "token": "T", "type": 0}),
        json!({"senderId": "a", "type": 0}),
        json!({"senderId": "a", "token": "", "type": 0}),
        json!({"senderId": "a", "token": "T"}),
        json!({"senderId": "a", "token": "T", "type": 3}),
        json!({"senderId": "a", "token": "T", "type": -1}),
        json!({"senderId": "a", "token": "T", "type": "x"}),
    ] {
        wrong("initUser", &body, &mut http);
        wrong("getReceiver", &body, &mut http);
    }
    for text in ["", "nonsense", "[]", "{"] {
        let request = Request::post("/im/vanke/initUser", "application/json", text);
        let response = server.client().call(&request);
        assert_eq!(response.status, 200, "{text:?}");
        check_pattern(
            r#"{"code":500102,"msg":"<text>","data":null}"#,
            response.text(),
        );
    }
}

#[test]
fn agents_without_a_receiver_get_500102() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for kind in [1, 2] {
        wrong(
            "getReceiver",
            &json!({"senderId": "a", "token": "T", "type": kind}),
            &mut http,
        );
    }
}

#[test]
fn a_token_of_somebody_else_gets_500203() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let mut http = server.client();
    for call in ["initUser", "getReceiver"] {
        let body = json!({"senderId": "b", "token": token("a"), "type": 0, "receiverId": "a"});
        check_pattern(
            r#"{"code":500203,"msg":"<text>","data":null}"#,
            &vanke(&mut http, call, &body),
        );
    }
}

#[test]
fn an_unknown_receiver_is_busy() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let body = json!({"senderId": "v", "token": "T", "type": 0, "receiverId": "nobody"});
    assert_eq!(vanke(&mut http, "getReceiver", &body), NOBODY);
    let body = json!({"senderId": "a", "token": "U", "type": 1, "receiverId": "nobody"});
    assert_eq!(vanke(&mut http, "getReceiver", &body), NOBODY);
    let body = json!({"senderId": "a", "token": "U", "type": 1, "receiverId": "v"});
    assert!(vanke(&mut http, "getReceiver", &body).contains(r#""id":"v","nick":"#));
}

#[test]
fn a_visitor_gets_an_agent_or_consultant_who_is_online() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    server.jim_profile("offline", 1, "");
    let _visitor = server.jim("another-visitor");
    assert_eq!(receiver(&mut http, "v1"), None);
    let _agent = server.agent("agent");
    assert_eq!(receiver(&mut http, "v1").as_deref(), Some("agent"));
    drop(_agent);
    server.jim_profile("consultant", 2, "");
    let _consultant = Jim::open(server.addr(), "consultant");
    // Who is offline is seen to be so once the server has read the end of the connection.
    let mut n = 0;
    eventually("the consultant is alone", || {
        n += 1;
        receiver(&mut http, &format!("w{n}")).as_deref() == Some("consultant")
    });
}

#[test]
fn a_visitor_stays_with_an_agent_who_may_be_offline() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut agent = server.agent("a");
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
    let _other = server.agent("b");
    for _ in 0..3 {
        assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
    }
    agent.socket.send(r#"{"cmd":14}"#);
    agent.socket.expect_close(1000);
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
    assert_eq!(receiver(&mut http, "w").as_deref(), Some("b"));
}

#[test]
fn a_message_makes_its_agent_the_visitors() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let _a = server.agent("a");
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
    let mut b = server.agent("b");
    b.next_ms();
    b.say("v", "1", "x", 10001);
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("b"));
    let mut v = Jim::open(server.addr(), "v");
    v.next_ms();
    v.say("a", "1", "x", 10000);
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
}

#[test]
fn a_message_with_another_visitor_makes_nobody_an_agent() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let _a = server.agent("a");
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
    let mut w = server.jim("w");
    w.next_ms();
    w.say("v", "1", "x", 10001);
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
}

#[test]
fn visitors_go_to_who_has_the_fewest_and_longest_had_none() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut agents: Vec<Jim> = ["a", "b", "c"].map(|name| server.agent(name)).into();
    let mut first_round = Vec::new();
    for n in 0..3 {
        first_round.push(receiver(&mut http, &format!("v{n}")).expect("an agent"));
        agents[0].next_ms();
    }
    let mut sorted = first_round.clone();
    sorted.sort();
    assert_eq!(sorted, ["a", "b", "c"], "each gets one");
    let mut second_round = Vec::new();
    for n in 3..6 {
        second_round.push(receiver(&mut http, &format!("v{n}")).expect("an agent"));
        agents[0].next_ms();
    }
    assert_eq!(
        second_round, first_round,
        "the oldest assignment first among equals"
    );
    // A newcomer has the fewest until they have as many.
    let _d = server.agent("d");
    for n in 6..8 {
        assert_eq!(receiver(&mut http, &format!("v{n}")).as_deref(), Some("d"));
    }
    assert_eq!(receiver(&mut http, "v8").as_ref(), Some(&first_round[0]));
    // Coming back is no new assignment.
    for _ in 0..3 {
        assert_eq!(receiver(&mut http, "v0").as_ref(), Some(&first_round[0]));
    }
    assert_eq!(receiver(&mut http, "v9").as_ref(), Some(&first_round[1]));
}

#[test]
fn a_receiver_that_is_named_is_found_and_is_a_contact() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let (_a, mut b) = (server.agent("a"), server.agent("b"));
    let body = json!({"senderId": "v", "token": token("v"), "type": 0, "receiverId": "b"});
    let answer: Value =
        serde_json::from_str(&vanke(&mut http, "getReceiver", &body)).expect("JSON");
    assert_eq!(answer["data"]["id"], "b");
    let contacts = b.json(&json!({"cmd": 17, "type": 1, "userId": "b"}));
    assert_eq!(contacts["data"][0]["id"], "v");
    // The visitor has not been assigned to `b` by this: nor is there a message.
    assert_eq!(look(&mut http, "b", "v"), [0, 0, 1, 0]);
}

#[test]
fn chat_info_exactly() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let _a = server.agent("a");
    let mut v = server.jim("v");
    v.say("a", "1", "x", 10000);
    let body = json!({"to": "a", "from": "v", "op": 1, "isNewMember": 1, "isConcurrent": 0});
    assert_eq!(
        vanke(&mut http, "chatInfo", &body),
        r#"{"code":200,"msg":"success","data":{"to":"a","from":"v","pendingReplyNum":1,"lastedContactsNum":1,"allContactsNum":1,"unReadNum":1}}"#
    );
}

#[test]
fn chat_info_counts_and_marks() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut a = server.agent("a");
    assert_eq!(receiver(&mut http, "assigned").as_deref(), Some("a"));
    let (mut v, mut w) = (server.jim("v"), server.jim("w"));
    for id in ["1", "2"] {
        v.say("a", id, "x", 10000);
        w.say("a", id, "x", 10000);
        a.hears("v", id, "x");
        a.hears("w", id, "x");
    }
    assert_eq!(look(&mut http, "a", "v"), [2, 2, 3, 2]);
    assert_eq!(look(&mut http, "a", "assigned"), [2, 2, 3, 0]);
    assert_eq!(look(&mut http, "a", "stranger"), [2, 2, 3, 0]);
    assert_eq!(look(&mut http, "v", "a"), [0, 1, 1, 0]);
    // A click on the row.
    let click = json!({"to": "a", "from": "v", "op": 2, "isNewMember": 0, "isConcurrent": 0});
    assert_eq!(counts(&mut http, &click), [1, 2, 3, 0]);
    assert!(a.ids(2, "v").is_empty());
    assert_eq!(a.ids(2, "w"), ["1", "2"]);
    // A push into the open chat.
    w.say("a", "3", "x", 10000);
    a.hears("w", "3", "x");
    assert_eq!(look(&mut http, "a", "w"), [1, 2, 3, 3]);
    let open = json!({"to": "a", "from": "w", "op": "1", "isNewMember": 1, "isConcurrent": "1"});
    assert_eq!(counts(&mut http, &open), [0, 2, 3, 0]);
    // Reading over the socket counts as well.
    v.say("a", "3", "x", 10000);
    a.hears("v", "3", "x");
    assert_eq!(look(&mut http, "a", "v"), [1, 2, 3, 1]);
    assert_eq!(a.ids(0, "v"), ["3"]);
    assert_eq!(look(&mut http, "a", "v"), [0, 2, 3, 0]);
}

#[test]
fn chat_info_without_an_owner_is_that_of_the_assigned_peer() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let _a = server.agent("a");
    assert_eq!(receiver(&mut http, "v").as_deref(), Some("a"));
    let mut v = Jim::open(server.addr(), "v");
    v.say("a", "1", "x", 10000);
    for body in [
        json!({"from": "v", "op": 1, "isNewMember": 0, "isConcurrent": 0}),
        json!({"to": "", "from": "v", "op": 1, "isNewMember": 0, "isConcurrent": 0}),
        json!({"to": null, "from": "v", "op": 1, "isNewMember": 0, "isConcurrent": 0}),
    ] {
        let answer: Value =
            serde_json::from_str(&vanke(&mut http, "chatInfo", &body)).expect("JSON");
        assert_eq!(
            (&answer["data"]["to"], &answer["data"]["unReadNum"]),
            (&json!("a"), &json!(1))
        );
    }
    let click = json!({"from": "v", "op": 2});
    assert_eq!(counts(&mut http, &click), [0, 1, 1, 0]);
}

#[test]
fn chat_info_of_nobody_or_oneself_is_zeros() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut a = server.jim("a");
    a.say("b", "1", "x", 10001);
    for body in [
        json!({"from": "a", "op": 1}),
        json!({"from": "nobody", "op": 1}),
        json!({"to": "a", "from": "a", "op": 1}),
        json!({"to": "nobody", "from": "a", "op": 1}),
        json!({"to": "nobody", "from": "a", "op": 2}),
    ] {
        assert_eq!(counts(&mut http, &body), [0, 0, 0, 0], "{body}");
    }
}

#[test]
fn only_post_is_right() {
    let server = Server::memory(&[]);
    for call in ["initUser", "getReceiver", "chatInfo"] {
        let response = server
            .client()
            .call(&Request::get(format!("/im/vanke/{call}")));
        assert_eq!(response.status, 405, "{call}");
    }
    let response = server.client().call(&Request::post(
        "/im/vanke/nothing",
        "application/json",
        "{}",
    ));
    assert_eq!(response.status, 404);
}

#[test]
fn fields_over_http_match_without_case_too() {
    let server = Server::memory(&[]);
    let body = "\u{feff}{\"sender_id\":\"a\",\"TOKEN\":\"token-of-a\",\"Type\":\"0\",\"extra\":1}";
    let request = Request::post("//im//vanke//initUser", "text/plain", body);
    assert_eq!(server.client().call(&request).text(), DONE);
    Jim::open(server.addr(), "a").clock();
}
