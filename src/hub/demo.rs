//! Built-in models (`assets/demo`, `assets/demo-rnn`), which open at once and offline. They share a
//! tokenizer, and the recurrent models share the Transformer's embeddings.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::files::{ModelFile, ModelFiles};

/// Name of the built-in Transformer.
pub const NAME: &str = "demo";

/// Names of all built-in models.
pub const NAMES: [&str; 3] = [NAME, "demo-rnn", "demo-rnn-plain"];

type StaticFiles = &'static [(&'static str, &'static [u8])];

// statics, since every use of a constant would add a copy to the binary
static SENTENCEPIECE: &[u8] = include_bytes!("../../assets/demo/model/source.spm");
static TRANSFORMER: &[u8] = include_bytes!("../../assets/demo/model/model.safetensors");
/// Tensor name of the Transformer's embeddings.
const EMBEDDINGS: &str = "model.shared.weight";

static TOKENIZER: StaticFiles = &[
    ("source.spm", SENTENCEPIECE),
    // both languages share a vocabulary
    ("target.spm", SENTENCEPIECE),
    ("tokenizer_config.json", include_bytes!("../../assets/demo/model/tokenizer_config.json")),
    ("vocab.json", include_bytes!("../../assets/demo/model/vocab.json")),
];

/// Returns the files of a built-in model; `None` for any other name.
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
                with_embeddings(
                    &ATTENTION,
                    include_bytes!("../../assets/demo-rnn/attention/model.safetensors"),
                ),
            ),
        ],
        "demo-rnn-plain" => [
            ("config.json", include_bytes!("../../assets/demo-rnn/plain/config.json")),
            ("generation_config.json", generation),
            (
                "model.safetensors",
                with_embeddings(&PLAIN, include_bytes!("../../assets/demo-rnn/plain/model.safetensors")),
            ),
        ],
        _ => return None,
    };
    let files = TOKENIZER.iter().copied().chain(own);
    let files = files.map(|(name, bytes)| (name.to_string(), ModelFile::Static(bytes)));
    Some(ModelFiles::new(name, None, files))
}

/// Joins a recurrent model's tensors and the embeddings to one file, on first use.
fn with_embeddings(cell: &'static OnceLock<Vec<u8>>, own: &'static [u8]) -> &'static [u8] {
    cell.get_or_init(|| joined(own, TRANSFORMER).unwrap_or_default())
}

fn joined(own: &[u8], transformer: &[u8]) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let (own, transformer) = (SafeTensors::deserialize(own)?, SafeTensors::deserialize(transformer)?);
    let mut all: Vec<(Cow<str>, TensorView)> =
        own.iter().map(|(name, view)| (name.to_string().into(), view)).collect();
    all.push((EMBEDDINGS.into(), transformer.tensor(EMBEDDINGS)?));
    safetensors::serialize(all, None::<HashMap<String, String>>)
}
