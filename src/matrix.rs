//! The only numeric type above the engine: a row-major view of `f32`s.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use attn_tui_kernels::pages::ask_for_large;

/// A read-only `[rows, cols]` matrix, row-major. Cloning is free, and many matrices (the heads of one
/// site, say) can share one buffer.
#[derive(Clone)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    start: usize,
    data: Arc<[f32]>,
}

impl Matrix {
    /// A matrix that owns `data`.
    ///
    /// # Panics
    /// When `data` does not hold `rows * cols` values.
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}x{cols} matrix needs {} values", rows * cols);
        Self { rows, cols, start: 0, data: data.into() }
    }

    /// A window of `rows * cols` values that begins at `start` of a shared buffer.
    ///
    /// # Panics
    /// When the window does not fit the buffer.
    pub fn view(rows: usize, cols: usize, data: Arc<[f32]>, start: usize) -> Self {
        assert!(start + rows * cols <= data.len(), "the window leaves the buffer");
        Self { rows, cols, start, data }
    }

    /// A matrix computed cell by cell.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(rows * cols);
        for i in 0..rows {
            for j in 0..cols {
                data.push(f(i, j));
            }
        }
        Self::new(rows, cols, data)
    }

    /// Number of rows (queries, for a map).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns (keys, for a map).
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data[self.start..self.start + self.rows * self.cols]
    }

    /// One row.
    ///
    /// # Panics
    /// When `row` is out of range.
    pub fn row(&self, row: usize) -> &[f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let at = self.start + row * self.cols;
        &self.data[at..at + self.cols]
    }

    /// Some of the rows; shares the buffer.
    ///
    /// # Panics
    /// When the rows are out of range.
    pub fn part(&self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        Self { rows: rows.len(), start: self.start + rows.start * self.cols, ..self.clone() }
    }

    /// The value at (`row`, `col`), or `None` outside the matrix.
    pub fn get(&self, row: usize, col: usize) -> Option<f32> {
        (row < self.rows && col < self.cols).then(|| self.data[self.start + row * self.cols + col])
    }

    /// The largest value; 0 for an empty matrix.
    pub fn max(&self) -> f32 {
        self.as_slice().iter().copied().reduce(f32::max).unwrap_or(0.0)
    }
}

/// A matrix that is given some rows at a time.
pub struct Rows {
    cols: usize,
    filled: usize,
    data: Arc<[MaybeUninit<f32>]>,
}

impl Rows {
    /// Room for so many rows.
    pub fn new(rows: usize, cols: usize) -> Self {
        let mut data = Arc::new_uninit_slice(rows * cols);
        if let Some(data) = Arc::get_mut(&mut data) {
            ask_for_large(data.as_mut_ptr().cast(), size_of_val(data));
        }
        Self { cols, filled: 0, data }
    }

    /// Adds rows.
    ///
    /// # Panics
    /// When there is no room for them.
    pub fn push(&mut self, values: &[f32]) {
        let room = Arc::get_mut(&mut self.data).and_then(|data| data.get_mut(self.filled..));
        let room = room.and_then(|room| room.get_mut(..values.len()));
        let room = room.expect("no room for the rows");
        room.iter_mut().zip(values).for_each(|(room, &value)| _ = room.write(value));
        self.filled += values.len();
    }

    /// The matrix, all of whose rows were added.
    ///
    /// # Panics
    /// When some were not.
    pub fn finish(self) -> Matrix {
        assert_eq!(self.filled, self.data.len(), "rows are missing");
        // SAFETY: the values were written front to back, as many as there are.
        let data = unsafe { self.data.assume_init() };
        Matrix { rows: data.len() / self.cols.max(1), cols: self.cols, start: 0, data }
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

/// What cell `cell` of `cells` covers of `len` positions; never empty where `cells <= len`.
pub fn span_of(cell: usize, len: usize, cells: usize) -> Range<usize> {
    let cells = cells.max(1);
    (cell * len / cells).min(len)..((cell + 1) * len / cells).min(len)
}

/// Which of `cells` cells covers position `at` of `len`: the inverse of [`span_of`].
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
