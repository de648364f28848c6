//! Keys that are no tokens of their own and follow the tokens'.

use attn_tui_kernels::attention::{self, ExtraColumnsBias};

/// Keys that follow the tokens' and share their softmax.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraKeys {
    /// How many.
    pub count: usize,
    /// What is added to their scores.
    pub bias: ExtraBias,
}

/// What is added to the scores of [`ExtraKeys`].
#[derive(Clone, Debug, PartialEq)]
pub enum ExtraBias {
    /// Nothing: prompts, learned tokens, another sequence.
    None,
    /// What the distance between a query's block and a summary's says (Guo et al. 2022).
    Blocks {
        /// Tokens of a block; the last block has the rest, too.
        block: usize,
        /// `[heads, 2 * count - 1]`, that of the last block's queries and the first summary first.
        lines: Vec<f32>,
    },
    /// The keys are those of the first block, which come in again so many times, for queries that are neither in the
    /// first block nor in the last (random blocks as the reference draws them where it does not train; Zaheer et al.
    /// 2020).
    Repeated {
        /// Tokens of a block.
        block: usize,
        /// How many times.
        times: usize,
    },
}

impl ExtraKeys {
    /// So many keys, and nothing is added to their scores.
    pub fn plain(count: usize) -> Self {
        Self { count, bias: ExtraBias::None }
    }

    /// Values that its bias takes.
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
            // A key that is there so many times has that many times the weight.
            ExtraBias::Repeated { block, times } => {
                ExtraColumnsBias::Inner { block: *block, bias: (*times as f32).ln() }
            }
        };
        attention::ExtraColumns { count: self.count, bias }
    }

    /// What is wrong with it, for so many heads.
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
