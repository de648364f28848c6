//! Transient global attention (Guo et al. 2022): summaries of blocks of tokens, made anew in each layer, that
//! every token sees besides its neighbours.

use candle_core::{Device, Tensor};

use super::{Norm, RelativeBias};
use crate::error::Result;

/// How a layer sums up its tokens.
#[derive(Clone, Debug)]
pub struct Summaries {
    /// Tokens that a summary stands for; the last one stands for the rest, too.
    pub block: usize,
    /// Of the sums.
    pub norm: Norm,
    /// Bias by the distance from a token's block to the summary's; the first layer's serves all.
    pub bias: Option<RelativeBias>,
}

impl Summaries {
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

    /// `[heads, positions, summaries]`; `None` where there are too few tokens for a summary.
    pub fn bias(&self, positions: usize, device: &Device) -> Result<Option<Tensor>> {
        let count = positions / self.block;
        let Some(bias) = self.bias.as_ref().filter(|_| count > 0) else { return Ok(None) };
        let mut values = Vec::with_capacity(bias.heads() * positions * count);
        for head in 0..bias.heads() {
            for position in 0..positions {
                let own = (position / self.block).min(count - 1) as i64;
                values.extend((0..count as i64).map(|summary| bias.at(head, summary - own)));
            }
        }
        Ok(Some(Tensor::from_vec(values, (bias.heads(), positions, count), device)?))
    }
}
