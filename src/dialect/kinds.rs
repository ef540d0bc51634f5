//! How each dialect writes the kinds of messages: one table, and what is shown where a dialect has no type for a kind.

use crate::domain::message::{Dialect, EventKind, Message, MessageKind};

/// What stands for the body of a message that was taken back.
pub const RECALLED_TEXT: &str = "[已撤回]";

/// One kind: the number under which a dialect sends it to us, and the one under which it is sent to that dialect.
struct Kind {
    kind: MessageKind,
    buyer: Numbers,
    jim: Numbers,
    conv: Numbers,
    chat: Names,
}

struct Numbers {
    decoded: Option<i32>,
    encoded: Option<i32>,
}

struct Names {
    decoded: Option<&'static str>,
    encoded: Option<&'static str>,
}

/// The same number in both directions.
const fn both(number: i32) -> Numbers {
    Numbers {
        decoded: Some(number),
        encoded: Some(number),
    }
}

/// A number that is understood; what is sent is text.
const fn only_decoded(number: i32) -> Numbers {
    Numbers {
        decoded: Some(number),
        encoded: None,
    }
}

/// What is sent is text.
const NO_NUMBER: Numbers = Numbers {
    decoded: None,
    encoded: None,
};

const fn both_names(name: &'static str) -> Names {
    Names {
        decoded: Some(name),
        encoded: Some(name),
    }
}

const fn only_encoded(name: &'static str) -> Names {
    Names {
        decoded: None,
        encoded: Some(name),
    }
}

#[rustfmt::skip]
const KINDS: [Kind; 9] = [
    Kind { kind: MessageKind::Text,     buyer: both(0),   jim: both(0),         conv: both(0),         chat: both_names("Text") },
    Kind { kind: MessageKind::Image,    buyer: both(1),   jim: only_decoded(3), conv: both(1),         chat: both_names("Image") },
    Kind { kind: MessageKind::Product,  buyer: both(2),   jim: only_decoded(4), conv: only_decoded(5), chat: only_encoded("Link") },
    Kind { kind: MessageKind::Sandbox,  buyer: NO_NUMBER, jim: both(1),         conv: only_decoded(6), chat: only_encoded("Link") },
    Kind { kind: MessageKind::Article,  buyer: NO_NUMBER, jim: both(2),         conv: only_decoded(7), chat: both_names("Link") },
    Kind { kind: MessageKind::Voice,    buyer: NO_NUMBER, jim: only_decoded(5), conv: both(2),         chat: both_names("Audio") },
    Kind { kind: MessageKind::Video,    buyer: NO_NUMBER, jim: only_decoded(6), conv: both(3),         chat: both_names("Video") },
    Kind { kind: MessageKind::File,     buyer: NO_NUMBER, jim: only_decoded(7), conv: both(4),         chat: both_names("File") },
    Kind { kind: MessageKind::Location, buyer: NO_NUMBER, jim: only_decoded(8), conv: only_decoded(8), chat: both_names("Location") },
];

#[rustfmt::skip]
const EVENTS: [(EventKind, &str); 8] = [
    (EventKind::Comment,  "Comment"),
    (EventKind::Like,     "Like"),
    (EventKind::Relay,    "Relay"),
    (EventKind::Share,    "Share"),
    (EventKind::Follow,   "Follow"),
    (EventKind::Unfollow, "Unfollow"),
    (EventKind::Offline,  "Offline"),
    (EventKind::Online,   "Online"),
];

/// The name of all events in `chat`.
pub const EVENT: &str = "Event";

impl Kind {
    fn numbers(&self, dialect: Dialect) -> &Numbers {
        match dialect {
            Dialect::Buyer => &self.buyer,
            Dialect::Jim => &self.jim,
            Dialect::Conv => &self.conv,
            Dialect::Chat => &NO_NUMBER,
        }
    }
}

/// The kind that `number` means in `dialect`; `None` where it means nothing. `jim` has a kind for every number, and
/// `chat` has names instead: [`named`].
pub fn numbered(dialect: Dialect, number: i32) -> Option<MessageKind> {
    let known = KINDS
        .iter()
        .find(|kind| kind.numbers(dialect).decoded == Some(number))
        .map(|kind| kind.kind);
    known.or((dialect == Dialect::Jim).then_some(MessageKind::Other(number)))
}

/// The event that `name` means in `chat`.
pub fn event_named(name: &str) -> Option<EventKind> {
    let known = EVENTS.iter().find(|(_, known)| *known == name);
    known.map(|(event, _)| *event)
}

/// The name of an event in `chat`; `None` for what is none.
pub fn event_name(kind: MessageKind) -> Option<&'static str> {
    let MessageKind::Event(event) = kind else {
        return None;
    };
    let known = EVENTS.iter().find(|(known, _)| *known == event);
    known.map(|(_, name)| *name)
}

/// The kind that `name` means in `chat`; `None` where it means nothing, and for [`EVENT`], which [`event_named`] tells apart.
pub fn named(name: &str) -> Option<MessageKind> {
    KINDS
        .iter()
        .find(|kind| kind.chat.decoded == Some(name))
        .map(|kind| kind.kind)
}

/// The number by which `dialect` knows `kind`; `None` where the message is shown as text.
pub fn number(dialect: Dialect, kind: MessageKind) -> Option<i32> {
    match (dialect, kind) {
        (Dialect::Jim, MessageKind::Other(number)) => Some(number),
        _ => KINDS
            .iter()
            .find(|known| known.kind == kind)
            .and_then(|known| known.numbers(dialect).encoded),
    }
}

