//! Files of older programs, made by the steps that they knew.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::domain::conversation::Head;
use crate::domain::ids::{
    AccountId, CommitNumber, ConversationId, MessageId, Position, Slot, TimeMs,
};
use crate::domain::member::Member;
use crate::domain::message::Dialect;
use crate::limits::CLIENT_ID_TTL_MS;
use crate::store::sqlite::backup::backup;
use crate::store::sqlite::check::check;
use crate::store::sqlite::heads;
use crate::store::sqlite::journal::{put_key, put_row};
use crate::store::sqlite::{Durability, FILE_NAME, SqliteStore};
use crate::store::{Order, Snapshot, Store};

/// Messages of each of two conversations; a group between the two has none.
const MESSAGES: i64 = 3_000;
const NEWEST_AT: i64 = 1_800_000_000_000;
/// Further members of the group. Half of them have left.
const CROWD: Range<i64> = 500..1_500;

fn alias(id: i64) -> String {
    format!("{id:>30}")
}

/// Writes what a program of version 3 left behind, and a row for each thing there is.
fn write_version_3(dir: &Path, messages: i64) {
    let mut connection = Connection::open(dir.join(FILE_NAME)).unwrap();
    connection.pragma_update(None, "page_size", 8192).unwrap();
    let transaction = connection.transaction().unwrap();
    for (index, step) in MIGRATIONS.iter().take(3).enumerate() {
        transaction.execute_batch(step).unwrap();
        let applied = "INSERT INTO migration (version, applied_at) VALUES (?1, 0)";
        transaction.execute(applied, [index as i64 + 1]).unwrap();
    }
    let account = "INSERT INTO account (id, name, created_at, nick, avatar, terminal) VALUES (?1, 'u' || ?1, 0, '', '', '')";
    for id in 1..5 {
        transaction.execute(account, [id]).unwrap();
    }
    transaction
        .execute_batch(
            "INSERT INTO conversation (id, created_at, low, high) VALUES (1, 5, 2, 3), (3, 5, 2, 4);
             INSERT INTO conversation (id, created_at, owner, name, image, description, member_count, next_slot)
                VALUES (2, 5, 2, 'g', '', '', 501, 2000);
             UPDATE meta SET commit_number = 77;",
        )
        .unwrap();
    let member = "INSERT INTO member (account, conversation, slot, joined_at, joined_after, alias, read, sent, sent_read)
        VALUES (?1, ?2, ?3, 0, 0, '', 0, ?4, 0)";
    let half = messages / 2;
    for (account, conversation, slot, sent) in [
        (2, 1, 0, half),
        (3, 1, 1, half),
        (2, 3, 0, half),
        (4, 3, 1, half),
        (2, 2, 0, 0),
    ] {
        transaction
            .execute(member, [account, conversation, slot, sent])
            .unwrap();
    }
    // Left ones, and rows that fill several pages.
    let member = "INSERT INTO member (account, conversation, slot, joined_at, joined_after, alias, read, sent, sent_read, left_after,
            holes, hidden_at, pinned)
        VALUES (?1, 2, ?1, -5, 0, ?2, 0, 0, 0, ?3, NULL, 0, 1)";
    for id in CROWD {
        transaction.execute(account, [id]).unwrap();
        let left_after = (id % 2 == 0).then_some(0);
        let row = params![id, alias(id), left_after];
        transaction.execute(member, row).unwrap();
    }
    let message = "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, 0, 'm' || ?1, 4, ?6, NULL, 0)";
    for index in 0..2 * messages {
        let (conversation, position) = (1 + index % 2 * 2, index / 2 + 1);
        let sender = if position % 2 == 0 { 2 } else { 3 + index % 2 };
        // A minute between two: the older half of them is older than a day.
        let at = NEWEST_AT - (2 * messages - 1 - index) * 60_000;
        let client_id = (index % 3 == 0).then(|| format!("c{index}"));
        let row = params![index + 100, conversation, position, sender, at, client_id];
        transaction.execute(message, row).unwrap();
    }
    transaction.commit().unwrap();
}

fn see(store: &SqliteStore, mut look: impl FnMut(&dyn Snapshot)) {
    let mut reader = store.reader().unwrap();
    let read = reader.snapshot(&mut |snapshot| {
        look(snapshot);
        Ok(())
    });
    read.unwrap();
}

