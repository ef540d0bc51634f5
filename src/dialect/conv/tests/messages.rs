//! Sending, histories and what is read.

use serde_json::json;

use super::host::{A, B, C, Host, over_both};

#[test]
fn naming_somebody_creates_them_unless_the_directory_is_closed() {
    let mut host = Host::new(true);
    host.say("new1", "new2", "hi");
    assert!(host.knows("new1") && host.knows("new2"));
    assert_eq!(host.unread("new2"), [1]);

    let mut host = Host::new(false);
    let say = json!({"from_id": A, "to_id": B, "msg": "hi"});
    host.post("/im/send/msg", &say).refused(404);
    host.post("/im/from/to", &json!({"from_id": A, "to_id": B}))
        .refused(404);
    host.post("/im/creat/group", &json!({"owner_id": A, "name": "g"}))
        .refused(404);
    host.post("/im/user/profile", &json!({"id": A}))
        .refused(404);
    assert!(host.list(A).is_empty());
    assert!(!host.knows(A));
}

#[test]
fn somebody_unknown_has_no_conversations_and_no_messages() {
    over_both(|host| {
        assert!(host.list("nobody").is_empty());
        let pair = |from, to| json!({"from_id": from, "to_id": to});
        assert!(
            host.texts("/im/from/to", &pair("nobody", "none"))
                .is_empty()
        );
        host.say(A, B, "hi");
        assert!(host.texts("/im/from/to", &pair("nobody", A)).is_empty());
        assert!(host.texts("/im/from/to", &pair(A, "nobody")).is_empty());
        assert!(!host.knows("nobody"), "asking creates nobody");
    });
}

#[test]
fn to_oneself_is_refused() {
    let mut host = Host::new(true);
    host.post(
        "/im/send/msg",
        &json!({"from_id": A, "to_id": A, "msg": "hi"}),
    )
    .refused(400);
    host.post("/im/from/to", &json!({"from_id": A, "to_id": A}))
        .refused(400);
    assert!(!host.knows(A));
    host.say(A, B, "hi");
    host.post(
        "/im/send/msg",
        &json!({"from_id": A, "to_id": A, "msg": "hi"}),
    )
    .refused(400);
}

#[test]
fn conv_id_and_to_id_must_agree_in_a_single_conversation() {
    over_both(|host| {
        host.say(A, B, "1");
        let id = host.list(A)[0]["conv_id"].clone();
        let say = |to, msg| json!({"conv_id": id, "from_id": A, "to_id": to, "msg": msg});
        host.post("/im/send/msg", &say(B, "2")).done("X-Msg-Id");
        for other in [A, C, "nobody"] {
            host.post("/im/send/msg", &say(other, "3")).refused(400);
        }
        assert!(!host.knows("nobody"));
        assert_eq!(host.read(id.as_str().expect("a text"), None), ["2", "1"]);
    });
}

#[test]
fn to_id_is_ignored_for_a_group() {
    let mut host = Host::new(true);
    let group = host.group("g", A, &[B]);
    for to in [A, B, "nobody"] {
        let say = json!({"conv_id": group, "from_id": A, "to_id": to, "msg": "hi"});
        host.post("/im/send/msg", &say).done("X-Msg-Id");
    }
    assert_eq!(host.read(&group, None).len(), 3);
    assert!(!host.knows("nobody"));
}

#[test]
fn only_members_write_and_read_under_their_name() {
    over_both(|host| {
        host.say(A, B, "1");
        let single = host.list(A)[0]["conv_id"]
            .as_str()
            .expect("a text")
            .to_owned();
        let group = host.group("g", A, &[B]);
        for id in [&single, &group] {
            for who in [C, "nobody"] {
                let say = json!({"conv_id": id, "from_id": who, "msg": "hi"});
                host.post("/im/send/msg", &say).refused(403);
                let read = json!({"from_id": who});
                host.post(&format!("/im/conv/{id}"), &read).refused(403);
            }
        }
        assert!(!host.knows("nobody"), "who may not write is not created");
        host.remove(&group, B);
        let say = json!({"conv_id": group, "from_id": B, "msg": "hi"});
        host.post("/im/send/msg", &say).refused(403);
        host.post(&format!("/im/conv/{group}"), &json!({"from_id": B}))
            .refused(403);
        assert_eq!(host.list(B).len(), 1, "who has left sees the group no more");
    });
}

