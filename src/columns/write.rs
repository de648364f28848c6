//! Parquet files in memory: one row group, Snappy pages.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::{ColumnTable, ColumnValues, TypedColumn};
use crate::error::{Error, Result};

type Encoded<T> = std::result::Result<T, ParquetError>;

/// Encodes a table as a Parquet file with `notes`, key-value pairs, in its footer.
///
/// # Errors
/// [`Error::Engine`] for a table that Parquet cannot hold.
pub fn encode(table: &ColumnTable, notes: &[(&str, String)]) -> Result<Vec<u8>> {
    file(table, notes).map_err(|error| Error::Engine(format!("table {}: {error}", table.name)))
}

fn file(table: &ColumnTable, notes: &[(&str, String)]) -> Encoded<Vec<u8>> {
    let notes = notes.iter().map(|(key, value)| KeyValue::new((*key).to_string(), value.clone())).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("attn-tui {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(notes));
    for column in table.columns.iter().filter(|column| matches!(column.values, ColumnValues::Numbers(_))) {
        // Measured numbers hardly repeat, so that a dictionary of them takes time for nothing.
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name.as_str()), false);
    }
    let schema = Arc::new(parse_message_type(&schema(table))?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
    if table.rows() > 0 {
        let mut group = file.next_row_group()?;
        for column in &table.columns {
            if let Some(mut writer) = group.next_column()? {
                write(&column.values, &mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
    }
    file.into_inner()
}

/// Writes the schema in Parquet's own notation.
fn schema(table: &ColumnTable) -> String {
    let columns: String = table.columns.iter().map(field).collect();
    format!("message {} {{ {columns} }}", table.name)
}

fn field(TypedColumn { name, values }: &TypedColumn) -> String {
    let list = |element: &str| {
        format!("required group {name} (LIST) {{ repeated group list {{ required {element}; }} }} ")
    };
    match values {
        ColumnValues::Flags(_) => format!("required boolean {name}; "),
        ColumnValues::Wholes(_) => format!("optional int64 {name}; "),
        ColumnValues::Numbers(_) => format!("optional float {name}; "),
        ColumnValues::Texts(_) => format!("optional binary {name} (STRING); "),
        ColumnValues::Blobs(_) => format!("required binary {name}; "),
        ColumnValues::WholeLists(_) => list("int64 element"),
        ColumnValues::TextLists(_) => list("binary element (STRING)"),
    }
}

fn write(values: &ColumnValues, writer: &mut SerializedColumnWriter) -> Encoded<usize> {
    match values {
        ColumnValues::Flags(values) => writer.typed::<BoolType>().write_batch(values, None, None),
        ColumnValues::Wholes(values) => {
            let (levels, present) = optional(values, |value| *value);
            writer.typed::<Int64Type>().write_batch(&present, Some(&levels), None)
        }
        ColumnValues::Numbers(values) => {
            let (levels, present) = optional(values, |value| *value);
            writer.typed::<FloatType>().write_batch(&present, Some(&levels), None)
        }
        ColumnValues::Texts(values) => {
            let levels: Vec<_> = values.iter().map(|value| i16::from(value.is_some())).collect();
            let present = byte_arrays(values.iter().flatten().map(|text| text.as_ref()));
            writer.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None)
        }
        ColumnValues::Blobs(values) => {
            let values: Vec<_> = values.iter().map(|bytes| ByteArray::from(bytes.clone())).collect();
            writer.typed::<ByteArrayType>().write_batch(&values, None, None)
        }
        ColumnValues::WholeLists(lists) => {
            let (definitions, repetitions) = levels_of(lists);
            let present: Vec<_> = lists.iter().flatten().copied().collect();
            writer.typed::<Int64Type>().write_batch(&present, Some(&definitions), Some(&repetitions))
        }
        ColumnValues::TextLists(lists) => {
            let (definitions, repetitions) = levels_of(lists);
            let present = byte_arrays(lists.iter().flatten().map(String::as_str));
            writer.typed::<ByteArrayType>().write_batch(&present, Some(&definitions), Some(&repetitions))
        }
    }
}

/// Returns the definition levels (1 where there is a value) and the values that are there.
fn optional<T, U>(values: &[Option<T>], value: impl Fn(&T) -> U) -> (Vec<i16>, Vec<U>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (levels, values.iter().flatten().map(value).collect())
}

/// Returns the definition levels of lists (0 for an empty list) and the repetition levels (0 where a list begins).
fn levels_of<T>(lists: &[Vec<T>]) -> (Vec<i16>, Vec<i16>) {
    let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
    for list in lists {
        definitions.extend(std::iter::repeat_n(i16::from(!list.is_empty()), list.len().max(1)));
        repetitions.push(0);
        repetitions.extend(std::iter::repeat_n(1, list.len().saturating_sub(1)));
    }
    (definitions, repetitions)
}

/// Returns texts as parts of one buffer, since most are too short for one of their own.
fn byte_arrays<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Vec<ByteArray> {
    let all = ByteArray::from(texts.clone().collect::<String>().into_bytes());
    let mut start = 0;
    let part = |text: &str| {
        let part = all.slice(start, text.len());
        start += text.len();
        part
    };
    texts.map(part).collect()
}
