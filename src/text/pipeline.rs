//! Tokenizers that a pipeline of the `tokenizers` crate expresses: read from tokenizer.json, or built from
//! a vocabulary.

use std::collections::{BTreeMap, HashSet};

use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken as RawToken, PostProcessorWrapper, Tokenizer as Raw};

use super::settings::{AddedToken, Settings, Special, Specials};
use super::{Codec, cleanup};
use crate::error::{Error, Result};

/// What stands around the ids of a text.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// What the pipeline's own post-processor puts there.
    Own,
    /// These ids.
    Around { prefix: Vec<u32>, suffix: Vec<u32> },
}

/// A pipeline with its special tokens.
pub(crate) struct Pipeline {
    raw: Raw,
    frame: Frame,
    /// Ids of the special tokens.
    special: HashSet<u32>,
    unknown: Option<u32>,
    clean_up: bool,
}

/// Any error of the `tokenizers` crate.
pub(crate) fn failed(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}

fn raw_token(token: &AddedToken) -> RawToken {
    RawToken::from(token.content.clone(), token.special)
        .single_word(token.single_word)
        .lstrip(token.lstrip)
        .rstrip(token.rstrip)
        .normalized(token.normalized)
}

impl Pipeline {
    /// Reads a tokenizer.json.
    pub fn from_json(bytes: &[u8]) -> Result<Raw> {
        let bad = |why: String| Error::BadFile { file: "tokenizer.json".into(), why };
        let text = std::str::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
        // The one way in that the `tokenizers` crate has compiled already: its generic ones cost a minute.
        text.parse().map_err(|e: tokenizers::Error| bad(e.to_string()))
    }

    /// The post-processor that stands in a tokenizer.json.
    pub fn post_processor(json: &serde_json::Value) -> Result<Option<PostProcessorWrapper>> {
        let carrier = serde_json::json!({
            "version": "1.0",
            "model": {"type": "WordLevel", "vocab": {}, "unk_token": ""},
            "post_processor": json,
        });
        Ok(Self::from_json(carrier.to_string().as_bytes())?.get_post_processor().cloned())
    }

    /// Adds the tokens of the files and the special tokens to a pipeline, those that it lacks at the end.
    pub fn new(mut raw: Raw, settings: &Settings, specials: &Specials) -> Result<Self> {
        add_tokens(&mut raw, &settings.added, specials)?;
        raw.with_padding(None);
        raw.with_truncation(None).map_err(failed)?;
        let unknown = specials.role("unk_token").and_then(|token| raw.token_to_id(token));
        let special = specials.all().filter_map(|token| raw.token_to_id(&token.content)).collect();
        // the clean-up was made for word pieces; the reference ignores it for BPE
        let clean_up = settings.flag("clean_up_tokenization_spaces", false)
            && !matches!(raw.get_model(), ModelWrapper::BPE(_));
        Ok(Self { raw, frame: Frame::Own, special, unknown, clean_up })
    }

    /// Puts the start and end token around a text where the settings ask for them.
    pub fn framed_as_told(self, settings: &Settings, specials: &Specials) -> Result<Self> {
        let asked = |option: &str, role: &str| specials.role(role).filter(|_| settings.flag(option, false));
        let first: Vec<&str> = asked("add_bos_token", "bos_token").into_iter().collect();
        let last: Vec<&str> = asked("add_eos_token", "eos_token").into_iter().collect();
        self.framed(&first, &last)
    }

    /// Replaces what stands around a text by the tokens given.
    pub fn framed(mut self, prefix: &[&str], suffix: &[&str]) -> Result<Self> {
        let ids = |tokens: &[&str]| -> Result<Vec<u32>> {
            let id = |token: &&str| {
                let missing = || Error::Tokenizer(format!("the vocabulary lacks '{token}'"));
                self.raw.token_to_id(token).ok_or_else(missing)
            };
            tokens.iter().map(id).collect()
        };
        self.frame = Frame::Around { prefix: ids(prefix)?, suffix: ids(suffix)? };
        Ok(self)
    }
}

/// What transformers' `TokenizersBackend` adds: the files' tokens by id, then special tokens by role, then
/// the others.
fn add_tokens(raw: &mut Raw, from_files: &BTreeMap<u32, AddedToken>, specials: &Specials) -> Result<()> {
    let present = raw.get_added_tokens_decoder();
    let known: HashSet<&str> = present.values().map(|token| token.content.as_str()).collect();
    let same = |token: &AddedToken| present.values().any(|other| *other == raw_token(token));
    let mut tokens: Vec<AddedToken> = from_files.values().filter(|token| !same(token)).cloned().collect();
    for Special { content, token } in specials.all() {
        let listed = known.contains(content.as_str()) || tokens.iter().any(|token| token.content == *content);
        if !listed {
            tokens.push(token.clone().unwrap_or_else(|| AddedToken::special(content)));
        }
    }
    for token in &mut tokens {
        token.special |= specials.roles.iter().any(|(_, special)| special.content == token.content);
    }
    raw.add_tokens(tokens.iter().map(raw_token)).map_err(failed)?;
    Ok(())
}

impl Codec for Pipeline {
    fn encode(&self, text: &str, framed: bool) -> Result<Vec<u32>> {
        let own = framed && matches!(self.frame, Frame::Own);
        let encoding = self.raw.encode_fast(text, own).map_err(failed)?;
        let ids = encoding.get_ids();
        match &self.frame {
            Frame::Around { prefix, suffix } if framed => Ok([prefix, ids, suffix].concat()),
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
        // a decoder that cannot spell some piece leaves nothing to show but the pieces themselves
        let text = self
            .raw
            .decode(ids, true)
            .unwrap_or_else(|_| ids.iter().filter_map(|&id| self.piece(id)).collect::<Vec<_>>().join(" "));
        if self.clean_up { cleanup(&text) } else { text }
    }
}
