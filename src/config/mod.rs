//! Settings, from four layers: the command line, environment variables (`ATTN_TUI_…`), the settings file and
//! the defaults. They are resolved and checked once, at the start.

mod file;
mod origin;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use toml::Value;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::paint::Colormap;
use crate::site::Kind;

pub use file::session;
pub use origin::{Origin, origins};

/// Keys of the settings file with their descriptions. The environment variable of a key is `ATTN_TUI_` and
/// its name in capitals, with `_` for `-`; `keys` has none.
pub const KEYS: [(&str, &str); 16] = [
    ("model", "model to open without a MODEL argument: demo, a folder or a hub id"),
    ("device", "device to run models on: cpu, cuda or metal"),
    ("threads", "number of threads"),
    ("memory", "memory limit for stored maps, in bytes or as 512M or 2G"),
    ("offline", "stay off the network"),
    ("beams", "beams for beam search, instead of the model's default"),
    ("max-new-tokens", "maximum length of generated text, in tokens"),
    ("fast-generate", "generate with 8-bit weights: faster, but the text may differ"),
    ("src-lang", "source language of multilingual models"),
    ("tgt-lang", "target language of multilingual models"),
    ("background", "the terminal's background: auto, dark or light"),
    ("theme", "theme: the name of a file in themes/ beside the settings file, or a path"),
    ("colormap", "colour map for weights: viridis, cividis, magma, grays or ink"),
    ("glyphs", "draw weights as glyphs instead of colours"),
    ("pixels", "protocol that sends maps, pictures and spectra as pixels: auto, off, kitty, iterm2 or sixel"),
    ("keys", "a table of commands and their keys"),
];

/// Background of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Ask the terminal.
    #[default]
    Auto,
    /// Light text on dark.
    Dark,
    /// Dark text on light.
    Light,
}

/// Graphics protocol that sends maps, pictures and spectra to the terminal as pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PixelProtocol {
    /// The protocol that the terminal supports.
    #[default]
    Auto,
    /// None: maps are drawn with characters.
    Off,
    /// Kitty's graphics protocol.
    Kitty,
    /// Inline images of iTerm2.
    Iterm2,
    /// Sixel graphics.
    Sixel,
}

/// Settings from the command line; `None` if an option is not given.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "described at `Settings`")]
pub struct Overrides {
    pub model: Option<String>,
    pub device: Option<Device>,
    pub threads: Option<usize>,
    pub memory: Option<usize>,
    pub offline: Option<bool>,
    pub kind: Option<Kind>,
    pub trim_padding: bool,
    pub beams: Option<usize>,
    pub max_new_tokens: Option<usize>,
    pub fast_generate: Option<bool>,
    pub src_lang: Option<String>,
    pub tgt_lang: Option<String>,
    pub background: Option<Background>,
    pub colormap: Option<Colormap>,
    pub glyphs: Option<bool>,
}

/// Settings of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Model to open without a MODEL argument.
    pub model: String,
    /// Device to run models on.
    pub device: Device,
    /// Number of threads; `None` for the number of physical cores.
    pub threads: Option<usize>,
    /// Memory limit for stored maps, in bytes; `None` for a share of the free memory.
    pub memory: Option<usize>,
    /// True to stay off the network.
    pub offline: bool,
    /// Kind of attention that the command line asks for, also of maps whose file names none.
    pub kind: Option<Kind>,
    /// True to leave out padding at the ends of a capture file's texts.
    pub trim_padding: bool,
    /// Beams for beam search; `None` for the model's default.
    pub beams: Option<usize>,
    /// Maximum length of generated text in tokens; `None` for the model's default.
    pub max_new_tokens: Option<usize>,
    /// True to generate with 8-bit weights.
    pub fast_generate: bool,
    /// Source language of multilingual models.
    pub src_lang: Option<String>,
    /// Target language of multilingual models.
    pub tgt_lang: Option<String>,
    /// Background of the terminal.
    pub background: Background,
    /// Theme file; `None` for the built-in colours.
    pub theme: Option<PathBuf>,
    /// Colour map for weights; `None` for the background's default.
    pub colormap: Option<Colormap>,
    /// True to draw weights as glyphs.
    pub glyphs: bool,
    /// Graphics protocol for maps, pictures and spectra.
    pub pixels: PixelProtocol,
    /// Keys by command of the explorer. The keymap checks them.
    pub keys: BTreeMap<String, Vec<String>>,
}

