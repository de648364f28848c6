//! Selection of the files that a model needs: configuration, tokenizer and one set of weights.

use std::collections::BTreeSet;

use crate::checkpoint::weights;
use crate::error::{Error, Result};

/// Names of configuration and tokenizer files.
const CONFIG_FILES: [&str; 17] = [
    "config.json",
    "preprocessor_config.json",
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

/// Extensions of SentencePiece models: `spiece.model`, `sentencepiece.bpe.model`, `source.spm`, ...
const SENTENCEPIECE_EXTENSIONS: [&str; 2] = [".model", ".spm"];

/// Present in adapters (PEFT), which are not models of their own.
const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Selects the files that a model needs, small ones first, with an error if the model is incomplete.
///
/// `read` returns the contents of a file: the index of a sharded model, or the configuration of an adapter.
pub fn needed(
    model: &str,
    names: &BTreeSet<String>,
    read: &dyn Fn(&str) -> Result<Vec<u8>>,
) -> (Vec<String>, Option<Error>) {
    let mut files: Vec<String> = names.iter().filter(|name| is_config(name)).cloned().collect();
    if !names.contains("config.json") {
        let missing = || match holds_foreign(names) {
            true => no_weights(model, names),
            false => Error::MissingFile { model: model.into(), file: "config.json".into() },
        };
        let adapter = || read(ADAPTER_CONFIG).map_or_else(|error| error, |config| adapter(model, &config));
        return (files, Some(if names.contains(ADAPTER_CONFIG) { adapter() } else { missing() }));
    }
    let Some(form) = weights::READABLE.into_iter().find(|name| names.contains(*name)) else {
        let adapter = || read(ADAPTER_CONFIG).map_or_else(|error| error, |config| adapter(model, &config));
        let is_adapter = names.contains(ADAPTER_CONFIG);
        return (files, Some(if is_adapter { adapter() } else { no_weights(model, names) }));
    };
    files.push(form.to_owned());
    if form.ends_with(weights::INDEX) {
        match read(form).and_then(|index| shards(form, &index)) {
            Ok(shards) => files.extend(shards),
            Err(error) => return (files, Some(error)),
        }
    }
    (files, None)
}

/// Returns true for files that are small: configuration, tokenizer files and indexes of shards.
pub fn is_small(name: &str) -> bool {
    is_config(name) || name.ends_with(weights::INDEX)
}

/// Returns true for configuration and tokenizer files.
pub fn is_config(name: &str) -> bool {
    !name.contains('/')
        && (CONFIG_FILES.contains(&name) || SENTENCEPIECE_EXTENSIONS.iter().any(|end| name.ends_with(end)))
}

/// Builds the error for an adapter, naming its base model.
fn adapter(model: &str, config: &[u8]) -> Error {
    let base = serde_json::from_slice::<serde_json::Value>(config)
        .ok()
        .and_then(|json| Some(json.get("base_model_name_or_path")?.as_str()?.to_owned()));
    Error::Adapter { model: model.to_owned(), base }
}

/// Returns true if there are weights in a format that cannot be read, and none that can.
fn holds_foreign(names: &BTreeSet<String>) -> bool {
    names.iter().any(|name| weights::unreadable_format(name).is_some())
        && !names.iter().any(|name| weights::READABLE.contains(&name.as_str()))
}

/// Builds the error for a model without readable weights.
fn no_weights(model: &str, names: &BTreeSet<String>) -> Error {
    let found: BTreeSet<_> = names.iter().filter_map(|name| weights::unreadable_format(name)).collect();
    Error::NoWeights { model: model.to_owned(), found: found.into_iter().collect() }
}

/// Returns the shards of an index, sorted and without duplicates.
///
/// # Errors
/// The index is not JSON of the expected form, or names a file outside the model's folder.
fn shards(index: &str, bytes: &[u8]) -> Result<Vec<String>> {
    let bad = |why: String| Error::BadFile { file: index.into(), why };
    let json: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| bad(format!("not valid JSON: {e}")))?;
    let map =
        json.get("weight_map").and_then(|map| map.as_object()).ok_or_else(|| bad("no weight_map".into()))?;
    let mut names = BTreeSet::new();
    for name in map.values() {
        match name.as_str() {
            Some(name) if is_safe_path(name) => names.insert(name.to_owned()),
            _ => return Err(bad(format!("{name} is not a file name"))),
        };
    }
    Ok(names.into_iter().collect())
}

/// Returns true if a relative path stays within the folder that it is joined to.
pub fn is_safe_path(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', ':', '\0'])
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_and_tokenizer_files_are_known_by_name() {
        for name in
            ["config.json", "source.spm", "spiece.model", "sentencepiece.bpe.model", "prophetnet.tokenizer"]
        {
            assert!(is_config(name), "{name}");
        }
        for name in ["README.md", "tf_model.h5", "model.safetensors", "onnx/config.json", "rust_model.ot"] {
            assert!(!is_config(name), "{name}");
        }
    }

    fn needed_of(names: &[&str]) -> (Vec<String>, Option<Error>) {
        let names = names.iter().map(|name| name.to_string()).collect();
        needed("m", &names, &|_| {
            Ok(br#"{"weight_map": {"a": "one"}, "base_model_name_or_path": "b"}"#.to_vec())
        })
    }

    #[test]
    fn one_safetensors_file_comes_before_everything() {
        let all = ["config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
        assert_eq!(needed_of(&all).0, ["config.json", "model.safetensors"]);
        assert_eq!(needed_of(&["config.json", "pytorch_model.bin"]).0, ["config.json", "pytorch_model.bin"]);
        let sharded = ["config.json", "model.safetensors.index.json", "pytorch_model.bin"];
        assert_eq!(needed_of(&sharded).0, ["config.json", "model.safetensors.index.json", "one"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(
            matches!(needed_of(&["x.gguf"]).1, Some(Error::NoWeights { found, .. }) if found == ["GGUF"])
        );
        let adapter = needed_of(&["config.json", ADAPTER_CONFIG, "adapter_model.safetensors"]).1;
        assert!(matches!(adapter, Some(Error::Adapter { .. })));
        assert!(matches!(needed_of(&[]).1, Some(Error::MissingFile { .. })));
        assert!(
            matches!(needed_of(&[ADAPTER_CONFIG]).1, Some(Error::Adapter { base: Some(base), .. }) if base == "b")
        );
        assert!(
            matches!(needed_of(&["config.json", "x.gguf"]).1, Some(Error::NoWeights { found, .. }) if found == ["GGUF"])
        );
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
