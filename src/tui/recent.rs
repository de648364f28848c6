//! Files and folders that were opened or written lately, kept from session to session.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::engine::Openable;
use crate::error::{Error, Result};
use crate::files;

/// The files, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentFiles {
    files: Vec<String>,
}

impl RecentFiles {
    /// Limit on the number of files; the oldest go first.
    const MOST: usize = 20;

    /// Reads the list. A missing file, or one of another form, lists nothing.
    pub fn read(path: &Path) -> Self {
        toml::from_str(&std::fs::read_to_string(path).unwrap_or_default()).unwrap_or_default()
    }

    /// Adds a MODEL argument to the list in the file at `path` if it is a file or a folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remember(path: &Path, opened: &str) -> Result<()> {
        let whole = files::whole_path(Path::new(opened));
        let Some(opened) = whole.and_then(|whole| whole.to_str().map(String::from)) else {
            return Ok(());
        };
        let mut recent = Self::read(path);
        recent.files.retain(|file| *file != opened);
        recent.files.push(opened);
        let over = recent.files.len().saturating_sub(Self::MOST);
        recent.files.drain(..over);
        let text = toml::to_string(&recent)
            .map_err(|error| Error::BadFile { file: path.display().to_string(), why: error.to_string() })?;
        files::save_private(path, text.as_bytes())
    }

    /// Returns those that still exist, the newest first.
    pub fn openable(&self) -> Vec<Openable> {
        let there = self.files.iter().rev().filter(|file| Path::new(file).exists());
        there.map(|file| Openable { model: file.clone(), name: file.clone(), what: "recent" }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_exist_are_listed_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/recent.toml");
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        for name in ["a.npz", "b.npz", "c.npz"] {
            std::fs::write(file(name), "").unwrap();
        }
        for name in ["a.npz", "b.npz", "c.npz", "a.npz"] {
            RecentFiles::remember(&path, &file(name)).unwrap();
        }
        RecentFiles::remember(&path, "org/name").unwrap();
        std::fs::remove_file(file("b.npz")).unwrap();
        let ends =
            |found: Openable| Path::new(&found.model).file_name().unwrap().to_str().unwrap().to_string();
        let listed: Vec<String> = RecentFiles::read(&path).openable().into_iter().map(ends).collect();
        assert_eq!(listed, ["a.npz", "c.npz"]);
    }
}
