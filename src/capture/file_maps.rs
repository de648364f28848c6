//! Maps that stay in the file they came with, and are read when they are looked at.

use std::ops::Range;

use safetensors::tensor::Dtype;

use super::tensors::{decode_values, width};
use crate::files::Bytes;

/// The maps of one site, `[heads, queries, keys]`, in a file.
#[derive(Clone)]
pub struct FileMaps {
    bytes: Bytes,
    from: usize,
    dtype: Dtype,
}

impl std::fmt::Debug for FileMaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} from byte {}", self.dtype, self.from)
    }
}

impl FileMaps {
    /// Values of a known type from byte `from` on.
    pub fn new(bytes: Bytes, from: usize, dtype: Dtype) -> Self {
        Self { bytes, from, dtype }
    }

    /// Some of the values; zeros where the file ends before them.
    pub fn values(&self, range: Range<usize>) -> Vec<f32> {
        let size = width(self.dtype).unwrap_or(0);
        let bytes = self.from + range.start * size..self.from + range.end * size;
        let values = self.bytes.get(bytes.clone()).and_then(|bytes| decode_values(self.dtype, bytes));
        // The pages can be had again: what was read of them is not kept twice.
        self.bytes.release(bytes);
        values.unwrap_or_else(|| vec![0.0; range.len()])
    }
}
