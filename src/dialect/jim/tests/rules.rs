//! What the contract leaves open, settled: a test for each rule.

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
fn messages_that_cannot_be_sent() {
    let mut host = Host::new();
    host.settings.message_bytes_max = 10;
    let socket = host.log_in("a");
    let long_id = format!(r#","id":"{}""#, "x".repeat(65));
    let long_extras = format!(r#","extras":{{"k":"{}"}}"#, "x".repeat(4096));
    for frame in [
        r#"{"cmd":11,"to":"b","content":"x"}"#.to_owned(),
        r#"{"cmd":11,"chatType":3,"to":"b","content":"x"}"#.into(),
        r#"{"cmd":11,"chatType":2,"content":"x"}"#.into(),
        r#"{"cmd":11,"chatType":2,"to":"","content":"x"}"#.into(),
        r#"{"cmd":11,"chatType":1,"to":"b","content":"x"}"#.into(),
        r#"{"cmd":11,"chatType":2,"to":"b"}"#.into(),
        r#"{"cmd":11,"chatType":2,"to":"b","content":""}"#.into(),
        r#"{"cmd":11,"chatType":1,"groupId":"nowhere","content":"x"}"#.into(),
        say("a", "to oneself", ""),
        say("b", "eleven byte", ""),
        say("b", "x", r#","msgType":"x""#),
        say("b", "x", r#","msgType":99999999999"#),
        say("b", "x", r#","extras":[1]"#),
        say("b\\u0001", "x", ""),
        say("b", "x", &long_id),
        say("b", "x", &long_extras),
    ] {
        assert_eq!(host.ask(socket, &frame), NOT_SENT, "{frame}");
    }
    assert_eq!(host.ask(socket, &say("b", "ten bytes!", "")), OFFLINE);
    let mut closed = Host::with_policy(false, 9);
    let socket = closed.log_in("a");
    assert_eq!(
        closed.ask(socket, &say("b", "x", "")),
        NOT_SENT,
        "nobody may be named"
    );
}

#[test]
fn a_message_is_stored_whether_its_recipient_is_online_or_not() {
    let mut host = Host::new();
    let a = host.log_in("a");
    assert_eq!(host.ask(a, &say("b", "1", "")), OFFLINE);
    let b = host.log_in("b");
    assert_eq!(host.ask(a, &say("b", "2", "")), SENT);
    host.close(b);
    assert_eq!(host.ask(a, &say("b", "3", "")), OFFLINE);
    let b = host.log_in("b");
    let unread = host.ask(b, r#"{"cmd":19,"type":0}"#);
    assert_eq!(values(&unread, "content"), ["1", "2", "3"]);
}

#[test]
fn a_repeated_id_stores_and_pushes_nothing_and_gets_the_answer_of_now() {
    let mut host = Host::new();
    let a = host.log_in("a");
    let frame = say("b", "first", r#","id":"k""#);
    assert_eq!(host.ask(a, &frame), OFFLINE);
    let b = host.log_in("b");
    assert_eq!(host.ask(a, &frame.replace("first", "second")), SENT);
    assert!(host.take(b).is_empty());
    let unread = host.ask(b, r#"{"cmd":19,"type":0}"#);
    assert_eq!(values(&unread, "content"), ["first"]);
}

#[test]
fn every_connection_of_the_recipient_is_pushed_and_none_of_the_sender() {
    let mut host = Host::new();
    let (a1, a2, b1) = (host.log_in("a"), host.log_in("a"), host.log_in("b"));
    let b2 = host.log_in("b");
    host.send(a1, &say("b", "x", r#","id":"k""#));
    let (one, two) = (host.take(b1), host.take(b2));
    assert_eq!((one.len(), &one), (1, &two));
    assert!(host.take(a2).is_empty());
}

#[test]
fn what_is_missing_of_a_message_is_made() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    host.send(a, r#"{"cmd":11,"chatType":2,"to":"b","content":"x"}"#);
    let push = host.take(b).remove(0);
    let id = values(&push, "id")[0];
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    assert!(
        push.contains(r#""createTime":1568380291479,"#) && push.contains(r#""msgType":0"#),
        "{push}"
    );
    let history = host.ask(b, r#"{"cmd":19,"type":1,"fromUserId":"a"}"#);
    assert_eq!(
        values(&history, "id"),
        [id],
        "always under the id of the push"
    );
}

#[test]
fn bodies_that_are_no_strings_are_shown_as_json_here_and_as_text_elsewhere() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    for (content, here, elsewhere) in [
        (
            r#"{ "text" : "在吗", 'n':[1, 2] }"#,
            r#"{\"text\":\"在吗\",\"n\":[1,2]}"#,
            "在吗",
        ),
        (r#"{"asd":1}"#, r#"{\"asd\":1}"#, r#"{"asd":1}"#),
        (r#"{"text":""}"#, r#"{\"text\":\"\"}"#, r#"{"text":""}"#),
        ("12.5", "12.5", "12.5"),
        ("[true, null]", "[true,null]", "[true,null]"),
    ] {
        let frame = format!(
            r#"{{"cmd":11,"chatType":2,"to":"b","content":{content},"createTime":1,"id":"{}"}}"#,
            content.len()
        );
        host.send(a, &frame);
        let push = host.take(b).remove(0);
        assert!(push.contains(&format!("\"content\":\"{here}\",")), "{push}");
        let account = host.account("b");
        let query = crate::domain::query::Query::History {
            account,
            peer: crate::domain::command::Peer::Account(Who::Name("a".into())),
            page: 1,
            size: 1,
        };
        let crate::domain::query::Answer::History(Some(page)) = host.query(&query) else {
            panic!("no page")
        };
        let shown = crate::dialect::kinds::shown(Dialect::Buyer, &page.messages[0]);
        assert_eq!(shown.text().concat(), elsewhere);
    }
}

#[test]
fn kinds_of_other_dialects_are_text_and_unknown_numbers_are_kept() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    for (number, shown, content) in [
        (0, 0, "x"),
        (1, 1, "x"),
        (2, 2, "x"),
        (3, 0, "[图片] x"),
        (8, 0, "[位置] x"),
        (77, 77, "x"),
        (-1, -1, "x"),
    ] {
        host.send(a, &say("b", "x", &format!(r#","msgType":{number}"#)));
        let push = host.take(b).remove(0);
        assert!(push.contains(&format!(r#""msgType":{shown},"#)), "{push}");
        assert_eq!(values(&push, "content"), [content]);
    }
}

#[test]
fn plain_text_from_elsewhere_is_wrapped_if_that_was_settled() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    for (field, content) in [
        (None, r#""content":"say \"hi\"""#),
        (Some("text"), r#""content":"{\"text\":\"say \\\"hi\\\"\"}""#),
    ] {
        host.settings.jim_text_field = field.map(str::to_owned);
        host.say("c", "b", MessageKind::Text, "say \"hi\"");
        let push = host.take(b).remove(0);
        assert!(push.contains(content), "{push}");
    }
    host.send(a, &say("b", "own", ""));
    assert_eq!(values(&host.take(b)[0], "content"), ["own"]);
}

#[test]
fn unread_is_marked_by_type_0_only_and_for_the_conversation_that_was_asked() {
    let mut host = Host::new();
    let b = host.log_in("b");
    for (from, text) in [("a", "1"), ("c", "2"), ("a", "3")] {
        host.say(from, "b", MessageKind::Text, text);
    }
    host.take(b);
    for _ in 0..2 {
        let unread = host.ask(b, r#"{"cmd":19,"type":2}"#);
        assert_eq!(
            values(&unread, "content"),
            ["1", "3", "2"],
            "by name, then old to new"
        );
    }
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":0,"fromUserId":"c"}"#),
            "content"
        ),
        ["2"]
    );
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":0,"userId":"b"}"#),
            "content"
        ),
        ["1", "3"]
    );
    assert!(values(&host.ask(b, r#"{"cmd":19,"type":2}"#), "content").is_empty());
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":1,"fromUserId":"a"}"#),
            "content"
        ),
        ["1", "3"]
    );
    let nobody = host.ask(b, r#"{"cmd":19,"type":0,"fromUserId":"nobody"}"#);
    assert!(nobody.contains(r#""friends":{},"groups":{}"#), "{nobody}");
}

#[test]
fn what_is_not_returned_is_not_marked() {
    let mut host = Host::new();
    let b = host.log_in("b");
    let large = "x".repeat(60_000);
    for from in ["a", "c", "a"] {
        for _ in 0..10 {
            host.say(from, "b", MessageKind::Text, &large);
        }
    }
    host.take(b);
    let mut rows = 0;
    loop {
        let answer = host.ask(b, r#"{"cmd":19,"type":0}"#);
        assert!(answer.len() <= 1024 * 1024);
        match values(&answer, "id").len() {
            0 => break,
            given => rows += given,
        }
    }
    assert_eq!(rows, 30);
    for _ in 0..1_001 {
        host.say("a", "b", MessageKind::Text, "y");
    }
    host.take(b);
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":0,"fromUserId":"a"}"#),
            "id"
        )
        .len(),
        1_000
    );
    assert_eq!(
        values(&host.ask(b, r#"{"cmd":19,"type":0}"#), "id").len(),
        1
    );
    assert_eq!(
        values(
            &host.ask(b, r#"{"cmd":19,"type":1,"fromUserId":"c"}"#),
            "id"
        )
        .len(),
        10
    );
}

#[test]
fn history_by_time_and_by_count() {
    let mut host = Host::new();
    let b = host.log_in("b");
    let begin = host.now.0 / 1_000;
    for text in ["0", "1", "2", "3", "4"] {
        host.say("a", "b", MessageKind::Text, text);
    }
    host.take(b);
    let mut history = |rest: String| {
        let answer = host.ask(
            b,
            &format!(r#"{{"cmd":19,"type":1,"userId":"b","fromUserId":"a"{rest}}}"#),
        );
        values(&answer, "content").concat()
    };
    let range = |from: i64, to: i64| format!(r#","beginTime":{from},"endTime":{to}"#);
    let (second, ms) = (begin, begin * 1_000 + 479);
    assert_eq!(
        history(range(ms + 1_000, ms + 3_000)),
        "123",
        "both ends count"
    );
    assert_eq!(history(range(ms + 1_001, ms + 2_999)), "2");
    assert_eq!(history(range(second + 1, second + 2)), "12", "in seconds");
    assert_eq!(history(range(ms - 9, ms - 1)), "");
    assert_eq!(history(range(ms + 9_000, ms + 9_999)), "");
    assert_eq!(history(range(ms, 99_999_999_999_999)), "01234");
    assert_eq!(history(r#","offset":"1","count":"2""#.into()), "12");
    assert_eq!(history(r#","offset":4,"count":1000"#.into()), "4");
    assert_eq!(history(r#","offset":5,"count":1"#.into()), "");
    assert_eq!(history(r#","offset":0,"count":0"#.into()), "");
    assert_eq!(
        history(range(ms + 1_000, ms + 3_000) + r#","offset":1,"count":1"#),
        "2"
    );
    assert_eq!(history(String::new()), "01234");
}

#[test]
fn requests_for_messages_that_are_wrong() {
    let mut host = Host::new();
    let a = host.log_in("a");
    for rest in [
        r#""type":3"#,
        r#""userId":"a""#,
        r#""type":"x""#,
        r#""type":1"#,
        r#""type":1,"fromUserId":"b","beginTime":1"#,
        r#""type":1,"fromUserId":"b","endTime":1"#,
        r#""type":1,"fromUserId":"b","offset":1"#,
        r#""type":1,"fromUserId":"b","count":1"#,
        r#""type":1,"fromUserId":"b","offset":-1,"count":1"#,
        r#""type":1,"fromUserId":"b","offset":0,"count":1001"#,
        r#""type":0,"groupId":"nowhere""#,
        r#""type":1,"groupId":"c0000000000000099""#,
        r#""type":0,"fromUserId":"b","groupId":"g""#,
    ] {
        assert_eq!(
            host.ask(a, &format!(r#"{{"cmd":19,{rest}}}"#)),
            NO_MESSAGES,
            "{rest}"
        );
    }
    let (_, elsewhere) = group_elsewhere(&mut host, &["x", "y"]);
    assert_eq!(
        host.ask(
            a,
            &format!(r#"{{"cmd":19,"type":1,"groupId":"{elsewhere}"}}"#)
        ),
        NO_MESSAGES
    );
    let ignored = host.ask(
        a,
        r#"{"cmd":19,"type":2,"fromUserId":"b","offset":-1,"count":"x"}"#,
    );
    assert!(ignored.contains("10018"), "{ignored}");
}

#[test]
fn contacts_by_pull_type_and_search() {
    let mut host = Host::new();
    let a = host.log_in("a");
    host.log_in_as("Lizi", "栗子 Li", 0);
    host.say("old", "a", MessageKind::Text, "x");
    host.take(a);
    host.ask(a, r#"{"cmd":19,"type":0}"#);
    host.now.0 += 2 * 24 * 3600 * 1_000;
    host.say("a", "Lizi", MessageKind::Text, "from a");
    host.say("new", "a", MessageKind::Text, "x");
    host.take(a);
    let mut pull = |extras: &str| {
        let answer = host.ask(a, &format!(r#"{{"cmd":17,"type":"2","extras":{extras}}}"#));
        let mut ids: Vec<String> = values(&answer, "userId")
            .iter()
            .map(|id| (*id).to_owned())
            .collect();
        assert!(ids.is_empty() || ids.pop().as_deref() == Some("a"));
        ids.join(" ")
    };
    assert_eq!(pull("null"), "new Lizi old");
    assert_eq!(pull(r#"{"pullType":"1"}"#), "new Lizi old");
    assert_eq!(pull(r#"{"pullType":2}"#), "new");
    assert_eq!(pull(r#"{"pullType":3}"#), "new Lizi");
    assert_eq!(pull(r#"{"searchKey":"LI"}"#), "Lizi");
    assert_eq!(pull(r#"{"searchKey":"栗"}"#), "Lizi");
    assert_eq!(pull(r#"{"searchKey":"nobody"}"#), "");
    for wrong in [
        r#"{"cmd":17}"#,
        r#"{"cmd":17,"type":3}"#,
        r#"{"cmd":17,"type":2,"extras":{"pullType":4}}"#,
        r#"{"cmd":17,"type":2,"extras":[]}"#,
    ] {
        assert_eq!(host.ask(a, wrong), NO_USER, "{wrong}");
    }
}

#[test]
fn details_show_the_newest_ten_messages() {
    let mut host = Host::new();
    let a = host.log_in("a");
    for number in 0..12 {
        host.say("b", "a", MessageKind::Text, &number.to_string());
    }
    host.take(a);
    let answer = host.ask(a, r#"{"cmd":17,"type":2}"#);
    assert_eq!(
        values(&answer, "content"),
        ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]
    );
    assert!(answer.contains(r#""unReadNum":12"#));
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
fn recalls_are_ones_own_and_within_two_minutes() {
    let mut host = Host::new();
    let (a, b) = (host.log_in("a"), host.log_in("b"));
    host.send(a, &say("b", "1", r#","id":"k""#));
    host.send(a, r#"{"cmd":11,"chatType":2,"to":"b","content":"2"}"#);
    let pushed = host.take(b);
    let made = values(&pushed[1], "id")[0].to_owned();
    assert_eq!(host.ask(b, r#"{"cmd":15,"id":"k"}"#), NOT_RECALLED);
    assert_eq!(
        host.ask(b, &format!(r#"{{"cmd":15,"id":"{made}"}}"#)),
        NOT_RECALLED
    );
    for wrong in [r#"{"cmd":15}"#, r#"{"cmd":15,"id":"unknown"}"#] {
        assert_eq!(host.ask(a, wrong), NOT_RECALLED);
    }
    host.now.0 += 2 * 60 * 1_000;
    let told = host.send(a, &format!(r#"{{"cmd":15,"id":"{made}"}}"#));
    assert_eq!(told.last().map(String::as_str), Some(RECALLED));
    assert_eq!(
        host.take(b),
        [format!(
            r#"{{"command":15,"data":{{"from":"a","id":"{made}"}}}}"#
        )]
    );
    assert_eq!(
        host.ask(a, &format!(r#"{{"cmd":15,"id":"{made}"}}"#)),
        RECALLED,
        "told once"
    );
    host.now.0 += 1;
    assert_eq!(host.ask(a, r#"{"cmd":15,"id":"k"}"#), NOT_RECALLED);
    let unread = host.ask(b, r#"{"cmd":19,"type":2}"#);
    assert_eq!(
        values(&unread, "content"),
        ["1", ""],
        "its place and its count stay"
    );
    assert_eq!(
        host.ask(a, &say("b", "again", r#","id":"k""#)),
        SENT,
        "its key is kept"
    );
    assert!(host.take(b).is_empty());
}

#[test]
fn a_groups_owner_recalls_anything_there() {
    let mut host = Host::new();
    let (owner, member) = (host.log_in("a"), host.log_in("b"));
    for socket in [owner, member] {
        host.send(socket, r#"{"cmd":7,"group":"G"}"#);
    }
    host.send(
        member,
        r#"{"cmd":11,"chatType":1,"groupId":"G","content":"x","id":"k"}"#,
    );
    host.now.0 += 3_600_000;
    host.send(
        owner,
        r#"{"cmd":11,"chatType":1,"groupId":"G","content":"y","id":"k2"}"#,
    );
    host.now.0 += 3_600_000;
    host.take(owner);
    host.take(member);
    assert_eq!(host.ask(owner, r#"{"cmd":15,"id":"k"}"#), NOT_RECALLED);
    assert_eq!(
        host.ask(owner, r#"{"cmd":15,"id":"k","from":"b"}"#),
        not_yours(16)
    );
    assert_eq!(
        host.ask(member, r#"{"cmd":15,"id":"k2","from":"a","groupId":"G"}"#),
        NOT_RECALLED
    );
    let push = r#"{"command":15,"data":{"from":"b","id":"k"}}"#;
    assert_eq!(
        host.send(owner, r#"{"cmd":15,"id":"k","from":"b","groupId":"G"}"#),
        [push, RECALLED]
    );
    assert_eq!(host.take(member), [push]);
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
