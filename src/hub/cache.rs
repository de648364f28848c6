//! The hub's cache on disk, in the layout that every hub tool shares:
//! `models--org--name/{blobs/ETAG, refs/REVISION, snapshots/COMMIT/FILE -> ../../blobs/ETAG}`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use crate::error::{Error, Result};
use crate::progress::Watch;

/// One model's part of the cache.
pub struct Repository {
    folder: PathBuf,
    locks: PathBuf,
    revision: String,
    layout: CacheRepo,
}

impl Repository {
    /// The place of a model (`org/name`) at a revision; nothing needs to be there yet.
    pub fn new(cache: &Path, model: &str, revision: &str) -> Self {
        let repo = Repo::with_revision(model.to_owned(), RepoType::Model, revision.to_owned());
        let name = repo.folder_name();
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(&name),
            revision: revision.to_owned(),
            layout: Cache::new(cache.to_path_buf()).repo(repo),
        }
    }

    /// The commit that the revision meant when it was last fetched, or the revision itself where it is a commit
    /// that is there.
    pub fn commit(&self) -> Option<String> {
        let known = std::fs::read_to_string(self.reference()).ok().map(|text| text.trim().to_owned());
        known
            .filter(|commit| super::select::is_plain(commit))
            .or_else(|| self.snapshot(&self.revision).is_dir().then(|| self.revision.clone()))
    }

    /// The folder with the files of a commit.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    /// The folder of contents.
    pub fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    /// Remembers which commit the revision means.
    pub fn remember(&self, commit: &str) -> Result<()> {
        if self.revision == commit || std::fs::read_to_string(self.reference()).is_ok_and(|old| old == commit)
        {
            return Ok(());
        }
        let path = self.reference();
        make_parent(&path)?;
        let new = beside(&path);
        std::fs::write(&new, commit).map_err(|e| Error::io(&new, e))?;
        std::fs::rename(&new, &path).map_err(|e| Error::io(&path, e))
    }

    /// Shows a content as a file of a commit.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let pointer = self.snapshot(commit).join(file);
        if pointer.exists() {
            return Ok(());
        }
        make_parent(&pointer)?;
        // relative, so that the cache can be moved; a file in a subfolder has further to climb
        let climb = "../".repeat(2 + file.matches('/').count());
        let new = beside(&pointer);
        link(Path::new(&format!("{climb}blobs/{etag}")), &self.blobs().join(etag), &new)
            .and_then(|()| std::fs::rename(&new, &pointer))
            .map_err(|e| Error::io(&pointer, e))
    }

    /// Waits until no other process fetches the same content; the lock ends with the file that is returned.
    ///
    /// # Errors
    /// Cancelled while waiting, or the cache cannot be written.
    pub fn lock(&self, etag: &str, watch: &dyn Watch) -> Result<File> {
        let path = self.locks.join(format!("{etag}.lock"));
        make_parent(&path)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io(&path, e))?;
        loop {
            match file.try_lock() {
                Err(std::fs::TryLockError::WouldBlock) => {
                    watch.check()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                // a file system without locks: two downloads at once then share the work badly, but the
                // checks of size and content still hold
                Ok(()) | Err(std::fs::TryLockError::Error(_)) => return Ok(file),
            }
        }
    }

    fn reference(&self) -> PathBuf {
        self.folder.join("refs").join(&self.revision)
    }
}

/// The models in a cache, as `org/name`.
pub fn models(cache: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(cache) else { return Vec::new() };
    let mut models: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("models--")?.replace("--", "/")))
        .collect();
    models.sort();
    models
}

/// The revisions of a model that a cache knows: its branches and tags, or its commits where there are none.
pub fn revisions(cache: &Path, model: &str) -> Vec<String> {
    let place = Repository::new(cache, model, "");
    let mut revisions = Vec::new();
    names_below(&place.folder.join("refs"), "", &mut revisions);
    if revisions.is_empty()
        && let Ok(entries) = std::fs::read_dir(place.folder.join("snapshots"))
    {
        revisions.extend(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()));
    }
    revisions.sort();
    revisions
}

/// Files below a folder, by their path from it: a branch may have slashes in its name.
fn names_below(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        if path.is_dir() {
            names_below(&path, &format!("{prefix}{name}/"), names);
        } else if !name.ends_with(".new") {
            names.push(format!("{prefix}{name}"));
        }
    }
}

/// Creates the folder that a file will lie in.
pub fn make_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))
}

/// Marks a folder as a cache, for programs that make backups (<https://bford.info/cachedir/>).
pub fn tag(cache: &Path) -> Result<()> {
    let path = cache.join("CACHEDIR.TAG");
    if path.exists() {
        return Ok(());
    }
    make_parent(&path)?;
    std::fs::write(&path, "Signature: 8a477f597d28d172789f06886806bc55\n").map_err(|e| Error::io(&path, e))
}

/// A name in the same folder that no other thread or process uses.
fn beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}-{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

#[cfg(unix)]
fn link(relative: &Path, _blob: &Path, pointer: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, pointer)
}

/// Windows lets only some users make links: a hard link, or else a copy, does the same for readers.
#[cfg(not(unix))]
fn link(_relative: &Path, blob: &Path, pointer: &Path) -> std::io::Result<()> {
    std::fs::hard_link(blob, pointer).or_else(|_| std::fs::copy(blob, pointer).map(|_| ()))
}
