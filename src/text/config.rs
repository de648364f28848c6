//! Tokenizer configuration: tokenizer_config.json, special_tokens_map.json and added_tokens.json, merged as
//! transformers does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// A token that is found in the text before the model splits the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddedToken {
    pub content: String,
    /// Matches whole words only.
    pub single_word: bool,
    /// Strips the whitespace to its left.
    pub lstrip: bool,
    /// Strips the whitespace to its right.
    pub rstrip: bool,
    /// Matches normalized text instead of the original.
    pub normalized: bool,
    pub special: bool,
}

impl AddedToken {
    /// Creates a special token that matches exactly its spelling.
    pub fn special(content: &str) -> Self {
        Self { content: content.into(), special: true, ..Self::default() }
    }

    /// Parses the JSON form; `special` is the default of the field of that name.
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

/// A special token as a file lists it: its text, perhaps with its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpecialToken {
    pub content: String,
    pub token: Option<AddedToken>,
}

impl SpecialToken {
    /// Creates a token without properties.
    pub fn text(content: &str) -> Self {
        Self { content: content.into(), token: None }
    }

    /// Creates a token with properties.
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

/// Maximum number of added tokens, and of special tokens.
const MAX_TOKENS: usize = 1 << 15;

/// Roles of special tokens, in the order in which their tokens are added to the vocabulary.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The tokenizer's configuration files, with config.json and generation_config.json.
#[derive(Debug, Default)]
pub(crate) struct TokenizerConfig {
    /// tokenizer_config.json without its special tokens.
    options: Map<String, Value>,
    /// config.json.
    pub model: ModelConfig,
    /// generation_config.json.
    pub generation: Value,
    /// Special tokens by role; `None` for a role that a file sets to null.
    roles: BTreeMap<String, Option<SpecialToken>>,
    /// `extra_special_tokens`: special tokens without a role, if a file lists them.
    pub extra: Option<Vec<SpecialToken>>,
    /// `additional_special_tokens`, the list's old name, which some tokenizer classes treat differently.
    pub additional: Option<Vec<SpecialToken>>,
    /// Added tokens by id.
    pub added: BTreeMap<u32, AddedToken>,
}

impl TokenizerConfig {
    /// Reads the configuration files that the model has.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        let json = |name: &str| {
            let value = files.json(name)?.unwrap_or(Value::Null);
            check_counts(name, &value)?;
            Ok::<Value, Error>(value)
        };
        let options = match json("tokenizer_config.json")? {
            Value::Object(options) => options,
            _ => Map::new(),
        };
        let model = if files.has("config.json") { files.config()?.clone() } else { ModelConfig::default() };
        let mut config =
            Self { options, model, generation: json("generation_config.json")?, ..Self::default() };
        config.take_roles();
        if let Some(Value::Object(added)) = config.options.remove("added_tokens_decoder") {
            for (id, token) in &added {
                if let (Ok(id), Some(token)) = (id.parse(), AddedToken::parse(token, false)) {
                    config.added.insert(id, token);
                }
            }
        } else {
            config.special_tokens_map(&json("special_tokens_map.json")?);
            config.added_tokens(&json("added_tokens.json")?);
            if let Some(Value::Array(tokens)) = json("tokenizer.json")?.get("added_tokens") {
                for token in tokens {
                    let id = token.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
                    if let (Some(id), Some(token)) = (id, AddedToken::parse(token, false)) {
                        config.added.insert(id, token);
                    }
                }
            }
        }
        config.resolve_roles();
        Ok(config)
    }

    /// Moves the special tokens from `options` to `roles` and `extra`.
    fn take_roles(&mut self) {
        let old = self.options.remove("additional_special_tokens");
        let new = self.options.remove("extra_special_tokens");
        let is_empty = |value: &Value| match value {
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => true,
        };
        match new.filter(|new| !is_empty(new)).or(old) {
            Some(Value::Object(named)) => self.add_roles(named),
            Some(Value::Array(list)) => self.extra = Some(parse_list(&list)),
            _ => {}
        }
        let is_token = |key: &str, value: &Value| key.ends_with("_token") && !matches!(value, Value::Bool(_));
        let keys = self.options.iter().filter(|(key, value)| is_token(key, value));
        for key in keys.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            let value = self.options.remove(&key).unwrap_or(Value::Null);
            self.roles.insert(key, SpecialToken::parse(&value));
        }
    }

    /// Adds special tokens by role.
    fn add_roles(&mut self, named: Map<String, Value>) {
        for (name, value) in named {
            self.roles.insert(name, SpecialToken::parse(&value));
        }
    }

    /// Merges special_tokens_map.json.
    fn special_tokens_map(&mut self, map: &Value) {
        let Value::Object(map) = map else { return };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("additional_special_tokens", Value::Array(list)) => self.additional = Some(parse_list(list)),
                ("extra_special_tokens", Value::Array(list)) => {
                    let mut all = self.extra.take().unwrap_or_default();
                    for token in parse_list(list) {
                        if !all.contains(&token) {
                            all.push(token);
                        }
                    }
                    self.extra = Some(all);
                }
                ("extra_special_tokens", Value::Object(named)) => self.add_roles(named.clone()),
                (_, Value::Object(_)) => {
                    let token =
                        AddedToken::parse(value, true).map(|token| AddedToken { special: true, ..token });
                    self.roles.insert(key.clone(), token.map(SpecialToken::token));
                }
                _ => {
                    self.roles.insert(key.clone(), SpecialToken::parse(value));
                }
            }
        }
    }

    /// Merges added_tokens.json.
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

    /// Copies the properties of added tokens to the tokens with a role.
    fn resolve_roles(&mut self) {
        for special in self.roles.values_mut().flatten() {
            if let Some(token) = self.added.values().rev().find(|token| token.content == special.content) {
                special.token = Some(token.clone());
            }
        }
    }

    /// Returns a field of tokenizer_config.json, unless it is null.
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|value| !value.is_null())
    }

    /// Returns a boolean field of tokenizer_config.json.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.option(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// Returns a string field of tokenizer_config.json.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.option(name).and_then(Value::as_str)
    }

    /// Returns the special tokens, with the defaults of a tokenizer class: `defaults` for roles that no file
    /// mentions, `extra` if no file lists tokens without a role.
    pub fn special_tokens(&self, defaults: &[(&str, &str)], extra: Vec<SpecialToken>) -> SpecialTokens {
        let mut roles = self.roles.clone();
        for (role, content) in defaults {
            roles.entry((*role).to_string()).or_insert_with(|| Some(SpecialToken::text(content)));
        }
        let rank = |role: &str| ROLES.iter().position(|known| *known == role).unwrap_or(ROLES.len());
        let mut roles: Vec<_> = roles.into_iter().filter_map(|(role, token)| Some((role, token?))).collect();
        roles.sort_by_key(|(role, _)| rank(role));
        SpecialTokens { roles, extra: self.extra.clone().unwrap_or(extra) }
    }
}

