//! The rules for lists, reading and sending that a golden pair does not show.

use super::host::Host;
use super::{is_done, names, refused, texts};
use crate::dialect::Ask;
use crate::domain::command::Refusal;
use crate::domain::message::MessageKind;
use crate::domain::query::Query;

#[test]
fn get_msg_answers_after_the_messages_are_read_and_not_before() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.say("s", "a", "?");
    let call = format!("getMsg?shopname=s&{session}");
    host.refuse = Some((|ask| matches!(ask, Ask::Submit(_)), Refusal::Busy));
    assert_eq!(refused(&host.json(&call)).0, -1);
    assert_eq!(texts(&host.json(&call)), ["?"]);
}

#[test]
fn get_msg_asks_nobody_when_nothing_is_unread() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.say("s", "a", "?");
    host.say("t", "a", "?");
    host.group("群", &["s", "a"]);
    host.json(&format!("getMsg?shopname=s&{session}"));
    host.asked.clear();
    for shop in ["s", "nobody", "群", "群+(2)"] {
        assert_eq!(
            texts(&host.json(&format!("getMsg?shopname={shop}&{session}"))),
            [""; 0]
        );
    }
    assert_eq!(host.asked, []);
    host.say("s", "群", "!");
    for shop in ["s", "nobody"] {
        assert_eq!(
            texts(&host.json(&format!("getMsg?shopname={shop}&{session}"))),
            [""; 0]
        );
    }
    assert_eq!(host.asked, []);
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=群&{session}"))),
        ["s: !"]
    );
}

#[test]
fn get_msg_returns_at_most_200_the_oldest_first() {
    let mut host = Host::new();
    let session = host.log_in("a");
    for number in 0..203 {
        host.say("s", "a", &number.to_string());
    }
    let call = format!("getMsg?shopname=s&{session}");
    let expected: Vec<_> = (0..203).map(|number: u32| number.to_string()).collect();
    assert_eq!(texts(&host.json(&call)), expected[..200]);
    assert!(
        host.json(&format!("getUnreadMsgCount?{session}"))
            .contains(":3}")
    );
    assert_eq!(texts(&host.json(&call)), expected[200..]);
}

#[test]
fn history_and_sending_mark_nothing_as_read() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.say("s", "a", "?");
    host.json(&format!("getHistoryMsg?shopname=s&{session}"));
    host.json(&format!("sendMsg?shopname=s&content=!&{session}"));
    assert!(
        host.json(&format!("getUnreadMsgCount?{session}"))
            .contains(":1}")
    );
}

#[test]
fn groups_are_known_by_the_name_under_which_they_are_shown() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.group("群", &["s", "a"]);
    host.group("群", &["t", "a"]);
    host.account("店");
    host.group("店", &["s", "a"]);
    host.say("s", "群", "one");
    host.say("a", "群 (2)", "mine");
    host.say("t", "群", "two");
    host.say("s", "店 (2)", "three");
    assert_eq!(
        names(&host.json(&format!("getFirstShowChatList?{session}"))),
        ["店 (2)", "群 (2)", "群"]
    );
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=群+(2)&{session}"))),
        ["t: two"]
    );
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=店&{session}"))),
        [""; 0]
    );
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=店%20(2)&{session}"))),
        ["s: three"]
    );
    assert_eq!(
        names(&host.json(&format!("getCurrentChatList?{session}"))),
        ["群"]
    );
    let body = host.json(&format!("sendMsg?shopname=群&content=hi&{session}"));
    assert!(body.contains(r#"{"text":"hi","type":0,"#), "{body}");
    let body = host.json(&format!("getHistoryMsg?shopname=群&{session}"));
    assert_eq!(texts(&body), ["one", "hi"]);
    assert!(
        body.contains(r#""from":"s","to":"群"}"#) && body.contains(r#""from":"a","to":"群"}"#),
        "{body}"
    );
}

#[test]
fn lists_hold_at_most_100_conversations() {
    let mut host = Host::new();
    let session = host.log_in("a");
    for number in 0..120 {
        host.say("a", &format!("s{number}"), "!");
    }
    for number in 0..110 {
        host.say(&format!("s{number}"), "a", "?");
    }
    let newest: Vec<_> = (10..110).rev().map(|number| format!("s{number}")).collect();
    for call in ["getFirstShowChatList", "getCurrentChatList"] {
        assert_eq!(names(&host.json(&format!("{call}?{session}"))), newest);
    }
}

#[test]
fn lists_of_a_view_that_keeps_totals_only_come_from_the_store() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.group("群", &["s", "a"]);
    host.say("s", "a", "?");
    host.say("a", "群", "!");
    host.totals_only = true;
    for (call, expected) in [
        ("getFirstShowChatList", &["群", "s"][..]),
        ("getCurrentChatList", &["s"]),
    ] {
        assert_eq!(names(&host.json(&format!("{call}?{session}"))), expected);
        assert!(matches!(
            host.asked.last(),
            Some(Ask::Query(Query::Conversations { rows_max: 100, .. }))
        ));
    }
    assert!(
        host.json(&format!("getUnreadMsgCount?{session}"))
            .contains(":1}")
    );
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=s&{session}"))),
        ["?"]
    );
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=s&{session}"))),
        [""; 0]
    );
}

