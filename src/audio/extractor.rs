//! Feature extractors: what the front ends of speech models read of samples.

use super::fbank::FilterBanks;
use super::features::Features;
use super::log_mel::LogMel;
use super::samples::SampleFeatures;

/// Computes the features of a recording.
#[derive(Clone, Debug)]
pub enum FeatureExtractor {
    /// Log-mel spectrograms of a fixed window.
    LogMel(LogMel),
    /// Filter banks of Kaldi.
    FilterBanks(FilterBanks),
    /// The samples themselves.
    Samples(SampleFeatures),
}

impl FeatureExtractor {
    /// Samples a second.
    pub fn rate(&self) -> u32 {
        match self {
            Self::LogMel(features) => features.rate(),
            Self::FilterBanks(features) => features.rate(),
            Self::Samples(features) => features.rate(),
        }
    }

    /// Length of the window, or of the longest sound, in seconds.
    pub fn seconds(&self) -> f64 {
        match self {
            Self::LogMel(features) => features.seconds(),
            Self::FilterBanks(features) => features.seconds(),
            Self::Samples(features) => features.seconds(),
        }
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        match self {
            Self::LogMel(features) => features.hop(),
            Self::FilterBanks(features) => features.hop(),
            Self::Samples(_) => 1,
        }
    }

    /// Seconds from one frame to the next.
    pub fn frame(&self) -> f64 {
        self.hop() as f64 / f64::from(self.rate())
    }

    /// Computes the features of samples at [`FeatureExtractor::rate`].
    pub fn features(&self, samples: &[f32]) -> Features {
        match self {
            Self::LogMel(features) => features.features(samples),
            Self::FilterBanks(features) => features.features(samples),
            Self::Samples(features) => features.features(samples),
        }
    }
}
