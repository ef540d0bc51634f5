//! Groups, their members and how people are shown.

use serde_json::{Value, json};

use super::host::{A, B, C, Host, over_both};

#[track_caller]
fn members(host: &mut Host, group: &str) -> Vec<String> {
    let list = host
        .post(&format!("/im/group/{group}/list"), &json!({}))
        .ok();
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn members_stand_in_the_order_in_which_they_joined() {
    over_both(|host| {
        host.say(C, A, "older accounts have lower numbers");
        let group = host.group("g", "z", &["y", "z", "x", "y"]);
        assert_eq!(members(host, &group), ["z", "y", "x"]);
        host.post(
            "/im/add/group/merber",
            &json!({"conv_id": group, "member": [C, "y", A, C]}),
        )
        .ok();
        assert_eq!(members(host, &group), ["z", "y", "x", C, A]);
        host.say_in(C, &group, "hi");
        host.remove(&group, "y");
        assert_eq!(members(host, &group), ["z", "x", C, A]);
        host.post(
            "/im/add/group/merber",
            &json!({"conv_id": group, "member": ["y"]}),
        )
        .ok();
        assert_eq!(
            members(host, &group),
            ["z", "x", C, A, "y"],
            "who comes back comes last"
        );
        let row = &host.list(A)[0];
        assert_eq!(row["conv_users"], json!(["z", "x", C, A, "y"]));
        assert_eq!(row["users_type"], Value::Null, "left out for groups");
    });
}

#[test]
fn a_new_member_sees_nothing_from_before() {
    over_both(|host| {
        let group = host.group("g", A, &[]);
        host.say_in(A, &group, "1");
        host.post(
            "/im/add/group/merber",
            &json!({"conv_id": group, "member": [B]}),
        )
        .ok();
        host.watch(B);
        let row = &host.list(B)[0];
        assert_eq!(
            (&row["last_msg"], &row["last_user_name"]),
            (&json!(""), &json!(""))
        );
        assert_eq!(row["unread_count"], 0);
        assert!(host.read(&group, Some(B)).is_empty());
        host.say_in(A, &group, "2");
        assert_eq!(host.unread(B), [1]);
        assert_eq!(host.read(&group, Some(B)), ["2"]);
        assert_eq!(host.unread(B), [0]);
        assert_eq!(
            host.read(&group, None),
            ["2", "1"],
            "the back end itself sees all"
        );
    });
}

#[test]
fn a_group_is_full_at_its_bound() {
    let mut host = Host::new(true);
    assert_eq!(host.policy.group_members_max, 5);
    let group = |members: &[&str]| json!({"owner_id": A, "name": "g", "member": members});
    host.post("/im/creat/group", &group(&["1", "2", "3", "4", "5"]))
        .refused(400);
    assert!(!host.knows("1"), "a refused call creates nobody");
    let id = host
        .post("/im/creat/group", &group(&["1", "2", A, "2", "3"]))
        .done("X-Conv-Id");
    let add = |members: &[&str]| json!({"conv_id": id, "member": members});
    host.post("/im/add/group/merber", &add(&["4", "5"]))
        .refused(400);
    host.post("/im/add/group/merber", &add(&["4", "1"])).ok();
    host.post("/im/add/group/merber", &add(&["5"])).refused(400);
    host.post("/im/add/group/merber", &add(&["4", A])).ok();
    assert_eq!(members(&mut host, &id), [A, "1", "2", "3", "4"]);
}

#[test]
fn a_single_conversation_is_no_group() {
    over_both(|host| {
        host.say(A, B, "hi");
        let id = host.list(A)[0]["conv_id"]
            .as_str()
            .expect("a text")
            .to_owned();
        host.post(
            "/im/add/group/merber",
            &json!({"conv_id": id, "member": [C]}),
        )
        .refused(400);
        host.post(&format!("/im/group/{id}/list"), &json!({}))
            .refused(400);
        host.post(
            &format!("/im/group/{id}/alias"),
            &json!({"id": A, "alias": "a"}),
        )
        .refused(400);
        assert!(!host.knows(C));
    });
}

#[test]
fn an_alias_is_a_members_and_may_be_taken_away() {
    over_both(|host| {
        let group = host.group("g", A, &[B]);
        let path = format!("/im/group/{group}/alias");
        host.watch(A);
        let alias = |host: &mut Host| {
            host.post(&format!("/im/group/{group}/list"), &json!({}))
                .ok()[0]["alias"]
                .clone()
        };
        host.post(&path, &json!({"id": A, "alias": "老板"})).ok();
        assert_eq!(alias(host), "老板");
        host.say_in(B, &group, "an alias outlives what is said");
        host.say_in(A, &group, "and read");
        assert_eq!(alias(host), "老板");
        host.post(&path, &json!({"id": A, "alias": ""})).ok();
        assert_eq!(alias(host), "");
        host.post(&path, &json!({"id": C, "alias": "x"}))
            .refused(403);
        host.post(&path, &json!({"alias": "x"})).refused(400);
        host.post(&path, &json!({"id": A, "alias": "a\nb"}))
            .refused(400);
        host.post(&path, &json!({"id": A, "alias": "x".repeat(256)}))
            .refused(400);
        host.remove(&group, B);
        host.post(&path, &json!({"id": B, "alias": "x"}))
            .refused(403);
        assert!(!host.knows(C));
    });
}

#[test]
fn a_profile_is_stored_anew_each_time() {
    over_both(|host| {
        host.say(A, B, "hi");
        host.watch(B);
        let user = |host: &mut Host| {
            host.post("/im/from/to", &json!({"from_id": B, "to_id": A}))
                .ok()[0]["user"]
                .clone()
        };
        let shown =
            |name, img| json!({"id": "903000000000001", "type": "P", "img": img, "name": name});
        assert_eq!(user(host), shown("903000000000001", ""));
        host.post(
            "/im/user/profile",
            &json!({"id": A, "name": "安利英", "img": "http://xxx.png"}),
        )
        .ok();
        assert_eq!(user(host), shown("安利英", "http://xxx.png"));
        assert_eq!(host.list(B)[0]["last_user_name"], "安利英");
        host.post("/im/user/profile", &json!({"id": A, "name": "安"}))
            .ok();
        assert_eq!(user(host), shown("安", ""));
        host.post("/im/user/profile", &json!({"id": A})).ok();
        assert_eq!(user(host), shown("903000000000001", ""));
        host.post("/im/user/profile", &json!({"id": "new", "name": "新"}))
            .ok();
        assert!(host.knows("new"));
        for bad in [
            json!({"name": "x"}),
            json!({"id": A, "name": "x".repeat(256)}),
            json!({"id": A, "name": "\u{7}"}),
            json!({"id": A, "img": "x".repeat(2 * 1024 + 1)}),
        ] {
            host.post("/im/user/profile", &bad).refused(400);
        }
    });
}

#[test]
fn a_card_leaves_what_other_dialects_say_of_an_account() {
    use crate::domain::account::{Profile, ServiceRole};
    use crate::domain::command::{Command, Reply, Who};
    let mut host = Host::new(true);
    let profile = Profile {
        nick: "old".into(),
        avatar: "old".into(),
        terminal: "ios".into(),
        role: Some(ServiceRole::Agent),
    };
    let who = Who::Name(A.into());
    host.submit(Command::SetProfile {
        who: who.clone(),
        profile,
    })
    .expect("set");
    host.post("/im/user/profile", &json!({"id": A, "name": "new"}))
        .ok();
    let card = Command::SetCard {
        who,
        nick: "new".into(),
        avatar: "".into(),
    };
    let Ok(Reply::Account(account)) = host.submit(card) else {
        panic!("not an account")
    };
    let expected = Profile {
        nick: "new".into(),
        avatar: "".into(),
        terminal: "ios".into(),
        role: Some(ServiceRole::Agent),
    };
    assert_eq!(account.profile, expected);
}

#[test]
fn what_a_group_needs() {
    let mut host = Host::new(true);
    for bad in [
        json!({"name": "g"}),
        json!({"owner_id": A}),
        json!({"owner_id": A, "name": ""}),
        json!({"owner_id": A, "name": "a\tb"}),
        json!({"owner_id": A, "name": "x".repeat(256)}),
        json!({"owner_id": A, "name": "g", "img": "x".repeat(2 * 1024 + 1)}),
        json!({"owner_id": A, "name": "g", "description": "x".repeat(4 * 1024 + 1)}),
        json!({"owner_id": A, "name": "g", "member": "b"}),
        json!({"owner_id": A, "name": "g", "member": {"id": "b"}}),
        json!({"owner_id": A, "name": "g", "member": [["b"]]}),
        json!({"owner_id": A, "name": "g", "member": ["b", null]}),
        json!({"owner_id": A, "name": "g", "member": ["b", ""]}),
        json!({"owner_id": A, "name": "g", "member": ["b\n"]}),
        json!({"owner_id": "a\n", "name": "g"}),
    ] {
        host.post("/im/creat/group", &bad).refused(400);
    }
    for good in [
        json!({"owner_id": A, "name": "g", "member": null}),
        json!({"owner_id": A, "name": "g", "member": ""}),
        json!({"owner_id": A, "name": "g", "member": []}),
        json!({"owner_id": 903, "name": 1, "member": [904, "905"]}),
    ] {
        host.post("/im/creat/group", &good).done("X-Conv-Id");
    }
    assert_eq!(
        members(&mut host, "c0000000000000004"),
        ["903", "904", "905"]
    );
    let id = "c0000000000000001";
    host.post("/im/add/group/merber", &json!({"conv_id": id}))
        .refused(400);
    host.post("/im/add/group/merber", &json!({"member": [A]}))
        .refused(400);
    assert_eq!(
        host.post(
            "/im/add/group/merber",
            &json!({"conv_id": id, "member": []})
        )
        .body,
        "{}"
    );
}
