//! The head of a request: its request line and header fields (RFC 9112 §3 and §5), checked as a whole.

use std::mem::MaybeUninit;

use crate::limits::HEADER_COUNT_MAX;

use super::Refusal;
use super::request::Limits;

/// The method of a request (RFC 9110 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
    /// A valid token that is none of the above: 501 from whoever routes it. [`Head::method_name`] has it.
    Other,
}

impl Method {
    /// Its name; empty for [`Method::Other`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// How the end of a request's body is known (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Neither a length nor a transfer coding: there is no body. Who must have one refuses with 411.
    Absent,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A part of the target, as byte positions in it.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// What was found out about a head, without a borrow, so that it can be kept beside a copy of the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    framing: Framing,
    method_len: u32,
    target_len: u32,
    authority: Span,
    path: Span,
    query: Option<Span>,
    method: Method,
    version_minor: u8,
    keep_alive: bool,
    websocket: bool,
    websocket_fields: bool,
    origin: bool,
    expect_continue: bool,
}

impl Facts {
    /// How long the method and the target are, with the space between them.
    pub(super) fn line_bytes(&self) -> usize {
        self.method_len as usize + " ".len() + self.target_len as usize
    }
}

/// The head of a request. Borrowed from the received bytes; lookups of header fields walk them, which costs nothing
/// for the fields nobody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    target: &'a str,
    method_name: &'a str,
    fields: &'a [u8],
    facts: Facts,
}

impl<'a> Head<'a> {
    /// `raw` is a head that was parsed to `facts`.
    pub(super) fn new(raw: &'a [u8], facts: Facts) -> Self {
        Self::with_line(text(raw.get(..facts.line_bytes())), raw, facts)
    }

    /// The same where `line`, its method and target, is at hand as text.
    pub(super) fn with_line(line: &'a str, raw: &'a [u8], facts: Facts) -> Self {
        let method_end = facts.method_len as usize;
        Self {
            method_name: line.get(..method_end).unwrap_or_default(),
            target: line.get(method_end + 1..).unwrap_or_default(),
            fields: fields_after(raw, line.len()),
            facts,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        self.facts
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.facts.method
    }

    /// The method as it was sent.
    pub fn method_name(&self) -> &'a str {
        self.method_name
    }

    /// The request target as it was sent.
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// The path as it was sent, from its first slash on, or `*`. See [`super::target::decode_path`].
    pub fn path(&self) -> &'a str {
        match self.facts.path {
            // An absolute-form target may leave out the path (RFC 9112 §3.2.1).
            Span { start, end } if start == end => "/",
            path => path.of(self.target),
        }
    }

    /// What follows the first `?` of the target. See [`super::target::pairs`].
    pub fn query(&self) -> Option<&'a str> {
        self.facts.query.map(|query| query.of(self.target))
    }

    /// 0 for HTTP/1.0, 1 for HTTP/1.1 and for any later minor version (RFC 9110 §2.5).
    pub fn version_minor(&self) -> u8 {
        self.facts.version_minor
    }

    /// Host and optional port that the request is for: from an absolute-form target, else from `Host`
    /// (RFC 9112 §3.2.2). Empty only for an HTTP/1.0 request that names none.
    pub fn host(&self) -> &'a str {
        match self.facts.authority.of(self.target) {
            "" => self.header_str("host").unwrap_or_default(),
            authority => authority,
        }
    }

    /// All header fields in their order, names as they were sent, values without the white space around them.
    pub fn headers(&self) -> Headers<'a> {
        Headers { rest: self.fields }
    }

    /// The value of the first field of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.header_all(name).next()
    }

    /// The values of all fields of that name, in any case.
    pub fn header_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let name = name.as_bytes();
        std::iter::successors(Field::first(self.fields), |field| Field::first(field.rest))
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// [`Self::header`], `None` also if the value is not UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&'a str> {
        self.header(name)
            .and_then(|value| str::from_utf8(value).ok())
    }

    /// The type and subtype in `Content-Type` without parameters, to be compared in any case; empty if there is none.
    pub fn media_type(&self) -> &'a str {
        let value = self.header_str("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim_ascii()
    }

    /// How long the body is, or that there is none.
    pub fn framing(&self) -> Framing {
        self.facts.framing
    }

    /// Whether the connection stays open after this request (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.facts.keep_alive
    }

    /// Whether this is a `GET` in HTTP/1.1 that asks for `Upgrade: websocket`; the rest of the handshake is unchecked.
    pub fn wants_websocket(&self) -> bool {
        self.facts.websocket
    }

    /// Whether there is `Sec-WebSocket-Key` or `Sec-WebSocket-Version`, with which only the handshake comes (RFC 6455 §4.1).
    pub fn has_websocket_fields(&self) -> bool {
        self.facts.websocket_fields
    }

    /// The first `Origin` (RFC 6454 §7).
    pub fn origin(&self) -> Option<&'a [u8]> {
        self.facts.origin.then(|| self.header("origin")).flatten()
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub(super) fn expects_continue(&self) -> bool {
        self.facts.expect_continue && self.facts.framing != Framing::Absent
    }
}

