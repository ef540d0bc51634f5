//! Who may hand out identities when the server asks for proof: applications, by their key or by a signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::dialect::AppKey;
use crate::domain::ids::TimeMs;
use crate::limits::SIGNATURE_AGE_S_MAX;
use crate::proto::http::head::Head;

/// Whether the request carries `Authorization: Bearer` (RFC 6750 §2.1) with the secret of one of `keys`.
///
/// Compared by hashes and without an early end, so that the time taken says nothing about a secret.
pub fn has_app_key(keys: &[AppKey], head: &Head<'_>) -> bool {
    let Some(shown) = bearer(head) else {
        return false;
    };
    let shown = Sha256::digest(shown);
    keys.iter().fold(false, |found, key| {
        let differing = Sha256::digest(&key.secret)
            .iter()
            .zip(&shown)
            .fold(0, |differing, (one, other)| differing | (one ^ other));
        found | (differing == 0)
    })
}

/// Whether `sign` is the hexadecimal HMAC-SHA256 of `text` under the secret of one of `keys`, and `ts`, in seconds
/// since the Unix epoch, lies within [`SIGNATURE_AGE_S_MAX`] of `now`. The caller sees to it that `text` has `ts` in it.
pub fn is_signed(keys: &[AppKey], text: &str, ts: &str, sign: &str, now: TimeMs) -> bool {
    let fresh = ts
        .parse::<i64>()
        .is_ok_and(|ts| (now.0 / 1_000).abs_diff(ts) <= SIGNATURE_AGE_S_MAX.unsigned_abs());
    let Some(sign) = decode_hex(sign).filter(|_| fresh) else {
        return false;
    };
    keys.iter().fold(false, |found, key| {
        let verified = Hmac::<Sha256>::new_from_slice(key.secret.as_bytes())
            .is_ok_and(|mac| mac.chain_update(text).verify_slice(&sign).is_ok());
        found | verified
    })
}

/// The credentials of the scheme `Bearer`, whose name is compared in any case (RFC 9110 §11.1).
pub fn bearer<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let (scheme, credentials) = head.header("authorization")?.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| credentials.trim_ascii())
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            *byte = *byte << 4 | char::from(*digit).to_digit(16)? as u8;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures() {
        let keys = [("shop", "other"), ("bar", "key")].map(|(id, secret)| AppKey {
            id: id.into(),
            secret: secret.into(),
        });
        // RFC 4231 has no key this short; the value is the well-known one of HMAC-SHA256("key", "The quick brown fox…").
        let text = "The quick brown fox jumps over the lazy dog";
        let sign = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        let now = TimeMs(1_000_000_500);
        assert!(is_signed(&keys, text, "1000000", sign, now));
        assert!(is_signed(&keys, text, "999700", &sign.to_uppercase(), now));
        assert!(is_signed(&keys, text, "1000300", sign, now));
        for (text, ts, sign) in [
            (text, "999699", sign),
            (text, "1000301", sign),
            (text, "", sign),
            (text, "-9223372036854775808", sign),
            (text, "1000000.0", sign),
            ("The quick brown fox", "1000000", sign),
            (text, "1000000", &sign[2..]),
            (text, "1000000", &sign.replace('f', "g")),
            (text, "1000000", ""),
        ] {
            assert!(!is_signed(&keys, text, ts, sign, now), "{text} {ts} {sign}");
        }
        assert!(!is_signed(&keys[..1], text, "1000000", sign, now));
    }
}
