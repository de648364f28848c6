//! The error type, with a variant for each condition and a hint for the user.

mod audio;
mod hub;
mod picture;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use audio::AudioError;
pub use hub::HubError;
pub use picture::PictureError;

use crate::human::bytes;

/// A result with the program's error type.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the program. `Display` is a single line; [`Error::hint`] suggests a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Cancelled by the user or by a newer request.
    #[error("cancelled")]
    Cancelled,
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The output file already exists.
    #[error("{} already exists", path.display())]
    Exists {
        /// Path of the file.
        path: PathBuf,
    },
    /// The output path is a device, a pipe or a link to nothing, which writing would replace by a file.
    #[error("{} is {what}", path.display())]
    NotAFile {
        /// Path of the output.
        path: PathBuf,
        /// Kind of the path, with an article, such as `a device`.
        what: &'static str,
    },
    /// Another run writes the same file.
    #[error("another run is writing {}", path.display())]
    Busy {
        /// Path of the file.
        path: PathBuf,
    },
    /// An analysis does not apply to the model.
    #[error("{analysis} does not apply to this model: {why}")]
    NotForModel {
        /// Name of the analysis, with an article if it needs one.
        analysis: &'static str,
        /// Reason, a sentence about the model.
        why: &'static str,
    },
    /// No position of one source is known to belong to one of the other.
    #[error(
        "the sources have different lengths and neither their first nor their last token in common, so that no position \
         of one is known to belong to one of the other"
    )]
    NoCommonPositions,
    /// An analysis needs more memory than the limit.
    #[error("{what} needs about {}, more than the memory limit of {}", bytes(*needed), bytes(*limit))]
    Memory {
        /// The analysis, with an article.
        what: &'static str,
        /// Needed bytes.
        needed: u64,
        /// Allowed bytes.
        limit: u64,
    },
    /// The contents of a file are invalid.
    #[error("{file}: {why}")]
    BadFile {
        /// Name of the file.
        file: String,
        /// Reason.
        why: String,
    },
    /// A folder holds a scan of another model or corpus, or with other options.
    #[error("{} holds a scan with another {what}: {found} there, {wanted} now", path.display())]
    OtherScan {
        /// Folder of the scan.
        path: PathBuf,
        /// The first thing that differs, such as `options.far`.
        what: String,
        /// Its value in the folder.
        found: String,
        /// Its value now.
        wanted: String,
    },
    /// The MODEL argument is a file of a known format that is not opened.
    #[error("{file} is {found}")]
    OtherFormat {
        /// Name of the file.
        file: String,
        /// Kind of the file, with an article.
        found: &'static str,
        /// The way forward.
        hint: &'static str,
    },
    /// A model lacks a file that it needs.
    #[error("{model} has no {file}")]
    MissingFile {
        /// Name of the model.
        model: String,
        /// Name of the missing file.
        file: String,
    },
    /// A model lacks files of its tokenizer, as checkpoints of a training do.
    #[error("{model} has no {file}, a file of its tokenizer ({wanted})")]
    NoTokenizer {
        /// Name of the model.
        model: String,
        /// Name of the missing file.
        file: String,
        /// The files that its tokenizer can be built from.
        wanted: &'static str,
    },
    /// The MODEL argument is a path that does not exist.
    #[error("{}: no such file or folder", path.display())]
    NoSuchPath {
        /// The path.
        path: PathBuf,
    },
    /// The MODEL argument is a file but not a capture file.
    #[error("{} is neither a model folder nor a file with attention maps", path.display())]
    NotAModel {
        /// Path of the file.
        path: PathBuf,
    },
    /// A model has no weights in a supported format.
    #[error("{model} has no weights in safetensors or PyTorch format{}", only(found))]
    NoWeights {
        /// Name of the model.
        model: String,
        /// Unsupported formats that it has.
        found: Vec<&'static str>,
    },
    /// The model is only a fine-tuning adapter.
    #[error("{model} is a PEFT adapter{}, not a whole model", of(base))]
    Adapter {
        /// Name of the adapter.
        model: String,
        /// Its base model, if its configuration names one.
        base: Option<String>,
    },
    /// The weights are those of a model with an adapter beside its layers.
    #[error("{model} has an unmerged adapter (LoRA or its like) in its weights, such as '{tensor}'")]
    UnmergedAdapter {
        /// Name of the model.
        model: String,
        /// A tensor of the adapter.
        tensor: String,
    },
    /// The weights are quantised.
    #[error("{model} has quantised weights: {method}")]
    Quantised {
        /// Name of the model.
        model: String,
        /// Kind of numbers, and the method if it is known.
        method: &'static str,
    },
    /// The weights are those of an encoder or a decoder alone.
    #[error("{model} has {has} and no {lacks}")]
    HalfModel {
        /// Name of the model.
        model: String,
        /// The stack that there is, with an article.
        has: &'static str,
        /// The stack that is missing.
        lacks: &'static str,
    },
    /// Error of the hub or its cache.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Error of a recording.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Error of a picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The model type is not supported.
    #[error("model type '{model_type}' is not supported")]
    UnsupportedModel {
        /// `model_type` of its config.json.
        model_type: String,
        /// The supported types.
        supported: Vec<String>,
    },
    /// The model type is that of a speech model whose front end or encoder is missing.
    #[error("'{model_type}' is a speech model that needs {lacks}, which attn-tui lacks")]
    UnsupportedSpeech {
        /// `model_type` of its config.json.
        model_type: String,
        /// The missing part, with an article.
        lacks: &'static str,
    },
    /// The model type is that of a vision model, or of its encoder, whose parts are missing.
    #[error("'{model_type}' is a vision model that needs {lacks}, which attn-tui lacks")]
    UnsupportedVision {
        /// `model_type` of config.json, or of its encoder.
        model_type: String,
        /// The missing part, with an article.
        lacks: &'static str,
    },
    /// The model has only an encoder or only a decoder.
    #[error("'{model_type}' is {what}, not an encoder-decoder model")]
    NotEncoderDecoder {
        /// `model_type` of its config.json.
        model_type: String,
        /// "a decoder-only model" or "an encoder-only model".
        what: &'static str,
    },
    /// config.json has an invalid or unsupported value.
    #[error("config.json: {0}")]
    Config(String),
    /// Weights do not fit the model.
    #[error("weights: {0}")]
    Weights(String),
    /// The tokenizer cannot be built from the model's files.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The tokenizer has a token that the model does not embed.
    #[error("token id {id} is outside the model's vocabulary of {vocabulary} tokens")]
    OutsideVocabulary {
        /// The id.
        id: u32,
        /// Number of tokens that the model embeds.
        vocabulary: usize,
    },
    /// The model has no tag for a language.
    #[error("the model does not know the language '{language}'")]
    Language {
        /// The language, as the user spelled it.
        language: String,
        /// Known languages with similar names.
        nearest: Vec<String>,
    },
    /// A multilingual model needs a language, and none is set.
    #[error("this model needs a {side} language")]
    NoLanguage {
        /// "source" or "target".
        side: &'static str,
        /// Languages of the model.
        languages: Vec<String>,
    },
    /// The text has no tokens, or more than the model allows.
    #[error("{0}")]
    Text(String),
    /// The capture does not have a requested head, layer or kind.
    #[error("{0}")]
    NoSuchHead(String),
    /// A text or a position names nothing on an axis.
    #[error("'{named}' names none of the {axis}")]
    NoSuchPlace {
        /// The user's text.
        named: String,
        /// The axis, in the plural, such as `queries of cross maps`.
        axis: String,
    },
    /// A capture without what value-weighted maps and ALTI need.
    #[error("this capture of {model} keeps the weights alone, not the values that they multiply")]
    NoValues {
        /// Name of the model.
        model: String,
    },
    /// Attention scores were requested but not recorded.
    #[error("{0}")]
    NoScores(String),
    /// The model computed NaN.
    #[error("the model computes NaN instead of numbers{}", damaged(tensor))]
    NotNumbers {
        /// Name of the first tensor of its weights that holds NaN or infinity, if one does.
        tensor: Option<String>,
    },
    /// A tensor operation failed.
    #[error("engine: {0}")]
    Engine(String),
    /// A setting has an invalid value.
    #[error("setting '{key}' in {place}: {why}")]
    Setting {
        /// Key of the setting.
        key: String,
        /// Environment variable or file that sets it.
        place: String,
        /// Reason.
        why: String,
    },
    /// Options exclude each other, or a value is out of range.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Creates the error for a file that cannot be read or written.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// Returns a suggestion for the user in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => Some(io_hint(source.kind()).into()),
            Self::Exists { .. } => Some("give --force to overwrite it, or choose another name".into()),
            Self::NotAFile { .. } => Some("write to a new file or over a regular one".into()),
            Self::Busy { .. } => Some("wait until that run ends, or give another file or folder".into()),
            Self::UnsupportedModel { supported, .. } => Some(format!("supported: {}", supported.join(", "))),
            Self::UnsupportedSpeech { .. } => Some(
                "speech models of types whisper, speech_to_text and moonshine open; for others, open a capture file \
                 with their maps"
                    .into(),
            ),
            Self::UnsupportedVision { .. } => Some(
                "models of type vision-encoder-decoder with ViT, DeiT or Donut encoders open, such as TrOCR, and those \
                 of type pix2struct; for others, open a capture file with their maps"
                    .into(),
            ),
            Self::NotEncoderDecoder { .. } => Some(
                "attn-tui runs encoder-decoder models only; for others, open a capture file with their maps"
                    .into(),
            ),
            Self::MissingFile { .. } => Some(
                "is this the folder or repository of a whole model? `attn-tui doctor` lists what is there"
                    .into(),
            ),
            Self::NoTokenizer { .. } => Some(
                "the files of the model that it was trained from serve as well: `--tokenizer MODEL-ID` or \
                 `--tokenizer FOLDER` takes them from there"
                    .into(),
            ),
            Self::Hub(error) => error.hint(),
            Self::Audio(error) => Some(error.hint()),
            Self::Picture(error) => Some(error.hint()),
            Self::NoSuchPath { .. } => Some(
                "MODEL is demo, a folder, a capture file, or a hub id such as google/flan-t5-small".into(),
            ),
            Self::NotForModel { .. } => {
                Some("`attn-tui knockout` works with every model".into())
            }
            Self::NoCommonPositions => Some(
                "give the positions that belong together, those of the clean source first: `attn-tui patch --map \
                 0-3:0-3,5:7`"
                    .into(),
            ),
            Self::Memory { needed, .. } => {
                Some(format!("give `--memory {}M`, or a shorter text", needed.div_ceil(1 << 20)))
            }
            Self::NoValues { .. } => {
                Some("give the model and the text, or write the file with `attn-tui capture --values`".into())
            }
            Self::OtherScan { .. } => {
                Some("give the options that it began with to continue it, or another folder".into())
            }
            Self::OtherFormat { hint, .. } => Some((*hint).into()),
            Self::NotAModel { .. } => Some(
                "give the model's folder, or a file with attention maps: safetensors, npz, npy, torch.save, CSV, or soft \
                 alignments"
                    .into(),
            ),
            Self::NoWeights { found, .. } => Some(weights_hint(found.first().copied())),
            Self::Adapter { base, .. } => {
                let base = base.as_deref().unwrap_or("BASE-MODEL");
                Some(format!(
                    "merge it with PEFT and save the whole model: PeftModel.from_pretrained(AutoModelForSeq2SeqLM\
                     .from_pretrained(\"{base}\"), ADAPTER).merge_and_unload().save_pretrained(FOLDER)"
                ))
            }
            Self::UnmergedAdapter { .. } => Some(
                "merge it where it was trained, and save the result: model.merge_and_unload().save_pretrained(FOLDER)"
                    .into(),
            ),
            Self::Quantised { .. } => Some(
                "open the original model, or load this one with transformers and save what model.dequantize() gives"
                    .into(),
            ),
            Self::HalfModel { .. } => {
                Some("open the whole encoder-decoder model that it was taken from".into())
            }
            Self::NotNumbers { .. } => Some("the weights are damaged: fetch or convert them again".into()),
            Self::Language { nearest, .. } if nearest.is_empty() => {
                Some("`attn-tui doctor MODEL` lists the languages that it knows".into())
            }
            Self::Language { nearest, .. } => Some(format!("did you mean {}?", nearest.join(" or "))),
            Self::NoLanguage { side, languages } => {
                let option = if *side == "source" { "--src-lang" } else { "--tgt-lang" };
                Some(format!(
                    "give {option}, one of {}; `attn-tui doctor MODEL` lists them",
                    first_of(languages)
                ))
            }
            Self::Cancelled => Some("start it again to continue".into()),
            Self::BadFile { .. } => Some("the file may be cut off or of another kind: write or download it again".into()),
            Self::Config(_) => Some(
                "compare config.json with the one that transformers saves for this model; `attn-tui models` lists the supported types".into(),
            ),
            Self::Weights(_) => Some("`attn-tui doctor MODEL` compares the tensors with config.json".into()),
            Self::Tokenizer(_) => Some(
                "save the tokenizer again with transformers: save_pretrained writes every file that it needs".into(),
            ),
            Self::OutsideVocabulary { .. } => Some(
                "tokenizer and weights do not belong together: `--tokenizer MODEL-ID` or `--tokenizer FOLDER` takes \
                 the tokenizer from the model that these weights were trained from"
                    .into(),
            ),
            Self::Text(_) => Some("give a text within the limit of the model, not an empty one".into()),
            Self::NoSuchHead(_) => Some("`attn-tui heads` lists the kinds, layers and heads".into()),
            Self::NoSuchPlace { .. } => Some(
                "a text names a word or a token, a number a position counted from 0; `attn-tui show` prints the tokens \
                 of both axes"
                    .into(),
            ),
            Self::NoScores(_) => Some("give the model and the text, so that the scores are recorded".into()),
            Self::Engine(_) => Some("check that the weights fit config.json: `attn-tui doctor MODEL`".into()),
            Self::Setting { .. } => Some("correct or remove the setting; options of the command line override it".into()),
            Self::Usage(_) => Some("`attn-tui help COMMAND` lists the options".into()),
        }
    }

    /// Returns the exit status: 2 for wrong usage, 1 for other errors.
    pub fn exit_code(&self) -> u8 {
        if matches!(
            self,
            Self::Usage(_) | Self::NoCommonPositions | Self::Language { .. } | Self::NoLanguage { .. }
        ) {
            2
        } else {
            1
        }
    }
}

