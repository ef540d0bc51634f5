//! A buyer and an agent talk: one polls over HTTP, the other has a socket.

use crate::harness::{Backend, Server, captures, check_pattern};
use serde_json::json;

#[test]
fn a_buyers_message_is_pushed_and_the_answer_polled() {
    let server = Server::memory(&[]);
    let (mut buyer, mut agent) = (server.buyer("chaogai"), server.agent("sunsanniang"));
    buyer.send("sunsanniang", "在吗");
    let holes = captures(
        r#"{"command":11,"data":{"chatType":2,"cmd":11,"content":"在吗","createTime":<ms>,"from":"chaogai","id":"<id>","msgType":0,"to":"sunsanniang"}}"#,
        &agent.socket.text(),
    );
    assert_eq!(agent.ids(2, "chaogai"), [&*holes[1]]);
    agent.say("chaogai", "1", "在", 10001);
    assert_eq!(buyer.unread(), 1);
    assert_eq!(buyer.read("sunsanniang"), ["在"]);
    assert_eq!(buyer.unread(), 0);
    assert_eq!(
        buyer.history("sunsanniang"),
        [("chaogai", "在吗"), ("sunsanniang", "在")]
            .map(|(from, text)| (from.to_owned(), text.to_owned()))
    );
    assert_eq!(agent.ids(1, "chaogai"), [&*holes[1], "1"]);
}

#[test]
fn unread_agrees_in_both_whichever_side_reads() {
    let server = Server::memory(&[]);
    let (mut buyer, mut agent) = (server.buyer("c"), server.agent("s"));
    // The agent's account seen by the buyer's API, and the buyer's by the agent's.
    let (mut agent_polls, mut buyer_listens) = (server.buyer("s"), server.jim("c"));
    for n in 0..4 {
        buyer.send("s", &n.to_string());
        agent.socket.text();
        assert_eq!(agent_polls.unread(), n + 1);
        assert_eq!(agent.ids(2, "c").len() as u64, n + 1);
    }
    assert_eq!(agent.ids(0, "c").len(), 4);
    assert_eq!(agent_polls.unread(), 0);
    buyer.send("s", "again");
    agent.socket.text();
    assert_eq!(agent_polls.read("c"), ["again"]);
    assert!(agent.ids(2, "c").is_empty());
    for id in ["1", "2"] {
        agent.say("c", id, "x", 10000);
        buyer_listens.hears("s", id, "x");
    }
    assert_eq!((buyer.unread(), buyer_listens.ids(2, "s").len()), (2, 2));
    assert_eq!(buyer_listens.ids(0, "s").len(), 2);
    assert_eq!(buyer.unread(), 0);
    assert!(buyer.read("s").is_empty());
}

#[test]
fn objects_show_their_text_and_else_themselves() {
    let server = Server::memory(&[]);
    let (mut buyer, mut agent) = (server.buyer("b"), server.agent("a"));
    for (id, (content, msg_type, shown)) in [
        (json!("plain"), 0, "plain"),
        (json!({"text": "hello", "n": 1}), 0, "hello"),
        (json!({"asd": "hell,你2好"}), 0, r#"{"asd":"hell,你2好"}"#),
        (json!([1, 2]), 0, "[1,2]"),
        (json!(5), 0, "5"),
        (json!("http://x"), 1, "[沙盘] http://x"),
        (json!("http://x"), 2, "[文章] http://x"),
        (json!("http://x"), 5, "[语音] http://x"),
        (json!("odd"), 42, "odd"),
    ]
    .into_iter()
    .enumerate()
    {
        let command = json!({"cmd": 11, "chatType": 2, "to": "b", "id": id.to_string(), "content": content, "msgType": msg_type});
        assert_eq!(agent.json(&command)["code"], 10001);
        assert_eq!(buyer.read("a"), [shown], "{command}");
    }
}

#[test]
fn images_and_products_keep_their_kind_for_buyers() {
    let server = Server::memory(&[]);
    let (mut buyer, mut agent) = (server.buyer("b"), server.agent("a"));
    for (id, msg_type, kind) in [("1", 3, 1), ("2", 4, 2)] {
        let command = json!({"cmd": 11, "chatType": 2, "to": "b", "id": id, "content": "http://x", "msgType": msg_type});
        assert_eq!(agent.json(&command)["code"], 10001);
        let data = buyer.data("getMsg", &[("shopname", "a")]);
        assert_eq!(data["msgList"][0]["text"], "http://x");
        assert_eq!(data["msgList"][0]["type"], kind);
    }
    for (kind, label) in [("1", "[图片]"), ("2", "[商品]")] {
        let params = [
            ("shopname", "a"),
            ("content", "http://y"),
            ("content_type", kind),
        ];
        buyer.data("sendMsg", &params);
        check_pattern(
            &format!(
                r#"{{"command":11,"data":{{"chatType":2,"cmd":11,"content":"{label} http://y","createTime":<ms>,"from":"b","id":"<id>","msgType":0,"to":"a"}}}}"#
            ),
            &agent.socket.text(),
        );
    }
}

#[test]
fn three_dialects_in_one_group() {
    let server = Server::memory(&[]);
    let (mut buyer, mut agent) = (server.buyer("b"), server.agent("a"));
    let mut backend = Backend::new(server.client());
    let group = backend.group("群", "c", &["a", "b"]);
    backend.send_into("c", &group, "1");
    agent.socket.text();
    buyer.send("群", "2");
    agent.socket.text();
    let said = crate::harness::say_in("a", &group, "3", "3");
    agent.socket.send(&said);
    agent.socket.text();
    agent.socket.text();
    assert_eq!(agent.group_ids(0, &group).len(), 2, "two are of others");
    assert_eq!(agent.group_ids(1, &group).len(), 3);
    assert_eq!(buyer.read("群"), ["c: 1", "a: 3"]);
    assert_eq!(backend.unread("c", &group), 2);
    assert_eq!(backend.unread("a", &group), 0);
    assert_eq!(backend.unread("b", &group), 0);
    let texts: Vec<_> = backend
        .messages(&group, None)
        .into_iter()
        .map(|row| row.1)
        .collect();
    assert_eq!(texts, ["1", "2", "3"]);
}
