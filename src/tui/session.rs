//! The last session: saved when the explorer is left, reopened with `--resume`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::app::{App, FlowOf, Over, View};
use super::filter::Filter;
use super::links::Keep;
use super::reading::{Reading, Special};
use crate::capture::MapWeights;
use crate::device::Device;
use crate::engine::{OpenOptions, RunOptions};
use crate::error::{Error, Result};
use crate::paint::{Pool, Scale};
use crate::site::{Head, Kind};

/// Model, texts, place and settings, as they stand in the file: plain values, so that a file of another version
/// still opens; what is missing or unknown is as at a first start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "described at OpenOptions, RunOptions, App and Reading")]
pub struct Saved {
    pub model: String,
    pub revision: Option<String>,
    pub offline: bool,
    pub device: String,
    pub threads: Option<usize>,
    pub memory: Option<usize>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub src_lang: Option<String>,
    pub tgt_lang: Option<String>,
    pub beams: Option<usize>,
    pub max_new_tokens: Option<usize>,
    pub seed: u64,
    pub fast_generate: bool,
    pub view: String,
    pub head: String,
    pub source_query: usize,
    pub source_key: usize,
    pub target_query: usize,
    pub target_key: usize,
    pub marks: Vec<String>,
    pub zoom: Option<usize>,
    pub words: bool,
    pub special: String,
    pub curve: String,
    pub range: String,
    pub gamma: u8,
    pub filter: String,
    pub mean_pool: bool,
    pub threshold: f32,
    pub distance: usize,
    pub over: String,
    pub receives: bool,
    pub flow: String,
    pub values: bool,
    pub one_layer: bool,
    pub one_kind: bool,
    pub sort: usize,
    pub reverse: bool,
    pub keep: String,
    pub colormap: String,
    pub glyphs: bool,
}

const DEVICES: [(&str, Device); 3] = [("cpu", Device::Cpu), ("cuda", Device::Cuda), ("metal", Device::Metal)];
const SPECIALS: [(&str, Special); 3] =
    [("show", Special::Show), ("hide", Special::Hide), ("renormalise", Special::Renormalise)];
const OVERS: [(&str, Over); 4] =
    [("head", Over::Head), ("mean", Over::Mean), ("maximum", Over::Max), ("hues", Over::Hues)];
const FLOWS: [(&str, FlowOf); 3] = [("mean", FlowOf::Mean), ("largest", FlowOf::Max), ("alti", FlowOf::Alti)];
const KEEPS: [(&str, Keep); 3] = [("all", Keep::All), ("words", Keep::Words), ("no-sinks", Keep::NoSinks)];

fn named<T: Copy + PartialEq>(names: &[(&str, T)], value: T) -> String {
    names.iter().find(|(_, other)| *other == value).map_or_else(String::new, |(name, _)| (*name).into())
}