#[test]
fn a_file_with_indexes_is_folded() {
    let dir = tempfile::tempdir().unwrap();
    write_version_3(dir.path(), MESSAGES);
    let wrong = check(dir.path()).unwrap_err();
    assert!(wrong.0.contains("version 3"), "{wrong}");
    let mut store = SqliteStore::new(dir.path(), Durability::Process);
    let counters = store.open().unwrap();
    assert_eq!(counters.commit.0, 77);
    assert_eq!(counters.message.0, 99 + 2 * MESSAGES as u64);
    see(&store, |snapshot| {
        for conversation in [1, 3] {
            let id = ConversationId(conversation);
            let head = snapshot.conversation(id).unwrap().unwrap().head;
            assert_eq!(head.position, Position(MESSAGES as u64));
            assert!(head.at.0 > NEWEST_AT - 120_000);
            let page = |from: u64, to: u64| {
                let found = snapshot
                    .messages(id, from..=to, Order::OldestFirst, usize::MAX)
                    .unwrap();
                let first = from.max(1);
                assert!(found.iter().zip(first..).all(|(message, position)| {
                    message.position.0 == position
                        && *message.body
                            == *format!("m{}", 100 + (position - 1) * 2 + conversation / 2)
                }));
                found.len() as u64
            };
            assert_eq!(page(0, u64::MAX), MESSAGES as u64);
            assert_eq!(page(1_000, 1_019), 20);
            let own = snapshot.count_sent(id, AccountId(2), 0..=u64::MAX).unwrap();
            assert_eq!(own, MESSAGES as u64 / 2);
            let members = snapshot.members(id).unwrap();
            let accounts = members.iter().map(|member| member.account.0);
            assert!(accounts.eq([2, 3 + conversation / 2]));
            assert!(members.iter().all(|member| member.sent == own));
        }
        let group = snapshot.conversation(ConversationId(2)).unwrap().unwrap();
        assert_eq!(
            (group.head.position.0, group.head.at),
            (0, group.created_at)
        );
        let members = snapshot.members(ConversationId(2)).unwrap();
        assert_eq!(
            members[..1],
            snapshot.memberships(AccountId(2)).unwrap()[1..2]
        );
        assert_eq!(members.len(), 1 + CROWD.count());
        for (member, id) in members.iter().skip(1).zip(CROWD) {
            let mut expected = Member::new(
                ConversationId(2),
                AccountId(id as u64),
                Slot(id as u32),
                Position(0),
                TimeMs(-5),
            );
            expected.alias = Arc::from(alias(id));
            expected.left_after = (id % 2 == 0).then_some(Position(0));
            expected.hidden_at = Some(Position(0));
            expected.pinned = true;
            assert_eq!(*member, expected);
        }
        let last_day = CLIENT_ID_TTL_MS / 60_000;
        for index in (0..2 * MESSAGES).step_by(3) {
            let (conversation, position) = (1 + index % 2 * 2, index / 2 + 1);
            let sender = if position % 2 == 0 { 2 } else { 3 + index % 2 };
            let (sender, conversation) = (
                AccountId(sender as u64),
                ConversationId(conversation as u64),
            );
            let client_id = format!("c{index}");
            let found = snapshot.message_named(sender, conversation, Dialect::Chat, &client_id);
            let is_of_last_day = 2 * MESSAGES - 1 - index <= last_day;
            assert_eq!(found.unwrap().is_some(), is_of_last_day, "{index}");
            let is_new = store.is_new_client_id(sender, Dialect::Chat, &client_id);
            assert!(!(is_new && is_of_last_day));
        }
    });
    store.close().unwrap();
    drop(store);
    let report = check(dir.path()).unwrap();
    assert_eq!(report.faults, [""; 0]);
    assert_eq!(
        (report.messages, report.conversations, report.accounts),
        (2 * MESSAGES as u64, 3, 4 + CROWD.count() as u64)
    );
}

#[test]
fn a_file_without_messages_is_folded_too() {
    let dir = tempfile::tempdir().unwrap();
    write_version_3(dir.path(), 0);
    let mut store = SqliteStore::new(dir.path(), Durability::Process);
    assert_eq!(store.open().unwrap().commit.0, 77);
    see(&store, |snapshot| {
        let head = snapshot
            .conversation(ConversationId(1))
            .unwrap()
            .unwrap()
            .head;
        assert_eq!((head.position.0, head.at.0), (0, 5));
    });
    store.close().unwrap();
    drop(store);
    assert_eq!(check(dir.path()).unwrap().faults, [""; 0]);
}

