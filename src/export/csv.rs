//! CSV export: one line per weight.

use std::io::{Error, Result, Write};

use super::labels::item_label;
use super::options::Options;
use super::prepared::PreparedExport;
use super::table::quoted;
use crate::capture::Capture;
use crate::site::{Head, Kind};

/// Extension of its files.
pub const EXTENSION: &str = "csv";

/// Prepares the export of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the selection is empty.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> crate::error::Result<PreparedExport<'a>> {
    let heads = options.selection.heads(capture)?;
    Ok(PreparedExport::new(move |out| write(capture, &heads, out)))
}

/// Header line.
pub const COLUMNS: &str = "kind,layer,head,query,key,query_token,key_token,weight";

/// Writes heads as CSV, one map at a time, below the header [`COLUMNS`].
///
/// Positions are zero-based. Keys that causal masking hides from a decoder query are left out.
///
/// # Errors
/// Errors of `out`; a head that the capture lacks.
pub fn write(capture: &Capture, heads: &[Head], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{COLUMNS}")?;
    for &head in heads {
        let map = capture.map(head).map_err(Error::other)?;
        let kind = head.kind();
        let words = |tokens: &[_]| tokens.iter().map(|token| quoted(&item_label(token))).collect::<Vec<_>>();
        let (queries, keys) = (words(capture.queries(kind)), words(capture.keys(kind)));
        for (i, query) in queries.iter().enumerate().take(map.rows()) {
            for (j, (key, weight)) in keys.iter().zip(map.row(i)).enumerate() {
                if kind != Kind::Decoder || j <= i {
                    let (layer, number) = (head.layer(), head.head);
                    writeln!(out, "{kind},{layer},{number},{i},{j},{query},{key},{weight}")?;
                }
            }
        }
    }
    Ok(())
}