fn value_of<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// `cross.2.4` to its head.
fn head_of(text: &str) -> Option<Head> {
    let mut parts = text.split('.');
    let kind: Kind = parts.next()?.parse().ok()?;
    Some(Head::new(kind, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl Saved {
    /// What is worth coming back to; `None` where nothing was opened.
    pub fn new(app: &App, model: &OpenOptions) -> Option<Self> {
        app.capture.as_ref()?;
        // a folder or a file is found again from another folder
        let path = Path::new(&model.model);
        let name = match path.exists().then(|| path.canonicalize()) {
            Some(Ok(path)) => path.display().to_string(),
            _ => model.model.clone(),
        };
        let (run, place, reading) = (&app.run, &app.place, &app.reading);
        Some(Self {
            model: name,
            revision: model.revision.clone(),
            offline: model.offline,
            device: named(&DEVICES, model.device),
            threads: model.threads,
            memory: model.memory,
            source: app.info.as_ref().map(|_| run.source.clone()),
            target: run.target.clone(),
            src_lang: run.src_lang.clone(),
            tgt_lang: run.tgt_lang.clone(),
            beams: run.beams,
            max_new_tokens: run.max_new_tokens,
            seed: run.seed,
            fast_generate: run.fast_generate,
            view: app.view.name().into(),
            head: place.head.to_string(),
            source_query: place.source_query,
            source_key: place.source_key,
            target_query: place.target_query,
            target_key: place.target_key,
            marks: app.marks.iter().map(Head::to_string).collect(),
            zoom: app.zoom,
            words: reading.words,
            special: named(&SPECIALS, reading.special),
            curve: reading.scale.curve.name().into(),
            range: reading.scale.range.name().into(),
            gamma: reading.scale.gamma,
            filter: app.filter.text().into(),
            mean_pool: reading.pool == Pool::Mean,
            threshold: reading.threshold,
            distance: app.distance,
            over: named(&OVERS, app.over),
            receives: app.receives,
            flow: named(&FLOWS, app.flow),
            values: app.weights == MapWeights::Values,
            one_layer: app.one_layer,
            one_kind: app.one_kind,
            sort: app.sort,
            reverse: app.reverse,
            keep: named(&KEEPS, app.keep),
            colormap: app.theme.colormap.name().into(),
            glyphs: app.theme.glyphs,
        })
    }

    /// How the model was opened.
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            model: self.model.clone(),
            revision: self.revision.clone(),
            offline: self.offline,
            device: value_of(&DEVICES, &self.device).unwrap_or_default(),
            threads: self.threads,
            memory: self.memory,
        }
    }

    /// What was run last; `None` for a capture file.
    pub fn run_options(&self) -> Option<RunOptions> {
        Some(RunOptions {
            source: self.source.clone()?,
            target: self.target.clone(),
            src_lang: self.src_lang.clone(),
            tgt_lang: self.tgt_lang.clone(),
            beams: self.beams,
            max_new_tokens: self.max_new_tokens,
            seed: self.seed,
            fast_generate: self.fast_generate,
            values: self.values,
            ..RunOptions::default()
        })
    }

    /// Brings place and settings into the state; the place is brought inside the capture when it comes.
    pub fn restore(&self, app: &mut App) {
        if let Some(head) = head_of(&self.head) {
            app.place.head = head;
            app.untouched = false;
        }
        app.place.source_query = self.source_query;
        app.place.source_key = self.source_key;
        app.place.target_query = self.target_query;
        app.place.target_key = self.target_key;
        app.view = View::ALL.iter().copied().find(|view| view.name() == self.view).unwrap_or_default();
        app.marks = self.marks.iter().filter_map(|head| head_of(head)).collect::<BTreeSet<_>>();
        app.zoom = self.zoom.filter(|&step| step <= super::zoom::WHOLE);
        app.reading = Reading {
            words: self.words,
            special: value_of(&SPECIALS, &self.special).unwrap_or_default(),
            scale: Scale {
                curve: self.curve.parse().unwrap_or_default(),
                range: self.range.parse().unwrap_or_default(),
                gamma: if (1..=100).contains(&self.gamma) { self.gamma } else { 10 },
            },
            pool: if self.mean_pool { Pool::Mean } else { Pool::Max },
            threshold: self.threshold.clamp(0.0, 1.0),
        };
        app.filter = Filter::new(&self.filter);
        app.distance = if self.distance == 0 { app.distance } else { self.distance.min(9999) };
        app.over = value_of(&OVERS, &self.over).unwrap_or_default();
        app.receives = self.receives;
        app.flow = value_of(&FLOWS, &self.flow).unwrap_or_default();
        app.weights = if self.values { MapWeights::Values } else { MapWeights::Attention };
        app.one_layer = self.one_layer;
        app.one_kind = self.one_kind;
        app.sort = self.sort.min(super::views::heads::ORDER.len() - 1);
        app.reverse = self.reverse;
        app.keep = value_of(&KEEPS, &self.keep).unwrap_or_default();
        app.theme.colormap = self.colormap.parse().unwrap_or(app.theme.colormap);
        app.theme.glyphs = self.glyphs;
    }

    /// Reads the file.
    ///
    /// # Errors
    /// There is none, or it is no session.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Usage("there is no session to resume: none was left so far".into()));
            }
            Err(error) => return Err(Error::io(path, error)),
        };
        toml::from_str(&text).map_err(|error| Error::BadFile {
            file: path.display().to_string(),
            why: error.message().to_string(),
        })
    }

    /// Writes the file, readable by its owner alone: it holds the texts.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self)
            .map_err(|error| Error::BadFile { file: path.display().to_string(), why: error.to_string() })?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let owner = std::fs::Permissions::from_mode(0o700);
                std::fs::set_permissions(folder, owner).map_err(|error| Error::io(folder, error))?;
            }
        }
        crate::files::save(path, text.as_bytes(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/attn-tui/session.toml");
        assert!(matches!(Saved::read(&path), Err(Error::Usage(_))));
        let saved = Saved {
            model: "org/name".into(),
            source: Some("a \"quoted\"\nline 注意".into()),
            zoom: Some(3),
            head: "cross.2.4".into(),
            threshold: 0.05,
            ..Saved::default()
        };
        saved.write(&path).unwrap();
        assert_eq!(Saved::read(&path).unwrap(), saved);
        Saved { zoom: None, ..saved }.write(&path).unwrap();
        assert_eq!(Saved::read(&path).unwrap().zoom, None);
        std::fs::write(&path, "model = 3").unwrap();
        assert!(matches!(Saved::read(&path), Err(Error::BadFile { .. })));
        std::fs::write(&path, "model = \"demo\"\nof-another-version = 1").unwrap();
        assert_eq!(Saved::read(&path).unwrap().model, "demo");
    }

    #[test]
    fn heads_are_read_back() {
        let head = Head::new(Kind::Decoder, 3, 11);
        assert_eq!(head_of(&head.to_string()), Some(head));
        assert_eq!(head_of("cross.1"), None);
        assert_eq!(head_of(""), None);
    }
}
