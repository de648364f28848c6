//! Linear layers.

use candle_core::Tensor;

use super::{Activation, ArgmaxFilter, LazyTensor, Weight};
use crate::error::{Error, Result};

/// Number of values from which on a weight does not fit the second-level cache.
const LARGE: usize = 1 << 20;

/// `y = x Wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weight,
    bias: Option<LazyTensor>,
}

impl Linear {
    /// Creates a layer from a weight `[out, in]` and a bias `[out]`.
    pub fn new(weight: impl Into<Weight>, bias: Option<Tensor>) -> Self {
        Self { weight: weight.into(), bias: bias.map(LazyTensor::from) }
    }

    /// Creates a layer whose bias `[out]` is read when the layer is first applied.
    pub fn with_lazy_bias(weight: Weight, bias: LazyTensor) -> Self {
        Self { weight, bias: Some(bias) }
    }

    fn bias(&self) -> Result<Option<&Tensor>> {
        self.bias.as_ref().map(LazyTensor::get).transpose()
    }

    /// The values of the bias, `[out]`; `None` if there is none.
    pub fn bias_values(&self) -> Result<Option<Vec<f32>>> {
        self.bias()?.map(|bias| Ok(bias.to_vec1()?)).transpose()
    }

    /// Copies rows of the weight, `[rows.len(), in]`. The rows must exist.
    pub fn rows(&self, rows: &[u32]) -> Result<Tensor> {
        self.weight.rows(rows)
    }

    /// The weight, `[out, in]`.
    pub fn matrix(&self) -> Result<Tensor> {
        let (outputs, _) = self.weight.dims()?;
        self.weight.rows(&(0..outputs as u32).collect::<Vec<_>>())
    }

    /// The same layer with an 8-bit weight, if the kernels multiply with it.
    pub fn quantised(&self) -> Self {
        Self { weight: self.weight.quantised(), bias: self.bias.clone() }
    }

    /// Returns true if the weight has 8 bits.
    pub fn is_quantised(&self) -> bool {
        matches!(self.weight, Weight::Quantised(_))
    }

    /// The same layer with the 8-bit weight of `argmax_filter`, which must belong to this layer.
    pub fn with_int8(&self, argmax_filter: &ArgmaxFilter) -> Self {
        Self { weight: Weight::Quantised(argmax_filter.int8_weight().clone()), bias: self.bias.clone() }
    }

    /// Creates a filter that finds the largest output without computing all of them. `None` if the weight
    /// is too small to be worth it, or if the kernels do not multiply with it.
    pub fn argmax_filter(&self) -> Option<ArgmaxFilter> {
        let packed = self.weight.packed().filter(|packed| packed.outputs() * packed.inputs() >= LARGE)?;
        Some(ArgmaxFilter::new(packed.clone(), self.bias().ok()?.cloned()))
    }

    /// Applies the layer to `[..., in]`. Returns `[..., out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.weight.multiply(x, self.bias()?, None)
    }

    /// Applies each of several layers to the same `[..., in]`, in one pass over it.
    pub fn forward_each<const N: usize>(maps: [&Self; N], x: &Tensor) -> Result<[Tensor; N]> {
        Self::forward_each_through(maps.map(|map| (map, None)), x)
    }

    /// [`Linear::forward_each`] with an activation after each layer.
    pub fn forward_each_through<const N: usize>(
        maps: [(&Self, Option<Activation>); N],
        x: &Tensor,
    ) -> Result<[Tensor; N]> {
        let factors = maps.iter().map(|(map, activation)| Ok((&map.weight, map.bias()?, *activation)));
        let products = Weight::multiply_each(x, &factors.collect::<Result<Vec<_>>>()?)?;
        products.try_into().map_err(|_| Error::Engine("a product is missing".into()))
    }

    /// Computes `activation(x Wᵀ + b)` in one pass.
    pub fn forward_through(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        self.weight.multiply(x, self.bias()?, Some(activation))
    }
}
