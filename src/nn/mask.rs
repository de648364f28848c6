//! The mask as a tensor, for who goes step by step.

use candle_core::{Device, Tensor};

use super::Visible;
use crate::error::Result;

/// What to add to scores `[queries, keys]` whose first query stands at position `past`, minus infinity where a key is
/// hidden; `None` where nothing is.
///
/// # Errors
/// The device's.
pub(super) fn additive(
    visible: Visible,
    queries: usize,
    keys: usize,
    past: usize,
    device: &Device,
) -> Result<Option<Tensor>> {
    if visible == Visible::All {
        return Ok(None);
    }
    let pairs = (0..queries).flat_map(|query| (0..keys).map(move |key| (past + query, key)));
    let hidden = |(query, key)| if visible.sees(query, key, keys) { 0.0 } else { f32::NEG_INFINITY };
    let values: Vec<f32> = pairs.map(hidden).collect();
    match values.iter().any(|&value| value != 0.0) {
        true => Ok(Some(Tensor::from_vec(values, (queries, keys), device)?)),
        false => Ok(None),
    }
}
