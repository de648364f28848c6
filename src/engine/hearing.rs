//! Front end of speech models: recording to encoder states, and the prompt of the text.

use std::time::Instant;

use candle_core::Tensor;
use serde_json::{Value, json};

use super::media::MediaFile;
use super::protocol::{AudioOptions, RunOptions};
use super::source::Source;
use super::timings::ms;
use crate::audio::{
    self, FeatureExtractor, FeatureFile, Features, FilterBanks, LogMel, Recording, SampleFeatures,
    SoundWindow,
};
use crate::axis::{AxisItem, Media, Sequence, queries};
use crate::capture::SoundStrip;
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::generate::{PromptRequest, SpeechSettings, Timestamps};
use crate::model::{FrontEndSpec, Model, ModelSpec, SignalKind};
use crate::nn::{Hook, read};
use crate::site::{Head, Kind};

/// Longest sound that a model without a window of its own hears, in seconds.
const LONGEST: usize = 30;

/// Bins of the spectrum that is shown of a model that reads samples.
const PICTURED_BINS: usize = 80;

/// Shortest recording, in seconds, that is told from an empty one.
const SHORTEST: f64 = 0.1;

/// Number of languages that a note lists.
const LISTED: usize = 3;

/// Front end of a speech model.
pub(super) struct Hearing {
    features: FeatureExtractor,
    /// Number of feature frames from one encoder position to the next.
    stride: usize,
    speech: SpeechSettings,
}

/// The samples of a recording that a model hears.
pub(super) struct HeardSound {
    media: Media,
    /// At the rate of the features.
    samples: Vec<f32>,
    /// Notes for the user on what is heard.
    notes: Vec<String>,
}

impl HeardSound {
    /// Samples at the rate of the features.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }
}

/// Tokens before the text of a target.
#[derive(Clone, Default)]
pub(super) struct TargetPrompt {
    /// First token of the decoder, if it is not the model's own.
    pub start: Option<u32>,
    /// Tokens between the start token and the text.
    pub tokens: Vec<u32>,
    /// Number of windows of the same recording before this one.
    pub earlier: usize,
    pub timestamps: Option<Timestamps>,
    /// Notes for the user on the language that was detected.
    pub notes: Vec<String>,
}

impl Hearing {
    /// Reads the settings of a model's front end; `None` if the model reads text.
    ///
    /// # Errors
    /// [`Error::BadFile`] or [`Error::Config`] for settings that do not fit the model.
    pub fn open(
        files: &ModelFiles,
        generation: Option<&Value>,
        config: &ModelConfig,
        spec: &ModelSpec,
    ) -> Result<Option<Self>> {
        let Some(FrontEndSpec::Convolutions(front_end)) = spec.front_end() else { return Ok(None) };
        let file = FeatureFile::new(files.json("preprocessor_config.json")?);
        let features = match front_end.signal {
            SignalKind::LogMel => FeatureExtractor::LogMel(LogMel::read(&file, front_end.bins)?),
            SignalKind::FilterBanks => {
                FeatureExtractor::FilterBanks(FilterBanks::read(&file, front_end.bins, LONGEST)?)
            }
            SignalKind::Samples => FeatureExtractor::Samples(SampleFeatures::read(&file, LONGEST)?),
        };
        let frames = (features.seconds() / features.frame()).round() as usize;
        if let Some(expected) = front_end.frames.filter(|expected| *expected != frames) {
            return Err(Error::BadFile {
                file: "preprocessor_config.json".into(),
                why: format!("its window has {frames} frames, and the model reads {expected}"),
            });
        }
        let speech = SpeechSettings::read(generation, config)?;
        Ok(Some(Self { features, stride: front_end.stride(), speech }))
    }

    /// First timestamp of the vocabulary; `None` for a model without timestamps.
    pub fn first_timestamp(&self) -> Option<u32> {
        self.speech.first_timestamp()
    }

    /// Number of feature frames from one encoder position to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Number of feature frames of a window.
    pub fn window_frames(&self) -> usize {
        (self.features.seconds() / self.features.frame()).round() as usize
    }

    /// Codes of the languages that the model knows.
    pub fn languages(&self) -> Vec<String> {
        self.speech.languages.iter().map(|(code, _)| code.clone()).collect()
    }

    /// Cross-attention heads that the model's settings name as aligning.
    pub fn alignment_heads(&self) -> Vec<Head> {
        let heads = self.speech.alignment_heads.iter();
        heads.map(|&[layer, head]| Head::new(Kind::Cross, layer, head)).collect()
    }

