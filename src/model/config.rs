//! config.json with typed access: old files lack fields that later versions added.

use serde_json::Value;

use crate::error::{Error, Result};

/// A model's config.json.
#[derive(Clone, Debug)]
pub struct Config(Value);

impl Config {
    /// Wraps the parsed file.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// The whole file.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// A field that is there and not null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A part of the file as a config of its own.
    pub fn section(&self, key: &str) -> Option<Config> {
        self.get(key).cloned().map(Config)
    }

    /// `model_type`.
    ///
    /// # Errors
    /// [`Error::Config`] where it is missing.
    pub fn model_type(&self) -> Result<&str> {
        self.get("model_type").and_then(Value::as_str).ok_or_else(|| {
            Error::Config("there is no model_type: this is not a transformers model folder".into())
        })
    }

    /// A count that must be there.
    pub fn count(&self, key: &str) -> Result<usize> {
        self.count_maybe(key)?.ok_or_else(|| Error::Config(format!("{key} is missing")))
    }

    /// A count, or a default where it is absent.
    pub fn count_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.count_maybe(key)?.unwrap_or(default))
    }

    /// A count, or `None` where it is absent.
    pub fn count_maybe(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            // A size beyond this is no model's: it would only overflow sizes computed from it.
            Some(n) if n <= 1 << 32 => Ok(Some(n as usize)),
            _ => Err(Error::Config(format!("{key} is {value}, not a count"))),
        }
    }

    /// A number, or a default where it is absent.
    pub fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| Error::Config(format!("{key} is {value}, not a number")))
            }
        }
    }

    /// A switch, or a default where it is absent.
    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_bool().ok_or_else(|| Error::Config(format!("{key} is {value}, not true or false")))
            }
        }
    }

    /// A text, or a default where it is absent.
    pub fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_str().ok_or_else(|| Error::Config(format!("{key} is {value}, not a text")))
            }
        }
    }

    /// A token id, or `None` where it is absent; of a list (several end tokens) the first.
    pub fn token(&self, key: &str) -> Option<u32> {
        let value = self.get(key)?;
        let value = value.as_array().map_or(Some(value), |list| list.first())?;
        value.as_u64().and_then(|id| u32::try_from(id).ok())
    }
}
