//! Options, requests and events of the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::MapAxes;
use crate::analysis::attribution::Attribution;
use crate::analysis::faithful::LeaveOneOut;
use crate::analysis::lens::DirectLogits;
use crate::analysis::links::LinkFilter;
use crate::analysis::patching::{ActivationKind, PatchScores};
use crate::analysis::profile::ProfileAxes;
use crate::axis::{Medium, PixelBox, Sequence};
use crate::capture::{Capture, HeadMeans, Prediction};
use crate::device::Device;
use crate::error::Error;
use crate::generate::SpeechTask;
use crate::hub::Hub;
use crate::image::Rotation;
use crate::progress::Progress;
use crate::site::{Ablation, Head, Kind, RowEdit};

/// Options for opening a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenOptions {
    /// The MODEL argument: hub id, folder, capture file or `demo`.
    pub model: String,
    /// Branch, tag or commit; overrides the part after `@`.
    pub revision: Option<String>,
    /// The hub and its cache; `None` where hub ids cannot be opened, as no cache folder is known.
    #[serde(skip)]
    pub hub: Option<Hub>,
    /// Hub id or folder whose tokenizer files are used in place of the model's own.
    pub tokenizer: Option<String>,
    /// True to stay off the network.
    pub offline: bool,
    /// Device to run on.
    pub device: Device,
    /// Number of threads; `None` for the number of physical cores.
    pub threads: Option<usize>,
    /// Most bytes of maps that a capture keeps; `None` for a share of the free memory. Other maps are
    /// recomputed when they are viewed.
    pub memory: Option<usize>,
    /// Kind of maps whose file names none; `None` to tell it from their shape.
    pub kind: Option<Kind>,
    /// True to leave out padding at the ends of a capture file's texts.
    pub trim_padding: bool,
}

/// A recording to run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AudioOptions {
    /// The sound file.
    pub path: PathBuf,
    /// Contents of the file, if it is no file, such as standard input.
    #[serde(skip)]
    pub bytes: Option<Arc<[u8]>>,
    /// Channel to hear, from 0; `None` for the mean of all.
    pub channel: Option<usize>,
    /// Second from which on the recording is heard.
    pub from: f64,
    /// True to keep every position of the encoder apart, those after the recording, too.
    pub padding: bool,
    /// Text to write; `None` for the model's own task.
    pub task: Option<SpeechTask>,
    /// True for timestamps in the text.
    pub timestamps: bool,
}

/// A picture to run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// The picture file; empty for the model's example.
    pub path: PathBuf,
    /// Contents of the file, if it is no file, such as standard input.
    #[serde(skip)]
    pub bytes: Option<Arc<[u8]>>,
    /// Turn before the model sees it.
    pub rotation: Rotation,
    /// Text that the decoder's text begins with. A special token at its beginning takes the place of the start
    /// token, as those of Donut's tasks do.
    pub prompt: Option<String>,
    /// Rectangles that are painted with the picture's mean colour before the model sees it.
    pub covered: Vec<PixelBox>,
}

/// Options of one run of an open model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// The encoder's text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The recording that a speech model hears in place of a text.
    pub audio: Option<AudioOptions>,
    /// The picture that a vision model sees in place of a text.
    pub image: Option<ImageOptions>,
    /// The decoder's text; `None` to generate it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Ids of the tokens that a generated target begins with; it branches off there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<u32>,
    /// Source language, for multilingual models.
    pub src_lang: Option<String>,
    /// Target language, for multilingual models.
    pub tgt_lang: Option<String>,
    /// Number of beams; `None` for that of the model's generation config.
    pub beams: Option<usize>,
    /// Maximum length of generated text in tokens; `None` for that of the model's generation config.
    pub max_new_tokens: Option<usize>,
    /// Seed of the sampling, if the model's generation config or `temperature` asks for sampling.
    pub seed: u64,
    /// Temperature to generate at, 0 for the likeliest tokens; `None` for the model's generation config.
    #[serde(skip)]
    pub temperature: Option<f32>,
    /// Compute the mean log-probability of a generated target.
    #[serde(skip)]
    pub scored: bool,
    /// True to generate with a decoder of 8-bit weights, which is faster and may give another text. The
    /// capture always uses the original weights.
    pub fast_generate: bool,
    /// Keep the predictions of every decoder row ([`Capture::predictions`]), at the cost of a product with
    /// the whole vocabulary.
    #[serde(skip)]
    pub predictions: bool,
    /// Keep the logits over the vocabulary.
    #[serde(skip)]
    pub logits: bool,
    /// Keep the data for value-weighted maps ([`Capture::value_weighted`]) and ALTI
    /// ([`Capture::contributions`]): one number per head and key, and one map per site. It takes little
    /// memory, but for long texts several times the time of the pass, since it computes a vector of `d_model`
    /// values for every query, key and head.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub values: bool,
    /// Keep queries and keys in place of maps, so that scores before the softmax are available
    /// ([`Capture::scores`]). Maps are recomputed when they are viewed.
    #[serde(skip)]
    pub scores: bool,
    /// Compute the heads' profiles ([`Capture::profile`]) during the pass.
    #[serde(skip)]
    pub profiles: bool,
    /// Compute Gini coefficients with the profiles, which takes several times as long.
    #[serde(skip)]
    pub gini: bool,
    /// Links that the profiles list, however weak; `None` for all strong ones.
    #[serde(skip)]
    pub links: Option<LinkFilter>,
    /// Parts of the attention to switch off.
    #[serde(skip)]
    pub ablations: Vec<Ablation>,
    /// Means that ablated heads and sites read in place of zeros
    /// ([`Session::head_means`](super::Session::head_means)).
    #[serde(skip)]
    pub head_means: Option<Arc<HeadMeans>>,
    /// True if ablated heads and sites read their means over the run without ablations in place of zeros.
    #[serde(skip)]
    pub own_means: bool,
    /// Rows of weights to replace, in a run that repeats one without ablations.
    #[serde(skip)]
    pub edits: Vec<RowEdit>,
    /// With ablations, only predict the target of the run without them, and generate none anew.
    #[serde(skip)]
    pub forced_only: bool,
}

