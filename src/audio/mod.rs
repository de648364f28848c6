//! Sound: files to samples, samples to the features that speech models read.
//!
//! Every step is a pure function: [`read`] decodes the part of a recording that a model hears, [`resample`]
//! changes its rate, and a [`FeatureExtractor`] turns it into features.

mod decode;
mod edit_list;
mod extractor;
mod fbank;
mod features;
mod fft;
mod log_mel;
mod resample;
mod samples;

pub use decode::{MAX_SECONDS, Recording, SoundWindow, read};
pub use extractor::FeatureExtractor;
pub use fbank::FilterBanks;
pub use features::{FeatureFile, Features};
pub use log_mel::LogMel;
pub use resample::resample;
pub use samples::SampleFeatures;
