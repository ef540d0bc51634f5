//! Golden pairs: every call of the buyer contract with every parameter, in every place where a parameter may stand,
//! against the exact bytes of the answer.

use crate::harness::{
    Buyer, HOST, Image, PNG, Place, Request, Response, Server, check_pattern, form_encoded,
    multipart,
};
use serde_json::{Value, json};

const EMPTY: &str = r#"{"state":1,"success":true,"message":"","data":{}}"#;
const LOGGED_OUT: &str = r#"{"state":0,"success":false,"message":"<reason>","data":{}}"#;
const REFUSED: &str = r#"{"state":1,"success":false,"message":"<reason>","data":{}}"#;
const TOKEN: &str = r#"{"state":1,"success":true,"message":"","data":{"token":"<token>"}}"#;
const SENT: &str = r#"{"state":1,"success":true,"message":"","data":{"msg":{"text":"wowo","type":0,"time":"<time>"}}}"#;
const URL: &str = "http://imd.test:8080/soa-im/statics/upload/<stamp>.png";

/// Asserts the answer's status, header and exact body.
#[track_caller]
fn check(response: &Response, body: &str) {
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.assert_media_type("application/json");
    check_pattern(body, response.text());
}

/// The same for the answer to a call with `jsonpCallback=cb`.
#[track_caller]
fn check_jsonp(response: &Response, envelope: &str) {
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    response.assert_media_type("application/javascript");
    check_pattern(&format!("/**/cb({envelope});"), response.text());
}

/// Makes the call once for every place of parameters and once more in each with a callback, after `prepare`.
#[track_caller]
fn check_everywhere(
    buyer: &mut Buyer,
    call: &str,
    params: &[(&str, &str)],
    envelope: &str,
    mut prepare: impl FnMut(&mut Buyer),
) {
    let with_callback = [params, &[("jsonpCallback", "cb")]].concat();
    for place in Place::ALL {
        prepare(buyer);
        let request = buyer.request_in(place, call, params);
        check(&buyer.http.call(&request), envelope);
        prepare(buyer);
        let request = buyer.request_in(place, call, &with_callback);
        check_jsonp(&buyer.http.call(&request), envelope);
    }
}

fn nothing(_: &mut Buyer) {}

/// chaogai and the shop sunsanniang, who has sent `aaa` and `bb`.
fn shop_and_buyer(server: &Server) -> (Buyer, Buyer) {
    let mut shop = server.buyer("sunsanniang");
    shop.send("chaogai", "aaa");
    shop.send("chaogai", "bb");
    (shop, server.buyer("chaogai"))
}

#[test]
fn register_and_login() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for place in Place::ALL {
        let request = |params: &[_]| place.request("/soa-im/buyer/registerAndLogin", params);
        check(&http.call(&request(&[("buyer_name", "wusong4")])), TOKEN);
        check_jsonp(
            &http.call(&request(&[
                ("buyer_name", "wusong4"),
                ("jsonpCallback", "cb"),
            ])),
            TOKEN,
        );
        check(&http.call(&request(&[])), REFUSED);
        check_jsonp(&http.call(&request(&[("jsonpCallback", "cb")])), REFUSED);
    }
}

#[test]
fn logout() {
    let server = Server::memory(&[]);
    for place in Place::ALL {
        let mut buyer = server.buyer("zhouyu");
        let request = buyer.request_in(place, "logout", &[]);
        check(&buyer.http.call(&request), EMPTY);
        check(&buyer.http.call(&request), LOGGED_OUT);
        let mut buyer = server.buyer("zhouyu");
        let request = buyer.request_in(place, "logout", &[("jsonpCallback", "cb")]);
        check_jsonp(&buyer.http.call(&request), EMPTY);
        check_jsonp(&buyer.http.call(&request), LOGGED_OUT);
    }
}

