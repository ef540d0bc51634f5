//! Command 11: what is sent, what comes, and what is answered.

use crate::harness::{
    Jim, Server, answer, captures, check_pattern, group_message, join_all, message, push, say,
    say_in,
};
use serde_json::json;

const SENT: &str = r#"{"code":10000,"command":12,"msg":"ok 发送成功"}"#;
const OFFLINE: &str = r#"{"code":10001,"command":12,"msg":"offline 用户不在线"}"#;

/// The longest body of a message.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest id that a client may give.
const ID_BYTES_MAX: usize = 64;
/// Enough connections that each of two shards has one, but once in thousands of runs.
const CONNECTIONS: usize = 14;

fn pair(server: &Server) -> (Jim, Jim) {
    (server.jim("a"), server.jim("b"))
}

#[test]
fn a_message_as_in_the_contract() {
    let server = Server::memory(&[]);
    let mut sender = server.jim("asdfghjkl");
    let mut receiver = server.jim("oqRgw5U2o6siu0viOo2MQJIBafcw");
    let command = r#"{
	"to":"oqRgw5U2o6siu0viOo2MQJIBafcw",
	"from":"asdfghjkl",
	"cmd":"11",
	"createTime":1568012384,
	"msgType":0,
	"chatType":2,
	"extras": {
	        "nickName" : "昵称",
         	"headImg": "http://jjjj.img"
         	},
	"content":{"asd":"hell,你2好"}
}"#;
    sender.socket.exchange(command, &[SENT]);
    check_pattern(
        r#"{"command":11,"data":{"chatType":2,"cmd":11,"content":"{\"asd\":\"hell,你2好\"}","createTime":1568012384,"extras":{"nickName":"昵称","headImg":"http://jjjj.img"},"from":"asdfghjkl","id":"<id>","msgType":0,"to":"oqRgw5U2o6siu0viOo2MQJIBafcw"}}"#,
        &receiver.socket.text(),
    );
}

#[test]
fn a_message_to_somebody_offline_is_stored() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    a.socket.exchange(&say("a", "b", "1", "x"), &[OFFLINE]);
    let mut b = Jim::open(server.addr(), "b");
    assert_eq!(b.ids(0, "a"), ["1"]);
}

#[test]
fn a_message_to_a_new_name_waits_for_its_user() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    a.socket.exchange(&say("a", "b", "1", "x"), &[OFFLINE]);
    assert_eq!(server.jim("b").ids(0, "a"), ["1"]);
}

#[test]
fn a_closed_directory_refuses_a_new_name() {
    let server = Server::memory(&["--open-directory=false"]);
    let mut a = server.jim("a");
    a.socket
        .exchange(&say("a", "b", "1", "x"), &[&answer(10002, 12)]);
    server.jim_user("b");
    a.socket.exchange(&say("a", "b", "2", "x"), &[OFFLINE]);
}

#[test]
fn what_is_missing_is_filled_in() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    let before = a.clock();
    a.socket
        .exchange(r#"{"cmd":11,"chatType":2,"to":"b","content":"x"}"#, &[SENT]);
    let holes = captures(
        r#"{"command":11,"data":{"chatType":2,"cmd":11,"content":"x","createTime":<ms>,"from":"a","id":"<id>","msgType":0,"to":"b"}}"#,
        &b.socket.text(),
    );
    let time: i64 = holes[0].parse().expect("a number");
    assert!((before..=a.clock()).contains(&time));
    let stored = b.messages(&json!({"type": 2, "fromUserId": "a"}));
    assert_eq!(stored["friends"]["a"][0]["createTime"], time);
    assert_eq!(stored["friends"]["a"][0]["id"], *holes[1]);
}

#[test]
fn the_servers_ids_differ() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for _ in 0..20 {
        a.socket
            .exchange(r#"{"cmd":11,"chatType":2,"to":"b","content":"x"}"#, &[SENT]);
        b.socket.text();
    }
    let mut ids = b.ids(2, "a");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[test]
fn create_time_is_given_back_as_it_came() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for (id, time) in [("1", "0"), ("2", "1568012384"), ("3", "253402300799999")] {
        let command = say("a", "b", id, "x").replace(":7,", &format!(":{time},"));
        a.socket.exchange(&command, &[SENT]);
        let expected = push(&message("a", "b", id, "x")).replace(":7,", &format!(":{time},"));
        b.socket.expect(&[&expected]);
    }
}

#[test]
fn a_repeated_id_stores_and_pushes_once_and_is_answered_for_now() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    a.socket.exchange(&say("a", "b", "1", "first"), &[OFFLINE]);
    let mut b = Jim::open(server.addr(), "b");
    a.socket.exchange(&say("a", "b", "1", "second"), &[SENT]);
    a.socket.exchange(&say("a", "b", "2", "third"), &[SENT]);
    b.hears("a", "2", "third");
    let data = b.messages(&json!({"type": 1, "fromUserId": "a"}));
    let first = data["friends"]["a"][0]["content"].as_str();
    assert_eq!(first, Some("first"), "the first message wins");
    assert_eq!(b.ids(1, "a"), ["1", "2"]);
}

