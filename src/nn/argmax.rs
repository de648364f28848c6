//! Argmax over a large output layer without reading the whole weight: a product with 8-bit weights bounds
//! all outputs, and only those that may be the largest are computed exactly.

use std::cmp::Ordering;
use std::sync::Arc;

use attn_tui_kernels::int8::{self, Quantised};
use attn_tui_kernels::packed::Packed;
use attn_tui_kernels::{matvec, threads};
use candle_core::Tensor;

use super::cpu::values;
use crate::error::Result;

/// Change of the outputs of a row, given its number.
pub type ProcessRow<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// A linear layer with an 8-bit copy of its weight.
#[derive(Debug)]
pub struct ArgmaxFilter {
    exact: Arc<Packed>,
    bias: Option<Tensor>,
    int8_weight: Arc<Quantised>,
}

impl ArgmaxFilter {
    pub(super) fn new(exact: Arc<Packed>, bias: Option<Tensor>) -> Self {
        let int8_weight = Arc::new(Quantised::new(&exact));
        Self { exact, bias, int8_weight }
    }

    /// The 8-bit weight.
    pub(super) fn int8_weight(&self) -> &Arc<Quantised> {
        &self.int8_weight
    }

    /// Computes the outputs of each row of `x` `[..., in]`, `[rows][out]`, and applies `change` to them.
    /// Outputs that may be the largest of their row are exact to the last bit; the others are minus infinity
    /// before the change. `change` must keep the order of any two values of the same output.
    ///
    /// The bounds are strict: the quantisation error of each weight row is a vector of known length, so the
    /// error of a product is at most that length times the length of `x`.
    pub fn argmax_candidates(&self, x: &Tensor, change: &ProcessRow) -> Result<Vec<Vec<f32>>> {
        let x = x.contiguous()?;
        let x = values(&x)?;
        let bias = self.bias.as_ref().map(values).transpose()?;
        let bias = bias.as_deref();
        let about = int8::multiply(&x, &self.int8_weight, bias, None);
        let (inputs, outputs) = (self.exact.inputs(), self.exact.outputs());
        let row = |row: usize| {
            let (x, about) = (&x[row * inputs..][..inputs], &about[row * outputs..][..outputs]);
            self.row_candidates(x, about, bias, &|scores| change(row, scores))
        };
        let rows = x.len() / inputs;
        Ok(threads::map(rows, about.len().saturating_mul(16), row))
    }

    /// [`ArgmaxFilter::argmax_candidates`] of one row, whose product with the 8-bit weight is `about`.
    fn row_candidates(
        &self,
        x: &[f32],
        about: &[f32],
        bias: Option<&[f32]>,
        change: &dyn Fn(&mut [f32]),
    ) -> Vec<f32> {
        let norm = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt() as f32;
        let (mut low, mut high) = (about.to_vec(), about.to_vec());
        for ((low, high), margin) in low.iter_mut().zip(&mut high).zip(self.int8_weight.margins()) {
            // Rounding of the bias and of these sums in single precision.
            let margin = margin * norm * 1.001 + 4.0 * f32::EPSILON * low.abs();
            (*low, *high) = (*low - margin, *high + margin);
        }
        change(&mut low);
        change(&mut high);
        let least = low.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // NaN compares as not less, so that everything is computed.
        let possible = |&i: &usize| high[i].partial_cmp(&least) != Some(Ordering::Less);
        let candidates: Vec<usize> = (0..high.len()).filter(possible).collect();
        let exact = matvec::selected(x, &self.exact, bias, &candidates);
        high.fill(f32::NEG_INFINITY);
        for (i, value) in candidates.into_iter().zip(exact) {
            high[i] = value;
        }
        change(&mut high);
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attn_tui_kernels::gemm::multiply;
    use attn_tui_kernels::test_data::noise;
    use candle_core::Device;

    fn argmax(values: &[f32]) -> usize {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        values.iter().position(|&value| value == largest).unwrap()
    }

    #[test]
    fn the_largest_output_is_found_whatever_is_done_to_them() {
        let (inputs, outputs) = (96, 2000);
        let mut weight = noise(inputs * outputs, 1);
        // Two rows that are equal to the last bit, and some that nearly are.
        weight.copy_within(500 * inputs..501 * inputs, 70 * inputs);
        for near in 0..40 {
            weight.copy_within(500 * inputs..501 * inputs, (1000 + near) * inputs);
            weight[(1000 + near) * inputs + near] += 1e-6 * near as f32;
        }
        let bias = noise(outputs, 2);
        let packed = Arc::new(Packed::new(&weight, outputs, inputs));
        let with = Tensor::from_vec(bias.clone(), outputs, &Device::Cpu).unwrap();
        let mut computed = 0;
        for seed in 0..60 {
            let mut x = noise(inputs, 10 + seed);
            if seed % 3 == 0 {
                // Along the row with its twins.
                x.copy_from_slice(&weight[500 * inputs..501 * inputs]);
                x[seed as usize] *= 1.001;
            }
            let row = Tensor::from_vec(x.clone(), (1, 1, inputs), &Device::Cpu).unwrap();
            let bias = (seed % 2 == 0).then_some(&bias[..]);
            let argmax_filter = ArgmaxFilter::new(packed.clone(), bias.map(|_| with.clone()));
            let plain = multiply(&x, &packed, bias, None);
            let banned = argmax(&plain);
            type Change<'a> = &'a (dyn Fn(&mut [f32]) + Sync);
            let changes: [Change; 4] = [
                &|_| {},
                &|scores| scores[banned] = f32::NEG_INFINITY,
                &|scores| scores.iter_mut().take(1500).for_each(|s| *s *= if *s < 0.0 { 1.3 } else { 0.7 }),
                &|scores| {
                    scores.fill(f32::NEG_INFINITY);
                    scores[3] = 0.0;
                },
            ];
            for change in changes {
                let mut expected = plain.clone();
                change(&mut expected);
                let found =
                    argmax_filter.argmax_candidates(&row, &|_, scores| change(scores)).unwrap().remove(0);
                let best = argmax(&expected);
                assert_eq!((argmax(&found), found[best]), (best, expected[best]), "seed {seed}");
                computed += found.iter().filter(|score| score.is_finite()).count();
            }
        }
        assert!(computed < 60 * 4 * outputs / 4, "{computed} outputs were computed: nothing is saved");
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let packed = Arc::new(Packed::new(&noise(64 * 100, 1), 100, 64));
        let x = Tensor::from_vec(vec![f32::NAN; 64], (1, 1, 64), &Device::Cpu).unwrap();
        let scores = ArgmaxFilter::new(packed, None).argmax_candidates(&x, &|_, _| {}).unwrap();
        assert!(scores[0].iter().all(|score| score.is_nan()));
    }
}
