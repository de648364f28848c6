//! Choice of a temperature for a window of a long recording, as `generate()` of transformers' Whisper makes
//! it.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Thresholds by which a window of a long recording is generated again at the next temperature, or left out.
/// Without thresholds the first temperature counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fallback {
    /// Temperatures in the order in which they are tried; 0 takes the likeliest tokens. Empty for the model's
    /// own settings.
    pub temperatures: Vec<f32>,
    /// Largest compression ratio of a text that is kept: one that repeats itself compresses well.
    pub compression_ratio: Option<f64>,
    /// Smallest mean log-probability of the tokens of a text that is kept, in nats.
    pub log_probability: Option<f64>,
    /// Probability of no speech above which a window is left out, if the mean log-probability is too small,
    /// too.
    pub no_speech: Option<f64>,
}

/// Fate of the text of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Kept,
    /// It is generated again at the next temperature.
    Again,
    /// It is left out: there is no speech in the window.
    LeftOut,
}

/// Measurements of the text of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TextMeasures {
    /// Length of its tokens in bytes over their length when compressed.
    pub compression_ratio: f64,
    /// Mean log-probability of its tokens, the end token included, in nats.
    pub log_probability: f64,
    /// Probability of no speech in the window.
    pub no_speech: f64,
}

impl Fallback {
    /// Returns true if a text can be generated again, or left out.
    pub fn has_thresholds(&self) -> bool {
        self.compression_ratio.is_some() || self.log_probability.is_some()
    }

    /// Judges a text. As in transformers, silence needs a threshold of the log-probability, too.
    pub fn verdict(&self, text: TextMeasures) -> Verdict {
        let repeats = self.compression_ratio.is_some_and(|most| text.compression_ratio > most);
        let unsure = self.log_probability.is_some_and(|least| text.log_probability < least);
        let silent = self.no_speech.is_some_and(|most| text.no_speech > most);
        match (repeats || unsure, unsure && silent) {
            (_, true) => Verdict::LeftOut,
            (true, false) => Verdict::Again,
            (false, false) => Verdict::Kept,
        }
    }
}

/// Returns the length of token ids in bytes over their length when compressed by zlib; 0 for none. An id has
/// as many bytes as the largest id of the vocabulary needs.
pub fn compression_ratio(ids: &[u32], vocabulary: usize) -> f64 {
    if ids.is_empty() {
        return 0.0;
    }
    let length = ((vocabulary.max(2) as f64).log2() / 8.0) as usize + 1;
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes().into_iter().take(length)).collect();
    // zlib-rs follows zlib-ng, whose highest level comes closest to the lengths of zlib's default.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let compressed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    compressed.map_or(0.0, |compressed| bytes.len() as f64 / compressed.len().max(1) as f64)
}
