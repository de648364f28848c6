//! Every way in which the program can fail, named by condition, with a hint for the user.

mod hub;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use hub::HubError;

/// The result of anything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `Display` says it in one line; [`Error::hint`] says what the user can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user or a newer request stopped the work.
    #[error("cancelled")]
    Cancelled,
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An output file is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file does not hold what its name promises.
    #[error("{file}: {why}")]
    BadFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A model lacks a file that it needs.
    #[error("{model} has no {file}")]
    MissingFile {
        /// The model.
        model: String,
        /// The file that is missing.
        file: String,
    },
    /// The MODEL argument names a path that is not there.
    #[error("{}: no such file or folder", path.display())]
    NoSuchPath {
        /// The path.
        path: PathBuf,
    },
    /// The MODEL argument names a file that is no capture.
    #[error("{} is neither a model folder nor a capture file", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
    },
    /// A model without weights that the program can read.
    #[error("{model} has no weights in safetensors or PyTorch format{}", only(found))]
    NoWeights {
        /// The model.
        model: String,
        /// Formats that are there instead.
        found: Vec<&'static str>,
    },
    /// A fine-tuning adapter without its model.
    #[error("{model} is a PEFT adapter{}, not a whole model", of(base))]
    Adapter {
        /// The adapter.
        model: String,
        /// The model it belongs to, where it says so.
        base: Option<String>,
    },
    /// A model could not be had from the hub or its cache.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A model family that the program does not know.
    #[error("model type '{model_type}' is not supported")]
    UnsupportedModel {
        /// `model_type` of its config.json.
        model_type: String,
        /// The supported types.
        supported: Vec<String>,
    },
    /// The model has only one of the two stacks.
    #[error("'{model_type}' is {what}, not an encoder-decoder model")]
    NotEncoderDecoder {
        /// `model_type` of its config.json.
        model_type: String,
        /// "a decoder-only model" or "an encoder-only model".
        what: &'static str,
    },
    /// config.json says something that cannot be run.
    #[error("config.json: {0}")]
    Config(String),
    /// Weights do not fit the model.
    #[error("weights: {0}")]
    Weights(String),
    /// The tokenizer cannot be built from the model's files.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A language that the model has no tag for.
    #[error("the model knows no language '{language}'")]
    Language {
        /// What was asked for.
        language: String,
        /// Known languages that may have been meant, the nearest first.
        nearest: Vec<String>,
    },
    /// A multilingual model that was told no target language.
    #[error("this model needs a target language")]
    NoLanguage {
        /// The languages that it knows.
        languages: Vec<String>,
    },
    /// The text has no tokens, or more than the model takes.
    #[error("{0}")]
    Text(String),
    /// A request for a head, layer or kind that the capture does not have.
    #[error("{0}")]
    NoSuchHead(String),
    /// A capture without what value-weighted maps and ALTI need.
    #[error("this capture of {model} keeps the weights alone, not the values that they multiply")]
    NoValues {
        /// The model.
        model: String,
    },
    /// Scores before the softmax that are not there.
    #[error("{0}")]
    NoScores(String),
    /// The engine failed in its arithmetic.
    #[error("engine: {0}")]
    Engine(String),
    /// A setting that makes no sense.
    #[error("setting '{key}' in {place}: {why}")]
    Setting {
        /// The key.
        key: String,
        /// The variable or file in which it stands.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// Options that do not go together, or a value out of range.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// A file that could not be read or written.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// What the user can do about it, in one line, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => io_hint(source.kind()).map(Into::into),
            Self::Exists { .. } => Some("give --force to overwrite it, or choose another name".into()),
            Self::UnsupportedModel { supported, .. } => Some(format!("supported: {}", supported.join(", "))),
            Self::NotEncoderDecoder { .. } => Some(
                "attn-tui shows encoder-decoder models; a capture file of any model's maps opens too".into(),
            ),
            Self::MissingFile { .. } => Some(
                "is this the folder or repository of a whole model? `attn-tui doctor` lists what is there"
                    .into(),
            ),
            Self::Hub(error) => error.hint(),
            Self::NoSuchPath { .. } => Some(
                "MODEL is demo, a folder, a capture file, or a hub id such as google/flan-t5-small".into(),
            ),
            Self::NoValues { .. } => {
                Some("give the model and the text, or make the file with `attn-tui capture --values`".into())
            }
            Self::NotAModel { .. } => {
                Some("give the model's folder, or a capture file (.safetensors or .npz)".into())
            }
            Self::NoWeights { .. } => {
                Some("convert it with transformers: save_pretrained writes model.safetensors".into())
            }
            Self::Adapter { .. } => {
                Some("merge it into its model with PEFT's merge_and_unload() and save that".into())
            }
            Self::Language { nearest, .. } if nearest.is_empty() => {
                Some("`attn-tui doctor MODEL` lists the languages that it knows".into())
            }
            Self::Language { nearest, .. } => Some(format!("did you mean {}?", nearest.join(" or "))),
            Self::NoLanguage { languages } => {
                Some(format!("give --tgt-lang, one of {}", languages.join(", ")))
            }
            _ => None,
        }
    }

    /// The exit status: 2 for wrong usage, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_) | Self::Language { .. } | Self::NoLanguage { .. }) { 2 } else { 1 }
    }
}

/// What to do about the failures of files that users can do something about.
fn io_hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("free some space, or choose a place on another disk; nothing was left half-written")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Some("choose a place that you may write to, or change the permissions")
        }
        ErrorKind::NotFound => Some("check the path: its folder must be there"),
        ErrorKind::IsADirectory => Some("name a file in that folder"),
        _ => None,
    }
}

fn only(found: &[&str]) -> String {
    if found.is_empty() { String::new() } else { format!(", only {}", found.join(", ")) }
}

fn of(base: &Option<String>) -> String {
    base.as_ref().map(|base| format!(" of {base}")).unwrap_or_default()
}