#[test]
fn no_such_conversation() {
    let mut host = Host::new(true);
    host.say(A, B, "hi");
    for id in [
        "c0000000000000002",
        "c00000000000000ff",
        "cffffffffffffffff",
        "1",
        "群",
    ] {
        let say = json!({"conv_id": id, "from_id": A, "msg": "hi"});
        host.post("/im/send/msg", &say).refused(404);
        host.post(
            "/im/add/group/merber",
            &json!({"conv_id": id, "member": [A]}),
        )
        .refused(404);
    }
    for id in ["c0000000000000002", "cffffffffffffffff", "1", "%E7%BE%A4"] {
        host.post(&format!("/im/conv/{id}"), &json!({}))
            .refused(404);
        host.post(&format!("/im/conv/{id}"), &json!({"from_id": A}))
            .refused(404);
        host.post(&format!("/im/group/{id}/list"), &json!({}))
            .refused(404);
        host.post(&format!("/im/group/{id}/alias"), &json!({"id": A}))
            .refused(404);
    }
}

#[test]
fn pages_count_from_the_newest() {
    over_both(|host| {
        for text in ["1", "2", "3", "4", "5"] {
            host.say(A, B, text);
        }
        let id = host.list(A)[0]["conv_id"]
            .as_str()
            .expect("a text")
            .to_owned();
        for (page, size, expected) in [
            (1, 2, &["5", "4"][..]),
            (2, 2, &["3", "2"]),
            (3, 2, &["1"]),
            (4, 2, &[]),
            (1, 100, &["5", "4", "3", "2", "1"]),
            (u64::MAX, 100, &[]),
        ] {
            let body = json!({"page_no": page, "page_size": size, "from_id": B, "to_id": A});
            for path in [&format!("/im/conv/{id}"), "/im/from/to"] {
                assert_eq!(host.texts(path, &body), expected, "{page} {size} {path}");
            }
        }
    });
}

#[test]
fn a_pair_that_reads_a_page_has_read_up_to_its_newest_message() {
    over_both(|host| {
        for text in ["1", "2", "3", "4", "5"] {
            host.say(A, B, text);
        }
        host.say(B, A, "6");
        host.say(A, B, "7");
        host.watch(B);
        assert_eq!((host.unread(A), host.unread(B)), (vec![1], vec![6]));
        let page = |no| json!({"from_id": B, "to_id": A, "page_no": no, "page_size": 2});
        assert_eq!(host.texts("/im/from/to", &page(3)), ["3", "2"]);
        assert_eq!(host.unread(B), [3], "4, 5 and 7");
        assert_eq!(host.texts("/im/from/to", &page(4)), ["1"]);
        assert_eq!(host.unread(B), [3], "reading never goes back");
        assert_eq!(host.texts("/im/from/to", &page(2)), ["5", "4"]);
        assert_eq!(host.unread(B), [1]);
        assert_eq!(host.texts("/im/from/to", &page(1)), ["7", "6"]);
        assert_eq!(host.unread(B), [0]);
        assert_eq!(host.unread(A), [1], "the other side has read nothing");
    });
}

#[test]
fn a_conversation_is_read_only_by_who_says_so() {
    over_both(|host| {
        host.say(A, B, "1");
        let id = host.list(A)[0]["conv_id"]
            .as_str()
            .expect("a text")
            .to_owned();
        host.watch(B);
        assert_eq!(host.read(&id, None), ["1"]);
        assert_eq!(host.unread(B), [1]);
        assert_eq!(host.read(&id, Some(B)), ["1"]);
        assert_eq!(host.unread(B), [0]);
        assert_eq!(host.read(&id, Some(B)), ["1"]);
    });
}

#[test]
fn sending_reads_a_group_and_no_single_conversation() {
    over_both(|host| {
        host.say(A, B, "1");
        let group = host.group("g", A, &[B, C]);
        for text in ["2", "3"] {
            host.say_in(A, &group, text);
        }
        for who in [A, B, C] {
            host.watch(who);
        }
        assert_eq!((host.unread(B), host.unread(C)), (vec![2, 1], vec![2]));
        host.say_in(B, &group, "4");
        host.say(B, A, "5");
        assert_eq!(host.unread(B), [1, 0], "the single one, then the group");
        assert_eq!((host.unread(A), host.unread(C)), (vec![1, 1], vec![3]));
        host.say_in(C, &group, "6");
        assert_eq!(host.unread(C), [0]);
        host.say_in(C, &group, "7");
        assert_eq!(host.unread(B), [2, 1]);
    });
}

