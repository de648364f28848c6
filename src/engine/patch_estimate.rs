//! Attribution patching: a first-order estimate of what it changes to take activations of heads, or single
//! weights, from a clean run into a corrupt one, for all of them in one backward pass (Nanda 2023,
//! "Attribution Patching"; Syed et al. 2023, "Attribution Patching Outperforms Automated Circuit Discovery").

use std::collections::BTreeMap;
use std::ops::Range;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::backward::{DifferentiableRun, SiteGradient};
use super::patching::PatchOptions;
use super::run_tokens::RunTokens;
use super::session::Session;
use crate::analysis::patching::{
    ActivationKind, PatchEffects, PatchedActivation, PatchedLink, PositionMap, StrongestChanges,
};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::nn::host;
use crate::progress::Watch;
use crate::site::{Kind, Site};

/// A clean run, and the source of a corrupt one with the rows whose scores are summed.
pub struct EstimatedPatches<'a> {
    /// The clean run.
    pub clean: &'a Capture,
    /// Tokens of the corrupt run's source.
    pub corrupt: &'a [u32],
    /// Rows of the target.
    pub rows: Range<usize>,
    /// The other options.
    pub options: &'a PatchOptions,
}

/// Estimated changes of the corrupt run's score at one site.
struct SiteChanges {
    site: Site,
    /// For each query of each head, and each value of `z` or each key: `[heads, queries, ..]`.
    by_value: Tensor,
    /// Positions of the corrupt run that queries and keys are, if these are not all of its positions.
    positions: [Option<Vec<usize>>; 2],
}

impl EstimatedPatches<'_> {
    /// Multiplies the differences of `z`, or of weights, between the two runs by the gradient of the corrupt
    /// run's score, and calls `each` with the products of every site. Returns the scores of the two runs.
    fn estimate(
        &self,
        session: &Session,
        of_weights: bool,
        watch: &dyn Watch,
        each: &mut dyn FnMut(SiteChanges) -> Result<()>,
    ) -> Result<[f32; 2]> {
        let Self { clean, corrupt, rows, options } = self;
        if rows.is_empty() || rows.end > clean.target.len() {
            let (first, last, count) = (rows.start, rows.end.saturating_sub(1), clean.target.len());
            return Err(Error::Usage(format!("there are no rows {first}-{last}: the target has {count}")));
        }
        let tokens = RunTokens::of(clean)?;
        let map = options.map_of(&tokens.inputs[0], corrupt);
        let [_, fed] = tokens.inputs.clone();
        let other = RunTokens { inputs: [corrupt.to_vec(), fed], target: tokens.target.clone() };
        let clean_run = DifferentiableRun::new(session, tokens, options.contrast, watch)?;
        let corrupt_run = DifferentiableRun::new(session, other, options.contrast, watch)?;
        let score = |run: &DifferentiableRun| {
            let pass = run.forward(run.embeddings()?)?;
            let scores = run.scores(&pass)?;
            Ok::<_, Error>((pass, rows.clone().map(|row| scores[row]).sum::<f32>()))
        };
        let (_, clean_score) = score(&clean_run)?;
        let mut known = BTreeMap::new();
        for site in clean_run.probed()? {
            known.insert(site.site, if of_weights { site.weights } else { site.z });
        }
        let kept = known.values().map(|clean| 4 * clean.elem_count()).sum();
        corrupt_run.scores_at_once(kept, true)?;
        let (pass, corrupt_score) = score(&corrupt_run)?;
        let mut on_site = |found: &SiteGradient| -> Result<()> {
            let site = found.site.site;
            let Some(clean) = known.get(&site) else { return Ok(()) };
            let (corrupt, gradient) = match of_weights {
                true => (&found.site.weights, found.of_weights()?),
                false => (&found.site.z, found.z_gradient.clone()),
            };
            let partial = partial_axes(site.kind, &map).map(|partial| partial.then_some(&map.pairs));
            let partial = if of_weights { partial } else { [partial[0], None] };
            if partial.iter().flatten().any(|pairs| pairs.is_empty()) {
                return Ok(());
            }
            let of = |x: &Tensor, side: usize| -> candle_core::Result<Tensor> {
                let mut dims = partial.iter().zip(1usize..).filter_map(|(pairs, dim)| Some(((*pairs)?, dim)));
                dims.try_fold(x.contiguous()?, |x, (pairs, dim)| {
                    let places: Vec<u32> = pairs.iter().map(|pair| pair[side] as u32).collect();
                    x.index_select(&Tensor::new(places, x.device())?, dim)
                })
            };
            let by_value = ((of(clean, 0)? - of(corrupt, 1)?)? * of(&gradient, 1)?)?;
            let positions = partial.map(|pairs| Some(pairs?.iter().map(|[_, corrupt]| *corrupt).collect()));
            each(SiteChanges { site, by_value, positions })
        };
        corrupt_run.gradients(&pass, std::slice::from_ref(rows), Some(&mut on_site))?;
        Ok([clean_score, corrupt_score])
    }
}

