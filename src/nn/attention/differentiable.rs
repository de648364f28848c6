//! Attention through the fused kernel with its gradient, on the CPU.

use attn_tui_kernels::attention::{AttentionKernel, WeightSink};
use attn_tui_kernels::buffer::ArcBuilder;
use candle_core::Tensor;
use rayon::prelude::*;

use super::{KeysValues, fused};
use crate::error::{Error, Result};
use crate::nn::graph::node3;
use crate::nn::heads::split_heads;

/// Intermediate values of one attention call, all that its gradient needs. They are split by head.
struct KeptAttention {
    /// `[heads, queries, keys]`
    weights: Tensor,
    /// `[heads, queries, head_dim]`
    queries: Tensor,
    /// `[key_heads, keys, head_dim]`
    keys: Tensor,
    /// `[key_heads, keys, head_dim]`
    values: Tensor,
    /// `[heads, queries, head_dim]`
    context: Tensor,
    /// Factor on the scores.
    scale: f64,
}

/// Computes the context of queries `[1, queries, heads * head_dim]` in the same shape, as a node of the graph,
/// and the weights `[heads, queries, keys]`. `kernel` must have neither extra keys nor a soft cap.
pub(super) fn run(kernel: &AttentionKernel, queries: &Tensor, kv: &KeysValues) -> Result<(Tensor, Tensor)> {
    let shape = (kernel.heads, kernel.queries, kernel.keys);
    let plain = KeysValues { keys: kv.keys.detach(), values: kv.values.detach() };
    let mut maps = ArcBuilder::new(shape.0 * shape.1 * shape.2);
    let sinks = [WeightSink { maps: Some(&mut maps), observer: None }, WeightSink::default()];
    let context = fused::run(kernel, &queries.detach(), &plain, sinks)?;
    let weights = Tensor::from_slice(&maps.finish(), shape, queries.device())?;
    let by_head = |x: &Tensor, heads| Ok::<_, Error>(split_heads(x, heads)?.squeeze(0)?);
    let kept = KeptAttention {
        weights: weights.clone(),
        queries: by_head(&queries.detach(), kernel.heads)?,
        keys: by_head(&plain.keys, kernel.kv_heads)?,
        values: by_head(&plain.values, kernel.kv_heads)?,
        context: by_head(&context, kernel.heads)?,
        scale: f64::from(kernel.scale),
    };
    let arguments = [queries, &kv.keys, &kv.values];
    Ok((node3(arguments, &context, move |gradient| kept.gradients(gradient))?, weights))
}

impl KeptAttention {
    /// Turns a gradient of the context, `[1, queries, heads * head_dim]`, into those of queries, keys and
    /// values. With weights `A`, `dA = dz Vᵀ`, and the gradient of the scores is `A (dA - sum(A dA))`, the sum
    /// being that of `z dz`.
    fn gradients(&self, gradient: &Tensor) -> Result<[Tensor; 3]> {
        let heads = self.weights.dim(0)?;
        let shared_by = heads / self.keys.dim(0)?.max(1);
        let gradient = split_heads(gradient, heads)?.squeeze(0)?;
        let of_head = |head: usize| {
            let (weights, dz) = (self.weights.get(head)?, gradient.get(head)?);
            let (keys, values) = (self.keys.get(head / shared_by)?, self.values.get(head / shared_by)?);
            let sums = (&dz * self.context.get(head)?)?.sum_keepdim(1)?;
            let scores = (dz.matmul(&values.t()?)?.broadcast_sub(&sums)? * &weights)?;
            let of_queries = (scores.matmul(&keys)? * self.scale)?;
            let of_keys = (scores.t()?.matmul(&self.queries.get(head)?)? * self.scale)?;
            Ok::<_, Error>([of_queries, of_keys, weights.t()?.matmul(&dz)?])
        };
        let parts = (0..heads).into_par_iter().map(of_head).collect::<Result<Vec<_>>>()?;
        let [mut queries, mut keys, mut values] = [Vec::new(), Vec::new(), Vec::new()];
        for sharing in parts.chunks(shared_by.max(1)) {
            queries.extend(sharing.iter().map(|[of_queries, ..]| of_queries.clone()));
            keys.push(sum_of(sharing.iter().map(|[_, of_keys, _]| of_keys))?);
            values.push(sum_of(sharing.iter().map(|[.., of_values]| of_values))?);
        }
        let join = |parts: &[Tensor]| Ok::<_, Error>(Tensor::cat(parts, 1)?.unsqueeze(0)?);
        Ok([join(&queries)?, join(&keys)?, join(&values)?])
    }
}

/// Adds up the gradients of keys that several heads share.
fn sum_of<'a>(mut parts: impl Iterator<Item = &'a Tensor>) -> Result<Tensor> {
    let first = parts.next().cloned().ok_or_else(|| candle_core::Error::msg("a key head has no heads"))?;
    Ok(parts.try_fold(first, |sum, part| sum + part)?)
}
