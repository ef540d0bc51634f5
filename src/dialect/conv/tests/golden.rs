//! Every call of the contract against the exact bytes of its answer.

use serde_json::json;

use super::host::{A, B, C, Host, NOW, over_both};

/// The answer's body, which has status 200 and no header field of its own.
#[track_caller]
fn body(host: &mut Host, path: &str, body: &str) -> String {
    let received = host.post_bytes(path, "", body.as_bytes());
    assert_eq!((received.status, received.headers.len()), (200, 0));
    received.body
}

#[test]
fn conv_list() {
    over_both(|host| {
        host.say(A, B, "测试信息");
        let group = host.group("群1", B, &[A, C]);
        host.post(
            "/im/user/profile",
            &json!({"id": C, "name": "白亚玲", "img": "http://xxx.png"}),
        );
        host.post(
            "/im/send/msg",
            &json!({"conv_id": group, "from_id": C, "msg": "http://a/b.wav", "msg_type": 2}),
        );
        host.group("empty", A, &[]);
        let (third, fourth) = (NOW + 3, NOW + 4);
        assert_eq!(
            body(host, "/im/conv/list", &format!(r#"{{"from_id": "{A}"}}"#)),
            format!(
                r#"[{{"conv_id":"c0000000000000003","conv_type":1,"conv_users":["{A}"],"last_msg":"","last_msg_type":0,"last_user_name":"","last_time":{fourth},"unread_count":0}},{{"conv_id":"c0000000000000002","conv_type":1,"conv_users":["{B}","{A}","{C}"],"last_msg":"http://a/b.wav","last_msg_type":2,"last_user_name":"白亚玲","last_time":{third},"unread_count":1}},{{"conv_id":"c0000000000000001","conv_type":0,"conv_users":["{A}","{B}"],"users_type":["P","D"],"last_msg":"测试信息","last_msg_type":0,"last_user_name":"903000000000001","last_time":{NOW},"unread_count":0}}]"#
            )
        );
        assert_eq!(
            body(host, "/im/conv/list", &format!(r#"{{"from_id": "{B}"}}"#)),
            format!(
                r#"[{{"conv_id":"c0000000000000002","conv_type":1,"conv_users":["{B}","{A}","{C}"],"last_msg":"http://a/b.wav","last_msg_type":2,"last_user_name":"白亚玲","last_time":{third},"unread_count":1}},{{"conv_id":"c0000000000000001","conv_type":0,"conv_users":["{B}","{A}"],"users_type":["D","P"],"last_msg":"测试信息","last_msg_type":0,"last_user_name":"903000000000001","last_time":{NOW},"unread_count":1}}]"#
            )
        );
    });
}

#[test]
fn messages_by_conversation_and_by_pair() {
    over_both(|host| {
        let first = host.say(A, B, "文本测试");
        host.post(
            "/im/user/profile",
            &json!({"id": B, "name": "安利英", "img": "http://xxx.png"}),
        );
        let second = host
            .post(
                "/im/send/msg",
                &json!({"conv_id": "c0000000000000001", "to_id": A, "from_id": B, "msg": "http://a/b.png", "msg_type": 1}),
            )
            .done("X-Msg-Id");
        let at = NOW + 2;
        let page = format!(
            r#"[{{"msg_id":"{second}","msg_type":1,"msg":"http://a/b.png","conv_id":"c0000000000000001","from_id":"{B}","from_time":{at},"user":{{"id":"903000000000002","type":"D","img":"http://xxx.png","name":"安利英"}}}},{{"msg_id":"{first}","msg_type":0,"msg":"文本测试","conv_id":"c0000000000000001","from_id":"{A}","from_time":{NOW},"user":{{"id":"903000000000001","type":"P","img":"","name":"903000000000001"}}}}]"#
        );
        let paged = r#"{"page_no": 1, "page_size": 10}"#;
        assert_eq!(body(host, "/im/conv/c0000000000000001", paged), page);
        assert_eq!(body(host, "/im/conv/c0000000000000001", ""), page);
        let pair = format!(r#"{{"from_id":"{A}","to_id":"{B}","page_no":"1","page_size":"10"}}"#);
        assert_eq!(body(host, "/im/from/to", &pair), page);
        let pair = format!(r#"{{"from_id":"{B}","to_id":"{A}","page_no":2}}"#);
        assert_eq!(body(host, "/im/from/to", &pair), "[]");
    });
}

#[test]
fn send_msg() {
    let mut host = Host::new(true);
    let whole = json!({"conv_id": "", "msg": "文本测试", "msg_type": 0, "from_id": A, "to_id": B});
    let received = host.post("/im/send/msg", &whole);
    assert_eq!((received.status, &*received.body), (200, "{}"));
    let id = received.done("X-Msg-Id");
    assert_eq!(
        host.post("/im/conv/c0000000000000001", &json!({})).ok()[0]["msg_id"],
        id
    );
}

#[test]
fn groups() {
    over_both(|host| {
        let whole = json!({"owner_id": B, "name": "群1", "member": [A, B, A], "img": "http://xxx.png", "description": "群1xxx"});
        let id = host.post("/im/creat/group", &whole).done("X-Conv-Id");
        assert_eq!(id, "c0000000000000001");
        let more = json!({"conv_id": id, "member": [C, A]}).to_string();
        assert_eq!(body(host, "/im/add/group/merber", &more), "{}");
        let name = json!({"id": A, "name": "xxx1"}).to_string();
        assert_eq!(body(host, "/im/user/profile", &name), "{}");
        let alias = json!({"id": A, "alias": "yyy1"}).to_string();
        assert_eq!(body(host, &format!("/im/group/{id}/alias"), &alias), "{}");
        assert_eq!(
            body(host, &format!("/im/group/{id}/list"), "{\n}"),
            format!(
                r#"[{{"id":"{B}","name":"903000000000002","alias":""}},{{"id":"{A}","name":"xxx1","alias":"yyy1"}},{{"id":"{C}","name":"903000000000003","alias":""}}]"#
            )
        );
    });
}

#[test]
fn both_spellings() {
    let mut host = Host::new(true);
    let group = json!({"owner_id": A, "name": "群"});
    let one = host.post("/im/creat/group", &group).done("X-Conv-Id");
    let two = host.post("/im/create/group", &group).done("X-Conv-Id");
    for (path, id) in [
        ("/im/add/group/merber", one),
        ("//im/add//group/member", two),
    ] {
        assert_eq!(
            host.post(path, &json!({"conv_id": id, "member": [B]})).body,
            "{}"
        );
        let members = host.post(&format!("/im/group/{id}/list"), &json!({})).ok();
        assert_eq!(
            (&members[0]["id"], &members[1]["id"]),
            (&json!(A), &json!(B))
        );
    }
}

#[test]
fn a_refusal() {
    let mut host = Host::new(true);
    assert_eq!(
        host.post("/im/conv/x", &json!({})),
        super::host::Received {
            status: 404,
            headers: vec![],
            body: r#"{"code":404,"msg":"会话不存在"}"#.into(),
        }
    );
}
