//! What is known of open sockets and stored nowhere: who is online, and what was pushed. The runtime knows; the others only ask.

use crate::domain::ids::{AccountId, ConversationId, Position};
use crate::domain::member::Member;
use crate::domain::pushed::Pushed;

/// Who is online, and what was pushed to them. Where nobody keeps account of pushes, nothing was pushed.
pub trait Presence {
    /// Whether `account` has at least one open socket, in any dialect.
    fn is_online(&self, account: AccountId) -> bool;

    /// The message at `position` is pushed to a socket of `account` whose client acknowledges.
    fn record_push(&self, _account: AccountId, _conversation: ConversationId, _position: Position) {
    }

    /// What was pushed to `account` and, as far as that is known here, not acknowledged.
    fn pushed(&self, _account: AccountId) -> Pushed {
        Pushed::default()
    }

    /// Whether the message at `position` was pushed to `account`.
    fn was_pushed(
        &self,
        _account: AccountId,
        _conversation: ConversationId,
        _position: Position,
    ) -> bool {
        false
    }

    /// An account has acknowledged, read or left: what it was pushed there need not be remembered.
    fn settle_pushes(&self, _member: &Member) {}
}

/// Where nobody has a socket, nobody is online.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyOnline;

impl Presence for NobodyOnline {
    fn is_online(&self, _: AccountId) -> bool {
        false
    }
}
