//! Text columns of a Parquet file, a few rows at a time.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::ByteArrayType;
use parquet::file::reader::FileReader;

use super::read::{Levels, ParquetFile, bad, guarded, is_text};
use crate::error::Result;

/// Rows that are in memory at once.
const ROWS: usize = 1024;

/// Reader of the rows of some text columns. Do not read on after an error.
pub struct TextRows {
    file: ParquetFile,
    columns: Vec<usize>,
    /// Number of the next row group.
    group: usize,
    readers: Vec<ColumnReaderImpl<ByteArrayType>>,
    /// Rows of the open row group that are not read yet.
    left: usize,
    /// Rows that are read and not returned yet, last first.
    ready: Vec<Vec<Option<String>>>,
}

impl TextRows {
    /// Starts to read columns.
    ///
    /// # Errors
    /// [`crate::error::Error::BadFile`] if the file lacks one of them or it holds no text; the message lists
    /// the columns.
    pub fn new(file: ParquetFile, names: &[&str]) -> Result<Self> {
        let mut columns = Vec::new();
        for name in names {
            let lacks = || file.bad(&format!("no column '{name}'; there are {}", file.names().join(", ")));
            let at = file.column(name).ok_or_else(lacks)?;
            let shape = file.reader.metadata().file_metadata().schema_descr().column(at);
            if !is_text(&shape) || shape.max_rep_level() > 0 {
                return Err(file.bad(&format!("its column '{name}' holds no text")));
            }
            columns.push(at);
        }
        Ok(Self { file, columns, group: 0, readers: Vec::new(), left: 0, ready: Vec::new() })
    }

    fn fill(&mut self) -> Result<()> {
        while self.left == 0 && self.group < self.file.reader.num_row_groups() {
            self.readers.clear();
            for &at in &self.columns {
                let (reader, rows) = self.file.column_reader(self.group, at)?;
                self.left = rows;
                if let ColumnReader::ByteArrayColumnReader(reader) = reader {
                    self.readers.push(reader);
                }
            }
            self.group += 1;
        }
        let count = self.left.min(ROWS);
        self.left -= count;
        let mut rows = vec![Vec::new(); count];
        for (reader, &at) in self.readers.iter_mut().zip(&self.columns) {
            let shape = self.file.reader.metadata().file_metadata().schema_descr().column(at);
            let mut levels = Levels::empty();
            levels.add(reader, count).map_err(|error| bad(self.file.path(), &error))?;
            let texts = levels.optional(&shape, |bytes| String::from_utf8_lossy(bytes.data()).into_owned());
            rows.iter_mut().zip(texts).for_each(|(row, text)| row.push(text));
        }
        rows.reverse();
        self.ready = rows;
        Ok(())
    }
}

impl Iterator for TextRows {
    type Item = Result<Vec<Option<String>>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            let path = self.file.path().to_path_buf();
            if let Err(error) = guarded(&path, || self.fill()) {
                return Some(Err(error));
            }
        }
        self.ready.pop().map(Ok)
    }
}