impl Settings {
    /// Resolves the settings from the command line, the process's environment and the user's settings file.
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid value or an unknown key, with its place; [`Error::Io`] and
    /// [`Error::BadFile`] for the settings file.
    pub fn load(command: Overrides) -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name);
        let file = file::find(variable)?;
        Self::merge(command, variable, file)
    }

    /// Resolves the settings from the given layers.
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub fn merge(
        command: Overrides,
        variable: impl Fn(&str) -> Option<OsString>,
        file: Option<PathBuf>,
    ) -> Result<Self> {
        let layers = Layers { variable: &variable, file: file::read(file)? };
        let settings = Self {
            model: layers.pick("model", command.model, text)?.unwrap_or_else(|| "demo".into()),
            device: layers.pick("device", command.device, parse)?.unwrap_or_default(),
            threads: layers.pick("threads", command.threads, count)?,
            memory: layers.pick("memory", command.memory, size)?,
            offline: layers.pick("offline", command.offline, truth)?.unwrap_or(false),
            kind: command.kind,
            trim_padding: command.trim_padding,
            beams: layers.pick("beams", command.beams, count)?,
            max_new_tokens: layers.pick("max-new-tokens", command.max_new_tokens, count)?,
            fast_generate: layers.pick("fast-generate", command.fast_generate, truth)?.unwrap_or(false),
            src_lang: layers.pick("src-lang", command.src_lang, text)?,
            tgt_lang: layers.pick("tgt-lang", command.tgt_lang, text)?,
            background: layers.pick("background", command.background, parse)?.unwrap_or_default(),
            theme: layers.pick("theme", None, text)?.map(|name| file::theme(&name, &variable)),
            colormap: layers.pick("colormap", command.colormap, parse)?,
            glyphs: layers.pick("glyphs", command.glyphs, truth)?.unwrap_or(false),
            pixels: layers.pick("pixels", None, parse)?.unwrap_or_default(),
            keys: layers.pick("keys", None, bindings)?.unwrap_or_default(),
        };
        Ok(settings)
    }
}

impl FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            _ => Err(format!("'{text}' is not auto, dark or light")),
        }
    }
}

impl FromStr for PixelProtocol {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            "kitty" => Ok(Self::Kitty),
            "iterm2" => Ok(Self::Iterm2),
            "sixel" => Ok(Self::Sixel),
            _ => Err(format!("'{text}' is not auto, off, kitty, iterm2 or sixel")),
        }
    }
}

/// Layers below the command line.
struct Layers<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    file: file::SettingsFile,
}

/// Converts a value, or describes the error.
type ValueReader<T> = fn(&Value) -> std::result::Result<T, String>;

impl Layers<'_> {
    /// Returns the value of a key from the first layer that has one.
    fn pick<T>(&self, key: &str, command: Option<T>, read: ValueReader<T>) -> Result<Option<T>> {
        if command.is_some() {
            return Ok(command);
        }
        let name = origin::variable_of(key);
        let bad = |place: String, why| Error::Setting { key: key.into(), place, why };
        let set = (self.variable)(&name).filter(|value| key != "keys" && !value.is_empty());
        if let Some(value) = set {
            let text = value.into_string().map_err(|_| bad(name.clone(), "not valid Unicode".into()))?;
            return read(&Value::String(text)).map(Some).map_err(|why| bad(name, why));
        }
        match self.file.values.get(key) {
            Some(value) => {
                read(value).map(Some).map_err(|why| bad(self.file.path.display().to_string(), why))
            }
            None => Ok(None),
        }
    }
}

fn text(value: &Value) -> std::result::Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("{value} is not a string"))
}

/// Converts a number from 1, which may be a string in a variable.
fn count(value: &Value) -> std::result::Result<usize, String> {
    let number = match value {
        Value::Integer(number) => usize::try_from(*number).ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0).ok_or_else(|| format!("{value} is not a whole number from 1"))
}

/// Parses a size in bytes, a number that may have a unit K, M, G or T in powers of 1024 (`512M`, `1.5G`,
/// `2GiB`).
///
/// # Errors
/// A description of the accepted forms.
pub fn bytes(text: &str) -> std::result::Result<usize, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_uppercase();
    let power = match unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(&unit) {
        "" => Some(0),
        "K" => Some(1),
        "M" => Some(2),
        "G" => Some(3),
        "T" => Some(4),
        _ => None,
    };
    let size = power.zip(number.parse::<f64>().ok()).map(|(power, number)| number * 1024f64.powi(power));
    match size {
        // Larger numbers are not exact in f64.
        Some(size) if size < 2f64.powi(52) => Ok(size as usize),
        _ => Err("must be a size in bytes, or a number with K, M, G or T, such as 512M or 2G".into()),
    }
}

fn size(value: &Value) -> std::result::Result<usize, String> {
    match value {
        Value::Integer(number) => bytes(&number.to_string()),
        Value::String(text) => bytes(text),
        _ => bytes(""),
    }
}

fn truth(value: &Value) -> std::result::Result<bool, String> {
    let word = match value {
        Value::Boolean(truth) => return Ok(*truth),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        other => other.to_string(),
    };
    match word.as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("{value} is not true or false")),
    }
}

fn parse<T: FromStr>(value: &Value) -> std::result::Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text(value)?.parse().map_err(|error: T::Err| error.to_string())
}

