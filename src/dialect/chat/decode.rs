//! What a frame of a client asks for.

use std::sync::Arc;

use crate::dialect::chat::body::{Bad, Body};
use crate::dialect::chat::encode::{CUSTOM, Refused};
use crate::dialect::chat::plain;
use crate::dialect::{Settings, kinds};
use crate::domain::command::{Peer, Send, Who};
use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::message::{Dialect, EventKind, MessageKind};

/// A frame of a client, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To be let in.
    Auth(Auth),
    /// Nothing: it is still there, or acknowledges what no message can be.
    Nothing,
    /// To send a message, whose sender is not known yet.
    Say(Say),
    /// A message has arrived, by the id under which it was shown.
    Acknowledge(u64),
    /// It cannot be done; with the id of the message that it would have been.
    Refused(Refused, Option<u64>),
}

/// Who somebody says they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Auth {
    /// Their number.
    pub user: Option<AccountId>,
    /// What shows it; may be empty.
    pub token: Box<[u8]>,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Say {
    /// The client's id.
    pub id: Option<u64>,
    /// Who says it, if that was told.
    pub from: Option<AccountId>,
    /// The message; its sender is yet to be filled in.
    pub send: Send,
}

impl Say {
    /// Why `sender` cannot say it.
    pub fn check(&self, sender: AccountId, settings: &Settings) -> Result<(), Refused> {
        if self.from.is_some_and(|from| from != sender) {
            return Err(Refused::NotYours);
        }
        if self.send.body.len() > settings.message_bytes_max {
            return Err(Refused::BadRequest);
        }
        // The server neither reads messages nor lets anybody speak for it.
        let is_server = |user: AccountId| user <= AccountId::SERVER;
        let to_server = matches!(self.send.to, Peer::Account(Who::Id(to)) if is_server(to));
        match to_server || is_server(sender) {
            true => Err(Refused::NotFound),
            false => Ok(()),
        }
    }
}

/// Client ids are positive and below 2^63.
const ID_MAX: u64 = i64::MAX as u64;

/// Understands a frame.
pub(super) fn decode(payload: &[u8]) -> Asked {
    plain::acknowledgement(payload, acknowledge).unwrap_or_else(|| decode_any(payload))
}

fn decode_any(payload: &[u8]) -> Asked {
    let Ok(body) = Body::read(payload) else {
        return Asked::Refused(Refused::BadRequest, None);
    };
    let id = body.id.number().ok().flatten();
    let asked = match body.msg_type.text() {
        Ok(Some("Auth")) => auth(&body),
        Ok(Some("Heartbeat")) => Ok(Asked::Nothing),
        Ok(Some("Ack")) => Ok(acknowledge(
            body.content.text().ok().flatten().unwrap_or_default(),
        )),
        Ok(Some(kinds::EVENT)) => event(&body, None).map(Asked::Say),
        Ok(Some(name)) => say(&body, name).map(Asked::Say),
        Ok(None) | Err(Bad) => Err(Bad),
    };
    asked.unwrap_or(Asked::Refused(Refused::BadRequest, id))
}

fn acknowledge(content: &str) -> Asked {
    source(content).map_or(Asked::Nothing, Asked::Acknowledge)
}

fn auth(body: &Body<'_>) -> Result<Asked, Bad> {
    let content = body.content.text()?.unwrap_or_default();
    Ok(Asked::Auth(Auth {
        user: body.from_user_id.number()?.map(AccountId),
        token: token(content).as_bytes().into(),
    }))
}

/// The token in `{"token":"T"}`, `{'token':'T'}`, `{'T'}` or `T`; curly quotes count as straight ones.
pub(super) fn token(content: &str) -> String {
    let straight: String = content.chars().map(straight).collect();
    let content = straight.trim();
    let Some(inner) = content
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return unquoted(content).to_owned();
    };
    if let Ok(body) = Body::read(content.as_bytes())
        && let Ok(Some(token)) = body.token.text()
    {
        return token.to_owned();
    }
    let value = inner
        .split_once(':')
        .filter(|(name, _)| unquoted(name) == "token");
    unquoted(value.map_or(inner, |(_, value)| value)).to_owned()
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['\'', '"'])
}

fn straight(letter: char) -> char {
    match letter {
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        other => other,
    }
}

/// What the message is named by that an acknowledgement means.
const SOURCE: &str = "srcId";

/// The number in `{"srcId":N}` or `{'srcId': 'N'}`. One that passed through a client's double may have an exponent; then it is what
/// JavaScript writes for that double.
fn source(content: &str) -> Result<u64, Bad> {
    let mut parts = content.as_bytes().windows(SOURCE.len());
    let at = parts
        .position(|part| part == SOURCE.as_bytes())
        .ok_or(Bad)?;
    let rest = content.get(at + SOURCE.len()..).ok_or(Bad)?;
    let is_between = |letter| matches!(letter, '"' | '\'' | ' ' | ':' | '\t' | '\n' | '\r');
    let rest = rest.trim_start_matches(|letter| is_between(straight(letter)));
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | 'e' | 'E' | '+');
    let number = rest
        .split(|letter| !is_part(letter))
        .next()
        .unwrap_or_default();
    match number.parse() {
        Ok(number) => Ok(number),
        Err(_) => {
            let double: f64 = number.parse().map_err(|_| Bad)?;
            double.to_string().parse().map_err(|_| Bad)
        }
    }
}

/// An event, of `default` where the body does not say which.
pub(super) fn event(body: &Body<'_>, default: Option<EventKind>) -> Result<Say, Bad> {
    let named = match body.event_type.text()? {
        Some(name) => Some(kinds::event_named(name).ok_or(Bad)?),
        None => default,
    };
    let say = send(body, MessageKind::Event(named.ok_or(Bad)?))?;
    match say.send.to {
        Peer::Account(_) => Ok(say),
        _ => Err(Bad),
    }
}

fn say(body: &Body<'_>, name: &str) -> Result<Say, Bad> {
    send(body, kinds::named(name).ok_or(Bad)?)
}

fn send(body: &Body<'_>, kind: MessageKind) -> Result<Say, Bad> {
    let id = body.id.number()?;
    if id.is_some_and(|id| id == 0 || id > ID_MAX) {
        return Err(Bad);
    }
    let to_user = body.to_user_id.number()?;
    let to_team = body.team_id.number()?;
    let chat_type = match (body.chat_type.text()?, to_team) {
        (Some(given), _) => given,
        (None, None) => "Single",
        (None, Some(_)) => "Group",
    };
    let (to, attributes) = match chat_type {
        "Single" => {
            let user = to_user.map(AccountId).ok_or(Bad)?;
            (Peer::Account(Who::Id(user)), None)
        }
        "Group" => (Peer::Group(ConversationId(to_team.ok_or(Bad)?)), None),
        "Custom" => {
            let team = ConversationId(to_team.ok_or(Bad)?);
            (Peer::Group(team), Some(Arc::from(CUSTOM)))
        }
        _ => return Err(Bad),
    };
    let content = body.content.text()?.ok_or(Bad)?;
    Ok(Say {
        id,
        from: body.from_user_id.number()?.map(AccountId),
        send: Send {
            from: AccountId::SERVER,
            to,
            kind,
            body: Arc::from(content),
            origin: Dialect::Chat,
            client_id: id.map(|id| Arc::from(itoa::Buffer::new().format(id))),
            attributes,
        },
    })
}

#[cfg(test)]
mod tests;
