//! Requests that come in pieces: wherever they are cut, the answers are the same.

use crate::harness::{Buyer, HOST, Place, Server, form_encoded};

/// Requests that change nothing, each as bytes.
fn requests(buyer: &Buyer) -> Vec<Vec<u8>> {
    let params = [
        ("shopname", "sunsanniang"),
        ("page_size", "2"),
        ("jsonpCallback", "cb"),
    ];
    let mut requests: Vec<_> = Place::ALL
        .iter()
        .map(|place| buyer.request_in(*place, "getHistoryMsg", &params).bytes())
        .collect();
    let form = form_encoded(&[&buyer.session()[..], &params].concat());
    let (head, tail) = form.split_at(form.len() / 2);
    let chunked = format!(
        "POST /soa-im//buyer/getHistoryMsg HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n\
         {:x};a=b\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\nx: y\r\n\r\n",
        head.len(),
        tail.len()
    );
    requests.push(chunked.into_bytes());
    requests
}

fn buyer_with_history(server: &Server) -> Buyer {
    let mut shop = server.buyer("sunsanniang");
    shop.send("chaogai", "在吗");
    shop.send("chaogai", "a\r\n\r\nb");
    server.buyer("chaogai")
}

#[test]
fn a_request_cut_in_two_at_every_byte_gives_the_same_answer() {
    let server = Server::memory(&[]);
    let mut buyer = buyer_with_history(&server);
    for request in requests(&buyer) {
        buyer.http.send(&request);
        let whole = buyer.http.response();
        assert_eq!(whole.status, 200);
        assert!(
            whole.text().starts_with("/**/cb(") && whole.text().contains("在吗"),
            "{}",
            whole.text()
        );
        for cut in 1..request.len() {
            buyer.http.send(&request[..cut]);
            buyer.http.send(&request[cut..]);
            assert_eq!(buyer.http.response().text(), whole.text(), "cut at {cut}");
        }
    }
}

#[test]
fn a_request_sent_byte_by_byte_gives_the_same_answer() {
    let server = Server::memory(&[]);
    let mut buyer = buyer_with_history(&server);
    for request in requests(&buyer) {
        buyer.http.send(&request);
        let whole = buyer.http.response();
        for byte in request.chunks(1) {
            buyer.http.send(byte);
        }
        assert_eq!(buyer.http.response().text(), whole.text());
    }
}

#[test]
fn a_pipeline_cut_at_every_byte_gives_the_same_answers() {
    let server = Server::memory(&[]);
    let mut buyer = buyer_with_history(&server);
    let requests = [
        buyer.request("getUnreadMsgCount", &[]),
        buyer.request("getCurrentChatList", &[]),
    ];
    let bytes: Vec<u8> = requests
        .iter()
        .flat_map(|request| request.bytes())
        .collect();
    let whole = buyer.http.pipeline(&requests);
    for cut in 1..bytes.len() {
        buyer.http.send(&bytes[..cut]);
        buyer.http.send(&bytes[cut..]);
        for answer in &whole {
            assert_eq!(buyer.http.response().body, answer.body, "cut at {cut}");
        }
    }
}
