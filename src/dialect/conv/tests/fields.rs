//! What a body may look like, and who may call.

use serde_json::json;

use super::host::{A, B, Host};
use crate::dialect::CallResult;
use crate::domain::command::Refusal;

/// Every call with a body that suffices for it, in a server that has group 1.
const CALLS: [(&str, &str); 9] = [
    ("/im/conv/list", r#"{"from_id":"a"}"#),
    ("/im/conv/c0000000000000001", "{}"),
    ("/im/from/to", r#"{"from_id":"a","to_id":"b"}"#),
    ("/im/send/msg", r#"{"from_id":"a","to_id":"b","msg":"hi"}"#),
    ("/im/creat/group", r#"{"owner_id":"a","name":"g"}"#),
    (
        "/im/add/group/merber",
        r#"{"conv_id":"c0000000000000001","member":["b"]}"#,
    ),
    ("/im/group/c0000000000000001/list", ""),
    ("/im/group/c0000000000000001/alias", r#"{"id":"a"}"#),
    ("/im/user/profile", r#"{"id":"a"}"#),
];

#[test]
fn only_applications_may_call_where_keys_are_asked_for() {
    let mut host = Host::new(true);
    host.group("g", "a", &[]);
    host.sign("a secret of sixteen bytes");
    for (path, body) in CALLS {
        for fields in [
            "",
            "Authorization: Bearer another secret\r\n",
            "Authorization: Basic a secret of sixteen bytes\r\n",
            "Token: a secret of sixteen bytes\r\n",
        ] {
            host.post_bytes(path, fields, body.as_bytes()).refused(401);
            assert_eq!(host.result, Some(CallResult::Unauthorized));
            host.post_bytes(path, fields, b"[").refused(401);
        }
        let key = "Authorization: bearer a secret of sixteen bytes\r\n";
        host.post_bytes(path, key, body.as_bytes()).ok();
        assert_eq!(host.result, Some(CallResult::Ok));
    }
}

#[test]
fn a_body_is_an_object() {
    let mut host = Host::new(true);
    host.group("g", "a", &[]);
    for (path, body) in CALLS {
        for bad in [
            "[]",
            "\"a\"",
            "1",
            "{",
            "{}{}",
            "{\"a\":}",
            "null",
            "from_id=a",
            "\u{feff}\u{feff}{}",
        ] {
            host.post_bytes(path, "", bad.as_bytes()).refused(400);
            assert_eq!(host.result, Some(CallResult::Refused));
        }
        host.post_bytes(path, "", b"{\"msg\":\"\xff\"}")
            .refused(400);
        let marked = format!("\u{feff} {body}\n");
        host.post_bytes(path, "", marked.as_bytes()).ok();
    }
}

#[test]
fn what_is_unknown_null_or_empty_is_absent() {
    let mut host = Host::new(true);
    let say = r#"{"x":[1,{"y":[]}],"conv_id":null,"msg_type":"","client_id":null,"from_id":903,"to_id":"904","msg":12,"msg":"13"}"#;
    host.post_bytes("/im/send/msg", "", say.as_bytes())
        .done("X-Msg-Id");
    let read = json!({"from_id": "904", "to_id": 903, "page_no": null, "page_size": ""});
    assert_eq!(host.texts("/im/from/to", &read), ["12"]);
    for missing in [
        json!({"from_id": A, "to_id": B}),
        json!({"from_id": A, "to_id": B, "msg": ""}),
        json!({"from_id": A, "to_id": B, "msg": null}),
        json!({"from_id": A, "msg": "hi"}),
        json!({"to_id": B, "msg": "hi"}),
        json!({"from_id": "", "to_id": B, "msg": "hi"}),
    ] {
        host.post("/im/send/msg", &missing).refused(400);
    }
    host.post("/im/conv/list", &json!({})).refused(400);
    host.post("/im/from/to", &json!({"from_id": A}))
        .refused(400);
    host.post("/im/from/to", &json!({"to_id": A})).refused(400);
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let mut host = Host::new(true);
    for bad in [json!([A]), json!({"id": A})] {
        host.post("/im/conv/list", &json!({"from_id": bad}))
            .refused(400);
        host.post(
            "/im/send/msg",
            &json!({"from_id": A, "to_id": B, "msg": bad}),
        )
        .refused(400);
    }
}

#[test]
fn pages_out_of_range_are_refused() {
    let mut host = Host::new(true);
    host.group("g", A, &[]);
    for (name, values) in [
        (
            "page_no",
            &["0", "-1", "1.5", "\"x\"", "18446744073709551616", "[]"][..],
        ),
        ("page_size", &["0", "101", "-1", "1.5", "\"x\"", "1e99"]),
    ] {
        for value in values {
            let body = format!(r#"{{"from_id":"{A}","to_id":"{B}","{name}":{value}}}"#);
            host.post_bytes("/im/from/to", "", body.as_bytes())
                .refused(400);
            host.post_bytes("/im/conv/c0000000000000001", "", body.as_bytes())
                .refused(400);
        }
    }
}

#[test]
fn a_server_that_is_busy_or_fails_says_so() {
    let mut host = Host::new(true);
    host.group("g", "a", &[]);
    for (path, body) in CALLS {
        for (refusal, result) in [
            (Refusal::Busy, CallResult::Busy),
            (Refusal::Failure, CallResult::Failed),
        ] {
            host.refuse = Some(refusal);
            host.post_bytes(path, "", body.as_bytes()).refused(503);
            assert_eq!(host.result, Some(result));
        }
    }
}

#[test]
fn paths_of_no_call() {
    for path in [
        "/im/conv",
        "/im/conv/",
        "/im/conv/a/b",
        "/im/group//list",
        "/im/group/a/b/list",
        "/im/group/list",
        "/im/send",
        "/im/from/to/",
        "/IM/conv/list",
        "/im/user/register",
    ] {
        assert!(
            crate::dialect::conv::routes::route(path).is_none(),
            "{path}"
        );
    }
    let name = |path| crate::dialect::route(path).map(|route| route.name);
    assert_eq!(name("/im/conv/list"), Some("conv.convList"));
    assert_eq!(name("/im/conv/list2"), Some("conv.convMessages"));
    assert_eq!(name("/im/group/list/list"), Some("conv.groupList"));
}
