//! Tokenizers, special tokens and display labels.
//!
//! [`Tokenizer::load`] builds a tokenizer from what a repository really contains, and gives the ids that
//! transformers' `AutoTokenizer` gives. Two back ends do the work, as there: a pipeline of the `tokenizers`
//! crate, and tokenizers that are written out here (SentencePiece with a vocabulary file, bytes, ...).

mod blenderbot_small;
mod byte_bpe;
mod bytes;
mod class;
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
mod scripted;
mod sentencepiece;
mod settings;
mod source;
mod steps;
mod t5;
mod word_bpe;
mod wordpiece;

use std::sync::Arc;

use class::Class;
pub use label::{label, starts_word, visible, word_starts};
pub use languages::Languages;
use languages::Tags;
use pipeline::Pipeline;
use settings::Settings;

use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::token::Token;

/// What a tokenizer's back end can do.
trait Codec: Send + Sync {
    /// The ids of a text; `framed` adds the special tokens that stand around it.
    fn encode(&self, text: &str, framed: bool) -> Result<Vec<u32>>;
    /// The piece with that id, as the vocabulary spells it.
    fn piece(&self, id: u32) -> Option<String>;
    /// The id of a piece.
    fn id(&self, piece: &str) -> Option<u32>;
    /// Whether it is a special token: end, start, padding, a language tag; the unknown token is none.
    fn is_special(&self, id: u32) -> bool;
    /// The text of ids, without special tokens.
    fn decode(&self, ids: &[u32]) -> String;
}

/// A model's tokenizer: text to tokens and back, on the source side and on the target side.
#[derive(Clone)]
pub struct Tokenizer {
    source: Arc<dyn Codec>,
    target: Arc<dyn Codec>,
    tags: Tags,
}

impl Tokenizer {
    /// Builds the tokenizer of a model from the files that it has.
    ///
    /// # Errors
    /// `MissingFile`, `BadFile` and `Tokenizer`, naming what is missing or cannot be read.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        let settings = Settings::load(files)?;
        let class = Class::of(&settings);
        let (source, target, tags): (Arc<dyn Codec>, Arc<dyn Codec>, Vec<String>) = match class {
            Class::Marian => {
                let (source, target, tags) = marian::load(files, &settings)?;
                (Arc::new(source), Arc::new(target), tags)
            }
            Class::Fsmt => {
                let (source, target) = fsmt::load(files, &settings)?;
                (Arc::new(source), Arc::new(target), Vec::new())
            }
            _ => {
                let codec = one_codec(class, files, &settings)?;
                (codec.clone(), codec, Vec::new())
            }
        };
        let tags = Tags::new(class, &settings, &*source, tags);
        Ok(Self { source, target, tags })
    }

    /// The tokens of a source text, with the special tokens that transformers' `tokenizer(text)` gives.
    ///
    /// # Errors
    /// `Language` for a language that the vocabulary lacks.
    pub fn encode_source(&self, text: &str, langs: &Languages) -> Result<Vec<Token>> {
        let ids = self.tags.encode_source(&*self.source, text, langs)?;
        Ok(ids.into_iter().map(|id| self.source_token(id)).collect())
    }

    /// The tokens of a target text, with the special tokens that `tokenizer(text_target=text)` gives.
    ///
    /// # Errors
    /// `Language` for a language that the vocabulary lacks.
    pub fn encode_target(&self, text: &str, langs: &Languages) -> Result<Vec<Token>> {
        let ids = self.tags.encode_target(&*self.target, text, langs)?;
        Ok(ids.into_iter().map(|id| self.target_token(id)).collect())
    }

    /// The source token with that id; an id outside the vocabulary is spelled `<id>`.
    pub fn source_token(&self, id: u32) -> Token {
        token(&*self.source, id)
    }

    /// The target token with that id; an id outside the vocabulary is spelled `<id>`.
    pub fn target_token(&self, id: u32) -> Token {
        token(&*self.target, id)
    }

    /// The text of target ids, without special tokens.
    pub fn decode_target(&self, ids: &[u32]) -> String {
        self.target.decode(ids)
    }

    /// The text of source ids, without special tokens.
    pub fn decode_source(&self, ids: &[u32]) -> String {
        self.source.decode(ids)
    }

    /// The languages that the model knows by tags, in order; none for a model without tags.
    pub fn languages(&self) -> Vec<String> {
        self.tags.languages()
    }

    /// The tag that generation must begin with, after the start token.
    ///
    /// # Errors
    /// `Language` for a language that the vocabulary lacks.
    pub fn forced_bos(&self, langs: &Languages) -> Result<Option<u32>> {
        self.tags.forced_bos(langs)
    }

    /// The tag that takes the place of the start token (mBART, PLBart), where a target language is given.
    ///
    /// # Errors
    /// `Language` for a language that the vocabulary lacks.
    pub fn decoder_start(&self, langs: &Languages) -> Result<Option<u32>> {
        self.tags.decoder_start(langs)
    }

    /// The languages that are taken where the user names none.
    pub fn default_languages(&self) -> Languages {
        self.tags.defaults().clone()
    }
}

