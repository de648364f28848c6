//! Matrix products with a packed right-hand side.
//!
//! A weight `[out, in]` is stored once as panels of [`PANEL`] outputs, `[panel][in][PANEL]`: the kernel then
//! reads both operands front to back, whatever the number of rows, and nothing is repacked per call. A tile
//! of a few rows by one panel stays in registers while it runs along `in`.

use super::activation::{self, Function};
use super::simd::{Simd, Task, dispatch};
use super::threads::{self, Shared};

/// Columns of a panel.
pub const PANEL: usize = 32;

/// Steps along `in` before the tile goes back to memory: a panel's part of it stays in the second cache.
const DEPTH: usize = 1024;

/// Values of the left-hand side that one task goes over again for each panel.
const LEFT_BLOCK: usize = 1 << 16;

/// Steps along `in` between asking for a part of a panel and using it.
const AHEAD: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A weight `[out, in]` in panels, zeros where the last panel has no outputs left.
#[derive(Clone)]
pub struct Packed {
    outputs: usize,
    inputs: usize,
    lines: Vec<Line>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed[{}x{}]", self.outputs, self.inputs)
    }
}

impl Packed {
    /// Packs a row-major `[outputs, inputs]`.
    ///
    /// # Panics
    /// When `weight` does not hold `outputs * inputs` values.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * inputs);
        let mut packed = Self::zeros(outputs, inputs);
        let to = Shared(packed.lines.as_mut_ptr().cast());
        threads::each(outputs.div_ceil(PANEL), weight.len(), |panel| {
            let first = panel * PANEL;
            let rows = PANEL.min(outputs - first);
            // SAFETY: each panel is written by one task; `weight` has the rows.
            unsafe {
                transpose(weight.as_ptr().add(first * inputs), inputs, rows, inputs, to.at(first * inputs))
            }
        });
        packed
    }

    fn zeros(outputs: usize, inputs: usize) -> Self {
        let lines = outputs.div_ceil(PANEL) * inputs * (PANEL / 16);
        Self { outputs, inputs, lines: vec![Line([0.0; 16]); lines] }
    }

    /// Rows of the weight.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the weight.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Row `output` of the weight.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, output: usize) -> Vec<f32> {
        assert!(output < self.outputs);
        let (panel, column) = (output / PANEL, output % PANEL);
        let lines = &self.lines[panel * self.inputs * 2..][..self.inputs * 2];
        lines.chunks_exact(2).map(|pair| pair[column / 16].0[column % 16]).collect()
    }

    pub(super) fn panel(&self, panel: usize) -> *const f32 {
        self.lines[panel * self.inputs * (PANEL / 16)..].as_ptr().cast()
    }
}

/// `rows` rows of `len` values at distance `stride`, as columns of a panel: `to[k * PANEL + row]`.
///
/// # Safety
/// `from` has the rows, `to` has room for `len * PANEL` values; `rows <= PANEL`.
pub(super) unsafe fn transpose(from: *const f32, stride: usize, rows: usize, len: usize, to: *mut f32) {
    for k in (0..len).step_by(16) {
        let until = len.min(k + 16);
        for row in 0..rows {
            for k in k..until {
                // SAFETY: the caller's promise.
                unsafe { *to.add(k * PANEL + row) = *from.add(row * stride + k) }
            }
        }
    }
}

