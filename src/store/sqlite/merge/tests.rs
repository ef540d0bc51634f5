//! A merge gives what sorting all entries gives.

use proptest::prelude::*;

use super::*;
use crate::store::sqlite::block::{BLOCK_BYTES_MAX, Builder, PIECE_ENTRIES_MAX, Pieces};
use crate::store::sqlite::keys::Filters;
use crate::store::sqlite::migrate;

/// Messages that come together.
#[derive(Clone, Debug)]
struct Burst {
    list: u64,
    count: u64,
    /// Positions that are left out before it.
    gap: u64,
    senders: Vec<u64>,
    /// How far ids rise.
    stride: u64,
    /// To which run it goes, of those that go anywhere.
    run: usize,
}

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    let count = prop_oneof![4 => 1..4_u64, 2 => 1..60_u64, 1 => 400..900_u64];
    let gap = prop_oneof![9 => Just(0_u64), 1 => 1..3_u64];
    let sender = prop_oneof![Just(2_u64), Just(3), Just(90_000), Just(1 << 40), Just(0)];
    let senders = prop::collection::vec(sender, 1..5);
    let stride = prop_oneof![Just(1_u64), 1..100_000_u64];
    let burst = (1..7_u64, count, gap, senders, stride, 0..5_usize);
    let burst = burst.prop_map(|(list, count, gap, senders, stride, run)| Burst {
        list: list * list * 37,
        count,
        gap,
        senders,
        stride,
        run,
    });
    prop::collection::vec(burst, 1..80)
}

/// The runs that the bursts go to: as a store has them, each with the messages of a time, or in any way.
fn runs(bursts: &[Burst], is_by_time: bool) -> Vec<Vec<Entry>> {
    let mut runs = vec![Vec::new(); 5];
    let mut places = std::collections::BTreeMap::new();
    let mut message = 1 << 41;
    for (index, burst) in bursts.iter().enumerate() {
        let place = places.entry(burst.list).or_insert(0);
        *place += burst.gap;
        let run = match is_by_time {
            true => index * runs.len() / bursts.len(),
            false => burst.run,
        };
        let senders = burst.senders.iter().cycle();
        for (index, sender) in (0..burst.count).zip(senders) {
            *place += 1;
            message += burst.stride;
            runs[run].push(Entry {
                list: burst.list,
                place: *place,
                message: message - index % 3 * u64::from(!is_by_time),
                sender: *sender,
            });
        }
    }
    for run in &mut runs {
        run.sort_unstable();
    }
    runs
}

fn keys(bursts: &[Burst]) -> Vec<Vec<Entry>> {
    let mut runs = runs(bursts, true);
    for entry in runs.iter_mut().flatten() {
        let key = entry.message.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1;
        *entry = Entry {
            list: key,
            place: entry.message,
            sender: 0,
            ..*entry
        };
    }
    for run in &mut runs {
        run.sort_unstable();
    }
    runs
}

fn tables() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection, 0).unwrap();
    connection
}

