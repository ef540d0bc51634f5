//! RFC 6455 §4: which requests become sockets, and where `/echo` is.

use crate::harness::{HOST, Jim, Request, Server, Socket, answer, frame, own_origin, upgrade};
use tungstenite::Message;

const TARGET: &str = "/?token=token-of-a";

/// A handshake with one field replaced, or left out.
fn with(name: &str, value: Option<&str>) -> Request {
    let mut request = Request::get(TARGET);
    for (field, usual) in [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        let value = if field == name { value } else { Some(usual) };
        if let Some(value) = value {
            request = request.header(field, value);
        }
    }
    request
}

fn status(server: &Server, request: &Request) -> u16 {
    server.client().call(request).status
}

/// Asserts that the handshake opens a socket of jim.
#[track_caller]
fn check_opens(server: &Server, request: &Request) {
    let (mut socket, _) = Socket::open_with(server.addr(), request);
    socket.expect(&[&answer(10007, 6)]);
}

#[test]
fn another_version_is_426_with_the_right_one() {
    let server = Server::memory(&[]);
    for version in ["8", "12", "14", "0", "255"] {
        let request = with("Sec-WebSocket-Version", Some(version));
        let response = server.client().call(&request);
        assert_eq!(response.status, 426, "{version}");
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
    }
}

#[test]
fn a_key_that_is_missing_or_wrong_is_400() {
    let server = Server::memory(&[]);
    for key in [
        None,
        Some(""),
        Some("short"),
        Some("dGhlIHNhbXBsZSBub25jZQ"),
        Some("dGhlIHNhbXBsZSBub25jZTE2"),
        Some("????????????????????????"),
    ] {
        let request = with("Sec-WebSocket-Key", key);
        assert_eq!(status(&server, &request), 400, "{key:?}");
    }
    let twice = upgrade(TARGET).header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(status(&server, &twice), 400);
}

#[test]
fn a_wrong_method_is_400() {
    let server = Server::memory(&[]);
    for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
        let bytes = upgrade(TARGET).bytes();
        let text = String::from_utf8(bytes).expect("a text");
        let mut http = server.client();
        http.send(text.replacen("GET", method, 1).as_bytes());
        assert_eq!(http.response().status, 400, "{method}");
    }
}

#[test]
fn an_older_http_is_no_handshake() {
    let server = Server::memory(&[]);
    let text = String::from_utf8(upgrade(TARGET).bytes()).expect("a text");
    let mut http = server.client();
    http.send(text.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes());
    let status = http.response().status;
    assert!((400..500).contains(&status), "{status}");
}

#[test]
fn without_an_upgrade_it_is_no_socket() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    for request in [
        Request::get(TARGET),
        with("Connection", None),
        with("Connection", Some("keep-alive")),
        with("Upgrade", None),
        with("Upgrade", Some("h2c")),
    ] {
        let status = status(&server, &request);
        assert!((200..500).contains(&status), "{status}");
        assert_ne!(status, 101);
    }
}

#[test]
fn fields_match_in_any_case_and_among_others() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    for request in [
        with("Connection", Some("keep-alive, Upgrade")),
        with("Connection", Some("upgrade")),
        with("Upgrade", Some("WebSocket")),
        with("Upgrade", Some("h2c, websocket")),
    ] {
        check_opens(&server, &request);
    }
    let text = String::from_utf8(upgrade(TARGET).bytes()).expect("a text");
    let mut http = server.client();
    http.send(text.replace("Sec-WebSocket-", "sec-websocket-").as_bytes());
    Socket::take_over(http).0.expect(&[&answer(10007, 6)]);
}

#[test]
fn a_handshake_follows_calls_on_a_kept_connection() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let mut http = server.client();
    assert_eq!(http.call(&Request::get("/healthz")).status, 200);
    http.send(&upgrade(TARGET).bytes());
    Socket::take_over(http).0.expect(&[&answer(10007, 6)]);
}

#[test]
fn frames_that_come_with_the_handshake_are_read() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let mut http = server.client();
    let mut bytes = upgrade(TARGET).bytes();
    bytes.extend(frame(0x81, b"{}"));
    bytes.extend(frame(0x81, b"{\"cmd\":3}"));
    http.send(&bytes);
    let (mut socket, _) = Socket::take_over(http);
    socket.expect(&[&answer(10007, 6), &answer(10017, 0), &answer(10010, 4)]);
}

#[test]
fn a_handshake_may_be_cut_anywhere() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let mut http = server.client();
    for byte in upgrade(TARGET).bytes() {
        http.send(&[byte]);
    }
    Socket::take_over(http).0.expect(&[&answer(10007, 6)]);
}

#[test]
fn no_subprotocol_is_claimed() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let request = upgrade(TARGET).header("Sec-WebSocket-Protocol", "chat, superchat");
    let (mut socket, response) = Socket::open_with(server.addr(), &request);
    assert_eq!(response.header("sec-websocket-protocol"), None);
    socket.expect(&[&answer(10007, 6)]);
}

