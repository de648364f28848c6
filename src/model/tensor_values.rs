//! Elements of stored tensors: conversion to float32, and strided views.

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use attn_tui_kernels::packed::Packed;
use attn_tui_kernels::simd::element::Elements;

use crate::checkpoint::pickle::TensorDtype;

/// Elements that one task converts.
const BLOCK: usize = 1 << 16;

/// Converts little-endian elements to float32; `None` for types other than floats.
pub(super) fn to_f32(bytes: &[u8], dtype: &TensorDtype) -> Option<Vec<f32>> {
    let size = dtype.size();
    let mut values = vec![0f32; bytes.len() / size];
    let blocks = values.par_chunks_mut(BLOCK).zip(bytes.par_chunks(BLOCK * size));
    match dtype {
        TensorDtype::F32 => blocks.for_each(|(out, raw)| {
            for (out, raw) in out.iter_mut().zip(raw.as_chunks().0) {
                *out = f32::from_le_bytes(*raw);
            }
        }),
        TensorDtype::F64 => blocks.for_each(|(out, raw)| {
            for (out, raw) in out.iter_mut().zip(raw.as_chunks().0) {
                *out = f64::from_le_bytes(*raw) as f32;
            }
        }),
        TensorDtype::BF16 => blocks.for_each(|(out, raw)| {
            for (out, raw) in out.iter_mut().zip(raw.as_chunks().0) {
                *out = f32::from_bits(u32::from(u16::from_le_bytes(*raw)) << 16);
            }
        }),
        TensorDtype::F16 => blocks.for_each(|(out, raw)| {
            let halves: Vec<_> = raw.as_chunks().0.iter().map(|raw| half::f16::from_le_bytes(*raw)).collect();
            halves.convert_to_f32_slice(out);
        }),
        TensorDtype::Other { .. } => return None,
    }
    Some(values)
}

/// Collects the elements of a strided view in row-major order. `values` begins with the view's first element
/// and ends with its last.
pub(super) fn gather<T: Copy>(values: &[T], shape: &[usize], strides: &[usize]) -> Vec<T> {
    let dims: Vec<(usize, usize)> = shape.iter().copied().zip(strides.iter().copied()).collect();
    let Some((&(count, step), outer)) = dims.split_last() else { return values.to_vec() };
    let mut starts = vec![0usize];
    for &(len, stride) in outer {
        starts = starts.iter().flat_map(|&start| (0..len).map(move |at| start + at * stride)).collect();
    }
    let row = |&start: &usize| (0..count).filter_map(move |at| values.get(start + at * step).copied());
    starts.iter().flat_map(row).collect()
}

/// Packs a strided view `[outputs, inputs]` in its own number type.
pub(super) fn pack_view(elements: Elements, shape: [usize; 2], strides: [usize; 2]) -> Packed {
    let [outputs, inputs] = shape;
    match elements {
        Elements::F32(all) => Packed::new(Elements::F32(&gather(all, &shape, &strides)), outputs, inputs),
        Elements::F16(all) => Packed::new(Elements::F16(&gather(all, &shape, &strides)), outputs, inputs),
        Elements::Bf16(all) => Packed::new(Elements::Bf16(&gather(all, &shape, &strides)), outputs, inputs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_gathered_in_row_major_order() {
        let values: Vec<u32> = (0..12).collect();
        assert_eq!(gather(&values, &[4, 3], &[3, 1]), values);
        assert_eq!(gather(&values, &[3, 4], &[1, 3]), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
        assert_eq!(gather(&values[1..], &[2, 2, 2], &[6, 1, 2]), [1, 3, 2, 4, 7, 9, 8, 10]);
        assert_eq!(gather(&values, &[2], &[5]), [0, 5]);
        assert!(gather(&values, &[0, 4], &[4, 1]).is_empty());
    }

    #[test]
    fn a_packed_view_has_the_rows_of_the_view() {
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let packed = pack_view(Elements::F32(&values[1..]), [2, 4], [1, 3]);
        assert_eq!([packed.row(0), packed.row(1)], [[1.0, 4.0, 7.0, 10.0], [2.0, 5.0, 8.0, 11.0]]);
    }
}
