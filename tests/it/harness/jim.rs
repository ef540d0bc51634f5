//! The `jim` API as its clients use it: a profile over HTTP, then a socket.

use super::{Client, Request, Server, Socket};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The codes of answers and their texts.
pub const TEXTS: [(u16, &str); 19] = [
    (200, "success "),
    (10000, "ok 发送成功"),
    (10001, "offline 用户不在线"),
    (
        10002,
        "send failed 消息发送失败,数据格式不正确,请参考:{'from':来源ID,'to':目标ID,'cmd':'消息命令码',\
         'createTime':消息创建时间(Long型),'msgType':Integer消息类型,'content':内容}",
    ),
    (10004, "get user failed ! 获取用户信息失败!"),
    (10007, "ok 登录成功!"),
    (10008, "login failed ! 登录失败!"),
    (10009, "ok 鉴权成功!"),
    (10010, "auth failed! 鉴权失败!"),
    (10011, "join group ok! 加入群组成功!"),
    (10012, "join group failed! 加入群组失败!"),
    (10015, "get user message failed! 获取用户消息失败!"),
    (10017, "cmd failed! 未知的cmd命令!"),
    (10018, "get user message ok! 获取历史消息成功!"),
    (10020, "Invalid verification! 不合法校验"),
    (10021, "close ok! 关闭成功"),
    (10022, "busy 服务器繁忙,请稍后重试"),
    (10023, "recall ok! 撤回成功"),
    (10024, "recall failed! 撤回失败"),
];

/// The text of a code.
#[track_caller]
pub fn text_of_code(code: u16) -> &'static str {
    let found = TEXTS.iter().find(|(known, _)| *known == code);
    found.expect("a code of jim").1
}

