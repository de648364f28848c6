//! Language tags of multilingual models, and their positions in source and target.

pub(super) mod codes;
mod near;

use serde_json::Value;

use super::backend::Backend;
use super::class::Class;
use super::config::{SpecialToken, TokenizerConfig};
use crate::error::{Error, Result};

/// Setting with the token forced after the first.
const FORCED_BOS: &str = "forced_bos_token_id";
/// Setting with the first token.
const DECODER_START: &str = "decoder_start_token_id";
/// Generation settings that may hold a language's tag.
const FIRST_TOKENS: [&str; 2] = [FORCED_BOS, DECODER_START];

/// Source and target language, as the user names them; `None` stands for the model's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages {
    /// Language of the source.
    pub src: Option<String>,
    /// Language of the target.
    pub tgt: Option<String>,
}

/// Position of a family's language tags, and their use in generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TagPosition {
    /// The model has no language tags.
    #[default]
    None,
    /// `tag text end`; generation is forced to begin with the target's tag.
    Prefix,
    /// `text end tag`; the target's tag is the decoder's start token.
    Suffix,
    /// `text end tag`; generation is forced to begin with the target's tag.
    SuffixForced,
    /// `tag text end` for a source, `end tag text end` for a target; generation is forced to begin with the
    /// target's tag.
    PrefixAfterEnd,
    /// The source text itself starts with the target's tag.
    InText,
}

/// Position and spelling of a family's language tags.
struct TagStyle {
    position: TagPosition,
    open: &'static str,
    close: &'static str,
    /// Default source language.
    source: Option<&'static str>,
    /// Default target language.
    target: Option<&'static str>,
}

/// The language tags of one model.
#[derive(Clone, Debug, Default)]
pub(super) struct LanguageTags {
    position: TagPosition,
    /// Languages and the ids of their tags, ordered by id.
    known: Vec<(String, u32)>,
    defaults: Languages,
    /// A target text without a language gets the source's tag.
    source_tags_target: bool,
    /// The generation settings that name a first token or one forced after it.
    generation: Vec<&'static str>,
    /// Id of the end token.
    end: u32,
}

impl TagStyle {
    /// Returns the style of a tokenizer class; `None` if it has no language tags.
    fn of(class: Class, config: &TokenizerConfig) -> Option<Self> {
        let style =
            |position, mark, source, target| Some(Self { position, open: mark, close: mark, source, target });
        match class {
            Class::Marian => Some(Self {
                position: TagPosition::InText,
                open: ">>",
                close: "<<",
                source: None,
                target: None,
            }),
            Class::MBart => style(TagPosition::Suffix, "", Some("en_XX"), None),
            Class::MBart50 => style(TagPosition::Prefix, "", Some("en_XX"), None),
            Class::Nllb if config.flag("legacy_behaviour", false) => {
                style(TagPosition::SuffixForced, "", Some("eng_Latn"), None)
            }
            Class::Nllb => style(TagPosition::Prefix, "", Some("eng_Latn"), None),
            Class::M2m100 => style(TagPosition::Prefix, "__", Some("en"), None),
            Class::Seamless => style(TagPosition::PrefixAfterEnd, "__", Some("eng"), Some("fra")),
            Class::PlBart => {
                let multi = config.text("language_codes") == Some("multi");
                style(TagPosition::Suffix, "__", multi.then_some("en_XX"), None)
            }
            _ => None,
        }
    }

    /// Returns the language that a tag names.
    fn language<'a>(&self, tag: &'a str) -> Option<&'a str> {
        tag.strip_prefix(self.open)?.strip_suffix(self.close).filter(|name| !name.is_empty())
    }
}

