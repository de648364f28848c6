//! Tokenizers, special tokens and display labels.
//!
//! [`Tokenizer::load`] picks the tokenizer class of a model and builds it from the files that the repository
//! has. Ids are those of transformers' `AutoTokenizer`. As there, a tokenizer is either fast (a `pipeline`
//! of the `tokenizers` crate) or `slow` (its algorithm written out here, as transformers does in Python).

mod backend;
mod blenderbot_small;
mod byt5;
mod byte_bpe;
mod class;
mod config;
mod fairseq;
mod fsmt;
mod gemma;
pub mod label;
mod languages;
mod m2m100;
mod marian;
mod moses;
mod pipeline;
mod plbart;
mod prophetnet;
mod python;
mod sentencepiece;
mod slow;
mod t5;
mod vocabulary;
mod word_bpe;
mod wordpiece;

use std::sync::Arc;

use backend::Backend;
use class::Class;
use config::TokenizerConfig;
pub use label::{label, spelt, starts_word, visible, word_starts};
use languages::LanguageTags;
pub use languages::Languages;
use pipeline::Pipeline;
use pipeline::vocab::{JsonKind, VocabKind, foreign_model_note};

use crate::axis::Token;
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// A model's tokenizer for source and target texts.
#[derive(Clone)]
pub struct Tokenizer {
    source: Arc<dyn Backend>,
    target: Arc<dyn Backend>,
    tags: LanguageTags,
    /// Tokens without a meaning, of the source and of the target.
    blanks: [BlankTokens; 2],
    notes: Vec<String>,
}

/// Tokens that stand for no word, which can take the place of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlankTokens {
    /// Id of the unknown token.
    pub unknown: Option<u32>,
    /// Id of the padding token.
    pub padding: Option<u32>,
}

impl BlankTokens {
    /// Finds the tokens by their roles, or by their usual spelling where no file names them.
    fn new(backend: &dyn Backend, config: &TokenizerConfig) -> Self {
        let special = config.special_tokens(&[], Vec::new());
        let find = |role: &str, usual: [&str; 2]| {
            let spellings = special.role(role).into_iter().chain(usual);
            spellings.into_iter().find_map(|piece| backend.id(piece))
        };
        Self {
            unknown: find("unk_token", ["<unk>", "[UNK]"]),
            padding: find("pad_token", ["<pad>", "[PAD]"]),
        }
    }
}

impl Tokenizer {
    /// Builds the tokenizer of a model from its files. `registered` names the tokenizer class that
    /// transformers registers for the model's family.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`], [`Error::BadFile`] or [`Error::Tokenizer`], naming the file at fault.
    pub fn load(files: &ModelFiles, registered: Option<&str>) -> Result<Self> {
        let config = TokenizerConfig::load(files)?;
        let named = Class::of(&config, registered);
        Self::build(files, &config, named).map_err(|error| match error {
            Error::MissingFile { model, file } => Error::NoTokenizer { model, file, wanted: named.files() },
            error => error,
        })
    }

    fn build(files: &ModelFiles, config: &TokenizerConfig, named: Class) -> Result<Self> {
        let (class, note) = fitting(named, files)?;
        let (source, target, tags): (Arc<dyn Backend>, Arc<dyn Backend>, Vec<String>) = match class {
            Class::Marian => {
                let (source, target, tags) = marian::load(files, config)?;
                (Arc::new(source), Arc::new(target), tags)
            }
            Class::Fsmt => {
                let (source, target) = fsmt::load(files, config)?;
                (Arc::new(source), Arc::new(target), Vec::new())
            }
            _ => {
                let backend: Arc<dyn Backend> = shared_backend(class, files, config)?;
                (backend.clone(), backend, Vec::new())
            }
        };
        let tags = LanguageTags::new(named, config, &*source, tags);
        let blanks = [&source, &target].map(|backend| BlankTokens::new(&**backend, config));
        Ok(Self { source, target, tags, blanks, notes: note.into_iter().collect() })
    }

    /// Tokenizes a source text, adding the special tokens that transformers' `tokenizer(text)` adds.
    ///
    /// # Errors
    /// [`Error::Language`] for a language that the vocabulary lacks.
    pub fn encode_source(&self, text: &str, langs: &Languages) -> Result<Vec<Token>> {
        let ids = self.tags.encode_source(&*self.source, text, langs)?;
        Ok(ids.into_iter().map(|id| self.source_token(id)).collect())
    }

    /// Tokenizes a target text, adding the special tokens that `tokenizer(text_target=text)` adds.
    ///
    /// # Errors
    /// [`Error::Language`] for a language that the vocabulary lacks.
    pub fn encode_target(&self, text: &str, langs: &Languages) -> Result<Vec<Token>> {
        let ids = self.tags.encode_target(&*self.target, text, langs)?;
        Ok(ids.into_iter().map(|id| self.target_token(id)).collect())
    }