impl RunOptions {
    /// Returns true if it names a text, a recording or a picture to run on.
    pub fn has_source(&self) -> bool {
        self.audio.is_some() || self.image.is_some() || !self.source.trim().is_empty()
    }

    /// Returns the same run without ablations and replaced rows.
    pub fn intact(&self) -> Self {
        let (ablations, edits) = (Vec::new(), Vec::new());
        Self { ablations, edits, head_means: None, own_means: false, ..self.clone() }
    }

    /// Returns the seed if a target is sampled. `by_default` is true if the model's settings ask for it.
    pub fn samples(&self, by_default: bool) -> Option<u64> {
        self.temperature.map_or(by_default, |temperature| temperature > 0.0).then_some(self.seed)
    }

    /// Returns true if another run has the same source, target and languages, and generates in the same way a
    /// target that is not given.
    pub fn has_texts_of(&self, other: &Self) -> bool {
        let generation =
            |run: &Self| (run.beams, run.max_new_tokens, run.seed, run.temperature, run.fast_generate);
        if self.target.is_none() && generation(self) != generation(other) {
            return false;
        }
        let texts = |run: &Self| {
            let Self { source, audio, image, target, prefix, src_lang, tgt_lang, .. } = run;
            let texts = (source.clone(), audio.clone(), image.clone(), target.clone(), prefix.clone());
            (texts, src_lang.clone(), tgt_lang.clone())
        };
        texts(self) == texts(other)
    }

    /// Takes the source, the target and the languages of another run.
    pub fn take_texts_of(&mut self, other: Self) {
        let Self { source, audio, image, target, prefix, src_lang, tgt_lang, .. } = other;
        (self.source, self.audio, self.image) = (source, audio, image);
        (self.target, self.prefix) = (target, prefix);
        (self.src_lang, self.tgt_lang) = (src_lang, tgt_lang);
    }

    /// Prepares the axes of the profiles that the run computes; `None` if it computes none.
    pub fn profile_axes(&self, axes: &MapAxes) -> Option<ProfileAxes> {
        if !self.profiles {
            return None;
        }
        let shape = [axes.queries.len(), axes.keys.len()];
        let made = match &self.links {
            Some(filter) => filter.profile_axes(axes, shape),
            None => axes.profile_axes(shape),
        };
        Some(if self.gini { made.with_gini() } else { made })
    }
}

/// Description of an open model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// Hub id, folder name or `demo`.
    pub name: String,
    /// `model_type` of its config.json.
    pub model_type: String,
    /// Number of encoder and decoder layers.
    pub layers: (usize, usize),
    /// Largest number of heads in a layer of encoder and decoder.
    pub heads: (usize, usize),
    /// Number of parameters.
    pub parameters: usize,
    /// The medium of its source.
    pub medium: Medium,
    /// Cross-attention heads that the model's settings name as aligning.
    pub alignment_heads: Vec<Head>,
    /// Language codes of a multilingual model.
    pub languages: Vec<String>,
    /// Default source and target language.
    pub default_languages: (Option<String>, Option<String>),
    /// Task prefixes of its config, such as `translate English to French: `, with the names of the tasks.
    pub prefixes: Vec<(String, String)>,
    /// Example of a source text, or the path of an example picture; empty if there is none.
    pub example: String,
    /// Names of its generation settings that the program does not follow.
    pub ignored: Vec<&'static str>,
    /// Notes on its tokenizer, and on weights that are larger than the free memory, for the user.
    pub notes: Vec<String>,
}

impl ModelInfo {
    /// Returns the notes on the tokenizer and on the generation settings.
    pub fn all_notes(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(self.ignored_note()).collect()
    }

    /// Returns a note that names the generation settings that are not followed, if there are any.
    pub fn ignored_note(&self) -> Option<String> {
        let names = self.ignored.join(", ");
        (!names.is_empty()).then(|| format!("generation settings that are not followed: {names}"))
    }
}

