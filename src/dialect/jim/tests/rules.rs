//! What the contract leaves open, settled: a test for each rule.

mod messages;
mod reading;

use crate::dialect::jim::tests::host::Host;
use crate::domain::command::{Command, GroupAbout, Refusal, Reply, Send, Who};
use crate::domain::ids::ConversationId;
use crate::domain::message::{Dialect, MessageKind};

const SENT: &str = r#"{"code":10000,"command":12,"msg":"ok 发送成功"}"#;
const OFFLINE: &str = r#"{"code":10001,"command":12,"msg":"offline 用户不在线"}"#;
const NOT_SENT: &str = r#"{"code":10002,"command":12,"msg":"send failed 消息发送失败,数据格式不正确,请参考:{'from':来源ID,'to':目标ID,'cmd':'消息命令码','createTime':消息创建时间(Long型),'msgType':Integer消息类型,'content':内容}"}"#;
const UNKNOWN: &str = r#"{"code":10017,"command":0,"msg":"cmd failed! 未知的cmd命令!"}"#;
const NO_MESSAGES: &str =
    r#"{"code":10015,"command":20,"msg":"get user message failed! 获取用户消息失败!"}"#;
const NO_USER: &str = r#"{"code":10004,"command":18,"msg":"get user failed ! 获取用户信息失败!"}"#;
const NOT_JOINED: &str = r#"{"code":10012,"command":8,"msg":"join group failed! 加入群组失败!"}"#;
const RECALLED: &str = r#"{"code":10023,"command":16,"msg":"recall ok! 撤回成功"}"#;
const NOT_RECALLED: &str = r#"{"code":10024,"command":16,"msg":"recall failed! 撤回失败"}"#;

