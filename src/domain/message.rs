//! Messages and their kinds.

use std::sync::Arc;

use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::limits::ANSWER_ROW_BYTES_MAX;

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Below 2^53, rising in commit order.
    pub id: MessageId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// Its place there, from 1, without gaps.
    pub position: Position,
    /// Who said it.
    pub sender: AccountId,
    /// When: the server's wall clock, not less than the time of the message before it in its conversation.
    pub at: TimeMs,
    /// What its body is.
    pub kind: MessageKind,
    /// 1 byte to 64 KiB; empty only when recalled.
    pub body: Arc<str>,
    /// The dialect in which it was sent.
    pub origin: Dialect,
    /// The id that the sender's client gave it, at most 64 bytes.
    pub client_id: Option<Arc<str>>,
    /// What only the dialect of `origin` reads, such as what it must give back as it came: JSON, each on a line. Taking the message back
    /// keeps the first line, so nothing of what was said stands there.
    pub attributes: Option<Arc<str>>,
    /// Whether its sender took it back; its place stays.
    pub recalled: bool,
}

impl Message {
    /// What is left of the attributes when the message is taken back.
    pub fn attributes_after_recall(&self) -> Option<Arc<str>> {
        let first = self.attributes.as_ref()?.lines().next()?;
        (!first.is_empty()).then(|| Arc::from(first))
    }

    /// How many bytes it takes at most in an answer, as JSON or in a script.
    pub fn answer_bytes_max(&self) -> usize {
        let escaped = escaped_bytes_max;
        escaped(&self.body) + self.attributes.as_deref().map_or(0, escaped) + ANSWER_ROW_BYTES_MAX
    }
}

/// What a text takes in an answer, in bytes.
pub fn escaped_bytes_max(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        // U+2028 and U+2029 are three bytes, and six when they are escaped in scripts.
        0xE2 => 4,
        _ => 1,
    };
    text.bytes().map(byte).sum()
}

/// The four chat APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dialect {
    /// Shop pages over HTTP.
    Buyer = 1,
    /// Customer service over WebSocket and HTTP.
    Jim = 2,
    /// A back end over HTTP.
    Conv = 3,
    /// Apps over WebSocket and HTTP, by numeric user id.
    Chat = 4,
}

impl Dialect {
    /// The dialect of a stored code.
    pub fn from_code(code: u8) -> Option<Dialect> {
        [Dialect::Buyer, Dialect::Jim, Dialect::Conv, Dialect::Chat]
            .into_iter()
            .find(|d| *d as u8 == code)
    }
}

/// What a message's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Plain text.
    Text,
    /// URL of a picture.
    Image,
    /// A product card.
    Product,
    /// A link to a sandbox (a building's model).
    Sandbox,
    /// A link to an article.
    Article,
    /// URL of a recording.
    Voice,
    /// URL of a film.
    Video,
    /// URL of a file.
    File,
    /// A place.
    Location,
    /// Something that an app tells another; only `chat` has it.
    Event(EventKind),
    /// A number of `jim`'s that nothing else knows.
    Other(i32),
}

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// Somebody commented.
    Comment = 1,
    /// Somebody liked something.
    Like = 2,
    /// Somebody passed something on.
    Relay = 3,
    /// Somebody shared something.
    Share = 4,
    /// Somebody follows.
    Follow = 5,
    /// Somebody follows no more.
    Unfollow = 6,
    /// Somebody went.
    Offline = 7,
    /// Somebody came.
    Online = 8,
}

impl EventKind {
    /// All of them.
    pub const ALL: [EventKind; 8] = [
        EventKind::Comment,
        EventKind::Like,
        EventKind::Relay,
        EventKind::Share,
        EventKind::Follow,
        EventKind::Unfollow,
        EventKind::Offline,
        EventKind::Online,
    ];
}

/// Codes of [`MessageKind::Event`] are this and the number of the event.
const EVENT_CODE_BASE: i64 = 64;

/// Codes of [`MessageKind::Other`] start here, so that every `i32` of `jim` has one.
const OTHER_CODE_BASE: i64 = 1 << 32;

impl MessageKind {
    const NAMED: [(MessageKind, i64, &'static str); 9] = [
        (MessageKind::Text, 0, ""),
        (MessageKind::Image, 1, "[图片]"),
        (MessageKind::Product, 2, "[商品]"),
        (MessageKind::Sandbox, 3, "[沙盘]"),
        (MessageKind::Article, 4, "[文章]"),
        (MessageKind::Voice, 5, "[语音]"),
        (MessageKind::Video, 6, "[视频]"),
        (MessageKind::File, 7, "[文件]"),
        (MessageKind::Location, 8, "[位置]"),
    ];

    /// The code under which it is stored.
    pub fn code(self) -> i64 {
        match self {
            MessageKind::Other(number) => OTHER_CODE_BASE + i64::from(number),
            MessageKind::Event(event) => EVENT_CODE_BASE + event as i64,
            named => Self::NAMED
                .iter()
                .find(|(kind, ..)| *kind == named)
                .map_or(0, |(_, code, _)| *code),
        }
    }

    /// The kind of a stored code.
    pub fn from_code(code: i64) -> Option<MessageKind> {
        if let Some((kind, ..)) = Self::NAMED.iter().find(|(_, c, _)| *c == code) {
            return Some(*kind);
        }
        let mut events = EventKind::ALL.iter();
        if let Some(event) = events.find(|event| EVENT_CODE_BASE + **event as i64 == code) {
            return Some(MessageKind::Event(*event));
        }
        let number = code.checked_sub(OTHER_CODE_BASE)?;
        i32::try_from(number)
            .ok()
            .filter(|_| code > i64::from(u16::MAX))
            .map(MessageKind::Other)
    }

    /// What stands before the body where a dialect does not know the kind and shows it as text; empty for text.
    pub fn label(self) -> &'static str {
        Self::NAMED
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or("", |(_, _, label)| *label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        let others = [i32::MIN, -1, 0, 9, i32::MAX].map(MessageKind::Other);
        let events = EventKind::ALL.map(MessageKind::Event);
        let named = MessageKind::NAMED.map(|(kind, ..)| kind);
        for kind in named.into_iter().chain(events).chain(others) {
            assert_eq!(MessageKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(MessageKind::from_code(9), None);
        assert_eq!(MessageKind::from_code(EVENT_CODE_BASE + 9), None);
        assert_eq!(MessageKind::from_code(-1), None);
        assert_eq!(MessageKind::from_code(i64::MIN), None);
    }
}