/// Iterates over header fields: names and values.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = Field::first(self.rest)?;
        self.rest = field.rest;
        Some((text(Some(field.name)), field.value))
    }
}

/// A header field and what follows it.
struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Field<'a> {
    fn first(fields: &'a [u8]) -> Option<Self> {
        let line = fields.get(..memchr::memchr(b'\r', fields)?)?;
        let colon = memchr::memchr(b':', line)?;
        Some(Self {
            name: line.get(..colon)?,
            value: line.get(colon + 1..)?.trim_ascii(),
            rest: fields.get(line.len() + 2..)?,
        })
    }
}

/// The header fields of a head whose request target ends at `target_end`.
fn fields_after(raw: &[u8], target_end: usize) -> &[u8] {
    const VERSION_AND_LINE_END: usize = " HTTP/1.1\r\n".len();
    raw.get(target_end + VERSION_AND_LINE_END..)
        .unwrap_or_default()
}

/// Text that was found to be UTF-8 before.
fn text(bytes: Option<&[u8]>) -> &str {
    bytes
        .and_then(|bytes| str::from_utf8(bytes).ok())
        .unwrap_or_default()
}

/// Checks a request line, line end included, as far as [`parse`] does before it looks at the header fields.
pub(super) fn check_request_line(line: &[u8]) -> Result<(), Refusal> {
    match httparse::Request::new(&mut []).parse(line) {
        Ok(_) => Ok(()),
        Err(httparse::Error::Version) => check_later_version(line),
        Err(error) => Err(syntax_refusal(error)),
    }
}

/// Parses a complete head, the empty line included, in which every line ends in CRLF.
pub(super) fn parse<'a>(raw: &'a [u8], limits: &Limits) -> Result<Head<'a>, Refusal> {
    match parse_supported(raw, limits) {
        Err(Syntax::Http(httparse::Error::Version)) => {
            check_later_version(raw)?;
            // RFC 9110 §2.5: a later minor version is processed as the highest one known.
            let mut as_known = raw.to_vec();
            let line_end = memchr::memchr(b'\r', raw).unwrap_or(0);
            if let Some(minor) = line_end.checked_sub(1).and_then(|i| as_known.get_mut(i)) {
                *minor = b'1';
            }
            parse_supported(&as_known, limits).map(|head| Head::new(raw, head.facts))
        }
        parsed => parsed,
    }
    .map_err(|error| match error {
        Syntax::Http(error) => syntax_refusal(error),
        Syntax::Refused(refusal) => refusal,
    })
}

enum Syntax {
    Http(httparse::Error),
    Refused(Refusal),
}

impl From<Refusal> for Syntax {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn syntax_refusal(error: httparse::Error) -> Refusal {
    use httparse::Error;
    match error {
        Error::HeaderName => Refusal::bad("bad header name"),
        Error::HeaderValue => Refusal::bad("bad header value"),
        Error::NewLine => Refusal::bad("bad line end"),
        Error::TooManyHeaders => Refusal::new(431, "too many header fields"),
        Error::Token | Error::Status | Error::Version => Refusal::bad("bad request line"),
    }
}

/// Looks at a version that is neither HTTP/1.0 nor HTTP/1.1: later minor versions pass, other major ones are 505.
fn check_later_version(raw: &[u8]) -> Result<(), Refusal> {
    let line_end = memchr::memchr(b'\r', raw).unwrap_or(raw.len());
    let line = raw.get(..line_end).unwrap_or_default();
    match line.splitn(3, |&byte| byte == b' ').nth(2) {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            match major {
                b'1' => Ok(()),
                _ => Err(Refusal::new(505, "HTTP version not supported")),
            }
        }
        _ => Err(Refusal::bad("bad request line")),
    }
}

