//! One opened model: text in, capture out.

use std::sync::OnceLock;
use std::time::Instant;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::protocol::{AblatedRun, Device, ModelInfo, OpenOptions, RunOptions};
use super::timings::{Timings, median};
use crate::capture::{self, Ablator, Capture, MapWeights, Prediction, Recorder};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::generate::{Settings, generate};
use crate::hub::{self, HubOptions, Located};
use crate::matrix::{Matrix, Rows};
use crate::model::{Model, architecture, read, spec_of, tokenizer_class};
use crate::progress::{Progress, Watch};
use crate::site::{Kind, Site};
use crate::text::{Languages, Tokenizer};
use crate::token::{Sequence, Token};

/// Its maps show a link over seven tokens: encoder layer 1, head 4 ties `The` to `is`.
const DEMO_EXAMPLE: &str = "The woman who lives near my parents is very tired.";
/// Decoder rows whose scores over the vocabulary are held at once.
const ROWS_AT_ONCE: usize = 64;
const EXAMPLE: &str = "The animal didn't cross the street because it was too tired.";

/// What a MODEL argument opened as.
pub enum Opened {
    /// A model, ready to run.
    Model(Box<Session>),
    /// A capture file: nothing to run.
    Capture(Box<Capture>),
}

/// A loaded model with its tokenizer and generation settings.
pub struct Session {
    info: ModelInfo,
    model: Model,
    /// The same with 8-bit weights, made when it is first asked for; `None` where the model has no such form.
    quick: OnceLock<Option<Model>>,
    tokenizer: Tokenizer,
    settings: Settings,
    threads: usize,
    memory: Option<usize>,
}

/// Opens a MODEL argument, fetching what is missing.
///
/// # Errors
/// What [`hub::locate`], the tokenizer, the configuration or the weights find wrong; [`Error::Cancelled`].
pub fn open(options: &OpenOptions, watch: &dyn Watch) -> Result<Opened> {
    let threads = super::threads(options.threads);
    threads::run(threads, || open_with(options, threads, watch))
}

fn open_with(options: &OpenOptions, threads: usize, watch: &dyn Watch) -> Result<Opened> {
    let hub_options = HubOptions { revision: options.revision.clone(), offline: options.offline };
    let accept = |config: &ModelConfig| spec_of(config).map(|_| ());
    let files = match hub::locate_if(&options.model, &hub_options, &accept, watch)? {
        Located::Capture(path) => {
            let mut capture = capture::read_within(&path, options.memory)?;
            capture.architecture = architecture(&capture.model_type);
            return Ok(Opened::Capture(Box::new(capture)));
        }
        Located::Model(files) => files,
    };
    watch.check()?;
    let device = device(options.device)?;
    let config = files.config()?;
    let registered = tokenizer_class(config);
    // The two take about equally long for small models.
    let (model, tokenizer) =
        rayon::join(|| Model::load(&files, &device, watch), || Tokenizer::load(&files, registered));
    let (model, tokenizer) = (model?, tokenizer?);
    let generation = files.json("generation_config.json")?;
    let settings = Settings::read(generation.as_ref(), config, model.spec())?;
    let info = info(&files.name, &model, &tokenizer, config);
    let memory = options.memory;
    Ok(Opened::Model(Box::new(Session {
        info,
        model,
        quick: OnceLock::new(),
        tokenizer,
        settings,
        threads,
        memory,
    })))
}

impl Session {
    /// What is known of the model.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The target token with that id.
    pub fn token(&self, id: u32) -> Token {
        self.tokenizer.target_token(id)
    }

    /// Runs the model once: encodes the source, generates the target unless one is given, and records every
    /// map in one teacher-forced pass. The encoder's maps are recorded in the pass whose states generation
    /// uses, so nothing runs twice.
    ///
    /// # Errors
    /// Texts that are too long, languages that the model does not have; [`Error::Cancelled`].
    pub fn run(&self, run: &RunOptions, watch: &dyn Watch) -> Result<Capture> {
        self.measure(run, 1, watch).map(|(capture, _)| capture)
    }

