//! Parameters mean the same wherever they stand.

use std::fmt::Write;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::host::{Host, Received};

const NAMES: [&str; 8] = [
    "buyer_name",
    "token",
    "shopname",
    "content",
    "content_type",
    "client_id",
    "page_no",
    "jsonpCallback",
];

type Pairs = Vec<(String, Option<String>)>;

/// A server in which every request meets the same state, and a session of `a`.
fn host() -> (Host, String) {
    let mut host = Host::new();
    host.say("s", "a", "在吗");
    let session = host.log_in("a");
    let (_, token) = session.split_once("token=").expect("a token");
    (host, token.into())
}

fn form(pairs: &Pairs) -> String {
    let encode = |text: &str| {
        utf8_percent_encode(text, NON_ALPHANUMERIC)
            .to_string()
            .replace("%20", "+")
    };
    let pairs = pairs.iter().map(|(name, value)| {
        format!(
            "{}={}",
            encode(name),
            encode(value.as_deref().unwrap_or(""))
        )
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn multipart(pairs: &Pairs) -> String {
    let mut body = String::new();
    for (name, value) in pairs {
        let value = value.as_deref().unwrap_or("");
        let _ = write!(
            body,
            "--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body + "--b0undary--"
}

/// Numbers as numbers, since strings can stand for them and they for strings.
fn json(pairs: &Pairs, with_mark: bool) -> String {
    let fields = pairs.iter().map(|(name, value)| {
        let value = match value {
            None => "null".into(),
            Some(value) if value.parse().is_ok_and(|n: u32| n.to_string() == *value) => {
                value.clone()
            }
            Some(value) => serde_json::to_string(value).expect("a string"),
        };
        format!(
            " {} : {value}",
            serde_json::to_string(name).expect("a string")
        )
    });
    let mark = if with_mark { "\u{feff}" } else { "" };
    format!("{mark} {{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn ask(call: &str, encoding: usize, pairs: &Pairs) -> Received {
    let (mut host, token) = host();
    let mut pairs = pairs.clone();
    for (_, value) in &mut pairs {
        if value.as_deref() == Some("TOKEN") {
            *value = Some(token.clone());
        }
    }
    match encoding {
        0 => host.get(&format!("{call}?{}", form(&pairs))),
        1 => host.post(
            call,
            "application/x-www-form-urlencoded; charset=UTF-8",
            form(&pairs).as_bytes(),
        ),
        2 => host.post(
            call,
            "multipart/form-data; boundary=b0undary",
            multipart(&pairs).as_bytes(),
        ),
        3 => host.post(
            call,
            "application/json;charset=utf-8",
            json(&pairs, false).as_bytes(),
        ),
        4 => host.post(call, "text/plain", json(&pairs, true).as_bytes()),
        _ => {
            let (query, body) = pairs.split_at(pairs.len() / 2);
            let call = format!("{call}?{}", form(&query.to_vec()));
            host.post(
                &call,
                "application/x-www-form-urlencoded",
                form(&body.to_vec()).as_bytes(),
            )
        }
    }
}

fn value() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(String::new())),
        2 => (0..120u32).prop_map(|number| Some(number.to_string())),
        3 => "\\PC{1,8}".prop_map(Some),
        4 => prop::sample::select(vec!["TOKEN", "a", "s", "f", "0", "1"]).prop_map(|text| Some(text.into())),
    ]
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let likely = prop::sample::subsequence(
        vec![
            ("buyer_name", "a"),
            ("token", "TOKEN"),
            ("shopname", "s"),
            ("content", "c"),
        ],
        0..=4,
    )
    .prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
    });
    let name = prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(String::from), 1 => "[a-z]{1,9}"];
    let others = prop::collection::vec((name, value()), 0..5);
    (likely, others).prop_map(|(likely, others)| likely.chain(others).collect())
}

