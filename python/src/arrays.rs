//! Maps as NumPy arrays over the memory of a capture.

use attn_tui::matrix::Matrix;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Weights in the memory of the program, which NumPy reads in place by the array interface protocol: the array
/// keeps this object, and this object the memory. Nothing ever writes to it, so the arrays are read-only.
#[pyclass(frozen, module = "attn_tui._native")]
pub struct MapBuffer {
    values: Matrix,
    /// Shape of the array; its product is the number of values.
    shape: Vec<usize>,
}

#[pymethods]
impl MapBuffer {
    /// The array interface protocol, version 3.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        let kind = if cfg!(target_endian = "little") { "<f4" } else { ">f4" };
        let read_only = true;
        interface.set_item("version", 3)?;
        interface.set_item("typestr", kind)?;
        interface.set_item("shape", PyTuple::new(py, &self.shape)?)?;
        interface.set_item("data", (self.values.as_slice().as_ptr() as usize, read_only))?;
        Ok(interface)
    }
}

/// Returns a read-only array of the shape over the values.
pub fn array(py: Python<'_>, values: Matrix, shape: Vec<usize>) -> PyResult<Bound<'_, PyAny>> {
    let buffer = Bound::new(py, MapBuffer { values, shape })?;
    py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "asarray"), (buffer,))
}

/// Returns a matrix as a read-only array.
pub fn matrix(py: Python<'_>, values: Matrix) -> PyResult<Bound<'_, PyAny>> {
    let shape = vec![values.rows(), values.cols()];
    array(py, values, shape)
}
