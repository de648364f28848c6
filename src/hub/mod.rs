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
mod survey;

pub use demo::{NAME as DEMO, NAMES as BUILT_IN};
pub use env::{Hub, Patience, Token};
pub use repository::{Accept, Id};
pub use survey::{Part, Place, Survey};

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::{ModelFiles, looks_like_alignments, sentence_of};
use crate::progress::{Unwatched, Watch};

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

/// Finds what a MODEL argument names: a built-in model, a folder, a capture file (`*.safetensors`, `*.npz`), or a hub id
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
    match Meaning::of(model)? {
        Meaning::BuiltIn(files) => Ok(Located::Model(files)),
        Meaning::Folder(path) => folder::gather(&path, folder_name(&path), None).map(Located::Model),
        Meaning::Capture(path) => Ok(Located::Capture(path)),
        Meaning::Repository => locate_on(&Hub::from_env()?, model, options, accept, watch),
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
    id(model, options)?.open(hub, options.offline, accept, watch).map(Located::Model)
}

/// Finds out what opening a model would load, without loading or fetching it; `None` for a capture file.
///
/// # Errors
/// Nothing of that name, or a hub that refuses. What is wrong with the model's own files is part of the survey.
pub fn survey(model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<Option<Survey>> {
    match Meaning::of(model)? {
        Meaning::BuiltIn(files) => Ok(Some(Survey::built_in(files))),
        Meaning::Folder(path) => Survey::of_folder(&path, folder_name(&path)).map(Some),
        Meaning::Capture(_) => Ok(None),
        Meaning::Repository => survey_on(&Hub::from_env()?, model, options, watch).map(Some),
    }
}

/// Surveys a hub id on a certain hub.
///
/// # Errors
/// Not a hub id, or a hub that refuses.
pub fn survey_on(hub: &Hub, model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<Survey> {
    Survey::of_repository(hub, &id(model, options)?, options.offline, watch)
}

/// Surveys of the models in a hub's cache, at every branch or tag that was fetched.
pub fn cached(hub: &Hub) -> Vec<Survey> {
    repository::ids(hub)
        .iter()
        .filter_map(|id| Survey::of_repository(hub, id, true, &Unwatched).ok())
        .collect()
}

fn id(model: &str, options: &HubOptions) -> Result<Id> {
    Id::parse(model, options.revision.as_deref())
        .ok_or_else(|| Error::NoSuchPath { path: PathBuf::from(model) })
}

/// What a MODEL argument means. What lies on disk comes first.
enum Meaning {
    BuiltIn(ModelFiles),
    Folder(PathBuf),
    Capture(PathBuf),
    Repository,
}

impl Meaning {
    fn of(model: &str) -> Result<Self> {
        let path = PathBuf::from(model);
        if let Some(files) = demo::files(model) {
            Ok(Self::BuiltIn(files))
        } else if path.is_dir() {
            Ok(Self::Folder(path))
        } else if path.is_file() {
            if is_capture_name(&path) || holds_alignments(&path) {
                Ok(Self::Capture(path))
            } else {
                Err(Error::NotAModel { path })
            }
        } else if holds_alignments(&sentence_of(&path).0) {
            Ok(Self::Capture(path))
        } else if looks_like_path(model) || is_capture_name(&path) || begins_with_a_file(model) {
            Err(Error::NoSuchPath { path })
        } else {
            Ok(Self::Repository)
        }
    }
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

/// Whether a file has soft alignments of other programs.
fn holds_alignments(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut head));
    read.is_ok() && looks_like_alignments(&head)
}

/// Whether what stands before the last `@` is a file on disk, which no hub id is.
fn begins_with_a_file(model: &str) -> bool {
    model.rsplit_once('@').is_some_and(|(file, _)| Path::new(file).is_file())
}

/// Whether an argument can only be meant as a path: a hub id has at most one slash, and not at its ends.
fn looks_like_path(model: &str) -> bool {
    model.starts_with(['/', '.', '~'])
        || model.ends_with('/')
        || model.contains('\\')
        || model.split('@').next().is_some_and(|id| id.matches('/').count() > 1)
}
