//! Standard input, read once and up to a limit.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::MAX_INPUT;
use crate::error::{AudioError, Error, Result};

/// Returns all bytes of standard input. It may be asked for several times.
///
/// # Errors
/// [`Error::Io`]; [`AudioError::TooLong`] for endless input.
pub fn bytes() -> Result<Arc<[u8]>> {
    static BYTES: Mutex<Option<Arc<[u8]>>> = Mutex::new(None);
    let mut known = BYTES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = &*known {
        return Ok(Arc::clone(bytes));
    }
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().take(MAX_INPUT + 1);
    input.read_to_end(&mut bytes).map_err(|e| Error::io("standard input", e))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(AudioError::TooLong { limit: MAX_INPUT }.into());
    }
    Ok(Arc::clone(known.insert(bytes.into())))
}
