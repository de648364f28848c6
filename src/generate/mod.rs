//! Greedy search, beam search and sampling with a KV cache, following the model's generation config.

mod beam;
mod config;
mod fallback;
mod generated;
mod greedy;
mod processors;
mod sample;
mod speech;
mod together;

pub use config::{EarlyStopping, EndDecay, GenerationConfig, Sampling};
pub use fallback::{Fallback, TextMeasures, Verdict, compression_ratio};
pub use generated::{FinishedBeam, GeneratedText};
pub use speech::{PromptRequest, SpeechSettings, SpeechTask, Timestamps};
pub use together::{GenerationRun, generate_many};

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::nn::{Hook, has_nan};

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
    let run = GenerationRun { source, encoded, config, hook };
    let mut texts = generate_many(model, vec![run], &mut |_, ids| on_step(ids))?;
    Ok(texts.pop().unwrap_or_default().ids)
}

/// Checks that the scores are numbers.
fn check_scores(scores: &[f32]) -> Result<()> {
    if has_nan(scores) {
        return Err(Error::NotNumbers { tensor: None });
    }
    Ok(())
}
