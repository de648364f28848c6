//! Variants of a run: the decoder is forced to the same target while tokens are masked.

use std::fmt;
use std::str::FromStr;

use attn_tui_kernels::softmax::log_sum_exp;
use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::pass::ROWS_TOGETHER;
use super::session::Session;
use crate::axis::token_ids;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::model::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence};
use crate::nn::NoHook;
use crate::progress::{Progress, Watch};
use crate::text::BlankTokens;

/// Replacement of a masked token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masking {
    /// The unknown token. Every other token keeps its position, so that the effect is that of the token
    /// alone.
    #[default]
    Unknown,
    /// The padding token.
    Padding,
    /// Nothing: the text becomes shorter. Source tokens only, since the rows of the target stay.
    Removed,
}

impl Masking {
    /// All kinds of masking.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Padding, Self::Removed];

    /// The name in options and columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Padding => "padding",
            Self::Removed => "removed",
        }
    }

    /// Masks the tokens at `positions`, sorted.
    pub(super) fn apply(self, ids: &[u32], positions: &[usize], blanks: BlankTokens) -> Result<Vec<u32>> {
        let blank = match self {
            Self::Removed => {
                let kept = ids.iter().enumerate().filter(|(at, _)| positions.binary_search(at).is_err());
                return Ok(kept.map(|(_, &id)| id).collect());
            }
            Self::Unknown => blanks.unknown,
            Self::Padding => blanks.padding,
        };
        let missing =
            || Error::Text(format!("the vocabulary has no token for '{self}': choose another --masking"));
        let blank = blank.ok_or_else(missing)?;
        let masked = |(at, &id): (usize, &u32)| if positions.binary_search(&at).is_ok() { blank } else { id };
        Ok(ids.iter().enumerate().map(masked).collect())
    }
}

impl fmt::Display for Masking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

impl FromStr for Masking {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|masking| masking.name() == text);
        found.ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Positions of the tokens that a variant masks, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MaskedTokens {
    /// In the source.
    pub source: Vec<usize>,
    /// In what the decoder is fed.
    pub prefix: Vec<usize>,
}

impl Session {
    /// Forces variants of the run that gave `base` to its target. Returns the log-probability of each target
    /// token in each variant, in nats; with `contrast` that minus the log-probability of the contrasting
    /// token. Variants go through the model together.
    ///
    /// # Errors
    /// [`Error::Usage`] if the source is no text; [`Error::Text`] if a variant has no source tokens, or the
    /// vocabulary no token for the masking; [`Error::Cancelled`].
    pub fn force_variants(
        &self,
        base: &Capture,
        variants: &[MaskedTokens],
        masking: Masking,
        contrast: Option<u32>,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<f32>>> {
        let source = base.source.ids();
        if source.len() != base.source.len() {
            return Err(Error::Usage("only the tokens of a text can be masked".into()));
        }
        let input = token_ids(&base.decoder_input);
        let target = base.target.ids();
        let [source_blanks, target_blanks] = self.tokenizer.blank_tokens();
        let masked = |variant: &MaskedTokens| {
            let source = masking.apply(&source, &variant.source, source_blanks)?;
            let input = masking.apply(&input, &variant.prefix, target_blanks)?;
            if input.len() != target.len() {
                return Err(Error::Usage("prefix tokens cannot be removed: choose another --masking".into()));
            }
            Ok([source, input])
        };
        let masked = variants.iter().map(masked).collect::<Result<Vec<_>>>()?;
        let inputs = masked.iter().map(|[source, ids]| (EncoderInput::Ids(source), ids.as_slice()));
        let inputs: Vec<_> = inputs.collect();
        let done = |done| watch.progress(Progress::Runs { done, total: Some(inputs.len()) });
        threads::run(self.threads, || self.force(&inputs, (&target, contrast), watch, &done))
    }

    /// Scores each target token for several sources, each with what is fed to the decoder, which go through
    /// the model together; see [`Session::force_variants`]. Calls `done` with the number of those that are
    /// done.
    pub(super) fn force(
        &self,
        inputs: &[(EncoderInput, &[u32])],
        (target, contrast): (&[u32], Option<u32>),
        watch: &dyn Watch,
        done: &dyn Fn(usize),
    ) -> Result<Vec<Vec<f32>>> {
        let positions = |input: &EncoderInput| match input {
            EncoderInput::Ids(ids) => ids.len(),
            EncoderInput::States(states) => states.dim(1).unwrap_or(1),
            EncoderInput::Layer(_) => 1,
        };
        let longest = inputs.iter().map(|(source, ids)| positions(source).max(ids.len())).max();
        let together = ROWS_TOGETHER / longest.unwrap_or(1).max(1);
        let mut scores = Vec::with_capacity(inputs.len());
        for part in inputs.chunks(together.max(1)) {
            for states in self.forced_states(part, watch)? {
                scores.push(self.relative_logits(&states, target, contrast)?);
            }
            done(scores.len());
        }
        Ok(scores)
    }

    /// Runs several sources with what is fed to the decoder, together. Returns the decoder's last states.
    fn forced_states(&self, inputs: &[(EncoderInput, &[u32])], watch: &dyn Watch) -> Result<Vec<Tensor>> {
        let mut hooks = vec![NoHook; inputs.len()];
        let sequences = inputs.iter().zip(&mut hooks);
        let sequences = sequences.map(|((input, _), hook)| EncoderSequence { input: *input, hook });
        let encoded = self.model.encode_many(sequences.collect(), &mut |_| watch.check())?;
        let sequences = inputs.iter().zip(&encoded).zip(&mut hooks);
        let sequences = sequences.map(|(((_, ids), source), hook)| DecoderSequence {
            input: DecoderInput::Ids { ids, batch: 1 },
            source,
            cache: None,
            hook,
        });
        self.model.decode_many(sequences.collect(), &mut |_| watch.check())
    }

    /// Scores each token of `target` by the decoder's last states: its log-probability, or the difference to
    /// that of the `contrast` token.
    pub(super) fn relative_logits(
        &self,
        states: &Tensor,
        target: &[u32],
        contrast: Option<u32>,
    ) -> Result<Vec<f32>> {
        let vocabulary = self.model.spec().vocabulary();
        let mut scores = Vec::with_capacity(target.len());
        self.for_logits(
            states,
            target,
            |rows| self.model.logits(rows),
            |logits, tokens| {
                let row = |at: usize| {
                    relative_logit(&logits[at * vocabulary..][..vocabulary], tokens[at], contrast)
                };
                scores.extend(threads::map(tokens.len(), logits.len(), row));
                Ok(())
            },
        )?;
        Ok(scores)
    }
}

/// The log-probability of a token, or the difference to that of the `contrast` token.
fn relative_logit(logits: &[f32], token: u32, contrast: Option<u32>) -> f32 {
    let logit = |id: u32| logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let against = contrast.map_or_else(|| log_sum_exp(logits), logit);
    logit(token) - against
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_replaces_or_removes() {
        let blanks = BlankTokens { unknown: Some(2), padding: None };
        let ids = [7, 8, 9];
        assert_eq!(Masking::Unknown.apply(&ids, &[0, 2], blanks).unwrap(), [2, 8, 2]);
        assert_eq!(Masking::Removed.apply(&ids, &[0, 2], blanks).unwrap(), [8]);
        assert!(matches!(Masking::Padding.apply(&ids, &[1], blanks), Err(Error::Text(_))));
    }
}
