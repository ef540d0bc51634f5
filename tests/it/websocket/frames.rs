//! RFC 6455 §5 to §8: frames, and what ends a connection that breaks the rules.

use crate::harness::{Server, Socket, answer, frame};
use tungstenite::Message;

/// The longest message of jim.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

fn echo(server: &Server) -> Socket {
    Socket::open(server.addr(), "/echo")
}

/// Asserts that these bytes end a connection with `code`.
#[track_caller]
fn check_ends(server: &Server, bytes: &[u8], code: u16) {
    let mut socket = echo(server);
    socket.send_raw(bytes);
    socket.expect_close(code);
}

#[test]
fn pings_are_answered_with_their_payload() {
    let server = Server::memory(&["--diagnostics"]);
    server.jim_user("a");
    let mut socket = Socket::open(server.addr(), "/?token=token-of-a");
    socket.expect(&[&answer(10007, 6)]);
    for payload in [&b""[..], b"ping", &[0xff; 125]] {
        socket.send_raw(&frame(0x89, payload));
        assert_eq!(socket.next(), Message::Pong(payload.to_vec().into()));
    }
    // A pong that nobody asked for is no command.
    socket.send_raw(&frame(0x8a, b"unasked"));
    socket.exchange("{}", &[&answer(10017, 0)]);
}

#[test]
fn control_frames_may_come_between_fragments() {
    let server = Server::memory(&["--diagnostics"]);
    let mut socket = echo(&server);
    socket.send_raw(&frame(0x01, b"one "));
    socket.send_raw(&frame(0x89, b"now"));
    socket.send_raw(&frame(0x00, b"two "));
    socket.send_raw(&frame(0x8a, b""));
    socket.send_raw(&frame(0x80, b"three"));
    assert_eq!(socket.next(), Message::Pong(b"now".to_vec().into()));
    assert_eq!(socket.text(), "one two three");
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let server = Server::memory(&["--diagnostics"]);
    let text = "在𝄞吗".as_bytes();
    for at in 0..=text.len() {
        let mut socket = echo(&server);
        socket.send_raw(&frame(0x01, &text[..at]));
        socket.send_raw(&frame(0x80, &text[at..]));
        assert_eq!(socket.text(), "在𝄞吗");
    }
}

