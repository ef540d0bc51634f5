use super::*;
use crate::proto::http::head::Method;

mod bodies;
mod random;

const BODY_MAX: usize = 100;

/// What a test sees of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    path: String,
    query: Option<String>,
    host: String,
    version_minor: u8,
    keep_alive: bool,
    websocket: bool,
    websocket_fields: bool,
    origin: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Seen {
    fn of(request: Request<'_>) -> Self {
        let head = *request.head();
        Self {
            method: head.method_name().into(),
            target: head.target().into(),
            path: head.path().into(),
            query: head.query().map(Into::into),
            host: head.host().into(),
            version_minor: head.version_minor(),
            keep_alive: head.keep_alive(),
            websocket: head.wants_websocket(),
            websocket_fields: head.has_websocket_fields(),
            origin: head.origin().map(Into::into),
            headers: head
                .headers()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            body: request.body().into(),
        }
    }
}

/// What a stream of bytes came to: its requests, then its refusal or how many bytes were left over.
type Outcome = (Vec<Seen>, Result<usize, Refusal>);

/// Feeds `input` in pieces that end at `cuts`, keeping what is not consumed as a connection does.
fn outcome_with(limits: &Limits, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut decoder = Decoder::new();
    let mut kept = Vec::new();
    let mut seen = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        kept.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            match decoder.decode(&kept, limits, |_| BODY_MAX) {
                Err(refusal) => return (seen, Err(refusal)),
                Ok((consumed, event)) => {
                    let more = match event {
                        Event::NeedMore => false,
                        Event::Continue => true,
                        Event::Request(request) => {
                            seen.push(Seen::of(request));
                            true
                        }
                    };
                    kept.drain(..consumed);
                    if !more {
                        break;
                    }
                }
            }
        }
    }
    (seen, Ok(kept.len()))
}

/// The outcome of the whole input, which has to be that of the input cut at every byte, and fed byte by byte.
fn outcome_under(limits: &Limits, input: &[u8]) -> Outcome {
    let whole = outcome_with(limits, input, &[]);
    for cut in 0..=input.len() {
        let in_two = outcome_with(limits, input, &[cut]);
        assert_eq!(whole, in_two, "cut at {cut}: {}", input.escape_ascii());
    }
    let every: Vec<usize> = (0..=input.len()).collect();
    let bytewise = outcome_with(limits, input, &every);
    assert_eq!(whole, bytewise, "byte by byte: {}", input.escape_ascii());
    whole
}

fn outcome(input: &[u8]) -> Outcome {
    outcome_under(&Limits::default(), input)
}

#[track_caller]
fn one(input: &[u8]) -> Seen {
    match outcome(input) {
        (mut seen, Ok(0)) if seen.len() == 1 => seen.remove(0),
        other => panic!("{}: {other:?}", input.escape_ascii()),
    }
}

#[track_caller]
fn refused(input: &[u8]) -> u16 {
    match outcome(input) {
        (seen, Err(refusal)) if seen.is_empty() => refusal.status,
        other => panic!("{}: {other:?}", input.escape_ascii()),
    }
}

#[test]
fn simple_request() {
    let seen = one(b"GET /soa-im/buyer/getMsg?a=1&b=%20 HTTP/1.1\r\nHost: im.example:8080\r\nX-Empty:\r\nx-Spaced: \t a b \t\r\n\r\n");
    assert_eq!(
        seen,
        Seen {
            method: "GET".into(),
            target: "/soa-im/buyer/getMsg?a=1&b=%20".into(),
            path: "/soa-im/buyer/getMsg".into(),
            query: Some("a=1&b=%20".into()),
            host: "im.example:8080".into(),
            version_minor: 1,
            keep_alive: true,
            websocket: false,
            websocket_fields: false,
            origin: None,
            headers: vec![
                ("Host".into(), b"im.example:8080".to_vec()),
                ("X-Empty".into(), b"".to_vec()),
                ("x-Spaced".into(), b"a b".to_vec()),
            ],
            body: vec![],
        }
    );
}

