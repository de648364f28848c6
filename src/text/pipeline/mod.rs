//! Fast tokenizers: pipelines of the `tokenizers` crate, read from tokenizer.json or built from a vocabulary.

mod check;
mod growth;
pub(crate) mod parts;
pub(crate) mod vocab;

use std::collections::{BTreeMap, HashMap, HashSet};

use growth::{Growth, MAX_GROWN};
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken as RawToken, PostProcessorWrapper, Tokenizer as Raw};

use super::backend::{Backend, clean_up, guarded, tokenizer_error};
use super::config::{AddedToken, SpecialToken, SpecialTokens, TokenizerConfig};
use crate::error::{Error, Result};

/// Special tokens put around the ids of a text.
#[derive(Clone, Debug)]
enum Template {
    /// Those of the pipeline's own post-processor.
    PostProcessor,
    /// Fixed ids.
    Fixed { prefix: Vec<u32>, suffix: Vec<u32> },
}

/// A fast tokenizer with its special tokens.
pub(crate) struct Pipeline {
    raw: Raw,
    template: Template,
    /// Ids of the special tokens.
    special: HashSet<u32>,
    unknown: Option<u32>,
    /// Decoding removes the spaces before punctuation.
    clean_up: bool,
    /// Largest number of bytes that the normalizer turns one byte into.
    growth: usize,
}

fn raw_token(token: &AddedToken) -> RawToken {
    RawToken::from(token.content.clone(), token.special)
        .single_word(token.single_word)
        .lstrip(token.lstrip)
        .rstrip(token.rstrip)
        .normalized(token.normalized)
}

impl Pipeline {
    /// Parses the contents of a tokenizer.json.
    pub fn from_json(bytes: &[u8]) -> Result<Raw> {
        let bad = |why: String| Error::BadFile { file: "tokenizer.json".into(), why };
        let text = std::str::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
        check::json(bytes)
            .and_then(|()| growth::check(bytes))
            .and_then(|()| check::trie_of_json(bytes))
            .map_err(bad)?;
        // `FromStr` is compiled with the `tokenizers` crate; its generic constructors add a minute to our
        // build
        guarded(|| text.parse().map_err(|e: tokenizers::Error| bad(e.to_string())))
    }

    /// Parses the `post_processor` of a tokenizer.json.
    pub fn post_processor(json: &serde_json::Value) -> Result<Option<PostProcessorWrapper>> {
        let minimal = serde_json::json!({
            "version": "1.0",
            "model": {"type": "WordLevel", "vocab": {}, "unk_token": ""},
            "post_processor": json,
        });
        Ok(Self::from_json(minimal.to_string().as_bytes())?.get_post_processor().cloned())
    }

    /// Adds the added tokens and special tokens to a pipeline; new ones get the ids after the vocabulary.
    pub fn new(mut raw: Raw, config: &TokenizerConfig, specials: &SpecialTokens) -> Result<Self> {
        guarded(|| add_tokens(&mut raw, &config.added, specials))?;
        raw.with_padding(None);
        raw.with_truncation(None).map_err(tokenizer_error)?;
        let unknown = specials.role("unk_token").filter(|token| {
            // An unknown token that also ends texts is special.
            specials.role("eos_token") != Some(token)
        });
        let unknown = unknown.and_then(|token| raw.token_to_id(token));
        let special = specials.all().filter_map(|token| raw.token_to_id(&token.content)).collect();
        // like transformers, which made it for WordPiece, ignore the clean-up for BPE
        let clean_up = config.flag("clean_up_tokenization_spaces", false)
            && !matches!(raw.get_model(), ModelWrapper::BPE(_));
        let normalizer = raw.get_normalizer().and_then(|normalizer| serde_json::to_value(normalizer).ok());
        let growth = normalizer.map_or(1, |normalizer| Growth::of(&normalizer).factor);
        Ok(Self { raw, template: Template::PostProcessor, special, unknown, clean_up, growth })
    }

