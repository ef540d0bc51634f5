//! What outlives a restart, and a kill.

use crate::harness::{
    Jim, Server, answer, group_message, join_all, message, push, say, say_in, token, vanke,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Acknowledgements after which the server is killed.
const ACKNOWLEDGED_BEFORE_KILL: usize = 300;
const SENDERS: usize = 4;

/// What a user can see.
fn view(jim: &mut Jim) -> Vec<String> {
    let name = jim.name.clone();
    [
        json!({"cmd": 17, "type": 1, "userId": name}),
        json!({"cmd": 17, "type": 2, "userId": name}),
        json!({"cmd": 17, "type": 2, "userId": name, "extras": {"pullType": 2}}),
        json!({"cmd": 17, "type": 2, "userId": name, "extras": {"pullType": 3}}),
        json!({"cmd": 19, "type": 2, "userId": name}),
        json!({"cmd": 19, "type": 1, "userId": name, "fromUserId": "a"}),
        json!({"cmd": 19, "type": 1, "userId": name, "fromUserId": "b"}),
        json!({"cmd": 19, "type": 1, "userId": name, "groupId": "G"}),
    ]
    .iter()
    .map(|command| jim.call(&command.to_string()))
    .collect()
}

fn chat_info(server: &Server, to: &str, from: &str) -> String {
    let body = json!({"to": to, "from": from, "op": 1, "isConcurrent": 0});
    vanke(&mut server.client(), "chatInfo", &body)
}

fn receiver(server: &Server, visitor: &str) -> Value {
    let body = json!({"senderId": visitor, "token": token(visitor), "type": 0});
    let answer = vanke(&mut server.client(), "getReceiver", &body);
    serde_json::from_str(&answer).expect("JSON")
}

/// Talks, stops the server by `stop`, and asserts that everything is as it was.
fn check_kept_after(stop: fn(&mut Server)) {
    let mut server = Server::durable(&[]);
    server.jim_profile("a", 1, "客服");
    let mut a = Jim::open(server.addr(), "a");
    assert_eq!(receiver(&server, "v")["data"]["id"], "a");
    server.jim_profile("b", 0, "栗子");
    let mut b = Jim::open(server.addr(), "b");
    join_all(&mut [&mut a, &mut b], "G");
    for n in 0..20 {
        b.say("a", &n.to_string(), "x", 10000);
        a.hears("b", &n.to_string(), "x");
    }
    assert_eq!(a.ids(0, "b").len(), 20);
    b.say("a", "20", "x", 10000);
    a.hears("b", "20", "x");
    let extras = json!({"cmd": 11, "chatType": 2, "to": "a", "id": "21", "content": {"k": 1}, "msgType": 42,
        "createTime": 5, "extras": {"nickName": "昵称"}});
    b.socket
        .exchange(&extras.to_string(), &[&answer(10000, 12)]);
    a.socket.text();
    b.socket.exchange(
        r#"{"cmd":15,"id":"3"}"#,
        &[
            r#"{"command":15,"data":{"from":"b","id":"3"}}"#,
            &answer(10023, 16),
        ],
    );
    a.socket.text();
    b.socket.send(&say_in("b", "G", "g1", "x"));
    b.socket.text();
    b.socket.text();
    a.socket.text();
    let before = [view(&mut a), view(&mut b)];
    let counts = chat_info(&server, "a", "b");
    assert!(counts.contains(r#""unReadNum":2"#), "{counts}");

    for _ in 0..2 {
        stop(&mut server);
        server.start_again();
        a = Jim::open(server.addr(), "a");
        b = Jim::open(server.addr(), "b");
        assert_eq!([view(&mut a), view(&mut b)], before);
        assert_eq!(chat_info(&server, "a", "b"), counts);
        let _newcomer = server.agent("newcomer");
        assert_eq!(
            receiver(&server, "v")["data"]["id"],
            "a",
            "the assignment is stored"
        );
    }
    b.socket
        .exchange(&say("b", "a", "20", "other"), &[&answer(10000, 12)]);
    b.say("a", "22", "after the restart", 10000);
    a.hears("b", "22", "after the restart");
    assert_eq!(a.ids(0, "b"), ["20", "21", "22"]);
    let pushed = push(&group_message("a", "G", "g2", "x"));
    a.socket
        .exchange(&say_in("a", "G", "g2", "x"), &[&pushed, &answer(10000, 12)]);
    b.socket.expect(&[&pushed]);
}

#[test]
fn everything_is_kept_after_sigterm() {
    check_kept_after(|server| assert_eq!(server.terminate().status.code(), Some(0)));
}

#[test]
fn everything_is_kept_after_sigkill() {
    check_kept_after(Server::kill);
}

/// Sends until the server is gone, reporting each acknowledgement. Gives the number of those.
fn send_until_killed(addr: SocketAddr, name: String, acknowledged: Sender<()>) -> usize {
    let mut jim = Jim::open(addr, &name);
    let mut count = 0;
    loop {
        let command = say(&name, "reader", &count.to_string(), "x");
        let answered = jim
            .socket
            .try_send(&command)
            .and_then(|()| jim.socket.try_text());
        match answered {
            Ok(text) => assert!(
                [answer(10000, 12), answer(10001, 12)].contains(&text),
                "{text}"
            ),
            Err(_) => return count,
        }
        count += 1;
        // Nobody counts any more once the server is being killed.
        let _ = acknowledged.send(());
    }
}

/// Listens until the server is gone. Gives the frames that came.
fn listen_until_killed(addr: SocketAddr) -> Vec<String> {
    let mut jim = Jim::open(addr, "reader");
    let mut heard = Vec::new();
    while let Ok(text) = jim.socket.try_text() {
        heard.push(text);
    }
    heard
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged_or_pushed() {
    let mut server = Server::durable(&[]);
    let addr = server.addr();
    server.jim_user("reader");
    let names: Vec<String> = (0..SENDERS).map(|n| format!("s{n}")).collect();
    let listener = thread::spawn(move || listen_until_killed(addr));
    let (acknowledged, acknowledgements) = channel();
    let senders: Vec<_> = names
        .iter()
        .map(|name| {
            server.jim_user(name);
            let (name, acknowledged) = (name.clone(), acknowledged.clone());
            thread::spawn(move || send_until_killed(addr, name, acknowledged))
        })
        .collect();
    drop(acknowledged);
    let count = acknowledgements
        .iter()
        .take(ACKNOWLEDGED_BEFORE_KILL)
        .count();
    assert_eq!(count, ACKNOWLEDGED_BEFORE_KILL);
    server.kill();
    let counts: Vec<usize> = senders
        .into_iter()
        .map(|sender| sender.join().expect("no panic"))
        .collect();
    let heard = listener.join().expect("no panic");
    server.start_again();

    let mut reader = Jim::open(server.addr(), "reader");
    for (name, acknowledged) in names.iter().zip(counts) {
        let stored = reader.ids(1, name);
        let in_order: Vec<_> = (0..stored.len()).map(|n| n.to_string()).collect();
        assert_eq!(stored, in_order);
        // The last one may be stored without its answer having come.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&stored.len()),
            "{name}: {acknowledged} acknowledged, {} stored",
            stored.len()
        );
        assert_eq!(reader.ids(2, name), stored, "nothing was read");
        for id in 0..stored.len() {
            let pushed = push(&message(name, "reader", &id.to_string(), "x"));
            assert!(heard.iter().filter(|frame| **frame == pushed).count() <= 1);
        }
        let pushes = heard
            .iter()
            .filter(|frame| frame.contains(&format!(r#""from":"{name}""#)));
        assert!(pushes.count() <= stored.len(), "what was pushed is stored");
    }
}
