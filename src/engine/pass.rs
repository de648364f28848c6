//! The pass of one run or of several together: encode, generate, record, score.

use std::borrow::Cow;
use std::time::Instant;

use candle_core::Tensor;

use super::hearing::TargetPrompt;
use super::protocol::RunOptions;
use super::scores::Scores;
use super::session::{Session, ablator, decoder_input, items, languages};
use super::source::Source;
use super::timings::{Timings, median, ms};
use crate::analysis::MapAxes;
use crate::axis::{AxisItem, Sequence, queries};
use crate::capture::{Ablator, BeamTarget, Capture, MapWeights, Recorder, Rest};
use crate::error::{Error, Result};
use crate::generate::{GeneratedText, GenerationConfig, GenerationRun, generate_many};
use crate::model::{DecoderInput, DecoderSequence, EncoderSequence};
use crate::nn::LayerInput;
use crate::progress::{Progress, Watch};
use crate::site::{Kind, Site};
use crate::text::Languages;

/// Rows of sources or targets from which on more of them together are no faster.
pub(super) const ROWS_TOGETHER: usize = 1024;

/// A run whose texts are read.
pub(super) struct PreparedRun<'a> {
    source: Cow<'a, Source>,
    options: Cow<'a, RunOptions>,
    /// The target, if it is given and does not depend on the source.
    target: Option<Sequence>,
    /// Prompt of the target; `None` to form it.
    prompt: Option<TargetPrompt>,
    /// Most bytes of maps that the capture keeps.
    memory: Option<usize>,
    /// Distance of the layers whose inputs are kept, see [`Recorder::with_inputs`].
    inputs_every: Option<usize>,
}

impl PreparedRun<'_> {
    /// Number of positions of the source.
    pub fn source_len(&self) -> usize {
        self.source.positions()
    }

    /// Number of tokens of the target; `None` if they are not known yet.
    pub fn target_len(&self) -> Option<usize> {
        self.target.as_ref().map(Sequence::len)
    }

    /// Limits the bytes of maps that the capture keeps.
    pub fn within(self, memory: Option<usize>) -> Self {
        Self { memory, ..self }
    }

    /// Gives the target a prompt that is formed already.
    pub fn with_prompt(self, prompt: Option<TargetPrompt>) -> Self {
        Self { prompt, ..self }
    }

    /// Keeps the inputs of every `every`th layer.
    pub fn with_inputs(self, every: Option<usize>) -> Self {
        Self { inputs_every: every, ..self }
    }
}

/// A finished run.
pub(super) struct FinishedRun {
    pub capture: Capture,
    /// Prompt that the target begins with.
    pub prompt: TargetPrompt,
    /// The encoder's last states.
    pub encoded: Tensor,
    /// Kept inputs of layers, of encoder and decoder.
    pub inputs: [Vec<LayerInput>; 2],
}

/// A target that is to be generated.
pub(super) struct WantedTarget<'a> {
    pub source: &'a Source,
    pub options: &'a RunOptions,
    /// The encoder's last states.
    pub encoded: &'a Tensor,
    pub prompt: &'a TargetPrompt,
    pub ablator: Ablator,
}

/// A generated target.
#[derive(Default)]
pub(super) struct GeneratedTarget {
    pub target: Sequence,
    /// All targets that a beam search finished.
    beams: Vec<BeamTarget>,
    /// Mean log-probability of its tokens, if it was asked for.
    log_probability: Option<f64>,
}

/// A target and what the decoder is fed for it.
pub(super) struct FedTarget {
    target: Sequence,
    /// All targets that a beam search finished.
    beams: Vec<BeamTarget>,
    /// Mean log-probability of the tokens of a generated target, if it was asked for.
    pub log_probability: Option<f64>,
    /// Seed, if it was sampled.
    sampled: Option<u64>,
    ids: Vec<u32>,
    input: Vec<u32>,
    fed: Vec<AxisItem>,
    /// Prompt before the text.
    prompt: TargetPrompt,
}

impl FedTarget {
    /// Ids of the target after its prompt.
    pub fn text(&self) -> &[u32] {
        &self.ids[self.prompt.tokens.len().min(self.ids.len())..]
    }
}

/// Callback that gives or generates a target for each run, given the encoder's last states.
type ChooseTargets<'a> = dyn FnMut(&[Tensor]) -> Result<Vec<FedTarget>> + Send + 'a;

