//! What is pushed, acknowledged, and pushed again.

use serde_json::json;

use super::host::{Host, over_both};
use crate::domain::command::{Command, Peer, Send, Who};
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::message::{Dialect, MessageKind};
use crate::limits::{CHAT_OUTSTANDING_MAX, CHAT_RECENT_ACKS_MAX, CHAT_REPEAT_MS, CHAT_REPEATS_MAX};

#[test]
fn what_is_acknowledged_waits_no_more_in_any_order_and_quotes() {
    over_both(|host| {
        let ((_, a), (b_id, b)) = host.two();
        host.watch(b_id);
        (1..=6).for_each(|id| host.say(a, id, b_id, "x"));
        assert_eq!(host.ids(b), [1, 2, 3, 4, 5, 6]);
        for (content, left) in [
            ("{'srcId': 4}", vec![1, 2, 3, 5, 6]),
            (r#"{"srcId":"2"}"#, vec![1, 3, 5, 6]),
            ("{‘srcId’:‘6’}", vec![1, 3, 5]),
            (r#"{"srcId":6}"#, vec![1, 3, 5]),
            (r#"{"srcId":99}"#, vec![1, 3, 5]),
            ("nonsense", vec![1, 3, 5]),
            ("{'srcId':1}", vec![3, 5]),
        ] {
            host.frame(
                b,
                &json!({"msgType": "Ack", "content": content}).to_string(),
            );
            assert_eq!(host.offline(b_id), left, "{content}");
        }
        if host.restart() {
            assert_eq!(host.offline(b_id), [3, 5]);
        }
    });
}

#[test]
fn an_id_that_passed_through_a_double_is_found_if_it_is_the_only_one() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let ids = [1_268_242_042_090_295_299, 1_268_242_042_090_299_111];
    ids.iter().for_each(|id| host.say(a, *id, b_id, "x"));
    host.ack(b, 1_268_242_042_090_295_300);
    assert_eq!(host.offline(b_id), ids[1..]);
    host.say(a, ids[1] + 1, b_id, "x");
    host.ack(b, 1_268_242_042_090_299_100);
    assert_eq!(host.offline(b_id), [ids[1], ids[1] + 1]);
    // The other way in which a double is written.
    host.ack(b, ids[1]);
    let content = "{'srcId': 1.2682420420902991e18}";
    host.frame(
        b,
        &json!({"msgType": "Ack", "content": content}).to_string(),
    );
    assert_eq!(host.offline(b_id), [0; 0]);
}

#[test]
fn an_id_that_no_double_is_written_as_means_no_other() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    // All are one number as doubles: that of the first, which is written as the second.
    let id = 1_268_242_042_090_295_296;
    host.say(a, id, b_id, "x");
    host.say(a, id + 1, b_id, "x");
    for given in [id, id, id + 2, id - 1] {
        host.ack(b, given);
        assert_eq!(host.offline(b_id), [id + 1], "{given}");
    }
    host.ack(b, id + 1);
    assert_eq!(host.offline(b_id), [0; 0]);
}

#[test]
fn an_id_that_was_acknowledged_means_no_other_when_it_is_given_again() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let id = 1_268_242_042_090_295_300;
    host.say(a, id, b_id, "x");
    host.ack(b, id);
    // However much is acknowledged in between, as long as a double cannot be meant by it.
    (1..=100).for_each(|id| host.say(a, id, b_id, "x"));
    (1..=100).for_each(|id| host.ack(b, id));
    host.say(a, id + 1, b_id, "x");
    host.ack(b, id);
    assert_eq!(host.offline(b_id), [id + 1]);
    // It is not remembered for ever.
    for further in 1..=CHAT_RECENT_ACKS_MAX as u64 {
        let double = (id + further * 1_024) as f64;
        let further = double.to_string().parse().expect("an id");
        host.say(a, further, b_id, "x");
        host.ack(b, further);
    }
    host.ack(b, id);
    assert_eq!(host.offline(b_id), [0; 0]);
}

