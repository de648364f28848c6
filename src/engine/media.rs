//! Files that sources come from: recordings and pictures.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files::{Bytes, ModelFile};
use crate::hub;

/// Most bytes of a source on standard input, which is kept in memory.
pub const MAX_INPUT: u64 = 1 << 30;

/// Largest file whose checksum is computed, in bytes.
const MAX_HASHED: usize = 1 << 28;

/// An opened file.
pub(super) struct MediaFile {
    /// Its name without its folder.
    pub name: String,
    pub bytes: Bytes,
    /// SHA-256 in hexadecimal; `None` for a file that is too large.
    pub sha256: Option<String>,
}

impl MediaFile {
    /// Opens a file or a built-in picture, or takes the contents of standard input.
    pub fn open(path: &Path, input: Option<&Arc<[u8]>>) -> Result<Self> {
        let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let built_in = || hub::built_in_picture(path).filter(|_| !path.exists());
        let (name, bytes) = match (input, built_in()) {
            (Some(bytes), _) => ("standard input".into(), Bytes::Shared(Arc::clone(bytes))),
            (None, Some(bytes)) => (name(), Bytes::Static(bytes)),
            (None, None) if path.is_dir() => {
                return Err(Error::io(path, std::io::ErrorKind::IsADirectory.into()));
            }
            (None, None) => (name(), ModelFile::Path(path.into()).bytes()?),
        };
        let sha256 = (bytes.len() <= MAX_HASHED).then(|| hub::sha256(&bytes)).flatten();
        Ok(Self { name, bytes, sha256 })
    }
}
