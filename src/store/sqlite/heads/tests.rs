//! Heads at the ends of pages, any heads against a map, and pages that are damaged.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::sqlite::{PAGE_BYTES, migrate};

/// The highest number that the file keeps.
const MAX: u64 = i64::MAX.cast_unsigned();

fn tables() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection, 0).unwrap();
    connection
}

#[test]
fn heads_are_found_where_they_were_put() {
    let connection = tables();
    let of = |id: u64, version: u64| Head {
        position: Position(id + version),
        message: MessageId(MAX - id),
        at: TimeMs(-(id as i64)),
    };
    let ids = [
        1,
        2,
        PAGE_HEADS - 1,
        PAGE_HEADS,
        PAGE_HEADS + 1,
        5 * PAGE_HEADS,
        (1 << 40) + 3,
    ];
    let mut writer = HeadWriter::default();
    for version in 0..2 {
        let mut pages = 0;
        for id in ids {
            let put = writer.put(&connection, ConversationId(id), of(id, version));
            pages += usize::from(put.unwrap());
        }
        assert_eq!(pages, 4);
        writer.flush(&connection).unwrap();
        let mut all_heads = Vec::new();
        all(&connection, |id, head| all_heads.push((id.0, head))).unwrap();
        assert_eq!(all_heads, ids.map(|id| (id, of(id, version))));
        for id in ids {
            let found = head(&connection, ConversationId(id)).unwrap();
            assert_eq!(found, Some(of(id, version)));
        }
    }
    for id in [0, 3, PAGE_HEADS + 2, 9 * PAGE_HEADS] {
        assert_eq!(head(&connection, ConversationId(id)).unwrap(), None);
    }
}

fn any_head() -> impl Strategy<Value = Head> {
    let number = || {
        prop_oneof![
            1..300_u64,
            1..1_u64 << 53,
            Just(1 << 52),
            Just(MAX),
            Just(1)
        ]
    };
    let at = prop_oneof![
        -9..9_i64,
        Just(i64::MIN),
        Just(i64::MAX),
        1_700_000_000_000..1_900_000_000_000_i64
    ];
    (number(), number(), at).prop_map(|(position, message, at)| Head {
        position: Position(position),
        message: MessageId(message),
        at: TimeMs(at),
    })
}

