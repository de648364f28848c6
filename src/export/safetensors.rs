//! safetensors export: a capture file of the selected heads.

use super::options::Options;
use super::prepared::PreparedExport;
use crate::capture::{self, Capture, Precision, SiteLayout, SiteMaps};
use crate::error::{Error, Result};

/// Extension of its files.
pub const EXTENSION: &str = "safetensors";

/// Prepares the export of a capture.
///
/// # Errors
/// [`Error::NoSuchHead`] if the selection is empty; [`Error::Usage`] for single heads, which a capture file cannot
/// hold, and if the capture lacks what the layout needs.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> Result<PreparedExport<'a>> {
    let (selected, layout) = (options.selection.narrow(capture)?, options.layout);
    let compact = |maps: &SiteMaps| maps.compact().is_some() || maps.without_zeros().is_some();
    if layout == SiteLayout::Compact && !selected.maps.sites().any(|(_, maps)| compact(maps)) {
        return Err(Error::Usage(format!(
            "--layout compact: this capture of {} holds only maps; give the model and the text to record queries and keys",
            capture.model
        )));
    }
    Ok(PreparedExport::new(move |out| capture::write(&selected, Precision::F32, layout, out)))
}
