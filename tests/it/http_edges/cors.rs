//! Cross-origin requests: only origins that were configured may read answers.

use crate::harness::{Request, Server};

const SHOP: &str = "https://shop.example";
const LOGIN: &str = "/soa-im/buyer/registerAndLogin?buyer_name=chaogai";

fn preflight(origin: &str) -> Request {
    Request::new("OPTIONS", "/soa-im/buyer/sendMsg")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type")
}

/// What a call and its preflight from `origin` are allowed to show to.
fn allowed(server: &Server, origin: &str) -> [Option<String>; 2] {
    let mut http = server.client();
    [
        preflight(origin),
        Request::get(LOGIN).header("Origin", origin),
    ]
    .map(|request| {
        let response = http.call(&request);
        assert!(matches!(response.status, 200 | 204), "{response:?}");
        response
            .header("access-control-allow-origin")
            .map(str::to_owned)
    })
}

#[test]
fn no_other_origin_is_allowed_by_default() {
    let server = Server::memory(&[]);
    assert_eq!(allowed(&server, SHOP), [None, None]);
    assert_eq!(allowed(&server, "null"), [None, None]);
}

#[test]
fn a_configured_origin_is_allowed_and_no_other() {
    let server = Server::memory(&["--cors-origin", SHOP]);
    let shop = Some(SHOP.to_owned());
    assert_eq!(allowed(&server, SHOP), [shop.clone(), shop]);
    for other in [
        "https://shop.example.evil",
        "http://shop.example",
        "https://shop.example:8443",
        "null",
        "*",
        "",
    ] {
        assert_eq!(allowed(&server, other), [None, None], "{other}");
    }
}

#[test]
fn a_preflight_allows_post_with_a_json_body_and_varies_by_origin() {
    let server = Server::memory(&["--cors-origin", SHOP]);
    let response = server.client().call(&preflight(SHOP));
    assert!(
        response
            .header_list("access-control-allow-methods")
            .contains(&"post".to_owned()),
        "{response:?}"
    );
    assert!(
        response
            .header_list("access-control-allow-headers")
            .contains(&"content-type".to_owned()),
        "{response:?}"
    );
    assert!(
        response.header_list("vary").contains(&"origin".to_owned()),
        "{response:?}"
    );
    let response = server
        .client()
        .call(&Request::get(LOGIN).header("Origin", SHOP));
    assert!(
        response.header_list("vary").contains(&"origin".to_owned()),
        "{response:?}"
    );
}

#[test]
fn every_origin_is_allowed_with_a_star() {
    let server = Server::memory(&["--cors-origin", "*"]);
    let star = Some("*".to_owned());
    assert_eq!(allowed(&server, SHOP), [star.clone(), star]);
}

#[test]
fn options_is_answered_without_an_origin_too() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for target in ["/soa-im/buyer/sendMsg", "*"] {
        let response = http.call(&Request::new("OPTIONS", target));
        assert!(matches!(response.status, 200 | 204), "{response:?}");
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
}
