//! Products with weights of 8 bits: a quarter of the memory to read, which is what a product of few rows
//! waits for.

use super::activation::{self, Function};
use super::gemm::Packed;
use super::simd::{Simd, Task, dispatch};
use super::threads::{self, SharedPtr};
use super::tile::PANEL;

/// The largest quantised value; -128 is not used.
const LARGEST: f32 = 127.0;

/// Rows of a tile: each value is unpacked once for all of them.
const ROWS: usize = 4;

/// Steps along `in` between asking for a part of a panel and using it.
const AHEAD: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([i8; 64]);

/// A weight `[out, in]` as `scale * q` with one scale an output and `q` in -127..=127, in panels as
/// [`Packed`] has them.
#[derive(Clone)]
pub struct Quantised {
    outputs: usize,
    inputs: usize,
    lines: Vec<CacheLine>,
    /// One an output, zeros where the last panel has no outputs left.
    scales: Vec<f32>,
    /// See [`Quantised::margins`].
    margins: Vec<f32>,
}

impl std::fmt::Debug for Quantised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quantised[{}x{}]", self.outputs, self.inputs)
    }
}

impl Quantised {
    /// The nearest quantised weight: no value is off by more than half its row's scale.
    pub fn new(weight: &Packed) -> Self {
        let (outputs, inputs) = (weight.outputs(), weight.inputs());
        let panels = outputs.div_ceil(PANEL);
        let mut lines = vec![CacheLine([0; 64]); (panels * inputs * PANEL).div_ceil(64)];
        let mut scales = vec![0f32; panels * PANEL];
        let mut margins = vec![0f32; panels * PANEL];
        let to = SharedBytes(lines.as_mut_ptr().cast());
        let (scale, margin) = (SharedPtr(scales.as_mut_ptr()), SharedPtr(margins.as_mut_ptr()));
        threads::for_each(panels, 4 * outputs * inputs, |panel| {
            // SAFETY: every panel has its own part of the three, and is as long as they say.
            unsafe {
                dispatch(Quantise {
                    depth: inputs,
                    panel: weight.panel(panel),
                    to: to.at(panel * inputs * PANEL),
                    scales: scale.at(panel * PANEL),
                    margins: margin.at(panel * PANEL),
                });
            }
        });
        Self { outputs, inputs, lines, scales, margins }
    }

    /// Rows of the weight.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the weight.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Each row's scale.
    pub fn scales(&self) -> &[f32] {
        &self.scales[..self.outputs]
    }

    /// How far [`multiply`] may be off what [`super::gemm::multiply`] gives with the exact weight, per output
    /// and per unit of a row's Euclidean norm: that of the weight's error, and what both may round off.
    pub fn margins(&self) -> &[f32] {
        &self.margins[..self.outputs]
    }

    /// Row `output` of the weight.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, output: usize) -> Vec<f32> {
        assert!(output < self.outputs);
        let first = output / PANEL * self.inputs * PANEL + output % PANEL;
        let value = |at: usize| f32::from(self.lines[at / 64].0[at % 64]) * self.scales[output];
        (0..self.inputs).map(|k| value(first + k * PANEL)).collect()
    }

    fn panel(&self, panel: usize) -> *const i8 {
        let at = panel * self.inputs * PANEL;
        self.lines[at / 64].0[at % 64..].as_ptr()
    }
}

#[derive(Clone, Copy)]
struct SharedBytes(*mut i8);

// SAFETY: whoever makes one hands out disjoint parts.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// # Safety
    /// As [`SharedPtr::at`].
    unsafe fn at(self, at: usize) -> *mut i8 {
        unsafe { self.0.add(at) }
    }
}

/// `activation(x Wᵀ + bias)` for `x` `[rows, in]`, row-major; gives `[rows, out]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn multiply(
    x: &[f32],
    weight: &Quantised,
    bias: Option<&[f32]>,
    activation: Option<Function>,
) -> Vec<f32> {
    let (inputs, outputs) = (weight.inputs, weight.outputs);
    assert!(inputs > 0 && x.len().is_multiple_of(inputs), "rows of {inputs} do not make {}", x.len());
    assert!(bias.is_none_or(|bias| bias.len() == outputs));
    let rows = x.len() / inputs;
    let fill = |out: SharedPtr| {
        threads::for_each_in_runs(outputs.div_ceil(PANEL), x.len().saturating_mul(outputs), |panel| {
            let column = panel * PANEL;
            // SAFETY: every task writes its own columns; all pointers stay within their slices.
            unsafe {
                dispatch(Int8Product {
                    rows,
                    depth: inputs,
                    columns: PANEL.min(outputs - column),
                    x: x.as_ptr(),
                    panel: weight.panel(panel),
                    scales: weight.scales[column..].as_ptr(),
                    bias: bias.map_or(std::ptr::null(), |bias| bias.as_ptr().add(column)),
                    activation,
                    out: out.at(column),
                    out_stride: outputs,
                });
            }
        });
    };
    // SAFETY: the tasks cover all columns.
    unsafe { threads::filled_vec(rows * outputs, fill) }
}

