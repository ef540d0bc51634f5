//! What only the store on disk promises: locks, versions, crashes, and plans that scan nothing.

use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::domain::account::{Account, Profile};
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, TimeMs};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::store::{Order, Snapshot};

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &Path) -> SqliteStore {
    let mut store = SqliteStore::new(dir, Durability::Process);
    store.open().unwrap();
    store
}

/// The error of opening a store in `dir`.
fn refusal(dir: &Path) -> String {
    SqliteStore::new(dir, Durability::Full)
        .open()
        .unwrap_err()
        .0
}

fn account(id: u64) -> Effect {
    Effect::Account(Arc::new(Account {
        id: AccountId(id),
        name: Arc::from(format!("user {id}")),
        created_at: TimeMs(0),
        profile: Profile::default(),
    }))
}

fn message(id: u64, position: u64) -> Effect {
    Effect::Append(Arc::new(Message {
        id: MessageId(id),
        conversation: ConversationId(1),
        position: Position(position),
        sender: AccountId(2),
        at: TimeMs(0),
        kind: MessageKind::Text,
        body: Arc::from("x".repeat(3_000)),
        origin: Dialect::Buyer,
        client_id: None,
        attributes: None,
        recalled: false,
    }))
}

/// Commit `number` stores message and account of that number.
fn commit(store: &mut SqliteStore, number: u64) {
    let effects = [message(number, number), account(number + 1)];
    store.commit(CommitNumber(number), &effects).unwrap();
}

/// How many commits there are, after checking that each is whole.
fn whole_commits(store: &SqliteStore) -> u64 {
    let mut commits = 0;
    let read = store
        .reader()
        .unwrap()
        .snapshot(&mut |snapshot: &dyn Snapshot| {
            commits = snapshot.commit()?.0;
            let log = snapshot.messages(
                ConversationId(1),
                0..=u64::MAX,
                Order::OldestFirst,
                usize::MAX,
            )?;
            assert!(log.iter().map(|message| message.position.0).eq(1..=commits));
            assert!((2..=commits + 1).all(|id| snapshot.account(AccountId(id)).unwrap().is_some()));
            assert_eq!(snapshot.account(AccountId(commits + 2))?, None);
            Ok(())
        });
    read.unwrap();
    commits
}

/// What would be found if the process ended at this moment: the files as they are, in another directory.
fn after_a_crash(dir: &Path) -> TempDir {
    let found = directory();
    for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
        fs::copy(dir.join(&name), found.path().join(&name)).unwrap();
    }
    found
}

#[test]
fn a_crash_loses_no_commit() {
    let dir = directory();
    let mut store = open(dir.path());
    for number in 1..=5 {
        commit(&mut store, number);
        let found = after_a_crash(dir.path());
        let mut again = open(found.path());
        assert_eq!(whole_commits(&again), number);
        commit(&mut again, number + 1);
        assert_eq!(whole_commits(&again), number + 1);
    }
}

#[test]
fn an_interrupted_transaction_leaves_nothing() {
    let dir = directory();
    let mut store = open(dir.path());
    commit(&mut store, 1);
    let connection = &mut store.open.as_mut().unwrap().connection;
    // Pages that do not fit into the cache go to the log before the commit.
    connection.pragma_update(None, "cache_size", 10).unwrap();
    let log = dir.path().join(format!("{FILE_NAME}-wal"));
    let before = fs::metadata(&log).unwrap().len();
    let transaction = connection.transaction().unwrap();
    let insert = "INSERT INTO log SELECT value + 10, 2, CAST(printf('%9000d', value) AS BLOB)
        FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c LIMIT 500) SELECT value FROM c)";
    transaction.execute(insert, []).unwrap();
    let found = after_a_crash(dir.path());
    let after = fs::metadata(found.path().join(format!("{FILE_NAME}-wal")))
        .unwrap()
        .len();
    assert!(after > before, "nothing of the transaction was written");
    assert_eq!(whole_commits(&open(found.path())), 1);
    drop(transaction);
    assert_eq!(whole_commits(&store), 1);
}

