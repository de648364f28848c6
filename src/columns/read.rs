//! Reading of Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::{ColumnTable, ColumnValues, TypedColumn};
use crate::error::{Error, Result};
use crate::panics;

/// An opened Parquet file.
pub struct ParquetFile {
    path: PathBuf,
    pub(super) reader: SerializedFileReader<File>,
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if it is no Parquet file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let reader = guarded(path, || SerializedFileReader::new(file).map_err(|error| bad(path, &error)))?;
        Ok(Self { path: path.into(), reader })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Returns a note of the footer.
    pub fn note(&self, key: &str) -> Option<&str> {
        let notes = self.reader.metadata().file_metadata().key_value_metadata()?;
        notes.iter().find(|note| note.key == key)?.value.as_deref()
    }

    /// Returns the names of the columns; those within groups with dots, `translation.en`.
    pub fn names(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().iter().map(|column| column.path().string()).collect()
    }

    /// Returns the number of a column, which may be a list; `None` if there is no such column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        let list = format!("{name}.list.element");
        self.names().iter().position(|found| found == name || *found == list)
    }

    /// Reads columns. Those that the file lacks are left out.
    ///
    /// # Errors
    /// [`Error::BadFile`] if the file is damaged, or a column is of a type or compression that is not read.
    pub fn read(&self, names: &[&str]) -> Result<ColumnTable> {
        let found = names.iter().filter_map(|name| Some((*name, self.column(name)?)));
        let values = |at| guarded(&self.path, || self.values(at));
        let columns = found.map(|(name, at)| Ok(TypedColumn { name: name.into(), values: values(at)? }));
        Ok(ColumnTable { name: String::new(), columns: columns.collect::<Result<_>>()? })
    }

    fn values(&self, at: usize) -> Result<ColumnValues> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let shape = schema.column(at);
        let mut all: Option<ColumnValues> = None;
        for group in 0..self.reader.num_row_groups() {
            let values = self.group_values(group, at, &shape)?;
            match &mut all {
                None => all = Some(values),
                Some(all) => append(all, values),
            }
        }
        Ok(all.unwrap_or(ColumnValues::Wholes(Vec::new())))
    }

    /// Opens a column of a row group.
    pub(super) fn column_reader(&self, group: usize, at: usize) -> Result<(ColumnReader, usize)> {
        let read = || {
            let group = self.reader.get_row_group(group)?;
            let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            Ok((group.get_column_reader(at)?, rows))
        };
        if let Compression::ZSTD(_) | Compression::BROTLI(_) | Compression::LZO =
            self.reader.metadata().row_group(group).column(at).compression()
        {
            return Err(self.bad(
                "its pages are compressed with Zstandard, Brotli or LZO: write them with Snappy, with gzip \
                 or without compression",
            ));
        }
        read().map_err(|error: ParquetError| bad(&self.path, &error))
    }

    fn group_values(&self, group: usize, at: usize, shape: &ColumnDescriptor) -> Result<ColumnValues> {
        let (reader, rows) = self.column_reader(group, at)?;
        let list = shape.max_rep_level() > 0;
        let values = match reader {
            ColumnReader::BoolColumnReader(reader) if !list => {
                let values = Levels::read(reader, rows).map_err(|error| bad(&self.path, &error))?;
                ColumnValues::Flags(
                    values.optional(shape, |value| value).map(Option::unwrap_or_default).collect(),
                )
            }
            ColumnReader::Int32ColumnReader(reader) if !list => {
                let values = Levels::read(reader, rows).map_err(|error| bad(&self.path, &error))?;
                ColumnValues::Wholes(values.optional(shape, i64::from).collect())
            }
            ColumnReader::Int64ColumnReader(reader) => {
                let values = Levels::read(reader, rows).map_err(|error| bad(&self.path, &error))?;
                match list {
                    true => ColumnValues::WholeLists(values.lists(shape, |value| value)),
                    false => ColumnValues::Wholes(values.optional(shape, |value| value).collect()),
                }
            }
            ColumnReader::FloatColumnReader(reader) if !list => {
                let values = Levels::read(reader, rows).map_err(|error| bad(&self.path, &error))?;
                ColumnValues::Numbers(values.optional(shape, |value| value).collect())
            }
            ColumnReader::DoubleColumnReader(reader) if !list => {
                let values = Levels::read(reader, rows).map_err(|error| bad(&self.path, &error))?;
                ColumnValues::Numbers(values.optional(shape, |value| value as f32).collect())
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                let values = Levels::read(reader, rows).map_err(|error| bad(&self.path, &error))?;
                match (list, is_text(shape)) {
                    (true, _) => ColumnValues::TextLists(values.lists(shape, |bytes| text(&bytes))),
                    (false, true) => {
                        ColumnValues::Texts(values.optional(shape, |bytes| text(&bytes).into()).collect())
                    }
                    (false, false) => {
                        let bytes = values.optional(shape, |bytes| bytes.data().to_vec());
                        ColumnValues::Blobs(bytes.map(Option::unwrap_or_default).collect())
                    }
                }
            }
            _ => return Err(self.bad(&format!("its column {} is of a type that is not read", shape.path()))),
        };
        Ok(values)
    }

    /// Creates the error for a file that cannot be used.
    pub fn bad(&self, why: &str) -> Error {
        Error::BadFile { file: self.path.display().to_string(), why: why.into() }
    }
}

