//! What every few rows of a map are together, so that a view of many rows reads few.

use std::ops::Range;

use rayon::prelude::*;

use super::pool::{Pool, Window, pooled, together};
use crate::matrix::Matrix;

/// Rows of a band.
pub(super) const BAND: usize = 8;

/// Rows `8 i .. 8 (i + 1)` of a map pooled value by value: the largest, or the sums. Rows at the end that fill no band are
/// in none.
#[derive(Clone, Debug)]
pub struct Bands {
    how: Pool,
    /// `[bands, keys]`.
    data: Vec<f32>,
    cols: usize,
}

impl Bands {
    /// The bands of a map.
    pub fn of(map: &Matrix, how: Pool) -> Self {
        Self::measured(map, how, |_| 0.0).0
    }

    /// The bands of a map, and what `measure` says of each of its rows, while they are in the cache.
    pub fn measured(map: &Matrix, how: Pool, measure: impl Fn(&[f32]) -> f32 + Sync) -> (Self, Vec<f32>) {
        let (count, cols) = (map.rows() / BAND, map.cols());
        let mut data = vec![0.0; count * cols];
        let mut rows = vec![0.0; map.rows()];
        let (banded, rest) = rows.split_at_mut(count * BAND);
        let bands = data.par_chunks_mut(cols.max(1)).zip(banded.par_chunks_mut(BAND)).enumerate();
        bands.for_each(|(band, (out, rows))| {
            let lines = || (band * BAND..(band + 1) * BAND).map(|row| map.row(row));
            rows.iter_mut().zip(lines()).for_each(|(row, line)| *row = measure(line));
            out.copy_from_slice(&together(lines(), how));
        });
        rest.iter_mut().zip(count * BAND..).for_each(|(row, at)| *row = measure(map.row(at)));
        (Self { how, data, cols }, rows)
    }

    /// [`super::pool`] of the map that these are of.
    pub fn pool(&self, map: &Matrix, window: &Window, cells: (usize, usize)) -> Matrix {
        pooled(map, Some(self), window, cells, self.how)
    }

    /// One band.
    pub(super) fn row(&self, band: usize) -> &[f32] {
        &self.data[band * self.cols..(band + 1) * self.cols]
    }

    /// The bands that lie within a span of rows.
    pub(super) fn within(&self, rows: &Range<usize>) -> Range<usize> {
        let start = rows.start.div_ceil(BAND);
        start..(rows.end / BAND).min(self.data.len() / self.cols.max(1)).max(start)
    }
}
