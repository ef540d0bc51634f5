use std::io::{self, Read, Write};

use proptest::prelude::*;
use tungstenite::{
    Message,
    protocol::{CloseFrame, Role, WebSocket, frame::coding::CloseCode},
};

use super::super::client::*;
use super::*;

const SMALL: Limits = Limits {
    message_bytes_max: 200,
    fragments_max: 4,
};

fn check(frames: &[Vec<u8>], messages: &[Got], violation: Option<Violation>) {
    let outcome = receive_any_cut(&frames.concat(), None, &SMALL);
    assert_eq!(outcome, (messages.to_vec(), violation), "{frames:x?}");
}

fn text(text: &str) -> Got {
    Got::Text(text.into())
}

#[test]
fn single_frames() {
    check(&[], &[], None);
    check(&[frame(FIN | TEXT, b"")], &[text("")], None);
    check(
        &[frame(FIN | TEXT, "héllo, 世界 🌍".as_bytes())],
        &[text("héllo, 世界 🌍")],
        None,
    );
    check(
        &[frame(FIN | BINARY, b"\xFF\x00")],
        &[Got::Binary(vec![0xFF, 0])],
        None,
    );
    check(&[frame(FIN | PING, b"")], &[Got::Ping(vec![])], None);
    check(
        &[frame(FIN | PING, &[7; 125])],
        &[Got::Ping(vec![7; 125])],
        None,
    );
    check(&[frame(FIN | PONG, b"x")], &[Got::Pong(b"x".into())], None);
    check(
        &[
            frame(FIN | TEXT, b"one"),
            frame(FIN | BINARY, &[1; 130]),
            frame(FIN | TEXT, b"three"),
        ],
        &[text("one"), Got::Binary(vec![1; 130]), text("three")],
        None,
    );
}

#[test]
fn fragments_with_control_frames_in_between() {
    check(
        &[
            frame(TEXT, b"a\xE4"),
            frame(FIN | PING, b"1"),
            frame(CONTINUATION, b"\xBD"),
            frame(FIN | PONG, b"2"),
            frame(CONTINUATION, b""),
            frame(FIN | CONTINUATION, b"\xA0z"),
            frame(FIN | TEXT, b"next"),
        ],
        &[
            Got::Ping(b"1".into()),
            Got::Pong(b"2".into()),
            text("a\u{4F60}z"),
            text("next"),
        ],
        None,
    );
    check(
        &[frame(BINARY, b""), frame(FIN | CONTINUATION, b"")],
        &[Got::Binary(vec![])],
        None,
    );
}

#[test]
fn sequence_of_frames() {
    check(
        &[frame(FIN | CONTINUATION, b"x")],
        &[],
        Some(Violation::UnexpectedContinuation),
    );
    check(
        &[frame(CONTINUATION, b"x")],
        &[],
        Some(Violation::UnexpectedContinuation),
    );
    check(
        &[frame(FIN | TEXT, b"x"), frame(FIN | CONTINUATION, b"y")],
        &[text("x")],
        Some(Violation::UnexpectedContinuation),
    );
    for second in [TEXT, FIN | TEXT, BINARY, FIN | BINARY] {
        check(
            &[frame(TEXT, b"x"), frame(second, b"y")],
            &[],
            Some(Violation::ExpectedContinuation),
        );
    }
}

#[test]
fn invalid_headers_fail_the_connection() {
    for first in [0x91, 0xA1, 0xC1, 0x83, 0x87, 0x8B, 0x8F, 0x08, 0x09, 0x0A] {
        let frames = [frame(FIN | TEXT, b"before"), frame(first, b"x")];
        let (messages, violation) = receive_any_cut(&frames.concat(), None, &SMALL);
        assert_eq!(messages, [text("before")]);
        assert_eq!(
            violation.map(Violation::close_code),
            Some(close::PROTOCOL_ERROR)
        );
    }
    check(
        &[vec![FIN | TEXT, 1, b'x']],
        &[],
        Some(Violation::NotMasked),
    );
    check(
        &[frame(FIN | PING, &[0; 126])],
        &[],
        Some(Violation::LongControl),
    );
}

