//! Token embeddings.

use candle_core::Tensor;

use super::Weight;
use crate::error::{Error, Result};

/// Rows of a `[vocabulary, d_model]` table, times a scale.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// `[vocabulary, d_model]`
    pub table: Weight,
    /// Factor on every embedding (`sqrt(d_model)` in many models).
    pub scale: f64,
}

impl Embedding {
    /// Ids of `batch` equally long sequences to `[batch, positions, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] for an id outside the vocabulary.
    pub fn forward(&self, ids: &[u32], batch: usize) -> Result<Tensor> {
        let (vocabulary, width) = self.table.dims()?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(Error::Text(format!(
                "token id {id} is outside the model's vocabulary of {vocabulary}: tokenizer and weights do not belong together"
            )));
        }
        let rows = self.table.rows(ids)?;
        let rows = if self.scale == 1.0 { rows } else { (rows * self.scale)? };
        Ok(rows.reshape((batch, ids.len() / batch.max(1), width))?)
    }
}
