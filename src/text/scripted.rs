//! Tokenizers that the reference implementation writes out in Python: added tokens are cut out of the text
//! first, a vocabulary of its own handles what lies between.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Codec;
use super::cleanup;
use super::settings::{AddedToken, Settings, Specials};
use crate::error::{Error, Result};

/// The part that differs between scripted tokenizers.
pub(crate) trait Words: Send + Sync {
    /// The pieces of a text without added tokens.
    fn split(&self, text: &str) -> Vec<String>;
    /// The id of a piece, the unknown one's where the vocabulary lacks it.
    fn id(&self, piece: &str) -> Option<u32>;
    /// The id of a token that the vocabulary holds.
    fn known(&self, token: &str) -> Option<u32>;
    /// The piece with that id.
    fn piece(&self, id: u32) -> Option<String>;
    /// The text that pieces spell; `special` tells which of them are special tokens.
    fn join(&self, pieces: &[String], special: &dyn Fn(&str) -> bool) -> String;
    /// Number of entries; the next added token gets this id.
    fn size(&self) -> u32;
}

/// Tokens that are cut out of the text before it is tokenized.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddedTokens {
    pub by_id: BTreeMap<u32, AddedToken>,
    pub by_text: HashMap<String, u32>,
}

impl AddedTokens {
    /// The tokens of the files, then the special ones that they lack, those that no vocabulary holds at the
    /// end.
    pub fn new(from_files: BTreeMap<u32, AddedToken>, specials: &Specials, words: &dyn Words) -> Self {
        let by_text = from_files.iter().map(|(id, token)| (token.content.clone(), *id)).collect();
        let mut added = Self { by_id: from_files, by_text };
        let mut next = words.size();
        next += added.by_text.keys().filter(|token| words.known(token).is_none()).count() as u32;
        for special in specials.all() {
            if special.content.is_empty() || added.by_text.contains_key(&special.content) {
                continue;
            }
            let id = words.known(&special.content).unwrap_or_else(|| {
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

    /// The token that `text` begins with, the longest one.
    fn at_start<'a>(&'a self, text: &str) -> Option<&'a str> {
        let starts =
            self.by_text.keys().filter(|token| !token.is_empty() && text.starts_with(token.as_str()));
        starts.max_by_key(|token| token.len()).map(String::as_str)
    }

    /// Cuts the text into added tokens and what lies between, as (part, whether it is an added token).
    fn cut(&self, text: &str) -> Vec<(String, bool)> {
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
        self.strip(parts)
    }

    /// Lets added tokens take the whitespace beside them where they do so.
    fn strip(&self, mut parts: Vec<(String, bool)>) -> Vec<(String, bool)> {
        for at in 0..parts.len() {
            // a neighbour that is itself spelled like an added token counts, whatever it was cut out as
            let Some(token) = self.by_text.get(&parts[at].0).and_then(|id| self.by_id.get(id)) else {
                continue;
            };
            if token.rstrip
                && let Some((right, _)) = parts.get_mut(at + 1)
            {
                *right = right.trim_start_matches(is_space).into();
            }
            if token.lstrip && at > 0 {
                let left = &mut parts[at - 1].0;
                *left = left.trim_end_matches(is_space).into();
            }
        }
        parts
    }
}

/// Whether Python's `str.isspace` holds.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.strip`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// A scripted tokenizer.
pub(crate) struct Scripted {
    pub words: Box<dyn Words>,
    pub added: AddedTokens,
    /// The special tokens by text.
    pub special: HashSet<String>,
    /// The token for what the vocabulary lacks.
    pub unknown: Option<String>,
    pub prefix: Vec<u32>,
    pub suffix: Vec<u32>,
    /// Whether a text that ends in the suffix gets no second one.
    once: bool,
    /// Whether decoding removes the spaces before punctuation.
    pub clean_up: bool,
}

impl Scripted {
    /// A tokenizer without special tokens around the text.
    pub fn new(words: Box<dyn Words>, added: AddedTokens, specials: &Specials, settings: &Settings) -> Self {
        Self {
            words,
            added,
            special: specials.all().map(|token| token.content.clone()).collect(),
            unknown: specials.role("unk_token").map(String::from),
            prefix: Vec::new(),
            suffix: Vec::new(),
            once: false,
            clean_up: settings.flag("clean_up_tokenization_spaces", false),
        }
    }

    /// Puts special tokens around the text.
    pub fn framed(self, prefix: Vec<u32>, suffix: Vec<u32>) -> Self {
        Self { prefix, suffix, ..self }
    }

    /// A text that ends in the suffix gets no second one.
    pub fn ending_once(self) -> Self {
        Self { once: true, ..self }
    }

    fn token_id(&self, token: &str) -> Option<u32> {
        self.added.by_text.get(token).copied().or_else(|| self.words.id(token))
    }

    fn token(&self, id: u32) -> Option<String> {
        self.added.by_id.get(&id).map(|token| token.content.clone()).or_else(|| self.words.piece(id))
    }
}

impl Codec for Scripted {
    fn encode(&self, text: &str, framed: bool) -> Result<Vec<u32>> {
        let mut ids = if framed { self.prefix.clone() } else { Vec::new() };
        let unknown = || Error::Tokenizer("the vocabulary has no token for unknown text".into());
        for (part, is_token) in self.added.cut(text) {
            if part.is_empty() {
                continue;
            }
            let pieces = if is_token { vec![part] } else { self.words.split(&part) };
            for piece in pieces {
                ids.push(self.token_id(&piece).ok_or_else(unknown)?);
            }
        }
        if framed && !(self.once && ids.ends_with(&self.suffix)) {
            ids.extend(&self.suffix);
        }
        Ok(ids)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.token(id)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.added.by_text.get(piece).copied().or_else(|| self.words.known(piece))
    }

    fn is_special(&self, id: u32) -> bool {
        self.token(id)
            .is_some_and(|token| self.special.contains(&token) && Some(&token) != self.unknown.as_ref())
    }

    fn decode(&self, ids: &[u32]) -> String {
        let skipped: HashSet<u32> = self.special.iter().filter_map(|token| self.token_id(token)).collect();
        let kept = ids.iter().filter(|id| !skipped.contains(id));
        let pieces: Vec<String> = kept.filter_map(|&id| self.token(id)).collect();
        let text = self.words.join(&pieces, &|piece| self.special.contains(piece));
        if self.clean_up { cleanup(&text) } else { text }
    }
}
