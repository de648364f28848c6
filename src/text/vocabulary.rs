//! Vocabulary files: `vocab.json` and its like, and `vocab.txt` with a piece a line.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// Pieces and their ids.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    ids: HashMap<Arc<str>, u32>,
    pieces: HashMap<u32, Arc<str>>,
}

impl Vocabulary {
    /// Reads a JSON object that maps pieces to ids.
    pub fn load(files: &ModelFiles, name: &str) -> Result<Self> {
        let parsed: HashMap<String, u32> = serde_json::from_slice(&files.need(name)?)
            .map_err(|e| Error::BadFile { file: name.into(), why: e.to_string() })?;
        Ok(Self::new(parsed))
    }

    /// Builds a vocabulary from pieces and their ids.
    pub fn new(entries: impl IntoIterator<Item = (String, u32)>) -> Self {
        let entries = entries.into_iter().map(|(piece, id)| (Arc::<str>::from(piece), id));
        let ids: HashMap<Arc<str>, u32> = entries.collect();
        let pieces = ids.iter().map(|(piece, id)| (*id, piece.clone())).collect();
        Self { ids, pieces }
    }

    /// Returns the id of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// Returns the piece with that id.
    pub fn piece(&self, id: u32) -> Option<String> {
        self.pieces.get(&id).map(|piece| piece.to_string())
    }

    /// Returns the number of pieces.
    pub fn len(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Iterates over all pieces, in no particular order.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(|piece| &**piece)
    }
}

/// Reads the pieces of a `vocab.txt`; a piece's id is its line number, from 0.
pub(crate) fn read_lines(files: &ModelFiles, name: &str) -> Result<Vec<String>> {
    let bytes = files.need(name)?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Error::BadFile { file: name.into(), why: "not UTF-8".into() })?;
    Ok(text.lines().map(|line| line.trim_end().to_string()).collect())
}
