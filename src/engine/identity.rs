//! The identity of an open model, for records of long work.

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::error::Result;
use crate::files::{Bytes, ModelFiles};
use crate::hub;

/// Bytes at either end of a weights file that its checksum covers.
const ENDS: usize = 1 << 16;

/// The identity of a model: two models with the same values compute the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Hub id, folder name or name of a built-in model.
    pub name: String,
    /// `model_type` of its config.json.
    pub model_type: String,
    /// Commit of the hub's repository.
    pub revision: Option<String>,
    /// SHA-256 of config.json; `None` on a processor that cannot compute it.
    pub config_sha256: Option<String>,
    /// SHA-256 over the names, the lengths and both ends of all other files; `None` as above.
    pub files_sha256: Option<String>,
}

impl Session {
    /// Computes the identity of the model.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub fn identity(&self) -> Result<ModelIdentity> {
        let files = self.files();
        Ok(ModelIdentity {
            name: self.info().name.clone(),
            model_type: self.info().model_type.clone(),
            revision: files.commit.clone(),
            config_sha256: files.get("config.json")?.and_then(|bytes| hub::sha256(&bytes)),
            files_sha256: digest(files)?,
        })
    }
}

fn digest(files: &ModelFiles) -> Result<Option<String>> {
    let mut digests = Vec::new();
    for (name, file) in files.files.iter().filter(|(name, _)| *name != "config.json") {
        let bytes: Bytes = file.bytes()?;
        let ends = [&bytes[..ENDS.min(bytes.len())], &bytes[bytes.len().saturating_sub(ENDS)..]].concat();
        let Some(found) = hub::sha256(&ends) else { return Ok(None) };
        digests.push(format!("{name} {} {found}\n", bytes.len()));
    }
    Ok(hub::sha256(digests.concat().as_bytes()))
}
