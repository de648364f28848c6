//! The files of one model, wherever they lie: on disk or built into the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// One file of a model.
#[derive(Clone, Debug)]
pub enum ModelFile {
    /// On disk.
    Path(PathBuf),
    /// Built into the program.
    Static(&'static [u8]),
}

/// The bytes of a file: memory-mapped or built in; cloning is free.
#[derive(Clone)]
pub enum Bytes {
    /// A mapped file.
    Mapped(Arc<memmap2::Mmap>),
    /// Built into the program.
    Static(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Static(bytes) => bytes,
        }
    }
}

impl ModelFile {
    /// The file's bytes, memory-mapped where it lies on disk.
    pub fn bytes(&self) -> Result<Bytes> {
        match self {
            ModelFile::Static(bytes) => Ok(Bytes::Static(bytes)),
            ModelFile::Path(path) => map(path),
        }
    }
}

fn map(path: &Path) -> Result<Bytes> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    if file.metadata().map_err(|e| Error::io(path, e))?.len() == 0 {
        return Ok(Bytes::Static(&[]));
    }
    // SAFETY: the map is read-only; model files in the cache are never changed in place (they are renamed
    // into it when complete), and a file that its owner truncates under us would fail any reader.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
    Ok(Bytes::Mapped(Arc::new(map)))
}

/// The files of one model by their name within the repository (`config.json`, `model.safetensors`, ...).
#[derive(Clone, Debug, Default)]
pub struct ModelFiles {
    /// What the user asked for, as shown on screen: the hub id, the folder's name or `demo`.
    pub name: String,
    /// The commit, where the hub told it.
    pub commit: Option<String>,
    /// Name to file.
    pub files: BTreeMap<String, ModelFile>,
}

impl ModelFiles {
    /// Whether the model has a file of that name.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The bytes of a file, or `None` where the model has no such file.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>> {
        self.files.get(name).map(ModelFile::bytes).transpose()
    }

    /// The bytes of a file that must be there.
    pub fn need(&self, name: &str) -> Result<Bytes> {
        self.get(name)?.ok_or_else(|| Error::MissingFile { model: self.name.clone(), file: name.into() })
    }

    /// A JSON file, or `None` where the model has no such file.
    pub fn json(&self, name: &str) -> Result<Option<serde_json::Value>> {
        let Some(bytes) = self.get(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Error::BadFile { file: name.into(), why: format!("not valid JSON: {e}") })
    }
}

/// `Err(Exists)` where a file is there already and may not be overwritten.
pub fn check_free(path: &Path, force: bool) -> Result<()> {
    if !force && path.exists() { Err(Error::Exists { path: path.to_path_buf() }) } else { Ok(()) }
}

/// Writes a file whole or not at all: under a temporary name beside it, then renamed.
///
/// # Errors
/// [`Error::Exists`] where it is there already and `force` is off; [`Error::Io`].
pub fn save(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    check_free(path, force)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, bytes)
        .map_err(|e| Error::io(path, e))
        .and_then(|()| std::fs::rename(&part, path).map_err(|e| Error::io(path, e)));
    if written.is_err() {
        // What went wrong is told; what is left of the attempt must not stay.
        let _ = std::fs::remove_file(&part);
    }
    written
}
