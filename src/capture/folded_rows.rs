//! Rows of maps that are folded while a pass computes them.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::rest::Rest;
use crate::nn::RowObserver;

/// Row observer that keeps the shown rows of a site's maps, with the rest of each summed as one key.
#[derive(Debug)]
pub(super) struct FoldedRows {
    rest: Rest,
    queries: usize,
    /// `[queries, rest.keys()]` of each head.
    heads: Vec<Mutex<Vec<f32>>>,
}

impl FoldedRows {
    /// Creates an observer of maps whose folded shape is `[heads, queries, rest.keys()]`.
    pub fn new(rest: Rest, heads: usize, queries: usize) -> Self {
        let map = || Mutex::new(vec![0.0; queries * rest.keys()]);
        Self { rest, queries, heads: (0..heads).map(|_| map()).collect() }
    }

    /// Shape of the maps, `[heads, queries, keys]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.heads.len(), self.queries, self.rest.keys()]
    }

    /// Returns the maps.
    pub fn finish(self) -> Vec<f32> {
        let maps = self.heads.into_iter().map(|map| map.into_inner().unwrap_or_else(PoisonError::into_inner));
        maps.collect::<Vec<_>>().concat()
    }
}

impl RowObserver for FoldedRows {
    fn rows(
        &self,
        head: usize,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    ) {
        let shown = count.min(self.queries.saturating_sub(first));
        if shown == 0 {
            return;
        }
        let keys = self.rest.keys();
        let mut folded = Vec::with_capacity(shown * keys);
        for row in weights.chunks(stride.max(1)).take(shown) {
            self.rest.fold_row(&row[..columns.len()], columns.start, &mut folded);
        }
        let mut map = self.heads[head].lock().unwrap_or_else(PoisonError::into_inner);
        map[first * keys..][..folded.len()].copy_from_slice(&folded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Kind;

    #[test]
    fn rows_of_a_pass_are_folded_as_maps_are() {
        let rest = Rest { shown: 3, count: 20 };
        let map: Vec<f32> = (0..23 * 23).map(|i| ((i * 37) % 101) as f32 / 64.0).collect();
        let (shape, expected) = rest.fold_maps(Kind::Encoder, [1, 23, 23], &map);
        let rows = FoldedRows::new(rest, 1, 3);
        for first in [0, 2, 12] {
            rows.rows(0, first, 10, 0..23, &map[first * 23..], 23);
        }
        assert_eq!((shape, rows.finish()), ([1, 3, 4], expected));
        // Columns that are left out have no weight.
        for (columns, folded) in [(1..5, [0.0, 1.0, 2.0, 7.0]), (2..3, [0.0, 0.0, 1.0, 0.0])] {
            let rows = FoldedRows::new(rest, 1, 1);
            rows.rows(0, 0, 1, columns, &[1.0, 2.0, 3.0, 4.0], 4);
            assert_eq!(rows.finish(), folded);
        }
        let rows = FoldedRows::new(rest, 1, 1);
        rows.rows(0, 0, 1, 8..10, &[1.0, 2.0], 2);
        assert_eq!(rows.finish(), [0.0, 0.0, 0.0, 3.0]);
    }
}