    /// Puts the start and end token around a text, as far as `add_bos_token` and `add_eos_token` ask for
    /// them.
    pub fn with_bos_eos(self, config: &TokenizerConfig, specials: &SpecialTokens) -> Result<Self> {
        let asked = |option: &str, role: &str| specials.role(role).filter(|_| config.flag(option, false));
        let first: Vec<&str> = asked("add_bos_token", "bos_token").into_iter().collect();
        let last: Vec<&str> = asked("add_eos_token", "eos_token").into_iter().collect();
        self.with_special_tokens(&first, &last)
    }

    /// Puts these special tokens around a text, in place of the pipeline's post-processor.
    pub fn with_special_tokens(mut self, prefix: &[&str], suffix: &[&str]) -> Result<Self> {
        let ids = |tokens: &[&str]| -> Result<Vec<u32>> {
            let id = |token: &&str| {
                let missing = || Error::Tokenizer(format!("the vocabulary lacks '{token}'"));
                self.raw.token_to_id(token).ok_or_else(missing)
            };
            tokens.iter().map(id).collect()
        };
        self.template = Template::Fixed { prefix: ids(prefix)?, suffix: ids(suffix)? };
        Ok(self)
    }
}

/// Adds tokens in the order of transformers' `TokenizersBackend`: those of the files by id, special tokens
/// with a role, other special tokens.
fn add_tokens(raw: &mut Raw, from_files: &BTreeMap<u32, AddedToken>, specials: &SpecialTokens) -> Result<()> {
    let present = raw.get_added_tokens_decoder();
    let known: HashMap<&str, &RawToken> =
        present.values().map(|token| (token.content.as_str(), token)).collect();
    let same = |token: &AddedToken| {
        known.get(token.content.as_str()).is_some_and(|known| **known == raw_token(token))
    };
    let mut tokens: Vec<AddedToken> = from_files.values().filter(|token| !same(token)).cloned().collect();
    let mut listed: HashSet<String> = tokens.iter().map(|token| token.content.clone()).collect();
    for SpecialToken { content, token } in specials.all() {
        if !known.contains_key(content.as_str()) && listed.insert(content.clone()) {
            tokens.push(token.clone().unwrap_or_else(|| AddedToken::special(content)));
        }
    }
    let roles: HashSet<&str> = specials.roles.iter().map(|(_, special)| special.content.as_str()).collect();
    for token in &mut tokens {
        token.special |= roles.contains(token.content.as_str());
    }
    raw.add_tokens(tokens.iter().map(raw_token)).map_err(tokenizer_error)?;
    Ok(())
}

impl Backend for Pipeline {
    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        if text.len().saturating_mul(self.growth) > MAX_GROWN {
            return Err(Error::Text(format!(
                "a text of {} bytes is too long for this tokenizer, which may make it {} times as long",
                text.len(),
                self.growth
            )));
        }
        let post_process = add_special_tokens && matches!(self.template, Template::PostProcessor);
        let encode = || self.raw.encode_fast(text, post_process).map_err(tokenizer_error);
        let encoding = guarded(encode)?;
        let ids = encoding.get_ids();
        match &self.template {
            Template::Fixed { prefix, suffix } if add_special_tokens => Ok([prefix, ids, suffix].concat()),
            _ => Ok(ids.to_vec()),
        }
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.raw.id_to_token(id)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.raw.token_to_id(piece)
    }

    fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id) && Some(id) != self.unknown
    }

    fn decode(&self, ids: &[u32]) -> String {
        // if the decoder fails on some piece, show the pieces themselves
        let text = guarded(|| self.raw.decode(ids, true).map_err(tokenizer_error))
            .unwrap_or_else(|_| ids.iter().filter_map(|&id| self.piece(id)).collect::<Vec<_>>().join(" "));
        if self.clean_up { clean_up(&text) } else { text }
    }
}
