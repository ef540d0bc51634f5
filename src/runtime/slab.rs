//! Connections by number, with generations: a late answer finds nobody instead of a stranger.

/// Names a place in a [`Slab`] and who was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The place.
    pub slot: u32,
    /// Rises each time that the place is left.
    pub generation: u32,
}

const CHUNK: usize = 256;

/// Values that stay where they are. Grows by chunks, so that growing moves nothing.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Entry<T>>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes a value that is made for its key.
    pub fn insert(&mut self, value: impl FnOnce(Key) -> T) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let entry = &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK];
        let key = Key {
            slot,
            generation: entry.generation,
        };
        entry.value = Some(value(key));
        self.len += 1;
        key
    }

    /// The value of `key`, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self
            .chunks
            .get_mut(key.slot as usize / CHUNK)?
            .get_mut(key.slot as usize % CHUNK)?;
        entry
            .value
            .as_mut()
            .filter(|_| entry.generation == key.generation)
    }

    /// Gives the value of `key` away; the key finds nothing from here on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        let entry = &mut self.chunks[key.slot as usize / CHUNK][key.slot as usize % CHUNK];
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.len -= 1;
        entry.value.take()
    }

    /// The keys of all values.
    pub fn keys(&self) -> Vec<Key> {
        let entries = self.chunks.iter().flatten().enumerate();
        let taken = entries.filter(|(_, entry)| entry.value.is_some());
        taken
            .map(|(slot, entry)| Key {
                slot: slot as u32,
                generation: entry.generation,
            })
            .collect()
    }

    fn grow(&mut self) -> u32 {
        let first = self.chunks.len() * CHUNK;
        self.chunks.push(
            (0..CHUNK)
                .map(|_| Entry {
                    generation: 0,
                    value: None,
                })
                .collect(),
        );
        self.free
            .extend((first + 1..first + CHUNK).rev().map(|slot| slot as u32));
        first as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_before_finds_nothing() {
        let mut slab = Slab::default();
        let old = slab.insert(|_| "old");
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert(|_| "new");
        assert_eq!(old.slot, new.slot);
        assert_eq!(slab.get_mut(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.get_mut(new), Some(&mut "new"));
    }

    #[test]
    fn many_values_keep_their_keys() {
        let mut slab = Slab::default();
        let keys: Vec<Key> = (0..1_000).map(|n| slab.insert(|_| n)).collect();
        for (n, key) in keys.iter().enumerate().step_by(2) {
            assert_eq!(slab.remove(*key), Some(n));
        }
        assert_eq!(slab.len(), 500);
        assert_eq!(slab.keys().len(), 500);
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(slab.get_mut(*key).copied(), (n % 2 == 1).then_some(n));
        }
    }
}
