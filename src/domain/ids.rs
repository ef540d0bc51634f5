//! Numbers that name things, each a type of its own, and the generator of message ids.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// An account's number: dense, 1 is the server itself, users from 2.
    AccountId
}
id! {
    /// A conversation's number: dense, from 1.
    ConversationId
}
id! {
    /// A message's id: below 2^53, rising in commit order on one node. Nobody reads a time out of it.
    MessageId
}
id! {
    /// A message's place in its conversation: from 1, without gaps. 0 stands before the first message.
    Position
}
id! {
    /// The number of a commit of this node's writer, from 1. It does not leave the node.
    CommitNumber
}

/// A member's place in a conversation, never given to another account: 0 and 1 in a single conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// A point in time: milliseconds since the Unix epoch, by the server's wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeMs(pub i64);

impl AccountId {
    /// The server itself: the sender of notices, acknowledgements and errors.
    pub const SERVER: AccountId = AccountId(1);
}

impl Position {
    /// The position after this one.
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

/// 2026-01-01T00:00:00Z, from which the milliseconds of a message id count.
const ID_EPOCH_MS: i64 = 1_767_225_600_000;
const NODE_BITS: u32 = 5;
const SEQUENCE_BITS: u32 = 8;
const MILLIS_BITS: u32 = 40;

/// The highest node number of an [`IdGenerator`].
pub const NODE_MAX: u8 = (1 << NODE_BITS) - 1;

const _: () = assert!(MILLIS_BITS + NODE_BITS + SEQUENCE_BITS == 53);

/// Makes message ids that rise: 40 bits of milliseconds since 2026-01-01, 5 bits of node, 8 bits of sequence.
///
/// The next id is `max(clock, last + 1)`, and a full sequence is carried into the milliseconds, so it never waits and never falls
/// back when the clock does.
#[derive(Clone, Debug)]
pub struct IdGenerator {
    node: u64,
    /// Milliseconds and sequence of the last id, without the node between them.
    last: u64,
}

impl IdGenerator {
    /// A generator for `node` (at most [`NODE_MAX`]) that continues after `last`, the highest id handed out so far.
    pub fn new(node: u8, last: MessageId) -> IdGenerator {
        let sequence = last.0 & ((1 << SEQUENCE_BITS) - 1);
        let millis = last.0 >> (NODE_BITS + SEQUENCE_BITS);
        IdGenerator {
            node: u64::from(node & NODE_MAX),
            last: millis << SEQUENCE_BITS | sequence,
        }
    }

    /// The next id at the wall-clock time `now`.
    pub fn next(&mut self, now: TimeMs) -> MessageId {
        let millis = u64::try_from(now.0 - ID_EPOCH_MS).unwrap_or(0) & ((1 << MILLIS_BITS) - 1);
        self.last = (self.last + 1).max(millis << SEQUENCE_BITS);
        let sequence = self.last & ((1 << SEQUENCE_BITS) - 1);
        let millis = self.last >> SEQUENCE_BITS;
        MessageId(millis << (NODE_BITS + SEQUENCE_BITS) | self.node << SEQUENCE_BITS | sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_when_the_clock_stands_or_falls_back() {
        let mut ids = IdGenerator::new(3, MessageId(0));
        let mut last = MessageId(0);
        for step in 0..2_000 {
            let now = TimeMs(ID_EPOCH_MS + if step < 1_000 { 5_000 } else { 10 });
            let id = ids.next(now);
            assert!(id > last && id.0 < 1 << 53);
            assert_eq!(id.0 >> SEQUENCE_BITS & u64::from(NODE_MAX), 3);
            last = id;
        }
        let mut again = IdGenerator::new(3, last);
        assert!(again.next(TimeMs(0)) > last);
    }

    #[test]
    fn a_later_clock_is_followed() {
        let mut ids = IdGenerator::new(0, MessageId(0));
        let early = ids.next(TimeMs(ID_EPOCH_MS + 1));
        let late = ids.next(TimeMs(ID_EPOCH_MS + 2));
        assert_eq!(late.0 - early.0, 1 << (NODE_BITS + SEQUENCE_BITS));
    }
}
