//! Entity tags (RFC 9110 §8.8.3) and the conditions that name them (§13).

/// An entity tag in a request: the text between its quotes, and whether it is weak.
struct Tag<'a> {
    opaque: &'a [u8],
    weak: bool,
}

/// Takes an entity tag off the front of `text`.
fn take_tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (weak, text) = match text.strip_prefix(b"W/") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let text = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', text)?;
    let (opaque, rest) = text.split_at_checked(end)?;
    Some((Tag { opaque, weak }, rest.get(1..)?))
}

/// Whether `If-None-Match` names `etag` (a strong tag with its quotes), by weak comparison (RFC 9110 §13.1.2): then
/// the answer to a `GET` or `HEAD` is 304. The value of one field; of several fields, any may match. What follows a
/// syntax error is not looked at.
pub fn if_none_match(value: &[u8], etag: &str) -> bool {
    let etag = etag.trim_matches('"').as_bytes();
    let mut rest = value.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        // Lists may have empty elements (RFC 9110 §5.6.1.2).
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        match take_tag(rest) {
            Some((tag, _)) if tag.opaque == etag => return true,
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
}

/// Whether `If-Range` lets a range be sent (RFC 9110 §13.1.5): it is `etag` (a strong tag with its quotes) by strong
/// comparison. A date never matches: the server sends no `Last-Modified`.
pub fn if_range(value: &[u8], etag: &str) -> bool {
    let etag = etag.trim_matches('"').as_bytes();
    matches!(take_tag(value.trim_ascii()), Some((tag, [])) if !tag.weak && tag.opaque == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_match() {
        for (value, matches) in [
            ("*", true),
            (" * ", true),
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            (",, \"b,\" ,W/\"a\",", true),
            ("\"b\"", false),
            ("a", false),
            ("\"a", false),
            ("w/\"a\"", false),
            ("b, \"a\"", false),
            ("\"*\"", false),
            ("", false),
        ] {
            assert_eq!(if_none_match(value.as_bytes(), "\"a\""), matches, "{value}");
        }
    }

    #[test]
    fn range() {
        for (value, matches) in [
            ("\"a\"", true),
            ("W/\"a\"", false),
            ("\"b\"", false),
            ("\"a\", \"b\"", false),
            ("*", false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", false),
            ("", false),
        ] {
            assert_eq!(if_range(value.as_bytes(), "\"a\""), matches, "{value}");
        }
    }
}
