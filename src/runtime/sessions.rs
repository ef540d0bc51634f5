//! Which shards look after an account: the one table that shards and the writer share.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::domain::ids::AccountId;
use crate::limits::{SESSION_STRIPES, SHARDS_MAX};

const _: () = assert!(SHARDS_MAX <= u64::BITS as usize);

/// A lock-striped table from account to the shards that must be told of its events.
///
/// A shard enters itself before it asks for a load, and the writer looks here after its commit is in the store: so what a load does not
/// show yet comes as an event, and nothing is missed.
#[derive(Debug)]
pub struct Sessions {
    stripes: Vec<Mutex<HashMap<AccountId, u64>>>,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions {
            stripes: (0..SESSION_STRIPES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Sessions {
    fn stripe(&self, account: AccountId) -> &Mutex<HashMap<AccountId, u64>> {
        &self.stripes[account.0 as usize % SESSION_STRIPES]
    }

    /// From here on `shard` is told of what concerns `account`.
    pub fn watch(&self, account: AccountId, shard: usize) {
        *self.stripe(account).lock().entry(account).or_default() |= 1 << shard;
    }

    /// `shard` need not be told any more.
    pub fn unwatch(&self, account: AccountId, shard: usize) {
        let mut stripe = self.stripe(account).lock();
        if let Some(shards) = stripe.get_mut(&account) {
            *shards &= !(1 << shard);
            if *shards == 0 {
                stripe.remove(&account);
            }
        }
    }

    /// The shards that look after `account`, one bit each.
    pub fn shards(&self, account: AccountId) -> u64 {
        self.stripe(account)
            .lock()
            .get(&account)
            .copied()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_told_as_long_as_it_watches() {
        let sessions = Sessions::default();
        let account = AccountId(7);
        sessions.watch(account, 0);
        sessions.watch(account, 63);
        assert_eq!(sessions.shards(account), 1 | 1 << 63);
        sessions.unwatch(account, 0);
        assert_eq!(sessions.shards(account), 1 << 63);
        sessions.unwatch(account, 63);
        assert_eq!(sessions.shards(account), 0);
        assert!(sessions.stripe(account).lock().is_empty());
    }
}
