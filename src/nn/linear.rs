//! Affine maps.

use candle_core::Tensor;

use super::{Activation, ArgmaxFilter, Weight};
use crate::error::{Error, Result};

/// Values of a weight that no second cache holds.
const LARGE: usize = 1 << 20;

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

    /// The same map with its weight in 8 bits, where the kernels multiply with it.
    pub fn quantised(&self) -> Self {
        Self { weight: self.weight.quantised(), bias: self.bias.clone() }
    }

    /// The same map with the weight of `argmax_filter`, which must be of this map.
    pub fn with_int8(&self, argmax_filter: &ArgmaxFilter) -> Self {
        Self { weight: Weight::Quantised(argmax_filter.int8_weight().clone()), bias: self.bias.clone() }
    }

    /// What finds the largest of its outputs sooner; `None` where the weight is so small that all of it is
    /// read in no time, or where the kernels do not multiply with it.
    pub fn argmax_filter(&self) -> Option<ArgmaxFilter> {
        let packed = self.weight.packed().filter(|packed| packed.outputs() * packed.inputs() >= LARGE)?;
        Some(ArgmaxFilter::new(packed.clone(), self.bias.clone()))
    }

    /// `[..., in]` to `[..., out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.weight.multiply(x, self.bias.as_ref(), None)
    }

    /// What each of the maps makes of the same `[..., in]`.
    pub fn forward_each<const N: usize>(maps: [&Self; N], x: &Tensor) -> Result<[Tensor; N]> {
        Self::forward_each_through(maps.map(|map| (map, None)), x)
    }

    /// [`Linear::forward_each`], each through its activation.
    pub fn forward_each_through<const N: usize>(
        maps: [(&Self, Option<Activation>); N],
        x: &Tensor,
    ) -> Result<[Tensor; N]> {
        let factors = maps.map(|(map, activation)| (&map.weight, map.bias.as_ref(), activation));
        let products = Weight::multiply_each(x, &factors)?;
        products.try_into().map_err(|_| Error::Engine("a product is missing".into()))
    }

    /// `activation(x Wᵀ + b)`, in one go.
    pub fn forward_through(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        self.weight.multiply(x, self.bias.as_ref(), Some(activation))
    }
}