/// `activation(x Wᵀ + bias)` for `x` `[rows, in]`, row-major; gives `[rows, out]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn multiply(x: &[f32], weight: &Packed, bias: Option<&[f32]>, activation: Option<Function>) -> Vec<f32> {
    let (inputs, outputs) = (weight.inputs, weight.outputs);
    assert!(inputs > 0 && x.len().is_multiple_of(inputs), "rows of {inputs} do not make {}", x.len());
    assert!(bias.is_none_or(|bias| bias.len() == outputs));
    let rows = x.len() / inputs;
    let panels = outputs.div_ceil(PANEL);
    let work = x.len().saturating_mul(outputs);

    let padded = rows > 4 && inputs.is_multiple_of(1024);
    let copy = if padded { pad(x, inputs) } else { Vec::new() };
    let (x, x_stride) = if padded { (&copy[..], inputs + PAD) } else { (x, inputs) };

    let block = (LEFT_BLOCK / inputs.min(DEPTH)).next_multiple_of(12).max(12);
    let blocks = rows.div_ceil(block);
    // Several tasks a thread, so that one that starts late does not hold up the others.
    let groups = (4 * rayon::current_num_threads()).div_ceil(blocks.max(1)).clamp(1, panels.max(1));
    let group = panels.div_ceil(groups);
    let groups = panels.div_ceil(group.max(1));
    let fill = |out: Shared| {
        threads::each(blocks * groups, work, |task| {
            let (first_row, first_panel) = (task / groups * block, task % groups * group);
            let rows = block.min(rows - first_row);
            for panel in first_panel..panels.min(first_panel + group) {
                let column = panel * PANEL;
                // SAFETY: every task writes its own rows and columns; all pointers stay within their slices.
                unsafe {
                    dispatch(Product {
                        rows,
                        depth: inputs,
                        columns: PANEL.min(outputs - column),
                        x: x.as_ptr().add(first_row * x_stride),
                        x_stride,
                        panel: weight.panel(panel),
                        bias: bias.map_or(std::ptr::null(), |bias| bias.as_ptr().add(column)),
                        activation,
                        onto: false,
                        out: out.at(first_row * outputs + column),
                        out_stride: outputs,
                    });
                }
            }
        });
    };
    // SAFETY: the tasks cover all rows and columns.
    unsafe { threads::filled(rows * outputs, fill) }
}

/// Rows a multiple of 4 KiB apart fall on the same few lines of the first cache and push each other out:
/// this many values more between them, and they do not.
pub(super) const PAD: usize = 16;

/// The rows of `x`, [`PAD`] values further apart.
fn pad(x: &[f32], width: usize) -> Vec<f32> {
    let rows = x.len() / width;
    let fill = |to: Shared| {
        threads::each(rows.div_ceil(32), x.len(), |block| {
            for row in block * 32..rows.min(block * 32 + 32) {
                // SAFETY: each row is written by one task, its padding too.
                unsafe {
                    let to = to.at(row * (width + PAD));
                    std::ptr::copy_nonoverlapping(x.as_ptr().add(row * width), to, width);
                    std::ptr::write_bytes(to.add(width), 0, PAD);
                }
            }
        });
    };
    // SAFETY: the tasks cover all rows.
    unsafe { threads::filled(rows * (width + PAD), fill) }
}

/// Some rows times one panel.
pub(super) struct Product {
    pub rows: usize,
    /// Steps along the summed dimension.
    pub depth: usize,
    /// Columns of the panel that are wanted, at most [`PANEL`].
    pub columns: usize,
    pub x: *const f32,
    pub x_stride: usize,
    /// `[depth][PANEL]`
    pub panel: *const f32,
    /// Null for none.
    pub bias: *const f32,
    pub activation: Option<Function>,
    /// Whether the product is added to what is in `out`.
    pub onto: bool,
    pub out: *mut f32,
    pub out_stride: usize,
}

