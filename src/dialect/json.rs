//! Writes JSON (RFC 8259) into a buffer, without a tree in between. UTF-8 stays as it is; only what must be escaped is.

/// Appends `text` as a JSON string, quotes included.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    put_escaped(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string, so that a string can be written in pieces (RFC 8259 §7).
pub fn put_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = first_to_escape(rest) {
        let Some((plain, [byte, after @ ..])) = rest.split_at_checked(at) else {
            break;
        };
        out.extend_from_slice(plain);
        put_escape(out, *byte);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Replaces U+2028 and U+2029 by escapes in the JSON that begins at `start`: JSON may hold them in strings, while older
/// JavaScript takes them for line ends.
pub fn escape_line_separators(out: &mut Vec<u8>, start: usize) {
    const SEPARATORS_WITHOUT_LAST_BYTE: &[u8] = b"\xe2\x80";
    let written = out.get(start..).unwrap_or_default();
    let Some(first) = memchr::memmem::find_iter(written, SEPARATORS_WITHOUT_LAST_BYTE)
        .find(|&at| is_line_separator(written.get(at..).unwrap_or_default()))
    else {
        return;
    };
    let json = out.split_off(start + first);
    let mut rest = json.as_slice();
    while let [byte, after @ ..] = rest {
        match rest {
            [0xe2, 0x80, 0xa8, after @ ..] => {
                out.extend_from_slice(b"\\u2028");
                rest = after;
            }
            [0xe2, 0x80, 0xa9, after @ ..] => {
                out.extend_from_slice(b"\\u2029");
                rest = after;
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

fn is_line_separator(bytes: &[u8]) -> bool {
    matches!(bytes, [0xe2, 0x80, 0xa8 | 0xa9, ..])
}

fn first_to_escape(bytes: &[u8]) -> Option<usize> {
    const CHUNK: usize = 16;
    let (chunks, _) = bytes.as_chunks::<CHUNK>();
    // Every byte of a chunk is looked at, so that the compiler does it in one vector.
    let is_plain = |chunk: &&[u8; CHUNK]| {
        !chunk
            .iter()
            .fold(false, |any, byte| any | must_escape(*byte))
    };
    let start = CHUNK * chunks.iter().take_while(is_plain).count();
    let rest = bytes.get(start..)?;
    let at = rest.iter().position(|&byte| must_escape(byte))?;
    Some(start + at)
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cold]
fn put_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let hex = |digit: u8| match digit {
                0..=9 => b'0' + digit,
                _ => b'a' + digit - 10,
            };
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[hex(byte >> 4), hex(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        put_string(&mut out, text);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn strings() {
        assert_eq!(string(""), r#""""#);
        assert_eq!(string("在吗\u{1F600}"), "\"在吗\u{1F600}\"");
        assert_eq!(
            string("a\"b\\c/d\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}"),
            "\"a\\\"b\\\\c/d\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}\""
        );
    }

    #[test]
    fn line_separators_become_escapes_from_the_start_on() {
        let mut out = "\u{2028}\"a\u{2027}\u{2028}b\u{2029}—\""
            .as_bytes()
            .to_vec();
        escape_line_separators(&mut out, 3);
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            "\u{2028}\"a\u{2027}\\u2028b\\u2029—\""
        );
    }

    proptest! {
        #[test]
        fn strings_are_as_another_writer_makes_them(text in "(\\PC|[\0-\x1f\"\\\\\u{2028}\u{2029}])*") {
            let expected = serde_json::to_string(&text).expect("a string");
            prop_assert_eq!(string(&text), expected.clone());
            let mut out = expected.into_bytes();
            escape_line_separators(&mut out, 0);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("JSON"), text);
            let script = String::from_utf8(out).expect("UTF-8");
            let has_line_ends = script.contains(['\u{2028}', '\u{2029}']);
            prop_assert!(!has_line_ends);
        }
    }
}
