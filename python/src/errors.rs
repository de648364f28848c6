//! Errors as exceptions with a hint.

use attn_tui::error::Error;
use attn_tui::terminal::printable;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// Converts an error to an exception of the module.
pub fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::Cancelled => return PyKeyboardInterrupt::new_err(()),
        Error::Usage(_) | Error::Language { .. } | Error::NoLanguage { .. } => "UsageError",
        Error::NoSuchHead(_) => "NoSuchHeadError",
        Error::Hub(_) => "HubError",
        _ => "Error",
    };
    let hint = hint(error).map(|hint| printable(&hint));
    let raised = || {
        let class = py.import("attn_tui._errors")?.getattr(class)?;
        class.call1((printable(&error.to_string()), hint))
    };
    raised().map_or_else(|error| error, PyErr::from_value)
}

/// Returns the hint of an error. Those that name options of the command line name arguments instead.
fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Exists { .. } => Some("give force=True to overwrite it, or choose another name".into()),
        Error::Memory { needed, .. } => Some(format!("give memory={needed}, or a shorter text")),
        Error::NoValues { .. } => Some("capture with values=True, from the model and the text".into()),
        Error::NoSuchHead(_) => Some("list(capture) names the sites, capture.heads() all heads".into()),
        Error::NoLanguage { side, languages } => {
            let argument = if *side == "source" { "src_lang" } else { "tgt_lang" };
            let first = languages.first().map_or("", String::as_str);
            Some(format!("give {argument}=, such as {first:?}; model.languages lists them"))
        }
        Error::Language { nearest, .. } if nearest.is_empty() => {
            Some("model.languages lists those that it knows".into())
        }
        Error::Usage(_) => Some("help(attn_tui) explains the arguments".into()),
        error => error.hint(),
    }
}
