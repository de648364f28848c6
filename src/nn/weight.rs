//! A weight matrix in the form that its device multiplies fastest.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::Activation;
use super::cpu::{on_cpu, values};
use super::kernels::gemm::{self, Packed};
use crate::error::Result;

/// A weight `[out, in]`. Cloning is free.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Float32 on the CPU.
    Packed(Arc<Packed>),
    /// Anything else.
    Tensor(Tensor),
}

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

    /// `(out, in)`
    pub fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Self::Packed(packed) => Ok((packed.outputs(), packed.inputs())),
            Self::Tensor(tensor) => Ok(tensor.dims2()?),
        }
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        match self {
            Self::Packed(_) => Device::Cpu,
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
        match self {
            Self::Packed(packed) => {
                let x = x.reshape((rows, inputs))?.contiguous()?;
                let bias = bias.map(values).transpose()?;
                let function = activation.map(Activation::function);
                let y = gemm::multiply(&values(&x)?, packed, bias.as_deref(), function);
                Ok(Tensor::from_vec(y, shape, &Device::Cpu)?)
            }
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
        match self {
            Self::Packed(packed) => {
                let mut data = Vec::with_capacity(rows.len() * packed.inputs());
                for &row in rows {
                    data.extend(packed.row(row as usize));
                }
                Ok(Tensor::from_vec(data, (rows.len(), packed.inputs()), &Device::Cpu)?)
            }
            Self::Tensor(table) => Ok(table.index_select(&Tensor::new(rows, table.device())?, 0)?),
        }
    }
}