#[test]
fn get_first_show_chat_list() {
    let server = Server::memory(&[]);
    let (_, mut buyer) = shop_and_buyer(&server);
    let list = r#"{"state":1,"success":true,"message":"","data":{"mlist":[{"unread":"2","cname":"sunsanniang"}]}}"#;
    check_everywhere(&mut buyer, "getFirstShowChatList", &[], list, nothing);
    buyer.read("sunsanniang");
    let list = r#"{"state":1,"success":true,"message":"","data":{"mlist":[{"unread":"0","cname":"sunsanniang"}]}}"#;
    check_everywhere(&mut buyer, "getFirstShowChatList", &[], list, nothing);
}

#[test]
fn get_current_chat_list() {
    let server = Server::memory(&[]);
    let (_, mut buyer) = shop_and_buyer(&server);
    let list = r#"{"state":1,"success":true,"message":"","data":{"mlist":[{"unread":"2","cname":"sunsanniang"}]}}"#;
    check_everywhere(&mut buyer, "getCurrentChatList", &[], list, nothing);
    buyer.read("sunsanniang");
    let list = r#"{"state":1,"success":true,"message":"","data":{"mlist":[]}}"#;
    check_everywhere(&mut buyer, "getCurrentChatList", &[], list, nothing);
}

#[test]
fn get_history_msg() {
    let server = Server::memory(&[]);
    let (mut shop, mut buyer) = shop_and_buyer(&server);
    buyer.data(
        "sendMsg",
        &[
            ("shopname", "sunsanniang"),
            ("content", "http://a/b.jpg"),
            ("content_type", "1"),
        ],
    );
    shop.data(
        "sendMsg",
        &[
            ("shopname", "chaogai"),
            ("content", "{}"),
            ("content_type", "2"),
        ],
    );

    let row = |text, kind, from, to| {
        format!(r#"{{"text":"{text}","type":{kind},"time":"<time>","from":"{from}","to":"{to}"}}"#)
    };
    let rows = [
        row("aaa", 0, "sunsanniang", "chaogai"),
        row("bb", 0, "sunsanniang", "chaogai"),
        row("http://a/b.jpg", 1, "chaogai", "sunsanniang"),
        row("{}", 2, "sunsanniang", "chaogai"),
    ];
    let page = |page_no, page_size, rows: &[String]| {
        format!(
            r#"{{"state":1,"success":true,"message":"","data":{{"buyer_name":"chaogai","current_page_no":{page_no},"current_page_size":{page_size},"detailList":[{}]}}}}"#,
            rows.join(",")
        )
    };
    let shopname = ("shopname", "sunsanniang");
    check_everywhere(
        &mut buyer,
        "getHistoryMsg",
        &[shopname],
        &page(1, 10, &rows),
        nothing,
    );
    let params = [shopname, ("page_no", "2"), ("page_size", "3")];
    check_everywhere(
        &mut buyer,
        "getHistoryMsg",
        &params,
        &page(2, 3, &rows[..1]),
        nothing,
    );
    let params = [shopname, ("page_no", ""), ("page_size", "")];
    check_everywhere(
        &mut buyer,
        "getHistoryMsg",
        &params,
        &page(1, 10, &rows),
        nothing,
    );
}

#[test]
fn get_msg() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let mut shop = server.buyer("sunsanniang");
    let list = r#"{"state":1,"success":true,"message":"","data":{"msgList":[{"text":"fffff","type":0,"time":"<time>"},{"text":"http://a/b.jpg","type":1,"time":"<time>"}]}}"#;
    check_everywhere(
        &mut buyer,
        "getMsg",
        &[("shopname", "sunsanniang")],
        list,
        |_| {
            shop.send("chaogai", "fffff");
            shop.data(
                "sendMsg",
                &[
                    ("shopname", "chaogai"),
                    ("content", "http://a/b.jpg"),
                    ("content_type", "1"),
                ],
            );
        },
    );
    let list = r#"{"state":1,"success":true,"message":"","data":{"msgList":[]}}"#;
    check_everywhere(
        &mut buyer,
        "getMsg",
        &[("shopname", "sunsanniang")],
        list,
        nothing,
    );
}

