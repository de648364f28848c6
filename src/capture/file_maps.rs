//! Maps that stay in their file and are read when they are needed.

use std::ops::Range;

use safetensors::tensor::Dtype;

use super::tensors::{decode_values, width};
use crate::files::Bytes;

/// The maps of one site in a file, `[heads, queries, keys]`.
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
    /// Maps of type `dtype` that begin at byte `from`.
    pub fn new(bytes: Bytes, from: usize, dtype: Dtype) -> Self {
        Self { bytes, from, dtype }
    }

    /// Reads a range of values; zeros if the file ends before it.
    pub fn values(&self, range: Range<usize>) -> Vec<f32> {
        let size = width(self.dtype).unwrap_or(0);
        let bytes = self.from + range.start * size..self.from + range.end * size;
        let values = self.bytes.get(bytes.clone()).and_then(|bytes| decode_values(self.dtype, bytes));
        // The values were copied: free the mapped pages.
        self.bytes.release(bytes);
        values.unwrap_or_else(|| vec![0.0; range.len()])
    }
}
