//! Runs of an open model: texts in, capture out.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Instant;

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::hearing::{Hearing, TargetPrompt};
use super::protocol::{ImageOptions, ModelInfo, RunOptions};
use super::seeing::Seeing;
use super::source::Source;
use super::timings::{Timings, ms};
use crate::axis::{AxisItem, Medium, PixelBox, Sequence, Token};
use crate::capture::{Ablator, Capture, Rest};
use crate::error::{AudioError, Error, PictureError, Result};
use crate::files::ModelFiles;
use crate::generate::GenerationConfig;
use crate::model::{Model, Weights};
use crate::nn::{Hook, has_nan, read};
use crate::progress::{Unwatched, Watch};
use crate::site::Ablation;
use crate::text::{Languages, Tokenizer};

/// A loaded model with its tokenizer and generation settings.
pub struct Session {
    pub(super) info: ModelInfo,
    pub(super) model: Model,
    /// The model with 8-bit weights, created when it is first needed; `None` if it cannot be quantized.
    int8_model: OnceLock<Option<Model>>,
    pub(super) tokenizer: Tokenizer,
    pub(super) settings: GenerationConfig,
    /// Front end of a speech model; `None` if the model reads text.
    pub(super) hearing: Option<Hearing>,
    /// Front end of a vision model; `None` if the model reads no pictures.
    pub(super) seeing: Option<Seeing>,
    pub(super) threads: usize,
    /// Most bytes of maps that a capture keeps.
    pub(super) memory: Option<usize>,
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
            seeing: None,
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

    /// Sets the front end of a vision model.
    pub(super) fn with_seeing(self, seeing: Option<Seeing>) -> Self {
        Self { seeing, ..self }
    }

    /// Returns the model's description.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Reads the model's generation_config.json; `None` if it has none.
    ///
    /// # Errors
    /// [`Error::BadFile`] if it is no JSON.
    pub fn generation_file(&self) -> Result<Option<serde_json::Value>> {
        self.files.json("generation_config.json")
    }

