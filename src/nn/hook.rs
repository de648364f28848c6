//! Hook of the attention function: records or changes what it computes.

use std::sync::Arc;

use attn_tui_kernels::attention::{MaskedPair, RowObserver};
use candle_core::{Device, Tensor};

use super::{AttentionTrace, CompactMaps, FfnTrace, SparseMaps};
use crate::error::Result;
use crate::site::{Kind, RowEdit, Site};

/// Ablations and replaced rows at one site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteAblation {
    /// Factor on `z` of each head: 0 if the head is ablated, otherwise 1.
    pub head_factors: Vec<f32>,
    /// Mean of `z` that ablated heads read instead of zeros, `[heads, head_dim]`, 0 for the other heads;
    /// `None` if they read zeros. It is added to `z` after the factors.
    pub head_means: Option<Vec<f32>>,
    /// Query-key pairs whose score becomes minus infinity, by positions in the sequences.
    pub links: Vec<MaskedPair>,
    /// Rows of weights that are replaced, by positions in the sequences.
    pub rows: Vec<RowEdit>,
}

/// States that enter a layer. Cloning is free.
#[derive(Clone, Debug)]
pub struct LayerInput {
    /// Number of the layer.
    pub layer: usize,
    /// Residual stream, `[batch, positions, d_model]`.
    pub states: Tensor,
    /// Extra states that pass through the layers beside it. `None` if there are none, or to begin with those
    /// of the first layer.
    pub extra: Option<Tensor>,
}

/// Form in which a hook takes the maps of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapForm {
    /// All weights, by [`Hook::maps`].
    Whole,
    /// Queries and keys, from which the weights can be computed again, by [`Hook::compact`].
    Compact,
    /// Nothing but the rows that the observer of the site sees, by [`Hook::row_observer`].
    Rows,
}

/// Observes, and may change, attention at each site. Every method but [`Hook::wants`] does nothing by
/// default. Tensors belong to a single sequence. Of several sequences that go through a stack together, each
/// has a hook of its own, and those of short sequences are called on several threads.
pub trait Hook: Send {
    /// Returns true if the hook has to be called at this site. If not, attention may take its fastest path.
    fn wants(&self, site: Site) -> bool;

    /// Returns true if the hook may change scores or `z` at this site. Called only if [`Hook::wants`]
    /// returns true. If false, [`Hook::scores`] and [`Hook::z`] are not called.
    fn intervenes(&self, _site: Site) -> bool {
        true
    }

    /// Returns true if the hook leaves the scores at this site as they are, so that [`Hook::scores`] need not
    /// be called.
    fn keeps_scores(&self, _site: Site) -> bool {
        false
    }

    /// Returns the ablations and replaced rows at a site with `heads` heads if these are all that the hook
    /// changes there.
    /// Attention then applies them itself if it can, and calls neither [`Hook::scores`] nor
    /// [`Hook::change_weights`] nor [`Hook::z`].
    fn ablation(&self, _site: Site, _heads: usize) -> Option<SiteAblation> {
        None
    }

    /// Returns true if the pass may stop once the maps of this site are recorded: the layer ends there, and
    /// the output of the stack is meaningless.
    fn stops_after(&self, _site: Site) -> bool {
        false
    }

    /// Takes the scores before the softmax, `[heads, queries, keys]`, masked pairs at minus infinity, and
    /// returns those that go into it. The first query is at position `past`.
    fn scores(&mut self, _site: Site, _past: usize, scores: Tensor) -> Result<Tensor> {
        Ok(scores)
    }

    /// Takes the weights after the softmax, `[heads, queries, keys]`.
    fn weights(&mut self, _site: Site, _weights: &Tensor) -> Result<()> {
        Ok(())
    }

    /// Takes the weights after the softmax, `[heads, queries, keys]`, and returns those that multiply the
    /// values. Called before [`Hook::weights`], where [`Hook::scores`] is. The first query is at position
    /// `past`.
    fn change_weights(&mut self, _site: Site, _past: usize, weights: Tensor) -> Result<Tensor> {
        Ok(weights)
    }

    /// Takes the weights as a buffer of `shape` `[heads, queries, keys]`, row-major. Calls
    /// [`Hook::weights`] by default.
    fn maps(&mut self, site: Site, shape: [usize; 3], maps: Arc<[f32]>) -> Result<()> {
        let [heads, queries, keys] = shape;
        self.weights(site, &Tensor::from_slice(&maps, (heads, queries, keys), &Device::Cpu)?)
    }

    /// Returns the form in which the hook takes the maps `[heads, queries, keys]` of a site. Their compact form
    /// takes `bytes` bytes; `None` if there is none, and the maps are then taken whole instead. Called only if the
    /// hook does not intervene at the site, or does so by [`Hook::ablation`] alone.
    fn map_form(&self, _site: Site, _shape: [usize; 3], _bytes: Option<usize>) -> MapForm {
        MapForm::Whole
    }

    /// Returns an observer of the rows of maps `[heads, queries, keys]` that are taken in this form. It sees a
    /// block of rows at a time while these are computed. Called after [`Hook::map_form`].
    fn row_observer(
        &mut self,
        _site: Site,
        _shape: [usize; 3],
        _form: MapForm,
    ) -> Option<Arc<dyn RowObserver>> {
        None
    }

