//! The settings file: where it lies and what may stand in it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::KEYS;
use crate::error::{Error, Result};

/// A file's settings, all of them keys that exist.
#[derive(Default)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// Key to value.
    pub values: toml::Table,
}

/// Where the settings file lies: `ATTN_TUI_CONFIG`, or `attn-tui/config.toml` in the user's folder for settings.
/// `None` where there is none.
///
/// # Errors
/// `ATTN_TUI_CONFIG` names a file that is not there.
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

/// The user's folder for this program's settings.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = path("XDG_CONFIG_HOME")
        .or_else(|| if cfg!(windows) { path("APPDATA") } else { None })
        .or_else(|| path("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("attn-tui"))
}

/// The file of a theme: a path where the name looks like one, else `themes/NAME.toml` in the folder for settings.
pub fn theme(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    if name.ends_with(".toml") || name.contains(['/', '\\']) {
        return PathBuf::from(name);
    }
    folder(variable).unwrap_or_default().join("themes").join(format!("{name}.toml"))
}

/// Where the last session is kept: `attn-tui/session.toml` in the user's folder for states. `None` without a home.
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
/// It cannot be read, is not TOML, or has a key that does not exist.
pub fn read(path: Option<PathBuf>) -> Result<Table> {
    let Some(path) = path else { return Ok(Table::default()) };
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
        None => Ok(Table { path, values }),
    }
}

fn unknown(key: &str) -> String {
    let near = KEYS.iter().map(|(known, _)| (distance(key, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2 => format!("no such setting; did you mean '{known}'?"),
        _ => "no such setting".into(),
    }
}

/// The least number of letters to insert, delete or replace to turn one word into the other (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above), (diagonal, left)) in b.chars().zip(row.iter().skip(1)).zip(row.iter().zip(0..)) {
            let before = next.get(left).copied().unwrap_or(usize::MAX - 1);
            next.push((above + 1).min(before + 1).min(diagonal + usize::from(x != y)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lies_in_the_users_folder_for_settings() {
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
    fn the_session_lies_in_the_users_folder_for_states() {
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

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("threds", "threads"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
