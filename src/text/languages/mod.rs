//! Language tags of multilingual models, and their positions in source and target.

pub(super) mod codes;
mod near;

use super::backend::Backend;
use super::class::Class;
use super::config::TokenizerConfig;
use crate::error::{Error, Result};

/// Setting with the token forced after the first.
const FORCED_BOS: &str = "forced_bos_token_id";
/// Setting with the first token.
const DECODER_START: &str = "decoder_start_token_id";
/// Field of tokenizer_config.json with the default source language.
const SRC_LANG: &str = "src_lang";
/// Field of tokenizer_config.json with the default target language.
const TGT_LANG: &str = "tgt_lang";
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
    /// Other added tokens, which take a language's place if they are named, such as the task tokens of
    /// mREBEL.
    others: Vec<(String, u32)>,
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

    /// Returns the tag of a language.
    fn tag(&self, language: &str) -> String {
        format!("{}{language}{}", self.open, self.close)
    }

    /// Returns the language that a tag names.
    fn language<'a>(&self, tag: &'a str) -> Option<&'a str> {
        tag.strip_prefix(self.open)?.strip_suffix(self.close).filter(|name| !name.is_empty())
    }
}

/// Returns all tokens that may be language tags of the class; the vocabulary need not have them. They are the
/// codes that the class itself has, the special tokens that were added to the vocabulary, and the languages
/// that the configuration names.
fn candidates(class: Class, style: &TagStyle, config: &TokenizerConfig) -> Vec<String> {
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
    let mut tags: Vec<String> =
        listed.iter().flat_map(|codes| codes.split_whitespace()).map(String::from).collect();
    if class == Class::M2m100 {
        tags.extend(codes::m2m100(config).iter().map(|code| style.tag(code)));
    }
    let listed = config.extra.iter().chain(&config.additional).flatten().map(|token| &token.content);
    let added = config.added.values().filter(|token| token.special).map(|token| &token.content);
    tags.extend(listed.chain(added).filter(|token| style.language(token).is_some_and(is_name)).cloned());
    let named = [SRC_LANG, TGT_LANG].into_iter().filter_map(|option| config.text(option));
    tags.extend(named.map(|name| style.tag(bare(name))));
    tags
}

/// Returns true if a text may name a language: letters, digits, `_` and `-`, but no brackets as in `<mask>`.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

impl LanguageTags {
    /// Collects the language tags of a model: those of the class and `more`, as far as the vocabulary has
    /// them.
    pub fn new(class: Class, config: &TokenizerConfig, backend: &dyn Backend, more: Vec<String>) -> Self {
        let Some(style) = TagStyle::of(class, config) else { return Self::default() };
        let specials = config.special_tokens(&[("eos_token", "</s>")], Vec::new());
        let has_role = |tag: &str| specials.roles.iter().any(|(_, token)| token.content == tag);
        let tags = candidates(class, &style, config).into_iter().chain(more).filter(|tag| !has_role(tag));
        let known = tags.filter_map(|tag| Some((style.language(&tag)?.to_string(), backend.id(&tag)?)));
        let mut known: Vec<(String, u32)> = known.collect();
        known.sort_unstable_by_key(|(_, id)| *id);
        known.dedup();
        if known.is_empty() {
            return Self::default();
        }
        let others = config.added.values().map(|token| &token.content).filter(|text| !has_role(text));
        let others = others.filter_map(|text| Some((text.clone(), backend.id(text)?))).collect();
        let end = specials.role("eos_token").and_then(|token| backend.id(token)).unwrap_or(2);
        let source_tags_target = matches!(class, Class::MBart | Class::MBart50 | Class::Nllb);
        let is_set = |key: &&str| first_token(config, key).is_some();
        let mut tags = Self {
            position: style.position,
            known,
            others,
            end,
            source_tags_target,
            generation: FIRST_TOKENS.into_iter().filter(is_set).collect(),
            ..Self::default()
        };
        if style.position != TagPosition::InText {
            let named = |option: &str| config.text(option).map(bare).map(String::from);
            let usual = |language: Option<&str>| {
                language.filter(|language| tags.id_of(language).is_some()).map(String::from)
            };
            tags.defaults = Languages {
                src: named(SRC_LANG).or_else(|| usual(style.source)),
                tgt: named(TGT_LANG).or_else(|| tags.generated(config)).or_else(|| usual(style.target)),
            };
            // a tag that already is the start token is not forced once more after it
            let target = tags.defaults.tgt.as_ref().and_then(|name| tags.id_of(name));
            if target.is_some() && first_token(config, DECODER_START) == target {
                tags.generation.push(FORCED_BOS);
            }
        }
        tags
    }

    /// Returns the language whose tag the model's generation begins with.
    fn generated(&self, config: &TokenizerConfig) -> Option<String> {
        FIRST_TOKENS.iter().filter_map(|key| first_token(config, key)).find_map(|id| self.name_of(id))
    }

    /// Returns the name of a tag.
    fn name_of(&self, id: u32) -> Option<String> {
        let mut tags = self.known.iter().chain(&self.others);
        tags.find(|(_, tag)| *tag == id).map(|(name, _)| name.clone())
    }

    /// Returns the id of the tag that a language or another added token has.
    fn id_of(&self, name: &str) -> Option<u32> {
        let find = |tags: &[(String, u32)], wanted: &str| {
            tags.iter().find(|(known, _)| known == wanted).map(|(_, id)| *id)
        };
        find(&self.known, bare(name)).or_else(|| find(&self.others, name))
    }

    /// Checks that the vocabulary has the tags of the languages used if the user names none.
    ///
    /// # Errors
    /// [`Error::Language`].
    pub fn check_defaults(&self) -> Result<()> {
        [&self.defaults.src, &self.defaults.tgt]
            .into_iter()
            .flatten()
            .try_for_each(|name| self.tag(name).map(|_| ()))
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
            None => {
                let side = if target { "target" } else { "source" };
                return Err(Error::NoLanguage { side, languages: self.languages() });
            }
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
        self.id_of(name).ok_or_else(|| Error::Language {
            language: name.to_string(),
            nearest: near::nearest(bare(name), self.known.iter().map(|(known, _)| known.as_str())),
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

/// Returns the id that a generation setting names, in generation_config.json or else in config.json.
fn first_token(config: &TokenizerConfig, key: &str) -> Option<u32> {
    let files = [&config.generation, config.model.value()];
    files.iter().find_map(|file| file.get(key)?.as_u64()).and_then(|id| u32::try_from(id).ok())
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
