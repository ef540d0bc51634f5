//! The dialect of back ends that chat on behalf of their users: seven calls and two additions, `POST` with JSON below
//! `/im/`.
//!
//! [`routes`] is the table of the calls and [`calls`] what each does; [`body`] and [`decode`] read what a call is told and
//! [`encode`] writes its answer.

mod body;
mod calls;
mod decode;
mod encode;
pub mod routes;

use crate::dialect::{Context, Outcome, Step};

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
