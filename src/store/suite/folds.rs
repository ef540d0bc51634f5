//! The store on disk while it folds, merges and starts its log anew, held to the one in memory: at any moment, and after any end of the
//! process.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::build::{account, group, member, message, pair, single};
use super::random::compare_rows;
use super::see_with;
use crate::domain::command::Effect;
use crate::domain::conversation::{Conversation, ConversationKind};
use crate::domain::ids::{AccountId, CommitNumber, MessageId, Position, TimeMs};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::{Dialect, Message};
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::check::check;
use crate::store::{Order, Reader, Store};

/// Members of a group whose rows fill several pages.
const CROWD: Range<u64> = 100..500;
const CLIENT_IDS: [&str; 4] = ["1", "2", "买", "x"];

/// What is done in a commit.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A member of a conversation says something, perhaps with a client's id.
    Say(usize, usize, Option<usize>),
    /// One acknowledges the message so far below the newest.
    Acknowledge(usize, usize, u64),
    /// One reads up to so far below the newest.
    Read(usize, usize, u64),
    /// The message so far below the newest is taken back.
    Recall(usize, u64),
}

fn act() -> impl Strategy<Value = Act> {
    let place = || (0..4_usize, 0..4_usize);
    prop_oneof![
        8 => (place(), prop::option::weighted(0.4, 0..CLIENT_IDS.len()))
            .prop_map(|((conversation, member), client_id)| Act::Say(conversation, member, client_id)),
        4 => (place(), 0..6_u64).prop_map(|((conversation, member), back)| Act::Acknowledge(conversation, member, back)),
        2 => (place(), 0..6_u64).prop_map(|((conversation, member), back)| Act::Read(conversation, member, back)),
        1 => (0..4_usize, 0..40_u64).prop_map(|(conversation, back)| Act::Recall(conversation, back)),
    ]
}

/// A conversation as it should be.
struct Talk {
    conversation: Conversation,
    members: Vec<Member>,
    log: Vec<Message>,
}

impl Talk {
    fn head(&self) -> u64 {
        self.log.len() as u64
    }
}

struct World {
    dir: TempDir,
    fold_messages: usize,
    memory: MemoryStore,
    sqlite: SqliteStore,
    /// Opened before anything was written.
    readers: (Box<dyn Reader>, Box<dyn Reader>),
    talks: Vec<Talk>,
    commit: CommitNumber,
    next_id: u64,
}