#[test]
fn send_msg() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let wowo = [("content", "wowo"), ("shopname", "sunsanniang")];
    check_everywhere(&mut buyer, "sendMsg", &wowo, SENT, nothing);
    for content_type in ["0", "1", "2"] {
        let answer = SENT.replace(r#""type":0"#, &format!(r#""type":{content_type}"#));
        let params = [wowo[0], wowo[1], ("content_type", content_type)];
        check_everywhere(&mut buyer, "sendMsg", &params, &answer, nothing);
    }
    check_everywhere(
        &mut buyer,
        "sendMsg",
        &[wowo[0], wowo[1], ("client_id", "one")],
        SENT,
        nothing,
    );
    assert_eq!(
        buyer.history("sunsanniang").len(),
        41,
        "ten places four times, and one message for the client id"
    );
}

#[test]
fn get_unread_msg_count() {
    let server = Server::memory(&[]);
    let (_, mut buyer) = shop_and_buyer(&server);
    let count = r#"{"state":1,"success":true,"message":"","data":{"unReadMsgCount":2}}"#;
    check_everywhere(&mut buyer, "getUnreadMsgCount", &[], count, nothing);
}

fn upload(buyer: &mut Buyer, params: &[(&str, &str)]) -> Response {
    let image = Image {
        file_name: "红.png",
        content_type: "image/png",
        bytes: PNG,
    };
    let request = multipart(
        "/soa-im/buyer/uploadImage",
        &[&buyer.session(), params].concat(),
        Some(image),
    );
    buyer.http.call(&request)
}

#[test]
fn upload_image_as_json() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let answer = format!(r#"{{"state":1,"success":true,"message":"","data":{{"url":"{URL}"}}}}"#);
    check(&upload(&mut buyer, &[]), &answer);
    check(&upload(&mut buyer, &[("return_type", "1")]), &answer);
    check(
        &upload(
            &mut buyer,
            &[("return_type", ""), ("is_do_send_msg", "false")],
        ),
        &answer,
    );
    check_jsonp(&upload(&mut buyer, &[("jsonpCallback", "cb")]), &answer);
    let sends = [
        ("is_do_send_msg", "true"),
        ("from", "zhouyu"),
        ("to", "sunsanniang"),
    ];
    check(&upload(&mut buyer, &sends), &answer);
}

#[test]
fn upload_image_with_parameters_in_the_query() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let path = format!(
        "/soa-im/buyer/uploadImage?{}",
        form_encoded(&buyer.session())
    );
    let image = Image {
        file_name: "a.png",
        content_type: "image/png",
        bytes: PNG,
    };
    let answer = format!(r#"{{"state":1,"success":true,"message":"","data":{{"url":"{URL}"}}}}"#);
    check(
        &buyer.http.call(&multipart(&path, &[], Some(image))),
        &answer,
    );
}

/// Asserts an HTML answer line by line, indentation aside.
#[track_caller]
fn check_html(response: &Response, lines: &[&str]) {
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.assert_media_type("text/html");
    let got: Vec<_> = response
        .text()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    check_pattern(&lines.join("\n"), &got.join("\n"));
}

fn upload_page(input: &str) -> [&str; 11] {
    [
        r#"<html lang="zh-CN">"#,
        "<head>",
        r#"<meta charset="utf-8">"#,
        "</head>",
        "<body>",
        input,
        "<script>",
        r#"var base = "/soa-im";"#,
        "</script>",
        "</body>",
        "</html>",
    ]
}

#[test]
fn upload_image_as_a_page_for_an_iframe() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let response = upload(&mut buyer, &[("return_type", "2")]);
    let input = format!(
        r#"<input type="hidden" id="uploadResultId" data="true" data-msg="" value="1" data-url="{URL}">"#
    );
    check_html(&response, &upload_page(&input));
    assert_eq!(response.header("x-frame-options"), None);

    let params = [&buyer.session()[..], &[("return_type", "2")]].concat();
    let response = buyer
        .http
        .call(&multipart("/soa-im/buyer/uploadImage", &params, None));
    let input = r#"<input type="hidden" id="uploadResultId" data="false" data-msg="<reason>" value="0" data-url="">"#;
    check_html(&response, &upload_page(input));
}

