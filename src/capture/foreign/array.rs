//! An array of a file, by name.

use std::borrow::Cow;

use safetensors::tensor::{Dtype, TensorView};

use crate::capture::tensors::{Parsed, decode_values, width};

/// An array of floats in row-major order.
pub struct NamedArray<'a> {
    /// Name in the file.
    pub name: String,
    /// Number type.
    pub dtype: Dtype,
    /// Shape.
    pub shape: Vec<usize>,
    /// Little-endian values.
    pub data: Cow<'a, [u8]>,
}

impl<'a> NamedArray<'a> {
    /// Creates an array.
    ///
    /// # Errors
    /// The data do not have the size that type and shape say.
    pub fn new(name: String, dtype: Dtype, shape: Vec<usize>, data: Cow<'a, [u8]>) -> Parsed<Self> {
        let size = shape.iter().try_fold(width(dtype).unwrap_or(0), |size, &side| size.checked_mul(side));
        if size != Some(data.len()) {
            return Err(format!("{name} has {} bytes, which does not fit its shape {shape:?}", data.len()));
        }
        Ok(Self { name, dtype, shape, data })
    }

    /// The name for messages; a file of one array has none.
    pub fn spelt(&self) -> &str {
        if self.name.is_empty() { "the array" } else { &self.name }
    }

    /// Decodes values `start..start + count`.
    pub fn values(&self, start: usize, count: usize) -> Vec<f32> {
        let size = width(self.dtype).unwrap_or(0);
        let bytes = self.data.get(start * size..(start + count) * size);
        bytes.and_then(|bytes| decode_values(self.dtype, bytes)).unwrap_or_default()
    }

    /// The array as a tensor.
    pub fn view(&self) -> Option<TensorView<'_>> {
        TensorView::new(self.dtype, self.shape.clone(), &self.data).ok()
    }
}
