//! Runs of an open model: texts in, capture out.

use std::sync::OnceLock;
use std::time::Instant;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::hearing::{Hearing, Prompt};
use super::protocol::{AblatedRun, ModelInfo, RunOptions};
use super::source::Source;
use super::timings::{Timings, median};
use crate::axis::{AxisItem, Sequence, Token, queries, token_ids};
use crate::capture::{self, Ablator, Capture, MapWeights, Prediction, Recorder, Rest};
use crate::error::{AudioError, Error, Result};
use crate::files::ModelFiles;
use crate::generate::{GenerationConfig, generate};
use crate::matrix::{Matrix, Rows};
use crate::model::{Model, Weights};
use crate::nn::read;
use crate::progress::{Progress, Unwatched, Watch};
use crate::site::{Ablation, Kind, Site};
use crate::text::{Languages, Tokenizer};

/// Number of decoder rows whose logits are in memory at once.
const ROWS_AT_ONCE: usize = 64;

/// A loaded model with its tokenizer and generation settings.
pub struct Session {
    info: ModelInfo,
    model: Model,
    /// The model with 8-bit weights, created when it is first needed; `None` if it cannot be quantized.
    int8_model: OnceLock<Option<Model>>,
    tokenizer: Tokenizer,
    settings: GenerationConfig,
    /// Front end of a speech model; `None` if the model reads text.
    hearing: Option<Hearing>,
    threads: usize,
    /// Most bytes of maps that a capture keeps.
    memory: Option<usize>,
    /// Files of the model, to name a damaged tensor.
    files: ModelFiles,
}

impl Session {
    /// Creates a session that runs on one thread.
    pub(super) fn new(
        info: ModelInfo,
        model: Model,
        tokenizer: Tokenizer,
        settings: GenerationConfig,
        files: ModelFiles,
    ) -> Self {
        Self {
            info,
            model,
            int8_model: OnceLock::new(),
            tokenizer,
            settings,
            hearing: None,
            threads: 1,
            memory: None,
            files,
        }
    }

    /// Sets the number of threads and the memory limit for maps.
    pub(super) fn with_resources(self, threads: usize, memory: Option<usize>) -> Self {
        Self { threads, memory, ..self }
    }

    /// Sets the front end of a speech model.
    pub(super) fn with_hearing(mut self, hearing: Option<Hearing>) -> Self {
        if let Some(hearing) = &hearing {
            self.info.languages = hearing.languages();
            self.info.alignment_heads = hearing.alignment_heads();
        }
        Self { hearing, ..self }
    }

    /// Returns the model's description.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Returns the target token of an id.
    pub fn token(&self, id: u32) -> Token {
        self.tokenizer.target_token(id)
    }

    /// Reads the source that `run` names.
    ///
    /// # Errors
    /// [`Error::Text`] for an empty text; [`Error::Language`] for an unknown language; [`Error::Audio`] for a
    /// recording that cannot be heard, a text where a recording is needed, and the reverse.
    pub fn source(&self, run: &RunOptions) -> Result<Source> {
        match (&self.hearing, &run.audio) {
            (Some(hearing), Some(audio)) => return hearing.source(&self.model, audio),
            (Some(_), None) => return Err(AudioError::Needed { model: self.info.name.clone() }.into()),
            (None, Some(_)) => return Err(AudioError::NotHeard { model: self.info.name.clone() }.into()),
            (None, None) => {}
        }
        if run.source.trim().is_empty() {
            return Err(Error::Text("the source is empty".into()));
        }
        let items = items(self.tokenizer.encode_source(&run.source, &languages(run))?);
        if items.is_empty() {
            return Err(Error::Text("the source has no tokens".into()));
        }
        Ok(Source::tokens(Sequence { text: run.source.clone(), items }))
    }

    /// Encodes the source, generates the target unless one is given, and records every map in one
    /// teacher-forced pass. Generation uses the encoder states of the recorded pass, so the encoder runs only
    /// once.
    ///
    /// # Errors
    /// [`Error::Text`] for texts that are empty or too long; [`Error::Language`] for unknown languages;
    /// [`Error::Cancelled`].
    pub fn run(&self, run: &RunOptions, watch: &dyn Watch) -> Result<Capture> {
        self.measure(run, 1, watch).map(|(capture, _)| capture)
    }

