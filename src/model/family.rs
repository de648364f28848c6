//! Description of a model family.

use super::spec::{RecurrentSpec, TransformerSpec};
use crate::checkpoint::ModelConfig;
use crate::error::Result;

/// Everything that the program knows about a family of models. The rest of the program asks the registry for
/// it instead of comparing `model_type` itself.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// Models of the family on the hub.
    pub examples: &'static str,
    /// Tokenizer that transformers registers for it.
    pub tokenizer: TokenizerClass,
    /// ConfigReader of its config.json.
    pub reader: ConfigReader,
}

/// Function that turns config.json into the specification of a network.
#[derive(Clone, Copy)]
pub enum ConfigReader {
    /// For encoders and decoders of attention layers.
    Transformer(fn(&ModelConfig) -> Result<TransformerSpec>),
    /// For recurrent networks.
    Recurrent(fn(&ModelConfig) -> Result<RecurrentSpec>),
}

/// Tokenizer class that transformers' `AutoTokenizer` takes where a model's own files name none.
#[derive(Clone, Copy, Debug)]
pub enum TokenizerClass {
    /// None is registered.
    Unregistered,
    /// The class of this name.
    Named(&'static str),
    /// The class of the encoder's `model_type`, as (type, class).
    ByEncoder(&'static [(&'static str, &'static str)]),
}
