//! The list of conversations, and teams.

use serde_json::json;

use super::host::{Host, over_both};
use crate::domain::chat::{ChatAnswer, ChatQuery};
use crate::domain::ids::ConversationId;
use crate::domain::query::{Answer, Query};

#[test]
fn a_list_byte_for_byte() {
    let mut host = Host::new();
    let ((_, a), (b_id, _)) = host.two();
    host.frame(
        a,
        &json!({"id": 1268572304611348480_u64, "toUserId": b_id, "chatType": "Single", "msgType": "Image", "content": "/file/down/123123.png"}).to_string(),
    );
    let at = host.now.0;
    let (status, body) = host.post("/im/user/chat/list", &json!({"userId": b_id}));
    let expected = format!(
        r#"[{{"top":false,"lastMsgId":{{"msgType":"Image","id":1268572304611348480,"content":"/file/down/123123.png","timestamp":{at}}},"createTime":"2024-07-30 09:35:44","fromUserId":3,"teamId":null,"updateTime":"2024-07-30 09:35:44","id":1048577,"unReadCount":1,"toUserId":2,"chatType":"Single"}}]"#
    );
    assert_eq!((status, body), (200, expected));
}

#[test]
fn pinned_first_then_newest_activity() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        let (c_id, _) = host.register("c");
        let c = host.login(c_id, "x");
        host.watch(a_id);
        host.say(b, 1, a_id, "x");
        host.say(c, 2, a_id, "y");
        let others = |host: &mut Host| -> Vec<u64> {
            let rows = host.list(a_id);
            rows.iter()
                .filter_map(|row| row["toUserId"].as_u64())
                .collect()
        };
        assert_eq!(others(host), [c_id, b_id]);
        let row = host.list(a_id)[1]["id"].clone();
        host.done("/im/user/chat/top", &json!({"id": row, "top": true}));
        assert_eq!(others(host), [b_id, c_id]);
        assert_eq!(host.list(a_id)[0]["top"], true);
        host.done("/im/user/chat/top", &json!({"id": row, "top": false}));
        assert_eq!(others(host), [c_id, b_id]);
        let count = host.ok("/im/user/chat/unread/count", &json!({"userId": a_id}));
        assert_eq!(count, json!({"count": 2}));
        let pair = json!({"fromUserId": a_id, "toUserId": b_id});
        host.done("/im/user/chat/clear/unread2", &pair);
        let count = host.ok("/im/user/chat/unread/count", &json!({"userId": a_id}));
        assert_eq!(count, json!({"count": 1}));
        host.raw(a);
    });
}

#[test]
fn a_deleted_row_is_back_with_the_next_message() {
    over_both(|host| {
        let ((a_id, a), (b_id, _)) = host.two();
        host.watch(b_id);
        host.say(a, 1, b_id, "x");
        let row = host.list(b_id)[0]["id"].clone();
        host.done("/im/user/delete/chat/list", &json!({"id": row}));
        assert_eq!((host.list(b_id).len(), host.list(a_id).len()), (0, 1));
        assert_eq!(host.offline(b_id), [1]);
        if host.restart() {
            assert_eq!(host.list(b_id).len(), 0);
            let a = host.login(a_id, "x");
            host.say(a, 2, b_id, "y");
        } else {
            host.say(a, 2, b_id, "y");
        }
        let rows = host.list(b_id);
        assert_eq!(
            (rows.len(), &rows[0]["id"], &rows[0]["unReadCount"]),
            (1, &row, &json!(2))
        );
    });
}

#[test]
fn a_row_belongs_to_its_user() {
    let mut host = Host::new();
    let (a_id, a_token) = host.register("a");
    let (b_id, b_token) = host.register("b");
    let a = host.login(a_id, &a_token);
    host.say(a, 1, b_id, "x");
    let row = host.list(b_id)[0]["id"].clone();
    let fields = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for path in [
        "/im/user/chat/clear/unread",
        "/im/user/delete/chat/list",
        "/im/user/chat/top",
    ] {
        let body = json!({"id": row, "top": 1});
        host.refused(path, &fields(&a_token), &body, "not_yours");
        let answer = host.post_with(path, &fields(&b_token), &body.to_string());
        assert_eq!(answer, (200, String::new()));
        let unknown = json!({"id": 99 << 20, "top": 1});
        host.refused(path, &fields(&b_token), &unknown, "not_found");
        host.refused(path, "", &json!({"id": 5, "top": 1}), "bad_request");
    }
}

