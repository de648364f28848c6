//! Max and mean pooling: the weights of a region in fewer cells.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::matrix::{Matrix, span_of};

/// The value of a cell that covers several weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// The largest weight, so that a single strong link stays visible.
    #[default]
    Max,
    /// The mean weight.
    Mean,
}

/// A rectangle of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// Queries.
    pub rows: Range<usize>,
    /// Keys.
    pub cols: Range<usize>,
}

impl Region {
    /// Creates a region from its rows and columns.
    pub fn new(rows: Range<usize>, cols: Range<usize>) -> Self {
        Self { rows, cols }
    }

    /// Returns the region that covers a whole map.
    pub fn whole(map: &Matrix) -> Self {
        Self::new(0..map.rows(), 0..map.cols())
    }

    /// Returns the part of the region that lies within a map.
    fn clipped(&self, map: &Matrix) -> Self {
        let clip = |range: &Range<usize>, len: usize| {
            let start = range.start.min(len);
            start..range.end.clamp(start, len)
        };
        Self::new(clip(&self.rows, map.rows()), clip(&self.cols, map.cols()))
    }
}

/// Pools a region of a map into at most `rows` by `cols` cells.
///
/// The region is clipped to the map. The result is `[min(rows, region rows), min(cols, region cols)]`; its
/// cell `(r, c)` covers the positions [`span_of`]`(r, region rows, rows)` and likewise `c`, counted from the
/// region's corner.
pub fn pool(map: &Matrix, region: &Region, rows: usize, cols: usize, how: Pool) -> Matrix {
    pool_from(map, region, (rows, cols), how, |span| span.map(|row| map.row(row)))
}

/// Pools like [`pool`], but takes the rows of cells that are several rows high from `rows_of`.
///
/// `rows_of(span)` returns rows of `map.cols()` values whose pooled result equals that of the rows `span` of
/// the map: the rows themselves, or fewer rows that are already pooled.
pub(super) fn pool_from<'a, I: Iterator<Item = &'a [f32]>>(
    map: &'a Matrix,
    region: &Region,
    (rows, cols): (usize, usize),
    how: Pool,
    rows_of: impl Fn(Range<usize>) -> I + Sync,
) -> Matrix {
    let region = region.clipped(map);
    let (rows, cols) = (rows.min(region.rows.len()), cols.min(region.cols.len()));
    if rows == 0 || cols == 0 {
        return Matrix::new(rows, cols, Vec::new());
    }
    let spans: Vec<_> = (0..cols).map(|c| span_of(c, region.cols.len(), cols)).collect();
    let mut data = vec![0.0; rows * cols];
    let fill = |(r, cells): (usize, &mut [f32])| {
        let span = span_of(r, region.rows.len(), rows);
        let span = region.rows.start + span.start..region.rows.start + span.end;
        let pooled: Cow<[f32]> = match span.len() {
            1 => map.row(span.start)[region.cols.clone()].into(),
            _ => pool_rows(rows_of(span.clone()).map(|row| &row[region.cols.clone()]), how).into(),
        };
        for (cell, cols) in cells.iter_mut().zip(&spans) {
            *cell = match how {
                Pool::Max => max_of(&pooled[cols.clone()]),
                Pool::Mean => sum_of(&pooled[cols.clone()]) / (span.len() * cols.len()) as f32,
            };
        }
    };
    match region.rows.len() * region.cols.len() {
        PARALLEL_FROM.. => data.par_chunks_mut(cols).enumerate().for_each(fill),
        _ => data.chunks_mut(cols).enumerate().for_each(fill),
    }
    Matrix::new(rows, cols, data)
}

/// Number of weights from which a region is pooled by several threads.
const PARALLEL_FROM: usize = 1 << 20;

/// Pools rows column by column into their maxima, or into their sums for [`Pool::Mean`]. Empty without rows.
///
/// It goes through the rows one after the other, so that memory is read front to back.
pub(super) fn pool_rows<'a>(mut rows: impl Iterator<Item = &'a [f32]>, how: Pool) -> Vec<f32> {
    let first = rows.next().unwrap_or_default().to_vec();
    rows.fold(first, |mut pooled, row| {
        accumulate(&mut pooled, row, how);
        pooled
    })
}

