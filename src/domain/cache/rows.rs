//! Rows in the order of their last use, each under a number of 4 bytes, without an allocation for each.

use hashbrown::HashTable;

use crate::domain::ids::CommitNumber;

/// Rows that share an allocation. Growing by such chunks moves nothing and leaves little unused.
const CHUNK: usize = 256;
/// What an index takes for each row at most, in bytes: 5 a bucket, of which at least 7 in 16 are taken.
const INDEX_BYTES: usize = 12;
/// Stands for no row.
const NONE: u32 = u32::MAX;

/// Rows, the least recently used of which leave first, but none that a load under way could bring back stale.
#[derive(Debug)]
pub struct Rows<T> {
    chunks: Vec<Vec<Entry<T>>>,
    /// The first of the places that rows have left, chained by `newer`.
    free: u32,
    oldest: u32,
    newest: u32,
    bytes: usize,
    bytes_max: usize,
    indexes: usize,
    heap_bytes: fn(&T) -> usize,
}

#[derive(Debug)]
struct Entry<T> {
    row: Option<T>,
    /// The commit that changed it last, 0 when it is as it was loaded.
    changed: CommitNumber,
    older: u32,
    newer: u32,
}

impl<T> Rows<T> {
    /// No rows yet, which [`Rows::pop`] brings down to `bytes_max`, found by so many `indexes`. `heap_bytes` says what a row points to,
    /// which it alone may change: see [`heap`].
    pub fn new(bytes_max: usize, indexes: usize, heap_bytes: fn(&T) -> usize) -> Rows<T> {
        Rows {
            chunks: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            bytes: 0,
            bytes_max,
            indexes,
            heap_bytes,
        }
    }

    fn entry(&self, at: u32) -> Option<&Entry<T>> {
        self.chunks
            .get(at as usize / CHUNK)?
            .get(at as usize % CHUNK)
    }

    fn entry_mut(&mut self, at: u32) -> Option<&mut Entry<T>> {
        self.chunks
            .get_mut(at as usize / CHUNK)?
            .get_mut(at as usize % CHUNK)
    }

    fn row_bytes(&self, row: &T) -> usize {
        size_of::<Entry<T>>() + self.indexes * INDEX_BYTES + (self.heap_bytes)(row)
    }

    /// The row at `at`, if there is one.
    pub fn get(&self, at: u32) -> Option<&T> {
        self.entry(at)?.row.as_ref()
    }

    /// The number of the row used last, or of none.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks
            .iter()
            .flatten()
            .filter_map(|entry| entry.row.as_ref())
    }

    /// What the rows take, in bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many places there are, taken or not.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Adds a row as the one used last, as `commit` leaves it, and gives its number.
    pub fn push(&mut self, row: T, commit: CommitNumber) -> u32 {
        self.bytes += self.row_bytes(&row);
        let entry = Entry {
            row: Some(row),
            changed: commit,
            older: NONE,
            newer: NONE,
        };
        let free = self.free;
        let at = match self.entry_mut(free) {
            Some(place) => {
                let left = std::mem::replace(place, entry);
                self.free = left.newer;
                free
            }
            None => self.grow(entry),
        };
        self.link(at);
        at
    }

    fn grow(&mut self, entry: Entry<T>) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let last = self.chunks.last_mut().expect("there is one");
        last.push(entry);
        // Fewer than 2^32: each takes some of the bytes that are the bound.
        (full + last.len() - 1) as u32
    }

    /// Makes a row the one used last.
    pub fn touch(&mut self, at: u32) {
        if at != self.newest {
            self.unlink(at);
            self.link(at);
        }
    }

    fn link(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        match self.entry_mut(before) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
        if let Some(entry) = self.entry_mut(at) {
            (entry.older, entry.newer) = (before, NONE);
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(entry) = self.entry(at) else { return };
        let (older, newer) = (entry.older, entry.newer);
        match self.entry_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entry_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }

    /// Changes a row in `commit`.
    pub fn change<R>(
        &mut self,
        at: u32,
        commit: CommitNumber,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let heap_bytes = self.heap_bytes;
        let entry = self.entry_mut(at)?;
        let row = entry.row.as_mut()?;
        let before = heap_bytes(row);
        let result = change(row);
        let after = heap_bytes(row);
        entry.changed = commit;
        self.bytes = self.bytes - before + after;
        Some(result)
    }

    /// Takes a row out.
    pub fn remove(&mut self, at: u32) -> Option<T> {
        let row = self.entry_mut(at)?.row.take()?;
        self.unlink(at);
        let free = std::mem::replace(&mut self.free, at);
        if let Some(entry) = self.entry_mut(at) {
            entry.newer = free;
        }
        self.bytes -= self.row_bytes(&row);
        Some(row)
    }

    /// Takes out the row used least recently, as long as there is too much, with its number. A row changed after `floor` stays: a load
    /// that began at `floor` and comes in later must find it.
    pub fn pop(&mut self, floor: CommitNumber) -> Option<(u32, T)> {
        let oldest = self.oldest;
        let may_go = self.bytes > self.bytes_max && self.entry(oldest)?.changed <= floor;
        let row = may_go.then(|| self.remove(oldest)).flatten()?;
        Some((oldest, row))
    }
}

/// Takes the row at `at` out of an index, in which it stands under `hash`.
pub fn forget(index: &mut HashTable<u32>, hash: u64, at: u32) {
    if let Ok(found) = index.find_entry(hash, |other| *other == at) {
        found.remove();
    }
}

/// What an allocation of so many bytes takes: 8 more, in steps of 16, at least 32.
pub fn heap(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => (bytes + 8).next_multiple_of(16).max(32),
    }
}

/// What a shared text takes: its counts and its bytes. The empty one is one for all.
pub fn text_bytes(text: &str) -> usize {
    match text.len() {
        0 => 0,
        len => heap(2 * size_of::<usize>() + len),
    }
}
