//! What part of a file a request wants (RFC 9110 §13.2.2 and §14).

use std::fmt;

use super::etag;
use super::head::{Head, Method};

/// A part of a file: byte positions, both within it and included, `first` ≤ `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the first byte.
    pub first: u64,
    /// Position of the last byte.
    pub last: u64,
}

impl ByteRange {
    /// Number of bytes, at least 1.
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// What to answer to a request for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// 200 with the whole file.
    Whole,
    /// 206 with this part and [`ContentRange::Part`].
    Part(ByteRange),
    /// 304: the client has it.
    NotModified,
    /// 416 with [`ContentRange::Unsatisfiable`].
    Unsatisfiable,
}

/// Selects what to send of a file of `length` bytes. `etag` is its strong entity tag with the quotes.
pub fn select(head: &Head<'_>, etag: &str, length: u64) -> Selection {
    if head
        .header_all("if-none-match")
        .any(|value| etag::if_none_match(value, etag))
    {
        return Selection::NotModified;
    }
    let mut ranges = head.header_all("range");
    match (ranges.next(), ranges.next(), head.header("if-range")) {
        // RFC 9110 §14.2: ranges are defined for GET alone.
        (Some(range), None, condition)
            if head.method() == Method::Get
                && condition.is_none_or(|value| etag::if_range(value, etag)) =>
        {
            resolve(range, length)
        }
        _ => Selection::Whole,
    }
}

/// Resolves the value of `Range` against a file of `length` bytes. What is not one range in bytes, several ranges
/// among it, is ignored, as RFC 9110 §14.2 allows: the whole file.
pub fn resolve(value: &[u8], length: u64) -> Selection {
    let Some((unit, range)) = str::from_utf8(value)
        .ok()
        .and_then(|value| value.split_once('='))
    else {
        return Selection::Whole;
    };
    let Some((first, last)) = range.trim_ascii().split_once('-') else {
        return Selection::Whole;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    match (position(first), position(last)) {
        (Some(first), Some(last)) if first > last => Selection::Whole,
        (Some(first), _) if first >= length && (last.is_empty() || position(last).is_some()) => {
            Selection::Unsatisfiable
        }
        (Some(first), Some(last)) => Selection::Part(ByteRange {
            first,
            last: last.min(length - 1),
        }),
        (Some(first), None) if last.is_empty() => Selection::Part(ByteRange {
            first,
            last: length - 1,
        }),
        (None, Some(0)) if first.is_empty() => Selection::Unsatisfiable,
        // A suffix of an empty file is satisfiable (§14.1.2), and no Content-Range can say so.
        (None, Some(suffix)) if first.is_empty() && length > 0 => Selection::Part(ByteRange {
            first: length.saturating_sub(suffix),
            last: length - 1,
        }),
        _ => Selection::Whole,
    }
}

/// A position of digits alone. One that does not fit is as good as the largest: no file is that long.
fn position(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// The value of `Content-Range` (RFC 9110 §14.4), to be displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// For 206: a part of a file.
    Part {
        /// The part that is sent.
        range: ByteRange,
        /// Bytes of the file.
        length: u64,
    },
    /// For 416: the length of the file in bytes.
    Unsatisfiable {
        /// Bytes of the file.
        length: u64,
    },
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { range, length } => {
                write!(f, "bytes {}-{}/{length}", range.first, range.last)
            }
            Self::Unsatisfiable { length } => write!(f, "bytes */{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::request::{Decoder, Event, Limits};
    use proptest::prelude::*;

    fn part(first: u64, last: u64) -> Selection {
        Selection::Part(ByteRange { first, last })
    }

    #[test]
    fn ranges_of_ten_bytes() {
        for (value, selection) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-9", part(0, 9)),
            ("Bytes= 2-5 ", part(2, 5)),
            ("bytes=9-", part(9, 9)),
            ("bytes=0-99999999999999999999", part(0, 9)),
            ("bytes=-1", part(9, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=10-11", Selection::Unsatisfiable),
            ("bytes=99999999999999999999-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=5-4", Selection::Whole),
            ("bytes=20-11", Selection::Whole),
            ("bytes=0-1,3-4", Selection::Whole),
            ("bytes=20-x", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=--1", Selection::Whole),
            ("bytes=1", Selection::Whole),
            ("items=0-1", Selection::Whole),
            ("", Selection::Whole),
        ] {
            assert_eq!(resolve(value.as_bytes(), 10), selection, "{value}");
        }
        assert_eq!(resolve(b"bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(resolve(b"bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn content_range() {
        let range = ByteRange { first: 2, last: 5 };
        assert_eq!(range.length(), 4);
        let part = ContentRange::Part { range, length: 10 };
        assert_eq!(part.to_string(), "bytes 2-5/10");
        let unsatisfiable = ContentRange::Unsatisfiable { length: 10 };
        assert_eq!(unsatisfiable.to_string(), "bytes */10");
    }

    #[test]
    fn selections() {
        for (method, fields, selection) in [
            ("GET", "", Selection::Whole),
            ("GET", "Range: bytes=1-2\r\n", part(1, 2)),
            ("HEAD", "Range: bytes=1-2\r\n", Selection::Whole),
            (
                "GET",
                "Range: bytes=1-2\r\nRange: bytes=3-4\r\n",
                Selection::Whole,
            ),
            ("GET", "Range: bytes=1-2\r\nIf-Range: \"a\"\r\n", part(1, 2)),
            (
                "GET",
                "Range: bytes=1-2\r\nIf-Range: \"b\"\r\n",
                Selection::Whole,
            ),
            (
                "GET",
                "If-None-Match: \"b\"\r\nRange: bytes=10-\r\n",
                Selection::Unsatisfiable,
            ),
            (
                "GET",
                "If-None-Match: \"a\"\r\nRange: bytes=1-2\r\n",
                Selection::NotModified,
            ),
            (
                "HEAD",
                "If-None-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n",
                Selection::NotModified,
            ),
        ] {
            let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut decoder = Decoder::new();
            match decoder.decode(input.as_bytes(), &Limits::default(), |_| 0) {
                Ok((_, Event::Request(request))) => {
                    assert_eq!(select(request.head(), "\"a\"", 10), selection, "{fields}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn parts_lie_in_the_file(value in "bytes=[0-9]{0,2}-[0-9]{0,2}", length in 0..50u64) {
            if let Selection::Part(range) = resolve(value.as_bytes(), length) {
                prop_assert!(range.first <= range.last && range.last < length);
            }
        }
    }
}
