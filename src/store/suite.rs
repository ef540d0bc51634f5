//! What every store must do, run over each of them.

mod backend;
mod build;
mod chat;
mod folds;
mod queries;
mod random;
mod service;

use std::sync::Arc;

use tempfile::TempDir;

use crate::domain::command::Effect;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position};
use crate::domain::member::ReadMark;
use crate::domain::message::{Dialect, MessageKind};
use crate::store::memory::MemoryStore;
use crate::store::sqlite::{Durability, SqliteStore};
use crate::store::{Counters, Order, Reader, SERVER_NAME, Snapshot, Store, read, server_account};

use build::*;

/// A store under test.
trait Bench {
    fn store(&mut self) -> &mut dyn Store;
    /// Drops the store without closing it, and opens it again.
    fn restart(&mut self) -> Counters;
}

struct MemoryBench(MemoryStore);

impl MemoryBench {
    fn new() -> MemoryBench {
        MemoryBench(MemoryStore::new())
    }
}

impl Bench for MemoryBench {
    fn store(&mut self) -> &mut dyn Store {
        &mut self.0
    }

    fn restart(&mut self) -> Counters {
        self.0.open().unwrap()
    }
}

struct SqliteBench {
    store: SqliteStore,
    dir: TempDir,
}

impl SqliteBench {
    fn new() -> SqliteBench {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::new(dir.path(), Durability::Process);
        store.open().unwrap();
        SqliteBench { store, dir }
    }
}

impl Bench for SqliteBench {
    fn store(&mut self) -> &mut dyn Store {
        &mut self.store
    }

    fn restart(&mut self) -> Counters {
        // The old one holds the directory until it is gone.
        self.store = SqliteStore::new("", Durability::Process);
        self.store = SqliteStore::new(self.dir.path(), Durability::Process);
        self.store.open().unwrap()
    }
}

/// Makes a test of each function for each store.
macro_rules! over_both {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[test]
            fn $test() {
                super::$test(&mut crate::store::suite::MemoryBench::new());
            })*
        }
        mod sqlite {
            $(#[test]
            fn $test() {
                super::$test(&mut crate::store::suite::SqliteBench::new());
            })*
        }
    };
}
use over_both;

/// Commits `effects` as the next commit.
fn commit(bench: &mut dyn Bench, effects: &[Effect]) -> CommitNumber {
    let newest = see(bench, |snapshot| snapshot.commit().unwrap());
    let number = CommitNumber(newest.0 + 1);
    bench.store().commit(number, effects).unwrap();
    number
}

/// What `look` finds in a fresh snapshot.
fn see<T>(bench: &mut dyn Bench, look: impl FnMut(&dyn Snapshot) -> T) -> T {
    see_with(&mut *bench.store().reader().unwrap(), look)
}

fn see_with<T>(reader: &mut dyn Reader, mut look: impl FnMut(&dyn Snapshot) -> T) -> T {
    read(reader, |snapshot| Ok(look(snapshot))).unwrap()
}

over_both!(
    an_empty_store_has_the_server,
    rows_come_back_as_they_were_put,
    the_last_of_a_row_in_a_batch_counts,
    tokens_end,
    commits_follow_one_another,
    messages_are_found_by_range,
    a_message_put_again_is_replaced_in_place,
    numbers_beyond_any_are_nobody,
    a_snapshot_shows_whole_commits,
    a_failing_read_is_passed_on,
    closing_keeps_everything,
);

fn an_empty_store_has_the_server(bench: &mut dyn Bench) {
    let expected = Counters {
        account: AccountId::SERVER,
        ..Counters::default()
    };
    assert_eq!(bench.store().open().unwrap(), expected);
    assert_eq!(bench.restart(), expected);
    see(bench, |snapshot| {
        assert_eq!(snapshot.commit().unwrap(), CommitNumber(0));
        let server = snapshot.account(AccountId::SERVER).unwrap();
        assert_eq!(server.as_deref(), Some(&server_account()));
        assert_eq!(snapshot.account_named(SERVER_NAME).unwrap(), None);
        assert!(crate::domain::account::check_name(SERVER_NAME).is_err());
    });
}