#[test]
fn only_the_owner_changes_a_team_if_it_is_known_who_calls() {
    over_both(|host| {
        let (a_id, a_token) = host.register("a");
        let (b_id, b_token) = host.register("b");
        let (c_id, _) = host.register("c");
        host.watch(b_id);
        host.watch(c_id);
        let fields = |token: &str| format!("token: {token}\r\n");
        let body = json!({"name": "群", "members": [{"userId": b_id}, {"userId": a_id}]});
        let (status, text) = host.post_with("/im/team/add", &fields(&a_token), &body.to_string());
        assert_eq!(
            (status, text),
            (200, r#"{"id":1,"name":"群","members":[{"userId":2,"teamId":1},{"userId":3,"teamId":1}]}"#.to_owned())
        );
        let change = json!({"id": 1, "name": "群 2", "members": [{"userId": c_id, "op": "insert"}, {"userId": b_id, "op": "delete"}]});
        host.refused("/im/team/update", &fields(&b_token), &change, "not_yours");
        host.refused(
            "/im/team/delete",
            &fields(&b_token),
            &json!({"teamId": 1}),
            "not_yours",
        );
        let answer = host.post_with("/im/team/update", &fields(&a_token), &change.to_string());
        assert_eq!(answer, (200, String::new()));
        assert_eq!((host.list(b_id).len(), host.list(c_id).len()), (0, 1));
        assert_eq!(host.list(c_id)[0]["teamId"], 1);
        assert_eq!(host.list(c_id)[0]["lastMsgId"], json!(null));
        host.done("/im/team/delete", &json!({"teamId": 1}));
        assert_eq!((host.list(a_id).len(), host.list(c_id).len()), (0, 0));
        // It never comes back, not even for its owner.
        for fields in [String::new(), fields(&a_token)] {
            host.refused("/im/team/update", &fields, &change, "not_found");
            host.refused("/im/team/update", &fields, &json!({"id": 1}), "not_found");
            let team = json!({"teamId": 1});
            host.refused("/im/team/delete", &fields, &team, "not_found");
        }
        host.refused("/im/team/update", "", &json!({"id": 9}), "not_found");
        let crowd: Vec<_> = (0..6).map(|user| json!({"userId": a_id + user})).collect();
        host.refused(
            "/im/team/add",
            "",
            &json!({"name": "g", "members": crowd}),
            "not_found",
        );
        host.refused("/im/team/add", "", &json!({"name": "g"}), "bad_request");
        host.refused(
            "/im/team/add",
            "",
            &json!({"members": [{"userId": a_id}]}),
            "bad_request",
        );
        let both = json!({"id": 1, "members": [{"userId": c_id, "op": "insert"}, {"userId": c_id, "op": "delete"}]});
        host.refused("/im/team/update", "", &both, "bad_request");
        let server = json!({"id": 1, "members": [{"userId": 1, "op": "insert"}]});
        host.refused("/im/team/update", "", &server, "bad_request");
    });
}

#[test]
fn a_change_of_a_team_is_made_whole_or_not_at_all() {
    over_both(|host| {
        let users: Vec<u64> = (0..6).map(|n| host.register(&n.to_string()).0).collect();
        users.iter().for_each(|user| host.watch(*user));
        let members: Vec<_> = users[..5]
            .iter()
            .map(|user| json!({"userId": user}))
            .collect();
        host.ok("/im/team/add", &json!({"name": "g", "members": members}));
        let insert = |user: u64| json!({"userId": user, "op": "insert"});
        let delete = |user: u64| json!({"userId": user, "op": "delete"});
        // It is full, and the fifth is nobody.
        let too_many = json!({"id": 1, "name": "h", "members": [insert(users[5])]});
        host.refused("/im/team/update", "", &too_many, "too_many");
        let nobody = json!({"id": 1, "name": "h", "members": [delete(users[4]), insert(99)]});
        host.refused("/im/team/update", "", &nobody, "not_found");
        assert_eq!(
            (host.list(users[4]).len(), host.list(users[5]).len()),
            (1, 0)
        );
        let query = Query::Chat(ChatQuery::Members(ConversationId(1)));
        let team = |host: &mut Host| match host.query(&query) {
            Answer::Chat(answer) => match *answer {
                ChatAnswer::Members(Some(found)) => {
                    let group = found.0.group().expect("a group");
                    let members: Vec<u64> = found.1.iter().map(|member| member.0).collect();
                    (group.name.to_string(), group.member_count as usize, members)
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(team(host), ("g".to_owned(), 5, users[..5].to_vec()));
        // Who leaves makes room for who joins.
        let change = json!({"id": 1, "name": "h", "members": [insert(users[5]), delete(users[0])]});
        host.done("/im/team/update", &change);
        assert_eq!(team(host), ("h".to_owned(), 5, users[1..].to_vec()));
        host.done("/im/team/update", &json!({"id": 1}));
        assert_eq!(team(host).1, 5);
    });
}