impl World {
    fn new(fold_messages: usize) -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut sqlite = SqliteStore::busy(dir.path(), fold_messages);
        sqlite.open().unwrap();
        let memory = MemoryStore::new();
        let mut talks = vec![
            (
                single(1, pair(2, 3), 1),
                vec![member(1, 2, 0, 0), member(1, 3, 1, 0)],
            ),
            (
                single(2, pair(2, 4), 1),
                vec![member(2, 2, 0, 0), member(2, 4, 1, 0)],
            ),
            (
                group(3, 2, "g", 1),
                (2..6)
                    .chain(CROWD)
                    .map(|id| Member {
                        alias: Arc::from(format!("{id:>70}")),
                        ..member(3, id, id as u32, 0)
                    })
                    .collect(),
            ),
            (
                single(4, pair(4, 5), 1),
                vec![member(4, 4, 0, 0), member(4, 5, 1, 0)],
            ),
        ];
        if let ConversationKind::Group(group) = &mut talks[2].0.kind {
            Arc::make_mut(group).member_count = 4 + CROWD.count() as u32;
        }
        let talks = talks.into_iter().map(|(conversation, members)| Talk {
            conversation,
            members,
            log: Vec::new(),
        });
        let mut world = World {
            dir,
            fold_messages,
            readers: (memory.reader().unwrap(), sqlite.reader().unwrap()),
            memory,
            sqlite,
            talks: talks.collect(),
            commit: CommitNumber(0),
            next_id: 10,
        };
        let accounts = (2..6)
            .chain(CROWD)
            .map(|id| Effect::Account(Arc::new(account(id, &format!("user {id}")))));
        let mut effects: Vec<Effect> = accounts.collect();
        for talk in &world.talks {
            effects.push(Effect::Conversation(talk.conversation.clone()));
            effects.extend(talk.members.iter().cloned().map(Effect::Member));
        }
        world.commit(&effects);
        world
    }

    fn commit(&mut self, effects: &[Effect]) {
        self.commit.0 += 1;
        self.memory.commit(self.commit, effects).unwrap();
        self.sqlite.commit(self.commit, effects).unwrap();
    }

    fn act(&mut self, act: Act, effects: &mut Vec<Effect>) {
        match act {
            Act::Say(place, who, client_id) => {
                let talk = &mut self.talks[place];
                let who = who % talk.members.len();
                let position = talk.head() + 1;
                let sender = &mut talk.members[who];
                sender.sent += 1;
                self.next_id += 1 + position % 3;
                let said = Message {
                    at: TimeMs(10_000 + self.next_id as i64),
                    client_id: client_id.map(|which| Arc::from(CLIENT_IDS[which])),
                    origin: Dialect::Jim,
                    ..message(self.next_id, place as u64 + 1, position, sender.account.0)
                };
                // A client's id names one message of a sender in a conversation.
                let is_taken = talk.log.iter().any(|other| {
                    other.sender == said.sender
                        && other.client_id.is_some()
                        && other.client_id == said.client_id
                });
                let client_id = said.client_id.clone().filter(|_| !is_taken);
                let said = Message { client_id, ..said };
                effects.push(Effect::Append(Arc::new(said.clone())));
                effects.push(Effect::Member(sender.clone()));
                talk.log.push(said);
            }
            Act::Acknowledge(place, who, back) => {
                let talk = &mut self.talks[place];
                let who = who % talk.members.len();
                let position = talk.head().saturating_sub(back);
                let member = &mut talk.members[who];
                if position > 0 && member.apply_acknowledged(Position(position)) {
                    effects.push(Effect::Member(member.clone()));
                }
            }
            Act::Read(place, who, back) => {
                let talk = &mut self.talks[place];
                let who = who % talk.members.len();
                let position = talk.head().saturating_sub(back);
                let member = &mut talk.members[who];
                let up_to = talk.log.iter().take(position as usize);
                let own = up_to.filter(|said| said.sender == member.account).count() as u64;
                let mark = ReadMark {
                    position: Position(position),
                    own,
                };
                if member.apply_read(mark) {
                    effects.push(Effect::Member(member.clone()));
                }
            }
            Act::Recall(place, back) => {
                let talk = &mut self.talks[place];
                let Some(index) = talk.log.len().checked_sub(1 + back as usize) else {
                    return;
                };
                let said = &mut talk.log[index];
                said.recalled = true;
                said.body = Arc::from("");
                effects.push(Effect::Recall(Arc::new(said.clone())));
            }
        }
    }

    fn compare_snapshots(&mut self) {
        let (memory, sqlite) = &mut self.readers;
        see_with(&mut **memory, |memory| {
            see_with(&mut **sqlite, |sqlite| compare_rows(memory, sqlite));
        });
    }

    /// Compares everything that can be asked.
    fn compare(&mut self) {
        self.compare_snapshots();
        for sender in 0..7 {
            for client_id in CLIENT_IDS {
                let ask = |store: &dyn Store| {
                    let sender = AccountId(sender);
                    store.is_new_client_id(sender, Dialect::Jim, client_id)
                };
                // Filters are small here, so that they deny nothing that is new.
                assert_eq!(ask(&self.sqlite), ask(&self.memory));
            }
        }
    }

    /// What would be found if the process ended at this moment.
    fn compare_after_a_crash(&mut self) {
        let found = tempfile::tempdir().unwrap();
        for name in ["imd.sqlite", "imd.sqlite-wal"] {
            copy(self.dir.path(), found.path(), name);
        }
        assert_eq!(check(found.path()).unwrap().faults, [""; 0]);
        // Segments begin and end elsewhere than those that were being folded.
        let mut again = SqliteStore::busy(found.path(), self.fold_messages / 2 + 1);
        assert_eq!(again.open().unwrap(), self.memory.open().unwrap());
        let mut sqlite = again.reader().unwrap();
        see_with(&mut *self.readers.0, |memory| {
            see_with(&mut *sqlite, |sqlite| compare_rows(memory, sqlite));
        });
        // What goes on from there is as whole as what went on here.
        let next = CommitNumber(self.commit.0 + 1);
        let mut sender = self.talks[0].members[0].clone();
        sender.sent += 30;
        let said = (1..=30).map(|number| {
            let position = self.talks[0].head() + number;
            Effect::Append(Arc::new(Message {
                at: TimeMs(1_000_000),
                ..message(self.next_id + number, 1, position, 2)
            }))
        });
        let more: Vec<Effect> = said.chain([Effect::Member(sender)]).collect();
        again.commit(next, &more).unwrap();
        again.close().unwrap();
        drop(again);
        assert_eq!(check(found.path()).unwrap().faults, [""; 0]);
    }
}

