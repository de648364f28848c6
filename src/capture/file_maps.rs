//! Maps that stay in the file they came with, and are read when they are looked at.

use std::ops::Range;

use safetensors::tensor::Dtype;

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
        let values = self.bytes.get(bytes.clone()).and_then(|bytes| decode(self.dtype, bytes));
        // The pages can be had again: what was read of them is not kept twice.
        self.bytes.release(bytes);
        values.unwrap_or_else(|| vec![0.0; range.len()])
    }
}

/// Bytes of a value; `None` for types that no map has.
fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::F64 => Some(8),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

/// Values as they lie in a file; `None` for types that no map has.
pub fn decode(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F16 => {
            bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
        }
        Dtype::BF16 => {
            bytes.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
        }
        _ => return None,
    })
}