#[test]
fn an_idle_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 64);
}

#[test]
fn header_lookup() {
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-TYPE: Text/Plain ; charset=utf-8\r\nX: 1\r\nx: 2\r\nBad: \xff\r\n\r\n";
    let mut decoder = Decoder::new();
    let Ok((_, Event::Request(request))) = decoder.decode(input, &Limits::default(), |_| 0) else {
        panic!("no request");
    };
    let head = request.head();
    assert_eq!(head.method(), Method::Post);
    assert_eq!(head.media_type(), "Text/Plain");
    assert_eq!(head.header("x"), Some(&b"1"[..]));
    assert_eq!(head.header_all("X").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(head.header("bad"), Some(&b"\xff"[..]));
    assert_eq!(head.header_str("bad"), None);
    assert_eq!(head.header("missing"), None);
    assert_eq!(head.framing(), Framing::Absent);
}

#[test]
fn targets() {
    for (line, path, query, host) in [
        ("GET / HTTP/1.1", "/", None, "h"),
        ("GET /a?b?c HTTP/1.1", "/a", Some("b?c"), "h"),
        ("GET /? HTTP/1.1", "/", Some(""), "h"),
        ("GET //a//b HTTP/1.1", "//a//b", None, "h"),
        (
            "GET /\u{4e2d}?q=\u{6587} HTTP/1.1",
            "/\u{4e2d}",
            Some("q=\u{6587}"),
            "h",
        ),
        ("GET http://other/a?b HTTP/1.1", "/a", Some("b"), "other"),
        ("GET HTTPS://other:1 HTTP/1.1", "/", None, "other:1"),
        ("GET http://other?b=/ HTTP/1.1", "/", Some("b=/"), "other"),
        ("GET http://[::1]:80/ HTTP/1.1", "/", None, "[::1]:80"),
        ("OPTIONS * HTTP/1.1", "*", None, "h"),
        ("OPTIONS /a HTTP/1.1", "/a", None, "h"),
    ] {
        let seen = one(format!("{line}\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(
            (&*seen.path, seen.query.as_deref(), &*seen.host),
            (path, query, host),
            "{line}"
        );
    }
}

#[test]
fn good_heads() {
    for head in [
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a.b-c_d~e%20\r\n",
        "GET / HTTP/1.1\r\nHost: [fe80::1.2.3.4]:\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:65535\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n",
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n",
    ] {
        let seen = one(format!("{head}\r\n").as_bytes());
        assert_eq!(seen.body, b"", "{head}");
    }
}

#[test]
fn bad_heads() {
    let a = "Host: a\r\n";
    for (status, head) in [
        (400, "GET / HTTP/1.1\r\n".to_string()),
        (400, format!("GET / HTTP/1.1\r\n{a}{a}")),
        (400, format!("GET / HTTP/1.0\r\n{a}host: b\r\n")),
        (400, "GET / HTTP/1.1\r\nHost:\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: a/b\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: a,b\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: u@b\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: <b>\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: \u{4e2d}\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: a:b\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: a:65536\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: :80\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: [::1\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: [x]\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: [::1]80\r\n".into()),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 1\r\nContent-Length: 1\r\n"),
        ),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 1, 1\r\n"),
        ),
        (400, format!("POST / HTTP/1.1\r\n{a}Content-Length:\r\n")),
        (400, format!("POST / HTTP/1.1\r\n{a}Content-Length: +1\r\n")),
        (400, format!("POST / HTTP/1.1\r\n{a}Content-Length: -1\r\n")),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 0x1\r\n"),
        ),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 1 1\r\n"),
        ),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 18446744073709551616\r\n"),
        ),
        (
            413,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 18446744073709551615\r\n"),
        ),
        (
            413,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 101\r\n"),
        ),
        (
            413,
            format!("GET / HTTP/1.1\r\n{a}Content-Length: 101\r\nExpect: 100-continue\r\n"),
        ),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (
            400,
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n".into(),
        ),
        (
            501,
            format!("POST / HTTP/1.1\r\n{a}Transfer-Encoding: gzip, chunked\r\n"),
        ),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Transfer-Encoding: chunked, chunked\r\n"),
        ),
        (
            501,
            format!("POST / HTTP/1.1\r\n{a}Transfer-Encoding: identity\r\n"),
        ),
        (
            501,
            format!("POST / HTTP/1.1\r\n{a}Transfer-Encoding: xchunked\r\n"),
        ),
        (
            501,
            format!("POST / HTTP/1.1\r\n{a}Transfer-Encoding: chunked;a=b\r\n"),
        ),
        (
            400,
            format!("POST / HTTP/1.1\r\n{a}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        ),
        (417, format!("POST / HTTP/1.1\r\n{a}Expect: 200-ok\r\n")),
        (
            417,
            format!("POST / HTTP/1.1\r\n{a}Expect: 100-continue\r\nExpect: x\r\n"),
        ),
        (501, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n".into()),
        (400, format!("GET a:80 HTTP/1.1\r\n{a}")),
        (400, format!("GET a HTTP/1.1\r\n{a}")),
        (400, format!("GET * HTTP/1.1\r\n{a}")),
        (400, format!("GET ftp://a/ HTTP/1.1\r\n{a}")),
        (400, format!("GET http:///a HTTP/1.1\r\n{a}")),
        (400, format!("GET http://u@h/a HTTP/1.1\r\n{a}")),
        (400, format!("GET /#a HTTP/1.1\r\n{a}")),
        (505, format!("GET / HTTP/2.0\r\n{a}")),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n".into()),
        (505, format!("GET / HTTP/0.9\r\n{a}")),
        (400, format!("GET / HTTP/1.10\r\n{a}")),
        (400, format!("GET / http/1.1\r\n{a}")),
        (400, format!("GET / HTTP/1.1 \r\n{a}")),
        (400, format!("GET  / HTTP/1.1\r\n{a}")),
        (400, format!("GET /  HTTP/1.1\r\n{a}")),
        (400, format!("GET / HTTP/1.1 x\r\n{a}")),
        (400, format!("GET\t/\tHTTP/1.1\r\n{a}")),
        (400, "GET /\r\n".into()),
        (400, format!("G(T / HTTP/1.1\r\n{a}")),
        (400, format!(" GET / HTTP/1.1\r\n{a}")),
        (400, format!("\r\n\r\n\r\nGET / HTTP/1.1\r\n{a}")),
        (400, format!("\nGET / HTTP/1.1\r\n{a}")),
        (400, format!("\r\rGET / HTTP/1.1\r\n{a}")),
        (400, format!("GET / HTTP/1.1\n{a}")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: y\nZ: a\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: y\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}\n")),
        (400, format!("GET / HTTP/1.1\r\r\n{a}")),
        (400, format!("GET / HTTP/1.1\r\n{a}X : y\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a} X: y\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: y\r\n folded\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: y\r\n\tfolded\r\n")),
        (400, format!("GET / HTTP/1.1\r\n X: y\r\n{a}")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: a\rb\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: a\0b\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: a\x7fb\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X: a\x1bb\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X\0: a\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}: a\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{a}X\r\n")),
        (400, format!("GET /\0 HTTP/1.1\r\n{a}")),
        (400, "\x16\x03\x01\x02".into()),
    ] {
        assert_eq!(
            refused(format!("{head}\r\n").as_bytes()),
            status,
            "{head:?}"
        );
    }
    assert_eq!(refused(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

#[test]
fn a_bad_request_line_is_refused_before_the_head_ends() {
    assert_eq!(refused(b"hello\r\n"), 400);
    assert_eq!(refused(b"GET / HTTP/3.0\r\nHost"), 505);
    assert_eq!(refused(b"hello\r\nHost: a\nb"), 400);
    assert_eq!(outcome(b"GET / HTTP/1.2\r\nHost"), (vec![], Ok(20)));
}

#[test]
fn later_minor_versions_are_served_as_1_1() {
    let seen = one(b"GET /a?b HTTP/1.9\r\nHost: a\r\nX: y\r\n\r\n");
    assert_eq!((seen.version_minor, seen.keep_alive), (1, true));
    assert_eq!((&*seen.path, seen.query.as_deref()), ("/a", Some("b")));
    assert_eq!(seen.headers.len(), 2);
}

#[test]
fn keep_alive_rules() {
    for (version, connection, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let seen = one(format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n").as_bytes());
        assert_eq!(seen.keep_alive, keep_alive, "{version} {connection}");
    }
}

#[test]
fn websocket_wish() {
    for (line, fields, wanted) in [
        (
            "GET / HTTP/1.1",
            "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n",
            true,
        ),
        (
            "GET / HTTP/1.1",
            "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n",
            true,
        ),
        ("GET / HTTP/1.1", "Upgrade: websocket\r\n", false),
        ("GET / HTTP/1.1", "Connection: upgrade\r\n", false),
        (
            "POST / HTTP/1.1",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
            false,
        ),
        (
            "GET / HTTP/1.0",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
            false,
        ),
    ] {
        let seen = one(format!("{line}\r\nHost: a\r\n{fields}\r\n").as_bytes());
        assert_eq!(seen.websocket, wanted, "{line} {fields}");
    }
}

#[test]
fn head_bounds() {
    let limits = Limits {
        request_line_bytes_max: 20,
        header_bytes_max: 30,
        header_count_max: 2,
    };
    let status = |input: &str| {
        outcome_under(&limits, input.as_bytes())
            .1
            .err()
            .map(|refusal| refusal.status)
    };
    assert_eq!(status("GET /2345 HTTP/1.1\r\nHost: a\r\n\r\n"), None);
    assert_eq!(status("GET /23456 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(414));
    assert_eq!(status("GETGETGETGETGETGETGETGET"), Some(414));
    assert_eq!(
        status("GET / HTTP/1.1\r\nHost: a\r\nX: 34567890123456\r\n\r\n"),
        None
    );
    assert_eq!(
        status("GET / HTTP/1.1\r\nHost: a\r\nX: 345678901234567\r\n\r\n"),
        Some(431)
    );
    assert_eq!(
        status("GET / HTTP/1.1\r\nHost: a\r\nX: 34567890123456789012345"),
        Some(431)
    );
    assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nA:\r\n\r\n"), None);
    assert_eq!(
        status("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n"),
        Some(431)
    );
}

/// What a decoder remembers of the last head changes nothing.
#[test]
fn a_request_after_others_is_what_it_is_by_itself() {
    let requests: [&[u8]; 8] = [
        b"GET /a?b=1 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a?b=2 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a?b=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"GET /a?b=1 HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\n\r\n",
        b"GET /a?b=1 HTTP/1.7\r\nHost: h\r\n\r\n",
        b"GET /\xe4\xb8\xad HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nGET",
    ];
    for first in requests {
        for second in requests {
            let (seen, left) = outcome(&[first, second, first, first].concat());
            assert_eq!(seen, [one(first), one(second), one(first), one(first)]);
            assert_eq!(left, Ok(0));
        }
    }
}

#[test]
fn a_long_head_is_not_remembered() {
    let short: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let padding = "x".repeat(REPEATED_HEAD_BYTES_MAX);
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {padding}\r\n\r\n");
    let mut decoder = Decoder::new();
    for (input, remembered) in [
        (short, short.len()),
        (long.as_bytes(), 0),
        (short, short.len()),
    ] {
        let decoded = decoder.decode(input, &Limits::default(), |_| BODY_MAX);
        assert!(matches!(decoded, Ok((taken, Event::Request(_))) if taken == input.len()));
        let last = decoder
            .last
            .as_deref()
            .expect("of the head that was parsed");
        assert_eq!(
            (last.line.len() + last.rest.len(), last.facts.is_some()),
            (remembered, remembered > 0)
        );
    }
}
