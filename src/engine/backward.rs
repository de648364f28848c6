//! Backward passes of a run's scores. A fast pass keeps the states that enter each layer; then every layer is
//! computed again with its autograd graph, the last layer first, and the gradients of all scores go through it
//! before the next one (checkpointing, Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{D, Tensor, Var};

use super::run_tokens::RunTokens;
use super::session::Session;
use crate::capture::MapStore;
use crate::error::{Error, Result};
use crate::model::{LayerByLayer, ModelSpec, StackSpec};
use crate::nn::{Hook, LayerInput, NoHook, Probe, ProbedSite};
use crate::progress::Watch;
use crate::site::Kind;

/// Encoder and decoder.
const STACKS: [Kind; 2] = [Kind::Encoder, Kind::Decoder];

/// A tensor of the source's tokens and one of those that the decoder is fed, each `[1, tokens, width]`.
pub(super) type Sides = [Tensor; 2];

/// Gradients at one site: `z` of its heads with the gradient of `z` for one of the scores.
pub(super) struct SiteGradient<'a> {
    /// Number of the score.
    pub score: usize,
    /// Weights, values and `z`.
    pub site: &'a ProbedSite,
    /// `[heads, queries, head_dim]`
    pub z_gradient: Tensor,
}

impl SiteGradient<'_> {
    /// Returns the gradient of the weights, `[heads, queries, keys]`.
    pub fn of_weights(&self) -> Result<Tensor> {
        self.site.weights_gradient(&self.z_gradient)
    }
}

/// Callback with the gradients at a site, for one score after the other.
pub(super) type OnSite<'a> = &'a mut dyn FnMut(&SiteGradient) -> Result<()>;

/// A run whose scores are differentiated: the log-probability of each target token, or the difference to that
/// of a contrasting token.
pub(super) struct DifferentiableRun<'a> {
    session: &'a Session,
    layers: &'a dyn LayerByLayer,
    spec: [&'a StackSpec; 2],
    tokens: RunTokens,
    contrast: Option<u32>,
    watch: &'a dyn Watch,
}

/// States of one pass.
pub(super) struct Pass {
    embeddings: Sides,
    /// States that enter each layer of a stack, and those after the last, `[1, positions, d_model]`.
    states: [Vec<Tensor>; 2],
    /// Output of the encoder.
    encoded: Tensor,
}

impl<'a> DifferentiableRun<'a> {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients; [`Error::Text`] if there is no source.
    pub fn new(
        session: &'a Session,
        tokens: RunTokens,
        contrast: Option<u32>,
        watch: &'a dyn Watch,
    ) -> Result<Self> {
        let layers = session.model.layer_by_layer()?;
        let ModelSpec::Transformer(spec) = session.model.spec() else {
            return Err(Error::Engine("only Transformers have layers".into()));
        };
        if tokens.inputs[0].is_empty() {
            return Err(Error::Text("the source has no tokens".into()));
        }
        Ok(Self { session, layers, spec: [&spec.encoder, &spec.decoder], tokens, contrast, watch })
    }

    /// Number of target tokens.
    pub fn rows(&self) -> usize {
        self.tokens.target.len()
    }

    /// Embeds source and decoder input.
    pub fn embeddings(&self) -> Result<Sides> {
        Ok([self.embed(0, &self.tokens.inputs[0])?, self.embed(1, &self.tokens.inputs[1])?])
    }

    /// Embeds the same token at every position of source and decoder input.
    pub fn repeated_embeddings(&self, tokens: [u32; 2]) -> Result<Sides> {
        let repeated = |side: usize| self.embed(side, &vec![tokens[side]; self.tokens.inputs[side].len()]);
        Ok([repeated(0)?, repeated(1)?])
    }

    fn embed(&self, side: usize, ids: &[u32]) -> Result<Tensor> {
        self.layers.token_embeddings(STACKS[side], ids)
    }

    /// Runs the model from embeddings, without gradients.
    pub fn forward(&self, embeddings: Sides) -> Result<Pass> {
        let encoder = self.climb(0, &embeddings[0], None, &mut NoHook)?;
        let encoded = self.layers.leave(Kind::Encoder, last(&encoder)?)?;
        let decoder = self.climb(1, &embeddings[1], Some(&encoded), &mut NoHook)?;
        Ok(Pass { embeddings, states: [encoder, decoder], encoded })
    }

