//! Positions that are missing from what an account has acknowledged.

use std::sync::Arc;

use crate::limits::HOLES_MAX;

/// Ranges of positions, both ends included, apart from each other and from low to high; at most [`HOLES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holes(Option<Arc<[(u64, u64)]>>);

impl Holes {
    /// The holes of `ranges`, which stand as they must.
    pub fn new(ranges: Vec<(u64, u64)>) -> Holes {
        Holes((!ranges.is_empty()).then(|| ranges.into()))
    }

    /// The ranges from low to high.
    pub fn ranges(&self) -> &[(u64, u64)] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether `position` lies in one.
    pub fn contains(&self, position: u64) -> bool {
        let ranges = self.ranges();
        let after = ranges.partition_point(|(_, to)| *to < position);
        ranges.get(after).is_some_and(|(from, _)| *from <= position)
    }

    /// Adds a range above all others; `false` when there is no room for it.
    pub fn push(&mut self, range: (u64, u64)) -> bool {
        if self.ranges().len() >= HOLES_MAX {
            return false;
        }
        let mut ranges = self.ranges().to_vec();
        ranges.push(range);
        *self = Holes::new(ranges);
        true
    }

    /// Takes one position out; `false` when it lies in none, or when what is left of its range has no room.
    pub fn fill(&mut self, position: u64) -> bool {
        if !self.contains(position) {
            return false;
        }
        let mut ranges = Vec::with_capacity(self.ranges().len() + 1);
        for &(from, to) in self.ranges() {
            if (from..=to).contains(&position) {
                let rest = [(from, position - 1), (position + 1, to)];
                ranges.extend(rest.into_iter().filter(|(from, to)| from <= to));
            } else {
                ranges.push((from, to));
            }
        }
        if ranges.len() > HOLES_MAX {
            return false;
        }
        *self = Holes::new(ranges);
        true
    }

    /// Takes all positions up to `position` out.
    pub fn fill_up_to(&mut self, position: u64) {
        if self
            .ranges()
            .first()
            .is_some_and(|(from, _)| *from <= position)
        {
            let rest = self.ranges().iter().filter(|(_, to)| *to > position);
            *self = Holes::new(
                rest.map(|(from, to)| (*from.max(&(position + 1)), *to))
                    .collect(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{AccountId, ConversationId, Position, Slot, TimeMs};
    use crate::domain::member::{Member, ReadMark};

    fn member() -> Member {
        let (conversation, account) = (ConversationId(1), AccountId(2));
        Member::new(conversation, account, Slot(0), Position(0), TimeMs(0))
    }

    fn missing(member: &Member, head: u64) -> Vec<u64> {
        member.unacknowledged(Position(head)).flatten().collect()
    }

    #[test]
    fn an_acknowledgement_past_the_bound_is_not_recorded() {
        let mut member = member();
        for hole in 1..=HOLES_MAX as u64 {
            assert!(member.apply_acknowledged(Position(2 * hole)));
        }
        let last = 2 * HOLES_MAX as u64;
        assert!(!member.apply_acknowledged(Position(last + 2)));
        assert!(member.apply_acknowledged(Position(last + 1)));
        assert!(member.apply_acknowledged(Position(1)));
        assert!(member.apply_acknowledged(Position(last + 3)));
        assert_eq!(missing(&member, last + 3).len(), HOLES_MAX);
    }

    proptest! {
        #[test]
        fn what_is_missing_is_what_a_set_says(steps in prop::collection::vec((any::<bool>(), 1..40_u64), 0..60)) {
            let mut member = member();
            let mut set: BTreeSet<u64> = (1..=40).collect();
            for (is_read, position) in steps {
                if is_read {
                    set.retain(|other| *other > position || member.read.0 >= position);
                    member.apply_read(ReadMark { position: Position(position), own: 0 });
                } else {
                    let was_missing = set.remove(&position);
                    prop_assert_eq!(member.apply_acknowledged(Position(position)), was_missing);
                }
                prop_assert_eq!(missing(&member, 40), set.iter().copied().collect::<Vec<_>>());
                for position in 1..=40 {
                    prop_assert_eq!(member.has_acknowledged(Position(position)), !set.contains(&position));
                }
            }
        }
    }
}
