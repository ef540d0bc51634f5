//! Methods: which path takes which.

use crate::harness::{Place, Request, Server, TOKEN_CALLS};

#[test]
fn head_on_a_call_is_405_and_consumes_nothing() {
    let server = Server::memory(&[]);
    server.buyer("sunsanniang").send("chaogai", "aaa");
    let mut buyer = server.buyer("chaogai");
    let calls = TOKEN_CALLS
        .iter()
        .copied()
        .chain([("registerAndLogin", &[][..]), ("uploadImage", &[])]);
    for (call, params) in calls {
        let target = format!("/soa-im/buyer/{call}");
        let get = buyer.request_in(Place::GetQuery, call, params).bytes();
        let head = String::from_utf8(get)
            .expect("text")
            .replacen("GET", "HEAD", 1);
        let mut http = server.client();
        http.send(
            head.replacen("\r\n", "\r\nConnection: close\r\n", 1)
                .as_bytes(),
        );
        let response = http.response_to_head();
        assert_eq!(response.status, 405, "{target}");
        let allow = response.header_list("allow");
        assert!(
            allow.contains(&"post".to_owned()) && !allow.contains(&"head".to_owned()),
            "{target}: {allow:?}"
        );
    }
    assert_eq!(buyer.read("sunsanniang"), ["aaa"]);
}

#[test]
fn head_on_health_is_200_without_a_body() {
    let server = Server::memory(&[]);
    for path in ["/healthz", "/readyz"] {
        let mut http = server.client();
        http.send(
            &Request::new("HEAD", path)
                .header("Connection", "close")
                .bytes(),
        );
        assert_eq!(http.response_to_head().status, 200, "{path}");
    }
}

#[test]
fn calls_take_get_and_post_and_say_so() {
    let server = Server::memory(&[]);
    let buyer = server.buyer("chaogai");
    for method in ["PUT", "DELETE", "PATCH"] {
        for (call, _) in TOKEN_CALLS {
            let response = server
                .client()
                .call(&Request::new(method, format!("/soa-im/buyer/{call}")));
            assert_eq!(response.status, 405, "{method} {call}");
            let allow = response.header_list("allow");
            assert!(
                allow.contains(&"get".to_owned()) && allow.contains(&"post".to_owned()),
                "{call}: {allow:?}"
            );
        }
    }
    let response = server
        .client()
        .call(&Request::post("/healthz", "text/plain", "x"));
    assert_eq!(response.status, 405);
    assert!(response.header_list("allow").contains(&"get".to_owned()));
    assert_eq!(
        server
            .client()
            .call(&buyer.request("getUnreadMsgCount", &[]))
            .status,
        200
    );
}

#[test]
fn a_method_that_nobody_knows_is_refused() {
    let server = Server::memory(&[]);
    for method in ["BREW", "get", "CONNECT", "TRACE"] {
        let response = server
            .client()
            .call(&Request::new(method, "/soa-im/buyer/getMsg"));
        assert!(
            matches!(response.status, 400 | 405 | 501),
            "{method}: {response:?}"
        );
    }
}
