//! What a client can do wrong, and the close code that it is told.

use std::fmt;

use super::close;

/// A rule of the protocol that a client has broken. The connection is failed (RFC 6455 §7.1.7): a close frame with
/// [`Violation::close_code`], then the end of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A reserved bit that no negotiated extension defines (RFC 6455 §5.2), or RSV1 on a continuation or control frame
    /// (RFC 7692 §6.1).
    ReservedBit,
    /// An opcode that is not defined (RFC 6455 §5.2).
    ReservedOpcode,
    /// A frame that a client has not masked (RFC 6455 §5.1).
    NotMasked,
    /// A control frame without FIN (RFC 6455 §5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (RFC 6455 §5.5).
    LongControl,
    /// A length in more bytes than it needs, or with its highest bit set (RFC 6455 §5.2).
    LengthEncoding,
    /// A continuation frame outside of a message (RFC 6455 §5.4).
    UnexpectedContinuation,
    /// A text or binary frame inside of a fragmented message (RFC 6455 §5.4).
    ExpectedContinuation,
    /// A close frame whose payload is one byte (RFC 6455 §5.5.1).
    CloseLength,
    /// A close code that must not be sent (RFC 6455 §7.4).
    CloseCode,
    /// A text message or close reason that is not UTF-8 (RFC 6455 §8.1).
    InvalidUtf8,
    /// A compressed message that does not inflate (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A message longer than the limit, before or after inflating.
    LongMessage,
    /// A message of more fragments than the limit.
    ManyFragments,
}

impl Violation {
    /// The code for the close frame (RFC 6455 §7.4.1): 1002, 1007 or 1009.
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => close::INVALID_PAYLOAD,
            Self::LongMessage | Self::ManyFragments => close::MESSAGE_TOO_BIG,
            _ => close::PROTOCOL_ERROR,
        }
    }

    /// A few words for the close frame and the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReservedBit => "reserved bit set",
            Self::ReservedOpcode => "reserved opcode",
            Self::NotMasked => "frame not masked",
            Self::FragmentedControl => "fragmented control frame",
            Self::LongControl => "control frame too long",
            Self::LengthEncoding => "length not minimal",
            Self::UnexpectedContinuation => "nothing to continue",
            Self::ExpectedContinuation => "message not finished",
            Self::CloseLength => "close payload of one byte",
            Self::CloseCode => "invalid close code",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::InvalidDeflate => "invalid compressed data",
            Self::LongMessage => "message too long",
            Self::ManyFragments => "too many fragments",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Violation {}
