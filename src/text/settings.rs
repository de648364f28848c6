//! What a repository says about its tokenizer, read from its several JSON files as transformers reads them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// A token that is found in text before the text is tokenized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddedToken {
    pub content: String,
    /// Only where it is a word of its own.
    pub single_word: bool,
    /// Takes the whitespace on its left.
    pub lstrip: bool,
    /// Takes the whitespace on its right.
    pub rstrip: bool,
    /// Found after normalisation.
    pub normalized: bool,
    pub special: bool,
}

impl AddedToken {
    /// A special token, found as it is spelled.
    pub fn special(content: &str) -> Self {
        Self { content: content.into(), special: true, ..Self::default() }
    }

    /// Reads the JSON form; `special` is what an absent field means.
    fn parse(value: &Value, special: bool) -> Option<Self> {
        let flag = |name: &str, default| value.get(name).and_then(Value::as_bool).unwrap_or(default);
        let special = flag("special", special);
        Some(Self {
            content: value.get("content")?.as_str()?.into(),
            single_word: flag("single_word", false),
            lstrip: flag("lstrip", false),
            rstrip: flag("rstrip", false),
            normalized: flag("normalized", !special),
            special,
        })
    }
}

/// A special token as a file names it: by its text alone or with all its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    pub content: String,
    pub token: Option<AddedToken>,
}

impl Special {
    /// A token known by its text alone.
    pub fn text(content: &str) -> Self {
        Self { content: content.into(), token: None }
    }

    /// A token with its properties.
    pub fn token(token: AddedToken) -> Self {
        Self { content: token.content.clone(), token: Some(token) }
    }

    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::text(text)),
            Value::Object(_) => AddedToken::parse(value, false).map(Self::token),
            _ => None,
        }
    }
}

/// The special tokens that have a role of their own, in the order in which they join the vocabulary.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Everything that the JSON files say.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// `tokenizer_config.json`, with `special_tokens_map.json` over it where that counts.
    options: Map<String, Value>,
    /// config.json.
    pub config: Value,
    /// generation_config.json.
    pub generation: Value,
    /// Tokens with a role: `None` where a file says that there is none.
    roles: BTreeMap<String, Option<Special>>,
    /// Special tokens without a role, where a file lists them.
    pub extra: Option<Vec<Special>>,
    /// The same list under its old name, which some tokenizer classes treat differently.
    pub additional: Option<Vec<Special>>,
    /// Tokens with the ids that the files give them.
    pub added: BTreeMap<u32, AddedToken>,
}