fn copy(from: &Path, to: &Path, name: &str) {
    match std::fs::copy(from.join(name), to.join(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
}

/// Every phase is ended by a crash, and a fold, a merge or a deletion goes on within commits that do something else.
#[test]
fn a_crash_in_any_phase_loses_nothing() {
    let mut world = World::new(20);
    let mut seen = [0; 4];
    let (mut restarts, mut pages) = (0, 0);
    for round in 0..400_usize {
        let mut effects = Vec::new();
        for index in 0..round % 5 + 1 {
            let mixed = round * 7 + index * 3;
            let act = match mixed % 6 {
                0..=3 => Act::Say(mixed % 4, mixed / 4, (mixed % 50 == 0).then_some(mixed % 4)),
                4 => Act::Acknowledge(mixed / 6 % 4, mixed / 24, mixed as u64 % 3),
                _ => Act::Read(mixed / 6 % 4, mixed / 24, mixed as u64 % 7),
            };
            world.act(act, &mut effects);
        }
        world.commit(&effects);
        let under_way = world.sqlite.under_way();
        let is_new_phase = (0..4).any(|phase| under_way[phase] && seen[phase] < 3);
        for phase in 0..4 {
            seen[phase] += usize::from(under_way[phase]);
        }
        let log = world.sqlite.log_pages();
        let has_restarted = log < pages;
        restarts += usize::from(has_restarted);
        pages = log;
        if is_new_phase || has_restarted && restarts < 4 || round % 50 == 0 {
            world.compare();
            world.compare_after_a_crash();
        }
    }
    assert!(seen.iter().all(|commits| *commits > 3), "{seen:?}");
    assert!(restarts > 3, "{restarts}");
    world.compare();
    world.sqlite.close().unwrap();
    assert_eq!(check(world.dir.path()).unwrap().faults, [""; 0]);
    world.sqlite.open().unwrap();
    world.compare();
}

/// After a failed commit the store is opened again, and begins its folds and merges anew. Readers from before read on all the while.
#[test]
fn a_failed_commit_in_any_phase_changes_nothing() {
    let mut world = World::new(6);
    let mut seen = [0; 4];
    for round in 0..120_usize {
        let mut effects = Vec::new();
        world.act(Act::Say(round % 4, round / 4, None), &mut effects);
        let mut failing = effects.clone();
        failing.push(match round % 2 {
            // The one fails before it comes to the tail, the other there.
            0 => Effect::Account(Arc::new(account(9, "user 2"))),
            _ => {
                let place = round as u64 % 4;
                Effect::Append(Arc::new(message(world.next_id + 1, place + 1, 9_999, 2)))
            }
        });
        let next = CommitNumber(world.commit.0 + 1);
        let before = world.sqlite.under_way();
        assert!(world.sqlite.commit(next, &failing).is_err());
        if round % 7 == 0 {
            world.compare_snapshots();
        }
        assert_eq!(world.sqlite.open().unwrap(), world.memory.open().unwrap());
        for phase in 0..4 {
            seen[phase] += usize::from(before[phase]);
        }
        world.commit(&effects);
        if round % 7 == 0 {
            world.compare();
        }
    }
    assert!(seen[..3].iter().all(|rounds| *rounds > 0), "{seen:?}");
    world.compare_after_a_crash();
}

/// Each commit appends one message and counts it in the sender's row: both or neither are seen, whatever is folded meanwhile.
#[test]
fn readers_beside_folds_see_whole_commits() {
    const COMMITS: u64 = 1_500;
    let mut world = World::new(16);
    let readers: Vec<_> = (0..2).map(|_| world.sqlite.reader().unwrap()).collect();
    let id = world.talks[0].conversation.id;
    let first = world.commit.0;
    let mut pages_max = 0;
    std::thread::scope(|scope| {
        let watching = readers.into_iter().map(|mut reader| {
            scope.spawn(move || {
                let mut seen = 0;
                while seen < COMMITS {
                    let newest = see_with(&mut *reader, |snapshot| {
                        let commits = snapshot.commit().unwrap().0 - first;
                        for _ in 0..2 {
                            let head = snapshot.conversation(id).unwrap().unwrap().head;
                            assert_eq!(head.position.0, commits);
                            let member = snapshot.member(id, AccountId(2)).unwrap().unwrap();
                            assert_eq!(member.sent, commits);
                            let ids = snapshot.message_ids(id, 0..=u64::MAX, usize::MAX).unwrap();
                            assert_eq!(ids.len() as u64, commits);
                            assert_eq!(ids.first().copied().unwrap_or_default(), head.message);
                        }
                        commits
                    });
                    assert!(newest >= seen);
                    seen = newest;
                }
            })
        });
        let watching: Vec<_> = watching.collect();
        for _ in 0..COMMITS {
            let mut effects = Vec::new();
            world.act(Act::Say(0, 0, None), &mut effects);
            world.commit(&effects);
            pages_max = pages_max.max(world.sqlite.log_pages());
        }
        watching
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    // It starts anew at 60 pages, or as soon as nobody reads: without that it would be several thousand.
    assert!(pages_max < 1_000, "{pages_max}");
    assert!(world.sqlite.log_pages() < 1_000);
    world.compare_after_a_crash();
}

/// Conversations in which nothing is said for a while are absent from some runs and segments.
#[test]
fn a_page_is_found_at_any_depth() {
    let mut world = World::new(10);
    let mut seen = [0; 4];
    for round in 0..360_usize {
        let talks = [
            true,
            round / 50 % 3 == 1,
            round % 40 == 0,
            (100..104).contains(&round),
        ];
        let mut effects = Vec::new();
        for (place, _) in talks.iter().enumerate().filter(|(_, speaks)| **speaks) {
            world.act(Act::Say(place, round / 3, None), &mut effects);
        }
        world.commit(&effects);
        let under_way = world.sqlite.under_way();
        for phase in 0..4 {
            seen[phase] += usize::from(under_way[phase]);
        }
        if round % 8 != 0 && round < 350 {
            continue;
        }
        let (memory, sqlite) = &mut world.readers;
        let page = |reader: &mut dyn Reader, talk: &Talk, from, to, order| {
            let rows_max = 1 + to as usize % 7;
            let id = talk.conversation.id;
            see_with(reader, |snapshot| {
                snapshot.messages(id, from..=to, order, rows_max).unwrap()
            })
        };
        for talk in &world.talks {
            for to in (0..=talk.head() + 2).filter(|to| to % 5 == round as u64 % 5) {
                for (from, order) in [
                    (0, Order::NewestFirst),
                    (to.saturating_sub(4), Order::NewestFirst),
                    (to, Order::OldestFirst),
                    (to.saturating_sub(12), Order::OldestFirst),
                ] {
                    assert_eq!(
                        page(&mut **sqlite, talk, from, to, order),
                        page(&mut **memory, talk, from, to, order),
                        "{from} to {to}"
                    );
                }
            }
        }
    }
    assert!(seen[..3].iter().all(|commits| *commits > 3), "{seen:?}");
    world.compare_after_a_crash();
}

/// A client's id is known for a day, and not for much longer.
#[test]
fn keys_go_when_a_day_is_over() {
    let mut world = World::new(5);
    let said = |number: u64, at: i64| {
        Effect::Append(Arc::new(Message {
            at: TimeMs(at),
            client_id: Some(Arc::from(format!("c{number}"))),
            origin: Dialect::Jim,
            ..message(100 + number, 1, number, 2)
        }))
    };
    let hour = |number: u64| number as i64 * 3_600_000;
    for number in 1..=60 {
        world.commit(&[said(number, hour(number))]);
        let mut reader = world.sqlite.reader().unwrap();
        see_with(&mut *reader, |snapshot| {
            let is_known = |number: u64| {
                let id = world.talks[0].conversation.id;
                let client_id = format!("c{number}");
                let found = snapshot.message_named(AccountId(2), id, Dialect::Jim, &client_id);
                let is_new = world
                    .sqlite
                    .is_new_client_id(AccountId(2), Dialect::Jim, &client_id);
                let is_known = found.unwrap().is_some();
                assert!(!(is_known && is_new));
                is_known
            };
            for recent in number.saturating_sub(23).max(1)..=number {
                assert!(is_known(recent), "{recent} of {number}");
            }
            // Runs go as a whole, and merged ones have the time of their newest.
            assert!(number < 60 || !is_known(1));
        });
    }
}

/// A snapshot stays as it is while its segment is folded, dropped and merged away under it.
#[test]
fn a_snapshot_outlives_the_fold_of_what_it_shows() {
    let mut world = World::new(4);
    let mut reader = world.sqlite.reader().unwrap();
    for _ in 0..3 {
        let mut effects = Vec::new();
        world.act(Act::Say(0, 0, Some(0)), &mut effects);
        world.commit(&effects);
    }
    let expected: Vec<_> = world.talks[0].log.iter().cloned().map(Arc::new).collect();
    let read = reader.snapshot(&mut |snapshot| {
        let member = snapshot.member(world.talks[0].conversation.id, AccountId(2))?;
        for _ in 0..60 {
            let mut effects = Vec::new();
            world.act(Act::Say(0, 0, None), &mut effects);
            world.commit(&effects);
            let id = world.talks[0].conversation.id;
            let log = snapshot.messages(id, 0..=u64::MAX, Order::OldestFirst, 100)?;
            assert_eq!(log, expected);
            let head = snapshot.conversation(id)?.map(|found| found.head.message);
            assert_eq!(head, expected.last().map(|last| last.id));
            assert_eq!(snapshot.member(id, AccountId(2))?, member);
            assert_eq!(snapshot.members(id)?.first(), member.as_ref());
            assert_eq!(snapshot.memberships(AccountId(2))?.first(), member.as_ref());
            let named = snapshot.newest_message_named(AccountId(2), Dialect::Jim, "1")?;
            assert_eq!(
                named.map(|found| found.id),
                Some(MessageId(expected[0].id.0))
            );
        }
        Ok(())
    });
    read.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn folds_and_merges_change_nothing_that_is_read(
        commits in prop::collection::vec(prop::collection::vec(act(), 0..9), 1..60),
        fold_messages in 1..25_usize,
        crash_every in 5..30_usize,
    ) {
        let mut world = World::new(fold_messages);
        for (index, acts) in commits.iter().enumerate() {
            let mut effects = Vec::new();
            for act in acts {
                world.act(*act, &mut effects);
            }
            world.commit(&effects);
            world.compare();
            if (index + 1) % crash_every == 0 {
                world.compare_after_a_crash();
            }
        }
        world.compare_after_a_crash();
    }
}