    /// Runs one stack; returns the states that enter each layer and those after the last.
    fn climb(
        &self,
        side: usize,
        embeddings: &Tensor,
        source: Option<&Tensor>,
        hook: &mut dyn Hook,
    ) -> Result<Vec<Tensor>> {
        let stack = STACKS[side];
        let mut states = vec![self.layers.enter(stack, embeddings, &self.tokens.inputs[side])?];
        for layer in 0..self.layers.layers(stack) {
            self.watch.check()?;
            let input = LayerInput { layer, states: last(&states)?.clone(), extra: None };
            states.push(self.layers.layer(stack, &input, source, hook)?);
        }
        Ok(states)
    }

    /// Runs the model on its own tokens; returns weights, values and `z` of every head.
    pub fn probed(&self) -> Result<Vec<ProbedSite>> {
        let mut probe = Probe::default();
        let [source, fed] = self.embeddings()?;
        let encoder = self.climb(0, &source, None, &mut probe)?;
        let encoded = self.layers.leave(Kind::Encoder, last(&encoder)?)?;
        self.climb(1, &fed, Some(&encoded), &mut probe)?;
        Ok(probe.sites)
    }

    /// Computes the scores of all rows.
    pub fn scores(&self, pass: &Pass) -> Result<Vec<f32>> {
        Ok(self.by_rows(pass, |states, rows| self.row_scores(states, rows))?.to_vec1()?)
    }

    /// Computes the gradient of each row's score with respect to the row's own last state, `[1, rows, d_model]`.
    fn score_gradients(&self, pass: &Pass) -> Result<Tensor> {
        let by_row = self.by_rows(pass, |states, rows| {
            let states = Var::from_tensor(states)?;
            let scores = self.row_scores(states.as_tensor(), rows)?;
            gradient(&scores.backward()?, &states)?.squeeze(0).map_err(Error::from)
        })?;
        Ok(by_row.unsqueeze(0)?)
    }

