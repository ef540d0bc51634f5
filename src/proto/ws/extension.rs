//! Agreeing on permessage-deflate (RFC 6455 §9, RFC 7692 §7.1).

use super::deflate::Compressor;

/// Which side may compress a message with what earlier ones have left in its window. It shrinks small messages, and
/// costs memory for every connection: about 300 KiB for the server's side, 48 KiB for the client's. Without it a
/// connection costs nothing between messages, so neither side does by default: no offer can demand it, and the answer
/// may forbid it to a client that has not asked (RFC 7692 §7.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Compress with context takeover, unless the client's offer forbids it.
    pub server_context_takeover: bool,
    /// Let clients compress with context takeover, unless their offer says that they will not.
    pub client_context_takeover: bool,
}

/// The parameters that both sides have agreed on. The client's window is never bounded: every window is inflated alike,
/// and so `client_max_window_bits` is a hint that needs no answer (RFC 7692 §7.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The server compresses with context takeover.
    pub server_context_takeover: bool,
    /// The client may compress with context takeover.
    pub client_context_takeover: bool,
    /// The window that the client has bounded the server to, as a power of two: 9 to 15.
    pub server_max_window_bits: Option<u8>,
}

impl Deflate {
    /// A compressor that keeps to this agreement.
    pub fn compressor(&self) -> Compressor {
        Compressor::new(self.server_window_bits(), self.server_context_takeover)
    }

    /// The window of the server's messages, as a power of two: 9 to 15.
    pub fn server_window_bits(&self) -> u8 {
        self.server_max_window_bits.unwrap_or(15)
    }

    /// Writes the value of `Sec-WebSocket-Extensions` for the answer.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"permessage-deflate");
        if !self.server_context_takeover {
            out.extend_from_slice(b"; server_no_context_takeover");
        }
        if !self.client_context_takeover {
            out.extend_from_slice(b"; client_no_context_takeover");
        }
        if let Some(bits) = self.server_max_window_bits {
            out.extend_from_slice(b"; server_max_window_bits=");
            out.extend_from_slice(itoa::Buffer::new().format(bits).as_bytes());
        }
    }
}

/// Picks the first acceptable offer from the value of one `Sec-WebSocket-Extensions` field. An offer that is not
/// understood, repeats a parameter or has a wrong value is declined (RFC 7692 §7.1), and so is a server window of 8
/// bits, for which there is no compressor.
pub fn negotiate(value: &[u8], policy: Policy) -> Option<Deflate> {
    split_unquoted(value, b',').find_map(|offer| accept(offer, policy))
}

fn accept(offer: &[u8], policy: Policy) -> Option<Deflate> {
    let mut parts = split_unquoted(offer, b';').map(<[u8]>::trim_ascii);
    if !parts.next()?.eq_ignore_ascii_case(b"permessage-deflate") {
        return None;
    }
    let mut server_no_context_takeover = None;
    let mut client_no_context_takeover = None;
    let mut server_max_window_bits = None;
    let mut client_max_window_bits = None;
    for part in parts {
        let (name, value) = match part.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let (name, value) = part.split_at(at);
                (name.trim_ascii_end(), value.get(1..))
            }
            None => (part, None),
        };
        let first = match name.to_ascii_lowercase().as_slice() {
            b"server_no_context_takeover" if value.is_none() => {
                server_no_context_takeover.replace(()).is_none()
            }
            b"client_no_context_takeover" if value.is_none() => {
                client_no_context_takeover.replace(()).is_none()
            }
            b"server_max_window_bits" => {
                let bits = parse_window_bits(value?).filter(|&bits| bits > 8)?;
                server_max_window_bits.replace(bits).is_none()
            }
            b"client_max_window_bits" => {
                let bits = match value {
                    Some(value) => Some(parse_window_bits(value)?),
                    None => None,
                };
                client_max_window_bits.replace(bits).is_none()
            }
            _ => false,
        };
        if !first {
            return None;
        }
    }
    Some(Deflate {
        server_context_takeover: policy.server_context_takeover
            && server_no_context_takeover.is_none(),
        client_context_takeover: policy.client_context_takeover
            && client_no_context_takeover.is_none(),
        server_max_window_bits,
    })
}

/// A decimal number from 8 to 15 without leading zeros, as a token or quoted (RFC 7692 §7.1.2, RFC 6455 §9.1).
fn parse_window_bits(value: &[u8]) -> Option<u8> {
    let value = value.trim_ascii_start();
    let value = value
        .strip_prefix(b"\"")
        .map_or(Some(value), |quoted| quoted.strip_suffix(b"\""))?;
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// Splits at each `separator` that does not stand in a quoted string.
fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value.split(move |&byte| {
        let after_backslash = std::mem::take(&mut escaped);
        match byte {
            _ if after_backslash => {}
            b'"' => quoted = !quoted,
            b'\\' => escaped = quoted,
            _ => {}
        }
        byte == separator && !quoted && !after_backslash
    })
}

#[cfg(test)]
mod tests;
