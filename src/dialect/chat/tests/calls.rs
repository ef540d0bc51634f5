//! Registering, ids, pages, and who may ask.

use serde_json::json;

use super::host::{Host, over_both};
use crate::domain::command::Refusal;

const PAGE: &str = "/im/message/user/get/page";

#[test]
fn the_same_user_is_registered_once_and_others_never_share_a_name() {
    over_both(|host| {
        let register = |host: &mut Host, company: &str, app: &str, user: &str| {
            let body = json!({"company": company, "app": app, "thirdUserId": user});
            host.ok("/im/user/register", &body)["userId"].as_u64()
        };
        assert_eq!(register(host, "c", "a", "u"), Some(2));
        assert_eq!(register(host, "c/a", "", "u"), Some(3));
        assert_eq!(register(host, "c", "", "a/u"), Some(4));
        assert_eq!(register(host, "c%2Fa", "", "u"), Some(5));
        assert_eq!(register(host, "c", "a", "u"), Some(2));
        let (one, other) = (host.register("u").1, host.register("u").1);
        assert!(one != other && one.len() == 25);
        for user in [
            json!(""),
            json!(null),
            json!("a\nb"),
            json!("x".repeat(256)),
        ] {
            let body = json!({"company": "c", "app": "a", "thirdUserId": user});
            host.refused("/im/user/register", "", &body, "bad_request");
        }
    });
}

#[test]
fn an_id_is_handed_out_once_and_is_no_messages() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        let id = |host: &mut Host| {
            host.ok("/im/message/get/id", &json!({}))["id"]
                .as_u64()
                .expect("an id")
        };
        let first = id(host);
        host.frame(
            a,
            &json!({"toUserId": b_id, "chatType": "Single", "msgType": "Text", "content": "x"})
                .to_string(),
        );
        let message = host.ids(b)[0];
        let second = id(host);
        assert!(first < message && message < second && second < 1 << 53);
        host.now.0 -= 1_000_000;
        if host.restart() {
            host.now.0 -= 1_000_000;
            assert!(id(host) > second);
        }
        assert!(id(host) > second);
        assert_eq!(host.offline(a_id), [0; 0]);
    });
}

#[test]
fn a_row_byte_for_byte() {
    let mut host = Host::new();
    let (a_id, _) = host.register("a");
    let (b_id, _) = host.register("b");
    let a = host.login(a_id, "x");
    host.say(a, 1267898438633263104, b_id, "消息内容");
    let at = host.now.0;
    let row = |state: &str, read: bool| {
        format!(
            r#"[{{"msgType":"Text","fromUserId":2,"isRead":{read},"eventType":null,"toUserId":3,"content":"消息内容","stateEnum":"{state}","teamId":null,"name":null,"serverSendTime":null,"id":1267898438633263104,"chatType":"Single","timestamp":{at}}}]"#
        )
    };
    let expected = (200, row("Server", false));
    assert_eq!(
        host.post("/im/message/offline", &json!({"userId": 3})),
        expected
    );
    // Both see the state of the recipient.
    for user in [2, 3] {
        assert_eq!(host.post(PAGE, &json!({"userId": user})), expected);
    }
    let pair = json!({"fromUserId": 3, "toUserId": 2});
    host.done("/im/user/chat/clear/unread2", &pair);
    for body in [
        json!({"userId": 2}),
        json!({"userId": 3}),
        pair,
        json!({"fromUserId": 2, "toUserId": 3}),
    ] {
        assert_eq!(host.post(PAGE, &body), (200, row("Client", true)));
    }
}

