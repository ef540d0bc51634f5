//! The writer from outside: commands and rows in, answers and commits out.

mod model;
mod random;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LoadRequest, Loaded};
use crate::domain::account::Profile;
use crate::domain::backend::{Relay, RelayTo};
use crate::domain::command::{Command, Effect, GroupAbout, Peer, Refusal, Reply, Send, Who};
use crate::domain::conversation::ConversationKind;
use crate::domain::decide::Policy;
use crate::domain::event::{Event, Told};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position, Slot};
use crate::domain::member::ReadMark;
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::state::State;
use crate::domain::token::TokenHash;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, LOADS_PER_COMMAND_MAX, MESSAGE_BODY_BYTES_MAX, SLOT_BITS,
    STATE_CACHE_BYTES_MAX, TOKENS_PER_ACCOUNT_MAX,
};
use crate::store::StoreError;
use world::{POLICY, World};

fn named(name: &str) -> Who {
    Who::Name(Arc::from(name))
}

fn send(from: u64, to: Peer, body: &str) -> Command {
    Command::Send(Send {
        from: AccountId(from),
        to,
        kind: MessageKind::Text,
        body: Arc::from(body),
        origin: Dialect::Conv,
        client_id: None,
        attributes: None,
    })
}

fn to_name(name: &str) -> Peer {
    Peer::Account(named(name))
}

fn profile(name: &str) -> Command {
    Command::SetProfile {
        who: named(name),
        profile: Profile::default(),
    }
}

fn group(owner: &str, members: &[&str]) -> Command {
    Command::CreateGroup {
        owner: named(owner),
        members: members.iter().map(|name| named(name)).collect(),
        about: GroupAbout {
            name: Arc::from("g"),
            ..GroupAbout::default()
        },
    }
}

fn token(number: u64) -> TokenHash {
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    TokenHash(hash)
}

fn numbers(world: &mut World) -> Vec<usize> {
    world
        .commit(false)
        .into_iter()
        .map(|(number, _)| number)
        .collect()
}

#[test]
fn a_command_that_waits_holds_its_lane_and_no_other() {
    let mut world = World::with_default_cache();
    for name in ["a", "b", "c"] {
        world.run(profile(name)).unwrap();
    }
    let first = world.submit(1, send(2, to_name("b"), "1"));
    let second = world.submit(1, send(2, to_name("c"), "2"));
    // Needs nothing that is not in memory.
    let held = world.submit(1, profile("a"));
    let other = world.submit(2, profile("a"));
    assert_eq!(world.writer.parked(), 3);
    assert_eq!(numbers(&mut world), [other]);
    world.fetch();
    world.hand_over(0);
    // The first has run; the second waits, and still holds what is behind it.
    assert_eq!(world.writer.parked(), 2);
    assert_eq!(numbers(&mut world), [first]);
    world.settle();
    assert_eq!(numbers(&mut world), [second, held]);
    assert_eq!(world.writer.parked(), 0);
    let free = world.submit(1, profile("a"));
    assert_eq!(numbers(&mut world), [free]);
}

#[test]
fn nothing_of_a_failed_batch_is_seen_and_numbers_go_on() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    let before = [world.view(2), world.view(3)];
    world.submit(0, send(2, to_name("new"), "lost"));
    world.submit(0, send(3, Peer::Conversation(ConversationId(1)), "lost"));
    world.submit(1, profile("another"));
    world.submit(
        1,
        Command::Login {
            name: Arc::from("third"),
            token: token(1),
        },
    );
    world.settle();
    // An answer that needs no commit is refused with the rest: it may rest on what is lost.
    world.submit(
        2,
        Command::Read {
            account: AccountId(3),
            conversation: ConversationId(1),
            mark: crate::domain::member::ReadMark {
                position: Default::default(),
                own: 0,
            },
        },
    );
    world.settle();
    let replies = world.commit(true);
    assert_eq!(replies.len(), 5);
    assert_eq!([world.view(2), world.view(3)], before);
    // The model knows of none of it and foresees every number.
    let Ok(Reply::Account(account)) = world.run(profile("next")) else {
        panic!("refused")
    };
    assert_eq!(account.id, AccountId(4));
    let Ok(Reply::Sent { message, .. }) = world.run(send(2, to_name("b"), "kept")) else {
        panic!("refused")
    };
    assert_eq!(
        (message.conversation, message.position.0),
        (ConversationId(2), 1)
    );
    assert_eq!(world.writer.commit_number(), CommitNumber(3));
    world.check_queries();
}