    /// Like [`Session::run`], for a source that has been read already: that of [`Session::source`], or states
    /// of another front end. The source that `run` names is ignored.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_source(&self, source: &Source, run: &RunOptions, watch: &dyn Watch) -> Result<Capture> {
        let measured = || self.measure_here(source, run, 1, watch, Timings::default());
        threads::run(self.threads, measured).map(|(capture, _)| capture)
    }

    /// Like [`Session::run`], and measures the time of each step. The recorded pass runs `repeat` times, at
    /// least once.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn measure(&self, run: &RunOptions, repeat: usize, watch: &dyn Watch) -> Result<(Capture, Timings)> {
        threads::run(self.threads, || {
            let start = Instant::now();
            let source = self.source(run)?;
            let timings = Timings { tokenize_ms: ms(start), ..Timings::default() };
            self.measure_here(&source, run, repeat, watch, timings)
        })
    }

    fn measure_here(
        &self,
        source: &Source,
        run: &RunOptions,
        repeat: usize,
        watch: &dyn Watch,
        mut timings: Timings,
    ) -> Result<(Capture, Timings)> {
        if run.target.as_ref().is_some_and(|target| target.trim().is_empty()) {
            let why = "the target is empty: give a text, or leave it out to generate one";
            return Err(Error::Text(why.into()));
        }
        if run.values && Rest::of(source.items()).is_some() {
            let why = "values are kept of every position: run a recording with --padding";
            return Err(Error::Usage(why.into()));
        }
        let languages = languages(run);
        let source_items = source.items();
        let mut recorder = self.recorder(run, source_items);
        let start = Instant::now();
        let encoded = self.encode(source, &mut recorder, watch)?;
        let encode_ms = ms(start);

        let start = Instant::now();
        let prompt = self.prompt(run, &encoded)?;
        let target = match &run.target {
            Some(text) => {
                let target = self.given_target(text, &prompt, &languages)?;
                timings.tokenize_ms += ms(start);
                target
            }
            None => {
                let target = self.generate(source, &encoded, run, (&languages, &prompt), watch)?;
                timings.generate_ms = ms(start);
                target
            }
        };
        if target.is_empty() {
            return Err(Error::Text("the target has no tokens".into()));
        }
        let wraps = self.model.spec().wraps() && run.target.is_some();
        let input = self.decoder_input(&target, &languages, wraps)?;
        let fed = items(input.iter().map(|&id| self.tokenizer.target_token(id)));
        let profile_decoder = |recorder: &mut Recorder| {
            if run.profiles {
                recorder.profile(Kind::Decoder, fed.len(), &fed);
                recorder.profile(Kind::Cross, fed.len(), source_items);
            }
        };
        profile_decoder(&mut recorder);
        let start = Instant::now();
        let (mut predictions, mut logits) =
            self.decode(&input, &encoded, &target.ids(), run, &mut recorder, watch)?;
        let mut passes = vec![encode_ms + ms(start)];
        for _ in 1..repeat {
            // Free the logits of the last pass, so that the next one can use their memory.
            drop(logits.take());
            recorder = self.recorder(run, source_items);
            profile_decoder(&mut recorder);
            let start = Instant::now();
            let encoded = self.encode(source, &mut recorder, watch)?;
            (predictions, logits) =
                self.decode(&input, &encoded, &target.ids(), run, &mut recorder, watch)?;
            passes.push(ms(start));
        }
        timings.capture_ms = median(&mut passes);
        let (maps, values) = recorder.finish();
        let capture = Capture {
            model: self.info.name.clone(),
            model_type: self.info.model_type.clone(),
            architecture: self.model.spec().architecture(),
            source: source.sequence().clone(),
            media: source.media().cloned(),
            predictions,
            decoder_input: fed,
            target,
            logits,
            maps,
            values,
            weights: MapWeights::Attention,
            int8_target: run.target.is_none() && self.int8_model(run).is_some(),
            sampled: self.settings.sampling.filter(|_| run.target.is_none()).map(|_| run.seed),
            notes: [source.notes(), prompt.notes.as_slice()].concat(),
        };
        Ok((capture, timings))
    }

    /// Copies the weights that runs have used into the form in which the CPU uses them, while `go_on` returns
    /// true; see [`Model::settle`].
    pub fn settle(&self, go_on: impl Fn() -> bool + Send) {
        threads::run(self.threads, || self.model.settle(go_on));
    }

    /// Repeats the run of `source` that gave `base` with `run.ablations`; all other options must be those of
    /// `base`. Returns the predictions for the same target and, if the target was generated, a newly generated one.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn run_ablated(
        &self,
        base: &Capture,
        source: &Source,
        run: &RunOptions,
        watch: &dyn Watch,
    ) -> Result<AblatedRun> {
        threads::run(self.threads, || {
            let input = token_ids(&base.decoder_input);
            let mut ablator = Ablator::new(ablations(run, source.items()));
            watch.progress(Progress::Encode);
            let encoded = self.model.encode(source.input(), &mut ablator, &mut |_| watch.check())?;
            let states =
                self.model.decode(&input, 1, &encoded, None, &mut ablator, &mut |_| watch.check())?;
            let (forced, _) = self.score(&states, &base.target.ids(), [true, false])?;
            let languages = languages(run);
            let generated = match run.target {
                Some(_) => None,
                None => {
                    let prompt = self.prompt(run, &encoded)?;
                    Some(self.generate(source, &encoded, run, (&languages, &prompt), watch)?)
                }
            };
            Ok(AblatedRun { ablations: run.ablations.clone(), forced, generated })
        })
    }

    /// Creates the recorder of one pass, with the profiles of the encoder's maps.
    fn recorder(&self, run: &RunOptions, source: &[AxisItem]) -> Recorder {
        let ablator = Ablator::new(ablations(run, source));
        let mut recorder = Recorder::new(ablator).within(self.memory).with_rest(Rest::of(source));
        recorder = recorder.with_values(run.values).with_scores(run.scores);
        if run.profiles {
            recorder.profile(Kind::Encoder, queries(source).len(), source);
        }
        if !run.predictions && !run.logits {
            let (_, layers) = self.model.spec().layers();
            recorder = recorder.ending_at(Site::new(Kind::Cross, layers.saturating_sub(1)));
        }
        recorder
    }

    fn encode(&self, source: &Source, recorder: &mut Recorder, watch: &dyn Watch) -> Result<Tensor> {
        watch.progress(Progress::Encode);
        let states = self.model.encode(source.input(), recorder, &mut |_| watch.check())?;
        self.check_numbers(&states)?;
        Ok(states)
    }

    /// Runs the recorded decoder pass, and returns predictions and logits `[target, vocabulary]` as far as
    /// `run` keeps them.
    fn decode(
        &self,
        input: &[u32],
        encoded: &Tensor,
        target: &[u32],
        run: &RunOptions,
        recorder: &mut Recorder,
        watch: &dyn Watch,
    ) -> Result<(Vec<Prediction>, Option<Matrix>)> {
        let (_, layers) = self.model.spec().layers();
        let states = self.model.decode(input, 1, encoded, None, recorder, &mut |layer| {
            watch.progress(Progress::Capture { done: layer, total: layers });
            watch.check()
        })?;
        self.check_numbers(&states)?;
        match run.predictions || run.logits {
            true => self.score(&states, target, [run.predictions, run.logits]),
            false => Ok((Vec::new(), None)),
        }
    }

    /// Computes predictions and logits `[target, vocabulary]` from the decoder's states, as far as they are
    /// wanted. It takes a few rows at a time, since the logits of a long target with a large vocabulary would
    /// fill gigabytes.
    fn score(
        &self,
        states: &Tensor,
        target: &[u32],
        [predict, keep]: [bool; 2],
    ) -> Result<(Vec<Prediction>, Option<Matrix>)> {
        let mut predictions = Vec::new();
        let vocabulary = self.model.spec().vocabulary();
        let mut kept = keep.then(|| Rows::new(target.len(), vocabulary));
        for (block, tokens) in target.chunks(ROWS_AT_ONCE).enumerate() {
            let rows = states.narrow(1, block * ROWS_AT_ONCE, tokens.len())?;
            let logits = self.model.logits(&rows)?;
            self.check_numbers(&logits)?;
            read(&logits, |logits| {
                let named = |id| self.tokenizer.target_token(id);
                if predict {
                    predictions.extend(capture::predictions(logits, vocabulary, tokens, named));
                }
                kept.iter_mut().for_each(|kept| kept.push(logits));
            })?;
        }
        Ok((predictions, kept.map(Rows::finish)))
    }

    fn generate(
        &self,
        source: &Source,
        encoded: &Tensor,
        run: &RunOptions,
        (languages, prompt): (&Languages, &Prompt),
        watch: &dyn Watch,
    ) -> Result<Sequence> {
        let mut settings = self.settings.clone();
        settings.beams = run.beams.unwrap_or(settings.beams).max(1);
        let positions = self.model.spec().target_positions().unwrap_or(usize::MAX);
        settings = match &self.hearing {
            Some(_) => settings.with_prompt(prompt.tokens.clone(), run.max_new_tokens, positions),
            None => {
                let length = run.max_new_tokens.map_or(settings.max_length, |new| new.saturating_add(1));
                // The last token is not fed to the decoder.
                let max_length = length.max(2).min(positions.saturating_add(1));
                GenerationConfig { max_length, ..settings }
            }
        };
        settings.timestamps = prompt.timestamps;
        if let Some(sampling) = &mut settings.sampling {
            sampling.seed = run.seed;
        }
        settings.start = self.start(languages)?;
        settings.prefix.clone_from(&run.prefix);
        settings.forced_bos = self.tokenizer.forced_bos(languages)?.or(settings.forced_bos);
        let mut ablator = Ablator::new(ablations(run, source.items()));
        let model = self.int8_model(run).unwrap_or(&self.model);
        let ids = generate(model, source.ids(), encoded, &settings, &mut ablator, &mut |ids| {
            watch.progress(Progress::Generate { tokens: ids.len(), text: self.tokenizer.decode_target(ids) });
            watch.check()
        })
        .map_err(|error| self.name_damage(error))?;
        Ok(Sequence {
            text: self.tokenizer.decode_target(&ids),
            items: items(ids.into_iter().map(|id| self.tokenizer.target_token(id))),
        })
    }

    /// Forms the tokens between the start token and the text; none for a model that reads text.
    fn prompt(&self, run: &RunOptions, encoded: &Tensor) -> Result<Prompt> {
        match (&self.hearing, &run.audio) {
            (Some(hearing), Some(audio)) => {
                let start = self.start(&languages(run))?;
                hearing.prompt(&self.model, run, audio, (start, encoded))
            }
            _ => Ok(Prompt::default()),
        }
    }

    /// Tokenizes a given target, with the prompt of a speech model before it and the end token after it.
    fn given_target(&self, text: &str, prompt: &Prompt, languages: &Languages) -> Result<Sequence> {
        let tokens = match self.hearing {
            None => self.tokenizer.encode_target(text, languages)?,
            Some(_) => {
                let text = self.tokenizer.encode_plain(text)?;
                let end = self.settings.end.first();
                let ids = prompt.tokens.iter().chain(&text).chain(end);
                ids.map(|&id| self.tokenizer.target_token(id)).collect()
            }
        };
        Ok(Sequence { text: text.into(), items: items(tokens) })
    }

    /// Checks that the last states of a stack are numbers: those that one weight without a value can reach
    /// are not.
    fn check_numbers(&self, states: &Tensor) -> Result<()> {
        match read(states, |states| states.iter().any(|state| state.is_nan()))? {
            true => Err(self.name_damage(Error::NotNumbers { tensor: None })),
            false => Ok(()),
        }
    }

    /// Adds the name of the damaged tensor to the error about NaN.
    fn name_damage(&self, error: Error) -> Error {
        match error {
            Error::NotNumbers { .. } => {
                let weights = Weights::open(&self.files, &Unwatched).ok();
                Error::NotNumbers { tensor: weights.and_then(|weights| weights.damaged().map(String::from)) }
            }
            error => error,
        }
    }

    /// Returns the model with 8-bit weights if `run` generates with it.
    fn int8_model(&self, run: &RunOptions) -> Option<&Model> {
        let quantized = || self.int8_model.get_or_init(|| self.model.quantised()).as_ref();
        run.fast_generate.then(quantized).flatten()
    }

    fn start(&self, languages: &Languages) -> Result<u32> {
        Ok(self.tokenizer.decoder_start(languages)?.unwrap_or(self.settings.start))
    }

    /// Returns the ids that the decoder is fed: the start token, then the target without its last token. If
    /// the target `wraps`, its last token takes the place of the start token.
    fn decoder_input(&self, target: &Sequence, languages: &Languages, wraps: bool) -> Result<Vec<u32>> {
        let ids = target.ids();
        let last = ids.last().filter(|_| wraps);
        let mut input = vec![last.map_or_else(|| self.start(languages), |&id| Ok(id))?];
        input.extend(&ids[..ids.len().saturating_sub(1)]);
        Ok(input)
    }
}

/// The ablations of a run; those of links to the rest of a source are links to each of its positions.
fn ablations(run: &RunOptions, source: &[AxisItem]) -> Vec<Ablation> {
    Rest::of(source).map_or_else(|| run.ablations.clone(), |rest| rest.spread(&run.ablations))
}

/// The axis items of a tokenised text.
fn items(tokens: impl IntoIterator<Item = Token>) -> Vec<AxisItem> {
    tokens.into_iter().map(AxisItem::from).collect()
}

/// Returns the languages that the user names.
fn languages(run: &RunOptions) -> Languages {
    Languages { src: run.src_lang.clone(), tgt: run.tgt_lang.clone() }
}

/// Returns the milliseconds since `start`.
fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
