//! Runs with parts of the attention switched off or replaced. They begin with the first layer that this
//! changes, from the states that a run without ablations had there, and go through the model together.

use std::borrow::Cow;
use std::sync::Arc;

use attn_tui_kernels::threads;
use candle_core::Tensor;
use rayon::prelude::*;

use super::pass::{FinishedRun, ROWS_TOGETHER, WantedTarget};
use super::protocol::{AblatedRun, RunOptions};
use super::session::{Session, spread};
use super::source::Source;
use super::timings::Timings;
use crate::analysis::knockout::{AblationEffect, RowEffect, Unablated};
use crate::axis::{Sequence, token_ids};
use crate::capture::{Ablator, Capture, HeadMeans, MapStore, Rest};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::model::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence, ModelSpec};
use crate::nn::{LayerInput, Ragged, read};
use crate::progress::{Progress, Watch};
use crate::site::{Ablation, Kind};

/// Share of the memory limit for maps that the states between layers may take in addition.
const MEMORY_SHARE: usize = 4;

/// A run without ablations, with the states from which runs with ablations start.
pub struct IntactRun {
    source: Source,
    /// Ids that the decoder was fed.
    input: Vec<u32>,
    /// Ids of the target.
    target: Vec<u32>,
    /// The encoder's last states.
    encoded: Tensor,
    /// Inputs of layers of encoder and decoder.
    inputs: [Vec<LayerInput>; 2],
}

impl IntactRun {
    /// Returns the source, and the ids that the decoder was fed.
    pub(super) fn inputs(&self) -> (&Source, &[u32]) {
        (&self.source, &self.input)
    }

    /// Returns the last kept input of a stack from which its layers up to `layer` follow.
    fn start(&self, stack: Kind, layer: usize) -> Option<&LayerInput> {
        let inputs = &self.inputs[usize::from(stack != Kind::Encoder)];
        inputs.iter().rev().find(|input| input.layer <= layer)
    }
}

/// The first layers of encoder and decoder that a hook changes; `None` for a stack that stays the same.
fn first_layers(ablator: &Ablator) -> [Option<usize>; 2] {
    let first = |encoder: bool| {
        let sites = ablator.sites().filter(|site| (site.kind == Kind::Encoder) == encoder);
        sites.map(|site| site.layer).min()
    };
    let [encoder, decoder] = [first(true), first(false)];
    // The decoder reads the encoder's states in its first layer.
    [encoder, if encoder.is_some() { Some(0) } else { decoder }]
}

/// Callback with the numbers of the sets that went together, the encoder's last states and the decoder's.
type EachGroup<'a> = dyn FnMut(&[usize], &[Tensor], &[Tensor]) -> Result<()> + 'a;