#[test]
fn a_store_that_does_not_open_again_refuses_everything_until_it_does() {
    let mut world = World::with_default_cache();
    world.run(profile("a")).unwrap();
    world.run(profile("b")).unwrap();
    world.faults.commit.store(true, Ordering::Relaxed);
    world.faults.open.store(true, Ordering::Relaxed);
    let waiting = world.submit(7, send(2, to_name("b"), "waits"));
    let behind = world.submit(7, profile("a"));
    world.submit(0, profile("a"));
    let released = world.writer.commit();
    assert_eq!(released.failures.len(), 2);
    assert!(!world.writer.is_healthy());
    let refused = world.submit(0, profile("a"));
    world.settle();
    let released = world.writer.commit();
    assert_eq!((released.failures.len(), released.effects), (1, 0));
    let numbers: Vec<usize> = released.replies.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [refused, waiting, behind]);
    assert!(
        released
            .replies
            .iter()
            .all(|(_, reply)| *reply == Err(Refusal::Failure))
    );
    world.faults.open.store(false, Ordering::Relaxed);
    assert!(world.writer.commit().failures.is_empty() && world.writer.is_healthy());
    world.faults.commit.store(false, Ordering::Relaxed);
    let last = world.submit(9, profile("c"));
    world.settle();
    let released = world.writer.commit();
    assert_eq!(released.commit, Some(CommitNumber(3)));
    assert!(
        matches!(&released.replies[..], [(number, Ok(Reply::Account(c)))] if *number == last && c.id == AccountId(4))
    );
}

#[test]
fn a_conversation_that_is_named_again_is_read_from_where_it_was_left() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    let talk = ConversationId(1);
    for body in ["1", "2", "3"] {
        world.run(send(2, Peer::Conversation(talk), body)).unwrap();
    }
    let mark = |position| {
        let position = Position(position);
        (talk, ReadMark { position, own: 0 })
    };
    world.submit(
        0,
        Command::ReadAll {
            account: AccountId(3),
            marks: vec![mark(2), mark(1), mark(3), mark(3)],
        },
    );
    world.settle();
    let cleared = |told: &Told| match &*told.event {
        Event::Read { cleared, .. } => Some(*cleared),
        _ => None,
    };
    let told = world.writer.commit().told;
    assert_eq!(told.iter().filter_map(cleared).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn whoever_has_left_a_group_is_told_what_became_of_a_message() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    let talk = ConversationId(1);
    let said = |id: &str| Send {
        from: AccountId(3),
        to: Peer::Conversation(talk),
        kind: MessageKind::Text,
        body: Arc::from("x"),
        origin: Dialect::Conv,
        client_id: Some(Arc::from(id)),
        attributes: None,
    };
    world.run(Command::Send(said("1"))).unwrap();
    let leaving = Command::RemoveMembers {
        group: talk,
        members: vec![named("b")],
    };
    world.run(leaving).unwrap();
    let Ok(Reply::Sent {
        message, repeated, ..
    }) = world.run(Command::Send(said("1")))
    else {
        panic!("refused")
    };
    assert!(repeated && message.position == Position(1));
    let new = world.run(Command::Send(said("2")));
    assert_eq!(new, Err(Refusal::NotAMember));
    world.has_model = false;
    let relayed = |id: &str| {
        Box::new(Relay {
            from: named("b"),
            to: RelayTo::Conversation {
                id: talk,
                other: Some(Arc::from("somebody")),
            },
            kind: MessageKind::Text,
            body: Arc::from("y"),
            origin: Dialect::Conv,
            client_id: Some(Arc::from(id)),
        })
    };
    let again = world.run(Command::Relay(relayed("1")));
    assert!(matches!(again, Ok(Reply::Sent { repeated: true, .. })));
    let new = world.run(Command::Relay(relayed("2")));
    assert_eq!(new, Err(Refusal::NotAMember));
}

