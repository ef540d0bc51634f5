//! What clients may write otherwise, and what they get who write nonsense.

use crate::harness::{Jim, Server, Socket, answer, push, say};
use serde_json::json;
use tungstenite::Message;

const UNKNOWN: &str = r#"{"code":10017,"command":0,"msg":"cmd failed! 未知的cmd命令!"}"#;
const SENT: &str = r#"{"code":10000,"command":12,"msg":"ok 发送成功"}"#;

#[test]
fn unknown_commands_are_told_so_and_the_connection_stays() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    for command in [
        "{}",
        r#"{"cmd":null}"#,
        r#"{"cmd":""}"#,
        r#"{"cmd":0}"#,
        r#"{"cmd":1}"#,
        r#"{"cmd":2}"#,
        r#"{"cmd":4}"#,
        r#"{"cmd":6}"#,
        r#"{"cmd":8}"#,
        r#"{"cmd":9}"#,
        r#"{"cmd":12}"#,
        r#"{"cmd":16}"#,
        r#"{"cmd":18}"#,
        r#"{"cmd":20}"#,
        r#"{"cmd":99}"#,
        r#"{"cmd":-11}"#,
        r#"{"cmd":11.5}"#,
        r#"{"cmd":"eleven"}"#,
        r#"{"cmd":18446744073709551627}"#,
        r#"{"cmd":[13]}"#,
        r#"{"cmd":{"cmd":13}}"#,
        r#"{"command":13}"#,
    ] {
        a.socket.send(command);
        assert_eq!(a.socket.text(), UNKNOWN, "{command}");
    }
    a.clock();
}

#[test]
fn malformed_json_is_told_so_and_the_connection_stays() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in [
        "",
        " ",
        "nonsense",
        "[]",
        "13",
        "null",
        "\"cmd\"",
        "{\"cmd\":13",
        "{\"cmd\":13}}",
        "{\"cmd\":13}{\"cmd\":13}",
        "{\"cmd\":13,}",
        "{cmd:13}",
        "{'cmd\":13}",
        "{\"cmd\":13,\"x\":\"\\u12\"}",
        "{\"cmd\":13,\"x\":\"\\ud800\"}",
        "{\"cmd\":13,\"x\":01}",
        &deep,
    ] {
        a.socket.send(text);
        assert_eq!(a.socket.text(), UNKNOWN, "{}", &text[..text.len().min(60)]);
    }
    a.clock();
}

#[test]
fn names_of_fields_match_without_case_and_dashes() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim("b").say("a", "1", "x", 10000);
    a.hears("b", "1", "x");
    for (user, from) in [
        ("userId", "fromUserId"),
        ("userid", "fromuserid"),
        ("user_id", "from_user_id"),
        ("USER-ID", "From-User-Id"),
        ("UserID", "FROMUSERID"),
    ] {
        let command = format!(r#"{{"CMD":19,"Type":2,"{user}":"a","{from}":"b"}}"#);
        let answer: serde_json::Value = serde_json::from_str(&a.call(&command)).expect("JSON");
        assert_eq!(
            crate::harness::ids(&answer["data"]["friends"]["b"]),
            ["1"],
            "{command}"
        );
        let command = format!(r#"{{"cmd":19,"type":2,"{user}":"b"}}"#);
        a.socket.exchange(&command, &[&answer_of_somebody_else()]);
    }
}

fn answer_of_somebody_else() -> String {
    answer(10020, 20)
}

#[test]
fn fields_of_a_message_match_so_too() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    a.socket.exchange(
        r#"{"Cmd":"11","FROM":"a","To":"b","ID":"1","Content":"x","create_time":7,"chat-type":"2","msg_type":"1","Extras":{"k_K":1}}"#,
        &[SENT],
    );
    b.socket.expect(&[&push(
        r#"{"chatType":2,"cmd":11,"content":"x","createTime":7,"extras":{"k_K":1},"from":"a","id":"1","msgType":1,"to":"b"}"#,
    )]);
}

#[test]
fn single_quotes_will_do() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    a.socket.exchange(
        r#"{'cmd':'11','from':'a','to':'b','id':'1','content':'he said "it\'s"','createTime':7,'chatType':2,'msgType':0}"#,
        &[SENT],
    );
    b.socket.expect(&[&push(
        r#"{"chatType":2,"cmd":11,"content":"he said \"it's\"","createTime":7,"from":"a","id":"1","msgType":0,"to":"b"}"#,
    )]);
    // In an ordinary string the other quote is itself.
    a.socket.exchange(&say("a", "b", "2", "it's"), &[SENT]);
    b.hears("a", "2", "it's");
    a.socket.exchange(
        r#"{'cmd':11,'to':'b','id':'3','content':{'k':'v'},'createTime':7,'chatType':2}"#,
        &[SENT],
    );
    b.socket.expect(&[&push(
        r#"{"chatType":2,"cmd":11,"content":"{\"k\":\"v\"}","createTime":7,"from":"a","id":"3","msgType":0,"to":"b"}"#,
    )]);
}