fn any_heads() -> impl Strategy<Value = Vec<(u64, Head)>> {
    let place = prop_oneof![0..PAGE_HEADS, 0..4 * PAGE_HEADS, Just(PAGE_HEADS - 1)];
    prop::collection::vec((place, any_head()), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn heads_are_as_in_a_map(heads in any_heads(), flushes in prop::collection::vec(any::<bool>(), 60)) {
        let connection = tables();
        let mut writer = HeadWriter::default();
        let mut map = BTreeMap::new();
        for ((id, head), flushes) in heads.into_iter().zip(flushes) {
            writer.put(&connection, ConversationId(id), head).unwrap();
            map.insert(id, head);
            if flushes {
                writer.flush(&connection).unwrap();
            }
        }
        writer.flush(&connection).unwrap();
        let mut found = BTreeMap::new();
        all(&connection, |id, head| assert!(found.insert(id.0, head).is_none())).unwrap();
        prop_assert_eq!(&found, &map);
        for id in 0..4 * PAGE_HEADS {
            let found = head(&connection, ConversationId(id)).unwrap();
            prop_assert_eq!(found, map.get(&id).copied());
        }
    }

    #[test]
    fn a_page_that_is_cut_anywhere_is_refused(heads in prop::collection::vec(any_head(), 1..20)) {
        let mut page = heads;
        page.resize(PAGE_HEADS as usize, Head::default());
        let mut data = Vec::new();
        pack(&page, &mut data);
        for cut in 0..data.len() {
            prop_assert!(Heads::new(&data[..cut]).is_err());
        }
        data.push(0);
        prop_assert!(Heads::new(&data).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9)) {
        let mut data = vec![0; NUMBERS];
        for (index, byte) in edits {
            let index = index.index(data.len());
            data[index] = byte;
        }
        let ends = data.iter().filter(|byte| is_end(**byte)).count();
        data.extend(vec![0; NUMBERS - ends]);
        let mut heads = Heads::new(&data).unwrap();
        for place in 0..PAGE_HEADS as usize {
            let mut at = Heads::new(&data).unwrap();
            at.skip(place).unwrap();
            prop_assert_eq!(at.bytes.0, heads.bytes.0);
            let read = heads.read();
            prop_assert_eq!(at.read().map_err(|error| error.0), read.map_err(|error| error.0));
        }
    }
}

/// What a busy server has after a year: a page of it is one of the file's.
#[test]
fn a_page_of_many_heads_fills_a_page_of_the_file() {
    let heads: Vec<Head> = (1..=PAGE_HEADS)
        .map(|index| {
            let ms = index * 41_000_000;
            Head {
                position: Position(index * 21),
                message: MessageId((1 << 49) + (ms << ID_MS_SHIFT) + index % 256),
                at: TimeMs(1_800_000_000_000 + ms as i64),
            }
        })
        .collect();
    let mut data = Vec::new();
    pack(&heads, &mut data);
    let bytes_max = PAGE_BYTES as usize - 100;
    assert!((bytes_max * 8 / 10..=bytes_max).contains(&data.len()));
}

#[test]
fn a_page_of_a_wrong_size_is_left_as_it_is() {
    let connection = tables();
    for bytes in [NUMBERS - 1, NUMBERS + 1] {
        let put = "INSERT OR REPLACE INTO head_page VALUES (0, zeroblob(?1))";
        connection.execute(put, [bytes as i64]).unwrap();
        let mut writer = HeadWriter::default();
        let refused = writer.put(&connection, ConversationId(1), Head::default());
        assert!(refused.unwrap_err().0.contains("wrong size"));
        writer.flush(&connection).unwrap();
        let size = "SELECT length(data) FROM head_page";
        let size: i64 = connection.query_row(size, [], |row| row.get(0)).unwrap();
        assert_eq!(size, bytes as i64);
        let refused = head(&connection, ConversationId(1)).unwrap_err();
        assert!(refused.0.contains("wrong size"));
    }
    let update = "UPDATE head_page SET id = -1, data = zeroblob(?1)";
    connection.execute(update, [NUMBERS as i64]).unwrap();
    let refused = all(&connection, |_, _| {}).unwrap_err();
    assert!(refused.0.contains("no place"));
}

#[test]
fn heads_without_sense_are_refused() {
    let head = Head {
        position: Position(5),
        message: MessageId(MAX),
        at: TimeMs(7),
    };
    let mut page = vec![head];
    page.resize(PAGE_HEADS as usize, Head::default());
    let mut data = Vec::new();
    pack(&page, &mut data);
    let begin = data.len() - HEAD_NUMBERS * PAGE_HEADS as usize;
    for (place, byte) in [(0, 0), (1, 1), (4, 1)] {
        let mut data = data.clone();
        data[begin + place] = byte;
        let mut heads = Heads::new(&data).unwrap();
        heads.skip(place / HEAD_NUMBERS).unwrap();
        match place {
            0 => assert_eq!(heads.read().unwrap(), None),
            _ => assert!(heads.read().unwrap_err().0.contains("no sense")),
        }
    }
    let connection = tables();
    let mut writer = HeadWriter::default();
    for (position, message) in [(MAX + 1, 1), (1, MAX + 1)] {
        let head = Head {
            position: Position(position),
            message: MessageId(message),
            at: TimeMs(0),
        };
        let refused = writer.put(&connection, ConversationId(1), head);
        assert!(refused.unwrap_err().0.contains("out of bounds"));
    }
}
