//! What a frame of a client asks for.

use std::sync::Arc;

use crate::dialect::jim::encode::Keep;
use crate::dialect::jim::message::{Attributes, parse_id};
use crate::dialect::jim::read::{BadValue, Field, Fields, Value};
use crate::dialect::jim::status::{self, Status};
use crate::dialect::json::put_string;
use crate::dialect::socket::Turnstile;
use crate::dialect::{conversation_id, kinds};
use crate::domain::command::{Peer, Recall, Who};
use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::message::{Dialect, MessageKind};
use crate::limits::{
    CLIENT_ID_BYTES_MAX, EPOCH_SECONDS_BELOW, EXTRAS_BYTES_MAX, LIST_ROWS_MAX, NAME_BYTES_MAX,
};

/// A frame of a client, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is refused with this status under this command's number.
    Refused(Status, u8),
    /// A heartbeat.
    Beat,
    /// To authenticate (cmd 3) or log in (cmd 5) with a token.
    Token {
        /// The answer's number, 4 or 6.
        command: u8,
        /// The token; `None` if there is none.
        token: Option<String>,
    },
    /// To join the group of that name.
    Join(Arc<str>),
    /// To leave a group.
    Leave(Peer),
    /// To say something.
    Say(Box<Said>),
    /// To close the connection.
    Close,
    /// To take a message back.
    Recall(Box<Recall>),
    /// The contacts.
    Contacts(Contacts),
    /// What is unread, from everybody or in one conversation.
    Unread {
        /// Which conversation.
        peer: Option<Peer>,
        /// Whether it is read thereby.
        mark: bool,
    },
    /// A part of a conversation.
    History {
        /// Which conversation.
        peer: Peer,
        /// Not before and not after.
        times: Option<(TimeMs, TimeMs)>,
        /// How many to pass over and how many to give.
        slice: Option<(u64, usize)>,
    },
}

/// What is asked of the contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contacts {
    /// Who is online.
    Online,
    /// All.
    All,
    /// With their newest messages.
    Details {
        /// Only those with unread messages.
        unread: bool,
        /// Only those with a recent message.
        recent: bool,
        /// Only those whose nickname or id contains this.
        text: Option<Arc<str>>,
    },
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// To whom or where.
    pub to: Peer,
    /// What the body is.
    pub kind: MessageKind,
    /// What other dialects show.
    pub body: Arc<str>,
    /// How long the content was, in bytes.
    pub content_bytes: usize,
    /// The client's id.
    pub client_id: Option<Arc<str>>,
    /// What is kept with it.
    pub attributes: Option<Arc<str>>,
}

/// Who the frame comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: &'a str,
}

/// Understands a frame, and says whether it may follow others before they are answered.
pub(super) fn decode(payload: &[u8], session: Session<'_>) -> (Turnstile, Asked) {
    let asked = match Fields::read(payload) {
        Ok(fields) => command(&fields, session),
        Err(_) => Asked::Refused(status::UNKNOWN_COMMAND, 0),
    };
    let turnstile = match asked {
        Asked::Say(_) | Asked::Join(_) | Asked::Leave(_) => Turnstile::Write,
        _ => Turnstile::Read,
    };
    (turnstile, asked)
}

/// Whether a frame is a heartbeat and nothing else. Only short ones are looked at.
pub(super) fn is_beat(payload: &[u8], session: Session<'_>) -> bool {
    const BEAT_BYTES_MAX: usize = 128;
    /// As clients send it.
    const USUAL: &[u8] = br#"{"cmd":13,"hbbyte":"-127"}"#;
    payload == USUAL
        || (payload.len() <= BEAT_BYTES_MAX
            && memchr::memmem::find(payload, b"13").is_some()
            && decode(payload, session).1 == Asked::Beat)
}