/// Merges `runs`, about `budget` entries a step, and gives the blocks with where they begin.
fn merged(kind: Kind, runs: &[Vec<Entry>], budget: usize) -> Vec<((u64, u64), Vec<u8>)> {
    let connection = tables();
    let mut ids = NextIds::load(&connection).unwrap();
    let mut parts = Vec::new();
    for (index, entries) in runs.iter().enumerate() {
        let run = Run {
            id: 0,
            kind,
            level: 3,
            first_message: 10 * index as u64,
            last_message: 10 * index as u64 + 9,
            newest_at: index as i64,
        };
        let mut writer = RunWriter::begin(&connection, &mut ids, run).unwrap();
        for entry in entries {
            writer.push(&connection, &mut ids, *entry).unwrap();
        }
        let (run, _) = writer.finish(&connection, &mut ids).unwrap();
        parts.push(run);
    }
    let mut merge = Merge::begin(&connection, &mut ids, parts).unwrap().unwrap();
    let mut all = 0;
    loop {
        let mut left = budget;
        let is_done = merge.step(&connection, &mut ids, &mut left).unwrap();
        all += budget - left;
        if is_done {
            break;
        }
        assert_eq!(left, 0);
    }
    assert!(all <= runs.iter().map(Vec::len).sum::<usize>());
    let (run, filter, _) = merge.finish(&connection, &mut ids).unwrap();
    assert_eq!((run.level, run.first_message, run.newest_at), (4, 0, 4));
    assert_eq!(run.last_message, 49);
    if kind == Kind::Keys {
        let mut filters = Filters::default();
        filters.insert(run.id, filter, usize::MAX);
        let mut entries = runs.iter().flatten();
        assert!(entries.all(|entry| filters.may_have(entry.list)));
    }
    let mut blocks = Vec::new();
    let mut block = None;
    loop {
        let mut data = Vec::new();
        block = block_after(&connection, run.id, block, |found| {
            data.extend_from_slice(found);
            Ok(())
        })
        .unwrap();
        match block {
            Some(first) => blocks.push((first, data)),
            None => return blocks,
        }
    }
}

fn check(kind: Kind, runs: &[Vec<Entry>], budget: usize) {
    let mut expected: Vec<Entry> = runs.iter().flatten().copied().collect();
    expected.sort_unstable();
    let blocks = merged(kind, runs, usize::MAX);
    let mut found = Vec::new();
    for (first, data) in &blocks {
        assert!(data.len() <= BLOCK_BYTES_MAX);
        if kind == Kind::Lists {
            for piece in Pieces::new(data) {
                assert!((1..=PIECE_ENTRIES_MAX).contains(&piece.unwrap().count));
            }
        }
        let begin = found.len();
        unpack(kind, data, &mut found).unwrap();
        let begin: &Entry = &found[begin];
        assert_eq!((begin.list, begin.place), *first);
    }
    assert_eq!(found, expected);
    let mut plain = Builder::new(kind);
    let full = expected.iter().filter_map(|entry| plain.push(*entry));
    let plain_blocks = full.count() + 1;
    assert!(blocks.len() <= plain_blocks + plain_blocks / 10 + 1);
    assert_eq!(merged(kind, runs, budget), blocks);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lists_are_merged(bursts in bursts(), is_by_time in any::<bool>(), budget in 1..2_000_usize) {
        check(Kind::Lists, &runs(&bursts, is_by_time), budget);
    }

    #[test]
    fn keys_are_merged(bursts in bursts(), budget in 1..2_000_usize) {
        check(Kind::Keys, &keys(&bursts), budget);
    }
}

/// What is damaged is neither mended nor passed on.
#[test]
fn a_damaged_block_is_refused() {
    let connection = tables();
    let mut ids = NextIds::load(&connection).unwrap();
    let mut parts = Vec::new();
    for index in 0..2 {
        let run = Run {
            id: 0,
            kind: Kind::Lists,
            level: 0,
            first_message: index,
            last_message: index,
            newest_at: 0,
        };
        let mut writer = RunWriter::begin(&connection, &mut ids, run).unwrap();
        for place in 1..100 {
            let entry = Entry {
                list: 7,
                place: place + 100 * index,
                message: 1_000 * index + place,
                sender: 2 + place % 2,
            };
            writer.push(&connection, &mut ids, entry).unwrap();
        }
        parts.push(writer.finish(&connection, &mut ids).unwrap().0);
    }
    let mut data = Vec::new();
    block_after(&connection, parts[1].id, None, |found| {
        data.extend_from_slice(found);
        Ok(())
    })
    .unwrap();
    let put = "UPDATE block SET data = ?1 WHERE id = 2";
    for cut in 0..data.len() {
        connection.execute(put, [&data[..cut]]).unwrap();
        let merge = Merge::begin(&connection, &mut ids, parts.clone());
        let step = merge.and_then(|merge| {
            let mut merge = merge.unwrap();
            merge.step(&connection, &mut ids, &mut 1_000)
        });
        assert!(step.is_err(), "{cut}");
    }
}
