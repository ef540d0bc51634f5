//! The answers as JSON, and refusals by HTTP status.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::smallvec;

use crate::dialect::json::{put_escaped, put_number, put_string};
use crate::dialect::{CallResult, Response, conversation_id, kinds};
use crate::domain::account::Account;
use crate::domain::backend::OverviewRow;
use crate::domain::command::Refusal;
use crate::domain::conversation::ConversationKind;
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message};
use crate::domain::query::MessagePage;
use crate::limits::ANSWER_BYTES_MAX;

const JSON: &str = "application/json";

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    status: u16,
    result: CallResult,
    message: Cow<'static, str>,
}

impl Refused {
    fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Refused {
        Refused {
            status,
            result: CallResult::of_status(status),
            message: message.into(),
        }
    }

    /// The request is wrong.
    pub fn bad(message: impl Into<Cow<'static, str>>) -> Refused {
        Refused::new(400, message)
    }

    /// The application's key is missing or wrong.
    pub fn unauthorized() -> Refused {
        Refused::new(401, "缺少应用密钥，或密钥不正确")
    }

    /// The message is too long.
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Refused {
        Refused::new(413, message)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        match refusal {
            Refusal::NoSuchAccount => Refused::new(404, "用户不存在"),
            Refusal::NoSuchConversation => Refused::new(404, "会话不存在"),
            Refusal::NotAGroup => Refused::bad("会话不是群"),
            Refusal::NotAMember => Refused::new(403, "不是该会话的成员"),
            Refusal::NotTheOwner => Refused::new(403, "不是群主"),
            Refusal::OtherPeer => Refused::bad("conv_id 与 to_id 不符"),
            Refusal::BadName => Refused::bad("用户 id 须为 1 到 255 字节，不能含有控制字符"),
            Refusal::ToSelf => Refused::bad("不能给自己发送消息"),
            Refusal::GroupFull => Refused::bad("群成员已满"),
            Refusal::NoSuchMessage => Refused::new(404, "没有这条消息"),
            Refusal::TokenTaken => Refused::new(403, "令牌已被占用"),
            Refusal::NoAgent => Refused::new(503, "客服不在线"),
            Refusal::Busy => Refused::new(503, "服务器繁忙，请稍后重试"),
            Refusal::Failure => Refused {
                result: CallResult::Failed,
                ..Refused::new(503, "服务器出错，请稍后重试")
            },
        }
    }
}

/// Writes a refusal.
pub(super) fn refuse(out: &mut Vec<u8>, refused: &Refused) -> Response {
    out.extend_from_slice(b"{\"code\":");
    put_number(out, refused.status);
    out.extend_from_slice(b",\"msg\":");
    put_string(out, &refused.message);
    out.push(b'}');
    Response {
        result: refused.result,
        ..Response::new(refused.status, JSON)
    }
}

/// Writes the answer of a call that has nothing to say.
pub(super) fn done(out: &mut Vec<u8>) -> Response {
    out.extend_from_slice(b"{}");
    Response::new(200, JSON)
}

/// The same with a header field.
pub(super) fn done_with(out: &mut Vec<u8>, name: &'static str, value: String) -> Response {
    Response {
        headers: smallvec![(name, Cow::Owned(value))],
        ..done(out)
    }
}

/// The list of conversations.
pub(super) fn overview(out: &mut Vec<u8>, rows: &[OverviewRow]) -> Response {
    list(out, rows, put_overview_row)
}

fn put_overview_row(out: &mut Vec<u8>, row: &OverviewRow) {
    let conversation = &row.conversation;
    let is_group = conversation.group().is_some();
    out.extend_from_slice(b"{\"conv_id\":\"");
    out.extend_from_slice(conversation_id::encode(conversation.id).as_bytes());
    out.extend_from_slice(b"\",\"conv_type\":");
    put_number(out, u8::from(is_group));
    out.extend_from_slice(b",\"conv_users\":[");
    put_items(out, &row.members, |out, account| {
        put_string(out, &account.name);
    });
    out.push(b']');
    if let ConversationKind::Single(_) = conversation.kind {
        out.extend_from_slice(b",\"users_type\":[");
        put_items(out, &row.members, |out, account| {
            put_string(out, IdParts::of(&account.name).kind);
        });
        out.push(b']');
    }
    out.extend_from_slice(b",\"last_msg\":\"");
    let mut last_kind = 0;
    if let Some((message, _)) = &row.last {
        last_kind = put_text(out, message);
    }
    out.extend_from_slice(b"\",\"last_msg_type\":");
    put_number(out, last_kind);
    out.extend_from_slice(b",\"last_user_name\":");
    let sender = row.last.as_ref().map(|(_, sender)| sender);
    put_string(out, sender.map_or("", |sender| shown_name(sender)));
    out.extend_from_slice(b",\"last_time\":");
    put_number(out, conversation.head.at.0);
    out.extend_from_slice(b",\"unread_count\":");
    put_number(out, row.unread);
    out.push(b'}');
}

