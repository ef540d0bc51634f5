//! The dialect of apps that name their users by number: a WebSocket at `/ws` on which messages are sent, pushed and acknowledged, and calls
//! over HTTP below `/im/user/`, `/im/message/`, `/im/event/` and `/im/team/`.
//!
//! [`socket`] is the connection, [`outstanding`] what it has pushed and not heard of since and [`acknowledging`] what it has heard of and is
//! not recorded yet; [`decode`] understands a frame, [`plain`] the most frequent one in short, and [`encode`]
//! writes frames and rows. [`routes`] is the table of the calls, [`calls`] what each does and [`tasks`] what it asks for; [`body`] reads JSON
//! for both.

mod acknowledging;
mod body;
mod calls;
mod decode;
mod encode;
mod outstanding;
mod plain;
pub mod routes;
mod socket;
mod tasks;

use crate::dialect::{Context, Outcome, Step};

pub use socket::{Call, Chat, Incoming};

/// A call that waits for one [`crate::dialect::Ask`].
pub struct Waiting(calls::Next);

impl Waiting {
    /// Goes on with what was waited for.
    pub fn resume(self, outcome: Outcome, context: &mut Context<'_>) -> Step {
        calls::resume(self.0, outcome, context)
    }
}

#[cfg(test)]
mod tests;