/// Checks the number of a file's fields and of its added and special tokens. Work grows faster than their number.
fn check_counts(file: &str, value: &Value) -> Result<()> {
    const LISTS: [&str; 4] =
        ["added_tokens", "added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"];
    let length = |value: &Value| match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    let lists = LISTS.iter().filter_map(|name| value.get(name));
    match lists.chain([value]).map(length).find(|&count| count > MAX_TOKENS) {
        Some(count) => Err(Error::BadFile {
            file: file.into(),
            why: format!("a list of tokens has {count} entries, more than the {MAX_TOKENS} that are read"),
        }),
        None => Ok(()),
    }
}

fn parse_list(list: &[Value]) -> Vec<SpecialToken> {
    list.iter().filter_map(SpecialToken::parse).collect()
}

/// Special tokens of one tokenizer.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpecialTokens {
    /// Tokens with a role, in the order in which they are added to the vocabulary.
    pub roles: Vec<(String, SpecialToken)>,
    /// Tokens without a role.
    pub extra: Vec<SpecialToken>,
}

impl SpecialTokens {
    /// Returns the token of a role such as `eos_token`.
    pub fn role(&self, role: &str) -> Option<&str> {
        self.roles.iter().find(|(name, _)| name == role).map(|(_, token)| token.content.as_str())
    }

    /// Sets the properties of a role's token, unless a file set them.
    pub fn refine(&mut self, role: &str, refine: impl Fn(AddedToken) -> AddedToken) {
        for (_, special) in
            self.roles.iter_mut().filter(|(name, special)| name == role && special.token.is_none())
        {
            special.token = Some(refine(AddedToken::special(&special.content)));
        }
    }

    /// Iterates over all special tokens, those with a role first.
    pub fn all(&self) -> impl Iterator<Item = &SpecialToken> {
        self.roles.iter().map(|(_, token)| token).chain(&self.extra)
    }
}