#[test]
fn an_acknowledgement_of_nothing_is_passed_over() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    host.say(a, 10, b_id, "x");
    host.raw(b);
    for content in [
        json!({"srcId": 10}),
        json!([10]),
        json!(10),
        json!("10"),
        json!("junk"),
        json!("{'srcId': -1}"),
        json!("{'srcId': 1.5}"),
        json!("{'srcId': 1e30}"),
        json!("{'srcId': 'x'}"),
        json!(""),
        json!(null),
        json!(true),
    ] {
        let frame = json!({"id": 7, "msgType": "Ack", "content": content});
        host.frame(b, &frame.to_string());
        assert_eq!(host.raw(b), [""; 0], "{content}");
    }
    host.frame(b, r#"{"msgType":"Ack"}"#);
    assert_eq!(host.raw(b), [""; 0]);
    assert_eq!(host.offline(b_id), [10]);
    assert_eq!(host.sockets[b].closed, None);
    // Before it is known who is there it is as good as anything else.
    let stranger = host.open();
    host.frame(stranger, r#"{"msgType":"Ack"}"#);
    assert_eq!(host.sockets[stranger].closed, Some(1008));
}

#[test]
fn what_somebody_sends_elsewhere_does_not_wait_for_them() {
    over_both(|host| {
        let (a_id, _) = host.register("a");
        let (b_id, _) = host.register("b");
        let a = host.login(a_id, "x");
        let members = json!([{"userId": a_id}, {"userId": b_id}]);
        let team = host.ok("/im/team/add", &json!({"name": "g", "members": members}))["id"].clone();
        let team = ConversationId(team.as_u64().expect("a number"));
        let elsewhere = |host: &mut Host, to: &Peer, count: usize| {
            for _ in 0..count {
                let send = Send {
                    from: AccountId(b_id),
                    to: to.clone(),
                    kind: MessageKind::Text,
                    body: "x".into(),
                    origin: Dialect::Conv,
                    client_id: None,
                    attributes: None,
                };
                host.submit(Command::Send(send)).expect("sent");
            }
        };
        let (user, group) = (Peer::Account(Who::Id(AccountId(a_id))), Peer::Group(team));
        let in_team = |id: u64| json!({"id": id, "teamId": team.0, "chatType": "Group", "msgType": "Text", "content": "x"});
        host.say(a, 1, b_id, "x");
        host.frame(a, &in_team(2).to_string());
        elsewhere(host, &user, 3);
        elsewhere(host, &group, 1_500);
        host.frame(a, &in_team(3).to_string());
        assert_eq!(host.offline(b_id), [1, 2, 3]);
        let b = host.login(b_id, "x");
        let notice = host.take(b);
        assert_eq!(notice.len(), 1);
        assert_eq!(notice[0]["content"], "您有3离线消息");
        (1..=3).for_each(|id| host.ack(b, id));
        elsewhere(host, &user, 1);
        let again = host.login(b_id, "x");
        assert_eq!(host.raw(again), [""; 0]);
    });
}

#[test]
fn messages_that_came_before_the_socket_are_announced_and_acknowledged_one_by_one() {
    over_both(|host| {
        let (a_id, _) = host.register("a");
        let (b_id, _) = host.register("b");
        let a = host.login(a_id, "x");
        (1..=3).for_each(|id| host.say(a, id, b_id, "x"));
        let b = host.login(b_id, "x");
        let notice = host.take(b);
        assert_eq!(notice.len(), 1);
        assert_eq!(notice[0]["msgType"], "Event");
        assert_eq!(notice[0]["eventType"], "OfflineMessage");
        assert_eq!(notice[0]["content"], "您有3离线消息");
        assert_eq!(
            (&notice[0]["fromUserId"], &notice[0]["chatType"]),
            (&json!(1), &json!("Single"))
        );
        for (id, left) in [(2, vec![1, 3]), (1, vec![3]), (3, vec![])] {
            host.ack(b, id);
            assert_eq!(host.offline(b_id), left);
        }
        let again = host.login(b_id, "x");
        assert_eq!(host.raw(again), [""; 0]);
        // Asking what waits has changed nothing, and what was sent waits for nobody.
        assert_eq!(host.offline(a_id), [0; 0]);
    });
}

#[test]
fn reading_acknowledges() {
    over_both(|host| {
        let ((_, a), (b_id, b)) = host.two();
        host.watch(b_id);
        (1..=3).for_each(|id| host.say(a, id, b_id, "x"));
        host.ack(b, 2);
        let row = host.list(b_id)[0]["id"].clone();
        host.done("/im/user/chat/clear/unread", &json!({"id": row}));
        assert_eq!(host.offline(b_id), [0; 0]);
        host.raw(b);
        host.wait_ms(CHAT_REPEAT_MS);
        assert_eq!(host.raw(b), [""; 0]);
    });
}

#[test]
fn what_a_client_sends_is_not_missing_from_what_it_acknowledges() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        for round in 0..3 {
            host.say(a, 10 + round, b_id, "x");
            host.say(b, 20 + round, a_id, "y");
        }
        (0..3).for_each(|round| host.ack(b, 10 + round));
        host.raw(b);
        let again = host.login(b_id, "x");
        assert_eq!(host.raw(again), [""; 0]);
    });
}