/// Rows that a reader read before later commits never replace what these left, however small the memory is.
#[test]
fn late_rows_bring_nothing_old_back() {
    for cache_bytes_max in [0, STATE_CACHE_BYTES_MAX] {
        let mut world = World::new(POLICY, cache_bytes_max);
        world.run(group("a", &["b"])).unwrap();
        let talk = || Peer::Conversation(ConversationId(1));
        world.run(send(2, talk(), "1")).unwrap();
        world.writer.state = State::bounded(cache_bytes_max);
        // Lane 1 reads the group's head at 1 and waits.
        world.submit(1, send(3, talk(), "late"));
        world.fetch();
        // Meanwhile others write, each in a commit of its own.
        for body in ["2", "3"] {
            world.submit(2, send(2, talk(), body));
            let requests: Vec<LoadRequest> = std::mem::take(&mut world.requests);
            for request in requests {
                let loaded = world.read(&request);
                world.give(loaded);
            }
            world.commit(false);
        }
        world.settle();
        let replies = world.commit(false);
        let Ok(Reply::Sent { message, .. }) = &replies[0].1 else {
            panic!("{:?}", replies[0].1)
        };
        assert_eq!(message.position.0, 4);
        world.check_queries();
    }
}

/// A disk may fail after it has stored: what was read before is void then, as all of memory is.
#[test]
fn rows_from_before_a_failure_are_read_again() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    world.writer.state = State::bounded(STATE_CACHE_BYTES_MAX);
    let talk = || Peer::Conversation(ConversationId(1));
    world.submit(1, send(3, talk(), "late"));
    let early = world.requests.pop().unwrap();
    let early = world.read(&early);
    world.submit(2, send(2, talk(), "stored, and said to have failed"));
    world.serve();
    world.faults.commit.store(true, Ordering::Relaxed);
    world.faults.lands.store(true, Ordering::Relaxed);
    let released = world.writer.commit();
    assert_eq!(released.commit, Some(CommitNumber(2)));
    assert!(matches!(
        &released.replies[..],
        [(_, Ok(Reply::Sent { .. }))]
    ));
    assert!(!released.told.is_empty());
    assert_eq!(world.writer.commit_number(), CommitNumber(2));
    world.faults.commit.store(false, Ordering::Relaxed);
    world.give(early);
    world.settle();
    let released = world.writer.commit();
    assert!(
        matches!(&released.replies[..], [(_, Ok(Reply::Sent { message, .. }))] if message.position.0 == 2)
    );
    assert_eq!(released.commit, Some(CommitNumber(3)));
}

#[test]
fn what_was_stored_after_all_is_told_when_the_store_opens_again() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    world.submit(1, send(3, Peer::Conversation(ConversationId(1)), "late"));
    world.settle();
    world.faults.commit.store(true, Ordering::Relaxed);
    world.faults.lands.store(true, Ordering::Relaxed);
    world.faults.open.store(true, Ordering::Relaxed);
    let released = world.writer.commit();
    assert!(matches!(
        &released.replies[..],
        [(_, Err(Refusal::Failure))]
    ));
    assert!(released.commit.is_none() && released.told.is_empty());
    world.faults.commit.store(false, Ordering::Relaxed);
    world.faults.open.store(false, Ordering::Relaxed);
    let released = world.writer.commit();
    assert_eq!(released.commit, Some(CommitNumber(2)));
    assert!(!released.told.is_empty());
    assert!(world.writer.commit().commit.is_none());
}

#[test]
fn rows_that_cannot_be_read_refuse_one_command_and_free_its_lane() {
    let mut world = World::with_default_cache();
    world.submit(1, profile("a"));
    let behind = world.submit(1, profile("b"));
    let request = world.requests.pop().unwrap();
    world.give(Loaded {
        id: request.id,
        rows: Err(StoreError("no disk".to_owned())),
    });
    world.settle();
    let released = world.writer.commit();
    assert_eq!(released.failures.len(), 1);
    assert!(
        matches!(&released.replies[..], [(0, Err(Refusal::Failure)), (second, Ok(_))] if *second == behind)
    );
    // Handed over again, it is nobody's.
    world.give(Loaded {
        id: request.id,
        rows: Ok(Vec::new()),
    });
    assert!(world.writer.commit().replies.is_empty());
}

#[test]
fn a_command_that_never_gets_its_rows_is_busy() {
    let mut world = World::with_default_cache();
    let stuck = world.submit(1, profile("a"));
    let behind = world.submit(1, profile("b"));
    for _ in 0..LOADS_PER_COMMAND_MAX {
        let request = world.requests.pop().unwrap();
        assert_eq!(world.writer.batch_commands(), 0);
        world.give(Loaded {
            id: request.id,
            rows: Ok(Vec::new()),
        });
    }
    world.settle();
    let released = world.writer.commit();
    assert!(
        matches!(&released.replies[..], [(one, Err(Refusal::Busy)), (two, Ok(_))] if (*one, *two) == (stuck, behind))
    );
}