/// The header fields that decide about framing and the connection.
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    transfer_encoding: Option<&'a [u8]>,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    websocket: bool,
    websocket_fields: bool,
    origin: bool,
    expect_continue: bool,
    expect_other: bool,
}

impl<'a> Fields<'a> {
    fn collect(headers: &[httparse::Header<'a>]) -> Result<Self, Refusal> {
        let mut fields = Self {
            host: None,
            content_length: None,
            transfer_encoding: None,
            close: false,
            keep_alive: false,
            upgrade: false,
            websocket: false,
            websocket_fields: false,
            origin: false,
            expect_continue: false,
            expect_other: false,
        };
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                4 if is("host") => {
                    put_once(&mut fields.host, header.value)
                        .ok_or(Refusal::bad("repeated Host"))?;
                }
                14 if is("content-length") => {
                    put_once(&mut fields.content_length, header.value)
                        .ok_or(Refusal::bad("repeated Content-Length"))?;
                }
                17 if is("transfer-encoding") => {
                    put_once(&mut fields.transfer_encoding, header.value)
                        .ok_or(Refusal::bad("repeated Transfer-Encoding"))?;
                }
                10 if is("connection") => {
                    for option in list(header.value) {
                        fields.close |= option.eq_ignore_ascii_case(b"close");
                        fields.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                        fields.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                    }
                }
                7 if is("upgrade") => {
                    fields.websocket |= list(header.value)
                        .any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
                }
                6 if is("expect") => {
                    let known = header.value.eq_ignore_ascii_case(b"100-continue");
                    fields.expect_continue |= known;
                    fields.expect_other |= !known;
                }
                6 => fields.origin |= is("origin"),
                17 => fields.websocket_fields |= is("sec-websocket-key"),
                21 => fields.websocket_fields |= is("sec-websocket-version"),
                _ => {}
            }
        }
        Ok(fields)
    }

    /// RFC 9112 §6, where anything that another reader might frame differently is refused.
    fn framing(&self, version_minor: u8) -> Result<Framing, Refusal> {
        match (self.transfer_encoding, self.content_length) {
            (None, None) => Ok(Framing::Absent),
            (None, Some(length)) => content_length(length)
                .map(Framing::Length)
                .ok_or(Refusal::bad("bad Content-Length")),
            (Some(_), Some(_)) => Err(Refusal::bad("both Transfer-Encoding and Content-Length")),
            (Some(_), None) if version_minor == 0 => {
                Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"))
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(value), None) if is_chunked_twice(value) => {
                Err(Refusal::bad("chunked more than once"))
            }
            (Some(_), None) => Err(Refusal::new(501, "transfer coding not supported")),
        }
    }
}

/// Fills an empty slot; `None` if it was taken.
fn put_once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// The elements of a comma-separated list (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// A `Content-Length` that is digits alone and fits 64 bits.
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

