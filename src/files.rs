//! Files of a model, on disk or built into the program; and files written as a whole or not at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::checkpoint::{ModelConfig, json};
use crate::error::{Error, Result};
use crate::sys::FileMap;

/// A file of a model.
#[derive(Clone, Debug)]
pub enum ModelFile {
    /// On disk.
    Path(PathBuf),
    /// Built into the program.
    Static(&'static [u8]),
}

/// Contents of a file, memory-mapped, built in or read. Cloning is cheap.
#[derive(Clone)]
pub enum Bytes {
    /// A memory-mapped file.
    Mapped(Arc<FileMap>),
    /// Built into the program.
    Static(&'static [u8]),
    /// In memory, such as standard input.
    Shared(Arc<[u8]>),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Static(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes[{}]", self.len())
    }
}

impl Bytes {
    /// Releases the memory of `range`; the next access reads the file again.
    pub fn release(&self, range: std::ops::Range<usize>) {
        if let Bytes::Mapped(map) = self {
            map.release(range);
        }
    }
}

impl ModelFile {
    /// Returns the contents, memory-mapped if the file is on disk.
    pub fn bytes(&self) -> Result<Bytes> {
        match self {
            ModelFile::Static(bytes) => Ok(Bytes::Static(bytes)),
            ModelFile::Path(path) => map(path),
        }
    }
}

fn map(path: &Path) -> Result<Bytes> {
    if std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len() == 0 {
        return Ok(Bytes::Static(&[]));
    }
    let map = FileMap::open(path).map_err(|e| Error::io(path, e))?;
    Ok(Bytes::Mapped(Arc::new(map)))
}

/// Files of a model by their name within the repository (`config.json`, `model.safetensors`, ...).
#[derive(Clone, Debug, Default)]
pub struct ModelFiles {
    /// Name of the model as shown on screen: its hub id, its folder's name, or `demo`.
    pub name: String,
    /// Commit of a repository on the hub.
    pub commit: Option<String>,
    /// Files by name.
    pub files: BTreeMap<String, ModelFile>,
    config: OnceLock<ModelConfig>,
}

impl ModelFiles {
    /// Creates the set of a model's files.
    pub fn new(
        name: impl Into<String>,
        commit: Option<String>,
        files: impl IntoIterator<Item = (String, ModelFile)>,
    ) -> Self {
        Self { name: name.into(), commit, files: files.into_iter().collect(), config: OnceLock::new() }
    }

    /// Sets the parsed config.json, so that [`ModelFiles::config`] does not read it again.
    #[must_use]
    pub fn with_config(self, config: ModelConfig) -> Self {
        Self { config: config.into(), ..self }
    }

    /// Returns config.json, parsed by the first call.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if there is none, [`Error::BadFile`] if it is not valid JSON.
    pub fn config(&self) -> Result<&ModelConfig> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = ModelConfig::parse(&self.need("config.json")?)?;
        Ok(self.config.get_or_init(|| config))
    }

    /// Returns true if the model has a file of that name.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Returns the contents of a file, or `None` if the model has no such file.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>> {
        self.files.get(name).map(ModelFile::bytes).transpose()
    }

    /// Returns the contents of a file that must exist.
    pub fn need(&self, name: &str) -> Result<Bytes> {
        self.get(name)?.ok_or_else(|| Error::MissingFile { model: self.name.clone(), file: name.into() })
    }

    /// Parses a JSON file; `None` if the model has no such file.
    pub fn json(&self, name: &str) -> Result<Option<serde_json::Value>> {
        let Some(bytes) = self.get(name)? else { return Ok(None) };
        let bad = |why: String| Error::BadFile { file: name.into(), why };
        json::check_values(&bytes, json::max_values(bytes.len())).map_err(bad)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|e| bad(format!("not valid JSON: {e}")))
    }
}

