//! Which keys are looked at: a few ranges.

use std::ops::Range;

/// Ranges of keys at most: the first block, those around the query's own, the last.
const MOST: usize = 3;

/// Ranges of keys in order, none of which is empty or touches the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans {
    ends: [(usize, usize); MOST],
    count: usize,
}

impl Spans {
    /// One range, or none if it is empty.
    #[inline(always)]
    pub fn one(range: Range<usize>) -> Self {
        Self { ends: [(range.start, range.end); MOST], count: usize::from(!range.is_empty()) }
    }

    /// These and a range that does not begin before them. It must not be a range too many.
    pub fn and(mut self, range: Range<usize>) -> Self {
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

    /// The ranges.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { ends, count } = *self;
        (0..count).map(move |at| ends[at].0..ends[at].1)
    }

    /// What is left of them within a range.
    #[inline(always)]
    pub fn within(&self, bounds: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let clipped = move |range: Range<usize>| range.start.max(bounds.start)..range.end.min(bounds.end);
        self.iter().map(clipped).filter(|range| !range.is_empty())
    }

    /// From the first key to the last.
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
        let spans = Spans::one(0..4).and(4..4).and(3..9).and(12..15);
        assert_eq!(spans.iter().collect::<Vec<_>>(), [0..9, 12..15]);
        assert_eq!(spans.hull(), 0..15);
        assert_eq!(spans.within(8..13).collect::<Vec<_>>(), [8..9, 12..13]);
        assert_eq!(spans.within(9..12).count(), 0);
        assert_eq!(Spans::one(5..5), Spans { ends: [(5, 5); MOST], count: 0 });
        assert_eq!(Spans::one(5..5).hull(), 0..0);
    }
}
