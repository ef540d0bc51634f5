//! What is known of pushes beyond the socket on which they were made: states in rows, and what comes again after the next `Auth`.

use serde_json::json;

use super::host::{Host, over_both};
use crate::limits::{CHAT_OUTSTANDING_MAX, CHAT_REPEAT_MS, CHAT_REPEATS_MAX};

const OFFLINE: &str = "/im/message/offline";
const PAGE: &str = "/im/message/user/get/page";

/// The states in the answer to a call.
#[track_caller]
fn assert_states(host: &mut Host, path: &str, body: &serde_json::Value, expected: &[(u64, &str)]) {
    let found = host.states(path, body);
    let found: Vec<(u64, &str)> = found.iter().map(|(id, state)| (*id, &**state)).collect();
    assert_eq!(found, expected);
}

#[test]
fn rows_tell_what_was_pushed() {
    over_both(|host| {
        let (a_id, _) = host.register("a");
        let (b_id, _) = host.register("b");
        let a = host.login(a_id, "x");
        host.say(a, 1, b_id, "x");
        let b = host.login(b_id, "x");
        host.say(a, 2, b_id, "x");
        host.say(a, 3, b_id, "x");
        host.frame(a, &json!({"id": 4, "toUserId": b_id, "msgType": "Event", "eventType": "Like", "content": "x"}).to_string());
        host.say(b, 5, a_id, "x");
        host.ack(b, 2);
        let (of_a, of_b) = (json!({"userId": a_id}), json!({"userId": b_id}));
        let waiting = [
            (1, "Server"),
            (3, "ServerToClientIng"),
            (4, "ServerToClientIng"),
        ];
        assert_states(host, OFFLINE, &of_b, &waiting);
        assert_states(host, OFFLINE, &of_a, &[(5, "ServerToClientIng")]);
        // Both parties are told of the recipient.
        let page = [
            (5, "ServerToClientIng"),
            (3, "ServerToClientIng"),
            (2, "Client"),
            (1, "Server"),
        ];
        assert_states(host, PAGE, &of_a, &page);
        assert_states(host, PAGE, &of_b, &page);
        let pair = json!({"fromUserId": b_id, "toUserId": a_id});
        assert_states(host, PAGE, &pair, &page);
        // It outlives the socket, not the server.
        host.hang_up(b);
        host.say(a, 6, b_id, "x");
        let waiting = [
            (1, "Server"),
            (3, "ServerToClientIng"),
            (4, "ServerToClientIng"),
            (6, "Server"),
        ];
        assert_states(host, OFFLINE, &of_b, &waiting);
        if host.restart() {
            let waiting = waiting.map(|(id, _)| (id, "Server"));
            assert_states(host, OFFLINE, &of_b, &waiting);
        }
    });
}

#[test]
fn rows_of_a_group_tell_what_the_asker_was_pushed() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        let (c_id, _) = host.register("c");
        let members = json!([{"userId": a_id}, {"userId": b_id}, {"userId": c_id}]);
        let team = host.ok("/im/team/add", &json!({"name": "g", "members": members}))["id"].clone();
        for id in [5, 6] {
            let frame = json!({"id": id, "teamId": team, "chatType": "Group", "msgType": "Text", "content": "x"});
            host.frame(a, &frame.to_string());
        }
        host.ack(b, 5);
        for (user, states) in [
            (a_id, ["Client", "Client"]),
            (b_id, ["ServerToClientIng", "Client"]),
            (c_id, ["Server", "Server"]),
        ] {
            let body = json!({"userId": user, "teamId": team});
            assert_states(host, PAGE, &body, &[(6, states[0]), (5, states[1])]);
        }
        // Who leaves is not pushed it again.
        let change = json!({"id": team, "members": [{"userId": b_id, "op": "delete"}]});
        host.raw(b);
        host.done("/im/team/update", &change);
        host.wait_ms(CHAT_REPEAT_MS);
        assert_eq!(host.raw(b), [""; 0]);
        let b = host.login(b_id, "x");
        assert_eq!(host.raw(b), [""; 0]);
    });
}