/// What a program of version 6 left behind in a store with heads for `conversations`.
fn write_version_6(dir: &Path, conversations: &[u64]) {
    let mut connection = Connection::open(dir.join(FILE_NAME)).unwrap();
    let transaction = connection.transaction().unwrap();
    for (index, step) in MIGRATIONS.iter().take(6).enumerate() {
        transaction.execute_batch(step).unwrap();
        if index + 1 == FOLDING {
            fold_log::fold(&transaction).unwrap();
        }
        let applied = "INSERT INTO migration (version, applied_at) VALUES (?1, 0)";
        transaction.execute(applied, [index as i64 + 1]).unwrap();
    }
    let mut pages: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for id in conversations {
        let page = pages.entry(id / 320).or_insert_with(|| vec![0; 7_680]);
        let place = (id % 320) as usize * 24;
        let head = head_of(*id);
        let numbers = [head.position.0, head.message.0, head.at.0 as u64];
        page[place..place + 24].copy_from_slice(numbers.map(u64::to_le_bytes).as_flattened());
        let row = "INSERT INTO conversation (id, created_at, low, high, member_count, next_slot) VALUES (?1, 5, ?1, ?1 + 1, NULL, NULL)";
        transaction.execute(row, [int(*id)]).unwrap();
    }
    for (id, data) in pages {
        let put = "INSERT INTO head_page (id, data) VALUES (?1, ?2)";
        transaction.execute(put, params![int(id), data]).unwrap();
    }
    transaction.commit().unwrap();
}

fn head_of(conversation: u64) -> Head {
    Head {
        position: Position(conversation * 3),
        message: MessageId((conversation % 977) << 40 | conversation),
        at: TimeMs(NEWEST_AT - conversation as i64),
    }
}

#[test]
fn heads_of_fixed_length_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    // Whole pages, pages with gaps, none for a while, and one far away.
    let ids: Vec<u64> = (1..1_000)
        .chain((1_000..2_000).step_by(7))
        .chain([4_000, 1 << 40])
        .collect();
    write_version_6(dir.path(), &ids);
    let mut store = SqliteStore::new(dir.path(), Durability::Process);
    store.open().unwrap();
    see(&store, |snapshot| {
        for id in &ids {
            let found = snapshot.conversation(ConversationId(*id)).unwrap();
            assert_eq!(found.unwrap().head, head_of(*id));
        }
    });
    store.close().unwrap();
    drop(store);
    let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
    let mut found = Vec::new();
    heads::all(&connection, |id, head| found.push((id.0, head))).unwrap();
    let expected = ids.iter().map(|id| (*id, head_of(*id)));
    assert!(found.into_iter().eq(expected));
    let left = "SELECT count(*) FROM sqlite_schema WHERE name = 'fixed_head_page'";
    assert_eq!(count(&connection, left), 0);
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Damages the file in `dir`, whose opening then fails for the reason `what`.
fn refused(dir: &Path, damage: &str, what: &str) {
    let connection = Connection::open(dir.join(FILE_NAME)).unwrap();
    connection.execute_batch(damage).unwrap();
    drop(connection);
    let mut store = SqliteStore::new(dir, Durability::Process);
    let refused = store.open().unwrap_err();
    assert!(refused.0.contains(what), "{refused}");
}

