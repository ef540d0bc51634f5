//! WebSocket frames as clients see them (RFC 6455 §5.2).

use crate::clients::Client;
use crate::history::{Broken, Kept};
use crate::source::Source;

/// A text.
pub const TEXT: u8 = 1;
/// The end.
pub const CLOSE: u8 = 8;
/// A question whether somebody is there.
pub const PING: u8 = 9;
/// The answer to it.
pub const PONG: u8 = 10;

/// A frame of the server.
pub struct Frame {
    /// What it is.
    pub opcode: u8,
    /// What it says.
    pub payload: Vec<u8>,
}

/// The first frame in `input`, if it is all there. The server sends whole messages, without a mask.
pub fn take(input: &mut Vec<u8>) -> Kept<Option<Frame>> {
    let [first, second, rest @ ..] = input.as_slice() else {
        return Ok(None);
    };
    if first & 0xF0 != 0x80 || second & 0x80 != 0 {
        return Err(Broken(format!(
            "not a server's frame: {first:02x} {second:02x}"
        )));
    }
    let opcode = first & 0x0F;
    let (header, length) = match second & 0x7F {
        126 => match rest.first_chunk() {
            Some(bytes) => (4, usize::from(u16::from_be_bytes(*bytes))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (10, u64::from_be_bytes(*bytes) as usize),
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    if input.len() < header + length {
        return Ok(None);
    }
    let payload = input[header..header + length].to_vec();
    input.drain(..header + length);
    Ok(Some(Frame { opcode, payload }))
}

impl Client {
    /// Sends a frame under a mask.
    pub(super) fn send_frame(&mut self, opcode: u8, payload: &[u8], source: &mut Source) {
        let mut bytes = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => bytes.push(0x80 | short as u8),
            long => {
                bytes.push(0x80 | 126);
                bytes.extend((long as u16).to_be_bytes());
            }
        }
        let mask = (source.below(1 << 16) as u32)
            .wrapping_mul(0x9E37_79B1)
            .to_be_bytes();
        bytes.extend(mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        self.send_bytes(&bytes);
    }

    /// Sends a text.
    pub(super) fn send_text(&mut self, text: &str, source: &mut Source) {
        self.send_frame(TEXT, text.as_bytes(), source);
    }
}
