use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::cache::rows::text_bytes;

fn weigh(row: &(u8, Arc<str>)) -> usize {
    text_bytes(&row.1)
}

/// What a row takes whose text has so many bytes.
fn one(len: usize) -> usize {
    let mut cache = Cache::new(usize::MAX, weigh);
    cache.put(1, text(len), CommitNumber(1));
    cache.rows.bytes()
}

fn text(len: usize) -> Arc<str> {
    Arc::from("x".repeat(len))
}

#[test]
fn what_changed_after_the_floor_stays_until_the_floor_moves() {
    let mut cache = Cache::new(0, |_| 10);
    cache.put(1, "new", CommitNumber(5));
    cache.shrink(CommitNumber(4));
    cache.put_loaded(1, "stale");
    assert_eq!(cache.get(&1), Some(&"new"));
    cache.shrink(CommitNumber(5));
    assert_eq!(cache.get(&1), None);
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut cache = Cache::new(2 * one(3), weigh);
    for key in [1, 2, 3] {
        cache.put(key, text(3), CommitNumber(1));
    }
    cache.get(&1);
    cache.shrink(CommitNumber(1));
    assert!(cache.get(&2).is_none() && cache.get(&1).is_some() && cache.get(&3).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    Put(u8, usize),
    PutLoaded(u8, usize),
    Change(u8, usize),
    Remove(u8),
    /// So many commits behind the newest.
    Shrink(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (key, len) = (0..40_u8, 0..200_usize);
    prop_oneof![
        3 => key.clone().prop_map(Step::Get),
        3 => (key.clone(), len.clone()).prop_map(|(key, len)| Step::Put(key, len)),
        3 => (key.clone(), len.clone()).prop_map(|(key, len)| Step::PutLoaded(key, len)),
        1 => (key.clone(), len).prop_map(|(key, len)| Step::Change(key, len)),
        1 => key.prop_map(Step::Remove),
        2 => (0..10_u64).prop_map(Step::Shrink),
    ]
}

struct Plain {
    key: u8,
    value: Arc<str>,
    changed: u64,
}

/// Rows from the least recently used on.
#[derive(Default)]
struct Model(Vec<Plain>);

impl Model {
    fn find(&self, key: u8) -> Option<usize> {
        self.0.iter().position(|row| row.key == key)
    }

    fn get(&mut self, key: u8) -> Option<Arc<str>> {
        let row = self.0.remove(self.find(key)?);
        self.0.push(row);
        self.0.last().map(|row| Arc::clone(&row.value))
    }

    fn put(&mut self, key: u8, value: Arc<str>, changed: u64) {
        self.0.retain(|row| row.key != key);
        self.0.push(Plain {
            key,
            value,
            changed,
        });
    }

    fn bytes(&self) -> usize {
        let row = one(0);
        self.0.iter().map(|one| row + text_bytes(&one.value)).sum()
    }

    fn shrink(&mut self, bytes_max: usize, floor: u64) {
        while self.bytes() > bytes_max && self.0[0].changed <= floor {
            self.0.remove(0);
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_a_plain_list_does(
        bytes_max in prop::sample::select(&[0, 300, 2_000, usize::MAX][..]),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let (mut cache, mut model) = (Cache::new(bytes_max, weigh), Model::default());
        for (commit, step) in (1..).zip(steps) {
            match step {
                Step::Get(key) => {
                    prop_assert_eq!(cache.get(&key).cloned(), model.get(key));
                }
                Step::Put(key, len) => {
                    cache.put(key, text(len), CommitNumber(commit));
                    model.put(key, text(len), commit);
                }
                Step::PutLoaded(key, len) => {
                    cache.put_loaded(key, text(len));
                    if model.find(key).is_none() {
                        model.put(key, text(len), 0);
                    }
                }
                Step::Change(key, len) => {
                    cache.change(&key, CommitNumber(commit), |value| *value = text(len));
                    if let Some(at) = model.find(key) {
                        (model.0[at].value, model.0[at].changed) = (text(len), commit);
                    }
                }
                Step::Remove(key) => {
                    cache.remove(&key);
                    model.0.retain(|row| row.key != key);
                }
                Step::Shrink(behind) => {
                    let floor = commit.saturating_sub(behind);
                    cache.shrink(CommitNumber(floor));
                    model.shrink(bytes_max, floor);
                }
            }
            prop_assert_eq!(cache.rows.bytes(), model.bytes());
            prop_assert_eq!(cache.iter().count(), model.0.len());
            prop_assert_eq!(cache.index.len(), model.0.len());
        }
        for row in std::mem::take(&mut model.0) {
            prop_assert_eq!(cache.get(&row.key), Some(&row.value));
        }
    }

    #[test]
    fn places_that_rows_have_left_are_taken_again(count in 1..2_000_u64) {
        let mut cache: Cache<u64, ()> = Cache::new(0, |_| 0);
        for commit in 1..=3 {
            for key in 0..count {
                cache.put(key, (), CommitNumber(commit));
            }
            prop_assert_eq!(cache.iter().count() as u64, count);
            prop_assert_eq!(cache.rows.places() as u64, count);
            cache.shrink(CommitNumber(commit));
            prop_assert_eq!(cache.iter().count(), 0);
        }
    }
}
