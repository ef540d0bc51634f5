//! Ends: the peer's half of the connection, the server's stop, what cannot be kept.

use super::*;

#[test]
fn a_peer_that_sends_no_more_is_still_answered() {
    let mut peer = Peer::new();
    peer.bytes(&[page("/1"), page("/2"), b"GET /never".to_vec()].concat());
    peer.conn.handle_end();
    assert_eq!(peer.conn.closing(), Closing::Open);
    assert!(!peer.wants_read());
    let first = peer.want();
    peer.fulfil(first);
    let second = peer.want();
    peer.fulfil(second);
    assert_eq!(peer.conn.closing(), Closing::AfterOutput);
    let text = peer.text();
    assert!(text.contains("/1") && text.contains("/2") && !text.contains("never"));
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::Peer)
    );
    assert_eq!(peer.statuses(), [200, 200]);
}

#[test]
fn what_waits_behind_a_full_outbox_is_answered_after_the_end() {
    let mut peer = Peer::with(|http| http.outbox_bytes_max = 1);
    peer.bytes(&REFUSED_CALL.repeat(3));
    peer.conn.handle_end();
    assert_eq!(
        (peer.statuses().len(), peer.conn.closing()),
        (1, Closing::Open)
    );
    peer.run();
    assert_eq!(peer.statuses().len(), 3);
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::Peer)
    );
}

#[test]
fn an_end_between_requests_or_within_one_closes() {
    for begun in [
        &b""[..],
        b"GET /x",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    ] {
        let mut peer = Peer::new();
        peer.bytes(begun);
        peer.conn.handle_end();
        assert_eq!(
            (peer.conn.closing(), peer.conn.cause()),
            (Closing::Now, Cause::Peer)
        );
        assert!(peer.finished.is_empty() && peer.conn.output().is_empty());
    }
}

#[test]
fn the_last_answer_is_written_before_a_refused_peer_that_ended_is_let_go() {
    for ends_first in [false, true] {
        let mut peer = Peer::new();
        peer.bytes(b"bad\r\n\r\n");
        if ends_first {
            peer.conn.handle_end();
            assert_eq!(peer.conn.closing(), Closing::Lingering);
        }
        peer.write(usize::MAX);
        if !ends_first {
            assert_eq!(peer.conn.closing(), Closing::Lingering);
            peer.conn.handle_end();
        }
        assert_eq!(
            (peer.conn.closing(), peer.conn.cause()),
            (Closing::Now, Cause::Refused)
        );
    }
}

#[test]
fn a_server_that_stops_lets_idle_connections_go() {
    let mut peer = Peer::new();
    peer.draining = true;
    peer.turn(|conn, turn| conn.handle_drain(turn));
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::Shutdown)
    );
    let mut peer = Peer::new();
    peer.bytes(REFUSED_CALL);
    peer.draining = true;
    peer.turn(|conn, turn| conn.handle_drain(turn));
    assert_eq!(peer.conn.closing(), Closing::AfterOutput);
    peer.write(usize::MAX);
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::Shutdown)
    );
}

#[test]
fn a_server_that_stops_gives_the_answer_under_way_as_the_last() {
    let mut peer = Peer::new();
    peer.bytes(&[page("/1"), page("/2")].concat());
    peer.draining = true;
    peer.turn(|conn, turn| conn.handle_drain(turn));
    assert_eq!(peer.conn.closing(), Closing::Open);
    let first = peer.want();
    peer.fulfil(first);
    assert!(peer.wants.is_empty());
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Lingering, Cause::Shutdown)
    );
    let text = peer.text();
    assert_eq!(
        (field(&text, "Connection"), body(&text)),
        (Some("close"), "/1")
    );
}

#[test]
fn a_body_without_room_is_refused_and_not_kept() {
    let mut peer = Peer::new();
    peer.bytes(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
    assert!(peer.conn.held_bytes() > 0);
    peer.turn(|conn, turn| conn.refuse_body(turn));
    assert_eq!(
        (
            peer.conn.held_bytes(),
            peer.conn.closing(),
            peer.conn.cause()
        ),
        (0, Closing::Lingering, Cause::Overload)
    );
    assert!(peer.text().starts_with("HTTP/1.1 503 "));
}
