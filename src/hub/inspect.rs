//! What opening a MODEL argument would load, found out without loading or fetching it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cache::Repository;
use super::client::{Client, Contents};
use super::env::Hub;
use super::repository::{self, Id};
use super::{folder, select};
use crate::error::{Error, HubError, Result};
use crate::files::{ModelFile, ModelFiles};
use crate::progress::Watch;

/// What is known of a model before it is opened.
#[derive(Debug)]
pub struct Survey {
    /// As shown on screen.
    pub name: String,
    /// Where its files are.
    pub place: Place,
    /// The commit, where it is a repository's.
    pub commit: Option<String>,
    /// config.json, where there is one that can be read.
    pub config: Option<serde_json::Value>,
    /// The files that it needs, the small ones first.
    pub parts: Vec<Part>,
    /// What keeps its files from being whole; fetching what is not here is no problem.
    pub problem: Option<Error>,
}

/// Where a model's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the program.
    BuiltIn,
    /// In a folder.
    Folder(PathBuf),
    /// In the hub's cache; the hub was not asked or does not answer.
    Cache(PathBuf),
    /// On the hub; what is here already is in this folder of the cache.
    Hub(PathBuf),
}

/// One file that a model needs.
#[derive(Clone, Debug)]
pub struct Part {
    /// Name within the model.
    pub name: String,
    /// Size in bytes, where it is known.
    pub size: Option<u64>,
    /// The file, where it is on this machine.
    pub file: Option<ModelFile>,
}

impl Survey {
    /// The model's files where all of them are on this machine.
    pub fn files(&self) -> Option<ModelFiles> {
        if self.problem.is_some() {
            return None;
        }
        let files: Option<BTreeMap<_, _>> =
            self.parts.iter().map(|part| Some((part.name.clone(), part.file.clone()?))).collect();
        Some(ModelFiles { name: self.name.clone(), commit: self.commit.clone(), files: files? })
    }

    pub(super) fn built_in(files: ModelFiles) -> Self {
        let config = files.json("config.json").ok().flatten();
        let parts =
            files.files.into_iter().map(|(name, file)| Part { size: size(&file), name, file: Some(file) });
        let parts = parts.collect();
        Self { name: files.name, place: Place::BuiltIn, commit: None, config, parts, problem: None }
    }

    /// Looks at a model in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn of_folder(path: &Path, name: String) -> Result<Self> {
        let (files, problem) = folder::look(path, &name)?;
        let parts = files.into_iter().map(|name| part(path, name)).collect();
        let config = repository::read_config(path);
        let place = Place::Folder(path.to_path_buf());
        let (config, problem) = match config {
            Ok(config) => (Some(config), problem),
            Err(error) => (None, problem.or(Some(error))),
        };
        Ok(Self { name, place, commit: None, config, parts, problem })
    }

    /// Looks at a repository, on the hub unless `offline`, else in the cache.
    ///
    /// # Errors
    /// The hub does not have it, or cannot be asked and the cache does not have it either.
    pub(super) fn of_repository(hub: &Hub, id: &Id, offline: bool, watch: &dyn Watch) -> Result<Self> {
        if offline || hub.offline {
            return Self::of_cache(hub, id);
        }
        match Self::of_hub(hub, id, watch) {
            Err(error) if repository::is_outage(&error) => Self::of_cache(hub, id).map_err(|_| error),
            result => result,
        }
    }

    fn of_cache(hub: &Hub, id: &Id) -> Result<Self> {
        let cache = Repository::new(&hub.cache, &id.model, &id.revision);
        let missing = || Error::Hub(HubError::NotCached { model: id.name(), missing: None });
        let commit = cache.commit().ok_or_else(missing)?;
        let folder = cache.snapshot(&commit);
        let survey = Self::of_folder(&folder, id.name()).map_err(|_| missing())?;
        Ok(Self { place: Place::Cache(folder), commit: Some(commit), ..survey })
    }

    fn of_hub(hub: &Hub, id: &Id, watch: &dyn Watch) -> Result<Self> {
        let client = Client::new(hub, &id.model, &id.revision, watch)?;
        let Contents { commit, files: names } = client.contents()?;
        let folder = Repository::new(&hub.cache, &id.model, &id.revision).snapshot(&commit);
        let (files, mut problem) = select::needed(&id.name(), &names, &|file| client.text(&commit, file));
        let mut parts = Vec::new();
        for file in files {
            let mut part = part(&folder, file);
            if part.file.is_none() {
                part.size = client.metadata(&commit, &part.name)?.size;
            }
            parts.push(part);
        }
        let mut config = None;
        if names.contains("config.json") {
            match serde_json::from_slice(&client.text(&commit, "config.json")?) {
                Ok(json) => config = Some(json),
                Err(e) => {
                    let why = format!("not valid JSON: {e}");
                    problem = problem.or(Some(Error::BadFile { file: "config.json".into(), why }));
                }
            }
        }
        Ok(Self { name: id.name(), place: Place::Hub(folder), commit: Some(commit), config, parts, problem })
    }
}

fn part(folder: &Path, name: String) -> Part {
    let path = folder.join(&name);
    let file = path.is_file().then_some(ModelFile::Path(path));
    Part { name, size: file.as_ref().and_then(size), file }
}

fn size(file: &ModelFile) -> Option<u64> {
    match file {
        ModelFile::Static(bytes) => Some(bytes.len() as u64),
        ModelFile::Path(path) => std::fs::metadata(path).ok().map(|data| data.len()),
    }
}
