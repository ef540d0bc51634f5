//! Kept connections, pipelines, and clients that leave.

use crate::harness::{Buyer, Envelope, HOST, Place, Request, Server};
use serde_json::json;
use std::{io::ErrorKind, thread};

fn login_with(connection: &str, version: &str) -> String {
    format!(
        "GET /soa-im/buyer/registerAndLogin?buyer_name=a {version}\r\nHost: {HOST}\r\n{connection}\r\n"
    )
}

#[test]
fn a_pipeline_of_sends_and_polls_is_answered_in_order() {
    let server = Server::memory(&[]);
    let buyer = server.buyer("chaogai");
    let shop = server.buyer("sunsanniang");
    let rounds = 40;
    let mut requests = Vec::new();
    for n in 0..rounds {
        let text = n.to_string();
        requests.push(buyer.request(
            "sendMsg",
            &[("shopname", "sunsanniang"), ("content", &text)],
        ));
        requests.push(shop.request("getUnreadMsgCount", &[]));
        requests.push(shop.request("getMsg", &[("shopname", "chaogai")]));
        requests.push(shop.request("getUnreadMsgCount", &[]));
    }
    let answers = server.client().pipeline(&requests);
    for (n, round) in answers.chunks(4).enumerate() {
        let [sent, before, read, after] = round else {
            unreachable!("four requests a round")
        };
        let text = json!(n.to_string());
        assert_eq!(Envelope::of(sent).accepted()["msg"]["text"], text);
        assert_eq!(
            Envelope::of(before).accepted(),
            json!({"unReadMsgCount": 1})
        );
        let read = Envelope::of(read).accepted();
        assert_eq!(
            read["msgList"].as_array().map(Vec::len),
            Some(1),
            "round {n}"
        );
        assert_eq!(read["msgList"][0]["text"], text);
        assert_eq!(Envelope::of(after).accepted(), json!({"unReadMsgCount": 0}));
    }
}

#[test]
fn a_session_can_be_made_used_and_ended_in_one_pipeline() {
    let server = Server::memory(&[]);
    let buyer = server.buyer("chaogai");
    let unread = buyer.request("getUnreadMsgCount", &[]);
    let requests = [
        unread.clone(),
        buyer.request("logout", &[]),
        unread.clone(),
        Request::get("/healthz"),
        unread,
    ];
    let answers = server.client().pipeline(&requests);
    Envelope::of(&answers[0]).accepted();
    Envelope::of(&answers[1]).accepted();
    Envelope::of(&answers[2]).logged_out();
    assert_eq!(answers[3].status, 200);
    Envelope::of(&answers[4]).logged_out();
}

#[test]
fn a_connection_is_kept_after_errors_of_the_application() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer
        .call("sendMsg", &[("shopname", "sunsanniang")])
        .refused();
    buyer
        .call(
            "getHistoryMsg",
            &[("shopname", "sunsanniang"), ("page_no", "0")],
        )
        .refused();
    let json = Request::post(
        "/soa-im/buyer/sendMsg",
        "application/json",
        "{\"buyer_name\":",
    );
    let response = buyer.http.call(&json);
    assert!(matches!(response.status, 200 | 400), "{response:?}");
    assert_eq!(response.json()["success"], json!(false));
    assert_eq!(buyer.http.call(&Request::get("/nobody")).status, 404);
    Envelope::of(&buyer.http.call(&Request::get("/soa-im/buyer/logout"))).logged_out();
    assert_eq!(buyer.unread(), 0);
}

#[test]
fn a_client_that_asks_to_close_gets_its_answer_and_the_close() {
    let server = Server::memory(&[]);
    for connection in ["Connection: close\r\n", "Connection: x, Close\r\n"] {
        let mut http = server.client();
        let request = login_with(connection, "HTTP/1.1");
        http.send((request.clone() + &request).as_bytes());
        let response = http.response();
        Envelope::of(&response).accepted();
        assert!(
            response
                .header_list("connection")
                .contains(&"close".to_owned())
        );
        http.assert_closed();
    }
}

#[test]
fn http_1_0_clients_get_a_plain_answer_and_the_close() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    http.send(login_with("", "HTTP/1.0").as_bytes());
    let response = http.response();
    Envelope::of(&response).accepted();
    assert_eq!(response.header("transfer-encoding"), None);
    http.assert_closed();
}

#[test]
fn http_1_0_clients_that_ask_may_keep_the_connection() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    http.send(login_with("Connection: keep-alive\r\n", "HTTP/1.0").as_bytes());
    let response = http.response();
    Envelope::of(&response).accepted();
    if response
        .header_list("connection")
        .contains(&"keep-alive".to_owned())
    {
        assert_eq!(http.call(&Request::get("/healthz")).status, 200);
    } else {
        http.assert_closed();
    }
}

#[test]
fn a_client_that_only_reads_from_then_on_gets_all_its_answers() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let send = |buyer: &Buyer| {
        buyer
            .request(
                "sendMsg",
                &[("shopname", "sunsanniang"), ("content", "wowo")],
            )
            .bytes()
    };
    let bytes = send(&buyer).repeat(20);
    buyer.http.send(&bytes);
    buyer.http.finish_sending();
    for _ in 0..20 {
        Envelope::of(&buyer.http.response()).accepted();
    }
    buyer.http.assert_closed();
    assert_eq!(server.buyer("sunsanniang").unread(), 20);
}

#[test]
fn a_request_that_ends_in_the_middle_has_no_effect() {
    let server = Server::memory(&[]);
    let buyer = server.buyer("chaogai");
    let params = [("shopname", "sunsanniang"), ("content", "wowo")];
    let request = buyer.request_in(Place::Form, "sendMsg", &params).bytes();
    for cut in [request.len() - 1, request.len() - 10, request.len() / 2] {
        let mut http = server.client();
        http.send(&request[..cut]);
        http.finish_sending();
        match http.try_response() {
            Ok(response) => assert_eq!(response.status, 400, "cut at {cut}"),
            Err(e) => assert_eq!(e.kind(), ErrorKind::UnexpectedEof, "cut at {cut}"),
        }
        http.assert_closed();
    }
    assert_eq!(server.buyer("sunsanniang").unread(), 0);
}

#[test]
fn answers_that_outgrow_every_buffer_reach_a_slow_reader_whole() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    shop.send_all("chaogai", &vec!["x".repeat(1000); 100]);
    let buyer = server.buyer("chaogai");
    let request = buyer
        .request(
            "getHistoryMsg",
            &[("shopname", "sunsanniang"), ("page_size", "100")],
        )
        .bytes();
    let mut writer = server.client();
    let mut reader = writer.reader();
    let answers = 300;
    let writing = thread::spawn(move || {
        for _ in 0..answers {
            writer.send(&request);
        }
    });
    let first = reader.response();
    assert!(first.body.len() > 100_000);
    for n in 1..answers {
        assert!(reader.response().body == first.body, "answer {n}");
    }
    writing.join().expect("everything was written");
}
