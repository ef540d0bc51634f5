//! Which commit a snapshot shows, without looking it up: known whenever no commit was on its way while the snapshot began.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The newest commit of the file, told by the one thread that writes it.
#[derive(Debug)]
pub(super) struct Newest {
    /// Odd while a commit is on its way, and while nobody says what the file shows.
    turn: AtomicU64,
    commit: AtomicU64,
}

impl Default for Newest {
    fn default() -> Newest {
        Newest {
            turn: AtomicU64::new(1),
            commit: AtomicU64::new(0),
        }
    }
}

impl Newest {
    /// From here on the file may show another commit. What follows it is to be told by [`Newest::settle`].
    pub(super) fn unsettle(&self) {
        self.turn.fetch_or(1, Ordering::Relaxed);
        // Whoever sees what is written from here on sees this as well.
        fence(Ordering::SeqCst);
    }

    /// The file shows `commit`, until [`Newest::unsettle`] is called.
    pub(super) fn settle(&self, commit: u64) {
        let turn = self.turn.load(Ordering::Relaxed) | 1;
        // Odd while the number changes, whether it was or not.
        self.turn.store(turn, Ordering::Relaxed);
        fence(Ordering::Release);
        self.commit.store(commit, Ordering::Relaxed);
        self.turn.store(turn + 1, Ordering::Release);
    }

    /// Has `begin` fix what a snapshot shows, and says which commit that is, if none can have come in between.
    pub(super) fn shown_by<E>(
        &self,
        begin: impl FnOnce() -> Result<(), E>,
    ) -> Result<Option<u64>, E> {
        let before = self.turn.load(Ordering::Acquire);
        let commit = self.commit.load(Ordering::Relaxed);
        begin()?;
        fence(Ordering::SeqCst);
        let is_settled = before.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == before;
        Ok(is_settled.then_some(commit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(newest: &Newest, meanwhile: impl FnOnce()) -> Option<u64> {
        let begun: Result<_, ()> = newest.shown_by(|| {
            meanwhile();
            Ok(())
        });
        begun.expect("it begins")
    }

    #[test]
    fn a_snapshot_is_known_only_when_no_commit_is_on_its_way_as_it_begins() {
        let newest = Newest::default();
        assert_eq!(shown(&newest, || {}), None);
        newest.settle(7);
        assert_eq!(shown(&newest, || {}), Some(7));
        assert_eq!(shown(&newest, || newest.unsettle()), None);
        assert_eq!(shown(&newest, || newest.settle(8)), None);
        assert_eq!(shown(&newest, || {}), Some(8));
        // One that came and went, one that failed and left everything as it was, and one that was told twice.
        newest.unsettle();
        assert_eq!(shown(&newest, || newest.settle(9)), None);
        let fails = || {
            newest.unsettle();
            newest.settle(9);
        };
        assert_eq!(shown(&newest, fails), None);
        assert_eq!(shown(&newest, || newest.settle(9)), None);
        assert_eq!(shown(&newest, || {}), Some(9));
    }

    #[test]
    fn what_cannot_begin_shows_nothing() {
        let newest = Newest::default();
        newest.settle(1);
        assert_eq!(newest.shown_by(|| Err("closed")), Err("closed"));
    }
}