#[test]
fn the_same_client_id_gets_the_same_answer_and_changes_nothing() {
    over_both(|host| {
        let say =
            |from, to, msg| json!({"from_id": from, "to_id": to, "msg": msg, "client_id": "one"});
        let first = host
            .post("/im/send/msg", &say(A, B, "first"))
            .done("X-Msg-Id");
        assert_eq!(
            host.post("/im/send/msg", &say(A, B, "second"))
                .done("X-Msg-Id"),
            first
        );
        let other = host
            .post("/im/send/msg", &say(B, A, "other"))
            .done("X-Msg-Id");
        assert_ne!(other, first, "another sender");
        let elsewhere = host
            .post("/im/send/msg", &say(A, C, "elsewhere"))
            .done("X-Msg-Id");
        assert_ne!(elsewhere, first, "another conversation");
        assert_eq!(host.read("c0000000000000001", None), ["other", "first"]);

        let group = host.group("g", A, &[B]);
        let say = |msg| json!({"from_id": A, "conv_id": group, "msg": msg, "client_id": "one"});
        let first = host.post("/im/send/msg", &say("1")).done("X-Msg-Id");
        host.say_in(B, &group, "2");
        assert_eq!(host.unread(A)[0], 1);
        assert_eq!(host.post("/im/send/msg", &say("3")).done("X-Msg-Id"), first);
        assert_eq!(host.unread(A)[0], 1, "a repeated message reads nothing");
        assert_eq!(host.read(&group, None), ["2", "1"]);
    });
}

#[test]
fn kinds_by_number() {
    let mut host = Host::new(true);
    for kind in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
        let say = json!({"from_id": A, "to_id": B, "msg": "x", "msg_type": kind});
        host.post("/im/send/msg", &say).done("X-Msg-Id");
    }
    for kind in [
        json!(-1),
        json!(9),
        json!("a"),
        json!(0.5),
        json!(4_294_967_296_u64),
        json!([0]),
    ] {
        let say = json!({"from_id": A, "to_id": B, "msg": "x", "msg_type": kind});
        host.post("/im/send/msg", &say).refused(400);
    }
    let page = host
        .post("/im/from/to", &json!({"from_id": B, "to_id": A}))
        .ok();
    let shown: Vec<_> = page.as_array().expect("a list").iter().rev().collect();
    let shown: Vec<_> = shown
        .into_iter()
        .map(|row| {
            (
                row["msg_type"].as_i64().expect("a number"),
                row["msg"].as_str().expect("a text"),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (0, "x"),
            (1, "x"),
            (2, "x"),
            (3, "x"),
            (4, "x"),
            (0, "[商品] x"),
            (0, "[沙盘] x"),
            (0, "[文章] x"),
            (0, "[位置] x"),
        ]
    );
    assert_eq!(host.list(A)[0]["last_msg"], "[位置] x");
    assert_eq!(host.list(A)[0]["last_msg_type"], 0);
}

#[test]
fn the_list_has_the_newest_activity_first() {
    over_both(|host| {
        host.say(A, B, "1");
        host.say(A, C, "2");
        let group = host.group("g", A, &[]);
        let order = |host: &mut Host| -> Vec<String> {
            host.list(A)
                .iter()
                .map(|row| row["last_msg"].to_string())
                .collect()
        };
        assert_eq!(order(host), [r#""""#, r#""2""#, r#""1""#]);
        host.say(B, A, "3");
        assert_eq!(order(host), [r#""3""#, r#""""#, r#""2""#]);
        host.say_in(A, &group, "4");
        assert_eq!(order(host), [r#""4""#, r#""3""#, r#""2""#]);
    });
}

#[test]
fn what_people_say_comes_back_as_it_was() {
    let mut host = Host::new(true);
    let text = "\"\\\u{0}\n\u{2028}\u{1F600}</script>";
    host.say(A, B, text);
    assert_eq!(
        host.texts("/im/from/to", &json!({"from_id": B, "to_id": A})),
        [text]
    );
    assert_eq!(host.list(B)[0]["last_msg"], text);
}