/// A page of messages, newest first. Header fields say which page it is where that is another than the one that was asked for.
pub(super) fn transcript(out: &mut Vec<u8>, page: &MessagePage) -> Response {
    let mut response = list(out, page.messages.iter().rev(), |out, message| {
        let sender = page
            .accounts
            .iter()
            .find(|account| account.id == message.sender);
        put_message(out, message, sender.map(|sender| &**sender));
    });
    if let Some((number, size)) = page.instead {
        response
            .headers
            .push(("X-Page-No", Cow::Owned(number.to_string())));
        response
            .headers
            .push(("X-Page-Size", Cow::Owned(size.to_string())));
    }
    response
}

fn put_message(out: &mut Vec<u8>, message: &Message, sender: Option<&Account>) {
    let (name, shown, image) = sender.map_or(("", "", ""), |sender| {
        (&*sender.name, shown_name(sender), &*sender.profile.avatar)
    });
    let id = IdParts::of(name);
    out.extend_from_slice(b"{\"msg_id\":\"");
    put_number(out, message.id.0);
    out.extend_from_slice(b"\",\"msg_type\":");
    put_number(out, kinds::shown(Dialect::Conv, message).kind);
    out.extend_from_slice(b",\"msg\":\"");
    put_text(out, message);
    out.extend_from_slice(b"\",\"conv_id\":\"");
    out.extend_from_slice(conversation_id::encode(message.conversation).as_bytes());
    out.extend_from_slice(b"\",\"from_id\":");
    put_string(out, name);
    out.extend_from_slice(b",\"from_time\":");
    put_number(out, message.at.0);
    out.extend_from_slice(b",\"user\":{\"id\":");
    put_string(out, id.last);
    out.extend_from_slice(b",\"type\":");
    put_string(out, id.kind);
    out.extend_from_slice(b",\"img\":");
    put_string(out, image);
    out.extend_from_slice(b",\"name\":");
    put_string(out, shown);
    out.extend_from_slice(b"}}");
}

/// The members of a group.
pub(super) fn members(out: &mut Vec<u8>, members: &[(Arc<Account>, Member)]) -> Response {
    list(out, members, |out, (account, member)| {
        out.extend_from_slice(b"{\"id\":");
        put_string(out, &account.name);
        out.extend_from_slice(b",\"name\":");
        put_string(out, shown_name(account));
        out.extend_from_slice(b",\"alias\":");
        put_string(out, &member.alias);
        out.push(b'}');
    })
}

/// Appends what a message says, without quotes, and gives its type.
fn put_text(out: &mut Vec<u8>, message: &Message) -> i32 {
    let shown = kinds::shown(Dialect::Conv, message);
    for piece in shown.text() {
        put_escaped(out, piece);
    }
    shown.kind
}

/// The nickname, else the last part of the id.
fn shown_name(account: &Account) -> &str {
    match &*account.profile.nick {
        "" => IdParts::of(&account.name).last,
        nick => nick,
    }
}

/// What the id of a user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IdParts<'a> {
    /// The user's type, or empty.
    kind: &'a str,
    /// The id that is shown inside `user`.
    last: &'a str,
}

impl<'a> IdParts<'a> {
    /// Takes an id like `CKD_P_903000000000001` apart. One of another shape is its own last part.
    fn of(id: &'a str) -> IdParts<'a> {
        let mut parts = id.split('_');
        let three = (parts.next(), parts.next(), parts.next(), parts.next());
        match three {
            (Some(system), Some(kind), Some(last), None) if ![system, kind, last].contains(&"") => {
                IdParts { kind, last }
            }
            _ => IdParts { kind: "", last: id },
        }
    }
}

/// Writes a list. It ends before the row with which it would be longer than [`ANSWER_BYTES_MAX`].
fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut put_item: impl FnMut(&mut Vec<u8>, T),
) -> Response {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        let end = out.len();
        if index > 0 {
            out.push(b',');
        }
        put_item(out, item);
        if index > 0 && out.len() >= ANSWER_BYTES_MAX {
            out.truncate(end);
            break;
        }
    }
    out.push(b']');
    Response::new(200, JSON)
}

fn put_items<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut put_item: impl FnMut(&mut Vec<u8>, T),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_item(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_apart() {
        for (id, kind, last) in [
            ("CKD_P_903000000000001", "P", "903000000000001"),
            ("CKD_D_1", "D", "1"),
            ("chaogai", "", "chaogai"),
            ("a_b", "", "a_b"),
            ("a_b_c_d", "", "a_b_c_d"),
            ("_P_1", "", "_P_1"),
            ("CKD__1", "", "CKD__1"),
            ("CKD_P_", "", "CKD_P_"),
            ("", "", ""),
        ] {
            assert_eq!(IdParts::of(id), IdParts { kind, last }, "{id}");
        }
    }
}