    /// Tokenizes a target text without any special token.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.target.encode(text, false)
    }

    /// Returns the source token with that id; the piece of an id outside the vocabulary is `<id>`.
    pub fn source_token(&self, id: u32) -> Token {
        token(&*self.source, id)
    }

    /// Returns the target token with that id; the piece of an id outside the vocabulary is `<id>`.
    pub fn target_token(&self, id: u32) -> Token {
        token(&*self.target, id)
    }

    /// Returns the tokens without a meaning of the source and of the target.
    pub fn blank_tokens(&self) -> [BlankTokens; 2] {
        self.blanks
    }

    /// Returns the target token that a text consists of.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is several tokens or none.
    pub fn single_target_token(&self, text: &str) -> Result<Token> {
        if let Some(id) = self.target.id(text) {
            return Ok(self.target_token(id));
        }
        let ids = self.target.encode(text, false)?;
        match ids[..] {
            [id] => Ok(self.target_token(id)),
            _ => {
                let pieces: Vec<_> = ids.iter().map(|&id| self.target_token(id).piece).collect();
                Err(Error::Usage(match pieces.is_empty() {
                    true => "an empty text is no target token".into(),
                    false => {
                        format!("'{text}' is {} target tokens, not one: {}", ids.len(), pieces.join(" "))
                    }
                }))
            }
        }
    }

    /// Returns the text of target ids, skipping special tokens.
    pub fn decode_target(&self, ids: &[u32]) -> String {
        self.target.decode(ids)
    }

    /// Returns the text of source ids, skipping special tokens.
    pub fn decode_source(&self, ids: &[u32]) -> String {
        self.source.decode(ids)
    }

    /// Returns the languages that have a tag, ordered by the tags' ids; empty for a model without language
    /// tags.
    pub fn languages(&self) -> Vec<String> {
        self.tags.languages()
    }

    /// Returns the tag that generation must begin with, right after the start token.
    ///
    /// # Errors
    /// [`Error::Language`] for a language that the vocabulary lacks.
    pub fn forced_bos(&self, langs: &Languages) -> Result<Option<u32>> {
        self.tags.forced_bos(langs)
    }

    /// Returns the tag that replaces the start token (mBART, PLBart), if a target language is set.
    ///
    /// # Errors
    /// [`Error::Language`] for a language that the vocabulary lacks.
    pub fn decoder_start(&self, langs: &Languages) -> Result<Option<u32>> {
        self.tags.decoder_start(langs)
    }

    /// Returns notes on how the ids came about, for the user.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Checks that the vocabulary has the tags of the languages used if the user names none.
    ///
    /// # Errors
    /// [`Error::Language`] for a language that the vocabulary lacks.
    pub fn check_default_languages(&self) -> Result<()> {
        self.tags.check_defaults()
    }

    /// Returns the languages used if the user names none.
    pub fn default_languages(&self) -> Languages {
        self.tags.defaults().clone()
    }
}

fn token(backend: &dyn Backend, id: u32) -> Token {
    let piece = backend.piece(id).unwrap_or_else(|| format!("<{id}>"));
    Token { id, piece, special: backend.is_special(id) }
}

/// Returns the class to build: the one named, or [`Class::Json`] if tokenizer.json has a vocabulary that the
/// named class cannot be built from. A note says so, or that a SentencePiece model is of another kind than
/// the class.
fn fitting(class: Class, files: &ModelFiles) -> Result<(Class, Option<String>)> {
    let Some(kind) = class.vocabulary() else { return Ok((class, None)) };
    match JsonKind::read(files)? {
        Some(json) if kind == VocabKind::Unigram && !json.scored => {
            let note = format!(
                "tokenizer.json is read as it stands: it is a {} model, not the unigram model of its class",
                if json.name.is_empty() { "BPE" } else { &json.name }
            );
            Ok((Class::Json, Some(note)))
        }
        _ => Ok((class, foreign_model_note(files, kind)?)),
    }
}

/// Builds the tokenizer of a class that uses one vocabulary for source and target.
fn shared_backend(class: Class, files: &ModelFiles, config: &TokenizerConfig) -> Result<Arc<dyn Backend>> {
    Ok(match class {
        Class::T5 => Arc::new(t5::load(files, config)?),
        Class::Byt5 => Arc::new(byt5::load(config)),
        Class::Roberta => Arc::new(byte_bpe::roberta(files, config)?),
        Class::Gpt2 => Arc::new(byte_bpe::gpt2(files, config)?),
        Class::Whisper => Arc::new(byte_bpe::whisper(files, config)?),
        Class::Blenderbot => Arc::new(byte_bpe::blenderbot(files, config)?),
        Class::BlenderbotSmall => Arc::new(blenderbot_small::load(files, config)?),
        Class::Bert => Arc::new(wordpiece::bert(files, config)?),
        Class::ProphetNet => Arc::new(prophetnet::load(files, config)?),
        Class::XlmRoberta => Arc::new(fairseq::xlm_roberta(files, config)?),
        Class::XlmProphetNet => Arc::new(plbart::xlm_prophetnet(files, config)?),
        Class::MBart => Arc::new(fairseq::mbart(files, config)?),
        Class::MBart50 => Arc::new(fairseq::mbart50(files, config)?),
        Class::Nllb => Arc::new(fairseq::nllb(files, config)?),
        Class::M2m100 => Arc::new(m2m100::load(files, config, m2m100::tags(config))?),
        // The files of M2M100, whose language tags are not added.
        Class::Speech2Text => Arc::new(m2m100::load(files, config, Vec::new())?),
        Class::Pegasus => Arc::new(fairseq::pegasus(files, config)?),
        Class::PlBart => Arc::new(plbart::load(files, config)?),
        Class::Seamless => Arc::new(fairseq::seamless(files, config)?),
        Class::Gemma => Arc::new(gemma::load(files, config)?),
        Class::Json | Class::Marian | Class::Fsmt => Arc::new(json(files, config)?),
    })
}

/// Loads tokenizer.json without changing it for a tokenizer class.
fn json(files: &ModelFiles, config: &TokenizerConfig) -> Result<Pipeline> {
    let Some(bytes) = files.get("tokenizer.json")? else {
        return Err(Error::MissingFile { model: files.name.clone(), file: "tokenizer.json".into() });
    };
    Pipeline::new(Pipeline::from_json(&bytes)?, config, &config.special_tokens(&[], Vec::new()))
}