    /// Calls `compute` with the decoder's last states of some rows at a time, and joins what it returns.
    fn by_rows(
        &self,
        pass: &Pass,
        compute: impl Fn(&Tensor, Range<usize>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (all, step) = (self.rows(), self.session.rows_at_once());
        let states = last(&pass.states[1])?;
        let parts = (0..all).step_by(step).map(|first| {
            let count = step.min(all - first);
            compute(&states.narrow(1, first, count)?.contiguous()?, first..first + count)
        });
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// Computes the scores of `rows` from their last states, `[1, rows, d_model]`.
    fn row_scores(&self, states: &Tensor, rows: Range<usize>) -> Result<Tensor> {
        let states = self.layers.leave(Kind::Decoder, states)?;
        let logits = self.layers.map_to_vocabulary(&states)?.squeeze(0)?;
        let target = Tensor::from_slice(&self.tokens.target[rows.clone()], (rows.len(), 1), logits.device())?;
        let own = logits.gather(&target, D::Minus1)?.squeeze(1)?;
        let against = match self.contrast {
            Some(token) => logits.narrow(1, token as usize, 1)?.squeeze(1)?,
            None => {
                let largest = logits.max_keepdim(D::Minus1)?.detach();
                let sum = logits.broadcast_sub(&largest)?.exp()?.sum_keepdim(D::Minus1)?;
                (sum.log()? + largest)?.squeeze(1)?
            }
        };
        Ok((own - against)?)
    }

    /// Computes the gradients of several scores with respect to the embeddings. A score is the sum of the scores
    /// of some rows. `on_site` is shown the gradients at every site of every layer, the last layer first.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn gradients(
        &self,
        pass: &Pass,
        scores: &[Range<usize>],
        mut on_site: Option<OnSite>,
    ) -> Result<Vec<Sides>> {
        let of_rows = self.score_gradients(pass)?;
        let mut decoder = Vec::with_capacity(scores.len());
        for rows in scores {
            let part = of_rows.narrow(1, rows.start, rows.len())?;
            decoder.push(part.pad_with_zeros(1, rows.start, self.rows() - rows.end)?);
        }
        let mut encoder = vec![pass.encoded.zeros_like()?; scores.len()];
        for layer in (0..self.layers.layers(Kind::Decoder)).rev() {
            let (x, source) = (Var::from_tensor(&pass.states[1][layer])?, Var::from_tensor(&pass.encoded)?);
            let input = (layer, &x, Some(source.as_tensor()));
            self.through_layer(Kind::Decoder, input, &mut decoder, &mut on_site, &mut |at, found| {
                encoder[at] = (&encoder[at] + gradient(found, &source)?)?;
                Ok(())
            })?;
        }
        let x = Var::from_tensor(last(&pass.states[0])?)?;
        let left = self.layers.leave(Kind::Encoder, x.as_tensor())?;
        through(&left, &x, &mut encoder, &mut |_, _| Ok(()))?;
        for layer in (0..self.layers.layers(Kind::Encoder)).rev() {
            let x = Var::from_tensor(&pass.states[0][layer])?;
            let input = (layer, &x, None);
            self.through_layer(Kind::Encoder, input, &mut encoder, &mut on_site, &mut |_, _| Ok(()))?;
        }
        for (side, gradients) in [&mut encoder, &mut decoder].into_iter().enumerate() {
            let x = Var::from_tensor(&pass.embeddings[side])?;
            let entered = self.layers.enter(STACKS[side], x.as_tensor(), &self.tokens.inputs[side])?;
            through(&entered, &x, gradients, &mut |_, _| Ok(()))?;
        }
        Ok(encoder.into_iter().zip(decoder).map(|(source, prefix)| [source, prefix]).collect())
    }

    /// Turns gradients of the states after a layer into those of the states before it, and calls `each` with
    /// the number of each score and all gradients.
    fn through_layer(
        &self,
        stack: Kind,
        (layer, x, source): (usize, &Var, Option<&Tensor>),
        gradients: &mut [Tensor],
        on_site: &mut Option<OnSite>,
        each: &mut dyn FnMut(usize, &GradStore) -> Result<()>,
    ) -> Result<()> {
        let (mut probe, mut no_hook) = (Probe::default(), NoHook);
        let hook: &mut dyn Hook = if on_site.is_some() { &mut probe } else { &mut no_hook };
        let input = LayerInput { layer, states: x.as_tensor().clone(), extra: None };
        let after = self.layers.layer(stack, &input, source, hook)?;
        through(&after, x, gradients, &mut |score, found| {
            self.watch.check()?;
            if let Some(on_site) = on_site {
                for site in &probe.sites {
                    on_site(&SiteGradient { score, site, z_gradient: site.z_gradient(found)? })?;
                }
            }
            each(score, found)
        })
    }

    /// Returns the number of scores whose gradients fit into the memory limit together. `per_score` are bytes
    /// that the caller keeps for each score besides; `sites` is true if gradients at sites are asked for.
    ///
    /// # Errors
    /// [`Error::Memory`] if those of one score do not fit.
    pub fn scores_at_once(&self, per_score: usize, sites: bool) -> Result<usize> {
        let positions = [self.tokens.inputs[0].len(), self.tokens.inputs[1].len()];
        let (mut states, mut largest, mut gradients) = (0, 0, 0);
        for (side, spec) in self.spec.into_iter().enumerate() {
            let count = positions[side];
            let keys = if side == 0 { count } else { count + positions[0] };
            states += (spec.layers + 1) * count * spec.d_model;
            gradients += 2 * count * spec.d_model;
            // Weights of all heads; for each thread the gradients of weights and scores of one head.
            let maps = spec.heads + 3 * self.session.threads + if sites { 2 * spec.heads } else { 0 };
            let inner = spec.heads * spec.head_dim;
            let vectors = count * (20 * spec.d_model + 10 * inner + 8 * spec.ffn_dim);
            largest = largest.max(maps * count * keys + 2 * vectors);
        }
        let fixed = 4 * (states + largest);
        let each = 4 * gradients + per_score;
        let limit = MapStore::within(self.session.memory).budget();
        match limit.checked_sub(fixed).map(|rest| rest / each.max(1)) {
            Some(count) if count > 0 => Ok(count),
            _ => Err(Error::Memory {
                what: "the gradient",
                needed: (fixed + each) as u64,
                limit: limit as u64,
            }),
        }
    }
}

/// Turns gradients of `after` into those of `before`, of which it is a function. Calls `each` with the number
/// of each and all gradients that were found on the way.
fn through(
    after: &Tensor,
    before: &Var,
    gradients: &mut [Tensor],
    each: &mut dyn FnMut(usize, &GradStore) -> Result<()>,
) -> Result<()> {
    for (at, of_after) in gradients.iter_mut().enumerate() {
        let found = (after * &*of_after)?.sum_all()?.backward()?;
        *of_after = gradient(&found, before)?;
        each(at, &found)?;
    }
    Ok(())
}

/// Returns the gradient with respect to `of`; zeros if nothing depends on it.
fn gradient(found: &GradStore, of: &Var) -> Result<Tensor> {
    found.get(of).map_or_else(|| Ok(of.zeros_like()?), |gradient| Ok(gradient.clone()))
}

fn last(states: &[Tensor]) -> Result<&Tensor> {
    states.last().ok_or_else(|| Error::Engine("a stack has no states".into()))
}
