//! Chunks hold what was put into them, whole or not at all.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::holes::Holes;
use crate::domain::ids::Slot;
use crate::domain::member::Member;
use crate::domain::message::EventKind;
use crate::store::sqlite::journal;

fn log() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let table = include_str!("../schema/8.sql");
    connection.execute_batch(table).unwrap();
    connection
}

fn text(bytes: std::ops::Range<usize>) -> impl Strategy<Value = Arc<str>> {
    vec(any::<char>(), bytes).prop_map(|chars| chars.into_iter().collect::<String>().into())
}

fn kind() -> impl Strategy<Value = MessageKind> {
    prop_oneof![
        Just(MessageKind::Text),
        Just(MessageKind::Location),
        Just(MessageKind::Event(EventKind::Relay)),
        any::<i32>().prop_map(MessageKind::Other),
    ]
}

/// A message whose id is so far after the one before it.
fn message() -> impl Strategy<Value = Message> {
    let numbers = (
        prop_oneof![Just(1), 1_u64..9, 1_u64..1 << 40],
        0_u64..1 << 53,
        0_u64..1 << 63,
        0_u64..1 << 53,
        prop_oneof![any::<i64>(), 1_700_000_000_000_i64..1_700_000_000_100],
    );
    let bodies = prop_oneof![8 => text(0..60), 1 => text(400..3_000)];
    let texts = (bodies, option::of(text(0..20)), option::of(text(0..50)));
    let origin = (1_u8..5).prop_map(|code| Dialect::from_code(code).unwrap());
    (numbers, texts, kind(), origin, any::<bool>()).prop_map(
        |(numbers, (body, client_id, attributes), kind, origin, recalled)| Message {
            id: MessageId(numbers.0),
            conversation: ConversationId(numbers.1),
            position: Position(numbers.2),
            sender: AccountId(numbers.3),
            at: TimeMs(numbers.4),
            kind,
            body,
            origin,
            client_id,
            attributes,
            recalled,
        },
    )
}

/// Commits of messages whose ids rise, and how many members' rows go with each.
fn commits() -> impl Strategy<Value = Vec<(Vec<Message>, usize)>> {
    let commit = (vec(message(), 1..40), 0_usize..60);
    vec(commit, 1..5).prop_map(|mut commits| {
        let mut id = 0;
        for message in commits.iter_mut().flat_map(|(messages, _)| messages) {
            id += message.id.0;
            message.id.0 = id;
        }
        commits
    })
}

/// So many rows of members, and where they stand.
fn rows(count: usize) -> (Vec<u8>, Vec<RowAt>) {
    let (mut rows, mut rows_at) = (Vec::new(), Vec::new());
    for account in 0..count as u64 {
        let (conversation, account) = (
            ConversationId(account % 7),
            AccountId(account << (account % 40)),
        );
        let mut member = Member::new(
            conversation,
            account,
            Slot(0),
            Position(account.0),
            TimeMs(5),
        );
        if account.0 % 17 == 3 {
            member.holes = Holes::new((1..500).map(|hole| (7 * hole, 7 * hole + 2)).collect());
        }
        journal::put_key(&mut rows, &member);
        let start = rows.len();
        journal::put_row(&mut rows, &member);
        rows_at.push(RowAt {
            account,
            conversation,
            row: start..rows.len(),
        });
    }
    (rows, rows_at)
}

fn append_all(connection: &Connection, commits: &[(Vec<Message>, usize)]) {
    let mut data = Vec::new();
    for (number, (messages, count)) in (1..).zip(commits) {
        let messages: Vec<&Message> = messages.iter().collect();
        let (rows, rows_at) = rows(*count);
        append(connection, number, &messages, &rows, &rows_at, &mut data).unwrap();
    }
}

