//! Interface between [`Model`](super::Model) and the networks that it runs.

use candle_core::Tensor;

use crate::error::Result;
use crate::nn::{Hook, KvCache};

/// Source of an encoder.
///
/// A front end for other media makes states itself; the network does not ask where they come from.
#[derive(Clone, Copy)]
pub enum EncoderInput<'a> {
    /// Ids of source tokens.
    Ids(&'a [u32]),
    /// States ready for the first layer, positions included: `[1, positions, d_model]`.
    States(&'a Tensor),
}

/// Callback before each layer, given its number; an error stops the pass.
pub type OnLayer<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// An encoder-decoder of any architecture. The methods are those of [`Model`](super::Model).
pub(super) trait Network: Send + Sync {
    /// Creates an empty cache for decoding.
    fn cache(&self) -> KvCache;

    /// Embeds source ids: `[1, positions, d_model]`, ready for the encoder's first layer.
    fn embed_source(&self, ids: &[u32]) -> Result<Tensor>;

    /// Turns features `[1, frames, bins]` into `[1, positions, d_model]`, ready for the encoder's first layer.
    fn embed_features(&self, features: &Tensor) -> Result<Tensor>;

    /// Runs the encoder on embedded positions; returns its last states, `[1, positions, width]`.
    fn encode(&self, embedded: Tensor, hook: &mut dyn Hook, on_layer: OnLayer) -> Result<Tensor>;

    /// Runs the decoder on `batch` rows of ids; returns its last states, `[batch, positions, width]`.
    fn decode(
        &self,
        input: &[u32],
        batch: usize,
        encoded: &Tensor,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Hook,
        on_layer: OnLayer,
    ) -> Result<Tensor>;

    /// Maps decoder states `[..., width]` to logits `[..., vocabulary]`.
    fn logits(&self, states: &Tensor) -> Result<Tensor>;

    /// Scores of the tokens that may have the largest logit; `None` if the network always computes all
    /// logits.
    fn argmax_candidates(&self, _states: &Tensor, _process: &dyn Fn(&mut [f32])) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }

    /// Returns the network with a decoder of 8-bit weights, or `None` if it has no such form.
    fn quantised(&self) -> Option<Box<dyn Network>> {
        None
    }
}