/// All rows times one panel.
struct Int8Product {
    rows: usize,
    depth: usize,
    /// Columns of the panel that are wanted, at most [`PANEL`].
    columns: usize,
    x: *const f32,
    /// `[depth][PANEL]`
    panel: *const i8,
    scales: *const f32,
    /// Null for none.
    bias: *const f32,
    activation: Option<Function>,
    out: *mut f32,
    out_stride: usize,
}

impl Task for Int8Product {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        unsafe {
            let mut row = 0;
            while row < self.rows {
                let rows = ROWS.min(self.rows - row);
                match rows {
                    1 => self.tile::<S, 1, 4>(row),
                    2 => self.tile::<S, 2, 2>(row),
                    3 => self.tile::<S, 3, 2>(row),
                    _ => self.tile::<S, 4, 2>(row),
                }
                if let Some(function) = self.activation {
                    for row in row..row + rows {
                        let out = self.out.add(row * self.out_stride);
                        activation::in_place::<S>(function, out, self.columns);
                    }
                }
                row += rows;
            }
        }
    }
}

impl Int8Product {
    /// `R` rows from `row` on; `U` sums side by side where there are too few rows to hide an addition's
    /// latency.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const U: usize>(&self, row: usize) {
        let mut column = 0;
        while column < self.columns {
            unsafe { self.columns::<S, R, U>(row, column) };
            column += 2 * S::LANES;
        }
    }

    /// Two vectors of columns from `column` on. Plain counted loops over arrays stay in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn columns<S: Simd, const R: usize, const U: usize>(&self, row: usize, column: usize) {
        unsafe {
            let mut sums = [[[S::splat(0.0); 2]; R]; U];
            let mut x = self.x.add(row * self.depth);
            let mut w = self.panel.add(column);
            let mut left = self.depth;
            while left >= U {
                for u in 0..U {
                    let w = w.add(u * PANEL);
                    S::prefetch(w.wrapping_add(AHEAD * PANEL).cast());
                    let (w0, w1) = (S::load_i8(w), S::load_i8(w.add(S::LANES)));
                    for r in 0..R {
                        let x = S::splat(*x.add(r * self.depth + u));
                        sums[u][r][0] = S::fma(x, w0, sums[u][r][0]);
                        sums[u][r][1] = S::fma(x, w1, sums[u][r][1]);
                    }
                }
                (x, w) = (x.add(U), w.add(U * PANEL));
                left -= U;
            }
            while left > 0 {
                let (w0, w1) = (S::load_i8(w), S::load_i8(w.add(S::LANES)));
                for r in 0..R {
                    let x = S::splat(*x.add(r * self.depth));
                    sums[0][r][0] = S::fma(x, w0, sums[0][r][0]);
                    sums[0][r][1] = S::fma(x, w1, sums[0][r][1]);
                }
                (x, w) = (x.add(1), w.add(PANEL));
                left -= 1;
            }
            for r in 0..R {
                for v in 0..2 {
                    let at = column + v * S::LANES;
                    if at >= self.columns {
                        continue;
                    }
                    let mut sum = sums[0][r][v];
                    for u in 1..U {
                        sum = S::add(sum, sums[u][r][v]);
                    }
                    let mut y = S::mul(sum, S::load(self.scales.add(at)));
                    let len = S::LANES.min(self.columns - at);
                    if !self.bias.is_null() {
                        y = S::add(y, S::load_part(self.bias.add(at), len, 0.0));
                    }
                    S::store_part(self.out.add((row + r) * self.out_stride + at), y, len);
                }
            }
        }
    }
}

/// One panel in 8 bits, with its scales and margins.
struct Quantise {
    depth: usize,
    panel: *const f32,
    to: *mut i8,
    scales: *mut f32,
    margins: *mut f32,
}

impl Task for Quantise {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut column = 0;
        while column < PANEL {
            unsafe { self.columns::<S>(column) };
            column += S::LANES;
        }
    }
}