/// Calls Parquet's reader, which may panic on a damaged file.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = |why: String| Error::BadFile {
        file: path.display().to_string(),
        why: format!("it is damaged: {why}"),
    };
    panics::catch(call).unwrap_or_else(|why| Err(damaged(why)))
}

/// Creates the error for a file that Parquet's reader refuses.
pub(super) fn bad(path: &Path, error: &ParquetError) -> Error {
    Error::BadFile { file: path.display().to_string(), why: error.to_string() }
}

/// Returns true if a column of bytes holds text.
pub(super) fn is_text(shape: &ColumnDescriptor) -> bool {
    shape.logical_type_ref() == Some(&LogicalType::String) || shape.converted_type() == ConvertedType::UTF8
}

/// Decodes a text; bytes that are not UTF-8 become U+FFFD.
fn text(bytes: &ByteArray) -> String {
    String::from_utf8_lossy(bytes.data()).into_owned()
}

fn append(all: &mut ColumnValues, more: ColumnValues) {
    match (all, more) {
        (ColumnValues::Flags(all), ColumnValues::Flags(more)) => all.extend(more),
        (ColumnValues::Wholes(all), ColumnValues::Wholes(more)) => all.extend(more),
        (ColumnValues::Numbers(all), ColumnValues::Numbers(more)) => all.extend(more),
        (ColumnValues::Texts(all), ColumnValues::Texts(more)) => all.extend(more),
        (ColumnValues::Blobs(all), ColumnValues::Blobs(more)) => all.extend(more),
        (ColumnValues::WholeLists(all), ColumnValues::WholeLists(more)) => all.extend(more),
        (ColumnValues::TextLists(all), ColumnValues::TextLists(more)) => all.extend(more),
        // All row groups of a file have one schema.
        _ => {}
    }
}

/// The values of a column of a row group, with their definition and repetition levels.
pub(super) struct Levels<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl<T> Levels<T> {
    /// Creates the levels of no row.
    pub fn empty() -> Self {
        Self { values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new() }
    }

    /// Reads `rows` rows.
    pub fn read<D: DataType<T = T>>(
        mut reader: ColumnReaderImpl<D>,
        rows: usize,
    ) -> std::result::Result<Self, ParquetError> {
        let mut levels = Self::empty();
        levels.add(&mut reader, rows)?;
        Ok(levels)
    }

    /// Reads the next `rows` rows. It is an error if there are fewer.
    pub fn add<D: DataType<T = T>>(
        &mut self,
        reader: &mut ColumnReaderImpl<D>,
        rows: usize,
    ) -> std::result::Result<(), ParquetError> {
        let mut left = rows;
        while left > 0 {
            let Self { values, definitions, repetitions } = self;
            let (read, _, _) = reader.read_records(left, Some(definitions), Some(repetitions), values)?;
            if read == 0 {
                return Err(ParquetError::General("a column ends before its rows".into()));
            }
            left -= read.min(left);
        }
        Ok(())
    }

    /// Returns one value per row of a column that is no list.
    pub fn optional<U>(
        self,
        shape: &ColumnDescriptor,
        convert: impl Fn(T) -> U,
    ) -> impl Iterator<Item = Option<U>> {
        let most = shape.max_def_level();
        let count = if most == 0 { self.values.len() } else { self.definitions.len() };
        let (mut values, definitions) = (self.values.into_iter(), self.definitions);
        (0..count).map(move |at| {
            let present = most == 0 || definitions.get(at) == Some(&most);
            if present { values.next().map(&convert) } else { None }
        })
    }

    /// Returns one list per row.
    fn lists<U>(self, shape: &ColumnDescriptor, convert: impl Fn(T) -> U) -> Vec<Vec<U>> {
        let mut values = self.values.into_iter();
        let mut lists: Vec<Vec<U>> = Vec::new();
        for (definition, repetition) in self.definitions.into_iter().zip(self.repetitions) {
            if repetition == 0 {
                lists.push(Vec::new());
            }
            if definition == shape.max_def_level()
                && let (Some(list), Some(value)) = (lists.last_mut(), values.next())
            {
                list.push(convert(value));
            }
        }
        lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::encode;

    #[test]
    fn a_column_that_ends_before_its_rows_is_an_error() {
        let texts = ColumnValues::Texts(vec![Some("one".into()), None]);
        let table = ColumnTable {
            name: "test".into(),
            columns: vec![TypedColumn { name: "texts".into(), values: texts }],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.parquet");
        std::fs::write(&path, encode(&table, &[]).unwrap()).unwrap();
        let file = ParquetFile::open(&path).unwrap();
        let read = |rows: usize| match file.column_reader(0, 0).unwrap().0 {
            ColumnReader::ByteArrayColumnReader(reader) => Levels::read(reader, rows).map(|_| ()),
            _ => panic!("a column of texts"),
        };
        read(2).unwrap();
        assert!(read(3).unwrap_err().to_string().contains("ends before its rows"));
    }
}