/// The name by which `chat` knows `kind`; `None` where the message is shown as text.
pub fn name(kind: MessageKind) -> Option<&'static str> {
    if let MessageKind::Event(_) = kind {
        return Some(EVENT);
    }
    KINDS
        .iter()
        .find(|known| known.kind == kind)
        .and_then(|known| known.chat.encoded)
}

/// A message as a dialect shows it: a type that the dialect knows, and the text in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a, T> {
    /// The type.
    pub kind: T,
    label: &'static str,
    body: &'a str,
}

impl<'a, T> Shown<'a, T> {
    /// The text in pieces to be written one after the other: a label and a space where the dialect has no type for
    /// the kind, then the body.
    pub fn text(&self) -> [&'a str; 3] {
        let space = if self.label.is_empty() { "" } else { " " };
        [self.label, space, self.body]
    }
}

/// `message` as a dialect with numbers shows it. One that was taken back has an empty body in `jim`, which says so
/// elsewhere.
pub fn shown(dialect: Dialect, message: &Message) -> Shown<'_, i32> {
    let known = number(dialect, message.kind);
    shown_as(message, known, 0, dialect != Dialect::Jim)
}

/// `message` as `chat` shows it.
pub fn shown_by_name(message: &Message) -> Shown<'_, &'static str> {
    shown_as(message, name(message.kind), "Text", true)
}

fn shown_as<T>(message: &Message, known: Option<T>, text: T, recall_as_text: bool) -> Shown<'_, T> {
    let (kind, label, body) = match known {
        _ if message.recalled && recall_as_text => (text, "", RECALLED_TEXT),
        Some(kind) => (kind, "", &*message.body),
        None => (text, message.kind.label(), &*message.body),
    };
    Shown { kind, label, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};

    fn message(kind: MessageKind) -> Message {
        Message {
            id: MessageId(1),
            conversation: ConversationId(1),
            position: Position(1),
            sender: AccountId(2),
            at: TimeMs(0),
            kind,
            body: "b".into(),
            origin: Dialect::Jim,
            client_id: None,
            attributes: None,
            recalled: false,
        }
    }

    #[test]
    fn what_a_dialect_is_sent_it_may_send_and_means_the_same() {
        for kind in KINDS.iter().map(|known| known.kind) {
            for dialect in [Dialect::Buyer, Dialect::Jim, Dialect::Conv] {
                if let Some(number) = number(dialect, kind) {
                    assert_eq!(
                        numbered(dialect, number),
                        Some(kind),
                        "{dialect:?} {number}"
                    );
                }
            }
            assert!(name(kind).is_some());
        }
        assert_eq!(named("Link"), Some(MessageKind::Article));
        assert_eq!(named(EVENT), None);
        for event in EventKind::ALL {
            let kind = MessageKind::Event(event);
            assert_eq!(event_name(kind).and_then(event_named), Some(event));
            assert_eq!(name(kind), Some(EVENT));
        }
        assert_eq!(event_named("OfflineMessage"), None);
    }

    #[test]
    fn a_kind_without_a_type_is_text_with_a_label() {
        let shown_to = |dialect, kind| {
            let message = message(kind);
            let shown = shown(dialect, &message);
            (shown.kind, shown.text().concat())
        };
        assert_eq!(
            shown_to(Dialect::Buyer, MessageKind::Image),
            (1, "b".into())
        );
        assert_eq!(
            shown_to(Dialect::Jim, MessageKind::Image),
            (0, "[图片] b".into())
        );
        assert_eq!(
            shown_to(Dialect::Conv, MessageKind::Product),
            (0, "[商品] b".into())
        );
        assert_eq!(
            shown_to(Dialect::Buyer, MessageKind::Location),
            (0, "[位置] b".into())
        );
        assert_eq!(
            shown_to(Dialect::Buyer, MessageKind::Other(77)),
            (0, "b".into())
        );
        assert_eq!(
            shown_to(Dialect::Jim, MessageKind::Other(77)),
            (77, "b".into())
        );
        let link = message(MessageKind::Product);
        assert_eq!(shown_by_name(&link).kind, "Link");
    }

    #[test]
    fn numbers_nobody_knows_are_jims_alone() {
        for dialect in [Dialect::Buyer, Dialect::Conv, Dialect::Chat] {
            assert_eq!(numbered(dialect, 77), None);
        }
        assert_eq!(numbered(Dialect::Jim, 77), Some(MessageKind::Other(77)));
        assert_eq!(numbered(Dialect::Buyer, 3), None);
    }

    #[test]
    fn a_recalled_message_is_text() {
        let recalled = Message {
            recalled: true,
            body: "".into(),
            ..message(MessageKind::Image)
        };
        for (dialect, text) in [
            (Dialect::Buyer, RECALLED_TEXT),
            (Dialect::Conv, RECALLED_TEXT),
        ] {
            let shown = shown(dialect, &recalled);
            assert_eq!(
                (shown.kind, shown.text().concat()),
                (0, text.into()),
                "{dialect:?}"
            );
        }
        assert_eq!(shown_by_name(&recalled).text().concat(), RECALLED_TEXT);
        let image = Message {
            kind: MessageKind::Article,
            ..recalled
        };
        assert_eq!(shown(Dialect::Jim, &image).text().concat(), "");
    }
}