#[test]
fn an_id_names_a_message_of_one_sender_in_one_conversation() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    let mut c = server.jim("c");
    a.say("b", "1", "to b", 10000);
    b.hears("a", "1", "to b");
    a.say("c", "1", "to c", 10000);
    c.hears("a", "1", "to c");
    b.say("a", "1", "back", 10000);
    a.hears("b", "1", "back");
    assert_eq!(a.ids(1, "b"), ["1", "1"]);
}

#[test]
fn an_id_has_at_most_64_bytes() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    let longest = "i".repeat(ID_BYTES_MAX);
    a.say("b", &longest, "x", 10000);
    b.hears("a", &longest, "x");
    a.say("b", &format!("{longest}i"), "x", 10002);
}

#[test]
fn extras_are_kept_and_forwarded_up_to_4_kib() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    let with = |length: usize, id: &str| {
        let mut command = json!({"cmd": 11, "chatType": 2, "to": "b", "content": "x", "id": id});
        command["extras"] = json!({"z": 1, "k": "e".repeat(length)});
        command.to_string()
    };
    a.socket.exchange(&with(3_900, "1"), &[SENT]);
    let pushed = b.socket.text();
    assert!(pushed.contains(&format!(r#""k":"{}""#, "e".repeat(3_900))));
    let stored = b.messages(&json!({"type": 2, "fromUserId": "a"}));
    assert_eq!(stored["friends"]["a"][0]["extras"]["z"], 1);
    a.socket.exchange(&with(4_097, "2"), &[&answer(10002, 12)]);
    assert_eq!(b.ids(2, "a"), ["1"]);
}

#[test]
fn what_is_wrong_gets_10002_and_stores_nothing() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for command in [
        json!({"cmd": 11, "to": "b", "content": "x"}),
        json!({"cmd": 11, "chatType": 3, "to": "b", "content": "x"}),
        json!({"cmd": 11, "chatType": 0, "to": "b", "content": "x"}),
        json!({"cmd": 11, "chatType": "two", "to": "b", "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "to": "", "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "to": null, "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "groupId": "b", "content": "x"}),
        json!({"cmd": 11, "chatType": 1, "to": "b", "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "to": "n".repeat(256), "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "to": "a\u{7}b", "content": "x"}),
        json!({"cmd": 11, "chatType": 2, "to": "b"}),
        json!({"cmd": 11, "chatType": 2, "to": "b", "content": ""}),
        json!({"cmd": 11, "chatType": 2, "to": "b", "content": null}),
        json!({"cmd": 11, "chatType": 2, "to": "b", "content": "x".repeat(BODY_BYTES_MAX + 1)}),
    ] {
        let command = command.to_string();
        let got = a.call(&command);
        assert_eq!(
            got,
            answer(10002, 12),
            "{}",
            &command[..command.len().min(100)]
        );
    }
    assert_eq!(
        b.messages(&json!({"type": 2})),
        json!({"friends": {}, "groups": {}, "userid": "b"})
    );
}

#[test]
fn a_body_may_have_64_kib() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for (id, text) in [
        ("1", "x".repeat(BODY_BYTES_MAX)),
        ("2", "一".repeat(BODY_BYTES_MAX / 3)),
    ] {
        a.say("b", id, &text, 10000);
        b.hears("a", id, &text);
    }
}

#[test]
fn text_survives_whatever_it_is() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for (at, text) in [
        "\"\\/\u{8}\n\t",
        "\u{2028}\u{2029}",
        "𝄞 e\u{301}",
        "\u{0}\u{1f}\u{7f}",
        "{}",
        "null",
    ]
    .into_iter()
    .enumerate()
    {
        let id = at.to_string();
        let command = json!({"cmd": 11, "chatType": 2, "to": "b", "id": id, "content": text});
        a.socket.exchange(&command.to_string(), &[SENT]);
        let pushed: serde_json::Value = serde_json::from_str(&b.socket.text()).expect("JSON");
        assert_eq!(pushed["data"]["content"], text);
        let stored = b.messages(&json!({"type": 0, "fromUserId": "a"}));
        assert_eq!(stored["friends"]["a"][0]["content"], text);
    }
}

#[test]
fn sending_as_somebody_else_is_refused() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    server.jim_user("c");
    let refusal = r#"{"code":10020,"command":12,"msg":"Invalid verification! 不合法校验"}"#;
    a.socket.exchange(&say("c", "b", "1", "x"), &[refusal]);
    a.say("b", "2", "x", 10000);
    b.hears("a", "2", "x");
}

#[test]
fn a_message_comes_on_every_connection_of_both_shards() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    let mut all: Vec<Jim> = (0..CONNECTIONS)
        .map(|_| Jim::open(server.addr(), "b"))
        .collect();
    for id in ["1", "2", "3"] {
        a.say("b", id, "x", 10000);
    }
    for b in &mut all {
        for id in ["1", "2", "3"] {
            b.hears("a", id, "x");
        }
    }
    // The sender's other connections hear nothing.
    let mut other = Jim::open(server.addr(), "a");
    a.say("b", "4", "x", 10000);
    all[0].hears("a", "4", "x");
    all[0].say("a", "5", "back", 10000);
    other.hears("b", "5", "back");
    a.hears("b", "5", "back");
}

