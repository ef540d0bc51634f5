//! The rules for all calls: addresses, sessions, the forms of answers, who may log others in.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::host::{Host, IsMeant, NOW, Received};
use super::{is_done, refused};
use crate::dialect::{AppKey, Ask, CallResult, route, routes};
use crate::domain::command::{Command, Refusal};
use crate::domain::ids::TimeMs;
use crate::proto::http::head::Method;

#[test]
fn every_call_has_its_path_methods_and_limits() {
    let host = Host::new();
    let calls: Vec<_> = routes()
        .filter_map(|known| Some((known, known.name.strip_prefix("buyer.")?)))
        .collect();
    assert_eq!(calls.len(), 9);
    for (known, call) in calls {
        let found = route(&format!("/soa-im/buyer/{call}")).expect("a call");
        assert_eq!(found.name, known.name);
        let is_upload = call == "uploadImage";
        let methods: &[Method] = if is_upload {
            &[Method::Post]
        } else {
            &[Method::Get, Method::Post]
        };
        assert_eq!((found.methods, found.length_required), (methods, is_upload));
        let bytes_max = if is_upload {
            4 * 1024 + 128 * 1024
        } else {
            512 * 1024
        };
        assert_eq!((found.body_bytes_max)(&host.settings), bytes_max);
    }
    for path in [
        "/soa-im/buyer/",
        "/soa-im/buyer/getmsg",
        "/buyer/getMsg",
        "/soa-im/buyer/getMsg/",
        "*",
        "",
    ] {
        assert!(route(path).is_none(), "{path}");
    }
}

