//! Location and keys of the settings file.

use std::ffi::OsString;
use std::path::PathBuf;

use super::KEYS;
use crate::error::{Error, Result};

/// Contents of a settings file, with known keys only.
#[derive(Default)]
pub struct SettingsFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Values by key.
    pub values: toml::Table,
}

/// Finds the settings file: the file that `ATTN_TUI_CONFIG` names, or else `attn-tui/config.toml` in the
/// user's configuration folder. `None` if there is none.
///
/// # Errors
/// [`Error::NoSuchPath`] if `ATTN_TUI_CONFIG` names a file that does not exist.
pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<PathBuf>> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = path("ATTN_TUI_CONFIG") {
        return match file.is_file() {
            true => Ok(Some(file)),
            false => Err(Error::NoSuchPath { path: file }),
        };
    }
    Ok(folder(variable).map(|folder| folder.join("config.toml")).filter(|file| file.is_file()))
}

/// Returns this program's folder in the user's configuration folder.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = path("XDG_CONFIG_HOME")
        .or_else(|| if cfg!(windows) { path("APPDATA") } else { None })
        .or_else(|| path("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("attn-tui"))
}

/// Returns the file of a theme: the name itself if it is a path, else `themes/NAME.toml` beside the settings
/// file.
pub fn theme(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    if name.ends_with(".toml") || name.contains(['/', '\\']) {
        return PathBuf::from(name);
    }
    folder(variable).unwrap_or_default().join("themes").join(format!("{name}.toml"))
}

/// Returns the file of the last session: `attn-tui/session.toml` in the user's state folder. `None` if that
/// folder is unknown.
pub fn session(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = path("XDG_STATE_HOME")
        .or_else(|| if cfg!(windows) { path("LOCALAPPDATA") } else { None })
        .or_else(|| path("HOME").map(|home| home.join(".local").join("state")));
    folder.map(|folder| folder.join("attn-tui").join("session.toml"))
}

/// Reads a settings file.
///
/// # Errors
/// [`Error::Io`]; [`Error::BadFile`] if it is not TOML; [`Error::Setting`] for an unknown key.
pub fn read(path: Option<PathBuf>) -> Result<SettingsFile> {
    let Some(path) = path else { return Ok(SettingsFile::default()) };
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let values: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map(|span| 1 + text.get(..span.start).unwrap_or_default().matches('\n').count());
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        Error::BadFile { file: path.display().to_string(), why: format!("{place}{}", e.message()) }
    })?;
    match values.keys().find(|key| !KEYS.iter().any(|(known, _)| known == key)) {
        Some(key) => {
            Err(Error::Setting { key: key.clone(), place: path.display().to_string(), why: unknown(key) })
        }
        None => Ok(SettingsFile { path, values }),
    }
}

fn unknown(key: &str) -> String {
    let near = KEYS.iter().map(|(known, _)| (strsim::levenshtein(key, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2 => format!("no such setting; did you mean '{known}'?"),
        _ => "no such setting".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_in_the_users_configuration_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |names: &[(&'static str, PathBuf)]| {
            let names = names.to_vec();
            move |name: &str| {
                names.iter().find(|(key, _)| *key == name).map(|(_, path)| path.clone().into_os_string())
            }
        };
        let home = folder.path().to_path_buf();
        assert_eq!(find(at(&[("HOME", home.clone())])).unwrap(), None);
        let file = home.join(".config/attn-tui/config.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(find(at(&[("HOME", home.clone())])).unwrap(), Some(file.clone()));
        let other = [("HOME", "/nowhere".into()), ("XDG_CONFIG_HOME", home.join(".config"))];
        assert_eq!(find(at(&other)).unwrap(), Some(file.clone()));
        assert_eq!(find(at(&[("ATTN_TUI_CONFIG", file.clone())])).unwrap(), Some(file));
        assert!(matches!(find(at(&[("ATTN_TUI_CONFIG", home.join("no"))])), Err(Error::NoSuchPath { .. })));
    }

    #[test]
    fn the_session_is_in_the_users_state_folder() {
        let of = |name: &'static str| {
            session(move |key| (key == name).then(|| OsString::from("/home/user"))).unwrap_or_default()
        };
        assert!(of("HOME").ends_with(".local/state/attn-tui/session.toml"));
        assert_eq!(of("XDG_STATE_HOME"), PathBuf::from("/home/user/attn-tui/session.toml"));
        assert_eq!(of("NOTHING"), PathBuf::new());
    }

    #[test]
    fn a_theme_is_a_name_or_a_path() {
        let home = |key: &str| (key == "XDG_CONFIG_HOME").then(|| OsString::from("/home/user"));
        assert_eq!(theme("sea", home), PathBuf::from("/home/user/attn-tui/themes/sea.toml"));
        assert_eq!(theme("./sea", home), PathBuf::from("./sea"));
        assert_eq!(theme("sea.toml", home), PathBuf::from("sea.toml"));
    }
}
