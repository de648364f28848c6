//! The model runs of a tour.

use std::path::PathBuf;
use std::sync::Arc;

use crate::capture::Capture;
use crate::engine::{ImageOptions, RunOptions};
use crate::error::Result;

/// A function that runs the named model and returns its capture. The command line and the screen each pass
/// their own.
pub type RunModel<'a> = &'a mut dyn FnMut(&str, &RunOptions) -> Result<Arc<Capture>>;

/// One run of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Name by which the step's text refers to the run.
    pub name: String,
    /// Model, as on the command line.
    pub model: String,
    /// Text for the encoder; empty for a picture or a capture.
    pub source: String,
    /// Picture for a vision model.
    pub image: Option<PathBuf>,
    /// Text that the decoder is forced to produce; `None` generates one.
    pub target: Option<String>,
    /// Number of beams; `None` uses the model's own default.
    pub beams: Option<usize>,
    /// True to keep queries, keys and the norms of values, which the text may refer to.
    pub vectors: bool,
}

impl Run {
    /// Returns the engine's options for this run. The reader's own sentence replaces the source and drops a
    /// forced target.
    pub fn options(&self, own_sentence: Option<&str>) -> RunOptions {
        RunOptions {
            source: own_sentence.unwrap_or(&self.source).to_string(),
            image: self.image.clone().map(|path| ImageOptions { path, ..ImageOptions::default() }),
            target: self.target.clone().filter(|_| own_sentence.is_none()),
            beams: self.beams,
            scores: self.vectors,
            values: self.vectors,
            ..RunOptions::default()
        }
    }
}
