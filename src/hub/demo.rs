//! The model that the program carries (`assets/demo`), so that it has something to show at once and offline.

use crate::files::{ModelFile, ModelFiles};

/// The MODEL argument that names it.
pub const NAME: &str = "demo";

const SENTENCEPIECE: &[u8] = include_bytes!("../../assets/demo/model/source.spm");

const FILES: [(&str, &[u8]); 7] = [
    ("config.json", include_bytes!("../../assets/demo/model/config.json")),
    ("generation_config.json", include_bytes!("../../assets/demo/model/generation_config.json")),
    ("model.safetensors", include_bytes!("../../assets/demo/model/model.safetensors")),
    ("source.spm", SENTENCEPIECE),
    // one joint vocabulary: both sides have the same file
    ("target.spm", SENTENCEPIECE),
    ("tokenizer_config.json", include_bytes!("../../assets/demo/model/tokenizer_config.json")),
    ("vocab.json", include_bytes!("../../assets/demo/model/vocab.json")),
];

/// The files of the built-in English-to-French model.
pub fn files() -> ModelFiles {
    let files = FILES.iter().map(|(name, bytes)| (name.to_string(), ModelFile::Static(bytes))).collect();
    ModelFiles { name: NAME.into(), commit: None, files }
}
