//! Attention with candle's operations on any device, a block of queries at a time. Used on GPUs.

use std::ops::Range;

use attn_tui_kernels::attention::{AttentionKernel, WeightSink};
use candle_core::Tensor;
use rayon::prelude::*;

use super::score_bias::ScoreBias;
use super::steps::softmax;
use crate::error::Result;

/// Maximum number of scores in a block: 128 MiB, and several times that while they become weights.
const SCORES: usize = 1 << 25;

/// Maximum number of rows in a block; larger blocks are not faster.
const ROWS: usize = 512;

/// Computes the context `[batch, heads, queries, width]` of queries, keys and values split by head; extra
/// keys follow the others. `sinks` receive the weights; they must be empty if `batch` is above 1.
pub(super) fn run(kernel: &AttentionKernel, by_head: &[Tensor; 3], sinks: [WeightSink; 2]) -> Result<Tensor> {
    let (batch, heads, all, _) = by_head[1].dims4()?;
    let row = (batch * heads * all).max(1);
    run_by(kernel, by_head, sinks, (SCORES / row).clamp(1, ROWS))
}

/// [`run`] with a given number of rows in a block.
fn run_by(
    kernel: &AttentionKernel,
    [queries, keys, values]: &[Tensor; 3],
    mut sinks: [WeightSink; 2],
    rows: usize,
) -> Result<Tensor> {
    let queries = (queries * f64::from(kernel.scale))?;
    let score_bias = ScoreBias::new(kernel, queries.device())?;
    let extra = kernel.columns()[1];
    let block = |first: usize| {
        let rows = first..kernel.queries.min(first + rows);
        let visible = match kernel.visible.hull(kernel.past + rows.start..kernel.past + rows.end, kernel.keys)
        {
            // Queries that see nothing have a weight of 0 for any key.
            visible if visible.is_empty() && extra == 0 => 0..1,
            visible => visible,
        };
        let of_block = |of: &Tensor| {
            let parts = [(visible.start, visible.len()), (kernel.keys, extra)];
            let parts = parts.into_iter().filter(|(_, count)| *count > 0);
            let parts = parts.map(|(first, count)| of.narrow(2, first, count));
            Tensor::cat(&parts.collect::<candle_core::Result<Vec<_>>>()?, 2)?.contiguous()
        };
        let of_rows = queries.narrow(2, rows.start, rows.len())?.contiguous()?;
        let (keys, values) = (of_block(keys)?, of_block(values)?);
        let mut scores = of_rows.matmul(&keys.t()?)?;
        if let Some(softcap) = kernel.softcap.map(f64::from) {
            scores = ((scores / softcap)?.tanh()? * softcap)?;
        }
        let scores = score_bias.add_to_all(scores, rows.clone(), visible.clone())?;
        let weights = softmax(&scores)?;
        if sinks.iter().any(|sink| sink.maps.is_some() || sink.observer.is_some()) {
            let weights = BlockWeights {
                values: weights.flatten_all()?.to_vec1()?,
                rows: rows.clone(),
                stride: visible.len() + extra,
            };
            let [tokens, others] = &mut sinks;
            weights.show(tokens, kernel, 0, visible.clone(), kernel.keys);
            weights.show(others, kernel, visible.len(), 0..extra, extra);
        }
        Ok(weights.matmul(&values)?)
    };
    let blocks = (0..kernel.queries).step_by(rows).map(block).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&blocks, 2)?)
}

/// Weights of a block, `[heads, rows, stride]`.
struct BlockWeights {
    values: Vec<f32>,
    rows: Range<usize>,
    stride: usize,
}

impl BlockWeights {
    /// Passes weights to a sink. They cover the columns `columns` of a part with `keys` keys, and begin at
    /// index `from` of each row.
    fn show(
        &self,
        sink: &mut WeightSink,
        kernel: &AttentionKernel,
        from: usize,
        columns: Range<usize>,
        keys: usize,
    ) {
        let Self { values, rows, stride } = self;
        let of_head = |head: usize| &values[head * rows.len() * stride..][..rows.len() * stride];
        if let Some(maps) = &mut sink.maps {
            let heads = maps.zero_filled().par_chunks_exact_mut((kernel.queries * keys).max(1)).enumerate();
            heads.for_each(|(head, map)| {
                let map = &mut map[rows.start * keys..rows.end * keys];
                for (to, weights) in map.chunks_exact_mut(keys).zip(of_head(head).chunks_exact(*stride)) {
                    to[columns.clone()].copy_from_slice(&weights[from..][..columns.len()]);
                }
            });
        }
        if let Some(observer) = sink.observer.filter(|_| keys > 0) {
            (0..kernel.heads).into_par_iter().for_each(|head| {
                let weights = &of_head(head)[from..];
                observer.rows(head, rows.start, rows.len(), columns.clone(), weights, *stride);
            });
        }
    }
}

#[cfg(test)]
mod tests;
