//! Files of `torch.save` and of `pickle.dump`: a tensor or an array of NumPy, or tuples, lists and dicts of them,
//! as `output_attentions=True` and `generate()` return them.

use std::borrow::Cow;

use super::array::NamedArray;
use super::arrays::ArrayFile;
use crate::capture::tensors::{Parsed, whole_numbers};
use crate::checkpoint::pickle::TensorDtype;
use crate::checkpoint::torch::{self, StoredTensor};
use safetensors::tensor::Dtype;

/// Reads the tensors of a file.
///
/// # Errors
/// It is broken, or refers to Python objects other than tensors, tuples, lists, dicts and texts.
pub fn read(bytes: &[u8]) -> Parsed<ArrayFile<'_>> {
    let nested = torch::read_nested(bytes)?;
    let mut file = ArrayFile { fields: nested.texts.into_iter().collect(), ..ArrayFile::default() };
    // Strided views may share few bytes: their copies are bounded.
    let mut left = bytes.len().saturating_mul(2).saturating_add(1 << 20);
    for tensor in nested.tensors {
        let dtype = match &tensor.dtype {
            TensorDtype::F32 => Some(Dtype::F32),
            TensorDtype::F64 => Some(Dtype::F64),
            TensorDtype::F16 => Some(Dtype::F16),
            TensorDtype::BF16 => Some(Dtype::BF16),
            TensorDtype::Other { .. } => None,
        };
        let width = tensor.dtype.size();
        let whole = ["int64", "int32"].contains(&tensor.dtype.name()) && tensor.shape.len() < 3;
        if dtype.is_none() && !whole {
            continue;
        }
        let data = values(&tensor, bytes, &mut left)?;
        match dtype {
            Some(dtype) => file.arrays.push(NamedArray::new(tensor.name, dtype, tensor.shape, data)?),
            None => {
                file.fields.insert(tensor.name, whole_numbers(&data, width));
            }
        }
    }
    Ok(file)
}

/// The bytes of a tensor in row-major order.
fn values<'a>(tensor: &StoredTensor, bytes: &'a [u8], left: &mut usize) -> Parsed<Cow<'a, [u8]>> {
    let name = &tensor.name;
    let stored = bytes.get(tensor.range.clone()).ok_or_else(|| format!("{name} leaves the file"))?;
    let Some(strides) = &tensor.strides else { return Ok(Cow::Borrowed(stored)) };
    let width = tensor.dtype.size();
    let size = tensor.shape.iter().try_fold(width, |size, &side| size.checked_mul(side));
    let size = size.filter(|&size| size <= *left).ok_or_else(|| {
        format!("{name} of shape {:?} is much larger than its file: save .contiguous() of it", tensor.shape)
    })?;
    *left -= size;
    let mut data = Vec::with_capacity(size);
    let mut index = vec![0usize; tensor.shape.len()];
    for _ in 0..size / width.max(1) {
        let at: usize = index.iter().zip(strides).map(|(at, stride)| at * stride).sum();
        data.extend_from_slice(stored.get(at * width..(at + 1) * width).unwrap_or_default());
        for (at, side) in index.iter_mut().zip(&tensor.shape).rev() {
            *at += 1;
            if *at < *side {
                break;
            }
            *at = 0;
        }
    }
    Ok(Cow::Owned(data))
}
