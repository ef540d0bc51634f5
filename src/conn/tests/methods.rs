//! Methods, refusals that keep the connection, and other origins.

use super::*;

/// The answer to one request, and what becomes of the connection.
fn answer(peer: &mut Peer, request: &str) -> (String, Closing) {
    peer.bytes(request.as_bytes());
    let text = peer.text();
    (text, peer.conn.closing())
}

fn ask(request: &str) -> (String, Closing) {
    answer(&mut Peer::new(), request)
}

#[test]
fn head_is_for_pages_and_gives_no_content() {
    let (text, closing) = ask("HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200 "));
    assert_eq!(
        (field(&text, "Content-Length"), body(&text)),
        (Some("5"), "")
    );
    assert_eq!(closing, Closing::Open);
    let (text, closing) = ask("HEAD /soa-im/buyer/getMsg HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 405 "));
    assert_eq!(
        (field(&text, "Allow"), body(&text)),
        (Some("GET, POST, OPTIONS"), "")
    );
    assert_eq!(closing, Closing::Open);
}

#[test]
fn calls_name_the_methods_that_they_answer() {
    let cases = [
        ("DELETE", "getMsg", "GET, POST, OPTIONS"),
        ("PUT", "sendMsg", "GET, POST, OPTIONS"),
        ("GET", "uploadImage", "POST, OPTIONS"),
    ];
    for (method, call, allow) in cases {
        let (text, closing) = ask(&format!(
            "{method} /soa-im//buyer/{call} HTTP/1.1\r\nHost: x\r\n\r\n"
        ));
        assert!(text.starts_with("HTTP/1.1 405 "), "{text}");
        assert_eq!(field(&text, "Allow"), Some(allow));
        assert_eq!(closing, Closing::Open);
    }
    let (text, closing) = ask("OPTIONS /soa-im/buyer/getMsg HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 204 "));
    assert_eq!(
        (field(&text, "Allow"), closing),
        (Some("GET, POST, OPTIONS"), Closing::Open)
    );
    assert_eq!(field(&text, "Access-Control-Allow-Methods"), None);
}

#[test]
fn unknown_methods_and_missing_lengths() {
    let mut peer = Peer::new();
    let (text, closing) = answer(
        &mut peer,
        "BREW /soa-im/buyer/getMsg HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(text.starts_with("HTTP/1.1 501 "));
    assert_eq!(closing, Closing::Open);
    let (text, closing) = ask("POST /soa-im/buyer/uploadImage HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 411 "));
    assert_eq!(
        (field(&text, "Connection"), closing),
        (Some("close"), Closing::Lingering)
    );
    let (text, closing) = ask("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 400 "));
    assert_eq!(closing, Closing::Open);
}

#[test]
fn versions_say_what_becomes_of_the_connection() {
    let cases = [
        ("GET /x HTTP/1.1\r\nHost: x\r\n\r\n", None, Closing::Open),
        (
            "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            Some("close"),
            Closing::Lingering,
        ),
        (
            "GET /x HTTP/1.0\r\nHost: x\r\n\r\n",
            Some("close"),
            Closing::Lingering,
        ),
        (
            "GET /x HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
            Some("keep-alive"),
            Closing::Open,
        ),
    ];
    for (request, connection, expected) in cases {
        let (text, closing) = ask(request);
        assert_eq!(
            (field(&text, "Connection"), closing),
            (connection, expected),
            "{request}"
        );
    }
}

#[test]
fn pages_of_other_origins_read_answers_if_they_may() {
    let listed = CorsPolicy::Listed(vec!["http://shop".to_owned(), "http://other".to_owned()]);
    let cases = [
        (CorsPolicy::SameOrigin, Some("http://shop"), None),
        (CorsPolicy::Any, Some("http://shop"), Some("*")),
        (CorsPolicy::Any, None, None),
        (listed.clone(), Some("http://shop"), Some("http://shop")),
        (listed.clone(), Some("http://shop.evil"), None),
        (listed, None, None),
    ];
    for (cors, origin, allowed) in cases {
        let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        for method in ["GET", "DELETE", "OPTIONS"] {
            let mut peer = Peer::with(|http| http.cors = cors.clone());
            let request = format!(
                "{method} /soa-im/buyer/getUnreadMsgCount HTTP/1.1\r\nHost: x\r\n{origin}\r\n"
            );
            let (text, _) = answer(&mut peer, &request);
            assert_eq!(
                field(&text, "Access-Control-Allow-Origin"),
                allowed,
                "{text}"
            );
            assert_eq!(
                field(&text, "Access-Control-Expose-Headers").is_some(),
                allowed.is_some()
            );
            let is_preflight = method == "OPTIONS" && allowed.is_some();
            assert_eq!(
                field(&text, "Access-Control-Allow-Methods").is_some(),
                is_preflight
            );
            assert_eq!(
                field(&text, "Access-Control-Allow-Headers").is_some(),
                is_preflight
            );
            assert_eq!(field(&text, "Cache-Control"), Some("no-store"));
        }
        let mut peer = Peer::with(|http| http.cors = cors.clone());
        let (text, _) = answer(
            &mut peer,
            &format!("GET /page HTTP/1.1\r\nHost: x\r\n{origin}\r\n"),
        );
        assert_eq!(
            field(&text, "Access-Control-Allow-Origin"),
            allowed,
            "{text}"
        );
    }
}
