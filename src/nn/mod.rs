//! Network blocks without model names. Hidden states are `[batch, positions, d_model]` in `f32`.
//!
//! Nothing here keeps state between calls: caches are passed in, and whoever wants to see or change what
//! attention does passes a [`Hook`].

mod activation;
mod additive;
mod attention;
mod cache;
mod combine;
mod content_bias;
mod cpu;
mod embedding;
mod experts;
mod ffn;
mod flow;
mod gru;
mod hook;
mod linear;
mod norm;
mod position;
mod profile;
mod recipe;
mod relative_bias;
mod rotary;
mod screen;
mod side;
mod summaries;
mod weight;

pub use activation::Activation;
pub use additive::AdditiveAttention;
pub use attention::{Attention, Beside, KeysValues, Look};
pub use attn_tui_kernels::attention::{Hidden, Part, Visible};
pub use cache::{Cache, Grown, LayerCache};
pub use combine::{product, sum};
pub use content_bias::ContentBias;
pub use cpu::read;
pub use embedding::Embedding;
pub use experts::{Experts, Pair, Routing};
pub use ffn::FeedForward;
pub use flow::{Flow, Joint, Measured};
pub use gru::Gru;
pub use hook::{Cut, Hook, NoHook, Unseen};
pub use linear::Linear;
pub use norm::Norm;
pub use position::{PositionTable, Sinusoid};
pub use profile::{Frame, Gini, PICTURE, Profile, Profiles, STRONG, Strong, Sums};
pub use recipe::Recipe;
pub use relative_bias::RelativeBias;
pub use rotary::Rotary;
pub use screen::Screen;
pub use side::{SideBias, SideKeys};
pub use summaries::Summaries;
pub use weight::{Stored, Weight};

impl From<candle_core::Error> for crate::error::Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
