//! The chat APIs as a client writes and reads them: messages out, answers and pushes in.

use std::borrow::Cow;
use std::fmt::Write;

use clap::ValueEnum;
use serde::Deserialize;

use super::socket::{Entry, Socket};
use crate::login::{Group, Identity};
use crate::wire::http;

/// What stands before `/buyer` in the server's paths.
pub const BUYER_PREFIX: &str = "/soa-im";

const JIM_JOINED: i64 = 9;
const JIM_LEFT: i64 = 10;
const JIM_PUSH: i64 = 11;
const JIM_ANSWER: i64 = 12;
const JIM_DELIVERED: i64 = 10_000;
const JIM_STORED: i64 = 10_001;

/// An API that messages are sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// WebSocket, by name
    Jim,
    /// WebSocket, by number, each message acknowledged by who gets it
    Chat,
    /// HTTP with JSON
    Conv,
    /// HTTP with forms
    Buyer,
}

/// An API that messages are pushed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Push {
    /// WebSocket, by name
    Jim,
    /// WebSocket, by number, each message acknowledged by who gets it
    Chat,
}

impl From<Push> for Dialect {
    fn from(push: Push) -> Dialect {
        match push {
            Push::Jim => Dialect::Jim,
            Push::Chat => Dialect::Chat,
        }
    }
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// A user.
    One(&'a Identity),
    /// A group.
    All(&'a Group),
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who sends it.
    pub from: &'a Identity,
    /// Whom it is for.
    pub to: To<'a>,
    /// The text: letters, digits and spaces.
    pub content: &'a str,
    /// The client's id: letters, digits and dashes, or digits alone for chat. Empty: none.
    pub id: &'a str,
}

/// What came over a WebSocket.
#[derive(Debug)]
pub enum Heard<'a> {
    /// The answer to the oldest message without one, and why it was refused.
    Answer(Result<(), String>),
    /// A message.
    Pushed {
        /// The text.
        content: Cow<'a, str>,
        /// The sender's name; empty in chat.
        from: Cow<'a, str>,
        /// The id; chat's is a number.
        id: Cow<'a, str>,
    },
    /// Something about others that came and went.
    Notice,
}

#[derive(Deserialize)]
struct JimFrame<'a> {
    command: i64,
    #[serde(default)]
    code: i64,
    #[serde(borrow, default)]
    data: Option<JimPush<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JimPush<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChatFrame<'a> {
    #[serde(borrow)]
    msg_type: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Cow<'a, str>,
    #[serde(default)]
    id: Option<u64>,
}

impl Dialect {
    /// How a user's connection begins.
    pub fn entry(self, identity: &Identity) -> Entry {
        match self {
            Dialect::Jim => Entry::Jim(identity.clone()),
            Dialect::Chat => Entry::Chat(identity.clone()),
            Dialect::Conv | Dialect::Buyer => Entry::Http,
        }
    }

    /// The client's id of message `number` of stream `stream`, in its own form.
    pub fn write_id(self, out: &mut String, run: &str, stream: usize, number: u64) {
        out.clear();
        // Writing to a string cannot fail.
        let _ = match self {
            Dialect::Chat => write!(out, "{}", ((stream as u64 + 1) << 32) + number + 1),
            _ => write!(out, "{run}-{stream}-{number}"),
        };
    }

    /// Sends a message on connection `id`; `scratch` is what it is written to.
    pub fn send(
        self,
        socket: &mut Socket<'_>,
        id: usize,
        message: &Message<'_>,
        scratch: &mut String,
    ) {
        scratch.clear();
        // Writing to a string cannot fail.
        let _ = match self {
            Dialect::Jim => write_jim(scratch, message),
            Dialect::Chat => write_chat(scratch, message),
            Dialect::Conv => write_conv(scratch, message),
            Dialect::Buyer => write_buyer(scratch, message),
        };
        let request = |socket: &mut Socket<'_>, path: &str, content_type| {
            let request = http::post(socket.links().authority(), path, content_type, scratch);
            socket.links().output(id).extend_from_slice(&request);
        };
        match self {
            Dialect::Jim | Dialect::Chat => socket.text(id, scratch.as_bytes()),
            Dialect::Conv => request(socket, "/im/send/msg", http::JSON),
            Dialect::Buyer => {
                request(socket, &format!("{BUYER_PREFIX}/buyer/sendMsg"), http::FORM);
            }
        }
    }

    /// Why an HTTP response refuses a message.
    ///
    /// # Errors
    /// The reason.
    pub fn judge(self, status: u16, body: &[u8]) -> Result<(), String> {
        let done = match self {
            Dialect::Buyer => memchr::memmem::find(body, br#""success":true"#).is_some(),
            _ => true,
        };
        match (status, done) {
            (200, true) => Ok(()),
            (200, false) => Err("success is not true".to_owned()),
            _ => Err(format!("status {status}")),
        }
    }

    /// Understands what came over a WebSocket.
    ///
    /// # Errors
    /// What it is instead.
    pub fn hear(self, payload: &[u8]) -> Result<Heard<'_>, String> {
        let no_json = |_| "answer that is no JSON".to_owned();
        if self == Dialect::Chat {
            let frame: ChatFrame<'_> = serde_json::from_slice(payload).map_err(no_json)?;
            return Ok(match &*frame.msg_type {
                "Ack" => Heard::Answer(Ok(())),
                "Error" => {
                    // What is behind it differs from message to message.
                    let cause = frame.content.split(",\"srcId\"").next();
                    Heard::Answer(Err(cause.unwrap_or_default().to_owned()))
                }
                "Event" => Heard::Notice,
                _ => Heard::Pushed {
                    content: frame.content,
                    from: "".into(),
                    id: frame.id.unwrap_or(0).to_string().into(),
                },
            });
        }
        let frame: JimFrame<'_> = serde_json::from_slice(payload).map_err(no_json)?;
        match (frame.command, frame.data) {
            (JIM_ANSWER, _) => Ok(Heard::Answer(match frame.code {
                JIM_DELIVERED | JIM_STORED => Ok(()),
                code => Err(code.to_string()),
            })),
            (JIM_PUSH, Some(push)) => Ok(Heard::Pushed {
                content: push.content,
                from: push.from,
                id: push.id,
            }),
            (JIM_JOINED | JIM_LEFT, _) => Ok(Heard::Notice),
            (command, _) => Err(format!("unexpected command {command}")),
        }
    }

    /// Acknowledges a message, where that is the custom.
    pub fn acknowledge(self, socket: &mut Socket<'_>, id: usize, message_id: &str) {
        if self == Dialect::Chat {
            let ack = format!(r#"{{"msgType":"Ack","content":"{{'srcId':{message_id}}}"}}"#);
            socket.text(id, ack.as_bytes());
        }
    }
}

