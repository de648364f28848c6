//! Which files of a repository or folder a model needs: its configuration, its tokenizer and one set of weights.

use crate::error::{Error, Result};

/// Configuration and tokenizer files that are known by their whole name.
const NAMES: [&str; 16] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "target_vocab.json",
    "vocab-src.json",
    "vocab-tgt.json",
    "merges.txt",
    "vocab.txt",
    "bpecodes",
    "bpe.codes",
    "dict.txt",
    "prophetnet.tokenizer",
];

/// SentencePiece models, whatever their name: `spiece.model`, `sentencepiece.bpe.model`, `source.spm`, ...
const ENDINGS: [&str; 2] = [".model", ".spm"];

/// Weights by falling preference: one file, or an index that lists shards.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Whether a file belongs to the configuration or the tokenizer.
pub fn is_small_part(name: &str) -> bool {
    !name.contains('/') && (NAMES.contains(&name) || ENDINGS.iter().any(|end| name.ends_with(end)))
}

/// The weights file to take, or the index of its shards, where there is one.
pub fn weights<'a>(has: impl Fn(&str) -> bool) -> Option<&'a str> {
    WEIGHTS.into_iter().find(|name| has(name))
}

/// Whether the weights file is an index of shards.
pub fn is_index(name: &str) -> bool {
    name.ends_with(".index.json")
}

/// The shards that an index lists, in order and once each.
///
/// # Errors
/// The index is not JSON of the known form, or names a file outside of the model.
pub fn shards(index: &str, bytes: &[u8]) -> Result<Vec<String>> {
    let bad = |why: String| Error::BadFile { file: index.into(), why };
    let json: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| bad(format!("not valid JSON: {e}")))?;
    let map =
        json.get("weight_map").and_then(|map| map.as_object()).ok_or_else(|| bad("no weight_map".into()))?;
    let mut names = std::collections::BTreeSet::new();
    for name in map.values() {
        match name.as_str() {
            Some(name) if is_plain(name) => names.insert(name.to_owned()),
            _ => return Err(bad(format!("{name} is not the name of a file beside it"))),
        };
    }
    Ok(names.into_iter().collect())
}

/// Whether a name stays within its folder when joined to it.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', ':', '\0'])
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_configuration_and_tokenizer() {
        for name in
            ["config.json", "source.spm", "spiece.model", "sentencepiece.bpe.model", "prophetnet.tokenizer"]
        {
            assert!(is_small_part(name), "{name}");
        }
        for name in ["README.md", "tf_model.h5", "model.safetensors", "onnx/config.json", "rust_model.ot"] {
            assert!(!is_small_part(name), "{name}");
        }
    }

    #[test]
    fn one_safetensors_file_comes_before_everything() {
        assert_eq!(weights(|_| true), Some("model.safetensors"));
        assert_eq!(weights(|name| name.contains("bin")), Some("pytorch_model.bin"));
        assert_eq!(weights(|_| false), None);
    }

    #[test]
    fn shards_are_listed_once_and_stay_in_the_folder() {
        let index = br#"{"weight_map": {"a": "m-2.bin", "b": "m-1.bin", "c": "m-2.bin"}}"#;
        assert_eq!(shards("i", index).unwrap(), ["m-1.bin", "m-2.bin"]);
        let outside = br#"{"weight_map": {"a": "../../etc/passwd"}}"#;
        assert!(shards("i", outside).unwrap_err().to_string().contains("../../etc/passwd"));
        assert!(shards("i", b"{}").is_err());
    }
}
