//! Peers that do not read.

use crate::harness::{Jim, Request, Server, Socket, answer, ids, say};
use serde_json::json;
use tungstenite::Message;

/// The smallest output limit, and the longest message body that it allows.
const TIGHT: [&str; 5] = [
    "--outbox-bytes-max",
    "1MiB",
    "--message-bytes-max",
    "16KiB",
    "--diagnostics",
];
const BODY_BYTES_MAX: usize = 16 * 1024;
/// So many messages of the longest body: 16 MiB, more than the kernel's buffers and the output limit hold together.
const MORE_THAN_FITS: usize = 1_000;

#[test]
fn who_does_not_read_pushes_is_closed_with_1013_and_loses_nothing() {
    let server = Server::memory(&TIGHT);
    let mut a = server.jim("a");
    let mut slow = server.jim("b");
    let text = "x".repeat(BODY_BYTES_MAX);
    let sent: Vec<String> = (0..MORE_THAN_FITS).map(|n| n.to_string()).collect();
    let online = sent
        .iter()
        .take_while(|id| a.call(&say("a", "b", id, &text)) == answer(10000, 12))
        .count();
    for id in &sent[online + 1..] {
        a.say("b", id, &text, 10001);
    }
    let mut heard = 0;
    let close = loop {
        match slow.socket.next() {
            Message::Text(_) => heard += 1,
            Message::Close(close) => break close.expect("a code"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(close.code), 1013);
    slow.socket.expect_end();
    assert!(
        (64..sent.len()).contains(&heard),
        "{heard} messages fit the output limit"
    );
    let mut again = Jim::open(server.addr(), "b");
    let mut unread = Vec::new();
    while unread.len() < sent.len() {
        let data = again.messages(&json!({"type": 0, "fromUserId": "a"}));
        let more = ids(&data["friends"]["a"]);
        assert!(!more.is_empty(), "{} of {}", unread.len(), sent.len());
        unread.extend(more);
    }
    assert_eq!(unread, sent);
    a.say("b", "live", "x", 10000);
    again.hears("a", "live", "x");
}

#[test]
fn other_connections_of_a_slow_readers_user_go_on() {
    let server = Server::memory(&TIGHT);
    let mut a = server.jim("a");
    let _slow = server.jim("b");
    let mut quick = Jim::open(server.addr(), "b");
    let text = "x".repeat(BODY_BYTES_MAX);
    for n in 0..400 {
        a.say("b", &n.to_string(), &text, 10000);
        quick.hears("a", &n.to_string(), &text);
    }
}

/// The server's resident memory in bytes.
fn resident_bytes(server: &Server) -> u64 {
    let response = server.client().call(&Request::get("/metrics"));
    let line = response
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "))
        .expect("the metric");
    line.parse::<f64>().expect("a number") as u64
}

#[test]
fn who_asks_and_does_not_read_is_not_read_until_it_drains() {
    let server = Server::memory(&TIGHT);
    let mut a = server.jim("a");
    let text = "x".repeat(BODY_BYTES_MAX);
    for n in 0..50 {
        a.say("b", &n.to_string(), &text, 10001);
    }
    // Each asks for nearly a megabyte.
    let asked = 200;
    for _ in 0..asked {
        a.socket
            .send(r#"{"cmd":19,"type":1,"userId":"a","fromUserId":"b"}"#);
    }
    let mut other = server.jim("c");
    let before = resident_bytes(&server);
    for _ in 0..20 {
        other.clock();
    }
    assert!(before < 100 * 1024 * 1024, "{before} bytes resident");
    for _ in 0..asked {
        let answer = a.socket.text();
        assert!(answer.len() > 50 * BODY_BYTES_MAX, "{} bytes", answer.len());
        assert!(answer.starts_with(r#"{"code":10018,"#));
    }
    a.clock();
}

#[test]
fn an_echo_that_is_not_read_stops_reading() {
    let server = Server::memory(&TIGHT);
    let socket = Socket::open(server.addr(), "/echo");
    let mut reader = socket.stream().try_clone().expect("a second descriptor");
    let frame = crate::harness::frame(0x82, &[7; 64 * 1024]);
    let count: usize = 600;
    let writer = std::thread::spawn(move || {
        let mut socket = socket;
        for _ in 0..count {
            socket.send_raw(&frame);
        }
        socket
    });
    // The writer cannot end before anything is read: 37 MiB fit into no buffer on the way.
    let mut health = server.client();
    for _ in 0..200 {
        assert_eq!(health.call(&Request::get("/healthz")).status, 200);
    }
    assert!(!writer.is_finished());
    assert!(resident_bytes(&server) < 100 * 1024 * 1024);
    let mut left = count * (64 * 1024 + 10);
    let mut buffer = vec![0; 256 * 1024];
    while left > 0 {
        let read = std::io::Read::read(&mut reader, &mut buffer).expect("the echo");
        assert_ne!(read, 0, "{left} bytes are missing");
        left -= read;
    }
    let mut socket = writer.join().expect("no panic");
    socket.exchange("x", &["x"]);
}