impl Quantise {
    /// One vector of columns from `column` on.
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, column: usize) {
        unsafe {
            let zero = S::splat(0.0);
            let (mut largest, mut square) = (zero, zero);
            for k in 0..self.depth {
                let w = S::load(self.panel.add(k * PANEL + column));
                largest = S::max(S::max(w, S::sub(zero, w)), largest);
                square = S::fma(w, w, square);
            }
            let scale = S::mul(largest, S::splat(1.0 / LARGEST));
            // A row of zeros stays one, whatever it is divided by.
            let factor = S::div(S::splat(1.0), S::max(scale, S::splat(f32::MIN_POSITIVE)));
            let mut error = zero;
            for k in 0..self.depth {
                let w = S::load(self.panel.add(k * PANEL + column));
                let q = S::round(S::mul(w, factor));
                let q = S::max(S::min(q, S::splat(LARGEST)), S::splat(-LARGEST));
                let off = S::sub(w, S::mul(q, scale));
                error = S::fma(off, off, error);
                S::store_i8(self.to.add(k * PANEL + column), q);
            }
            S::store(self.scales.add(column), scale);
            let (mut errors, mut squares) = ([0f32; 16], [0f32; 16]);
            S::store(errors.as_mut_ptr(), error);
            S::store(squares.as_mut_ptr(), square);
            for lane in 0..S::LANES {
                // A sum of n products is off by at most about n units in the last place of what their
                // absolute values sum to (Higham 2002, section 3.1), which Cauchy and Schwarz bound; so is
                // the other one, and the norms here are off by less than their own hundredth.
                let rounding = 4.0 * (self.depth as f32 + 2.0) * f32::EPSILON * squares[lane].sqrt();
                *self.margins.add(column + lane) = 1.01 * errors[lane].sqrt() + rounding;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm;
    use crate::simd::{Level, dispatch_at};
    use crate::test_data::noise;

    #[test]
    fn products_stay_within_half_a_scale_of_every_weight() {
        for (rows, inputs, outputs) in
            [(1, 1, 1), (1, 64, 40), (2, 7, 32), (3, 100, 33), (4, 512, 70), (9, 130, 65)]
        {
            let (x, weight, bias) = (noise(rows * inputs, 1), noise(outputs * inputs, 2), noise(outputs, 3));
            let packed = Packed::new(&weight, outputs, inputs);
            let quantised = Quantised::new(&packed);
            let exact = gemm::multiply(&x, &packed, Some(&bias), Some(Function::Tanh));
            let found = multiply(&x, &quantised, Some(&bias), Some(Function::Tanh));
            let plain = gemm::multiply(&x, &packed, Some(&bias), None);
            let quick = multiply(&x, &quantised, Some(&bias), None);
            for (row, x) in x.chunks(inputs).enumerate() {
                let sum: f32 = x.iter().map(|v| v.abs()).sum();
                let norm = x.iter().map(|v| v * v).sum::<f32>().sqrt();
                for j in 0..outputs {
                    let at = row * outputs + j;
                    let off = (plain[at] - quick[at]).abs();
                    let bound = quantised.scales()[j] / 2.0 * sum + 1e-5;
                    assert!(off <= bound, "{rows}x{inputs}x{outputs} at {at}: {off} > {bound}");
                    assert!(off <= quantised.margins()[j] * norm + 1e-6, "margin at {at}: {off}");
                    // The hyperbolic tangent brings numbers together.
                    assert!((exact[at] - found[at]).abs() <= off + 1e-5, "activation at {at}");
                }
            }
        }
    }

    #[test]
    fn every_level_gives_the_same_weights_and_products() {
        let (inputs, outputs) = (70, PANEL);
        let packed = Packed::new(&noise(outputs * inputs, 4), outputs, inputs);
        let x = noise(3 * inputs, 5);
        let expected = multiply(&x, &Quantised::new(&packed), None, None);
        for level in Level::available() {
            let mut quantised = Quantised::new(&packed);
            let to: *mut i8 = quantised.lines.as_mut_ptr().cast();
            let (scales, margins) = (quantised.scales.as_mut_ptr(), quantised.margins.as_mut_ptr());
            let mut out = vec![0f32; 3 * outputs];
            // SAFETY: an available level, and everything as long as it says.
            unsafe {
                dispatch_at(level, Quantise { depth: inputs, panel: packed.panel(0), to, scales, margins });
                dispatch_at(
                    level,
                    Int8Product {
                        rows: 3,
                        depth: inputs,
                        columns: PANEL,
                        x: x.as_ptr(),
                        panel: to,
                        scales,
                        bias: std::ptr::null(),
                        activation: None,
                        out: out.as_mut_ptr(),
                        out_stride: outputs,
                    },
                );
            }
            for (found, expected) in out.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{level:?}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn rows_of_zeros_and_single_values_survive() {
        let packed = Packed::new(&[0.0, 0.0, 0.0, -3.0], 2, 2);
        let quantised = Quantised::new(&packed);
        assert_eq!(quantised.row(0), [0.0, 0.0]);
        assert_eq!(quantised.row(1), [0.0, -3.0]);
        assert_eq!(multiply(&[1.0, 2.0], &quantised, None, None), [0.0, -6.0]);
    }
}
