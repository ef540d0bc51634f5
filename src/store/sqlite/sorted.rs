//! Things in order that are not sorted all at once, which would hold one commit up.

/// Things that are sorted at a time. Finding which they are looks at all that are left.
const ITEMS: usize = 4_096;

/// Gives things in order, and puts them in order a part at a time.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    items: Vec<T>,
    /// So many of them are in their places.
    sorted: usize,
    next: usize,
}

impl<T: Ord + Copy> Sorted<T> {
    /// All of `items`.
    pub(super) fn new(items: impl Iterator<Item = T>) -> Sorted<T> {
        Sorted {
            items: items.collect(),
            sorted: 0,
            next: 0,
        }
    }

    /// The next one, which stays the next.
    pub(super) fn peek(&mut self) -> Option<T> {
        if self.next == self.sorted {
            self.sort();
        }
        self.items.get(self.next).copied()
    }

    /// Takes the next one if `is_meant`.
    pub(super) fn next_if(&mut self, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let next = self.peek().filter(is_meant);
        self.next += usize::from(next.is_some());
        next
    }

    /// Those that come next, as far as they are in order.
    pub(super) fn ahead(&self) -> &[T] {
        self.items.get(self.next..self.sorted).unwrap_or_default()
    }

    fn sort(&mut self) {
        let (_, rest) = self.items.split_at_mut(self.sorted);
        let count = rest.len().min(ITEMS);
        if count < rest.len() {
            rest.select_nth_unstable(count);
        }
        let (least, _) = rest.split_at_mut(count);
        least.sort_unstable();
        self.sorted += count;
    }
}

impl<T: Ord + Copy> Iterator for Sorted<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.next_if(|_| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_order() {
        for count in [0, 1, 2, ITEMS - 1, ITEMS, ITEMS + 1, 5 * ITEMS / 2] {
            let items =
                (0..count as u64).map(|index| index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40);
            let mut expected: Vec<u64> = items.clone().collect();
            expected.sort_unstable();
            let mut sorted = Sorted::new(items);
            assert_eq!(sorted.peek(), expected.first().copied());
            assert_eq!(sorted.next_if(|item| *item > 1 << 30), None);
            assert_eq!(sorted.collect::<Vec<u64>>(), expected);
        }
    }
}
