//! Silence, a stopping server, and peers that vanish.

use crate::harness::{Jim, Server, Socket, answer, eventually, say};
use std::thread;
use tungstenite::Message;

const QUICK: [&str; 5] = [
    "--ws-ping-after-s",
    "1",
    "--ws-idle-timeout-s",
    "2",
    "--diagnostics",
];

#[test]
fn a_silent_socket_is_pinged_and_stays_if_it_answers() {
    let server = Server::memory(&QUICK);
    let mut a = server.jim("a");
    // Reading answers pings: three of them take longer than the time-out.
    for _ in 0..3 {
        assert!(matches!(a.socket.next(), Message::Ping(_)));
    }
    a.clock();
}

#[test]
fn a_socket_that_does_not_answer_is_closed() {
    let server = Server::memory(&QUICK);
    let b = server.jim("b");
    // Only the bytes are read: nothing answers the ping.
    let rest = b.socket.raw_rest();
    assert_eq!(rest[0], 0x89, "a ping first: {rest:?}");
    let mut a = server.jim("a");
    let mut id = 0;
    eventually("b is offline", || {
        id += 1;
        let command = say("a", "b", &id.to_string(), "x");
        a.socket.send(&command);
        loop {
            // What reads here answers the pings that come in between.
            match a.socket.next() {
                Message::Text(text) => return text.as_str() == answer(10001, 12),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_stopping_server_closes_sockets_with_1001() {
    let mut server = Server::memory(&["--diagnostics"]);
    let mut sockets = vec![Socket::open(server.addr(), "/echo")];
    for n in 0..6 {
        sockets.push(server.jim(&format!("u{n}")).socket);
    }
    let readers: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| thread::spawn(move || socket.expect_close(1001)))
        .collect();
    assert_eq!(server.terminate().status.code(), Some(0));
    for reader in readers {
        reader.join().expect("closed with 1001");
    }
}

#[test]
fn a_stopping_server_does_not_wait_for_a_peer_that_is_silent() {
    let mut server = Server::memory(&["--drain-timeout-s", "1"]);
    let _a = server.jim("a");
    assert_eq!(server.terminate().status.code(), Some(0));
}

#[test]
fn what_was_sent_before_the_stop_is_answered() {
    let mut server = Server::durable(&[]);
    server.jim_user("b");
    let mut a = server.jim("a");
    for n in 0..100 {
        a.socket.send(&say("a", "b", &n.to_string(), "x"));
    }
    let reader = thread::spawn(move || {
        let mut answered = 0;
        loop {
            match a.socket.next() {
                Message::Text(text) => assert_eq!(text.as_str(), answer(10001, 12)),
                Message::Close(close) => {
                    assert_eq!(close.map(|close| u16::from(close.code)), Some(1001));
                    a.socket.expect_end();
                    return answered;
                }
                other => panic!("{other:?}"),
            }
            answered += 1;
        }
    });
    assert_eq!(server.terminate().status.code(), Some(0));
    let answered = reader.join().expect("closed with 1001");
    server.start_again();
    let stored = Jim::open(server.addr(), "b").ids(2, "a");
    assert!(
        stored.len() >= answered,
        "{answered} answered, {} stored",
        stored.len()
    );
    assert!(
        stored
            .iter()
            .enumerate()
            .all(|(n, id)| *id == n.to_string())
    );
}