proptest! {
    #[test]
    fn the_same_parameters_give_the_same_answer_wherever_they_stand(
        call in prop::sample::select(vec!["sendMsg", "getHistoryMsg", "getMsg", "registerAndLogin", "getUnreadMsgCount"]),
        pairs in pairs(),
    ) {
        let first = ask(call, 0, &pairs);
        for encoding in 1..=5 {
            prop_assert_eq!(&ask(call, encoding, &pairs), &first, "encoding {}", encoding);
        }
    }
}

#[test]
fn json_is_read_with_tolerance() {
    let (mut host, token) = host();
    let mut said = |fields: &str, content_type: &str| {
        let body =
            format!("{{\"buyer_name\":\"a\",\"token\":\"{token}\",\"shopname\":\"s\",{fields}}}");
        let body = host.post("sendMsg", content_type, body.as_bytes()).body;
        let json: serde_json::Value = serde_json::from_str(&body).expect(&body);
        json["data"]["msg"]
            .as_object()
            .map(|msg| format!("{} {}", msg["text"].as_str().expect("text"), msg["type"]))
    };
    for (fields, expected) in [
        (r#""content":"c","content_type":2"#, Some("c 2")),
        (
            r#""content":"c","content_type":"2","unknown":[{"a":[null]}]"#,
            Some("c 2"),
        ),
        (
            r#""content":"c","content_type":null,"client_id":null"#,
            Some("c 0"),
        ),
        (r#""content":12.5"#, Some("12.5 0")),
        (r#""content":-7,"content_type":1.0"#, Some("-7 1")),
        (r#""content":true"#, Some("true 0")),
        (
            r#""content":"\u4e2d\ud83d\ude00\n""#,
            Some("中\u{1F600}\n 0"),
        ),
        (
            r#""content":"","content":"second","content":"third""#,
            Some("second 0"),
        ),
        (r#""content":{"text":"c"}"#, None),
        (r#""content":["c"]"#, None),
        (r#""content":"c","x":[}"#, None),
        (r#""content":"\ud800""#, None),
    ] {
        for content_type in [
            "application/json",
            "APPLICATION/JSON; charset=utf-8",
            "application/x-www-form-urlencoded",
            "x",
        ] {
            assert_eq!(said(fields, content_type).as_deref(), expected, "{fields}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let (mut host, _) = host();
    let deep = format!("{{\"x\":{}}}", "[".repeat(100_000));
    for (content_type, body, reason) in [
        (
            "application/json",
            &b"[1]"[..],
            "请求体不是合法的 JSON 对象",
        ),
        ("application/json", b"{} x", "请求体不是合法的 JSON 对象"),
        (
            "application/json",
            b"{\"token\":\"\xff\"}",
            "请求体不是合法的 JSON 对象",
        ),
        (
            "application/json",
            deep.as_bytes(),
            "请求体不是合法的 JSON 对象",
        ),
        (
            "application/json",
            b"{\"token\":{}}",
            "参数 token 的类型不正确",
        ),
        (
            "application/x-www-form-urlencoded",
            b"token=%ff",
            "参数不是 UTF-8 编码",
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n\xff\r\n--b--",
            "参数不是 UTF-8 编码",
        ),
        (
            "multipart/form-data",
            b"--b--",
            "表单数据不合法（bad boundary）",
        ),
    ] {
        let received = host.post("getMsg?jsonpCallback=f", content_type, body);
        let expected = format!(
            "/**/f({{\"state\":1,\"success\":false,\"message\":\"{reason}\",\"data\":{{}}}});"
        );
        assert_eq!((received.status, received.body), (200, expected));
    }
}

#[test]
fn the_query_stands_before_the_body_and_the_first_value_before_the_second() {
    let (mut host, token) = host();
    let body = format!("buyer_name=b&token={token}&content=from+the+body");
    let call = "sendMsg?buyer_name=&buyer_name=a&shopname=s&shopname=t";
    let received = host.post(call, "application/x-www-form-urlencoded", body.as_bytes());
    assert!(received.body.contains("from the body"), "{}", received.body);
    let received = host.get(&format!(
        "getHistoryMsg?shopname=s&buyer_name=a&token={token}"
    ));
    assert!(received.body.contains("from the body"), "{}", received.body);
}
