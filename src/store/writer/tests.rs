//! The writer from outside: commands and rows in, answers and commits out.

mod failures;
mod groups;
mod model;
mod random;
mod world;

use std::sync::Arc;

use super::{LoadRequest, Loaded};
use crate::domain::account::Profile;
use crate::domain::command::{Command, GroupAbout, Peer, Refusal, Reply, Send, Who};
use crate::domain::decide::Policy;
use crate::domain::event::{Event, Told};
use crate::domain::ids::{AccountId, CommitNumber, ConversationId, Position};
use crate::domain::member::ReadMark;
use crate::domain::message::{Dialect, MessageKind};
use crate::domain::state::State;
use crate::domain::token::TokenHash;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, LOADS_PER_COMMAND_MAX, MESSAGE_BODY_BYTES_MAX,
    STATE_CACHE_BYTES_MAX, TOKENS_PER_ACCOUNT_MAX,
};
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