#[test]
fn a_damaged_page_of_version_6_is_refused() {
    for (damage, what) in [
        (
            "UPDATE head_page SET data = zeroblob(7656) WHERE id = 2",
            "wrong size",
        ),
        ("UPDATE head_page SET id = -3 WHERE id = 2", "no place"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<u64> = (1..900).collect();
        write_version_6(dir.path(), &ids);
        refused(dir.path(), damage, what);
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(version(&connection).unwrap(), 6);
        let pages = "SELECT count(*) FROM head_page";
        assert_eq!(count(&connection, pages), 3);
    }
}

#[test]
fn an_empty_file_of_version_6_is_brought_on() {
    let dir = tempfile::tempdir().unwrap();
    write_version_6(dir.path(), &[]);
    let mut store = SqliteStore::new(dir.path(), Durability::Process);
    store.open().unwrap();
    store.close().unwrap();
    drop(store);
    let report = check(dir.path()).unwrap();
    assert_eq!(report.faults, [""; 0]);
}

/// What a program of version 7 left behind when it ended suddenly: the messages of version 3, which are folded, and commits that are not,
/// each with two messages in conversation 1, most with the row of their sender, and after them one with that row alone.
fn write_version_7(dir: &Path, commits: i64) {
    write_version_3(dir, MESSAGES);
    let mut connection = Connection::open(dir.join(FILE_NAME)).unwrap();
    migrate_to(&mut connection, 3, 7).unwrap();
    let transaction = connection.transaction().unwrap();
    let message =
        "INSERT INTO message VALUES (?1, 1, ?2, 2, ?3, 0, 'new ' || ?2, 4, 'n' || ?2, 'a', 0)";
    let journal = "INSERT INTO journal VALUES (?1, ?2, ?3)";
    let mut member = Member::new(
        ConversationId(1),
        AccountId(2),
        Slot(0),
        Position(0),
        TimeMs(0),
    );
    for commit in 1..=commits {
        for position in [2 * commit - 1, 2 * commit] {
            let row = [position + 100_000, position + MESSAGES, NEWEST_AT];
            transaction.execute(message, row).unwrap();
        }
        member.sent = (MESSAGES / 2 + 2 * commit) as u64;
        let mut row = Vec::new();
        if commit % 5 > 0 {
            put_key(&mut row, &member);
            put_row(&mut row, &member);
        }
        let row = params![commit + 77, 2 * commit + 100_000, row];
        transaction.execute(journal, row).unwrap();
    }
    let mut row = Vec::new();
    put_key(&mut row, &member);
    put_row(&mut row, &member);
    let row = params![commits + 78, 2 * commits + 100_000, row];
    transaction.execute(journal, row).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn rows_of_the_log_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    write_version_7(dir.path(), 20);
    let mut store = SqliteStore::new(dir.path(), Durability::Process);
    let counters = store.open().unwrap();
    assert_eq!((counters.commit.0, counters.message.0), (98, 100_040));
    let log = std::fs::metadata(dir.path().join(format!("{FILE_NAME}-wal"))).unwrap();
    assert_eq!(
        log.len(),
        0,
        "what the migration wrote is moved into the file"
    );
    see(&store, |snapshot| {
        let page = |from, to| {
            let page =
                snapshot.messages(ConversationId(1), from..=to, Order::OldestFirst, usize::MAX);
            page.unwrap()
        };
        let all = MESSAGES as u64;
        assert!(
            page(1, all)
                .iter()
                .zip(1..)
                .all(|(message, position)| message.position.0 == position
                    && *message.body == *format!("m{}", 98 + 2 * position))
        );
        let new = page(all + 1, u64::MAX);
        assert_eq!(new.len(), 40);
        for (message, position) in new.iter().zip(all + 1..) {
            let body = format!("new {position}");
            assert_eq!((message.position.0, &*message.body), (position, &*body));
            assert_eq!(
                (message.sender, message.at),
                (AccountId(2), TimeMs(NEWEST_AT))
            );
            let texts = (message.client_id.as_deref(), message.attributes.as_deref());
            let client_id = format!("n{position}");
            assert_eq!(texts, (Some(&*client_id), Some("a")));
            let named =
                snapshot.message_named(AccountId(2), ConversationId(1), Dialect::Chat, &client_id);
            assert_eq!(named.unwrap().as_ref(), Some(message));
        }
        let member = snapshot.member(ConversationId(1), AccountId(2)).unwrap();
        assert_eq!(member.unwrap().sent, all / 2 + 40);
    });
    store.close().unwrap();
    drop(store);
    let report = check(dir.path()).unwrap();
    assert_eq!(report.faults, [""; 0]);
    assert_eq!(report.messages, 2 * MESSAGES as u64 + 40);
    let bytes = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
    let said = bytes.windows(8).filter(|found| found == b"new 3017");
    assert_eq!(said.count(), 1);
}

#[test]
fn a_file_of_version_7_is_backed_up_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    write_version_7(dir.path(), 3);
    let copies = tempfile::tempdir().unwrap();
    let copied = backup(dir.path(), &copies.path().join(FILE_NAME)).unwrap();
    assert_eq!(copied.commit, None);
    let mut store = SqliteStore::new(copies.path(), Durability::Process);
    assert_eq!(store.open().unwrap().commit.0, 81);
    store.close().unwrap();
    drop(store);
    let copied = backup(copies.path(), &copies.path().join("again")).unwrap();
    assert_eq!(copied.commit, Some(CommitNumber(81)));
    let report = check(copies.path()).unwrap();
    assert_eq!(
        (report.faults, report.messages),
        (vec![], 2 * MESSAGES as u64 + 6)
    );
}

#[test]
fn a_damaged_log_of_version_7_is_refused() {
    for (damage, what) in [
        ("UPDATE message SET kind = 9 WHERE id = 150", "of no kind"),
        ("UPDATE message SET origin = 9 WHERE id = 150", "no dialect"),
        ("DELETE FROM journal WHERE commit_number >= 80", "no commit"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_version_7(dir.path(), 3);
        refused(dir.path(), damage, what);
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(version(&connection).unwrap(), 7);
        let messages = "SELECT count(*) FROM message";
        assert_eq!(count(&connection, messages), 2 * MESSAGES + 6);
    }
}
