//! The opening handshake (RFC 6455 §4.2).

use tungstenite::handshake::derive_accept_key;

use super::extension::{self, Deflate, Policy};

/// What the server agrees to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Agree on permessage-deflate if it is offered.
    pub deflate: Option<Policy>,
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The method is not GET.
    Method,
    /// HTTP/1.0, which has no upgrades.
    HttpVersion,
    /// `Upgrade: websocket` or `Connection: Upgrade` is missing.
    NotUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    Version,
    /// `Sec-WebSocket-Key` is missing, repeated or not the base64 of 16 bytes.
    Key,
}

impl Refusal {
    /// The HTTP status: 400 or 426.
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 426,
            _ => 400,
        }
    }

    /// Header fields that go with the status: what the client should ask for instead (RFC 6455 §4.4, RFC 9110
    /// §15.5.22).
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Version => &[
                ("Sec-WebSocket-Version", "13"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
            ],
            _ => &[],
        }
    }

    /// A few words for the body and the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Method => "a WebSocket is opened with GET",
            Self::HttpVersion => "a WebSocket is opened with HTTP/1.1",
            Self::NotUpgrade => "Upgrade: websocket and Connection: Upgrade expected",
            Self::Version => "Sec-WebSocket-Version: 13 expected",
            Self::Key => "Sec-WebSocket-Key of 16 bytes expected",
        }
    }
}

/// A request that becomes a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    accept_key: String,
    /// What was agreed on, for the connection's decoder and compressor.
    pub deflate: Option<Deflate>,
}

impl Upgrade {
    /// Writes the head of the response (RFC 6455 §4.2.2); frames follow it at once. No subprotocol is claimed.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.accept_key.as_bytes());
        if let Some(deflate) = &self.deflate {
            out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
            deflate.encode(out);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Checks a request that asks for a WebSocket: `method`, the minor version of HTTP/1, and all `headers` as pairs of name
/// and value in the order in which they came.
///
/// # Errors
/// The first reason to refuse, in the order of [`Refusal`]'s variants.
pub fn check<'h>(
    method: &[u8],
    http_minor: u8,
    headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    config: &Config,
) -> Result<Upgrade, Refusal> {
    if method != b"GET" {
        return Err(Refusal::Method);
    }
    if http_minor < 1 {
        return Err(Refusal::HttpVersion);
    }
    let mut upgrade = false;
    let mut connection = false;
    let mut versions = Once::default();
    let mut keys = Once::default();
    let mut deflate = None;
    for (name, value) in headers {
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"upgrade") {
            upgrade |= has_token(value, b"websocket");
        } else if name.eq_ignore_ascii_case(b"connection") {
            connection |= has_token(value, b"upgrade");
        } else if name.eq_ignore_ascii_case(b"sec-websocket-version") {
            versions.put(value);
        } else if name.eq_ignore_ascii_case(b"sec-websocket-key") {
            keys.put(value);
        } else if name.eq_ignore_ascii_case(b"sec-websocket-extensions") {
            deflate = deflate.or_else(|| extension::negotiate(value, config.deflate?));
        }
    }
    if !upgrade || !connection {
        return Err(Refusal::NotUpgrade);
    }
    if versions.get() != Some(b"13") {
        return Err(Refusal::Version);
    }
    let key = keys.get().filter(|key| is_key(key)).ok_or(Refusal::Key)?;
    Ok(Upgrade {
        accept_key: derive_accept_key(key),
        deflate,
    })
}

/// A header field that must not be repeated (RFC 6455 §11.3).
#[derive(Default)]
struct Once<'h> {
    value: Option<&'h [u8]>,
    repeated: bool,
}

impl<'h> Once<'h> {
    fn put(&mut self, value: &'h [u8]) {
        self.repeated |= self.value.replace(value).is_some();
    }

    fn get(&self) -> Option<&'h [u8]> {
        self.value.filter(|_| !self.repeated)
    }
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

/// True for the base64 of 16 bytes: 22 digits and the padding.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.strip_suffix(b"==").is_some_and(|digits| {
            digits
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        })
}

#[cfg(test)]
mod tests;