/// The exact answer that has a code and no data.
#[track_caller]
pub fn answer(code: u16, command: u16) -> String {
    let msg = text_of_code(code);
    format!(r#"{{"code":{code},"command":{command},"msg":"{msg}"}}"#)
}

/// The exact answer that has data.
#[track_caller]
pub fn answer_with(code: u16, command: u16, data: &str) -> String {
    let msg = text_of_code(code);
    format!(r#"{{"code":{code},"command":{command},"data":{data},"msg":"{msg}"}}"#)
}

/// The exact push of a message.
pub fn push(data: &str) -> String {
    format!(r#"{{"command":11,"data":{data}}}"#)
}

/// The exact form of a message from one user to another, with nothing optional.
pub fn message(from: &str, to: &str, id: &str, text: &str) -> String {
    format!(
        r#"{{"chatType":2,"cmd":11,"content":"{text}","createTime":7,"from":"{from}","id":"{id}","msgType":0,"to":"{to}"}}"#
    )
}

/// The exact form of a message in a group, with nothing optional.
pub fn group_message(from: &str, group: &str, id: &str, text: &str) -> String {
    format!(
        r#"{{"chatType":1,"cmd":11,"content":"{text}","createTime":7,"from":"{from}","groupId":"{group}","id":"{id}","msgType":0}}"#
    )
}

/// The command that sends [`message`].
pub fn say(from: &str, to: &str, id: &str, text: &str) -> String {
    format!(
        r#"{{"cmd":11,"from":"{from}","to":"{to}","id":"{id}","content":"{text}","createTime":7,"chatType":2,"msgType":0}}"#
    )
}

/// The command that sends [`group_message`].
pub fn say_in(from: &str, group: &str, id: &str, text: &str) -> String {
    format!(
        r#"{{"cmd":11,"from":"{from}","groupId":"{group}","id":"{id}","content":"{text}","createTime":7,"chatType":1,"msgType":0}}"#
    )
}

/// The exact body of an answer to a call over HTTP.
#[track_caller]
pub fn vanke(http: &mut Client, call: &str, body: &Value) -> String {
    let path = format!("/im/vanke/{call}");
    let response = http.call(&Request::post(path, "application/json", body.to_string()));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.assert_media_type("application/json");
    response.text().to_owned()
}

/// What a call over HTTP answers that has nothing to say.
pub const DONE: &str = r#"{"code":200,"msg":"success","data":null}"#;

/// What `getReceiver` answers where nobody can be found.
pub const NOBODY: &str = r#"{"code":500,"msg":"当前客服繁忙，建议您电话咨询!","data":null}"#;

/// A user with one open socket.
pub struct Jim {
    /// The socket, past its login frame.
    pub socket: Socket,
    /// The user's name.
    pub name: String,
}

impl Jim {
    /// Opens a socket with the token of [`Server::jim`] for a user who has one.
    #[track_caller]
    pub fn open(addr: SocketAddr, name: &str) -> Jim {
        let mut socket = Socket::open(addr, &target(name));
        socket.expect(&[&answer(10007, 6)]);
        let name = name.to_owned();
        Jim { socket, name }
    }

    /// Sends a command and gives the answer.
    #[track_caller]
    pub fn call(&mut self, command: &str) -> String {
        self.socket.send(command);
        self.socket.text()
    }

    /// The same, both as JSON.
    #[track_caller]
    pub fn json(&mut self, command: &Value) -> Value {
        let answer = self.call(&command.to_string());
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }

    /// Sends a text and asserts the code of the answer.
    #[track_caller]
    pub fn say(&mut self, to: &str, id: &str, text: &str, code: u16) {
        let command = say(&self.name, to, id, text);
        self.socket.exchange(&command, &[&answer(code, 12)]);
    }

    /// Asserts the message that comes.
    #[track_caller]
    pub fn hears(&mut self, from: &str, id: &str, text: &str) {
        let expected = push(&message(from, &self.name, id, text));
        self.socket.expect(&[&expected]);
    }

    /// Command 19 with these fields beside `userId`, which must succeed: its `data`.
    #[track_caller]
    pub fn messages(&mut self, fields: &Value) -> Value {
        let mut command = json!({"cmd": 19, "userId": self.name});
        let all = command.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        let mut answer = self.json(&command);
        assert_eq!(
            (answer["code"].as_u64(), answer["command"].as_u64()),
            (Some(10018), Some(20)),
            "{answer}"
        );
        answer["data"].take()
    }

    /// The ids of the messages with somebody in an answer to command 19 of this type.
    #[track_caller]
    pub fn ids(&mut self, kind: u8, with: &str) -> Vec<String> {
        let data = self.messages(&json!({"type": kind, "fromUserId": with}));
        ids(&data["friends"][with])
    }

    /// The ids of the messages of a group in an answer to command 19 of this type.
    #[track_caller]
    pub fn group_ids(&mut self, kind: u8, group: &str) -> Vec<String> {
        let data = self.messages(&json!({"type": kind, "groupId": group}));
        ids(&data["groups"][group])
    }

    /// The server's clock in milliseconds.
    #[track_caller]
    pub fn clock(&mut self) -> i64 {
        let answer = self.json(&json!({"cmd": 13, "hbbyte": "-127"}));
        assert_eq!(answer["command"], 13, "not a heartbeat's: {answer}");
        answer["data"]["createTime"].as_i64().expect("a time")
    }

    /// Waits until the server's clock has moved on.
    #[track_caller]
    pub fn next_ms(&mut self) -> i64 {
        let start = self.clock();
        loop {
            let time = self.clock();
            if time > start {
                return time;
            }
        }
    }
}

/// The users join a group one after another; all notices are heard. None may have another socket.
#[track_caller]
pub fn join_all(members: &mut [&mut Jim], group: &str) {
    for at in 0..members.len() {
        let (before, rest) = members.split_at_mut(at);
        let joiner = &mut rest[0];
        joiner
            .socket
            .send(&json!({"cmd": 7, "groupId": group}).to_string());
        let notice = joiner.socket.text();
        assert!(notice.starts_with(r#"{"command":9,"#), "{notice}");
        let data = json!({"group": group, "result": 1}).to_string();
        joiner.socket.expect(&[&answer_with(10011, 8, &data)]);
        for member in before {
            member.socket.expect(&[&notice]);
        }
    }
}

/// The ids in a list of messages; none where there is no list.
pub fn ids(list: &Value) -> Vec<String> {
    let rows = list.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter()
        .map(|row| row["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// The token of a user of [`Server::jim`].
pub fn token(name: &str) -> String {
    format!("token-of-{name}")
}

fn target(name: &str) -> String {
    format!("/?token={}", token(name))
}

impl Server {
    /// Makes a visitor with nothing but a name.
    #[track_caller]
    pub fn jim_user(&self, name: &str) {
        self.jim_profile(name, 0, "");
    }

    /// Makes a user of a type (0 visitor, 1 agent, 2 consultant) with a nickname.
    #[track_caller]
    pub fn jim_profile(&self, name: &str, kind: u8, nick: &str) {
        let body = json!({"senderId": name, "token": token(name), "type": kind, "nick": nick});
        assert_eq!(vanke(&mut self.client(), "initUser", &body), DONE);
    }

    /// Makes a visitor and opens a socket for them.
    #[track_caller]
    pub fn jim(&self, name: &str) -> Jim {
        self.jim_user(name);
        Jim::open(self.addr(), name)
    }

    /// Makes an agent and opens a socket for them.
    #[track_caller]
    pub fn agent(&self, name: &str) -> Jim {
        self.jim_profile(name, 1, "");
        Jim::open(self.addr(), name)
    }
}