#[test]
fn text_is_utf8() {
    let invalid: &[&[u8]] = &[
        b"\xFF",
        b"abc\x80",
        b"\xC0\xAF",
        b"\xE0\x80\x80",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xF8\x88\x80\x80\x80",
        b"\xCE\xBA\xE1\xBD\xB9\xED\xA0\x80edited",
        b"ends too early \xE4\xBD",
    ];
    for bytes in invalid {
        check(
            &[frame(FIN | TEXT, bytes)],
            &[],
            Some(Violation::InvalidUtf8),
        );
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            let frames = [frame(TEXT, head), frame(FIN | CONTINUATION, tail)];
            check(&frames, &[], Some(Violation::InvalidUtf8));
        }
    }
    assert_eq!(Violation::InvalidUtf8.close_code(), 1007);
}

#[test]
fn text_fails_on_the_first_bad_byte() {
    let sent = frame(TEXT, &["κόσμε".as_bytes(), b"\xF4\x90"].concat());
    let announced = [&[TEXT, 0x80 | 100], &sent[2..]].concat();
    let before = &announced[..announced.len() - 1];
    assert_eq!(receive([before], None, &SMALL), (vec![], None));
    assert_eq!(
        receive_any_cut(&announced, None, &SMALL),
        (vec![], Some(Violation::InvalidUtf8))
    );
}

#[test]
fn close_frames() {
    let close =
        |code: u16, reason: &[u8]| frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat());
    check(
        &[frame(FIN | CLOSE, b"")],
        &[Got::Close(None, String::new())],
        None,
    );
    check(
        &[close(1000, b"")],
        &[Got::Close(Some(1000), String::new())],
        None,
    );
    check(
        &[close(4999, "tschüß".as_bytes())],
        &[Got::Close(Some(4999), "tschüß".into())],
        None,
    );
    check(
        &[close(1000, &[b'x'; 123])],
        &[Got::Close(Some(1000), "x".repeat(123))],
        None,
    );
    check(
        &[frame(FIN | CLOSE, b"\x03")],
        &[],
        Some(Violation::CloseLength),
    );
    for code in [0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000, 65535] {
        check(&[close(code, b"")], &[], Some(Violation::CloseCode));
    }
    check(
        &[close(1000, b"\xE4\xBD")],
        &[],
        Some(Violation::InvalidUtf8),
    );
}

#[test]
fn nothing_counts_after_close() {
    check(
        &[
            frame(FIN | CLOSE, b""),
            frame(FIN | TEXT, b"late"),
            vec![0xFF; 20],
        ],
        &[Got::Close(None, String::new())],
        None,
    );
    check(
        &[
            frame(TEXT, b"half"),
            frame(FIN | CLOSE, b""),
            frame(FIN | CONTINUATION, b"rest"),
        ],
        &[Got::Close(None, String::new())],
        None,
    );
}

#[test]
fn message_limit() {
    let longest = [b'x'; 200];
    check(
        &[frame(FIN | BINARY, &longest)],
        &[Got::Binary(longest.into())],
        None,
    );
    check(
        &[
            frame(TEXT, &longest[..150]),
            frame(FIN | CONTINUATION, &longest[..50]),
        ],
        &[Got::Text("x".repeat(200))],
        None,
    );
    check(
        &[frame(FIN | BINARY, &[0; 201])],
        &[],
        Some(Violation::LongMessage),
    );
    check(
        &[
            frame(TEXT, &longest[..150]),
            frame(FIN | CONTINUATION, &longest[..51]),
        ],
        &[],
        Some(Violation::LongMessage),
    );
    let header_only = &frame(FIN | BINARY, &[0; 201])[..8];
    assert_eq!(
        receive([header_only], None, &SMALL),
        (vec![], Some(Violation::LongMessage))
    );
    let endless = [&[FIN | BINARY, 0xFF, 0x7F], &[0xFF; 7][..], &[0; 4]].concat();
    check(&[endless], &[], Some(Violation::LongMessage));
    assert_eq!(Violation::LongMessage.close_code(), 1009);
}