fn rows_come_back_as_they_were_put(bench: &mut dyn Bench) {
    let plain = account(2, "a'; DROP TABLE account; --");
    let rich = rich_account(3, "买家 😀");
    let (token, other_token) = (token(1, 2, i64::MAX), token(2, 2, -5));
    let pair = pair(2, 3);
    let single = single(1, pair, 1_000);
    let group = group(7, 3, "群", 2_000);
    let (low, mut high) = (member(1, 2, 0, 0), member(1, 3, 1, 0));
    high.apply_read(ReadMark {
        position: Position(1),
        own: 0,
    });
    let mut former = member(7, 2, 5, 0);
    former.alias = Arc::from("小王");
    former.left_after = Some(Position(0));
    let mut first = message(1 << 52, 1, 1, 2);
    first.body = Arc::from("\0 '\"\u{2028}");
    first.kind = MessageKind::Other(i32::MIN);
    first.client_id = Some(Arc::from("c-1"));
    first.attributes = Some(Arc::from(r#"{"extras":{}}"#));
    first.origin = Dialect::Chat;
    let (first, second) = (Arc::new(first), Arc::new(message((1 << 52) + 1, 1, 2, 3)));

    commit(
        bench,
        &[
            Effect::Account(Arc::new(plain.clone())),
            Effect::Account(Arc::new(rich.clone())),
            Effect::Token(token),
            Effect::Token(other_token),
            Effect::Conversation(single.clone()),
            Effect::Conversation(group.clone()),
            Effect::Member(low.clone()),
            Effect::Member(high.clone()),
            Effect::Member(former.clone()),
            Effect::Append(Arc::clone(&first)),
            Effect::Append(Arc::clone(&second)),
        ],
    );
    for restarted in [false, true] {
        let counters = if restarted {
            bench.restart()
        } else {
            bench.store().open().unwrap()
        };
        let expected = Counters {
            commit: CommitNumber(1),
            account: AccountId(3),
            conversation: ConversationId(7),
            message: second.id,
        };
        assert_eq!(counters, expected);
        see(bench, |snapshot| {
            for account in [&plain, &rich] {
                let (by_id, by_name) = (
                    snapshot.account(account.id),
                    snapshot.account_named(&account.name),
                );
                assert_eq!(by_id.unwrap().as_deref(), Some(account));
                assert_eq!(by_name.unwrap().as_deref(), Some(account));
            }
            assert_eq!(snapshot.token(token.hash).unwrap(), Some(token));
            let mut tokens = snapshot.tokens(AccountId(2)).unwrap();
            tokens.sort_by_key(|token| token.hash);
            assert_eq!(tokens, [token, other_token]);
            assert_eq!(snapshot.tokens(AccountId(3)).unwrap(), []);
            assert_eq!(snapshot.single(pair).unwrap(), Some(single.id));
            let found = snapshot.conversation(single.id).unwrap().unwrap();
            assert_eq!(found, with_head(&single, &second));
            assert_eq!(
                snapshot.conversation(group.id).unwrap().as_ref(),
                Some(&group)
            );
            assert_eq!(
                snapshot.member(single.id, AccountId(2)).unwrap().as_ref(),
                Some(&low)
            );
            assert_eq!(
                snapshot.members(single.id).unwrap(),
                [low.clone(), high.clone()]
            );
            assert_eq!(
                snapshot.memberships(AccountId(2)).unwrap(),
                [low.clone(), former.clone()]
            );
            let log = snapshot
                .messages(single.id, 1..=9, Order::OldestFirst, 9)
                .unwrap();
            assert_eq!(log, [Arc::clone(&first), Arc::clone(&second)]);
            let named = |sender, conversation, origin, id| {
                snapshot
                    .message_named(AccountId(sender), ConversationId(conversation), origin, id)
                    .unwrap()
            };
            assert_eq!(named(2, 1, Dialect::Chat, "c-1").as_ref(), Some(&first));
            assert_eq!(named(3, 1, Dialect::Chat, "c-1"), None);
            assert_eq!(named(2, 7, Dialect::Chat, "c-1"), None);
            assert_eq!(named(2, 1, Dialect::Jim, "c-1"), None);
            assert_eq!(named(2, 1, Dialect::Chat, "c-2"), None);
        });
    }
}

fn the_last_of_a_row_in_a_batch_counts(bench: &mut dyn Bench) {
    let versions: Vec<_> = (0..3)
        .map(|version| {
            let mut member = member(1, 2, 0, 0);
            member.sent = version;
            let mut about = account(2, "a");
            about.profile.nick = Arc::from(format!("nick {version}"));
            let mut group = group(1, 2, "g", 0);
            rename(&mut group, &format!("group {version}"));
            (about, group, member)
        })
        .collect();
    for changes in [&versions[..], &versions[..2]] {
        let effects: Vec<Effect> = changes
            .iter()
            .enumerate()
            .flat_map(|(used_at, (account, group, member))| {
                [
                    Effect::Account(Arc::new(account.clone())),
                    Effect::Member(member.clone()),
                    Effect::Conversation(group.clone()),
                    Effect::Token(token(1, 2, used_at as i64)),
                ]
            })
            .collect();
        commit(bench, &effects);
        let (account, group, member) = changes.last().unwrap();
        see(bench, |snapshot| {
            assert_eq!(
                snapshot.account(account.id).unwrap().as_deref(),
                Some(account)
            );
            assert_eq!(
                snapshot.conversation(group.id).unwrap().as_ref(),
                Some(group)
            );
            assert_eq!(
                snapshot.members(group.id).unwrap(),
                std::slice::from_ref(member)
            );
            assert_eq!(
                snapshot.tokens(account.id).unwrap(),
                [token(1, 2, changes.len() as i64 - 1)]
            );
        });
    }
}

fn tokens_end(bench: &mut dyn Bench) {
    let (one, two) = (token(1, 2, 10), token(2, 2, 20));
    let moved = token(1, 3, 30);
    commit(bench, &[Effect::Token(one), Effect::Token(two)]);
    commit(
        bench,
        &[
            Effect::TokenEnded(two),
            Effect::Token(two),
            Effect::Token(moved),
        ],
    );
    see(bench, |snapshot| {
        assert_eq!(snapshot.tokens(AccountId(2)).unwrap(), [two]);
        assert_eq!(snapshot.tokens(AccountId(3)).unwrap(), [moved]);
    });
    commit(
        bench,
        &[
            Effect::Token(two),
            Effect::TokenEnded(two),
            Effect::TokenEnded(two),
        ],
    );
    see(bench, |snapshot| {
        assert_eq!(snapshot.tokens(AccountId(2)).unwrap(), []);
        assert_eq!(snapshot.token(two.hash).unwrap(), None);
    });
}

fn commits_follow_one_another(bench: &mut dyn Bench) {
    commit(bench, &[Effect::Account(Arc::new(account(2, "a")))]);
    for wrong in [0, 1, 3] {
        let late = [Effect::Account(Arc::new(account(3, "b")))];
        assert!(bench.store().commit(CommitNumber(wrong), &late).is_err());
        let counters = bench.store().open().unwrap();
        assert_eq!(
            (counters.commit, counters.account),
            (CommitNumber(1), AccountId(2))
        );
    }
    assert_eq!(commit(bench, &[]), CommitNumber(2));
    assert_eq!(bench.restart().commit, CommitNumber(2));
}

fn messages_are_found_by_range(bench: &mut dyn Bench) {
    let log: Vec<Effect> = (1..=9)
        .flat_map(|position| [(1, position), (2, position)])
        .map(|(conversation, position)| {
            Effect::Append(Arc::new(message(
                position * 10 + conversation,
                conversation,
                position,
                position % 3 + 2,
            )))
        })
        .collect();
    commit(bench, &log);
    see(bench, |snapshot| {
        let positions = |range, order, rows_max| {
            let found = snapshot
                .messages(ConversationId(2), range, order, rows_max)
                .unwrap();
            assert!(
                found
                    .iter()
                    .all(|message| message.conversation == ConversationId(2))
            );
            found
                .iter()
                .map(|message| message.position.0)
                .collect::<Vec<u64>>()
        };
        assert_eq!(positions(0..=u64::MAX, Order::OldestFirst, 3), [1, 2, 3]);
        assert_eq!(
            positions(0..=u64::MAX, Order::NewestFirst, usize::MAX),
            [9, 8, 7, 6, 5, 4, 3, 2, 1]
        );
        assert_eq!(positions(4..=6, Order::OldestFirst, 9), [4, 5, 6]);
        assert_eq!(positions(4..=6, Order::NewestFirst, 2), [6, 5]);
        assert_eq!(positions(10..=20, Order::OldestFirst, 9), [0; 0]);
        assert_eq!(positions(1..=9, Order::OldestFirst, 0), [0; 0]);
        #[expect(
            clippy::reversed_empty_ranges,
            reason = "an empty range is asked for like this"
        )]
        let empty = positions(6..=5, Order::OldestFirst, 9);
        assert_eq!(empty, [0; 0]);
        let others = |account, range, rows_max| {
            let found = snapshot
                .messages_from_others(ConversationId(2), AccountId(account), range, rows_max)
                .unwrap();
            found
                .iter()
                .map(|message| message.position.0)
                .collect::<Vec<u64>>()
        };
        assert_eq!(others(2, 1..=9, 9), [1, 2, 4, 5, 7, 8]);
        assert_eq!(others(3, 2..=8, 2), [2, 3]);
        assert_eq!(others(9, 0..=u64::MAX, usize::MAX).len(), 9);
        assert!(
            snapshot
                .messages(ConversationId(3), 0..=9, Order::OldestFirst, 9)
                .unwrap()
                .is_empty()
        );
    });
}

