//! The folder of a scan, to read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::manifest::{FILE, Manifest};
use super::rows::head;
use crate::columns::{ColumnTable, ParquetFile};
use crate::engine::RunOptions;
use crate::error::{Error, Result};
use crate::export::tables::HEAD_COLUMNS;
use crate::site::Head;

/// A scan that was written to a folder, finished or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    folder: PathBuf,
    /// The model, the options and the columns.
    pub manifest: Manifest,
    /// Names of the files of each table, in order.
    parts: Vec<String>,
}

impl Scan {
    /// Returns true if a folder looks like that of a scan.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(FILE).is_file() && folder.join("sentences").is_dir()
    }

    /// Opens the folder of a scan.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if it has no manifest of this schema.
    pub fn open(folder: &Path) -> Result<Self> {
        let none = || Error::BadFile { file: folder.display().to_string(), why: "it holds no scan".into() };
        let manifest = Manifest::read(folder)?.ok_or_else(none)?;
        let sentences = folder.join("sentences");
        let mut parts = Vec::new();
        for entry in std::fs::read_dir(&sentences).map_err(|error| Error::io(&sentences, error))? {
            let entry = entry.map_err(|error| Error::io(&sentences, error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with("part-") && name.ends_with(".parquet") {
                parts.push(name);
            }
        }
        parts.sort_unstable();
        Ok(Self { folder: folder.into(), manifest, parts })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of files of each table.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Returns the options of the run on the first sentence that is a text; `None` if the first file has none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if a file is damaged.
    pub fn first_run(&self) -> Result<Option<RunOptions>> {
        let rows = self.read("sentences", 0, &["source", "target", "generated"])?;
        let run = |row: usize| {
            let source = rows.text("source", row).filter(|source| !source.is_empty())?;
            let target = rows.text("target", row).filter(|_| !rows.flag("generated", row));
            Some(self.manifest.run(source.into(), target.map(String::from)))
        };
        Ok((0..rows.rows()).find_map(run))
    }

    /// Checks that a head is one of the scan's model. A scan without any measures may have every head.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if it is not; [`Error::Io`]; [`Error::BadFile`] if a file is damaged.
    pub fn check(&self, head: Head) -> Result<()> {
        let heads = self.heads()?;
        if heads.is_empty() || heads.contains(&head) {
            return Ok(());
        }
        let of_kind = heads.iter().filter(|other| other.kind() == head.kind());
        let layers = of_kind.map(|other| other.layer() + 1).max().unwrap_or(0);
        let of_layer = heads.iter().filter(|other| other.site == head.site).count();
        Err(Error::NoSuchHead(head.absence(layers, of_layer)))
    }

    /// Reads the heads that were measured, from the first file that has any.
    fn heads(&self) -> Result<BTreeSet<Head>> {
        for part in 0..self.parts() {
            let rows = self.read("heads", part, &HEAD_COLUMNS)?;
            let heads: BTreeSet<Head> = (0..rows.rows()).filter_map(|row| head(&rows, row)).collect();
            if !heads.is_empty() {
                return Ok(heads);
            }
        }
        Ok(BTreeSet::new())
    }

    /// Reads columns of one file of a table.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if the file is damaged.
    pub fn read(&self, table: &str, part: usize, columns: &[&str]) -> Result<ColumnTable> {
        let Some(name) = self.parts.get(part) else { return Ok(ColumnTable::default()) };
        ParquetFile::open(&self.folder.join(table).join(name))?.read(columns)
    }
}
