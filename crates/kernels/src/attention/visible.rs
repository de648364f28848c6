//! Which keys a query may see.

use std::ops::Range;

use super::key_ranges::KeyRanges;

/// Which keys a query may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Every key.
    All,
    /// Keys at or before the query's own position.
    Causal,
    /// Keys at most `before` positions before the query's own and at most `after` behind it.
    Near {
        /// The farthest key before.
        before: usize,
        /// The farthest key behind; 0 hides what is to come.
        after: usize,
    },
    /// Keys in the query's own group of `size` positions; the first group lacks `shift` of them.
    Groups {
        /// Positions in a group.
        size: usize,
        /// Positions that the first group lacks.
        shift: usize,
    },
    /// Keys in the query's own block of so many positions, in those beside it, and in the first and the last; queries
    /// in the first and the last block see all (Zaheer et al. 2020).
    Blocks(usize),
}

impl Visible {
    /// Whether its numbers mean anything.
    pub fn is_sound(self) -> bool {
        !matches!(self, Visible::Groups { size: 0, .. } | Visible::Blocks(0))
    }

    /// Whether the query at a position may see a key, of `keys`.
    pub fn sees(self, query: usize, key: usize, keys: usize) -> bool {
        self.key_ranges(query, keys).iter().any(|range| range.contains(&key))
    }

    /// The ranges of keys, of so many, that the query at a position may see.
    pub fn ranges(self, query: usize, keys: usize) -> impl Iterator<Item = Range<usize>> {
        self.key_ranges(query, keys).iter()
    }

    /// From the first key to the last, of so many, that any of the queries at these positions sees.
    pub fn hull(self, queries: Range<usize>, keys: usize) -> Range<usize> {
        self.key_ranges_of(queries, keys).hull()
    }

    /// The keys, of so many, that the query at a position may see.
    #[inline(always)]
    pub(super) fn key_ranges(self, query: usize, keys: usize) -> KeyRanges {
        match self {
            Visible::Blocks(size) => blocks(size, [query; 2], keys),
            _ => KeyRanges::one(self.key_range(query, keys)),
        }
    }

    /// The keys that any of the queries at these positions sees, of which there is one.
    pub(super) fn key_ranges_of(self, queries: Range<usize>, keys: usize) -> KeyRanges {
        let (first, last) = (queries.start, queries.end - 1);
        match self {
            Visible::Blocks(size) => blocks(size, [first, last], keys),
            // Ranges begin and end the later the later the query is.
            _ => KeyRanges::one(self.key_range(first, keys).start..self.key_range(last, keys).end),
        }
    }

    /// The one range of keys that the query at a position may see; around all of them where there are more.
    #[inline(always)]
    pub(super) fn key_range(self, query: usize, keys: usize) -> Range<usize> {
        let (start, end) = match self {
            Visible::All | Visible::Blocks(_) => (0, keys),
            Visible::Causal => (0, query + 1),
            Visible::Near { before, after } => {
                (query.saturating_sub(before), query.saturating_add(after).saturating_add(1))
            }
            Visible::Groups { size, shift } => {
                let start = (query + shift) / size * size;
                (start.saturating_sub(shift), (start + size).saturating_sub(shift))
            }
        };
        let end = end.min(keys);
        start.min(end)..end
    }
}

/// The keys that queries from the first to the last of these positions see.
fn blocks(size: usize, queries: [usize; 2], keys: usize) -> KeyRanges {
    let last = keys.saturating_sub(1) / size;
    let [from, to] = queries.map(|query| query / size);
    if from == 0 || to >= last {
        return KeyRanges::one(0..keys);
    }
    let start = |block: usize| (block * size).min(keys);
    KeyRanges::one(0..start(1)).with(start(from - 1)..start(to + 2)).with(start(last)..keys)
}
