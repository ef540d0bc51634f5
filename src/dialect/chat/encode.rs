//! Frames with all their keys, rows of messages and lists, and refusals.

use crate::dialect::json::{put_escaped, put_number, put_string};
use crate::dialect::time::put_date_time;
use crate::dialect::{CallResult, Response, Settings, kinds};
use crate::domain::chat::{ChatRow, ListRow};
use crate::domain::command::Refusal;
use crate::domain::conversation::ConversationKind;
use crate::domain::ids::{AccountId, ConversationId, TimeMs};
use crate::domain::message::{Dialect, Message};
use crate::domain::presence::Presence;
use crate::limits::{ANSWER_BYTES_MAX, SLOT_BITS};

/// What is kept with a message to a service group, so that it is shown as one.
pub(super) const CUSTOM: &str = r#"{"chatType":"Custom"}"#;

/// The state of what was pushed and is not acknowledged.
const PUSHED: &str = "ServerToClientIng";

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot be understood, or a value cannot be what it is.
    BadRequest,
    /// Who asks is not known.
    NotLoggedIn,
    /// It belongs to somebody else.
    NotYours,
    /// There is no such thing.
    NotFound,
    /// There would be too many.
    TooMany,
    /// Too much is waiting.
    Busy,
    /// The server failed.
    Failure,
}

impl Refused {
    fn reason(self) -> &'static str {
        match self {
            Refused::BadRequest => "bad_request",
            Refused::NotLoggedIn => "not_logged_in",
            Refused::NotYours => "not_yours",
            Refused::NotFound => "not_found",
            Refused::TooMany => "too_many",
            Refused::Busy => "busy",
            Refused::Failure => "failure",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Refused::BadRequest => "参数错误",
            Refused::NotLoggedIn => "未登录或登录已失效",
            Refused::NotYours => "没有权限",
            Refused::NotFound => "用户、群或会话不存在",
            Refused::TooMany => "数量超过限制",
            Refused::Busy => "服务器繁忙，请稍后重试",
            Refused::Failure => "服务器内部错误",
        }
    }

    fn result(self) -> CallResult {
        match self {
            Refused::NotLoggedIn | Refused::NotYours => CallResult::Unauthorized,
            Refused::Busy => CallResult::Busy,
            Refused::Failure => CallResult::Failed,
            _ => CallResult::Refused,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        match refusal {
            Refusal::NoSuchAccount
            | Refusal::NoSuchConversation
            | Refusal::NotAGroup
            | Refusal::NoSuchMessage
            | Refusal::NoAgent => Refused::NotFound,
            Refusal::NotAMember
            | Refusal::NotTheOwner
            | Refusal::OtherPeer
            | Refusal::TokenTaken => Refused::NotYours,
            Refusal::BadName | Refusal::ToSelf => Refused::BadRequest,
            Refusal::GroupFull => Refused::TooMany,
            Refusal::Busy => Refused::Busy,
            Refusal::Failure => Refused::Failure,
        }
    }
}

/// A refusal over HTTP.
pub(super) fn refuse(out: &mut Vec<u8>, refused: Refused) -> Response {
    out.extend_from_slice(b"{\"msg\":");
    put_string(out, refused.message());
    out.extend_from_slice(b",\"code\":500,\"reason\":");
    put_string(out, refused.reason());
    out.push(b'}');
    Response {
        result: refused.result(),
        ..Response::new(500, "application/json")
    }
}

/// Where a message was said, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To this account.
    Single(AccountId),
    /// In this group.
    Group(ConversationId),
}

impl Place {
    /// The place of a message whose recipient is known if it was said to one.
    pub fn of(message: &Message, recipient: Option<AccountId>) -> Place {
        recipient.map_or(Place::Group(message.conversation), Place::Single)
    }

    fn chat_type(self, is_custom: bool) -> &'static str {
        match self {
            Place::Single(_) => "Single",
            Place::Group(_) if is_custom => "Custom",
            Place::Group(_) => "Group",
        }
    }
}

fn is_custom(message: &Message) -> bool {
    message.origin == Dialect::Chat && message.attributes.as_deref() == Some(CUSTOM)
}

/// The id under which a message is shown: its client's, if that client spoke this dialect.
pub(super) fn shown_id(message: &Message) -> u64 {
    let own = message
        .client_id
        .as_ref()
        .filter(|_| message.origin == Dialect::Chat);
    let id = own.and_then(|id| id.parse().ok());
    id.unwrap_or(message.id.0)
}

/// The number of a row in the list of the member with `slot`.
pub(super) fn row_id(conversation: ConversationId, slot: u32) -> u64 {
    conversation.0 << SLOT_BITS | u64::from(slot)
}