/// Checks that an output file can be written, before a long run that would end in an error.
///
/// # Errors
/// [`Error::Exists`] if the file exists and `force` is off; [`Error::NotAFile`] if the path is a device, a
/// pipe or a link to nothing; [`Error::Io`] if it is a folder or its parent does not exist.
pub fn check_free(path: &Path, force: bool) -> Result<()> {
    let io = |kind: std::io::ErrorKind| Err(Error::io(path, kind.into()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() {
        io(std::io::ErrorKind::IsADirectory)
    } else if let Some(what) = special(path) {
        Err(Error::NotAFile { path: path.to_path_buf(), what })
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        io(std::io::ErrorKind::NotFound)
    } else if !force && path.exists() {
        Err(Error::Exists { path: path.to_path_buf() })
    } else {
        Ok(())
    }
}

/// Returns what an existing path is if it is neither a regular file nor a folder nor a link to one.
fn special(path: &Path) -> Option<&'static str> {
    let kind = std::fs::symlink_metadata(path).ok()?.file_type();
    match std::fs::metadata(path) {
        Err(_) if kind.is_symlink() => Some("a link to nothing"),
        Ok(found) if !found.is_file() && !found.is_dir() => Some("a device or a pipe, not a file"),
        _ => None,
    }
}

/// Splits `FILE@N` into the file and the number of a sentence in it; 0 without a number.
pub fn sentence_of(path: &Path) -> (PathBuf, usize) {
    let whole = || (path.to_path_buf(), 0);
    if path.exists() {
        return whole();
    }
    let parts = path.to_str().and_then(|text| text.rsplit_once('@'));
    parts.and_then(|(file, number)| Some((PathBuf::from(file), number.parse().ok()?))).unwrap_or_else(whole)
}

/// Writes a file as a whole or not at all: under a temporary name in the same folder, then renamed.
///
/// # Errors
/// Those of [`check_free`]; [`Error::Io`].
pub fn save(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    save_with(path, force, |out| out.write_all(bytes))
}

/// Writes or replaces a file in a folder that its owner alone can read, and that is created if necessary.
///
/// # Errors
/// [`Error::Io`].
pub fn save_private(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let owner = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(folder, owner).map_err(|error| Error::io(folder, error))?;
        }
    }
    save(path, bytes, true)
}

/// Like [`save`], for contents that `write` produces piece by piece.
///
/// # Errors
/// As [`save`].
pub fn save_with(
    path: &Path,
    force: bool,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    check_free(path, force)?;
    let target = linked(path);
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let part = PartFile::new(target.with_file_name(name));
    std::fs::File::create(&part.0)
        .and_then(|file| {
            keep_mode(&target, &file)?;
            let mut file = std::io::BufWriter::new(file);
            write(&mut file)?;
            file.flush()
        })
        .and_then(|()| std::fs::rename(&part.0, &target))
        .map_err(|e| Error::io(path, e))
}

/// Moves a complete file to `path`. A file there is replaced, but a link to it and its permissions stay.
///
/// # Errors
/// Those of [`check_free`]; [`Error::Io`].
pub fn move_into_place(file: &Path, path: &Path, force: bool) -> Result<()> {
    check_free(path, force)?;
    let target = linked(path);
    std::fs::File::open(file)
        .and_then(|opened| keep_mode(&target, &opened))
        .and_then(|()| std::fs::rename(file, &target))
        .map_err(|e| Error::io(path, e))
}

/// Returns the path of a file or folder from the root on, without links; `None` if there is none.
pub fn whole_path(path: &Path) -> Option<PathBuf> {
    let whole = path.canonicalize().ok()?;
    // Windows marks such paths (`\\?\C:\file`), which few programs read.
    let unmarked = whole.to_str().and_then(|text| text.strip_prefix(r"\\?\"));
    let usual = unmarked.filter(|rest| rest.as_bytes().get(1) == Some(&b':')).map(PathBuf::from);
    Some(usual.unwrap_or(whole))
}

/// Returns the file that a link leads to, or the path itself if it is no link.
pub fn linked(path: &Path) -> PathBuf {
    if path.is_symlink() {
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    } else {
        path.to_path_buf()
    }
}

/// Returns true if `path` still is the opened file, which nobody has renamed or removed.
pub fn is_at(file: &std::fs::File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |data: std::fs::Metadata| (data.dev(), data.ino());
        match (file.metadata(), std::fs::metadata(path)) {
            (Ok(opened), Ok(found)) => id(opened) == id(found),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Gives `file`, which is about to replace `old`, the permissions of `old` if that exists.
fn keep_mode(old: &Path, file: &std::fs::File) -> std::io::Result<()> {
    match std::fs::metadata(old) {
        Ok(found) => file.set_permissions(found.permissions()),
        Err(_) => Ok(()),
    }
}

/// Paths of all incomplete output files.
static PARTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// An incomplete output file. Dropping it removes the file, unless it has been renamed.
struct PartFile(PathBuf);

impl PartFile {
    fn new(path: PathBuf) -> Self {
        if let Ok(mut parts) = PARTS.lock() {
            parts.push(path.clone());
        }
        Self(path)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        if let Ok(mut parts) = PARTS.lock() {
            parts.retain(|path| *path != self.0);
        }
    }
}

/// Removes all incomplete output files, for a program that is about to be ended by a signal.
pub fn remove_parts() {
    if let Ok(mut parts) = PARTS.lock() {
        for path in parts.drain(..) {
            let _ = std::fs::remove_file(path);
        }
    }
}