/// Output of a run with some attention ablated or replaced, to compare with the captured run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AblatedRun {
    /// The ablations.
    pub ablations: Vec<Ablation>,
    /// True if ablated heads read their means over the run without ablations.
    pub own_means: bool,
    /// The replaced rows of weights.
    pub edits: Vec<RowEdit>,
    /// Predictions for the captured run's target, one for each decoder row.
    pub forced: Vec<Prediction>,
    /// Newly generated target; `None` if the captured run's target was given.
    pub generated: Option<Sequence>,
}

/// Two runs to patch: activations of the clean one go into the corrupt one, one at a time.
#[derive(Clone, Debug)]
pub struct PatchRequest {
    /// The clean run, to whose target all runs are forced.
    pub clean: Arc<Capture>,
    /// Options of the clean run with the source of the corrupt one.
    pub corrupt: RunOptions,
    /// Kind of the activations.
    pub kind: ActivationKind,
}

impl PartialEq for PatchRequest {
    fn eq(&self, other: &Self) -> bool {
        let Self { clean, corrupt, kind } = self;
        Arc::ptr_eq(clean, &other.clean) && *corrupt == other.corrupt && *kind == other.kind
    }
}

/// Result of a [`PatchRequest`].
#[derive(Clone, Debug)]
pub struct PatchedRun {
    /// The request.
    pub request: PatchRequest,
    /// Ids of the corrupt run's source.
    pub corrupt: Vec<u32>,
    /// The scores.
    pub scores: PatchScores,
}

/// Kinds of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// Relevance of source and prefix tokens for each target token, which needs gradients.
    Relevance {
        /// Token against which the target tokens are explained.
        contrast: Option<u32>,
    },
    /// Probability of the target with one source token at a time masked.
    LeaveOneOut,
    /// Contribution of each head to the target's logits, and its importance for the target.
    Heads,
}

/// Request for evidence about a run.
#[derive(Clone, Debug)]
pub struct EvidenceRequest {
    /// Number that the answer has, too.
    pub serial: u64,
    /// The run.
    pub base: Arc<Capture>,
    /// Options of the run.
    pub run: RunOptions,
    /// The kind of evidence.
    pub kind: EvidenceKind,
}

impl PartialEq for EvidenceRequest {
    fn eq(&self, other: &Self) -> bool {
        let Self { serial, base, run, kind } = self;
        *serial == other.serial && Arc::ptr_eq(base, &other.base) && *run == other.run && *kind == other.kind
    }
}

/// Evidence about a run.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The answer to [`EvidenceKind::Relevance`].
    Relevance {
        /// Token against which the target tokens are explained.
        contrast: Option<u32>,
        /// Scores of source and prefix tokens.
        attribution: Attribution,
    },
    /// The answer to [`EvidenceKind::LeaveOneOut`].
    LeaveOneOut(LeaveOneOut),
    /// The answer to [`EvidenceKind::Heads`].
    Heads(HeadEvidence),
}

/// Evidence about heads. A part that does not apply to a model is replaced by the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadEvidence {
    /// Importance of each head ([`Session::head_importance`](super::Session::head_importance)).
    pub importance: std::result::Result<BTreeMap<Head, f32>, String>,
    /// Parts of the target's logits ([`Session::direct_logits`](super::Session::direct_logits)).
    pub direct: std::result::Result<DirectLogits, String>,
}

impl HeadEvidence {
    /// Returns what a head adds directly to the logit of the target token of a row.
    pub fn direct_logit(&self, head: Head, row: usize) -> Option<f32> {
        let heads = &self.direct.as_ref().ok()?.heads;
        heads.iter().find(|(known, _)| *known == head)?.1.get(row).copied()
    }

    /// Returns the importance of a head.
    pub fn importance(&self, head: Head) -> Option<f32> {
        self.importance.as_ref().ok()?.get(&head).copied()
    }
}

/// Request to the engine. A newer request cancels and replaces the current one.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Open a model or a capture file.
    Open(OpenOptions),
    /// Run the open model.
    Run(RunOptions),
    /// Repeat a run with ablations and replaced rows: the last one, or another one, which is run first
    /// without them.
    Ablate(RunOptions),
    /// Measure evidence about a run.
    Measure(EvidenceRequest),
    /// Patch activations of a run into another one.
    Patch(PatchRequest),
    /// Cancel the current request.
    Cancel,
}

/// Event from the engine.
#[derive(Debug)]
pub enum Event {
    /// Progress of a long step.
    Progress(Progress),
    /// A model was opened.
    Opened(Box<ModelInfo>),
    /// A run completed, or a capture file was opened.
    Captured(Arc<Capture>),
    /// A run with ablations completed.
    Ablated(AblatedRun),
    /// Evidence was measured.
    Measured {
        /// Number of the request.
        serial: u64,
        /// The evidence.
        evidence: Box<Evidence>,
    },
    /// Activations were patched.
    Patched(Box<PatchedRun>),
    /// A request failed. The open model and its last run remain.
    Failed(Error),
    /// A request was cancelled.
    Cancelled,
}
