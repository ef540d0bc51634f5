//! Who gets in, with which token, and how one leaves.

use crate::harness::{
    Client, DONE, Jim, NOBODY, Server, Socket, answer, captures, check_pattern, eventually, token,
    vanke,
};
use serde_json::{Value, json};

/// The longest token.
const TOKEN_BYTES_MAX: usize = 256;
/// Most tokens of one account.
const TOKENS_MAX: usize = 1_000;

#[track_caller]
fn check_refused(server: &Server, target: &str) {
    let mut socket = Socket::open(server.addr(), target);
    socket.expect(&[r#"{"code":10008,"command":6,"msg":"login failed ! 登录失败!"}"#]);
    socket.expect_close(1008);
}

fn init(http: &mut Client, name: &str, token: &str) -> String {
    let body = json!({"senderId": name, "token": token, "type": 0});
    vanke(http, "initUser", &body)
}

#[test]
fn the_server_speaks_first() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    let mut socket = Socket::open(server.addr(), "/?token=token-of-a");
    socket.expect(&[r#"{"code":10007,"command":6,"msg":"ok 登录成功!"}"#]);
}

#[test]
fn a_token_that_nobody_bound_is_told_so_and_closed() {
    let server = Server::memory(&[]);
    server.jim_user("a");
    for target in [
        "/?token=token-of-b",
        "/?token=",
        "/?other=token-of-a",
        "/?token=Token-of-a",
    ] {
        check_refused(&server, target);
    }
}

#[test]
fn a_token_is_found_among_other_parameters_and_decoded() {
    let server = Server::memory(&[]);
    assert_eq!(init(&mut server.client(), "a", "it's 100% & 一"), DONE);
    let mut socket = Socket::open(
        server.addr(),
        "/?v=1&token=it%27s+100%25%20%26%20%E4%B8%80&x=y",
    );
    socket.expect(&[&answer(10007, 6)]);
}

#[test]
fn nothing_else_is_pushed_at_login() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    a.say("b", "1", "waits", 10001);
    let mut b = Jim::open(server.addr(), "b");
    a.say("b", "2", "live", 10000);
    b.hears("a", "2", "live");
    assert_eq!(b.ids(2, "a"), ["1", "2"]);
}

#[test]
fn a_token_bound_to_somebody_else_is_refused() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    assert_eq!(init(&mut http, "a", "T"), DONE);
    let taken = vanke(
        &mut http,
        "initUser",
        &json!({"senderId": "b", "token": "T", "type": 0}),
    );
    check_pattern(r#"{"code":500203,"msg":"<text>","data":null}"#, &taken);
    let body = json!({"senderId": "b", "token": "T", "type": 0, "receiverId": "a"});
    let taken = vanke(&mut http, "getReceiver", &body);
    check_pattern(r#"{"code":500203,"msg":"<text>","data":null}"#, &taken);
    let mut socket = Socket::open(server.addr(), "/?token=T");
    socket.expect(&[&answer(10007, 6)]);
    socket.exchange(r#"{"cmd":19,"type":2,"userId":"b"}"#, &[&answer(10020, 20)]);
}

#[test]
fn a_token_is_bound_by_either_call() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    assert_eq!(init(&mut http, "agent", "T1"), DONE);
    let body = json!({"senderId": "visitor", "token": "T2", "type": 0});
    assert_eq!(vanke(&mut http, "getReceiver", &body), NOBODY);
    let body = json!({"senderId": "visitor", "token": "T3", "type": 0, "receiverId": "agent"});
    let found: Value = serde_json::from_str(&vanke(&mut http, "getReceiver", &body)).expect("JSON");
    assert_eq!(found["data"]["id"], "agent");
    for token in ["T1", "T3"] {
        let mut socket = Socket::open(server.addr(), &format!("/?token={token}"));
        socket.expect(&[&answer(10007, 6)]);
    }
}

#[test]
fn tokens_have_1_to_256_bytes() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let longest = "t".repeat(TOKEN_BYTES_MAX);
    assert_eq!(init(&mut http, "a", &longest), DONE);
    let mut socket = Socket::open(server.addr(), &format!("/?token={longest}"));
    socket.expect(&[&answer(10007, 6)]);
    for token in ["", &*format!("{longest}t")] {
        let refused: Value = serde_json::from_str(&init(&mut http, "a", token)).expect("JSON");
        assert_ne!(refused["code"], 200, "{} bytes", token.len());
    }
    check_refused(&server, &format!("/?token={longest}t"));
}

#[test]
fn older_tokens_stay_valid_beside_newer_ones() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    for token in ["old", "new", "old"] {
        assert_eq!(init(&mut http, "a", token), DONE);
    }
    for token in ["old", "new"] {
        let mut socket = Socket::open(server.addr(), &format!("/?token={token}"));
        socket.expect(&[&answer(10007, 6)]);
    }
}

#[test]
fn too_many_tokens_end_the_least_recently_used_with_its_socket() {
    let server = Server::memory(&[]);
    let mut http = server.client();
    let mut ended = server.jim("a");
    for n in 1..TOKENS_MAX {
        assert_eq!(init(&mut http, "a", &format!("more{n}")), DONE);
    }
    ended.clock();
    let mut kept = Socket::open(server.addr(), "/?token=more1");
    kept.expect(&[&answer(10007, 6)]);
    assert_eq!(init(&mut http, "a", "one too many"), DONE);
    ended.socket.expect_close(1008);
    check_refused(&server, "/?token=token-of-a");
    kept.exchange("{}", &[&answer(10017, 0)]);
    let mut newest = Socket::open(server.addr(), "/?token=one+too+many");
    newest.expect(&[&answer(10007, 6)]);
}

#[test]
fn command_5_answers_for_a_token_of_the_sessions_user() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    assert_eq!(init(&mut server.client(), "a", "another of a"), DONE);
    for token in ["token-of-a", "another of a"] {
        let command = json!({"cmd": 5, "token": token}).to_string();
        a.socket.exchange(
            &command,
            &[r#"{"code":10007,"command":6,"msg":"ok 登录成功!"}"#],
        );
    }
    for command in [
        r#"{"cmd":5,"token":"token-of-b"}"#,
        r#"{"cmd":5,"token":"nobody's"}"#,
        r#"{"cmd":5}"#,
    ] {
        a.socket.exchange(
            command,
            &[r#"{"code":10008,"command":6,"msg":"login failed ! 登录失败!"}"#],
        );
    }
    a.clock();
}

#[test]
fn command_3_answers_for_a_token_of_the_sessions_user() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    a.socket.exchange(
        r#"{"cmd":3,"token":"token-of-a"}"#,
        &[r#"{"code":10009,"command":4,"msg":"ok 鉴权成功!"}"#],
    );
    for command in [r#"{"cmd":3,"token":"token-of-b"}"#, r#"{"cmd":3}"#] {
        a.socket.exchange(
            command,
            &[r#"{"code":10010,"command":4,"msg":"auth failed! 鉴权失败!"}"#],
        );
    }
    a.clock();
}

#[test]
fn command_13_answers_with_the_clock_and_minus_128() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for command in [
        r#"{"cmd":13,"hbbyte":"-127"}"#,
        r#"{"cmd":13,"hbbyte":5}"#,
        r#"{"cmd":"13"}"#,
    ] {
        let answer = a.call(command);
        let times = captures(
            r#"{"command":13,"data":{"createTime":<ms>,"hbbyte":-128}}"#,
            &answer,
        );
        assert!(times[0].starts_with('1'), "{answer}");
    }
}

#[test]
fn command_14_closes_this_connection_alone() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    let mut other = Jim::open(server.addr(), "a");
    a.socket.send(r#"{"cmd":14,"userId":"a"}"#);
    a.socket.expect_close(1000);
    other.clock();
    let mut again = Jim::open(server.addr(), "a");
    again.clock();
}

#[test]
fn a_user_is_online_as_long_as_one_connection_lives() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    a.say("b", "1", "x", 10001);
    let mut one = Jim::open(server.addr(), "b");
    let mut other = Jim::open(server.addr(), "b");
    a.say("b", "2", "x", 10000);
    one.socket.send(r#"{"cmd":14}"#);
    one.hears("a", "2", "x");
    one.socket.expect_close(1000);
    a.say("b", "3", "x", 10000);
    other.hears("a", "2", "x");
    other.hears("a", "3", "x");
    drop(other);
    let mut id = 3;
    eventually("b is offline", || {
        id += 1;
        let command = crate::harness::say("a", "b", &id.to_string(), "x");
        a.call(&command) == answer(10001, 12)
    });
}

#[test]
fn all_addresses_open_sockets() {
    let server = Server::memory(&["--listen", "127.0.0.1:0"]);
    server.jim_user("a");
    assert_eq!(server.addrs().len(), 2);
    for addr in server.addrs() {
        Jim::open(*addr, "a").clock();
    }
}

#[test]
fn where_keys_are_asked_for_only_their_holders_bind_tokens() {
    let secret = "0123456789abcdef";
    let server = Server::memory(&["--auth", "signed", "--app-key", &format!("shop:{secret}")]);
    let body = json!({"senderId": "a", "token": token("a"), "type": 0}).to_string();
    let request = crate::harness::Request::post("/im/vanke/initUser", "application/json", body);
    let refused = server.client().call(&request).json();
    assert_ne!(refused["code"], 200, "{refused}");
    check_refused(&server, "/?token=token-of-a");
    let request = request.header("Authorization", &format!("Bearer {secret}"));
    assert_eq!(server.client().call(&request).text(), DONE);
    Jim::open(server.addr(), "a").clock();
}