impl Task for Product {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let p = self;
        unsafe {
            let tiles = p.rows.div_ceil(S::TILE_ROWS);
            let mut from = 0;
            while from < p.depth {
                let depth = DEPTH.min(p.depth - from);
                let last = from + depth == p.depth;
                let mut row = 0;
                for tile in 0..tiles {
                    // As even as can be: a last tile of one row would waste most of the registers.
                    let rows = (p.rows - row).div_ceil(tiles - tile);
                    let part = Tile {
                        depth,
                        x: p.x.add(row * p.x_stride + from),
                        x_stride: p.x_stride,
                        panel: p.panel.add(from * PANEL),
                        start: if from > 0 || p.onto { Start::Out } else { Start::Bias(p.bias) },
                        columns: p.columns,
                        out: p.out.add(row * p.out_stride),
                        out_stride: p.out_stride,
                    };
                    match rows {
                        1 => part.run::<S, 1, 4>(),
                        2 => part.run::<S, 2, 4>(),
                        3 => part.run::<S, 3, 2>(),
                        4 => part.run::<S, 4, 2>(),
                        5 => part.run::<S, 5, 1>(),
                        6 => part.run::<S, 6, 1>(),
                        7 => part.run::<S, 7, 1>(),
                        8 => part.run::<S, 8, 1>(),
                        9 => part.run::<S, 9, 1>(),
                        10 => part.run::<S, 10, 1>(),
                        11 => part.run::<S, 11, 1>(),
                        _ => part.run::<S, 12, 1>(),
                    }
                    if let (true, Some(function)) = (last, p.activation) {
                        for i in row..row + rows {
                            activation::in_place::<S>(function, p.out.add(i * p.out_stride), p.columns);
                        }
                    }
                    row += rows;
                }
                from += depth;
            }
        }
    }
}

/// What a tile's sums begin with.
#[derive(Clone, Copy)]
enum Start {
    /// The bias, or 0 where the pointer is null.
    Bias(*const f32),
    /// What is in the output already.
    Out,
}

struct Tile {
    depth: usize,
    x: *const f32,
    x_stride: usize,
    panel: *const f32,
    start: Start,
    columns: usize,
    out: *mut f32,
    out_stride: usize,
}

impl Tile {
    /// `R` rows; `U` sums side by side where there are too few rows to hide an addition's latency.
    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize, const U: usize>(&self) {
        if R > S::TILE_ROWS {
            return;
        }
        let mut column = 0;
        while column < self.columns {
            unsafe { self.columns::<S, R, U>(column) };
            column += 2 * S::LANES;
        }
    }

    /// Two vectors of columns from `column` on.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn columns<S: Simd, const R: usize, const U: usize>(&self, column: usize) {
        unsafe {
            let sums = self.sums::<S, R, U>(column);
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

    // Plain counted loops over arrays: only these are sure to stay in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn sums<S: Simd, const R: usize, const U: usize>(&self, column: usize) -> [[S::V; 2]; R] {
        unsafe {
            let mut sums = [[[S::splat(0.0); 2]; R]; U];
            let stride = self.x_stride;
            let mut w = self.panel.add(column);
            // One pointer for each three rows: the other two are at one and two strides from it, which an
            // address can say by itself, and twelve pointers would not fit the registers.
            let mut x = [self.x; 4];
            for i in 1..4 {
                x[i] = self.x.add(if 3 * i < R { 3 * i * stride } else { 0 });
            }
            let mut left = self.depth;
            while left >= U {
                for u in 0..U {
                    let w = w.add(u * PANEL);
                    let (w0, w1) = (S::load(w), S::load(w.add(S::LANES)));
                    S::prefetch(w.add(AHEAD * PANEL));
                    S::prefetch(w.add(AHEAD * PANEL + 16));
                    for r in 0..R {
                        let x = S::splat(*x[r / 3].add(u + r % 3 * stride));
                        sums[u][r][0] = S::fma(x, w0, sums[u][r][0]);
                        sums[u][r][1] = S::fma(x, w1, sums[u][r][1]);
                    }
                }
                w = w.add(U * PANEL);
                for x in &mut x {
                    *x = x.add(U);
                }
                left -= U;
            }
            for u in 1..U {
                for r in 0..R {
                    for v in 0..2 {
                        sums[0][r][v] = S::add(sums[0][r][v], sums[u][r][v]);
                    }
                }
            }
            while left > 0 {
                let (w0, w1) = (S::load(w), S::load(w.add(S::LANES)));
                for r in 0..R {
                    let x = S::splat(*x[r / 3].add(r % 3 * stride));
                    sums[0][r][0] = S::fma(x, w0, sums[0][r][0]);
                    sums[0][r][1] = S::fma(x, w1, sums[0][r][1]);
                }
                w = w.add(PANEL);
                for x in &mut x {
                    *x = x.add(1);
                }
                left -= 1;
            }
            sums[0]
        }
    }

