//! config.json with typed access.

use serde_json::Value;

use super::json;
use crate::error::{Error, Result};
use crate::site::MAX_LAYERS;

/// Largest number of values in config.json. Label lists have some ten thousand.
const MAX_VALUES: usize = 1 << 19;

/// Largest size that is read. No model comes near it, and the product of two of them does not overflow.
const MAX_SIZE: usize = 1 << 28;

/// A model's config.json, parsed once for all its readers. Absent fields and `null` mean the same.
#[derive(Clone, Debug, Default)]
pub struct ModelConfig(Value);

impl ModelConfig {
    /// Wraps a parsed JSON value.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// Parses the content of config.json.
    ///
    /// # Errors
    /// [`Error::BadFile`] if it is not valid JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::BadFile { file: "config.json".into(), why };
        json::check_values(bytes, MAX_VALUES).map_err(bad)?;
        serde_json::from_slice(bytes).map(Self).map_err(|error| bad(format!("not valid JSON: {error}")))
    }

    /// Returns the whole JSON value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns a field, or `None` if it is absent or null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Returns a nested object, such as `encoder`, as a config of its own.
    pub fn section(&self, key: &str) -> Option<ModelConfig> {
        self.get(key).cloned().map(ModelConfig)
    }

    /// Returns a nested object that must be present.
    ///
    /// # Errors
    /// [`Error::Config`] if it is missing.
    pub fn require_section(&self, key: &str) -> Result<ModelConfig> {
        self.section(key).ok_or_else(|| Error::Config(format!("there is no {key} section")))
    }

    /// Returns `model_type`.
    ///
    /// # Errors
    /// [`Error::Config`] if it is missing.
    pub fn model_type(&self) -> Result<&str> {
        self.get("model_type").and_then(Value::as_str).ok_or_else(|| {
            Error::Config("there is no model_type: this is not a transformers model folder".into())
        })
    }

    /// Returns a non-negative integer that must be present.
    ///
    /// # Errors
    /// [`Error::Config`] if it is missing or not a count.
    pub fn count(&self, key: &str) -> Result<usize> {
        self.count_maybe(key)?.ok_or_else(|| Error::Config(format!("{key} is missing")))
    }

    /// Returns a non-negative integer, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not a count.
    pub fn count_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.count_maybe(key)?.unwrap_or(default))
    }

    /// Returns a non-negative integer, or `None` if it is absent.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not a count.
    pub fn count_maybe(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        // Work grows with the number of layers before any tensor is looked up.
        let most = if key.contains("layer") { MAX_LAYERS } else { MAX_SIZE };
        match value.as_u64().map(usize::try_from) {
            Some(Ok(count)) if count <= most => Ok(Some(count)),
            Some(_) => {
                Err(Error::Config(format!("{key} is {value}, more than the {most} that are possible")))
            }
            None => Err(Error::Config(format!("{key} is {value}, not a count"))),
        }
    }

    /// Returns a number, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not a number.
    pub fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| Error::Config(format!("{key} is {value}, not a number")))
            }
        }
    }

    /// Returns a boolean, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not a boolean.
    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_bool().ok_or_else(|| Error::Config(format!("{key} is {value}, not true or false")))
            }
        }
    }

    /// Returns a string, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not a string.
    pub fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_str().ok_or_else(|| Error::Config(format!("{key} is {value}, not a text")))
            }
        }
    }

    /// Returns a token id, or `None` if it is absent; the first id of a list, as of several end tokens.
    pub fn token(&self, key: &str) -> Option<u32> {
        let value = self.get(key)?;
        let value = value.as_array().map_or(Some(value), |list| list.first())?;
        value.as_u64().and_then(|id| u32::try_from(id).ok())
    }
}
