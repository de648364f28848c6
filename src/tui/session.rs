//! The last session: saved when the explorer is left, reopened with `--resume`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::app::App;
use super::filter::Filter;
use super::reading::Reading;
use super::selection::Selection;
use super::views::ViewId;
use crate::engine::{OpenOptions, RunOptions};
use crate::error::{Error, Result};
use crate::files;
use crate::paint::Colormap;
use crate::site::Head;

/// The saved part of the explorer's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Saved {
    /// Model, and options for opening it.
    pub open: OpenOptions,
    /// The last run; `None` for a capture file.
    pub run: Option<RunOptions>,
    /// The selection.
    pub selection: Option<Selection>,
    /// Marked heads.
    pub marks: BTreeSet<Head>,
    /// Settings that all views read maps and lists by.
    pub reading: Reading,
    /// Filter of rows and columns.
    pub filter: Filter,
    /// Name of the view on the screen.
    pub view: String,
    /// State of each view; see [`Views::saved`](super::views::Views::saved).
    pub views: Table,
    /// Colours and glyphs.
    pub look: Look,
}

/// The parts of the theme that keys change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// Colour map of weights.
    pub colormap: Option<Colormap>,
    /// Draw weights as glyphs.
    pub glyphs: bool,
}

/// Keys of files of earlier versions, which had no tables, with the current paths of their values.
const FLAT: [(&str, &str); 42] = [
    ("model", "open.model"),
    ("revision", "open.revision"),
    ("offline", "open.offline"),
    ("device", "open.device"),
    ("threads", "open.threads"),
    ("memory", "open.memory"),
    ("source", "run.source"),
    ("target", "run.target"),
    ("src_lang", "run.src_lang"),
    ("tgt_lang", "run.tgt_lang"),
    ("beams", "run.beams"),
    ("max_new_tokens", "run.max_new_tokens"),
    ("seed", "run.seed"),
    ("fast_generate", "run.fast_generate"),
    ("values", "run.values"),
    ("view", "view"),
    ("head", "selection.head"),
    ("source_query", "selection.source_query"),
    ("source_key", "selection.source_key"),
    ("target_query", "selection.target_query"),
    ("target_key", "selection.target_key"),
    ("marks", "marks"),
    ("words", "reading.words"),
    ("special", "reading.special"),
    ("curve", "reading.scale.curve"),
    ("range", "reading.scale.range"),
    ("gamma", "reading.scale.gamma"),
    ("mean_pool", "reading.pool"),
    ("threshold", "reading.threshold"),
    ("distance", "reading.distance"),
    ("one_kind", "reading.one_kind"),
    ("zoom", "views.map.zoom"),
    ("filter", "filter"),
    ("over", "views.text.shading"),
    ("receives", "views.text.receives"),
    ("flow", "views.flow.method"),
    ("one_layer", "views.flow.one_layer"),
    ("sort", "views.heads.sort"),
    ("reverse", "views.heads.reverse"),
    ("keep", "views.links.keep"),
    ("colormap", "look.colormap"),
    ("glyphs", "look.glyphs"),
];

/// Converts a file of an earlier version to the current layout.
fn nested(flat: &Table) -> Table {
    let mut table = Table::new();
    for (name, path) in FLAT {
        let Some(value) = flat.get(name) else { continue };
        let value = match name {
            "mean_pool" => Value::from(if value.as_bool() == Some(true) { "mean" } else { "max" }),
            _ => value.clone(),
        };
        put(&mut table, path, value);
    }
    if flat.get("values").and_then(Value::as_bool) == Some(true) {
        put(&mut table, "reading.weights", "values".into());
    }
    // A run needs a source.
    if !flat.contains_key("source") {
        table.remove("run");
    }
    table
}

/// Inserts a value at a dotted path, and creates the tables along it.
fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.into(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Table::new().into());
            if let Some(inner) = inner.as_table_mut() {
                put(inner, rest, value);
            }
        }
    }
}

/// Deserializes a part of the file; `None` if it is missing or invalid in this version.
fn part<T: DeserializeOwned>(table: &Table, name: &str) -> Option<T> {
    table.get(name)?.clone().try_into().ok()
}

/// Completes the path of a run's recording or picture, which then also opens from another folder.
fn with_whole_path(mut run: RunOptions) -> RunOptions {
    let audio = run.audio.as_mut().filter(|audio| audio.bytes.is_none()).map(|audio| &mut audio.path);
    let image = run.image.as_mut().filter(|image| image.bytes.is_none()).map(|image| &mut image.path);
    for path in audio.into_iter().chain(image) {
        if let Some(whole) = files::whole_path(path) {
            *path = whole;
        }
    }
    run
}

