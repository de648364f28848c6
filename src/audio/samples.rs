//! Samples as features, as transformers' `Wav2Vec2FeatureExtractor` passes them on.

use super::features::{FeatureFile, Features, normalise};
use crate::error::Result;

/// Settings of a front end that reads samples.
#[derive(Clone, Debug)]
pub struct SampleFeatures {
    rate: u32,
    /// Longest sound in samples.
    samples: usize,
    /// True to scale samples to mean 0 and variance 1.
    normalised: bool,
}

impl SampleFeatures {
    /// Reads the settings, for a model that hears at most `seconds`.
    ///
    /// # Errors
    /// Those of [`FeatureFile`].
    pub fn read(file: &FeatureFile, seconds: usize) -> Result<Self> {
        file.check_kind("Wav2Vec2FeatureExtractor")?;
        let rate = file.count("sampling_rate", 16_000, 768_000)?;
        Ok(Self { rate: rate as u32, samples: seconds * rate, normalised: file.flag("do_normalize", true)? })
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Length of the longest sound in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.rate)
    }

    /// Returns the samples of the longest sound, each as a frame of one bin.
    pub fn features(&self, samples: &[f32]) -> Features {
        let mut values = samples[..samples.len().min(self.samples)].to_vec();
        if self.normalised {
            normalise(&mut values);
        }
        Features { frames: values.len(), covered: values.len(), bins: 1, values }
    }
}
