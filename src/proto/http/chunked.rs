//! The chunked transfer coding (RFC 9112 §7.1), decoded as it arrives.

use crate::limits::{CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};

use super::{Refusal, is_token_byte};

/// Digits of a chunk size that fit a `u64`.
const SIZE_DIGITS_MAX: u8 = 16;

/// Where in the coding the next byte stands.
#[derive(Debug, Clone, Copy)]
enum State {
    Size { digits: u8, size: u64 },
    BeforeExtension { size: u64 },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { remaining: usize },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    FinalLf,
    Done,
}

/// Decodes one chunked body. Trailers are checked and dropped.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    extension_bytes: usize,
    trailer_bytes: usize,
}

impl ChunkedDecoder {
    pub(super) fn new() -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Appends what `data` holds of the body to `body` and returns how many bytes were consumed and whether the
    /// body is complete. Refuses a body over `body_max` bytes with 413 as soon as a chunk's size says so, and
    /// anything but the exact coding with 400.
    pub(super) fn decode(
        &mut self,
        data: &[u8],
        body: &mut Vec<u8>,
        body_max: usize,
    ) -> Result<(usize, bool), Refusal> {
        let mut rest = data;
        loop {
            if let State::Data { remaining } = &mut self.state {
                let (now, later) = rest.split_at(rest.len().min(*remaining));
                body.extend_from_slice(now);
                *remaining -= now.len();
                rest = later;
                if *remaining == 0 {
                    self.state = State::DataCr;
                }
            }
            let Some((&byte, later)) = rest.split_first() else {
                return Ok((data.len(), false));
            };
            rest = later;
            self.state = self.step(byte, body.len(), body_max)?;
            if let State::Done = self.state {
                return Ok((data.len() - rest.len(), true));
            }
        }
    }

    /// The state after one byte of framing.
    fn step(&mut self, byte: u8, body_len: usize, body_max: usize) -> Result<State, Refusal> {
        const LINE_END: Refusal = Refusal::bad("bad line end in chunked body");
        match self.state {
            State::Size { digits, size } => match (byte, hex_value(byte)) {
                (_, Some(_)) if digits == SIZE_DIGITS_MAX => {
                    Err(Refusal::bad("chunk size overflow"))
                }
                (_, Some(value)) => Ok(State::Size {
                    digits: digits + 1,
                    size: size << 4 | u64::from(value),
                }),
                _ if digits == 0 => Err(Refusal::bad("bad chunk size")),
                (b'\r', _) => Ok(State::SizeLf { size }),
                (b';', _) => self.extension_byte(State::Extension { size }),
                (b' ' | b'\t', _) => self.extension_byte(State::BeforeExtension { size }),
                _ => Err(Refusal::bad("bad chunk size")),
            },
            State::BeforeExtension { size } => match byte {
                b' ' | b'\t' => self.extension_byte(State::BeforeExtension { size }),
                b';' => self.extension_byte(State::Extension { size }),
                _ => Err(Refusal::bad("bad chunk size")),
            },
            State::Extension { size } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                _ if is_field_value_byte(byte) => self.extension_byte(State::Extension { size }),
                _ => Err(Refusal::bad("bad chunk extension")),
            },
            State::SizeLf { size } => match (byte, usize::try_from(size)) {
                (b'\n', Ok(0)) => Ok(State::TrailerStart),
                (b'\n', Ok(remaining)) if remaining <= body_max.saturating_sub(body_len) => {
                    Ok(State::Data { remaining })
                }
                (b'\n', _) => Err(Refusal::new(413, "body too large")),
                _ => Err(LINE_END),
            },
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { digits: 0, size: 0 }),
            State::TrailerStart => match byte {
                b'\r' => Ok(State::FinalLf),
                _ if is_token_byte(byte) => self.trailer_byte(State::TrailerName),
                _ => Err(Refusal::bad("bad trailer")),
            },
            State::TrailerName => match byte {
                b':' => self.trailer_byte(State::TrailerValue),
                _ if is_token_byte(byte) => self.trailer_byte(State::TrailerName),
                _ => Err(Refusal::bad("bad trailer")),
            },
            State::TrailerValue => match byte {
                b'\r' => self.trailer_byte(State::TrailerLf),
                _ if is_field_value_byte(byte) => self.trailer_byte(State::TrailerValue),
                _ => Err(Refusal::bad("bad trailer")),
            },
            State::TrailerLf if byte == b'\n' => self.trailer_byte(State::TrailerStart),
            State::FinalLf if byte == b'\n' => Ok(State::Done),
            // The caller takes chunk data in bulk and stops at the end, so these two see no byte.
            State::DataCr
            | State::DataLf
            | State::TrailerLf
            | State::FinalLf
            | State::Data { .. }
            | State::Done => Err(LINE_END),
        }
    }

    fn extension_byte(&mut self, next: State) -> Result<State, Refusal> {
        self.extension_bytes += 1;
        if self.extension_bytes > CHUNK_EXTENSION_BYTES_MAX {
            return Err(Refusal::bad("chunk extensions too long"));
        }
        Ok(next)
    }

    fn trailer_byte(&mut self, next: State) -> Result<State, Refusal> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Refusal::bad("trailers too long"));
        }
        Ok(next)
    }
}

fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether a byte may stand in a field value (RFC 9110 §5.5).
fn is_field_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
