//! Logits and predictions of targets from the decoder's states.

use candle_core::Tensor;

use super::session::Session;
use crate::capture::{self, Prediction};
use crate::error::Result;
use crate::matrix::{Matrix, Rows};
use crate::nn::{Ragged, read};

/// Bytes of logits that are in memory at once.
const LOGITS_AT_ONCE: usize = 64 << 20;

/// Predictions and logits `[target, vocabulary]`, as far as they are wanted.
pub(super) type Scores = (Vec<Prediction>, Option<Matrix>);

impl Session {
    /// Computes the scores of several targets from their states. Those whose predictions alone are wanted share
    /// products, which read the embeddings of the whole vocabulary.
    pub(super) fn score_each(
        &self,
        parts: &[(&Tensor, &[u32])],
        wanted: &[[bool; 2]],
    ) -> Result<Vec<Scores>> {
        let together = parts.len() > 1 && wanted.iter().all(|wanted| *wanted == [true, false]);
        if !together {
            let score = |(&(states, ids), &wanted): (&(&Tensor, &[u32]), &[bool; 2])| match wanted {
                [false, false] => Ok((Vec::new(), None)),
                _ => self.score(states, ids, wanted),
            };
            return parts.iter().zip(wanted).map(score).collect();
        }
        let states = Ragged::join(&parts.iter().map(|(states, _)| (*states).clone()).collect::<Vec<_>>())?;
        let ids = parts.iter().flat_map(|(_, ids)| *ids).copied().collect::<Vec<_>>();
        let (predictions, _) = self.score(states.rows(), &ids, [true, false])?;
        let mut predictions = predictions.into_iter();
        Ok(parts.iter().map(|(_, ids)| (predictions.by_ref().take(ids.len()).collect(), None)).collect())
    }

    /// Computes predictions and logits `[target, vocabulary]` from the decoder's states, as far as they are
    /// wanted. It takes a few rows at a time, since the logits of a long target with a large vocabulary would
    /// fill gigabytes.
    pub(super) fn score(
        &self,
        states: &Tensor,
        target: &[u32],
        [predict, keep]: [bool; 2],
    ) -> Result<Scores> {
        let mut predictions = Vec::new();
        let vocabulary = self.model.spec().vocabulary();
        let mut kept = keep.then(|| Rows::new(target.len(), vocabulary));
        self.for_logits(
            states,
            target,
            |rows| self.model.logits(rows),
            |logits, tokens| {
                let named = |id| self.tokenizer.target_token(id);
                if predict {
                    predictions.extend(capture::predictions(logits, vocabulary, tokens, named));
                }
                kept.iter_mut().for_each(|kept| kept.push(logits));
                Ok(())
            },
        )?;
        Ok((predictions, kept.map(Rows::finish)))
    }

    /// Number of decoder rows whose logits are in memory at once.
    pub(super) fn rows_at_once(&self) -> usize {
        (LOGITS_AT_ONCE / 4 / self.model.spec().vocabulary().max(1)).clamp(16, 256)
    }

    /// Maps the states `[1, target, width]` to logits by `map`, some rows at a time, and calls `each` with them,
    /// `[rows, vocabulary]`, and the tokens of these rows.
    ///
    /// # Errors
    /// [`Error::NotNumbers`] for NaN; those of `map` and `each`.
    pub(super) fn for_logits(
        &self,
        states: &Tensor,
        target: &[u32],
        map: impl Fn(&Tensor) -> Result<Tensor>,
        mut each: impl FnMut(&[f32], &[u32]) -> Result<()>,
    ) -> Result<()> {
        let step = self.rows_at_once();
        for (block, tokens) in target.chunks(step).enumerate() {
            let logits = map(&states.narrow(1, block * step, tokens.len())?)?;
            self.check_numbers(&logits)?;
            read(&logits, |logits| each(logits, tokens))??;
        }
        Ok(())
    }
}
