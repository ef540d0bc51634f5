//! Random commands: what they do is committed to both stores, which must then agree with each other and with a plain count.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::domain::account::Profile;
use crate::domain::chat::Arrangement;
use crate::domain::command::{Command, Effect, GroupAbout, Peer, Refusal, Reply, Send, Who};
use crate::domain::conversation::{ConversationKind, Pair};
use crate::domain::decide::Policy;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position, TimeMs};
use crate::domain::message::{Dialect, EventKind, MessageKind};
use crate::domain::needs::{Key, Row};
use crate::domain::query::{Answer, Query};
use crate::domain::token::TokenHash;
use crate::limits::TOKEN_IDLE_TTL_S;
use crate::store::load::load;
use crate::store::memory::MemoryStore;
use crate::store::query::answer;
use crate::store::sqlite::check::check;
use crate::store::sqlite::{Durability, SqliteStore};
use crate::store::suite::see_with;
use crate::store::writer::{Loaded, Submitted, Writer};
use crate::store::{Counters, Order, Reader, Result, Snapshot, Store};

const NAMES: [&str; 5] = ["a", "b", "c", "群", "群 (2)"];
const GROUP_NAMES: [&str; 4] = ["a", "群", "群 (2)", "群 (3)"];
const CLIENT_IDS: [&str; 3] = ["1", "2", "买"];
/// Numbers of accounts and conversations, of which the highest are nobody's at first.
const NUMBERS: u64 = 9;

/// Two stores that are given the same.
#[derive(Clone)]
struct Twin(Arc<Mutex<(MemoryStore, SqliteStore)>>);

impl Store for Twin {
    fn open(&mut self) -> Result<Counters> {
        let (memory, sqlite) = &mut *self.0.lock();
        let counters = (memory.open()?, sqlite.open()?);
        assert_eq!(counters.0, counters.1);
        Ok(counters.0)
    }

    fn commit(&mut self, number: CommitNumber, effects: &[Effect]) -> Result<()> {
        let (memory, sqlite) = &mut *self.0.lock();
        memory.commit(number, effects)?;
        sqlite.commit(number, effects)
    }

    fn is_new_client_id(&self, sender: AccountId, origin: Dialect, client_id: &str) -> bool {
        let (memory, sqlite) = &*self.0.lock();
        let is_new = sqlite.is_new_client_id(sender, origin, client_id);
        assert!(!is_new || memory.is_new_client_id(sender, origin, client_id));
        is_new
    }

    fn reader(&self) -> Result<Box<dyn Reader>> {
        self.0.lock().0.reader()
    }

    fn close(&mut self) -> Result<()> {
        let (memory, sqlite) = &mut *self.0.lock();
        memory.close()?;
        sqlite.close()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Do(Command),
    /// Reads what is unread, as far as a page of so many rows goes.
    Read(AccountId, Peer, usize),
    Commit,
    /// Drops the store on disk, or closes it before.
    Restart {
        close: bool,
    },
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop::sample::select(&NAMES[..]).prop_map(Arc::from)
}

fn account_id() -> impl Strategy<Value = AccountId> {
    (2..NUMBERS).prop_map(AccountId)
}

fn conversation_id() -> impl Strategy<Value = ConversationId> {
    (1..NUMBERS).prop_map(ConversationId)
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![name().prop_map(Who::Name), account_id().prop_map(Who::Id)]
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        who().prop_map(Peer::Account),
        prop::sample::select(&GROUP_NAMES[..]).prop_map(|name| Peer::Shown(Arc::from(name))),
        conversation_id().prop_map(Peer::Conversation),
    ]
}

fn hash() -> impl Strategy<Value = TokenHash> {
    (0..6_u8).prop_map(|seed| TokenHash([seed; 16]))
}

fn send() -> impl Strategy<Value = Command> {
    let client_id = prop::option::weighted(
        0.3,
        prop::sample::select(&CLIENT_IDS[..]).prop_map(Arc::from),
    );
    let attributes = prop::option::weighted(0.2, Just(Arc::from("{}")));
    let origin =
        prop::sample::select(&[Dialect::Buyer, Dialect::Jim, Dialect::Conv, Dialect::Chat][..]);
    (
        account_id(),
        peer(),
        "\\PC{1,8}",
        origin,
        client_id,
        attributes,
    )
        .prop_map(|(from, to, body, origin, client_id, attributes)| {
            let kind = match body.len() {
                1 => MessageKind::Event(EventKind::Like),
                2..=4 => MessageKind::Other(body.len() as i32 - 3),
                _ => MessageKind::Text,
            };
            Command::Send(Send {
                from,
                to,
                kind,
                body: Arc::from(body),
                origin,
                client_id,
                attributes,
            })
        })
}

