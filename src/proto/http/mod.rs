//! HTTP/1.1 (RFC 9112) without input or output: bytes in, requests out; answers in, bytes out.
//!
//! [`request`] takes requests out of a byte stream and refuses what two readers could understand differently;
//! [`head`] is what it knows about a request before the body; [`target`] reads paths, queries and forms;
//! [`response`] writes answers, with [`date`] for their `Date`; [`range`] and [`etag`] decide what part of a file to send.

mod chunked;
pub mod date;
pub mod etag;
pub mod head;
pub mod range;
pub mod request;
pub mod response;
pub mod target;

/// Why a request is not served. Where the next request begins is unknown: answer with `status`, then close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status code of the answer, 400 to 599.
    pub status: u16,
    /// What is wrong, in a few words that are safe to send.
    pub reason: &'static str,
}

impl Refusal {
    /// A refusal with the given status code.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    /// A refusal for bytes that are not HTTP, or that could be read in two ways.
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
