//! Languages: the tags of multilingual models and where they stand.

pub(super) mod codes;
mod near;

use serde_json::Value;

use super::Codec;
use super::class::Class;
use super::marian::language_tag;
use super::settings::{Settings, Special};
use crate::error::{Error, Result};

/// The languages of a translation, as the user names them; `None` takes the model's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages {
    /// The source text's language.
    pub src: Option<String>,
    /// The target text's language.
    pub tgt: Option<String>,
}

/// Where the tags of a family stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The model has no tags.
    #[default]
    Nowhere,
    /// `tag text end`; generation begins with the target's tag.
    Before,
    /// `text end tag`; the decoder starts with the target's tag.
    After,
    /// `text end tag`; generation begins with the target's tag.
    AfterForced,
    /// `tag text end`, the target with another end before its tag; generation begins with the target's tag.
    BeforeEnd,
    /// The target's tag is written at the start of the source text.
    InText,
}

/// How a family places and spells its tags.
struct Style {
    place: Place,
    open: &'static str,
    close: &'static str,
    /// The source language that the family takes where nothing names one.
    source: Option<&'static str>,
    /// The same for the target language.
    target: Option<&'static str>,
}

/// The language tags of one model.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    place: Place,
    /// The languages' names and the ids of their tags, in the order of the ids.
    known: Vec<(String, u32)>,
    defaults: Languages,
    /// Whether a target text without a language takes the source's.
    same_target: bool,
    end: u32,
}

impl Style {
    fn of(class: Class, settings: &Settings) -> Option<Self> {
        let style =
            |place, mark, source, target| Some(Self { place, open: mark, close: mark, source, target });
        match class {
            Class::Marian => {
                Some(Self { place: Place::InText, open: ">>", close: "<<", source: None, target: None })
            }
            Class::MBart => style(Place::After, "", Some("en_XX"), None),
            Class::MBart50 => style(Place::Before, "", Some("en_XX"), None),
            Class::Nllb if settings.flag("legacy_behaviour", false) => {
                style(Place::AfterForced, "", Some("eng_Latn"), None)
            }
            Class::Nllb => style(Place::Before, "", Some("eng_Latn"), None),
            Class::M2m100 => style(Place::Before, "__", Some("en"), None),
            Class::Seamless => style(Place::BeforeEnd, "__", Some("eng"), Some("fra")),
            Class::PlBart => {
                let multi = settings.text("language_codes") == Some("multi");
                style(Place::After, "__", multi.then_some("en_XX"), None)
            }
            _ => None,
        }
    }

    /// The language that a tag names.
    fn name<'a>(&self, tag: &'a str) -> Option<&'a str> {
        tag.strip_prefix(self.open)?.strip_suffix(self.close).filter(|name| !name.is_empty())
    }
}

/// Every token that may be a language tag of the family.
fn candidates(class: Class, settings: &Settings) -> Vec<String> {
    let listed: &[&str] = match class {
        Class::MBart => &[codes::MBART],
        Class::MBart50 => &[codes::MBART, codes::MBART50],
        Class::Nllb => &[codes::NLLB],
        Class::PlBart if settings.text("language_codes") == Some("multi") => {
            &[codes::PLBART, codes::PLBART_MULTI]
        }
        Class::PlBart => &[codes::PLBART],
        _ => &[],
    };
    let listed = listed.iter().flat_map(|codes| codes.split_whitespace()).map(String::from);
    match class {
        Class::M2m100 => codes::m2m100(settings).iter().map(|code| format!("__{code}__")).collect(),
        Class::Nllb | Class::Seamless => {
            let content = |token: &Special| token.content.clone();
            let named = settings.extra.iter().chain(&settings.additional).flatten().map(content);
            let added = settings.added.values().map(|token| token.content.clone());
            listed.chain(named.chain(added).filter(|token| is_tag(class, token))).collect()
        }
        _ => listed.collect(),
    }
}

/// Whether a special token looks like a tag of the family: `eng_Latn` or `__eng__`.
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

impl Tags {
    /// The tags of a multilingual model: of `candidates` beyond those that its settings name, the ones that
    /// its vocabulary holds.
    pub fn new(class: Class, settings: &Settings, codec: &dyn Codec, more: Vec<String>) -> Self {
        let Some(style) = Style::of(class, settings) else { return Self::default() };
        let tags = candidates(class, settings).into_iter().chain(more);
        let known = tags.filter_map(|tag| Some((style.name(&tag)?.to_string(), codec.id(&tag)?)));
        let mut known: Vec<(String, u32)> = known.collect();
        known.sort_unstable_by_key(|(_, id)| *id);
        known.dedup();
        if known.is_empty() {
            return Self::default();
        }
        let specials = settings.specials(&[("eos_token", "</s>")], Vec::new());
        let end = specials.role("eos_token").and_then(|token| codec.id(token)).unwrap_or(2);
        let same_target = matches!(class, Class::MBart | Class::MBart50 | Class::Nllb);
        let mut tags = Self { place: style.place, known, end, same_target, ..Self::default() };
        if style.place != Place::InText {
            let named = |option: &str| settings.text(option).map(bare).map(String::from);
            tags.defaults = Languages {
                src: named("src_lang").or(style.source.map(String::from)),
                tgt: named("tgt_lang")
                    .or_else(|| tags.generated(settings))
                    .or(style.target.map(String::from)),
            };
        }
        tags
    }

