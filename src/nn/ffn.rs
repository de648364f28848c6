//! The feed-forward block, plain or gated.

use candle_core::Tensor;

use super::{Activation, Linear, product};
use crate::error::Result;

/// `down(act(up(x)))`, or `down(act(gate(x)) * up(x))` where it is gated (Shazeer 2020).
#[derive(Clone, Debug)]
pub struct FeedForward {
    /// `d_model` to `ffn_dim`.
    pub up: Linear,
    /// `d_model` to `ffn_dim`, through the activation.
    pub gate: Option<Linear>,
    /// `ffn_dim` to `d_model`.
    pub down: Linear,
    /// Between them.
    pub activation: Activation,
}

impl FeedForward {
    /// `[..., d_model]` to `[..., d_model]`.
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
