//! Transient global attention (Guo et al. 2022): summaries of blocks of tokens, made anew in each layer, that
//! every token sees besides its neighbours.

use candle_core::{Device, Tensor};

use super::{BlockBias, Norm, RelativeBias};
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

    /// The bias on the summaries of so many positions; `None` where there are too few for a summary.
    pub fn bias(&self, positions: usize) -> Option<SideBias> {
        let count = positions / self.block;
        let bias = self.bias.as_ref().filter(|_| count > 0)?;
        let last = count as i64 - 1;
        let line = |head| (-last..=last).map(move |distance| bias.at(head, distance));
        let lines = (0..bias.heads()).flat_map(line).collect();
        Some(SideBias::Blocks(BlockBias { count, block: self.block, lines }))
    }
}

/// Bias on keys that are no tokens of their own and follow the tokens'.
#[derive(Clone, Debug)]
pub enum SideBias {
    /// By the distance of blocks.
    Blocks(BlockBias),
    /// `[heads, queries, summaries]`
    Table(Tensor),
}

impl SideBias {
    /// Number of such keys.
    pub fn count(&self) -> Result<usize> {
        match self {
            SideBias::Blocks(bias) => Ok(bias.count),
            SideBias::Table(table) => Ok(table.dim(2)?),
        }
    }

    /// Where it is one by blocks, and where it is a table.
    pub fn forms(&self) -> (Option<&BlockBias>, Option<&Tensor>) {
        match self {
            SideBias::Blocks(bias) => (Some(bias), None),
            SideBias::Table(table) => (None, Some(table)),
        }
    }
}

impl BlockBias {
    /// `[heads, positions, count]`
    pub(super) fn tensor(&self, positions: usize, device: &Device) -> Result<Tensor> {
        let Self { count, block, lines } = self;
        let line = (2 * count).saturating_sub(1).max(1);
        let heads = lines.len() / line;
        let mut values = Vec::with_capacity(heads * positions * count);
        for line in lines.chunks_exact(line) {
            for position in 0..positions {
                let own = (position / block).min(count - 1);
                values.extend_from_slice(&line[count - 1 - own..][..*count]);
            }
        }
        Ok(Tensor::from_vec(values, (heads, positions, *count), device)?)
    }
}