fn write_jim(out: &mut String, message: &Message<'_>) -> std::fmt::Result {
    let from = &message.from.name;
    write!(out, r#"{{"cmd":11,"msgType":0,"from":"{from}","#)?;
    match message.to {
        To::One(to) => write!(out, r#""chatType":2,"to":"{}""#, to.name)?,
        To::All(group) => write!(out, r#""chatType":1,"groupId":"{}""#, group.name)?,
    }
    if !message.id.is_empty() {
        write!(out, r#","id":"{}""#, message.id)?;
    }
    write!(out, r#","content":"{}"}}"#, message.content)
}

fn write_chat(out: &mut String, message: &Message<'_>) -> std::fmt::Result {
    let from = message.from.user;
    write!(out, r#"{{"msgType":"Text","fromUserId":{from},"#)?;
    match message.to {
        To::One(to) => write!(out, r#""chatType":"Single","toUserId":{}"#, to.user)?,
        To::All(group) => write!(out, r#""chatType":"Group","teamId":{}"#, group.team)?,
    }
    if !message.id.is_empty() {
        write!(out, r#","id":{}"#, message.id)?;
    }
    write!(out, r#","content":"{}"}}"#, message.content)
}

fn write_conv(out: &mut String, message: &Message<'_>) -> std::fmt::Result {
    write!(out, r#"{{"msg_type":0,"from_id":"{}","#, message.from.name)?;
    match message.to {
        To::One(to) => write!(out, r#""to_id":"{}""#, to.name)?,
        To::All(group) => write!(out, r#""conv_id":"{}""#, group.name)?,
    }
    if !message.id.is_empty() {
        write!(out, r#","client_id":"{}""#, message.id)?;
    }
    write!(out, r#","msg":"{}"}}"#, message.content)
}

fn write_buyer(out: &mut String, message: &Message<'_>) -> std::fmt::Result {
    let Identity { name, token, .. } = message.from;
    let to = match message.to {
        To::One(to) => &to.name,
        To::All(group) => &group.name,
    };
    write!(out, "buyer_name={name}&token={token}&shopname=")?;
    // Of all that names and texts are made of here, only these need an escape.
    for part in to.split_inclusive('/') {
        match part.strip_suffix('/') {
            Some(part) => write!(out, "{part}%2F")?,
            None => out.push_str(part),
        }
    }
    if !message.id.is_empty() {
        write!(out, "&client_id={}", message.id)?;
    }
    out.push_str("&content=");
    out.extend(
        message
            .content
            .chars()
            .map(|c| if c == ' ' { '+' } else { c }),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_writes_a_message_in_its_own_way() {
        let user = |name: &str, user| Identity {
            name: name.to_owned(),
            token: "t".to_owned(),
            user,
        };
        let (from, to) = (user("a", 4), user("c/b", 5));
        let group = Group {
            name: "g".to_owned(),
            team: 6,
        };
        let message = Message {
            from: &from,
            to: To::One(&to),
            content: "1 2 ab",
            id: "7",
        };
        let all = Message {
            to: To::All(&group),
            id: "",
            ..message
        };
        type Write = fn(&mut String, &Message<'_>) -> std::fmt::Result;
        let cases: [(Write, &str, &str); 4] = [
            (
                write_jim,
                r#"{"cmd":11,"msgType":0,"from":"a","chatType":2,"to":"c/b","id":"7","content":"1 2 ab"}"#,
                r#"{"cmd":11,"msgType":0,"from":"a","chatType":1,"groupId":"g","content":"1 2 ab"}"#,
            ),
            (
                write_chat,
                r#"{"msgType":"Text","fromUserId":4,"chatType":"Single","toUserId":5,"id":7,"content":"1 2 ab"}"#,
                r#"{"msgType":"Text","fromUserId":4,"chatType":"Group","teamId":6,"content":"1 2 ab"}"#,
            ),
            (
                write_conv,
                r#"{"msg_type":0,"from_id":"a","to_id":"c/b","client_id":"7","msg":"1 2 ab"}"#,
                r#"{"msg_type":0,"from_id":"a","conv_id":"g","msg":"1 2 ab"}"#,
            ),
            (
                write_buyer,
                "buyer_name=a&token=t&shopname=c%2Fb&client_id=7&content=1+2+ab",
                "buyer_name=a&token=t&shopname=g&content=1+2+ab",
            ),
        ];
        for (write, one, group) in cases {
            for (message, expected) in [(&message, one), (&all, group)] {
                let mut out = String::new();
                write(&mut out, message).unwrap();
                assert_eq!(out, expected);
            }
        }
    }
}
