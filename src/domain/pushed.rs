//! Which messages were pushed to an account's sockets.

use std::ops::RangeInclusive;

use smallvec::SmallVec;

use crate::domain::ids::{ConversationId, Position};
use crate::domain::member::Member;
use crate::limits::PUSHED_RANGES_MAX;

/// Where messages stand that were pushed and are not known to be acknowledged, in ranges of positions, at most [`PUSHED_RANGES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// From low to high, apart from each other.
    ranges: SmallVec<[Range; 1]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    conversation: ConversationId,
    from: u64,
    to: u64,
}

impl Pushed {
    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many ranges there are.
    pub fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// The message at `position` was pushed. One for which there is no room is not recorded.
    pub fn insert(&mut self, conversation: ConversationId, position: Position) {
        let position = position.0;
        let after = self
            .ranges
            .partition_point(|range| (range.conversation, range.from) <= (conversation, position));
        let is_next = |range: &Range| {
            range.conversation == conversation && range.from == position.saturating_add(1)
        };
        let joins_next = self.ranges.get(after).is_some_and(is_next);
        if let Some(before) = after.checked_sub(1).and_then(|at| self.ranges.get_mut(at))
            && before.conversation == conversation
            && position <= before.to.saturating_add(1)
        {
            before.to = before.to.max(position);
            if joins_next {
                let next = self.ranges.remove(after);
                if let Some(before) = self.ranges.get_mut(after - 1) {
                    before.to = next.to;
                }
            }
            return;
        }
        if joins_next {
            if let Some(next) = self.ranges.get_mut(after) {
                next.from = position;
            }
        } else if self.ranges.len() < PUSHED_RANGES_MAX {
            let (from, to) = (position, position);
            self.ranges.insert(
                after,
                Range {
                    conversation,
                    from,
                    to,
                },
            );
        }
    }

    /// Whether the message at `position` was pushed.
    pub fn contains(&self, conversation: ConversationId, position: Position) -> bool {
        let (pushed, _) = self.split(conversation, position.0..=position.0);
        !pushed.is_empty()
    }

    /// The parts of `positions` that were pushed, and those that were not.
    pub fn split(
        &self,
        conversation: ConversationId,
        positions: RangeInclusive<u64>,
    ) -> (Vec<RangeInclusive<u64>>, Vec<RangeInclusive<u64>>) {
        let (mut pushed, mut others) = (Vec::new(), Vec::new());
        let (mut next, last) = positions.into_inner();
        let first = self
            .ranges
            .partition_point(|range| (range.conversation, range.to) < (conversation, next));
        for range in self.ranges.iter().skip(first) {
            if range.conversation != conversation || range.from > last {
                break;
            }
            let (from, to) = (range.from.max(next), range.to.min(last));
            if next < from {
                others.push(next..=from - 1);
            }
            pushed.push(from..=to);
            next = to.saturating_add(1);
        }
        if next <= last {
            others.push(next..=last);
        }
        (pushed, others)
    }

    /// Forgets what `member` has acknowledged. Where that takes too many ranges, what lies above a message that is not is kept.
    pub fn settle(&mut self, member: &Member) {
        let missing: SmallVec<[RangeInclusive<u64>; 4]> =
            member.unacknowledged(Position(u64::MAX)).collect();
        let conversation = member.conversation;
        let mut left: SmallVec<[Range; 1]> = SmallVec::new();
        for range in &self.ranges {
            if range.conversation != conversation {
                left.push(*range);
                continue;
            }
            let first = missing.partition_point(|missing| *missing.end() < range.from);
            for missing in missing.iter().skip(first) {
                let (from, to) = (
                    range.from.max(*missing.start()),
                    range.to.min(*missing.end()),
                );
                if from > to {
                    break;
                }
                left.push(Range {
                    conversation,
                    from,
                    to,
                });
            }
        }
        if left.len() <= PUSHED_RANGES_MAX {
            self.ranges = left;
            return;
        }
        let first = missing.first().map_or(u64::MAX, |missing| *missing.start());
        self.ranges.retain(|range| {
            if range.conversation == conversation {
                range.from = range.from.max(first);
            }
            range.from <= range.to
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{AccountId, Slot, TimeMs};

    #[test]
    fn what_would_take_too_many_ranges_is_settled_from_below() {
        let (mut pushed, conversation) = (Pushed::default(), ConversationId(1));
        let mut member = Member::new(conversation, AccountId(2), Slot(0), Position(0), TimeMs(0));
        for position in 1..=4 * PUSHED_RANGES_MAX as u64 {
            pushed.insert(conversation, Position(position));
            if position % 2 == 0 || position < 10 {
                member.apply_acknowledged(Position(position));
            }
        }
        pushed.settle(&member);
        assert_eq!(pushed.ranges(), 1);
        assert!(!pushed.contains(conversation, Position(9)));
        assert!(pushed.contains(conversation, Position(11)));
    }

    #[test]
    fn ranges_are_bounded() {
        let mut pushed = Pushed::default();
        for position in 0..2 * PUSHED_RANGES_MAX as u64 {
            pushed.insert(ConversationId(1), Position(1 + 2 * position));
        }
        assert_eq!(pushed.ranges(), PUSHED_RANGES_MAX);
        pushed.insert(ConversationId(1), Position(2));
        assert_eq!(pushed.ranges(), PUSHED_RANGES_MAX - 1);
        assert!(pushed.contains(ConversationId(1), Position(2)));
    }

    proptest! {
        #[test]
        fn what_was_pushed_is_what_a_set_says(
            steps in prop::collection::vec((prop::bool::weighted(0.8), 1..4_u64, 1..30_u64), 0..60),
            (from, to) in (1..30_u64, 1..30_u64),
        ) {
            let mut pushed = Pushed::default();
            let mut set: BTreeSet<(u64, u64)> = BTreeSet::new();
            let mut members = [1, 2, 3].map(|id| {
                Member::new(ConversationId(id), AccountId(2), Slot(0), Position(0), TimeMs(0))
            });
            for (is_pushed, id, position) in steps {
                if is_pushed {
                    pushed.insert(ConversationId(id), Position(position));
                    set.insert((id, position));
                } else {
                    let member = &mut members[id as usize - 1];
                    member.apply_acknowledged(Position(position));
                    set.retain(|(other, position)| *other != id || !member.has_acknowledged(Position(*position)));
                    pushed.settle(member);
                }
                for id in 1..4 {
                    for position in 0..31 {
                        let is_in = pushed.contains(ConversationId(id), Position(position));
                        prop_assert_eq!(is_in, set.contains(&(id, position)));
                    }
                    let (inside, outside) = pushed.split(ConversationId(id), from..=to);
                    let expected = (from..=to).partition::<Vec<_>, _>(|position| set.contains(&(id, *position)));
                    prop_assert_eq!(inside.into_iter().flatten().collect::<Vec<_>>(), expected.0);
                    prop_assert_eq!(outside.into_iter().flatten().collect::<Vec<_>>(), expected.1);
                }
            }
        }
    }
}