/// The conversation and slot of a row.
pub(super) fn row_place(id: u64) -> (ConversationId, u32) {
    let slot = id & ((1 << SLOT_BITS) - 1);
    (ConversationId(id >> SLOT_BITS), slot as u32)
}

/// A frame. What is `None` is sent as null.
#[derive(Default)]
struct Frame<'a> {
    from: u64,
    to: Option<u64>,
    team: Option<u64>,
    kind: &'static str,
    event: Option<&'static str>,
    content: [&'a str; 3],
    id: Option<u64>,
    at: i64,
    chat_type: Option<&'static str>,
    state: Option<&'static str>,
}

impl Frame<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        const REST_BYTES_USUAL: usize = 256;
        out.reserve(REST_BYTES_USUAL + self.content.iter().map(|piece| piece.len()).sum::<usize>());
        out.extend_from_slice(b"{\"fromUserId\":");
        put_number(out, self.from);
        put_key_number(out, "toUserId", self.to);
        put_key_number(out, "teamId", self.team);
        put_key_string(out, "msgType", Some(self.kind));
        put_key_string(out, "eventType", self.event);
        put_content(out, self.content);
        put_key_number(out, "id", self.id);
        out.extend_from_slice(b",\"timestamp\":");
        put_number(out, self.at);
        put_key_string(out, "chatType", self.chat_type);
        put_key_string(out, "stateEnum", self.state);
        out.extend_from_slice(b",\"isRead\":false}");
    }
}

fn put_key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn put_key_number(out: &mut Vec<u8>, key: &str, number: Option<u64>) {
    put_key(out, key);
    put_optional(out, number);
}

fn put_optional(out: &mut Vec<u8>, number: Option<u64>) {
    match number {
        Some(number) => put_number(out, number),
        None => out.extend_from_slice(b"null"),
    }
}