#[test]
fn pages_are_counted_from_the_newest_message_in_three_forms() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        let (c_id, _) = host.register("c");
        let c = host.login(c_id, "x");
        let members = json!([{"userId": a_id}, {"userId": b_id}]);
        let team = host.ok("/im/team/add", &json!({"name": "g", "members": members}))["id"].clone();
        for round in 0..3_u64 {
            host.say(a, 10 * round + 1, b_id, "x");
            host.say(c, 10 * round + 2, a_id, "y");
            let frame = json!({"id": 10 * round + 3, "teamId": team, "chatType": "Group", "msgType": "Text", "content": "z"});
            host.frame(b, &frame.to_string());
        }
        let mut page = |body| -> Vec<u64> {
            let rows = host.ok(PAGE, &body);
            let rows = rows.as_array().expect("a list").iter();
            rows.filter_map(|row| row["id"].as_u64()).collect()
        };
        assert_eq!(
            page(json!({"userId": a_id, "pageSize": 4})),
            [23, 22, 21, 13]
        );
        assert_eq!(
            page(json!({"userId": a_id, "pageNum": 2, "pageSize": "4"})),
            [12, 11, 3, 2]
        );
        assert_eq!(
            page(json!({"userId": a_id, "pageNum": 3, "pageSize": 4})),
            [1]
        );
        assert_eq!(
            page(json!({"userId": a_id, "pageNum": u64::MAX, "pageSize": 4})),
            [0; 0]
        );
        assert_eq!(page(json!({"userId": b_id})), [23, 21, 13, 11, 3, 1]);
        assert_eq!(page(json!({"userId": c_id})), [22, 12, 2]);
        assert_eq!(
            page(json!({"fromUserId": b_id, "toUserId": a_id, "pageSize": 2})),
            [21, 11]
        );
        assert_eq!(
            page(json!({"fromUserId": b_id, "toUserId": a_id, "pageNum": 2, "pageSize": 2})),
            [1]
        );
        assert_eq!(page(json!({"fromUserId": b_id, "toUserId": c_id})), [0; 0]);
        assert_eq!(page(json!({"userId": a_id, "teamId": team})), [23, 13, 3]);
        for (body, reason) in [
            (json!({"userId": c_id, "teamId": team}), "not_found"),
            (json!({"userId": 99}), "not_found"),
            (json!({"userId": a_id, "pageNum": 0}), "bad_request"),
            (json!({"userId": a_id, "pageSize": 0}), "bad_request"),
            (json!({"userId": a_id, "pageSize": 101}), "bad_request"),
            (json!({"userId": -1}), "bad_request"),
            (json!({"userId": []}), "bad_request"),
            (json!({}), "bad_request"),
            (json!([]), "bad_request"),
        ] {
            host.refused(PAGE, "", &body, reason);
        }
    });
}

#[test]
fn a_token_that_is_shown_must_be_that_users() {
    let mut host = Host::new();
    let (a_id, a_token) = host.register("a");
    let (b_id, b_token) = host.register("b");
    let ask = json!({"userId": a_id});
    let paths = [
        "/im/message/offline",
        "/im/user/chat/list",
        "/im/user/chat/unread/count",
        PAGE,
    ];
    for path in paths {
        for name in ["token: ", "Authorization: Bearer "] {
            let fields = |token: &str| format!("{name}{token}\r\n");
            assert_eq!(
                host.post_with(path, &fields(&a_token), &ask.to_string()).0,
                200
            );
            host.refused(path, &fields(&b_token), &ask, "not_yours");
            host.refused(path, &fields("unknown"), &ask, "not_logged_in");
        }
        assert_eq!(host.post(path, &ask).0, 200);
    }
    let pair = json!({"fromUserId": a_id, "toUserId": a_id + 9});
    host.refused(PAGE, &format!("token: {b_token}\r\n"), &pair, "not_yours");
    let pair = json!({"fromUserId": a_id, "toUserId": b_id});
    let answer = host.post_with(PAGE, &format!("token: {b_token}\r\n"), &pair.to_string());
    assert_eq!(answer.0, 200);

    host.sign("0123456789abcdef");
    for path in paths {
        host.refused(path, "", &ask, "not_logged_in");
        for shown in [&*a_token, "0123456789abcdef"] {
            let fields = format!("Authorization: Bearer {shown}\r\n");
            assert_eq!(host.post_with(path, &fields, &ask.to_string()).0, 200);
        }
    }
    let body = json!({"company": "c", "app": "a", "thirdUserId": "z"});
    host.refused("/im/user/register", "", &body, "not_logged_in");
}

#[test]
fn a_server_that_is_busy_or_fails_says_so() {
    let mut host = Host::new();
    for (refusal, reason) in [(Refusal::Busy, "busy"), (Refusal::Failure, "failure")] {
        host.refuse = Some(refusal);
        host.refused("/im/message/get/id", "", &json!({}), reason);
    }
}
