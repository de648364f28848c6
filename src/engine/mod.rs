//! Opens models and runs them: on the caller's thread for commands, on a thread of its own for the explorer.

mod ablated;
mod attribution;
mod backward;
mod covering;
mod evidence;
mod faithful;
mod gradients;
mod haystack;
mod head_means;
mod hearing;
mod identity;
mod lens;
mod long_form;
mod many;
mod media;
mod models;
mod open;
mod openable;
mod pass;
mod patch_estimate;
mod patch_links;
mod patching;
mod protocol;
mod run_tokens;
mod scores;
mod seeing;
mod session;
mod source;
mod timings;
mod variants;
mod worker;

pub use ablated::IntactRun;
pub use attribution::{AttributionOptions, EmbeddingBaseline};
pub use faithful::Eraser;
pub use haystack::{CONTEXT, Haystack, Needle};
pub use identity::ModelIdentity;
pub use long_form::{SpeechSegment, TranscribedWindow};
pub use media::MAX_INPUT;
pub use models::Models;
pub use open::{Opened, open, open_device};
pub use openable::{Openable, openable};
pub use patch_estimate::EstimatedPatches;
pub use patching::PatchOptions;
pub use protocol::{
    AblatedRun, AudioOptions, Event, Evidence, EvidenceKind, EvidenceRequest, HeadEvidence, ImageOptions,
    ModelInfo, OpenOptions, PatchRequest, PatchedRun, Request, RunOptions,
};
pub use session::Session;
pub use source::Source;
pub use timings::Timings;
pub use variants::{MaskedTokens, Masking};
pub use worker::Worker;

/// Returns the name of the CPU kernels in use.
pub fn kernels() -> &'static str {
    attn_tui_kernels::simd::level().name()
}

/// Returns the number of threads to use: `setting`, or the number of physical cores.
pub fn threads(setting: Option<usize>) -> usize {
    setting.unwrap_or_else(attn_tui_kernels::threads::default_count)
}
