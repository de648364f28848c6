//! Matrix products with a packed right-hand side, which is read in order for any number of rows and never
//! packed again. `tile` has the inner loop.
//!
//! Sums are in `f32`. Half-precision weights are widened in registers if all rows make one tile, which loads
//! every element once; else panel by panel before the product.

use std::ops::Range;

use super::activation::Function;
use super::packed::{Packed, pack_panel};
use super::simd::dispatch;
use super::simd::element::{Element, Elements, for_elements};
use super::threads::{self, SharedPtr};
use super::tile::{self, PANEL, PackRows, PanelProduct, Widen};

/// Most rows of a block: as many full tiles as the second-level cache has room for.
const MAX_BLOCK_ROWS: usize = 132;

/// Fewest rows of a block that is split off for another thread. With fewer, each thread would wait for the
/// whole weight to arrive from memory.
const MIN_BLOCK_ROWS: usize = 48;

/// The rows of a block are a multiple of this, so that tiles are full.
const TILE_ROWS: usize = 12;

/// Panels that one task takes at a time, at most: they stay in the second cache for the next rows.
const MAX_GROUP_PANELS: usize = 8;

/// Approximate number of tasks per thread, so that none waits long for the others at the end.
const TASKS_PER_THREAD: usize = 32;

/// Values of a weight that a thread packs before it multiplies with them: they stay in the second-level
/// cache.
const PACK_BUFFER: usize = 1 << 17;

/// Values of the left-hand side that are packed at once.
const MAX_PACKED_VALUES: usize = 1 << 21;

/// Layout of the weight `[out, in]` of a product.
#[derive(Clone, Copy)]
enum RhsLayout<'a> {
    Packed(&'a Packed),
    /// Row-major.
    Plain(Elements<'a>),
}

/// Right-hand side of a product: weight, bias and activation.
#[derive(Clone, Copy)]
pub struct Rhs<'a> {
    panels: RhsLayout<'a>,
    outputs: usize,
    inputs: usize,
    bias: Option<&'a [f32]>,
    activation: Option<Function>,
}

impl<'a> Rhs<'a> {
    /// Describes `activation(x Wᵀ + bias)` with a packed weight.
    ///
    /// # Panics
    /// If the bias does not have a value for each output.
    pub fn packed(weight: &'a Packed, bias: Option<&'a [f32]>, activation: Option<Function>) -> Self {
        let (outputs, inputs) = (weight.outputs(), weight.inputs());
        assert!(bias.is_none_or(|bias| bias.len() == outputs));
        Self { panels: RhsLayout::Packed(weight), outputs, inputs, bias, activation }
    }

    /// Describes `activation(x Wᵀ + bias)` with a row-major weight `[outputs, in]`, which is packed panel by
    /// panel during the product, without keeping a packed copy.
    ///
    /// # Panics
    /// If the weight is no whole number of rows, or the bias does not have a value for each output.
    pub fn plain(
        weight: impl Into<Elements<'a>>,
        outputs: usize,
        bias: Option<&'a [f32]>,
        activation: Option<Function>,
    ) -> Self {
        let weight = weight.into();
        let inputs = weight.len() / outputs.max(1);
        assert_eq!(weight.len(), outputs * inputs);
        assert!(bias.is_none_or(|bias| bias.len() == outputs));
        Self { panels: RhsLayout::Plain(weight), outputs, inputs, bias, activation }
    }

    /// Returns the number of values in a row of the product.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    fn panel_count(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Returns true if products read the panels where they are: packed ones, unless they must be widened and
    /// more than one tile of rows uses them.
    fn reads_in_place(&self, rows: usize) -> bool {
        match self.panels {
            RhsLayout::Packed(weight) => {
                matches!(weight.panels(0), Elements::F32(_)) || rows <= tile::rows_of_one_tile()
            }
            RhsLayout::Plain(_) => false,
        }
    }