/// Commit, messages and members' rows of each chunk newer than `after`.
fn chunks(connection: &Connection, after: u64) -> Vec<(u64, Vec<Message>, Vec<u8>)> {
    let mut found = connection.prepare(CHUNKS_AFTER).unwrap();
    let mut found = found.query([int(after)]).unwrap();
    let mut chunks = Vec::new();
    while let Some(row) = found.next().unwrap() {
        let chunk = Chunk::of(row).unwrap();
        let messages = chunk
            .messages()
            .map(|message| message.unwrap().to_message());
        let commit: i64 = row.get(0).unwrap();
        chunks.push((commit as u64, messages.collect(), chunk.rows.to_vec()));
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_appended_is_found(commits in commits()) {
        let connection = log();
        append_all(&connection, &commits);
        let mut left = chunks(&connection, 0).into_iter().peekable();
        for (number, (messages, count)) in (1..).zip(&commits) {
            let (mut found, mut found_rows) = (Vec::new(), Vec::new());
            while let Some((_, messages, rows)) = left.next_if(|(commit, ..)| *commit == number) {
                let texts = messages.iter().map(bytes_of).sum::<usize>();
                prop_assert!(messages.len() == 1 || texts <= CHUNK_BYTES);
                found.extend(messages);
                found_rows.extend(rows);
            }
            prop_assert_eq!(&found, messages);
            prop_assert_eq!(found_rows, rows(*count).0);
            let newest = messages.last().unwrap().id.0;
            let after: usize = chunks(&connection, newest).iter().map(|chunk| chunk.1.len()).sum();
            let later = commits.iter().skip(number as usize).map(|commit| commit.0.len());
            prop_assert_eq!(after, later.sum::<usize>());
        }
        prop_assert!(left.next().is_none());
        let ids: Vec<u64> = commits.iter().flat_map(|commit| &commit.0).map(|message| message.id.0).collect();
        for expected in commits.iter().flat_map(|commit| &commit.0) {
            let found = super::message(&connection, expected.id).unwrap();
            prop_assert_eq!(found.as_deref(), Some(expected));
            let next = expected.id.0 + 1;
            if !ids.contains(&next) {
                prop_assert_eq!(super::message(&connection, MessageId(next)).unwrap(), None);
            }
        }
        prop_assert_eq!(super::message(&connection, MessageId(0)).unwrap(), None);
    }

    #[test]
    fn a_change_leaves_the_rest(commits in commits(), index: prop::sample::Index, new in message()) {
        let connection = log();
        append_all(&connection, &commits);
        let mut expected = chunks(&connection, 0);
        let mut all: Vec<&mut Message> = expected.iter_mut().flat_map(|chunk| &mut chunk.1).collect();
        let old = &mut *all[index.index(commits.iter().map(|commit| commit.0.len()).sum())];
        let mut new = Message { id: old.id, ..new };
        change(&connection, &new).unwrap();
        (new.conversation, new.position, new.sender) = (old.conversation, old.position, old.sender);
        (new.at, new.origin, new.client_id) = (old.at, old.origin, old.client_id.clone());
        *old = new;
        prop_assert_eq!(chunks(&connection, 0), expected);
    }

    #[test]
    fn damage_is_an_error_or_another_message(commits in commits(), at: prop::sample::Index, byte: u8) {
        let connection = log();
        append_all(&connection, &commits);
        let read = |id: i64, data: &[u8]| {
            let Ok(chunk) = Chunk::new(MessageId(id.cast_unsigned()), data) else { return 0 };
            let found = chunk.messages().map_while(|message| message.ok().map(|message| message.id));
            found.filter(|id| chunk.find(*id).unwrap().is_some()).count()
        };
        let mut stored = connection.prepare("SELECT id, data FROM log").unwrap();
        let stored = stored.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        for row in stored.unwrap() {
            let (id, mut data) = row.unwrap();
            let whole = read(id, &data);
            prop_assert!(whole > 0);
            for cut in 0..data.len() {
                prop_assert!(read(id, &data[..cut]) < whole);
            }
            let at = at.index(data.len());
            data[at] = byte;
            read(id, &data);
        }
    }
}

#[test]
fn a_message_that_is_not_there_is_not_changed() {
    let connection = log();
    let refused = edit(&connection, MessageId(7), |_| panic!("there is none")).unwrap_err();
    assert!(
        refused
            .0
            .contains("message 7 is neither new nor in the log"),
        "{refused}"
    );
}

#[test]
fn a_damaged_neighbour_stays_as_it_is() {
    let connection = log();
    let said = |id: u64, body: &str| Message {
        id: MessageId(id),
        conversation: ConversationId(1),
        position: Position(id),
        sender: AccountId(2),
        at: TimeMs(5),
        kind: MessageKind::Text,
        body: Arc::from(body),
        origin: Dialect::Chat,
        client_id: None,
        attributes: None,
        recalled: false,
    };
    let messages = [said(1, "one"), said(2, "two"), said(3, "three")];
    append(
        &connection,
        1,
        &messages.each_ref(),
        &[],
        &[],
        &mut Vec::new(),
    )
    .unwrap();
    let (one, damaged) = ("one".as_bytes(), &[b'o', 0xff, b'e'][..]);
    let mut data: Vec<u8> = connection
        .query_row("SELECT data FROM log", [], |row| row.get(0))
        .unwrap();
    let at = data.windows(3).position(|part| part == one).unwrap();
    data[at..at + 3].copy_from_slice(damaged);
    connection
        .execute("UPDATE log SET data = ?1", [&data])
        .unwrap();
    assert!(super::message(&connection, MessageId(1)).is_err());
    let recalled = Message {
        recalled: true,
        ..said(2, "")
    };
    change(&connection, &recalled).unwrap();
    let found = [2, 3].map(|id| super::message(&connection, MessageId(id)).unwrap().unwrap());
    assert_eq!(
        found.map(|found| (*found).clone()),
        [recalled, said(3, "three")]
    );
    data = connection
        .query_row("SELECT data FROM log", [], |row| row.get(0))
        .unwrap();
    assert!(data.windows(3).any(|part| part == damaged));
    assert!(!data.windows(3).any(|part| part == b"two"));
}
