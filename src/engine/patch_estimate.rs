//! Attribution patching: a first-order estimate of what it changes to take activations of heads from a clean run
//! into a corrupt one, for all heads in one backward pass (Nanda 2023, "Attribution Patching"; Syed et al. 2023,
//! "Attribution Patching Outperforms Automated Circuit Discovery").

use std::collections::BTreeMap;
use std::ops::Range;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::backward::{DifferentiableRun, SiteGradient};
use super::run_tokens::RunTokens;
use super::session::Session;
use crate::analysis::patching::{ActivationKind, PatchEffects, PatchedActivation, PositionMap};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::site::{Kind, Site};

impl Session {
    /// Estimates what [`Session::patch`] measures for activations of heads: the difference of `z`, or of the
    /// weights, between the clean and the corrupt run, times the gradient of the corrupt run's score. The score is
    /// the sum over `rows`.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients; [`Error::Usage`] for activations that are
    /// not those of heads, and for rows that the target has not; [`Error::Memory`]; [`Error::Cancelled`].
    pub fn estimate_patching(
        &self,
        clean: &Capture,
        corrupt: &[u32],
        kind: ActivationKind,
        rows: Range<usize>,
        contrast: Option<u32>,
        watch: &dyn Watch,
    ) -> Result<PatchEffects> {
        if !kind.is_of_heads() {
            return Err(Error::Usage(format!("effects of '{kind}' are measured, not estimated")));
        }
        if rows.is_empty() || rows.end > clean.target.len() {
            let (first, last, count) = (rows.start, rows.end.saturating_sub(1), clean.target.len());
            return Err(Error::Usage(format!("there are no rows {first}-{last}: the target has {count}")));
        }
        threads::run(self.threads, || {
            let tokens = RunTokens::of(clean)?;
            let map = PositionMap::of(&tokens.inputs[0], corrupt);
            let [_, fed] = tokens.inputs.clone();
            let other = RunTokens { inputs: [corrupt.to_vec(), fed], target: tokens.target.clone() };
            let clean_run = DifferentiableRun::new(self, tokens, contrast, watch)?;
            let corrupt_run = DifferentiableRun::new(self, other, contrast, watch)?;
            let score = |run: &DifferentiableRun| {
                let pass = run.forward(run.embeddings()?)?;
                let scores = run.scores(&pass)?;
                Ok::<_, Error>((pass, rows.clone().map(|row| scores[row]).sum::<f32>()))
            };
            let (_, clean_score) = score(&clean_run)?;
            let mut known = BTreeMap::new();
            for site in clean_run.probed()? {
                known.insert(site.site, if kind == ActivationKind::Pattern { site.weights } else { site.z });
            }
            let kept = known.values().map(|clean| 4 * clean.elem_count()).sum();
            corrupt_run.scores_at_once(kept, true)?;
            let (pass, corrupt_score) = score(&corrupt_run)?;
            let mut changes = Vec::new();
            let mut on_site = |found: &SiteGradient| -> Result<()> {
                let site = found.site.site;
                let Some(clean) = known.get(&site).filter(|_| comparable(kind, site, &map)) else {
                    return Ok(());
                };
                let (corrupt, gradient) = match kind {
                    ActivationKind::Pattern => (&found.site.weights, found.of_weights()?),
                    _ => (&found.site.z, found.z_gradient.clone()),
                };
                let products = match site.kind {
                    Kind::Encoder if !map.whole => {
                        let of = |x: &Tensor, side: usize| {
                            let places: Vec<u32> = map.pairs.iter().map(|pair| pair[side] as u32).collect();
                            x.contiguous()?.index_select(&Tensor::new(places, x.device())?, 1)
                        };
                        ((of(clean, 0)? - of(corrupt, 1)?)? * of(&gradient, 1)?)?
                    }
                    _ => ((clean - corrupt)? * gradient)?,
                };
                let by_head = products.flatten_from(1)?.sum(1)?.to_vec1::<f32>()?;
                let by_head = by_head.into_iter().enumerate();
                changes.extend(by_head.map(|(at, change)| (PatchedActivation { kind, site, at }, change)));
                Ok(())
            };
            corrupt_run.gradients(&pass, std::slice::from_ref(&rows), Some(&mut on_site))?;
            changes.sort_unstable_by_key(|(what, _)| *what);
            Ok(PatchEffects { clean: clean_score, corrupt: corrupt_score, changes })
        })
    }
}

/// Returns true if the activations of a site have their like in both runs.
fn comparable(kind: ActivationKind, site: Site, map: &PositionMap) -> bool {
    match (kind, site.kind) {
        (_, Kind::Decoder) | (ActivationKind::Heads, Kind::Cross) => true,
        (ActivationKind::Heads, Kind::Encoder) => !map.pairs.is_empty(),
        _ => map.whole,
    }
}