#[test]
fn what_breaks_the_framing_is_1002() {
    let server = Server::memory(&["--diagnostics"]);
    let fragment_then = |bytes: Vec<u8>| [frame(0x01, b"x"), bytes].concat();
    for (what, bytes) in [
        ("unmasked", b"\x81\x01x".to_vec()),
        ("unmasked and empty", b"\x81\x00".to_vec()),
        ("an unmasked ping", b"\x89\x00".to_vec()),
        ("RSV1", frame(0xc1, b"x")),
        ("RSV2", frame(0xa1, b"x")),
        ("RSV3", frame(0x91, b"x")),
        ("RSV1 on a ping", frame(0xc9, b"x")),
        ("opcode 3", frame(0x83, b"x")),
        ("opcode 7", frame(0x87, b"x")),
        ("opcode 11", frame(0x8b, b"x")),
        ("opcode 15", frame(0x8f, b"x")),
        ("a long ping", frame(0x89, &[0; 126])),
        ("a long close", frame(0x88, &[0; 126])),
        ("a fragment of a ping", frame(0x09, b"x")),
        ("a continuation of nothing", frame(0x80, b"x")),
        ("an open continuation of nothing", frame(0x00, b"x")),
        ("a text inside a text", fragment_then(frame(0x81, b"y"))),
        ("a binary inside a text", fragment_then(frame(0x02, b"y"))),
        (
            "a length of 2 bytes that fits 1",
            b"\x81\xfe\x00\x01mask\x15".to_vec(),
        ),
        (
            "a length of 8 bytes that fits 2",
            b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x7e".to_vec(),
        ),
        (
            "a length below nothing",
            b"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00".to_vec(),
        ),
        ("a close of one byte", frame(0x88, b"\x03")),
    ] {
        let mut socket = echo(&server);
        socket.send_raw(&bytes);
        match socket.next() {
            Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 1002, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        socket.expect_end();
    }
}

#[test]
fn text_that_is_not_utf_8_is_1007_as_soon_as_it_is_seen() {
    let server = Server::memory(&["--diagnostics"]);
    for bytes in [
        frame(0x81, b"\xff"),
        frame(0x81, b"ok\xc0\xafok"),
        frame(0x81, b"\xed\xa0\x80"),
        frame(0x81, b"\xf4\x90\x80\x80"),
        frame(0x81, b"\xe5\x9c"),
        // More fragments could come.
        frame(0x01, b"\xff"),
        [frame(0x01, b"\xe5"), frame(0x00, b"\x28")].concat(),
        // The rest of the frame could come.
        frame(0x81, &[&b"x\xff"[..], &[b'x'; 1000]].concat())[..100].to_vec(),
        [frame(0x01, b"\xe5"), frame(0x80, b"\x9c")].concat(),
    ] {
        check_ends(&server, &bytes, 1007);
    }
}

#[test]
fn a_message_of_1_mib_is_read_and_a_longer_one_is_1009() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let open = || {
        let mut socket = Socket::open(server.addr(), "/?token=token-of-a");
        socket.expect(&[&answer(10007, 6)]);
        socket
    };
    let mut socket = open();
    let longest = vec![b' '; MESSAGE_BYTES_MAX];
    socket.send_raw(&frame(0x81, &longest));
    socket.expect(&[&answer(10017, 0)]);
    socket.send_raw(&frame(0x01, &longest[1..]));
    socket.send_raw(&frame(0x80, b" "));
    socket.expect(&[&answer(10017, 0)]);
    // The header says enough.
    let header = |length: u64| [&b"\x81\xff"[..], &length.to_be_bytes(), b"mask"].concat();
    for length in [MESSAGE_BYTES_MAX as u64 + 1, 1 << 40, u64::MAX >> 1] {
        let mut socket = open();
        socket.send_raw(&header(length));
        socket.expect_close(1009);
    }
    socket.send_raw(&frame(0x01, &longest));
    socket.send_raw(&frame(0x00, b" "));
    socket.expect_close(1009);
}

#[test]
fn a_peers_close_is_echoed() {
    let server = Server::memory(&["--diagnostics"]);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
    ] {
        let mut socket = echo(&server);
        socket.send_raw(&frame(
            0x88,
            &[&u16::to_be_bytes(code)[..], "再见".as_bytes()].concat(),
        ));
        let rest = socket.raw_rest();
        assert_eq!(rest[0], 0x88, "{code}");
        assert_eq!(rest[2..4], code.to_be_bytes(), "{code}");
        assert_eq!(
            rest.len(),
            2 + usize::from(rest[1]),
            "nothing follows {code}"
        );
    }
    let mut socket = echo(&server);
    socket.send_raw(&frame(0x88, b""));
    assert_eq!(socket.raw_rest(), b"\x88\x00");
}

#[test]
fn a_close_that_must_not_be_sent_is_1002() {
    let server = Server::memory(&["--diagnostics"]);
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        check_ends(&server, &frame(0x88, &u16::to_be_bytes(code)), 1002);
    }
    check_ends(&server, &frame(0x88, b"\x03\xe8\xff"), 1007);
}

#[test]
fn nothing_after_a_close_is_read() {
    let server = Server::memory(&["--diagnostics"]);
    let socket = &mut echo(&server);
    let bytes = [
        frame(0x81, b"before"),
        frame(0x88, &1000u16.to_be_bytes()),
        frame(0x81, b"after"),
        frame(0x89, b"after"),
    ];
    socket.send_raw(&bytes.concat());
    assert_eq!(socket.text(), "before");
    assert!(matches!(socket.next(), Message::Close(Some(_))));
    socket.expect_end();
}

#[test]
fn what_was_sent_before_the_mistake_is_answered() {
    let server = Server::memory(&["--diagnostics"]);
    let mut socket = echo(&server);
    socket.send_raw(&[frame(0x81, b"right"), frame(0x83, b"wrong")].concat());
    assert_eq!(socket.text(), "right");
    socket.expect_close(1002);
}
