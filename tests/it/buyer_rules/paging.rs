//! Pages of the history.

use crate::harness::Server;

#[test]
fn page_1_holds_the_newest_and_each_page_runs_from_old_to_new() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let sent: Vec<_> = (0..25).map(|n| format!("message {n}")).collect();
    buyer.send_all("sunsanniang", &sent);
    for mut asker in [buyer, server.buyer("sunsanniang")] {
        let peer = if asker.name == "chaogai" {
            "sunsanniang"
        } else {
            "chaogai"
        };
        assert_eq!(asker.page(peer, "1", "10"), sent[15..]);
        assert_eq!(asker.page(peer, "2", "10"), sent[5..15]);
        assert_eq!(asker.page(peer, "3", "10"), sent[..5]);
        assert_eq!(asker.page(peer, "4", "10"), sent[..0]);
        assert_eq!(asker.page(peer, "2147483647", "100"), sent[..0]);
        assert_eq!(asker.page(peer, "", ""), sent[15..], "absent: page 1 of 10");
        assert_eq!(asker.page(peer, "1", "100"), sent);
        assert_eq!(asker.page(peer, "25", "1"), sent[..1]);
    }
}

#[test]
fn the_pages_of_any_size_are_the_whole_history() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let sent: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    buyer.send_all("sunsanniang", &sent);
    for size in [1_usize, 2, 7, 50, 99, 100] {
        let pages = sent.len().div_ceil(size);
        let pages: Vec<_> = (1..=pages)
            .rev()
            .map(|no| buyer.page("sunsanniang", &no.to_string(), &size.to_string()))
            .collect();
        assert!(
            pages[1..].iter().all(|page| page.len() == size),
            "only the oldest page may be short"
        );
        assert_eq!(pages.concat(), sent, "pages of {size}");
    }
}

#[test]
fn pages_outside_the_bounds_are_refused() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "wowo");
    let shopname = ("shopname", "sunsanniang");
    for page_no in ["0", "-1", "1.5", "one", "0x1"] {
        buyer
            .call("getHistoryMsg", &[shopname, ("page_no", page_no)])
            .refused();
    }
    for page_size in [
        "0",
        "-1",
        "101",
        "1000",
        "4294967297",
        "18446744073709551617",
        "ten",
    ] {
        buyer
            .call("getHistoryMsg", &[shopname, ("page_size", page_size)])
            .refused();
    }
    assert_eq!(buyer.page("sunsanniang", "1", "100"), ["wowo"]);
}

#[test]
fn a_history_is_of_the_two_parties_only() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let mut other = server.buyer("zhouyu");
    buyer.send("sunsanniang", "from chaogai");
    other.send("sunsanniang", "from zhouyu");
    assert_eq!(buyer.page("sunsanniang", "1", "10"), ["from chaogai"]);
    assert_eq!(other.page("sunsanniang", "1", "10"), ["from zhouyu"]);
    assert_eq!(buyer.history("zhouyu"), []);
}
