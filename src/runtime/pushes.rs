//! What was pushed to accounts' sockets and may not be acknowledged yet, over all shards and past the end of a socket.

use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::Entry;
use parking_lot::Mutex;

use crate::domain::ids::{AccountId, ConversationId, Position};
use crate::domain::member::Member;
use crate::domain::pushed::Pushed;
use crate::limits::{PUSHED_RANGES_PER_STRIPE_MAX, SESSION_STRIPES};

/// A lock-striped table. In each stripe the accounts to which nothing was pushed for the longest time are forgotten first: what was
/// pushed to them counts as not pushed from then on.
#[derive(Debug)]
pub struct Pushes {
    stripes: Vec<Mutex<Stripe>>,
}

#[derive(Debug, Default)]
struct Stripe {
    accounts: LinkedHashMap<AccountId, Pushed>,
    /// Over all of them.
    ranges: usize,
}

impl Default for Pushes {
    fn default() -> Pushes {
        Pushes {
            stripes: (0..SESSION_STRIPES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Pushes {
    fn stripe(&self, account: AccountId) -> &Mutex<Stripe> {
        &self.stripes[account.0 as usize % SESSION_STRIPES]
    }

    /// What was pushed to `account`.
    pub fn of(&self, account: AccountId) -> Pushed {
        let stripe = self.stripe(account).lock();
        stripe.accounts.get(&account).cloned().unwrap_or_default()
    }

    /// Whether the message at `position` was pushed to `account`.
    pub fn contains(
        &self,
        account: AccountId,
        conversation: ConversationId,
        position: Position,
    ) -> bool {
        let stripe = self.stripe(account).lock();
        let pushed = stripe.accounts.get(&account);
        pushed.is_some_and(|pushed| pushed.contains(conversation, position))
    }

    /// The message at `position` was pushed to `account`.
    pub fn insert(&self, account: AccountId, conversation: ConversationId, position: Position) {
        let stripe = &mut *self.stripe(account).lock();
        let pushed = match stripe.accounts.entry(account) {
            Entry::Occupied(mut known) => {
                known.to_back();
                known.into_mut()
            }
            Entry::Vacant(unknown) => unknown.insert(Pushed::default()),
        };
        stripe.ranges -= pushed.ranges();
        pushed.insert(conversation, position);
        stripe.ranges += pushed.ranges();
        while stripe.ranges > PUSHED_RANGES_PER_STRIPE_MAX
            && let Some((_, oldest)) = stripe.accounts.pop_front()
        {
            stripe.ranges -= oldest.ranges();
        }
    }

    /// An account has acknowledged, read or left: that is forgotten.
    pub fn settle(&self, member: &Member) {
        let stripe = &mut *self.stripe(member.account).lock();
        let Entry::Occupied(mut known) = stripe.accounts.entry(member.account) else {
            return;
        };
        let pushed = known.get_mut();
        stripe.ranges -= pushed.ranges();
        pushed.settle(member);
        stripe.ranges += pushed.ranges();
        if pushed.is_empty() {
            known.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Slot, TimeMs};

    #[test]
    fn what_is_settled_takes_no_room() {
        let pushes = Pushes::default();
        let (account, conversation) = (AccountId(7), ConversationId(1));
        for position in 1..=3 {
            pushes.insert(account, conversation, Position(position));
        }
        let mut member = Member::new(conversation, account, Slot(0), Position(0), TimeMs(0));
        member.apply_acknowledged(Position(1));
        pushes.settle(&member);
        let is_in = |position| pushes.contains(account, conversation, Position(position));
        assert!(!is_in(1) && is_in(2) && is_in(3) && !is_in(4));
        assert!(!pushes.contains(AccountId(8), conversation, Position(2)));
        assert!(
            [2, 3]
                .into_iter()
                .all(|position| member.apply_acknowledged(Position(position)))
        );
        pushes.settle(&member);
        assert!(pushes.of(account).is_empty());
        let stripe = pushes.stripe(account).lock();
        assert_eq!((stripe.accounts.len(), stripe.ranges), (0, 0));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let pushes = Pushes::default();
        let account = |number: usize| AccountId((number * SESSION_STRIPES) as u64);
        let push = |number| pushes.insert(account(number), ConversationId(1), Position(1));
        (0..PUSHED_RANGES_PER_STRIPE_MAX).for_each(push);
        push(0);
        push(PUSHED_RANGES_PER_STRIPE_MAX);
        let is_in = |number| pushes.contains(account(number), ConversationId(1), Position(1));
        assert!(is_in(0) && !is_in(1) && is_in(2) && is_in(PUSHED_RANGES_PER_STRIPE_MAX));
    }
}
