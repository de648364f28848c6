//! Stands for Parquet in a build without the feature `parquet`.

use std::convert::Infallible;
use std::path::Path;

use super::ColumnTable;
use crate::error::{Error, Result};

fn absent() -> Error {
    Error::Usage("this program was built without Parquet; build it with `--features parquet`".into())
}

/// Encodes no table.
///
/// # Errors
/// [`Error::Usage`], always.
pub fn encode(_: &ColumnTable, _: &[(&str, String)]) -> Result<Vec<u8>> {
    Err(absent())
}

/// A Parquet file, of which there are none.
pub struct ParquetFile(Infallible);

impl ParquetFile {
    /// Opens no file.
    ///
    /// # Errors
    /// [`Error::Usage`], always.
    pub fn open(_: &Path) -> Result<Self> {
        Err(absent())
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        match self.0 {}
    }

    /// Returns a note of the footer.
    pub fn note(&self, _: &str) -> Option<&str> {
        match self.0 {}
    }

    /// Returns the names of the columns.
    pub fn names(&self) -> Vec<String> {
        match self.0 {}
    }

    /// Reads columns.
    ///
    /// # Errors
    /// None.
    pub fn read(&self, _: &[&str]) -> Result<ColumnTable> {
        match self.0 {}
    }

    /// Creates the error for a file that cannot be used.
    pub fn bad(&self, _: &str) -> Error {
        match self.0 {}
    }
}

/// Rows of a Parquet file, of which there are none.
pub struct TextRows(Infallible);

impl TextRows {
    /// Starts to read columns.
    ///
    /// # Errors
    /// None.
    pub fn new(file: ParquetFile, _: &[&str]) -> Result<Self> {
        match file.0 {}
    }
}

impl Iterator for TextRows {
    type Item = Result<Vec<Option<String>>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {}
    }
}
