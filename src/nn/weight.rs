//! Weight matrices in the form that their device multiplies fastest.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use attn_tui_kernels::activation::Function;
use attn_tui_kernels::gemm::{Rhs, multiply, products};
use attn_tui_kernels::int8::{self, Quantised};
use attn_tui_kernels::packed::Packed;
use attn_tui_kernels::simd::element::{Bf16, Elements, F16};
use candle_core::{Device, Tensor};

use super::Activation;
use super::cpu::{kernels_on, on_cpu, values};
use super::graph::node;
use crate::checkpoint::pickle::TensorDtype;
use crate::error::{Error, Result};
use crate::files::Bytes;
use crate::sys;

/// Number of values from which on a product with the transposed weight copies some rows at a time: 64 MB.
const LARGE: usize = 1 << 24;

/// A weight `[out, in]`. Cloning is free.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Packed for the CPU kernels, in its own number type.
    Packed(Arc<Packed>),
    /// In a mapped file, packed when that pays.
    File(Arc<FileWeight>),
    /// Quantised to 8 bits.
    Quantised(Arc<Quantised>),
    /// A tensor of any type on any device.
    Tensor(Tensor),
}

/// Returns the elements in the bytes of a file. `None` if the kernels cannot read them there: another number
/// type, or float32 that is not aligned.
pub fn elements<'a>(bytes: &'a [u8], dtype: &TensorDtype) -> Option<Elements<'a>> {
    match dtype {
        TensorDtype::F32 => sys::as_floats(bytes).map(Elements::F32),
        TensorDtype::F16 => Some(Elements::F16(F16::of_bytes(bytes))),
        TensorDtype::BF16 => Some(Elements::Bf16(Bf16::of_bytes(bytes))),
        TensorDtype::F64 | TensorDtype::Other { .. } => None,
    }
}

/// A weight `[out, in]` in a mapped file. The first product with several rows reads it from the file: most
/// commands run one pass, and packing would cost more than it saves. The second product packs it, in the
/// number type that it has.
#[derive(Debug)]
pub struct FileWeight {
    bytes: Bytes,
    range: Range<usize>,
    dtype: TensorDtype,
    outputs: usize,
    inputs: usize,
    packs: bool,
    used: AtomicBool,
    packed: OnceLock<Arc<Packed>>,
}

impl FileWeight {
    /// Creates a weight from the row-major elements in the bytes `range` of a file; `None` if the kernels
    /// cannot read them there, or they are not `outputs * inputs`. Unless `packs` is true, every product
    /// reads the file, whose pages the system may drop when memory runs short.
    pub fn new(
        bytes: Bytes,
        range: Range<usize>,
        dtype: TensorDtype,
        [outputs, inputs]: [usize; 2],
        packs: bool,
    ) -> Option<Self> {
        let found = elements(bytes.get(range.clone())?, &dtype)?;
        (found.len() == outputs * inputs).then(|| Self {
            bytes,
            range,
            dtype,
            outputs,
            inputs,
            packs,
            used: AtomicBool::new(false),
            packed: OnceLock::new(),
        })
    }

    /// Packs the weight if a product has used it, and it may be packed. Its file is not needed afterwards.
    pub fn settle(&self) {
        if self.used.load(Ordering::Relaxed) {
            self.packed();
        }
    }

    fn elements(&self) -> Elements<'_> {
        let bytes = self.bytes.get(self.range.clone()).unwrap_or_default();
        elements(bytes, &self.dtype).unwrap_or(Elements::F32(&[]))
    }

    /// Operand for a product with rows of `values` values in all.
    fn with<'a>(&'a self, values: usize, bias: Option<&'a [f32]>, activation: Option<Function>) -> Rhs<'a> {
        let again = self.used.swap(true, Ordering::Relaxed) || values <= self.inputs;
        let packed = if again { self.packed() } else { self.packed.get() };
        match packed {
            Some(packed) => Rhs::packed(packed, bias, activation),
            None => Rhs::plain(self.elements(), self.outputs, bias, activation),
        }
    }

    /// The packed weight, if it may be packed.
    fn packed(&self) -> Option<&Arc<Packed>> {
        self.packs.then(|| {
            self.packed.get_or_init(|| {
                let packed = Packed::new(self.elements(), self.outputs, self.inputs);
                // Otherwise it would be in memory twice.
                self.bytes.release(self.range.clone());
                Arc::new(packed)
            })
        })
    }

    /// Copies rows, one after the other.
    fn rows(&self, rows: &[u32]) -> Vec<f32> {
        match self.packed.get() {
            Some(packed) => gathered(packed, rows),
            None => {
                let all = self.elements();
                let row = |&row: &u32| {
                    let first = row as usize * self.inputs;
                    all.part(first..first + self.inputs).widened()
                };
                rows.iter().map(row).collect::<Vec<_>>().concat()
            }
        }
    }
}

