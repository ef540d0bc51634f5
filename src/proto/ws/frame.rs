//! Frame headers (RFC 6455 §5.2).

use std::ops::Range;

use super::Violation;
use crate::limits::WS_CONTROL_BYTES_MAX;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that an earlier frame has begun.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The end of the connection.
    Close = 0x8,
    /// A question for a sign of life.
    Ping = 0x9,
    /// The answer to a ping, or a sign of life unasked for.
    Pong = 0xA,
}

impl Opcode {
    /// True for close, ping and pong, which may stand between the fragments of a message (RFC 6455 §5.5).
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    fn from_bits(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            _ => Err(Violation::ReservedOpcode),
        }
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The header of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// The message is compressed (RFC 7692 §6).
    pub rsv1: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key; its first byte belongs to the first byte of the payload.
    pub mask: [u8; 4],
    /// Length of the payload, below 2^63.
    pub payload_bytes: u64,
    /// Length of this header: 6, 8 or 14.
    pub header_bytes: usize,
}

impl Header {
    /// Reads the header at the start of `data`; `None` if it goes on past its end. `deflate` permits RSV1 where
    /// RFC 7692 §6.1 has it: on the first frame of a message.
    ///
    /// # Errors
    /// The first rule that the header breaks by itself. A broken rule shows as soon as its bytes are there, and is the
    /// same however the header was cut.
    #[inline]
    pub fn parse(data: &[u8], deflate: bool) -> Result<Option<Self>, Violation> {
        let Some((&[first, second], rest)) = data.split_first_chunk() else {
            return Ok(None);
        };
        let fin = first & FIN != 0;
        let rsv1 = first & RSV1 != 0;
        if first & RSV2_RSV3 != 0 || (rsv1 && !deflate) {
            return Err(Violation::ReservedBit);
        }
        let opcode = Opcode::from_bits(first & 0x0F)?;
        if rsv1 && (opcode.is_control() || opcode == Opcode::Continuation) {
            return Err(Violation::ReservedBit);
        }
        if second & MASKED == 0 {
            return Err(Violation::NotMasked);
        }
        let short = second & !MASKED;
        if opcode.is_control() {
            if !fin {
                return Err(Violation::FragmentedControl);
            }
            if usize::from(short) > WS_CONTROL_BYTES_MAX {
                return Err(Violation::LongControl);
            }
        }
        let (payload_bytes, rest) = match short {
            LENGTH_16 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from(u16::from_be_bytes(*length));
                if length < u64::from(LENGTH_16) {
                    return Err(Violation::LengthEncoding);
                }
                (length, rest)
            }
            LENGTH_64 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from_be_bytes(*length);
                if length <= u64::from(u16::MAX) || length > i64::MAX as u64 {
                    return Err(Violation::LengthEncoding);
                }
                (length, rest)
            }
            short => (u64::from(short), rest),
        };
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Self {
            fin,
            rsv1,
            opcode,
            mask,
            payload_bytes,
            header_bytes: data.len() - rest.len(),
        }))
    }
}

/// The opcode, mask and place of the payload of the frame at the start of `data` if it is a whole message in the usual form: text or
/// binary, final, not compressed, whole in `data`, below 64 KiB and not longer than `bytes_max`. `None` says nothing about it.
#[inline]
pub(super) fn usual(data: &[u8], bytes_max: usize) -> Option<(Opcode, [u8; 4], Range<usize>)> {
    const TEXT: u8 = FIN | Opcode::Text as u8;
    const BINARY: u8 = FIN | Opcode::Binary as u8;
    let (&[first, second], rest) = data.split_first_chunk()?;
    let opcode = match first {
        TEXT => Opcode::Text,
        BINARY => Opcode::Binary,
        _ => return None,
    };
    let (length, rest) = match second.checked_sub(MASKED)? {
        LENGTH_16 => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = u16::from_be_bytes(*length);
            (length >= u16::from(LENGTH_16)).then_some((usize::from(length), rest))?
        }
        LENGTH_64 => return None,
        short => (usize::from(short), rest),
    };
    let (&mask, rest) = rest.split_first_chunk()?;
    let start = data.len() - rest.len();
    (length <= rest.len().min(bytes_max)).then_some((opcode, mask, start..start + length))
}

/// Writes the header of a server's frame: final, not masked, its length in as few bytes as it needs. `rsv1` marks a
/// compressed message.
#[inline]
pub fn encode_header(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, payload_bytes: usize) {
    let first = FIN | if rsv1 { RSV1 } else { 0 } | opcode as u8;
    if let Ok(short) = u8::try_from(payload_bytes)
        && short < LENGTH_16
    {
        out.extend_from_slice(&[first, short]);
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        let [high, low] = length.to_be_bytes();
        out.extend_from_slice(&[first, LENGTH_16, high, low]);
    } else {
        out.extend_from_slice(&[first, LENGTH_64]);
        out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
