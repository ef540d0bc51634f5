//! WebSocket framing (RFC 6455) as a client needs it: masked frames out, whole messages in, no extensions.

use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

/// Longest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The kind of a frame (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before.
    Continuation = 0,
    /// A text message.
    Text = 1,
    /// A binary message.
    Binary = 2,
    /// The last frame.
    Close = 8,
    /// To be answered with a pong.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

/// Appends a masked frame that is a whole message.
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, mask: u32, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65535 => {
            out.push(0xFE);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xFF);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = mask.to_ne_bytes();
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let wide = u32::from_ne_bytes(mask);
    let wide = u64::from(wide) << 32 | u64::from(wide);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// A frame in a buffer.
struct Frame<'a> {
    fin: bool,
    opcode: Opcode,
    payload: &'a [u8],
    taken: usize,
}

fn decode(bytes: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err("reserved bit set");
    }
    if second & 0x80 != 0 {
        return Err("masked frame from the server");
    }
    let fin = first & 0x80 != 0;
    let opcode = match first & 0x0F {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err("unknown opcode"),
    };
    let control = first & 0x08 != 0;
    if control && (!fin || second > 125) {
        return Err("control frame too long or fragmented");
    }
    let (start, length) = match second {
        126 => match bytes.get(2..4) {
            Some(length) => (4, u64::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|bytes| bytes.first_chunk()) {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        length => (2, u64::from(length)),
    };
    if length > MESSAGE_BYTES_MAX as u64 {
        return Err("frame too long");
    }
    let taken = start + length as usize;
    Ok(bytes.get(start..taken).map(|payload| Frame {
        fin,
        opcode,
        payload,
        taken,
    }))
}

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The handshake is done.
    Opened,
    /// A whole text or binary message.
    Message(&'a [u8]),
    /// A ping, to be answered with the same payload.
    Ping(&'a [u8]),
    /// The server closes with this code.
    Closed(u16),
}

/// One connection as the client sees it, from the handshake on.
#[derive(Debug, Default)]
pub struct Peer {
    open: bool,
    closed: bool,
    accept: String,
    /// What has come of a fragmented message; `None` outside one.
    fragments: Option<Vec<u8>>,
}

impl Peer {
    /// The request that begins the connection (RFC 6455 §4.1); what was before is forgotten.
    pub fn handshake(&mut self, authority: &str, target: &str) -> Vec<u8> {
        let key = generate_key();
        *self = Peer {
            accept: derive_accept_key(key.as_bytes()),
            ..Peer::default()
        };
        format!(
            "GET {target} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        .into_bytes()
    }

    /// Reads as many events as are whole at the beginning of `bytes` and tells how many bytes they took.
    ///
    /// # Errors
    /// A word about what is wrong with the bytes; the connection is of no more use.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Event<'_>),
    ) -> Result<usize, &'static str> {
        let mut at = 0;
        if !self.open {
            match self.read_handshake(bytes)? {
                Some(taken) => at = taken,
                None => return Ok(0),
            }
            each(Event::Opened);
        }
        while !self.closed
            && let Some(frame) = decode(&bytes[at..])?
        {
            at += frame.taken;
            match (frame.opcode, self.fragments.as_mut()) {
                (Opcode::Ping, _) => each(Event::Ping(frame.payload)),
                (Opcode::Pong, _) => {}
                (Opcode::Close, _) => {
                    self.closed = true;
                    let code = frame.payload.first_chunk().copied();
                    each(Event::Closed(code.map_or(1005, u16::from_be_bytes)));
                }
                (Opcode::Text | Opcode::Binary, None) if frame.fin => {
                    each(Event::Message(frame.payload));
                }
                (Opcode::Text | Opcode::Binary, None) => {
                    self.fragments = Some(frame.payload.to_vec());
                }
                (Opcode::Text | Opcode::Binary, Some(_)) => {
                    return Err("message inside a fragmented message");
                }
                (Opcode::Continuation, None) => return Err("continuation of nothing"),
                (Opcode::Continuation, Some(fragments)) => {
                    if fragments.len() + frame.payload.len() > MESSAGE_BYTES_MAX {
                        return Err("message too long");
                    }
                    fragments.extend_from_slice(frame.payload);
                    if frame.fin {
                        each(Event::Message(fragments));
                        self.fragments = None;
                    }
                }
            }
        }
        Ok(if self.closed { bytes.len() } else { at })
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let taken = match head.parse(bytes) {
            Ok(httparse::Status::Complete(taken)) => taken,
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => return Ok(None),
            _ => return Err("malformed handshake"),
        };
        if head.code != Some(101) {
            return Err("upgrade refused");
        }
        let accepted = head.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("sec-websocket-accept")
                && header.value == self.accept.as_bytes()
        });
        if !accepted {
            return Err("handshake without the right Sec-WebSocket-Accept");
        }
        self.open = true;
        self.accept = String::new();
        Ok(Some(taken))
    }
}

#[cfg(test)]
mod tests;
