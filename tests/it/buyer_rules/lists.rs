//! The two lists of conversations and the count over all of them.

use crate::harness::{Buyer, Envelope, Server};

fn rows(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, unread)| (name.to_string(), unread.to_string()))
        .collect()
}

#[track_caller]
fn check_lists(buyer: &mut Buyer, all: &[(&str, &str)]) {
    let with_unread: Vec<_> = all
        .iter()
        .copied()
        .filter(|(_, unread)| *unread != "0")
        .collect();
    assert_eq!(buyer.list("getFirstShowChatList"), rows(all));
    assert_eq!(buyer.list("getCurrentChatList"), rows(&with_unread));
    assert_eq!(
        buyer.unread(),
        all.iter()
            .map(|(_, unread)| unread.parse::<u64>().expect("a number"))
            .sum::<u64>()
    );
}

#[test]
fn lists_show_the_newest_activity_first_and_one_of_them_only_what_is_unread() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let [mut song, mut sun, mut zhou] =
        ["songjiang", "sunsanniang", "zhouyu"].map(|name| server.buyer(name));
    check_lists(&mut buyer, &[]);
    song.send("chaogai", "1");
    sun.send("chaogai", "2");
    zhou.send("chaogai", "3");
    check_lists(
        &mut buyer,
        &[("zhouyu", "1"), ("sunsanniang", "1"), ("songjiang", "1")],
    );
    song.send("chaogai", "4");
    check_lists(
        &mut buyer,
        &[("songjiang", "2"), ("zhouyu", "1"), ("sunsanniang", "1")],
    );
    buyer.read("sunsanniang");
    check_lists(
        &mut buyer,
        &[("songjiang", "2"), ("zhouyu", "1"), ("sunsanniang", "0")],
    );
    buyer.send("sunsanniang", "sending is activity too");
    check_lists(
        &mut buyer,
        &[("sunsanniang", "0"), ("songjiang", "2"), ("zhouyu", "1")],
    );
    buyer.read("songjiang");
    buyer.read("zhouyu");
    check_lists(
        &mut buyer,
        &[("sunsanniang", "0"), ("songjiang", "0"), ("zhouyu", "0")],
    );
    check_lists(&mut sun, &[("chaogai", "1")]);
}

#[test]
fn asking_for_messages_or_history_of_somebody_new_makes_no_conversation() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    assert_eq!(buyer.read("sunsanniang"), Vec::<String>::new());
    assert_eq!(buyer.history("sunsanniang"), []);
    check_lists(&mut buyer, &[]);
    check_lists(&mut server.buyer("sunsanniang"), &[]);
}

#[test]
fn a_list_has_at_most_100_conversations() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let names: Vec<_> = (0..105).map(|n| format!("shop{n}")).collect();
    let sends: Vec<_> = names
        .iter()
        .map(|name| buyer.request("sendMsg", &[("shopname", name), ("content", "wowo")]))
        .collect();
    for response in buyer.http.pipeline(&sends) {
        Envelope::of(&response).accepted();
    }
    let newest: Vec<_> = names
        .iter()
        .rev()
        .take(100)
        .map(|name| (name.clone(), "0".to_owned()))
        .collect();
    assert_eq!(buyer.list("getFirstShowChatList"), newest);
}

#[test]
fn the_count_is_over_all_conversations_and_only_of_messages_from_others() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    for (shop, count) in [("sunsanniang", 6), ("zhouyu", 250), ("songjiang", 1)] {
        let texts: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        buyer.send_all(shop, &texts);
        assert_eq!(server.buyer(shop).unread(), count);
        server.buyer(shop).send_all("chaogai", &texts);
    }
    check_lists(
        &mut buyer,
        &[("songjiang", "1"), ("zhouyu", "250"), ("sunsanniang", "6")],
    );
    buyer.read("zhouyu");
    check_lists(
        &mut buyer,
        &[("songjiang", "1"), ("zhouyu", "50"), ("sunsanniang", "6")],
    );
}
