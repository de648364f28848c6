//! The inner loop of matrix products: some rows times some panels.
//!
//! A tile of a few rows by two vectors of a panel stays in registers along the summed dimension. The rows are
//! packed tile by tile first, so that the loop reads both operands in order.

use std::cell::RefCell;
use std::thread::LocalKey;

use super::activation::{self, Function};
use super::simd::element::Element;
use super::simd::{Simd, Task, dispatch};
use super::threads::SharedPtr;

/// Columns of a panel.
pub(super) const PANEL: usize = 32;

/// Consecutive values of a row in a packed tile: a cache line.
pub(super) const CHUNK: usize = 16;

/// Steps along the summed dimension before a tile is written back, so that its packed rows stay in the
/// first-level cache.
pub(super) const DEPTH: usize = 512;

/// Distance of the prefetch of a panel, in bytes.
const AHEAD: usize = 2048;

/// Bytes of a cache line.
const LINE: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static PANELS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Returns the number of values that a packed row of `depth` values takes.
pub(super) fn packed_width(depth: usize) -> usize {
    depth.next_multiple_of(CHUNK)
}

/// Largest scratch buffer that a thread keeps, in values.
const KEPT: usize = 1 << 22;

/// Calls `work` with a scratch buffer for `len` values of any content, aligned to a cache line. The thread
/// keeps the buffer for the next call unless it is large, since the system clears fresh memory.
pub(super) fn with_scratch<T>(len: usize, work: impl FnOnce(SharedPtr) -> T) -> T {
    lend(&SCRATCH, len, work)
}

/// Like [`with_scratch`], with a second buffer, for panels.
pub(super) fn with_panel_scratch<T>(len: usize, work: impl FnOnce(SharedPtr) -> T) -> T {
    lend(&PANELS, len, work)
}

fn lend<T>(kept: &'static LocalKey<RefCell<Vec<f32>>>, len: usize, work: impl FnOnce(SharedPtr) -> T) -> T {
    let mut scratch = kept.take();
    if scratch.len() < len + CHUNK {
        scratch = vec![0.0; len + CHUNK];
    }
    // Vectors that lie within one cache line load fastest.
    let start = scratch.as_ptr().align_offset(4 * CHUNK).min(CHUNK);
    let done = work(SharedPtr(scratch[start..].as_mut_ptr()));
    if scratch.len() <= KEPT {
        kept.set(scratch);
    }
    done
}

/// Task that packs rows for [`PanelProduct`], as `[tile][depth / CHUNK][rows of the tile][CHUNK]`.
pub(super) struct PackRows {
    pub rows: usize,
    pub depth: usize,
    pub x: *const f32,
    pub x_stride: usize,
    /// Room for `rows * packed_width(depth)` values.
    pub to: *mut f32,
}

impl Task for PackRows {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let whole = self.depth / CHUNK * CHUNK;
        let mut first = 0;
        while first < self.rows {
            let rows = tile_rows::<S>(self.rows - first);
            for row in 0..rows {
                // SAFETY: the contract of the task: the rows are there, and `to` has room for their packed
                // form; the loop writes `CHUNK` values of the row at a time and the rest alone.
                unsafe {
                    let x = self.x.add((first + row) * self.x_stride);
                    let mut to = self.to.add(first * packed_width(self.depth) + row * CHUNK);
                    let mut at = 0;
                    while at < whole {
                        let mut lane = 0;
                        while lane < CHUNK {
                            S::store(to.add(lane), S::load(x.add(at + lane)));
                            lane += S::LANES;
                        }
                        to = to.add(rows * CHUNK);
                        at += CHUNK;
                    }
                    if whole < self.depth {
                        std::ptr::copy_nonoverlapping(x.add(whole), to, self.depth - whole);
                    }
                }
            }
            first += rows;
        }
    }
}

/// Returns the most rows that make one tile with the instructions in use.
pub(super) fn rows_of_one_tile() -> usize {
    struct TileRows;

    impl Task for TileRows {
        type Output = usize;

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> usize {
            S::TILE_ROWS
        }
    }

    // SAFETY: the task touches no memory.
    unsafe { dispatch(TileRows) }
}

/// Task that widens `len` elements, a multiple of [`PANEL`].
pub(super) struct Widen<E> {
    pub from: *const E,
    pub len: usize,
    /// Room for `len` values.
    pub to: *mut f32,
}

impl<E: Element> Task for Widen<E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for at in (0..self.len).step_by(S::LANES) {
            // SAFETY: the contract of the task; the length is a multiple of any number of lanes.
            unsafe { S::store(self.to.add(at), E::load::<S>(self.from.add(at))) };
        }
    }
}

/// Returns the rows of the next tile if `left` are left. Tiles are about equally high, since one with a
/// single row would waste most registers.
#[inline(always)]
pub(super) fn tile_rows<S: Simd>(left: usize) -> usize {
    left.div_ceil(left.div_ceil(S::TILE_ROWS))
}

