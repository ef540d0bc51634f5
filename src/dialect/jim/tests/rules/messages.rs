//! Messages sent, pushed and recalled.

use super::*;

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
