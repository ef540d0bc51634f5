//! Writes answers (RFC 9112 §4 and §6) into an output buffer, without an allocation of their own.

use super::Refusal;
use super::date::ImfFixdate;
use super::head::Head;

/// The interim answer to `Expect: 100-continue` (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What an answer says about the connection (RFC 9112 §9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Says nothing, which means to HTTP/1.1 that it stays open.
    Persistent,
    /// `Connection: keep-alive`, which HTTP/1.0 needs to hear.
    KeepAlive,
    /// `Connection: close`: this is the last answer.
    Close,
}

impl Connection {
    /// What the answer to this request says if the server wants to keep the connection.
    pub fn for_request(head: &Head<'_>) -> Self {
        match (head.keep_alive(), head.version_minor()) {
            (false, _) => Self::Close,
            (true, 0) => Self::KeepAlive,
            (true, _) => Self::Persistent,
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Persistent => "",
            Self::KeepAlive => "Connection: keep-alive\r\n",
            Self::Close => "Connection: close\r\n",
        }
    }
}

/// The content of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Written behind the head.
    Bytes(&'a [u8]),
    /// So many bytes, which the caller sends after the head, or not at all if the request was `HEAD`.
    Length(u64),
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status code, 100 to 599.
    pub status: u16,
    /// `Content-Type`; empty: none.
    pub content_type: &'a str,
    /// `Cache-Control`; empty: none.
    pub cache_control: &'a str,
    /// Further header fields. Names are literals of the program; values may come from anywhere.
    pub headers: &'a [(&'static str, &'a str)],
    /// What becomes of the connection.
    pub connection: Connection,
    /// The content. 1xx, 204 and 304 have none, whatever stands here.
    pub content: Content<'a>,
}

impl<'a> Response<'a> {
    /// An answer with that content, which nobody may store.
    pub fn new(status: u16, content_type: &'a str, content: &'a [u8]) -> Self {
        Self {
            status,
            content_type,
            cache_control: "no-store",
            headers: &[],
            connection: Connection::Persistent,
            content: Content::Bytes(content),
        }
    }

    /// The answer to what is refused, after which the connection is closed.
    pub fn refusal(refusal: &Refusal) -> Self {
        Self {
            connection: Connection::Close,
            ..Self::new(
                refusal.status,
                "text/plain; charset=utf-8",
                refusal.reason.as_bytes(),
            )
        }
    }

    /// The same answer to a `HEAD` request: the head alone, with the length that the content would have.
    #[must_use]
    pub fn without_content(mut self) -> Self {
        if let Content::Bytes(bytes) = self.content {
            self.content = Content::Length(bytes.len() as u64);
        }
        self
    }

    /// Appends the answer to `out`. Control characters in values become spaces (RFC 9110 §5.5), so no value can end
    /// its line.
    pub fn encode(&self, date: &ImfFixdate, out: &mut Vec<u8>) {
        const HEAD_BYTES_USUAL: usize = 256;
        let has_content = !matches!(self.status, 100..=199 | 204 | 304);
        let bytes = match self.content {
            Content::Bytes(bytes) if has_content => bytes,
            _ => &[],
        };
        out.reserve(HEAD_BYTES_USUAL + bytes.len());
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason_phrase(self.status).as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.connection.field().as_bytes());
        if !self.cache_control.is_empty() {
            put_field(out, "Cache-Control", self.cache_control);
        }
        for (name, value) in self.headers {
            put_field(out, name, value);
        }
        if has_content {
            if !self.content_type.is_empty() {
                put_field(out, "Content-Type", self.content_type);
            }
            let length = match self.content {
                Content::Bytes(bytes) => bytes.len() as u64,
                Content::Length(length) => length,
            };
            put_content_length(out, length);
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(bytes);
    }
}

/// Appends the answer that nearly every API call gets: 200, `application/json`, not to be stored.
pub fn encode_json(json: &[u8], connection: Connection, date: &ImfFixdate, out: &mut Vec<u8>) {
    const BEFORE_DATE: &[u8] = b"HTTP/1.1 200 OK\r\n\
        Content-Type: application/json\r\n\
        Cache-Control: no-store\r\n\
        Date: ";
    const REST_BYTES_MAX: usize = 128;
    out.reserve(BEFORE_DATE.len() + REST_BYTES_MAX + json.len());
    out.extend_from_slice(BEFORE_DATE);
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(connection.field().as_bytes());
    put_content_length(out, json.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(json);
}

fn put_content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn put_field(out: &mut Vec<u8>, name: &'static str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value.as_bytes());
    for byte in out.iter_mut().skip(start) {
        if byte.is_ascii_control() {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 §15, RFC 6585; empty for other codes, which is allowed (RFC 9112 §4).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::date::imf_fixdate;
    use proptest::prelude::*;

    fn encoded(response: &Response<'_>) -> String {
        let mut out = Vec::new();
        response.encode(&imf_fixdate(784_111_777), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn json() {
        let mut out = b"before".to_vec();
        encode_json(
            b"{\"state\":1}",
            Connection::KeepAlive,
            &imf_fixdate(784_111_777),
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            "beforeHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\nContent-Length: 11\r\n\r\n\
             {\"state\":1}"
        );
    }

    #[test]
    fn all_fields() {
        let response = Response {
            status: 206,
            content_type: "image/png",
            cache_control: "public, max-age=31536000, immutable",
            headers: &[("ETag", "\"a\""), ("X-Content-Type-Options", "nosniff")],
            connection: Connection::Close,
            content: Content::Length(7),
        };
        assert_eq!(
            encoded(&response),
            "HTTP/1.1 206 Partial Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\
             Cache-Control: public, max-age=31536000, immutable\r\nETag: \"a\"\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Type: image/png\r\nContent-Length: 7\r\n\r\n"
        );
    }

    #[test]
    fn head_has_the_length_and_no_content() {
        let response = Response::new(404, "text/plain", b"no such file");
        let whole = encoded(&response);
        assert_eq!(
            whole.strip_suffix("no such file"),
            Some(encoded(&response.without_content()).as_str())
        );
    }

    #[test]
    fn some_statuses_have_no_content() {
        for status in [101, 204, 304] {
            let text = encoded(&Response::new(status, "text/plain", b"content"));
            assert!(text.ends_with("Cache-Control: no-store\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn refusal_closes() {
        let text = encoded(&Response::refusal(&Refusal::new(
            431,
            "header fields too large",
        )));
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert!(text.contains("\r\nConnection: close\r\n"));
        assert!(text.ends_with("\r\nContent-Length: 23\r\n\r\nheader fields too large"));
    }

    proptest! {
        #[test]
        fn no_value_can_split_the_answer(value in "(\\PC|[\r\n\0\t:])*") {
            let response = Response {
                headers: &[("Location", &value)],
                cache_control: &value,
                ..Response::new(302, &value, b"")
            };
            let text = encoded(&response);
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Response::new(&mut fields);
            let head = parsed.parse(text.as_bytes()).expect("valid");
            prop_assert_eq!(head, httparse::Status::Complete(text.len()));
            let names: Vec<_> = parsed.headers.iter().map(|field| field.name).collect();
            let expected: &[&str] = match value.is_empty() {
                true => &["Date", "Location", "Content-Length"],
                false => &["Date", "Cache-Control", "Location", "Content-Type", "Content-Length"],
            };
            prop_assert_eq!(names, expected);
        }
    }
}