fn accumulate(pooled: &mut [f32], row: &[f32], how: Pool) {
    let pairs = pooled.iter_mut().zip(row);
    match how {
        Pool::Max => pairs.for_each(|(pooled, &value)| *pooled = larger(*pooled, value)),
        Pool::Mean => pairs.for_each(|(pooled, &value)| *pooled += value),
    }
}

/// Number of independent accumulators in a reduction, so that the compiler can vectorise it.
const LANES: usize = 8;

fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn max_of(values: &[f32]) -> f32 {
    fold(values, f32::NEG_INFINITY, larger)
}

fn sum_of(values: &[f32]) -> f32 {
    fold(values, 0.0, |a, b| a + b)
}

fn fold(values: &[f32], start: f32, op: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = op(*lane, value);
        }
    }
    lanes.iter().chain(rest).fold(start, |a, &b| op(a, b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::matrix::cell_of;

    fn ramp(rows: usize, cols: usize) -> Matrix {
        Matrix::from_fn(rows, cols, |i, j| (i * cols + j) as f32)
    }

    #[test]
    fn a_small_region_is_copied() {
        let pooled = pool(&ramp(4, 5), &Region::new(1..3, 2..5), 10, 10, Pool::Mean);
        assert_eq!(pooled, Matrix::new(2, 3, vec![7.0, 8.0, 9.0, 12.0, 13.0, 14.0]));
    }

    #[test]
    fn max_and_mean_of_blocks() {
        let map = ramp(4, 4);
        let whole = Region::whole(&map);
        assert_eq!(pool(&map, &whole, 2, 2, Pool::Max).as_slice(), &[5.0, 7.0, 13.0, 15.0]);
        assert_eq!(pool(&map, &whole, 2, 2, Pool::Mean).as_slice(), &[2.5, 4.5, 10.5, 12.5]);
    }

    #[test]
    fn regions_are_clipped_to_the_map() {
        let map = ramp(2, 2);
        assert_eq!(pool(&map, &Region::new(1..9, 0..9), 4, 4, Pool::Max).as_slice(), &[2.0, 3.0]);
        assert_eq!(pool(&map, &Region::new(5..9, 0..2), 4, 4, Pool::Max).rows(), 0);
        assert_eq!(pool(&map, &Region::whole(&map), 0, 4, Pool::Mean).rows(), 0);
    }

    proptest! {
        #[test]
        fn cells_tile_the_positions(len in 1usize..200, cells in 1usize..60) {
            let cells = cells.min(len);
            let mut next = 0;
            for cell in 0..cells {
                let span = span_of(cell, len, cells);
                prop_assert_eq!(span.start, next);
                prop_assert!(!span.is_empty());
                for at in span.clone() {
                    prop_assert_eq!(cell_of(at, len, cells), cell);
                }
                next = span.end;
            }
            prop_assert_eq!(next, len);
        }

        #[test]
        fn pooling_equals_the_plain_loop(
            rows in 1usize..30, cols in 1usize..40, out in 1usize..20, values in prop::collection::vec(0f32..1.0, 1200)
        ) {
            let map = Matrix::new(rows, cols, values[..rows * cols].to_vec());
            let pooled = pool(&map, &Region::whole(&map), out, out, Pool::Max);
            let means = pool(&map, &Region::whole(&map), out, out, Pool::Mean);
            for r in 0..pooled.rows() {
                for c in 0..pooled.cols() {
                    let mut cells = Vec::new();
                    for i in span_of(r, rows, pooled.rows()) {
                        cells.extend_from_slice(&map.row(i)[span_of(c, cols, pooled.cols())]);
                    }
                    let max = cells.iter().copied().fold(0.0, f32::max);
                    let mean = cells.iter().sum::<f32>() / cells.len() as f32;
                    prop_assert_eq!(pooled.get(r, c), Some(max));
                    prop_assert!((means.get(r, c).unwrap() - mean).abs() < 1e-5);
                }
            }
        }
    }
}
