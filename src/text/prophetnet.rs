//! ProphetNet: BERT's basic tokenizer and WordPiece (Devlin et al. 2019), as transformers' Python code has
//! them.

use std::collections::HashSet;

use regex::Regex;
use tokenizers::NormalizedString;

use super::backend::tokenizer_error;
use super::config::TokenizerConfig;
use super::python::{is_space, strip};
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use super::vocabulary::{Vocabulary, read_lines};
use crate::error::Result;
use crate::files::ModelFiles;

/// Longest word that is split into pieces, in characters; longer ones become the unknown token.
const MAX_WORD: usize = 100;

struct ProphetNet {
    vocab: Vocabulary,
    unknown: String,
    /// Words that are never split: the special tokens.
    never_split: HashSet<String>,
    basic: Option<BasicTokenizer>,
}

/// Text cleaning and splitting into words, before WordPiece.
struct BasicTokenizer {
    lower: bool,
    strip_accents: Option<bool>,
    chinese: bool,
    control: Regex,
    punctuation: Regex,
    accent: Regex,
}

impl BasicTokenizer {
    fn new(config: &TokenizerConfig) -> Result<Self> {
        let regex = |pattern: &str| Regex::new(pattern).map_err(tokenizer_error);
        Ok(Self {
            lower: config.flag("do_lower_case", true),
            strip_accents: config.option("strip_accents").and_then(serde_json::Value::as_bool),
            chinese: config.flag("tokenize_chinese_chars", true),
            control: regex(r"[\p{C}&&[^\t\n\r]]|\x{FFFD}")?,
            punctuation: regex(r"[\p{P}$+<=>^`|~]")?,
            accent: regex(r"\p{Mn}")?,
        })
    }

    fn clean(&self, text: &str) -> String {
        let text = self.control.replace_all(text, "");
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if self.chinese && is_chinese(c) {
                out.extend([' ', c, ' ']);
            } else {
                out.push(if c.is_whitespace() { ' ' } else { c });
            }
        }
        NormalizedString::from(out).nfc().get().to_string()
    }

    fn words(&self, text: &str, never_split: &HashSet<String>) -> Vec<String> {
        let mut out = Vec::new();
        for word in self.clean(text).split(is_space).filter(|word| !word.is_empty()) {
            if never_split.contains(word) {
                out.push(word.to_string());
                continue;
            }
            let mut word = if self.lower { word.to_lowercase() } else { word.to_string() };
            if self.strip_accents.unwrap_or(self.lower) {
                let mut decomposed = NormalizedString::from(word);
                word = self.accent.replace_all(decomposed.nfd().get(), "").into_owned();
            }
            let parted = self.punctuation.replace_all(&word, " $0 ");
            out.extend(parted.split(is_space).filter(|part| !part.is_empty()).map(String::from));
        }
        out
    }
}

/// Returns true for CJK ideographs, each of which BERT makes a word of its own.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B820..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

impl ProphetNet {
    /// Splits a word greedily into the longest known pieces, from the left; `None` if that fails.
    fn pieces(&self, word: &str) -> Option<Vec<String>> {
        if word.chars().count() > MAX_WORD {
            return None;
        }
        let mut out = Vec::new();
        let mut start = 0;
        while start < word.len() {
            let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).rev().filter(|end| *end > start);
            let spelled = ends.map(|end| {
                let part = &word[start..end];
                (end, if start > 0 { format!("##{part}") } else { part.to_string() })
            });
            let (end, piece) = spelled.into_iter().find(|(_, piece)| self.vocab.id(piece).is_some())?;
            out.push(piece);
            start = end;
        }
        Some(out)
    }
}

impl SlowModel for ProphetNet {
    fn split(&self, text: &str) -> Vec<String> {
        let words = match &self.basic {
            Some(basic) => basic.words(text, &self.never_split),
            None => text.split(is_space).filter(|word| !word.is_empty()).map(String::from).collect(),
        };
        let unknown = || vec![self.unknown.clone()];
        words.iter().flat_map(|word| self.pieces(word).unwrap_or_else(unknown)).collect()
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.vocab.id(piece).or_else(|| self.vocab.id(&self.unknown))
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.vocab.id(token)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.vocab.piece(id).or_else(|| Some(self.unknown.clone()))
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        strip(&pieces.join(" ").replace(" ##", "")).into()
    }

    fn size(&self) -> u32 {
        self.vocab.len()
    }
}

/// Builds the tokenizer, which encodes as `text [SEP]`.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig) -> Result<SlowTokenizer> {
    let defaults = [
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("x_sep_token", "[X_SEP]"),
        ("pad_token", "[PAD]"),
        ("mask_token", "[MASK]"),
    ];
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let entries = read_lines(files, "prophetnet.tokenizer")?.into_iter().zip(0..);
    let model = ProphetNet {
        vocab: Vocabulary::new(entries),
        unknown: specials.role("unk_token").unwrap_or("[UNK]").into(),
        never_split: specials.all().map(|token| token.content.clone()).collect(),
        basic: if config.flag("do_basic_tokenize", true) { Some(BasicTokenizer::new(config)?) } else { None },
    };
    let added = AddedTokens::new(config.added.clone(), &specials, &model);
    let end = specials.role("sep_token").and_then(|token| added.by_text.get(token)).copied();
    let mut tokenizer = SlowTokenizer::new(Box::new(model), added, &specials, config);
    tokenizer.clean_up = config.flag("clean_up_tokenization_spaces", true);
    Ok(tokenizer.with_special_tokens(Vec::new(), end.into_iter().collect()))
}