    /// Takes the compact form of the maps of the site.
    fn compact(&mut self, _site: Site, _maps: CompactMaps) -> Result<()> {
        Ok(())
    }

    /// Called in place of [`Hook::maps`] for [`MapForm::Rows`], once the site's observer has seen all rows.
    fn observed(&mut self, _site: Site) -> Result<()> {
        Ok(())
    }

    /// Takes the maps of a site whose queries attend within windows. Neither [`Hook::maps`] nor
    /// [`Hook::weights`] is called there.
    fn sparse(&mut self, _site: Site, _maps: SparseMaps) -> Result<()> {
        Ok(())
    }

    /// Returns true if [`Hook::values`] has to be called at this site.
    fn wants_values(&self, _site: Site) -> bool {
        false
    }

    /// Takes the value vectors, `[batch, keys, key_heads * head_dim]`, and returns those that heads read.
    fn values(&mut self, _site: Site, values: Tensor) -> Result<Tensor> {
        Ok(values)
    }

    /// Takes what each head reads (`z`, weights times values), `[heads, queries, head_dim]`, before the
    /// output projection, and returns what goes into the projection.
    fn z(&mut self, _site: Site, z: Tensor) -> Result<Tensor> {
        Ok(z)
    }

    /// Returns true if [`Hook::resid_pre`] has to be called for this layer of a stack.
    fn wants_resid_pre(&self, _stack: Kind, _layer: usize) -> bool {
        false
    }

    /// Takes the states that enter a layer of the encoder or the decoder.
    fn resid_pre(&mut self, _stack: Kind, _input: LayerInput) -> Result<()> {
        Ok(())
    }

    /// Returns true if [`Hook::trace`] has to be called at this site.
    fn wants_trace(&self, _site: Site) -> bool {
        false
    }

    /// Takes the attention block after it was computed, with its residual connection and norm.
    fn trace(&mut self, _site: Site, _trace: &AttentionTrace) -> Result<()> {
        Ok(())
    }

    /// Returns true if [`Hook::ffn_output`] has to be called for this layer of a stack.
    fn wants_ffn_output(&self, _stack: Kind, _layer: usize) -> bool {
        false
    }

    /// Takes the output of the feed-forward block of a layer of the encoder or the decoder, `[batch,
    /// positions, d_model]`, and returns what is added to the residual stream.
    fn ffn_output(&mut self, _stack: Kind, _layer: usize, output: Tensor) -> Result<Tensor> {
        Ok(output)
    }

    /// Returns true if [`Hook::ffn_trace`] has to be called for this layer of a stack.
    fn wants_ffn_trace(&self, _stack: Kind, _layer: usize) -> bool {
        false
    }

    /// Takes the feed-forward block of a layer of the encoder or the decoder after it was computed, with its
    /// residual connection and norm: the end of the layer.
    fn ffn_trace(&mut self, _stack: Kind, _layer: usize, _trace: &FfnTrace) -> Result<()> {
        Ok(())
    }
}

/// Adapter for a second pass through a site whose weights are not recorded: forwards interventions to the
/// hook and hides everything else from it.
pub struct InterventionsOnly<'a> {
    /// The hook.
    pub hook: &'a mut dyn Hook,
    /// True if queries and keys are at the same positions as in the recorded pass. If not, ablations of links
    /// and replaced rows do not apply.
    pub same_positions: bool,
}

impl Hook for InterventionsOnly<'_> {
    fn wants(&self, site: Site) -> bool {
        self.hook.wants(site) && self.hook.intervenes(site)
    }

    fn ablation(&self, site: Site, heads: usize) -> Option<SiteAblation> {
        let ablation = self.hook.ablation(site, heads)?;
        Some(match self.same_positions {
            true => ablation,
            false => SiteAblation { links: Vec::new(), rows: Vec::new(), ..ablation },
        })
    }

    fn map_form(&self, _: Site, _: [usize; 3], _: Option<usize>) -> MapForm {
        MapForm::Rows
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        if self.same_positions { self.hook.scores(site, past, scores) } else { Ok(scores) }
    }

    fn change_weights(&mut self, site: Site, past: usize, weights: Tensor) -> Result<Tensor> {
        if self.same_positions { self.hook.change_weights(site, past, weights) } else { Ok(weights) }
    }

    fn maps(&mut self, _: Site, _: [usize; 3], _: Arc<[f32]>) -> Result<()> {
        Ok(())
    }

    fn weights(&mut self, _: Site, _: &Tensor) -> Result<()> {
        Ok(())
    }

    fn wants_values(&self, site: Site) -> bool {
        self.same_positions && self.hook.wants_values(site)
    }

    fn values(&mut self, site: Site, values: Tensor) -> Result<Tensor> {
        self.hook.values(site, values)
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        self.hook.z(site, z)
    }
}

/// A hook that is never called.
#[derive(Clone, Copy, Debug)]
pub struct NoHook;

impl Hook for NoHook {
    fn wants(&self, _: Site) -> bool {
        false
    }
}
