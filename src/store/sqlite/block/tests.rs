//! Whatever is packed is unpacked the same, and whatever is cut or changed is an error at worst.

use proptest::prelude::*;

use super::*;

/// Sorted entries of a few lists, with pieces of any length.
fn lists() -> impl Strategy<Value = Vec<Entry>> {
    let piece = (
        0..4_u64,
        1..700_u64,
        1..1_000_u64,
        prop::collection::vec(1..5_u64, 1..4),
    );
    prop::collection::vec(piece, 1..30).prop_map(|pieces| {
        let (mut list, mut place, mut message) = (1_u64, 1, 1 << 40);
        let mut entries = Vec::new();
        for (step, count, stride, senders) in pieces {
            // The same list again goes on with or without a gap.
            match step {
                0 => place += stride % 2,
                step => (list, place) = (list + step * stride, stride),
            }
            for (index, sender) in (0..count).zip(senders.iter().cycle()) {
                message += 1 + (index * stride) % 5_000;
                entries.push(Entry {
                    list,
                    place,
                    message,
                    sender: sender * stride,
                });
                place += 1;
            }
            message = message.saturating_sub(count * stride * 7);
        }
        entries
    })
}

fn keys() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((0..1_u64 << 63, 0..1_u64 << 53), 1..3_000).prop_map(|mut keys| {
        keys.sort_unstable();
        keys.dedup();
        let entry = |(list, message)| Entry {
            list,
            place: message,
            message,
            sender: 0,
        };
        keys.into_iter().map(entry).collect()
    })
}

fn pack(kind: Kind, entries: &[Entry]) -> Vec<Full> {
    let mut builder = Builder::new(kind);
    let mut blocks: Vec<Full> = entries
        .iter()
        .filter_map(|entry| builder.push(*entry))
        .collect();
    blocks.extend(builder.finish());
    assert!(builder.finish().is_none());
    blocks
}

fn check(kind: Kind, entries: &[Entry]) {
    let blocks = pack(kind, entries);
    let mut all = Vec::new();
    for block in &blocks {
        assert!(block.data.len() <= BLOCK_BYTES_MAX);
        let begin = all.len();
        unpack(kind, &block.data, &mut all).unwrap();
        assert_eq!((all[begin].list, all[begin].place), block.first);
        assert_eq!(block.filter.is_some(), kind == Kind::Keys);
    }
    assert_eq!(all, entries);
    let bytes: usize = blocks
        .iter()
        .rev()
        .skip(1)
        .map(|block| block.data.len())
        .sum();
    let room = (blocks.len() - 1) * BLOCK_BYTES_MAX;
    assert!(
        bytes * 10 >= room * 8 || kind == Kind::Keys,
        "blocks are full: {bytes} of {room}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lists_come_back(entries in lists()) {
        check(Kind::Lists, &entries);
    }

    #[test]
    fn keys_come_back(entries in keys()) {
        check(Kind::Keys, &entries);
    }

    #[test]
    fn pieces_tell_what_they_span(entries in lists()) {
        let mut spanned = Vec::new();
        for block in pack(Kind::Lists, &entries) {
            for piece in Pieces::new(&block.data) {
                let piece = piece.unwrap();
                spanned.extend((piece.place..=piece.last()).map(|place| (piece.list, place)));
            }
        }
        let expected: Vec<_> = entries.iter().map(|entry| (entry.list, entry.place)).collect();
        prop_assert_eq!(spanned, expected);
    }

    /// What is cut is an error, or what stands before the cut.
    #[test]
    fn a_cut_block_gives_an_error_or_a_beginning(entries in lists(), keys in keys(), cut in any::<prop::sample::Index>()) {
        for (kind, entries) in [(Kind::Lists, &entries), (Kind::Keys, &keys)] {
            for block in pack(kind, entries) {
                let cut = &block.data[..cut.index(block.data.len())];
                let (mut whole, mut found) = (Vec::new(), Vec::new());
                unpack(kind, &block.data, &mut whole).unwrap();
                if unpack(kind, cut, &mut found).is_ok() {
                    prop_assert!(whole.starts_with(&found) && found.len() < whole.len());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in [Kind::Lists, Kind::Keys] {
            let mut entries = Vec::new();
            let _ = unpack(kind, &bytes, &mut entries);
            prop_assert!(entries.len() <= 512 * bytes.len());
        }
    }
}