fn a_message_put_again_is_replaced_in_place(bench: &mut dyn Bench) {
    let mut first = message(10, 1, 1, 2);
    first.client_id = Some(Arc::from("c"));
    let second = Arc::new(message(11, 1, 2, 2));
    commit(
        bench,
        &[
            Effect::Conversation(group(1, 2, "g", 0)),
            Effect::Append(Arc::new(first.clone())),
            Effect::Append(Arc::clone(&second)),
        ],
    );
    first.body = Arc::from("");
    first.recalled = true;
    let recalled = Arc::new(first);
    let same = Effect::Append(Arc::clone(&recalled));
    commit(bench, &[same.clone(), same]);
    see(bench, |snapshot| {
        let log = snapshot
            .messages(ConversationId(1), 1..=9, Order::OldestFirst, 9)
            .unwrap();
        assert_eq!(log, [Arc::clone(&recalled), Arc::clone(&second)]);
        let named = snapshot.message_named(AccountId(2), ConversationId(1), recalled.origin, "c");
        assert_eq!(named.unwrap().as_ref(), Some(&recalled));
        assert_eq!(
            snapshot
                .conversation(ConversationId(1))
                .unwrap()
                .unwrap()
                .head
                .message,
            second.id
        );
    });
}

fn numbers_beyond_any_are_nobody(bench: &mut dyn Bench) {
    see(bench, |snapshot| {
        for number in [0, 2, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
            let (account, conversation) = (AccountId(number), ConversationId(number));
            assert_eq!(snapshot.account(account).unwrap(), None);
            assert_eq!(snapshot.conversation(conversation).unwrap(), None);
            assert_eq!(snapshot.member(conversation, account).unwrap(), None);
            assert_eq!(snapshot.members(conversation).unwrap(), []);
            assert_eq!(snapshot.memberships(account).unwrap(), []);
            assert_eq!(snapshot.tokens(account).unwrap(), []);
            assert!(
                snapshot
                    .messages(
                        conversation,
                        number..=u64::MAX,
                        Order::NewestFirst,
                        usize::MAX
                    )
                    .unwrap()
                    .is_empty()
            );
        }
        assert_eq!(snapshot.single(pair(2, u64::MAX)).unwrap(), None);
    });
}

