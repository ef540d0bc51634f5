//! The dialect of shop pages, in which buyers chat with shops by polling: nine calls over HTTP below `/soa-im/buyer/`.
//!
//! [`routes`] is the table of the calls and [`calls`] what each does; [`decode`] reads their parameters and [`encode`]
//! writes their answers; [`upload`] knows pictures, their names and addresses.

mod calls;
mod decode;
mod encode;
pub mod routes;
mod upload;

use crate::dialect::{Context, Outcome, Step};

/// A call that waits for one [`crate::dialect::Ask`].
pub struct Waiting {
    form: encode::Form<'static>,
    next: calls::Next,
}

impl Waiting {
    /// Goes on with what was waited for.
    pub fn resume(self, outcome: Outcome, context: &mut Context<'_>) -> Step {
        calls::resume(self.next, self.form, outcome, context)
    }
}

#[cfg(test)]
mod tests;
