//! Greedy search, beam search and sampling with a KV cache, following the model's generation config.

mod beam;
mod config;
mod greedy;
mod processors;
mod sample;
mod speech;

pub use config::{EarlyStopping, EndDecay, GenerationConfig, Sampling};
pub use speech::{PromptRequest, SpeechSettings, SpeechTask, Timestamps};

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::nn::{Hook, KvCache};

/// Callback after every step, given the tokens of the best text so far; an error stops the search.
pub type OnStep<'a> = &'a mut dyn FnMut(&[u32]) -> Result<()>;

/// Generates target ids for `source`, whose encoder states are `encoded`, `[1, source, d_model]`. The ids
/// lack the start token, begin with [`GenerationConfig::prompt`], and include an end token if generation reached
/// one.
///
/// They equal those of transformers' `generate` with the same settings; sampled ids follow the same
/// distribution, and depend on the seed only. `hook` may ablate parts of the model.
///
/// # Errors
/// [`Error::NotNumbers`] if the scores are NaN, and the errors of `hook` and `on_step`.
pub fn generate(
    model: &Model,
    source: &[u32],
    encoded: &Tensor,
    config: &GenerationConfig,
    hook: &mut dyn Hook,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let mut step = DecodingStep { model, encoded, cache: model.cache(), hook };
    if config.beams > 1 {
        beam::search(&mut step, source, config, on_step)
    } else {
        greedy::search(&mut step, source, config, on_step)
    }
}

/// Runs the decoder one step at a time.
struct DecodingStep<'a> {
    model: &'a Model,
    encoded: &'a Tensor,
    cache: KvCache,
    hook: &'a mut dyn Hook,
}

impl DecodingStep<'_> {
    /// Decodes the tokens of each row that the cache lacks, equally many in every row; returns the decoder's
    /// states of the last ones, `[rows, 1, width]`.
    fn states(&mut self, rows: &[&[u32]]) -> Result<Tensor> {
        let new: Vec<u32> = rows.iter().flat_map(|row| &row[self.cache.past..]).copied().collect();
        let cache = Some(&mut self.cache);
        let states = self.model.decode(&new, rows.len(), self.encoded, cache, self.hook, &mut |_| Ok(()))?;
        let count = states.dim(1)?;
        Ok(states.narrow(1, count - 1, 1)?)
    }

    /// Decodes the last tokens of each row; returns the logits of the next tokens, `[rows][vocabulary]`.
    fn logits(&mut self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let states = self.states(rows)?;
        Ok(self.model.logits(&states)?.squeeze(1)?.to_vec2::<f32>()?)
    }

    /// Decodes the last tokens of the only row; returns the next token's scores after `change`, exact for
    /// every token that may be the likeliest ([`Model::argmax_candidates`]).
    fn argmax_candidates(&mut self, row: &[u32], change: &dyn Fn(&mut [f32])) -> Result<Vec<f32>> {
        let states = self.states(&[row])?;
        self.model.argmax_candidates(&states, change)
    }

    /// Replaces row `i` of the cache with row `rows[i]`.
    fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        self.cache.reorder(rows)
    }
}

/// Checks that the scores are numbers.
fn check_scores(scores: &[f32]) -> Result<()> {
    if scores.iter().any(|score| score.is_nan()) {
        return Err(Error::NotNumbers { tensor: None });
    }
    Ok(())
}
