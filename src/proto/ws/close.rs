//! Close codes and the payload of close frames (RFC 6455 §5.5.1, §7.4).

use super::Violation;

/// The purpose of the connection is fulfilled.
pub const NORMAL: u16 = 1000;
/// The server shuts down, or the page is left.
pub const GOING_AWAY: u16 = 1001;
/// The peer has broken the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A kind of message that is not taken here.
pub const UNSUPPORTED_DATA: u16 = 1003;
/// A payload that is not what its frame says.
pub const INVALID_PAYLOAD: u16 = 1007;
/// A message that is not permitted.
pub const POLICY_VIOLATION: u16 = 1008;
/// A message past the limits.
pub const MESSAGE_TOO_BIG: u16 = 1009;
/// The server has failed.
pub const INTERNAL_ERROR: u16 = 1011;
/// The server restarts; the client should come back.
pub const SERVICE_RESTART: u16 = 1012;
/// The server has too much to do, or the client reads too slowly.
pub const TRY_AGAIN_LATER: u16 = 1013;

/// True if `code` may stand in a close frame: 1000 to 1003 and 1007 to 1014 as registered with IANA, 3000 to 4999 for
/// libraries and applications (RFC 6455 §7.4.2).
pub fn is_valid_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Takes the payload of a close frame apart: no code, or a code and a reason that may be empty.
///
/// # Errors
/// [`Violation::CloseLength`], [`Violation::CloseCode`] or [`Violation::InvalidUtf8`].
pub fn parse(payload: &[u8]) -> Result<(Option<u16>, &str), Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok((None, ""))
        } else {
            Err(Violation::CloseLength)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !is_valid_code(code) {
        return Err(Violation::CloseCode);
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::InvalidUtf8)?;
    Ok((Some(code), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_valid_as_registered() {
        let valid = (0..=u16::MAX).filter(|&code| is_valid_code(code));
        let expected = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
        assert!(valid.eq(expected));
    }

    #[test]
    fn payloads() {
        type Parsed = Result<(Option<u16>, &'static str), Violation>;
        let cases: &[(&[u8], Parsed)] = &[
            (b"", Ok((None, ""))),
            (b"\x03", Err(Violation::CloseLength)),
            (b"\x03\xe8", Ok((Some(1000), ""))),
            (b"\x03\xe8bye", Ok((Some(1000), "bye"))),
            (b"\x03\xe8\xe5\xa5\xbd", Ok((Some(1000), "好"))),
            (b"\x03\xed", Err(Violation::CloseCode)),
            (b"\x00\x00", Err(Violation::CloseCode)),
            (b"\x03\xe8\xe5\xa5", Err(Violation::InvalidUtf8)),
        ];
        for (payload, expected) in cases {
            assert_eq!(parse(payload), *expected, "{payload:?}");
        }
    }
}
