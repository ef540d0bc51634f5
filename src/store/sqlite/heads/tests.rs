//! Heads at the ends of pages.

use super::*;

fn tables() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(include_str!("../schema/6.sql"))
        .unwrap();
    connection
}

#[test]
fn heads_are_found_where_they_were_put() {
    let connection = tables();
    let of = |id: u64, version: u64| Head {
        position: Position(id + version),
        message: MessageId(u64::MAX - id),
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

#[test]
fn a_page_of_a_wrong_size_is_left_as_it_is() {
    let connection = tables();
    let put = "INSERT INTO head_page VALUES (0, zeroblob(7656))";
    connection.execute(put, []).unwrap();
    let mut writer = HeadWriter::default();
    let refused = writer.put(&connection, ConversationId(1), Head::default());
    assert!(refused.unwrap_err().0.contains("wrong size"));
    writer.flush(&connection).unwrap();
    let size = "SELECT length(data) FROM head_page";
    let size: i64 = connection.query_row(size, [], |row| row.get(0)).unwrap();
    assert_eq!(size, 7656);
    let update = "UPDATE head_page SET id = -1, data = zeroblob(7680)";
    connection.execute(update, []).unwrap();
    assert!(all(&connection, |_, _| {}).is_err());
}
