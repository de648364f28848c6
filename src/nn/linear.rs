//! Affine maps.

use candle_core::Tensor;

use super::{Activation, Weight};
use crate::error::Result;

/// `y = x Wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
}

impl Linear {
    /// From a weight `[out, in]` and a bias `[out]`.
    pub fn new(weight: impl Into<Weight>, bias: Option<Tensor>) -> Self {
        Self { weight: weight.into(), bias }
    }

    /// The weight, `[out, in]`.
    pub fn matrix(&self) -> Result<Tensor> {
        let (outputs, _) = self.weight.dims()?;
        self.weight.rows(&(0..outputs as u32).collect::<Vec<_>>())
    }

    /// `[..., in]` to `[..., out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.weight.multiply(x, self.bias.as_ref(), None)
    }

    /// `activation(x Wᵀ + b)`, in one go.
    pub fn forward_through(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        self.weight.multiply(x, self.bias.as_ref(), Some(activation))
    }
}
