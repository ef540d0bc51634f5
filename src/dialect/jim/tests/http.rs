//! The three calls over HTTP: identities, who answers whom, and counts.

use crate::dialect::AppKey;
use crate::dialect::jim::tests::host::Host;
use crate::domain::command::{Command, Refusal, Reply};
use crate::domain::ids::TimeMs;
use crate::domain::message::MessageKind;

const BAD_FIELD: &str = r#"{"code":500102,"msg":"参数错误","data":null}"#;
const BAD_TOKEN: &str = r#"{"code":500203,"msg":"token无效","data":null}"#;
const NO_AGENT: &str = r#"{"code":500,"msg":"当前客服繁忙，建议您电话咨询!","data":null}"#;
const SUCCESS: &str = r#"{"code":200,"msg":"success","data":null}"#;

fn receiver(host: &mut Host, visitor: &str) -> String {
    let body = format!(r#"{{"senderId":"{visitor}","token":"t-{visitor}","type":"0"}}"#);
    let answer = host.post("getReceiver", &body);
    let name = answer.strip_prefix(r#"{"code":200,"msg":"success","data":{"id":""#);
    match name.and_then(|rest| rest.split_once('"')) {
        Some((name, _)) => name.to_owned(),
        None => answer,
    }
}

#[test]
fn get_receiver_answers_with_nine_keys() {
    let mut host = Host::new();
    let agent = r#"{"senderId":"098f64aa0ac8ad55","avatar":"ggggfff","nick":"测试客服","terminal":"pc","token":"T","type":1}"#;
    assert_eq!(host.post("initUser", agent), SUCCESS);
    let visitor = r#"{"senderId":"v","receiverId":"098f64aa0ac8ad55","nick":"","avatar":null,"token":"b92c","type":0}"#;
    assert_eq!(
        host.post("getReceiver", visitor),
        r#"{"code":200,"msg":"success","data":{"id":"098f64aa0ac8ad55","nick":"测试客服","avatar":"ggggfff","status":null,"sign":null,"terminal":"pc","friends":null,"groups":null,"extras":null}}"#
    );
    let (socket, _) = host.open("token=T");
    assert_eq!(
        host.ask(socket, r#"{"cmd":17,"type":1}"#),
        r#"{"code":200,"command":18,"data":[{"id":"v","terminal":"ws"}],"msg":"success "}"#,
        "contacts of each other without a message"
    );
}

#[test]
fn fields_that_are_missing_or_bad() {
    let mut host = Host::new();
    for body in [
        "",
        "[]",
        "{",
        r#"{"token":"t","type":0}"#,
        r#"{"senderId":"a","type":0}"#,
        r#"{"senderId":"a","token":"t"}"#,
        r#"{"senderId":"a","token":"t","type":3}"#,
        r#"{"senderId":"a","token":"t","type":"x"}"#,
        r#"{"senderId":{"a":1},"token":"t","type":0}"#,
        r#"{"senderId":"a\u0000","token":"t","type":0}"#,
    ] {
        assert_eq!(host.post("initUser", body), BAD_FIELD, "{body}");
        assert_eq!(host.post("getReceiver", body), BAD_FIELD, "{body}");
    }
    for role in [1, 2] {
        let body = format!(r#"{{"senderId":"a","token":"t","type":{role},"receiverId":""}}"#);
        assert_eq!(
            host.post("getReceiver", &body),
            BAD_FIELD,
            "an agent says whom"
        );
    }
    for body in [
        r#"{"to":"a","op":1}"#,
        r#"{"from":"a"}"#,
        r#"{"from":"a","op":3}"#,
    ] {
        assert_eq!(host.post("chatInfo", body), BAD_FIELD, "{body}");
    }
    let long = format!(
        r#"{{"senderId":"a","token":"{}","type":0}}"#,
        "x".repeat(257)
    );
    assert_eq!(host.post("initUser", &long), BAD_TOKEN);
}

#[test]
fn a_token_is_one_users() {
    let mut host = Host::new();
    let body = |name: &str| format!(r#"{{"senderId":"{name}","token":"T","type":0}}"#);
    assert_eq!(host.post("initUser", &body("a")), SUCCESS);
    assert_eq!(host.post("initUser", &body("a")), SUCCESS);
    assert_eq!(host.post("initUser", &body("b")), BAD_TOKEN);
    assert_eq!(host.post("getReceiver", &body("b")), BAD_TOKEN);
    host.now.0 += host.settings.token_idle_ms_max;
    assert_eq!(
        host.post("initUser", &body("b")),
        SUCCESS,
        "its time is over"
    );
    let (socket, _) = host.open("token=T");
    let contacts = host.ask(socket, r#"{"cmd":17,"type":2}"#);
    assert!(contacts.contains(r#""userId":"b""#), "{contacts}");
}

#[test]
fn the_profile_is_stored_anew_each_time() {
    let mut host = Host::new();
    for (nick, avatar) in [("x", "y"), ("z", "")] {
        let body = format!(
            r#"{{"senderId":"a","token":"T","type":0,"nick":"{nick}","avatar":"{avatar}"}}"#
        );
        host.post("initUser", &body);
        let (socket, _) = host.open("token=T");
        assert_eq!(
            host.ask(socket, r#"{"cmd":17,"type":2}"#),
            format!(
                r#"{{"code":200,"command":18,"data":{{"avatar":"{avatar}","friends":[],"nickname":"{nick}","userId":"a"}},"msg":"success "}}"#
            )
        );
    }
}

#[test]
fn signed_identities_need_an_app_key() {
    let mut host = Host::new();
    host.settings.app_keys = Some(vec![AppKey {
        id: "app".into(),
        secret: "secret".into(),
    }]);
    let body = r#"{"senderId":"a","token":"T","type":0}"#;
    for (call, body) in [
        ("initUser", body),
        ("getReceiver", body),
        ("chatInfo", r#"{"from":"a","op":1}"#),
    ] {
        assert_eq!(host.post(call, body), BAD_TOKEN);
    }
    let answer = host.post_with("initUser", "Authorization: Bearer secret\r\n", body);
    assert_eq!(answer, SUCCESS);
}

#[test]
fn nobody_online_is_busy_and_so_is_an_unknown_receiver() {
    let mut host = Host::new();
    assert_eq!(receiver(&mut host, "v"), NO_AGENT);
    host.post("initUser", r#"{"senderId":"off","token":"o","type":1}"#);
    host.log_in_as("visitor", "", 0);
    assert_eq!(receiver(&mut host, "v"), NO_AGENT);
    let unknown = r#"{"senderId":"v","token":"t-v","type":0,"receiverId":"nobody"}"#;
    assert_eq!(host.post("getReceiver", unknown), NO_AGENT);
    host.log_in_as("agent", "", 2);
    assert_eq!(receiver(&mut host, "v"), "agent");
}

#[test]
fn the_least_loaded_agent_answers_and_among_equals_who_has_waited_longest() {
    let mut host = Host::new();
    host.log_in_as("a1", "", 1);
    host.log_in_as("a2", "", 2);
    let mut chosen = Vec::new();
    for visitor in ["v1", "v2", "v3", "v4"] {
        chosen.push(receiver(&mut host, visitor));
        host.now.0 += 1_000;
    }
    assert_eq!(chosen, ["a1", "a2", "a1", "a2"]);
    host.log_in_as("a3", "", 1);
    assert_eq!(receiver(&mut host, "v5"), "a3");
    assert_eq!(receiver(&mut host, "v6"), "a3");
    host.now.0 += 24 * 3600 * 1_000;
    assert_eq!(
        receiver(&mut host, "v7"),
        "a1",
        "a day later all are free; its last one is oldest"
    );
}

#[test]
fn a_visitor_comes_back_to_the_agent_they_know() {
    let mut host = Host::new();
    let first = host.log_in_as("a1", "", 1);
    assert_eq!(receiver(&mut host, "v"), "a1");
    host.now.0 += 1_000;
    host.close(first);
    host.log_in_as("a2", "", 1);
    assert_eq!(receiver(&mut host, "v"), "a1", "online or not");
    host.say("v", "a2", MessageKind::Text, "spoken with later");
    assert_eq!(receiver(&mut host, "v"), "a2");
    host.say("v", "friend", MessageKind::Text, "no agent");
    assert_eq!(receiver(&mut host, "v"), "a2");
    assert!(
        host.post("chatInfo", r#"{"from":"v","op":1}"#)
            .contains(r#""to":"a2","from":"v""#),
        "the assignment is stored"
    );
}

#[test]
fn visitors_of_one_commit_are_shared_out() {
    let mut host = Host::new();
    host.log_in_as("a1", "", 1);
    host.log_in_as("a2", "", 1);
    let visitors = ["v1", "v2", "v3", "v4"].map(|name| host.account(name));
    let since = TimeMs(host.now.0 - 1);
    let commands = visitors.map(|visitor| Command::Assign { visitor, since });
    let chosen: Vec<String> = host
        .submit_all(commands.into())
        .into_iter()
        .map(|reply| match reply {
            Ok(Reply::Account(agent)) => agent.name.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(chosen, ["a1", "a2", "a1", "a2"]);
}

#[test]
fn counts_and_what_marks_as_read() {
    let mut host = Host::new();
    host.log_in_as("agent", "", 1);
    host.log_in_as("quiet", "", 0);
    host.post(
        "getReceiver",
        r#"{"senderId":"quiet","token":"t-quiet","type":0,"receiverId":"agent"}"#,
    );
    host.say("old", "agent", MessageKind::Text, "1");
    host.now.0 += 2 * 24 * 3600 * 1_000;
    for text in ["1", "2"] {
        host.say("new", "agent", MessageKind::Text, text);
    }
    let counts = |pending, unread| {
        format!(
            r#"{{"code":200,"msg":"success","data":{{"to":"agent","from":"new","pendingReplyNum":{pending},"lastedContactsNum":1,"allContactsNum":3,"unReadNum":{unread}}}}}"#
        )
    };
    let ask = r#"{"to":"agent","from":"new","op":1,"isNewMember":1,"isConcurrent":0}"#;
    assert_eq!(host.post("chatInfo", ask), counts(2, 2));
    assert_eq!(
        host.post("chatInfo", &ask.replace("Concurrent\":0", "Concurrent\":1")),
        counts(1, 0)
    );
    host.say("new", "agent", MessageKind::Text, "3");
    assert_eq!(host.post("chatInfo", ask), counts(2, 1));
    assert_eq!(
        host.post("chatInfo", &ask.replace("op\":1", "op\":\"2\"")),
        counts(1, 0)
    );
    let zeros = |to| {
        format!(
            r#"{{"code":200,"msg":"success","data":{{"to":{to},"from":"new","pendingReplyNum":0,"lastedContactsNum":0,"allContactsNum":0,"unReadNum":0}}}}"#
        )
    };
    assert_eq!(
        host.post("chatInfo", r#"{"from":"new","op":2}"#),
        zeros("null"),
        "assigned to nobody"
    );
    assert_eq!(
        host.post("chatInfo", r#"{"to":"new","from":"new","op":2}"#),
        zeros("\"new\"")
    );
}

#[test]
fn failures_are_told() {
    let mut host = Host::new();
    let failed = r#"{"code":500,"msg":"登录IM系统失败!","data":null}"#;
    for refusal in [Refusal::Busy, Refusal::Failure] {
        for (call, body) in [
            ("initUser", r#"{"senderId":"a","token":"T","type":0}"#),
            ("chatInfo", r#"{"to":"a","from":"b","op":2}"#),
        ] {
            host.refuse = Some(refusal);
            assert_eq!(host.post(call, body), failed);
        }
    }
}