fn command() -> impl Strategy<Value = Command> {
    let members = || prop::collection::vec(who(), 0..4);
    let about = prop::sample::select(&GROUP_NAMES[..]).prop_map(|name| GroupAbout {
        name: Arc::from(name),
        ..GroupAbout::default()
    });
    let profile = "[a-z]{0,3}".prop_map(|nick| Profile {
        nick: Arc::from(nick),
        ..Profile::default()
    });
    prop_oneof![
        2 => (name(), hash()).prop_map(|(name, token)| Command::Login { name, token }),
        1 => hash().prop_map(|token| Command::Logout { token }),
        1 => hash().prop_map(|token| Command::Touch { token }),
        12 => send(),
        1 => (who(), members(), about).prop_map(|(owner, members, about)| Command::CreateGroup { owner, members, about }),
        2 => (conversation_id(), members()).prop_map(|(group, members)| Command::AddMembers { group, members }),
        2 => (conversation_id(), members()).prop_map(|(group, members)| Command::RemoveMembers { group, members }),
        4 => (account_id(), conversation_id(), 1..9_u64).prop_map(|(account, conversation, position)| {
            let messages = vec![(conversation, vec![Position(position), Position(position + 2)])];
            Command::Acknowledge { account, messages }
        }),
        2 => (account_id(), conversation_id(), any::<bool>()).prop_map(|(account, conversation, hide)| {
            let arrangement = if hide { Arrangement::Hide } else { Arrangement::Pin(account.0 % 2 == 0) };
            Command::Arrange { account, conversation, arrangement }
        }),
        1 => Just(Command::ReserveId),
        1 => (conversation_id(), prop::option::of(account_id())).prop_map(|(group, by)| Command::DeleteGroup { group, by }),
        2 => (conversation_id(), prop::option::of(name()), members(), members()).prop_map(|(group, name, removed, added)| {
            Command::ChangeGroup { group, name, removed, added }
        }),
        1 => (who(), profile).prop_map(|(who, profile)| Command::SetProfile { who, profile }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        16 => command().prop_map(Step::Do),
        4 => (account_id(), peer(), 1..4_usize).prop_map(|(account, peer, rows)| Step::Read(account, peer, rows)),
        4 => Just(Step::Commit),
        1 => any::<bool>().prop_map(|close| Step::Restart { close }),
    ];
    prop::collection::vec(step, 1..80)
}

/// A server's writer over both stores.
struct World {
    dir: TempDir,
    /// After how many messages the store on disk folds.
    fold_messages: usize,
    twin: Twin,
    writer: Writer<()>,
    now: TimeMs,
}

impl World {
    fn new(fold_messages: usize) -> World {
        let dir = tempfile::tempdir().unwrap();
        let stores = (
            MemoryStore::new(),
            SqliteStore::busy(dir.path(), fold_messages),
        );
        let twin = Twin(Arc::new(Mutex::new(stores)));
        let writer = open_writer(&twin);
        World {
            dir,
            fold_messages,
            twin,
            writer,
            now: TimeMs(1_800_000_000_000),
        }
    }

    fn submit(&mut self, command: Command) {
        self.now.0 += 7;
        self.writer.handle_submitted(
            Submitted {
                lane: 0,
                command,
                reply_to: (),
            },
            self.now,
        );
        while let Some(request) = self.writer.poll_load() {
            let rows = Ok(self.load(&request.keys));
            self.writer.handle_loaded(
                Loaded {
                    id: request.id,
                    rows,
                },
                self.now,
            );
        }
        assert_eq!(self.writer.parked(), 0);
    }

    fn load(&self, keys: &[Key]) -> Vec<Row> {
        let (mut memory, mut sqlite) = self.readers();
        let sorted = |mut rows: Vec<Row>| {
            for row in &mut rows {
                if let Row::Tokens(_, tokens) = row {
                    tokens.sort_by_key(|token| token.hash);
                }
            }
            rows
        };
        let rows = see_with(&mut *memory, |snapshot| {
            sorted(load(snapshot, keys).unwrap())
        });
        assert_eq!(
            see_with(&mut *sqlite, |snapshot| sorted(
                load(snapshot, keys).unwrap()
            )),
            rows
        );
        rows
    }

    fn readers(&self) -> (Box<dyn Reader>, Box<dyn Reader>) {
        let (memory, sqlite) = &*self.twin.0.lock();
        (memory.reader().unwrap(), sqlite.reader().unwrap())
    }

    fn commit(&mut self) -> Vec<std::result::Result<Reply, Refusal>> {
        let released = self.writer.commit();
        assert!(released.failures.is_empty(), "{:?}", released.failures);
        released
            .replies
            .into_iter()
            .map(|(_, reply)| reply)
            .collect()
    }

    /// Moves the read position as the page of an unread query says, which must do what it says.
    fn read(&mut self, account: AccountId, peer: Peer, rows_max: usize) {
        self.commit();
        let query = Query::Unread {
            account,
            peer,
            rows_max,
        };
        let ask = |world: &World| {
            see_with(&mut *world.readers().0, |snapshot| {
                answer(snapshot, &query).unwrap().answer
            })
        };
        let Answer::Unread(Some(page)) = ask(self) else {
            return;
        };
        let (Some(mark), Some(conversation), Some(before)) =
            (page.mark, page.conversation, page.member)
        else {
            return;
        };
        self.submit(Command::Read {
            account,
            conversation: conversation.id,
            mark,
        });
        assert_eq!(self.commit(), [Ok(Reply::Done)]);
        let Answer::Unread(Some(after)) = ask(self) else {
            panic!("the conversation is gone")
        };
        let after = after.member.unwrap();
        let head = conversation.head.position;
        assert_eq!(
            after.unread(head) + page.messages.len() as u64,
            before.unread(head)
        );
    }

    fn restart(&mut self, close: bool) {
        self.commit();
        {
            let (_, sqlite) = &mut *self.twin.0.lock();
            if close {
                sqlite.close().unwrap();
            }
            *sqlite = SqliteStore::new("", Durability::Process);
            assert_eq!(check(self.dir.path()).unwrap().faults, [""; 0]);
            *sqlite = SqliteStore::busy(self.dir.path(), self.fold_messages);
        }
        self.writer = open_writer(&self.twin);
    }

    fn check(&self) {
        let (mut memory, mut sqlite) = self.readers();
        see_with(&mut *memory, |memory| {
            see_with(&mut *sqlite, |sqlite| {
                compare_rows(memory, sqlite);
                compare_answers(memory, sqlite);
            });
            lists_are_those_of_the_view(memory);
            recount(memory);
        });
    }
}

fn open_writer(twin: &Twin) -> Writer<()> {
    let policy = Policy {
        open_directory: true,
        group_members_max: 4,
        token_idle_ms_max: TOKEN_IDLE_TTL_S as i64 * 1_000,
    };
    let mut store = twin.clone();
    let counters = store.open().unwrap();
    Writer::resume(Box::new(store), policy, counters)
}

fn every_account() -> impl Iterator<Item = AccountId> {
    (0..NUMBERS).map(AccountId)
}

fn every_conversation() -> impl Iterator<Item = ConversationId> {
    (0..2 * NUMBERS).map(ConversationId)
}

fn every_name() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(GROUP_NAMES)
}