    /// Reads a window of a recording.
    pub fn source(&self, model: &Model, options: &AudioOptions) -> Result<Source> {
        let heard = self.hear(options, self.features.seconds())?;
        let features = self.features.features(&heard.samples);
        self.window(model, options, &heard, &features, 0)
    }

    /// Reads a recording from its window on, at most `seconds` of it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Audio`] for a recording that cannot be heard.
    pub fn hear(&self, options: &AudioOptions, seconds: f64) -> Result<HeardSound> {
        let MediaFile { name: file, bytes, sha256 } = MediaFile::open(&options.path, options.bytes.as_ref())?;
        let window = SoundWindow { from: options.from, seconds, channel: options.channel };
        let mut recording = audio::read(bytes, &file, &window)?;
        let mut notes = self.notes(&file, &recording, options, seconds);
        notes.append(&mut recording.notes);
        let samples = audio::resample(&recording.samples, recording.rate, self.features.rate());
        Ok(HeardSound { media: Media { file, sha256, size: None }, samples, notes })
    }

    /// Returns true if texts begin with a prompt that does not count among their tokens, as Whisper's do.
    pub fn has_prompts(&self) -> bool {
        self.windows().is_some()
    }

    /// Extractor of the features of long recordings; `None` for a model that hears one stretch of any length.
    pub fn windows(&self) -> Option<&LogMel> {
        match &self.features {
            FeatureExtractor::LogMel(features) => Some(features),
            FeatureExtractor::FilterBanks(_) | FeatureExtractor::Samples(_) => None,
        }
    }

    /// Creates the source of the window from frame `first` of a whole recording's features on.
    pub fn long_window(
        &self,
        model: &Model,
        options: &AudioOptions,
        heard: &HeardSound,
        (features, first): (&Features, usize),
    ) -> Result<Source> {
        let options = AudioOptions { from: options.from + self.seconds_of(first), ..options.clone() };
        self.window(model, &options, heard, features, first)
    }

    /// Length of `frames` frames of features in seconds.
    pub fn seconds_of(&self, frames: usize) -> f64 {
        frames as f64 * self.features.frame()
    }

    /// Creates the source of a window: `features` that begin with frame `first` of what is heard.
    fn window(
        &self,
        model: &Model,
        options: &AudioOptions,
        heard: &HeardSound,
        features: &Features,
        first: usize,
    ) -> Result<Source> {
        let start = Instant::now();
        let states = model.embed_features(&features.values, [features.frames, features.bins])?;
        let embed_ms = ms(start);
        let positions = states.dim(1)?;
        let shown = features.covered.div_ceil(self.stride).clamp(1, positions);
        let covered = self.seconds_of(features.covered);
        let items = self.items(options, covered, [shown, positions]);
        let file = &heard.media.file;
        let text =
            if options.from > 0.0 { format!("{file} from {:.2} s", options.from) } else { file.clone() };
        let step = self.stride * self.features.hop();
        let samples = &heard.samples[heard.samples.len().min(first * self.features.hop())..];
        let (frames, sizes) = (queries(&items).len(), [self.stride, step]);
        let sound = match features.bins {
            1 => self.spectrum(samples, frames, step)?,
            bins => SoundStrip::new(&features.values, bins, samples, frames, sizes),
        };
        let source = Source::states(Sequence { text, items }, states)?.with_sound(sound);
        Ok(source.with_media(heard.media.clone(), heard.notes.clone()).with_embed_ms(embed_ms))
    }

    /// Strip of a model that reads samples: `frames` frames of `step` samples.
    fn spectrum(&self, samples: &[f32], frames: usize, step: usize) -> Result<SoundStrip> {
        let settings = json!({"hop_length": step, "sampling_rate": self.features.rate()});
        let log_mel = LogMel::read(&FeatureFile::new(Some(settings)), PICTURED_BINS)?;
        let features = log_mel.long_features(samples);
        Ok(SoundStrip::new(&features.values, features.bins, samples, frames, [1, step]))
    }

