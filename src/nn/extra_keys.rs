//! Extra keys that follow those of a sequence.

use attn_tui_kernels::attention::{self, ExtraColumnsBias};

/// Extra keys that follow those of a sequence and share its softmax.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraKeys {
    /// Number of extra keys.
    pub count: usize,
    /// Bias on their scores.
    pub bias: ExtraBias,
}

/// Bias on the scores of [`ExtraKeys`].
#[derive(Clone, Debug, PartialEq)]
pub enum ExtraBias {
    /// No bias: prompts, learned tokens, another sequence.
    None,
    /// Bias by the distance between a query's block and a summary's block (Guo et al. 2022).
    Blocks {
        /// Tokens in a block; the last block also has the rest.
        block: usize,
        /// `[heads, 2 * count - 1]`. The first is that of the last block's queries and the first summary.
        lines: Vec<f32>,
    },
    /// The keys of the first block, repeated `times` times, for queries in neither the first nor the last
    /// block (random blocks as the reference draws them outside training; Zaheer et al. 2020, BigBird).
    Repeated {
        /// Tokens in a block.
        block: usize,
        /// Number of repetitions.
        times: usize,
    },
}

impl ExtraKeys {
    /// `count` extra keys without bias.
    pub fn plain(count: usize) -> Self {
        Self { count, bias: ExtraBias::None }
    }

    /// Number of values of the bias.
    pub(super) fn values(&self) -> usize {
        match &self.bias {
            ExtraBias::Blocks { lines, .. } => lines.len(),
            ExtraBias::None | ExtraBias::Repeated { .. } => 0,
        }
    }

    pub(super) fn kernel(&self) -> attention::ExtraColumns<'_> {
        let bias = match &self.bias {
            ExtraBias::None => ExtraColumnsBias::None,
            ExtraBias::Blocks { block, lines } => ExtraColumnsBias::Blocks { block: *block, lines },
            // Repeating a key `times` times multiplies its weight by `times`.
            ExtraBias::Repeated { block, times } => {
                ExtraColumnsBias::Inner { block: *block, bias: (*times as f32).ln() }
            }
        };
        attention::ExtraColumns { count: self.count, bias }
    }

    /// Checks the bias for `heads` heads.
    pub(super) fn check(&self, heads: usize) -> std::result::Result<(), String> {
        let lines = |count: usize| count.checked_mul(2)?.checked_sub(1)?.checked_mul(heads);
        match &self.bias {
            _ if self.count == 0 => Err("no keys follow the tokens'".into()),
            ExtraBias::Blocks { block: 0, .. } | ExtraBias::Repeated { block: 0, .. } => {
                Err("blocks of nothing".into())
            }
            ExtraBias::Repeated { times: 0, .. } => Err("keys come in again no times".into()),
            ExtraBias::Blocks { lines: found, .. } if Some(found.len()) != lines(self.count) => Err(format!(
                "the bias of summaries has {} values, which does not fit the others",
                found.len()
            )),
            _ => Ok(()),
        }
    }
}