pub(super) fn compare_rows(memory: &dyn Snapshot, sqlite: &dyn Snapshot) {
    macro_rules! same {
        ($snapshot:ident => $found:expr) => {{
            let find = |$snapshot: &dyn Snapshot| $found;
            assert_eq!(find(memory), find(sqlite), "{}", stringify!($found));
        }};
    }
    same!(snapshot => snapshot.commit().unwrap());
    for name in every_name() {
        same!(snapshot => snapshot.account_named(name).unwrap());
    }
    for seed in 0..8 {
        same!(snapshot => snapshot.token(TokenHash([seed; 16])).unwrap());
    }
    for account in every_account() {
        same!(snapshot => snapshot.account(account).unwrap());
        same!(snapshot => snapshot.memberships(account).unwrap());
        same!(snapshot => {
            let mut tokens = snapshot.tokens(account).unwrap();
            tokens.sort_by_key(|token| token.hash);
            tokens
        });
        for pair in every_account().filter_map(|other| Pair::new(account, other)) {
            same!(snapshot => snapshot.single(pair).unwrap());
            same!(snapshot => snapshot.events(pair).unwrap());
        }
    }
    for conversation in every_conversation() {
        same!(snapshot => snapshot.conversation(conversation).unwrap());
        same!(snapshot => snapshot.members(conversation).unwrap());
        for (from, to, rows_max) in [(0, u64::MAX, usize::MAX), (2, 4, 2), (3, 9, 0), (5, 4, 9)] {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                same!(snapshot => snapshot.messages(conversation, from..=to, order, rows_max).unwrap());
            }
            same!(snapshot => snapshot.message_ids(conversation, from..=to, rows_max).unwrap());
            for account in every_account() {
                same!(snapshot => snapshot.messages_from_others(conversation, account, from..=to, rows_max).unwrap());
            }
        }
        for account in every_account() {
            same!(snapshot => snapshot.member(conversation, account).unwrap());
            same!(snapshot => snapshot.count_sent(conversation, account, 0..=u64::MAX).unwrap());
            same!(snapshot => snapshot.count_sent(conversation, account, 2..=4).unwrap());
            for client_id in CLIENT_IDS {
                same!(snapshot => snapshot.message_named(account, conversation, Dialect::Jim, client_id).unwrap());
            }
        }
    }
    for account in every_account() {
        for client_id in CLIENT_IDS {
            same!(snapshot => snapshot.newest_message_named(account, Dialect::Jim, client_id).unwrap());
        }
    }
}

