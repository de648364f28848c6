//! Views of projected states by attention head.

use candle_core::Tensor;

use crate::error::Result;

/// Splits `[batch, positions, heads * head_dim]` into `[batch, heads, positions, head_dim]`.
pub(super) fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, positions, width) = x.dims3()?;
    let split = x.reshape((batch, positions, heads, width / heads.max(1)))?;
    Ok(split.transpose(1, 2)?.contiguous()?)
}

/// Splits keys or values `[batch, keys, key_heads * head_dim]` by head and repeats each for the query heads
/// that share it (Ainslie et al. 2023, grouped-query attention). Returns `[batch, heads, keys, head_dim]`.
pub(super) fn repeat_kv(x: &Tensor, heads: usize, key_heads: usize) -> Result<Tensor> {
    let x = split_heads(x, key_heads)?;
    let each = heads / key_heads.max(1);
    if each <= 1 {
        return Ok(x);
    }
    let (batch, key_heads, keys, width) = x.dims4()?;
    let copies = x.unsqueeze(2)?.expand((batch, key_heads, each, keys, width))?;
    Ok(copies.reshape((batch, key_heads * each, keys, width))?)
}
