//! The manifest of a scan: what was measured, and how.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::options::ScanOptions;
use super::tables::ScanTables;
use crate::axis::Medium;
use crate::engine::{ModelIdentity, RunOptions};
use crate::error::{Error, Result};
use crate::files;

/// Name of the manifest's schema.
pub const SCHEMA: &str = "attn-tui scan 1";

/// Name of its file in the folder of a scan.
pub(super) const FILE: &str = "manifest.json";

/// Largest manifest that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The manifest of a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name and version of the program.
    pub program: String,
    /// The MODEL argument, with which the model opens again.
    pub opened: String,
    /// The model.
    pub model: ModelIdentity,
    /// Options of the runs and of the measures.
    pub options: ManifestOptions,
    /// Number of shards that the corpus is divided into.
    pub shards: usize,
    /// The columns of each table.
    pub tables: serde_json::Map<String, Value>,
}

/// Options of the runs and of the measures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ManifestOptions {
    /// Options that all runs share, without their texts and files.
    #[serde(flatten)]
    pub run: RunOptions,
    /// The measures.
    #[serde(flatten)]
    pub measures: ScanOptions,
}

impl Manifest {
    /// Creates the manifest of a scan of a model that was opened as `opened` and reads `medium`.
    pub fn new(
        opened: String,
        model: ModelIdentity,
        medium: Medium,
        run: &RunOptions,
        measures: &ScanOptions,
        shards: usize,
    ) -> Self {
        let names = |table: crate::columns::ColumnTable| {
            let columns = table.columns.into_iter().map(|column| Value::from(column.name));
            (table.name, Value::Array(columns.collect()))
        };
        Self {
            schema: SCHEMA.into(),
            program: format!("attn-tui {}", env!("CARGO_PKG_VERSION")),
            opened,
            model,
            options: ManifestOptions {
                run: RunOptions {
                    source: String::new(),
                    target: None,
                    audio: run.audio.clone().filter(|_| medium == Medium::Sound),
                    image: run.image.clone().filter(|_| medium == Medium::Picture),
                    ..run.clone()
                },
                measures: measures.clone(),
            },
            shards,
            tables: ScanTables::new(measures.maps).finish().into_iter().map(names).collect(),
        }
    }

    /// The options of the scan's run on a text.
    pub fn run(&self, source: String, target: Option<String>) -> RunOptions {
        RunOptions { source, target, ..self.options.run.clone() }
    }

    /// Reads the manifest of a folder; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if it is no manifest of this schema.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let bad = |why: String| Error::BadFile { file: path.display().to_string(), why };
        let size = match std::fs::metadata(&path) {
            Ok(data) => data.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path, error)),
        };
        if size > MAX_BYTES {
            return Err(bad("larger than a manifest can be".into()));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| bad(format!("not valid JSON: {e}")))?;
        match value.get("schema").and_then(Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => return Err(bad(format!("its schema is '{other}', not '{SCHEMA}'"))),
            None => return Err(bad("it has no schema: it belongs to another program".into())),
        }
        serde_json::from_value(value).map(Some).map_err(|e| bad(e.to_string()))
    }

    /// Writes the manifest into a folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Exists`].
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Engine(e.to_string()))?;
        files::save(&folder.join(FILE), (text + "\n").as_bytes(), false)
    }

    /// Checks that this scan can continue one in `folder` whose manifest is `found`.
    ///
    /// # Errors
    /// [`Error::OtherScan`], with the first value that differs.
    pub(super) fn check(&self, found: &Self, folder: &Path) -> Result<()> {
        // A model's folder may have moved.
        let found = Self { opened: self.opened.clone(), ..found.clone() };
        let values = [serde_json::to_value(self), serde_json::to_value(found)];
        let [Ok(wanted), Ok(found)] = values else { return Ok(()) };
        match difference("", &wanted, &found) {
            None => Ok(()),
            Some((what, wanted, found)) => Err(Error::OtherScan { path: folder.into(), what, found, wanted }),
        }
    }
}

/// Returns the name of the first value that differs, with both values.
fn difference(name: &str, wanted: &Value, found: &Value) -> Option<(String, String, String)> {
    if let (Value::Object(wanted), Value::Object(found)) = (wanted, found) {
        return wanted.iter().find_map(|(key, value)| {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            difference(&name, value, found.get(key).unwrap_or(&Value::Null))
        });
    }
    (wanted != found).then(|| (name.into(), wanted.to_string(), found.to_string()))
}