fn compare_answers(memory: &dyn Snapshot, sqlite: &dyn Snapshot) {
    let same = |query: Query| {
        let (memory, sqlite) = (
            answer(memory, &query).unwrap(),
            answer(sqlite, &query).unwrap(),
        );
        assert_eq!(memory.commit, sqlite.commit);
        match (memory.answer, sqlite.answer) {
            (Answer::View(memory), Answer::View(sqlite)) => assert_eq!(memory, sqlite),
            (Answer::Conversations(memory), Answer::Conversations(sqlite)) => {
                assert_eq!(memory, sqlite);
            }
            (Answer::Groups(memory), Answer::Groups(sqlite)) => assert_eq!(memory, sqlite),
            (Answer::Session(memory), Answer::Session(sqlite)) => assert_eq!(memory, sqlite),
            (Answer::Resolved(memory), Answer::Resolved(sqlite)) => assert_eq!(memory, sqlite),
            (Answer::History(memory), Answer::History(sqlite)) => assert_eq!(memory, sqlite),
            (Answer::Unread(memory), Answer::Unread(sqlite)) => assert_eq!(memory, sqlite),
            (memory, sqlite) => panic!("{query:?}: {memory:?} and {sqlite:?}"),
        }
    };
    for seed in 0..8 {
        same(Query::Session(TokenHash([seed; 16])));
    }
    for account in every_account() {
        same(Query::View(account));
        same(Query::Groups(account));
        for (rows_max, unread_only) in [(100, false), (2, false), (100, true)] {
            same(Query::Conversations {
                account,
                rows_max,
                unread_only,
            });
        }
        let accounts = every_account().map(|id| Peer::Account(Who::Id(id)));
        let names = every_name().flat_map(|name| {
            [
                Peer::Shown(Arc::from(name)),
                Peer::Account(Who::Name(Arc::from(name))),
            ]
        });
        for peer in accounts
            .chain(names)
            .chain(every_conversation().map(Peer::Conversation))
        {
            same(Query::Resolve {
                account,
                peer: peer.clone(),
            });
            for (page, size) in [(1, 100), (2, 2), (u64::MAX, 1)] {
                same(Query::History {
                    account,
                    peer: peer.clone(),
                    page,
                    size,
                });
            }
            for rows_max in [1, 3, 200] {
                same(Query::Unread {
                    account,
                    peer: peer.clone(),
                    rows_max,
                });
            }
        }
    }
}

