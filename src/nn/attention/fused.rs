//! Attention through the fused kernel, on the CPU.

use attn_tui_kernels::attention::{AttentionKernel, HeadVectors, WeightSink};
use candle_core::Tensor;

use super::KeysValues;
use crate::error::{Error, Result};
use crate::nn::cpu::rows;

/// Computes the context of queries `[batch, queries, heads * head_dim]`, in the same shape. `sinks` receive
/// the weights; they must be empty if `batch` is above 1.
pub(super) fn run(
    kernel: &AttentionKernel,
    queries: &Tensor,
    kv: &KeysValues,
    sinks: [WeightSink; 2],
) -> Result<Tensor> {
    let (batch, _, width) = queries.dims3()?;
    let key_width = kernel.kv_heads * kernel.width;
    let (q, k, v) = (compact(queries)?, compact(&kv.keys)?, compact(&kv.values)?);
    let (q, k, v) = (rows(&q)?, rows(&k)?, rows(&v)?);
    let heads = |data, position| HeadVectors { data, position, head: kernel.width };
    let row = |row: usize, sinks: [WeightSink; 2]| {
        let (q, k, v) = (q.at(row)?, k.at(row)?, v.at(row)?);
        Ok::<_, Error>(kernel.run_all(heads(q, width), heads(k, key_width), heads(v, key_width), sinks))
    };
    let context = match batch {
        1 => row(0, sinks)?,
        _ => (0..batch).map(|at| row(at, Default::default())).collect::<Result<Vec<_>>>()?.concat(),
    };
    Ok(Tensor::from_vec(context, queries.shape(), queries.device())?)
}

/// Returns `x` if the values of each batch row are contiguous, or else a contiguous copy.
fn compact(x: &Tensor) -> Result<Tensor> {
    match x.narrow(0, 0, 1)?.is_contiguous() {
        true => Ok(x.clone()),
        false => Ok(x.contiguous()?),
    }
}
