//! Inspection of a model without loading or downloading it: its files, their sizes and places, and its
//! problems.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cache::CachedRepo;
use super::client::{HubClient, RepoInfo};
use super::env::Hub;
use super::repository::{self, ModelId};
use super::{folder, select};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, HubError, Result};
use crate::files::{ModelFile, ModelFiles};
use crate::progress::Watch;

/// Result of inspecting a model.
#[derive(Debug)]
pub struct Inspection {
    /// Name as shown on screen.
    pub name: String,
    /// Location of the files.
    pub location: ModelLocation,
    /// Commit of a repository.
    pub commit: Option<String>,
    /// config.json, if it exists and is valid JSON.
    pub config: Option<ModelConfig>,
    /// The files that the model needs, small ones first.
    pub files: Vec<NeededFile>,
    /// First problem of the files, if any. Files still to be downloaded are not a problem.
    pub problem: Option<Error>,
}

/// Location of a model's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelLocation {
    /// Built into the program.
    BuiltIn,
    /// A folder.
    Folder(PathBuf),
    /// The snapshot folder in the hub cache; the hub was not asked, or is not available.
    Cache(PathBuf),
    /// The hub; files that are already downloaded are in this snapshot folder.
    Hub(PathBuf),
}

/// A file that a model needs.
#[derive(Clone, Debug)]
pub struct NeededFile {
    /// Name within the model.
    pub name: String,
    /// Size in bytes, if known.
    pub size: Option<u64>,
    /// The file itself, if it is on this machine.
    pub file: Option<ModelFile>,
}

impl Inspection {
    /// Returns the model's files if all of them are on this machine.
    pub fn model_files(&self) -> Option<ModelFiles> {
        if self.problem.is_some() {
            return None;
        }
        let files: Option<BTreeMap<_, _>> =
            self.files.iter().map(|needed| Some((needed.name.clone(), needed.file.clone()?))).collect();
        let files = ModelFiles::new(self.name.clone(), self.commit.clone(), files?);
        Some(match &self.config {
            Some(config) => files.with_config(config.clone()),
            None => files,
        })
    }

    /// Inspects a built-in model.
    pub(super) fn built_in(files: ModelFiles) -> Self {
        let config = files.config().ok().cloned();
        let needed = |(name, file)| NeededFile { size: size(&file), name, file: Some(file) };
        Self {
            name: files.name,
            location: ModelLocation::BuiltIn,
            commit: None,
            config,
            files: files.files.into_iter().map(needed).collect(),
            problem: None,
        }
    }

    /// Inspects a model in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn of_folder(path: &Path, name: String) -> Result<Self> {
        let (files, problem) = folder::needed_files(path, &name)?;
        let files = files.into_iter().map(|name| needed_file(path, name)).collect();
        let config = repository::read_config(path);
        let location = ModelLocation::Folder(path.to_path_buf());
        let (config, problem) = match config {
            Ok(config) => (Some(config), problem),
            Err(error) => (None, problem.or(Some(error))),
        };
        Ok(Self { name, location, commit: None, config, files, problem })
    }

    /// Inspects a repository on the hub, or in the cache if `offline` is set or the hub is not available.
    ///
    /// # Errors
    /// The hub does not have the model, or is not available and the cache does not have it either.
    pub(super) fn of_repository(hub: &Hub, id: &ModelId, offline: bool, watch: &dyn Watch) -> Result<Self> {
        if offline || hub.offline {
            return Self::of_cache(hub, id);
        }
        match Self::of_hub(hub, id, watch) {
            Err(error) if repository::is_outage(&error) => Self::of_cache(hub, id).map_err(|_| error),
            result => result,
        }
    }

    fn of_cache(hub: &Hub, id: &ModelId) -> Result<Self> {
        let repo = CachedRepo::new(&hub.cache, &id.model, &id.revision);
        let missing = || Error::Hub(HubError::NotCached { model: id.name(), missing: None });
        let commit = repo.commit().ok_or_else(missing)?;
        let folder = repo.snapshot(&commit);
        let mut found = Self::of_folder(&folder, id.name()).map_err(|_| missing())?;
        let names = found.files.iter().map(|file| file.name.clone());
        let damaged: Vec<String> = names.filter(|name| repo.is_damaged(&folder.join(name))).collect();
        if found.problem.is_none() && !damaged.is_empty() {
            found.problem = Some(Error::Hub(HubError::Damaged { model: id.name(), files: damaged }));
        }
        Ok(Self { location: ModelLocation::Cache(folder), commit: Some(commit), ..found })
    }

    fn of_hub(hub: &Hub, id: &ModelId, watch: &dyn Watch) -> Result<Self> {
        let fallback = id.complete(hub).is_ok();
        let client = HubClient::new(hub, &id.model, &id.revision, fallback, watch)?;
        let RepoInfo { commit, files: names } = client.repo_info()?;
        let repo = CachedRepo::new(&hub.cache, &id.model, &id.revision);
        let folder = repo.snapshot(&commit);
        let (names_needed, mut problem) =
            select::needed(&id.name(), &names, &|file| client.fetch(&commit, file));
        let mut files = Vec::new();
        for name in names_needed {
            let mut needed = needed_file(&folder, name);
            needed.file = needed.file.filter(|_| !repo.is_damaged(&folder.join(&needed.name)));
            if needed.file.is_none() {
                needed.size = client.metadata(&commit, &needed.name)?.size;
            }
            files.push(needed);
        }
        let mut config = None;
        if names.contains("config.json") {
            match ModelConfig::parse(&client.fetch(&commit, "config.json")?) {
                Ok(parsed) => config = Some(parsed),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        let (name, location) = (id.name(), ModelLocation::Hub(folder));
        Ok(Self { name, location, commit: Some(commit), config, files, problem })
    }
}

fn needed_file(folder: &Path, name: String) -> NeededFile {
    let path = folder.join(&name);
    let file = path.is_file().then_some(ModelFile::Path(path));
    NeededFile { name, size: file.as_ref().and_then(size), file }
}

fn size(file: &ModelFile) -> Option<u64> {
    match file {
        ModelFile::Static(bytes) => Some(bytes.len() as u64),
        ModelFile::Path(path) => std::fs::metadata(path).ok().map(|data| data.len()),
    }
}
