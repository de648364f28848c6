//! Hooks of a pass: [`Recorder`] stores all maps, [`Ablator`] ablates parts of the attention.

use std::collections::BTreeMap;
use std::sync::Arc;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::folded_rows::FoldedRows;
use super::head_means::HeadMeans;
use super::rest::Rest;
use super::values::{SiteValues, ValuesBySite};
use super::{MapStore, SiteMaps};
use crate::analysis::profile::{HeadProfile, ProfileAxes, SiteProfiles};
use crate::error::Result;
use crate::nn::{
    AttentionTrace, CompactMaps, Hook, LayerInput, MapForm, MaskedPair, RowObserver, SiteAblation,
    SparseMaps, host,
};
use crate::site::{Ablation, Kind, RowEdit, Site};

/// Hook that ablates heads, sites or links, and replaces rows of weights.
#[derive(Clone, Debug, Default)]
pub struct Ablator {
    ablations: Vec<Ablation>,
    edits: Vec<RowEdit>,
    /// Means that ablated heads read in place of zeros.
    means: Option<Arc<HeadMeans>>,
}

impl Ablator {
    /// Creates a hook with the given ablations.
    pub fn new(ablations: Vec<Ablation>) -> Self {
        Self { ablations, ..Self::default() }
    }

    /// Lets ablated heads read their means in place of zeros.
    pub fn with_means(self, means: Option<Arc<HeadMeans>>) -> Self {
        Self { means, ..self }
    }

    /// Also replaces these rows of weights.
    pub fn with_edits(self, edits: Vec<RowEdit>) -> Self {
        Self { edits, ..self }
    }

    /// Returns the sites that it changes.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        let edited = self.edits.iter().map(|edit| edit.head.site);
        self.ablations.iter().map(|part| part.site()).chain(edited)
    }

    /// The rows that are replaced at a site.
    fn rows(&self, site: Site) -> Vec<RowEdit> {
        self.edits.iter().filter(|edit| edit.head.site == site).cloned().collect()
    }

    fn at(&self, site: Site) -> impl Iterator<Item = Ablation> {
        self.ablations.iter().copied().filter(move |part| part.site() == site)
    }
}

impl Ablator {
    /// Factors on the contexts of the heads: 0 for an ablated head, otherwise 1.
    fn head_factors(&self, site: Site, heads: usize) -> Vec<f32> {
        let mut factors = vec![1f32; heads];
        for part in self.at(site) {
            match part {
                Ablation::Site(_) => factors.fill(0.0),
                Ablation::Head(head) if head.head < heads => factors[head.head] = 0.0,
                _ => {}
            }
        }
        factors
    }

    /// Means that ablated heads read, `[heads, head_dim]`, with zeros for the others.
    fn head_means(&self, site: Site, factors: &[f32]) -> Option<Vec<f32>> {
        let mut means = self.means.as_ref().filter(|_| factors.contains(&0.0))?.at(site)?;
        let head_dim = means.len() / factors.len().max(1);
        for (means, factor) in means.chunks_mut(head_dim.max(1)).zip(factors) {
            means.iter_mut().for_each(|mean| *mean *= 1.0 - factor);
        }
        Some(means)
    }
}

impl Hook for Ablator {
    fn wants(&self, site: Site) -> bool {
        self.sites().any(|changed| changed == site)
    }

    fn ablation(&self, site: Site, heads: usize) -> Option<SiteAblation> {
        let links = self.at(site).filter_map(|part| match part {
            Ablation::Link { head, query, key } => Some(MaskedPair { head: head.head, query, key }),
            Ablation::Head(_) | Ablation::Site(_) => None,
        });
        let head_factors = self.head_factors(site, heads);
        let head_means = self.head_means(site, &head_factors);
        Some(SiteAblation { head_factors, head_means, links: links.collect(), rows: self.rows(site) })
    }

