//! From the MODEL argument to the files of a model: the built-in one, a folder, or a repository of the hub.

mod cache;
mod client;
mod demo;
mod download;
mod env;
mod folder;
mod http;
mod repository;
mod select;

pub use env::{Hub, Patience, Token};
pub use repository::{Accept, Id};

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::ModelFiles;
pub use demo::NAME as DEMO;

use crate::progress::Watch;

/// How to look for a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubOptions {
    /// Branch, tag or commit; overrides the part of the hub id after `@`.
    pub revision: Option<String>,
    /// Never touch the network.
    pub offline: bool,
}

/// What a MODEL argument turned out to be.
#[derive(Clone, Debug)]
pub enum Located {
    /// A model: its files.
    Model(ModelFiles),
    /// A capture file.
    Capture(PathBuf),
}

/// Finds what a MODEL argument names: `demo`, a folder, a capture file (`*.safetensors`, `*.npz`), or a hub id
/// (`name`, `org/name`, `org/name@revision`), which is fetched into the hub's cache unless it is there.
///
/// What lies on disk comes first: a folder `org/name` here is opened, not the repository of that name.
///
/// # Errors
/// Nothing of that name, a file of another kind, an incomplete model, or a failed download.
pub fn locate(model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<Located> {
    locate_if(model, options, &|_| Ok(()), watch)
}

/// Like [`locate`], but asks `accept` about a repository's config.json before it fetches the rest: nobody wants to
/// wait for gigabytes to hear that the program cannot open them.
///
/// # Errors
/// Those of [`locate`] and of `accept`.
pub fn locate_if(
    model: &str,
    options: &HubOptions,
    accept: Accept<'_>,
    watch: &dyn Watch,
) -> Result<Located> {
    match locate_here(model)? {
        Some(located) => Ok(located),
        None => locate_on(&Hub::from_env()?, model, options, accept, watch),
    }
}

/// Finds a hub id on a certain hub.
///
/// # Errors
/// Not a hub id, not on that hub, or a failed download.
pub fn locate_on(
    hub: &Hub,
    model: &str,
    options: &HubOptions,
    accept: Accept<'_>,
    watch: &dyn Watch,
) -> Result<Located> {
    let id = Id::parse(model, options.revision.as_deref())
        .ok_or_else(|| Error::NoSuchPath { path: PathBuf::from(model) })?;
    id.open(hub, options.offline, accept, watch).map(Located::Model)
}

/// The models in this machine's cache of the hub, each with its files or with what keeps it from opening.
///
/// # Errors
/// The environment tells no folder for the cache.
pub fn cached_models() -> Result<Vec<(Id, Result<ModelFiles>)>> {
    Ok(repository::all_cached(&Hub::from_env()?))
}

/// What lies on this machine under a name; `None` where it can only be a hub id.
fn locate_here(model: &str) -> Result<Option<Located>> {
    if model == demo::NAME {
        return Ok(Some(Located::Model(demo::files())));
    }
    let path = Path::new(model);
    if path.is_dir() {
        return folder::gather(path, folder_name(path), None).map(|files| Some(Located::Model(files)));
    }
    if path.is_file() {
        return match is_capture_name(path) {
            true => Ok(Some(Located::Capture(path.to_path_buf()))),
            false => Err(Error::NotAModel { path: path.to_path_buf() }),
        };
    }
    if looks_like_path(model) || is_capture_name(path) {
        return Err(Error::NoSuchPath { path: path.to_path_buf() });
    }
    Ok(None)
}

/// A folder's name as shown on screen, `.` and `..` resolved.
fn folder_name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn is_capture_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("safetensors") || end.eq_ignore_ascii_case("npz"))
}

/// Whether an argument can only be meant as a path: a hub id has at most one slash, and not at its ends.
fn looks_like_path(model: &str) -> bool {
    model.starts_with(['/', '.', '~'])
        || model.ends_with('/')
        || model.contains('\\')
        || model.split('@').next().is_some_and(|id| id.matches('/').count() > 1)
}
