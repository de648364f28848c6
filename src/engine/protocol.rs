//! What the explorer asks of the engine and what the engine answers.

use std::sync::Arc;

use crate::capture::{Capture, Prediction};
use crate::error::Error;
use crate::progress::Progress;
use crate::site::Ablation;
use crate::token::Sequence;

/// Where the model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The first NVIDIA GPU (feature `cuda`).
    Cuda,
    /// Apple's GPU (feature `metal`).
    Metal,
}

/// Which model to open, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// The MODEL argument: hub id, folder, capture file or `demo`.
    pub model: String,
    /// Branch, tag or commit; overrides the part after `@`.
    pub revision: Option<String>,
    /// Never touch the network.
    pub offline: bool,
    /// Where to run.
    pub device: Device,
    /// Threads of the engine; `None`: the machine's physical cores.
    pub threads: Option<usize>,
    /// Bytes of maps that a capture keeps at most; `None`: as many as the machine can spare. What does not fit
    /// is computed when it is looked at.
    pub memory: Option<usize>,
}

/// One run of an opened model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunOptions {
    /// The encoder's text.
    pub source: String,
    /// The decoder's text; `None`: generate it.
    pub target: Option<String>,
    /// Source language, for multilingual models.
    pub src_lang: Option<String>,
    /// Target language, for multilingual models.
    pub tgt_lang: Option<String>,
    /// Beams; `None`: the model's own generation config.
    pub beams: Option<usize>,
    /// Longest generated text in tokens; `None`: the model's own generation config.
    pub max_new_tokens: Option<usize>,
    /// Generate with a decoder of 8-bit weights: faster, and the text may not be the one that the weights as they
    /// are give. Whatever the target, its capture is made with those.
    pub fast_generate: bool,
    /// Tell what each decoder row predicts ([`Capture::predictions`]): a product with the whole vocabulary.
    pub predictions: bool,
    /// Keep the logits in the capture, and tell what each row predicts.
    pub logits: bool,
    /// Keep what value-weighted maps ([`Capture::value_weighted`]) and ALTI ([`Capture::contributions`]) need:
    /// a number a head and key, and a map a site. It costs little memory, but for long texts several times
    /// the time of the pass (a vector of `d_model` a query, key and head), so it is off by default.
    pub values: bool,
    /// Keep what scores before the softmax follow from ([`Capture::scores`]): queries and keys in the place of
    /// maps, which are computed again when they are looked at.
    pub scores: bool,
    /// Have the heads' profiles ([`Capture::profile`]) made by the pass itself.
    pub profiles: bool,
    /// Parts of the attention to switch off.
    pub ablations: Vec<Ablation>,
}

/// What is known of an opened model before it ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// Hub id, folder name or `demo`.
    pub name: String,
    /// `model_type` of its config.json.
    pub model_type: String,
    /// Encoder and decoder layers.
    pub layers: (usize, usize),
    /// Heads per layer of encoder and decoder.
    pub heads: (usize, usize),
    /// Number of parameters.
    pub parameters: usize,
    /// Language codes, where the model has them.
    pub languages: Vec<String>,
    /// Source and target language that it takes where none is named.
    pub default_languages: (Option<String>, Option<String>),
    /// Task prefixes that its config offers (`translate English to French: `), by task name.
    pub prefixes: Vec<(String, String)>,
    /// A source text worth trying first.
    pub example: String,
}

/// What becomes of a captured run when parts of the attention are switched off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AblatedRun {
    /// What was off.
    pub ablations: Vec<Ablation>,
    /// What the model says of the same target, token by token: one entry per decoder row.
    pub forced: Vec<Prediction>,
    /// What it generates instead; `None` where the run's target was given.
    pub generated: Option<Sequence>,
}

/// Asked by the explorer. A newer request stops and replaces one that is under way.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Open a model or a capture file.
    Open(OpenOptions),
    /// Run the open model.
    Run(RunOptions),
    /// What becomes of the last run when the parts in `off` are switched off; the rest of the options is that
    /// of the last run.
    Ablate(RunOptions),
    /// Stop what is under way.
    Cancel,
}

/// Told by the engine.
#[derive(Debug)]
pub enum Event {
    /// A long step advances.
    Progress(Progress),
    /// The model is open.
    Opened(ModelInfo),
    /// A run is complete, or a capture file is open.
    Captured(Arc<Capture>),
    /// What became of the last run without some parts.
    Ablated(AblatedRun),
    /// A request failed; what was there before stays.
    Failed(Error),
    /// A request was stopped.
    Cancelled,
}