#[test]
fn compression_is_agreed_to_only_with_the_option() {
    let server = Server::memory(&["--diagnostics"]);
    let offer = |server: &Server, offer: &str| {
        let request = upgrade("/echo").header("Sec-WebSocket-Extensions", offer);
        let (_, response) = Socket::open_with(server.addr(), &request);
        response
            .header("sec-websocket-extensions")
            .map(str::to_owned)
    };
    assert_eq!(offer(&server, "permessage-deflate"), None);
    let server = Server::memory(&["--diagnostics", "--deflate"]);
    let agreed = offer(&server, "permessage-deflate; client_max_window_bits");
    assert!(agreed.is_some_and(|agreed| agreed.starts_with("permessage-deflate")));
    assert_eq!(offer(&server, "x-webkit-deflate-frame"), None);
    assert_eq!(offer(&server, "permessage-deflate; nonsense=1"), None);
}

#[test]
fn pages_of_other_origins_are_refused_where_a_list_is_set() {
    let server = Server::memory(&["--cors-origin", "https://shop.example", "--diagnostics"]);
    server.jim_user("a");
    let from = |origin: &str| upgrade(TARGET).header("Origin", origin);
    check_opens(&server, &from("https://shop.example"));
    check_opens(&server, &from(&own_origin()));
    // Whoever is no browser sends none.
    check_opens(&server, &upgrade(TARGET));
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "null",
    ] {
        assert_eq!(status(&server, &from(origin)), 403, "{origin}");
        let echo = upgrade("/echo").header("Origin", origin);
        assert_eq!(status(&server, &echo), 403, "{origin} at /echo");
    }
}

#[test]
fn pages_of_other_origins_are_refused_without_an_option_too() {
    let server = Server::memory(&["--diagnostics"]);
    server.jim_user("a");
    let from = |origin: &str| upgrade(TARGET).header("Origin", origin);
    check_opens(&server, &upgrade(TARGET));
    check_opens(&server, &from(&own_origin()));
    // Before the server TLS may end.
    check_opens(&server, &from(&own_origin().replace("http://", "https://")));
    for origin in ["https://evil.example", "null", "", "http://", HOST] {
        assert_eq!(status(&server, &from(origin)), 403, "{origin}");
        for path in ["/echo", "/ws"] {
            let other = upgrade(path).header("Origin", origin);
            assert_eq!(status(&server, &other), 403, "{origin} at {path}");
        }
    }
    // All that are named must be right.
    let two = from(&own_origin()).header("Origin", "https://evil.example");
    assert_eq!(status(&server, &two), 403);
}

#[test]
fn any_origin_is_right_with_a_star() {
    let server = Server::memory(&["--cors-origin", "*"]);
    server.jim_user("a");
    for origin in ["https://evil.example", "null"] {
        check_opens(&server, &upgrade(TARGET).header("Origin", origin));
    }
}

#[test]
fn an_unknown_path_is_404() {
    let server = Server::memory(&[]);
    for path in ["/nothing", "/soa-im/buyer/sendMsg2", "/wss"] {
        assert_eq!(status(&server, &upgrade(path)), 404, "{path}");
    }
}

#[test]
fn echo_is_there_only_with_diagnostics() {
    let server = Server::memory(&[]);
    assert_eq!(status(&server, &upgrade("/echo")), 404);
    assert_eq!(
        status(&server, &Request::post("/echo", "text/plain", "x")),
        404
    );
    assert_eq!(status(&server, &Request::get("/echo")), 404);
    let server = Server::memory(&["--diagnostics"]);
    let mut socket = Socket::open(server.addr(), "/echo");
    for message in [
        Message::text(""),
        Message::text("在吗"),
        Message::binary(&b"\x00\xff"[..]),
        Message::binary(vec![7; 300_000]),
        Message::text("y".repeat(70_000)),
    ] {
        socket.send_message(message.clone());
        assert_eq!(socket.next(), message);
    }
}

#[test]
fn echo_over_http_gives_back_the_body_under_any_method() {
    let server = Server::memory(&["--diagnostics"]);
    let mut http = server.client();
    let body = vec![0xfe; 100_000];
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        let mut bytes = format!(
            "{method} /echo HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend(&body);
        http.send(&bytes);
        let response = http.response();
        assert_eq!(
            (response.status, response.body == body),
            (200, true),
            "{method}"
        );
    }
    http.send(
        format!("POST /echo HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            .as_bytes(),
    );
    assert_eq!(http.response().text(), "abcde");
    assert_eq!(http.call(&Request::get("/echo")).text(), "");
}

#[test]
fn sockets_and_calls_live_side_by_side_on_one_address() {
    let server = Server::memory(&["--diagnostics"]);
    let mut a = server.jim("a");
    let mut echo = Socket::open(server.addr(), "/echo");
    echo.exchange("x", &["x"]);
    assert_eq!(server.client().call(&Request::get("/healthz")).status, 200);
    let mut doubled = Jim::open(server.addr(), "a");
    doubled.clock();
    a.clock();
}
