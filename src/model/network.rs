//! Interface between [`Model`](super::Model) and the networks that it runs.

use candle_core::Tensor;

use super::layer_by_layer::LayerByLayer;
use crate::error::{Error, Result};
use crate::nn::{Directions, Hook, KvCache, LayerInput, ProcessRow};

/// Source of an encoder.
///
/// A front end for other media makes states itself; the network does not ask where they come from.
#[derive(Clone, Copy)]
pub enum EncoderInput<'a> {
    /// Ids of source tokens.
    Ids(&'a [u32]),
    /// States ready for the first layer, positions included: `[1, positions, d_model]`.
    States(&'a Tensor),
    /// States that enter a layer, which skips the layers before.
    Layer(&'a LayerInput),
}

/// Input of a decoder.
#[derive(Clone, Copy)]
pub enum DecoderInput<'a> {
    /// Equally long rows of ids.
    Ids {
        /// `[batch, positions]`
        ids: &'a [u32],
        /// Number of rows.
        batch: usize,
    },
    /// States that enter a layer, which skips the layers before.
    Layer(&'a LayerInput),
}

/// One of the sequences that go through the encoder together.
pub struct EncoderSequence<'a> {
    /// The source.
    pub input: EncoderInput<'a>,
    /// Hook of the sequence.
    pub hook: &'a mut dyn Hook,
}

/// One of the sequences that go through the decoder together.
pub struct DecoderSequence<'a> {
    /// The target.
    pub input: DecoderInput<'a>,
    /// The encoder's last states, `[1, source, width]`. Sequences may share them.
    pub source: &'a Tensor,
    /// Cache of the positions before.
    pub cache: Option<&'a mut KvCache>,
    /// Hook of the sequence.
    pub hook: &'a mut dyn Hook,
}

/// Callback before each layer, given its number; an error stops the pass.
pub type OnLayer<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// Creates the error for a network whose decoder has no residual stream.
fn no_residual_stream(analysis: &'static str) -> Error {
    Error::NotForModel { analysis, why: "its decoder is a recurrent network, without a residual stream" }
}

/// An encoder-decoder of any architecture. The methods are those of [`Model`](super::Model).
pub(super) trait Network: Send + Sync {
    /// Creates an empty cache for decoding.
    fn cache(&self) -> KvCache;

    /// Embeds source ids: `[1, positions, d_model]`, ready for the encoder's first layer.
    fn embed_source(&self, ids: &[u32]) -> Result<Tensor>;

    /// Turns features `[1, frames, bins]`, pixels `[3, height, width]` or patches `[rows, columns, values]` into
    /// `[1, positions, d_model]`, ready for the encoder's first layer.
    fn embed_features(&self, features: &Tensor) -> Result<Tensor>;

    /// Runs the encoder on several sequences; returns the last states of each, `[1, positions, width]`.
    fn encode(&self, sequences: Vec<EncoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>>;

    /// Runs the decoder on several sequences; returns the last states of each, `[batch, positions, width]`.
    fn decode(&self, sequences: Vec<DecoderSequence>, on_layer: OnLayer) -> Result<Vec<Tensor>>;

    /// Maps decoder states `[..., width]` to logits `[..., vocabulary]`.
    fn logits(&self, states: &Tensor) -> Result<Tensor>;

    /// Maps the decoder's residual stream after a layer, `[..., width]`, to the logits that it would give as
    /// the last one.
    fn unembed(&self, _residual: &Tensor) -> Result<Tensor> {
        Err(no_residual_stream("the logit lens"))
    }

    /// Returns the directions of the last residual stream, `[1, rows, width]`, along which its states add up
    /// to the logits of `tokens`, one for each row, with the scale of the final norm held fixed.
    fn logit_directions(&self, _residual: &Tensor, _tokens: &[u32]) -> Result<Directions> {
        Err(no_residual_stream("direct logit attribution"))
    }

    /// Scores of the tokens that may have the largest logit of each row; `None` if the network computes all
    /// logits.
    fn argmax_candidates(&self, _states: &Tensor, _process: &ProcessRow) -> Result<Option<Vec<Vec<f32>>>> {
        Ok(None)
    }

    /// Returns the network as one that runs a layer at a time, for gradients.
    fn layer_by_layer(&self) -> Result<&dyn LayerByLayer> {
        Err(Error::NotForModel { analysis: "the gradient", why: "its stacks are recurrent networks" })
    }

    /// Returns the network with a decoder of 8-bit weights, or `None` if it has no such form.
    fn quantised(&self) -> Option<Box<dyn Network>> {
        None
    }
}