/// Returns all tokens that may be language tags of the class; the vocabulary need not have them.
fn candidates(class: Class, config: &TokenizerConfig) -> Vec<String> {
    let listed: &[&str] = match class {
        Class::MBart => &[codes::MBART],
        Class::MBart50 => &[codes::MBART, codes::MBART50],
        Class::Nllb => &[codes::NLLB],
        Class::PlBart if config.text("language_codes") == Some("multi") => {
            &[codes::PLBART, codes::PLBART_MULTI]
        }
        Class::PlBart => &[codes::PLBART],
        _ => &[],
    };
    let listed = listed.iter().flat_map(|codes| codes.split_whitespace()).map(String::from);
    match class {
        Class::M2m100 => codes::m2m100(config).iter().map(|code| format!("__{code}__")).collect(),
        Class::Nllb | Class::Seamless => {
            let content = |token: &SpecialToken| token.content.clone();
            let named = config.extra.iter().chain(&config.additional).flatten().map(content);
            let added = config.added.values().map(|token| token.content.clone());
            listed.chain(named.chain(added).filter(|token| is_tag(class, token))).collect()
        }
        _ => listed.collect(),
    }
}

/// Returns true if a special token looks like a language tag of the class: `eng_Latn` or `__eng__`.
fn is_tag(class: Class, token: &str) -> bool {
    let letters =
        |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    match class {
        Class::Nllb => {
            token.split_once('_').is_some_and(|(code, script)| letters(code, 3) && letters(script, 4))
        }
        _ => token.len() > 4 && token.starts_with("__") && token.ends_with("__"),
    }
}

impl LanguageTags {
    /// Collects the language tags of a model: those of the class and `more`, as far as the vocabulary has
    /// them.
    pub fn new(class: Class, config: &TokenizerConfig, backend: &dyn Backend, more: Vec<String>) -> Self {
        let Some(style) = TagStyle::of(class, config) else { return Self::default() };
        let tags = candidates(class, config).into_iter().chain(more);
        let known = tags.filter_map(|tag| Some((style.language(&tag)?.to_string(), backend.id(&tag)?)));
        let mut known: Vec<(String, u32)> = known.collect();
        known.sort_unstable_by_key(|(_, id)| *id);
        known.dedup();
        if known.is_empty() {
            return Self::default();
        }
        let specials = config.special_tokens(&[("eos_token", "</s>")], Vec::new());
        let end = specials.role("eos_token").and_then(|token| backend.id(token)).unwrap_or(2);
        let source_tags_target = matches!(class, Class::MBart | Class::MBart50 | Class::Nllb);
        let files = [&config.generation, config.model.value()];
        let is_set = |key: &&str| files.iter().any(|file| file.get(*key).is_some_and(Value::is_u64));
        let mut tags = Self {
            position: style.position,
            known,
            end,
            source_tags_target,
            generation: FIRST_TOKENS.into_iter().filter(is_set).collect(),
            ..Self::default()
        };
        if style.position != TagPosition::InText {
            let named = |option: &str| config.text(option).map(bare).map(String::from);
            tags.defaults = Languages {
                src: named("src_lang").or(style.source.map(String::from)),
                tgt: named("tgt_lang").or_else(|| tags.generated(config)).or(style.target.map(String::from)),
            };
        }
        tags
    }

    /// Returns the language whose tag the model's generation begins with.
    fn generated(&self, config: &TokenizerConfig) -> Option<String> {
        let files = [&config.generation, config.model.value()];
        let ids = FIRST_TOKENS.iter().flat_map(|key| files.map(|file| file.get(key).and_then(Value::as_u64)));
        let name =
            |id: u64| self.known.iter().find(|(_, tag)| u64::from(*tag) == id).map(|(name, _)| name.clone());
        ids.flatten().find_map(name)
    }

    /// Encodes a source text with its language tag.
    pub fn encode_source(&self, backend: &dyn Backend, text: &str, langs: &Languages) -> Result<Vec<u32>> {
        match (self.position, &langs.tgt) {
            (TagPosition::None, _) => match langs.src.as_ref().or(langs.tgt.as_ref()) {
                Some(name) => Err(Error::Usage(format!(
                    "the model has no languages, so '{name}' is not one: leave --src-lang and --tgt-lang out"
                ))),
                None => backend.encode(text, true),
            },
            (TagPosition::InText, Some(name)) if split_tag(text).0.is_none() => {
                self.tag(name)?;
                backend.encode(&format!(">>{}<< {text}", bare(name)), true)
            }
            (TagPosition::InText, _) => backend.encode(text, true),
            _ => {
                let name = langs.src.as_ref().or(self.defaults.src.as_ref());
                self.add_tag(backend.encode(text, false)?, name, false)
            }
        }
    }

