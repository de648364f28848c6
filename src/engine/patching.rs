//! Activation patching. Patched runs begin with the first layer that the patch changes, from the states that
//! the corrupt run had there, and go through the model together.

use std::collections::BTreeMap;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::pass::ROWS_TOGETHER;
use super::session::Session;
use crate::analysis::patching::{ActivationKind, PatchScores, PatchedActivation, PositionMap};
use crate::axis::{all_token_ids, token_ids};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::model::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence};
use crate::nn::{FfnTrace, Hook, LayerInput};
use crate::progress::{Progress, Watch};
use crate::site::{Kind, Site};

/// Keeps the states that enter each layer, and activations of one kind.
#[derive(Default)]
struct ActivationRecorder {
    /// Kind of the activations to keep.
    kind: Option<ActivationKind>,
    /// Inputs of the layers of encoder and decoder.
    inputs: [Vec<LayerInput>; 2],
    /// `z` or weights of each site, `[heads, queries, ..]`, or the output of the feed-forward blocks, `[1,
    /// positions, d_model]`, under the site of self-attention.
    kept: BTreeMap<Site, Tensor>,
}

impl Hook for ActivationRecorder {
    fn wants(&self, _: Site) -> bool {
        self.kind.is_some_and(ActivationKind::is_of_heads)
    }

    fn weights(&mut self, site: Site, weights: &Tensor) -> Result<()> {
        if self.kind == Some(ActivationKind::Pattern) {
            self.kept.insert(site, weights.clone());
        }
        Ok(())
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        if self.kind == Some(ActivationKind::Heads) {
            self.kept.insert(site, z.clone());
        }
        Ok(z)
    }

    fn wants_resid_pre(&self, _: Kind, _: usize) -> bool {
        true
    }

    fn resid_pre(&mut self, stack: Kind, input: LayerInput) -> Result<()> {
        self.inputs[usize::from(stack != Kind::Encoder)].push(input);
        Ok(())
    }

    fn wants_ffn_trace(&self, _: Kind, _: usize) -> bool {
        self.kind == Some(ActivationKind::Mlp)
    }

    fn ffn_trace(&mut self, stack: Kind, layer: usize, trace: &FfnTrace) -> Result<()> {
        self.kept.insert(Site::new(stack, layer), trace.output.clone());
        Ok(())
    }
}

/// Options of patching.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatchOptions {
    /// Token against which the target's tokens are scored.
    pub contrast: Option<u32>,
    /// Positions of the two sources that belong together; `None` for those of [`PositionMap::of`].
    pub map: Option<PositionMap>,
}

impl PatchOptions {
    /// Returns the positions of two sources that belong together.
    pub fn map_of(&self, clean: &[u32], corrupt: &[u32]) -> PositionMap {
        self.map.clone().unwrap_or_else(|| PositionMap::of(clean, corrupt))
    }
}

/// Activations of one run.
struct RecordedRun {
    recorder: ActivationRecorder,
    /// The encoder's last states.
    encoded: Tensor,
    /// The decoder's last states.
    states: Tensor,
}

impl RecordedRun {
    /// Returns the input of a layer of a stack.
    fn input(&self, stack: Kind, layer: usize) -> Result<LayerInput> {
        let inputs = &self.recorder.inputs[usize::from(stack != Kind::Encoder)];
        let input = inputs.iter().find(|input| input.layer == layer).cloned();
        input.ok_or_else(|| Error::Engine(format!("the {stack} has no layer {layer}")))
    }
}

/// Replaces one activation.
struct Patcher<'a> {
    what: PatchedActivation,
    /// The activation of the clean run at the site; `None` if the inputs of the stacks are patched instead.
    clean: Option<&'a Tensor>,
    /// Clean and corrupt positions that belong together along the head's queries.
    pairs: &'a [[usize; 2]],
}

impl Patcher<'_> {
    /// Returns true if the patch is one of this kind at this site.
    fn is(&self, kind: ActivationKind, site: Site) -> bool {
        self.what.kind == kind && self.what.site == site
    }

    /// Replaces the rows of one head in `[heads, queries, ..]`.
    fn patched(&self, heads: &Tensor) -> Result<Tensor> {
        let Some(clean) = self.clean else { return Ok(heads.clone()) };
        let [old, new] = [heads, clean].map(|heads| heads.narrow(0, self.what.at, 1));
        replaced(heads, &replaced(&old?, &new?, 1, self.pairs)?, 0, &[[0, self.what.at]])
    }
}