#[test]
fn repeated_slashes_in_a_path_count_as_one() {
    let mut host = Host::new();
    let session = host.log_in("a");
    let request =
        format!("GET /soa-im//buyer///getUnreadMsgCount?{session} HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(is_done(&host.request(request.as_bytes()).body));
}

#[test]
fn a_session_that_is_missing_unknown_or_not_that_buyers_is_state_0() {
    let mut host = Host::new();
    let session = host.log_in("a");
    let (_, token) = session.split_once("token=").expect("a token");
    host.log_in("b");
    let calls = [
        "logout",
        "getFirstShowChatList",
        "getCurrentChatList",
        "getHistoryMsg",
        "getMsg",
        "sendMsg",
        "getUnreadMsgCount",
    ];
    for call in calls {
        for bad in [
            "buyer_name=a".into(),
            "buyer_name=a&token=".into(),
            "buyer_name=a&token=zzz".into(),
            format!("buyer_name=a&token={}", "z".repeat(300)),
            format!("buyer_name=b&token={token}"),
            format!("buyer_name=A&token={token}"),
        ] {
            let body = host.json(&format!("{call}?{bad}&shopname=s&content=c"));
            assert_eq!(refused(&body).0, 0, "{call}?{bad}");
            assert_eq!(host.result, Some(CallResult::Unauthorized));
        }
        let body = host.json(&format!("{call}?token={token}&shopname=s&content=c"));
        assert_eq!(
            refused(&body),
            (0, "缺少参数 buyer_name，请重新登录".into()),
            "{call}"
        );
        assert_eq!(host.result, Some(CallResult::Unauthorized));
    }
    // The session comes first even where something else is wrong too, whether it is in memory or not.
    assert_eq!(refused(&host.json("sendMsg?buyer_name=a&token=zzz")).0, 0);
    assert_eq!(
        refused(&host.json(&format!("sendMsg?buyer_name=b&token={token}"))).0,
        0
    );
    assert!(is_done(&host.json(&format!("getUnreadMsgCount?{session}"))));
}

#[test]
fn a_token_ends_when_it_was_not_used_for_its_time() {
    let mut host = Host::new();
    let session = host.log_in("a");
    let call = format!("getUnreadMsgCount?{session}");
    assert!(is_done(&host.json(&call)));
    host.now.0 += host.settings.token_idle_ms_max - 1;
    assert!(is_done(&host.json(&call)));
}

#[test]
fn missing_parameters_are_named() {
    let mut host = Host::new();
    let session = host.log_in("a");
    for (call, missing) in [
        ("getHistoryMsg", "shopname"),
        ("getMsg", "shopname"),
        ("getMsg?shopname=", "shopname"),
        ("sendMsg?content=c", "shopname"),
        ("sendMsg?shopname=s", "content"),
        ("sendMsg?shopname=s&content=", "content"),
    ] {
        let mark = if call.contains('?') { '&' } else { '?' };
        let body = host.json(&format!("{call}{mark}{session}"));
        assert_eq!(refused(&body), (1, format!("缺少参数 {missing}")));
    }
    assert_eq!(
        refused(&host.json("registerAndLogin")),
        (1, "缺少参数 buyer_name".into())
    );
}

#[test]
fn a_buyers_name_has_1_to_64_characters_and_no_slash() {
    let mut host = Host::new();
    for good in ["a".into(), "%E4%B9%B0".repeat(64), "a%20b".into()] {
        assert!(
            is_done(&host.json(&format!("registerAndLogin?buyer_name={good}"))),
            "{good}"
        );
    }
    for bad in [
        "a".repeat(65),
        "%F0%9F%98%80".repeat(64),
        "a/b".into(),
        "%2F".into(),
        "a%0Ab".into(),
    ] {
        assert_eq!(
            refused(&host.json(&format!("registerAndLogin?buyer_name={bad}"))).0,
            1,
            "{bad}"
        );
    }
}

#[test]
fn a_callback_that_is_no_name_is_refused_in_plain_json() {
    let mut host = Host::new();
    let session = host.log_in("a");
    let too_long = "a".repeat(65);
    for bad in [
        "1a",
        ".a",
        "a-b",
        "a(",
        "alert(1)//",
        "a%20",
        "%E4%B8%AD",
        "a[0]",
        &too_long,
    ] {
        for call in ["getUnreadMsgCount", "registerAndLogin", "getMsg"] {
            let received = host.get(&format!("{call}?{session}&jsonpCallback={bad}"));
            assert_eq!(
                (received.status, received.content_type),
                (400, "application/json"),
                "{bad}"
            );
            assert_eq!(refused(&received.body).0, 1);
        }
    }
    for good in ["a", "_", "$", "$a.b_1", &"a".repeat(64)] {
        let received = host.get(&format!("getUnreadMsgCount?{session}&jsonpCallback={good}"));
        assert!(
            received
                .body
                .starts_with(&format!("/**/{good}({{\"state\":1,")),
            "{}",
            received.body
        );
    }
    let received = host.get(&format!("getUnreadMsgCount?{session}&jsonpCallback="));
    assert_eq!(received.content_type, "application/json");
}

#[test]
fn refusals_come_as_scripts_too() {
    let mut host = Host::new();
    let received = host.get("getMsg?jsonpCallback=f");
    assert_eq!((received.status, received.headers.len()), (200, 1));
    let json = received
        .body
        .strip_prefix("/**/f(")
        .and_then(|rest| rest.strip_suffix(");"));
    assert_eq!(refused(json.expect("a script")).0, 0);
    // Also when the callback has to be kept while the call waits.
    let received = host.get("getMsg?buyer_name=a&token=unknown&jsonpCallback=f");
    assert!(received.body.starts_with("/**/f({\"state\":0,"));
}

#[test]
fn line_separators_are_escaped_in_scripts_only() {
    let mut host = Host::new();
    let session = host.log_in("a");
    host.say("s", "a", "x\u{2028}\u{2029}\"\u{1}</script>");
    let call = format!("getHistoryMsg?shopname=s&{session}");
    assert!(
        host.json(&call)
            .contains("x\u{2028}\u{2029}\\\"\\u0001</script>")
    );
    let received = host.get(&format!("{call}&jsonpCallback=f"));
    assert!(
        received
            .body
            .contains("x\\u2028\\u2029\\\"\\u0001</script>"),
        "{}",
        received.body
    );
}

#[test]
fn a_busy_or_failing_server_is_state_minus_1() {
    let asks: [(&str, IsMeant); 9] = [
        ("registerAndLogin", |ask| matches!(ask, Ask::Submit(_))),
        ("logout", |ask| matches!(ask, Ask::Submit(_))),
        ("logout", |ask| matches!(ask, Ask::Session(_))),
        ("getUnreadMsgCount", |ask| matches!(ask, Ask::View(_))),
        ("getFirstShowChatList", |ask| matches!(ask, Ask::View(_))),
        ("getHistoryMsg", |ask| matches!(ask, Ask::Query(_))),
        ("getMsg", |ask| matches!(ask, Ask::Query(_))),
        ("getMsg", |ask| {
            matches!(ask, Ask::Submit(Command::Read { .. }))
        }),
        ("sendMsg", |ask| {
            matches!(ask, Ask::Submit(Command::Send(_)))
        }),
    ];
    for (call, is_meant) in asks {
        for (refusal, result) in [
            (Refusal::Busy, CallResult::Busy),
            (Refusal::Failure, CallResult::Failed),
        ] {
            let mut host = Host::new();
            let session = host.log_in("a");
            host.say("s", "a", "?");
            host.refuse = Some((is_meant, refusal));
            let body = host.json(&format!("{call}?{session}&shopname=s&content=c"));
            assert_eq!(refused(&body).0, -1, "{call}");
            assert_eq!(host.result, Some(result));
            assert!(host.refuse.is_none(), "{call} did not ask");
        }
    }
}

#[test]
fn signed_mode_lets_only_applications_hand_out_identities() {
    let mut host = Host::new();
    host.settings.app_keys = Some(vec![
        AppKey {
            id: "one".into(),
            secret: "first secret".into(),
        },
        AppKey {
            id: "two".into(),
            secret: "second secret".into(),
        },
    ]);
    let sign = |secret: &str, text: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        let bytes = mac.chain_update(text).finalize().into_bytes();
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let now = NOW.0 / 1_000;
    let text = format!("buyer_name=武松&ts={now}");
    let good = sign("second secret", &text);
    let with =
        |ts: i64, sign: &str| format!("registerAndLogin?buyer_name=武松&ts={ts}&sign={sign}");
    assert!(is_done(&host.json(&with(now, &good))));
    host.now = TimeMs(NOW.0 + 300_000);
    assert!(is_done(&host.json(&with(now, &good))));
    host.now = TimeMs(NOW.0 + 301_000);
    assert_eq!(refused(&host.json(&with(now, &good))).0, 1);
    host.now = NOW;
    for bad in [
        with(now, &sign("third secret", &text)),
        with(now + 1, &good),
        with(now, ""),
        "registerAndLogin?buyer_name=武松".into(),
        format!("registerAndLogin?buyer_name=宋江&ts={now}&sign={good}"),
    ] {
        assert_eq!(refused(&host.json(&bad)).0, 1, "{bad}");
    }
    let mut with_header = |value: &str| -> Received {
        let request = format!(
            "GET /soa-im/buyer/registerAndLogin?buyer_name=a HTTP/1.1\r\nHost: h\r\nAuthorization: {value}\r\n\r\n"
        );
        host.request(request.as_bytes())
    };
    for good in ["Bearer first secret", "bearer  second secret"] {
        assert!(is_done(&with_header(good).body), "{good}");
    }
    for bad in [
        "Bearer third",
        "Bearer ",
        "Bearer first secret.",
        "Basic first secret",
        "first secret",
        "",
    ] {
        assert_eq!(refused(&with_header(bad).body).0, 1, "{bad}");
    }
}
