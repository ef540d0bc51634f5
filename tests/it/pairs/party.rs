//! Somebody who looks over every dialect at once.

use super::drivers::{Driver, Other, Seen, World};
use super::kinds::{Dialect, Kind};
use super::{Sent, all_seen, now_ms};
use std::collections::BTreeSet;

/// An account with a connection over each dialect that it can use.
pub struct Party {
    /// The account's name.
    pub name: String,
    ways: Vec<(Dialect, Box<dyn Driver>)>,
}

impl Party {
    /// Lets an account in over all of them.
    pub fn enter(world: &World, name: String) -> Party {
        let ways = World::ways(&name)
            .into_iter()
            .map(|way| (way, world.enter(way, &name)));
        let ways = ways.collect();
        Party { name, ways }
    }

    /// One of the connections.
    pub fn over(&mut self, dialect: Dialect) -> &mut dyn Driver {
        let way = self.ways.iter_mut().find(|(way, _)| *way == dialect);
        &mut *way.expect("a way").1
    }

    /// Asserts the history and the unread count in every dialect.
    #[track_caller]
    pub fn check(&mut self, with: &Other, sent: &[Sent], unread: u64) {
        for (dialect, driver) in &mut self.ways {
            let shown = all_seen(sent, *dialect);
            assert_eq!(driver.history(with), shown, "{} over {dialect}", self.name);
        }
        self.check_unread(with, unread);
    }

    /// Asserts the unread count in every dialect.
    #[track_caller]
    pub fn check_unread(&mut self, with: &Other, unread: u64) {
        for (dialect, driver) in &mut self.ways {
            assert_eq!(driver.unread(with), unread, "{} over {dialect}", self.name);
        }
    }

    /// Asserts what was pushed in every dialect that pushes.
    #[track_caller]
    pub fn check_pushed(&mut self, with: &Other, sent: &[Sent]) {
        let name = self.name.clone();
        for (dialect, driver) in &mut self.ways {
            let pushed = |sent: &&Sent| is_pushed(*dialect, with, &sent.from, &name);
            let sent: Vec<_> = sent.iter().filter(pushed).collect();
            if let Some(pushed) = driver.pushed(sent.len()) {
                let shown: Vec<_> = sent.iter().map(|sent| sent.seen(*dialect)).collect();
                assert_eq!(pushed, shown, "{name} over {dialect}");
            }
        }
    }

    /// Sends texts one after the other.
    pub fn say_all(&mut self, over: Dialect, to: &Other, count: usize) {
        let name = self.name.clone();
        say_all(self.over(over), &name, over, to, count);
    }
}

/// Sends texts that nobody else sends one after the other.
pub fn say_all(driver: &mut dyn Driver, name: &str, over: Dialect, to: &Other, count: usize) {
    for n in 0..count {
        driver.send(to, Kind::TEXT.sent(over), &format!("{name} {n}"));
    }
}

/// Whether `dialect` pushes to an account what came from another, or its own: those in groups of `jim` hear themselves.
fn is_pushed(dialect: Dialect, with: &Other, from: &str, to: &str) -> bool {
    from != to || dialect == Dialect::Jim && with.is_group
}

/// Sender and text of each message.
type Order = Vec<(String, String)>;

fn named(seen: Vec<Seen>) -> Order {
    let pairs = seen.into_iter().map(|seen| (seen.from, seen.text));
    pairs.collect()
}

/// The messages as they stand, none of them twice.
#[track_caller]
pub fn order(driver: &mut dyn Driver, with: &Other) -> Order {
    let order = named(driver.history(with));
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), order.len());
    order
}

/// Asserts that all see the same `count` messages in the same order whichever way they look, and in that order what was pushed.
#[track_caller]
pub fn check_order(parties: &mut [(&mut Party, &Other)], count: usize) {
    let (first, with) = &mut parties[0];
    let expected = order(first.over(Dialect::Conv), with);
    assert_eq!(expected.len(), count);
    for (party, with) in parties {
        let name = &party.name;
        for (way, driver) in &mut party.ways {
            assert_eq!(order(&mut **driver, with), expected, "{name} over {way}");
            check_order_pushed(&mut **driver, *way, name, with, &expected);
        }
    }
}

/// Asserts that all messages from others were pushed, once and in order.
#[track_caller]
pub fn check_order_pushed(
    driver: &mut dyn Driver,
    over: Dialect,
    name: &str,
    with: &Other,
    order: &Order,
) {
    let expected = order.iter();
    let expected = expected.filter(|(from, _)| is_pushed(over, with, from, name));
    let expected: Order = expected.cloned().collect();
    if let Some(pushed) = driver.pushed(expected.len()) {
        assert_eq!(named(pushed), expected, "{name} over {over}");
    }
}

/// Sends over `dialect`; when it was stored is what `conv` says.
pub fn send(
    sender: &mut Party,
    over: Dialect,
    to: &Other,
    kind: &'static Kind,
    text: &str,
) -> Sent {
    let before = now_ms();
    sender.over(over).send(to, kind.sent(over), text);
    let after = now_ms();
    let newest = sender.over(Dialect::Conv).history(to).pop();
    let at_ms = newest.expect("a message").time.parse().expect("a number");
    assert!(
        (before..=after).contains(&at_ms),
        "{before} {at_ms} {after}"
    );
    Sent {
        over,
        from: sender.name.clone(),
        kind,
        text: text.to_owned(),
        at_ms,
    }
}
