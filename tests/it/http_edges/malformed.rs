//! Malformed requests: each gets the right status, then the connection is closed.

use super::check_refused;
use crate::harness::{HOST, Request, Server};

const MANY_FIELDS: usize = 1000;
const MANY_BYTES: usize = 128 * 1024;

#[test]
fn a_bad_request_line_or_field_is_400() {
    let server = Server::memory(&[]);
    for bytes in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\nHost: a\r\n\r\n",
        "GET /healthz\r\nHost: a\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health z HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\u{e9}T /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nna me: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nx: a\0b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nx: a\rb\r\n\r\n",
    ] {
        check_refused(&server, bytes.as_bytes(), &[400]);
    }
}

#[test]
fn a_missing_or_repeated_host_is_400() {
    let server = Server::memory(&[]);
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nx: y\r\nhost: b\r\n",
    ] {
        check_refused(
            &server,
            format!("GET /healthz HTTP/1.1\r\n{fields}\r\n").as_bytes(),
            &[400],
        );
    }
}

#[test]
fn an_unknown_path_is_404() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for path in [
        "/nobody",
        "/soa-im/buyer",
        "/soa-im/buyer/",
        "/soa-im/buyer/getmsg",
        "/buyer/getMsg",
        "/healthz/x",
    ] {
        assert_eq!(http.call(&Request::get(path)).status, 404, "{path}");
        assert_eq!(
            http.call(&Request::post(path, "text/plain", "x")).status,
            404,
            "{path}"
        );
    }
    assert_eq!(http.call(&Request::get("/healthz")).status, 200);
}

#[test]
fn a_header_that_does_not_come_is_408() {
    let server = Server::memory(&["--header-timeout-s", "1"]);
    for part in [
        "G",
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nx: ",
    ] {
        check_refused(&server, part.as_bytes(), &[408]);
    }
}

#[test]
fn a_later_header_that_does_not_come_is_408_too() {
    let server = Server::memory(&["--header-timeout-s", "1"]);
    let mut http = server.client();
    let next = b"GET /healthz HTTP/1.1\r\nHo";
    http.send(&[Request::get("/healthz").bytes(), next.to_vec()].concat());
    assert_eq!(http.response().status, 200);
    assert_eq!(http.response().status, 408);
    http.assert_closed();
}

#[test]
fn an_upload_without_a_length_is_411() {
    let server = Server::memory(&[]);
    let request = format!(
        "POST /soa-im/buyer/uploadImage HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    );
    check_refused(&server, request.as_bytes(), &[411]);
}

#[test]
fn a_body_that_is_too_large_is_413() {
    let server = Server::memory(&[]);
    let form = "Content-Type: application/x-www-form-urlencoded";
    for path in [
        "/soa-im/buyer/sendMsg",
        "/soa-im/buyer/uploadImage",
        "/nobody",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{form}\r\nContent-Length: 1073741824\r\n\r\n"
        );
        check_refused(
            &server,
            head.as_bytes(),
            if path == "/nobody" {
                &[404, 413]
            } else {
                &[413]
            },
        );
    }
    let sized = |size: &str| {
        format!(
            "POST /soa-im/buyer/sendMsg HTTP/1.1\r\nHost: {HOST}\r\n{form}\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n"
        )
    };
    for size in ["40000000", "ffffffff", "7fffffffffffffff"] {
        check_refused(&server, sized(size).as_bytes(), &[413]);
    }
    let mut many_chunks = sized("400");
    for _ in 0..1024 {
        many_chunks += &("x".repeat(1024) + "\r\n400\r\n");
    }
    check_refused(&server, many_chunks.as_bytes(), &[413]);
}

#[test]
fn a_request_line_that_is_too_long_is_414() {
    let server = Server::memory(&[]);
    let long = "x".repeat(MANY_BYTES);
    check_refused(
        &server,
        format!("GET /healthz?{long} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
        &[414],
    );
    check_refused(&server, format!("GET /{long}").as_bytes(), &[414]);
}

#[test]
fn an_expectation_that_cannot_be_met_is_417() {
    let server = Server::memory(&[]);
    let request = format!(
        "POST /soa-im/buyer/sendMsg HTTP/1.1\r\nHost: {HOST}\r\nExpect: 200-maybe\r\nContent-Length: 5\r\n\r\nhello"
    );
    check_refused(&server, request.as_bytes(), &[417]);
}

#[test]
fn a_header_with_too_many_fields_or_bytes_is_431() {
    let server = Server::memory(&[]);
    let start = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let many: String = (0..MANY_FIELDS).map(|n| format!("x{n}: y\r\n")).collect();
    check_refused(&server, format!("{start}{many}\r\n").as_bytes(), &[431]);
    let long = "y".repeat(MANY_BYTES);
    check_refused(
        &server,
        format!("{start}x: {long}\r\n\r\n").as_bytes(),
        &[431],
    );
    check_refused(&server, format!("{start}{long}").as_bytes(), &[431]);
    check_refused(&server, format!("{start}x: {long}").as_bytes(), &[431]);
}

#[test]
fn trailers_are_bounded_like_the_header() {
    let server = Server::memory(&[]);
    let start = format!(
        "POST /soa-im/buyer/sendMsg HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    );
    let long = "y".repeat(MANY_BYTES);
    check_refused(
        &server,
        format!("{start}x: {long}").as_bytes(),
        &[400, 413, 431],
    );
    let long = "y".repeat(MANY_BYTES);
    let extension = start.replace("\r\n0\r\n", &format!("\r\n0;{long}"));
    check_refused(&server, extension.as_bytes(), &[400, 413, 431]);
}

#[test]
fn a_transfer_coding_that_is_not_known_is_501() {
    let server = Server::memory(&[]);
    let request = format!(
        "POST /soa-im/buyer/sendMsg HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    );
    check_refused(&server, request.as_bytes(), &[501]);
}

#[test]
fn another_version_of_http_is_505() {
    let server = Server::memory(&[]);
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/9.9"] {
        check_refused(
            &server,
            format!("GET /healthz {version}\r\nHost: a\r\n\r\n").as_bytes(),
            &[505],
        );
    }
    check_refused(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]);
}
