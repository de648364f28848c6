//! Scans: the measures of many sentences, as tables.

use attn_tui::columns::{ColumnTable, ColumnValues};
use attn_tui::corpus::{BadRow, CorpusRow, SentencePair};
use attn_tui::engine::{RunOptions, Session};
use attn_tui::error::Result;
use attn_tui::progress::Watch;
use attn_tui::scan::{ScanOptions, ScanTables, measure_each};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::tables::of_columns;

/// Source and target of a sentence, as Python gives them; a missing source is an error of the sentence.
pub type PyPair = (Option<String>, Option<String>);

/// Measures sentences, numbered from 0.
pub fn scan(
    session: &Session,
    pairs: Vec<PyPair>,
    run: &RunOptions,
    options: &ScanOptions,
    watch: &dyn Watch,
) -> Result<Vec<ColumnTable>> {
    let rows = pairs.into_iter().enumerate().map(|(row, (source, target))| {
        let pair = source.map(|source| SentencePair { source, target, ..SentencePair::default() });
        let pair = pair.filter(|pair| !pair.is_blank()).ok_or(BadRow::Blank);
        Ok(CorpusRow { row: row as u64, pair })
    });
    let mut tables = ScanTables::new(options.maps);
    measure_each(session, rows, run, options, watch, |row| {
        tables.add(&row);
        Ok(())
    })?;
    Ok(tables.finish())
}

/// Converts tables to a dict of them by name.
pub fn to_python<'py>(py: Python<'py>, tables: Vec<ColumnTable>) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for ColumnTable { name, columns } in tables {
        let columns = columns.into_iter().map(|column| {
            let (kind, values) = values(py, &column.values)?;
            Ok((column.name, kind, values))
        });
        all.set_item(name, of_columns(py, columns.collect::<PyResult<Vec<_>>>()?)?)?;
    }
    Ok(all)
}

/// Converts the values of a column to a list, with the name of its type.
fn values<'py>(py: Python<'py>, values: &ColumnValues) -> PyResult<(&'static str, Bound<'py, PyList>)> {
    Ok(match values {
        ColumnValues::Flags(values) => ("flag", PyList::new(py, values)?),
        ColumnValues::Wholes(values) => ("whole", PyList::new(py, values)?),
        ColumnValues::Numbers(values) => ("number", PyList::new(py, values)?),
        ColumnValues::Texts(values) => ("text", PyList::new(py, values.iter().map(Option::as_deref))?),
        ColumnValues::Blobs(values) => {
            ("bytes", PyList::new(py, values.iter().map(|value| PyBytes::new(py, value)))?)
        }
        ColumnValues::WholeLists(values) => ("wholes", PyList::new(py, values)?),
        ColumnValues::TextLists(values) => ("texts", PyList::new(py, values)?),
    })
}