impl Hook for Patcher<'_> {
    fn wants(&self, site: Site) -> bool {
        self.what.kind.is_of_heads() && self.what.site == site
    }

    fn change_weights(&mut self, site: Site, _: usize, weights: Tensor) -> Result<Tensor> {
        if self.is(ActivationKind::Pattern, site) { self.patched(&weights) } else { Ok(weights) }
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        if self.is(ActivationKind::Heads, site) { self.patched(&z) } else { Ok(z) }
    }

    fn wants_ffn_output(&self, stack: Kind, layer: usize) -> bool {
        self.is(ActivationKind::Mlp, Site::new(stack, layer))
    }

    fn ffn_output(&mut self, _: Kind, _: usize, output: Tensor) -> Result<Tensor> {
        match self.clean {
            Some(clean) => replaced(&output, clean, 1, self.pairs),
            None => Ok(output),
        }
    }
}

/// Replaces slices of `into` along a dimension by those of `from`: the second position of each pair by the
/// first.
fn replaced(into: &Tensor, from: &Tensor, dim: usize, pairs: &[[usize; 2]]) -> Result<Tensor> {
    let length = into.dim(dim)?;
    let mut order: Vec<u32> = (0..length as u32).collect();
    for &[from, to] in pairs {
        if let Some(place) = order.get_mut(to) {
            *place = (length + from) as u32;
        }
    }
    let order = Tensor::new(order, into.device())?;
    Ok(Tensor::cat(&[into, from], dim)?.contiguous()?.index_select(&order, dim)?)
}

/// The corrupt run with each of several patches.
pub(super) struct PatchedRuns<'a> {
    session: &'a Session,
    clean: RecordedRun,
    corrupt: RecordedRun,
    pub map: PositionMap,
    /// Rows of the decoder in both runs.
    rows: Vec<[usize; 2]>,
    target: Vec<u32>,
    contrast: Option<u32>,
    watch: &'a dyn Watch,
}

/// Start of the encoder in several patched runs.
pub(super) enum EncoderStart {
    /// Inputs of its layers.
    Layers(Vec<LayerInput>),
    /// Its output.
    Output(Vec<Tensor>),
}

impl<'a> PatchedRuns<'a> {
    /// Runs the model on the source of `clean` and on `corrupt`, both with the decoder input of `clean`, and
    /// keeps the activations of `kind` of the first.
    pub fn new(
        session: &'a Session,
        clean: &Capture,
        corrupt: &[u32],
        kind: ActivationKind,
        options: &PatchOptions,
        watch: &'a dyn Watch,
    ) -> Result<Self> {
        let source = all_token_ids(&clean.source.items);
        let source = source.ok_or_else(|| Error::Usage("only runs on texts can be patched".into()))?;
        let fed = token_ids(&clean.decoder_input);
        watch.progress(Progress::Encode);
        Ok(Self {
            session,
            clean: session.recorded(&source, &fed, Some(kind), watch)?,
            corrupt: session.recorded(corrupt, &fed, None, watch)?,
            map: options.map_of(&source, corrupt),
            rows: (0..fed.len()).map(|row| [row, row]).collect(),
            target: clean.target.ids(),
            contrast: options.contrast,
            watch,
        })
    }

    /// Returns the kept activations of the clean run at a site.
    pub fn clean_at(&self, site: Site) -> Option<&Tensor> {
        self.clean.recorder.kept.get(&site)
    }

    /// Returns the output of the corrupt run's encoder.
    pub fn corrupt_encoded(&self) -> &Tensor {
        &self.corrupt.encoded
    }

    /// Lists the activations of a kind that both runs have.
    fn activations(&self, kind: ActivationKind) -> Result<Vec<PatchedActivation>> {
        let mut found = Vec::new();
        let mut add = |site: Site, places: &mut dyn Iterator<Item = usize>| {
            found.extend(places.map(|at| PatchedActivation { kind, site, at }));
        };
        let encoder_positions = || self.map.pairs.iter().map(|[_, corrupt]| *corrupt);
        let positions = |site: Site| -> Box<dyn Iterator<Item = usize>> {
            match site.kind {
                Kind::Encoder => Box::new(encoder_positions()),
                Kind::Decoder | Kind::Cross => Box::new(0..self.rows.len()),
            }
        };
        match kind {
            ActivationKind::Heads | ActivationKind::Pattern => {
                let comparable = |site: &Site| match (kind, site.kind) {
                    (_, Kind::Decoder) | (ActivationKind::Heads, Kind::Cross) => true,
                    (ActivationKind::Heads, _) => !self.map.pairs.is_empty(),
                    _ => self.map.whole,
                };
                for (&site, heads) in self.clean.recorder.kept.iter().filter(|(site, _)| comparable(site)) {
                    add(site, &mut (0..heads.dim(0)?));
                }
            }
            ActivationKind::Resid => {
                for (stack, inputs) in
                    [Kind::Encoder, Kind::Decoder].iter().zip(&self.corrupt.recorder.inputs)
                {
                    for input in inputs {
                        let site = Site::new(*stack, input.layer);
                        add(site, &mut positions(site));
                    }
                }
            }
            ActivationKind::Mlp => {
                for &site in self.clean.recorder.kept.keys() {
                    add(site, &mut positions(site));
                }
            }
            ActivationKind::Encoder => {
                let layers = self.corrupt.recorder.inputs[0].len();
                add(Site::new(Kind::Encoder, layers.saturating_sub(1)), &mut encoder_positions());
            }
        }
        Ok(found)
    }

