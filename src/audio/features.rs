//! Features of recordings, and the file with their settings.

use serde_json::Value;

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};

/// Name of the file with the settings.
const FILE: &str = "preprocessor_config.json";

/// Features of one window, one row for each frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// `[frames, bins]`
    pub values: Vec<f32>,
    /// Number of frames.
    pub frames: usize,
    /// Number of bins.
    pub bins: usize,
    /// Number of frames that the recording covers; the others are padding.
    pub covered: usize,
}

/// The settings in preprocessor_config.json. Fields that are absent, or the whole file, have defaults.
#[derive(Clone, Debug)]
pub struct FeatureFile(ModelConfig);

impl FeatureFile {
    /// Wraps the file's contents.
    pub fn new(file: Option<Value>) -> Self {
        Self(ModelConfig::new(file.unwrap_or_else(|| serde_json::json!({}))))
    }

    /// The error about the file.
    pub(super) fn bad(&self, why: String) -> Error {
        Error::BadFile { file: FILE.into(), why }
    }

    /// Checks that the file is for the feature extractor of this name.
    ///
    /// # Errors
    /// [`Error::BadFile`] if it is for another.
    pub(super) fn check_kind(&self, kind: &str) -> Result<()> {
        match self.0.text_or("feature_extractor_type", kind).map_err(renamed)? {
            found if found == kind => Ok(()),
            found => Err(self.bad(format!("features of a {found} are not computed for this model"))),
        }
    }

    /// Checks the number of bins that the file gives against that of the model.
    pub(super) fn check_bins(&self, key: &str, found: usize, bins: usize) -> Result<()> {
        match found == bins {
            true => Ok(()),
            false => Err(self.bad(format!("{key} is {found}, and the model reads {bins} bins"))),
        }
    }

    /// Reads a count from 1 to `most`.
    pub(super) fn count(&self, key: &str, default: usize, most: usize) -> Result<usize> {
        match self.0.count_or(key, default).map_err(renamed)? {
            count if (1..=most).contains(&count) => Ok(count),
            count => Err(self.bad(format!("{key} is {count}, not 1 to {most}"))),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        self.0.flag_or(key, default).map_err(renamed)
    }

    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64> {
        self.0.number_or(key, default).map_err(renamed)
    }
}

/// Names the file in errors of [`ModelConfig`], which are about config.json.
fn renamed(error: Error) -> Error {
    match error {
        Error::Config(why) => Error::BadFile { file: FILE.into(), why },
        error => error,
    }
}

/// Scales samples to mean 0 and variance 1.
pub(super) fn normalise(samples: &mut [f32]) {
    let count = samples.len().max(1) as f64;
    let mean = samples.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = samples.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let deviation = (variance + 1e-7).sqrt();
    samples.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) / deviation) as f32);
}
