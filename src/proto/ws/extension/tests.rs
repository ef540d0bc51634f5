use super::*;

const TAKEOVER: Policy = Policy {
    server_context_takeover: true,
    client_context_takeover: true,
};

fn answer(offers: &str, policy: Policy) -> Option<String> {
    negotiate(offers.as_bytes(), policy).map(|deflate| {
        let mut out = Vec::new();
        deflate.encode(&mut out);
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn offers_without_context_takeover() {
    const BOTH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let cases = [
        "permessage-deflate",
        " permessage-deflate ",
        "Permessage-Deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate;client_max_window_bits = \"15\"",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "x-webkit-deflate-frame, permessage-deflate",
        "other; a=\"x, y; z\\\"\", permessage-deflate",
        ",, permessage-deflate",
        "permessage-deflate; unknown, permessage-deflate",
    ];
    for offers in cases {
        assert_eq!(
            answer(offers, Policy::default()).as_deref(),
            Some(BOTH),
            "{offers}"
        );
    }
}

#[test]
fn server_window_bits_are_echoed() {
    for bits in 9..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let agreed = negotiate(offer.as_bytes(), TAKEOVER).unwrap();
        assert_eq!(agreed.server_window_bits(), bits);
        assert_eq!(answer(&offer, TAKEOVER), Some(offer));
    }
}

#[test]
fn context_takeover_as_policy_and_offer_permit() {
    let cases = [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; client_no_context_takeover; client_max_window_bits",
            "permessage-deflate; client_no_context_takeover",
        ),
    ];
    for (offer, expected) in cases {
        assert_eq!(answer(offer, TAKEOVER).as_deref(), Some(expected));
    }
}

#[test]
fn declined_offers() {
    let cases = [
        "",
        "permessage-bzip2",
        "permessage-deflate;",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=\"9",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=x",
        "other; a=\"b, permessage-deflate, c\"",
    ];
    for offer in cases {
        assert_eq!(answer(offer, Policy::default()), None, "{offer}");
    }
}