#[test]
fn a_refused_command_has_no_effect() {
    let mut world = World::new(
        Policy {
            group_members_max: 2,
            ..POLICY
        },
        STATE_CACHE_BYTES_MAX,
    );
    world.run(profile("a")).unwrap();
    // Each would create accounts or a conversation before it fails.
    assert_eq!(
        world.run(group("a", &["new 1", "new 2"])),
        Err(Refusal::GroupFull)
    );
    assert_eq!(world.run(group("new 3", &["bad\n"])), Err(Refusal::BadName));
    assert_eq!(world.run(send(2, to_name(""), "x")), Err(Refusal::BadName));
    assert_eq!(
        world.run(send(99, to_name("new 4"), "x")),
        Err(Refusal::NoSuchAccount)
    );
    assert_eq!(world.run(send(2, to_name("a"), "x")), Err(Refusal::ToSelf));
    assert_eq!(world.writer.commit_number(), CommitNumber(1));
    let Ok(Reply::Account(next)) = world.run(profile("b")) else {
        panic!("refused")
    };
    assert_eq!(next.id, AccountId(3));
}

#[test]
fn what_is_refused_does_not_fill_the_memory() {
    let policy = Policy {
        open_directory: false,
        ..POLICY
    };
    let mut world = World::new(policy, 16 * 1024);
    world
        .run(Command::Login {
            name: Arc::from("a"),
            token: token(1),
        })
        .unwrap();
    for number in 0..200 {
        let name = format!("{number:0255}");
        assert_eq!(
            world.run(send(2, to_name(&name), "x")),
            Err(Refusal::NoSuchAccount)
        );
    }
    // The first of these names was forgotten since.
    world.submit(0, send(2, to_name(&format!("{:0255}", 0)), "x"));
    assert_eq!(world.requests.len(), 1);
    world.settle();
}

#[test]
fn a_batch_is_full_by_commands_or_by_bytes() {
    let mut world = World::with_default_cache();
    world.run(profile("a")).unwrap();
    for _ in 0..BATCH_COMMANDS_MAX {
        assert!(!world.writer.is_batch_full());
        world.submit(0, profile("a"));
    }
    assert!(world.writer.is_batch_full());
    world.commit(false);
    assert!(!world.writer.is_batch_full());
    let body = "x".repeat(MESSAGE_BODY_BYTES_MAX);
    for _ in 0..BATCH_BYTES_MAX / MESSAGE_BODY_BYTES_MAX {
        assert!(!world.writer.is_batch_full());
        world.submit(0, send(2, to_name("b"), &body));
        world.settle();
    }
    assert!(world.writer.is_batch_full());
}

#[test]
fn the_least_recently_used_token_ends_once_and_alone() {
    let mut world = World::with_default_cache();
    let login = |number| Command::Login {
        name: Arc::from("a"),
        token: token(number),
    };
    let last = TOKENS_PER_ACCOUNT_MAX as u64;
    for number in 0..last {
        world.submit(0, login(number));
        world.settle();
    }
    world.commit(false);
    world.run(Command::Touch { token: token(0) }).unwrap();
    // The rows of single tokens are no longer in memory; the list of them will be.
    world.writer.state = State::bounded(STATE_CACHE_BYTES_MAX);
    for number in last..last + 3 {
        world.submit(0, login(number));
        world.settle();
        let released = world.writer.commit();
        let ended: Vec<TokenHash> = released
            .told
            .iter()
            .filter_map(|told| match *told.event {
                crate::domain::event::Event::TokenEnded(token) => Some(token.hash),
                _ => None,
            })
            .collect();
        assert_eq!(ended, [token(number - last + 1)]);
        assert_eq!(released.effects, 2);
    }
}

#[test]
fn tokens_past_their_time_end_with_the_next_login() {
    let mut world = World::with_default_cache();
    let login = |number| Command::Login {
        name: Arc::from("a"),
        token: token(number),
    };
    world.run(login(1)).unwrap();
    world.now.0 += POLICY.token_idle_ms_max - 100;
    world.run(login(2)).unwrap();
    world.now.0 += 100;
    world.submit(0, login(3));
    let released = world.writer.commit();
    // One ended, one given, and the newer one stays.
    assert_eq!(released.effects, 2);
    assert_eq!(released.told.len(), 1);
    world.submit(0, Command::Touch { token: token(1) });
    assert_eq!(world.writer.commit().effects, 0);
    world.submit(0, Command::Touch { token: token(2) });
    assert_eq!(world.writer.commit().effects, 1);
}