impl Settings {
    /// Reads the files of one model; absent ones say nothing.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        let json = |name: &str| Ok::<Value, Error>(files.json(name)?.unwrap_or(Value::Null));
        let Value::Object(options) = json("tokenizer_config.json")? else {
            return Self::with_options(files, Map::new());
        };
        Self::with_options(files, options)
    }

    fn with_options(files: &ModelFiles, options: Map<String, Value>) -> Result<Self> {
        let json = |name: &str| Ok::<Value, Error>(files.json(name)?.unwrap_or(Value::Null));
        let mut settings = Self {
            options,
            config: json("config.json")?,
            generation: json("generation_config.json")?,
            ..Self::default()
        };
        settings.take_roles();
        if let Some(Value::Object(added)) = settings.options.remove("added_tokens_decoder") {
            for (id, token) in &added {
                if let (Ok(id), Some(token)) = (id.parse(), AddedToken::parse(token, false)) {
                    settings.added.insert(id, token);
                }
            }
        } else {
            settings.special_tokens_map(&json("special_tokens_map.json")?);
            settings.added_tokens(&json("added_tokens.json")?);
            if let Some(Value::Array(tokens)) = json("tokenizer.json")?.get("added_tokens") {
                for token in tokens {
                    let id = token.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
                    if let (Some(id), Some(token)) = (id, AddedToken::parse(token, false)) {
                        settings.added.insert(id, token);
                    }
                }
            }
        }
        settings.resolve_roles();
        Ok(settings)
    }

    /// Moves the special tokens out of the options.
    fn take_roles(&mut self) {
        let old = self.options.remove("additional_special_tokens");
        let new = self.options.remove("extra_special_tokens");
        let is_empty = |value: &Value| match value {
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => true,
        };
        match new.filter(|new| !is_empty(new)).or(old) {
            Some(Value::Object(named)) => self.name_roles(named),
            Some(Value::Array(list)) => self.extra = Some(specials(&list)),
            _ => {}
        }
        let is_token = |key: &str, value: &Value| key.ends_with("_token") && !matches!(value, Value::Bool(_));
        let keys = self.options.iter().filter(|(key, value)| is_token(key, value));
        for key in keys.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            let value = self.options.remove(&key).unwrap_or(Value::Null);
            self.roles.insert(key, Special::parse(&value));
        }
    }

    fn name_roles(&mut self, named: Map<String, Value>) {
        for (name, value) in named {
            self.roles.insert(name, Special::parse(&value));
        }
    }

    fn special_tokens_map(&mut self, map: &Value) {
        let Value::Object(map) = map else { return };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("additional_special_tokens", Value::Array(list)) => self.additional = Some(specials(list)),
                ("extra_special_tokens", Value::Array(list)) => {
                    let mut all = self.extra.take().unwrap_or_default();
                    for token in specials(list) {
                        if !all.contains(&token) {
                            all.push(token);
                        }
                    }
                    self.extra = Some(all);
                }
                ("extra_special_tokens", Value::Object(named)) => self.name_roles(named.clone()),
                (_, Value::Object(_)) => {
                    let token =
                        AddedToken::parse(value, true).map(|token| AddedToken { special: true, ..token });
                    self.roles.insert(key.clone(), token.map(Special::token));
                }
                _ => {
                    self.roles.insert(key.clone(), Special::parse(value));
                }
            }
        }
    }

    fn added_tokens(&mut self, map: &Value) {
        let Value::Object(map) = map else { return };
        let named = self.roles.values().flatten().chain(self.extra.iter().flatten());
        let known: Vec<String> = named.map(|token| token.content.clone()).collect();
        for (content, id) in map {
            let Some(id) = id.as_u64().and_then(|id| u32::try_from(id).ok()) else { continue };
            let special = known.contains(content);
            let token = AddedToken {
                content: content.clone(),
                special,
                normalized: !special,
                ..AddedToken::default()
            };
            self.added.insert(id, token);
        }
    }

    /// Tokens with a role take the properties that the added tokens give them.
    fn resolve_roles(&mut self) {
        for special in self.roles.values_mut().flatten() {
            if let Some(token) = self.added.values().rev().find(|token| token.content == special.content) {
                special.token = Some(token.clone());
            }
        }
    }

    /// A setting of tokenizer_config.json.
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|value| !value.is_null())
    }

    /// A yes-or-no setting of tokenizer_config.json.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.option(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A text setting of tokenizer_config.json.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.option(name).and_then(Value::as_str)
    }

    /// `model_type` of config.json, or nothing.
    pub fn model_type(&self) -> &str {
        self.config.get("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The special tokens once a tokenizer class has filled in its own: `defaults` for roles that no file
    /// mentions, `extra` where no file lists tokens without a role.
    pub fn specials(&self, defaults: &[(&str, &str)], extra: Vec<Special>) -> Specials {
        let mut roles = self.roles.clone();
        for (role, content) in defaults {
            roles.entry((*role).to_string()).or_insert_with(|| Some(Special::text(content)));
        }
        let rank = |role: &str| ROLES.iter().position(|known| *known == role).unwrap_or(ROLES.len());
        let mut roles: Vec<_> = roles.into_iter().filter_map(|(role, token)| Some((role, token?))).collect();
        roles.sort_by_key(|(role, _)| rank(role));
        Specials { roles, extra: self.extra.clone().unwrap_or(extra) }
    }
}

fn specials(list: &[Value]) -> Vec<Special> {
    list.iter().filter_map(Special::parse).collect()
}

/// The special tokens of one tokenizer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specials {
    /// Tokens with a role, in the order in which they join the vocabulary.
    pub roles: Vec<(String, Special)>,
    /// Tokens without one.
    pub extra: Vec<Special>,
}

impl Specials {
    /// The token of a role (`eos_token`, ...).
    pub fn role(&self, role: &str) -> Option<&str> {
        self.roles.iter().find(|(name, _)| name == role).map(|(_, token)| token.content.as_str())
    }

    /// Gives a role's token properties where the files gave it none.
    pub fn refine(&mut self, role: &str, refine: impl Fn(AddedToken) -> AddedToken) {
        for (_, special) in
            self.roles.iter_mut().filter(|(name, special)| name == role && special.token.is_none())
        {
            special.token = Some(refine(AddedToken::special(&special.content)));
        }
    }

    /// All of them, those with a role first.
    pub fn all(&self) -> impl Iterator<Item = &Special> {
        self.roles.iter().map(|(_, token)| token).chain(&self.extra)
    }
}