    /// Writes panel `panel` in `f32`.
    ///
    /// # Safety
    /// `to` has room for `inputs * PANEL` values, and there is such a panel.
    unsafe fn write_panel(&self, panel: usize, to: *mut f32) {
        let len = self.inputs * PANEL;
        // SAFETY: the caller ensures that there is room; a packed panel has `len` elements.
        unsafe {
            match self.panels {
                RhsLayout::Plain(weight) => for_elements!(Elements, weight, weight => {
                    pack_panel(weight, self.inputs, panel, to);
                }),
                RhsLayout::Packed(weight) => for_elements!(Elements, weight.panels(panel), panel => {
                    dispatch(Widen { from: panel.as_ptr(), len, to });
                }),
            }
        }
    }
}

/// Some rows of the left-hand side of a product, and the place of their results.
#[derive(Clone, Copy)]
struct ProductRows<'a> {
    rows: usize,
    rhs: &'a Rhs<'a>,
    left: *const f32,
    /// Results of the rows, from the first output on.
    out: *mut f32,
}

impl ProductRows<'_> {
    /// Multiplies the rows with the panels `span`, which are at `panels`.
    ///
    /// # Safety
    /// All pointers are valid for their sizes, and nothing else accesses these rows and columns of `out`.
    unsafe fn multiply<E: Element>(&self, span: &Range<usize>, panels: *const E) {
        let Self { rows, rhs, left, out } = *self;
        let column = span.start * PANEL;
        // SAFETY: the caller ensures that the pointers are valid.
        unsafe {
            dispatch(PanelProduct {
                rows,
                depth: rhs.inputs,
                columns: (span.len() * PANEL).min(rhs.outputs - column),
                left,
                panels,
                panel_stride: rhs.inputs * PANEL,
                bias: rhs.bias.map_or(std::ptr::null(), |bias| bias[column..].as_ptr()),
                activation: rhs.activation,
                accumulate: false,
                out: out.add(column),
                out_stride: rhs.outputs,
            });
        }
    }
}

/// Multiplies `x` `[rows, in]`, row-major, with several right-hand sides. Returns `[rows, out]` for each. The
/// rows are packed, and the threads synchronised, once for all.
///
/// # Panics
/// If the lengths do not fit.
pub fn products(x: &[f32], rhs: &[Rhs]) -> Vec<Vec<f32>> {
    let inputs = rhs.first().map_or(1, |rhs| rhs.inputs);
    assert!(rhs.iter().all(|rhs| rhs.inputs == inputs), "not all weights take rows of {inputs}");
    assert!(inputs > 0 && x.len().is_multiple_of(inputs), "rows of {inputs} do not make {}", x.len());
    let rows = x.len() / inputs;
    let mut products: Vec<Vec<f32>> = rhs.iter().map(|w| Vec::with_capacity(rows * w.outputs)).collect();
    let span = (MAX_PACKED_VALUES / inputs / MAX_BLOCK_ROWS).max(1) * MAX_BLOCK_ROWS;
    for first in (0..rows).step_by(span) {
        let part = &x[first * inputs..rows.min(first + span) * inputs];
        // SAFETY: the capacity is enough for all rows.
        let to = |(product, rhs): (&mut Vec<f32>, _)| unsafe {
            let rhs: &Rhs = rhs;
            (*rhs, SharedPtr(product.as_mut_ptr().add(first * rhs.outputs)))
        };
        let all: Vec<(Rhs, SharedPtr)> = products.iter_mut().zip(rhs).map(to).collect();
        // SAFETY: each pointer has room for the rows from `first` on, and spans do not overlap.
        unsafe { products_of_span(part, &all) };
    }
    for (product, rhs) in products.iter_mut().zip(rhs) {
        // SAFETY: the spans are all rows, and each was written in full.
        unsafe { product.set_len(rows * rhs.outputs) };
    }
    products
}