    /// [`Session::run`] with the time that its steps took. The recorded passes run `repeat` times (at least
    /// once).
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn measure(&self, run: &RunOptions, repeat: usize, watch: &dyn Watch) -> Result<(Capture, Timings)> {
        threads::run(self.threads, || self.measure_here(run, repeat, watch))
    }

    fn measure_here(&self, run: &RunOptions, repeat: usize, watch: &dyn Watch) -> Result<(Capture, Timings)> {
        let mut timings = Timings::default();
        let start = Instant::now();
        if run.source.trim().is_empty() {
            return Err(Error::Text("the source is empty: give a text".into()));
        }
        if run.target.as_ref().is_some_and(|target| target.trim().is_empty()) {
            return Err(Error::Text(
                "the target is empty: give a text, or none to have one generated".into(),
            ));
        }
        let languages = self.languages(run);
        let source = self.tokenizer.encode_source(&run.source, &languages)?;
        if source.is_empty() {
            return Err(Error::Text("the source has no tokens: give a text".into()));
        }
        let source_ids: Vec<u32> = source.iter().map(|token| token.id).collect();
        timings.tokenize_ms = ms(start);

        let recording = || {
            let ablator = Ablator::new(run.ablations.clone());
            let mut recorder = Recorder::new(ablator).within(self.memory);
            recorder = recorder.with_values(run.values).with_scores(run.scores);
            if run.profiles {
                recorder.profile(Kind::Encoder, source.len(), &source);
            }
            if !run.predictions && !run.logits {
                let (_, layers) = self.model.spec().layers();
                recorder = recorder.ending_at(Site::new(Kind::Cross, layers.saturating_sub(1)));
            }
            recorder
        };
        let mut recorder = recording();
        let start = Instant::now();
        let encoded = self.encode(&source_ids, &mut recorder, watch)?;
        let encode_ms = ms(start);

        let start = Instant::now();
        let target = match &run.target {
            Some(text) => {
                let tokens = self.tokenizer.encode_target(text, &languages)?;
                timings.tokenize_ms += ms(start);
                Sequence { text: text.clone(), tokens }
            }
            None => {
                let target = self.generate(&source_ids, &encoded, run, &languages, watch)?;
                timings.generate_ms = ms(start);
                target
            }
        };
        if target.is_empty() {
            return Err(Error::Text("the target has no tokens: give a text".into()));
        }
        let wraps = self.model.spec().wraps() && run.target.is_some();
        let input = self.decoder_input(&target, &languages, wraps)?;
        let fed: Vec<Token> = input.iter().map(|&id| self.tokenizer.target_token(id)).collect();
        let expect = |recorder: &mut Recorder| {
            if run.profiles {
                recorder.profile(Kind::Decoder, fed.len(), &fed);
                recorder.profile(Kind::Cross, fed.len(), &source);
            }
        };
        expect(&mut recorder);
        let start = Instant::now();
        let (mut predictions, mut logits) =
            self.decode(&input, &encoded, &target.tokens, run, &mut recorder, watch)?;
        let mut passes = vec![encode_ms + ms(start)];
        for _ in 1..repeat {
            // What the last pass kept goes first: its memory serves the next one.
            drop(logits.take());
            recorder = recording();
            expect(&mut recorder);
            let start = Instant::now();
            let encoded = self.encode(&source_ids, &mut recorder, watch)?;
            (predictions, logits) =
                self.decode(&input, &encoded, &target.tokens, run, &mut recorder, watch)?;
            passes.push(ms(start));
        }
        timings.capture_ms = median(&mut passes);
        let (maps, values) = recorder.finish();
        let capture = Capture {
            model: self.info.name.clone(),
            model_type: self.info.model_type.clone(),
            architecture: self.model.spec().architecture(),
            source: Sequence { text: run.source.clone(), tokens: source },
            predictions,
            decoder_input: fed,
            target,
            logits,
            maps,
            values,
            weights: MapWeights::Attention,
            int8_target: run.target.is_none() && self.quick(run).is_some(),
        };
        Ok((capture, timings))
    }