#[test]
fn what_was_pushed_comes_again_after_the_next_auth_and_the_rest_is_announced() {
    over_both(|host| {
        let ((_, a), (b_id, b)) = host.two();
        (1..=4).for_each(|id| host.say(a, id, b_id, "x"));
        let pushed = host.raw(b);
        host.ack(b, 2);
        host.hang_up(b);
        (5..=7).for_each(|id| host.say(a, id, b_id, "x"));
        let again = host.login(b_id, "x");
        let frames = host.raw(again);
        assert!(frames[0].contains("您有3离线消息"), "{}", frames[0]);
        assert_eq!(
            frames[1..],
            [&pushed[0], &pushed[2], &pushed[3]].map(String::clone)
        );
        // Five times on this socket too; what is acknowledged meanwhile does not come.
        host.ack(again, 3);
        for _ in 0..CHAT_REPEATS_MAX {
            host.wait_ms(CHAT_REPEAT_MS);
            assert_eq!(host.raw(again), [&pushed[0], &pushed[3]].map(String::clone));
        }
        host.wait_ms(CHAT_REPEAT_MS);
        assert_eq!(host.raw(again), [""; 0]);
        // And again after the next.
        let third = host.login(b_id, "x");
        assert_eq!(host.take(third).len(), 3);
        // A second of the same user changes nothing.
        let auth = json!({"msgType": "Auth", "fromUserId": b_id, "content": "x"});
        host.frame(third, &auth.to_string());
        assert_eq!(host.raw(third), [""; 0]);
        [1, 4, 5, 6, 7]
            .into_iter()
            .for_each(|id| host.ack(third, id));
        let fourth = host.login(b_id, "x");
        assert_eq!(host.raw(fourth), [""; 0]);
    });
}

#[test]
fn what_is_outstanding_on_one_socket_comes_on_another_and_is_acknowledged_for_both() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    host.say(a, 1, b_id, "x");
    host.say(a, 2, b_id, "x");
    let pushed = host.raw(b);
    let other = host.login(b_id, "x");
    assert_eq!(host.raw(other), pushed);
    host.say(a, 3, b_id, "x");
    assert_eq!((host.ids(b), host.ids(other)), (vec![3], vec![3]));
    [1, 3].into_iter().for_each(|id| host.ack(other, id));
    host.wait_ms(CHAT_REPEAT_MS);
    assert_eq!((host.ids(b), host.ids(other)), (vec![2], vec![2]));
}

#[test]
fn so_many_come_again_at_once() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let count = CHAT_OUTSTANDING_MAX as u64 + 10;
    (1..=count).for_each(|id| host.say(a, id, b_id, "x"));
    host.hang_up(b);
    let again = host.login(b_id, "x");
    assert_eq!(
        host.ids(again),
        (1..=CHAT_OUTSTANDING_MAX as u64).collect::<Vec<_>>()
    );
    host.ack(again, 1);
    let third = host.login(b_id, "x");
    assert_eq!(
        host.ids(third),
        (2..=CHAT_OUTSTANDING_MAX as u64 + 1).collect::<Vec<_>>()
    );
}

#[test]
fn large_messages_come_again_in_pieces() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let text = "x".repeat(64 * 1024);
    (1..=40).for_each(|id| host.say(a, id, b_id, &text));
    assert_eq!(host.ids(b).len(), 40);
    host.wait_ms(CHAT_REPEAT_MS);
    let first = host.ids(b);
    assert!((15..20).contains(&first.len()), "{first:?}");
    host.wait_ms(0);
    let second = host.ids(b);
    host.wait_ms(0);
    let all = [first, second, host.ids(b)].concat();
    assert_eq!(all, (1..=40).collect::<Vec<_>>());
    host.wait_ms(0);
    assert_eq!(host.raw(b), [""; 0]);
}

#[test]
fn what_came_again_with_the_auth_does_not_come_as_new_once_more() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    host.say(a, 1, b_id, "x");
    host.hang_up(b);
    // Another shard has pushed it already, and this one hears of it after the socket was opened.
    let other = host.login(b_id, "x");
    assert_eq!(host.ids(other), [1]);
    host.tell_again();
    assert_eq!(host.raw(other), [""; 0]);
    host.wait_ms(CHAT_REPEAT_MS);
    assert_eq!(host.ids(other), [1]);
}

#[test]
fn what_is_acknowledged_while_the_auth_is_handled_does_not_come_again() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    (1..=3).for_each(|id| host.say(a, id, b_id, "x"));
    host.raw(b);
    host.meanwhile = Some((b, 2));
    let other = host.login(b_id, "x");
    assert_eq!(host.ids(other), [1, 3]);
    host.wait_ms(CHAT_REPEAT_MS);
    assert_eq!((host.ids(b), host.ids(other)), (vec![1, 3], vec![1, 3]));
}
