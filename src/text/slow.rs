//! Slow tokenizers: those whose algorithm transformers has in Python. Added tokens are found in the text
//! first; a model of the tokenizer class splits the text between them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::backend::{Backend, clean_up};
use super::config::{AddedToken, SpecialTokens, TokenizerConfig};
use super::python::is_space;
use crate::error::{Error, Result};

/// The model of a slow tokenizer: what its class in transformers overrides.
pub(crate) trait SlowModel: Send + Sync {
    /// Splits a text without added tokens into pieces.
    fn split(&self, text: &str) -> Vec<String>;
    /// Returns the id of a piece, or that of the unknown token.
    fn id_or_unknown(&self, piece: &str) -> Option<u32>;
    /// Returns the id of a token in the vocabulary.
    fn id(&self, token: &str) -> Option<u32>;
    /// Returns the piece with that id.
    fn piece(&self, id: u32) -> Option<String>;
    /// Joins pieces to text; `is_special` returns true for special tokens.
    fn join(&self, pieces: &[String], is_special: &dyn Fn(&str) -> bool) -> String;
    /// Returns the size of the vocabulary, the id of the first added token.
    fn size(&self) -> u32;
}

/// Tokens that are found in the text before the model splits the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddedTokens {
    pub by_id: BTreeMap<u32, AddedToken>,
    pub by_text: HashMap<String, u32>,
}

impl AddedTokens {
    /// Combines the tokens of the files with the special tokens. A special token that neither they nor the
    /// vocabulary have gets the next free id.
    pub fn new(
        from_files: BTreeMap<u32, AddedToken>,
        specials: &SpecialTokens,
        model: &dyn SlowModel,
    ) -> Self {
        let by_text = from_files.iter().map(|(id, token)| (token.content.clone(), *id)).collect();
        let mut added = Self { by_id: from_files, by_text };
        let mut next = model.size();
        next += added.by_text.keys().filter(|token| model.id(token).is_none()).count() as u32;
        for special in specials.all() {
            if special.content.is_empty() || added.by_text.contains_key(&special.content) {
                continue;
            }
            let id = model.id(&special.content).unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            added.insert(id, AddedToken::special(&special.content));
        }
        added
    }

    /// Adds one token, or replaces it.
    pub fn insert(&mut self, id: u32, token: AddedToken) {
        self.by_text.insert(token.content.clone(), id);
        self.by_id.insert(id, token);
    }

    /// Returns the longest token that `text` starts with.
    fn at_start<'a>(&'a self, text: &str) -> Option<&'a str> {
        let starts =
            self.by_text.keys().filter(|token| !token.is_empty() && text.starts_with(token.as_str()));
        starts.max_by_key(|token| token.len()).map(String::as_str)
    }

    /// Splits the text at added tokens. Returns the parts in order, each with true for an added token.
    fn split(&self, text: &str) -> Vec<(String, bool)> {
        let firsts: HashSet<char> = self.by_text.keys().filter_map(|token| token.chars().next()).collect();
        let mut parts: Vec<(String, bool)> = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let token = if firsts.contains(&first) { self.at_start(&text[at..]) } else { None };
            match token {
                Some(token) => {
                    if start < at {
                        parts.push((text[start..at].into(), false));
                    }
                    parts.push((token.into(), true));
                    at += token.len();
                    start = at;
                }
                None => at += first.len_utf8(),
            }
        }
        if start < text.len() {
            parts.push((text[start..].into(), false));
        }
        self.settle(parts)
    }

    /// Removes the whitespace beside added tokens with `lstrip` or `rstrip`. A token with `single_word` that
    /// has no space beside it becomes part of the text there.
    fn settle(&self, mut parts: Vec<(String, bool)>) -> Vec<(String, bool)> {
        for at in 0..parts.len() {
            // looked up by text, like transformers: not every such part was found as an added token
            let Some(token) = self.by_text.get(&parts[at].0).and_then(|id| self.by_id.get(id)) else {
                continue;
            };
            let left = at.checked_sub(1).and_then(|left| parts[left].0.chars().next_back());
            let right = parts.get(at + 1).and_then(|(right, _)| right.chars().next());
            if token.rstrip
                && let Some((right, _)) = parts.get_mut(at + 1)
            {
                *right = right.trim_start_matches(is_space).into();
            }
            if token.lstrip && at > 0 {
                let left = &mut parts[at - 1].0;
                *left = left.trim_end_matches(is_space).into();
            }
            let joined = |edge: Option<char>| edge.is_some_and(|letter| letter != ' ');
            if token.single_word && (joined(left) || joined(right)) {
                let word = std::mem::take(&mut parts[at].0);
                let neighbour = if joined(left) { at - 1 } else { at + 1 };
                let text = &parts[neighbour].0;
                let text = if neighbour < at { format!("{text}{word}") } else { format!("{word}{text}") };
                parts[neighbour] = (text.clone(), self.by_text.contains_key(&text));
            }
        }
        parts
    }
}