#[test]
fn binary_frames_are_read_and_answered_in_text() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    a.socket
        .send_message(Message::binary(say("a", "b", "1", "在吗").into_bytes()));
    a.socket.expect(&[SENT]);
    b.hears("a", "1", "在吗");
    a.socket
        .send_message(Message::binary(&b"{\"cmd\":\xff}"[..]));
    a.socket.expect(&[UNKNOWN]);
}

#[test]
fn a_byte_order_mark_and_space_around_are_let_through() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    a.socket
        .exchange("\u{feff}{\"cmd\":3}", &[&answer(10010, 4)]);
    a.socket
        .exchange(" \r\n\t{ \"cmd\" :\n3 } ", &[&answer(10010, 4)]);
}

#[test]
fn nulls_and_empty_texts_are_absent() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    for (id, fields) in [
        (
            "1",
            r#""from":"","extras":null,"msgType":null,"groupId":"""#,
        ),
        (
            "2",
            r#""from":null,"extras":"","msgType":"","groupId":null"#,
        ),
    ] {
        let command = format!(
            r#"{{"cmd":11,"to":"b","id":"{id}","content":"x","createTime":7,"chatType":2,{fields}}}"#
        );
        a.socket.exchange(&command, &[SENT]);
        b.hears("a", id, "x");
    }
    let data = b.messages(
        &json!({"type": "2", "fromUserId": "a", "groupId": "", "beginTime": null,
        "endTime": "", "offset": null, "count": ""}),
    );
    assert_eq!(data["friends"]["a"].as_array().expect("a list").len(), 2);
}

#[test]
fn numbers_may_be_texts_and_texts_numbers() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    let mut number = server.jim("12345");
    a.socket.exchange(
        r#"{"cmd":"11","to":12345,"id":9,"content":"x","createTime":7,"chatType":"2","msgType":"0"}"#,
        &[SENT],
    );
    number.hears("a", "9", "x");
    let command = r#"{"cmd":"19","type":"2","userId":12345,"fromUserId":"a"}"#;
    assert!(number.call(command).contains(r#""id":"9""#));
}

#[test]
fn unknown_fields_are_ignored() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    let command = say("a", "b", "1", "x").replace('{', r#"{"x":[{"cmd":99}],"y":null,"#);
    a.socket.exchange(&command, &[SENT]);
    b.hears("a", "1", "x");
}

#[test]
fn a_command_may_come_in_fragments() {
    let server = Server::memory(&[]);
    let (mut a, mut b) = (server.jim("a"), server.jim("b"));
    let command = say("a", "b", "1", "在吗");
    let bytes = command.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let opcode = if at == 0 { 1 } else { 0 };
        let fin = if at + 1 == bytes.len() { 0x80 } else { 0 };
        a.socket
            .send_raw(&crate::harness::frame(fin | opcode, &[*byte]));
    }
    a.socket.expect(&[SENT]);
    b.hears("a", "1", "在吗");
}

#[test]
fn frames_may_be_cut_anywhere() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    let mut b = server.jim("b");
    let bytes = crate::harness::frame(0x81, say("a", "b", "1", "x").as_bytes());
    for byte in &bytes {
        a.socket.send_raw(&[*byte]);
    }
    a.socket.expect(&[SENT]);
    b.hears("a", "1", "x");
}

#[test]
fn plain_text_may_be_wrapped_for_clients_that_always_parse() {
    let server = Server::memory(&["--jim-text-field", "text"]);
    let mut a = server.jim("a");
    server.buyer("b").send("a", "在\"吗");
    let pushed: serde_json::Value = serde_json::from_str(&a.socket.text()).expect("JSON");
    assert_eq!(pushed["data"]["content"], r#"{"text":"在\"吗"}"#);
    let data = a.messages(&json!({"type": 0, "fromUserId": "b"}));
    assert_eq!(data["friends"]["b"][0]["content"], r#"{"text":"在\"吗"}"#);
}

#[test]
fn two_sockets_have_two_sessions() {
    let server = Server::memory(&[]);
    let mut a = server.jim("a");
    server.jim_user("b");
    let mut b = Socket::open(server.addr(), "/?token=token-of-b");
    b.expect(&[&answer(10007, 6)]);
    let command = r#"{"cmd":11,"chatType":2,"to":"a","id":"1","content":"x","createTime":7}"#;
    b.exchange(command, &[SENT]);
    let mut a2 = Jim::open(server.addr(), "a");
    a.hears("b", "1", "x");
    b.exchange(&command.replace("\"1\"", "\"2\""), &[SENT]);
    a.hears("b", "2", "x");
    a2.hears("b", "2", "x");
}
