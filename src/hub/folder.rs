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
    let (wanted, problem) = look(folder, &name)?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    let files: BTreeMap<_, _> =
        wanted.into_iter().map(|file| (file.clone(), ModelFile::Path(folder.join(file)))).collect();
    Ok(ModelFiles { name, commit, files })
}

/// Which files the model in a folder needs, and what keeps it from being whole.
///
/// # Errors
/// The folder cannot be read.
pub fn look(folder: &Path, name: &str) -> Result<(Vec<String>, Option<Error>)> {
    let read = |file: &str| ModelFile::Path(folder.join(file)).bytes().map(|bytes| bytes.to_vec());
    let (wanted, problem) = select::needed(name, &names(folder)?, &read);
    let missing = wanted.iter().find(|file| !folder.join(file).is_file());
    let missing = missing.map(|file| Error::MissingFile { model: name.to_owned(), file: file.clone() });
    Ok((wanted, problem.or(missing)))
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
