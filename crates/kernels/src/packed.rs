//! Weights packed for products.

use super::pages::ArenaSlice;
use super::simd::element::{Bf16, Element, Elements, F16, for_elements};
use super::simd::{Simd, Task, dispatch};
use super::threads::{self, SharedPtr};
use super::tile::PANEL;

/// A weight `[out, in]` in panels of `PANEL` outputs, `[panel][in][PANEL]`, in the number type in which it was
/// given. The last panel is padded with zeros.
#[derive(Clone)]
pub struct Packed {
    outputs: usize,
    inputs: usize,
    panels: Panels,
}

/// All panels of a weight.
#[derive(Clone)]
enum Panels {
    F32(ArenaSlice<f32>),
    F16(ArenaSlice<F16>),
    Bf16(ArenaSlice<Bf16>),
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed[{}x{}]", self.outputs, self.inputs)
    }
}

impl Packed {
    /// Packs a row-major weight `[outputs, inputs]`.
    ///
    /// # Panics
    /// If `weight` does not have `outputs * inputs` elements.
    pub fn new<'a>(weight: impl Into<Elements<'a>>, outputs: usize, inputs: usize) -> Self {
        let panels = match weight.into() {
            Elements::F32(weight) => Panels::F32(pack(weight, outputs, inputs)),
            Elements::F16(weight) => Panels::F16(pack(weight, outputs, inputs)),
            Elements::Bf16(weight) => Panels::Bf16(pack(weight, outputs, inputs)),
        };
        Self { outputs, inputs, panels }
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

    /// Returns row `output` of the weight.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, output: usize) -> Vec<f32> {
        assert!(output < self.outputs);
        let (panel, column) = (output / PANEL, output % PANEL);
        for_elements!(Elements, self.panels(panel), panels => {
            let steps = panels.chunks_exact(PANEL).take(self.inputs);
            steps.map(|outputs| outputs[column].widen()).collect()
        })
    }

    /// Returns the elements of the panels from `panel` on; each has `inputs * PANEL`.
    #[inline]
    pub(super) fn panels(&self, panel: usize) -> Elements<'_> {
        let first = panel * self.inputs * PANEL;
        match &self.panels {
            Panels::F32(all) => Elements::F32(&all[first..]),
            Panels::F16(all) => Elements::F16(&all[first..]),
            Panels::Bf16(all) => Elements::Bf16(&all[first..]),
        }
    }
}

fn pack<E: Element>(weight: &[E], outputs: usize, inputs: usize) -> ArenaSlice<E> {
    assert_eq!(weight.len(), outputs * inputs);
    let panels = outputs.div_ceil(PANEL);
    let write = |to: SharedPtr<E>| {
        threads::for_each(panels, weight.len(), |panel| {
            // SAFETY: each task writes a panel of its own, for which there is room; the weight has its rows.
            unsafe { pack_panel(weight, inputs, panel, to.at(panel * inputs * PANEL)) };
        });
    };
    // SAFETY: the tasks write all panels, padding included.
    unsafe { ArenaSlice::new(panels * inputs * PANEL, |to| write(SharedPtr(to))) }
}

/// Packs panel `panel` of a row-major weight, padded with zeros.
///
/// # Safety
/// `to` has room for `inputs * PANEL` elements, and the weight has rows for the panel. The values of the
/// weight are representable in the type of `to`.
pub(super) unsafe fn pack_panel<E: Element, T: Element>(
    weight: &[E],
    inputs: usize,
    panel: usize,
    to: *mut T,
) {
    let rows = &weight[panel * PANEL * inputs..];
    let count = PANEL.min(rows.len() / inputs);
    // SAFETY: the caller ensures that there is room; `rows` has `count` rows. All zero bits are the number 0
    // in every type.
    unsafe {
        if count < PANEL {
            std::ptr::write_bytes(to, 0, inputs * PANEL);
        }
        dispatch(Transpose { from: rows.as_ptr(), stride: inputs, rows: count, len: inputs, to });
    }
}

/// Task that transposes `rows` rows of `len` values, `stride` apart, into a panel: `to[k * PANEL + row]`. The
/// values are representable in the type of `to`.
pub(super) struct Transpose<E, T> {
    pub from: *const E,
    pub stride: usize,
    /// At most [`PANEL`].
    pub rows: usize,
    pub len: usize,
    /// Room for `len * PANEL` values.
    pub to: *mut T,
}

impl<E: Element, T: Element> Task for Transpose<E, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { from, stride, rows, len, to } = self;
        let (whole_rows, whole) = (rows / S::LANES * S::LANES, len / S::LANES * S::LANES);
        // SAFETY: the contract of the task: the rows are there, and `to` has room; vectors are whole.
        unsafe {
            for k in (0..whole).step_by(S::LANES) {
                for row in (0..whole_rows).step_by(S::LANES) {
                    S::transpose(from.add(row * stride + k), stride, to.add(k * PANEL + row), PANEL);
                }
            }
            for row in 0..rows {
                let done = if row < whole_rows { whole } else { 0 };
                for k in done..len {
                    *to.add(k * PANEL + row) = T::narrow((*from.add(row * stride + k)).widen());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch_at};
    use crate::test_data::{bf16_noise, f16_noise, noise};

    /// Checks that all levels transpose `from` into panels of the type of `mark`.
    fn check<E: Element, T: Element>(from: &[E], mark: T, [rows, len, stride]: [usize; 3]) {
        for level in Level::available() {
            let mut to = vec![mark; len * PANEL];
            let turn = Transpose { from: from.as_ptr(), stride, rows, len, to: to.as_mut_ptr() };
            // SAFETY: an available level, and room for all.
            unsafe { dispatch_at(level, turn) };
            for (at, found) in to.iter().enumerate() {
                let (k, row) = (at / PANEL, at % PANEL);
                let expected = if row < rows { from[row * stride + k].widen() } else { mark.widen() };
                assert_eq!(found.widen(), expected, "{level:?}, {rows} x {len}: row {row}, column {k}");
            }
        }
    }

    #[test]
    fn every_level_turns_rows_into_columns() {
        for (rows, len) in [(1, 1), (8, 8), (16, 16), (32, 64), (31, 47), (17, 100), (7, 33)] {
            let shape = [rows, len, len + 3];
            let count = rows * (len + 3);
            check(&noise(count, 7), 9f32, shape);
            let (f16, bf16) = (f16_noise(count, 7), bf16_noise(count, 7));
            check(&f16, 9f32, shape);
            check(&f16, F16::narrow(9.0), shape);
            check(&bf16, 9f32, shape);
            check(&bf16, Bf16::narrow(9.0), shape);
        }
    }

    #[test]
    fn a_packed_row_is_the_row() {
        let (f32, f16, bf16) = (noise(70 * 9, 1), f16_noise(70 * 9, 1), bf16_noise(70 * 9, 1));
        for weight in [Elements::F32(&f32), Elements::F16(&f16), Elements::Bf16(&bf16)] {
            let packed = Packed::new(weight, 70, 9);
            for n in [0, 31, 32, 69] {
                assert_eq!(packed.row(n), weight.part(n * 9..n * 9 + 9).widened());
            }
        }
    }
}