fn bindings(value: &Value) -> std::result::Result<BTreeMap<String, Vec<String>>, String> {
    let table = value.as_table().ok_or_else(|| format!("{value} is not a table"))?;
    let keys = |command: &str, value: &Value| match value {
        Value::String(key) => Ok(vec![key.clone()]),
        Value::Array(keys) => keys.iter().map(text).collect::<std::result::Result<_, _>>(),
        _ => Err(format!("{command}: {value} is not a key or a list of keys")),
    };
    table.iter().map(|(command, value)| Ok((command.clone(), keys(command, value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(command: Overrides, variables: &[(&str, &str)], toml: &str) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, toml).unwrap();
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        Settings::merge(command, variable, Some(path))
    }

    #[test]
    fn nothing_said_gives_the_defaults() {
        let settings = merge(Overrides::default(), &[], "").unwrap();
        assert_eq!((settings.model.as_str(), settings.device), ("demo", Device::Cpu));
        assert_eq!((settings.threads, settings.offline, settings.beams), (None, false, None));
        assert!(settings.keys.is_empty());
        assert_eq!(settings.pixels, PixelProtocol::Auto);
        let settings =
            merge(Overrides::default(), &[("ATTN_TUI_PIXELS", "sixel")], "pixels = \"off\"").unwrap();
        assert_eq!(settings.pixels, PixelProtocol::Sixel);
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let toml = "threads = 2\nbeams = 2\nmax-new-tokens = 2\noffline = true\ncolormap = \"cividis\"";
        let variables =
            [("ATTN_TUI_THREADS", "3"), ("ATTN_TUI_MAX_NEW_TOKENS", "3"), ("ATTN_TUI_OFFLINE", "0")];
        let command = Overrides { threads: Some(4), ..Overrides::default() };
        let settings = merge(command, &variables, toml).unwrap();
        assert_eq!((settings.threads, settings.max_new_tokens, settings.beams), (Some(4), Some(3), Some(2)));
        assert!(!settings.offline);
        assert_eq!(settings.colormap, Some(Colormap::Cividis));
    }

    #[test]
    fn an_empty_variable_says_nothing() {
        let settings = merge(Overrides::default(), &[("ATTN_TUI_BEAMS", "")], "beams = 5").unwrap();
        assert_eq!(settings.beams, Some(5));
    }

    #[test]
    fn errors_name_the_key_and_the_place() {
        let of = |variables: &[(&str, &str)], toml: &str| {
            merge(Overrides::default(), variables, toml).unwrap_err().to_string()
        };
        let error = of(&[("ATTN_TUI_THREADS", "many")], "");
        assert_eq!(error, "setting 'threads' in ATTN_TUI_THREADS: \"many\" is not a whole number from 1");
        let error = of(&[], "beams = 0");
        assert!(
            error.starts_with("setting 'beams' in ") && error.contains("config.toml: 0 is not"),
            "{error}"
        );
        assert!(of(&[], "device = \"tpu\"").ends_with("'tpu' is not cpu, cuda or metal"));
        assert!(of(&[], "background = \"pink\"").ends_with("'pink' is not auto, dark or light"));
        let error = of(&[("ATTN_TUI_PIXELS", "regis")], "");
        assert!(error.ends_with("'regis' is not auto, off, kitty, iterm2 or sixel"), "{error}");
        assert!(of(&[], "colormap = \"pink\"").contains("setting 'colormap'"));
        assert!(of(&[], "offline = 7").ends_with("7 is not true or false"));
        let error = of(&[], "thread = 2");
        assert!(
            error.contains("setting 'thread'") && error.ends_with("no such setting; did you mean 'threads'?")
        );
        assert!(of(&[], "threads = = 2").contains("config.toml"), "not TOML");
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, size) in [
            ("0", 0),
            ("4096", 4096),
            ("512M", 512 << 20),
            ("1.5g", 3 << 29),
            ("2 GiB", 2 << 30),
            ("7kb", 7 << 10),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "M", "-1", "2X", "many", "1e9G", "inf", "9999999T", "1.2.3"] {
            let why = bytes(text).unwrap_err();
            assert!(why.contains("512M or 2G"), "{text}: {why}");
        }
        let settings = merge(Overrides::default(), &[("ATTN_TUI_MEMORY", "2G")], "memory = 100").unwrap();
        assert_eq!(settings.memory, Some(2 << 30));
        assert_eq!(merge(Overrides::default(), &[], "memory = 100").unwrap().memory, Some(100));
        let error = merge(Overrides::default(), &[], "memory = \"lots\"").unwrap_err().to_string();
        assert!(error.starts_with("setting 'memory' in ") && error.contains("512M"), "{error}");
    }

    #[test]
    fn keys_are_lists_of_keys() {
        let settings =
            merge(Overrides::default(), &[], "[keys]\nquit = \"q\"\nnext-head = [\"]\", \"l\"]").unwrap();
        assert_eq!(settings.keys["quit"], ["q"]);
        assert_eq!(settings.keys["next-head"], ["]", "l"]);
        assert!(merge(Overrides::default(), &[], "[keys]\nquit = 3").is_err());
    }
}