fn parse_supported<'a>(raw: &'a [u8], limits: &Limits) -> Result<Head<'a>, Syntax> {
    let mut storage = [const { MaybeUninit::uninit() }; HEADER_COUNT_MAX];
    let count_max = limits.header_count_max.min(HEADER_COUNT_MAX);
    let mut request = httparse::Request::new(&mut []);
    let parsed = request
        .parse_with_uninit_headers(raw, storage.get_mut(..count_max).unwrap_or_default())
        .map_err(Syntax::Http)?;
    let (true, Some(method_name), Some(target), Some(version_minor)) = (
        parsed == httparse::Status::Complete(raw.len()),
        request.method,
        request.path,
        request.version,
    ) else {
        return Err(Refusal::bad("bad request head").into());
    };
    let fields = Fields::collect(request.headers)?;
    let framing = fields.framing(version_minor)?;
    match fields.host {
        Some(host) if is_authority(host) => {}
        Some(_) => return Err(Refusal::bad("bad Host").into()),
        None if version_minor == 0 => {}
        None => return Err(Refusal::bad("missing Host").into()),
    }
    let method = Method::from_name(method_name);
    if method_name == "CONNECT" {
        return Err(Refusal::new(501, "CONNECT not supported").into());
    }
    let TargetParts {
        authority,
        path,
        query,
    } = split_target(target, method).ok_or(Refusal::bad("bad request target"))?;
    if fields.expect_other {
        return Err(Refusal::new(417, "unknown expectation").into());
    }
    let facts = Facts {
        framing,
        method_len: method_name.len() as u32,
        target_len: target.len() as u32,
        authority,
        path,
        query,
        method,
        version_minor,
        keep_alive: !fields.close && (version_minor > 0 || fields.keep_alive),
        websocket: method == Method::Get && version_minor > 0 && fields.upgrade && fields.websocket,
        // RFC 9110 §10.1.1: a server ignores it from an HTTP/1.0 client.
        websocket_fields: fields.websocket_fields,
        origin: fields.origin,
        expect_continue: fields.expect_continue && version_minor > 0,
    };
    Ok(Head {
        target,
        method_name,
        fields: fields_after(raw, method_name.len() + " ".len() + target.len()),
        facts,
    })
}

struct TargetParts {
    authority: Span,
    path: Span,
    query: Option<Span>,
}

/// Splits a target in origin-form, absolute-form or, for `OPTIONS`, asterisk-form (RFC 9112 §3.2). `None`: another form.
fn split_target(target: &str, method: Method) -> Option<TargetParts> {
    if target == "*" && method == Method::Options {
        return Some(TargetParts {
            authority: Span::default(),
            path: Span { start: 0, end: 1 },
            query: None,
        });
    }
    if memchr::memchr(b'#', target.as_bytes()).is_some() {
        return None;
    }
    let authority = if target.starts_with('/') {
        0..0
    } else {
        let (scheme, rest) = target.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let start = scheme.len() + "://".len();
        let length = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = start..start + length;
        if !is_authority(target.as_bytes().get(authority.clone())?) {
            return None;
        }
        authority
    };
    let after = target.as_bytes().get(authority.end..)?;
    let path_end = authority.end + memchr::memchr(b'?', after).unwrap_or(after.len());
    let span = |start: usize, end: usize| Span {
        start: start as u32,
        end: end as u32,
    };
    Some(TargetParts {
        authority: span(authority.start, authority.end),
        path: span(authority.end, path_end),
        query: (path_end < target.len()).then(|| span(path_end + 1, target.len())),
    })
}

/// Which bytes a host's name is made of.
static IN_NAME: [bool; 256] = {
    let mut in_name = [false; 256];
    let mut byte = 0;
    while byte < in_name.len() {
        in_name[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(byte as u8, b'-' | b'.' | b'_' | b'~' | b'%');
        byte += 1;
    }
    in_name
};

/// Whether this is a host, not empty, with an optional port (RFC 3986 §3.2.2, §3.2.3): a name, an IPv4 address or an
/// IPv6 address in brackets. Answers build addresses from it, so the punctuation (`sub-delims`) that the grammar
/// allows in a name and DNS has not is refused.
fn is_authority(value: &[u8]) -> bool {
    let (host, port) = match value.split_first() {
        Some((b'[', rest)) => {
            let Some(end) = memchr::memchr(b']', rest) else {
                return false;
            };
            let (address, after) = rest.split_at(end);
            if !address
                .iter()
                .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
            {
                return false;
            }
            (address, after.get(1..).unwrap_or_default())
        }
        _ => {
            let end = value.iter().position(|byte| !IN_NAME[usize::from(*byte)]);
            value.split_at(end.unwrap_or(value.len()))
        }
    };
    let port_is_good = match port.split_first() {
        None => true,
        Some((b':', [])) => true,
        Some((b':', digits)) => {
            content_length(digits).is_some_and(|number| number <= u64::from(u16::MAX))
        }
        Some(_) => false,
    };
    !host.is_empty() && port_is_good
}
/// Chunking what is chunked already: no sender may (RFC 9112 §7.1), and two parsers would disagree on its end.
fn is_chunked_twice(value: &[u8]) -> bool {
    let mut codings = value.split(|byte| *byte == b',');
    codings.all(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}