/// A slow tokenizer: a model with added tokens and the special tokens around a text.
pub(crate) struct SlowTokenizer {
    model: Box<dyn SlowModel>,
    added: AddedTokens,
    /// Texts of the special tokens.
    special: HashSet<String>,
    /// The unknown token.
    unknown: Option<String>,
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    /// No suffix is added to ids that already end in it.
    single_suffix: bool,
    /// Decoding removes the spaces before punctuation.
    pub clean_up: bool,
}

impl SlowTokenizer {
    /// Creates a tokenizer that adds no special tokens to a text.
    pub fn new(
        model: Box<dyn SlowModel>,
        added: AddedTokens,
        specials: &SpecialTokens,
        config: &TokenizerConfig,
    ) -> Self {
        Self {
            model,
            added,
            special: specials.all().map(|token| token.content.clone()).collect(),
            unknown: specials.role("unk_token").map(String::from),
            prefix: Vec::new(),
            suffix: Vec::new(),
            single_suffix: false,
            clean_up: config.flag("clean_up_tokenization_spaces", false),
        }
    }

    /// Puts special tokens around every text.
    pub fn with_special_tokens(self, prefix: Vec<u32>, suffix: Vec<u32>) -> Self {
        Self { prefix, suffix, ..self }
    }

    /// Leaves out the suffix if the text's ids already end in it.
    pub fn with_single_suffix(self) -> Self {
        Self { single_suffix: true, ..self }
    }

    fn token_id(&self, token: &str) -> Option<u32> {
        self.added.by_text.get(token).copied().or_else(|| self.model.id_or_unknown(token))
    }

    fn token(&self, id: u32) -> Option<String> {
        self.added.by_id.get(&id).map(|token| token.content.clone()).or_else(|| self.model.piece(id))
    }
}

impl Backend for SlowTokenizer {
    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        let mut ids = if add_special_tokens { self.prefix.clone() } else { Vec::new() };
        let unknown = || Error::Tokenizer("the vocabulary has no unknown token".into());
        for (part, is_token) in self.added.split(text) {
            if part.is_empty() {
                continue;
            }
            let pieces = if is_token { vec![part] } else { self.model.split(&part) };
            for piece in pieces {
                ids.push(self.token_id(&piece).ok_or_else(unknown)?);
            }
        }
        if add_special_tokens && !(self.single_suffix && ids.ends_with(&self.suffix)) {
            ids.extend(&self.suffix);
        }
        Ok(ids)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.token(id)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.added.by_text.get(piece).copied().or_else(|| self.model.id(piece))
    }

    fn is_special(&self, id: u32) -> bool {
        self.token(id)
            .is_some_and(|token| self.special.contains(&token) && Some(&token) != self.unknown.as_ref())
    }

    fn decode(&self, ids: &[u32]) -> String {
        let skipped: HashSet<u32> = self.special.iter().filter_map(|token| self.token_id(token)).collect();
        let kept = ids.iter().filter(|id| !skipped.contains(id));
        let pieces: Vec<String> = kept.filter_map(|&id| self.token(id)).collect();
        let text = self.model.join(&pieces, &|piece| self.special.contains(piece));
        if self.clean_up { clean_up(&text) } else { text }
    }
}
