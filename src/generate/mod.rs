//! Greedy and beam search with a cache, following the model's generation config.

mod beam;
mod greedy;
mod processors;
mod settings;

pub use settings::{EarlyStopping, Settings};

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::nn::{Cache, Hook};

/// Told the tokens of the best continuation so far after every step; an error stops the search.
pub type OnStep<'a> = &'a mut dyn FnMut(&[u32]) -> Result<()>;

/// Generates target ids (without the start token, with the end token where it came) for `source`, whose
/// encoder states are `encoded`, `[1, source, d_model]`.
///
/// Ids equal those of transformers' `generate` with the same settings. `hook` may switch parts of the model
/// off.
pub fn generate(
    model: &Model,
    source: &[u32],
    encoded: &Tensor,
    settings: &Settings,
    hook: &mut dyn Hook,
    on_step: OnStep,
) -> Result<Vec<u32>> {
    let mut step = Step { model, encoded, cache: model.cache(), hook };
    if settings.beams > 1 {
        beam::search(&mut step, source, settings, on_step)
    } else {
        greedy::search(&mut step, source, settings, on_step)
    }
}

/// One decoding step at a time.
struct Step<'a> {
    model: &'a Model,
    encoded: &'a Tensor,
    cache: Cache,
    hook: &'a mut dyn Hook,
}

impl Step<'_> {
    /// The last tokens of some rows to the decoder's states, `[rows, 1, width]`.
    fn states(&mut self, last: &[u32]) -> Result<Tensor> {
        let cache = Some(&mut self.cache);
        self.model.decode(last, last.len(), self.encoded, cache, self.hook, &mut |_| Ok(()))
    }

    /// The last tokens of `batch` rows to their next-token logits, `[batch][vocabulary]`.
    fn logits(&mut self, last: &[u32]) -> Result<Vec<Vec<f32>>> {
        let states = self.states(last)?;
        Ok(self.model.logits(&states)?.squeeze(1)?.to_vec2::<f32>()?)
    }

    /// The last token of the one row to the next token's scores after `change`, exact for whichever token
    /// could be the likeliest: [`Model::argmax_candidates`].
    fn argmax_candidates(&mut self, last: u32, change: &dyn Fn(&mut [f32])) -> Result<Vec<f32>> {
        let states = self.states(&[last])?;
        self.model.argmax_candidates(&states, change)
    }

    /// Makes row `i` of the cache what row `rows[i]` was.
    fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        self.cache.reorder(rows)
    }
}

/// Errors that no search can go on from.
fn check_scores(scores: &[f32]) -> Result<()> {
    if scores.iter().all(|score| score.is_nan()) {
        return Err(Error::Engine("the model's scores are not numbers: are the weights damaged?".into()));
    }
    Ok(())
}