#[test]
fn a_torn_log_ends_with_a_whole_commit() {
    let dir = directory();
    let mut store = open(dir.path());
    (1..=4).for_each(|number| commit(&mut store, number));
    let log = format!("{FILE_NAME}-wal");
    let bytes = fs::metadata(dir.path().join(&log)).unwrap().len();
    let mut seen = Vec::new();
    for cut in (0..=bytes)
        .step_by(PAGE_BYTES as usize / 2 + 1)
        .chain([bytes])
    {
        let found = after_a_crash(dir.path());
        OpenOptions::new()
            .write(true)
            .open(found.path().join(&log))
            .unwrap()
            .set_len(cut)
            .unwrap();
        seen.push(whole_commits(&open(found.path())));
    }
    assert!(seen.is_sorted());
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn a_failed_commit_stores_nothing_and_closes_the_store_until_it_is_opened() {
    let dir = directory();
    let mut store = open(dir.path());
    commit(&mut store, 1);
    let twice_at_one_position = [account(3), message(2, 2), message(3, 2)];
    assert!(
        store
            .commit(CommitNumber(2), &twice_at_one_position)
            .is_err()
    );
    let closed = store.commit(CommitNumber(2), &[]).unwrap_err();
    assert!(closed.0.contains("not open for writing"), "{closed}");
    assert_eq!(whole_commits(&store), 1);
    let counters = store.open().unwrap();
    assert_eq!(
        (counters.commit, counters.account, counters.message),
        (CommitNumber(1), AccountId(2), MessageId(1))
    );
    commit(&mut store, 2);
    assert_eq!(whole_commits(&store), 2);
}

#[test]
fn nothing_is_committed_before_opening_or_after_closing() {
    let dir = directory();
    let mut store = SqliteStore::new(dir.path(), Durability::Full);
    assert!(store.commit(CommitNumber(1), &[]).is_err());
    store.open().unwrap();
    commit(&mut store, 1);
    store.close().unwrap();
    assert!(store.commit(CommitNumber(2), &[]).is_err());
    assert!(!dir.path().join(format!("{FILE_NAME}-wal")).exists());
    store.close().unwrap();
    assert_eq!(store.open().unwrap().commit, CommitNumber(1));
}

#[test]
fn a_reader_holds_its_snapshot_while_commits_go_on() {
    let dir = directory();
    let mut store = open(dir.path());
    commit(&mut store, 1);
    let mut reader = store.reader().unwrap();
    let read = reader.snapshot(&mut |snapshot| {
        commit(&mut store, 2);
        assert_eq!(whole_commits(&store), 2);
        assert_eq!(snapshot.commit()?, CommitNumber(1));
        assert_eq!(snapshot.account(AccountId(3))?, None);
        Ok(())
    });
    read.unwrap();
}

#[test]
fn a_second_server_is_refused() {
    let dir = directory();
    let held = open(dir.path());
    let refused = refusal(dir.path());
    for part in [
        dir.path().to_str().unwrap(),
        "in use by another imd",
        &format!("(process {})", std::process::id()),
        "--data",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    drop(held);
    open(dir.path());
}

#[test]
fn a_directory_is_made_for_its_owner_only() {
    let outer = directory();
    let dir = outer.path().join("new/data");
    let mut store = open(&dir);
    commit(&mut store, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let file = outer.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(&file).contains(file.to_str().unwrap()));
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let dir = directory();
    let mut store = open(dir.path());
    commit(&mut store, 1);
    store.close().unwrap();
    let file = dir.path().join(FILE_NAME);
    let connection = Connection::open(&file).unwrap();
    connection
        .execute("INSERT INTO migration VALUES (99, 0)", [])
        .unwrap();
    drop(connection);
    let before = fs::read(&file).unwrap();
    let refused = refusal(dir.path());
    let known = format!("up to {}", migrate::VERSION);
    for part in [
        file.to_str().unwrap(),
        "version 99",
        &known,
        env!("CARGO_PKG_VERSION"),
        "start the newer imd",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn what_is_not_ours_is_refused() {
    let dir = directory();
    let file = dir.path().join(FILE_NAME);
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    drop(connection);
    let refused = refusal(dir.path());
    assert!(
        refused.contains("not made by imd") && refused.contains(file.to_str().unwrap()),
        "{refused}"
    );

    fs::write(
        &file,
        "Dear diary, today I was not a database, and tomorrow I will not be one either.".repeat(20),
    )
    .unwrap();
    let refused = refusal(dir.path());
    assert!(
        refused.contains("not a database") && refused.contains(file.to_str().unwrap()),
        "{refused}"
    );
}

#[test]
fn settings_are_in_force() {
    let dir = directory();
    for (durability, synchronous) in [(Durability::Process, 1), (Durability::Full, 2)] {
        let mut store = SqliteStore::new(dir.path(), durability);
        store.open().unwrap();
        let connection = &store.open.as_ref().unwrap().connection;
        let number = |name: &str| {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(number("synchronous"), synchronous);
        assert_eq!(number("page_size"), i64::from(PAGE_BYTES));
        assert_eq!(
            number("cache_size"),
            -int(STORE_CACHE_BYTES_MAX as u64 / 1024)
        );
        assert_eq!(number("wal_autocheckpoint"), 0);
        assert_eq!(number("secure_delete"), 2, "fast");
        assert_eq!(number("journal_size_limit"), int(WAL_BYTES_MAX as u64));
        assert_eq!(number("busy_timeout"), int(STORE_BUSY_MS_MAX));
        let journal: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(journal, "wal");
    }
}

#[test]
fn no_statement_scans_a_table() {
    let dir = directory();
    let store = open(dir.path());
    let connection = &store.open.as_ref().unwrap().connection;
    let statements = read::STATEMENTS
        .into_iter()
        .chain(write::STATEMENTS)
        .chain(run::STATEMENTS)
        .chain(fold::STATEMENTS)
        .chain(heads::STATEMENTS)
        .chain(log::STATEMENTS)
        .chain(members::STATEMENTS)
        .chain(upkeep::STATEMENTS)
        .chain(recover::STATEMENTS);
    for sql in statements {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        // The parameters stay unbound: a plan does not depend on them.
        let mut steps = statement.raw_query();
        while let Some(step) = steps.next().unwrap() {
            let step: String = step.get(3).unwrap();
            assert!(!step.contains("SCAN"), "{step}: {sql}");
            assert!(!step.contains("TEMP B-TREE"), "{step}: {sql}");
        }
    }
}

#[test]
fn what_is_taken_back_is_gone_from_the_file() {
    let dir = directory();
    let mut store = open(dir.path());
    let said = |id: u64, bytes: usize| {
        let Effect::Append(message) = message(id, id) else {
            panic!("a message is appended");
        };
        Message {
            body: Arc::from(format!("<said {id}>").repeat(bytes / 8)),
            ..(*message).clone()
        }
    };
    let taken_back = |id: u64| {
        Effect::Recall(Arc::new(Message {
            body: Arc::default(),
            recalled: true,
            ..said(id, 0)
        }))
    };
    // Several in a chunk, one that needs pages of its own, and one that is taken back by the commit that brings it.
    let sizes = [80, 80, 80, 30_000, 80, 80];
    let mut effects: Vec<Effect> = (1..)
        .zip(sizes)
        .map(|(id, bytes)| Effect::Append(Arc::new(said(id, bytes))))
        .collect();
    effects.push(taken_back(6));
    store.commit(CommitNumber(1), &effects).unwrap();
    store.close().unwrap();
    store.open().unwrap();
    let recalls = [taken_back(2), taken_back(4)];
    store.commit(CommitNumber(2), &recalls).unwrap();
    store.close().unwrap();
    let bytes = fs::read(dir.path().join(FILE_NAME)).unwrap();
    let is_there = [1, 2, 3, 4, 5, 6].map(|id| {
        let text = format!("<said {id}>");
        bytes
            .windows(text.len())
            .any(|found| found == text.as_bytes())
    });
    assert_eq!(is_there, [true, false, true, false, true, false]);
}
