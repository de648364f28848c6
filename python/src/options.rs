//! Arguments of Python functions.

use std::path::Path;
use std::str::FromStr;

use attn_tui::error::{Error, Result};
use attn_tui::export::select::HeadSelection;
use attn_tui::site::Kind;
use pyo3::prelude::*;

use crate::errors::to_python;

/// A value with a name, as text.
pub fn named<T: FromStr<Err = String>>(argument: &str, name: &str) -> Result<T> {
    name.parse().map_err(|why| Error::Usage(format!("{argument}: {why}")))
}

/// The heads of a kind, layer and number, each if it is given.
pub fn selection(kind: Option<&str>, layer: Option<usize>, head: Option<usize>) -> Result<HeadSelection> {
    let kind = kind.map(|name| named::<Kind>("kind", name)).transpose()?;
    Ok(HeadSelection { kind, layer, head })
}

/// The text of a MODEL argument: an id or a path.
pub fn model_text(model: &Path) -> Result<String> {
    let text = model.to_str().map(String::from);
    text.ok_or_else(|| Error::Usage(format!("{}: the path is not UTF-8", model.display())))
}

/// Checks a number of threads, which is bounded as on the command line.
pub fn threads(count: Option<usize>) -> Result<Option<usize>> {
    const MOST: usize = 65_536;
    match count {
        Some(0) => Err(Error::Usage("threads: at least 1".into())),
        Some(count) if count > MOST => Err(Error::Usage(format!("threads: at most {MOST}"))),
        count => Ok(count),
    }
}

/// Checks a number that must be finite and not negative.
pub fn non_negative(argument: &str, value: f32) -> Result<f32> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(Error::Usage(format!("{argument}: {value} is not a number from 0 on")))
    }
}

/// Converts the error of an argument.
pub fn checked<T>(py: Python<'_>, value: Result<T>) -> PyResult<T> {
    value.map_err(|error| to_python(py, &error))
}
