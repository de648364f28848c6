//! Tokens of a run.

use crate::axis::{all_token_ids, token_ids};
use crate::capture::Capture;
use crate::error::{Error, Result};

/// Tokens of a run on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTokens {
    /// Of the source, and those that the decoder is fed.
    pub inputs: [Vec<u32>; 2],
    /// Of the target.
    pub target: Vec<u32>,
}

impl RunTokens {
    /// Returns the tokens of the run that gave `capture`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the source is no text.
    pub fn of(capture: &Capture) -> Result<Self> {
        let source = all_token_ids(&capture.source.items)
            .ok_or_else(|| Error::Usage("gradients are those of the tokens of a text".into()))?;
        Ok(Self { inputs: [source, token_ids(&capture.decoder_input)], target: capture.target.ids() })
    }
}
