//! Sessions as files: a capture with the place and the view in its metadata, in the folder of sessions or elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::app::App;
use super::session::Saved;
use crate::capture::{Capture, Precision, SiteLayout, write};
use crate::engine::{OpenOptions, Openable};
use crate::error::{Error, Result};
use crate::files;

/// Extension of capture files.
const EXTENSION: &str = "safetensors";

/// A session to be written.
#[derive(Clone, Debug)]
pub struct SessionFile {
    capture: Arc<Capture>,
    /// Its name, or the path of its file.
    name: String,
    /// Path of the open capture file, which may be replaced.
    open: String,
}

impl SessionFile {
    /// Takes the session of the displayed capture; `None` without one.
    pub fn new(app: &App, name: &str) -> Option<Self> {
        let capture = with_session(app)?;
        Some(Self { capture, name: name.trim().into(), open: app.run.model.clone() })
    }

    /// Writes the file: to the folder of sessions, or to the path if the name is one. A file that exists stays,
    /// except the one that is open.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that cannot be a file's; [`Error::Exists`]; [`Error::Io`].
    pub fn write(&self, folder: Option<&Path>) -> Result<PathBuf> {
        let path = match (self.is_path(), folder) {
            (true, _) => PathBuf::from(&self.name).with_extension(EXTENSION),
            (false, Some(folder)) => path_of(folder, &self.name)?,
            (false, None) => {
                let why = "sessions have no folder: neither HOME nor XDG_STATE_HOME is set; give a path";
                return Err(Error::Usage(why.into()));
            }
        };
        if let Some(folder) = folder.filter(|_| !self.is_path()) {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        }
        let replace = path == Path::new(&self.open);
        let capture = &self.capture;
        files::save_with(&path, replace, |out| write(capture, Precision::F32, SiteLayout::Large, out))?;
        Ok(path)
    }

    fn is_path(&self) -> bool {
        self.name.contains(['/', '\\']) || Path::new(&self.name).extension().is_some_and(|e| e == EXTENSION)
    }
}

/// Returns the displayed capture with the state of the explorer in it; `None` without a capture.
pub fn with_session(app: &App) -> Option<Arc<Capture>> {
    let capture = app.capture.as_ref()?;
    // Paths and settings of this machine stay here.
    let open = OpenOptions { model: capture.model.clone(), ..OpenOptions::default() };
    let mut saved = Saved::new(app, &open)?;
    saved.open.model.clone_from(&open.model);
    if let Some(run) = &mut saved.run {
        run.audio = None;
    }
    let session = saved.to_toml().ok()?;
    Some(Arc::new(Capture { session: Some(session), ..Capture::clone(capture) }))
}

/// Returns the name under which the displayed capture may be saved: that of the open session, or the model with
/// the first words of its source.
pub fn suggested_name(app: &App) -> String {
    let path = Path::new(&app.run.model);
    let is_open = app.run.info.is_none() && app.capture.as_ref().is_some_and(|c| c.session.is_some());
    if let Some(stem) = path.file_stem().filter(|_| is_open) {
        return stem.to_string_lossy().into_owned();
    }
    let Some(capture) = &app.capture else { return String::new() };
    let model = capture.model.rsplit(['/', '\\']).next().unwrap_or_default();
    let words = capture.source.text.split_whitespace().take(4);
    let name = std::iter::once(model).chain(words).collect::<Vec<_>>().join("-").to_lowercase();
    name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')).take(60).collect()
}

/// Returns the path of a named session.
///
/// # Errors
/// [`Error::Usage`] for a name that cannot be a file's.
pub fn path_of(folder: &Path, name: &str) -> Result<PathBuf> {
    const LONGEST: usize = 100;
    let fits = !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with('.')
        && !name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c));
    match fits {
        true => Ok(folder.join(format!("{name}.{EXTENSION}"))),
        false => Err(Error::Usage(format!("'{name}' cannot be the name of a session"))),
    }
}

/// Lists the sessions of a folder by name.
pub fn list(folder: &Path) -> Vec<Openable> {
    let mut all: Vec<Openable> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_session = path.extension().is_some_and(|found| found == EXTENSION) && path.is_file();
        if let (true, Some(stem), Some(model)) = (is_session, path.file_stem(), path.to_str()) {
            let name = stem.to_string_lossy().into_owned();
            all.push(Openable { model: model.into(), name, what: "session" });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        let folder = Path::new("sessions");
        assert_eq!(path_of(folder, "my find").unwrap(), folder.join("my find.safetensors"));
        for wrong in ["", ".hidden", "a/b", "a:b", "a\nb", &"x".repeat(200)] {
            assert!(matches!(path_of(folder, wrong), Err(Error::Usage(_))), "{wrong}");
        }
    }
}
