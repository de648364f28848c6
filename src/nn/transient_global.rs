//! Transient global attention (Guo et al. 2022, LongT5): every token also attends to summaries of blocks of
//! tokens, which each layer computes anew.

use candle_core::Tensor;

use super::{ExtraBias, ExtraKeys, Norm, RelativeBias};
use crate::error::Result;

/// Block summaries of one layer.
#[derive(Clone, Debug)]
pub struct TransientGlobal {
    /// Tokens that a summary stands for; the last one also stands for the rest.
    pub block: usize,
    /// Norm of the sums.
    pub norm: Norm,
    /// Bias by the distance from a token's block to the summary's; that of the first layer serves all.
    pub bias: Option<RelativeBias>,
}

impl TransientGlobal {
    /// Sums up `[batch, positions, d_model]`. Returns `[batch, summaries, d_model]`.
    pub fn of(&self, x: &Tensor) -> Result<Tensor> {
        let positions = x.dim(1)?;
        let count = positions / self.block;
        let sums = (0..count)
            .map(|summary| {
                let start = summary * self.block;
                let end = if summary + 1 == count { positions } else { start + self.block };
                Ok(x.narrow(1, start, end - start)?.sum_keepdim(1)?)
            })
            .collect::<Result<Vec<_>>>()?;
        self.norm.forward(&Tensor::cat(&sums, 1)?)
    }

    /// Describes the summaries of `positions` positions as extra keys; `None` if there are too few for a
    /// summary.
    pub fn keys(&self, positions: usize) -> Option<ExtraKeys> {
        let count = positions / self.block;
        let bias = self.bias.as_ref().filter(|_| count > 0)?;
        let last = count as i64 - 1;
        let line = |head| (-last..=last).map(move |distance| bias.at(head, distance));
        let lines = (0..bias.heads()).flat_map(line).collect();
        Some(ExtraKeys { count, bias: ExtraBias::Blocks { block: self.block, lines } })
    }
}
