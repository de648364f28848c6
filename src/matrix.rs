//! Row-major matrix of `f32`, the only numeric type above the engine.

use std::ops::Range;
use std::sync::Arc;

use attn_tui_kernels::buffer::ArcBuilder;

/// A read-only `[rows, cols]` matrix, row-major. Cloning is cheap, and several matrices, such as the heads of
/// a site, can share a buffer.
#[derive(Clone)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    start: usize,
    data: Arc<[f32]>,
}

impl Matrix {
    /// Creates a matrix that owns `data`.
    ///
    /// # Panics
    /// Panics unless `data` has `rows * cols` values.
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}x{cols} matrix needs {} values", rows * cols);
        Self { rows, cols, start: 0, data: data.into() }
    }

    /// Creates a matrix from the `rows * cols` values that begin at `start` of a shared buffer.
    ///
    /// # Panics
    /// Panics if they exceed the buffer.
    pub fn view(rows: usize, cols: usize, data: Arc<[f32]>, start: usize) -> Self {
        assert!(start + rows * cols <= data.len(), "the window leaves the buffer");
        Self { rows, cols, start, data }
    }

    /// Creates a matrix from a function of row and column.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(rows * cols);
        for i in 0..rows {
            for j in 0..cols {
                data.push(f(i, j));
            }
        }
        Self::new(rows, cols, data)
    }

    /// Returns the number of rows, the queries of a map.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns, the keys of a map.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Returns all values, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data[self.start..self.start + self.rows * self.cols]
    }

    /// Returns a row.
    ///
    /// # Panics
    /// Panics if `row` is out of range.
    pub fn row(&self, row: usize) -> &[f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let at = self.start + row * self.cols;
        &self.data[at..at + self.cols]
    }

    /// Returns a range of rows, which shares the buffer.
    ///
    /// # Panics
    /// Panics if the rows are out of range.
    pub fn part(&self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        Self { rows: rows.len(), start: self.start + rows.start * self.cols, ..self.clone() }
    }

    /// Returns the value at (`row`, `col`), or `None` outside the matrix.
    pub fn get(&self, row: usize, col: usize) -> Option<f32> {
        (row < self.rows && col < self.cols).then(|| self.data[self.start + row * self.cols + col])
    }

    /// Returns the largest value, or 0 for an empty matrix.
    pub fn max(&self) -> f32 {
        self.as_slice().iter().copied().reduce(f32::max).unwrap_or(0.0)
    }
}

/// A matrix under construction, filled some rows at a time.
pub struct Rows {
    rows: usize,
    cols: usize,
    data: ArcBuilder,
}

impl Rows {
    /// Allocates room for `rows` rows.
    pub fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: ArcBuilder::new(rows * cols) }
    }

    /// Appends rows.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn push(&mut self, values: &[f32]) {
        self.data.push(values);
    }

    /// Returns the matrix.
    ///
    /// # Panics
    /// If rows are missing.
    pub fn finish(self) -> Matrix {
        Matrix { rows: self.rows, cols: self.cols, start: 0, data: self.data.finish() }
    }
}

impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.cols == other.cols && self.as_slice() == other.as_slice()
    }
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix[{}x{}]", self.rows, self.cols)
    }
}

/// Returns the range of `len` positions that cell `cell` of `cells` covers; not empty if `cells <= len`.
pub fn span_of(cell: usize, len: usize, cells: usize) -> Range<usize> {
    let cells = cells.max(1);
    (cell * len / cells).min(len)..((cell + 1) * len / cells).min(len)
}

/// Returns the cell, out of `cells`, that covers position `at` of `len`: the inverse of [`span_of`].
pub fn cell_of(at: usize, len: usize, cells: usize) -> usize {
    if len == 0 || cells == 0 {
        return 0;
    }
    (((at + 1) * cells).div_ceil(len) - 1).min(cells - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_share_one_buffer() {
        let data: Arc<[f32]> = (0..12).map(|v| v as f32).collect();
        let second = Matrix::view(2, 3, data, 6);
        assert_eq!(second.row(1), &[9.0, 10.0, 11.0]);
        assert_eq!(second.get(0, 2), Some(8.0));
        assert_eq!(second.get(0, 3), None);
        assert_eq!(second.max(), 11.0);
    }
}