fn not_yours(command: u8) -> String {
    format!(r#"{{"code":10020,"command":{command},"msg":"Invalid verification! 不合法校验"}}"#)
}

fn say(to: &str, text: &str, rest: &str) -> String {
    format!(r#"{{"cmd":11,"chatType":2,"to":"{to}","content":"{text}","createTime":1{rest}}}"#)
}

/// The values of `key` in what was told, in their order.
fn values<'a>(told: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("\"{key}\":\"");
    told.split(key.as_str())
        .skip(1)
        .map(|rest| rest.split('"').next().expect("a value"))
        .collect()
}

fn group_elsewhere(host: &mut Host, members: &[&str]) -> (ConversationId, String) {
    let members: Vec<Who> = members
        .iter()
        .map(|name| Who::Name((*name).into()))
        .collect();
    let command = Command::CreateGroup {
        owner: members[0].clone(),
        members,
        about: GroupAbout {
            name: "elsewhere".into(),
            ..GroupAbout::default()
        },
    };
    match host.submit(command) {
        Ok(Reply::Group(id)) => (id, crate::dialect::conversation_id::encode(id)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_or_missing_token_is_told_and_closed() {
    let mut host = Host::new();
    let long = format!("token={}", "x".repeat(257));
    for query in ["", "token=", "token=nobody", "other=1", &long] {
        let (socket, told) = host.open(query);
        assert_eq!(
            told,
            [r#"{"code":10008,"command":6,"msg":"login failed ! 登录失败!"}"#]
        );
        assert_eq!(
            host.closed(socket).map(|(code, _)| code),
            Some(1008),
            "{query}"
        );
    }
}

#[test]
fn nothing_is_pushed_at_login() {
    let mut host = Host::new();
    host.say("a", "b", MessageKind::Text, "waits");
    let socket = host.log_in("b");
    assert!(host.take(socket).is_empty());
    let unread = host.ask(socket, r#"{"cmd":19,"type":0,"userId":"b"}"#);
    assert_eq!(values(&unread, "content"), ["waits"]);
}

#[test]
fn unknown_commands_and_malformed_json_leave_the_connection() {
    let mut host = Host::new();
    let socket = host.log_in("a");
    for frame in [
        "",
        "x",
        "[]",
        "{",
        "{}",
        r#"{"cmd":99}"#,
        r#"{"cmd":"x"}"#,
        r#"{"cmd":null}"#,
        r#"{"cmd":11"#,
        r#"{"cmd":13}}"#,
        r#"{"cmd":"1'}"#,
        r#"{"cmd":13,}"#,
        r#"{"cmd":13 "a":1}"#,
        r#"{"cmd":013}"#,
        r#"{"a":"\ud800","cmd":13}"#,
        r#"{"cmd":1}"#,
        r#"{"cmd":9}"#,
        &format!("{{\"cmd\":13,\"a\":{}{}}}", "[".repeat(65), "]".repeat(65)),
    ] {
        assert_eq!(host.ask(socket, frame), UNKNOWN, "{frame}");
    }
    assert_eq!(
        host.send_bytes(socket, b"{\"cmd\":13,\"a\":\"\xff\"}"),
        [UNKNOWN]
    );
    assert_eq!(host.closed(socket), None);
}

#[test]
fn names_match_without_case_and_marks_and_quotes_may_be_single() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    let frame = "\u{feff} {'CMD':'11', 'chat_type':'2', 'TO':'b', 'Create-Time':1, 'MSGTYPE':'0', 'ex_tras':{'k':'it\\'s \"q\"'}, 'id':7, 'content':'it\\'s'}";
    assert_eq!(host.ask(a, frame), SENT);
    assert_eq!(
        host.take(b),
        [
            r#"{"command":11,"data":{"chatType":2,"cmd":11,"content":"it's","createTime":1,"extras":{"k":"it's \"q\""},"from":"a","id":"7","msgType":0,"to":"b"}}"#
        ]
    );
    let unread = host.ask(b, r#"{"cmd":19,"TYPE":2,"user_id":"b","from-user-id":"a"}"#);
    assert_eq!(values(&unread, "content"), ["it's"]);
}

#[test]
fn somebody_elses_name_is_never_obeyed() {
    let mut host = Host::new();
    let socket = host.log_in("a");
    for (cmd, answer) in [
        (3, 4),
        (5, 6),
        (7, 8),
        (10, 10),
        (11, 12),
        (15, 16),
        (17, 18),
        (19, 20),
    ] {
        for field in ["userId", "from"] {
            let frame = format!(
                r#"{{"cmd":{cmd},"{field}":"b","to":"c","chatType":2,"content":"x","type":1,"fromUserId":"c","id":"i","group":""}}"#
            );
            assert_eq!(host.ask(socket, &frame), not_yours(answer), "{frame}");
        }
    }
    assert_eq!(host.ask(socket, &say("b", "x", r#","from":"a""#)), OFFLINE);
}

#[test]
fn groups_made_elsewhere_show_their_id_and_cannot_be_joined() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    let (id, name) = group_elsewhere(&mut host, &["a", "c"]);
    assert_eq!(
        host.ask(b, &format!(r#"{{"cmd":7,"group":"{name}"}}"#)),
        NOT_JOINED
    );
    assert!(
        host.take(a).is_empty(),
        "members added elsewhere cause no notice"
    );
    let c = host.account("c");
    let said = Send {
        from: c,
        to: crate::domain::command::Peer::Conversation(id),
        kind: MessageKind::Text,
        body: "hi".into(),
        origin: Dialect::Conv,
        client_id: None,
        attributes: None,
    };
    host.submit(Command::Send(said)).expect("sent");
    let push = host.take(a).remove(0);
    assert_eq!(values(&push, "groupId"), [name.as_str()]);
    let unread = host.ask(a, &format!(r#"{{"cmd":19,"type":0,"groupId":"{name}"}}"#));
    assert!(
        unread.contains(&format!(r#""friends":{{}},"groups":{{"{name}":["#)),
        "{unread}"
    );
    assert!(host.take(b).is_empty());
    let add = Command::AddMembers {
        group: id,
        members: vec![Who::Name("b".into())],
    };
    host.submit(add).expect("added");
    assert!(host.take(a).is_empty() && host.take(b).is_empty());
    assert!(
        values(&host.ask(b, r#"{"cmd":19,"type":0}"#), "content").is_empty(),
        "nothing earlier"
    );
}

#[test]
fn a_full_group_cannot_be_joined() {
    let mut host = Host::with_policy(true, 2);
    let sockets = ["a", "b", "c"].map(|name| host.log_in(name));
    let mut answers: Vec<String> = Vec::new();
    for socket in sockets {
        answers.extend(host.send(socket, r#"{"cmd":7,"group":"G"}"#).pop());
    }
    assert!(answers[1].contains("10011"));
    assert_eq!(answers[2], NOT_JOINED);
    host.take(sockets[0]);
    assert_eq!(host.ask(sockets[0], r#"{"cmd":7}"#), NOT_JOINED);
}

#[test]
fn leaving_without_being_there_is_refused() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    host.send(a, r#"{"cmd":7,"group":"G"}"#);
    for frame in [
        r#"{"cmd":10,"groupId":"G"}"#,
        r#"{"cmd":10,"groupId":"other"}"#,
        r#"{"cmd":10}"#,
    ] {
        assert_eq!(host.ask(b, frame), not_yours(10), "{frame}");
    }
    host.send(b, r#"{"cmd":7,"group":"G"}"#);
    host.send(b, r#"{"cmd":10,"groupId":"G"}"#);
    let notices = host.send(b, r#"{"cmd":7,"group":"G"}"#);
    assert_eq!(notices.len(), 2, "joined again: {notices:?}");
}

#[test]
fn a_busy_server_says_so_for_any_command() {
    let mut host = Host::new();
    let a = host.log_in("a");
    let busy = |command| {
        format!(r#"{{"code":10022,"command":{command},"msg":"busy 服务器繁忙,请稍后重试"}}"#)
    };
    for (frame, command) in [
        (say("b", "x", ""), 12),
        (r#"{"cmd":7,"group":"G"}"#.into(), 8),
        (r#"{"cmd":10,"groupId":"G"}"#.into(), 10),
        (r#"{"cmd":15,"id":"k"}"#.into(), 16),
        (r#"{"cmd":17,"type":1}"#.into(), 18),
        (r#"{"cmd":19,"type":0}"#.into(), 20),
        (r#"{"cmd":3,"token":"other"}"#.into(), 4),
    ] {
        host.refuse = Some(Refusal::Busy);
        assert_eq!(host.ask(a, &frame), busy(command), "{frame}");
    }
}

#[test]
fn events_applied_to_a_view_equal_a_fresh_load() {
    let mut host = Host::new();
    host.log_in_as("agent", "", 1);
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    host.watch_views(&["a", "b", "agent"]);
    for (socket, frame) in [
        (a, r#"{"cmd":7,"group":"G"}"#),
        (b, r#"{"cmd":7,"group":"G"}"#),
        (
            a,
            r#"{"cmd":11,"chatType":1,"groupId":"G","content":"x","id":"k"}"#,
        ),
        (
            a,
            r#"{"cmd":11,"chatType":2,"to":"b","content":"x","id":"k"}"#,
        ),
        (a, r#"{"cmd":15,"id":"k"}"#),
        (b, r#"{"cmd":19,"type":0}"#),
        (b, r#"{"cmd":10,"groupId":"G"}"#),
    ] {
        host.send(socket, frame);
        host.check_views();
    }
    for body in [
        r#"{"senderId":"a","token":"t-a","type":0,"nick":"n"}"#,
        r#"{"senderId":"b","token":"t-b","type":0,"receiverId":"agent"}"#,
    ] {
        host.post("getReceiver", body);
        host.check_views();
    }
}
