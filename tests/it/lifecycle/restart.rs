//! What is kept when the server stops, and when it is killed.

use crate::harness::{Buyer, Envelope, Server};
use std::fs;

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("message {n}")).collect()
}

/// Everything that a buyer can see of a conversation and of all of them, as the bytes of the answers.
fn view(buyer: &mut Buyer, peer: &str) -> Vec<String> {
    let mut requests = vec![
        buyer.request("getFirstShowChatList", &[]),
        buyer.request("getCurrentChatList", &[]),
        buyer.request("getUnreadMsgCount", &[]),
    ];
    for page_no in ["1", "2", "3"] {
        requests.push(buyer.request(
            "getHistoryMsg",
            &[
                ("shopname", peer),
                ("page_no", page_no),
                ("page_size", "30"),
            ],
        ));
    }
    buyer
        .http
        .pipeline(&requests)
        .iter()
        .map(|response| response.text().to_owned())
        .collect()
}

/// Writes, stops the server by `stop`, and asserts that everything is as it was, tokens included.
fn check_kept_after(stop: fn(&mut Server)) {
    let mut server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    let mut shop = server.buyer("孙三娘");
    server.buyer("zhouyu").send_all("chaogai", &numbered(2));
    buyer.send_all("孙三娘", &numbered(40));
    assert_eq!(shop.read("chaogai").len(), 40);
    shop.send_all("chaogai", &numbered(7));
    shop.data(
        "sendMsg",
        &[
            ("shopname", "chaogai"),
            ("content", "http://a/b.jpg"),
            ("content_type", "1"),
        ],
    );
    buyer.send_all("孙三娘", &numbered(3));
    let before = [view(&mut buyer, "孙三娘"), view(&mut shop, "chaogai")];

    for _ in 0..2 {
        stop(&mut server);
        server.start_again();
        buyer.http = server.client();
        shop.http = server.client();
        assert_eq!(
            [view(&mut buyer, "孙三娘"), view(&mut shop, "chaogai")],
            before
        );
    }
    assert_eq!(buyer.unread(), 10);
    assert_eq!(buyer.read("孙三娘").len(), 8);
    assert_eq!(shop.read("chaogai"), numbered(3));
    shop.send("chaogai", "after the restart");
    assert_eq!(buyer.read("孙三娘"), ["after the restart"]);
    assert_eq!(buyer.history("孙三娘").len(), 52);
}

#[test]
fn everything_is_kept_after_sigterm() {
    check_kept_after(|server| assert_eq!(server.terminate().status.code(), Some(0)));
}

#[test]
fn everything_is_kept_after_sigint() {
    check_kept_after(|server| assert_eq!(server.interrupt().status.code(), Some(0)));
}

#[test]
fn everything_is_kept_after_sigkill() {
    check_kept_after(Server::kill);
}

#[test]
fn everything_is_kept_after_sigkill_without_syncs() {
    let mut server = Server::durable(&["--durability", "process"]);
    let mut buyer = server.buyer("chaogai");
    buyer.send_all("sunsanniang", &numbered(50));
    server.kill();
    server.start_again();
    assert_eq!(server.buyer("sunsanniang").read("chaogai"), numbered(50));
}

#[test]
fn a_logout_is_kept_after_sigkill() {
    let mut server = Server::durable(&[]);
    let mut ended = server.buyer("chaogai");
    let mut other = server.buyer("chaogai");
    ended.data("logout", &[]);
    server.kill();
    server.start_again();
    ended.http = server.client();
    other.http = server.client();
    ended.call("getUnreadMsgCount", &[]).logged_out();
    assert_eq!(other.unread(), 0);
}

#[test]
fn a_stopping_server_closes_idle_connections_and_ends() {
    let mut server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "wowo");
    let exit = server.terminate();
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    buyer.http.assert_closed();
}

#[test]
fn what_was_acknowledged_while_stopping_is_kept_and_what_was_not_is_whole_or_absent() {
    let mut server = Server::durable(&[]);
    let mut buyer = server.buyer("chaogai");
    let sent = numbered(30);
    for text in &sent {
        let request = buyer.request("sendMsg", &[("shopname", "sunsanniang"), ("content", text)]);
        buyer.http.send(&request.bytes());
    }
    Envelope::of(&buyer.http.response()).accepted();
    let mut acknowledged = 1;
    assert_eq!(server.terminate().status.code(), Some(0));
    while let Ok(response) = buyer.http.try_response() {
        let envelope = Envelope::of(&response);
        if envelope.success {
            envelope.accepted();
            acknowledged += 1;
        }
    }
    server.start_again();
    let kept = server.buyer("sunsanniang").read("chaogai");
    assert!(
        kept.len() >= acknowledged,
        "{} kept of {acknowledged} acknowledged",
        kept.len()
    );
    assert_eq!(kept, sent[..kept.len()]);
}

#[test]
fn no_token_is_stored_as_it_is() {
    let mut server = Server::durable(&[]);
    let buyer = server.buyer("chaogai");
    server.terminate();
    let contains = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let mut name_found = false;
    for entry in fs::read_dir(server.data()).expect("the data directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = fs::read(&path).expect("a readable file");
            assert!(
                !contains(&bytes, &buyer.token),
                "the token stands in {}",
                path.display()
            );
            name_found |= contains(&bytes, "chaogai");
        }
    }
    assert!(
        name_found,
        "the account's name stands in none of the files, so this test looks in the wrong place"
    );
}
