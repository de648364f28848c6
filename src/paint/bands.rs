//! A map pooled over bands of eight rows, so that a zoomed-out view reads an eighth of it.

use std::ops::Range;

use rayon::prelude::*;

use super::pool::{Pool, Region, pool_from, pool_rows};
use crate::matrix::Matrix;

/// Rows of a band.
const BAND: usize = 8;

/// A map pooled column by column over bands of eight rows: band `i` covers rows `8 i .. 8 (i + 1)`.
///
/// Fewer than eight rows at the end of the map belong to no band.
#[derive(Clone, Debug)]
pub struct Bands {
    how: Pool,
    /// Maxima or, for [`Pool::Mean`], sums: `[bands, keys]`.
    data: Vec<f32>,
    cols: usize,
}

impl Bands {
    /// Pools the bands of a map.
    pub fn of(map: &Matrix, how: Pool) -> Self {
        Self::measured(map, how, |_| 0.0).0
    }

    /// Pools the bands of a map and applies `measure` to each of its rows in the same pass over memory.
    /// Returns the bands and one measured value per row.
    pub fn measured(map: &Matrix, how: Pool, measure: impl Fn(&[f32]) -> f32 + Sync) -> (Self, Vec<f32>) {
        let (count, cols) = (map.rows() / BAND, map.cols());
        let mut data = vec![0.0; count * cols];
        let mut measured = vec![0.0; map.rows()];
        let (banded, rest) = measured.split_at_mut(count * BAND);
        let bands = data.par_chunks_mut(cols.max(1)).zip(banded.par_chunks_mut(BAND)).enumerate();
        bands.for_each(|(band, (out, measured))| {
            let rows = || (band * BAND..(band + 1) * BAND).map(|row| map.row(row));
            measured.iter_mut().zip(rows()).for_each(|(value, row)| *value = measure(row));
            out.copy_from_slice(&pool_rows(rows(), how));
        });
        rest.iter_mut().zip(count * BAND..).for_each(|(value, row)| *value = measure(map.row(row)));
        (Self { how, data, cols }, measured)
    }

    /// Pools a region of `map` into at most `cells` (rows, columns), like [`super::pool`]. `map` must be the
    /// map that the bands were made from.
    pub fn pool(&self, map: &Matrix, region: &Region, cells: (usize, usize)) -> Matrix {
        pool_from(map, region, cells, self.how, |span| self.rows_of(map, span))
    }

    /// Returns the rows of a span, with each band that lies within it in place of its eight rows.
    fn rows_of<'a>(&'a self, map: &'a Matrix, span: Range<usize>) -> impl Iterator<Item = &'a [f32]> {
        let bands = self.within(&span);
        let covered = match bands.is_empty() {
            true => span.end..span.end,
            false => bands.start * BAND..bands.end * BAND,
        };
        let single = (span.start..covered.start).chain(covered.end..span.end).map(|row| map.row(row));
        single.chain(bands.map(|band| self.band(band)))
    }

    fn band(&self, band: usize) -> &[f32] {
        &self.data[band * self.cols..(band + 1) * self.cols]
    }

    /// Returns the bands that lie entirely within a span of rows.
    fn within(&self, rows: &Range<usize>) -> Range<usize> {
        let start = rows.start.div_ceil(BAND);
        start..(rows.end / BAND).min(self.data.len() / self.cols.max(1)).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool;
    use super::*;

    #[test]
    fn bands_change_nothing() {
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1999) as f32 / 1999.0;
        let map = Matrix::from_fn(101, 23, noise);
        for how in [Pool::Max, Pool::Mean] {
            let bands = Bands::of(&map, how);
            for (rows, down) in [(0..101, 6), (0..101, 40), (3..99, 4), (9..15, 1), (7..25, 2), (96..101, 1)]
            {
                let region = Region::new(rows, 2..20);
                let (found, expected) =
                    (bands.pool(&map, &region, (down, 7)), pool(&map, &region, down, 7, how));
                assert_eq!((found.rows(), found.cols()), (down, 7));
                for (a, b) in found.as_slice().iter().zip(expected.as_slice()) {
                    assert!((a - b).abs() < 1e-6, "{how:?} {region:?}: {a} and {b}");
                }
            }
        }
    }
}
