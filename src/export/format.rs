//! The list of export formats, selected by file extension. Each is a file that knows its extension and prepares an
//! export; a format is added by its file and its line here.

use std::path::Path;

use super::options::Options;
use super::prepared::PreparedExport;
use super::{csv, html, json, npz, png, safetensors, svg, text};
use crate::capture::Capture;
use crate::error::{Error, Result};

macro_rules! formats {
    ($($(#[doc = $doc:literal])+ $name:ident $file:ident,)*) => {
        /// File format of an export.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Format {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Format {
            /// All formats.
            pub const ALL: &[Format] = &[$(Self::$name),*];

            /// Returns the file extension, without a dot.
            pub fn extension(self) -> &'static str {
                match self {
                    $(Self::$name => $file::EXTENSION,)*
                }
            }
        }

        /// Prepares the export of a capture.
        ///
        /// # Errors
        /// [`Error::NoSuchHead`] if the selection is empty; [`Error::Usage`] if the format cannot hold single heads
        /// or the capture cannot be written in the layout; [`Error::Io`] and [`Error::BadFile`] for the font.
        pub fn export<'a>(
            capture: &'a Capture,
            format: Format,
            options: &Options,
        ) -> Result<PreparedExport<'a>> {
            match format {
                $(Format::$name => $file::prepare(capture, options),)*
            }
        }
    };
}

formats! {
    /// CSV with one line per weight.
    Csv csv,
    /// JSON with maps as nested lists.
    Json json,
    /// NumPy arrays in a zip file.
    Npz npz,
    /// Capture file.
    Safetensors safetensors,
    /// Bitmap picture.
    Png png,
    /// Vector picture.
    Svg svg,
    /// Interactive page.
    Html html,
    /// Map as plain text.
    Txt text,
}

impl Format {
    /// Returns the format that belongs to a path's extension.
    ///
    /// # Errors
    /// [`Error::Usage`] with the list of extensions if there is no such format.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|ext| ext.to_str()).unwrap_or_default().to_lowercase();
        Self::ALL.iter().copied().find(|format| format.extension() == extension).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.extension()).collect();
            Error::Usage(format!("{}: the extension must be one of {}", path.display(), known.join(", ")))
        })
    }

    /// Returns true if the format holds maps of a capture alone, neither tables nor pictures.
    pub fn holds_maps_alone(self) -> bool {
        matches!(self, Self::Npz | Self::Safetensors)
    }

    /// Creates the error for a table or a picture in a format that holds maps alone.
    pub fn no_table(self) -> Error {
        let extension = self.extension();
        Error::Usage(format!("a .{extension} file holds the maps of a capture, not a table or a picture"))
    }

    /// Lists all extensions in words: `csv, json or txt`.
    pub fn extensions() -> String {
        let all: Vec<_> = Self::ALL.iter().map(|format| format.extension()).collect();
        match all.split_last() {
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}
