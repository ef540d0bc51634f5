//! How long things may be.

use serde_json::json;

use super::host::{A, B, Host, over_both};
use crate::dialect::route;
use crate::limits::{ANSWER_BYTES_MAX, CONV_USERS_MAX, GROUP_MEMBERS_MAX, NAME_BYTES_MAX};

#[test]
fn a_message_of_64_kib_fits_and_a_longer_one_is_413() {
    let mut host = Host::new(true);
    let longest = "x".repeat(64 * 1024);
    host.say(A, B, &longest);
    let longer = json!({"from_id": A, "to_id": B, "msg": longest.clone() + "x"});
    host.post("/im/send/msg", &longer).refused(413);
    let in_bytes = json!({"from_id": A, "to_id": B, "msg": "在".repeat(22_000)});
    host.post("/im/send/msg", &in_bytes).refused(413);
    assert_eq!(
        host.texts("/im/from/to", &json!({"from_id": B, "to_id": A})),
        [longest]
    );
}

#[test]
fn the_longest_message_fits_into_a_body_however_it_is_escaped() {
    let host = Host::new(true);
    let body = format!(
        r#"{{"conv_id":"c0000000000000001","from_id":"{A}","to_id":"{B}","msg_type":0,"client_id":"{}","msg":"{}"}}"#,
        "x".repeat(64),
        "\\u0001".repeat(64 * 1024)
    );
    let bytes_max = route("/im/send/msg").expect("a call").body_bytes_max;
    assert!(body.len() <= bytes_max(&host.settings));
    let names = vec!["x".repeat(NAME_BYTES_MAX); GROUP_MEMBERS_MAX];
    for path in ["/im/creat/group", "/im/add/group/member"] {
        let bytes_max = route(path).expect("a call").body_bytes_max;
        assert!(json!({"member": names}).to_string().len() <= bytes_max(&host.settings));
    }
}

#[test]
fn names_and_client_ids_have_their_bounds() {
    let mut host = Host::new(true);
    let name = "x".repeat(255);
    host.say(&name, B, "hi");
    let long = "x".repeat(256);
    for bad in [long.as_str(), "a\u{0}b", "a\nb"] {
        host.post(
            "/im/send/msg",
            &json!({"from_id": bad, "to_id": B, "msg": "hi"}),
        )
        .refused(400);
        host.post(
            "/im/send/msg",
            &json!({"from_id": A, "to_id": bad, "msg": "hi"}),
        )
        .refused(400);
        host.post("/im/conv/list", &json!({"from_id": bad}))
            .refused(400);
    }
    let say = |id: &str| json!({"from_id": A, "to_id": B, "msg": "hi", "client_id": id});
    host.post("/im/send/msg", &say(&"x".repeat(64)))
        .done("X-Msg-Id");
    host.post("/im/send/msg", &say(&"x".repeat(65)))
        .refused(400);
    host.post("/im/send/msg", &say(&"在".repeat(22)))
        .refused(400);
}

#[test]
fn an_answer_stays_under_its_bound_and_holds_the_newest() {
    over_both(|host| {
        let escaped = "\u{1}".repeat(60 * 1024);
        for number in 0..5 {
            host.say("a", &format!("b{number}"), &escaped);
            host.say("a", "c", &escaped);
        }
        let list = host.post("/im/conv/list", &json!({"from_id": "a"}));
        assert!(list.body.len() <= ANSWER_BYTES_MAX, "{}", list.body.len());
        let rows = list.ok();
        let rows = rows.as_array().expect("a list");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["conv_users"], json!(["a", "c"]));
        let page = host.post("/im/from/to", &json!({"from_id": "a", "to_id": "c"}));
        assert!(page.body.len() <= ANSWER_BYTES_MAX);
        assert_eq!(page.ok().as_array().expect("a list").len(), 2);
    });
}

#[test]
fn a_list_names_a_bounded_number_of_members() {
    let mut host = Host::new(true);
    host.allow_members(CONV_USERS_MAX + 2);
    let names: Vec<String> = (0..=CONV_USERS_MAX).map(|n| format!("m{n:03}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    let group = host.group("g", "a", &members);
    let users = host.list("a")[0]["conv_users"].clone();
    let users = users.as_array().expect("a list");
    assert_eq!(users.len(), CONV_USERS_MAX);
    assert_eq!((&users[0], &users[1]), (&json!("a"), &json!("m000")));
    let all = host
        .post(&format!("/im/group/{group}/list"), &json!({}))
        .ok();
    assert_eq!(all.as_array().expect("a list").len(), CONV_USERS_MAX + 2);
}