impl Session {
    /// Like [`Session::run_source`], and also keeps the states that runs with ablations start from: those
    /// that enter each layer, or as many of them as a share of the memory limit for maps allows.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_intact(
        &self,
        source: &Source,
        run: &RunOptions,
        watch: &dyn Watch,
    ) -> Result<(Capture, IntactRun)> {
        threads::run(self.threads, || {
            let prepared = self.prepared(Cow::Borrowed(source), Cow::Borrowed(run))?;
            let prepared = prepared.with_inputs(self.inputs_every(source.positions(), run));
            let FinishedRun { capture, encoded, inputs, .. } =
                self.pass_one(prepared, 1, watch, &mut Timings::default())?;
            let intact = IntactRun {
                source: source.clone(),
                input: token_ids(&capture.decoder_input),
                target: capture.target.ids(),
                encoded,
                inputs,
            };
            Ok((capture, intact))
        })
    }

    /// Returns the distance of the layers whose inputs fit into a share of the memory limit; `None` if none
    /// does.
    fn inputs_every(&self, source: usize, run: &RunOptions) -> Option<usize> {
        let spec = self.model.spec();
        let ((encoder, decoder), (encoder_width, decoder_width)) = (spec.layers(), spec.widths());
        // A generated target is rarely longer than its source.
        let target = run.target.as_ref().map_or(source, String::len);
        let bytes = 4 * (encoder * source * encoder_width + decoder * target * decoder_width);
        let allowed = MapStore::within(self.memory).budget() / MEMORY_SHARE;
        (allowed > 0).then(|| bytes.div_ceil(allowed).max(1))
    }

    /// Repeats an intact run with `run.ablations`, whose heads read `run.head_means` or zeros, and
    /// `run.edits`; all other options must be those of the intact run. Returns the predictions for the same
    /// target and, if the target was generated, a newly generated one.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn run_ablated(&self, intact: &IntactRun, run: &RunOptions, watch: &dyn Watch) -> Result<AblatedRun> {
        threads::run(self.threads, || {
            watch.progress(Progress::Encode);
            let has_streams = matches!(
                self.model.spec(),
                ModelSpec::Transformer(spec) if spec.decoder.extra_states.is_some()
            );
            if has_streams && !run.edits.is_empty() {
                let why =
                    "other states than those of the tokens go through its heads, with weights of their own";
                return Err(Error::NotForModel { analysis: "an edited row", why });
            }
            let means = match run.own_means {
                true => Some(Arc::new(self.own_means(intact, watch)?)),
                false => run.head_means.clone(),
            };
            let items = intact.source.items();
            let edits =
                Rest::of(items).map_or_else(|| run.edits.clone(), |rest| rest.spread_rows(&run.edits));
            let ablator = Ablator::new(spread(&run.ablations, items)).with_means(means).with_edits(edits);
            let variants = [ablator];
            let mut ablated = None;
            self.ablated_states(intact, &variants, watch, &mut |_, encoded, states| {
                let states = states.first().ok_or(Error::Cancelled)?;
                let (forced, _) = self.score(states, &intact.target, [true, false])?;
                let generated = match run.target {
                    Some(_) => None,
                    None if run.forced_only => None,
                    None => self.generate_ablated(intact, run, &encoded[0], variants[0].clone(), watch)?,
                };
                let RunOptions { ablations, own_means, edits, .. } = run.clone();
                ablated = Some(AblatedRun { ablations, own_means, edits, forced, generated });
                Ok(())
            })?;
            ablated.ok_or(Error::Cancelled)
        })
    }

    /// Measures the effect of each of several sets of ablations on the predictions of an intact run's target,
    /// whose logits are `logits`, `[target, vocabulary]`. Ablated heads read their `means` in place of zeros,
    /// if there are any. Many sets go through the model together.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn ablation_effects(
        &self,
        intact: &IntactRun,
        logits: &Matrix,
        sets: &[Vec<Ablation>],
        means: Option<&Arc<HeadMeans>>,
        watch: &dyn Watch,
    ) -> Result<Vec<AblationEffect>> {
        threads::run(self.threads, || {
            let ablator = |ablations: &Vec<Ablation>| {
                Ablator::new(spread(ablations, intact.source.items())).with_means(means.cloned())
            };
            let variants: Vec<Ablator> = sets.iter().map(ablator).collect();
            let unablated = Unablated::new(logits, &intact.target)?;
            let mut effects = vec![AblationEffect::default(); sets.len()];
            let (mut done, total) = (0, sets.len());
            self.ablated_states(intact, &variants, watch, &mut |places, _, states| {
                for (&place, effect) in places.iter().zip(self.effects(&unablated, states, watch)?) {
                    effects[place] = effect;
                }
                done += places.len();
                watch.progress(Progress::Runs { done, total: Some(total) });
                Ok(())
            })?;
            Ok(effects)
        })
    }

    /// Measures the effects that gave each of these states of the decoder.
    fn effects(
        &self,
        unablated: &Unablated,
        states: &[Tensor],
        watch: &dyn Watch,
    ) -> Result<Vec<AblationEffect>> {
        let vocabulary = self.model.spec().vocabulary().max(1);
        let joined = Ragged::join(states)?;
        let all = joined.rows().dim(1)?;
        let step = self.rows_at_once();
        let target = unablated.rows().max(1);
        let mut rows = Vec::with_capacity(all);
        for first in (0..all).step_by(step) {
            watch.check()?;
            let logits = self.model.logits(&joined.rows().narrow(1, first, step.min(all - first))?)?;
            self.check_numbers(&logits)?;
            let part: Result<Vec<RowEffect>> = read(&logits, |logits| {
                let parts = logits.par_chunks(vocabulary).enumerate();
                parts.map(|(at, after)| unablated.compare((first + at) % target, after)).collect()
            })?;
            rows.extend(part?);
        }
        Ok(rows.chunks(target).map(|rows| unablated.effect(rows)).collect())
    }

    /// Runs an intact run's target with each of several hooks. Calls `each` with the numbers of the hooks
    /// that went together, the encoder's last states and the decoder's.
    fn ablated_states(
        &self,
        intact: &IntactRun,
        variants: &[Ablator],
        watch: &dyn Watch,
        each: &mut EachGroup,
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..variants.len()).collect();
        // Those that start at the same layer go together; a stack that stays the same comes last.
        let key = |&place: &usize| first_layers(&variants[place]).map(|layer| layer.unwrap_or(usize::MAX));
        order.sort_by_key(key);
        let changes_encoder = |place: &usize| first_layers(&variants[*place])[0].is_some();
        for part in order.chunk_by(|a, b| changes_encoder(a) == changes_encoder(b)) {
            let encoder = part.first().is_some_and(changes_encoder);
            let source = if encoder { intact.source.positions() } else { 0 };
            let together = ROWS_TOGETHER / intact.input.len().max(source).max(1);
            for places in part.chunks(together.max(1)) {
                let mut ablators: Vec<_> = places.iter().map(|&place| variants[place].clone()).collect();
                let encoded = match encoder {
                    true => self.encode_ablated(intact, variants, places, &mut ablators, watch)?,
                    false => vec![intact.encoded.clone(); places.len()],
                };
                let sequences = places.iter().zip(&encoded).zip(&mut ablators);
                let sequences = sequences.map(|((&place, source), hook)| {
                    let first = first_layers(&variants[place])[1].unwrap_or(usize::MAX);
                    let input = match intact.start(Kind::Decoder, first) {
                        Some(input) => DecoderInput::Layer(input),
                        None => DecoderInput::Ids { ids: &intact.input, batch: 1 },
                    };
                    DecoderSequence { input, source, cache: None, hook }
                });
                let states = self.model.decode_many(sequences.collect(), &mut |_| watch.check())?;
                each(places, &encoded, &states)?;
            }
        }
        Ok(())
    }

    /// Generates a new target for the encoder's states under the changes of `ablator`.
    fn generate_ablated(
        &self,
        intact: &IntactRun,
        run: &RunOptions,
        encoded: &Tensor,
        ablator: Ablator,
        watch: &dyn Watch,
    ) -> Result<Option<Sequence>> {
        let prompt = self.prompt(run, encoded, &mut ablator.clone())?;
        let wanted = WantedTarget { source: &intact.source, options: run, encoded, prompt: &prompt, ablator };
        Ok(self.generate_each(&[wanted], watch)?.pop().map(|generated| generated.target))
    }

    /// Encodes the source of an intact run with several hooks.
    fn encode_ablated(
        &self,
        intact: &IntactRun,
        variants: &[Ablator],
        places: &[usize],
        ablators: &mut [Ablator],
        watch: &dyn Watch,
    ) -> Result<Vec<Tensor>> {
        let sequences = places.iter().zip(ablators).map(|(&place, hook)| {
            let first = first_layers(&variants[place])[0].unwrap_or(usize::MAX);
            let input = match intact.start(Kind::Encoder, first) {
                Some(input) => EncoderInput::Layer(input),
                None => intact.source.input(),
            };
            EncoderSequence { input, hook }
        });
        self.model.encode_many(sequences.collect(), &mut |_| watch.check())
    }
}
