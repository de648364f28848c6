//! Languages: the tags of multilingual models and where they stand.

use super::Codec;
use super::class::Class;
use super::settings::Settings;
use crate::error::Result;

/// The languages of a translation, as the user names them; `None` takes the model's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages {
    /// The source text's language.
    pub src: Option<String>,
    /// The target text's language.
    pub tgt: Option<String>,
}

/// The language tags of one model.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    defaults: Languages,
}

impl Tags {
    pub fn new(_: Class, _: &Settings, _: &dyn Codec) -> Self {
        Self::default()
    }

    pub fn encode_source(&self, codec: &dyn Codec, text: &str, _: &Languages) -> Result<Vec<u32>> {
        codec.encode(text, true)
    }

    pub fn encode_target(&self, codec: &dyn Codec, text: &str, _: &Languages) -> Result<Vec<u32>> {
        codec.encode(text, true)
    }

    pub fn languages(&self) -> Vec<String> {
        Vec::new()
    }

    pub fn forced_bos(&self, _: &Languages) -> Result<Option<u32>> {
        Ok(None)
    }

    pub fn decoder_start(&self, _: &Languages) -> Result<Option<u32>> {
        Ok(None)
    }

    pub fn defaults(&self) -> &Languages {
        &self.defaults
    }
}