fn command(fields: &Fields<'_>, session: Session<'_>) -> Asked {
    let number = fields.number(Field::Cmd).ok().flatten();
    let (answer, refusal): (u8, Status) = match number {
        Some(3) => (4, status::NOT_AUTHENTIC),
        Some(5) => (6, status::NOT_LOGGED_IN),
        Some(7) => (8, status::NOT_JOINED),
        Some(10) => (10, status::NOT_YOURS),
        Some(11) => (12, status::NOT_SENT),
        Some(13) => (13, status::UNKNOWN_COMMAND),
        Some(14) => (14, status::UNKNOWN_COMMAND),
        Some(15) => (16, status::NOT_RECALLED),
        Some(17) => (18, status::NO_USER),
        Some(19) => (20, status::NO_MESSAGES),
        _ => return Asked::Refused(status::UNKNOWN_COMMAND, 0),
    };
    // A group's owner names the sender of what is taken back.
    let names_sender = number == Some(15) && group(fields).ok().flatten().is_some();
    let is_foreign = |field| match fields.text(field) {
        Ok(name) => name.is_some_and(|name| name != session.name),
        Err(BadValue) => true,
    };
    if is_foreign(Field::UserId) || (!names_sender && is_foreign(Field::From)) {
        return Asked::Refused(status::NOT_YOURS, answer);
    }
    let asked = match number {
        Some(3 | 5) => token(fields, answer),
        Some(7) => join(fields),
        Some(10) => leave(fields),
        Some(11) => say(fields),
        Some(13) => Ok(Asked::Beat),
        Some(14) => Ok(Asked::Close),
        Some(15) => recall(fields, session),
        Some(17) => contacts(fields),
        _ => messages(fields),
    };
    asked.unwrap_or(Asked::Refused(refusal, answer))
}

fn token(fields: &Fields<'_>, command: u8) -> Result<Asked, BadValue> {
    let token = fields.text(Field::Token)?.map(str::to_owned);
    Ok(Asked::Token { command, token })
}

/// The group that the fields name.
fn group<'a>(fields: &'a Fields<'_>) -> Result<Option<&'a str>, BadValue> {
    match fields.text(Field::GroupId)? {
        None => fields.text(Field::Group),
        group => Ok(group),
    }
}

/// What a group's id means: what all dialects call it, or the name under which it was made here.
fn group_peer(group: &str) -> Peer {
    match conversation_id::decode(group) {
        Some(id) => Peer::Conversation(id),
        None => Peer::JimGroup(Arc::from(group)),
    }
}

fn join(fields: &Fields<'_>) -> Result<Asked, BadValue> {
    let name = group(fields)?.ok_or(BadValue)?;
    // What looks like the id of a group made elsewhere is never a name.
    match group_peer(name) {
        Peer::JimGroup(name) => Ok(Asked::Join(name)),
        _ => Err(BadValue),
    }
}

fn leave(fields: &Fields<'_>) -> Result<Asked, BadValue> {
    let name = group(fields)?.ok_or(BadValue)?;
    Ok(Asked::Leave(group_peer(name)))
}

fn named(name: &str) -> Result<Who, BadValue> {
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(Who::Name(Arc::from(name))),
        false => Err(BadValue),
    }
}

fn client_id(fields: &Fields<'_>) -> Result<Option<Arc<str>>, BadValue> {
    match fields.text(Field::Id)? {
        Some(id) if id.len() > CLIENT_ID_BYTES_MAX => Err(BadValue),
        id => Ok(id.map(Arc::from)),
    }
}

fn say(fields: &Fields<'_>) -> Result<Asked, BadValue> {
    let to = match fields.number(Field::ChatType)? {
        Some(1) => group_peer(group(fields)?.ok_or(BadValue)?),
        Some(2) => Peer::Account(named(fields.text(Field::To)?.ok_or(BadValue)?)?),
        _ => return Err(BadValue),
    };
    let number = fields.number(Field::MsgType)?.unwrap_or(0);
    let number = i32::try_from(number).map_err(|_| BadValue)?;
    let kind = kinds::numbered(Dialect::Jim, number).ok_or(BadValue)?;
    let mut attributes = Attributes::default();
    let create_time;
    match fields.value(Field::CreateTime) {
        None => {}
        Some(Value::Bare(number)) => attributes.create_time = number,
        Some(Value::Text(text)) if text.len() <= CLIENT_ID_BYTES_MAX => {
            let mut string = Vec::new();
            put_string(&mut string, text);
            create_time = String::from_utf8_lossy(&string).into_owned();
            attributes.create_time = &create_time;
        }
        Some(_) => return Err(BadValue),
    }
    match fields.value(Field::Extras) {
        None => {}
        Some(Value::Object(extras)) if extras.len() <= EXTRAS_BYTES_MAX => {
            attributes.extras = extras
        }
        Some(_) => return Err(BadValue),
    }
    let (content, text) = match fields.value(Field::Content).ok_or(BadValue)? {
        Value::Text(text) => (&**text, None),
        Value::Bare(json) => (*json, None),
        Value::Array(json) => (json.as_str(), None),
        Value::Object(json) => (json.as_str(), text_of(json)),
    };
    let body = match &text {
        Some(text) => {
            attributes.content = content;
            text.as_str()
        }
        None => content,
    };
    Ok(Asked::Say(Box::new(Said {
        to,
        kind,
        body: Arc::from(body),
        content_bytes: content.len().max(body.len()),
        client_id: client_id(fields)?,
        attributes: attributes.encode(),
    })))
}