/// Returns a suggestion for errors of the file system.
fn io_hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or write to another disk; no partial file was left"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose a writable folder, or change the permissions"
        }
        ErrorKind::NotFound => "check the path: the folder must exist",
        ErrorKind::IsADirectory => "give a file in that folder",
        _ => "check the path and the disk",
    }
}

/// Returns a suggestion for weights in a format that cannot be read.
fn weights_hint(format: Option<&str>) -> String {
    match format {
        Some("TensorFlow" | "Keras" | "Flax") => {
            "convert it with transformers 4: from_pretrained(MODEL, from_tf=True or from_flax=True), then \
             save_pretrained(FOLDER)"
                .into()
        }
        None | Some("checkpoint" | "tch") => {
            "convert it with transformers: save_pretrained writes model.safetensors".into()
        }
        Some(format) => format!(
            "open the model that it was made from, by its hub id or folder: {format} is a format for other programs"
        ),
    }
}

/// Joins the first names of a list that may be long.
fn first_of(names: &[String]) -> String {
    const LISTED: usize = 12;
    let listed = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

fn only(found: &[&str]) -> String {
    if found.is_empty() { String::new() } else { format!(", only {}", found.join(", ")) }
}

fn of(base: &Option<String>) -> String {
    base.as_ref().map(|base| format!(" of {base}")).unwrap_or_default()
}

fn damaged(tensor: &Option<String>) -> String {
    tensor.as_ref().map_or_else(String::new, |name| format!(": its tensor '{name}' holds NaN or infinity"))
}
