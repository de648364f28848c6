//! Attribution patching: a first-order estimate of what it changes to take the output of one head from a clean
//! run into a corrupt one (Nanda 2023, "Attribution Patching"; Syed et al. 2023).

use std::collections::HashMap;
use std::ops::Range;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::backward::{DifferentiableRun, SiteGradient};
use super::run_tokens::RunTokens;
use super::session::Session;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::site::{Head, Kind, Site};

/// Result of [`Session::estimate_patching`].
#[derive(Clone, Debug, PartialEq)]
pub struct PatchEstimate {
    /// Score of the clean run: the sum over the rows.
    pub clean: f32,
    /// Score of the corrupt run on the clean target.
    pub corrupt: f32,
    /// Estimated change of the corrupt run's score if what the head reads (`z`) is taken from the clean run.
    /// Without encoder heads if the sources have different lengths.
    pub heads: Vec<(Head, f32)>,
}

impl PatchEstimate {
    /// Returns the effects as shares of the difference between the two runs; `None` if there is no difference.
    pub fn effects(&self) -> Option<Vec<(Head, f32)>> {
        let whole = self.clean - self.corrupt;
        let share = |&(head, change): &(Head, f32)| (head, change / whole);
        (whole != 0.0).then(|| self.heads.iter().map(share).collect())
    }
}

impl Session {
    /// Estimates the effect of patching each head: the difference of its `z` between the run that gave `clean`
    /// and that on the tokens of `corrupt`, times the gradient of the corrupt run's score with respect to `z`.
    /// Both runs are forced to the clean target. The score is the sum over `rows` of the log-probability of the
    /// target token, or of its difference to that of the `contrast` token.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients; [`Error::Usage`] for rows that the target
    /// has not; [`Error::Memory`]; [`Error::Cancelled`].
    pub fn estimate_patching(
        &self,
        clean: &Capture,
        corrupt: &[u32],
        rows: Range<usize>,
        contrast: Option<u32>,
        watch: &dyn Watch,
    ) -> Result<PatchEstimate> {
        if rows.is_empty() || rows.end > clean.target.len() {
            let why = format!(
                "there are no rows {}-{}: the target has {}",
                rows.start,
                rows.end,
                clean.target.len()
            );
            return Err(Error::Usage(why));
        }
        threads::run(self.threads, || {
            let tokens = RunTokens::of(clean)?;
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
            let sites = clean_run.probed()?;
            let read: HashMap<Site, Tensor> = sites.into_iter().map(|site| (site.site, site.z)).collect();
            let kept = read.values().map(|z| 4 * z.elem_count()).sum();
            corrupt_run.scores_at_once(kept, true)?;
            let (pass, corrupt_score) = score(&corrupt_run)?;
            let same_length = clean.source.len() == corrupt.len();
            let mut heads = Vec::new();
            let mut on_site = |found: &SiteGradient| -> Result<()> {
                let site = found.site.site;
                let Some(z) = read.get(&site).filter(|_| same_length || site.kind != Kind::Encoder) else {
                    return Ok(());
                };
                let products = ((z - &found.site.z)? * &found.z_gradient)?;
                let changes = products.flatten_from(1)?.sum(1)?.to_vec1::<f32>()?;
                heads.extend(changes.into_iter().enumerate().map(|(head, change)| (site.head(head), change)));
                Ok(())
            };
            corrupt_run.gradients(&pass, std::slice::from_ref(&rows), Some(&mut on_site))?;
            heads.sort_unstable_by_key(|(head, _)| *head);
            Ok(PatchEstimate { clean: clean_score, corrupt: corrupt_score, heads })
        })
    }
}