/// The text in the field `text` of an object.
fn text_of(object: &str) -> Option<String> {
    let fields = Fields::read(object.as_bytes()).ok()?;
    match fields.value(Field::Text)? {
        Value::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

fn recall(fields: &Fields<'_>, session: Session<'_>) -> Result<Asked, BadValue> {
    let client_id = client_id(fields)?.ok_or(BadValue)?;
    let said = match group(fields)? {
        None => None,
        Some(group) => {
            let from = fields.text(Field::From)?.unwrap_or(session.name);
            Some((group_peer(group), named(from)?))
        }
    };
    Ok(Asked::Recall(Box::new(Recall {
        account: session.account,
        message: parse_id(&client_id),
        client_id,
        origin: Dialect::Jim,
        said,
    })))
}

fn contacts(fields: &Fields<'_>) -> Result<Asked, BadValue> {
    Ok(Asked::Contacts(match fields.number(Field::Type)? {
        Some(0) => Contacts::Online,
        Some(1) => Contacts::All,
        Some(2) => {
            let extras = match fields.value(Field::Extras) {
                None => None,
                Some(Value::Object(json)) => Some(json.as_bytes()),
                Some(Value::Text(json)) => Some(json.as_bytes()),
                Some(_) => return Err(BadValue),
            };
            let extras = Fields::read(extras.unwrap_or(b"{}")).map_err(|_| BadValue)?;
            let pull_type = extras.number(Field::PullType)?.unwrap_or(1);
            if !(1..=3).contains(&pull_type) {
                return Err(BadValue);
            }
            Contacts::Details {
                unread: pull_type == 2,
                recent: pull_type == 3,
                text: extras.text(Field::SearchKey)?.map(Arc::from),
            }
        }
        _ => return Err(BadValue),
    }))
}

fn messages(fields: &Fields<'_>) -> Result<Asked, BadValue> {
    let peer = match (fields.text(Field::FromUserId)?, group(fields)?) {
        (None, None) => None,
        (Some(from), None) => Some(Peer::Account(named(from)?)),
        (None, Some(group)) => Some(group_peer(group)),
        (Some(_), Some(_)) => return Err(BadValue),
    };
    match (fields.number(Field::Type)?, peer) {
        (Some(0), peer) => Ok(Asked::Unread { peer, mark: true }),
        (Some(2), peer) => Ok(Asked::Unread { peer, mark: false }),
        (Some(1), Some(peer)) => Ok(Asked::History {
            peer,
            times: times(fields)?,
            slice: slice(fields)?,
        }),
        _ => Err(BadValue),
    }
}

fn times(fields: &Fields<'_>) -> Result<Option<(TimeMs, TimeMs)>, BadValue> {
    let begin = fields.number(Field::BeginTime)?;
    let end = fields.number(Field::EndTime)?;
    match (begin, end) {
        (None, None) => Ok(None),
        (Some(begin), Some(end)) => Ok(Some((in_ms(begin, 0), in_ms(end, 999)))),
        _ => Err(BadValue),
    }
}

/// A client's time, which is in seconds where it is small: then `rest_ms` says which end of the second is meant.
fn in_ms(time: i64, rest_ms: i64) -> TimeMs {
    match (0..EPOCH_SECONDS_BELOW).contains(&time) {
        true => TimeMs(time * 1_000 + rest_ms),
        false => TimeMs(time),
    }
}

fn slice(fields: &Fields<'_>) -> Result<Option<(u64, usize)>, BadValue> {
    let offset = fields.number(Field::Offset)?;
    let count = fields.number(Field::Count)?;
    match (offset, count) {
        (None, None) => Ok(None),
        (Some(offset), Some(count)) => {
            let offset = u64::try_from(offset).map_err(|_| BadValue)?;
            let count = usize::try_from(count).map_err(|_| BadValue)?;
            match count <= LIST_ROWS_MAX {
                true => Ok(Some((offset, count))),
                false => Err(BadValue),
            }
        }
        _ => Err(BadValue),
    }
}

/// Which messages of a history are given when not all find room.
pub(super) fn kept(slice: Option<(u64, usize)>) -> Keep {
    match slice {
        Some(_) => Keep::Oldest,
        None => Keep::Newest,
    }
}
