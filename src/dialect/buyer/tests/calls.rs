//! One golden pair or more for every call, as the contract prints it.

use super::host::{Host, Received};
use crate::domain::message::MessageKind;

const EMPTY_LIST: &str = r#"{"state":1,"success":true,"message":"","data":{"msgList":[]}}"#;
const DONE: &str = r#"{"state":1,"success":true,"message":"","data":{}}"#;
const LOGGED_OUT: &str =
    r#"{"state":0,"success":false,"message":"未登录或登录已失效，请重新登录","data":{}}"#;

#[test]
fn register_and_login() {
    let mut host = Host::new();
    let first = host.log_in("wusong4");
    let second = host.log_in("wusong4");
    assert_ne!(first, second);
    for session in [&first, &second] {
        let (_, token) = session.split_once("token=").expect("a token");
        assert_eq!(token.len(), 25);
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
        assert_eq!(
            host.json(&format!("getUnreadMsgCount?{session}")),
            r#"{"state":1,"success":true,"message":"","data":{"unReadMsgCount":0}}"#
        );
    }
}

#[test]
fn logout() {
    let mut host = Host::new();
    let [first, second] = [host.log_in("zhouyu"), host.log_in("zhouyu")];
    host.get(&format!("getUnreadMsgCount?{first}"));
    assert_eq!(host.json(&format!("logout?{first}")), DONE);
    assert_eq!(host.json(&format!("logout?{first}")), LOGGED_OUT);
    assert_eq!(host.json(&format!("getUnreadMsgCount?{first}")), LOGGED_OUT);
    assert_eq!(host.json(&format!("logout?{second}")), DONE);
}

#[test]
fn lists() {
    let mut host = Host::new();
    let session = host.log_in("chaogai");
    let first = format!("getFirstShowChatList?{session}");
    let current = format!("getCurrentChatList?{session}");
    let list = |rows: &str| {
        format!(r#"{{"state":1,"success":true,"message":"","data":{{"mlist":[{rows}]}}}}"#)
    };
    assert_eq!(host.json(&first), list(""));
    for text in ["a", "b", "c"] {
        host.say("sunsanniang", "chaogai", text);
    }
    host.say("chaogai", "zhouyu", "d");
    assert_eq!(
        host.json(&first),
        list(r#"{"unread":"0","cname":"zhouyu"},{"unread":"3","cname":"sunsanniang"}"#)
    );
    assert_eq!(
        host.json(&current),
        list(r#"{"unread":"3","cname":"sunsanniang"}"#)
    );
    host.get(&format!("getMsg?shopname=sunsanniang&{session}"));
    assert_eq!(host.json(&current), list(""));
}

#[test]
fn get_history_msg() {
    let mut host = Host::new();
    let session = host.log_in("chaogai");
    host.say("sunsanniang", "chaogai", "aaa");
    host.say("chaogai", "sunsanniang", "bb");
    host.say_as(
        "sunsanniang",
        "chaogai",
        MessageKind::Image,
        "http://a/b.png",
    );
    assert_eq!(
        host.json(&format!(
            "getHistoryMsg?shopname=sunsanniang&{session}&page_no=1&page_size=2"
        )),
        r#"{"state":1,"success":true,"message":"","data":{"buyer_name":"chaogai","current_page_no":1,"current_page_size":2,"detailList":[{"text":"bb","type":0,"time":"2017-06-16 17:45:02","from":"chaogai","to":"sunsanniang"},{"text":"http://a/b.png","type":1,"time":"2017-06-16 17:45:03","from":"sunsanniang","to":"chaogai"}]}}"#
    );
    assert_eq!(
        host.json(&format!(
            "getHistoryMsg?shopname=sunsanniang&{session}&page_no=2&page_size=2"
        )),
        r#"{"state":1,"success":true,"message":"","data":{"buyer_name":"chaogai","current_page_no":2,"current_page_size":2,"detailList":[{"text":"aaa","type":0,"time":"2017-06-16 17:45:01","from":"sunsanniang","to":"chaogai"}]}}"#
    );
    assert_eq!(
        host.json(&format!(
            "getHistoryMsg?shopname=sunsanniang&{session}&page_no=3&page_size="
        )),
        r#"{"state":1,"success":true,"message":"","data":{"buyer_name":"chaogai","current_page_no":3,"current_page_size":10,"detailList":[]}}"#
    );
}

#[test]
fn get_msg() {
    let mut host = Host::new();
    let session = host.log_in("chaogai");
    let call = format!("getMsg?shopname=sunsanniang&{session}");
    assert_eq!(host.json(&call), EMPTY_LIST);
    host.say("sunsanniang", "chaogai", "fffff");
    host.say("chaogai", "sunsanniang", "mine");
    host.say_as("sunsanniang", "chaogai", MessageKind::Product, "{}");
    assert_eq!(
        host.json(&call),
        r#"{"state":1,"success":true,"message":"","data":{"msgList":[{"text":"fffff","type":0,"time":"2017-06-16 17:45:01"},{"text":"{}","type":2,"time":"2017-06-16 17:45:03"}]}}"#
    );
    assert_eq!(host.json(&call), EMPTY_LIST);
}

#[test]
fn send_msg() {
    let mut host = Host::new();
    let session = host.log_in("chaogai");
    let call = format!("sendMsg?content=wowo&shopname=sunsanniang&{session}");
    assert_eq!(
        host.json(&call),
        r#"{"state":1,"success":true,"message":"","data":{"msg":{"text":"wowo","type":0,"time":"2017-06-16 17:45:01"}}}"#
    );
    for kind in ["1", "2"] {
        let body = host.json(&format!("{call}&content_type={kind}"));
        assert!(
            body.contains(&format!(r#""text":"wowo","type":{kind},"#)),
            "{body}"
        );
    }
    let shop = host.log_in("sunsanniang");
    let body = host.json(&format!("getMsg?shopname=chaogai&{shop}"));
    assert_eq!(body.matches("wowo").count(), 3, "{body}");
}

#[test]
fn get_unread_msg_count() {
    let mut host = Host::new();
    let session = host.log_in("sunsanniang");
    for from in ["a", "b", "b"] {
        host.say(from, "sunsanniang", "?");
    }
    host.group("g", &["a", "sunsanniang"]);
    host.say("a", "g", "!");
    host.say("sunsanniang", "g", "!");
    let expected = Received {
        status: 200,
        content_type: "application/json",
        headers: vec![],
        body: r#"{"state":1,"success":true,"message":"","data":{"unReadMsgCount":4}}"#.into(),
    };
    let call = format!("getUnreadMsgCount?{session}");
    assert_eq!(host.get(&call), expected);
    host.asked.clear();
    assert_eq!(host.get(&call), expected);
    assert_eq!(host.asked, [], "answered from memory");
}

#[test]
fn jsonp() {
    let mut host = Host::new();
    let session = host.log_in("chaogai");
    assert_eq!(
        host.get(&format!("getUnreadMsgCount?{session}&jsonpCallback=$.jQuery_1")),
        Received {
            status: 200,
            content_type: "application/javascript; charset=utf-8",
            headers: vec![("X-Content-Type-Options", "nosniff".into())],
            body: r#"/**/$.jQuery_1({"state":1,"success":true,"message":"","data":{"unReadMsgCount":0}});"#.into(),
        }
    );
}