impl Session {
    /// Reads the target of a run, if it is given.
    ///
    /// # Errors
    /// Those of [`Session::check_run`]; [`Error::Language`] for an unknown language.
    pub(super) fn prepared<'a>(
        &self,
        source: Cow<'a, Source>,
        options: Cow<'a, RunOptions>,
    ) -> Result<PreparedRun<'a>> {
        self.check_run(&source, &options)?;
        let read = |text: &String| self.given_target(text, &TargetPrompt::default(), &languages(&options));
        // A prompt comes before the text, and that of a speech model may depend on the encoder's states.
        let text = options.target.as_ref().filter(|_| self.hearing.is_none() && self.seeing.is_none());
        let target = text.map(read).transpose()?;
        Ok(PreparedRun { source, options, target, prompt: None, memory: self.memory, inputs_every: None })
    }

    /// Sends runs through the model together. The recorded pass runs `repeat` times, at least once.
    pub(super) fn pass(
        &self,
        runs: &[PreparedRun],
        repeat: usize,
        watch: &dyn Watch,
        timings: &mut Timings,
    ) -> Result<Vec<FinishedRun>> {
        self.pass_over(runs, repeat, watch, timings, &mut |encoded| self.targets(runs, encoded, watch))
    }

    /// [`Session::pass`] over the targets that `choose` returns.
    pub(super) fn pass_over(
        &self,
        runs: &[PreparedRun],
        repeat: usize,
        watch: &dyn Watch,
        timings: &mut Timings,
        choose: &mut ChooseTargets,
    ) -> Result<Vec<FinishedRun>> {
        let mut recorders: Vec<_> = runs.iter().map(|run| self.recorder(run)).collect();
        let start = Instant::now();
        let mut encoded = self.encode(runs, &mut recorders, watch)?;
        let encode_ms = ms(start);

        let start = Instant::now();
        let targets = choose(&encoded)?;
        if runs.iter().any(|run| run.options.target.is_none()) {
            timings.generate_ms = ms(start);
        }
        let mut passes = Vec::new();
        let mut scores = Vec::new();
        for round in 0..repeat.max(1) {
            // Free the logits of the last pass, so that the next one can use their memory.
            scores.clear();
            if round > 0 {
                recorders = runs.iter().map(|run| self.recorder(run)).collect();
            }
            for ((run, target), recorder) in runs.iter().zip(&targets).zip(&mut recorders) {
                for (kind, keys) in
                    [(Kind::Decoder, target.fed.as_slice()), (Kind::Cross, run.source.items())]
                {
                    profile(recorder, &run.options, &MapAxes::new(kind, &target.fed, keys));
                }
            }
            let start = Instant::now();
            if round > 0 {
                encoded = self.encode(runs, &mut recorders, watch)?;
            }
            scores = self.decode(runs, &targets, &encoded, &mut recorders, watch)?;
            passes.push(ms(start) + if round == 0 { encode_ms } else { 0.0 });
        }
        timings.capture_ms = median(&mut passes);
        let parts = runs.iter().zip(targets).zip(recorders).zip(encoded).zip(scores);
        let finished = parts.map(|((((run, target), recorder), encoded), scores)| {
            self.finished(run, target, recorder, encoded, scores)
        });
        Ok(finished.collect())
    }

    /// [`Session::pass`] of a single run.
    pub(super) fn pass_one(
        &self,
        run: PreparedRun,
        repeat: usize,
        watch: &dyn Watch,
        timings: &mut Timings,
    ) -> Result<FinishedRun> {
        let finished = self.pass(&[run], repeat, watch, timings)?.pop();
        finished.ok_or_else(|| Error::Engine("a run gave no capture".into()))
    }

    fn finished(
        &self,
        run: &PreparedRun,
        FedTarget { target, beams, sampled, fed, prompt, .. }: FedTarget,
        mut recorder: Recorder,
        encoded: Tensor,
        (predictions, logits): Scores,
    ) -> FinishedRun {
        let inputs = recorder.take_inputs();
        let (maps, values) = recorder.finish();
        let generated = run.options.target.is_none();
        let capture = Capture {
            model: self.info.name.clone(),
            model_type: self.info.model_type.clone(),
            architecture: self.model.spec().architecture(),
            source: run.source.sequence().clone(),
            media: run.source.media().cloned(),
            sound: run.source.sound().cloned(),
            alignment_heads: self.info.alignment_heads.clone(),
            picture: run.source.picture().cloned(),
            predictions,
            decoder_input: fed,
            target,
            logits,
            maps,
            values,
            weights: MapWeights::Attention,
            int8_target: generated && self.int8_model(&run.options).is_some(),
            sampled,
            beams,
            session: None,
            notes: [run.source.notes(), prompt.notes.as_slice()].concat(),
        };
        FinishedRun { capture, prompt, encoded, inputs }
    }

    /// Creates the recorder of one pass, with the profiles of the encoder's maps.
    fn recorder(&self, run: &PreparedRun) -> Recorder {
        let (options, source) = (&run.options, run.source.items());
        let mut recorder = Recorder::new(ablator(options, source)).within(run.memory);
        recorder = recorder.with_inputs(run.inputs_every).with_rest(Rest::of(source));
        recorder = recorder.with_values(options.values).with_scores(options.scores);
        profile(&mut recorder, options, &MapAxes::new(Kind::Encoder, queries(source), source));
        if !options.predictions && !options.logits {
            let (_, layers) = self.model.spec().layers();
            recorder = recorder.ending_at(Site::new(Kind::Cross, layers.saturating_sub(1)));
        }
        recorder
    }

    /// Encodes the sources of all runs.
    fn encode(
        &self,
        runs: &[PreparedRun],
        recorders: &mut [Recorder],
        watch: &dyn Watch,
    ) -> Result<Vec<Tensor>> {
        watch.progress(Progress::Encode);
        let sequences = runs.iter().zip(recorders);
        let sequences =
            sequences.map(|(run, hook)| EncoderSequence { input: run.source.input(), hook }).collect();
        let states = self.model.encode_many(sequences, &mut |_| watch.check())?;
        states.iter().try_for_each(|states| self.check_numbers(states))?;
        Ok(states)
    }

    /// Runs the recorded decoder pass of all runs.
    fn decode(
        &self,
        runs: &[PreparedRun],
        targets: &[FedTarget],
        encoded: &[Tensor],
        recorders: &mut [Recorder],
        watch: &dyn Watch,
    ) -> Result<Vec<Scores>> {
        let (_, layers) = self.model.spec().layers();
        let sequences = targets.iter().zip(encoded).zip(recorders);
        let sequences = sequences.map(|((target, source), hook)| DecoderSequence {
            input: DecoderInput::Ids { ids: &target.input, batch: 1 },
            source,
            cache: None,
            hook,
        });
        let states = self.model.decode_many(sequences.collect(), &mut |layer| {
            watch.progress(Progress::Capture { done: layer, total: layers });
            watch.check()
        })?;
        states.iter().try_for_each(|states| self.check_numbers(states))?;
        let wanted = runs.iter().map(|run| [run.options.predictions, run.options.logits]);
        let parts = states.iter().zip(targets).map(|(states, target)| (states, target.ids.as_slice()));
        self.score_each(&parts.collect::<Vec<_>>(), &wanted.collect::<Vec<_>>())
    }

    /// Returns the target of each run, given or generated.
    pub(super) fn targets(
        &self,
        runs: &[PreparedRun],
        encoded: &[Tensor],
        watch: &dyn Watch,
    ) -> Result<Vec<FedTarget>> {
        let prompts = runs.iter().zip(encoded).map(|(run, encoded)| match &run.prompt {
            Some(prompt) => Ok(prompt.clone()),
            None => self.prompt(&run.options, encoded, &mut ablator(&run.options, run.source.items())),
        });
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        let wanted = runs.iter().zip(encoded).zip(&prompts);
        let wanted = wanted.filter(|((run, _), _)| run.options.target.is_none());
        let wanted = wanted.map(|((run, encoded), prompt)| WantedTarget {
            source: &run.source,
            options: &run.options,
            encoded,
            prompt,
            ablator: ablator(&run.options, run.source.items()),
        });
        let mut generated = self.generate_each(&wanted.collect::<Vec<_>>(), watch)?.into_iter();
        let targets = runs.iter().zip(prompts).map(|(run, prompt)| {
            let languages = languages(&run.options);
            let given = |target| GeneratedTarget { target, ..GeneratedTarget::default() };
            let GeneratedTarget { target, beams, log_probability } = match (&run.target, &run.options.target)
            {
                (Some(target), _) => given(target.clone()),
                (None, Some(text)) => given(self.given_target(text, &prompt, &languages)?),
                (None, None) => generated.next().unwrap_or_default(),
            };
            if target.is_empty() {
                return Err(Error::Text("the target has no tokens".into()));
            }
            let generated = run.options.target.is_none();
            let sampled = run.options.samples(self.settings.sampling.is_some()).filter(|_| generated);
            let wraps = self.model.spec().wraps() && !generated;
            let ids = target.ids();
            let start = prompt.start.map_or_else(|| self.start(&languages), Ok)?;
            let input = decoder_input(&ids, start, wraps);
            let fed = items(input.iter().map(|&id| self.tokenizer.target_token(id)));
            Ok(FedTarget { target, beams, log_probability, sampled, ids, input, fed, prompt })
        });
        targets.collect()
    }

    /// Generates several targets together.
    pub(super) fn generate_each(
        &self,
        wanted: &[WantedTarget],
        watch: &dyn Watch,
    ) -> Result<Vec<GeneratedTarget>> {
        let configs = wanted.iter().map(|one| self.generation_config(one)).collect::<Result<Vec<_>>>()?;
        let mut ablators: Vec<_> = wanted.iter().map(|one| one.ablator.clone()).collect();
        let mut texts = vec![GeneratedText::default(); wanted.len()];
        for fast in [false, true] {
            let parts = wanted.iter().zip(&configs).zip(&mut ablators).zip(&mut texts);
            let parts = parts.filter(|(((one, _), _), _)| one.options.fast_generate == fast);
            let (runs, places): (Vec<_>, Vec<_>) = parts
                .map(|(((one, config), hook), text)| {
                    let (source, encoded) = (one.source.ids(), one.encoded);
                    (GenerationRun { source, encoded, config, hook }, text)
                })
                .unzip();
            let int8 = wanted.iter().find(|one| one.options.fast_generate && fast);
            let model = int8.and_then(|one| self.int8_model(one.options)).unwrap_or(&self.model);
            let alone = wanted.len() == 1;
            let generated = generate_many(model, runs, &mut |_, ids| {
                if alone {
                    let text = self.tokenizer.decode_target(ids);
                    watch.progress(Progress::Generate { tokens: ids.len(), text });
                }
                watch.check()
            });
            let generated = generated.map_err(|error| self.name_damage(error))?;
            places.into_iter().zip(generated).for_each(|(text, generated)| *text = generated);
        }
        let sequence = |ids: Vec<u32>| Sequence {
            text: self.tokenizer.decode_target(&ids),
            items: items(ids.into_iter().map(|id| self.tokenizer.target_token(id))),
        };
        let target = |text: GeneratedText| GeneratedTarget {
            target: sequence(text.ids),
            beams: text
                .beams
                .into_iter()
                .map(|beam| BeamTarget { target: sequence(beam.ids), score: beam.score })
                .collect(),
            log_probability: text.log_probability,
        };
        Ok(texts.into_iter().map(target).collect())
    }

    /// Returns the generation settings of a target.
    fn generation_config(&self, wanted: &WantedTarget) -> Result<GenerationConfig> {
        let WantedTarget { options: run, prompt, .. } = *wanted;
        let languages = languages(run);
        let mut settings = self.settings.clone();
        settings.beams = run.beams.unwrap_or(settings.beams).max(1);
        let positions = self.model.spec().target_positions().unwrap_or(usize::MAX);
        settings = match &self.hearing {
            Some(hearing) if hearing.has_prompts() => {
                let tokens = prompt.tokens.clone();
                settings.with_prompt(tokens, prompt.earlier, run.max_new_tokens, positions)
            }
            _ => {
                // Speech models of this branch force their tokens themselves.
                let prompt = self.seeing.as_ref().map_or_else(Vec::new, |_| prompt.tokens.clone());
                let given = prompt.len() + 1;
                let length = run.max_new_tokens.map_or(settings.max_length, |new| new.saturating_add(given));
                // The last token is not fed to the decoder.
                let max_length = length.max(given + 1).min(positions.saturating_add(1));
                GenerationConfig { max_length, prompt, ..settings }
            }
        };
        settings.timestamps = prompt.timestamps;
        if let Some(sampling) = &mut settings.sampling {
            sampling.seed = run.seed;
        }
        if let Some(temperature) = run.temperature {
            settings.at_temperature(temperature, run.seed);
        }
        settings.scored = run.scored;
        settings.start = prompt.start.map_or_else(|| self.start(&languages), Ok)?;
        settings.prefix.clone_from(&run.prefix);
        // A text that is given up to its end leaves nothing to search.
        if run.prefix.last().is_some_and(|last| settings.end.contains(last)) {
            settings.beams = 1;
        }
        settings.forced_bos = self.tokenizer.forced_bos(&languages)?.or(settings.forced_bos);
        Ok(settings)
    }

    pub(super) fn start(&self, languages: &Languages) -> Result<u32> {
        Ok(self.tokenizer.decoder_start(languages)?.unwrap_or(self.settings.start))
    }
}

/// Makes `recorder` compute the profiles that `run` asks for, of maps with these axes.
fn profile(recorder: &mut Recorder, run: &RunOptions, axes: &MapAxes) {
    if let Some(made) = run.profile_axes(axes) {
        recorder.profile(axes.kind, made);
    }
}
