//! Sound: files to samples, samples to the features that speech models read.
//!
//! Every step is a pure function: [`read`] decodes the part of a recording that a model hears, [`resample`]
//! changes its rate, and [`LogMel`] turns it into features.

mod decode;
mod fft;
mod log_mel;
mod resample;

pub use decode::{MAX_SECONDS, Recording, SoundWindow, read};
pub use log_mel::{Features, LogMel};
pub use resample::resample;
