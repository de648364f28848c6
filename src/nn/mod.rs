//! Building blocks of networks, without model names. Hidden states are `[batch, positions, d_model]` in
//! `f32`, or the rows of several such sequences in one tensor ([`Ragged`]).
//!
//! No block keeps state between calls: caches are arguments. A [`Hook`] observes or changes what attention
//! computes.

mod activation;
mod additive;
mod argmax;
mod attention;
mod cache;
mod combine;
mod compact_maps;
mod content_bias;
mod conv;
mod cpu;
mod embedding;
mod experts;
mod extra_keys;
mod ffn;
mod graph;
mod gru;
mod heads;
mod hook;
mod lazy_tensor;
mod linear;
mod norm;
mod patch_merging;
mod position;
mod probe;
mod ragged;
mod relative_bias;
mod residual_parts;
mod rotary;
mod sparse_maps;
mod trace;
mod transient_global;
mod weight;
mod windows;

pub use activation::Activation;
pub use additive::AdditiveAttention;
pub use argmax::{ArgmaxFilter, ProcessRow};
pub use attention::{Attention, AttentionArgs, AttentionCall, ExtraArgs, KeysValues};
pub use attn_tui_kernels::attention::{KeyPart, MaskedPair, RowObserver, Visible};
pub use cache::{KvBuffer, KvCache, LayerCache};
pub use combine::{product, sum};
pub use compact_maps::CompactMaps;
pub use content_bias::ContentBias;
pub use conv::{Conv1d, ConvOutput, JointNorm};
pub use cpu::{has_nan, host, read};
pub use embedding::Embedding;
pub use experts::{Experts, MoeRouting, Top2Routing};
pub use extra_keys::{ExtraBias, ExtraKeys};
pub use ffn::FeedForward;
pub use gru::Gru;
pub use hook::{Hook, InterventionsOnly, LayerInput, MapForm, NoHook, SiteAblation};
pub use lazy_tensor::LazyTensor;
pub use linear::Linear;
pub use norm::Norm;
pub use patch_merging::PatchMerging;
pub use position::{PadPositions, PositionTable, Sinusoid};
pub use probe::{Probe, ProbedSite};
pub use ragged::Ragged;
pub use relative_bias::RelativeBias;
pub use residual_parts::{Directions, PartSums, ResidualPart};
pub use rotary::Rotary;
pub use sparse_maps::SparseMaps;
pub use trace::{AttentionTrace, FfnTrace, ResidualAdd, ValueContributions};
pub use transient_global::TransientGlobal;
pub use weight::{FileWeight, Weight, elements};
pub use windows::{WindowGrid, Windows};

impl From<candle_core::Error> for crate::error::Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
