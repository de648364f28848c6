//! Elementwise sums and products of two tensors of the same shape.

use attn_tui_kernels::elementwise::zip_map;
use candle_core::Tensor;

use super::cpu::{on_cpu, values};
use crate::error::Result;

/// `x + y`, elementwise.
pub fn sum(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    combine(x, y, |x, y| x + y, Tensor::add)
}

/// `x * y`, elementwise.
pub fn product(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    combine(x, y, |x, y| x * y, Tensor::mul)
}

fn combine(
    x: &Tensor,
    y: &Tensor,
    f: impl Fn(f32, f32) -> f32 + Sync + Send,
    elsewhere: fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Result<Tensor> {
    let plain = |x: &Tensor| on_cpu(x) && x.is_contiguous();
    if x.shape() != y.shape() || !plain(x) || !plain(y) {
        return Ok(elsewhere(x, y)?);
    }
    let values = zip_map(&values(x)?, &values(y)?, f);
    Ok(Tensor::from_vec(values, x.shape(), x.device())?)
}
