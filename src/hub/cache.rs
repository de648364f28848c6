//! The hub cache on disk, in the layout that huggingface_hub shares with other tools:
//! `models--org--name/{blobs/ETAG, refs/REVISION, snapshots/COMMIT/FILE -> ../../blobs/ETAG}`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::git;
use crate::error::{Error, Result};
use crate::progress::Watch;

/// A model's folder in the cache, at a revision.
pub struct CachedRepo {
    folder: PathBuf,
    locks: PathBuf,
    revision: String,
    layout: CacheRepo,
}

impl CachedRepo {
    /// Creates the handle for a model (`org/name`); its folder need not exist.
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

    /// Returns the commit of the ref, which the last download wrote, or the revision itself if it is a commit
    /// with a snapshot.
    pub fn commit(&self) -> Option<String> {
        let stored = std::fs::read_to_string(self.ref_path()).ok().map(|text| text.trim().to_owned());
        stored
            .filter(|commit| super::select::is_safe_path(commit))
            .or_else(|| self.snapshot(&self.revision).is_dir().then(|| self.revision.clone()))
    }

    /// Returns the snapshot folder of a commit.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    /// Returns the folder of blobs.
    pub fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    /// Returns true if a file of a snapshot differs from its checksum. Only small files, whose ETag is a Git
    /// blob id, are compared.
    pub fn is_damaged(&self, file: &Path) -> bool {
        let Some((blob, etag)) = self.blob_of(file) else { return false };
        git::is_sha1(&etag) && std::fs::read(blob).is_ok_and(|content| !git::is_name_of(&etag, &content))
    }

    /// Returns the blob that a file of a snapshot links to, and its name; `None` if the file is no link into
    /// the blobs.
    fn blob_of(&self, file: &Path) -> Option<(PathBuf, String)> {
        let blob = file.canonicalize().ok()?;
        let is_blob = self.blobs().canonicalize().is_ok_and(|blobs| blob.parent() == Some(&*blobs));
        let etag = blob.file_name()?.to_str()?.to_owned();
        is_blob.then_some((blob, etag))
    }

    /// Removes a file of a snapshot with its blob.
    pub fn remove(&self, file: &Path) -> Result<()> {
        let blob = self.blob_of(file).map(|(blob, _)| blob);
        for path in blob.as_deref().into_iter().chain([file]) {
            std::fs::remove_file(path).map_err(|e| Error::io(path, e))?;
        }
        Ok(())
    }

    /// Writes the ref: the commit of the revision.
    pub fn write_ref(&self, commit: &str) -> Result<()> {
        if self.revision == commit || std::fs::read_to_string(self.ref_path()).is_ok_and(|old| old == commit)
        {
            return Ok(());
        }
        let path = self.ref_path();
        make_parent(&path)?;
        let new = temporary_name(&path);
        std::fs::write(&new, commit).map_err(|e| Error::io(&new, e))?;
        std::fs::rename(&new, &path).map_err(|e| Error::io(&path, e))
    }

    /// Links a file of a commit's snapshot to its blob.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let pointer = self.snapshot(commit).join(file);
        if pointer.exists() {
            return Ok(());
        }
        make_parent(&pointer)?;
        // relative, so that the cache can be moved; deeper for a file in a subfolder
        let up = "../".repeat(2 + file.matches('/').count());
        let new = temporary_name(&pointer);
        link(Path::new(&format!("{up}blobs/{etag}")), &self.blobs().join(etag), &new)
            .and_then(|()| std::fs::rename(&new, &pointer))
            .map_err(|e| Error::io(&pointer, e))
    }

    /// Locks a blob against other processes that download it. Dropping the returned file releases the lock.
    ///
    /// # Errors
    /// Cancelled while waiting, or the cache is not writable.
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
                // some file systems have no locks: downloads may then do double work, but size and checksum
                // are verified all the same
                Ok(()) | Err(std::fs::TryLockError::Error(_)) => return Ok(file),
            }
        }
    }

    fn ref_path(&self) -> PathBuf {
        self.folder.join("refs").join(&self.revision)
    }
}

/// Lists the models in a cache, as `org/name`.
pub fn models(cache: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(cache) else { return Vec::new() };
    let mut models: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("models--")?.replace("--", "/")))
        .collect();
    models.sort();
    models
}

/// Lists the revisions of a model in a cache: its refs (branches and tags), or its commits if it has no refs.
pub fn revisions(cache: &Path, model: &str) -> Vec<String> {
    let repo = CachedRepo::new(cache, model, "");
    let mut revisions = Vec::new();
    file_names(&repo.folder.join("refs"), "", &mut revisions);
    if revisions.is_empty()
        && let Ok(entries) = std::fs::read_dir(repo.folder.join("snapshots"))
    {
        revisions.extend(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()));
    }
    revisions.sort();
    revisions
}

/// Collects the files below a folder by relative path, since branch names may contain slashes.
fn file_names(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        if path.is_dir() {
            file_names(&path, &format!("{prefix}{name}/"), names);
        } else if !name.ends_with(".new") {
            names.push(format!("{prefix}{name}"));
        }
    }
}

/// Creates the parent folder of a file.
pub fn make_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))
}

/// Tags the folder as a cache, for backup programs to skip it (<https://bford.info/cachedir/>).
pub fn write_cachedir_tag(cache: &Path) -> Result<()> {
    let path = cache.join("CACHEDIR.TAG");
    if path.exists() {
        return Ok(());
    }
    make_parent(&path)?;
    std::fs::write(&path, "Signature: 8a477f597d28d172789f06886806bc55\n").map_err(|e| Error::io(&path, e))
}

/// Returns a name in the same folder that no other thread or process uses.
fn temporary_name(path: &Path) -> PathBuf {
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

/// Creates a hard link or else a copy, since Windows restricts symbolic links to some users.
#[cfg(not(unix))]
fn link(_relative: &Path, blob: &Path, pointer: &Path) -> std::io::Result<()> {
    std::fs::hard_link(blob, pointer).or_else(|_| std::fs::copy(blob, pointer).map(|_| ()))
}
