//! HTTP/1.1 responses as a client reads them, and the heads of requests.

use std::ops::Range;

const HEADERS_MAX: usize = 32;
/// Longest head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// One response in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Where the body is in the buffer; empty for a chunked one, which is only skipped.
    pub body: Range<usize>,
    /// Whether the server closes the connection behind it.
    pub closes: bool,
    /// How many bytes of the buffer it takes.
    pub taken: usize,
}

/// Reads the response that `bytes` begin with; `None` if it is not all there.
///
/// # Errors
/// A word about what is wrong with the bytes.
pub fn parse(bytes: &[u8]) -> Result<Option<Response>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let head_bytes = match head.parse(bytes) {
        Ok(httparse::Status::Complete(taken)) => taken,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => {
            return Err("response head too long");
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err("malformed response head"),
    };
    let status = head.code.unwrap_or(0);
    let mut length = None;
    let mut chunked = false;
    let mut closes = head.version == Some(0);
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = std::str::from_utf8(header.value).ok();
            let value: Option<usize> = value.and_then(|value| value.trim().parse().ok());
            let value = value.filter(|value| *value <= BODY_BYTES_MAX);
            length = Some(value.ok_or("malformed Content-Length")?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = header.value.eq_ignore_ascii_case(b"chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes |= header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let bodiless = matches!(status, 100..=199 | 204 | 304);
    let (body, taken) = if bodiless {
        (head_bytes..head_bytes, head_bytes)
    } else if chunked {
        match skip_chunks(bytes, head_bytes)? {
            Some(end) => (head_bytes..head_bytes, end),
            None => return Ok(None),
        }
    } else {
        let length = length.ok_or("response without a length")?;
        let end = head_bytes + length;
        if bytes.len() < end {
            return Ok(None);
        }
        (head_bytes..end, end)
    };
    Ok(Some(Response {
        status,
        body,
        closes,
        taken,
    }))
}

/// The end of the chunked body (RFC 9112 §7.1) that begins at `at`.
fn skip_chunks(bytes: &[u8], mut at: usize) -> Result<Option<usize>, &'static str> {
    loop {
        let (head, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((head, size))) => (head, size),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("malformed chunk"),
        };
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= BODY_BYTES_MAX)
            .ok_or("chunk too long")?;
        at += head;
        if size == 0 {
            return skip_trailers(bytes, at);
        }
        at += size + 2;
        if bytes.len() < at {
            return Ok(None);
        }
        if &bytes[at - 2..at] != b"\r\n" {
            return Err("malformed chunk");
        }
    }
}

fn skip_trailers(bytes: &[u8], at: usize) -> Result<Option<usize>, &'static str> {
    let rest = &bytes[at..];
    if rest.starts_with(b"\r\n") {
        return Ok(Some(at + 2));
    }
    match memchr::memmem::find(rest, b"\r\n\r\n") {
        Some(end) => Ok(Some(at + end + 4)),
        None if rest.len() > HEAD_BYTES_MAX => Err("trailers too long"),
        None => Ok(None),
    }
}

/// A `GET` request.
pub fn get(authority: &str, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n").into_bytes()
}

/// The type of JSON bodies.
pub const JSON: &str = "application/json";
/// The type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A `POST` request with a body of this type.
pub fn post(authority: &str, target: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n";
    const CLOSING: &[u8] = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_response_says_where_its_body_is_and_where_it_ends() {
        let response = parse(&[PLAIN, CLOSING].concat()).unwrap().unwrap();
        assert_eq!(&PLAIN[response.body.clone()], b"hello");
        assert_eq!((response.status, response.closes), (200, false));
        assert_eq!(response.taken, PLAIN.len());
        let response = parse(CLOSING).unwrap().unwrap();
        assert_eq!((response.status, response.closes), (503, true));
        let none = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(none).unwrap().unwrap().taken, none.len());
    }

    #[test]
    fn a_chunked_body_is_skipped_with_its_trailers() {
        let response = parse(&[CHUNKED, PLAIN].concat()).unwrap().unwrap();
        assert_eq!(response.taken, CHUNKED.len());
    }

    #[test]
    fn a_response_that_is_cut_anywhere_is_not_there_yet() {
        for whole in [PLAIN, CHUNKED, CLOSING] {
            for end in 0..whole.len() {
                assert_eq!(parse(&whole[..end]), Ok(None), "cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for bad in [
            &b"HELO\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert!(parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
