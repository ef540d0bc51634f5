//! One group with a member from each dialect, made over each dialect that can make one.

use super::Sent;
use super::drivers::{Other, World};
use super::kinds::{Dialect, Kind};
use super::party::{Party, check_order, send};
use crate::harness::Server;
use std::thread;

/// The members, each from another dialect, and how many messages each has not read.
struct Members<'a> {
    group: &'a Other,
    members: Vec<(Dialect, Party, u64)>,
    sent: Vec<Sent>,
}

impl Members<'_> {
    /// One of them sends; all hear it.
    fn send(&mut self, at: usize, kind: &'static Kind, text: &str) {
        let (over, sender, _) = &mut self.members[at];
        let sent = send(sender, *over, self.group, kind, text);
        for (index, (_, member, unread)) in self.members.iter_mut().enumerate() {
            match index == at {
                false => *unread += 1,
                // Who sends into a group over `conv` has no other way to say what was read.
                true if sent.over == Dialect::Conv => *unread = 0,
                true => {}
            }
            member.check_pushed(self.group, std::slice::from_ref(&sent));
        }
        self.sent.push(sent);
    }

    /// All see the same, and each has its own count in every dialect.
    fn check(&mut self) {
        for (_, member, unread) in &mut self.members {
            member.check(self.group, &self.sent, *unread);
        }
    }

    /// One of them reads over one dialect.
    fn read(&mut self, at: usize, over: Dialect) {
        let (_, member, unread) = &mut self.members[at];
        let name = member.name.clone();
        let others = self.sent.iter().filter(|sent| sent.from != name);
        let missed: Vec<&Sent> = others.collect();
        let missed = &missed[missed.len() - *unread as usize..];
        if let Some(read) = member.over(over).read(self.group) {
            let shown = missed.iter().map(|sent| {
                let (kind, text) = sent.kind.shown(over, &sent.text);
                match over {
                    // Nothing else says there who speaks.
                    Dialect::Buyer => (kind, format!("{}: {text}", sent.from)),
                    _ => (kind, text),
                }
            });
            assert_eq!(read, shown.collect::<Vec<_>>(), "{name} over {over}");
        }
        *unread = 0;
        member.check(self.group, &self.sent, 0);
    }
}

/// The names of four, the first of whom comes from `maker`.
fn names(maker: Dialect) -> Vec<(Dialect, String)> {
    let mut dialects = Dialect::ALL.to_vec();
    dialects.sort_by_key(|dialect| *dialect != maker);
    let name = |dialect: Dialect| World::name(dialect, &format!("from-{dialect}"));
    dialects
        .into_iter()
        .map(|dialect| (dialect, name(dialect)))
        .collect()
}

/// The members of a group that is made over `maker`.
fn make(world: &World, maker: Dialect) -> (Other, Vec<(Dialect, Party, u64)>) {
    let names = names(maker);
    let parties = names
        .iter()
        .map(|(dialect, name)| (*dialect, Party::enter(world, name.clone()), 0));
    let parties = parties.collect();
    let names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
    (world.group(maker, "群", &names), parties)
}

fn walk(maker: Dialect) {
    let world = World::new(Server::memory(&[]));
    let (group, members) = make(&world, maker);
    let mut all = Members {
        group: &group,
        members,
        sent: Vec::new(),
    };
    all.check();
    for at in 0..all.members.len() {
        let over = all.members[at].0;
        for kind in Kind::sent_by(over) {
            let text = format!("http://x/{}", all.sent.len());
            all.send(at, kind, &text);
        }
        all.check();
    }
    for at in 0..all.members.len() {
        for over in World::ways(&all.members[at].1.name) {
            all.send((at + 1) % 4, Kind::TEXT, &format!("before {over} reads"));
            all.read(at, over);
        }
    }
    all.check();
}

#[test]
fn all_hear_each_other_in_a_group_of_conv() {
    walk(Dialect::Conv);
}

#[test]
fn all_hear_each_other_in_a_group_of_jim() {
    walk(Dialect::Jim);
}

#[test]
fn all_hear_each_other_in_a_team_of_chat() {
    walk(Dialect::Chat);
}

/// How many messages each sends while the others do.
const AT_ONCE: usize = 20;

#[test]
fn all_who_talk_at_once_in_a_group_see_the_same_order() {
    for maker in [Dialect::Conv, Dialect::Jim, Dialect::Chat] {
        let world = World::new(Server::memory(&[]));
        let (group, mut members) = make(&world, maker);
        thread::scope(|scope| {
            for (over, member, _) in &mut members {
                scope.spawn(|| member.say_all(*over, &group, AT_ONCE));
            }
        });
        let members = members.iter_mut().map(|(_, member, _)| (member, &group));
        check_order(&mut members.collect::<Vec<_>>(), 4 * AT_ONCE);
    }
}
