//! What moves the read position: `getMsg`, and nothing else.

use crate::harness::{Envelope, Place, Server, TOKEN_CALLS};

const ANSWER_BYTES_MAX: usize = 1024 * 1024;

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("message {n}")).collect()
}

#[test]
fn get_msg_returns_what_is_unread_from_old_to_new_and_then_nothing() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    let mut buyer = server.buyer("chaogai");
    let nothing: [&str; 0] = [];
    assert_eq!(buyer.read("sunsanniang"), nothing);
    shop.send_all("chaogai", &numbered(3));
    assert_eq!(buyer.read("sunsanniang"), numbered(3));
    assert_eq!(buyer.read("sunsanniang"), nothing);
    shop.send("chaogai", "one more");
    assert_eq!(buyer.read("sunsanniang"), ["one more"]);
    assert_eq!(buyer.read("sunsanniang"), nothing);
}

#[test]
fn get_msg_returns_only_messages_of_the_other_party() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "a question");
    shop.send("chaogai", "an answer");
    buyer.send("sunsanniang", "thanks");
    server.buyer("zhouyu").send("chaogai", "from another shop");
    assert_eq!(buyer.read("sunsanniang"), ["an answer"]);
    assert_eq!(shop.read("chaogai"), ["a question", "thanks"]);
}

#[test]
fn get_msg_returns_at_most_200_and_the_oldest_first() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    let mut buyer = server.buyer("chaogai");
    let sent = numbered(450);
    shop.send_all("chaogai", &sent);
    for (range, left) in [(0..200, 250), (200..400, 50), (400..450, 0), (450..450, 0)] {
        assert_eq!(buyer.read("sunsanniang"), sent[range]);
        assert_eq!(buyer.unread(), left);
    }
}

#[test]
fn an_answer_stays_under_1_mib_and_what_did_not_fit_is_not_read() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    let mut buyer = server.buyer("chaogai");
    let sent: Vec<_> = (0..30)
        .map(|n| format!("{n:02}") + &"x".repeat(64 * 1024 - 2))
        .collect();
    for text in &sent {
        let request = shop.request_in(
            Place::Form,
            "sendMsg",
            &[("shopname", "chaogai"), ("content", text)],
        );
        Envelope::of(&shop.http.call(&request)).accepted();
    }
    let mut read = Vec::new();
    while buyer.unread() > 0 {
        let request = buyer.request("getMsg", &[("shopname", "sunsanniang")]);
        let response = buyer.http.call(&request);
        assert!(
            response.body.len() < ANSWER_BYTES_MAX,
            "{} bytes",
            response.body.len()
        );
        let rows = response.json()["data"]["msgList"].take();
        let rows = rows.as_array().expect("a list");
        assert!(!rows.is_empty(), "unread messages that are not returned");
        read.extend(
            rows.iter()
                .map(|row| row["text"].as_str().expect("a string").to_owned()),
        );
        assert_eq!(buyer.unread() as usize, sent.len() - read.len());
    }
    assert!(read == sent, "each message once and in order");

    let request = buyer.request(
        "getHistoryMsg",
        &[("shopname", "sunsanniang"), ("page_size", "100")],
    );
    assert!(buyer.http.call(&request).body.len() < ANSWER_BYTES_MAX);
}

#[test]
fn sending_history_and_lists_do_not_read() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    let mut buyer = server.buyer("chaogai");
    shop.send_all("chaogai", &numbered(3));
    for (call, params) in TOKEN_CALLS
        .iter()
        .filter(|(call, _)| !matches!(*call, "getMsg" | "logout"))
    {
        buyer.data(call, params);
        assert_eq!(buyer.unread(), 3, "{call}");
    }
    assert_eq!(buyer.read("sunsanniang"), numbered(3));
}

#[test]
fn what_one_connection_has_read_is_read_on_all() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    let mut sessions: Vec<_> = (0..8).map(|_| server.buyer("chaogai")).collect();
    for round in 0..20 {
        shop.send("chaogai", "aaa");
        assert!(sessions.iter_mut().all(|session| session.unread() == 1));
        assert_eq!(sessions[round % 8].read("sunsanniang"), ["aaa"]);
        assert!(sessions.iter_mut().all(|session| session.unread() == 0));
        assert!(
            sessions
                .iter_mut()
                .all(|session| session.read("sunsanniang").is_empty())
        );
    }
}
