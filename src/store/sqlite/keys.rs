//! Keys of messages to which clients gave ids: a hash of who sent which id, and filters that say at once that one is new.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use crate::domain::ids::{AccountId, ConversationId};
use crate::domain::message::Dialect;
use crate::store::Result;
use crate::store::sqlite::block::BLOCK_KEYS_MAX;
use crate::store::sqlite::log::Logged;
use crate::store::sqlite::varint::damaged;

/// Bytes of what keys are hashed with.
pub(super) const SECRET_BYTES: usize = 16;
/// The low bits of a key tell conversations apart in which the same id was used.
const CONVERSATION_BITS: u32 = 16;
/// Bytes of a block's filter: ten bits a key.
const FILTER_BYTES: usize = 1024;
/// Bits that a key sets: for ten bits a key the fewest false alarms, about 1 %.
const FILTER_HASHES: u64 = 7;

const _: () = assert!(BLOCK_KEYS_MAX * 10 <= FILTER_BYTES * 8);

/// What keys are hashed with, so that nobody can choose ids whose keys collide. Each file has its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Secret(pub(super) [u8; SECRET_BYTES]);

impl Secret {
    /// The key of a client's id in a conversation, below 2^63. Different ids may have the same: the message decides.
    pub(super) fn key(
        &self,
        sender: AccountId,
        conversation: ConversationId,
        origin: Dialect,
        client_id: &str,
    ) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(sender.0.to_le_bytes());
        hash.update([origin as u8]);
        hash.update(client_id);
        let hash = hash.finalize();
        let high = hash.iter().take(8);
        let high = high.fold(0, |number, byte| number << 8 | u64::from(*byte));
        let low = conversation.0 & ((1 << CONVERSATION_BITS) - 1);
        (high >> (CONVERSATION_BITS + 1) << CONVERSATION_BITS) | low
    }

    /// The key of a message to which a client gave an id.
    pub(super) fn key_of(&self, message: &Logged<'_>) -> Option<u64> {
        let client_id = message.client_id?;
        let (sender, conversation) = (message.sender, message.conversation);
        Some(self.key(sender, conversation, message.origin, client_id))
    }
}

/// The keys of the same id in all conversations.
pub(super) fn anywhere(key: u64) -> RangeInclusive<u64> {
    let low = prefix(key) << CONVERSATION_BITS;
    low..=low | ((1 << CONVERSATION_BITS) - 1)
}

/// What the keys of the same id have in common.
pub(super) fn prefix(key: u64) -> u64 {
    key >> CONVERSATION_BITS
}

/// Whether two keys are of the same id, in one conversation or in two.
pub(super) fn same_id(one: u64, other: u64) -> bool {
    prefix(one) == prefix(other)
}

