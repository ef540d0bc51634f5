//! A bounded map that forgets what was used least recently, but nothing that a load under way could bring back stale.

pub mod rows;

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::domain::cache::rows::{Rows, forget};
use crate::domain::ids::CommitNumber;

#[cfg(test)]
mod tests;

/// Rows in memory, by key. A value may say that there is no such row, which is worth remembering too.
#[derive(Debug)]
pub struct Cache<K, V> {
    rows: Rows<(K, V)>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// An empty cache that [`Cache::shrink`] brings down to `bytes_max`. `heap_bytes` is what key and value point to.
    pub fn new(bytes_max: usize, heap_bytes: fn(&(K, V)) -> usize) -> Cache<K, V> {
        Cache {
            rows: Rows::new(bytes_max, 1, heap_bytes),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// What the rows take, in bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let is_it = |at: &u32| self.rows.get(*at).is_some_and(|(k, _)| k.borrow() == key);
        self.index.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// The row of `key`, which is used thereby.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key)?;
        self.rows.touch(at);
        self.rows.get(at).map(|(_, value)| value)
    }

    /// All rows, none of which is used thereby.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.rows.iter()
    }

    /// Changes the row of `key` in `commit`; says whether there is one.
    pub fn change<Q: Hash + Eq + ?Sized>(
        &mut self,
        key: &Q,
        commit: CommitNumber,
        change: impl FnOnce(&mut V),
    ) -> bool
    where
        K: Borrow<Q>,
    {
        let change = |(_, value): &mut (K, V)| change(value);
        let found = self.find(key);
        found.is_some_and(|at| self.rows.change(at, commit, change).is_some())
    }

    /// Sets a row as `commit` leaves it.
    pub fn put(&mut self, key: K, value: V, commit: CommitNumber) {
        match self.find(&key) {
            Some(at) => {
                self.rows.change(at, commit, |row| *row = (key, value));
                self.rows.touch(at);
            }
            None => self.add(key, value, commit),
        }
    }

    /// Takes a row that was loaded, unless there is one: that is at least as new.
    pub fn put_loaded(&mut self, key: K, value: V) {
        if self.find(&key).is_none() {
            self.add(key, value, CommitNumber(0));
        }
    }

    fn add(&mut self, key: K, value: V, commit: CommitNumber) {
        let hash = self.hasher.hash_one(&key);
        let at = self.rows.push((key, value), commit);
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.index.insert_unique(hash, at, |at| {
            rows.get(*at).map_or(0, |(key, _)| hasher.hash_one(key))
        });
    }

    /// Forgets a row for good: the caller has what says the same.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(at) = self.find(key) {
            self.rows.remove(at);
            forget(&mut self.index, self.hasher.hash_one(key), at);
        }
    }

    /// Forgets the rows used least recently until the bound is kept. A row changed after `floor` stays: a load that began at `floor`
    /// and comes in later must find it.
    pub fn shrink(&mut self, floor: CommitNumber) {
        while let Some((at, (key, _))) = self.rows.pop(floor) {
            forget(&mut self.index, self.hasher.hash_one(&key), at);
        }
    }
}
