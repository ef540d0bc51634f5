//! WebSockets: the order of answers, what waits for what, silence, slow readers, and the ends.

use std::sync::Arc;

use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::command::Refusal;
use crate::domain::token::{Token, TokenHash};
use crate::proto::ws::close;

const PING_MS: u64 = 60_000;
const SILENCE_MS: u64 = 120_000;

pub(super) fn handshake(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A client's frame with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    assert!(length < 126);
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

pub(super) fn text(payload: &str) -> Vec<u8> {
    frame(1, payload.as_bytes())
}

fn said(number: u32) -> Vec<u8> {
    text(&format!(
        r#"{{"cmd":11,"to":"b","chatType":2,"content":"x","id":"{number}"}}"#
    ))
}

/// Takes what the server has sent since the last time, as frames of opcode and payload.
pub(super) fn received(peer: &mut Peer) -> Vec<(u8, Vec<u8>)> {
    peer.write(usize::MAX);
    let sent = std::mem::take(&mut peer.sent);
    let mut rest = &sent[..];
    if rest.starts_with(b"HTTP/1.1 101 ") {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        rest = &rest[end.expect("the end of the head") + 4..];
    }
    let mut frames = Vec::new();
    while let [first, second, ..] = *rest {
        let (start, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
            _ => (2, usize::from(second)),
        };
        frames.push((first & 0x0f, rest[start..start + length].to_vec()));
        rest = &rest[start + length..];
    }
    frames
}

/// The payloads of what was received, as text.
pub(super) fn texts(peer: &mut Peer) -> Vec<String> {
    let frames = received(peer).into_iter();
    frames
        .map(|(_, payload)| String::from_utf8(payload).expect("text"))
        .collect()
}

fn echo() -> Peer {
    let mut peer = Peer::new();
    peer.ws.diagnostics = true;
    peer.bytes(&handshake("/echo"));
    assert_eq!(received(&mut peer), []);
    peer
}

/// A socket of jim's that is logged in.
fn jim() -> Peer {
    let mut peer = Peer::new();
    peer.bytes(&handshake("/?token=t"));
    log_in(&mut peer);
    assert!(texts(&mut peer)[0].starts_with(r#"{"code":10007,"#));
    peer
}

/// Gives a socket of jim's what its login wants.
fn log_in(peer: &mut Peer) {
    let account = Account {
        id: crate::domain::ids::AccountId(2),
        name: "a".into(),
        created_at: TimeMs(0),
        profile: Profile::default(),
    };
    let session = peer.want();
    assert!(matches!(session.what, Wanted::Ask(Ask::Session(_))));
    let known = Outcome::Session(Some(Arc::new(account)));
    peer.deliver(session.call, Delivered::Outcome(known));
    let attach = peer.want();
    assert!(matches!(attach.what, Wanted::Ask(Ask::Attach(_))));
    peer.deliver(attach.call, Delivered::Outcome(Outcome::Attached));
}

fn refuse(peer: &mut Peer, want: &Want) {
    let busy = Outcome::Refused(Refusal::Busy);
    peer.deliver(want.call, Delivered::Outcome(busy));
}

#[test]
fn answers_leave_in_the_order_of_their_messages_and_reads_wait_for_writes() {
    let mut peer = jim();
    let read = text(r#"{"cmd":19,"type":"0","userId":"a"}"#);
    peer.bytes(&[said(1), said(2), read, said(3)].concat());
    let writes = std::mem::take(&mut peer.wants);
    let ids: Vec<bool> = writes
        .iter()
        .map(|want| matches!(want.what, Wanted::Ask(Ask::Submit(_))))
        .collect();
    assert_eq!(ids, [true, true], "the read and what is behind it wait");
    assert!(!peer.wants_read());
    refuse(&mut peer, &writes[1]);
    assert_eq!(texts(&mut peer), Vec::<String>::new());
    refuse(&mut peer, &writes[0]);
    assert_eq!(texts(&mut peer).len(), 2);
    let read = peer.want();
    assert!(matches!(read.what, Wanted::Ask(Ask::Query(_))));
    refuse(&mut peer, &read);
    let third = peer.want();
    assert!(matches!(third.what, Wanted::Ask(Ask::Submit(_))));
    assert_eq!(texts(&mut peer).len(), 1);
    refuse(&mut peer, &third);
    assert_eq!(texts(&mut peer).len(), 1);
    assert!(peer.wants_read());
}

#[test]
fn a_message_that_comes_with_the_handshake_waits_for_the_login() {
    let mut peer = Peer::new();
    let beat = text(r#"{"cmd":13}"#);
    peer.bytes(&[handshake("/?token=t"), beat].concat());
    log_in(&mut peer);
    let answers = texts(&mut peer);
    assert!(answers[0].starts_with(r#"{"code":10007,"#), "{answers:?}");
    assert!(answers[1].starts_with(r#"{"command":13,"#), "{answers:?}");
}

#[test]
fn commands_are_wanted_in_the_order_of_their_messages() {
    let mut peer = jim();
    peer.bytes(&(1..=5).flat_map(said).collect::<Vec<u8>>());
    let ids: Vec<String> = peer
        .wants
        .iter()
        .map(|want| match &want.what {
            Wanted::Ask(Ask::Submit(crate::domain::command::Command::Send(send))) => {
                send.client_id.as_deref().unwrap_or_default().to_owned()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
}

#[test]
fn at_most_32_messages_are_under_way() {
    let mut peer = jim();
    peer.bytes(&(0..40).flat_map(said).collect::<Vec<u8>>());
    assert_eq!(peer.wants.len(), 32);
    assert!(!peer.wants_read());
    let first = peer.wants.remove(0);
    refuse(&mut peer, &first);
    assert_eq!(peer.wants.len(), 32, "the next one takes its place");
}

#[test]
fn pings_are_answered_also_while_an_answer_is_awaited() {
    let mut peer = jim();
    peer.bytes(&[said(1), frame(9, b"hi")].concat());
    assert_eq!(received(&mut peer), [(10, b"hi".to_vec())]);
}

#[test]
fn silence_is_met_with_a_ping_and_then_with_the_end() {
    let mut peer = echo();
    assert_eq!(peer.conn.deadline_ms(), PING_MS);
    peer.timeout_at(PING_MS);
    assert_eq!(received(&mut peer), [(9, vec![])]);
    assert_eq!(peer.conn.deadline_ms(), SILENCE_MS);
    peer.bytes_at(100_000, &frame(10, b""));
    assert_eq!(peer.conn.deadline_ms(), 100_000 + PING_MS);
    peer.timeout_at(100_000 + PING_MS);
    peer.write(usize::MAX);
    peer.timeout_at(100_000 + SILENCE_MS);
    assert_eq!(peer.conn.cause(), Cause::Idle);
    assert_eq!(
        received(&mut peer).last().map(|(opcode, _)| *opcode),
        Some(8)
    );
}

#[test]
fn a_close_is_echoed_and_then_only_read_away() {
    let mut peer = echo();
    let code = 1000_u16.to_be_bytes();
    peer.bytes(&[frame(8, &code), text("after")].concat());
    assert_eq!(received(&mut peer), [(8, code.to_vec())]);
    assert_eq!(peer.conn.closing(), Closing::Lingering);
    peer.turn(|conn, _| conn.handle_end());
    assert_eq!(peer.conn.closing(), Closing::Now);
}

#[test]
fn nothing_is_sent_after_a_close_not_even_an_answer_under_way() {
    let mut peer = jim();
    peer.bytes(&[said(1), frame(8, &close::NORMAL.to_be_bytes())].concat());
    assert_eq!(received(&mut peer).len(), 1);
    let write = peer.want();
    refuse(&mut peer, &write);
    assert_eq!(received(&mut peer), []);
}

#[test]
fn what_breaks_the_rules_is_told_so() {
    for (bytes, code) in [
        (vec![0x81, 0x01, b'x'], close::PROTOCOL_ERROR),
        (frame(1, &[0xff]), close::INVALID_PAYLOAD),
        (frame(3, b""), close::PROTOCOL_ERROR),
    ] {
        let mut peer = echo();
        peer.bytes(&bytes);
        let (opcode, payload) = received(&mut peer).remove(0);
        assert_eq!((opcode, &payload[..2]), (8, &code.to_be_bytes()[..]));
        assert_eq!(peer.conn.cause(), Cause::Refused);
    }
}

#[test]
fn the_end_of_its_token_ends_a_socket_and_that_of_another_does_not() {
    let mut peer = jim();
    let ended = |token: &[u8]| {
        Event::TokenEnded(Token {
            hash: TokenHash::new(crate::domain::message::Dialect::Jim, token),
            account: crate::domain::ids::AccountId(2),
            used_at: TimeMs(0),
        })
    };
    let mut pushes = EncodedPushes::default();
    peer.turn(|conn, turn| conn.handle_event(&ended(b"other"), &mut pushes, turn));
    assert_eq!(peer.conn.closing(), Closing::Open);
    peer.turn(|conn, turn| conn.handle_event(&ended(b"t"), &mut pushes, turn));
    let (opcode, payload) = received(&mut peer).remove(0);
    assert_eq!(
        (opcode, &payload[..2]),
        (8, &close::POLICY_VIOLATION.to_be_bytes()[..])
    );
}

#[test]
fn a_server_that_stops_says_so() {
    let mut peer = echo();
    peer.turn(|conn, turn| conn.handle_drain(turn));
    let (opcode, payload) = received(&mut peer).remove(0);
    assert_eq!(
        (opcode, &payload[..2]),
        (8, &close::GOING_AWAY.to_be_bytes()[..])
    );
    assert_eq!(peer.conn.cause(), Cause::Shutdown);
}