/// Computes `activation(x Wᵀ + bias)`, `[rows, out]`, for `x` `[rows, in]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn multiply(x: &[f32], weight: &Packed, bias: Option<&[f32]>, activation: Option<Function>) -> Vec<f32> {
    products(x, &[Rhs::packed(weight, bias, activation)]).remove(0)
}

/// Computes [`products`] for so few rows that all of them are packed at once.
///
/// # Safety
/// Each pointer has room for its product, which nothing else accesses.
unsafe fn products_of_span(x: &[f32], all: &[(Rhs, SharedPtr)]) {
    let inputs = all.first().map_or(1, |(rhs, _)| rhs.inputs);
    let rows = x.len() / inputs;
    // Each thread works on rows of its own: it has them in its cache from packing, or from the product
    // before.
    let parts =
        threads::count().min(rows / MIN_BLOCK_ROWS).max(1).next_multiple_of(rows.div_ceil(MAX_BLOCK_ROWS));
    let block_rows = rows.div_ceil(parts).next_multiple_of(TILE_ROWS);
    let blocks = rows.div_ceil(block_rows);
    let in_block = |first: usize| block_rows.min(rows - first);
    let start = |first: usize| first * tile::packed_width(inputs);

    let panels: usize = all.iter().map(|(rhs, _)| rhs.panel_count()).sum();
    // A panel that is packed or widened during the product is used for all rows.
    let by_rows = all.iter().all(|(rhs, _)| rhs.reads_in_place(rows));
    let tasks = if by_rows { panels * blocks } else { panels };
    let group = tasks.div_ceil(TASKS_PER_THREAD * threads::count());
    let group = match by_rows {
        // With a long summed dimension, each task reads all parts of the rows again.
        true => group.clamp(inputs.div_ceil(tile::DEPTH).min(MAX_GROUP_PANELS), MAX_GROUP_PANELS),
        false => group.clamp(1, (PACK_BUFFER / inputs / PANEL).max(1)),
    };
    let groups = |rhs: &Rhs| rhs.panel_count().div_ceil(group);
    let all_groups: usize = all.iter().map(|(rhs, _)| groups(rhs)).sum();

    tile::with_scratch(start(rows), |left| {
        threads::for_each(blocks, 16 * x.len(), |block| {
            let first = block * block_rows;
            // SAFETY: each task packs rows of its own to their place in `left`, which has room for all.
            unsafe {
                dispatch(PackRows {
                    rows: in_block(first),
                    depth: inputs,
                    x: x[first * inputs..].as_ptr(),
                    x_stride: inputs,
                    to: left.at(start(first)),
                });
            }
        });
        let tasks = if by_rows { blocks * all_groups } else { all_groups };
        threads::for_each(tasks, x.len().saturating_mul(panels * PANEL), |task| {
            let mut at = task % all_groups;
            let Some((rhs, out)) = all.iter().find(|(rhs, _)| match at.checked_sub(groups(rhs)) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            }) else {
                return;
            };
            let span = at * group..rhs.panel_count().min((at + 1) * group);
            let blocks = if by_rows { task / all_groups..task / all_groups + 1 } else { 0..blocks };
            let block = |block: usize| {
                let first = block * block_rows;
                // SAFETY: the rows begin within `left` and `out`.
                let (left, out) = unsafe { (left.at(start(first)), out.at(first * rhs.outputs)) };
                ProductRows { rows: in_block(first), rhs, left, out }
            };
            // SAFETY: each task writes rows and columns of its own, and all pointers are valid for their
            // sizes; the scratch buffer belongs to this thread and has room for these panels.
            unsafe {
                match rhs.panels {
                    RhsLayout::Packed(weight) if rhs.reads_in_place(rows) => {
                        for_elements!(Elements, weight.panels(span.start), panels => {
                            blocks.for_each(|at| block(at).multiply(&span, panels.as_ptr()));
                        });
                    }
                    _ => tile::with_panel_scratch(span.len() * inputs * PANEL, |fresh| {
                        for (at, panel) in span.clone().enumerate() {
                            rhs.write_panel(panel, fresh.at(at * inputs * PANEL));
                        }
                        blocks.for_each(|at| block(at).multiply(&span, fresh.0.cast_const()));
                    }),
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::test_data::{bf16_noise, f16_noise, noise};

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
                let plain = Rhs::plain(&weight, outputs, bias, None);
                near(&products(&x, &[plain])[0], &expected, &what);
                let single = threads::run(1, || multiply(&x, &packed, bias, Some(Function::Relu)));
                let rectified: Vec<f64> = expected.iter().map(|v| v.max(0.0)).collect();
                near(&single, &rectified, &what);
            }
        }
    }

    /// Products with a half-precision weight, packed and not, are those with the same weight in `f32`.
    #[test]
    fn half_precision_gives_the_products_of_its_values_to_the_last_bit() {
        for (rows, inputs, outputs) in
            [(1, 7, 5), (1, 600, 64), (2, 100, 33), (5, 40, 65), (12, 64, 40), (13, 520, 31), (150, 96, 70)]
        {
            let x = noise(rows * inputs, 1);
            let (f16, bf16) = (f16_noise(outputs * inputs, 2), bf16_noise(outputs * inputs, 3));
            let bias = noise(outputs, 4);
            for weight in [Elements::F16(&f16), Elements::Bf16(&bf16)] {
                let wide = Packed::new(&weight.widened(), outputs, inputs);
                let with = |packed| Rhs::packed(packed, Some(&bias[..]), Some(Function::Relu));
                let expected = products(&x, &[with(&wide)]).remove(0);
                let packed = Packed::new(weight, outputs, inputs);
                let plain = Rhs::plain(weight, outputs, Some(&bias), Some(Function::Relu));
                let found = products(&x, &[with(&packed), plain, with(&wide)]);
                for (found, how) in found.iter().zip(["packed", "plain", "beside them"]) {
                    assert_eq!(*found, expected, "{rows}x{inputs}x{outputs} {how}");
                }
            }
        }
    }

    #[test]
    fn several_products_of_the_same_rows_are_those_of_each() {
        for (rows, inputs) in [(1, 40), (7, 64), (150, 96), (400, 33)] {
            let x = noise(rows * inputs, 1);
            let weights = [65, 32, 200].map(|outputs| noise(outputs * inputs, outputs as u64));
            let packed = weights.each_ref().map(|w| Packed::new(w, w.len() / inputs, inputs));
            let bias = noise(32, 9);
            let with = |plain: usize| {
                let with = |i: usize, bias| match i == plain {
                    true => Rhs::plain(&weights[i], packed[i].outputs(), bias, None),
                    false => Rhs::packed(&packed[i], bias, None),
                };
                [with(0, None), with(1, Some(&bias[..])), with(2, None)]
            };
            for plain in 0..4 {
                for (i, found) in products(&x, &with(plain)).iter().enumerate() {
                    let bias = (i == 1).then_some(&bias[..]);
                    near(found, &reference(&x, &weights[i], inputs, bias), &format!("{rows} {plain} {i}"));
                }
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
                let mut left = vec![f32::NAN; rows * tile::packed_width(inputs)];
                let (x, to) = (x.as_ptr(), left.as_mut_ptr());
                let pack = PackRows { rows, depth: inputs, x, x_stride: inputs, to };
                let Elements::F32(panels) = packed.panels(0) else { panic!("another type") };
                let product = PanelProduct {
                    rows,
                    depth: inputs,
                    columns: outputs,
                    left: to,
                    panels: panels.as_ptr(),
                    panel_stride: inputs * PANEL,
                    bias: std::ptr::null(),
                    activation: None,
                    accumulate: false,
                    out: out.as_mut_ptr(),
                    out_stride: outputs,
                };
                // SAFETY: an available level, and slices of the right lengths.
                unsafe {
                    dispatch_at(level, pack);
                    dispatch_at(level, product);
                }
                near(&out, &expected, &format!("{level:?}, {rows} rows"));
            }
        }
    }
}