    /// Makes ready for more runs, as long as `go_on` says so: no file of the model is needed from then on.
    pub fn settle(&self, go_on: impl Fn() -> bool + Send) {
        threads::run(self.threads, || self.model.settle(go_on));
    }

    /// What becomes of a run of this model, made with the same options, when `run.ablations` is switched off: what
    /// the model then says of the same target, token by token, and what it generates instead where the target
    /// was generated.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn run_ablated(&self, base: &Capture, run: &RunOptions, watch: &dyn Watch) -> Result<AblatedRun> {
        threads::run(self.threads, || {
            let source = base.source.ids();
            let input: Vec<u32> = base.decoder_input.iter().map(|token| token.id).collect();
            let mut ablator = Ablator::new(run.ablations.clone());
            watch.progress(Progress::Encode);
            let encoded = self.model.encode(&source, &mut ablator, &mut |_| watch.check())?;
            let states =
                self.model.decode(&input, 1, &encoded, None, &mut ablator, &mut |_| watch.check())?;
            let (forced, _) = self.score(&states, &base.target.tokens, [true, false])?;
            let languages = self.languages(run);
            let generated = match run.target {
                Some(_) => None,
                None => Some(self.generate(&source, &encoded, run, &languages, watch)?),
            };
            Ok(AblatedRun { ablations: run.ablations.clone(), forced, generated })
        })
    }

    fn encode(&self, source: &[u32], recorder: &mut Recorder, watch: &dyn Watch) -> Result<Tensor> {
        watch.progress(Progress::Encode);
        self.model.encode(source, recorder, &mut |_| watch.check())
    }

    /// Decoder input to what each row predicts and to all its scores, where they are wanted, with everything recorded.
    fn decode(
        &self,
        input: &[u32],
        encoded: &Tensor,
        target: &[Token],
        run: &RunOptions,
        recorder: &mut Recorder,
        watch: &dyn Watch,
    ) -> Result<(Vec<Prediction>, Option<Matrix>)> {
        let (_, layers) = self.model.spec().layers();
        let states = self.model.decode(input, 1, encoded, None, recorder, &mut |layer| {
            watch.progress(Progress::Capture { done: layer, total: layers });
            watch.check()
        })?;
        match run.predictions || run.logits {
            true => self.score(&states, target, [run.predictions, run.logits]),
            false => Ok((Vec::new(), None)),
        }
    }

    /// What each decoder row predicts, where it is wanted, and all its scores where they are to be kept. A few rows at a
    /// time: a long target times a large vocabulary would be gigabytes.
    fn score(
        &self,
        states: &Tensor,
        target: &[Token],
        [predict, keep]: [bool; 2],
    ) -> Result<(Vec<Prediction>, Option<Matrix>)> {
        let mut predictions = Vec::new();
        let vocabulary = self.model.spec().vocabulary();
        let mut kept = keep.then(|| Rows::new(target.len(), vocabulary));
        for (block, tokens) in target.chunks(ROWS_AT_ONCE).enumerate() {
            let rows = states.narrow(1, block * ROWS_AT_ONCE, tokens.len())?;
            read(&self.model.logits(&rows)?, |logits| {
                let named = |id| self.tokenizer.target_token(id);
                if predict {
                    predictions.extend(capture::predictions(logits, vocabulary, tokens, named));
                }
                kept.iter_mut().for_each(|kept| kept.push(logits));
            })?;
        }
        Ok((predictions, kept.map(Rows::finish)))
    }

    fn languages(&self, run: &RunOptions) -> Languages {
        let default = self.tokenizer.default_languages();
        Languages { src: run.src_lang.clone().or(default.src), tgt: run.tgt_lang.clone().or(default.tgt) }
    }

    fn generate(
        &self,
        source: &[u32],
        encoded: &Tensor,
        run: &RunOptions,
        languages: &Languages,
        watch: &dyn Watch,
    ) -> Result<Sequence> {
        let mut settings = self.settings.clone();
        settings.beams = run.beams.unwrap_or(settings.beams).max(1);
        settings.max_length = run.max_new_tokens.map_or(settings.max_length, |new| new + 1).max(2);
        settings.start = self.start(languages)?;
        settings.forced_bos = self.tokenizer.forced_bos(languages)?.or(settings.forced_bos);
        let mut ablator = Ablator::new(run.ablations.clone());
        let model = self.quick(run).unwrap_or(&self.model);
        let ids = generate(model, source, encoded, &settings, &mut ablator, &mut |ids| {
            watch.progress(Progress::Generate { tokens: ids.len(), text: self.tokenizer.decode_target(ids) });
            watch.check()
        })?;
        Ok(Sequence {
            text: self.tokenizer.decode_target(&ids),
            tokens: ids.into_iter().map(|id| self.tokenizer.target_token(id)).collect(),
        })
    }

    /// The model that generates, where that is another.
    fn quick(&self, run: &RunOptions) -> Option<&Model> {
        let quick = || self.quick.get_or_init(|| self.model.quantised()).as_ref();
        run.fast_generate.then(quick).flatten()
    }

    fn start(&self, languages: &Languages) -> Result<u32> {
        Ok(self.tokenizer.decoder_start(languages)?.unwrap_or(self.settings.start))
    }

    /// What the decoder is fed: the start token (or where the target `wraps`, its last token), then the
    /// target without its last token.
    fn decoder_input(&self, target: &Sequence, languages: &Languages, wraps: bool) -> Result<Vec<u32>> {
        let last = target.tokens.last().filter(|_| wraps);
        let mut input = vec![last.map_or_else(|| self.start(languages), |token| Ok(token.id))?];
        input.extend(target.tokens[..target.len() - 1].iter().map(|token: &Token| token.id));
        Ok(input)
    }
}

