//! Decomposition of an attention block's output into the contributions of keys (ALTI: Ferrando et al. 2022,
//! "Measuring the Mixing of Contextual Information in the Transformer").

use candle_core::Tensor;
use rayon::prelude::*;

use super::heads::repeat_kv;
use super::{Linear, Norm, host};
use crate::error::Result;

/// Number of a value vector's first numbers that [`ValueContributions`] keeps.
const KEPT_NUMBERS: usize = 3;

/// Number of keys whose transformed vectors are in memory at once.
const KEYS_AT_ONCE: usize = 32;

/// Sum of the residual stream and the output of attention, with its norm.
#[derive(Clone, Copy, Debug)]
pub enum ResidualAdd<'a> {
    /// `residual + attention`.
    Plain,
    /// `norm(residual + attention)`.
    PostNorm(&'a Norm),
    /// `residual + norm(attention)`.
    NormedOutput(&'a Norm),
}

/// One attention block after its forward pass, with its residual connection and norm.
pub struct AttentionTrace<'a> {
    /// The block's output projection, `heads * head_dim` to `d_model`.
    pub output: &'a Linear,
    /// Number of heads with keys and values of their own; each serves `heads / key_heads` query heads.
    pub key_heads: usize,
    /// `[1, keys, key_heads * head_dim]`; rows beyond the keys of the maps are ignored.
    pub values: &'a Tensor,
    /// Residual stream before the block, `[1, queries, d_model]`.
    pub residual: &'a Tensor,
    /// Output of attention, `[1, queries, d_model]`.
    pub attention: &'a Tensor,
    /// Residual stream after the block, `[1, queries, d_model]`.
    pub result: &'a Tensor,
    /// The block's sum of the two.
    pub residual_add: ResidualAdd<'a>,
    /// True if keys are positions of the queries' own sequence. The residual stream then counts as a part
    /// of the query's own key; otherwise it is a column of its own after the keys.
    pub self_attention: bool,
}

/// One feed-forward block after its forward pass, with its residual connection and norm. All tensors are
/// `[1, positions, d_model]`.
pub struct FfnTrace<'a> {
    /// Residual stream before the block.
    pub residual: &'a Tensor,
    /// Output of the block.
    pub output: &'a Tensor,
    /// Residual stream after the block.
    pub result: &'a Tensor,
    /// The block's sum of residual stream and output.
    pub residual_add: ResidualAdd<'a>,
}

impl ResidualAdd<'_> {
    /// Computes the factor of the norm on each row of a block's `residual` and `output`, both `[rows,
    /// d_model]`; empty without a norm.
    pub(super) fn rates(&self, residual: &[f32], output: &[f32]) -> Result<Vec<f32>> {
        match self {
            ResidualAdd::Plain => Ok(Vec::new()),
            ResidualAdd::NormedOutput(norm) => norm.rates(output),
            ResidualAdd::PostNorm(norm) => {
                norm.rates(&output.iter().zip(residual).map(|(a, b)| a + b).collect::<Vec<_>>())
            }
        }
    }
}

/// Result of [`AttentionTrace::measure`].
#[derive(Clone, Debug, PartialEq)]
pub struct ValueContributions {
    /// `||v_j^h W_O^h||_2`, `[heads, keys]`: times a weight it is the norm of what a head takes from a key
    /// (Kobayashi et al. 2020, "Attention is Not Only a Weight", `||alpha f(x)||`).
    pub norms: Vec<f32>,
    /// ALTI's contributions, `[queries, keys]`, with a last column for the residual stream if keys are not
    /// the queries' own: `max(0, ||y_i||_1 - ||y_i - T_i(x_j)||_1)` over the row's sum. Rows sum to 1.
    pub contributions: Vec<f32>,
    /// The first numbers of `v_j^h`, `[heads, keys, numbers]`, three of each vector or fewer.
    pub beginnings: Vec<f32>,
}

