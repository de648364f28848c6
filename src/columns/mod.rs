//! Tables of typed columns, and their Parquet files.

#[cfg(not(feature = "parquet"))]
mod absent;
#[cfg(feature = "parquet")]
mod read;
#[cfg(feature = "parquet")]
mod text_rows;
#[cfg(feature = "parquet")]
mod write;

#[cfg(not(feature = "parquet"))]
pub use absent::{ParquetFile, TextRows, encode};
#[cfg(feature = "parquet")]
pub use read::ParquetFile;
#[cfg(feature = "parquet")]
pub use text_rows::TextRows;
#[cfg(feature = "parquet")]
pub use write::encode;

use std::borrow::Cow;

/// A table whose columns have one value per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnTable {
    /// Name of the table.
    pub name: String,
    /// Its columns, equally long.
    pub columns: Vec<TypedColumn>,
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedColumn {
    /// Stable name.
    pub name: String,
    /// One value per row.
    pub values: ColumnValues,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// Truth values.
    Flags(Vec<bool>),
    /// Integers.
    Wholes(Vec<Option<i64>>),
    /// Real numbers.
    Numbers(Vec<Option<f32>>),
    /// Texts. Names that many rows share are not copied for each.
    Texts(Vec<Option<Cow<'static, str>>>),
    /// Bytes.
    Blobs(Vec<Vec<u8>>),
    /// Lists of integers.
    WholeLists(Vec<Vec<i64>>),
    /// Lists of texts.
    TextLists(Vec<Vec<String>>),
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValue {
    /// A truth value.
    Flag(bool),
    /// An integer.
    Whole(Option<i64>),
    /// A real number.
    Number(Option<f32>),
    /// A text.
    Text(Option<Cow<'static, str>>),
    /// Bytes.
    Blob(Vec<u8>),
    /// A list of integers.
    WholeList(Vec<i64>),
    /// A list of texts.
    TextList(Vec<String>),
}

impl ColumnValues {
    /// Appends a value of the column's type; any other is left out.
    fn push(&mut self, value: ColumnValue) {
        match (self, value) {
            (Self::Flags(all), ColumnValue::Flag(value)) => all.push(value),
            (Self::Wholes(all), ColumnValue::Whole(value)) => all.push(value),
            (Self::Numbers(all), ColumnValue::Number(value)) => all.push(value),
            (Self::Texts(all), ColumnValue::Text(value)) => all.push(value),
            (Self::Blobs(all), ColumnValue::Blob(value)) => all.push(value),
            (Self::WholeLists(all), ColumnValue::WholeList(value)) => all.push(value),
            (Self::TextLists(all), ColumnValue::TextList(value)) => all.push(value),
            (values, value) => debug_assert!(false, "{value:?} in a column of {} others", values.len()),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Flags(values) => values.len(),
            Self::Wholes(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Blobs(values) => values.len(),
            Self::WholeLists(values) => values.len(),
            Self::TextLists(values) => values.len(),
        }
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ColumnTable {
    /// Creates a table without rows from the names and the empty values of its columns.
    pub fn new(name: &str, columns: impl IntoIterator<Item = (&'static str, ColumnValues)>) -> Self {
        let column = |(name, values): (&str, ColumnValues)| TypedColumn { name: name.into(), values };
        Self { name: name.into(), columns: columns.into_iter().map(column).collect() }
    }

    /// Appends a row, with one value for each column.
    pub fn push(&mut self, row: impl IntoIterator<Item = ColumnValue>) {
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.values.push(value));
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// Returns the values of a column; `None` if there is no such column.
    pub fn column(&self, name: &str) -> Option<&ColumnValues> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.values)
    }

    /// Returns an integer; `None` if it is missing or the column is of another type.
    pub fn whole(&self, name: &str, row: usize) -> Option<i64> {
        match self.column(name)? {
            ColumnValues::Wholes(values) => *values.get(row)?,
            _ => None,
        }
    }

    /// Returns a number, or an integer as a number; `None` if it is missing or of another type.
    pub fn number(&self, name: &str, row: usize) -> Option<f32> {
        match self.column(name)? {
            ColumnValues::Numbers(values) => *values.get(row)?,
            ColumnValues::Wholes(values) => values.get(row)?.map(|value| value as f32),
            _ => None,
        }
    }

    /// Returns a text; `None` if it is missing or the column is of another type.
    pub fn text(&self, name: &str, row: usize) -> Option<&str> {
        match self.column(name)? {
            ColumnValues::Texts(values) => values.get(row)?.as_deref(),
            _ => None,
        }
    }

    /// Returns a truth value; false if the column is of another type.
    pub fn flag(&self, name: &str, row: usize) -> bool {
        match self.column(name) {
            Some(ColumnValues::Flags(values)) => values.get(row) == Some(&true),
            _ => false,
        }
    }

    /// Returns a list of integers; empty if the column is of another type.
    pub fn wholes(&self, name: &str, row: usize) -> &[i64] {
        match self.column(name) {
            Some(ColumnValues::WholeLists(values)) => values.get(row).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    /// Returns a list of texts; empty if the column is of another type.
    pub fn texts(&self, name: &str, row: usize) -> &[String] {
        match self.column(name) {
            Some(ColumnValues::TextLists(values)) => values.get(row).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}