    /// Clean and corrupt positions of one activation that belong together.
    fn pairs(&self, what: &PatchedActivation) -> Vec<[usize; 2]> {
        let all = if what.site.kind == Kind::Encoder { &self.map.pairs } else { &self.rows };
        match what.kind.is_of_heads() {
            true => all.clone(),
            false => all.iter().filter(|[_, corrupt]| *corrupt == what.at).copied().collect(),
        }
    }

    /// Returns the corrupt run's input of a stack from the layer on that a patch at `site` changes, or from
    /// its first layer for the decoder after an encoder that a patch changes.
    pub fn start(&self, stack: Kind, site: Site) -> Result<LayerInput> {
        self.corrupt.input(stack, self.first_layer(stack, site).unwrap_or(0))
    }

    /// Returns the layer of a stack that a patch at `site` changes first; `None` if the patch is in the other
    /// stack.
    fn first_layer(&self, stack: Kind, site: Site) -> Option<usize> {
        ((site.kind == Kind::Encoder) == (stack == Kind::Encoder)).then_some(site.layer)
    }

    /// Returns the input of a stack, patched if it is the residual stream that is.
    fn input(&self, stack: Kind, what: &PatchedActivation, pairs: &[[usize; 2]]) -> Result<LayerInput> {
        let mut input = self.start(stack, what.site)?;
        let patched = self.first_layer(stack, what.site).filter(|_| what.kind == ActivationKind::Resid);
        if let Some(layer) = patched {
            input.states = replaced(&input.states, &self.clean.input(stack, layer)?.states, 1, pairs)?;
        }
        Ok(input)
    }

    /// Returns the decoder's last states with each of several patches of activations, which start in the same
    /// stack and are in the order of their layers.
    fn states(&self, together: &[PatchedActivation]) -> Result<Vec<Tensor>> {
        let pairs: Vec<_> = together.iter().map(|what| self.pairs(what)).collect();
        let patchers = together.iter().zip(&pairs);
        let mut patchers: Vec<_> =
            patchers.map(|(&what, pairs)| Patcher { what, clean: self.clean_at(what.site), pairs }).collect();
        let inputs = |stack| {
            let inputs = together.iter().zip(&pairs);
            inputs.map(|(what, pairs)| self.input(stack, what, pairs)).collect::<Result<Vec<_>>>()
        };
        let first = together.first();
        let encoder = if first.is_some_and(|what| what.kind == ActivationKind::Encoder) {
            let patched =
                |pairs: &Vec<[usize; 2]>| replaced(&self.corrupt.encoded, &self.clean.encoded, 1, pairs);
            EncoderStart::Output(pairs.iter().map(patched).collect::<Result<_>>()?)
        } else if first.is_some_and(|what| what.site.kind == Kind::Encoder) {
            EncoderStart::Layers(inputs(Kind::Encoder)?)
        } else {
            EncoderStart::Output(vec![self.corrupt.encoded.clone(); together.len()])
        };
        self.last_states(encoder, &inputs(Kind::Decoder)?, &mut patchers)
    }

    /// Runs the model from given starts of encoder and decoder with a hook for each run. Returns the
    /// decoder's last states.
    pub fn last_states(
        &self,
        encoder: EncoderStart,
        decoder: &[LayerInput],
        hooks: &mut [impl Hook],
    ) -> Result<Vec<Tensor>> {
        let model = &self.session.model;
        let encoded = match encoder {
            EncoderStart::Output(encoded) => encoded,
            EncoderStart::Layers(inputs) => {
                let sequences = inputs.iter().zip(&mut *hooks);
                let sequences = sequences
                    .map(|(input, hook)| EncoderSequence { input: EncoderInput::Layer(input), hook })
                    .collect();
                model.encode_many(sequences, &mut |_| self.watch.check())?
            }
        };
        let sequences = decoder.iter().zip(&encoded).zip(hooks);
        let sequences = sequences.map(|((input, source), hook)| DecoderSequence {
            input: DecoderInput::Layer(input),
            source,
            cache: None,
            hook,
        });
        model.decode_many(sequences.collect(), &mut |_| self.watch.check())
    }

