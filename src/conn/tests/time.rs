//! Deadlines: who is too slow, and for what.

use super::*;
use crate::limits::BODY_GRACE_MS;

const POST: &[u8] = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";

#[test]
fn a_connection_without_requests_ends_after_the_idle_time() {
    let mut peer = Peer::new();
    assert_eq!(peer.conn.deadline_ms(), IDLE_MS);
    peer.timeout_at(IDLE_MS - 1);
    assert_eq!(peer.conn.closing(), Closing::Open);
    peer.timeout_at(IDLE_MS);
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::Idle)
    );
    assert!(peer.conn.output().is_empty());
}

#[test]
fn the_idle_time_begins_anew_with_each_answer() {
    let mut peer = Peer::new();
    peer.bytes_at(1_000, REFUSED_CALL);
    peer.write(usize::MAX);
    assert_eq!(peer.conn.deadline_ms(), 1_000 + IDLE_MS);
    peer.bytes_at(50_000, &page("/x"));
    assert_eq!(
        peer.conn.deadline_ms(),
        u64::MAX,
        "the server takes its time"
    );
    peer.now_ms = 120_000;
    peer.run();
    assert_eq!(peer.conn.deadline_ms(), 120_000 + IDLE_MS);
}

#[test]
fn a_head_has_its_time_however_it_dribbles() {
    let mut peer = Peer::new();
    peer.bytes_at(1_000, b"G");
    for (now_ms, byte) in (2_000..).step_by(1_000).zip(b"ET /x HT") {
        assert_eq!(peer.conn.deadline_ms(), 1_000 + HEADER_MS);
        peer.bytes_at(now_ms, &[*byte]);
    }
    peer.timeout_at(1_000 + HEADER_MS);
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Lingering, Cause::SlowSender)
    );
    assert_eq!(peer.statuses(), [408]);
    let text = peer.text();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert_eq!(field(&text, "Connection"), Some("close"));
}

#[test]
fn a_request_behind_another_has_its_own_time() {
    let mut peer = Peer::new();
    peer.bytes_at(1_000, &[&page("/1")[..], b"GET /2"].concat());
    peer.now_ms = 60_000;
    peer.run();
    assert_eq!(peer.conn.deadline_ms(), 60_000 + HEADER_MS);
    peer.bytes_at(60_001, b" HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(peer.statuses(), [200]);
    peer.run();
    assert_eq!(peer.statuses(), [200, 200]);
}

#[test]
fn a_body_has_to_come_at_the_smallest_rate() {
    let mut peer = Peer::new();
    peer.bytes_at(1_000, POST);
    let head = POST.len() as u64;
    assert_eq!(
        peer.conn.deadline_ms(),
        1_000 + BODY_GRACE_MS + head * 1_000 / RATE
    );
    peer.bytes_at(5_000, &[b'x'; 10_000]);
    let due = 1_000 + BODY_GRACE_MS + (head + 10_000) * 1_000 / RATE;
    assert_eq!(peer.conn.deadline_ms(), due);
    assert!(peer.conn.held_bytes() >= 10_000);
    peer.timeout_at(due);
    assert_eq!(
        (peer.statuses(), peer.conn.cause()),
        (vec![408], Cause::SlowSender)
    );
}

/// Also where it came in pieces and its answer came late.
#[test]
fn a_body_that_was_answered_is_not_kept_and_its_time_is_over() {
    let mut peer = Peer::new();
    let (head, rest) = LOGIN.split_at(LOGIN.len() - 4);
    peer.bytes_at(1_000, head);
    assert!(peer.conn.held_bytes() > 0);
    peer.bytes_at(2_000, rest);
    assert_eq!(peer.conn.held_bytes(), 0);
    peer.now_ms = 30_000;
    peer.run();
    assert_eq!(peer.statuses(), [200]);
    assert_eq!(peer.conn.deadline_ms(), 30_000 + IDLE_MS);
}

#[test]
fn a_peer_that_takes_nothing_is_let_go() {
    let mut peer = Peer::new();
    peer.bytes_at(1_000, &[REFUSED_CALL, b"GET /"].concat());
    assert_eq!(peer.conn.deadline_ms(), 1_000 + WRITE_STALL_MS_MAX);
    peer.now_ms = 20_000;
    peer.write(10);
    assert_eq!(peer.conn.deadline_ms(), 20_000 + WRITE_STALL_MS_MAX);
    peer.timeout_at(20_000 + WRITE_STALL_MS_MAX);
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::SlowConsumer)
    );
}

#[test]
fn who_was_refused_is_read_on_for_a_bounded_while() {
    let mut peer = Peer::new();
    peer.bytes_at(1_000, b"bad\r\n\r\n");
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Lingering, Cause::Refused)
    );
    assert_eq!(peer.conn.deadline_ms(), 1_000 + WRITE_STALL_MS_MAX);
    assert!(peer.wants_read());
    peer.write(usize::MAX);
    assert_eq!(peer.conn.deadline_ms(), 1_000 + LINGER_MS_MAX);
    // More of it moves nothing.
    peer.bytes_at(3_000, &page("/x"));
    assert!(peer.wants.is_empty() && peer.conn.output().is_empty());
    assert_eq!(peer.conn.deadline_ms(), 1_000 + LINGER_MS_MAX);
    peer.timeout_at(1_000 + LINGER_MS_MAX);
    assert_eq!(
        (peer.conn.closing(), peer.conn.cause()),
        (Closing::Now, Cause::Refused)
    );
}

#[test]
fn who_was_refused_is_read_on_for_so_many_bytes() {
    let mut peer = Peer::new();
    peer.bytes(b"bad\r\n\r\n");
    peer.write(usize::MAX);
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..LINGER_BYTES_MAX / piece.len() {
        peer.bytes(&piece);
        assert_eq!(peer.conn.closing(), Closing::Lingering);
    }
    peer.bytes(b"x");
    assert_eq!(peer.conn.closing(), Closing::Now);
}
