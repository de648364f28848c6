//! Feed-forward block, plain or gated.

use candle_core::Tensor;

use super::{Activation, Linear, product};
use crate::error::Result;

/// `down(act(up(x)))`, or `down(act(gate(x)) * up(x))` if it is gated (Shazeer 2020).
#[derive(Clone, Debug)]
pub struct FeedForward {
    /// `d_model` to `ffn_dim`.
    pub up: Linear,
    /// `d_model` to `ffn_dim`, followed by the activation.
    pub gate: Option<Linear>,
    /// `ffn_dim` to `d_model`.
    pub down: Linear,
    /// Activation function.
    pub activation: Activation,
}

impl FeedForward {
    /// Applies the block to `[..., d_model]`. Returns the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let hidden = match &self.gate {
            Some(gate) => {
                let maps = [(gate, Some(self.activation)), (&self.up, None)];
                let [gate, up] = Linear::forward_each_through(maps, x)?;
                product(&gate, &up)?
            }
            None => self.up.forward_through(x, self.activation)?,
        };
        self.down.forward(&hidden)
    }
}
