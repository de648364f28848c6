//! Normalisation over the last dimension.

use attn_tui_kernels::norm;
use candle_core::{D, Tensor};
use rayon::prelude::*;

use super::cpu::{on_cpu, values};
use super::graph::{in_graph, node};
use crate::error::Result;

/// Layer norm (Ba et al. 2016) or root mean square norm (Zhang & Sennrich 2019).
#[derive(Clone, Debug)]
pub enum Norm {
    /// `(x - mean) / sqrt(var + eps) * weight + bias`.
    Layer {
        /// `[d_model]`
        weight: Tensor,
        /// `[d_model]`
        bias: Tensor,
        /// Added to the variance.
        eps: f64,
    },
    /// `x / sqrt(mean(x²) + eps) * weight`.
    Rms {
        /// `[d_model]`
        weight: Tensor,
        /// Added to the mean square.
        eps: f64,
    },
}

impl Norm {
    /// Normalises `[..., d_model]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if on_cpu(x) {
            return self.on_cpu(&x.contiguous()?);
        }
        if in_graph(x) {
            let (norm, input) = (self.clone(), x.detach().contiguous()?);
            let y = self.on_cpu(&input)?;
            return node(x, &y, move |gradient| {
                let gradient = gradient.contiguous()?;
                let moved = norm.input_gradient(&values(&input)?, &values(&gradient)?)?;
                Ok(Tensor::from_vec(moved, input.shape(), input.device())?)
            });
        }
        Ok(match self {
            Norm::Layer { weight, bias, eps } => {
                let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let scaled = centred.broadcast_div(&(variance + *eps)?.sqrt()?)?;
                scaled.broadcast_mul(weight)?.broadcast_add(bias)?
            }
            Norm::Rms { weight, eps } => {
                let square = x.sqr()?.mean_keepdim(D::Minus1)?;
                x.broadcast_div(&(square + *eps)?.sqrt()?)?.broadcast_mul(weight)?
            }
        })
    }

    /// Factors on the rows of `whole` besides the weight: `1 / sqrt(var + eps)`, or in a root mean square
    /// norm `1 / sqrt(mean(x²) + eps)`.
    pub fn rates(&self, whole: &[f32]) -> Result<Vec<f32>> {
        let (weight, eps) = match self {
            Norm::Layer { weight, eps, .. } | Norm::Rms { weight, eps } => (weight, *eps as f32),
        };
        let width = weight.elem_count().max(1);
        Ok(whole
            .chunks(width)
            .map(|row| {
                let mean = self.mean(row);
                let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width as f32;
                (square + eps).sqrt().recip()
            })
            .collect())
    }

    /// Applies the linear part of the norm in place: of parts of a row, the results multiplied by the whole
    /// row's [`Norm::rates`] add up to the norm of the row, but for the bias.
    pub(super) fn linear_part(&self, rows: &mut [f32]) -> Result<()> {
        let weight = match self {
            Norm::Layer { weight, .. } | Norm::Rms { weight, .. } => weight.to_vec1::<f32>()?,
        };
        for row in rows.chunks_mut(weight.len().max(1)) {
            let mean = self.mean(row);
            row.iter_mut().zip(&weight).for_each(|(x, weight)| *x = (*x - mean) * weight);
        }
        Ok(())
    }

    /// Applies the transpose of the linear part of the norm in place, with the `rates` of the rows that went
    /// through it: turns directions of its output, `[rows, d_model]`, into directions of its input.
    pub(super) fn transposed_linear_part(&self, rows: &mut [f32], rates: &[f32]) -> Result<()> {
        let weight = match self {
            Norm::Layer { weight, .. } | Norm::Rms { weight, .. } => weight.to_vec1::<f32>()?,
        };
        for (row, rate) in rows.chunks_mut(weight.len().max(1)).zip(rates) {
            row.iter_mut().zip(&weight).for_each(|(x, weight)| *x *= weight * rate);
            let mean = self.mean(row);
            row.iter_mut().for_each(|x| *x -= mean);
        }
        Ok(())
    }

    /// Turns a gradient of the norm of `rows` into that of `rows`, both `[rows, d_model]`. With the normalised
    /// row `n` and `g = gradient * weight`, it is `(g - mean(g) - n mean(g n)) / sqrt(var + eps)`; a root mean
    /// square norm has no `mean(g)`.
    fn input_gradient(&self, rows: &[f32], gradient: &[f32]) -> Result<Vec<f32>> {
        let weight = match self {
            Norm::Layer { weight, .. } | Norm::Rms { weight, .. } => weight.to_vec1::<f32>()?,
        };
        let (rates, width) = (self.rates(rows)?, weight.len().max(1));
        let mut result = gradient.to_vec();
        let parts = result.par_chunks_mut(width).zip(rows.par_chunks(width)).zip(&rates);
        parts.for_each(|((g, row), rate)| {
            g.iter_mut().zip(&weight).for_each(|(g, weight)| *g *= weight);
            let (mean, gradient_mean) = (self.mean(row), self.mean(g));
            let product = g.iter().zip(row).map(|(g, x)| g * (x - mean) * rate).sum::<f32>() / width as f32;
            let along = |x: f32| (x - mean) * rate * product;
            g.iter_mut().zip(row).for_each(|(g, &x)| *g = (*g - gradient_mean - along(x)) * rate);
        });
        Ok(result)
    }

    /// The bias, `[d_model]`; `None` in a root mean square norm.
    pub(super) fn bias(&self) -> Result<Option<Vec<f32>>> {
        match self {
            Norm::Layer { bias, .. } => Ok(Some(bias.to_vec1()?)),
            Norm::Rms { .. } => Ok(None),
        }
    }

    /// Mean that a layer norm subtracts from a row; 0 in a root mean square norm.
    fn mean(&self, row: &[f32]) -> f32 {
        match self {
            Norm::Layer { .. } => row.iter().sum::<f32>() / row.len().max(1) as f32,
            Norm::Rms { .. } => 0.0,
        }
    }

    fn on_cpu(&self, x: &Tensor) -> Result<Tensor> {
        let y = match self {
            Norm::Layer { weight, bias, eps } => {
                norm::layer_norm(&values(x)?, &values(weight)?, &values(bias)?, *eps as f32)
            }
            Norm::Rms { weight, eps } => norm::rms_norm(&values(x)?, &values(weight)?, *eps as f32),
        };
        Ok(Tensor::from_vec(y, x.shape(), x.device())?)
    }
}
