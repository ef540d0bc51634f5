use tungstenite::handshake::server::create_response;
use tungstenite::http::Request;

use super::*;

const GOOD: &[(&str, &str)] = &[
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

fn ask(headers: &[(&str, &str)], config: &Config) -> Result<Upgrade, Refusal> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    check(b"GET", 1, headers, config)
}

/// `GOOD` with one field replaced; `None` leaves it out.
fn with<'a>(name: &str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    GOOD.iter()
        .filter_map(|&(n, v)| {
            if n == name {
                value.map(|value| (n, value))
            } else {
                Some((n, v))
            }
        })
        .collect()
}

fn and<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    [GOOD, &[(name, value)]].concat()
}

fn response(upgrade: &Upgrade) -> String {
    let mut out = Vec::new();
    upgrade.encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_example_of_rfc_6455() {
    let upgrade = ask(GOOD, &Config::default()).unwrap();
    assert_eq!(upgrade.deflate, None);
    assert_eq!(
        response(&upgrade),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         \r\n"
    );
}

#[test]
fn tungstenite_accepts_the_same_and_answers_alike() {
    let mut request = Request::builder().method("GET");
    for (name, value) in GOOD {
        request = request.header(*name, *value);
    }
    let theirs = create_response(&request.body(()).unwrap()).unwrap();
    let ours = response(&ask(GOOD, &Config::default()).unwrap());
    for (name, value) in theirs.headers() {
        let line = format!("\r\n{name}: {}\r\n", value.to_str().unwrap());
        assert!(ours.to_lowercase().contains(&line.to_lowercase()), "{line}");
    }
}

#[test]
fn tokens_in_lists_and_any_case() {
    let cases = [
        with("Connection", Some("keep-alive, UPGRADE")),
        with("Connection", Some("upgrade ,x")),
        with("Upgrade", Some("WebSocket")),
        with("Upgrade", Some("h2c, websocket")),
        with("Sec-WebSocket-Version", Some(" 13 ")),
        and("Connection", "keep-alive"),
        and("Sec-WebSocket-Protocol", "chat"),
        and("Sec-WebSocket-Extensions", "permessage-deflate"),
        and("Origin", "https://example.com"),
    ];
    for headers in cases {
        let upgrade = ask(&headers, &Config::default());
        assert!(upgrade.is_ok(), "{headers:?}");
        assert!(!response(&upgrade.unwrap()).contains("Protocol:"));
    }
    let upper: Vec<_> = GOOD.iter().map(|(n, v)| (n.to_uppercase(), *v)).collect();
    let upper: Vec<_> = upper.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    assert!(ask(&upper, &Config::default()).is_ok());
}

#[test]
fn refusals() {
    let cases = [
        (with("Upgrade", None), Refusal::NotUpgrade, 400),
        (
            with("Upgrade", Some("websockets")),
            Refusal::NotUpgrade,
            400,
        ),
        (with("Connection", None), Refusal::NotUpgrade, 400),
        (
            with("Connection", Some("keep-alive")),
            Refusal::NotUpgrade,
            400,
        ),
        (with("Sec-WebSocket-Version", None), Refusal::Version, 426),
        (
            with("Sec-WebSocket-Version", Some("8")),
            Refusal::Version,
            426,
        ),
        (
            with("Sec-WebSocket-Version", Some("13, 8")),
            Refusal::Version,
            426,
        ),
        (and("Sec-WebSocket-Version", "13"), Refusal::Version, 426),
        (with("Sec-WebSocket-Key", None), Refusal::Key, 400),
        (with("Sec-WebSocket-Key", Some("")), Refusal::Key, 400),
        (
            with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZ===")),
            Refusal::Key,
            400,
        ),
        (
            with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQAA")),
            Refusal::Key,
            400,
        ),
        (
            with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25j*Q==")),
            Refusal::Key,
            400,
        ),
        (
            with("Sec-WebSocket-Key", Some("c2hvcnQ=")),
            Refusal::Key,
            400,
        ),
        (
            and("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            Refusal::Key,
            400,
        ),
    ];
    for (headers, refusal, status) in cases {
        assert_eq!(
            ask(&headers, &Config::default()),
            Err(refusal),
            "{headers:?}"
        );
        assert_eq!(refusal.status(), status);
        let version = refusal.headers().contains(&("Sec-WebSocket-Version", "13"));
        assert_eq!(version, status == 426);
    }
    let headers = || GOOD.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let config = Config::default();
    assert_eq!(check(b"POST", 1, headers(), &config), Err(Refusal::Method));
    assert_eq!(check(b"get", 1, headers(), &config), Err(Refusal::Method));
    assert_eq!(
        check(b"GET", 0, headers(), &config),
        Err(Refusal::HttpVersion)
    );
    assert_eq!(Refusal::Method.status(), 400);
    assert_eq!(Refusal::HttpVersion.status(), 400);
}

#[test]
fn deflate_is_agreed_on_when_it_is_on() {
    let mut headers = and(
        "Sec-WebSocket-Extensions",
        "foo, permessage-deflate; nonsense",
    );
    headers.push((
        "Sec-WebSocket-Extensions",
        "permessage-deflate; server_max_window_bits=10",
    ));
    headers.push(("Sec-WebSocket-Extensions", "permessage-deflate"));
    assert_eq!(ask(&headers, &Config::default()).unwrap().deflate, None);
    let config = Config {
        deflate: Some(Policy::default()),
    };
    let upgrade = ask(&headers, &config).unwrap();
    assert_eq!(upgrade.deflate.unwrap().server_window_bits(), 10);
    assert!(response(&upgrade).ends_with(
        "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
         client_no_context_takeover; server_max_window_bits=10\r\n\r\n"
    ));
    assert_eq!(ask(GOOD, &config).unwrap().deflate, None);
}
