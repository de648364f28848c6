//! Tensors as slices for the kernels. Everything but float32 on the CPU goes through candle.

use std::ops::{Deref, Range};
use std::sync::OnceLock;

use attn_tui_kernels::elementwise::copied;
use candle_core::{DType, Device, Storage, Tensor};

use crate::error::{Error, Result};

/// Returns true if the kernels can process the tensor. Gradients go through candle's operations, unless a
/// kernel has a [`node`](super::graph::node) for them.
pub(super) fn on_cpu(x: &Tensor) -> bool {
    kernels_on(x.device()) && x.dtype() == DType::F32 && !x.track_op()
}

/// Returns true if the kernels run on `device`. On other devices candle computes everything; with
/// `ATTN_TUI_KERNELS=candle` it does so on the CPU, too, which lets tests run the code of GPUs.
pub(super) fn kernels_on(device: &Device) -> bool {
    static CANDLE: OnceLock<bool> = OnceLock::new();
    matches!(device, Device::Cpu)
        && !*CANDLE
            .get_or_init(|| std::env::var_os("ATTN_TUI_KERNELS").is_some_and(|asked| asked == "candle"))
}

/// The values of a contiguous float32 tensor on the CPU.
pub(super) struct Values<Guard> {
    storage: Guard,
    range: Range<usize>,
}

/// Borrows the values of `x`, which must be contiguous float32 on the CPU.
pub(super) fn values(x: &Tensor) -> Result<Values<impl Deref<Target = Storage>>> {
    let (storage, layout) = x.storage_and_layout();
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Engine("a tensor's values do not lie side by side".into()))?;
    let values = Values { storage, range: start..end };
    match values.slice() {
        Some(_) => Ok(values),
        None => Err(Error::Engine("a tensor is not float32 on the CPU".into())),
    }
}

/// Calls `see` with all values of `x`, copying them only if necessary.
pub fn read<T>(x: &Tensor, see: impl FnOnce(&[f32]) -> T) -> Result<T> {
    if on_cpu(x) && x.is_contiguous() {
        return Ok(see(&values(x)?));
    }
    Ok(see(&x.flatten_all()?.to_vec1::<f32>()?))
}

/// Returns true if any of the values is NaN.
pub fn has_nan(values: &[f32]) -> bool {
    // Without a branch for each, several are compared at once.
    values.chunks(1024).any(|values| values.iter().fold(false, |any, value| any | value.is_nan()))
}

/// Copies the values of a tensor on any device, row-major.
pub fn host(x: &Tensor) -> Result<Vec<f32>> {
    read(x, copied)
}

/// The rows of a batch: each is contiguous, at any distance from the next.
pub(super) struct BatchRows<Guard> {
    storage: Guard,
    first: usize,
    stride: usize,
    len: usize,
}

/// Borrows the rows of `x`, float32 on the CPU, each of which must be contiguous.
pub(super) fn rows(x: &Tensor) -> Result<BatchRows<impl Deref<Target = Storage>>> {
    let stride = x.stride().first().copied().unwrap_or(0);
    let (storage, layout) = x.storage_and_layout();
    let (first, len) = (layout.start_offset(), layout.shape().dims().iter().skip(1).product());
    Ok(BatchRows { storage, first, stride, len })
}

impl<Guard: Deref<Target = Storage>> BatchRows<Guard> {
    /// The values of row `row`.
    pub fn at(&self, row: usize) -> Result<&[f32]> {
        let first = self.first + row * self.stride;
        let slice = match &*self.storage {
            Storage::Cpu(storage) => storage.as_slice::<f32>()?.get(first..first + self.len),
            _ => None,
        };
        slice.ok_or_else(|| Error::Engine("a tensor's row is not float32 on the CPU".into()))
    }
}

impl<Guard: Deref<Target = Storage>> Values<Guard> {
    fn slice(&self) -> Option<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => storage.as_slice::<f32>().ok()?.get(self.range.clone()),
            _ => None,
        }
    }
}

impl<Guard: Deref<Target = Storage>> Deref for Values<Guard> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.slice().unwrap_or_default()
    }
}
