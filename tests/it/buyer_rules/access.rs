//! Who may use the server: `--open-directory`, `--auth`, `--insecure`.

use crate::harness::{Envelope, Place, Request, Server, captures, exit_of};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

const SECRET: &str = "s3cret-of-the-shop";
const SIGNED: [&str; 4] = ["--auth", "signed", "--app-key", "shop:s3cret-of-the-shop"];

fn signature(secret: &str, name: &str, ts: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is right");
    mac.update(format!("buyer_name={name}&ts={ts}").as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Epoch seconds, `seconds` from now, as text.
fn epoch(seconds: i64) -> String {
    (Timestamp::now().as_second() + seconds).to_string()
}

fn login(params: &[(&str, &str)]) -> Request {
    Place::GetQuery.request("/soa-im/buyer/registerAndLogin", params)
}

#[track_caller]
fn check_handed_out(server: &Server, request: &Request) {
    let data = Envelope::of(&server.client().call(request)).accepted();
    captures("<token>", data["token"].as_str().expect("a string"));
}

#[track_caller]
fn check_withheld(server: &Server, request: &Request) {
    let response = server.client().call(request);
    assert_eq!(response.status, 200, "JSONP callers can read nothing else");
    let envelope = Envelope::of(&response);
    assert!(
        !envelope.success && envelope.data.get("token").is_none(),
        "{envelope:?}"
    );
}

#[test]
fn a_closed_directory_knows_only_who_has_logged_in() {
    let server = Server::memory(&["--open-directory", "false"]);
    let mut buyer = server.buyer("chaogai");
    buyer
        .call(
            "sendMsg",
            &[("shopname", "sunsanniang"), ("content", "在吗")],
        )
        .refused();
    let mut shop = server.buyer("sunsanniang");
    assert_eq!(shop.unread(), 0);
    buyer.send("sunsanniang", "在吗");
    assert_eq!(shop.read("chaogai"), ["在吗"]);
    assert_eq!(buyer.page("sunsanniang", "1", "10"), ["在吗"]);
}

#[test]
fn signed_logins_need_a_signature_or_an_app_key() {
    let server = Server::memory(&SIGNED);
    let ts = epoch(0);
    let sign = signature(SECRET, "chaogai", &ts);
    check_handed_out(
        &server,
        &login(&[("buyer_name", "chaogai"), ("ts", &ts), ("sign", &sign)]),
    );
    let bearer = |key: &str| {
        login(&[("buyer_name", "chaogai")]).header("Authorization", &format!("Bearer {key}"))
    };
    check_handed_out(&server, &bearer(SECRET));

    check_withheld(&server, &login(&[("buyer_name", "chaogai")]));
    check_withheld(&server, &login(&[("buyer_name", "chaogai"), ("ts", &ts)]));
    check_withheld(
        &server,
        &login(&[("buyer_name", "chaogai"), ("sign", &sign)]),
    );
    check_withheld(
        &server,
        &login(&[("buyer_name", "chaogai"), ("ts", &ts), ("sign", "")]),
    );
    check_withheld(
        &server,
        &login(&[
            ("buyer_name", "chaogai"),
            ("ts", &ts),
            ("sign", &sign[..63]),
        ]),
    );
    check_withheld(&server, &bearer("somebody's guess"));
    check_withheld(&server, &bearer(""));
    check_withheld(&server, &bearer(&SECRET[..SECRET.len() - 1]));
}

#[test]
fn a_signature_is_for_one_name_one_time_and_one_secret() {
    let server = Server::memory(&SIGNED);
    let ts = epoch(0);
    let sign = signature(SECRET, "chaogai", &ts);
    check_withheld(
        &server,
        &login(&[("buyer_name", "zhouyu"), ("ts", &ts), ("sign", &sign)]),
    );
    check_withheld(
        &server,
        &login(&[
            ("buyer_name", "chaogai"),
            ("ts", &epoch(1)),
            ("sign", &sign),
        ]),
    );
    let other = signature("another secret", "chaogai", &ts);
    check_withheld(
        &server,
        &login(&[("buyer_name", "chaogai"), ("ts", &ts), ("sign", &other)]),
    );
}

#[test]
fn a_signature_holds_for_five_minutes() {
    let server = Server::memory(&SIGNED);
    for (seconds, holds) in [
        (-280, true),
        (280, true),
        (-320, false),
        (320, false),
        (-86_400, false),
    ] {
        let ts = epoch(seconds);
        let request = login(&[
            ("buyer_name", "chaogai"),
            ("ts", &ts),
            ("sign", &signature(SECRET, "chaogai", &ts)),
        ]);
        match holds {
            true => check_handed_out(&server, &request),
            false => check_withheld(&server, &request),
        }
    }
    for ts in ["", "now", "99999999999999999999", "-1"] {
        let sign = signature(SECRET, "chaogai", ts);
        check_withheld(
            &server,
            &login(&[("buyer_name", "chaogai"), ("ts", ts), ("sign", &sign)]),
        );
    }
}

#[test]
fn signed_sessions_need_nothing_but_their_token() {
    let server = Server::memory(&SIGNED);
    let ts = epoch(0);
    let sign = signature(SECRET, "晁盖", &ts);
    let response = server.client().call(&login(&[
        ("buyer_name", "晁盖"),
        ("ts", &ts),
        ("sign", &sign),
    ]));
    let token = Envelope::of(&response).accepted()["token"]
        .as_str()
        .expect("a string")
        .to_owned();
    let params = [
        ("buyer_name", "晁盖"),
        ("token", token.as_str()),
        ("shopname", "孙三娘"),
        ("content", "在吗"),
    ];
    let response = server
        .client()
        .call(&Place::Form.request("/soa-im/buyer/sendMsg", &params));
    Envelope::of(&response).accepted();
}

#[test]
fn open_servers_listen_on_loopback_only_unless_told() {
    let exit = exit_of(&["--memory", "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(exit.status.code(), Some(2), "{exit:?}");
    assert!(
        exit.stderr.contains("0.0.0.0") && exit.stderr.contains("--insecure"),
        "{exit:?}"
    );

    for flags in [&["--insecure"][..], &SIGNED] {
        let server = Server::memory(&[&["--listen", "0.0.0.0:0"], flags].concat());
        assert_eq!(server.addrs().len(), 2);
    }
}
