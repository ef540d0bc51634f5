//! Idempotency: a message that its sender has named with `client_id` is stored once.

use crate::harness::{Buyer, Envelope, Server};

/// Sends under a client id and returns the answer as bytes.
fn send(buyer: &mut Buyer, shop: &str, content: &str, client_id: &str) -> Vec<u8> {
    let params = [
        ("shopname", shop),
        ("content", content),
        ("client_id", client_id),
    ];
    let request = buyer.request("sendMsg", &params);
    let response = buyer.http.call(&request);
    Envelope::of(&response).accepted();
    response.body
}

#[test]
fn the_same_client_id_gets_the_same_answer_and_stores_nothing() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let first = send(&mut buyer, "sunsanniang", "wowo", "one");
    assert_eq!(send(&mut buyer, "sunsanniang", "wowo", "one"), first);
    let mut again = server.buyer("chaogai");
    assert_eq!(
        send(&mut again, "sunsanniang", "wowo", "one"),
        first,
        "from another connection and login"
    );
    assert_eq!(server.buyer("sunsanniang").read("chaogai"), ["wowo"]);
    assert_eq!(
        send(&mut buyer, "sunsanniang", "wowo", "one"),
        first,
        "after it was read"
    );
    assert_eq!(server.buyer("sunsanniang").unread(), 0);
    assert_eq!(buyer.history("sunsanniang").len(), 1);
}

#[test]
fn the_first_message_wins_whatever_the_retry_says() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let first = send(&mut buyer, "sunsanniang", "first", "one");
    assert_eq!(send(&mut buyer, "sunsanniang", "second", "one"), first);
    let params = [
        ("shopname", "sunsanniang"),
        ("content", "third"),
        ("client_id", "one"),
        ("content_type", "2"),
    ];
    let request = buyer.request("sendMsg", &params);
    assert_eq!(buyer.http.call(&request).body, first);
    assert_eq!(buyer.page("sunsanniang", "1", "10"), ["first"]);
}

#[test]
fn a_retry_in_the_same_pipeline_stores_nothing() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let params = [
        ("shopname", "sunsanniang"),
        ("content", "wowo"),
        ("client_id", "one"),
    ];
    let answers = buyer
        .http
        .pipeline(&vec![buyer.request("sendMsg", &params); 20]);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(buyer.page("sunsanniang", "1", "10"), ["wowo"]);
}

#[test]
fn the_key_is_sender_conversation_and_client_id() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let mut shop = server.buyer("sunsanniang");
    send(&mut buyer, "sunsanniang", "1", "one");
    send(&mut buyer, "sunsanniang", "2", "One");
    send(&mut buyer, "zhouyu", "3", "one");
    send(&mut shop, "chaogai", "4", "one");
    assert_eq!(buyer.page("sunsanniang", "1", "10"), ["1", "2", "4"]);
    assert_eq!(buyer.page("zhouyu", "1", "10"), ["3"]);
}

#[test]
fn an_empty_client_id_is_none_and_one_of_more_than_64_bytes_is_refused() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    send(&mut buyer, "sunsanniang", "1", "");
    send(&mut buyer, "sunsanniang", "2", "");
    let longest = "x".repeat(64);
    let answer = send(&mut buyer, "sunsanniang", "3", &longest);
    assert_eq!(send(&mut buyer, "sunsanniang", "3", &longest), answer);
    for too_long in ["x".repeat(65), "在".repeat(22)] {
        let params = [
            ("shopname", "sunsanniang"),
            ("content", "4"),
            ("client_id", too_long.as_str()),
        ];
        buyer.call("sendMsg", &params).refused();
    }
    assert_eq!(buyer.page("sunsanniang", "1", "10"), ["1", "2", "3"]);
}

#[test]
fn client_ids_are_kept_across_restarts_and_crashes() {
    let mut server = Server::durable(&[]);
    let first = send(&mut server.buyer("chaogai"), "sunsanniang", "wowo", "one");
    server.terminate();
    server.start_again();
    assert_eq!(
        send(&mut server.buyer("chaogai"), "sunsanniang", "wowo", "one"),
        first
    );
    server.kill();
    server.start_again();
    assert_eq!(
        send(&mut server.buyer("chaogai"), "sunsanniang", "wowo", "one"),
        first
    );
    assert_eq!(server.buyer("sunsanniang").read("chaogai"), ["wowo"]);
}
