//! A window of a map in fewer cells than it has weights.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::bands::{BAND, Bands};
use crate::matrix::Matrix;
pub use crate::matrix::{cell_of, span_of};

/// What a cell shows of the weights it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pool {
    /// The largest: no strong link gets lost.
    #[default]
    Max,
    /// The mean.
    Mean,
}

/// A rectangle of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// Queries.
    pub rows: Range<usize>,
    /// Keys.
    pub cols: Range<usize>,
}

impl Window {
    /// The rectangle of these rows and columns.
    pub fn new(rows: Range<usize>, cols: Range<usize>) -> Self {
        Self { rows, cols }
    }

    /// The whole map.
    pub fn whole(map: &Matrix) -> Self {
        Self::new(0..map.rows(), 0..map.cols())
    }
}

/// The weights of `window` in at most `rows` by `cols` cells, `[min(rows, window rows), min(cols, window
/// cols)]`. Cell `(r, c)` covers the positions [`span_of`]`(r, window rows, rows)` and likewise `c`, counted
/// from the window's corner. A window that leaves the map is cut at its edge; nothing outside the window is
/// read.
pub fn pool(map: &Matrix, window: &Window, rows: usize, cols: usize, how: Pool) -> Matrix {
    pooled(map, None, window, (rows, cols), how)
}

/// [`pool`] that reads `bands`, which hold what the rows of each band are together, where it can.
pub(super) fn pooled(
    map: &Matrix,
    bands: Option<&Bands>,
    window: &Window,
    (rows, cols): (usize, usize),
    how: Pool,
) -> Matrix {
    let clip = |range: &Range<usize>, len: usize| {
        let start = range.start.min(len);
        start..range.end.clamp(start, len)
    };
    let (from_rows, from_cols) = (clip(&window.rows, map.rows()), clip(&window.cols, map.cols()));
    let (rows, cols) = (rows.min(from_rows.len()), cols.min(from_cols.len()));
    if rows == 0 || cols == 0 {
        return Matrix::new(rows, cols, Vec::new());
    }
    let spans: Vec<_> = (0..cols).map(|c| span_of(c, from_cols.len(), cols)).collect();
    let mut data = vec![0.0; rows * cols];
    let fill = |(r, cells): (usize, &mut [f32])| {
        let span = span_of(r, from_rows.len(), rows);
        let here = from_rows.start + span.start..from_rows.start + span.end;
        let whole: Cow<[f32]> = match span.len() {
            1 => map.row(here.start)[from_cols.clone()].into(),
            _ => together(lines(map, bands, here).map(|line| &line[from_cols.clone()]), how).into(),
        };
        for (cell, cols) in cells.iter_mut().zip(&spans) {
            *cell = match how {
                Pool::Max => max_of(&whole[cols.clone()]),
                Pool::Mean => sum_of(&whole[cols.clone()]) / (span.len() * cols.len()) as f32,
            };
        }
    };
    match from_rows.len() * from_cols.len() {
        LARGE.. => data.par_chunks_mut(cols).enumerate().for_each(fill),
        _ => data.chunks_mut(cols).enumerate().for_each(fill),
    }
    Matrix::new(rows, cols, data)
}

/// From so many weights on, several threads read them.
const LARGE: usize = 1 << 20;

/// The rows of a span, a band in place of its rows where all of them are in it.
fn lines<'a>(
    map: &'a Matrix,
    bands: Option<&'a Bands>,
    span: Range<usize>,
) -> impl Iterator<Item = &'a [f32]> {
    let within = bands.map_or(0..0, |bands| bands.within(&span));
    let covered = match within.is_empty() {
        true => span.end..span.end,
        false => within.start * BAND..within.end * BAND,
    };
    let alone = (span.start..covered.start).chain(covered.end..span.end).map(|row| map.row(row));
    let banded = bands.into_iter().flat_map(move |bands| within.clone().map(|band| bands.row(band)));
    alone.chain(banded)
}

/// Lines pooled value by value: row upon row, which reads them front to back. Empty where there is none.
pub(super) fn together<'a>(mut lines: impl Iterator<Item = &'a [f32]>, how: Pool) -> Vec<f32> {
    let first = lines.next().unwrap_or_default().to_vec();
    lines.fold(first, |mut whole, line| {
        onto(&mut whole, line, how);
        whole
    })
}

fn onto(whole: &mut [f32], line: &[f32], how: Pool) {
    let pairs = whole.iter_mut().zip(line);
    match how {
        Pool::Max => pairs.for_each(|(whole, &value)| *whole = larger(*whole, value)),
        Pool::Mean => pairs.for_each(|(whole, &value)| *whole += value),
    }
}

/// Independent running results, so that the compiler may use the machine's vectors.
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

    fn ramp(rows: usize, cols: usize) -> Matrix {
        Matrix::from_fn(rows, cols, |i, j| (i * cols + j) as f32)
    }

    #[test]
    fn a_small_window_is_copied() {
        let pooled = pool(&ramp(4, 5), &Window::new(1..3, 2..5), 10, 10, Pool::Mean);
        assert_eq!(pooled, Matrix::new(2, 3, vec![7.0, 8.0, 9.0, 12.0, 13.0, 14.0]));
    }

    #[test]
    fn max_and_mean_of_blocks() {
        let map = ramp(4, 4);
        let whole = Window::whole(&map);
        assert_eq!(pool(&map, &whole, 2, 2, Pool::Max).as_slice(), &[5.0, 7.0, 13.0, 15.0]);
        assert_eq!(pool(&map, &whole, 2, 2, Pool::Mean).as_slice(), &[2.5, 4.5, 10.5, 12.5]);
    }

    #[test]
    fn windows_are_cut_at_the_edge() {
        let map = ramp(2, 2);
        assert_eq!(pool(&map, &Window::new(1..9, 0..9), 4, 4, Pool::Max).as_slice(), &[2.0, 3.0]);
        assert_eq!(pool(&map, &Window::new(5..9, 0..2), 4, 4, Pool::Max).rows(), 0);
        assert_eq!(pool(&map, &Window::whole(&map), 0, 4, Pool::Mean).rows(), 0);
    }

    #[test]
    fn bands_change_nothing() {
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1999) as f32 / 1999.0;
        let map = Matrix::from_fn(101, 23, noise);
        for how in [Pool::Max, Pool::Mean] {
            let bands = Bands::of(&map, how);
            for (rows, down) in [(0..101, 6), (0..101, 40), (3..99, 4), (9..15, 1), (7..25, 2), (96..101, 1)]
            {
                let window = Window::new(rows, 2..20);
                let (found, expected) =
                    (bands.pool(&map, &window, (down, 7)), pool(&map, &window, down, 7, how));
                assert_eq!((found.rows(), found.cols()), (down, 7));
                for (a, b) in found.as_slice().iter().zip(expected.as_slice()) {
                    assert!((a - b).abs() < 1e-6, "{how:?} {window:?}: {a} and {b}");
                }
            }
        }
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
            let pooled = pool(&map, &Window::whole(&map), out, out, Pool::Max);
            let means = pool(&map, &Window::whole(&map), out, out, Pool::Mean);
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