#[test]
fn what_is_not_acknowledged_is_pushed_again_five_times() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    host.say(a, 1, b_id, "x");
    let first = host.raw(b);
    host.wait_ms(10_000);
    host.say(a, 2, b_id, "y");
    let second = host.raw(b);
    host.wait_ms(CHAT_REPEAT_MS - 10_001);
    assert_eq!(host.raw(b), [""; 0]);
    host.wait_ms(1);
    assert_eq!(host.raw(b), first);
    host.ack(b, 1);
    for _ in 0..CHAT_REPEATS_MAX {
        host.wait_ms(CHAT_REPEAT_MS);
        assert_eq!(host.raw(b), second);
    }
    host.wait_ms(10 * CHAT_REPEAT_MS);
    assert_eq!(host.raw(b), [""; 0]);
    assert_eq!(host.offline(b_id), [2]);
}

#[test]
fn an_acknowledgement_on_one_connection_counts_on_all() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let other = host.login(b_id, "x");
    host.say(a, 1, b_id, "x");
    assert_eq!((host.ids(b), host.ids(other)), (vec![1], vec![1]));
    host.ack(other, 1);
    host.wait_ms(CHAT_REPEAT_MS);
    assert_eq!((host.raw(b).len(), host.raw(other).len()), (0, 0));
}

#[test]
fn so_many_are_remembered_to_be_pushed_again() {
    let mut host = Host::new();
    let ((_, a), (b_id, b)) = host.two();
    let count = CHAT_OUTSTANDING_MAX as u64 + 10;
    (1..=count).for_each(|id| host.say(a, id, b_id, "x"));
    assert_eq!(host.ids(b).len() as u64, count);
    host.wait_ms(CHAT_REPEAT_MS);
    assert_eq!(
        host.ids(b),
        (1..=CHAT_OUTSTANDING_MAX as u64).collect::<Vec<_>>()
    );
    // The others wait all the same, and are found when they are acknowledged.
    host.ack(b, count);
    assert_eq!(host.offline(b_id), (1..count).collect::<Vec<_>>());
}

#[test]
fn a_group_is_pushed_and_acknowledged_by_each_member() {
    over_both(|host| {
        let ((a_id, a), (b_id, b)) = host.two();
        let (c_id, _) = host.register("c");
        let c = host.login(c_id, "x");
        let members = json!([{"userId": a_id}, {"userId": b_id}, {"userId": c_id}]);
        let team = host.ok("/im/team/add", &json!({"name": "g", "members": members}));
        let frame = json!({"id": 5, "teamId": team["id"], "chatType": "Group", "msgType": "Text", "content": "x"});
        host.frame(a, &frame.to_string());
        assert_eq!((host.ids(b), host.ids(c)), (vec![5], vec![5]));
        host.ack(b, 5);
        assert_eq!((host.offline(b_id), host.offline(c_id)), (vec![], vec![5]));
        assert_eq!(host.offline(a_id), [0; 0]);
    });
}
