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

use crate::error::{Error, Result};
use crate::nn::has_nan;

/// Checks that the scores are numbers.
fn check_scores(scores: &[f32]) -> Result<()> {
    if has_nan(scores) {
        return Err(Error::NotNumbers { tensor: None });
    }
    Ok(())
}
