//! Hub ids, and the files of their models in the cache or downloaded into it.

use std::path::Path;

use super::cache::{self, CachedRepo};
use super::client::{HubClient, RepoInfo};
use super::env::Hub;
use super::{download, folder, select};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, HubError, Result};
use crate::files::{ModelFile, ModelFiles};
use crate::progress::Watch;

/// Branch of a hub id without a revision.
const DEFAULT_BRANCH: &str = "main";

/// Hub id of a model, with a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId {
    /// `org/name`, or `name` for the hub's oldest models.
    pub model: String,
    /// Branch, tag or commit.
    pub revision: String,
}

/// Accepts or refuses a model by its config.json, before anything large is downloaded.
pub type Accept<'a> = &'a dyn Fn(&ModelConfig) -> Result<()>;

impl ModelId {
    /// Parses `name` or `org/name`, perhaps with `@revision`; `None` if the hub does not allow such a name.
    pub fn parse(text: &str, revision: Option<&str>) -> Option<Self> {
        let (model, inner) = match text.split_once('@') {
            Some((model, inner)) => (model, Some(inner)),
            None => (text, None),
        };
        let revision = revision.or(inner).unwrap_or(DEFAULT_BRANCH);
        let parts: Vec<_> = model.split('/').collect();
        let is_name = |part: &&str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !part.starts_with(['-', '.'])
                && !part.ends_with(['-', '.'])
                && !part.contains("--")
                && !part.contains("..")
        };
        let is_id = parts.len() <= 2 && parts.iter().all(is_name) && model.len() <= 200;
        (is_id && select::is_safe_path(revision))
            .then(|| Self { model: model.into(), revision: revision.into() })
    }

    /// Returns the id as shown on screen, with the revision if it is not the default branch.
    pub fn name(&self) -> String {
        if self.revision == DEFAULT_BRANCH {
            self.model.clone()
        } else {
            format!("{}@{}", self.model, self.revision)
        }
    }

    /// Returns the model's files in the cache, after downloading the missing ones unless `offline` is set.
    ///
    /// If the hub is not available, a complete model in the cache is used as it is, after a few seconds at
    /// most.
    pub fn open(
        &self,
        hub: &Hub,
        offline: bool,
        accept: Accept<'_>,
        watch: &dyn Watch,
    ) -> Result<ModelFiles> {
        if offline || hub.offline {
            return self.cached(hub);
        }
        match self.downloaded(hub, accept, watch) {
            Err(error) if is_outage(&error) => self.cached(hub).map_err(|_| error),
            result => result,
        }
    }

    /// Returns the model's files in the cache.
    ///
    /// # Errors
    /// The cache does not have the model, or a file is missing or damaged.
    pub fn cached(&self, hub: &Hub) -> Result<ModelFiles> {
        let repo = CachedRepo::new(&hub.cache, &self.model, &self.revision);
        let files = self.complete(hub)?;
        let is_damaged = |file: &ModelFile| matches!(file, ModelFile::Path(path) if repo.is_damaged(path));
        let damaged = files.files.iter().filter(|(_, file)| is_damaged(file)).map(|(name, _)| name.clone());
        match damaged.collect::<Vec<_>>() {
            damaged if damaged.is_empty() => Ok(files),
            damaged => Err(Error::Hub(HubError::Damaged { model: self.name(), files: damaged })),
        }
    }

    /// Returns the model's files in the cache, without a check of their contents.
    ///
    /// # Errors
    /// The cache does not have the model, or lacks a file.
    pub fn complete(&self, hub: &Hub) -> Result<ModelFiles> {
        let repo = CachedRepo::new(&hub.cache, &self.model, &self.revision);
        let missing = |missing| Error::Hub(HubError::NotCached { model: self.name(), missing });
        let commit = repo.commit().ok_or_else(|| missing(None))?;
        match folder::gather(&repo.snapshot(&commit), self.name(), Some(commit)) {
            Err(Error::Io { .. }) => Err(missing(None)),
            Err(Error::MissingFile { file, .. }) => Err(missing(Some(file))),
            Err(Error::NoWeights { found, .. }) if found.is_empty() => Err(missing(Some("weights".into()))),
            result => result,
        }
    }

    /// Returns the model's configuration and tokenizer files in the cache, after downloading the missing ones
    /// unless `offline` is set.
    ///
    /// # Errors
    /// The hub does not have the model, or the download fails, and the cache does not have it either.
    pub fn configuration(&self, hub: &Hub, offline: bool, watch: &dyn Watch) -> Result<ModelFiles> {
        let cached = || {
            let repo = CachedRepo::new(&hub.cache, &self.model, &self.revision);
            let missing = || Error::Hub(HubError::NotCached { model: self.name(), missing: None });
            let commit = repo.commit().ok_or_else(missing)?;
            folder::configuration(&repo.snapshot(&commit), self.name(), Some(commit)).map_err(|_| missing())
        };
        if offline || hub.offline {
            return cached();
        }
        let downloaded = || {
            let client = HubClient::new(hub, &self.model, &self.revision, cached().is_ok(), watch)?;
            let RepoInfo { commit, files } = client.repo_info()?;
            let repo = CachedRepo::new(&hub.cache, &self.model, &self.revision);
            for file in files.iter().filter(|file| select::is_config(file)) {
                download::fetch(&client, &repo, &commit, file)?;
            }
            // a ref to a whole model stays; without any, these files would not be found offline
            if repo.commit().is_none() {
                let _ = repo.write_ref(&commit);
            }
            folder::configuration(&repo.snapshot(&commit), self.name(), Some(commit))
        };
        match downloaded() {
            Err(error) if is_outage(&error) => cached().map_err(|_| error),
            result => result,
        }
    }

    /// Asks the hub for the revision's commit and downloads the files that the cache lacks, small ones first.
    fn downloaded(&self, hub: &Hub, accept: Accept<'_>, watch: &dyn Watch) -> Result<ModelFiles> {
        let fallback = self.complete(hub).is_ok();
        let client = HubClient::new(hub, &self.model, &self.revision, fallback, watch)?;
        let RepoInfo { commit, files: names } = client.repo_info()?;
        let repo = CachedRepo::new(&hub.cache, &self.model, &self.revision);
        let fetch = |file: &str| download::fetch(&client, &repo, &commit, file);
        // An index of shards is read from the cache if it is there.
        let read = |file: &str| {
            let path = repo.snapshot(&commit).join(file);
            match std::fs::read(&path) {
                Ok(content) if !repo.is_damaged(&path) => Ok(content),
                _ => client.fetch(&commit, file),
            }
        };
        let (files, problem) = select::needed(&self.name(), &names, &read);
        if let Some(problem) = problem {
            return Err(problem);
        }
        fetch("config.json")?;
        let config = read_config(&repo.snapshot(&commit))?;
        accept(&config)?;
        files.iter().try_for_each(|file| fetch(file))?;
        // last, so that an earlier commit stays usable offline until this one is complete; an error is
        // ignored, since a complete model in a read-only cache is usable
        let _ = repo.write_ref(&commit);
        let files = folder::gather(&repo.snapshot(&commit), self.name(), Some(commit.clone()))?;
        Ok(files.with_config(config))
    }
}

