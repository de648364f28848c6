//! ProphetNet's tokenizer: BERT's rules (Devlin et al. 2019) as they are written out in Python, with the
//! separator behind the text.

use std::collections::HashSet;

use regex::Regex;
use tokenizers::NormalizedString;

use super::marian::Vocabulary;
use super::pipeline::failed;
use super::scripted::{AddedTokens, Scripted, Words, is_space, strip};
use super::settings::Settings;
use super::wordpiece::vocabulary;
use crate::error::Result;
use crate::files::ModelFiles;

/// Words with more characters are unknown.
const LONGEST_WORD: usize = 100;

struct ProphetNet {
    vocab: Vocabulary,
    unknown: String,
    /// Words that are left as they are.
    whole: HashSet<String>,
    basic: Option<Basic>,
}

/// The cleaning and splitting that comes before the word pieces.
struct Basic {
    lower: bool,
    strip_accents: Option<bool>,
    chinese: bool,
    control: Regex,
    punctuation: Regex,
    accent: Regex,
}

impl Basic {
    fn new(settings: &Settings) -> Result<Self> {
        let regex = |pattern: &str| Regex::new(pattern).map_err(failed);
        Ok(Self {
            lower: settings.flag("do_lower_case", true),
            strip_accents: settings.option("strip_accents").and_then(serde_json::Value::as_bool),
            chinese: settings.flag("tokenize_chinese_chars", true),
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

    fn words(&self, text: &str, whole: &HashSet<String>) -> Vec<String> {
        let mut out = Vec::new();
        for word in self.clean(text).split(is_space).filter(|word| !word.is_empty()) {
            if whole.contains(word) {
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

/// The ideographs that BERT parts from their neighbours.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B820..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

impl ProphetNet {
    /// The longest pieces that the vocabulary holds, from the left; `None` where they do not cover the word.
    fn pieces(&self, word: &str) -> Option<Vec<String>> {
        if word.chars().count() > LONGEST_WORD {
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

impl Words for ProphetNet {
    fn split(&self, text: &str) -> Vec<String> {
        let words = match &self.basic {
            Some(basic) => basic.words(text, &self.whole),
            None => text.split(is_space).filter(|word| !word.is_empty()).map(String::from).collect(),
        };
        let unknown = || vec![self.unknown.clone()];
        words.iter().flat_map(|word| self.pieces(word).unwrap_or_else(unknown)).collect()
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.vocab.id(piece).or_else(|| self.vocab.id(&self.unknown))
    }

    fn known(&self, token: &str) -> Option<u32> {
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

/// Builds the tokenizer: `text [SEP]`.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Scripted> {
    let defaults = [
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("x_sep_token", "[X_SEP]"),
        ("pad_token", "[PAD]"),
        ("mask_token", "[MASK]"),
    ];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let entries = vocabulary(files, "prophetnet.tokenizer")?.into_iter().zip(0..).collect();
    let words = ProphetNet {
        vocab: Vocabulary::new(entries),
        unknown: specials.role("unk_token").unwrap_or("[UNK]").into(),
        whole: specials.all().map(|token| token.content.clone()).collect(),
        basic: if settings.flag("do_basic_tokenize", true) { Some(Basic::new(settings)?) } else { None },
    };
    let added = AddedTokens::new(settings.added.clone(), &specials, &words);
    let end = specials.role("sep_token").and_then(|token| added.by_text.get(token)).copied();
    let mut scripted = Scripted::new(Box::new(words), added, &specials, settings);
    scripted.clean_up = settings.flag("clean_up_tokenization_spaces", true);
    Ok(scripted.framed(Vec::new(), end.into_iter().collect()))
}