    /// Runs `work` on the session's threads.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn on_threads<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        threads::run(self.threads, work)
    }

    /// Returns the model's files.
    pub(super) fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Returns the target token of an id.
    pub fn token(&self, id: u32) -> Token {
        self.tokenizer.target_token(id)
    }

    /// Reads the source that `run` names.
    ///
    /// # Errors
    /// [`Error::Text`] for an empty text; [`Error::Language`] for an unknown language; [`Error::Audio`] and
    /// [`Error::Picture`] for a recording or a picture that cannot be read, and for a source that is none
    /// where one is needed, and the reverse.
    pub fn source(&self, run: &RunOptions) -> Result<Source> {
        let model = || self.info.name.clone();
        match (&self.seeing, &run.image) {
            (Some(seeing), _) => return seeing.source(&self.model, &self.image_options(run)?),
            (None, Some(_)) => {
                let reads = if self.hearing.is_some() { "hears recordings" } else { "reads text" };
                return Err(PictureError::NotSeen { model: model(), reads }.into());
            }
            (None, None) => {}
        }
        match (&self.hearing, &run.audio) {
            (Some(hearing), Some(audio)) => return hearing.source(&self.model, audio),
            (Some(_), None) => return Err(AudioError::Needed { model: model() }.into()),
            (None, Some(_)) => return Err(AudioError::NotHeard { model: model() }.into()),
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

    /// Returns the options of the picture that a run is about: its own, or the model's example where the run names
    /// no source at all.
    fn image_options(&self, run: &RunOptions) -> Result<ImageOptions> {
        let mut image = run.image.clone().unwrap_or_default();
        let sourceless = run.source.trim().is_empty() && run.audio.is_none();
        if sourceless && image.path.as_os_str().is_empty() && image.bytes.is_none() {
            image.path = (&self.info.example).into();
        }
        match image.path.as_os_str().is_empty() && image.bytes.is_none() {
            true => Err(PictureError::Needed { model: self.info.name.clone() }.into()),
            false => Ok(image),
        }
    }

    /// Calls `each` with the encoder's inputs with one of several rectangles of a source's picture covered by
    /// its mean colour, `together` of them at a time.
    ///
    /// # Errors
    /// Those of [`Session::source`] and of `each`; [`Error::Usage`] if the source is no picture.
    pub(super) fn covered(
        &self,
        source: &Source,
        (places, together): (&[PixelBox], usize),
        watch: &dyn Watch,
        each: &mut dyn FnMut(&[Tensor]) -> Result<()>,
    ) -> Result<()> {
        match (&self.seeing, source.image()) {
            (Some(seeing), Some(image)) => {
                seeing.covered(&self.model, image, (places, together), watch, each)
            }
            _ => Err(Error::Usage("only pictures can be covered".into())),
        }
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
        threads::run(self.threads, || {
            let run = self.prepared(Cow::Borrowed(source), Cow::Borrowed(run))?;
            self.pass_one(run, 1, watch, &mut Timings::default()).map(|finished| finished.capture)
        })
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
            let embed_ms = source.embed_ms();
            let run = self.prepared(Cow::Owned(source), Cow::Borrowed(run))?;
            let mut timings = Timings { tokenize_ms: ms(start) - embed_ms, embed_ms, ..Timings::default() };
            let capture = self.pass_one(run, repeat, watch, &mut timings)?.capture;
            Ok((capture, timings))
        })
    }

    /// Copies the weights that runs have used into the form in which the CPU uses them, while `go_on` returns
    /// true; see [`Model::settle`].
    pub fn settle(&self, go_on: impl Fn() -> bool + Send) {
        threads::run(self.threads, || self.model.settle(go_on));
    }

    /// Checks the options of a run on a source.
    ///
    /// # Errors
    /// [`Error::Text`] for an empty target; [`Error::Usage`] for options that do not fit each other or the source;
    /// [`Error::NotForModel`].
    pub(super) fn check_run(&self, source: &Source, options: &RunOptions) -> Result<()> {
        if options.target.as_ref().is_some_and(|target| target.trim().is_empty()) {
            let why = "the target is empty: give a text, or leave it out to generate one";
            return Err(Error::Text(why.into()));
        }
        if options.values && Rest::of(source.items()).is_some() {
            let why = "values are kept of every position: run a recording with --padding";
            return Err(Error::Usage(why.into()));
        }
        if options.own_means || !options.edits.is_empty() {
            let why =
                "replaced rows, and heads' own means, are those of a run without ablations, to be repeated";
            return Err(Error::Usage(why.into()));
        }
        if options.values && self.model.spec().merges_positions() {
            let why = "its encoder attends within windows of patches that merge from layer to layer";
            return Err(Error::NotForModel { analysis: "recording of values", why });
        }
        Ok(())
    }

    /// Forms the tokens before the text; none for a model that reads text.
    pub(super) fn prompt(
        &self,
        run: &RunOptions,
        encoded: &Tensor,
        hook: &mut dyn Hook,
    ) -> Result<TargetPrompt> {
        match (&self.hearing, &run.audio) {
            (Some(hearing), Some(audio)) => {
                let start = self.start(&languages(run))?;
                hearing.prompt((&self.model, hook), run, audio, (start, encoded))
            }
            _ => match run.image.as_ref().and_then(|image| image.prompt.as_deref()) {
                Some(prompt) => self.picture_prompt(prompt),
                None => Ok(TargetPrompt::default()),
            },
        }
    }

    /// Forms the tokens of a prompt for a picture.
    fn picture_prompt(&self, prompt: &str) -> Result<TargetPrompt> {
        let mut tokens = self.tokenizer.encode_plain(prompt)?;
        let first = tokens.first().copied().filter(|&id| self.tokenizer.target_token(id).special);
        if first.is_some() {
            tokens.remove(0);
        }
        Ok(TargetPrompt { start: first, tokens, ..TargetPrompt::default() })
    }

    /// Tokenizes a given target. That of a model that hears or sees is what generation would write: the
    /// prompt of a speech model, the text and the end token.
    pub(super) fn given_target(
        &self,
        text: &str,
        prompt: &TargetPrompt,
        languages: &Languages,
    ) -> Result<Sequence> {
        let tokens = match self.info.medium {
            Medium::Text => self.tokenizer.encode_target(text, languages)?,
            Medium::Sound | Medium::Picture => {
                let text = self.tokenizer.encode_plain(text)?;
                let end = self.settings.end.first();
                let ids = prompt.tokens.iter().chain(&text).chain(end);
                ids.map(|&id| self.tokenizer.target_token(id)).collect()
            }
        };
        Ok(Sequence { text: text.into(), items: items(tokens) })
    }

    /// Returns the target token that a text consists of.
    ///
    /// # Errors
    /// [`Error::Text`] if it is several tokens or none.
    pub fn single_target_token(&self, text: &str) -> Result<Token> {
        self.tokenizer.single_target_token(text)
    }

    /// Checks that the last states of a stack are numbers: those that one weight without a value can reach
    /// are not.
    pub(super) fn check_numbers(&self, states: &Tensor) -> Result<()> {
        match read(states, has_nan)? {
            true => Err(self.name_damage(Error::NotNumbers { tensor: None })),
            false => Ok(()),
        }
    }

    /// Adds the name of the damaged tensor to the error about NaN.
    pub(super) fn name_damage(&self, error: Error) -> Error {
        match error {
            Error::NotNumbers { .. } => {
                let weights = Weights::open(&self.files, &Unwatched).ok();
                Error::NotNumbers { tensor: weights.and_then(|weights| weights.damaged().map(String::from)) }
            }
            error => error,
        }
    }

    /// Returns the model with 8-bit weights if `run` generates with it.
    pub(super) fn int8_model(&self, run: &RunOptions) -> Option<&Model> {
        let quantized = || self.int8_model.get_or_init(|| self.model.quantised()).as_ref();
        run.fast_generate.then(quantized).flatten()
    }
}

/// Ablations of a run on a source; those of links to the rest of the source are links to each of its
/// positions.
pub(super) fn spread(ablations: &[Ablation], source: &[AxisItem]) -> Vec<Ablation> {
    Rest::of(source).map_or_else(|| ablations.to_vec(), |rest| rest.spread(ablations))
}

/// Creates the hook that ablates what the options of a run on a source name.
pub(super) fn ablator(options: &RunOptions, source: &[AxisItem]) -> Ablator {
    Ablator::new(spread(&options.ablations, source)).with_means(options.head_means.clone())
}

/// Returns the ids that the decoder is fed: the start token, then the target without its last token. If the
/// target `wraps`, its last token takes the place of the start token.
pub(super) fn decoder_input(target: &[u32], start: u32, wraps: bool) -> Vec<u32> {
    let last = target.last().copied().filter(|_| wraps);
    let mut input = vec![last.unwrap_or(start)];
    input.extend(&target[..target.len().saturating_sub(1)]);
    input
}

/// The axis items of a tokenised text.
pub(super) fn items(tokens: impl IntoIterator<Item = Token>) -> Vec<AxisItem> {
    tokens.into_iter().map(AxisItem::from).collect()
}

/// Returns the languages that the user names.
pub(super) fn languages(run: &RunOptions) -> Languages {
    Languages { src: run.src_lang.clone(), tgt: run.tgt_lang.clone() }
}
