//! The dialect of customer service: a WebSocket at `/?token=…` on which visitors and agents talk by numbered commands, and three calls over
//! HTTP below `/im/vanke/` by which an application hands out identities and counts.
//!
//! [`socket`] is the connection with what each command does; [`decode`] understands a frame, read by [`read`], and [`encode`] writes
//! answers and pushes, with messages as [`message`] shows them; [`status`] holds the contract's codes. [`routes`] is the table of the calls
//! and [`calls`] what each does.

mod calls;
mod decode;
mod encode;
mod message;
mod read;
pub mod routes;
mod socket;
mod status;

use crate::dialect::{Context, Outcome, Step};

pub use socket::{Call, Incoming, Jim};

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
