//! Models in a folder: the user's own, or a snapshot in the hub cache.

use std::collections::BTreeSet;
use std::path::Path;

use super::select;
use crate::error::{Error, Result};
use crate::files::{ModelFile, ModelFiles};

/// Returns the files of the model in a folder.
///
/// # Errors
/// The folder cannot be read, has an adapter instead of a model, or lacks config.json, weights or a shard.
pub fn gather(folder: &Path, name: String, commit: Option<String>) -> Result<ModelFiles> {
    let (wanted, problem) = needed_files(folder, &name)?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    let files = wanted.into_iter().map(|file| (file.clone(), ModelFile::Path(folder.join(file))));
    Ok(ModelFiles::new(name, commit, files))
}

/// Returns the configuration and tokenizer files in a folder, which need not have a whole model.
///
/// # Errors
/// The folder cannot be read.
pub fn configuration(folder: &Path, name: String, commit: Option<String>) -> Result<ModelFiles> {
    let names = file_names(folder)?.into_iter().filter(|name| select::is_config(name));
    let files = names.map(|file| (file.clone(), ModelFile::Path(folder.join(file))));
    Ok(ModelFiles::new(name, commit, files))
}

/// Lists the files that the model in a folder needs, with an error if the model is incomplete.
///
/// # Errors
/// The folder cannot be read.
pub fn needed_files(folder: &Path, name: &str) -> Result<(Vec<String>, Option<Error>)> {
    let read = |file: &str| ModelFile::Path(folder.join(file)).bytes().map(|bytes| bytes.to_vec());
    let (wanted, problem) = select::needed(name, &file_names(folder)?, &read);
    let missing = wanted.iter().find(|file| !folder.join(file).is_file());
    let missing = missing.map(|file| Error::MissingFile { model: name.to_owned(), file: file.clone() });
    Ok((wanted, problem.or(missing)))
}

/// Lists the files in a folder; a symbolic link counts if its target exists.
fn file_names(folder: &Path) -> Result<BTreeSet<String>> {
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
