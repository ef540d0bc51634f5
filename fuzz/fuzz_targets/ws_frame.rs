//! Random bytes as a client's frames, against tungstenite's server and against themselves, cut elsewhere.
//!
//! The input is two bytes of settings and the stream. Three differences from tungstenite are permitted, each where
//! RFC 6455 is on our side or leaves the choice:
//!
//! - It reads a frame to its end before it looks at most of its rules, and a fragment before its UTF-8. It gets the bytes
//!   that complete the frame at which we have failed already.
//! - It takes lengths that are not minimal (a short control frame with a long length among them), and any number of
//!   fragments: where we fail for these, only what came before is compared.
//! - It gives a close frame with an invalid code to the application as a close with 1002, unless the reason is not UTF-8
//!   either, and counts 1014 as invalid.

#![no_main]

use std::io::{self, Read, Write};

use imd::proto::ws::{
    Violation,
    assembler::{Decoder, Event, Limits},
    extension::Deflate,
};
use libfuzzer_sys::fuzz_target;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{Role, WebSocket, WebSocketConfig},
};

const LIMITS: Limits = Limits {
    message_bytes_max: 600,
    fragments_max: 8,
};
/// More than any frame within the limits still lacks.
const REST_OF_FRAME_BYTES: usize = LIMITS.message_bytes_max + 14;

fuzz_target!(|input: &[u8]| {
    let Some((&[settings, seed], stream)) = input.split_first_chunk() else {
        return;
    };
    let deflate = (settings & 1 != 0).then_some(Deflate {
        server_context_takeover: false,
        client_context_takeover: settings & 2 != 0,
        server_max_window_bits: None,
    });
    let whole = receive([stream], deflate);
    assert_eq!(receive(stream.chunks(1), deflate), whole, "byte by byte");
    let pieces = usize::from(seed) + 1;
    assert_eq!(
        receive(stream.chunks(pieces), deflate),
        whole,
        "in pieces of {pieces}"
    );
    let (head, tail) = stream.split_at(pieces.min(stream.len()));
    assert_eq!(receive([head, tail], deflate), whole, "cut at {pieces}");
    if deflate.is_none() {
        compare(stream, whole);
    }
});

#[derive(Clone, Debug, PartialEq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

fn receive<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    deflate: Option<Deflate>,
) -> (Vec<Got>, Option<Violation>) {
    let mut decoder = Decoder::new(deflate);
    let mut got = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let (taken, event) = match decoder.decode(&mut buffer[at..], &LIMITS) {
                Ok(progress) => progress,
                Err(violation) => return (got, Some(violation)),
            };
            at += taken;
            got.push(match event {
                Event::NeedMore => break,
                Event::Text(text) => Got::Text(text.into()),
                Event::Binary(bytes) => Got::Binary(bytes.into()),
                Event::Ping(bytes) => Got::Ping(bytes.into()),
                Event::Pong(bytes) => Got::Pong(bytes.into()),
                Event::Close { code, reason } => Got::Close(code, reason.into()),
            });
        }
        buffer.drain(..at);
        assert!(buffer.len() <= 130, "{} bytes left over", buffer.len());
    }
    for message in &got {
        match message {
            Got::Text(text) => assert!(text.len() <= LIMITS.message_bytes_max),
            Got::Binary(bytes) => assert!(bytes.len() <= LIMITS.message_bytes_max),
            Got::Ping(bytes) | Got::Pong(bytes) => assert!(bytes.len() <= 125),
            Got::Close(_, reason) => assert!(reason.len() <= 123),
        }
    }
    (got, None)
}

/// How tungstenite's reading ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// For want of input, or after a close frame.
    Input,
    Protocol,
    Utf8,
    TooLong,
}

fn oracle(stream: Vec<u8>) -> (Vec<Got>, End) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(LIMITS.message_bytes_max))
        .max_frame_size(Some(LIMITS.message_bytes_max));
    let mut server =
        WebSocket::from_raw_socket(Memory(io::Cursor::new(stream)), Role::Server, Some(config));
    let mut got = Vec::new();
    loop {
        got.push(match server.read() {
            Ok(Message::Text(text)) => Got::Text(text.as_str().into()),
            Ok(Message::Binary(bytes)) => Got::Binary(bytes.into()),
            Ok(Message::Ping(bytes)) => Got::Ping(bytes.into()),
            Ok(Message::Pong(bytes)) => Got::Pong(bytes.into()),
            Ok(Message::Close(None)) => Got::Close(None, String::new()),
            Ok(Message::Close(Some(frame))) => {
                Got::Close(Some(frame.code.into()), frame.reason.as_str().into())
            }
            Ok(Message::Frame(frame)) => panic!("raw frame: {frame:?}"),
            Err(Error::ConnectionClosed) => return (got, End::Input),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return (got, End::Input);
            }
            Err(Error::Protocol(_)) => return (got, End::Protocol),
            Err(Error::Utf8(_)) => return (got, End::Utf8),
            Err(Error::Capacity(_)) => return (got, End::TooLong),
            Err(error) => panic!("{error}"),
        });
    }
}

fn compare(stream: &[u8], (mut ours, violation): (Vec<Got>, Option<Violation>)) {
    let (mut theirs, mut end) = oracle(stream.to_vec());

    if matches!(
        violation,
        Some(Violation::LengthEncoding | Violation::LongControl | Violation::ManyFragments)
    ) {
        assert!(theirs.starts_with(&ours), "{ours:?} {theirs:?}");
        return;
    }
    if violation.is_some() && end == End::Input && theirs == ours {
        let completed = [stream, &[0; REST_OF_FRAME_BYTES]].concat();
        (theirs, end) = oracle(completed);
    }
    let their_bad_code = Got::Close(Some(1002), "Protocol violation".into());
    if violation == Some(Violation::CloseCode) && end != End::Utf8 {
        ours.push(their_bad_code);
        assert_eq!((ours, End::Input), (theirs, end));
        return;
    }
    if let Some(close @ Got::Close(Some(1014), _)) = ours.last_mut() {
        *close = their_bad_code;
    }
    assert_eq!(ours, theirs, "{violation:?} {end:?}");
    let same = match violation {
        None => end == End::Input,
        Some(violation) => match violation.close_code() {
            _ if violation == Violation::CloseCode => end == End::Utf8,
            1007 => end == End::Utf8,
            1009 => end == End::TooLong,
            // It looks at the length first.
            _ => matches!(end, End::Protocol | End::TooLong),
        },
    };
    assert!(same, "{violation:?} {end:?}");
}

/// A socket that gives the input and takes any output.
struct Memory(io::Cursor<Vec<u8>>);

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
