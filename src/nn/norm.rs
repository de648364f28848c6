//! Normalisation over the last dimension.

use candle_core::{D, Tensor};

use super::cpu::{on_cpu, values};
use super::kernels::norm;
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
