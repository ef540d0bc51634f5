//! A bounded map that forgets what was used least recently, but nothing that a load under way could bring back stale.

use std::borrow::Borrow;
use std::hash::Hash;

use hashlink::LinkedHashMap;

use crate::domain::ids::CommitNumber;

/// Rows in memory, by key. `None` as a value stands for "there is no such row", which is worth remembering too.
#[derive(Debug)]
pub struct Cache<K, V> {
    rows: LinkedHashMap<K, Entry<V>>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    /// The commit that changed it last, 0 when it is as it was loaded.
    changed: CommitNumber,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// An empty cache that [`Cache::shrink`] brings down to `bytes_max`.
    pub fn new(bytes_max: usize) -> Cache<K, V> {
        Cache {
            rows: LinkedHashMap::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// The row of `key`, which is used thereby.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.to_back(key);
        self.rows.get(key).map(|entry| &entry.value)
    }

    /// All rows, none of which is used thereby.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.values().map(|entry| &entry.value)
    }

    /// The row of `key` to change it in `commit`.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(
        &mut self,
        key: &Q,
        commit: CommitNumber,
    ) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.rows.get_mut(key)?;
        entry.changed = commit;
        Some(&mut entry.value)
    }

    /// Sets a row as `commit` leaves it; `bytes` is roughly what key and value point to.
    pub fn put(&mut self, key: K, value: V, bytes: usize, commit: CommitNumber) {
        let bytes = bytes + 2 * (size_of::<K>() + size_of::<Entry<V>>());
        self.bytes += bytes;
        if let Some(old) = self.rows.insert(
            key,
            Entry {
                value,
                bytes,
                changed: commit,
            },
        ) {
            self.bytes -= old.bytes;
        }
    }

    /// Takes a row that was loaded, unless there is one: that is at least as new.
    pub fn put_loaded(&mut self, key: K, value: V, bytes: usize) {
        if !self.rows.contains_key(&key) {
            self.put(key, value, bytes, CommitNumber(0));
        }
    }

    /// Forgets the rows used least recently until the bound is kept. A row changed after `floor` stays: a load that began at `floor`
    /// and comes in later must find it.
    pub fn shrink(&mut self, floor: CommitNumber) {
        while self.bytes > self.bytes_max {
            match self.rows.front() {
                Some((_, entry)) if entry.changed <= floor => {
                    if let Some((_, entry)) = self.rows.pop_front() {
                        self.bytes -= entry.bytes;
                    }
                }
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_after_the_floor_stays_until_the_floor_moves() {
        let mut cache = Cache::new(0);
        cache.put(1, "new", 10, CommitNumber(5));
        cache.shrink(CommitNumber(4));
        cache.put_loaded(1, "stale", 10);
        assert_eq!(cache.get(&1), Some(&"new"));
        cache.shrink(CommitNumber(5));
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let one = 2 * (size_of::<u8>() + size_of::<Entry<()>>());
        let mut cache = Cache::new(2 * one);
        for key in [1u8, 2, 3] {
            cache.put(key, (), 0, CommitNumber(1));
        }
        cache.get(&1);
        cache.shrink(CommitNumber(1));
        assert!(cache.get(&2).is_none() && cache.get(&1).is_some() && cache.get(&3).is_some());
    }
}
