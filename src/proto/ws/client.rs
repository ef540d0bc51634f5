//! The client's side, for tests.

use super::{
    Violation,
    assembler::{Decoder, Event, Limits},
    extension::Deflate,
    mask::unmask,
};

pub(super) const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;

/// A masked frame; `first` is its first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = match payload.len() {
        length @ 0..=125 => vec![first, 0x80 | length as u8],
        length @ 126..=65535 => [&[first, 0xFE], &(length as u16).to_be_bytes()[..]].concat(),
        length => [&[first, 0xFF], &(length as u64).to_be_bytes()[..]].concat(),
    };
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    out.extend(mask);
    let start = out.len();
    out.extend(payload);
    unmask(&mut out[start..], mask);
    out
}

/// An [`Event`] that owns what it carries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

pub(super) type Outcome = (Vec<Got>, Option<Violation>);

/// What a decoder makes of `pieces`, received one after the other.
pub(super) fn receive<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    deflate: Option<Deflate>,
    limits: &Limits,
) -> Outcome {
    let mut decoder = Decoder::new(deflate);
    let mut got = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let (taken, event) = match decoder.decode(&mut buffer[at..], limits) {
                Ok(progress) => progress,
                Err(violation) => {
                    let mut late = [FIN | TEXT; 9];
                    assert_eq!(decoder.decode(&mut late, limits), Ok((9, Event::NeedMore)));
                    return (got, Some(violation));
                }
            };
            got.push(match event {
                Event::NeedMore => {
                    at += taken;
                    break;
                }
                Event::Text(text) => Got::Text(text.into()),
                Event::Binary(bytes) => Got::Binary(bytes.into()),
                Event::Ping(bytes) => Got::Ping(bytes.into()),
                Event::Pong(bytes) => Got::Pong(bytes.into()),
                Event::Close { code, reason } => Got::Close(code, reason.into()),
            });
            at += taken;
        }
        buffer.drain(..at);
        assert!(buffer.len() <= 130, "{} bytes left over", buffer.len());
    }
    (got, None)
}

/// [`receive`] of the whole `stream` at once, after checking that any cut of it in two, and single bytes, give the same.
pub(super) fn receive_any_cut(stream: &[u8], deflate: Option<Deflate>, limits: &Limits) -> Outcome {
    let whole = receive([stream], deflate, limits);
    assert_eq!(
        receive(stream.chunks(1), deflate, limits),
        whole,
        "byte by byte"
    );
    for cut in 0..=stream.len() {
        let (head, tail) = stream.split_at(cut);
        assert_eq!(
            receive([head, tail], deflate, limits),
            whole,
            "cut at {cut}"
        );
    }
    whole
}
