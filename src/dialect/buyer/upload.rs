//! Pictures: what they are by their content, and the names and addresses under which they are kept.

use jiff::tz::TimeZone;

use crate::dialect::{random, time};
use crate::domain::ids::TimeMs;

/// Where uploads are served.
pub const PATH: &str = "/soa-im/statics/upload/";

/// 67 bits: nobody finds a picture by trying names.
const SUFFIX_CHARS: usize = 13;

/// The file name extension of the picture's type, known by its first bytes; `None` if it is none that is taken.
pub(super) fn extension(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("webp"),
        // Two letters alone begin many a text; the reserved fields behind the file's size are zero.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("bmp"),
        _ => None,
    }
}

/// A name that no other upload has: the time, something random and the extension.
pub(super) fn name(
    zone: &TimeZone,
    now: TimeMs,
    fill: &mut dyn FnMut(&mut [u8]),
    extension: &str,
) -> String {
    let mut digits = Vec::new();
    time::put_digits_to_ms(&mut digits, zone, now);
    let digits = String::from_utf8_lossy(&digits);
    let suffix = random::text(fill, SUFFIX_CHARS);
    format!("{digits}{suffix}.{extension}")
}

/// The address of the upload `name`: below `public_url`, else below the `host` that the client used.
pub(super) fn url(public_url: Option<&str>, host: &str, name: &str) -> String {
    match public_url {
        Some(public_url) => format!("{public_url}{PATH}{name}"),
        None => format!("http://{host}{PATH}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("png")),
            (b"\xff\xd8\xff\xe0", Some("jpg")),
            (b"GIF87a", Some("gif")),
            (b"GIF89a..", Some("gif")),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some("webp")),
            (b"BM\x46\0\0\0\0\0\0\0\x36", Some("bmp")),
            (b"BM, said the text", None),
            (b"RIFF\x01\x02\x03\x04WAVE", None),
            (b"GIF88a", None),
            (b"\x89PNG\n", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\">", None),
            (b"", None),
        ] {
            assert_eq!(extension(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
