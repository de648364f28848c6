//! Gradients of a score with respect to what heads read and to their weights.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};

use super::Hook;
use super::heads::repeat_kv;
use crate::error::{Error, Result};
use crate::site::Site;

/// Hook of a pass through the autograd graph: keeps weights, values and `z` of every head, and lets gradients
/// of `z` be asked for.
#[derive(Default)]
pub struct Probe {
    /// The sites of the pass, in its order.
    pub sites: Vec<ProbedSite>,
    values: Vec<(Site, Tensor)>,
    weights: Option<Tensor>,
}

/// Weights, values and `z` of the heads at one site.
pub struct ProbedSite {
    /// The site.
    pub site: Site,
    /// `[heads, queries, keys]`
    pub weights: Tensor,
    /// Value vectors that each head reads, `[heads, keys, head_dim]`.
    pub values: Tensor,
    /// Weights times values, `[heads, queries, head_dim]`.
    pub z: Tensor,
    /// Zeros that were added to `z`: their gradient is that of `z`. `None` in a pass without gradients.
    offset: Option<Var>,
}

impl ProbedSite {
    /// Returns the gradient of `z`, `[heads, queries, head_dim]`.
    pub fn z_gradient(&self, gradients: &GradStore) -> Result<Tensor> {
        match self.offset.as_ref().and_then(|offset| gradients.get(offset)) {
            Some(gradient) => Ok(gradient.clone()),
            None => Ok(self.z.zeros_like()?),
        }
    }

    /// Returns the gradient of the weights, `[heads, queries, keys]`, from that of `z`.
    pub fn weights_gradient(&self, z_gradient: &Tensor) -> Result<Tensor> {
        Ok(z_gradient.contiguous()?.matmul(&self.values.t()?)?)
    }
}

impl Hook for Probe {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn keeps_scores(&self, _: Site) -> bool {
        true
    }

    fn weights(&mut self, _: Site, weights: &Tensor) -> Result<()> {
        self.weights = Some(weights.detach());
        Ok(())
    }

    fn wants_values(&self, _: Site) -> bool {
        true
    }

    fn values(&mut self, site: Site, values: Tensor) -> Result<Tensor> {
        self.values.push((site, values.detach()));
        Ok(values)
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        let missing = || Error::Engine(format!("weights or values of {site} are missing"));
        let weights = self.weights.take().ok_or_else(missing)?;
        let at = self.values.iter().position(|(other, _)| *other == site).ok_or_else(missing)?;
        let (_, values) = self.values.swap_remove(at);
        let (heads, _, keys) = weights.dims3()?;
        let key_heads = values.dim(2)? / z.dim(2)?.max(1);
        let values = repeat_kv(&values.narrow(1, 0, keys)?, heads, key_heads)?.squeeze(0)?;
        let offset = if z.track_op() { Some(Var::from_tensor(&z.zeros_like()?)?) } else { None };
        let shifted = match &offset {
            Some(offset) => (&z + offset.as_tensor())?,
            None => z.clone(),
        };
        self.sites.push(ProbedSite { site, weights, values, z: z.detach(), offset });
        Ok(shifted)
    }
}