    /// The items of `positions` positions, of which the recording, `covered` seconds long, covers the first
    /// `shown`, the last one perhaps in part.
    fn items(&self, options: &AudioOptions, covered: f64, [shown, positions]: [usize; 2]) -> Vec<AxisItem> {
        let step = self.features.frame() * self.stride as f64;
        let time = |at: usize| at as f64 * step;
        let end = |at: usize| if at == shown { covered.clamp(time(at - 1), time(at)) } else { time(at) };
        let frame = |at: usize| AxisItem::frame(options.from + time(at), options.from + end(at + 1));
        match options.padding || shown == positions || !matches!(self.features, FeatureExtractor::LogMel(_)) {
            true => (0..positions).map(frame).collect(),
            false => (0..shown).map(frame).chain([AxisItem::rest(positions - shown)]).collect(),
        }
    }

    /// Notes for the user on what is heard.
    fn notes(&self, file: &str, recording: &Recording, options: &AudioOptions, seconds: f64) -> Vec<String> {
        let mut notes = Vec::new();
        let (heard, rate) = (recording.seconds(), self.features.rate());
        let until = options.from + heard;
        if recording.length.is_none_or(|length| length > until + self.features.frame())
            && heard >= seconds - self.features.frame()
        {
            let length = recording.length.map_or_else(String::new, |length| format!(" of {length:.2} s"));
            notes.push(format!(
                "{file}: {:.2} s to {until:.2} s{length} are heard; --from takes another part",
                options.from
            ));
        }
        if recording.rate != rate {
            notes.push(format!("{file}: resampled from {} to {rate} samples a second", recording.rate));
        }
        if recording.channels > 1 && options.channel.is_none() {
            let channels = recording.channels;
            notes.push(format!("{file}: the mean of its {channels} channels is heard; --channel takes one"));
        }
        if heard < SHORTEST {
            notes.push(format!(
                "{file}: {heard:.3} s are hardly a sound; a text that is generated is invented"
            ));
        } else if recording.is_silent() {
            notes.push(format!("{file} is silent; a text that is generated is invented"));
        }
        notes
    }

    /// Forms the prompt of a text for encoded states. `start` is the decoder's first token. A language is
    /// detected under the changes of `hook`.
    pub fn prompt(
        &self,
        (model, hook): (&Model, &mut dyn Hook),
        run: &RunOptions,
        audio: &AudioOptions,
        (start, encoded): (u32, &Tensor),
    ) -> Result<TargetPrompt> {
        if run.tgt_lang.is_some() {
            let why = "a speech model writes what it hears: leave --tgt-lang out, or give --task translate";
            return Err(Error::Usage(why.into()));
        }
        let request =
            PromptRequest { language: run.src_lang.clone(), task: audio.task, timestamps: audio.timestamps };
        let mut notes = Vec::new();
        let tokens = self.speech.prompt(&request, |languages| {
            let likely = likely((model, hook), encoded, start, languages)?;
            let listed = likely.iter().take(LISTED);
            let listed: Vec<_> =
                listed.map(|(at, share)| format!("{} {:.1} %", languages[*at].0, 100.0 * share)).collect();
            notes.push(format!("language detected: {}", listed.join(", ")));
            let best = likely.first().map(|(at, _)| languages[*at].1);
            best.ok_or_else(|| Error::Engine("no language has a probability".into()))
        })?;
        let timestamps = self.speech.timestamps(&request)?;
        Ok(TargetPrompt { tokens, timestamps, notes, ..TargetPrompt::default() })
    }
}

/// Returns the languages by their probability after the start token, the likeliest first, as positions in
/// `languages`. As in transformers, the probabilities are those among the languages' tags alone.
fn likely(
    (model, hook): (&Model, &mut dyn Hook),
    encoded: &Tensor,
    start: u32,
    languages: &[(String, u32)],
) -> Result<Vec<(usize, f32)>> {
    let states = model.decode(&[start], 1, encoded, None, hook, &mut |_| Ok(()))?;
    let logits = read(&model.logits(&states)?, <[f32]>::to_vec)?;
    let score = |(at, (_, tag)): (usize, &(String, u32))| Some((at, *logits.get(*tag as usize)?));
    let mut likely: Vec<(usize, f32)> = languages.iter().enumerate().filter_map(score).collect();
    likely.sort_by(|a, b| b.1.total_cmp(&a.1));
    let largest = likely.first().map_or(0.0, |(_, score)| *score);
    likely.iter_mut().for_each(|(_, score)| *score = (*score - largest).exp());
    let sum: f32 = likely.iter().map(|(_, share)| share).sum();
    likely.iter_mut().for_each(|(_, share)| *share /= sum);
    Ok(likely)
}
