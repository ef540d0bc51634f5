use std::io::Cursor;

use proptest::prelude::*;
use tungstenite::{
    Message,
    protocol::{CloseFrame, Role, WebSocket, frame::coding::CloseCode},
};

use super::*;

/// The first message that a tungstenite client reads in `bytes`.
fn tungstenite_reads(bytes: Vec<u8>) -> Message {
    WebSocket::from_raw_socket(Cursor::new(bytes), Role::Client, None)
        .read()
        .unwrap()
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    shared(encode).to_vec()
}

#[test]
fn bytes_of_each_frame() {
    let cases: &[(Vec<u8>, &[u8])] = &[
        (encoded(|out| text(out, b"hi")), b"\x81\x02hi"),
        (encoded(|out| binary(out, b"")), b"\x82\x00"),
        (encoded(|out| ping(out, b"?")), b"\x89\x01?"),
        (encoded(|out| pong(out, b"!")), b"\x8A\x01!"),
        (encoded(|out| close(out, None, "unheard")), b"\x88\x00"),
        (
            encoded(|out| close(out, Some(1001), "")),
            b"\x88\x02\x03\xE9",
        ),
        (
            encoded(|out| close(out, Some(1000), "bye")),
            b"\x88\x05\x03\xE8bye",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
}

#[test]
fn frames_follow_what_is_there() {
    let out = encoded(|out| {
        text(out, b"a");
        pong(out, b"b");
    });
    assert_eq!(out, b"\x81\x01a\x8A\x01b");
}

#[test]
fn control_frames_stay_short() {
    assert_eq!(encoded(|out| ping(out, &[1; 126])).len(), 2 + 125);
    let umlauts = "ü".repeat(100);
    let out = encoded(|out| close(out, Some(1000), &umlauts));
    assert_eq!(out.len(), 2 + 2 + 122);
    let expected = CloseFrame {
        code: CloseCode::Normal,
        reason: "ü".repeat(61).into(),
    };
    assert_eq!(tungstenite_reads(out), Message::Close(Some(expected)));
}

proptest! {
    #[test]
    fn tungstenite_reads_messages(message: String, repeat in 1..300_usize) {
        let message = message.repeat(repeat);
        let read = tungstenite_reads(encoded(|out| text(out, message.as_bytes())));
        prop_assert_eq!(read, Message::text(&message));
        let read = tungstenite_reads(encoded(|out| binary(out, message.as_bytes())));
        prop_assert_eq!(read, Message::binary(message.into_bytes()));
    }
}
