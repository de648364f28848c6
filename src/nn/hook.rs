//! Where an observer meets the one attention function.

use std::sync::Arc;

use attn_tui_kernels::attention::{MaskedPair, RowObserver};
use candle_core::{Device, Tensor};

use super::{AttentionTrace, CompactMaps};
use crate::error::Result;
use crate::site::Site;

/// What is left out of attention at a site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteAblation {
    /// What each head's context is multiplied with: 0 or 1.
    pub factors: Vec<f32>,
    /// Pairs whose score is minus infinity, by positions in the texts.
    pub links: Vec<MaskedPair>,
}

/// Sees, and may change, what happens inside attention at each site. Every method does nothing unless
/// overridden. Tensors are those of a single sequence.
pub trait Hook {
    /// Whether anything at this site is of interest; if not, attention may take its fastest path.
    fn wants(&self, site: Site) -> bool;

    /// Whether scores or context may be changed at this site, where it [`Hook::wants`] anything. If not, they
    /// are not shown.
    fn intervenes(&self, _site: Site) -> bool {
        true
    }

    /// What is left out of a site of so many heads, if that is all that is changed there: then neither
    /// [`Hook::scores`] nor [`Hook::context`] is called where attention knows a faster way.
    fn ablation(&self, _site: Site, _heads: usize) -> Option<SiteAblation> {
        None
    }

    /// Whether nothing that comes of the maps at this site is of interest: the layer may end there, and what the
    /// stack gives then means nothing.
    fn stops_after(&self, _site: Site) -> bool {
        false
    }

    /// Scores before the softmax, `[heads, queries, keys]`, masked pairs at minus infinity; the first query
    /// stands at position `past`. What is returned goes into the softmax.
    fn scores(&mut self, _site: Site, _past: usize, scores: Tensor) -> Result<Tensor> {
        Ok(scores)
    }

    /// Weights after the softmax, `[heads, queries, keys]`.
    fn weights(&mut self, _site: Site, _weights: &Tensor) -> Result<()> {
        Ok(())
    }

    /// [`Hook::weights`] for weights that lie in memory already: `maps` is `shape`, row-major.
    fn maps(&mut self, site: Site, shape: [usize; 3], maps: Arc<[f32]>) -> Result<()> {
        let [heads, queries, keys] = shape;
        self.weights(site, &Tensor::from_slice(&maps, (heads, queries, keys), &Device::Cpu)?)
    }

    /// Returns an observer of the rows of the weights `[heads, queries, keys]`, which sees a block of rows at a time
    /// while these are computed. Called only if the hook does not intervene at the site, or does so by
    /// [`Hook::ablation`] alone.
    fn row_observer(&mut self, _site: Site, _shape: [usize; 3]) -> Option<Arc<dyn RowObserver>> {
        None
    }

    /// Returns true if [`Hook::compact`] is to be called instead of [`Hook::maps`], for maps `[heads, queries, keys]`
    /// whose compact form takes `bytes` bytes. Called where [`Hook::row_observer`] is.
    fn prefers_compact(&self, _site: Site, _shape: [usize; 3], _bytes: usize) -> bool {
        false
    }

    /// What the maps of the site follow from.
    fn compact(&mut self, _site: Site, _maps: CompactMaps) -> Result<()> {
        Ok(())
    }

    /// What each head read, `[heads, queries, head_dim]`, before the output projection. What is returned
    /// goes into the projection.
    fn context(&mut self, _site: Site, context: Tensor) -> Result<Tensor> {
        Ok(context)
    }

    /// Whether [`Hook::trace`] is of interest at this site.
    fn wants_trace(&self, _site: Site) -> bool {
        false
    }

    /// The whole block, once it is through, with its residual connection and norm.
    fn trace(&mut self, _site: Site, _flow: &AttentionTrace) -> Result<()> {
        Ok(())
    }
}

/// Lets a hook change a second run through a site whose weights are not to be shown.
pub struct InterventionsOnly<'a> {
    /// The hook.
    pub hook: &'a mut dyn Hook,
    /// Whether queries and keys stand at the same positions as in the run that is shown.
    pub same_positions: bool,
}

impl Hook for InterventionsOnly<'_> {
    fn wants(&self, site: Site) -> bool {
        self.hook.wants(site) && self.hook.intervenes(site)
    }

    fn ablation(&self, site: Site, heads: usize) -> Option<SiteAblation> {
        let ablation = self.hook.ablation(site, heads)?;
        Some(if self.same_positions { ablation } else { SiteAblation { links: Vec::new(), ..ablation } })
    }

    fn prefers_compact(&self, _: Site, _: [usize; 3], _: usize) -> bool {
        true
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        if self.same_positions { self.hook.scores(site, past, scores) } else { Ok(scores) }
    }

    fn maps(&mut self, _: Site, _: [usize; 3], _: Arc<[f32]>) -> Result<()> {
        Ok(())
    }

    fn weights(&mut self, _: Site, _: &Tensor) -> Result<()> {
        Ok(())
    }

    fn context(&mut self, site: Site, context: Tensor) -> Result<Tensor> {
        self.hook.context(site, context)
    }
}

/// Wants nothing.
pub struct NoHook;

impl Hook for NoHook {
    fn wants(&self, _: Site) -> bool {
        false
    }
}
