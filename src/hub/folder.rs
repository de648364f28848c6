//! A model in a folder: somebody's own, or the snapshot of a cached repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::select;
use crate::error::{Error, Result};
use crate::files::{ModelFile, ModelFiles};

/// Gathers the files of the model in a folder.
///
/// # Errors
/// The folder cannot be read, holds an adapter instead of a model, or lacks config.json, weights or a shard.
pub fn gather(folder: &Path, name: String, commit: Option<String>) -> Result<ModelFiles> {
    let here = names(folder)?;
    let has = |file: &str| here.contains(file);
    if !has("config.json") {
        return Err(match has("adapter_config.json") {
            true => adapter(&name, &ModelFile::Path(folder.join("adapter_config.json")).bytes()?),
            false => Error::MissingFile { model: name, file: "config.json".into() },
        });
    }
    let Some(weights) = select::weights(has) else {
        return Err(no_weights(name, here.iter().map(String::as_str)));
    };
    let mut wanted = vec![weights.to_owned()];
    if select::is_index(weights) {
        let index = ModelFile::Path(folder.join(weights)).bytes()?;
        wanted.extend(select::shards(weights, &index)?);
    }
    wanted.extend(here.iter().filter(|file| select::is_small_part(file)).cloned());
    let mut files = BTreeMap::new();
    for file in wanted {
        let path = folder.join(&file);
        if !path.is_file() {
            return Err(Error::MissingFile { model: name, file });
        }
        files.insert(file, ModelFile::Path(path));
    }
    Ok(ModelFiles { name, commit, files })
}

/// Names of the files in a folder; links count when what they point to is there.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        if let (true, Ok(name)) = (entry.path().is_file(), entry.file_name().into_string()) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The error for a repository or folder with an adapter but no model.
pub fn adapter(name: &str, config: &[u8]) -> Error {
    let base = serde_json::from_slice::<serde_json::Value>(config)
        .ok()
        .and_then(|json| Some(json.get("base_model_name_or_path")?.as_str()?.to_owned()));
    Error::Adapter { model: name.to_owned(), base }
}

/// The error for a model whose weights are in no format that the program reads.
pub fn no_weights<'a>(model: String, names: impl Iterator<Item = &'a str>) -> Error {
    const OTHER: [(&str, &str); 6] = [
        ("tf_model", "TensorFlow"),
        ("flax_model", "Flax"),
        ("rust_model", "tch"),
        (".onnx", "ONNX"),
        (".gguf", "GGUF"),
        (".ckpt", "checkpoint"),
    ];
    let mut found: Vec<_> = Vec::new();
    for name in names {
        if let Some((_, format)) = OTHER.iter().find(|(mark, _)| name.contains(mark))
            && !found.contains(format)
        {
            found.push(*format);
        }
    }
    Error::NoWeights { model, found }
}
