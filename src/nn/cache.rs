//! Keys and values kept between decoding steps.

use candle_core::Tensor;

use super::KeysValues;
use crate::error::Result;

/// One decoder layer's keys and values.
#[derive(Clone, Debug, Default)]
pub struct LayerCache {
    /// Of the decoder positions so far.
    pub own: Option<KeysValues>,
    /// Of the source; computed once.
    pub cross: Option<KeysValues>,
}

/// All decoder layers' keys and values, and how many positions they cover.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// One entry a layer.
    pub layers: Vec<LayerCache>,
    /// Decoder positions covered so far.
    pub past: usize,
}

impl Cache {
    /// An empty cache for `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: vec![LayerCache::default(); layers], past: 0 }
    }

    /// Rearranges the batch: row `i` becomes what row `rows[i]` was. The source's keys and values are the
    /// same for all rows and stay.
    pub fn reorder(&mut self, rows: &[u32]) -> Result<()> {
        for layer in &mut self.layers {
            if let Some(own) = &mut layer.own {
                let index = Tensor::new(rows, own.keys.device())?;
                own.keys = own.keys.index_select(&index, 0)?;
                own.values = own.values.index_select(&index, 0)?;
            }
        }
        Ok(())
    }
}
