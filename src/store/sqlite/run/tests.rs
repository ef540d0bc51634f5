//! Places of a list are found in whatever runs have them, and without a look at all of them.

use proptest::prelude::*;
use rusqlite::StatementStatus;

use super::*;
use crate::store::sqlite::migrate;

const LIST: u64 = 50;

fn tables() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection, 0).unwrap();
    connection
}

/// What a run has of the list and of those around it, which fill its blocks: counts of entries.
#[derive(Clone, Copy, Debug)]
struct Part {
    level: u32,
    before: u64,
    count: u64,
    after: u64,
}

fn part() -> impl Strategy<Value = Part> {
    let count = prop_oneof![3 => Just(0_u64), 3 => 1..4_u64, 2 => 1..90_u64, 1 => 500..6_000_u64];
    let around = || prop_oneof![Just(0_u64), 1..50_u64, 500..4_000_u64];
    (0..4_u32, around(), count, around()).prop_map(|(level, before, count, after)| Part {
        level,
        before,
        count,
        after,
    })
}

/// Writes runs of `parts`, which come from the oldest on, and gives them from the newest on, with the entries of the list.
fn write(connection: &Connection, parts: &[Part]) -> (Vec<Run>, Vec<Entry>) {
    let mut ids = NextIds::load(connection).unwrap();
    let (mut runs, mut entries) = (Vec::new(), Vec::new());
    let mut message = 1_000;
    for part in parts {
        let run = Run {
            id: 0,
            kind: Kind::Lists,
            level: part.level,
            first_message: message + 1,
            last_message: message + 1_000_000,
            newest_at: 0,
        };
        let mut writer = RunWriter::begin(connection, &mut ids, run).unwrap();
        let mut put = |list, place| {
            message += 3;
            let entry = Entry {
                list,
                place,
                message,
                sender: 2 + message % 5,
            };
            writer.push(connection, &mut ids, entry).unwrap();
            entry
        };
        for index in 0..part.before {
            let list = LIST - 2 + u64::from(index > part.before / 2);
            put(list, index * 7);
        }
        for _ in 0..part.count {
            entries.push(put(LIST, entries.len() as u64 + 1));
        }
        for index in 0..part.after {
            put(LIST + 3 + index, 1);
        }
        let (run, _) = writer.finish(connection, &mut ids).unwrap();
        runs.insert(0, run);
    }
    (runs, entries)
}

fn newest(
    connection: &Connection,
    runs: &[Run],
    places: RangeInclusive<u64>,
    rows_max: usize,
) -> Vec<Entry> {
    let mut found = Vec::new();
    newest_first(connection, runs, LIST, places, rows_max, &mut found).unwrap();
    found
}

fn plain(entries: &[Entry], places: RangeInclusive<u64>, rows_max: usize) -> Vec<Entry> {
    let meant = entries
        .iter()
        .rev()
        .filter(|entry| places.contains(&entry.place));
    meant.take(rows_max).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_runs_have_is_found(
        parts in prop::collection::vec(part(), 0..20),
        pages in prop::collection::vec((any::<prop::sample::Index>(), 0..3_000_u64, 1..600_usize), 20),
    ) {
        let connection = tables();
        let (runs, entries) = write(&connection, &parts);
        for (high, length, rows_max) in pages {
            let high = high.index(entries.len() + 3) as u64;
            for places in [high.saturating_sub(length).max(1)..=high, high..=high, 1..=high] {
                let found = newest(&connection, &runs, places.clone(), rows_max);
                prop_assert_eq!(found, plain(&entries, places, rows_max));
            }
        }
        prop_assert_eq!(newest(&connection, &runs, 1..=u64::MAX >> 1, usize::MAX), plain(&entries, 1..=u64::MAX, usize::MAX));
    }
}

/// How many blocks are looked for to find a page of ten.
fn looks(connection: &Connection, runs: &[Run], entries: &[Entry], high: u64) -> i32 {
    let statement = || connection.prepare_cached(BLOCK_UP_TO).unwrap();
    statement().reset_status(StatementStatus::Run);
    let places = high - 9..=high;
    let found = newest(connection, runs, places.clone(), 10);
    assert_eq!(found, plain(entries, places, 10));
    statement().get_status(StatementStatus::Run)
}

#[test]
fn few_runs_are_looked_at() {
    let connection = tables();
    // As after ten million messages: most runs are small, and half of those have nothing.
    let part = |level: u32, count| Part {
        level,
        before: 5,
        count,
        after: 5,
    };
    let mut parts = vec![part(2, 640), part(2, 640)];
    parts.extend([part(1, 80); 7]);
    parts.extend((0..7).map(|index| part(0, index % 2 * 12)));
    let (runs, entries) = write(&connection, &parts);
    let newest = entries.len() as u64;
    assert!(looks(&connection, &runs, &entries, newest) <= 2);
    for high in [20, 300, 620, 700, 1_270] {
        assert!(looks(&connection, &runs, &entries, high) <= 5, "{high}");
    }
    let pages: Vec<i32> = (10..=newest)
        .step_by(7)
        .map(|high| looks(&connection, &runs, &entries, high))
        .collect();
    assert!(pages.iter().sum::<i32>() <= 5 * pages.len() as i32);
    assert!(pages.iter().all(|looks| *looks <= 13));
}

/// A conversation that no run has is looked for once in each.
#[test]
fn nothing_is_found_in_one_go() {
    let connection = tables();
    let part = Part {
        level: 0,
        before: 9,
        count: 0,
        after: 9,
    };
    let (runs, entries) = write(&connection, &[part; 12]);
    assert_eq!(looks(&connection, &runs, &entries, 30), 12);
}
