//! A history of messages that are as long as they may be: no answer can hold a page of many, and every message is reached.

use crate::harness::{App, Backend, Client, Request, Response, Server};
use serde_json::{Value, json};

const BODY_BYTES: usize = 64 * 1024;
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const COUNT: usize = 45;

/// Message `n`: its number, and what is once, twice or six times as long in JSON.
fn body(n: usize) -> String {
    let filler = ["x", "\"", "\u{1}"][n % 3];
    let number = n.to_string();
    let rest = filler.repeat(BODY_BYTES - number.len() - 1);
    format!("{number} {rest}")
}

/// A server with so many messages from `a` to `b`, the second of which is a user of `chat`.
fn server() -> (Server, App) {
    let server = Server::memory(&[]);
    let mut b = App::login(&server, "b");
    b.sync();
    let mut backend = Backend::new(server.client());
    for n in 0..COUNT {
        backend.send("a", "c/a/b", &body(n));
    }
    (server, b)
}

/// The numbers of messages, which must be whole.
#[track_caller]
fn numbers(rows: &Value, key: &str) -> Vec<usize> {
    let number = |row: &Value| {
        let text = row[key].as_str().expect("a text");
        let number = text.split(' ').next().expect("a number");
        let number = number.parse().expect("a number");
        assert!(text == body(number), "message {number}");
        number
    };
    rows.as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

fn newest_first() -> Vec<usize> {
    (0..COUNT).rev().collect()
}

/// Walks from page 1 of `size` rows on, as the answers say, and gives the messages from the newest on.
fn walk(
    size: usize,
    mut page: impl FnMut(usize, usize) -> (Vec<usize>, usize, usize),
) -> Vec<usize> {
    let (mut found, mut number, mut size) = (Vec::new(), 1, size);
    loop {
        let (rows, answered, answered_size) = page(number, size);
        if rows.is_empty() {
            return found;
        }
        assert!(rows.len() <= answered_size && answered_size <= size);
        found.extend(rows);
        (number, size) = (answered + 1, answered_size);
    }
}

#[test]
fn a_page_of_buyer_that_is_too_long_is_a_smaller_one_and_says_so() {
    let (server, _) = server();
    let mut buyer = server.buyer("a");
    let mut page = |number: usize, size: usize| {
        let params = [
            ("shopname", "c/a/b"),
            ("page_no", &*number.to_string()),
            ("page_size", &*size.to_string()),
        ];
        let request = buyer.request("getHistoryMsg", &params);
        let response = buyer.http.call(&request);
        assert!(response.body.len() < ANSWER_BYTES_MAX);
        let data = &response.json()["data"];
        let mut rows = numbers(&data["detailList"], "text");
        rows.reverse();
        let number = data["current_page_no"].as_u64().expect("a number");
        let size = data["current_page_size"].as_u64().expect("a number");
        (rows, number as usize, size as usize)
    };
    for size in [1, 2, 10, 37, 100] {
        assert_eq!(walk(size, &mut page), newest_first(), "from {size} on");
    }
    // A later page begins where it was asked to begin.
    let (rows, number, size) = page(2, 20);
    assert_eq!(rows, newest_first()[20..20 + size]);
    assert_eq!((number - 1) * size, 20);
    assert!((1..20).contains(&size));
}

#[test]
fn a_page_of_conv_that_is_too_long_is_a_smaller_one_and_says_so() {
    let (server, _) = server();
    let mut backend = Backend::new(server.client());
    let profile = json!({"id": "a", "name": "\"".repeat(200), "img": "\"".repeat(2000)});
    backend.data("/im/user/profile", &profile);
    let mut page = |number: usize, size: usize| {
        let body = json!({"from_id": "a", "to_id": "c/a/b", "page_no": number, "page_size": size});
        let response = backend.call("/im/from/to", &body);
        assert_eq!(response.status, 200);
        assert!(response.body.len() < ANSWER_BYTES_MAX);
        let header = |name| {
            response
                .header(name)
                .map(|value| value.parse().expect("a number"))
        };
        let rows = numbers(&response.json(), "msg");
        let told = header("x-page-no").zip(header("x-page-size"));
        let (number, size) = told.unwrap_or((number, size));
        (rows, number, size)
    };
    for size in [1, 2, 10, 37, 100] {
        assert_eq!(walk(size, &mut page), newest_first(), "from {size} on");
    }
    let (rows, number, size) = page(2, 20);
    assert_eq!(rows, newest_first()[20..20 + size]);
    assert_eq!((number - 1) * size, 20);
    assert_eq!(page(45, 1), (vec![0], 45, 1));
}

#[test]
fn a_page_of_chat_that_is_too_long_is_refused_since_a_short_one_would_be_the_last() {
    let (_server, mut b) = server();
    let list = b.call("/im/user/chat/list", &json!({"userId": b.user}));
    let other = list[0]["toUserId"].as_u64().expect("a number");
    for body in [
        json!({"userId": b.user}),
        json!({"fromUserId": b.user, "toUserId": other}),
    ] {
        let page = |http: &mut Client, number: usize, size: usize| -> Response {
            let mut body = body.clone();
            body["pageNum"] = json!(number);
            body["pageSize"] = json!(size);
            let path = "/im/message/user/get/page";
            http.call(&Request::post(path, "application/json", body.to_string()))
        };
        for size in [10, 100] {
            let refused = page(&mut b.http, 1, size);
            assert_eq!(refused.status, 500);
            assert_eq!(refused.json()["reason"], "too_many");
        }
        let mut found: Vec<usize> = Vec::new();
        for number in 1.. {
            let response = page(&mut b.http, number, 2);
            assert_eq!(response.status, 200);
            assert!(response.body.len() < ANSWER_BYTES_MAX);
            let rows = numbers(&response.json(), "content");
            found.extend(&rows);
            if rows.len() < 2 {
                break;
            }
        }
        assert_eq!(found, newest_first());
    }
}

#[test]
fn a_history_of_jim_goes_on_at_the_first_message_that_is_missing() {
    let (server, _) = server();
    let mut a = server.jim("a");
    let mut found = Vec::new();
    loop {
        let command = json!({
            "cmd": 19, "type": 1, "userId": "a", "fromUserId": "c/a/b", "offset": found.len(), "count": 1000
        });
        a.socket.send(&command.to_string());
        let answer = a.socket.text();
        assert!(answer.len() < ANSWER_BYTES_MAX);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["code"], 10018);
        let list = &answer["data"]["friends"]["c/a/b"];
        if list.as_array().is_none_or(Vec::is_empty) {
            break;
        }
        found.extend(numbers(list, "content"));
    }
    found.reverse();
    assert_eq!(found, newest_first());
}