#[test]
fn upload_image_as_an_img_tag() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    check_html(
        &upload(&mut buyer, &[("return_type", "3")]),
        &[&format!(r#"<img src="{URL}" />"#)],
    );
    let params = [&buyer.session()[..], &[("return_type", "3")]].concat();
    let response = buyer
        .http
        .call(&multipart("/soa-im/buyer/uploadImage", &params, None));
    check_html(&response, &[r#"<img src="" alt="<reason>" />"#]);
}

#[test]
fn a_call_without_a_session_is_state_0() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for call in [
        "logout",
        "getFirstShowChatList",
        "getCurrentChatList",
        "getUnreadMsgCount",
    ] {
        let path = format!("/soa-im/buyer/{call}");
        for place in Place::ALL {
            check(
                &http.call(&place.request(&path, &[("buyer_name", "chaogai")])),
                LOGGED_OUT,
            );
            check(
                &http.call(&place.request(&path, &[("token", "abc")])),
                LOGGED_OUT,
            );
            check_jsonp(
                &http.call(&place.request(&path, &[("jsonpCallback", "cb")])),
                LOGGED_OUT,
            );
        }
    }
}

#[test]
fn repeated_slashes_in_the_path_count_as_one() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for path in [
        "/soa-im//buyer/registerAndLogin",
        "//soa-im/buyer/registerAndLogin",
        "/soa-im/buyer///registerAndLogin",
        "///soa-im//buyer//registerAndLogin",
    ] {
        check(
            &http.call(&Place::GetQuery.request(path, &[("buyer_name", "chaogai")])),
            TOKEN,
        );
        check(
            &http.call(&Place::Form.request(path, &[("buyer_name", "chaogai")])),
            TOKEN,
        );
    }
}

#[test]
fn a_callback_name_is_an_identifier_of_at_most_64_characters() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let longest = "a".repeat(64);
    for name in ["$", "_", "a1", "jQuery.cb_1$", "a..b", &longest] {
        let params = [("buyer_name", "chaogai"), ("jsonpCallback", name)];
        let response =
            http.call(&Place::GetQuery.request("/soa-im/buyer/registerAndLogin", &params));
        assert_eq!(response.status, 200);
        check_pattern(&format!("/**/{name}({TOKEN});"), response.text());
    }
    let params = [("buyer_name", "chaogai"), ("jsonpCallback", "")];
    check(
        &http.call(&Place::GetQuery.request("/soa-im/buyer/registerAndLogin", &params)),
        TOKEN,
    );
}

#[test]
fn a_bad_callback_name_is_refused_in_plain_json_and_nothing_is_done() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let too_long = "a".repeat(65);
    for name in [
        "1a",
        ".a",
        "a-b",
        "alert(1)//",
        "a b",
        "a;b",
        "回调",
        "<script>",
        "a\u{2028}",
        "a\0",
        &too_long,
    ] {
        let params = [
            ("shopname", "sunsanniang"),
            ("content", "wowo"),
            ("jsonpCallback", name),
        ];
        for place in [Place::GetQuery, Place::Form, Place::Json] {
            let request = buyer.request_in(place, "sendMsg", &params);
            // The connection may be closed after a 400, so each has one of its own.
            let response = server.client().call(&request);
            assert_eq!(response.status, 400, "{name:?}");
            response.assert_media_type("application/json");
            check_pattern(REFUSED, response.text());
        }
    }
    assert_eq!(buyer.history("sunsanniang"), []);
}

#[test]
fn line_separators_are_escaped_for_scripts_and_sent_as_they_are_otherwise() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let params = [
        ("shopname", "sunsanniang"),
        ("content", "a\u{2028}b\u{2029}c"),
    ];
    let request = buyer.request("sendMsg", &params);
    check(
        &buyer.http.call(&request),
        &SENT.replace("wowo", "a\u{2028}b\u{2029}c"),
    );
    let request = buyer.request("sendMsg", &[params[0], params[1], ("jsonpCallback", "cb")]);
    check_jsonp(
        &buyer.http.call(&request),
        &SENT.replace("wowo", r"a\u2028b\u2029c"),
    );
}