/// Which of its bits a key sets in a filter. The conversation has no part in it.
fn bits(key: u64) -> impl Iterator<Item = (usize, u8)> {
    // Keys of one block are neighbours: what they differ in is spread over all bits.
    let mixed = prefix(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (start, stride) = (mixed >> 32, mixed & 0xffff_ffff | 1);
    (0..FILTER_HASHES).map(move |index| {
        let bit = (start + index * stride) as usize % (FILTER_BYTES * 8);
        (bit / 8, 1 << (bit % 8))
    })
}

/// A Bloom filter over the keys of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter(Box<[u8; FILTER_BYTES]>);

impl Default for Filter {
    fn default() -> Filter {
        Filter(Box::new([0; FILTER_BYTES]))
    }
}

impl Filter {
    /// One as it is stored.
    ///
    /// # Errors
    /// When `bytes` are too few or too many.
    pub(super) fn stored(bytes: &[u8]) -> Result<Filter> {
        let bytes = <[u8; FILTER_BYTES]>::try_from(bytes);
        let bytes = bytes.map_err(|_| damaged("a filter of a wrong size"))?;
        Ok(Filter(Box::new(bytes)))
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: u64) {
        for (byte, bit) in bits(key) {
            self.0[byte] |= bit;
        }
    }

    /// What is stored.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

/// The filters of a run's blocks. Each has memory of its own: what millions of keys take is never copied while a commit waits.
#[derive(Debug, Default)]
pub(super) struct RunFilter {
    /// The first key of each block.
    firsts: Vec<u64>,
    filters: Vec<Filter>,
}

impl RunFilter {
    /// Adds that of the next block, which begins with the key `first`.
    pub(super) fn push(&mut self, first: u64, filter: Filter) {
        self.firsts.push(first);
        self.filters.push(filter);
    }

    /// Whether the id of `key` may have been used in any conversation.
    fn may_have(&self, key: u64) -> bool {
        let (low, high) = anywhere(key).into_inner();
        let from = self.firsts.partition_point(|first| *first <= low);
        let to = self.firsts.partition_point(|first| *first <= high);
        let blocks = from.saturating_sub(1)..to;
        let filters = self.filters.get(blocks).unwrap_or_default();
        filters
            .iter()
            .any(|Filter(bytes)| bits(key).all(|(byte, bit)| bytes[byte] & bit != 0))
    }

    fn bytes(&self) -> usize {
        self.firsts.len() * (FILTER_BYTES + size_of::<u64>() + size_of::<Filter>())
    }
}

/// The filters of all live runs of keys, by run; `None` for one that has no room.
#[derive(Debug, Default)]
pub(super) struct Filters(BTreeMap<u64, Option<RunFilter>>);

impl Filters {
    /// Adds a run's filter, and drops filters of the oldest while all take more than `bytes_max`.
    pub(super) fn insert(&mut self, run: u64, filter: RunFilter, bytes_max: usize) {
        self.0.insert(run, Some(filter));
        let mut bytes: usize = self.0.values().flatten().map(RunFilter::bytes).sum();
        for filter in self.0.values_mut() {
            if bytes <= bytes_max {
                break;
            }
            bytes -= filter.take().map_or(0, |filter| filter.bytes());
        }
    }

    /// Forgets a run that is not live any more.
    pub(super) fn remove(&mut self, run: u64) {
        self.0.remove(&run);
    }

    /// Whether the id of `key` may have been used in any conversation.
    pub(super) fn may_have(&self, key: u64) -> bool {
        let mut filters = self.0.values();
        filters.any(|filter| filter.as_ref().is_none_or(|filter| filter.may_have(key)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_id_elsewhere_has_a_key_beside_it() {
        let secret = Secret([7; SECRET_BYTES]);
        let key = |conversation, client_id| {
            let conversation = ConversationId(conversation);
            secret.key(AccountId(2), conversation, Dialect::Jim, client_id)
        };
        let one = key(1, "a");
        assert_ne!(one, key(2, "a"));
        assert!(anywhere(one).contains(&key(2, "a")) && !anywhere(one).contains(&key(1, "b")));
        let others = [
            secret.key(AccountId(3), ConversationId(1), Dialect::Jim, "a"),
            secret.key(AccountId(2), ConversationId(1), Dialect::Chat, "a"),
            Secret::default().key(AccountId(2), ConversationId(1), Dialect::Jim, "a"),
        ];
        assert!(others.iter().all(|other| !anywhere(one).contains(other)));
        assert!(one < 1 << 63);
    }

    proptest! {
        #[test]
        fn a_filter_never_denies_what_it_has(mut keys in prop::collection::vec(0..1_u64 << 63, 1..2_000)) {
            keys.sort_unstable();
            let mut filters = Filters::default();
            let mut run = RunFilter::default();
            for block in keys.chunks(BLOCK_KEYS_MAX / 4) {
                let mut filter = Filter::default();
                block.iter().for_each(|key| filter.add(*key));
                run.push(block[0], filter);
            }
            filters.insert(1, run, usize::MAX);
            prop_assert!(keys.iter().all(|key| filters.may_have(*key) && filters.may_have(key ^ 1)));
            let strangers = (1..1_000_u64).map(|number| number.wrapping_mul(0x5851_F42D_4C95_7F2D) >> 1);
            let alarms = strangers.filter(|key| filters.may_have(*key)).count();
            prop_assert!(alarms < 50, "{alarms} of 1,000 taken for known");
            filters.insert(2, RunFilter::default(), 0);
            prop_assert!(filters.may_have(12345), "a run without a filter may have anything");
        }
    }
}
