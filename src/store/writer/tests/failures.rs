//! What becomes of commands when the store fails.

use std::sync::atomic::Ordering;

use super::*;
use crate::store::StoreError;

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
