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
        for n in 0..count {
            let text = format!("{} {n}", self.name);
            self.over(over).send(to, Kind::TEXT.sent(over), &text);
        }
    }
}

/// Whether `dialect` pushes to an account what came from another, or its own: those in groups of `jim` hear themselves.
fn is_pushed(dialect: Dialect, with: &Other, from: &str, to: &str) -> bool {
    from != to || dialect == Dialect::Jim && with.is_group
}

/// Asserts that all see the same `count` messages once and in the same order whichever way they look, and in that order what was pushed.
#[track_caller]
pub fn check_order(parties: &mut [(&mut Party, &Other)], count: usize) {
    let named = |seen: Seen| (seen.from, seen.text);
    let (first, with) = &mut parties[0];
    let expected = first.over(Dialect::Conv).history(with).into_iter();
    let expected: Vec<_> = expected.map(named).collect();
    assert_eq!(expected.len(), count);
    assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), count);
    for (party, with) in parties {
        let name = party.name.clone();
        for (way, driver) in &mut party.ways {
            let history: Vec<_> = driver.history(with).into_iter().map(named).collect();
            assert_eq!(history, expected, "{name} over {way}");
            let pushed = |(from, _): &&(String, String)| is_pushed(*way, with, from, &name);
            let expected: Vec<_> = expected.iter().filter(pushed).cloned().collect();
            if let Some(pushed) = driver.pushed(expected.len()) {
                let pushed: Vec<_> = pushed.into_iter().map(named).collect();
                assert_eq!(pushed, expected, "{name} over {way}");
            }
        }
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