/// Milliseconds since `start`.
fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn device(device: Device) -> Result<candle_core::Device> {
    let missing = |name: &str, error: candle_core::Error| {
        Error::Usage(format!(
            "--device {name}: {error}; build with `--features {name}` on a machine that has one"
        ))
    };
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        Device::Cuda => candle_core::Device::new_cuda(0).map_err(|e| missing("cuda", e)),
        Device::Metal => candle_core::Device::new_metal(0).map_err(|e| missing("metal", e)),
    }
}

fn info(name: &str, model: &Model, tokenizer: &Tokenizer, config: &ModelConfig) -> ModelInfo {
    let spec = model.spec();
    let prefixes = prefixes(config);
    let default = tokenizer.default_languages();
    let example = match prefixes.first() {
        _ if hub::BUILT_IN.contains(&name) => DEMO_EXAMPLE.to_string(),
        Some((_, prefix)) => format!("{prefix}{EXAMPLE}"),
        None => EXAMPLE.to_string(),
    };
    ModelInfo {
        name: name.into(),
        model_type: spec.model_type().into(),
        layers: spec.layers(),
        heads: spec.heads(),
        parameters: model.parameters(),
        languages: tokenizer.languages(),
        default_languages: (default.src, default.tgt),
        prefixes,
        example,
    }
}

/// Task prefixes of old T5 configs: `task_specific_params.{task}.prefix`.
fn prefixes(config: &ModelConfig) -> Vec<(String, String)> {
    let Some(tasks) = config.get("task_specific_params").and_then(|tasks| tasks.as_object()) else {
        return Vec::new();
    };
    tasks
        .iter()
        .filter_map(|(task, params)| Some((task.clone(), params.get("prefix")?.as_str()?.to_string())))
        .filter(|(_, prefix)| !prefix.is_empty())
        .collect()
}
