//! A file to be written with what the screen showed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::capture::{Capture, SiteLayout};
use crate::error::{Error, Result};
use crate::export::ansi::Colors;
use crate::export::drawing::Drawing;
use crate::export::figure::FigureStyle;
use crate::export::format::{Format, export};
use crate::export::options::{FigureKind, Options};
use crate::export::select::HeadSelection;
use crate::files;

/// The content of the screen, to be written to a file.
#[derive(Clone, Debug)]
pub struct ExportJob {
    /// Capture of the screen.
    pub(super) capture: Arc<Capture>,
    /// Content of the screen.
    pub(super) shown: ShownContent,
    /// Format of the file.
    pub(super) format: Format,
    /// Appearance of pictures.
    pub(super) style: FigureStyle,
    /// Name of the file without number and extension.
    pub(super) stem: String,
}

/// A file that was written.
#[derive(Debug)]
pub struct ExportedFile {
    /// Its path.
    pub path: PathBuf,
    /// Characters that no font has, which are boxes in a PNG.
    pub missing: Vec<char>,
}

impl From<PathBuf> for ExportedFile {
    fn from(path: PathBuf) -> Self {
        Self { path, missing: Vec::new() }
    }
}

/// Content of the screen.
#[derive(Clone, Debug)]
pub(super) enum ShownContent {
    /// A drawing with the numbers that show.
    Drawing(Box<Drawing>),
    /// Maps of the capture.
    Maps(FigureKind, HeadSelection, Option<usize>),
}

/// Pixels of a PNG per unit of length.
const PIXELS: f32 = 2.0;

impl ExportJob {
    /// Writes the file to the working folder.
    ///
    /// # Errors
    /// Those of the format; [`Error::Io`].
    pub fn run(self) -> Result<ExportedFile> {
        let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
        self.run_in(&folder)
    }

    /// Writes the file to a folder. A file that exists stays; the name gets a number then.
    ///
    /// # Errors
    /// Those of the format; [`Error::Io`].
    pub fn run_in(self, folder: &Path) -> Result<ExportedFile> {
        let exported = match &self.shown {
            ShownContent::Drawing(drawing) => drawing.export(self.format, &self.style)?,
            ShownContent::Maps(figure, selection, query) => {
                let options = Options {
                    selection: *selection,
                    layout: SiteLayout::Plain,
                    figure: *figure,
                    query: *query,
                    style: self.style,
                    pixels: PIXELS,
                    font: None,
                    colors: Colors::None,
                };
                export(&self.capture, self.format, &options)?
            }
        };
        const MOST: usize = 1000;
        let mut number = 1;
        loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let path = folder.join(format!("{}{suffix}.{}", self.stem, self.format.extension()));
            match files::save_with(&path, false, |out| exported.write(out)) {
                Err(Error::Exists { .. }) if number < MOST => number += 1,
                Err(error) => return Err(error),
                Ok(()) => return Ok(ExportedFile { path, missing: exported.missing }),
            }
        }
    }
}