    /// Scores the corrupt run with each of several patches, of which as many go through the model together as
    /// keep the kernels busy. `states` returns the decoder's last states of patches in the same stack, in the
    /// order of their layers.
    pub fn scores<T: Copy + Ord>(
        &self,
        mut patches: Vec<T>,
        site: impl Fn(&T) -> Site,
        states: impl Fn(&[T]) -> Result<Vec<Tensor>>,
    ) -> Result<PatchScores<T>> {
        let score = |states: &Tensor| self.session.relative_logits(states, &self.target, self.contrast);
        let mut scores = PatchScores {
            clean: score(&self.clean.states)?,
            corrupt: score(&self.corrupt.states)?,
            patched: Vec::with_capacity(patches.len()),
        };
        let of_encoder = |patch: &T| site(patch).kind == Kind::Encoder;
        patches.sort_by_key(|patch| (!of_encoder(patch), site(patch).layer));
        let total = patches.len();
        for part in patches.chunk_by(|a, b| of_encoder(a) == of_encoder(b)) {
            let encoder = part.first().is_some_and(of_encoder);
            let source = if encoder { self.corrupt.encoded.dim(1)? } else { 0 };
            let together = (ROWS_TOGETHER / self.rows.len().max(source).max(1)).max(1);
            for together in part.chunks(together) {
                for (patch, states) in together.iter().zip(states(together)?) {
                    scores.patched.push((*patch, score(&states)?));
                }
                self.watch.progress(Progress::Runs { done: scores.patched.len(), total: Some(total) });
            }
        }
        scores.patched.sort_by_key(|(patch, _)| *patch);
        Ok(scores)
    }
}

impl Session {
    /// Patches every activation of a kind from the run that gave `clean` into the run on the source tokens
    /// `corrupt`, one at a time. Both runs, and the patched ones, are forced to the clean target. Scores are
    /// log-probabilities of the target tokens, or their differences to that of a contrasting token.
    ///
    /// If not every position of one source has its like in the other, encoder activations are patched at
    /// those that have one, and weights of encoder and cross-attention heads not at all.
    ///
    /// # Errors
    /// [`Error::Usage`] if the source is no text; [`Error::NoCommonPositions`] if no activation of the kind can be patched;
    /// [`Error::NotForModel`] for models with other states than those of the tokens; [`Error::Cancelled`].
    pub fn patch(
        &self,
        clean: &Capture,
        corrupt: &[u32],
        kind: ActivationKind,
        options: &PatchOptions,
        watch: &dyn Watch,
    ) -> Result<PatchScores> {
        threads::run(self.threads, || {
            let runs = PatchedRuns::new(self, clean, corrupt, kind, options, watch)?;
            let activations = runs.activations(kind)?;
            if activations.is_empty() {
                return Err(Error::NoCommonPositions);
            }
            runs.scores(activations, |what| what.site, |together| runs.states(together))
        })
    }

    /// Runs the model on the tokens of a source and a target, and keeps activations of a kind.
    fn recorded(
        &self,
        source: &[u32],
        fed: &[u32],
        kind: Option<ActivationKind>,
        watch: &dyn Watch,
    ) -> Result<RecordedRun> {
        const ANALYSIS: &str = "activation patching";
        let mut recorder = ActivationRecorder { kind, ..ActivationRecorder::default() };
        let mut on_layer = |_| watch.check();
        let encoded = self.model.encode(EncoderInput::Ids(source), &mut recorder, &mut on_layer)?;
        let states = self.model.decode(fed, 1, &encoded, None, &mut recorder, &mut on_layer)?;
        let [encoder, decoder] = &recorder.inputs;
        if encoder.is_empty() || decoder.is_empty() {
            let why = "it is a recurrent network, without layers of attention";
            return Err(Error::NotForModel { analysis: ANALYSIS, why });
        }
        if encoder.iter().chain(decoder).any(|input| input.extra.is_some()) {
            let why = "states beside those of the tokens go through its layers";
            return Err(Error::NotForModel { analysis: ANALYSIS, why });
        }
        Ok(RecordedRun { recorder, encoded, states })
    }
}