    /// Encodes a target text with its language tag.
    pub fn encode_target(&self, backend: &dyn Backend, text: &str, langs: &Languages) -> Result<Vec<u32>> {
        if matches!(self.position, TagPosition::None | TagPosition::InText) {
            return backend.encode(text, true);
        }
        let source = langs.src.as_ref().or(self.defaults.src.as_ref()).filter(|_| self.source_tags_target);
        let name = langs.tgt.as_ref().or(self.defaults.tgt.as_ref()).or(source);
        self.add_tag(backend.encode(text, false)?, name, true)
    }

    /// Adds the end token and the tag of a language to the ids of a text.
    fn add_tag(&self, ids: Vec<u32>, name: Option<&String>, target: bool) -> Result<Vec<u32>> {
        let tag = match name {
            Some(name) => vec![self.tag(name)?],
            // without a language such a text gets only the end token
            None if self.position == TagPosition::Suffix => Vec::new(),
            None => return Err(Error::NoLanguage { languages: self.languages() }),
        };
        let end = vec![self.end];
        Ok(match self.position {
            TagPosition::PrefixAfterEnd if target => [end.clone(), tag, ids, end].concat(),
            TagPosition::Prefix | TagPosition::PrefixAfterEnd => [tag, ids, end].concat(),
            _ => [ids, end, tag].concat(),
        })
    }

    /// Returns the id of a language's tag.
    fn tag(&self, name: &str) -> Result<u32> {
        let wanted = bare(name);
        let found = self.known.iter().find(|(known, _)| known == wanted).map(|(_, id)| *id);
        found.ok_or_else(|| Error::Language {
            language: name.to_string(),
            nearest: near::nearest(wanted, self.known.iter().map(|(known, _)| known.as_str())),
        })
    }

    /// Returns the languages, ordered by the ids of their tags.
    pub fn languages(&self) -> Vec<String> {
        self.known.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Returns the tag that generation is forced to begin with.
    pub fn forced_bos(&self, langs: &Languages) -> Result<Option<u32>> {
        let forced = matches!(
            self.position,
            TagPosition::Prefix | TagPosition::SuffixForced | TagPosition::PrefixAfterEnd
        );
        self.target_tag(langs, forced, FORCED_BOS)
    }

    /// Returns the tag that replaces the decoder's start token.
    pub fn decoder_start(&self, langs: &Languages) -> Result<Option<u32>> {
        self.target_tag(langs, self.position == TagPosition::Suffix, DECODER_START)
    }

    /// Returns the tag of the language that the user names, else of the default language unless the
    /// generation setting `key` has a token for the same position; `None` if no tag is `wanted`.
    fn target_tag(&self, langs: &Languages, wanted: bool, key: &str) -> Result<Option<u32>> {
        let default = self.defaults.tgt.as_ref().filter(|_| !self.generation.contains(&key));
        match langs.tgt.as_ref().or(default) {
            Some(name) if wanted => self.tag(name).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the languages used if the user names none.
    pub fn defaults(&self) -> &Languages {
        &self.defaults
    }
}

/// Splits a text into its leading language tag, such as `>>fra<<`, and the rest.
pub(super) fn split_tag(text: &str) -> (Option<&str>, &str) {
    match text.starts_with(">>").then(|| text.find("<<")).flatten() {
        Some(end) => (Some(&text[..end + 2]), &text[end + 2..]),
        None => (None, text),
    }
}

/// Removes the delimiters of a tag from a language's name.
fn bare(name: &str) -> &str {
    name.strip_prefix(">>").and_then(|name| name.strip_suffix("<<")).unwrap_or(name).trim_matches('_')
}