    /// Adds what the sum begins with and stores `len` of its lanes.
    #[inline(always)]
    unsafe fn put<S: Simd>(&self, sum: S::V, row: usize, column: usize, len: usize) {
        unsafe {
            let out = self.out.add(row * self.out_stride + column);
            let start = match self.start {
                Start::Bias(bias) if bias.is_null() => bias,
                Start::Bias(bias) => bias.add(column),
                Start::Out => out.cast_const(),
            };
            // No closures here: they would be compiled without the instruction set.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::simd::{Level, dispatch_at};
    use crate::nn::kernels::test::noise;

    fn reference(x: &[f32], weight: &[f32], inputs: usize, bias: Option<&[f32]>) -> Vec<f64> {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let row = |x: &[f32]| -> Vec<f64> {
            let outputs = weight.chunks_exact(inputs).enumerate();
            outputs.map(|(n, w)| dot(x, w) + bias.map_or(0.0, |b| f64::from(b[n]))).collect()
        };
        x.chunks_exact(inputs).flat_map(row).collect()
    }

    fn near(found: &[f32], expected: &[f64], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(found) - expected).abs() < 1e-4, "{what} at {i}: {found}, {expected}");
        }
    }

    #[test]
    fn products_of_every_shape_match_double_precision() {
        for (rows, inputs, outputs) in [
            (1, 1, 1),
            (1, 64, 100),
            (2, 7, 33),
            (3, 40, 31),
            (5, 512, 64),
            (13, 96, 65),
            (200, 33, 96),
            (7, 2500, 40),
        ] {
            let (x, weight, bias) = (noise(rows * inputs, 1), noise(outputs * inputs, 2), noise(outputs, 3));
            let packed = Packed::new(&weight, outputs, inputs);
            for bias in [None, Some(&bias[..])] {
                let expected = reference(&x, &weight, inputs, bias);
                let what = format!("{rows}x{inputs}x{outputs}");
                near(&multiply(&x, &packed, bias, None), &expected, &what);
                let single = threads::run(1, || multiply(&x, &packed, bias, Some(Function::Relu)));
                let rectified: Vec<f64> = expected.iter().map(|v| v.max(0.0)).collect();
                near(&single, &rectified, &what);
            }
        }
    }

    #[test]
    fn every_level_takes_every_number_of_rows() {
        let (inputs, outputs) = (1030, 45);
        let weight = noise(outputs * inputs, 5);
        let packed = Packed::new(&weight, outputs, inputs);
        for rows in 1..=26 {
            let x = noise(rows * inputs, 100 + rows as u64);
            let expected = reference(&x, &weight, inputs, None);
            for level in Level::available() {
                let mut out = vec![f32::NAN; rows * outputs];
                for panel in 0..2 {
                    let product = Product {
                        rows,
                        depth: inputs,
                        columns: PANEL.min(outputs - panel * PANEL),
                        x: x.as_ptr(),
                        x_stride: inputs,
                        panel: packed.panel(panel),
                        bias: std::ptr::null(),
                        activation: None,
                        onto: false,
                        out: out[panel * PANEL..].as_mut_ptr(),
                        out_stride: outputs,
                    };
                    // SAFETY: an available level, and slices of the right lengths.
                    unsafe { dispatch_at(level, product) };
                }
                near(&out, &expected, &format!("{level:?}, {rows} rows"));
            }
        }
    }

    #[test]
    fn a_packed_row_is_the_row() {
        let weight = noise(70 * 9, 1);
        let packed = Packed::new(&weight, 70, 9);
        for n in [0, 31, 32, 69] {
            assert_eq!(packed.row(n), weight[n * 9..][..9]);
        }
    }
}