/// Reads the config.json in a folder.
pub fn read_config(folder: &Path) -> Result<ModelConfig> {
    ModelConfig::parse(&ModelFile::Path(folder.join("config.json")).bytes()?)
}

/// Lists the models in a cache, at each of their refs, or at their commits if they have no refs.
pub fn ids(hub: &Hub) -> Vec<ModelId> {
    let models = cache::models(&hub.cache).into_iter();
    models
        .flat_map(|model| {
            let revisions = cache::revisions(&hub.cache, &model).into_iter();
            revisions.map(move |revision| ModelId { model: model.clone(), revision })
        })
        .collect()
}

/// Returns true if an error means that the hub is not available now, which says nothing about the model.
pub fn is_outage(error: &Error) -> bool {
    matches!(
        error,
        Error::Hub(
            HubError::Unreachable { .. }
                | HubError::Tls { .. }
                | HubError::Processor
                | HubError::Interrupted { .. }
                | HubError::RateLimited { .. }
                | HubError::Unavailable { .. }
                | HubError::BadReply { .. }
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_or_two_parts_and_perhaps_a_revision() {
        let id = ModelId::parse("org/name", None).unwrap();
        assert_eq!((id.model.as_str(), id.revision.as_str()), ("org/name", "main"));
        assert_eq!(id.name(), "org/name");
        let id = ModelId::parse("t5-small@refs/pr/3", None).unwrap();
        assert_eq!(id.name(), "t5-small@refs/pr/3");
        assert_eq!(ModelId::parse("t5-small@v1", Some("v2")).unwrap().revision, "v2");
        for text in ["", "a/b/c", "a//b", "my model", "a/b@../../x", "a--b/c", "../a", "a/..", "-a", "a/b@"] {
            assert_eq!(ModelId::parse(text, None), None, "{text}");
        }
    }
}