fn token(codec: &dyn Codec, id: u32) -> Token {
    let piece = codec.piece(id).unwrap_or_else(|| format!("<{id}>"));
    Token { id, piece, special: codec.is_special(id) }
}

/// The tokenizer of a class that has one vocabulary for both sides.
fn one_codec(class: Class, files: &ModelFiles, settings: &Settings) -> Result<Arc<dyn Codec>> {
    Ok(match class {
        Class::T5 => Arc::new(t5::load(files, settings)?),
        Class::Byt5 => Arc::new(bytes::load(settings)),
        Class::Roberta => Arc::new(byte_bpe::roberta(files, settings)?),
        Class::Gpt2 => Arc::new(byte_bpe::gpt2(files, settings)?),
        Class::Blenderbot => Arc::new(byte_bpe::blenderbot(files, settings)?),
        Class::BlenderbotSmall => Arc::new(blenderbot_small::load(files, settings)?),
        Class::Bert => Arc::new(wordpiece::bert(files, settings)?),
        Class::ProphetNet => Arc::new(prophetnet::load(files, settings)?),
        Class::XlmRoberta => Arc::new(fairseq::xlm_roberta(files, settings)?),
        Class::XlmProphetNet => Arc::new(plbart::xlm_prophetnet(files, settings)?),
        Class::MBart => Arc::new(fairseq::mbart(files, settings)?),
        Class::MBart50 => Arc::new(fairseq::mbart50(files, settings)?),
        Class::Nllb => Arc::new(fairseq::nllb(files, settings)?),
        Class::M2m100 => Arc::new(m2m100::load(files, settings)?),
        Class::Pegasus => Arc::new(fairseq::pegasus(files, settings)?),
        Class::PlBart => Arc::new(plbart::load(files, settings)?),
        Class::Seamless => Arc::new(fairseq::seamless(files, settings)?),
        Class::Gemma => Arc::new(gemma::load(files, settings)?),
        Class::Json | Class::Marian | Class::Fsmt => Arc::new(json(files, settings)?),
    })
}

/// tokenizer.json, taken as it is.
fn json(files: &ModelFiles, settings: &Settings) -> Result<Pipeline> {
    let Some(bytes) = files.get("tokenizer.json")? else {
        return Err(Error::MissingFile { model: files.name.clone(), file: "tokenizer.json".into() });
    };
    Pipeline::new(Pipeline::from_json(&bytes)?, settings, &settings.specials(&[], Vec::new()))
}

/// Removes the spaces that word pieces leave before punctuation, as the reference's
/// `clean_up_tokenization` does.
fn cleanup(text: &str) -> String {
    const SPACED: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    SPACED.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}