impl Saved {
    /// Collects the state to save; `open` are the options that the model was opened with. `None` without a
    /// capture.
    pub fn new(app: &App, open: &OpenOptions) -> Option<Self> {
        app.capture.as_ref()?;
        // An absolute path also works from another folder.
        let whole = files::whole_path(Path::new(&open.model));
        let model = whole.map_or_else(|| open.model.clone(), |path| path.display().to_string());
        Some(Self {
            open: OpenOptions { model, ..open.clone() },
            run: app.run.info.as_ref().map(|_| with_whole_path(app.run.options.clone())),
            selection: Some(app.selection),
            marks: app.marks.clone(),
            reading: app.reading,
            filter: app.filter.clone(),
            view: app.view.name().into(),
            views: app.views.saved(),
            look: Look { colormap: Some(app.theme.colormap), glyphs: app.theme.glyphs },
        })
    }

    /// Returns the options that the model was opened with.
    pub fn open_options(&self) -> OpenOptions {
        self.open.clone()
    }

    /// Returns the options of the last run; `None` for a capture file.
    pub fn run_options(&self) -> Option<RunOptions> {
        self.run.clone()
    }

    /// Restores the state. The selection is clamped once the capture is there.
    pub fn restore(&self, app: &mut App) {
        if let Some(selection) = self.selection {
            app.selection = selection;
            app.untouched = false;
        }
        app.marks = self.marks.clone();
        app.reading = self.reading.bounded();
        app.filter = self.filter.clone();
        app.view = ViewId::tabs().find(|view| view.name() == self.view).unwrap_or_default();
        app.views.restore(&self.views);
        app.theme.colormap = self.look.colormap.unwrap_or(app.theme.colormap);
        app.theme.glyphs = self.look.glyphs;
    }

    /// Reads the state from a table. Unknown keys and invalid parts are ignored, so that files of other
    /// versions still open; only the model is required.
    fn from_table(table: &Table) -> Option<Self> {
        let flat = !table.contains_key("open");
        let table = &if flat { nested(table) } else { table.clone() };
        // Earlier versions kept it with the state of Map.
        let map_filter = || part(table.get("views")?.get("map")?.as_table()?, "filter");
        let model = || Some(table.get("open")?.get("model")?.as_str()?.to_string());
        Some(Self {
            open: match part(table, "open") {
                Some(open) => open,
                None => OpenOptions { model: model()?, ..OpenOptions::default() },
            },
            run: part(table, "run"),
            selection: part(table, "selection"),
            marks: part(table, "marks").unwrap_or_default(),
            reading: part(table, "reading").unwrap_or_default(),
            filter: part(table, "filter").or_else(map_filter).unwrap_or_default(),
            view: part(table, "view").unwrap_or_default(),
            views: part(table, "views").unwrap_or_default(),
            look: part(table, "look").unwrap_or_default(),
        })
        .filter(|saved| !saved.open.model.is_empty())
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
        let bad = |why: String| Error::BadFile { file: path.display().to_string(), why };
        let table: Table = toml::from_str(&text).map_err(|error| bad(error.message().to_string()))?;
        Self::from_table(&table).ok_or_else(|| bad("it names no model".into()))
    }