fn gathered(packed: &Packed, rows: &[u32]) -> Vec<f32> {
    rows.iter().map(|&row| packed.row(row as usize)).collect::<Vec<_>>().concat()
}

/// A weight, its bias, and the activation of the product.
pub type Factor<'a> = (&'a Weight, Option<&'a Tensor>, Option<Activation>);

/// The shape of `x` with its last dimension replaced by `width`.
fn with_width(x: &Tensor, width: usize) -> Vec<usize> {
    let mut shape = x.dims().to_vec();
    shape.pop();
    shape.push(width);
    shape
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
        Some(Packed::new(&weight[..], outputs, inputs))
    }

    /// Returns true if a matrix on `device` is best packed.
    pub fn packs_on(device: &Device) -> bool {
        kernels_on(device)
    }

    /// `(out, in)`
    pub fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Self::Packed(packed) => Ok((packed.outputs(), packed.inputs())),
            Self::File(stored) => Ok((stored.outputs, stored.inputs)),
            Self::Quantised(weight) => Ok((weight.outputs(), weight.inputs())),
            Self::Tensor(tensor) => Ok(tensor.dims2()?),
        }
    }

    /// Device of the weight.
    pub fn device(&self) -> Device {
        match self {
            Self::Packed(_) | Self::File(_) | Self::Quantised(_) => Device::Cpu,
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
        match self {
            Self::Packed(_) | Self::File(_) | Self::Quantised(_) if x.track_op() => {
                let y = self.multiply(&x.detach(), bias, None)?;
                let (weight, transpose) = (self.clone(), OnceLock::new());
                let y = node(x, &y, move |gradient| weight.transposed_product(gradient, &transpose))?;
                activation.map_or(Ok(y.clone()), |activation| activation.forward(&y))
            }
            Self::Packed(_) | Self::File(_) => {
                let products = Self::in_one_go(x, &[(self, bias, activation)])?;
                products.into_iter().next().ok_or_else(|| Error::Engine("a product is missing".into()))
            }
            Self::Quantised(weight) => {
                let x = x.contiguous()?;
                let bias = bias.map(values).transpose()?;
                let function = activation.map(Activation::function);
                let y = int8::multiply(&values(&x)?, weight, bias.as_deref(), function);
                Ok(Tensor::from_vec(y, with_width(&x, weight.outputs()), &Device::Cpu)?)
            }
            Self::Tensor(weight) => {
                let (outputs, inputs) = weight.dims2()?;
                let y = x.reshape(((), inputs))?.matmul(&weight.t()?)?;
                let y = match bias {
                    Some(bias) => y.broadcast_add(bias)?,
                    None => y,
                };
                let y = match activation {
                    Some(activation) => activation.forward(&y)?,
                    None => y,
                };
                Ok(y.reshape(with_width(x, outputs))?)
            }
        }
    }

    /// [`Weight::multiply`] for several weights, in one pass over `x`.
    pub fn multiply_each(x: &Tensor, factors: &[Factor]) -> Result<Vec<Tensor>> {
        let kernels = |weight: &Self| matches!(weight, Self::Packed(_) | Self::File(_));
        match !x.track_op() && factors.iter().all(|(weight, ..)| kernels(weight)) {
            true => Self::in_one_go(x, factors),
            false => factors.iter().map(|(weight, bias, f)| weight.multiply(x, *bias, *f)).collect(),
        }
    }

    /// [`Weight::multiply_each`] with the CPU kernels. Weights that they do not support are skipped.
    fn in_one_go(x: &Tensor, factors: &[Factor]) -> Result<Vec<Tensor>> {
        let x = x.contiguous()?;
        let biases = factors.iter().map(|(_, bias, _)| bias.map(values).transpose());
        let biases = biases.collect::<Result<Vec<_>>>()?;
        let with = factors.iter().zip(&biases).filter_map(|((weight, _, activation), bias)| {
            let (bias, function) = (bias.as_deref(), activation.map(Activation::function));
            match weight {
                Self::Packed(weight) => Some(Rhs::packed(weight, bias, function)),
                Self::File(stored) => Some(stored.with(x.elem_count(), bias, function)),
                Self::Quantised(_) | Self::Tensor(_) => None,
            }
        });
        let with: Vec<Rhs> = with.collect();
        let products = products(&values(&x)?, &with).into_iter().zip(&with);
        products
            .map(|(product, with)| {
                Ok(Tensor::from_vec(product, with_width(&x, with.outputs()), &Device::Cpu)?)
            })
            .collect()
    }

    /// Multiplies with the weight itself: `[..., out]` to `[..., in]`. The transpose of a small weight is kept in
    /// `transpose` for further products; that of a large one is made some rows at a time.
    fn transposed_product(&self, x: &Tensor, transpose: &OnceLock<Packed>) -> Result<Tensor> {
        let (outputs, inputs) = self.dims()?;
        let rows = x.reshape(((), outputs))?.contiguous()?;
        let pack = |range: Range<usize>| {
            let rows = self.rows(&(range.start as u32..range.end as u32).collect::<Vec<_>>())?;
            let columns = transposed(&values(&rows)?, inputs);
            Ok::<_, Error>(Packed::new(columns.as_slice(), inputs, range.len()))
        };
        let product = |rows: &Tensor, transpose: &Packed| {
            let product = multiply(&values(rows)?, transpose, None, None);
            Ok::<_, Error>(Tensor::from_vec(product, (rows.dim(0)?, inputs), &Device::Cpu)?)
        };
        if outputs * inputs <= LARGE && transpose.get().is_none() {
            // Another thread may have been faster.
            _ = transpose.set(pack(0..outputs)?);
        }
        let product = match transpose.get() {
            Some(transpose) => product(&rows, transpose)?,
            None => {
                let step = (LARGE / inputs.max(1)).max(1);
                let mut sum = Tensor::zeros((rows.dim(0)?, inputs), rows.dtype(), rows.device())?;
                for first in (0..outputs).step_by(step) {
                    let count = step.min(outputs - first);
                    let part = rows.narrow(1, first, count)?.contiguous()?;
                    sum = (sum + product(&part, &pack(first..first + count)?)?)?;
                }
                sum
            }
        };
        Ok(product.reshape(with_width(x, inputs))?)
    }

    /// Copies rows of the weight, `[rows.len(), in]`. The rows must exist.
    pub fn rows(&self, rows: &[u32]) -> Result<Tensor> {
        let data: Vec<f32> = match self {
            Self::Packed(packed) => gathered(packed, rows),
            Self::File(stored) => stored.rows(rows),
            Self::Quantised(weight) => rows.iter().flat_map(|&row| weight.row(row as usize)).collect(),
            Self::Tensor(table) => {
                return Ok(table.index_select(&Tensor::new(rows, table.device())?, 0)?);
            }
        };
        let (_, inputs) = self.dims()?;
        Ok(Tensor::from_vec(data, (rows.len(), inputs), &Device::Cpu)?)
    }

    /// The same weight in 8 bits, if the kernels multiply with it.
    pub fn quantised(&self) -> Self {
        match self.packed() {
            Some(packed) => Self::Quantised(Arc::new(Quantised::new(packed))),
            None => self.clone(),
        }
    }

    /// The packed weight, if the kernels multiply with it.
    pub(super) fn packed(&self) -> Option<&Arc<Packed>> {
        match self {
            Self::Packed(packed) => Some(packed),
            Self::File(stored) => stored.packed(),
            Self::Quantised(_) | Self::Tensor(_) => None,
        }
    }
}

/// Transposes a row-major matrix of `columns` columns, in blocks whose cache lines are used whole.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    const BLOCK: usize = 16;
    let rows = values.len() / columns.max(1);
    let mut result = vec![0.0; values.len()];
    for first in (0..rows).step_by(BLOCK) {
        for start in (0..columns).step_by(BLOCK) {
            for column in start..columns.min(start + BLOCK) {
                for row in first..rows.min(first + BLOCK) {
                    result[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    result
}