/// Every commit appends one message and counts it in the sender's row: both or neither are seen, as of the commit that is named.
fn a_snapshot_shows_whole_commits(bench: &mut dyn Bench) {
    const COMMITS: u64 = 200;
    let mut reader = bench.store().reader().unwrap();
    std::thread::scope(|scope| {
        let watching = scope.spawn(move || {
            let mut seen = 0;
            while seen < COMMITS {
                let newest = see_with(&mut *reader, |snapshot| {
                    let commit = snapshot.commit().unwrap().0;
                    for _ in 0..3 {
                        let head = snapshot
                            .conversation(ConversationId(1))
                            .unwrap()
                            .map_or(0, |conversation| conversation.head.position.0);
                        let sent = snapshot
                            .member(ConversationId(1), AccountId(2))
                            .unwrap()
                            .map_or(0, |member| member.sent);
                        let log = snapshot
                            .messages(
                                ConversationId(1),
                                1..=COMMITS,
                                Order::OldestFirst,
                                usize::MAX,
                            )
                            .unwrap();
                        assert_eq!((head, sent, log.len() as u64), (commit, commit, commit));
                    }
                    commit
                });
                assert!(newest >= seen);
                seen = newest;
            }
        });
        for number in 1..=COMMITS {
            let mut sender = member(1, 2, 0, 0);
            sender.sent = number;
            let effects = [
                Effect::Append(Arc::new(message(number, 1, number, 2))),
                Effect::Conversation(group(1, 2, "g", 0)),
                Effect::Member(sender),
            ];
            bench
                .store()
                .commit(CommitNumber(number), &effects)
                .unwrap();
        }
        watching.join().unwrap();
    });
}

fn a_failing_read_is_passed_on(bench: &mut dyn Bench) {
    let mut reader = bench.store().reader().unwrap();
    let failed = reader.snapshot(&mut |_| Err(crate::store::StoreError("out of ink".to_owned())));
    assert_eq!(failed.unwrap_err().0, "out of ink");
    assert_eq!(
        see_with(&mut *reader, |snapshot| snapshot.commit().unwrap()),
        CommitNumber(0)
    );
    commit(bench, &[]);
    assert_eq!(
        see_with(&mut *reader, |snapshot| snapshot.commit().unwrap()),
        CommitNumber(1)
    );
}

fn closing_keeps_everything(bench: &mut dyn Bench) {
    let stored = account(2, "a");
    commit(bench, &[Effect::Account(Arc::new(stored.clone()))]);
    bench.store().close().unwrap();
    assert_eq!(bench.store().open().unwrap().account, stored.id);
    see(bench, |snapshot| {
        assert_eq!(
            snapshot.account(stored.id).unwrap().as_deref(),
            Some(&stored)
        );
    });
}
