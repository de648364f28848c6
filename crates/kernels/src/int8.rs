//! Products with 8-bit weights. Products of few rows are bound by memory bandwidth, and 8 bits take a quarter
//! of it.

use super::activation::{self, Function};
use super::packed::Packed;
use super::simd::element::{Element, Elements, for_elements};
use super::simd::{Simd, Task, dispatch};
use super::threads::{self, SharedPtr};
use super::tile::PANEL;

/// The largest quantised value; -128 is not used.
const LARGEST: f32 = 127.0;

/// Rows of a tile. Each weight is converted once for all of them.
const ROWS: usize = 4;

/// Distance of the prefetch of a panel, in steps.
const AHEAD: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([i8; 64]);

/// A weight `[out, in]` as `scale * q`, with a scale per output and integers `q` in -127..=127, in panels
/// like those of [`Packed`].
#[derive(Clone)]
pub struct Quantised {
    outputs: usize,
    inputs: usize,
    lines: Vec<CacheLine>,
    /// One per output, padded with zeros to whole panels.
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
    /// Quantises a weight by rounding to the nearest: no value is off by more than half the scale of its row.
    pub fn new(weight: &Packed) -> Self {
        let (outputs, inputs) = (weight.outputs(), weight.inputs());
        let panels = outputs.div_ceil(PANEL);
        let mut lines = vec![CacheLine([0; 64]); (panels * inputs * PANEL).div_ceil(64)];
        let mut scales = vec![0f32; panels * PANEL];
        let mut margins = vec![0f32; panels * PANEL];
        let to = SharedPtr(lines.as_mut_ptr().cast::<i8>());
        let (scale, margin) = (SharedPtr(scales.as_mut_ptr()), SharedPtr(margins.as_mut_ptr()));
        threads::for_each(panels, 4 * outputs * inputs, |panel| {
            // SAFETY: each task reads one panel and writes its own `inputs * PANEL` integers, scales and
            // margins.
            unsafe {
                let to = to.at(panel * inputs * PANEL);
                let (scales, margins) = (scale.at(panel * PANEL), margin.at(panel * PANEL));
                for_elements!(Elements, weight.panels(panel), panel => {
                    dispatch(Quantise { depth: inputs, panel: panel.as_ptr(), to, scales, margins });
                });
            }
        });
        Self { outputs, inputs, lines, scales, margins }
    }

    /// Returns the number of rows of the weight.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Returns the number of columns of the weight.
    #[inline]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the scale of each row.
    #[inline]
    pub fn scales(&self) -> &[f32] {
        &self.scales[..self.outputs]
    }

    /// Returns bounds of the difference between [`multiply`] and [`super::gemm::multiply`] with the exact
    /// weight: per output, to be multiplied with the Euclidean norm of the row of `x`. They include the
    /// rounding of both.
    #[inline]
    pub fn margins(&self) -> &[f32] {
        &self.margins[..self.outputs]
    }

    /// Returns row `output` of the weight.
    ///
    /// # Panics
    /// If there is no such row.
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

/// Computes `activation(x Wᵀ + bias)`, `[rows, out]`, for `x` `[rows, in]`, row-major.
///
/// # Panics
/// If the lengths do not fit.
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
            // SAFETY: each task writes columns of its own, and all pointers are valid for their sizes.
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
    // SAFETY: the tasks write all columns of all rows.
    unsafe { threads::filled_vec(rows * outputs, fill) }
}

/// Task that multiplies all rows with one panel. Pointers must be valid for the sizes given.
struct Int8Product {
    rows: usize,
    depth: usize,
    /// Columns of the result, at most [`PANEL`].
    columns: usize,
    x: *const f32,
    /// `[depth][PANEL]`
    panel: *const i8,
    scales: *const f32,
    /// One value per column, or null.
    bias: *const f32,
    activation: Option<Function>,
    out: *mut f32,
    out_stride: usize,
}

impl Task for Int8Product {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the contract of the task; rows are below `rows`.
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
    /// Computes `R` rows from `row` on, with `U` partial sums per element to hide the latency of FMA.
    ///
    /// # Safety
    /// The contract of the task holds, and the rows are below `rows`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const U: usize>(&self, row: usize) {
        let mut column = 0;
        while column < self.columns {
            // SAFETY: the caller ensures that the rows are there; the column is below `PANEL`.
            unsafe { self.columns::<S, R, U>(row, column) };
            column += 2 * S::LANES;
        }
    }

    /// Computes two vectors of columns from `column` on.
    ///
    /// # Safety
    /// As for [`Int8Product::tile`]; the panel has the two vectors from `column` on.
    #[allow(clippy::needless_range_loop, reason = "plain counted loops over arrays are kept in registers")]
    #[inline(always)]
    unsafe fn columns<S: Simd, const R: usize, const U: usize>(&self, row: usize, column: usize) {
        // SAFETY: the caller ensures that rows and panel are there; columns beyond the last are not stored.
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

/// Task that quantises one panel and computes its scales and margins. Pointers must be valid for a panel.
struct Quantise<E> {
    depth: usize,
    panel: *const E,
    to: *mut i8,
    scales: *mut f32,
    margins: *mut f32,
}

impl<E: Element> Task for Quantise<E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut column = 0;
        while column < PANEL {
            // SAFETY: the contract of the task; the columns are below `PANEL`.
            unsafe { self.columns::<S>(column) };
            column += S::LANES;
        }
    }
}

impl<E: Element> Quantise<E> {
    /// Quantises one vector of columns from `column` on.
    ///
    /// # Safety
    /// The contract of the task holds, and the columns are below `PANEL`.
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, column: usize) {
        // SAFETY: the caller ensures that the columns are there, in the panel and in the outputs.
        unsafe {
            let zero = S::splat(0.0);
            let (mut largest, mut square) = (zero, zero);
            for k in 0..self.depth {
                let w = E::load::<S>(self.panel.add(k * PANEL + column));
                largest = S::max(S::max(w, S::sub(zero, w)), largest);
                square = S::fma(w, w, square);
            }
            let scale = S::mul(largest, S::splat(1.0 / LARGEST));
            // A row of zeros has a scale of 0 and must not be divided by it.
            let factor = S::div(S::splat(1.0), S::max(scale, S::splat(f32::MIN_POSITIVE)));
            let mut error = zero;
            for k in 0..self.depth {
                let w = E::load::<S>(self.panel.add(k * PANEL + column));
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
                // The error of a sum of n products is at most about n units in the last place of the sum of
                // their absolute values (Higham 2002, section 3.1), which the Cauchy-Schwarz inequality
                // bounds. That holds for both products; the norms computed here are off by less than 1 %.
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
                let Elements::F32(panels) = packed.panels(0) else { panic!("another type") };
                let panel = panels.as_ptr();
                dispatch_at(level, Quantise { depth: inputs, panel, to, scales, margins });
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
        let packed = Packed::new(&vec![0.0, 0.0, 0.0, -3.0], 2, 2);
        let quantised = Quantised::new(&packed);
        assert_eq!(quantised.row(0), [0.0, 0.0]);
        assert_eq!(quantised.row(1), [0.0, -3.0]);
        assert_eq!(multiply(&[1.0, 2.0], &quantised, None, None), [0.0, -6.0]);
    }
}
