//! Paths, queries and forms (RFC 3986 §3.3 and §3.4; `application/x-www-form-urlencoded` in the WHATWG URL Standard §5).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

/// Why a path, a name or a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// A `%` without two hexadecimal digits behind it, in a path.
    BadEscape,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadEscape => "bad percent-encoding",
            Self::NotUtf8 => "not UTF-8",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Decodes a path: repeated slashes count as one, then `%XX` are decoded. A slash that was percent-encoded is in the
/// result like any other, and may stand beside one. Dot segments are left as they are. Borrowed where nothing changes.
pub fn decode_path(path: &str) -> Result<Cow<'_, str>, DecodeError> {
    let path = collapse_slashes(path);
    if !path.contains('%') {
        return Ok(path);
    }
    let mut rest = path.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..) {
            Some([high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest = after;
            }
            _ => return Err(DecodeError::BadEscape),
        }
    }
    let decoded: Vec<u8> = percent_decode(path.as_bytes()).collect();
    match String::from_utf8(decoded) {
        Ok(decoded) => Ok(Cow::Owned(decoded)),
        Err(_) => Err(DecodeError::NotUtf8),
    }
}

fn collapse_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut collapsed = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !collapsed.ends_with('/') {
            collapsed.push(c);
        }
    }
    Cow::Owned(collapsed)
}

/// Iterates over the pairs of a query or of an `application/x-www-form-urlencoded` body, in their order. `+` is a
/// space; a bad escape stands for itself; a name without `=` has an empty value; empty pairs are left out. A pair
/// that is not UTF-8 is an error, and the next one follows.
pub fn pairs(encoded: &[u8]) -> Pairs<'_> {
    Pairs { rest: encoded }
}

/// See [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(Cow<'a, str>, Cow<'a, str>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = loop {
            if self.rest.is_empty() {
                return None;
            }
            let (pair, rest) = split_at_byte(self.rest, b'&');
            self.rest = rest;
            if !pair.is_empty() {
                break pair;
            }
        };
        let (name, value) = split_at_byte(pair, b'=');
        Some(decode_component(name).and_then(|name| Ok((name, decode_component(value)?))))
    }
}

/// What stands before and after the first `separator`; all and nothing if there is none.
fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    memchr::memchr(separator, bytes)
        .and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)))
        .unwrap_or((bytes, &[]))
}

fn decode_component(encoded: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if memchr::memchr2(b'%', b'+', encoded).is_none() {
        return simdutf8::basic::from_utf8(encoded)
            .map(Cow::Borrowed)
            .map_err(|_| DecodeError::NotUtf8);
    }
    // A decoded `%2B` is a plus sign, so spaces come first.
    let with_spaces: Vec<u8> = encoded
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    let decoded = match percent_decode(&with_spaces).into() {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(_) => with_spaces,
    };
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| DecodeError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    #[test]
    fn paths() {
        for (path, decoded) in [
            ("/", Ok("/")),
            ("*", Ok("*")),
            ("/soa-im//buyer/getMsg", Ok("/soa-im/buyer/getMsg")),
            ("///a////b//", Ok("/a/b/")),
            ("/a%20b", Ok("/a b")),
            ("/%e4%B8%ad", Ok("/中")),
            ("/中/a", Ok("/中/a")),
            ("/a+b", Ok("/a+b")),
            ("/a%2Fb", Ok("/a/b")),
            ("/%2525", Ok("/%25")),
            ("/a%", Err(DecodeError::BadEscape)),
            ("/a%2", Err(DecodeError::BadEscape)),
            ("/a%2g", Err(DecodeError::BadEscape)),
            ("/a%%20", Err(DecodeError::BadEscape)),
            ("/%ff", Err(DecodeError::NotUtf8)),
        ] {
            assert_eq!(
                decode_path(path).as_deref(),
                decoded.as_ref().map(|s| *s),
                "{path}"
            );
        }
        assert!(matches!(decode_path("/soa-im/buyer"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn queries() {
        type Expected = Vec<Result<(&'static str, &'static str), DecodeError>>;
        let cases: [(&[u8], Expected); 9] = [
            (b"", vec![]),
            (b"&&", vec![]),
            (b"a=1&b=2", vec![Ok(("a", "1")), Ok(("b", "2"))]),
            (
                b"&a=&=b&c&",
                vec![Ok(("a", "")), Ok(("", "b")), Ok(("c", ""))],
            ),
            (b"a=b=c&a=d", vec![Ok(("a", "b=c")), Ok(("a", "d"))]),
            (b"a+b=c%2Bd+%20", vec![Ok(("a b", "c+d  "))]),
            (
                b"q=100%&r=%zz%4&s=%41%",
                vec![Ok(("q", "100%")), Ok(("r", "%zz%4")), Ok(("s", "A%"))],
            ),
            (
                b"a=%ff&%fe&b=%E4%b8%AD",
                vec![
                    Err(DecodeError::NotUtf8),
                    Err(DecodeError::NotUtf8),
                    Ok(("b", "中")),
                ],
            ),
            (
                b"a=\xff&b=\xe4\xb8\xad",
                vec![Err(DecodeError::NotUtf8), Ok(("b", "中"))],
            ),
        ];
        for (query, expected) in cases {
            let got: Vec<_> = pairs(query).collect();
            let got: Vec<_> = got
                .iter()
                .map(|pair| pair.as_ref().map(|(n, v)| (&**n, &**v)).map_err(|e| *e))
                .collect();
            assert_eq!(got, expected, "{}", query.escape_ascii());
        }
        assert!(matches!(
            pairs(b"a=1").next(),
            Some(Ok((Cow::Borrowed("a"), Cow::Borrowed("1"))))
        ));
    }

    proptest! {
        #[test]
        fn encoded_pairs_come_back(list in prop::collection::vec(("\\PC{1,5}", "\\PC{0,9}"), 0..5)) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%20", "+");
            let encoded: Vec<_> = list.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
            let encoded = encoded.join("&");
            let decoded: Result<Vec<_>, _> = pairs(encoded.as_bytes()).collect();
            let list: Vec<_> = list.into_iter().map(|(n, v)| (Cow::Owned(n), Cow::Owned(v))).collect();
            prop_assert_eq!(decoded, Ok(list));
        }
    }
}
