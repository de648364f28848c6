//! The settings with the places that they come from.

use std::ffi::OsString;
use std::path::PathBuf;

use toml::Value;

use super::{KEYS, file};
use crate::error::Result;

/// A setting, its value and the place that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Key in the settings file.
    pub key: &'static str,
    /// Value as written there; `None` if nothing sets it and no value is fixed in advance.
    pub value: Option<String>,
    /// Name of the variable, path of the file, or `default`.
    pub place: String,
    /// Description of the setting.
    pub meaning: &'static str,
}

/// Returns every setting with the place that it comes from, apart from the command line.
///
/// # Errors
/// Those of reading the settings file.
pub fn origins() -> Result<Vec<Origin>> {
    let variable = |name: &str| std::env::var_os(name);
    origins_of(variable, file::find(variable)?)
}

fn origins_of(variable: impl Fn(&str) -> Option<OsString>, file: Option<PathBuf>) -> Result<Vec<Origin>> {
    let file = file::read(file)?;
    let origin = |&(key, meaning): &(&'static str, &'static str)| {
        let name = variable_of(key);
        let set = variable(&name).filter(|value| key != "keys" && !value.is_empty());
        let (value, place) = match (set, file.values.get(key)) {
            (Some(value), _) => (Some(value.to_string_lossy().into_owned()), name),
            (None, Some(Value::String(text))) => (Some(text.clone()), file.path.display().to_string()),
            (None, Some(value)) => (Some(value.to_string()), file.path.display().to_string()),
            (None, None) => (default_of(key).map(String::from), "default".into()),
        };
        Origin { key, value, place, meaning }
    };
    Ok(KEYS.iter().map(origin).collect())
}

/// Returns the environment variable of a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("ATTN_TUI_{}", key.replace('-', "_").to_uppercase())
}

/// Returns the value of a setting that nothing sets; `None` where it depends on the model, the machine or the
/// terminal.
fn default_of(key: &str) -> Option<&'static str> {
    match key {
        "model" => Some("demo"),
        "device" => Some("cpu"),
        "offline" | "fast-generate" | "glyphs" => Some("false"),
        "background" | "pixels" => Some("auto"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, Settings};

    #[test]
    fn every_setting_tells_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "beams = 2\nthreads = 3\ncolormap = \"cividis\"").unwrap();
        let variable = |name: &str| (name == "ATTN_TUI_BEAMS").then(|| OsString::from("5"));
        let all = origins_of(variable, Some(path.clone())).unwrap();
        assert_eq!(all.len(), KEYS.len());
        let of = |key: &str| {
            let origin = all.iter().find(|origin| origin.key == key).unwrap();
            (origin.value.clone().unwrap_or_default(), origin.place.clone())
        };
        let file = path.display().to_string();
        assert_eq!(of("beams"), ("5".into(), "ATTN_TUI_BEAMS".into()));
        assert_eq!(of("threads"), ("3".into(), file.clone()));
        assert_eq!(of("colormap"), ("cividis".into(), file));
        assert_eq!(of("model"), ("demo".into(), "default".into()));
        assert_eq!(of("src-lang"), (String::new(), "default".into()));
        // Values that are set in advance are those of the settings.
        let settings = Settings::merge(Overrides::default(), |_| None, None).unwrap();
        assert_eq!(Some(settings.model.as_str()), default_of("model"));
        assert_eq!(Some(settings.device.name()), default_of("device"));
        assert_eq!((settings.offline, settings.fast_generate, settings.glyphs), (false, false, false));
    }
}
