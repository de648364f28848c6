//! Token embeddings.

use candle_core::Tensor;

use super::Weight;
use crate::error::{Error, Result};

/// Embedding table `[vocabulary, d_model]` with a scale.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// `[vocabulary, d_model]`
    pub table: Weight,
    /// Factor on every embedding (`sqrt(d_model)` in many models).
    pub scale: f64,
}

impl Embedding {
    /// Embeds the ids of `batch` sequences of equal length. Returns `[batch, positions, d_model]`.
    pub fn forward(&self, ids: &[u32], batch: usize) -> Result<Tensor> {
        let (vocabulary, width) = self.table.dims()?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(Error::OutsideVocabulary { id: *id, vocabulary });
        }
        let rows = self.table.rows(ids)?;
        let rows = if self.scale == 1.0 { rows } else { (rows * self.scale)? };
        Ok(rows.reshape((batch, ids.len() / batch.max(1), width))?)
    }
}
