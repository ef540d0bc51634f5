//! What a message may hold and to whom it may go.

use crate::harness::{Envelope, Place, Server, form_encoded};
use serde_json::json;

const BODY_BYTES_MAX: usize = 64 * 1024;
const REQUEST_LINE_BYTES_MAX: usize = 64 * 1024;

#[test]
fn a_message_has_1_byte_to_64_kib() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let one = "x".to_owned();
    let longest = "x".repeat(BODY_BYTES_MAX);
    // Three bytes each in UTF-8, nine in a form.
    let longest_chinese = "在".repeat(BODY_BYTES_MAX / 3) + "x";
    let longest_encoded = "&".repeat(BODY_BYTES_MAX);
    let kept = [one, longest, longest_chinese, longest_encoded];
    for place in [Place::Form, Place::Multipart, Place::Json] {
        for text in &kept {
            let request = buyer.request_in(
                place,
                "sendMsg",
                &[("shopname", place_name(place)), ("content", text)],
            );
            let data = Envelope::of(&buyer.http.call(&request)).accepted();
            assert_eq!(data["msg"]["text"], json!(text));
        }
        for text in [
            "",
            &"x".repeat(BODY_BYTES_MAX + 1),
            &("在".repeat(BODY_BYTES_MAX / 3) + "xx"),
        ] {
            let request = buyer.request_in(
                place,
                "sendMsg",
                &[("shopname", place_name(place)), ("content", text)],
            );
            Envelope::of(&buyer.http.call(&request)).refused();
        }
        let request = buyer.request_in(place, "sendMsg", &[("shopname", place_name(place))]);
        Envelope::of(&buyer.http.call(&request)).refused();
        let texts: Vec<_> = buyer
            .history(place_name(place))
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert!(
            texts == kept,
            "{place:?}: what was kept is not what was sent"
        );
    }
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Json => "json",
        Place::Multipart => "multipart",
        _ => "form",
    }
}

#[test]
fn a_request_line_carries_a_message_of_almost_64_kib() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let session = form_encoded(&buyer.session());
    let before = format!("GET /soa-im/buyer/sendMsg?{session}&shopname=sunsanniang&content=");
    let after = " HTTP/1.1\r\n";
    let rest = "Host: imd.test\r\n\r\n";
    let longest = "x".repeat(REQUEST_LINE_BYTES_MAX - before.len() - after.len());
    buyer
        .http
        .send(format!("{before}{longest}{after}{rest}").as_bytes());
    let data = Envelope::of(&buyer.http.response()).accepted();
    assert_eq!(data["msg"]["text"], json!(longest));

    let too_long = longest + "xxx";
    let mut http = server.client();
    http.send(format!("{before}{too_long}{after}{rest}").as_bytes());
    assert_eq!(http.response().status, 414);
    http.assert_closed();
    assert_eq!(buyer.history("sunsanniang").len(), 1);
}

#[test]
fn every_character_comes_back_as_it_was_sent() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let mut shop = server.buyer("sunsanniang");
    let texts = [
        "\"quoted\" \\ / \u{8}\u{c}\n\r\t",
        "\u{1}\u{1f}\u{7f}\u{80}\u{9f}",
        "\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        "😀👩‍👩‍👧e\u{301}",
        " leading and trailing ",
        "<script>alert('x')</script>&amp;",
        "%41+%zz",
    ];
    for place in Place::ALL {
        for text in texts {
            let request = buyer.request_in(
                place,
                "sendMsg",
                &[("shopname", "sunsanniang"), ("content", text)],
            );
            assert_eq!(
                Envelope::of(&buyer.http.call(&request)).accepted()["msg"]["text"],
                json!(text),
                "{place:?}"
            );
        }
        assert_eq!(shop.read("chaogai"), texts, "{place:?}");
    }
}

#[test]
fn content_that_is_not_utf_8_is_not_stored() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    for content in ["%ff", "a%C3", "%ED%A0%80", "%C0%AF"] {
        let session = form_encoded(&buyer.session());
        let target =
            format!("/soa-im/buyer/sendMsg?{session}&shopname=sunsanniang&content={content}");
        let mut http = server.client();
        http.send(format!("GET {target} HTTP/1.1\r\nHost: imd.test\r\n\r\n").as_bytes());
        let response = http.response();
        assert!(matches!(response.status, 200 | 400), "{response:?}");
        assert_eq!(response.json()["success"], json!(false), "{content}");
    }
    assert_eq!(buyer.history("sunsanniang"), []);
}

#[test]
fn content_types_are_0_1_and_2_and_0_if_absent_or_empty() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let to_shop = [("shopname", "sunsanniang"), ("content", "wowo")];
    let message = |content_type| [&to_shop[..], &[("content_type", content_type)]].concat();
    assert_eq!(buyer.data("sendMsg", &to_shop)["msg"]["type"], json!(0));
    for (content_type, kept) in [("", 0), ("0", 0), ("1", 1), ("2", 2)] {
        assert_eq!(
            buyer.data("sendMsg", &message(content_type))["msg"]["type"],
            json!(kept)
        );
    }
    for unknown in ["3", "-1", "text", "1.5", "99999999999999999999"] {
        buyer.call("sendMsg", &message(unknown)).refused();
    }
    let mut shop = server.buyer("sunsanniang");
    let read = shop.data("getMsg", &[("shopname", "chaogai")]);
    let types: Vec<_> = read["msgList"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["type"].clone())
        .collect();
    assert_eq!(types, [0, 0, 0, 1, 2].map(|kept| json!(kept)));
}

#[test]
fn a_shopname_has_1_to_255_bytes_without_control_characters() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    for shop in ["a", &"a".repeat(255), &"晁".repeat(85)] {
        buyer.send(shop, "wowo");
        assert_eq!(buyer.page(shop, "1", "10"), ["wowo"]);
    }
    for shop in ["", &"a".repeat(256), &"晁".repeat(86), "a\nb", "a\0"] {
        buyer
            .call("sendMsg", &[("shopname", shop), ("content", "wowo")])
            .refused();
    }
    for call in ["sendMsg", "getMsg", "getHistoryMsg"] {
        buyer.call(call, &[("content", "wowo")]).refused();
    }
    assert_eq!(buyer.list("getFirstShowChatList").len(), 3);
}

#[test]
fn a_message_to_a_name_that_nobody_has_used_waits_there() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    buyer.send("sunsanniang", "在吗");
    let mut shop = server.buyer("sunsanniang");
    assert_eq!(shop.unread(), 1);
    assert_eq!(shop.read("chaogai"), ["在吗"]);
}

#[test]
fn a_message_to_oneself_is_never_unread_and_kept_once_or_refused() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let envelope = buyer.call("sendMsg", &[("shopname", "chaogai"), ("content", "note")]);
    let kept = if envelope.success {
        envelope.accepted();
        vec![("chaogai".to_owned(), "note".to_owned())]
    } else {
        envelope.refused();
        Vec::new()
    };
    assert_eq!(
        buyer.unread(),
        0,
        "an unread count is the number of messages from others"
    );
    assert_eq!(buyer.list("getCurrentChatList"), []);
    assert_eq!(buyer.list("getFirstShowChatList").len(), kept.len());
    assert_eq!(buyer.read("chaogai"), Vec::<String>::new());
    assert_eq!(buyer.history("chaogai"), kept);
}