    /// The language whose tag the generation settings begin with.
    fn generated(&self, settings: &Settings) -> Option<String> {
        let files = [&settings.generation, &settings.config];
        let keys = ["forced_bos_token_id", "decoder_start_token_id"];
        let ids = keys.iter().flat_map(|key| files.map(|file| file.get(key).and_then(Value::as_u64)));
        let name =
            |id: u64| self.known.iter().find(|(_, tag)| u64::from(*tag) == id).map(|(name, _)| name.clone());
        ids.flatten().find_map(name)
    }

    /// The ids of a source text.
    pub fn encode_source(&self, codec: &dyn Codec, text: &str, langs: &Languages) -> Result<Vec<u32>> {
        match (self.place, &langs.tgt) {
            (Place::Nowhere, _) => codec.encode(text, true),
            (Place::InText, Some(name)) if language_tag(text).0.is_none() => {
                self.tag(name)?;
                codec.encode(&format!(">>{}<< {text}", bare(name)), true)
            }
            (Place::InText, _) => codec.encode(text, true),
            _ => {
                let name = langs.src.as_ref().or(self.defaults.src.as_ref());
                self.frame(codec.encode(text, false)?, name, false)
            }
        }
    }

    /// The ids of a target text.
    pub fn encode_target(&self, codec: &dyn Codec, text: &str, langs: &Languages) -> Result<Vec<u32>> {
        if matches!(self.place, Place::Nowhere | Place::InText) {
            return codec.encode(text, true);
        }
        let source = langs.src.as_ref().or(self.defaults.src.as_ref()).filter(|_| self.same_target);
        let name = langs.tgt.as_ref().or(self.defaults.tgt.as_ref()).or(source);
        self.frame(codec.encode(text, false)?, name, true)
    }

    fn frame(&self, ids: Vec<u32>, name: Option<&String>, target: bool) -> Result<Vec<u32>> {
        let tag = match name {
            Some(name) => vec![self.tag(name)?],
            // without a language these take the end token alone
            None if self.place == Place::After => Vec::new(),
            None => return Err(Error::NoLanguage { languages: self.languages() }),
        };
        let end = vec![self.end];
        Ok(match self.place {
            Place::BeforeEnd if target => [end.clone(), tag, ids, end].concat(),
            Place::Before | Place::BeforeEnd => [tag, ids, end].concat(),
            _ => [ids, end, tag].concat(),
        })
    }

    /// The id of a language's tag.
    fn tag(&self, name: &str) -> Result<u32> {
        let wanted = bare(name);
        let found = self.known.iter().find(|(known, _)| known == wanted).map(|(_, id)| *id);
        found.ok_or_else(|| Error::Language {
            language: name.to_string(),
            nearest: near::nearest(wanted, self.known.iter().map(|(known, _)| known.as_str())),
        })
    }

    /// The names of the languages, in the order of their tags.
    pub fn languages(&self) -> Vec<String> {
        self.known.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The tag that generation begins with.
    pub fn forced_bos(&self, langs: &Languages) -> Result<Option<u32>> {
        let forced = matches!(self.place, Place::Before | Place::AfterForced | Place::BeforeEnd);
        self.target_tag(langs, forced)
    }

    /// The tag that the decoder starts with.
    pub fn decoder_start(&self, langs: &Languages) -> Result<Option<u32>> {
        self.target_tag(langs, self.place == Place::After)
    }

    fn target_tag(&self, langs: &Languages, wanted: bool) -> Result<Option<u32>> {
        match langs.tgt.as_ref().or(self.defaults.tgt.as_ref()) {
            Some(name) if wanted => self.tag(name).map(Some),
            _ => Ok(None),
        }
    }

    /// The languages that are taken where the user names none.
    pub fn defaults(&self) -> &Languages {
        &self.defaults
    }
}

/// A language's name without the marks of a tag.
fn bare(name: &str) -> &str {
    name.strip_prefix(">>").and_then(|name| name.strip_suffix("<<")).unwrap_or(name).trim_matches('_')
}
