//! Messages as this dialect shows them, and what it keeps with its own that the others do not need.

use std::sync::Arc;

use crate::dialect::json::{put_escaped, put_number, put_string};
use crate::dialect::{Settings, conversation_id, kinds};
use crate::domain::conversation::{Conversation, ConversationKind};
use crate::domain::ids::MessageId;
use crate::domain::message::{Dialect, Message};

/// What a message of this dialect keeps besides its body. Kept as three lines, empty where there is nothing: the first survives a recall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes<'a> {
    /// The client's time as it came, a JSON number or string.
    pub create_time: &'a str,
    /// The client's own fields, a JSON object.
    pub extras: &'a str,
    /// The content as compact JSON, where the body is only its text.
    pub content: &'a str,
}

impl<'a> Attributes<'a> {
    /// The attributes of a message of this dialect.
    pub fn of(message: &'a Message) -> Attributes<'a> {
        let own = message
            .attributes
            .as_deref()
            .filter(|_| message.origin == Dialect::Jim);
        let mut lines = own.unwrap_or_default().split('\n');
        let mut next = || lines.next().unwrap_or_default();
        Attributes {
            create_time: next(),
            extras: next(),
            content: next(),
        }
    }

    /// What is stored; `None` when there is nothing.
    pub fn encode(&self) -> Option<Arc<str>> {
        if *self == Attributes::default() {
            return None;
        }
        let Attributes {
            create_time,
            extras,
            content,
        } = self;
        Some(format!("{create_time}\n{extras}\n{content}").into())
    }
}

/// Where a message was said, as its reader is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    /// To this account.
    To(&'a str),
    /// In this group.
    In(&'a str),
}

/// The id under which a group is known here: the name under which it was made here, else what all dialects call it.
pub(super) fn group_id(conversation: &Conversation) -> String {
    match &conversation.kind {
        ConversationKind::Group(group) if group.jim_name.is_some() => {
            group.jim_name.as_deref().unwrap_or_default().to_owned()
        }
        _ => conversation_id::encode(conversation.id),
    }
}

/// Appends a message as an object, its keys in the order of the alphabet.
pub(super) fn put_message(
    out: &mut Vec<u8>,
    settings: &Settings,
    message: &Message,
    from: &str,
    said: Said<'_>,
) {
    let attributes = Attributes::of(message);
    out.extend_from_slice(match said {
        Said::To(_) => b"{\"chatType\":2,\"cmd\":11,\"content\":\"",
        Said::In(_) => b"{\"chatType\":1,\"cmd\":11,\"content\":\"",
    });
    let kind = put_content(out, settings, message, attributes.content);
    out.extend_from_slice(b"\",\"createTime\":");
    match attributes.create_time {
        "" => put_number(out, message.at.0),
        given => out.extend_from_slice(given.as_bytes()),
    }
    if message.recalled {
        out.extend_from_slice(b",\"extras\":{\"recalled\":true}");
    } else if !attributes.extras.is_empty() {
        out.extend_from_slice(b",\"extras\":");
        out.extend_from_slice(attributes.extras.as_bytes());
    }
    out.extend_from_slice(b",\"from\":");
    put_string(out, from);
    if let Said::In(group) = said {
        out.extend_from_slice(b",\"groupId\":");
        put_string(out, group);
    }
    out.extend_from_slice(b",\"id\":");
    put_id(out, message);
    out.extend_from_slice(b",\"msgType\":");
    put_number(out, kind);
    if let Said::To(to) = said {
        out.extend_from_slice(b",\"to\":");
        put_string(out, to);
    }
    out.push(b'}');
}

/// Appends what stands between the quotes of `content`; gives the message's type.
fn put_content(out: &mut Vec<u8>, settings: &Settings, message: &Message, content: &str) -> i32 {
    let shown = kinds::shown(Dialect::Jim, message);
    let [label, space, body] = shown.text();
    let body = if content.is_empty() { body } else { content };
    let is_plain = shown.kind == 0 && (message.origin != Dialect::Jim || !label.is_empty());
    match &settings.jim_text_field {
        Some(field) if is_plain && !message.recalled => {
            let mut wrapped = Vec::with_capacity(body.len() + field.len() + 8);
            wrapped.push(b'{');
            put_string(&mut wrapped, field);
            wrapped.extend_from_slice(b":\"");
            [label, space, body]
                .iter()
                .for_each(|piece| put_escaped(&mut wrapped, piece));
            wrapped.extend_from_slice(b"\"}");
            put_escaped(out, &String::from_utf8_lossy(&wrapped));
        }
        _ => [label, space, body]
            .iter()
            .for_each(|piece| put_escaped(out, piece)),
    }
    shown.kind
}

/// Appends the id under which a message is known here: the client's if it was sent here with one, else one made of the server's.
pub(super) fn put_id(out: &mut Vec<u8>, message: &Message) {
    match &message.client_id {
        Some(client_id) if message.origin == Dialect::Jim => put_string(out, client_id),
        _ => {
            let mut digits = [b'0'; 32];
            let mut rest = message.id.0;
            for digit in digits.iter_mut().rev() {
                *digit = match (rest & 0xf) as u8 {
                    low @ 0..=9 => b'0' + low,
                    high => b'a' + high - 10,
                };
                rest >>= 4;
            }
            out.push(b'"');
            out.extend_from_slice(&digits);
            out.push(b'"');
        }
    }
}

/// The server's id that an id of 32 digits stands for.
pub(super) fn parse_id(text: &str) -> Option<MessageId> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 32 || !text.bytes().all(is_digit) {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    u64::try_from(number).ok().map(MessageId)
}