fn put_key_string(out: &mut Vec<u8>, key: &str, text: Option<&str>) {
    put_key(out, key);
    match text {
        Some(text) => put_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

fn put_content(out: &mut Vec<u8>, pieces: [&str; 3]) {
    out.extend_from_slice(b",\"content\":\"");
    pieces.iter().for_each(|piece| put_escaped(out, piece));
    out.push(b'"');
}

/// A message as its receivers are pushed it.
pub(super) fn put_push(out: &mut Vec<u8>, message: &Message, place: Place) {
    let shown = kinds::shown_by_name(message);
    let (to, team) = match place {
        Place::Single(to) => (Some(to.0), None),
        Place::Group(group) => (None, Some(group.0)),
    };
    let frame = Frame {
        from: message.sender.0,
        to,
        team,
        kind: shown.kind,
        content: shown.text(),
        id: Some(shown_id(message)),
        at: message.at.0,
        chat_type: Some(place.chat_type(is_custom(message))),
        state: Some(PUSHED),
        event: kinds::event_name(message.kind),
    };
    frame.put(out);
}

/// The server has stored a message.
pub(super) fn put_ack(out: &mut Vec<u8>, message: &Message, recipient: Option<AccountId>) {
    let place = Place::of(message, recipient);
    let (to, team) = match place {
        Place::Single(_) => (Some(message.sender.0), None),
        Place::Group(group) => (None, Some(group.0)),
    };
    let mut digits = itoa::Buffer::new();
    let frame = Frame {
        from: AccountId::SERVER.0,
        to,
        team,
        kind: "Ack",
        content: ["{\"srcId\":", digits.format(shown_id(message)), "}"],
        id: Some(message.id.0),
        at: message.at.0,
        chat_type: Some(place.chat_type(is_custom(message))),
        ..Frame::default()
    };
    frame.put(out);
}

/// Something was refused; `source` is the id of the message that it would have been.
pub(super) fn put_error(
    out: &mut Vec<u8>,
    refused: Refused,
    source: Option<u64>,
    to: Option<AccountId>,
    now: TimeMs,
) {
    let source = source.map_or(String::new(), |id| format!(",\"srcId\":{id}"));
    let content = format!("{{\"error\":\"{}\"{source}}}", refused.reason());
    let frame = Frame {
        from: AccountId::SERVER.0,
        to: to.map(|to| to.0),
        kind: "Error",
        content: [&content, "", ""],
        at: now.0,
        ..Frame::default()
    };
    frame.put(out);
}

/// So many messages wait.
pub(super) fn put_waiting(out: &mut Vec<u8>, count: u64, to: AccountId, now: TimeMs) {
    let count = count.to_string();
    let frame = Frame {
        from: AccountId::SERVER.0,
        to: Some(to.0),
        kind: "Event",
        event: Some("OfflineMessage"),
        content: ["您有", &count, "离线消息"],
        at: now.0,
        chat_type: Some("Single"),
        ..Frame::default()
    };
    frame.put(out);
}

/// Messages, as many as an answer can hold; whether those are all.
pub(super) fn put_rows(out: &mut Vec<u8>, presence: &dyn Presence, rows: &[ChatRow]) -> bool {
    put_list(out, rows, |out, row| put_row(out, presence, row))
}

fn put_list<T>(out: &mut Vec<u8>, rows: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) -> bool {
    let mut are_all = true;
    out.push(b'[');
    for (place, row) in rows.iter().enumerate() {
        let start = out.len();
        if place > 0 {
            out.push(b',');
        }
        put(out, row);
        if out.len() > ANSWER_BYTES_MAX && place > 0 {
            out.truncate(start);
            are_all = false;
            break;
        }
    }
    out.push(b']');
    are_all
}

fn put_row(out: &mut Vec<u8>, presence: &dyn Presence, row: &ChatRow) {
    let message = &*row.message;
    let shown = kinds::shown_by_name(message);
    let place = Place::of(message, row.recipient);
    out.extend_from_slice(b"{\"msgType\":");
    put_string(out, shown.kind);
    put_key_number(out, "fromUserId", Some(message.sender.0));
    put_key(out, "isRead");
    put_flag(out, row.is_read);
    put_key_string(out, "eventType", kinds::event_name(message.kind));
    put_key_number(out, "toUserId", row.recipient.map(|to| to.0));
    put_content(out, shown.text());
    let (conversation, position) = (message.conversation, message.position);
    let state = if row.is_acknowledged {
        "Client"
    } else if presence.was_pushed(row.receiver, conversation, position) {
        PUSHED
    } else {
        "Server"
    };
    put_key_string(out, "stateEnum", Some(state));
    let team = match place {
        Place::Single(_) => None,
        Place::Group(group) => Some(group.0),
    };
    put_key_number(out, "teamId", team);
    out.extend_from_slice(b",\"name\":null,\"serverSendTime\":null");
    put_key_number(out, "id", Some(shown_id(message)));
    let chat_type = place.chat_type(is_custom(message));
    put_key_string(out, "chatType", Some(chat_type));
    put_key(out, "timestamp");
    put_number(out, message.at.0);
    out.push(b'}');
}

fn put_flag(out: &mut Vec<u8>, flag: bool) {
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}

/// A user's list of conversations.
pub(super) fn put_conversations(out: &mut Vec<u8>, settings: &Settings, rows: &[ListRow]) {
    put_list(out, rows, |out, row| put_conversation(out, settings, row));
}

fn put_conversation(out: &mut Vec<u8>, settings: &Settings, row: &ListRow) {
    let (conversation, member) = (&row.conversation, &row.member);
    let (to, team, chat_type) = match &conversation.kind {
        ConversationKind::Single(pair) | ConversationKind::Events(pair) => {
            (Some(pair.other(member.account).0), None, "Single")
        }
        ConversationKind::Group(_) => (None, Some(conversation.id.0), "Group"),
    };
    out.extend_from_slice(b"{\"top\":");
    put_flag(out, member.pinned);
    put_key(out, "lastMsgId");
    match &row.last {
        None => out.extend_from_slice(b"null"),
        Some(last) => {
            let shown = kinds::shown_by_name(last);
            out.extend_from_slice(b"{\"msgType\":");
            put_string(out, shown.kind);
            put_key_number(out, "id", Some(shown_id(last)));
            put_content(out, shown.text());
            put_key(out, "timestamp");
            put_number(out, last.at.0);
            out.push(b'}');
        }
    }
    put_time(out, "createTime", settings, member.joined_at);
    put_key_number(out, "fromUserId", Some(member.account.0));
    put_key_number(out, "teamId", team);
    put_time(
        out,
        "updateTime",
        settings,
        conversation.head.at.max(member.joined_at),
    );
    put_key_number(out, "id", Some(row_id(conversation.id, member.slot.0)));
    put_key_number(
        out,
        "unReadCount",
        Some(member.unread(conversation.head.position)),
    );
    put_key_number(out, "toUserId", to);
    put_key_string(out, "chatType", Some(chat_type));
    out.push(b'}');
}

fn put_time(out: &mut Vec<u8>, key: &str, settings: &Settings, at: TimeMs) {
    put_key(out, key);
    out.push(b'"');
    put_date_time(out, &settings.zone, at);
    out.push(b'"');
}

/// A new team.
pub(super) fn put_team(out: &mut Vec<u8>, id: ConversationId, name: &str, members: &[AccountId]) {
    out.extend_from_slice(b"{\"id\":");
    put_number(out, id.0);
    put_key_string(out, "name", Some(name));
    put_key(out, "members");
    put_list(out, members, |out, member| {
        out.extend_from_slice(b"{\"userId\":");
        put_number(out, member.0);
        put_key_number(out, "teamId", Some(id.0));
        out.push(b'}');
    });
    out.push(b'}');
}
