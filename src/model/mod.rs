//! From config.json to the one encoder-decoder.

mod pickle;
mod torch;
mod weights;

pub use weights::Weights;
