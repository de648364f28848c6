//! Structural attention masks.

use std::ops::Range;

use super::key_ranges::KeyRanges;

/// Structural attention mask: the keys that are visible to a query, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Every key.
    All,
    /// Keys up to the position of the query.
    Causal,
    /// Sliding window: keys at most `before` positions before the query and at most `after` behind it.
    Near {
        /// Distance of the farthest key before.
        before: usize,
        /// Distance of the farthest key behind; 0 for a causal window.
        after: usize,
    },
    /// Chunked attention: keys in the chunk of the query. Chunks have `size` positions, the first one `shift`
    /// less.
    Groups {
        /// Positions in a chunk.
        size: usize,
        /// Positions by which the first chunk is shorter.
        shift: usize,
    },
    /// Block-sparse attention (Zaheer et al. 2020) with blocks of so many positions: keys in the block of the
    /// query, the blocks next to it, the first and the last. Queries in the first and the last block see all
    /// keys.
    Blocks(usize),
}

impl Visible {
    /// Returns true if chunks and blocks are not empty.
    #[inline]
    pub fn is_sound(self) -> bool {
        !matches!(self, Visible::Groups { size: 0, .. } | Visible::Blocks(0))
    }

    /// Returns true if `key`, of `keys`, is visible to the query at position `query`.
    #[inline]
    pub fn sees(self, query: usize, key: usize, keys: usize) -> bool {
        self.key_ranges(query, keys).iter().any(|range| range.contains(&key))
    }

    /// Returns the ranges of keys, of `keys`, that are visible to the query at position `query`.
    #[inline]
    pub fn ranges(self, query: usize, keys: usize) -> impl Iterator<Item = Range<usize>> {
        self.key_ranges(query, keys).iter()
    }

    /// Returns the range from the first to the last key, of `keys`, that is visible to any of the queries at
    /// these positions, of which there is at least one.
    #[inline]
    pub fn hull(self, queries: Range<usize>, keys: usize) -> Range<usize> {
        self.key_ranges_of(queries, keys).hull()
    }

    /// Returns the keys, of `keys`, that are visible to the query at position `query`.
    #[inline(always)]
    pub(super) fn key_ranges(self, query: usize, keys: usize) -> KeyRanges {
        match self {
            Visible::Blocks(size) => blocks(size, [query; 2], keys),
            _ => KeyRanges::one(self.key_range(query, keys)),
        }
    }

    /// Union of the keys visible to the queries at these positions; `queries` is not empty.
    #[inline]
    pub(super) fn key_ranges_of(self, queries: Range<usize>, keys: usize) -> KeyRanges {
        let (first, last) = (queries.start, queries.end - 1);
        match self {
            Visible::Blocks(size) => blocks(size, [first, last], keys),
            // The ranges of later queries neither begin nor end earlier.
            _ => KeyRanges::one(self.key_range(first, keys).start..self.key_range(last, keys).end),
        }
    }

    /// Returns the range from the first to the last key that is visible to the query at position `query`.
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

/// Returns the keys that are visible to any query from the first to the last of these positions.
fn blocks(size: usize, queries: [usize; 2], keys: usize) -> KeyRanges {
    let last = keys.saturating_sub(1) / size;
    let [from, to] = queries.map(|query| query / size);
    if from == 0 || to >= last {
        return KeyRanges::one(0..keys);
    }
    let start = |block: usize| (block * size).min(keys);
    KeyRanges::one(0..start(1)).with(start(from - 1)..start(to + 2)).with(start(last)..keys)
}