#[test]
fn text_is_sent_as_utf_8_not_escaped_to_ascii() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("晁盖");
    for text in ["在吗😀", "é", "/slash/", "<b>&amp;'", "\u{7f}"] {
        let request = buyer.request("sendMsg", &[("shopname", "孙三娘"), ("content", text)]);
        check(&buyer.http.call(&request), &SENT.replace("wowo", text));
    }
    let request = buyer.request(
        "getHistoryMsg",
        &[("shopname", "孙三娘"), ("page_no", "5"), ("page_size", "1")],
    );
    let row = r#"{"text":"在吗😀","type":0,"time":"<time>","from":"晁盖","to":"孙三娘"}"#;
    let answer = format!(
        r#"{{"state":1,"success":true,"message":"","data":{{"buyer_name":"晁盖","current_page_no":5,"current_page_size":1,"detailList":[{row}]}}}}"#
    );
    check(&buyer.http.call(&request), &answer);
}

#[test]
fn json_bodies_may_hold_numbers_nulls_unknown_fields_and_a_byte_order_mark() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut call = |call: &str, body: String| {
        http.call(&Request::post(
            format!("/soa-im/buyer/{call}"),
            "application/json;charset=UTF-8",
            body,
        ))
    };
    let response = call(
        "registerAndLogin",
        r#"{"buyer_name":12345,"nobody":{"knows":[1,null]}}"#.to_owned(),
    );
    check(&response, TOKEN);
    let token = response.json()["data"]["token"]
        .as_str()
        .expect("a string")
        .to_owned();
    let session = |more: Value| {
        let mut body = json!({"buyer_name": "12345", "token": token, "shopname": 777});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().expect("an object"));
        body.to_string()
    };

    let body = session(
        json!({"content": 42, "content_type": 1, "jsonpCallback": null, "client_id": null}),
    );
    let sent = SENT
        .replace("wowo", "42")
        .replace(r#""type":0"#, r#""type":1"#);
    check(&call("sendMsg", format!("\u{feff}{body}")), &sent);
    let row = r#"{"text":"42","type":1,"time":"<time>","from":"12345","to":"777"}"#;
    let page = format!(
        r#"{{"state":1,"success":true,"message":"","data":{{"buyer_name":"12345","current_page_no":1,"current_page_size":5,"detailList":[{row}]}}}}"#
    );
    check(
        &call(
            "getHistoryMsg",
            session(json!({"page_no": null, "page_size": 5})),
        ),
        &page,
    );
    check(
        &call(
            "getHistoryMsg",
            session(json!({"page_no": "1", "page_size": "5"})),
        ),
        &page,
    );
}

#[test]
fn plus_and_percent_are_decoded_in_query_and_form() {
    let server = Server::memory(&[]);
    let mut buyer = server.buyer("chaogai");
    let session = form_encoded(&buyer.session());
    let params = format!("{session}&shopname=sunsanniang&content=a+b%2B%26%3d%E5%9C%A8");
    let sent = SENT.replace("wowo", "a b+&=在");
    check(
        &buyer
            .http
            .call(&Request::get(format!("/soa-im/buyer/sendMsg?{params}"))),
        &sent,
    );
    let form = "application/x-www-form-urlencoded; charset=UTF-8";
    check(
        &buyer
            .http
            .call(&Request::post("/soa-im/buyer/sendMsg", form, params)),
        &sent,
    );
}

#[test]
fn the_uploaded_file_is_where_the_answer_says() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let response = upload(&mut buyer, &[]);
    let url = response.json()["data"]["url"]
        .as_str()
        .expect("a string")
        .to_owned();
    let path = url
        .strip_prefix(&format!("http://{HOST}"))
        .expect("the request's host");
    let file = buyer.http.call(&Request::get(path));
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("image/png"))
    );
    assert_eq!(file.body, PNG);
}