/// Lists are those of a view, cut short.
fn lists_are_those_of_the_view(snapshot: &dyn Snapshot) {
    for account in every_account() {
        let found = |query| answer(snapshot, &query).unwrap().answer;
        let Answer::View(view) = found(Query::View(account)) else {
            panic!("not a view");
        };
        let Answer::Groups(groups) = found(Query::Groups(account)) else {
            panic!("not groups");
        };
        assert!(view.groups().collect::<BTreeSet<_>>().iter().eq(&groups));
        for (rows_max, unread_only) in [(100, false), (1, true), (2, false)] {
            let query = Query::Conversations {
                account,
                rows_max,
                unread_only,
            };
            let Answer::Conversations(list) = found(query) else {
                panic!("not a list");
            };
            let rows = view.rows().unwrap();
            let rows = rows.filter(|row| !unread_only || row.unread() > 0);
            assert!(rows.take(rows_max).eq(&list.rows));
            let names = view.group_names();
            for row in &list.rows {
                let id = row.conversation.id;
                assert_eq!(list.group_names.get(&id), names.get(&id));
            }
        }
    }
}

/// Holds counts, pages and marks to what the log of each conversation says.
fn recount(snapshot: &dyn Snapshot) {
    for id in every_conversation() {
        let Some(conversation) = snapshot.conversation(id).unwrap() else {
            continue;
        };
        let head = conversation.head.position;
        let log = snapshot
            .messages(id, 0..=u64::MAX, Order::OldestFirst, usize::MAX)
            .unwrap();
        assert!(
            log.iter().map(|message| message.position.0).eq(1..=head.0),
            "positions have no gaps"
        );
        assert!(
            log.is_sorted_by_key(|message| message.at)
                && log.is_sorted_by_key(|message| message.id)
        );
        if let ConversationKind::Group(group) = &conversation.kind {
            let members = snapshot.members(id).unwrap();
            assert_eq!(
                members.iter().filter(|member| member.is_active()).count(),
                group.member_count as usize
            );
        }
        for member in snapshot.members(id).unwrap() {
            let account = member.account;
            let visible = member.visible_until(head);
            let own_until = |position: Position| {
                log.iter()
                    .filter(|message| message.sender == account && message.position <= position)
                    .count() as u64
            };
            let unread: Vec<_> = log
                .iter()
                .filter(|message| {
                    message.sender != account
                        && message.position > member.read
                        && message.position <= visible
                })
                .cloned()
                .collect();
            assert_eq!(member.sent, own_until(head));
            assert_eq!(member.unread(head), unread.len() as u64);
            if conversation.is_events() {
                let peer = Peer::Conversation(id);
                let query = Query::Resolve { account, peer };
                let found = answer(snapshot, &query).unwrap().answer;
                assert!(matches!(found, Answer::Resolved(None)), "{found:?}");
                continue;
            }
            for rows_max in [1, 2, 200] {
                let query = Query::Unread {
                    account,
                    peer: Peer::Conversation(id),
                    rows_max,
                };
                let Answer::Unread(Some(page)) = answer(snapshot, &query).unwrap().answer else {
                    panic!("{query:?}")
                };
                assert_eq!(page.messages, unread[..unread.len().min(rows_max)]);
                let Some(mark) = page.mark else {
                    assert!(unread.is_empty());
                    continue;
                };
                let end = if unread.len() <= rows_max {
                    visible
                } else {
                    page.messages[rows_max - 1].position
                };
                assert_eq!((mark.position, mark.own), (end, own_until(end)));
            }
            let query = Query::History {
                account,
                peer: Peer::Conversation(id),
                page: 2,
                size: 2,
            };
            let Answer::History(Some(page)) = answer(snapshot, &query).unwrap().answer else {
                panic!("{query:?}")
            };
            let seen: Vec<_> = log
                .iter()
                .filter(|message| {
                    message.position > member.joined_after && message.position <= visible
                })
                .cloned()
                .collect();
            let end = seen.len().saturating_sub(2);
            assert_eq!(page.messages, seen[end.saturating_sub(2)..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_stores_agree_and_counts_are_true(steps in steps(), fold_messages in 1..9_usize) {
        let mut world = World::new(fold_messages);
        for step in steps {
            match step {
                Step::Do(command) => world.submit(command),
                Step::Read(account, peer, rows_max) => world.read(account, peer, rows_max),
                Step::Commit => drop(world.commit()),
                Step::Restart { close } => {
                    world.restart(close);
                    world.check();
                }
            }
        }
        world.commit();
        world.check();
    }
}
