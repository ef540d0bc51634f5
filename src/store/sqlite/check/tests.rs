//! Each kind of damage is named.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair};
use crate::domain::ids::{
    AccountId, CommitNumber, ConversationId, MessageId, Position, Slot, TimeMs,
};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::store::Store;
use crate::store::sqlite::{Durability, SqliteStore};

/// A store with 40 messages of two accounts, folded in part, whose process ended suddenly.
fn store() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::busy(dir.path(), 8);
    store.open().unwrap();
    let pair = Pair::new(AccountId(2), AccountId(3)).unwrap();
    let account = |id| {
        Effect::Account(Arc::new(Account {
            id: AccountId(id),
            name: Arc::from(format!("user {id}")),
            created_at: TimeMs(0),
            profile: Profile::default(),
        }))
    };
    let mut members = [2, 3].map(|id| {
        let (conversation, slot) = (ConversationId(1), Slot(id as u32 - 2));
        Member::new(conversation, AccountId(id), slot, Position(0), TimeMs(0))
    });
    let conversation = Conversation {
        id: ConversationId(1),
        created_at: TimeMs(0),
        kind: ConversationKind::Single(pair),
        head: Head::default(),
    };
    let [low, high] = members.clone().map(Effect::Member);
    let first = [
        account(2),
        account(3),
        Effect::Conversation(conversation),
        low,
        high,
    ];
    store.commit(CommitNumber(1), &first).unwrap();
    for position in 1..=40 {
        let sender = &mut members[position as usize % 2];
        sender.sent += 1;
        let said = Message {
            id: MessageId(100 + position),
            conversation: ConversationId(1),
            position: Position(position),
            sender: sender.account,
            at: TimeMs(position as i64),
            kind: MessageKind::Text,
            body: Arc::from("x"),
            origin: Dialect::Chat,
            client_id: Some(Arc::from(format!("c{position}"))),
            attributes: None,
            recalled: false,
        };
        let effects = [
            Effect::Append(Arc::new(said)),
            Effect::Member(sender.clone()),
        ];
        store.commit(CommitNumber(1 + position), &effects).unwrap();
    }
    dir
}

/// The faults of a store after `sql`.
fn faults_after(dir: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(dir.join(FILE_NAME)).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    check(dir).unwrap().faults
}

#[test]
fn a_whole_store_has_no_faults() {
    let dir = store();
    let report = check(dir.path()).unwrap();
    assert!(report.is_whole(), "{:?}", report.faults);
    assert_eq!(
        (report.messages, report.conversations, report.accounts),
        (40, 1, 3)
    );
}

#[test]
fn damage_is_named() {
    for (sql, fault) in [
        (
            "DELETE FROM message WHERE id = 120",
            "the one before it at 19",
        ),
        (
            "UPDATE message SET position = 50 WHERE id = 140",
            "is at position 50",
        ),
        (
            "UPDATE message SET at = 1 WHERE id = 120",
            "is earlier than the one before it",
        ),
        (
            "UPDATE message SET sender = 3 WHERE id = 102",
            "and the log says otherwise",
        ),
        (
            "UPDATE message SET sender = 9 WHERE id = 139",
            "which has no row",
        ),
        (
            "UPDATE message SET client_id = 'y' WHERE id = 103",
            "keys that are not those",
        ),
        (
            "UPDATE conversation SET head_position = 3",
            "has its head at position 3",
        ),
        (
            "UPDATE conversation SET head_at = 77",
            "has its head at position",
        ),
        (
            "DELETE FROM account WHERE id = 3",
            "is with account 3, which has no row",
        ),
        ("DELETE FROM journal WHERE commit_number = 41", "counts"),
        (
            "UPDATE journal SET members = x'ff' WHERE commit_number = 41",
            "of the journal",
        ),
        (
            "UPDATE journal SET last_message = 9 WHERE commit_number = 41",
            "of the journal ends with",
        ),
        (
            "DELETE FROM block WHERE id = (SELECT max(block) FROM block_key)",
            "blocks and",
        ),
        (
            "UPDATE block SET data = x'0102' WHERE id IN (SELECT block FROM block_key JOIN run ON run = id WHERE state = 1)",
            "cannot be read on",
        ),
        (
            "UPDATE block_key SET place = place + 1 WHERE run = (SELECT min(id) FROM run WHERE state = 1)",
            "does not begin with",
        ),
        ("DELETE FROM run WHERE state = 1", "belong to no run"),
        (
            "UPDATE run SET last_message = 1 WHERE state = 1",
            "which it does not cover",
        ),
        (
            "UPDATE run SET first_message = 1 WHERE state = 1",
            "cover the same messages",
        ),
        (
            "UPDATE member SET read = 1, sent_read = 0 WHERE account = 2; DELETE FROM journal",
            "has read up to 1 and acknowledged up to 0",
        ),
        (
            "DELETE FROM member; DELETE FROM journal",
            "lacks the row of one of its two members",
        ),
        (
            "UPDATE member SET acknowledged = 9, holes = zeroblob(16); DELETE FROM journal",
            "holes that are out of order or out of bounds",
        ),
    ] {
        let dir = store();
        let faults = faults_after(dir.path(), sql);
        assert!(
            faults.iter().any(|named| named.contains(fault)),
            "{sql}: {faults:?}"
        );
    }
}

#[test]
fn pages_are_checked() {
    let dir = store();
    let mut again = SqliteStore::new(dir.path(), Durability::Process);
    again.open().unwrap();
    again.close().unwrap();
    drop(again);
    let file = dir.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    let page = bytes.len() / 8192 / 2 * 8192;
    bytes[page..page + 4_000].fill(0xee);
    std::fs::write(&file, &bytes).unwrap();
    match check(dir.path()) {
        Ok(report) => assert!(!report.is_whole()),
        Err(error) => assert!(error.0.contains("imd.sqlite"), "{error}"),
    }
}

#[test]
fn what_cannot_be_checked_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert!(check(dir.path()).unwrap_err().0.contains("there is no"));
    let mut store = SqliteStore::new(dir.path(), Durability::Process);
    store.open().unwrap();
    assert!(
        check(dir.path())
            .unwrap_err()
            .0
            .contains("in use by another imd")
    );
    store.close().unwrap();
    assert!(check(dir.path()).unwrap().is_whole());
}
