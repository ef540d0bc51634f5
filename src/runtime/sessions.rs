//! Which shards look after an account, who is online, and what they were pushed: the one table that shards and the writer share.

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::domain::ids::{AccountId, ConversationId, Position};
use crate::domain::member::Member;
use crate::domain::presence::Presence;
use crate::domain::pushed::Pushed;
use crate::limits::{SESSION_STRIPES, SHARDS_MAX};
use crate::runtime::pushes::Pushes;

const _: () = assert!(SHARDS_MAX <= u64::BITS as usize);

/// A lock-striped table from account to the shards that must be told of its events, and to its open sockets.
///
/// A shard enters itself before it asks for a load, and the writer looks here after its commit is in the store: so what a load does not
/// show yet comes as an event, and nothing is missed.
#[derive(Debug)]
pub struct Sessions {
    stripes: Vec<Mutex<HashMap<AccountId, Looked>>>,
    pushes: Pushes,
}

/// Who looks after an account: one bit a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Looked {
    views: u64,
    sockets: u64,
    /// Open sockets over all shards.
    open: u32,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions {
            stripes: (0..SESSION_STRIPES).map(|_| Mutex::default()).collect(),
            pushes: Pushes::default(),
        }
    }
}

impl Sessions {
    fn stripe(&self, account: AccountId) -> &Mutex<HashMap<AccountId, Looked>> {
        &self.stripes[account.0 as usize % SESSION_STRIPES]
    }

    /// From here on `shard` is told of what concerns `account`.
    pub fn watch(&self, account: AccountId, shard: usize) {
        self.stripe(account)
            .lock()
            .entry(account)
            .or_default()
            .views |= 1 << shard;
    }

    /// `shard` need not be told any more.
    pub fn unwatch(&self, account: AccountId, shard: usize) {
        self.change(account, |looked| looked.views &= !(1 << shard));
    }

    /// From here on `shard` is told of what concerns `account`, for its sockets.
    pub fn watch_sockets(&self, account: AccountId, shard: usize) {
        self.stripe(account)
            .lock()
            .entry(account)
            .or_default()
            .sockets |= 1 << shard;
    }

    /// `shard` has no socket of `account` any more.
    pub fn unwatch_sockets(&self, account: AccountId, shard: usize) {
        self.change(account, |looked| looked.sockets &= !(1 << shard));
    }

    /// A socket of `account` is open.
    pub fn opened(&self, account: AccountId) {
        self.stripe(account).lock().entry(account).or_default().open += 1;
    }

    /// A socket of `account` is closed.
    pub fn closed(&self, account: AccountId) {
        self.change(account, |looked| {
            looked.open = looked.open.saturating_sub(1)
        });
    }

    fn change(&self, account: AccountId, change: impl FnOnce(&mut Looked)) {
        let mut stripe = self.stripe(account).lock();
        if let Some(looked) = stripe.get_mut(&account) {
            change(looked);
            if *looked == Looked::default() {
                stripe.remove(&account);
            }
        }
    }

    /// The shards that look after `account`, one bit each.
    pub fn shards(&self, account: AccountId) -> u64 {
        let stripe = self.stripe(account).lock();
        stripe
            .get(&account)
            .map_or(0, |looked| looked.views | looked.sockets)
    }
}

impl Presence for Sessions {
    fn is_online(&self, account: AccountId) -> bool {
        let stripe = self.stripe(account).lock();
        stripe.get(&account).is_some_and(|looked| looked.open > 0)
    }

    fn record_push(&self, account: AccountId, conversation: ConversationId, position: Position) {
        self.pushes.insert(account, conversation, position);
    }

    fn pushed(&self, account: AccountId) -> Pushed {
        self.pushes.of(account)
    }

    fn was_pushed(
        &self,
        account: AccountId,
        conversation: ConversationId,
        position: Position,
    ) -> bool {
        self.pushes.contains(account, conversation, position)
    }

    fn settle_pushes(&self, member: &Member) {
        self.pushes.settle(member);
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

    #[test]
    fn an_account_is_online_as_long_as_a_socket_is_open() {
        let sessions = Sessions::default();
        let account = AccountId(7);
        sessions.watch_sockets(account, 2);
        assert!(!sessions.is_online(account) && sessions.shards(account) == 4);
        sessions.opened(account);
        sessions.opened(account);
        sessions.closed(account);
        assert!(sessions.is_online(account));
        sessions.closed(account);
        assert!(!sessions.is_online(account));
        sessions.unwatch_sockets(account, 2);
        assert!(sessions.stripe(account).lock().is_empty());
    }
}
