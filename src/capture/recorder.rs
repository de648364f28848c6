//! The hook that keeps every map.

use candle_core::Tensor;

use super::{MapStore, SiteMaps};
use crate::error::Result;
use crate::nn::Hook;
use crate::site::Site;

/// Records the weights of every site that it sees.
#[derive(Debug, Default)]
pub struct Recorder {
    maps: MapStore,
}

impl Recorder {
    /// What was recorded.
    pub fn finish(self) -> MapStore {
        self.maps
    }
}

impl Hook for Recorder {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn weights(&mut self, site: Site, weights: &Tensor) -> Result<()> {
        let (heads, queries, keys) = weights.dims3()?;
        let data = weights.flatten_all()?.to_vec1::<f32>()?;
        self.maps.insert(site, SiteMaps::new(heads, queries, keys, data));
        Ok(())
    }
}
