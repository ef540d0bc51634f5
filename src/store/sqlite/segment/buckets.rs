//! Where the chains of a segment begin.

use crate::store::sqlite::segment::NONE;

/// The beginnings of chains, found by hash. Their number is fixed. A chain has all that falls into one bucket: what is of one hash, and
/// seldom something else, a little more of it in a segment that is larger than it was meant to be.
#[derive(Debug)]
pub(super) struct Buckets {
    /// A power of two of indexes that are one too high, so that memory that was never written, of which the kernel makes nothing, is none.
    firsts: Vec<u32>,
}

impl Buckets {
    /// As many as hold `items` with about one in each.
    pub(super) fn new(items: usize) -> Buckets {
        Buckets {
            firsts: vec![0; items.next_power_of_two()],
        }
    }

    /// Ends all chains.
    pub(super) fn clear(&mut self) {
        self.firsts.fill(0);
    }

    /// Where the chain of what has this hash begins, or [`NONE`].
    pub(super) fn first(&self, hash: u64) -> u32 {
        let first = self.firsts.get(self.bucket(hash));
        first.map_or(NONE, |first| first.wrapping_sub(1))
    }

    /// Lets the chain begin at `index`, which is less than [`NONE`], and gives where it began before.
    pub(super) fn put_first(&mut self, hash: u64, index: u32) -> u32 {
        let bucket = self.bucket(hash);
        let first = self.firsts.get_mut(bucket);
        let first = first.map_or(0, |first| std::mem::replace(first, index.wrapping_add(1)));
        first.wrapping_sub(1)
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.firsts.len() - 1)
    }
}