/// A mark that was taken before its reader left, and comes in after.
#[test]
fn reading_after_having_left_takes_nothing_from_other_counts() {
    let mut world = World::with_default_cache();
    world.desks = vec![world::Follower::new(usize::MAX / 2)];
    world.run(group("a", &["b"])).unwrap();
    let talk = || Peer::Conversation(ConversationId(1));
    world.run(send(2, talk(), "1")).unwrap();
    world.run(send(2, to_name("b"), "2")).unwrap();
    world.desks[0].expect(AccountId(3));
    world.read_view(0, 0);
    world.arrive(0, 0);
    let mark = world.mark(3, 1, 10).unwrap();
    world
        .run(Command::RemoveMembers {
            group: ConversationId(1),
            members: vec![named("b")],
        })
        .unwrap();
    world
        .run(Command::Read {
            account: AccountId(3),
            conversation: ConversationId(1),
            mark,
        })
        .unwrap();
    world.drain(0, usize::MAX);
    assert_eq!(
        world.desks[0]
            .desk
            .view(AccountId(3))
            .map(|view| view.unread()),
        Some(1)
    );
    // Joined again, they have nothing unread there, and the old mark means nothing.
    world
        .run(Command::AddMembers {
            group: ConversationId(1),
            members: vec![named("b")],
        })
        .unwrap();
    world.run(send(2, talk(), "3")).unwrap();
    world
        .run(Command::Read {
            account: AccountId(3),
            conversation: ConversationId(1),
            mark,
        })
        .unwrap();
    world.drain(0, usize::MAX);
    assert_eq!(
        world.desks[0]
            .desk
            .view(AccountId(3))
            .map(|view| view.unread()),
        Some(2)
    );
    world.check_queries();
}

#[test]
fn marks_mean_the_same_in_either_order() {
    for newer_first in [false, true] {
        let mut world = World::with_default_cache();
        world.run(profile("a")).unwrap();
        world.run(profile("b")).unwrap();
        world.run(send(2, to_name("b"), "1")).unwrap();
        world.run(send(3, to_name("a"), "own")).unwrap();
        let older = world.mark(3, 1, 1).unwrap();
        world.run(send(2, to_name("b"), "2")).unwrap();
        world.run(send(3, to_name("a"), "own")).unwrap();
        let newer = world.mark(3, 1, 10).unwrap();
        world.run(send(2, to_name("b"), "3")).unwrap();
        let mut marks = [older, newer];
        if newer_first {
            marks.reverse();
        }
        for mark in marks {
            let read = Command::Read {
                account: AccountId(3),
                conversation: ConversationId(1),
                mark,
            };
            world.run(read).unwrap();
        }
        assert_eq!(world.view(3).unread(), 1);
        world.check_queries();
    }
}

#[test]
fn a_new_client_id_needs_no_reading() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    let named = |client_id| match send(3, Peer::Conversation(ConversationId(1)), "x") {
        Command::Send(send) => Command::Send(Send {
            client_id: Some(Arc::from(client_id)),
            ..send
        }),
        other => other,
    };
    world.run(named("1")).unwrap();
    let first = world.submit(1, named("2"));
    assert_eq!(world.writer.parked(), 0);
    assert_eq!(numbers(&mut world), [first]);
    // In another conversation the id may be new, but the store does not know for certain.
    world.run(group("a", &["b"])).unwrap();
    let elsewhere = match named("2") {
        Command::Send(send) => Command::Send(Send {
            to: Peer::Conversation(ConversationId(2)),
            ..send
        }),
        other => other,
    };
    world.submit(1, elsewhere);
    assert_eq!(world.writer.parked(), 1);
    world.settle();
}

