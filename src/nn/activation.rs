//! Activation functions by the names that config.json uses.

use attn_tui_kernels::activation::{self, Function};
use candle_core::Tensor;

use super::cpu::{on_cpu, values};
use crate::error::{Error, Result};

/// An element-wise activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `x Φ(x)` with the exact normal distribution.
    Gelu,
    /// Tanh approximation of GELU (Hendrycks & Gimpel 2016).
    GeluTanh,
    /// `x σ(x)`, also called swish.
    Silu,
    /// `tanh x`
    Tanh,
}

impl Activation {
    /// Parses the name in config.json.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "relu" => Self::Relu,
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_accurate" => Self::GeluTanh,
            "silu" | "swish" => Self::Silu,
            "tanh" => Self::Tanh,
            _ => return Err(Error::Config(format!("activation '{name}' is not known"))),
        })
    }

    /// Returns the kernel's name for the function.
    pub(super) fn function(self) -> Function {
        match self {
            Self::Relu => Function::Relu,
            Self::Gelu => Function::Gelu,
            Self::GeluTanh => Function::GeluTanh,
            Self::Silu => Function::Silu,
            Self::Tanh => Function::Tanh,
        }
    }

    /// Applies the function to every element.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        if on_cpu(x) {
            let x = x.contiguous()?;
            let mut y = values(&x)?.to_vec();
            activation::apply(self.function(), &mut y);
            return Ok(Tensor::from_vec(y, x.shape(), x.device())?);
        }
        Ok(match self {
            Self::Relu => x.relu()?,
            Self::Gelu => x.gelu_erf()?,
            Self::GeluTanh => x.gelu()?,
            Self::Silu => x.silu()?,
            Self::Tanh => x.tanh()?,
        })
    }
}
