//! The models and files that can be opened from where the program runs.

use std::path::Path;

use super::protocol::OpenOptions;
use crate::hub;

/// A MODEL argument that opens, as far as its name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openable {
    /// The argument.
    pub model: String,
    /// Its name in a list.
    pub name: String,
    /// Its kind: `built in`, `cached`, `folder`, `file`, `recent` or `session`.
    pub what: &'static str,
}

impl Openable {
    /// Creates one that is listed as the argument itself.
    pub fn new(model: impl Into<String>, what: &'static str) -> Self {
        let model = model.into();
        Self { name: model.clone(), model, what }
    }
}

/// Largest number of entries of the working folder that are looked at.
const MOST: usize = 10_000;

/// Lists the built-in models, those of the hub's cache, and the models and capture files of a folder.
pub fn openable(options: &OpenOptions, folder: &Path) -> Vec<Openable> {
    let mut all: Vec<Openable> = hub::BUILT_IN.iter().map(|&name| Openable::new(name, "built in")).collect();
    let cached = options.hub.as_ref().map(hub::cached_names).unwrap_or_default();
    all.extend(cached.into_iter().map(|model| Openable::new(model, "cached")));
    let mut here = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST) {
        let (path, Ok(name)) = (entry.path(), entry.file_name().into_string()) else { continue };
        if hub::is_capture_name(&path) && path.is_file() {
            here.push(Openable::new(name, "file"));
        } else if path.join("config.json").is_file() {
            here.push(Openable::new(format!("./{name}"), "folder"));
        }
    }
    here.sort_by(|a, b| a.model.cmp(&b.model));
    all.extend(here);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_captures_of_a_folder_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("model")).unwrap();
        std::fs::write(folder.path().join("model/config.json"), "{}").unwrap();
        std::fs::write(folder.path().join("maps.safetensors"), "").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let all = openable(&OpenOptions::default(), folder.path());
        let here: Vec<_> = all.iter().filter(|found| found.what != "built in").collect();
        assert_eq!(
            here.iter().map(|found| (found.model.as_str(), found.what)).collect::<Vec<_>>(),
            [("./model", "folder"), ("maps.safetensors", "file")]
        );
        assert!(all.iter().any(|found| found.model == "demo"));
    }
}
