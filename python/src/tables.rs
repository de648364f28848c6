//! Tables as Arrow tables, or as dicts of columns.

use attn_tui::export::table::{Cell, Table};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// A column: its name, the name of its type, and its values.
type PyColumn<'py> = (String, &'static str, Bound<'py, PyList>);

/// Converts a table.
pub fn to_python<'py>(py: Python<'py>, table: &Table) -> PyResult<Bound<'py, PyAny>> {
    let columns = table.columns.iter().enumerate().map(|(at, name)| {
        let cells = || table.rows.iter().map(move |row| row.get(at).unwrap_or(&Cell::Missing));
        let values = cells().map(|cell| value(py, cell)).collect::<PyResult<Vec<_>>>()?;
        Ok((name.clone(), type_of(cells()), PyList::new(py, values)?))
    });
    of_columns(py, columns.collect::<PyResult<Vec<_>>>()?)
}

/// Makes a table of columns.
pub fn of_columns<'py>(py: Python<'py>, columns: Vec<PyColumn<'py>>) -> PyResult<Bound<'py, PyAny>> {
    py.import("attn_tui._tables")?.call_method1("table", (columns,))
}

/// Returns the name of the type of a column's cells.
fn type_of<'a>(cells: impl Iterator<Item = &'a Cell>) -> &'static str {
    let named = |cell: &Cell| match cell {
        Cell::Text(_) => Some("text"),
        Cell::Number(_) => Some("number"),
        Cell::Whole(_) => Some("whole"),
        Cell::Missing => None,
    };
    cells.filter_map(named).next().unwrap_or("missing")
}

fn value<'py>(py: Python<'py>, cell: &Cell) -> PyResult<Bound<'py, PyAny>> {
    Ok(match cell {
        Cell::Text(text) => text.into_pyobject(py)?.into_any(),
        Cell::Number(number) => number.into_pyobject(py)?.into_any(),
        Cell::Whole(whole) => whole.into_pyobject(py)?.into_any(),
        Cell::Missing => py.None().into_bound(py),
    })
}
