//! The hooks of a pass: one keeps every map, one switches parts of the attention off.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{MapStore, SiteMaps};
use crate::error::Result;
use crate::nn::Hook;
use crate::site::{Knockout, Site};

/// Switches heads, sites or links off.
#[derive(Clone, Debug, Default)]
pub struct Silencer {
    off: Vec<Knockout>,
}

impl Silencer {
    /// Switches `off` off.
    pub fn new(off: Vec<Knockout>) -> Self {
        Self { off }
    }

    fn at(&self, site: Site) -> impl Iterator<Item = Knockout> {
        self.off.iter().copied().filter(move |part| part.site() == site)
    }
}

impl Hook for Silencer {
    fn wants(&self, site: Site) -> bool {
        self.at(site).next().is_some()
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        let (heads, queries, keys) = scores.dims3()?;
        let mut mask: Option<Vec<f32>> = None;
        for part in self.at(site) {
            let Knockout::Link { head, query, key } = part else { continue };
            let row = query.wrapping_sub(past);
            if head.head < heads && row < queries && key < keys {
                let mask = mask.get_or_insert_with(|| vec![0.0; heads * queries * keys]);
                mask[(head.head * queries + row) * keys + key] = f32::NEG_INFINITY;
            }
        }
        match mask {
            Some(mask) => Ok((scores.clone() + Tensor::from_vec(mask, scores.shape(), scores.device())?)?),
            None => Ok(scores),
        }
    }

    fn context(&mut self, site: Site, context: Tensor) -> Result<Tensor> {
        let heads = context.dim(0)?;
        let mut kept = vec![1f32; heads];
        for part in self.at(site) {
            match part {
                Knockout::Site(_) => kept.fill(0.0),
                Knockout::Head(head) if head.head < heads => kept[head.head] = 0.0,
                _ => {}
            }
        }
        if kept.iter().all(|&factor| factor == 1.0) {
            return Ok(context);
        }
        let factors = Tensor::from_vec(kept, (heads, 1, 1), &Device::Cpu)?.to_device(context.device())?;
        Ok(context.broadcast_mul(&factors)?)
    }
}

/// Records the weights of every site, with parts of the attention switched off where asked for.
#[derive(Debug, Default)]
pub struct Recorder {
    maps: MapStore,
    silencer: Silencer,
}

impl Recorder {
    /// A recorder behind a silencer.
    pub fn new(silencer: Silencer) -> Self {
        Self { maps: MapStore::default(), silencer }
    }

    /// What was recorded.
    pub fn finish(self) -> MapStore {
        self.maps
    }
}

impl Hook for Recorder {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn rewrites(&self, site: Site) -> bool {
        self.silencer.wants(site)
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        self.silencer.scores(site, past, scores)
    }

    fn weights(&mut self, site: Site, weights: &Tensor) -> Result<()> {
        let (heads, queries, keys) = weights.dims3()?;
        let data = weights.flatten_all()?.to_vec1::<f32>()?;
        self.maps(site, [heads, queries, keys], data.into())
    }

    fn maps(&mut self, site: Site, [heads, queries, keys]: [usize; 3], maps: Arc<[f32]>) -> Result<()> {
        self.maps.insert(site, SiteMaps::new(heads, queries, keys, maps));
        Ok(())
    }

    fn context(&mut self, site: Site, context: Tensor) -> Result<Tensor> {
        self.silencer.context(site, context)
    }
}
