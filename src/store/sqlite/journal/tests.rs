//! Rows come back, whatever is in them, and cut ones are errors.

use proptest::prelude::*;

use super::*;

fn member() -> impl Strategy<Value = Member> {
    let numbers = prop::array::uniform8(prop_oneof![0..300_u64, 0..i64::MAX as u64]);
    let positions = (
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u64>()),
    );
    let holes = prop::collection::vec((1..1_000_u64, 0..1_000_u64), 0..20);
    (
        numbers,
        positions,
        any::<i64>(),
        "\\PC{0,20}",
        holes,
        any::<bool>(),
        any::<u32>(),
    )
        .prop_map(
            |(numbers, (left, hidden), joined_at, alias, holes, pinned, slot)| {
                let [
                    account,
                    conversation,
                    joined_after,
                    read,
                    sent,
                    sent_read,
                    acknowledged,
                    mut end,
                ] = numbers;
                end %= 1 << 50;
                let ranges = holes.into_iter().map(|(gap, length)| {
                    let from = end + gap;
                    end = from + length;
                    (from, end)
                });
                Member {
                    conversation: ConversationId(conversation),
                    account: AccountId(account),
                    slot: Slot(slot),
                    joined_at: TimeMs(joined_at),
                    joined_after: Position(joined_after),
                    left_after: left.map(Position),
                    alias: Arc::from(alias),
                    read: Position(read),
                    sent,
                    sent_read,
                    acknowledged: Position(acknowledged),
                    holes: Holes::new(ranges.collect()),
                    hidden_at: hidden.map(Position),
                    pinned,
                }
            },
        )
}

proptest! {
    #[test]
    fn rows_come_back_one_after_the_other(members in prop::collection::vec(member(), 0..5)) {
        let mut bytes = Vec::new();
        members.iter().for_each(|member| {
            put_key(&mut bytes, member);
            put_row(&mut bytes, member);
        });
        let mut rest = Bytes(&bytes);
        for member in &members {
            prop_assert_eq!(&take_member(&mut rest).unwrap(), member);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_row_cut_anywhere_is_an_error(member in member()) {
        let mut bytes = Vec::new();
        put_key(&mut bytes, &member);
        put_row(&mut bytes, &member);
        for cut in 0..bytes.len() {
            prop_assert!(take_member(&mut Bytes(&bytes[..cut])).is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = take_member(&mut Bytes(&bytes));
    }

    #[test]
    fn numbers_come_back(unsigned in any::<u64>(), signed in any::<i64>()) {
        let mut bytes = Vec::new();
        put(&mut bytes, unsigned);
        put_signed(&mut bytes, signed);
        let mut rest = Bytes(&bytes);
        prop_assert_eq!((rest.number().unwrap(), rest.signed().unwrap()), (unsigned, signed));
        prop_assert!(rest.is_empty() && rest.number().is_err());
    }
}

#[test]
fn a_number_that_is_too_long_is_an_error() {
    assert!(Bytes(&[0xff; 10]).number().is_err());
    assert!(Bytes(&[0x80; 11]).number().is_err());
    let mut greatest = [0xff; 10];
    greatest[9] = 1;
    assert_eq!(Bytes(&greatest).number().unwrap(), u64::MAX);
}
