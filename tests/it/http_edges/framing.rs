//! Where a request ends: chunked and fixed bodies, and everything that two readers could read in two ways.

use super::check_refused;
use crate::harness::{Buyer, Envelope, HOST, Request, Server, form_encoded};
use serde_json::json;

const PATH: &str = "/soa-im/buyer/sendMsg";

fn post(fields: &str, body: &str) -> Vec<u8> {
    let content_type = "Content-Type: application/x-www-form-urlencoded";
    format!("POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\n{content_type}\r\n{fields}\r\n{body}")
        .into_bytes()
}

/// The form body of a message from `buyer` to sunsanniang.
fn message(buyer: &Buyer, text: &str) -> String {
    form_encoded(
        &[
            &buyer.session()[..],
            &[("shopname", "sunsanniang"), ("content", text)],
        ]
        .concat(),
    )
}

#[test]
fn a_length_that_contradicts_itself_is_400() {
    let server = Server::memory(&[]);
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
    ] {
        check_refused(&server, &post(fields, "5\r\nhello\r\n0\r\n\r\n"), &[400]);
    }
}

#[test]
fn a_length_that_is_no_number_is_400() {
    let server = Server::memory(&[]);
    for length in ["", "+5", "-5", "0x5", "5 5", "five", "5.0", "5;", "\u{665}"] {
        check_refused(
            &server,
            &post(&format!("Content-Length: {length}\r\n"), "hello"),
            &[400],
        );
    }
    for overflowing in ["18446744073709551616", "99999999999999999999999999"] {
        check_refused(
            &server,
            &post(&format!("Content-Length: {overflowing}\r\n"), "hello"),
            &[400, 413],
        );
    }
}

#[test]
fn a_transfer_coding_that_is_not_exactly_chunked_is_refused() {
    let server = Server::memory(&[]);
    for coding in [
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "chunked, identity",
        "identity",
        "gzip",
        "",
        "chunked;q=1",
    ] {
        let request = post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n");
        check_refused(&server, &request, &[400, 501]);
    }
}

#[test]
fn chunks_in_http_1_0_are_400() {
    let server = Server::memory(&[]);
    let request = post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
    let request = String::from_utf8(request)
        .expect("text")
        .replace("HTTP/1.1", "HTTP/1.0");
    check_refused(&server, request.as_bytes(), &[400]);
}

#[test]
fn a_bad_chunk_is_400() {
    let server = Server::memory(&[]);
    for body in [
        "g\r\n",
        "-1\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\n\r\n",
        ";x\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffffffffff\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nx y: z\r\n\r\n",
    ] {
        check_refused(
            &server,
            &post("Transfer-Encoding: chunked\r\n", body),
            &[400],
        );
    }
}

#[test]
fn space_before_a_colon_folded_lines_and_bare_line_feeds_are_400() {
    let server = Server::memory(&[]);
    for request in [
        format!("GET /healthz HTTP/1.1\r\nHost : {HOST}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nx\t: y\r\n\r\n"),
        format!("POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length : 5\r\n\r\nhello"),
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nx: y\r\n folded\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nx: y\r\n\tfolded\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n Host: {HOST}\r\nHost: {HOST}\r\n\r\n"),
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("GET /healthz HTTP/1.1\nHost: {HOST}\n\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\n"),
        format!("POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nx: y\nContent-Length: 5\r\n\r\nhello"),
    ] {
        check_refused(&server, request.as_bytes(), &[400]);
    }
}

#[test]
fn nothing_hidden_in_a_body_is_ever_carried_out() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let hidden = String::from_utf8(
        buyer
            .request("sendMsg", &[("shopname", "s"), ("content", "hidden")])
            .bytes(),
    );
    let hidden = hidden.expect("text");
    let length = hidden.len();
    let as_chunk = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    for (fields, body) in [
        (
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", 5),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            hidden.clone(),
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            hidden.clone(),
        ),
        (
            "Transfer-Encoding: xchunked\r\n".to_owned(),
            as_chunk.clone(),
        ),
        (
            format!("x: y\r\n Content-Length: {length}\r\n"),
            hidden.clone(),
        ),
    ] {
        check_refused(&server, &post(&fields, &body), &[400, 501]);
    }
    for (target, status) in [("/nobody", 404), ("/healthz", 405), (PATH, 200)] {
        for (fields, body) in [
            (format!("Content-Length: {length}\r\n"), &hidden),
            ("Transfer-Encoding: chunked\r\n".to_owned(), &as_chunk),
        ] {
            let mut http = server.client();
            let head = format!(
                "POST {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{fields}\r\n"
            );
            http.send((head + body).as_bytes());
            assert_eq!(http.response().status, status, "{target}");
            http.assert_closed();
        }
    }
    assert_eq!(buyer.list("getFirstShowChatList"), []);
}