impl AttentionTrace<'_> {
    /// Measures contributions for `maps` of shape `[heads, queries, keys]`. The transformed vectors
    /// `T_i(x_j)` and the block's biases add up to the output `y_i`; a norm is linear in them if its
    /// denominator is fixed to that of the whole row. If no vector has a positive contribution, the
    /// residual stream gets the whole row.
    pub fn measure(&self, maps: &[f32], shape: [usize; 3]) -> Result<ValueContributions> {
        let [heads, queries, keys] = shape;
        let columns = keys + usize::from(!self.self_attention);
        let result = host(self.result)?;
        let width = result.len() / queries.max(1);
        let mut residual = host(self.residual)?;
        let mut rates = self.residual_add.rates(&residual, &host(self.attention)?)?;
        rates.resize(queries, 1.0);
        if let ResidualAdd::PostNorm(norm) = self.residual_add {
            norm.linear_part(&mut residual)?;
            scale_rows(&mut residual, &rates, width);
        }
        let output = self.output_by_head(heads)?;
        let mut measured = ValueContributions {
            norms: vec![0.0; heads * keys],
            contributions: vec![0.0; queries * columns],
            beginnings: Vec::new(),
        };
        for start in (0..keys).step_by(KEYS_AT_ONCE) {
            let count = KEYS_AT_ONCE.min(keys - start);
            let values = repeat_kv(&self.values.narrow(1, start, count)?, heads, self.key_heads)?;
            let values = values.squeeze(0)?.contiguous()?;
            let numbers = KEPT_NUMBERS.min(values.dim(2)?);
            measured.beginnings.resize(heads * keys * numbers, 0.0);
            for (at, vector) in host(&values.narrow(2, 0, numbers)?)?.chunks(numbers.max(1)).enumerate() {
                let to = ((at / count) * keys + start + at % count) * numbers;
                measured.beginnings[to..to + numbers].copy_from_slice(vector);
            }
            let mut parts = host(&values.matmul(&output)?)?;
            for (at, part) in parts.chunks(width).enumerate() {
                measured.norms[(at / count) * keys + start + at % count] = norm(part);
            }
            if let ResidualAdd::PostNorm(norm) | ResidualAdd::NormedOutput(norm) = self.residual_add {
                norm.linear_part(&mut parts)?;
            }
            let rows = measured.contributions.par_chunks_mut(columns).zip(result.par_chunks(width));
            rows.enumerate().for_each_init(
                || vec![0f32; width],
                |part, (i, (row, y))| {
                    for j in 0..count {
                        part.fill(0.0);
                        for head in 0..heads {
                            let weight = maps[(head * queries + i) * keys + start + j] * rates[i];
                            if weight != 0.0 {
                                let from = (head * count + j) * width;
                                add(part, &parts[from..from + width], weight);
                            }
                        }
                        if self.self_attention && start + j == i {
                            add(part, &residual[i * width..(i + 1) * width], 1.0);
                        }
                        row[start + j] = contribution(y, part);
                    }
                },
            );
        }
        let rows = measured.contributions.chunks_mut(columns).zip(result.chunks(width));
        for (i, (row, y)) in rows.enumerate() {
            if !self.self_attention {
                row[keys] = contribution(y, &residual[i * width..(i + 1) * width]);
            }
            normalise(row, if self.self_attention { i } else { keys });
        }
        Ok(measured)
    }

    /// Splits the output projection by head, `[heads, head_dim, d_model]`.
    fn output_by_head(&self, heads: usize) -> Result<Tensor> {
        let weight = self.output.matrix()?;
        let (width, inner) = weight.dims2()?;
        let split = weight.reshape((width, heads, inner / heads.max(1)))?;
        Ok(split.permute((1, 2, 0))?.contiguous()?)
    }
}

fn scale_rows(rows: &mut [f32], factors: &[f32], width: usize) {
    for (row, factor) in rows.chunks_mut(width.max(1)).zip(factors) {
        row.iter_mut().for_each(|value| *value *= factor);
    }
}

fn norm(part: &[f32]) -> f32 {
    part.iter().map(|value| value * value).sum::<f32>().sqrt()
}

fn add(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from * factor;
    }
}

/// Contribution of a part to the whole, before rows are scaled to sum to 1.
fn contribution(whole: &[f32], part: &[f32]) -> f32 {
    let gain: f32 = whole.iter().zip(part).map(|(y, t)| y.abs() - (y - t).abs()).sum();
    gain.max(0.0)
}

fn normalise(row: &mut [f32], otherwise: usize) {
    let sum: f32 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|value| *value /= sum);
    } else if let Some(value) = row.get_mut(otherwise) {
        *value = 1.0;
    }
}
