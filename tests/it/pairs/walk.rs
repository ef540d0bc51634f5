//! Each dialect to each: what is sent over one arrives over the other, and is read for all.

use super::drivers::{Other, World};
use super::kinds::{Dialect, Kind};
use super::party::{Party, check_order, send};
use crate::harness::Server;
use std::thread;

fn walk(world: &World, from: Dialect, to: Dialect) {
    let name = |dialect, role| World::name(dialect, &format!("{from}-{to}-{role}"));
    let mut sender = Party::enter(world, name(from, "s"));
    let mut recipient = Party::enter(world, name(to, "r"));
    let there = Other::account(world, &recipient.name);
    let back = Other::account(world, &sender.name);
    let mut sent = Vec::new();
    for kind in Kind::sent_by(from) {
        let text = format!("http://x/{}", sent.len());
        sent.push(send(&mut sender, from, &there, kind, &text));
    }
    recipient.check_pushed(&back, &sent);
    sender.check_pushed(&there, &sent);
    // What was pushed is acknowledged where that is done, and so is not read.
    let mut unread = sent.len();
    recipient.check(&back, &sent, unread as u64);
    sender.check(&there, &sent, 0);
    for reader in World::ways(&recipient.name) {
        let read = recipient.over(reader).read(&back);
        if let Some(read) = read {
            let missed = sent.iter().skip(sent.len() - unread);
            let missed: Vec<_> = missed
                .map(|sent| sent.kind.shown(reader, &sent.text))
                .collect();
            assert_eq!(read, missed, "{reader}");
        }
        recipient.check(&back, &sent, 0);
        let again = format!("after {reader}");
        sent.push(send(&mut sender, from, &there, Kind::TEXT, &again));
        recipient.check_pushed(&back, &sent[sent.len() - 1..]);
        recipient.check(&back, &sent, 1);
        unread = 1;
    }
    // Answering reads nothing, and the answer is unread on the other side.
    sent.push(send(&mut recipient, to, &back, Kind::TEXT, "answer"));
    sender.check_pushed(&there, &sent[sent.len() - 1..]);
    sender.check(&there, &sent, 1);
    recipient.check(&back, &sent, 1);
    assert_eq!(recipient.over(to).history(&back).len(), sent.len());
}

/// The walk to every dialect.
fn walk_from(from: Dialect) {
    let world = World::new(Server::memory(&[]));
    for to in Dialect::ALL {
        walk(&world, from, to);
    }
}

#[test]
fn buyer_reaches_everyone() {
    walk_from(Dialect::Buyer);
}

#[test]
fn jim_reaches_everyone() {
    walk_from(Dialect::Jim);
}

#[test]
fn conv_reaches_everyone() {
    walk_from(Dialect::Conv);
}

#[test]
fn chat_reaches_everyone() {
    walk_from(Dialect::Chat);
}

/// How many messages each side sends while the other does.
const AT_ONCE: usize = 40;

#[test]
fn two_who_talk_at_once_see_the_same_order_in_every_dialect() {
    let world = World::new(Server::memory(&[]));
    for (at, one) in Dialect::ALL.into_iter().enumerate() {
        for other in Dialect::ALL.into_iter().skip(at) {
            let name = |dialect, role| World::name(dialect, &format!("{one}-{other}-{role}"));
            let mut a = Party::enter(&world, name(one, "a"));
            let mut b = Party::enter(&world, name(other, "b"));
            let (to_a, to_b) = (
                Other::account(&world, &a.name),
                Other::account(&world, &b.name),
            );
            thread::scope(|scope| {
                scope.spawn(|| a.say_all(one, &to_b, AT_ONCE));
                scope.spawn(|| b.say_all(other, &to_a, AT_ONCE));
            });
            check_order(&mut [(&mut a, &to_b), (&mut b, &to_a)], 2 * AT_ONCE);
        }
    }
}
