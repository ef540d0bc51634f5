//! Who is online. The runtime knows; the domain only asks.

use crate::domain::ids::AccountId;

/// Who is online: has at least one open socket, in any dialect.
pub trait Presence {
    /// Whether `account` is.
    fn is_online(&self, account: AccountId) -> bool;
}

/// Where nobody has a socket, nobody is online.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyOnline;

impl Presence for NobodyOnline {
    fn is_online(&self, _: AccountId) -> bool {
        false
    }
}