    /// Writes the file, readable by its owner alone: it holds the texts.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self
            .to_toml()
            .map_err(|why| Error::BadFile { file: path.display().to_string(), why: why.to_string() })?;
        crate::files::save_private(path, text.as_bytes())
    }

    /// Formats the state as TOML.
    ///
    /// # Errors
    /// Those of the format.
    pub fn to_toml(&self) -> std::result::Result<String, toml::ser::Error> {
        // `toml::Value` writes plain keys before tables, as TOML requires.
        Value::try_from(self).and_then(|value| toml::to_string(&value))
    }

    /// Parses what [`Saved::to_toml`] returned; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_table(&toml::from_str(text).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::MapWeights;
    use crate::device::Device;
    use crate::paint::{Curve, Pool};
    use crate::site::Kind;
    use crate::tui::keymap::Keymap;
    use crate::tui::reading::Special;
    use crate::tui::theme::Theme;
    use crate::tui::views::flow::state::FlowMethod;
    use crate::tui::views::links::state::KeptLinks;
    use crate::tui::views::text::state::Shading;

    fn app() -> App {
        App::new("made", Theme::default(), Keymap::default())
    }

    fn saved(text: &str) -> Option<Saved> {
        Saved::from_table(&toml::from_str(text).unwrap())
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/attn-tui/session.toml");
        assert!(matches!(Saved::read(&path), Err(Error::Usage(_))));
        let mut app = app();
        app.views.map.zoom = Some(3);
        app.views.links.keep = KeptLinks::NoSinks;
        let saved = Saved {
            open: OpenOptions { model: "org/name".into(), ..OpenOptions::default() },
            run: Some(RunOptions { source: "a \"quoted\"\nline 注意".into(), ..RunOptions::default() }),
            selection: Some(Selection { head: Head::new(Kind::Cross, 2, 4), ..Selection::default() }),
            marks: BTreeSet::from([Head::new(Kind::Encoder, 0, 1)]),
            reading: Reading { threshold: 0.05, ..Reading::default() },
            filter: Filter::new("it | cat"),
            view: "Flow".into(),
            views: app.views.saved(),
            look: Look { colormap: Some(Colormap::Cividis), glyphs: true },
        };
        saved.write(&path).unwrap();
        assert_eq!(Saved::read(&path).unwrap(), saved);
        let mut other = self::app();
        saved.restore(&mut other);
        assert_eq!((other.views.map.zoom, other.views.links.keep), (Some(3), KeptLinks::NoSinks));
        assert_eq!((other.view, other.selection.head), (ViewId::Flow, Head::new(Kind::Cross, 2, 4)));
        assert_eq!((other.theme.colormap, other.untouched), (Colormap::Cividis, false));
    }

    #[test]
    fn a_session_of_an_earlier_version_is_read() {
        let saved = saved(
            r#"
            model = "demo"
            device = "cuda"
            source = "Hello."
            view = "Heads"
            head = "decoder.1.3"
            source_query = 2
            target_key = 5
            marks = ["cross.0.1"]
            zoom = 3
            filter = "a | b"
            words = true
            special = "renormalise"
            curve = "sqrt"
            gamma = 7
            mean_pool = true
            distance = 9
            over = "maximum"
            flow = "largest"
            values = true
            sort = 2
            keep = "no-sinks"
            colormap = "cividis"
            of-another-version = 1
            "#,
        )
        .unwrap();
        assert_eq!((saved.open.model.as_str(), saved.open.device), ("demo", Device::Cuda));
        assert_eq!(saved.run.as_ref().map(|run| (run.source.as_str(), run.values)), Some(("Hello.", true)));
        let mut app = app();
        saved.restore(&mut app);
        assert_eq!((app.view, app.selection.head), (ViewId::Heads, Head::new(Kind::Decoder, 1, 3)));
        assert_eq!((app.selection.source_query, app.selection.target_key), (2, 5));
        assert_eq!(app.marks, BTreeSet::from([Head::new(Kind::Cross, 0, 1)]));
        assert_eq!((app.views.map.zoom, app.filter.text()), (Some(3), "a | b"));
        let reading = app.reading;
        assert_eq!((reading.words, reading.special, reading.distance), (true, Special::Renormalise, 9));
        assert_eq!((reading.scale.curve, reading.scale.gamma), (Curve::Sqrt, 7));
        assert_eq!((reading.pool, reading.weights), (Pool::Mean, MapWeights::Values));
        assert_eq!((app.views.text.shading, app.views.flow.method), (Shading::Max, FlowMethod::Max));
        assert_eq!((app.views.heads.sort, app.views.links.keep), (2, KeptLinks::NoSinks));
        assert_eq!(app.theme.colormap, Colormap::Cividis);
    }

    #[test]
    fn parts_of_another_form_are_left_out() {
        let text = "view = 3\n[open]\nmodel = \"demo\"\ndevice = \"abacus\"\n[run]\nsource = \"Hi.\"\nnew = 1\n\
                    [reading]\nspecial = \"other\"\n[views.map]\nzoom = \"near\"\nfilter = \"a | 3\"\n[views.heads]\nsort = 5\n\
                    [views.added]\nx = 1\n[selection]\nhead = \"left.1.2\"";
        let saved = saved(text).unwrap();
        assert_eq!(saved.open, OpenOptions { model: "demo".into(), ..OpenOptions::default() });
        assert_eq!(saved.run.as_ref().map(|run| run.source.as_str()), Some("Hi."));
        let mut app = app();
        saved.restore(&mut app);
        assert_eq!((app.view, app.untouched, app.reading), (ViewId::Map, true, Reading::default()));
        assert_eq!((app.views.map.zoom, app.views.heads.sort), (None, 5));
        assert_eq!(app.filter.text(), "a | 3");
        assert_eq!(self::saved("[open]\nmodel = 3"), None);
        assert_eq!(self::saved("model = 3"), None);
    }

    #[test]
    fn numbers_out_of_range_are_brought_into_it() {
        let text =
            "[open]\nmodel = \"demo\"\n[reading]\nthreshold = 7.0\ndistance = 0\nscale = { gamma = 200 }";
        let mut app = app();
        saved(text).unwrap().restore(&mut app);
        assert_eq!((app.reading.threshold, app.reading.distance, app.reading.scale.gamma), (1.0, 1, 10));
    }
}
