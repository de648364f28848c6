//! Finds the files of a MODEL argument: a built-in model, a folder, or a repository on the hub.

mod cache;
mod client;
mod demo;
mod download;
mod env;
mod folder;
mod git;
mod http;
mod inspect;
mod repository;
mod select;

pub use demo::{
    NAME as DEMO, NAMES as BUILT_IN, capture as built_in_capture, first_picture, picture as built_in_picture,
};
pub use env::{AccessToken, Hub, RetryPolicy};
pub use git::git_blob_id;
pub use inspect::{Inspection, ModelLocation, NeededFile};
pub use repository::{Accept, ModelId};

use std::path::{Path, PathBuf};

use crate::error::{Error, HubError, Result};
use crate::files::{ModelFiles, sentence_of};
use crate::progress::{Unwatched, Watch};

/// Options of finding a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubOptions {
    /// Branch, tag or commit; overrides the revision after `@` in a hub id.
    pub revision: Option<String>,
    /// Never use the network.
    pub offline: bool,
}

/// Result of resolving a MODEL argument.
#[derive(Clone, Debug)]
pub enum Located {
    /// The files of a model.
    Model(ModelFiles),
    /// A capture file, or the name of a built-in capture.
    Capture(PathBuf),
}

/// Resolves a MODEL argument: a built-in model, a folder, a capture file (any file, or `FILE@N`), or a hub id
/// (`name`, `org/name`, `org/name@revision`), which is downloaded into the hub cache unless it is there.
///
/// Files and folders come first: a local folder `org/name` hides the repository of that name. `hub` is `None`
/// where the environment names no cache folder; hub ids are then refused with [`HubError::NoHome`].
///
/// # Errors
/// Nothing has that name, the file is of another kind, the model is incomplete, or the download fails.
pub fn locate(hub: Option<&Hub>, model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<Located> {
    locate_if(hub, model, options, &|_| Ok(()), watch)
}

/// Like [`locate`], but passes a repository's config.json to `accept` before the rest is downloaded, so that
/// unsupported models are refused before a download of gigabytes.
///
/// # Errors
/// Those of [`locate`] and of `accept`.
pub fn locate_if(
    hub: Option<&Hub>,
    model: &str,
    options: &HubOptions,
    accept: Accept<'_>,
    watch: &dyn Watch,
) -> Result<Located> {
    match ModelArg::parse(model)? {
        ModelArg::BuiltIn(files) => Ok(Located::Model(files)),
        ModelArg::Folder(path) => folder::gather(&path, folder_name(&path), None).map(Located::Model),
        ModelArg::Capture(path) => Ok(Located::Capture(path)),
        ModelArg::Repository => locate_on(required(hub)?, model, options, accept, watch),
    }
}

/// Returns the files that a model's tokenizer is built from: its own, or those of `other` (a built-in model,
/// a folder or a hub id) with the model's own generation settings, and its own config.json if `other` has
/// none.
///
/// # Errors
/// `other` is not a model, or its files cannot be fetched.
pub fn tokenizer_files(
    hub: Option<&Hub>,
    model: &ModelFiles,
    other: Option<&str>,
    options: &HubOptions,
    watch: &dyn Watch,
) -> Result<ModelFiles> {
    let Some(other) = other else { return Ok(model.clone()) };
    let mut found = match ModelArg::parse(other)? {
        ModelArg::BuiltIn(files) => files,
        ModelArg::Folder(path) => folder::configuration(&path, folder_name(&path), None)?,
        ModelArg::Capture(path) => return Err(Error::NotAModel { path }),
        ModelArg::Repository => {
            let no_revision = HubOptions { revision: None, ..options.clone() };
            model_id(other, &no_revision)?.configuration(required(hub)?, options.offline, watch)?
        }
    };
    for name in ["generation_config.json", "config.json"] {
        if let Some(file) = model.files.get(name)
            && (name != "config.json" || !found.has(name))
        {
            found.files.insert(name.into(), file.clone());
        }
    }
    Ok(ModelFiles::new(found.name, found.commit, found.files))
}

/// Resolves a hub id on a given hub.
///
/// # Errors
/// The argument is not a hub id, the hub does not have the model, or the download fails.
pub fn locate_on(
    hub: &Hub,
    model: &str,
    options: &HubOptions,
    accept: Accept<'_>,
    watch: &dyn Watch,
) -> Result<Located> {
    model_id(model, options)?.open(hub, options.offline, accept, watch).map(Located::Model)
}

/// Computes the SHA-256 of bytes, in lower-case hexadecimal; `None` on a processor that cannot.
pub fn sha256(bytes: &[u8]) -> Option<String> {
    download::sha256_of(bytes)
}

/// Finds the files that opening a model would load, without loading or downloading them; `None` for a capture
/// file. `hub` is that of [`locate`].
///
/// # Errors
/// Nothing has that name, or the hub refuses. Problems of the model's own files are part of the inspection.
pub fn inspect(
    hub: Option<&Hub>,
    model: &str,
    options: &HubOptions,
    watch: &dyn Watch,
) -> Result<Option<Inspection>> {
    match ModelArg::parse(model)? {
        ModelArg::BuiltIn(files) => Ok(Some(Inspection::built_in(files))),
        ModelArg::Folder(path) => Inspection::of_folder(&path, folder_name(&path)).map(Some),
        ModelArg::Capture(_) => Ok(None),
        ModelArg::Repository => inspect_on(required(hub)?, model, options, watch).map(Some),
    }
}

/// Inspects a hub id on a given hub.
///
/// # Errors
/// The argument is not a hub id, or the hub refuses.
pub fn inspect_on(hub: &Hub, model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<Inspection> {
    Inspection::of_repository(hub, &model_id(model, options)?, options.offline, watch)
}

/// Inspects the models in a hub's cache, at every ref.
pub fn cached(hub: &Hub) -> Vec<Inspection> {
    repository::ids(hub)
        .iter()
        .filter_map(|id| Inspection::of_repository(hub, id, true, &Unwatched).ok())
        .collect()
}

/// Lists the names of the models in a hub's cache, without looking into them.
pub fn cached_names(hub: &Hub) -> Vec<String> {
    cache::models(&hub.cache)
}

fn required(hub: Option<&Hub>) -> Result<&Hub> {
    hub.ok_or(Error::Hub(HubError::NoHome))
}

fn model_id(model: &str, options: &HubOptions) -> Result<ModelId> {
    ModelId::parse(model, options.revision.as_deref())
        .ok_or_else(|| Error::NoSuchPath { path: PathBuf::from(model) })
}

/// Kind of a MODEL argument.
enum ModelArg {
    BuiltIn(ModelFiles),
    Folder(PathBuf),
    Capture(PathBuf),
    Repository,
}

impl ModelArg {
    /// Tells the kinds apart; files and folders come before hub ids.
    fn parse(model: &str) -> Result<Self> {
        let path = PathBuf::from(model);
        if let Some(files) = demo::files(model) {
            Ok(Self::BuiltIn(files))
        } else if demo::capture(&path).is_some() {
            Ok(Self::Capture(path))
        } else if path.is_dir() {
            Ok(Self::Folder(path))
        } else if path.is_file() || sentence_of(&path).0.is_file() {
            Ok(Self::Capture(path))
        } else if looks_like_path(model) || is_capture_name(&path) || starts_with_file(model) {
            Err(Error::NoSuchPath { path })
        } else {
            Ok(Self::Repository)
        }
    }
}

/// Returns a folder's name as shown on screen, with `.` and `..` resolved.
fn folder_name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Returns true if a name ends like that of a file with attention maps.
pub fn is_capture_name(path: &Path) -> bool {
    const ENDS: [&str; 9] = ["safetensors", "npz", "npy", "pt", "pkl", "csv", "tsv", "json", "jsonl"];
    path.extension().is_some_and(|found| ENDS.iter().any(|end| found.eq_ignore_ascii_case(end)))
}

/// Returns true if the part before the last `@` is a file, which rules out a hub id.
fn starts_with_file(model: &str) -> bool {
    model.rsplit_once('@').is_some_and(|(file, _)| Path::new(file).is_file())
}

/// Returns true if an argument cannot be a hub id, which has at most one slash, and none at its ends.
fn looks_like_path(model: &str) -> bool {
    model.starts_with(['/', '.', '~'])
        || model.ends_with('/')
        || model.contains('\\')
        || model.split('@').next().is_some_and(|id| id.matches('/').count() > 1)
}
