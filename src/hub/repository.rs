//! A hub id and how its files are found: in the cache, or fetched into it.

use std::path::Path;

use super::cache::{self, Repository};
use super::client::{Client, Contents};
use super::env::Hub;
use super::{download, folder, select};
use crate::error::{Error, HubError, Result};
use crate::files::{ModelFile, ModelFiles};
use crate::progress::Watch;

/// The branch that a hub id without a revision means.
const DEFAULT: &str = "main";

/// A model of the hub at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// `org/name`, or `name` for the hub's oldest models.
    pub model: String,
    /// Branch, tag or commit.
    pub revision: String,
}

/// Judges a model by its config.json before anything large is fetched.
pub type Accept<'a> = &'a dyn Fn(&serde_json::Value) -> Result<()>;

impl Id {
    /// Reads `name`, `org/name` or either with `@revision`; `None` where the hub cannot have such a name.
    pub fn parse(text: &str, revision: Option<&str>) -> Option<Self> {
        let (model, inner) = match text.split_once('@') {
            Some((model, inner)) => (model, Some(inner)),
            None => (text, None),
        };
        let revision = revision.or(inner).unwrap_or(DEFAULT);
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
        (is_id && select::is_plain(revision)).then(|| Self { model: model.into(), revision: revision.into() })
    }

    /// As shown on screen: the revision only where it is not the default one.
    pub fn name(&self) -> String {
        if self.revision == DEFAULT {
            self.model.clone()
        } else {
            format!("{}@{}", self.model, self.revision)
        }
    }

    /// Opens the model from the cache, fetching what is missing unless `offline`.
    ///
    /// Where the hub cannot be reached, a model that is wholly in the cache opens all the same.
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
        match self.fetched(hub, accept, watch) {
            Err(error) if is_outage(&error) => self.cached(hub).map_err(|_| error),
            result => result,
        }
    }

    /// Opens the model as the cache has it.
    ///
    /// # Errors
    /// The cache does not have it, or lacks a file.
    pub fn cached(&self, hub: &Hub) -> Result<ModelFiles> {
        let place = Repository::new(&hub.cache, &self.model, &self.revision);
        let missing = |missing| Error::Hub(HubError::NotCached { model: self.name(), missing });
        let commit = place.commit().ok_or_else(|| missing(None))?;
        match folder::gather(&place.snapshot(&commit), self.name(), Some(commit)) {
            Err(Error::Io { .. }) => Err(missing(None)),
            Err(Error::MissingFile { file, .. }) => Err(missing(Some(file))),
            Err(Error::NoWeights { found, .. }) if found.is_empty() => Err(missing(Some("weights".into()))),
            result => result,
        }
    }

    /// Asks the hub what the revision means now and fetches what the cache lacks, the small files first.
    fn fetched(&self, hub: &Hub, accept: Accept<'_>, watch: &dyn Watch) -> Result<ModelFiles> {
        let client = Client::new(hub, &self.model, &self.revision, watch)?;
        let Contents { commit, files: names } = client.contents()?;
        let place = Repository::new(&hub.cache, &self.model, &self.revision);
        let fetch = |file: &str| download::fetch(&client, &place, &commit, file);
        let (files, problem) = select::needed(&self.name(), &names, &|file| client.text(&commit, file));
        if let Some(problem) = problem {
            return Err(problem);
        }
        fetch("config.json")?;
        accept(&read_config(&place.snapshot(&commit))?)?;
        files.iter().try_for_each(|file| fetch(file))?;
        // last, so that until then the commit that was fetched before opens offline; a whole model in a cache that
        // cannot be written opens all the same
        let _ = place.remember(&commit);
        folder::gather(&place.snapshot(&commit), self.name(), Some(commit.clone()))
    }
}

/// The config.json in a folder.
pub fn read_config(folder: &Path) -> Result<serde_json::Value> {
    let bytes = ModelFile::Path(folder.join("config.json")).bytes()?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::BadFile { file: "config.json".into(), why: format!("not valid JSON: {e}") })
}

/// The models that a cache knows, at each of their branches and tags, or at their commits where there are none.
pub fn ids(hub: &Hub) -> Vec<Id> {
    let models = cache::models(&hub.cache).into_iter();
    models
        .flat_map(|model| {
            let revisions = cache::revisions(&hub.cache, &model).into_iter();
            revisions.map(move |revision| Id { model: model.clone(), revision })
        })
        .collect()
}

/// Whether an error says nothing about the model, only that the hub cannot be asked now.
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
        let id = Id::parse("org/name", None).unwrap();
        assert_eq!((id.model.as_str(), id.revision.as_str()), ("org/name", "main"));
        assert_eq!(id.name(), "org/name");
        let id = Id::parse("t5-small@refs/pr/3", None).unwrap();
        assert_eq!(id.name(), "t5-small@refs/pr/3");
        assert_eq!(Id::parse("t5-small@v1", Some("v2")).unwrap().revision, "v2");
        for text in ["", "a/b/c", "a//b", "my model", "a/b@../../x", "a--b/c", "../a", "a/..", "-a", "a/b@"] {
            assert_eq!(Id::parse(text, None), None, "{text}");
        }
    }
}
