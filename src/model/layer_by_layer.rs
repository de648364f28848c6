//! A model that runs one layer at a time, so that gradients need the graph of a single layer.

use candle_core::Tensor;

use crate::error::Result;
use crate::nn::{Hook, LayerInput};
use crate::site::Kind;

/// An encoder-decoder of layers, each of which can be run by itself. A stack is named by the kind of its
/// self-attention. If a tensor that goes in belongs to candle's autograd graph, so does what comes out.
pub trait LayerByLayer: Sync {
    /// Number of layers of a stack.
    fn layers(&self, stack: Kind) -> usize;

    /// Embeds the tokens of one sequence, after their scale and before positions: `[1, positions, width]`.
    fn token_embeddings(&self, stack: Kind, ids: &[u32]) -> Result<Tensor>;

    /// Turns embeddings into the input of the first layer, `[1, positions, d_model]`. `ids` are the tokens of the
    /// sequence; in some models padding among them has no position.
    fn enter(&self, stack: Kind, embeddings: &Tensor, ids: &[u32]) -> Result<Tensor>;

    /// Runs one layer; returns the states after it, `[1, positions, d_model]`. `source` is what the encoder gave,
    /// for a decoder.
    fn layer(
        &self,
        stack: Kind,
        input: &LayerInput,
        source: Option<&Tensor>,
        hook: &mut dyn Hook,
    ) -> Result<Tensor>;

    /// Turns the states after the last layer into those that the stack gives, `[1, positions, width]`.
    fn leave(&self, stack: Kind, states: &Tensor) -> Result<Tensor>;

    /// Maps what the decoder gave to logits `[1, positions, vocabulary]`.
    fn map_to_vocabulary(&self, states: &Tensor) -> Result<Tensor>;
}
