//! A group that is as large as groups may be by default, with hundreds of members online at once.

use super::drivers::{Driver, World};
use super::kinds::Dialect;
use super::party::{Party, check_order_pushed, order, say_all};
use crate::harness::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::thread;

const MEMBERS: usize = 2_000;
/// How many members have a socket of `jim`, and how many one of `chat`.
const ONLINE_EACH: usize = 250;
/// How many messages each of the senders sends while the others do.
const AT_ONCE: usize = 10;
/// Two connections for each who is online, and what else the tests beside this one need.
const DESCRIPTORS: u64 = 4 * ONLINE_EACH as u64 + 1_000;

/// Raises the limit on descriptors of this process; the server does so itself.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        let limit = Rlimit {
            current: Some(maximum.min(DESCRIPTORS)),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, limit).expect("within what is allowed");
    }
}

#[test]
fn a_large_group_hears_everything_once_and_in_one_order() {
    allow_descriptors();
    let world = World::new(Server::memory(&[]));
    let mut online: Vec<(Dialect, String, Box<dyn Driver>)> = Vec::new();
    for dialect in [Dialect::Jim, Dialect::Chat] {
        for n in 0..ONLINE_EACH {
            let name = World::name(dialect, &format!("{dialect}-{n}"));
            let driver = world.enter(dialect, &name);
            online.push((dialect, name, driver));
        }
    }
    let (boss, shop) = ("boss".to_owned(), "shop".to_owned());
    let mut boss_driver = world.enter(Dialect::Conv, &boss);
    let mut shop_driver = world.enter(Dialect::Buyer, &shop);
    let asleep = ["asleep".to_owned(), World::name(Dialect::Chat, "asleep")];
    // Whoever speaks has a number that the drivers know.
    for speaker in [&boss, &shop, &online[0].1, &online[ONLINE_EACH].1] {
        world.number(speaker);
    }
    let mut members = vec![boss.clone(), shop.clone()];
    members.extend(online.iter().map(|(_, name, _)| name.clone()));
    members.extend(asleep.clone());
    members.extend((members.len()..MEMBERS).map(|n| format!("away-{n}")));
    let group = world.group(Dialect::Conv, "群", &members);
    world.check_full(&group);

    let (first, second) = online.split_at_mut(ONLINE_EACH);
    let senders = [
        (Dialect::Conv, &boss, &mut boss_driver),
        (Dialect::Buyer, &shop, &mut shop_driver),
        (Dialect::Jim, &first[0].1, &mut first[0].2),
        (Dialect::Chat, &second[0].1, &mut second[0].2),
    ];
    let count = senders.len() * AT_ONCE;
    thread::scope(|scope| {
        for (over, name, driver) in senders {
            let group = &group;
            scope.spawn(move || say_all(&mut **driver, name, over, group, AT_ONCE));
        }
    });

    let expected = order(&mut *boss_driver, &group);
    assert_eq!(expected.len(), count);
    for (dialect, name, driver) in &mut online {
        check_order_pushed(&mut **driver, *dialect, name, &group, &expected);
    }
    for name in asleep {
        let mut asleep = Party::enter(&world, name);
        asleep.check_unread(&group, count as u64);
        asleep.over(Dialect::Jim).read(&group);
        asleep.check_unread(&group, 0);
    }
    assert_eq!(shop_driver.unread(&group), (count - AT_ONCE) as u64);
}