    /// This hook does not look at maps.
    fn map_form(&self, _: Site, _: [usize; 3], _: Option<usize>) -> MapForm {
        MapForm::Rows
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        let (heads, queries, keys) = scores.dims3()?;
        let mut mask: Option<Vec<f32>> = None;
        for part in self.at(site) {
            let Ablation::Link { head, query, key } = part else { continue };
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

    fn change_weights(&mut self, site: Site, past: usize, weights: Tensor) -> Result<Tensor> {
        let rows = self.rows(site);
        if rows.is_empty() {
            return Ok(weights);
        }
        let (heads, queries, keys) = weights.dims3()?;
        let mut data = host(&weights)?;
        for edit in rows {
            let row = edit.query.wrapping_sub(past);
            if edit.head.head < heads && row < queries {
                let row = &mut data[(edit.head.head * queries + row) * keys..][..keys];
                let new = edit.weights.iter().copied().chain(std::iter::repeat(0.0));
                row.iter_mut().zip(new).for_each(|(weight, new)| *weight = new);
            }
        }
        Ok(Tensor::from_vec(data, weights.shape(), weights.device())?)
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        let (heads, _, head_dim) = z.dims3()?;
        let factors = self.head_factors(site, heads);
        if factors.iter().all(|&factor| factor == 1.0) {
            return Ok(z);
        }
        let means = self.head_means(site, &factors);
        let of_heads = |values, width| Tensor::from_vec(values, (heads, 1, width), z.device());
        let rest = z.broadcast_mul(&of_heads(factors, 1)?)?;
        match means {
            Some(means) => Ok(rest.broadcast_add(&of_heads(means, head_dim)?)?),
            None => Ok(rest),
        }
    }
}

/// Hook that records the weights of every site, with ablations.
#[derive(Debug, Default)]
pub struct Recorder {
    maps: MapStore,
    ablator: Ablator,
    measures_values: bool,
    scores: bool,
    values: ValuesBySite,
    end: Option<Site>,
    rest: Option<Rest>,
    profile_axes: BTreeMap<Kind, Arc<ProfileAxes>>,
    watching: BTreeMap<Site, Arc<SiteProfiles>>,
    /// Rows of maps that are folded while the pass computes them.
    folding: BTreeMap<Site, Arc<FoldedRows>>,
    /// Distance of the layers whose inputs are kept.
    inputs_every: Option<usize>,
    inputs: [Vec<LayerInput>; 2],
}

impl Recorder {
    /// Creates a recorder that also runs `ablator`.
    pub fn new(ablator: Ablator) -> Self {
        Self { ablator, ..Self::default() }
    }

    /// Limits maps in memory to `memory` bytes ([`MapStore::within`]); the others are recomputed when they
    /// are needed.
    pub fn within(self, memory: Option<usize>) -> Self {
        Self { maps: MapStore::within(memory), ..self }
    }

    /// Enables values and contributions, which need a second pass over all weights.
    pub fn with_values(self, values: bool) -> Self {
        Self { measures_values: values, ..self }
    }

    /// Enables scores ([`super::Capture::scores`]): sites are stored in compact form wherever possible.
    pub fn with_scores(self, scores: bool) -> Self {
        Self { scores, ..self }
    }

    /// Folds the maps over a source whose last positions are shown as one item.
    pub fn with_rest(self, rest: Option<Rest>) -> Self {
        Self { rest, ..self }
    }

    /// Ends the pass once the maps of `site` are recorded.
    pub fn ending_at(self, site: Site) -> Self {
        Self { end: Some(site), ..self }
    }

    /// Keeps the states that enter every `every`th layer of both stacks.
    pub fn with_inputs(self, every: Option<usize>) -> Self {
        Self { inputs_every: every, ..self }
    }

    /// Takes the kept inputs of layers, of encoder and decoder, the first layer first.
    pub fn take_inputs(&mut self) -> [Vec<LayerInput>; 2] {
        std::mem::take(&mut self.inputs)
    }

    /// Enables profiles of a kind's heads.
    pub fn profile(&mut self, kind: Kind, axes: ProfileAxes) {
        self.profile_axes.insert(kind, Arc::new(axes));
    }

    /// Stores maps with the profiles that were made during the pass.
    fn keep(&mut self, site: Site, maps: SiteMaps) {
        let profiles = self.watching.remove(&site).and_then(Arc::into_inner).map(SiteProfiles::finish);
        self.maps.insert(site, maps.with_profiles(profiles.unwrap_or_default()));
    }

    /// Stores folded maps with their profiles.
    fn keep_folded(&mut self, site: Site, maps: SiteMaps) {
        let axes = self.profile_axes.get(&site.kind);
        let profiles = axes.map_or_else(Vec::new, |axes| profiles(&maps, axes));
        self.maps.insert(site, maps.with_profiles(profiles));
    }

    /// The rest of the keys at a site.
    fn rest_at(&self, site: Site) -> Option<Rest> {
        self.rest.filter(|_| site.kind != Kind::Decoder)
    }

    /// Returns the maps and values that were recorded.
    pub fn finish(self) -> (MapStore, ValuesBySite) {
        (self.maps, self.values)
    }
}

/// Computes the profiles of all heads of a site.
fn profiles(maps: &SiteMaps, axes: &ProfileAxes) -> Vec<HeadProfile> {
    const ROWS: usize = 1024;
    let [heads, queries, keys] = maps.shape();
    let profile = |head: usize| {
        let mut profile = HeadProfile::new(axes);
        for first in (0..queries).step_by(ROWS) {
            if let Some(rows) = maps.rows(head, first..queries.min(first + ROWS)) {
                profile.add_rows(first, &rows, axes);
            }
        }
        profile
    };
    threads::map(heads, heads * queries * keys, profile)
}

impl Hook for Recorder {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn intervenes(&self, site: Site) -> bool {
        self.ablator.wants(site)
    }

    fn ablation(&self, site: Site, heads: usize) -> Option<SiteAblation> {
        self.ablator.ablation(site, heads)
    }

    fn stops_after(&self, site: Site) -> bool {
        self.end == Some(site) && !self.measures_values
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        self.ablator.scores(site, past, scores)
    }

    fn change_weights(&mut self, site: Site, past: usize, weights: Tensor) -> Result<Tensor> {
        self.ablator.change_weights(site, past, weights)
    }

    fn weights(&mut self, site: Site, weights: &Tensor) -> Result<()> {
        let (heads, queries, keys) = weights.dims3()?;
        let data = weights.flatten_all()?.to_vec1::<f32>()?;
        self.maps(site, [heads, queries, keys], data.into())
    }

    fn maps(&mut self, site: Site, [heads, queries, keys]: [usize; 3], maps: Arc<[f32]>) -> Result<()> {
        match self.rest_at(site) {
            Some(rest) => {
                let shape = [heads, queries, keys];
                let ([heads, queries, keys], folded) = rest.fold_maps(site.kind, shape, &maps);
                self.keep_folded(site, SiteMaps::new(heads, queries, keys, folded));
            }
            None => self.keep(site, SiteMaps::new(heads, queries, keys, maps)),
        }
        Ok(())
    }

    fn row_observer(&mut self, site: Site, shape: [usize; 3], form: MapForm) -> Option<Arc<dyn RowObserver>> {
        if let Some(rest) = self.rest_at(site) {
            let [heads, queries, _] = shape;
            let rows = || Arc::new(FoldedRows::new(rest, heads, rest.queries(site.kind, queries)));
            let rows = (form == MapForm::Rows).then(rows)?;
            self.folding.insert(site, Arc::clone(&rows));
            return Some(rows);
        }
        let profiles = SiteProfiles::new(Arc::clone(self.profile_axes.get(&site.kind)?), shape[0]);
        let profiles = profiles.fit(shape).then(|| Arc::new(profiles))?;
        self.watching.insert(site, Arc::clone(&profiles));
        Some(profiles)
    }

    fn map_form(&self, site: Site, shape: [usize; 3], bytes: Option<usize>) -> MapForm {
        let compact =
            |shape| bytes.is_some_and(|bytes| self.scores || self.maps.prefers_compact(shape, bytes));
        match self.rest {
            // Most of an encoder's maps is left out, so they are folded row by row.
            Some(rest) if site.kind == Kind::Encoder => {
                let [heads, queries, _] = shape;
                let folded = [heads, rest.queries(site.kind, queries), rest.keys()];
                if compact(folded) { MapForm::Compact } else { MapForm::Rows }
            }
            _ if compact(shape) => MapForm::Compact,
            _ => MapForm::Whole,
        }
    }

    fn compact(&mut self, site: Site, maps: CompactMaps) -> Result<()> {
        let Some(rest) = self.rest_at(site) else {
            self.keep(site, SiteMaps::of(maps));
            return Ok(());
        };
        let bytes = maps.bytes();
        let folded = SiteMaps::folded(maps, site.kind, rest);
        let [heads, queries, keys] = folded.shape();
        let kept = match self.scores || self.maps.prefers_compact(folded.shape(), bytes) {
            true => folded,
            false => SiteMaps::new(heads, queries, keys, folded.data()),
        };
        self.keep_folded(site, kept);
        Ok(())
    }

    fn observed(&mut self, site: Site) -> Result<()> {
        if let Some(rows) = self.folding.remove(&site).and_then(Arc::into_inner) {
            let [heads, queries, keys] = rows.shape();
            self.keep_folded(site, SiteMaps::new(heads, queries, keys, rows.finish()));
        }
        Ok(())
    }

    fn sparse(&mut self, site: Site, maps: SparseMaps) -> Result<()> {
        self.keep(site, SiteMaps::sparse(maps));
        Ok(())
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        self.ablator.z(site, z)
    }

    fn wants_resid_pre(&self, _: Kind, layer: usize) -> bool {
        self.inputs_every.is_some_and(|every| layer.is_multiple_of(every.max(1)))
    }

    fn resid_pre(&mut self, stack: Kind, input: LayerInput) -> Result<()> {
        self.inputs[usize::from(stack != Kind::Encoder)].push(input);
        Ok(())
    }

    fn wants_trace(&self, _: Site) -> bool {
        self.measures_values
    }

    fn trace(&mut self, site: Site, trace: &AttentionTrace) -> Result<()> {
        let Some(maps) = self.maps.site(site) else { return Ok(()) };
        let shape @ [heads, queries, keys] = maps.shape();
        let factors = self.ablator.head_factors(site, heads);
        let measured = if factors.contains(&0.0) {
            let size = (queries * keys).max(1);
            let mut data = maps.data().to_vec();
            for (map, factor) in data.chunks_mut(size).zip(factors) {
                map.iter_mut().for_each(|weight| *weight *= factor);
            }
            trace.measure(&data, shape)?
        } else {
            trace.measure(&maps.data(), shape)?
        };
        self.values.insert(site, SiteValues::new(measured, shape));
        Ok(())
    }
}
