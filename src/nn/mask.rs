//! Which keys a query may see.

use candle_core::{Device, Tensor};

use super::Visible;
use crate::error::Result;

/// Which keys a query may see.
#[derive(Clone, Debug)]
pub enum Mask {
    /// Every key.
    Full,
    /// Keys at or before the query's own position.
    Causal,
    /// Keys at most so many positions before the query and so many after it.
    Near {
        /// Positions before.
        before: usize,
        /// Positions after; 0 hides what is to come.
        after: usize,
    },
    /// Keys in the same group of positions.
    Groups {
        /// Positions in a group.
        size: usize,
        /// Positions that the first group lacks.
        shift: usize,
    },
    /// Keys in the same block of this many positions, in those beside it, and in the first and the last; the
    /// first and the last block see all (Zaheer et al. 2020).
    Blocks(usize),
    /// Added to the scores: `[queries, keys]`, 0 where allowed and minus infinity where not.
    Table(Tensor),
}

impl Mask {
    /// Whether the fused kernel knows it.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self, Mask::Blocks(_) | Mask::Groups { .. })
    }

    /// What is visible, where that can be told without a table.
    pub(super) fn visible(&self) -> Option<Visible> {
        match self {
            Mask::Full => Some(Visible::All),
            Mask::Causal => Some(Visible::Causal),
            Mask::Near { before, after } => Some(Visible::Near { before: *before, after: *after }),
            Mask::Blocks(_) | Mask::Groups { .. } | Mask::Table(_) => None,
        }
    }

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
            Mask::Causal => table(queries, keys, device, |i, j| j > i + past),
            Mask::Near { before, after } if (queries + past).max(keys) <= *before.min(after) => Ok(None),
            Mask::Near { before, after } => table(queries, keys, device, |i, j| {
                let query = i + past;
                j.saturating_sub(query) > *after || query.saturating_sub(j) > *before
            }),
            Mask::Groups { size, shift } => {
                let size = (*size).max(1);
                table(queries, keys, device, |i, j| (i + past + shift) / size != (j + shift) / size)
            }
            Mask::Blocks(size) => {
                let size = (*size).max(1);
                let last = keys.saturating_sub(1) / size;
                let global = |block: usize| block == 0 || block == last;
                table(queries, keys, device, |i, j| {
                    let (query, key) = ((i + past) / size, j / size);
                    !global(query) && !global(key) && query.abs_diff(key) > 1
                })
            }
            Mask::Table(table) => Ok(Some(table.clone())),
        }
    }
}

/// `[queries, keys]` with minus infinity where `hidden(query, key)`.
fn table(
    queries: usize,
    keys: usize,
    device: &Device,
    hidden: impl Fn(usize, usize) -> bool,
) -> Result<Option<Tensor>> {
    let mut values = vec![0f32; queries * keys];
    for (at, value) in values.iter_mut().enumerate() {
        if hidden(at / keys, at % keys) {
            *value = f32::NEG_INFINITY;
        }
    }
    Ok(Some(Tensor::from_vec(values, (queries, keys), device)?))
}