#[test]
fn pages_out_of_range_are_refused() {
    let mut host = Host::new();
    let session = host.log_in("a");
    for bad in [
        "page_no=0",
        "page_no=-1",
        "page_no=x",
        "page_no=1.5",
        "page_size=0",
        "page_size=101",
        "page_size=x",
    ] {
        assert_eq!(
            refused(&host.json(&format!("getHistoryMsg?shopname=s&{bad}&{session}"))).0,
            1,
            "{bad}"
        );
    }
    for good in [
        "page_size=1",
        "page_size=100",
        "page_no=18446744073709551615",
        "page_no=&page_size=",
    ] {
        assert_eq!(
            texts(&host.json(&format!("getHistoryMsg?shopname=s&{good}&{session}"))),
            [""; 0]
        );
    }
}

#[test]
fn a_message_has_1_byte_to_the_configured_size() {
    let mut host = Host::new();
    host.settings.message_bytes_max = 9;
    let session = host.log_in("a");
    for (content, fits) in [
        ("1", true),
        ("%20", true),
        ("123456789", true),
        ("1234567890", false),
        ("中中中", true),
        ("中中中1", false),
    ] {
        let body = host.json(&format!("sendMsg?shopname=s&content={content}&{session}"));
        assert_eq!(is_done(&body), fits, "{content}");
        if !fits {
            assert_eq!(refused(&body), (1, "消息内容不能超过 9 字节".into()));
        }
    }
}

#[test]
fn only_the_types_of_the_contract_are_sent() {
    let mut host = Host::new();
    let session = host.log_in("a");
    for bad in ["3", "-1", "x", "99999999999"] {
        let body = host.json(&format!(
            "sendMsg?shopname=s&content=c&content_type={bad}&{session}"
        ));
        assert_eq!(refused(&body).0, 1, "{bad}");
    }
    assert!(is_done(&host.json(&format!(
        "sendMsg?shopname=s&content=c&content_type=&{session}"
    ))));
}

#[test]
fn other_kinds_and_recalled_messages_are_text() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.say_as("s", "a", MessageKind::Voice, "http://a/b.amr");
    host.say_as("s", "a", MessageKind::Other(42), "{}");
    host.say_as("s", "a", MessageKind::Image, "http://a/b.png");
    host.recall_newest();
    for call in ["getHistoryMsg", "getMsg"] {
        let body = host.json(&format!("{call}?shopname=s&{session}"));
        assert_eq!(texts(&body), ["[语音] http://a/b.amr", "{}", "[已撤回]"]);
        assert_eq!(body.matches("\"type\":0").count(), 3, "{body}");
    }
}

#[test]
fn the_same_client_id_again_sends_nothing() {
    let mut host = Host::new();
    let session = host.log_in("a");
    let first = host.json(&format!(
        "sendMsg?shopname=s&content=first&client_id=x1&{session}"
    ));
    host.now.0 += 60_000;
    assert_eq!(
        host.json(&format!(
            "sendMsg?shopname=s&content=second&client_id=x1&{session}"
        )),
        first
    );
    assert_eq!(
        texts(&host.json(&format!("getHistoryMsg?shopname=s&{session}"))),
        ["first"]
    );
    let long = "x".repeat(65);
    let body = host.json(&format!(
        "sendMsg?shopname=s&content=c&client_id={long}&{session}"
    ));
    assert_eq!(refused(&body).0, 1);
    assert!(is_done(&host.json(&format!(
        "sendMsg?shopname=s&content=c&client_id={}&{session}",
        &long[1..]
    ))));
}

#[test]
fn nobody_writes_to_themselves() {
    let mut host = Host::new();
    let session = host.log_in("a");
    let body = host.json(&format!("sendMsg?shopname=a&content=c&{session}"));
    assert_eq!(refused(&body), (1, "不能给自己发送消息".into()));
}

#[test]
fn in_an_open_directory_naming_somebody_creates_them() {
    let mut host = Host::new();
    let session = host.log_in("a");
    assert!(is_done(
        &host.json(&format!("sendMsg?shopname=new&content=c&{session}"))
    ));
    let other = host.log_in("new");
    assert_eq!(
        texts(&host.json(&format!("getMsg?shopname=a&{other}"))),
        ["c"]
    );
}

#[test]
fn in_a_closed_directory_nobody_is_created_by_name() {
    let mut host = Host::new();
    host.settings.open_directory = false;
    let session = host.log_in("a");
    host.account("s");
    for call in ["sendMsg", "getMsg", "getHistoryMsg"] {
        let body = host.json(&format!("{call}?shopname=new&content=c&{session}"));
        assert_eq!(refused(&body), (1, "用户不存在".into()), "{call}");
        assert!(
            is_done(&host.json(&format!("{call}?shopname=s&content=c&{session}"))),
            "{call}"
        );
    }
}
