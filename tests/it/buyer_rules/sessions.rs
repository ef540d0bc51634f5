//! Names, tokens, logging in and out.

use crate::harness::{Buyer, Envelope, Place, Request, Server, TOKEN_CALLS, captures, login};

/// Tokens that an account may hold at a time.
const TOKENS_MAX: usize = 1000;

fn login_request(name: &str) -> Request {
    Place::Form.request("/soa-im/buyer/registerAndLogin", &[("buyer_name", name)])
}

/// Whether the session is valid, asked on the buyer's own connection.
fn is_valid(buyer: &mut Buyer) -> bool {
    let envelope = buyer.call("getUnreadMsgCount", &[]);
    if envelope.state == 1 {
        envelope.accepted();
        return true;
    }
    envelope.logged_out();
    false
}

#[test]
fn a_token_has_25_characters_of_a_to_z_and_0_to_9() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for _ in 0..20 {
        captures("<token>", &login(&mut http, "wusong4"));
    }
}

#[test]
fn every_login_hands_out_a_new_token_and_older_ones_stay_valid() {
    let server = Server::memory(&[]);
    let mut sessions: Vec<_> = (0..10).map(|_| server.buyer("wusong4")).collect();
    let mut tokens: Vec<_> = sessions
        .iter()
        .map(|session| session.token.clone())
        .collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 10);
    assert!(sessions.iter_mut().all(is_valid));
}

#[test]
fn an_account_holds_1000_tokens_and_the_least_recently_used_ends() {
    let server = Server::memory(&[]);
    let mut first = server.buyer("wusong4");
    let mut others: Vec<String> = Vec::new();
    let mut log_in = |count: usize| {
        for response in server
            .client()
            .pipeline(&vec![login_request("wusong4"); count])
        {
            let data = Envelope::of(&response).accepted();
            others.push(data["token"].as_str().expect("a string").to_owned());
        }
    };
    log_in(TOKENS_MAX - 1);
    assert!(is_valid(&mut first), "the oldest of 1000");
    log_in(1);
    assert!(is_valid(&mut first), "used more recently than another one");

    let unread = |token: &String| {
        Place::GetQuery.request(
            "/soa-im/buyer/getUnreadMsgCount",
            &[("buyer_name", "wusong4"), ("token", token)],
        )
    };
    let requests: Vec<_> = others.iter().map(unread).collect();
    let answers = server.client().pipeline(&requests);
    let ended = answers
        .iter()
        .filter(|response| Envelope::of(response).state == 0)
        .count();
    assert_eq!(ended, 1);
}

#[test]
fn logout_ends_that_token_at_once_on_every_connection() {
    let server = Server::memory(&[]);
    for _ in 0..20 {
        let mut buyer = server.buyer("zhouyu");
        let unread = buyer.request("getUnreadMsgCount", &[]);
        let mut others: Vec<_> = (0..8).map(|_| server.client()).collect();
        for other in &mut others {
            Envelope::of(&other.call(&unread)).accepted();
        }
        buyer.data("logout", &[]);
        assert!(!is_valid(&mut buyer));
        for other in &mut others {
            Envelope::of(&other.call(&unread)).logged_out();
        }
    }
}

#[test]
fn logout_leaves_other_tokens_of_the_buyer_alone() {
    let server = Server::memory(&[]);
    let (mut ended, mut other) = (server.buyer("zhouyu"), server.buyer("zhouyu"));
    ended.data("logout", &[]);
    assert!(!is_valid(&mut ended));
    assert!(is_valid(&mut other));
}

#[test]
fn logout_with_an_unknown_token_is_state_0() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("zhouyu");
    let valid = std::mem::replace(&mut buyer.token, "a".repeat(25));
    buyer.call("logout", &[]).logged_out();
    buyer.token = valid;
    buyer.data("logout", &[]);
    buyer.call("logout", &[]).logged_out();
}

#[test]
fn a_token_that_is_not_the_buyers_is_state_0_everywhere_and_has_no_effect() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    shop.send("chaogai", "aaa");
    let mut buyer = server.buyer("chaogai");
    let mut other = server.buyer("zhouyu");
    for (call, params) in TOKEN_CALLS {
        for (name, token) in [
            ("chaogai", other.token.as_str()),
            ("chaogai", "nobodystoken"),
            ("chaogai", ""),
            ("nobody", buyer.token.as_str()),
            ("Chaogai", buyer.token.as_str()),
            ("", buyer.token.as_str()),
        ] {
            let session = [("buyer_name", name), ("token", token)];
            for place in [Place::GetQuery, Place::Form] {
                let request = place.request(
                    &format!("/soa-im/buyer/{call}"),
                    &[&session, params].concat(),
                );
                Envelope::of(&server.client().call(&request)).logged_out();
            }
        }
    }
    assert!(is_valid(&mut other) && is_valid(&mut shop));
    assert_eq!(buyer.unread(), 1);
    assert_eq!(buyer.history("sunsanniang").len(), 1);
}

#[test]
fn a_buyer_name_has_1_to_64_characters() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for name in ["a", "晁", &"a".repeat(64), &"晁".repeat(64)] {
        Envelope::of(&http.call(&login_request(name))).accepted();
    }
    for name in ["", &"a".repeat(65), &"晁".repeat(65), &"a".repeat(5000)] {
        Envelope::of(&http.call(&login_request(name))).refused();
    }
    Envelope::of(&http.call(&Place::Form.request("/soa-im/buyer/registerAndLogin", &[]))).refused();
}

#[test]
fn a_buyer_name_has_no_slash_and_no_control_characters() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for name in [
        "/",
        "company/app/7",
        "a/",
        "a\nb",
        "\t",
        "a\0",
        "\u{7f}",
        "a\u{85}",
    ] {
        Envelope::of(&http.call(&login_request(name))).refused();
    }
}

#[test]
fn names_are_compared_byte_for_byte() {
    let server = Server::memory(&[]);
    let mut shop = server.buyer("sunsanniang");
    // The same letter composed and decomposed.
    for name in ["chaogai", "Chaogai", "chaogai ", "\u{e9}", "e\u{301}"] {
        shop.send(name, name);
    }
    for name in ["chaogai", "Chaogai", "chaogai ", "\u{e9}", "e\u{301}"] {
        assert_eq!(server.buyer(name).read("sunsanniang"), [name]);
    }
}
