//! Keys and values, or states, kept between decoding steps.

use candle_core::Tensor;

use super::KeysValues;
use crate::error::Result;

/// What one decoder layer keeps.
#[derive(Clone, Debug, Default)]
pub struct LayerCache {
    /// Of the decoder positions so far.
    pub own: Option<KeysValues>,
    /// Of the source; computed once.
    pub cross: Option<KeysValues>,
    /// A recurrent layer's last state, `[batch, width]`.
    pub state: Option<Tensor>,
}

/// What all decoder layers keep, and how many positions that covers.
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
            if let Some(state) = &mut layer.state {
                *state = state.index_select(&Tensor::new(rows, state.device())?, 0)?;
            }
        }
        Ok(())
    }
}