#[test]
fn the_body_of_a_get_is_read_past() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let count = String::from_utf8(buyer.request("getUnreadMsgCount", &[]).bytes()).expect("text");
    for body in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let with_body = count.replace("\r\n\r\n", &format!("\r\n{body}"));
        buyer.http.send((with_body + &count).as_bytes());
        for _ in 0..2 {
            assert_eq!(
                Envelope::of(&buyer.http.response()).accepted(),
                json!({"unReadMsgCount": 0})
            );
        }
    }
}

#[test]
fn a_chunked_body_is_the_same_as_a_fixed_one() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (n, framing) in [
        "plain",
        "single bytes",
        "extensions",
        "trailers",
        "upper case",
    ]
    .into_iter()
    .enumerate()
    {
        let body = message(&buyer, framing);
        let (head, tail) = body.split_at(body.len() / 2);
        let framed = match n {
            0 => format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            1 => {
                body.chars()
                    .map(|c| format!("1\r\n{c}\r\n"))
                    .collect::<String>()
                    + "0\r\n\r\n"
            }
            2 => format!(
                "{:x};a=b;c=\"d e\"\r\n{head}\r\n{:x}\r\n{tail}\r\n0;e\r\n\r\n",
                head.len(),
                tail.len()
            ),
            3 => format!("{:x}\r\n{body}\r\n0\r\nx: y\r\nz: w\r\n\r\n", body.len()),
            _ => format!("000{:X}\r\n{body}\r\n000\r\n\r\n", body.len()),
        };
        let coding = if n == 4 {
            "TRANSFER-ENCODING: Chunked\r\n"
        } else {
            chunked
        };
        buyer.http.send(&post(coding, &framed));
        assert_eq!(
            Envelope::of(&buyer.http.response()).accepted()["msg"]["text"],
            json!(framing)
        );
    }
    assert_eq!(buyer.history("sunsanniang").len(), 5);
}

#[test]
fn a_client_that_expects_100_continue_gets_it_before_it_sends_the_body() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let body = message(&buyer, "wowo");
    for (fields, framed) in [
        (format!("Content-Length: {}\r\n", body.len()), body.clone()),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        ),
    ] {
        buyer
            .http
            .send(&post(&format!("{fields}Expect: 100-Continue\r\n"), ""));
        assert_eq!(buyer.http.response().status, 100);
        buyer.http.send(framed.as_bytes());
        Envelope::of(&buyer.http.response()).accepted();
    }
    assert_eq!(buyer.history("sunsanniang").len(), 2);
}

#[test]
fn a_client_whose_body_would_be_refused_is_told_instead_of_100() {
    let server = Server::memory(&[]);
    let too_large = post("Content-Length: 1073741824\r\nExpect: 100-continue\r\n", "");
    check_refused(&server, &too_large, &[413]);
}

#[test]
fn http_1_0_clients_are_never_sent_100() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let body = message(&buyer, "wowo");
    let request = post(
        &format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len()),
        &body,
    );
    let request = String::from_utf8(request)
        .expect("text")
        .replace("HTTP/1.1", "HTTP/1.0");
    buyer.http.send(request.as_bytes());
    Envelope::of(&buyer.http.response()).accepted();
    buyer.http.assert_closed();
}

#[test]
fn the_target_may_be_an_absolute_address() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let response = http.call(&Request::get(format!(
        "http://{HOST}/soa-im/buyer/registerAndLogin?buyer_name=chaogai"
    )));
    Envelope::of(&response).accepted();
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    http.send(b"\r\n");
    assert_eq!(http.call(&Request::get("/healthz")).status, 200);
}
