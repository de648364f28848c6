//! Which keys a query may see.

use candle_core::{Device, Tensor};

use crate::error::Result;

/// Which keys a query may see.
#[derive(Clone, Debug)]
pub enum Mask {
    /// Every key.
    Full,
    /// Keys at or before the query's own position.
    Causal,
    /// Added to the scores: `[queries, keys]`, 0 where allowed and minus infinity where not.
    Table(Tensor),
}

impl Mask {
    /// What to add to scores `[queries, keys]` whose first query stands at position `past`; `None` where
    /// nothing is hidden.
    pub fn additive(
        &self,
        queries: usize,
        keys: usize,
        past: usize,
        device: &Device,
    ) -> Result<Option<Tensor>> {
        match self {
            Mask::Full => Ok(None),
            Mask::Causal if queries == 1 && keys == past + 1 => Ok(None),
            Mask::Causal => {
                let hidden = |i: usize, j: usize| if j > i + past { f32::NEG_INFINITY } else { 0.0 };
                let values: Vec<f32> =
                    (0..queries).flat_map(|i| (0..keys).map(move |j| hidden(i, j))).collect();
                Ok(Some(Tensor::from_vec(values, (queries, keys), device)?))
            }
            Mask::Table(table) => Ok(Some(table.clone())),
        }
    }
}
