//! A weight matrix in the form that its device multiplies fastest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use candle_core::{Device, Tensor};

use super::Activation;
use super::cpu::{kernels_on, on_cpu, values};
use super::kernels::activation::Function;
use super::kernels::gemm::{self, Packed};
use super::kernels::int8::{self, Quantised};
use crate::error::Result;
use crate::files::Floats;

/// A weight `[out, in]`. Cloning is free.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Float32 on the CPU.
    Packed(Arc<Packed>),
    /// Float32 in a file, packed where that pays.
    Stored(Arc<Stored>),
    /// The same in 8 bits.
    Quantised(Arc<Quantised>),
    /// Anything else.
    Tensor(Tensor),
}

/// A weight `[out, in]` in a mapped file. The first product with several rows reads it there: most commands run one
/// pass, and a packed copy would take longer to write than it saves. From the second one on it is packed.
#[derive(Debug)]
pub struct Stored {
    floats: Floats,
    outputs: usize,
    inputs: usize,
    used: AtomicBool,
    packed: OnceLock<Arc<Packed>>,
}

impl Stored {
    /// The weight in `floats`, row-major.
    ///
    /// # Panics
    /// When these are not `outputs * inputs` values.
    pub fn new(floats: Floats, outputs: usize, inputs: usize) -> Self {
        assert_eq!(floats.len(), outputs * inputs);
        Self { floats, outputs, inputs, used: AtomicBool::new(false), packed: OnceLock::new() }
    }

    /// Packs it, if it is not yet. From then on the file is not needed.
    pub fn settle(&self) {
        self.packed();
    }

    fn multiply(&self, x: &[f32], bias: Option<&[f32]>, activation: Option<Function>) -> Vec<f32> {
        let again = x.len() <= self.inputs || self.used.swap(true, Ordering::Relaxed);
        match self.packed.get() {
            None if !again => gemm::multiply_plain(x, &self.floats, self.outputs, bias, activation),
            _ => gemm::multiply(x, self.packed(), bias, activation),
        }
    }

    fn packed(&self) -> &Arc<Packed> {
        self.packed.get_or_init(|| {
            let packed = Packed::new(&self.floats, self.outputs, self.inputs);
            // Or it would be in memory twice.
            self.floats.release();
            Arc::new(packed)
        })
    }

    /// Rows, one after the other.
    fn rows(&self, rows: &[u32]) -> Vec<f32> {
        match self.packed.get() {
            Some(packed) => gathered(packed, rows),
            None => {
                let row = |&row: &u32| &self.floats[row as usize * self.inputs..][..self.inputs];
                rows.iter().map(row).collect::<Vec<_>>().concat()
            }
        }
    }
}

fn gathered(packed: &Packed, rows: &[u32]) -> Vec<f32> {
    rows.iter().map(|&row| packed.row(row as usize)).collect::<Vec<_>>().concat()
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
            Self::Stored(stored) => Ok((stored.outputs, stored.inputs)),
            Self::Quantised(weight) => Ok((weight.outputs(), weight.inputs())),
            Self::Tensor(tensor) => Ok(tensor.dims2()?),
        }
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        match self {
            Self::Packed(_) | Self::Stored(_) | Self::Quantised(_) => Device::Cpu,
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
            Self::Stored(stored) => on_slices(shape, &|x, bias, f| stored.multiply(x, bias, f)),
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
            Self::Packed(packed) => gathered(packed, rows),
            Self::Stored(stored) => stored.rows(rows),
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
        match self.packed() {
            Some(packed) => Self::Quantised(Arc::new(Quantised::new(packed))),
            None => self.clone(),
        }
    }

    /// As it is multiplied with, where that is by the kernels in float32.
    pub(super) fn packed(&self) -> Option<&Arc<Packed>> {
        match self {
            Self::Packed(packed) => Some(packed),
            Self::Stored(stored) => Some(stored.packed()),
            Self::Quantised(_) | Self::Tensor(_) => None,
        }
    }
}
