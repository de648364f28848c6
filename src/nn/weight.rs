//! A weight matrix in the form that its device multiplies fastest.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::Activation;
use super::cpu::{kernels_on, on_cpu, values};
use super::kernels::activation::Function;
use super::kernels::gemm::{self, Packed};
use super::kernels::int8::{self, Quantised};
use crate::error::Result;

/// A weight `[out, in]`. Cloning is free.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Float32 on the CPU.
    Packed(Arc<Packed>),
    /// The same in 8 bits.
    Quantised(Arc<Quantised>),
    /// Anything else.
    Tensor(Tensor),
}

/// A product's row-major left side, bias and activation to what it gives.
type Kernel<'a> = dyn Fn(&[f32], Option<&[f32]>, Option<Function>) -> Vec<f32> + 'a;

impl From<Tensor> for Weight {
    fn from(tensor: Tensor) -> Self {
        Self::pack(&tensor).map_or(Self::Tensor(tensor), |packed| Self::Packed(Arc::new(packed)))
    }
}

impl Weight {
    fn pack(tensor: &Tensor) -> Option<Packed> {
        let (outputs, inputs) = tensor.dims2().ok()?;
        let tensor = if on_cpu(tensor) { tensor.contiguous().ok()? } else { return None };
        let weight = values(&tensor).ok()?;
        Some(Packed::new(&weight, outputs, inputs))
    }

    /// Whether a matrix on `device` is best given as [`Weight::Packed`].
    pub fn packs_on(device: &Device) -> bool {
        kernels_on(device)
    }

    /// `(out, in)`
    pub fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Self::Packed(packed) => Ok((packed.outputs(), packed.inputs())),
            Self::Quantised(weight) => Ok((weight.outputs(), weight.inputs())),
            Self::Tensor(tensor) => Ok(tensor.dims2()?),
        }
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        match self {
            Self::Packed(_) | Self::Quantised(_) => Device::Cpu,
            Self::Tensor(tensor) => tensor.device().clone(),
        }
    }

    /// `activation(x Wᵀ + bias)`: `[..., in]` to `[..., out]`.
    pub fn multiply(
        &self,
        x: &Tensor,
        bias: Option<&Tensor>,
        activation: Option<Activation>,
    ) -> Result<Tensor> {
        let (outputs, inputs) = self.dims()?;
        let mut shape = x.dims().to_vec();
        shape.pop();
        let rows = shape.iter().product::<usize>();
        shape.push(outputs);
        let on_slices = |shape: Vec<usize>, kernel: &Kernel| {
            let x = x.contiguous()?;
            let bias = bias.map(values).transpose()?;
            let y = kernel(&values(&x)?, bias.as_deref(), activation.map(Activation::function));
            Ok(Tensor::from_vec(y, shape, &Device::Cpu)?)
        };
        match self {
            Self::Packed(weight) => on_slices(shape, &|x, bias, f| gemm::multiply(x, weight, bias, f)),
            Self::Quantised(weight) => on_slices(shape, &|x, bias, f| int8::multiply(x, weight, bias, f)),
            Self::Tensor(weight) => {
                let y = x.reshape((rows, inputs))?.matmul(&weight.t()?)?;
                let y = match bias {
                    Some(bias) => y.broadcast_add(bias)?,
                    None => y,
                };
                let y = match activation {
                    Some(activation) => activation.forward(&y)?,
                    None => y,
                };
                Ok(y.reshape(shape)?)
            }
        }
    }

    /// Rows of the weight, `[rows.len(), in]`. The rows must exist.
    pub fn rows(&self, rows: &[u32]) -> Result<Tensor> {
        let data: Vec<f32> = match self {
            Self::Packed(packed) => rows.iter().flat_map(|&row| packed.row(row as usize)).collect(),
            Self::Quantised(weight) => rows.iter().flat_map(|&row| weight.row(row as usize)).collect(),
            Self::Tensor(table) => {
                return Ok(table.index_select(&Tensor::new(rows, table.device())?, 0)?);
            }
        };
        let (_, inputs) = self.dims()?;
        Ok(Tensor::from_vec(data, (rows.len(), inputs), &Device::Cpu)?)
    }

    /// The same weight in 8 bits, where the kernels multiply with it.
    pub fn quantised(&self) -> Self {
        match self {
            Self::Packed(packed) => Self::Quantised(Arc::new(Quantised::new(packed))),
            other => other.clone(),
        }
    }
}
