//! Patching of single weights: one weight of a head's map is taken from a clean run into a corrupt one.

use attn_tui_kernels::threads;
use candle_core::{IndexOp, Tensor};

use super::patching::{EncoderStart, PatchOptions, PatchedRuns};
use super::session::Session;
use crate::analysis::patching::{ActivationKind, PatchScores, PatchedLink};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::nn::Hook;
use crate::progress::Watch;
use crate::site::{Kind, Site};

/// Replaces one weight. The other weights of the row stay as they are.
struct LinkPatcher {
    link: PatchedLink,
    /// The weight of the clean run.
    weight: f32,
}

impl Hook for LinkPatcher {
    fn wants(&self, site: Site) -> bool {
        self.link.head.site == site
    }

    fn change_weights(&mut self, site: Site, _: usize, weights: Tensor) -> Result<Tensor> {
        let PatchedLink { head, query, key } = self.link;
        if head.site != site {
            return Ok(weights);
        }
        let (_, queries, keys) = weights.dims3()?;
        let mut row = weights.i((head.head, query))?.to_vec1::<f32>()?;
        row[key] = self.weight;
        let row = Tensor::from_vec(row, (1, 1, keys), weights.device())?;
        let map = weights.narrow(0, head.head, 1)?.slice_assign(&[0..1, query..query + 1, 0..keys], &row)?;
        Ok(weights.slice_assign(&[head.head..head.head + 1, 0..queries, 0..keys], &map)?)
    }
}

impl Session {
    /// Patches single weights of the run that gave `clean` into the run on the source tokens `corrupt`, one
    /// at a time. Queries and keys are positions of the corrupt run. Both runs, and the patched ones, are
    /// forced to the clean target.
    ///
    /// # Errors
    /// [`Error::Usage`] if the source is no text; [`Error::NoSuchHead`] for a link that the two runs do not
    /// share; [`Error::NotForModel`] for models with other states than those of the tokens;
    /// [`Error::Cancelled`].
    pub fn patch_links(
        &self,
        clean: &Capture,
        corrupt: &[u32],
        links: &[PatchedLink],
        options: &PatchOptions,
        watch: &dyn Watch,
    ) -> Result<PatchScores<PatchedLink>> {
        threads::run(self.threads, || {
            let runs = PatchedRuns::new(self, clean, corrupt, ActivationKind::Pattern, options, watch)?;
            let states = |together: &[PatchedLink]| {
                let hooks = together.iter().map(|link| patcher(&runs, corrupt.len(), *link));
                let inputs = |stack| {
                    let inputs = together.iter().map(|link| runs.start(stack, link.head.site));
                    inputs.collect::<Result<Vec<_>>>()
                };
                let in_encoder = together.first().is_some_and(|link| link.head.kind() == Kind::Encoder);
                let encoder = match in_encoder {
                    true => EncoderStart::Layers(inputs(Kind::Encoder)?),
                    false => EncoderStart::Output(vec![runs.corrupt_encoded().clone(); together.len()]),
                };
                runs.last_states(encoder, &inputs(Kind::Decoder)?, &mut hooks.collect::<Result<Vec<_>>>()?)
            };
            runs.scores(links.to_vec(), |link| link.head.site, states)
        })
    }
}

/// Returns the hook that takes a weight from the clean run. `source` is the number of the corrupt source's
/// tokens.
fn patcher(runs: &PatchedRuns, source: usize, link: PatchedLink) -> Result<LinkPatcher> {
    let PatchedLink { head, query, key } = link;
    let clean = |at: usize| runs.map.clean_of(at);
    let place = match head.kind() {
        Kind::Encoder => clean(query).zip(clean(key)),
        Kind::Cross => clean(key).map(|key| (query, key)),
        Kind::Decoder => Some((query, key)),
    };
    let shared = place.zip(runs.clean_at(head.site)).filter(|((row, column), weights)| {
        let inside = |dim, at: usize| weights.dim(dim).is_ok_and(|size| at < size);
        // Those of the corrupt run exist, too.
        let in_source = (head.kind() == Kind::Decoder || key < source)
            && (head.kind() != Kind::Encoder || query < source);
        inside(0, head.head) && inside(1, *row) && inside(2, *column) && in_source
    });
    let Some(((row, column), weights)) = shared else {
        return Err(Error::NoSuchHead(format!("the two runs do not share link {query}:{key} of {head}")));
    };
    let weight = weights.i((head.head, row, column))?.to_scalar::<f32>()?;
    Ok(LinkPatcher { link, weight })
}