/// Task that multiplies packed rows with panels of any number type, in `f32`. Pointers must be valid for the
/// sizes given.
pub(super) struct PanelProduct<E> {
    pub rows: usize,
    /// Steps along the summed dimension.
    pub depth: usize,
    /// Columns of the result; the last panel may have more.
    pub columns: usize,
    /// The rows as [`PackRows`] packs them.
    pub left: *const f32,
    /// `[panel][depth][PANEL]`
    pub panels: *const E,
    /// Values from one panel to the next.
    pub panel_stride: usize,
    /// One value per column, or null.
    pub bias: *const f32,
    pub activation: Option<Function>,
    /// True if the product is added to the contents of `out`.
    pub accumulate: bool,
    pub out: *mut f32,
    pub out_stride: usize,
}

impl<E: Element> Task for PanelProduct<E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut from = 0;
        while from < self.depth {
            // SAFETY: the contract of the task; the steps are below `depth`.
            unsafe { self.add_depth::<S>(from, DEPTH.min(self.depth - from)) };
            from += DEPTH;
        }
    }
}

impl<E: Element> PanelProduct<E> {
    /// Adds `depth` steps from `from` on to the sums, and applies the activation after the last.
    ///
    /// # Safety
    /// The contract of the task holds, and the steps are below `self.depth`.
    #[inline(always)]
    unsafe fn add_depth<S: Simd>(&self, from: usize, depth: usize) {
        let last = from + depth == self.depth;
        let tiles = self.rows.div_ceil(S::TILE_ROWS);
        let mut column = 0;
        while column < self.columns {
            let panel = self.panels.wrapping_add(column / PANEL * self.panel_stride + from * PANEL);
            let mut next = panel.wrapping_add(self.panel_stride);
            let mut row = 0;
            while row < self.rows {
                let rows = tile_rows::<S>(self.rows - row);
                // SAFETY: row and column are in range, so all pointers lie in their operands.
                unsafe {
                    let out = self.out.add(row * self.out_stride + column);
                    let tile = Tile {
                        depth,
                        left: self.left.add(row * packed_width(self.depth) + from * rows),
                        panel,
                        next,
                        ahead: if tiles < 4 { 0 } else { (2 * CHUNK).div_ceil(tiles) },
                        start: match self.bias {
                            _ if from > 0 || self.accumulate => TileInit::Out,
                            bias if bias.is_null() => TileInit::Zero,
                            bias => TileInit::Bias(bias.add(column)),
                        },
                        columns: PANEL.min(self.columns - column),
                        out,
                        out_stride: self.out_stride,
                    };
                    match rows {
                        1 => tile.run::<S, 1, 4>(),
                        2 => tile.run::<S, 2, 4>(),
                        3 => tile.run::<S, 3, 2>(),
                        4 => tile.run::<S, 4, 2>(),
                        5 => tile.run::<S, 5, 1>(),
                        6 => tile.run::<S, 6, 1>(),
                        7 => tile.run::<S, 7, 1>(),
                        8 => tile.run::<S, 8, 1>(),
                        9 => tile.run::<S, 9, 1>(),
                        10 => tile.run::<S, 10, 1>(),
                        11 => tile.run::<S, 11, 1>(),
                        _ => tile.run::<S, 12, 1>(),
                    }
                    if let (true, Some(function)) = (last, self.activation) {
                        for i in 0..rows {
                            activation::in_place::<S>(function, out.add(i * self.out_stride), tile.columns);
                        }
                    }
                }
                row += rows;
                next = next.wrapping_add(depth * PANEL / tiles);
            }
            column += PANEL;
        }
    }
}

/// Initial value of the sums of a tile.
#[derive(Clone, Copy)]
enum TileInit {
    Zero,
    Bias(*const f32),
    /// The contents of the output.
    Out,
}

/// A tile of the product: some rows times one panel.
struct Tile<E> {
    depth: usize,
    left: *const f32,
    panel: *const E,
    /// This tile's share of the next panel, which it prefetches from memory.
    next: *const E,
    /// Cache lines to prefetch with each chunk.
    ahead: usize,
    start: TileInit,
    columns: usize,
    out: *mut f32,
    out_stride: usize,
}

impl<E: Element> Tile<E> {
    /// Computes a tile of `R` rows, with `U` partial sums per element if `R` is too small to hide the latency
    /// of FMA.
    ///
    /// # Safety
    /// The pointers of the tile are valid for `R` rows; the processor has the instructions of `S`.
    #[allow(clippy::needless_range_loop, reason = "plain counted loops over arrays are kept in registers")]
    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize, const U: usize>(&self) {
        if R > S::TILE_ROWS {
            return;
        }
        let mut column = 0;
        while column < self.columns {
            // SAFETY: the caller ensures that the pointers are valid; columns beyond the last are left out.
            unsafe {
                let sums = self.sums::<S, R, U>(column);
                if column + 2 * S::LANES <= self.columns {
                    self.put_whole::<S, R>(sums, column);
                } else {
                    for r in 0..R {
                        for v in 0..2 {
                            let at = column + v * S::LANES;
                            if at < self.columns {
                                self.put::<S>(sums[r][v], r, at, S::LANES.min(self.columns - at));
                            }
                        }
                    }
                }
            }
            column += 2 * S::LANES;
        }
    }

