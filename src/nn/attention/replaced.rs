//! Contexts of heads that are ablated, or whose weights of some queries are replaced.

use candle_core::Tensor;

use super::Attention;
use crate::error::Result;
use crate::nn::{SiteAblation, host};

impl Attention {
    /// Applies everything of an ablation but its links to the context `[1, queries, heads * head_dim]`.
    /// `values` are `[1, keys, key_heads * head_dim]`; queries of replaced rows are relative to the first query.
    pub(super) fn ablated(
        &self,
        context: Tensor,
        values: &Tensor,
        ablation: &SiteAblation,
    ) -> Result<Tensor> {
        let context = match ablation.rows.is_empty() {
            true => context,
            false => self.with_rows(&context, values, ablation)?,
        };
        without_heads(context, ablation)
    }

    /// Computes anew what heads read in the replaced rows.
    fn with_rows(&self, context: &Tensor, values: &Tensor, ablation: &SiteAblation) -> Result<Tensor> {
        let (_, queries, width) = context.dims3()?;
        let (head_dim, keys) = (width / self.heads.max(1), values.dim(1)?);
        let mut data = host(context)?;
        for row in ablation.rows.iter().filter(|row| row.query < queries && row.head.head < self.heads) {
            let weights = row.weights.iter().copied().chain(std::iter::repeat(0.0)).take(keys).collect();
            let weights = Tensor::from_vec(weights, (1, keys), values.device())?;
            let key_head = row.head.head * self.key_heads / self.heads;
            let values = values.narrow(2, key_head * head_dim, head_dim)?.squeeze(0)?.contiguous()?;
            let place = row.query * width + row.head.head * head_dim;
            data[place..place + head_dim].copy_from_slice(&host(&weights.matmul(&values)?)?);
        }
        Ok(Tensor::from_vec(data, context.shape(), context.device())?)
    }
}

/// Replaces the context `[batch, queries, heads * head_dim]` of ablated heads by zeros or their means.
fn without_heads(
    context: Tensor,
    SiteAblation { head_factors, head_means, .. }: &SiteAblation,
) -> Result<Tensor> {
    if !head_factors.contains(&0.0) {
        return Ok(context);
    }
    let (batch, queries, width) = context.dims3()?;
    let heads = head_factors.len();
    let factors = Tensor::from_slice(head_factors, (heads, 1), context.device())?;
    let by_head = context.reshape((batch, queries, heads, width / heads.max(1)))?;
    let rest = by_head.broadcast_mul(&factors)?.reshape(context.shape())?;
    match head_means {
        Some(means) => Ok(rest.broadcast_add(&Tensor::from_slice(means, width, context.device())?)?),
        None => Ok(rest),
    }
}