impl Session {
    /// Estimates what [`Session::patch`] measures for activations of heads: the difference of `z`, or of the
    /// weights, between the clean and the corrupt run, times the gradient of the corrupt run's score.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients; [`Error::Usage`] for activations that
    /// are not those of heads, and for rows that the target has not; [`Error::Memory`]; [`Error::Cancelled`].
    pub fn estimate_patching(
        &self,
        runs: &EstimatedPatches,
        kind: ActivationKind,
        watch: &dyn Watch,
    ) -> Result<PatchEffects> {
        if !kind.is_of_heads() {
            return Err(Error::Usage(format!("effects of '{kind}' are measured, not estimated")));
        }
        let of_weights = kind == ActivationKind::Pattern;
        threads::run(self.threads, || {
            let mut changes = Vec::new();
            let [clean, corrupt] = runs.estimate(self, of_weights, watch, &mut |found| {
                // As where they are measured, maps are patched as wholes.
                if !of_weights || found.positions.iter().all(Option::is_none) {
                    let by_head = found.by_value.flatten_from(1)?.sum(1)?.to_vec1::<f32>()?.into_iter();
                    let activation = |at| PatchedActivation { kind, site: found.site, at };
                    changes.extend(by_head.enumerate().map(|(at, change)| (activation(at), change)));
                }
                Ok(())
            })?;
            changes.sort_unstable_by_key(|(what, _)| *what);
            Ok(PatchEffects { clean, corrupt, changes })
        })
    }

    /// Estimates what [`Session::patch_links`] measures, for every weight that differs between the two runs.
    /// Keeps the `most` largest changes, the largest first.
    ///
    /// # Errors
    /// As [`Session::estimate_patching`].
    pub fn estimate_links(
        &self,
        runs: &EstimatedPatches,
        most: usize,
        watch: &dyn Watch,
    ) -> Result<PatchEffects<PatchedLink>> {
        threads::run(self.threads, || {
            let mut strongest = StrongestChanges::new(most);
            let [clean, corrupt] = runs.estimate(self, true, watch, &mut |found| {
                let (_, queries, keys) = found.by_value.dims3()?;
                let [query_at, key_at] = &found.positions;
                let position = |positions: &Option<Vec<usize>>, at: usize| match positions {
                    Some(positions) => positions[at],
                    None => at,
                };
                for (at, change) in host(&found.by_value)?.into_iter().enumerate() {
                    if change != 0.0 {
                        let (row, key) = (at / keys, at % keys);
                        let link = PatchedLink {
                            head: found.site.head(row / queries),
                            query: position(query_at, row % queries),
                            key: position(key_at, key),
                        };
                        strongest.add(link, change);
                    }
                }
                Ok(())
            })?;
            Ok(PatchEffects { clean, corrupt, changes: strongest.finish() })
        })
    }
}

/// Returns for queries and keys of a kind of map whether only some positions of the source have their like.
fn partial_axes(kind: Kind, map: &PositionMap) -> [bool; 2] {
    match kind {
        Kind::Encoder => [!map.whole, !map.whole],
        Kind::Cross => [false, !map.whole],
        Kind::Decoder => [false, false],
    }
}