#[test]
fn fragment_limit() {
    let fragments = |count: usize| {
        let mut frames = vec![frame(TEXT, b"a")];
        frames.extend((2..count).map(|_| frame(CONTINUATION, b"")));
        frames.push(frame(FIN | CONTINUATION, b"z"));
        frames
    };
    check(&fragments(4), &[text("az")], None);
    check(&fragments(5), &[], Some(Violation::ManyFragments));
    assert_eq!(Violation::ManyFragments.close_code(), 1009);
}

#[test]
fn a_whole_message_is_lent_from_the_receive_buffer() {
    let mut buffer = frame(FIN | TEXT, b"hello");
    let end = buffer.as_ptr_range().end;
    let mut decoder = Decoder::default();
    let (taken, event) = decoder.decode(&mut buffer, &SMALL).unwrap();
    let Event::Text(text) = event else {
        panic!("{event:?}");
    };
    assert_eq!((taken, text), (11, "hello"));
    assert_eq!(text.as_bytes().as_ptr_range().end, end);
}

#[test]
fn the_buffer_of_a_message_goes_with_it() {
    let stream = frame(FIN | TEXT, b"hello");
    let mut decoder = Decoder::default();
    let (head, tail) = stream.split_at(8);
    assert_eq!(
        decoder.decode(&mut head.to_vec(), &SMALL),
        Ok((8, Event::NeedMore))
    );
    assert!(decoder.message.is_some());
    assert_eq!(
        decoder.decode(&mut tail.to_vec(), &SMALL),
        Ok((3, Event::Text("hello")))
    );
    assert_eq!(decoder.decode(&mut [], &SMALL), Ok((0, Event::NeedMore)));
    assert!(decoder.message.is_none());
}

/// What a tungstenite client writes for `messages`, each a message or a close frame.
fn tungstenite_client(messages: &[Message]) -> Vec<u8> {
    struct Sink(Vec<u8>);
    impl Read for Sink {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut client = WebSocket::from_raw_socket(Sink(Vec::new()), Role::Client, None);
    for message in messages {
        client.send(message.clone()).unwrap();
    }
    client.into_inner().0
}

fn any_message() -> impl Strategy<Value = (Message, Got)> {
    prop_oneof![
        any::<String>().prop_map(|s| (Message::text(&s), Got::Text(s))),
        "[a-z]{100,300}".prop_map(|s| (Message::text(&s), Got::Text(s))),
        any::<Vec<u8>>().prop_map(|b| (Message::binary(b.clone()), Got::Binary(b))),
        (60_000..70_000_usize, any::<u8>()).prop_map(|(len, byte)| (
            Message::binary(vec![byte; len]),
            Got::Binary(vec![byte; len])
        )),
        prop::collection::vec(any::<u8>(), 0..=125)
            .prop_map(|b| (Message::Ping(b.clone().into()), Got::Ping(b))),
        prop::collection::vec(any::<u8>(), 0..=125)
            .prop_map(|b| (Message::Pong(b.clone().into()), Got::Pong(b))),
    ]
}

proptest! {
    #[test]
    fn reads_what_tungstenite_writes(
        messages in prop::collection::vec(any_message(), 0..8),
        close: Option<String>,
        piece_bytes in 1..5_000_usize,
    ) {
        let (mut sent, mut expected): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        if let Some(reason) = close {
            let reason = &reason[..reason.floor_char_boundary(123)];
            sent.push(Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: reason.into() })));
            expected.push(Got::Close(Some(1001), reason.into()));
        }
        let stream = tungstenite_client(&sent);
        let limits = Limits::default();
        let whole = receive([&stream[..]], None, &limits);
        prop_assert_eq!(&whole.0, &expected);
        prop_assert_eq!(whole.1, None);
        let cut = receive(stream.chunks(piece_bytes), None, &limits);
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn any_bytes_cut_anywhere_give_the_same(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        tail: Vec<u8>,
        pieces in 1..40_usize,
    ) {
        let mut stream: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(first & 0x8F, payload)).collect();
        stream.extend(tail);
        let whole = receive([&stream[..]], None, &SMALL);
        prop_assert_eq!(receive(stream.chunks(pieces), None, &SMALL), whole);
    }
}
