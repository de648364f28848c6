//! The models that the program carries (`assets/demo`, `assets/demo-rnn`), so that it has something to show at
//! once and offline. They share a tokenizer, and the recurrent ones the Transformer's table of embeddings.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::files::{ModelFile, ModelFiles};

/// The MODEL argument that names the Transformer.
pub const NAME: &str = "demo";

/// All models that the program carries.
pub const NAMES: [&str; 3] = [NAME, "demo-rnn", "demo-rnn-plain"];

type Files = &'static [(&'static str, &'static [u8])];

// statics: a constant would stand in the binary once for every place that names it
static SENTENCEPIECE: &[u8] = include_bytes!("../../assets/demo/model/source.spm");
static TRANSFORMER: &[u8] = include_bytes!("../../assets/demo/model/model.safetensors");
/// The Transformer's table of embeddings.
const TABLE: &str = "model.shared.weight";

static TOKENIZER: Files = &[
    ("source.spm", SENTENCEPIECE),
    // one joint vocabulary: both sides have the same file
    ("target.spm", SENTENCEPIECE),
    ("tokenizer_config.json", include_bytes!("../../assets/demo/model/tokenizer_config.json")),
    ("vocab.json", include_bytes!("../../assets/demo/model/vocab.json")),
];

/// The files of a model that the program carries; `None` for any other name.
pub fn files(name: &str) -> Option<ModelFiles> {
    static ATTENTION: OnceLock<Vec<u8>> = OnceLock::new();
    static PLAIN: OnceLock<Vec<u8>> = OnceLock::new();
    let generation = include_bytes!("../../assets/demo-rnn/generation_config.json");
    let own: [(&str, &'static [u8]); 3] = match name {
        NAME => [
            ("config.json", include_bytes!("../../assets/demo/model/config.json")),
            ("generation_config.json", include_bytes!("../../assets/demo/model/generation_config.json")),
            ("model.safetensors", TRANSFORMER),
        ],
        "demo-rnn" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/attention/config.json")),
            ("generation_config.json", generation),
            (
                "model.safetensors",
                with_table(&ATTENTION, include_bytes!("../../assets/demo-rnn/attention/model.safetensors")),
            ),
        ],
        "demo-rnn-plain" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/plain/config.json")),
            ("generation_config.json", generation),
            (
                "model.safetensors",
                with_table(&PLAIN, include_bytes!("../../assets/demo-rnn/plain/model.safetensors")),
            ),
        ],
        _ => return None,
    };
    let files = TOKENIZER.iter().copied().chain(own);
    let files = files.map(|(name, bytes)| (name.to_string(), ModelFile::Static(bytes))).collect();
    Some(ModelFiles { name: name.into(), commit: None, files })
}

/// A recurrent model's tensors and the table of embeddings as one file, made when it is first asked for.
fn with_table(made: &'static OnceLock<Vec<u8>>, own: &'static [u8]) -> &'static [u8] {
    made.get_or_init(|| joined(own, TRANSFORMER).unwrap_or_default())
}

fn joined(own: &[u8], transformer: &[u8]) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let (own, transformer) = (SafeTensors::deserialize(own)?, SafeTensors::deserialize(transformer)?);
    let mut all: Vec<(Cow<str>, TensorView)> =
        own.iter().map(|(name, view)| (name.to_string().into(), view)).collect();
    all.push((TABLE.into(), transformer.tensor(TABLE)?));
    safetensors::serialize(all, None::<HashMap<String, String>>)
}