    /// Returns the sums of two vectors of columns from `column` on.
    ///
    /// # Safety
    /// As for [`Tile::run`].
    #[allow(clippy::needless_range_loop, reason = "plain counted loops over arrays are kept in registers")]
    #[inline(always)]
    unsafe fn sums<S: Simd, const R: usize, const U: usize>(&self, column: usize) -> [[S::V; 2]; R] {
        // SAFETY: the caller ensures that `depth` steps of the packed rows and of the panel are there;
        // prefetches may point anywhere.
        unsafe {
            let mut sums = [[[S::splat(0.0); 2]; R]; U];
            let mut w = self.panel.add(column);
            let mut x = self.left;
            let mut left = self.depth;
            let mut next = self.next;
            while left >= CHUNK {
                for _ in 0..self.ahead {
                    S::prefetch_l2(next.cast());
                    next = next.wrapping_add(LINE / size_of::<E>());
                }
                for step in 0..CHUNK / U {
                    for u in 0..U {
                        let k = step * U + u;
                        let (w0, w1) = (E::load::<S>(w), E::load::<S>(w.add(S::LANES)));
                        // A constant number of lines: one or two.
                        let mut line = 0;
                        while line < PANEL * size_of::<E>() {
                            S::prefetch(w.cast::<f32>().wrapping_byte_add(AHEAD + line));
                            line += LINE;
                        }
                        S::prefetch(x.wrapping_add((R + k) * CHUNK));
                        for r in 0..R {
                            let x = S::splat(*x.add(r * CHUNK + k));
                            sums[u][r][0] = S::fma(x, w0, sums[u][r][0]);
                            sums[u][r][1] = S::fma(x, w1, sums[u][r][1]);
                        }
                        w = w.add(PANEL);
                    }
                }
                x = x.add(R * CHUNK);
                left -= CHUNK;
            }
            for u in 1..U {
                for r in 0..R {
                    for v in 0..2 {
                        sums[0][r][v] = S::add(sums[0][r][v], sums[u][r][v]);
                    }
                }
            }
            for k in 0..left {
                let (w0, w1) = (E::load::<S>(w), E::load::<S>(w.add(S::LANES)));
                for r in 0..R {
                    let x = S::splat(*x.add(r * CHUNK + k));
                    sums[0][r][0] = S::fma(x, w0, sums[0][r][0]);
                    sums[0][r][1] = S::fma(x, w1, sums[0][r][1]);
                }
                w = w.add(PANEL);
            }
            sums[0]
        }
    }

    /// Adds the initial values to the sums of two whole vectors of columns, and stores them. The sums stay in
    /// registers, as no loop has a branch.
    ///
    /// # Safety
    /// The rows have two vectors of columns from `column` on; the processor has the instructions of `S`.
    #[allow(clippy::needless_range_loop, reason = "plain counted loops over arrays are kept in registers")]
    #[inline(always)]
    unsafe fn put_whole<S: Simd, const R: usize>(&self, sums: [[S::V; 2]; R], column: usize) {
        // SAFETY: the caller ensures that the columns are in the output and the bias.
        unsafe {
            let out = self.out.add(column);
            match self.start {
                TileInit::Zero => {
                    for r in 0..R {
                        let row = out.add(r * self.out_stride);
                        S::store(row, sums[r][0]);
                        S::store(row.add(S::LANES), sums[r][1]);
                    }
                }
                TileInit::Bias(bias) => {
                    let bias = bias.add(column);
                    let (first, second) = (S::load(bias), S::load(bias.add(S::LANES)));
                    for r in 0..R {
                        let row = out.add(r * self.out_stride);
                        S::store(row, S::add(sums[r][0], first));
                        S::store(row.add(S::LANES), S::add(sums[r][1], second));
                    }
                }
                TileInit::Out => {
                    for r in 0..R {
                        let row = out.add(r * self.out_stride);
                        S::store(row, S::add(sums[r][0], S::load(row)));
                        S::store(row.add(S::LANES), S::add(sums[r][1], S::load(row.add(S::LANES))));
                    }
                }
            }
        }
    }

    /// Adds the initial value to a sum and stores its first `len` lanes.
    ///
    /// # Safety
    /// The row has `len` columns from `column` on; the processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn put<S: Simd>(&self, sum: S::V, row: usize, column: usize, len: usize) {
        // SAFETY: the caller ensures that the columns are in the output and the bias; no more are touched.
        unsafe {
            let out = self.out.add(row * self.out_stride + column);
            let start = match self.start {
                TileInit::Zero => std::ptr::null(),
                TileInit::Bias(bias) => bias.add(column),
                TileInit::Out => out.cast_const(),
            };
            // A closure would be compiled without the instruction set.
            let mut sum = sum;
            if len == S::LANES {
                if !start.is_null() {
                    sum = S::add(sum, S::load(start));
                }
                S::store(out, sum);
            } else {
                if !start.is_null() {
                    sum = S::add(sum, S::load_part(start, len, 0.0));
                }
                S::store_part(out, sum, len);
            }
        }
    }
}
