//! Reading the tensors of a capture file as 32-bit floats.

use safetensors::tensor::{Dtype, TensorView};

use crate::matrix::Matrix;

/// Result of reading a part of a capture file; the error says what is wrong with the part.
pub type Parsed<T> = std::result::Result<T, String>;

/// Limit on the sum of a row of weights: 1, with room for rounding to 16 bits or to three digits. Sums may be
/// smaller, if a model attends to more than the tokens or if rows were cut.
const MOST: f32 = 1.02;

/// Reads the non-negative tensor `name` of shape `[rows, cols]`.
pub fn matrix(name: &str, view: &TensorView, [rows, cols]: [usize; 2]) -> Parsed<Matrix> {
    if view.shape() != [rows, cols] {
        return Err(format!("{name} has shape {:?}, not [{rows}, {cols}]", view.shape()));
    }
    let values = decode(name, view)?;
    match values.iter().find(|value| !value.is_finite() || **value < 0.0) {
        Some(bad) => Err(format!("{name} holds {bad}")),
        None => Ok(Matrix::new(rows, cols, values)),
    }
}

/// Checks rows of weights `[heads, queries, keys]`, the first of which is row `first` of all heads.
///
/// # Errors
/// A weight is not finite or negative, or a row sums to more than 1.
pub fn check_weights(name: &str, values: &[f32], first: usize, queries: usize, keys: usize) -> Parsed<()> {
    if let Some(bad) = values.iter().find(|v| !v.is_finite() || **v < 0.0) {
        return Err(format!("{name} holds {bad}, which is no weight after a softmax"));
    }
    for (at, row) in (first..).zip(values.chunks(keys.max(1))) {
        let sum: f32 = row.iter().sum();
        if sum > MOST {
            let (head, query) = (at / queries, at % queries);
            return Err(format!(
                "{name}: row {query} of head {head} sums to {sum}; weights sum to 1 at most"
            ));
        }
    }
    Ok(())
}

/// Reads all values of the tensor `name`.
pub fn decode(name: &str, view: &TensorView) -> Parsed<Vec<f32>> {
    decode_values(view.dtype(), view.data())
        .ok_or_else(|| format!("{name} is of type {:?}, not a float", view.dtype()))
}

/// Formats little-endian whole numbers of `width` bytes, 1 to 8, as a JSON list.
pub fn whole_numbers(bytes: &[u8], width: usize) -> String {
    let number = |bytes: &[u8]| {
        let mut wide = if bytes.last().is_some_and(|&top| top >= 0x80) { [0xff; 8] } else { [0; 8] };
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        i64::from_le_bytes(wide)
    };
    serde_json::Value::from_iter(bytes.chunks_exact(width).map(number)).to_string()
}

/// Size of a value in bytes; `None` if no map can have this type.
pub fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::F64 => Some(8),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

/// Decodes little-endian values; `None` if no map can have this type.
pub fn decode_values(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
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
