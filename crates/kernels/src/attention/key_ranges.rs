//! Sets of visible keys, as a few ranges.

use std::ops::Range;

/// Largest number of ranges: the first block, those around that of the query, the last.
pub(super) const MAX_RANGES: usize = 3;

/// Ascending ranges of keys, neither empty nor adjacent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyRanges {
    ends: [(usize, usize); MAX_RANGES],
    count: usize,
}

impl KeyRanges {
    /// Creates a set of one range, or of none if it is empty.
    #[inline(always)]
    pub fn one(range: Range<usize>) -> Self {
        Self { ends: [(range.start, range.end); MAX_RANGES], count: usize::from(!range.is_empty()) }
    }

    /// Adds a range that does not begin before the last one; ranges that touch are merged.
    ///
    /// # Panics
    /// If there would be more than [`MAX_RANGES`].
    pub fn with(mut self, range: Range<usize>) -> Self {
        if range.is_empty() {
            return self;
        }
        match self.count.checked_sub(1).map(|last| &mut self.ends[last]) {
            Some((_, end)) if *end >= range.start => *end = range.end.max(*end),
            _ => {
                self.ends[self.count] = (range.start, range.end);
                self.count += 1;
            }
        }
        self
    }

    /// Returns the ranges in order.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let all = *self;
        (0..all.count).map(move |at| all.at(at))
    }

    /// Returns the number of ranges.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns range `at`.
    #[inline(always)]
    pub fn at(&self, at: usize) -> Range<usize> {
        self.ends[at].0..self.ends[at].1
    }

    /// Returns the range from the first key to the last.
    #[inline(always)]
    pub fn hull(&self) -> Range<usize> {
        match self.count.checked_sub(1) {
            Some(last) => self.ends[0].0..self.ends[last].1,
            None => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let spans = KeyRanges::one(0..4).with(4..4).with(3..9).with(12..15);
        assert_eq!(spans.iter().collect::<Vec<_>>(), [0..9, 12..15]);
        assert_eq!(spans.hull(), 0..15);
        assert_eq!((spans.count(), spans.at(1)), (2, 12..15));
        assert_eq!(KeyRanges::one(5..5).count(), 0);
        assert_eq!(KeyRanges::one(5..5).hull(), 0..0);
    }
}