#[test]
fn a_group_is_deleted_with_whoever_joins_while_its_members_are_read() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    world.run(group("a", &["b"])).unwrap();
    world.run(profile("c")).unwrap();
    let id = ConversationId(1);
    let delete = |by| Command::DeleteGroup { group: id, by };
    let other = Some(AccountId(3));
    assert_eq!(world.run(delete(other)), Err(Refusal::NotTheOwner));
    world.submit(1, delete(Some(AccountId(2))));
    let early = world.requests.remove(0);
    let early = world.read(&early);
    let join = || Command::AddMembers {
        group: id,
        members: vec![named("c")],
    };
    world.submit(2, join());
    world.serve();
    world.commit(false);
    world.give(early);
    world.settle();
    let released = world.writer.commit();
    assert!(matches!(&released.replies[..], [(_, Ok(Reply::Group(_)))]));
    let left = released.told.iter().filter_map(|told| match &*told.event {
        Event::Left { member, .. } => Some(member.account.0),
        _ => None,
    });
    assert_eq!(left.collect::<Vec<_>>(), [2, 3, 4]);
    let gone = Err(Refusal::NoSuchConversation);
    let rename = Command::ChangeGroup {
        group: id,
        name: Some(Arc::from("h")),
        removed: Vec::new(),
        added: Vec::new(),
    };
    let alias = Command::SetAlias {
        group: id,
        who: named("a"),
        alias: Arc::from("x"),
    };
    let remove = Command::RemoveMembers {
        group: id,
        members: vec![named("b")],
    };
    let leave = Command::Leave {
        account: AccountId(3),
        group: Peer::Group(id),
    };
    let relay = Command::Relay(Box::new(Relay {
        from: named("a"),
        to: RelayTo::Conversation { id, other: None },
        kind: MessageKind::Text,
        body: Arc::from("y"),
        origin: Dialect::Conv,
        client_id: None,
    }));
    let say = send(2, Peer::Group(id), "x");
    for command in [
        join(),
        rename,
        alias,
        remove,
        leave,
        relay,
        say,
        delete(None),
    ] {
        assert_eq!(world.run(command.clone()), gone, "{command:?}");
    }
}

#[test]
fn an_empty_group_and_one_that_jim_clients_named_can_be_deleted() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    world.run(profile("a")).unwrap();
    let join = Command::JoinNamed {
        account: AccountId(2),
        name: Arc::from("club"),
    };
    world.run(join.clone()).unwrap();
    let leave = Command::Leave {
        account: AccountId(2),
        group: Peer::JimGroup(Arc::from("club")),
    };
    world.run(leave).unwrap();
    let group = ConversationId(1);
    world.run(Command::DeleteGroup { group, by: None }).unwrap();
    let gone = Err(Refusal::NoSuchConversation);
    assert_eq!(world.run(join), gone);
    let say = send(2, Peer::JimGroup(Arc::from("club")), "x");
    assert_eq!(world.run(say), gone);
}

#[test]
fn a_group_that_has_given_all_slots_takes_only_former_members() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    world.run(group("a", &["b"])).unwrap();
    let id = ConversationId(1);
    let mut conversation = world.writer.state.conversation(id).unwrap().unwrap();
    let ConversationKind::Group(about) = &mut conversation.kind else {
        panic!("a group")
    };
    Arc::make_mut(about).next_slot = Slot((1 << SLOT_BITS) - 1);
    let commit = world.writer.commit_number();
    let changed = [Effect::Conversation(conversation)];
    world.writer.state.apply(&changed, commit);
    let add = |name: &str| Command::AddMembers {
        group: id,
        members: vec![named(name)],
    };
    assert_eq!(world.run(add("c")), Ok(Reply::Group(id)));
    assert_eq!(world.run(add("d")), Err(Refusal::GroupFull));
    let leaving = Command::RemoveMembers {
        group: id,
        members: vec![named("b")],
    };
    world.run(leaving).unwrap();
    assert_eq!(world.run(add("d")), Err(Refusal::GroupFull));
    assert_eq!(world.run(add("b")), Ok(Reply::Group(id)));
}

#[test]
fn a_group_is_shown_by_its_own_name_to_whoever_joins_by_its_first() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    for name in ["a", "club", "c"] {
        world.run(profile(name)).unwrap();
    }
    let join = |account| Command::JoinNamed {
        account: AccountId(account),
        name: Arc::from("club"),
    };
    world.run(join(2)).unwrap();
    let rename = Command::ChangeGroup {
        group: ConversationId(1),
        name: Some(Arc::from("x")),
        removed: Vec::new(),
        added: Vec::new(),
    };
    world.run(rename).unwrap();
    world.submit(0, join(4));
    world.settle();
    let told = world.writer.commit().told;
    let taken = told.iter().find_map(|told| match &*told.event {
        Event::Joined { name_taken, .. } => Some(*name_taken),
        _ => None,
    });
    assert_eq!(taken, Some(false));
}