#[test]
fn every_connection_sees_one_order() {
    let server = Server::memory(&[]);
    server.jim_user("b");
    let mut all: Vec<Jim> = (0..CONNECTIONS)
        .map(|_| Jim::open(server.addr(), "b"))
        .collect();
    let senders: Vec<_> = ["s0", "s1", "s2"]
        .map(|name| {
            let mut sender = server.jim(name);
            std::thread::spawn(move || {
                for n in 0..50 {
                    sender.say("b", &n.to_string(), "x", 10000);
                }
            })
        })
        .into();
    let heard: Vec<Vec<String>> = all
        .iter_mut()
        .map(|b| (0..150).map(|_| b.socket.text()).collect())
        .collect();
    for sender in senders {
        sender.join().expect("no panic");
    }
    for other in &heard[1..] {
        assert_eq!(*other, heard[0]);
    }
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for n in 0..200 {
        a.socket.send(&say("a", "b", &n.to_string(), "x"));
        a.socket.send(r#"{"cmd":99}"#);
    }
    for n in 0..200 {
        a.socket.expect(&[SENT, &answer(10017, 0)]);
        b.hears("a", &n.to_string(), "x");
    }
}

#[test]
fn a_pipeline_is_stored_and_pushed_in_the_order_in_which_it_was_sent() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    let ids: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for id in &ids {
        a.socket.send(&say("a", "b", id, "x"));
    }
    for _ in &ids {
        a.socket.expect(&[SENT]);
    }
    let pushed: Vec<String> = ids
        .iter()
        .map(|_| {
            let push: serde_json::Value = serde_json::from_str(&b.socket.text()).expect("JSON");
            push["data"]["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(pushed, ids);
    assert_eq!(b.ids(1, "a"), ids);
}

#[test]
fn links_keep_their_type_and_media_come_as_text_with_a_label() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    for (msg_type, shown_type, label) in [
        (0, 0, ""),
        (1, 1, ""),
        (2, 2, ""),
        (3, 0, "[图片] "),
        (4, 0, "[商品] "),
        (5, 0, "[语音] "),
        (6, 0, "[视频] "),
        (7, 0, "[文件] "),
        (8, 0, "[位置] "),
        (42, 42, ""),
    ] {
        let id = msg_type.to_string();
        let command = say("a", "b", &id, "http://x")
            .replace(r#""msgType":0"#, &format!(r#""msgType":{msg_type}"#));
        a.socket.exchange(&command, &[SENT]);
        let expected = message("a", "b", &id, &format!("{label}http://x"))
            .replace(r#""msgType":0"#, &format!(r#""msgType":{shown_type}"#));
        b.socket.expect(&[&push(&expected)]);
        let stored = b.messages(&json!({"type": 0, "fromUserId": "a"}));
        let stored = serde_json::to_string(&stored["friends"]["a"][0]).expect("JSON");
        assert_eq!(stored, expected);
    }
}

#[test]
fn a_group_message_comes_to_all_members_and_the_sender() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    join_all(&mut [&mut a, &mut b], "G");
    let mut other = Jim::open(server.addr(), "a");
    let pushed = push(&group_message("b", "G", "1", "大家好"));
    b.socket
        .exchange(&say_in("b", "G", "1", "大家好"), &[&pushed, SENT]);
    a.socket.expect(&[&pushed]);
    other.socket.expect(&[&pushed]);
    let snake = say_in("b", "G", "2", "x").replace("groupId", "group_id");
    let pushed = push(&group_message("b", "G", "2", "x"));
    b.socket.exchange(&snake, &[&pushed, SENT]);
    a.socket.expect(&[&pushed]);
}

#[test]
fn only_members_send_into_a_group() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = pair(&server);
    join_all(&mut [&mut a], "G");
    let refusal = r#"{"code":10020,"command":12,"msg":"Invalid verification! 不合法校验"}"#;
    b.socket.exchange(&say_in("b", "G", "1", "x"), &[refusal]);
    let pushed = push(&group_message("a", "G", "2", "x"));
    a.socket
        .exchange(&say_in("a", "G", "2", "x"), &[&pushed, SENT]);
    assert_eq!(a.group_ids(1, "G"), ["2"]);
    a.socket
        .exchange(&say_in("a", "H", "1", "x"), &[&answer(10002, 12)]);
}

#[test]
fn messages_sent_without_waiting_keep_their_order() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    let numbers: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for id in &numbers {
        a.socket.send(&say("a", "b", id, "x"));
    }
    // A server that is short of time may refuse some; the others keep their order.
    let mut accepted = Vec::new();
    for id in numbers {
        match a.socket.text() {
            got if got == answer(10000, 12) => accepted.push(id),
            got => assert_eq!(got, answer(10022, 12)),
        }
    }
    for id in &accepted {
        b.hears("a", id, "x");
    }
    assert!(!accepted.is_empty());
    assert_eq!(b.ids(1, "a"), accepted);
}
