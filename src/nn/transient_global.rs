//! Transient global attention (Guo et al. 2022): summaries of blocks of tokens, made anew in each layer, that
//! every token sees besides its neighbours.

use candle_core::Tensor;

use super::{ExtraBias, ExtraKeys, Norm, RelativeBias};
use crate::error::Result;

/// How a layer sums up its tokens.
#[derive(Clone, Debug)]
pub struct TransientGlobal {
    /// Tokens that a summary stands for; the last one stands for the rest, too.
    pub block: usize,
    /// Of the sums.
    pub norm: Norm,
    /// Bias by the distance from a token's block to the summary's; the first layer's serves all.
    pub bias: Option<RelativeBias>,
}

impl TransientGlobal {
    /// `[batch, positions, d_model]` to `[batch, summaries, d_model]`.
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

    /// The summaries of so many positions with the bias on them; `None` where there are too few for a summary.
    pub fn keys(&self, positions: usize) -> Option<ExtraKeys> {
        let count = positions / self.block;
        let bias = self.bias.as_ref().filter(|_| count > 0)?;
        let last = count as i64 - 1;
        let line = |head| (-last..=last).map(move |distance| bias.at(head, distance));
        let lines = (0..bias.heads()).flat_map(line).collect();
        Some(ExtraKeys { count, bias: ExtraBias::Blocks { block: self.block, lines } })
    }
}
