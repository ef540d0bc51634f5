//! Each kind of damage is named.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair};
use crate::domain::holes::Holes;
use crate::domain::ids::{
    AccountId, CommitNumber, ConversationId, MessageId, Position, Slot, TimeMs,
};
use crate::domain::member::Member;
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::store::Store;
use crate::store::sqlite::heads::{self, HeadWriter};
use crate::store::sqlite::journal::put_row;
use crate::store::sqlite::log;
use crate::store::sqlite::members::{self, PageChange, Rows};
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
            "DELETE FROM account WHERE id = 3",
            "is with account 3, which has no row",
        ),
        ("DELETE FROM log WHERE id = 120", "the one before it at 19"),
        (
            "UPDATE log SET commit_number = 9 WHERE id = 140",
            "is of commit 9, and one before it of commit",
        ),
        (
            "UPDATE log SET id = 100 WHERE id = 101",
            "and the log says otherwise",
        ),
        (
            "UPDATE log SET data = x'' WHERE id = 140",
            "the log's chunk of message 140",
        ),
        (
            "UPDATE log SET data = CAST(substr(data, 1, length(data) - 1) || x'ff' AS BLOB) WHERE id = 120",
            "the log's chunk of message 120",
        ),
        (
            "UPDATE meta SET fold_commit = 1000",
            "up to message 132 and commit 1000 everything is folded",
        ),
        (
            "INSERT INTO journal VALUES (50, x'ff')",
            "the members' rows of commit 50",
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
            "UPDATE member_page SET data = substr(data, 1, length(data) - 1)",
            "a page of members cannot be read on",
        ),
        (
            "UPDATE member_page_key SET account = 3",
            "the member's row of (2, 1) is out of order",
        ),
        (
            "INSERT INTO group_member VALUES (1, 7)",
            "group 1 names member 7, who has no row",
        ),
        (
            "UPDATE conversation SET low = NULL, high = NULL, owner = 2",
            "group 1 does not name its member 2",
        ),
        (
            "UPDATE head_page SET data = substr(data, 1, length(data) - 1)",
            "heads cannot be read",
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

/// A store as [`store`], of which everything is folded.
fn folded_store() -> TempDir {
    let dir = store();
    let mut again = SqliteStore::new(dir.path(), Durability::Process);
    again.open().unwrap();
    again.close().unwrap();
    dir
}

#[test]
fn members_without_rows_are_named() {
    let faults = faults_after(folded_store().path(), "UPDATE member_page SET data = x''");
    let fault = "lacks the row of one of its two members";
    assert!(faults.iter().any(|named| named.contains(fault)));
}

#[test]
fn each_kind_of_damage_to_messages_is_named() {
    type Edit = fn(&mut Message);
    let cases: [(u64, Edit, &str); 6] = [
        (
            140,
            |message| message.position = Position(50),
            "is at position 50",
        ),
        (
            120,
            |message| message.at = TimeMs(1),
            "is earlier than the one before it",
        ),
        (
            102,
            |message| message.sender = AccountId(3),
            "and the log says otherwise",
        ),
        (
            139,
            |message| message.sender = AccountId(9),
            "which has no row",
        ),
        (
            130,
            |message| message.id = MessageId(129),
            "message 129 comes after message 129",
        ),
        (
            103,
            |message| message.client_id = Some(Arc::from("y")),
            "keys that are not those",
        ),
    ];
    for (id, edit, fault) in cases {
        let dir = store();
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        log::edit(&connection, MessageId(id), edit).unwrap();
        drop(connection);
        let faults = check(dir.path()).unwrap().faults;
        assert!(
            faults.iter().any(|named| named.contains(fault)),
            "{fault}: {faults:?}"
        );
    }
}

#[test]
fn wrong_heads_are_named() {
    type Edit = fn(&mut Head) -> u64;
    let cases: [(Edit, &str); 4] = [
        (
            |head| {
                head.position = Position(3);
                1
            },
            "has its head at position 3",
        ),
        (
            |head| {
                head.message.0 += 1;
                1
            },
            "has its head at position",
        ),
        (
            |head| {
                head.at.0 += 1;
                1
            },
            "has its head at position",
        ),
        (|_| 7, "conversation 7 has a head and no row"),
    ];
    for (edit, fault) in cases {
        let dir = store();
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        let mut head = heads::head(&connection, ConversationId(1))
            .unwrap()
            .unwrap();
        let conversation = ConversationId(edit(&mut head));
        let mut writer = HeadWriter::default();
        writer.put(&connection, conversation, head).unwrap();
        writer.flush(&connection).unwrap();
        drop(connection);
        let faults = check(dir.path()).unwrap().faults;
        assert!(
            faults.iter().any(|named| named.contains(fault)),
            "{fault}: {faults:?}"
        );
    }
}

/// The faults of a store after `edit` of all members' rows, which are folded.
fn faults_after_edit(dir: &Path, edit: fn(&mut Member)) -> Vec<String> {
    let connection = Connection::open(dir.join(FILE_NAME)).unwrap();
    let mut edited = Vec::new();
    let read = members::pages(&connection, |_, data| {
        for row in Rows::new(data) {
            let (key, row) = row?;
            let mut member = members::unpack(key, row)?;
            edit(&mut member);
            edited.push(member);
        }
        Ok(())
    });
    read.unwrap();
    let mut change = PageChange::default();
    change.begin(&connection, (0, 0)).unwrap();
    for member in &edited {
        let mut row = Vec::new();
        put_row(&mut row, member);
        change.put((member.account.0, member.conversation.0), &row);
    }
    change.store(&connection).unwrap();
    drop(connection);
    check(dir).unwrap().faults
}

#[test]
fn each_kind_of_damage_to_members_is_named() {
    type Edit = fn(&mut Member);
    let cases: [(Edit, &str); 3] = [
        (
            |member| (member.read, member.sent_read) = (Position(1), 0),
            "has read up to 1 and acknowledged up to 0",
        ),
        (
            |member| {
                member.acknowledged = Position(9);
                member.holes = Holes::new(vec![(4, 12)]);
            },
            "holes that are out of order or out of bounds",
        ),
        (|member| member.sent += 1, "own messages and"),
    ];
    for (edit, fault) in cases {
        let faults = faults_after_edit(folded_store().path(), edit);
        assert!(
            faults.iter().any(|named| named.contains(fault)),
            "{fault}: {faults:?}"
        );
    }
}

#[test]
fn pages_are_checked() {
    let dir = folded_store();
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
