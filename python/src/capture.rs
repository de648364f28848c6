//! Captures.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use attn_tui::analysis::links::LinkFilter;
use attn_tui::analysis::metrics::FAR;
use attn_tui::analysis::places::Places;
use attn_tui::axis::AxisItem;
use attn_tui::capture::{self as captures, Precision, ReadOptions, SiteLayout};
use attn_tui::engine::{self, RunOptions, Session};
use attn_tui::error::{Error, Result};
use attn_tui::export::figure::{FigureStyle, FigureTheme};
use attn_tui::export::select::{HeadSelection, PlaceSelection};
use attn_tui::export::table::Table;
use attn_tui::export::{html, svg};
use attn_tui::files::{self, Bytes};
use attn_tui::matrix::Matrix;
use attn_tui::paint::{Colormap, Scale};
use attn_tui::progress::Watch;
use attn_tui::site::{Head, Kind, Site};
use attn_tui_kernels::threads;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::analyses::{self, AlignOptions, TracingMethod};
use crate::options::{checked, named, non_negative, selection};
use crate::{arrays, errors, interrupt, tables};

/// Weights that the page of a notebook holds at most, about 5 MB of text.
const NOTEBOOK_WEIGHTS: usize = 1 << 20;

/// The model and the options that a capture comes from.
pub struct Origin {
    /// The model.
    pub session: Arc<Session>,
    /// Options of the run.
    pub run: RunOptions,
}

/// The record of one forward pass: tokens and the maps of all heads. A mapping from the names of sites, such as
/// "cross.2", to arrays [heads, queries, keys]; the name of a head, such as "cross.2.4", gives [queries, keys].
#[pyclass(frozen, mapping, name = "Capture", module = "attn_tui")]
pub struct PyCapture {
    capture: captures::Capture,
    /// `None` for a capture from a file or from arrays.
    origin: Option<Origin>,
    threads: usize,
}

/// The name of a site or of a head.
enum MapName {
    Site(Site),
    Head(Head),
}

impl FromStr for MapName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if let Ok(head) = name.parse() {
            return Ok(Self::Head(head));
        }
        let site = name
            .split_once('.')
            .and_then(|(kind, layer)| Some(Site::new(kind.parse::<Kind>().ok()?, layer.parse().ok()?)));
        let no_name =
            || Error::NoSuchHead(format!("'{name}' is no site like cross.2 and no head like cross.2.4"));
        site.map(Self::Site).ok_or_else(no_name)
    }
}

impl PyCapture {
    /// Creates a capture whose analyses run on a number of threads.
    pub fn new(capture: captures::Capture, origin: Option<Origin>, threads: usize) -> Self {
        Self { capture, origin, threads }
    }

    /// Computes something from the capture, detached from the interpreter.
    fn compute<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&captures::Capture, &dyn Watch) -> Result<T> + Send,
    ) -> PyResult<T> {
        let on_threads = |watch: &dyn Watch| threads::run(self.threads, || work(&self.capture, watch));
        interrupt::run(py, on_threads)
    }

    /// Computes a table from the capture, and converts it.
    fn tabulate<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&captures::Capture, &dyn Watch) -> Result<Table> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        tables::to_python(py, &self.compute(py, work)?)
    }

    /// Traces attention through all layers: the table of shares, and the map.
    fn traced(
        &self,
        py: Python<'_>,
        kind: Option<&str>,
        method: &str,
        residual: Option<f32>,
    ) -> PyResult<(Table, Matrix)> {
        self.compute(py, |capture, _| {
            analyses::rollout(capture, kind, &TracingMethod::new(method, residual)?)
        })
    }

    fn has(&self, name: &str) -> bool {
        match name.parse() {
            Ok(MapName::Site(site)) => self.capture.heads(site) > 0,
            Ok(MapName::Head(head)) => self.capture.check(head).is_ok(),
            Err(_) => false,
        }
    }

    fn page(&self, py: Python<'_>, selection: &HeadSelection, dark: bool) -> PyResult<String> {
        let theme = if dark { FigureTheme::Dark } else { FigureTheme::Light };
        let style =
            FigureStyle { theme, colormap: Colormap::default(), scale: Scale::default(), values: false };
        let page = self.compute(py, |capture, _| html::render(capture, selection, dark, &style))?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    /// Returns the largest selection whose page a notebook can hold: all heads, those of one kind, of one layer,
    /// or one head; `None` if that is too large, too.
    fn notebook_selection(&self) -> Option<HeadSelection> {
        let kind = self.capture.kinds().last().copied();
        let layer = kind.map(|kind| self.capture.layers(kind).saturating_sub(1));
        let choices = [(None, None, None), (kind, None, None), (kind, layer, None), (kind, layer, Some(0))];
        let weights = |head: &Head| {
            let (queries, keys) = self.capture.shape(head.kind());
            queries.saturating_mul(keys)
        };
        choices.into_iter().map(|(kind, layer, head)| HeadSelection { kind, layer, head }).find(|selection| {
            let heads = selection.heads(&self.capture).unwrap_or_default();
            !heads.is_empty() && heads.iter().map(weights).fold(0, usize::saturating_add) <= NOTEBOOK_WEIGHTS
        })
    }
}

fn pieces(items: &[AxisItem]) -> Vec<String> {
    items.iter().map(|item| item.piece.clone()).collect()
}

fn read_options(kind: Option<&str>, memory: Option<usize>, trim_padding: bool) -> Result<ReadOptions> {
    let kind = kind.map(|name| named::<Kind>("kind", name)).transpose()?;
    Ok(ReadOptions { memory, kind, trim_padding })
}

#[pymethods]
impl PyCapture {
    /// Opens a capture file, or a file with attention maps in another form.
    #[staticmethod]
    #[pyo3(signature = (path, *, kind=None, memory=None, trim_padding=false, threads=None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        kind: Option<&str>,
        memory: Option<usize>,
        trim_padding: bool,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let options = checked(py, read_options(kind, memory, trim_padding))?;
        let threads = engine::threads(checked(py, crate::options::threads(threads))?);
        let capture = interrupt::run(py, |_| captures::read_with(&path, &options))?;
        Ok(Self::new(capture, None, threads))
    }

    /// Makes a capture of what a transformers model returns with `output_attentions=True`.
    #[staticmethod]
    #[pyo3(signature = (
        outputs, tokenizer=None, *, source_ids=None, target_ids=None, decoder_input_ids=None, sequence=0, model="",
        kind=None, trim_padding=true, threads=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn from_transformers(
        py: Python<'_>,
        outputs: &Bound<'_, PyAny>,
        tokenizer: Option<&Bound<'_, PyAny>>,
        source_ids: Option<&Bound<'_, PyAny>>,
        target_ids: Option<&Bound<'_, PyAny>>,
        decoder_input_ids: Option<&Bound<'_, PyAny>>,
        sequence: usize,
        model: &str,
        kind: Option<&str>,
        trim_padding: bool,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let options = checked(py, read_options(kind, None, trim_padding))?;
        let threads = engine::threads(checked(py, crate::options::threads(threads))?);
        let arguments = (outputs, tokenizer, source_ids, target_ids, decoder_input_ids, sequence, model);
        let file = py.import("attn_tui._transformers")?.call_method1("safetensors", arguments)?;
        let file = Bytes::Shared(file.extract::<&[u8]>()?.into());
        let name = PathBuf::from("the outputs");
        let capture = interrupt::run(py, |_| captures::parse(&name, file, sequence, &options))?;
        Ok(Self::new(capture, None, threads))
    }

    /// Writes a capture file, which `Capture.open` and every command read.
    #[pyo3(signature = (path, *, force=false, dtype="f32"))]
    fn save(&self, py: Python<'_>, path: PathBuf, force: bool, dtype: &str) -> PyResult<()> {
        let precision = match dtype {
            "f32" => Precision::F32,
            "f16" => Precision::F16,
            other => {
                let why = format!("dtype: '{other}' is not one of f32, f16");
                return Err(errors::to_python(py, &Error::Usage(why)));
            }
        };
        self.compute(py, |capture, _| {
            files::save_with(&path, force, |out| captures::write(capture, precision, SiteLayout::Large, out))
        })
    }

    /// Returns the maps of a site, [heads, queries, keys], or of a head, [queries, keys]. Maps in memory are
    /// not copied; others are computed.
    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match checked(py, name.parse())? {
            MapName::Head(head) => {
                let map = self.compute(py, |capture, _| capture.map(head))?;
                arrays::matrix(py, map)
            }
            MapName::Site(site) => {
                let Some(maps) = self.capture.maps.site(site) else {
                    return Err(errors::to_python(py, &checked_site(&self.capture, site)));
                };
                let [heads, queries, keys] = maps.shape();
                let values = self.compute(py, |_, _| Ok(maps.data()))?;
                arrays::array(py, Matrix::view(heads * queries, keys, values, 0), vec![heads, queries, keys])
            }
        }
    }

    fn __contains__(&self, name: &str) -> bool {
        self.has(name)
    }

    fn __len__(&self) -> usize {
        self.capture.maps.sites().count()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyList::new(py, self.keys())?.call_method0("__iter__")
    }

    /// Returns the names of all sites.
    fn keys(&self) -> Vec<String> {
        self.capture.maps.sites().map(|(site, _)| site.to_string()).collect()
    }

    /// Model that the capture comes from.
    #[getter]
    fn model(&self) -> &str {
        &self.capture.model
    }

    /// Type of that model.
    #[getter]
    fn model_type(&self) -> &str {
        &self.capture.model_type
    }

    /// Text of the source.
    #[getter]
    fn source(&self) -> &str {
        &self.capture.source.text
    }

    /// Text of the target, given or generated.
    #[getter]
    fn target(&self) -> &str {
        &self.capture.target.text
    }

    /// Tokens of the source, as the vocabulary spells them.
    #[getter]
    fn source_tokens(&self) -> Vec<String> {
        pieces(&self.capture.source.items)
    }

    /// Tokens that the decoder predicts, one for each row.
    #[getter]
    fn target_tokens(&self) -> Vec<String> {
        pieces(&self.capture.target.items)
    }

    /// Tokens that the decoder is fed, the start token first.
    #[getter]
    fn decoder_input_tokens(&self) -> Vec<String> {
        pieces(&self.capture.decoder_input)
    }

    /// Ids of the source's tokens.
    #[getter]
    fn source_ids(&self) -> Vec<u32> {
        self.capture.source.ids()
    }

    /// Ids of the target's tokens.
    #[getter]
    fn target_ids(&self) -> Vec<u32> {
        self.capture.target.ids()
    }

    /// Logits [target, vocabulary], if the capture kept them.
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.capture.logits.clone().map(|logits| arrays::matrix(py, logits)).transpose()
    }

    /// Notes on how a file was read.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.capture.notes.clone()
    }

    /// Tabulates the metrics of heads.
    #[pyo3(signature = (*, kind=None, layer=None, head=None, far=FAR))]
    fn heads<'py>(
        &self,
        py: Python<'py>,
        kind: Option<&str>,
        layer: Option<usize>,
        head: Option<usize>,
        far: f32,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.tabulate(py, |capture, _| {
            analyses::heads(capture, &selection(kind, layer, head)?, non_negative("far", far)?)
        })
    }

    /// Tabulates the strongest links.
    #[pyo3(signature = (
        *, kind=None, layer=None, head=None, queries="", keys="", min_distance=None, min_weight=0.0, top=20,
        special=false, punctuation=false, sinks=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn links<'py>(
        &self,
        py: Python<'py>,
        kind: Option<&str>,
        layer: Option<usize>,
        head: Option<usize>,
        queries: &str,
        keys: &str,
        min_distance: Option<f32>,
        min_weight: f32,
        top: usize,
        special: bool,
        punctuation: bool,
        sinks: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let places = PlaceSelection { queries: Places::new(queries), keys: Places::new(keys) };
        let given = !places.queries.is_empty() && !places.keys.is_empty();
        self.tabulate(py, |capture, _| {
            let min_distance = min_distance.unwrap_or(if given { 0.0 } else { FAR + 1.0 });
            let filter = LinkFilter {
                min_distance: non_negative("min_distance", min_distance)?,
                min_weight: non_negative("min_weight", min_weight)?,
                top,
                special,
                punctuation,
                sinks,
                queries: None,
                keys: None,
            };
            analyses::links(capture, &selection(kind, layer, head)?, &places, &filter)
        })
    }

    /// Aligns words by cross-attention.
    #[pyo3(signature = (*, layer=None, head=None, merge="mean", convention="predicts", tokens=false))]
    fn align<'py>(
        &self,
        py: Python<'py>,
        layer: Option<usize>,
        head: Option<usize>,
        merge: &str,
        convention: &str,
        tokens: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.tabulate(py, |capture, _| {
            let options = AlignOptions::new(merge, convention, tokens)?;
            analyses::align(capture, &AlignOptions { layer, head, ..options })
        })
    }

    /// Tabulates the shares of attention traced through all layers.
    #[pyo3(signature = (*, kind=None, method="rollout", residual=None))]
    fn rollout<'py>(
        &self,
        py: Python<'py>,
        kind: Option<&str>,
        method: &str,
        residual: Option<f32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (table, _) = self.traced(py, kind, method, residual)?;
        tables::to_python(py, &table)
    }

    /// Returns the map of attention traced through all layers, [queries, keys].
    #[pyo3(signature = (*, kind=None, method="rollout", residual=None))]
    fn rollout_map<'py>(
        &self,
        py: Python<'py>,
        kind: Option<&str>,
        method: &str,
        residual: Option<f32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (_, map) = self.traced(py, kind, method, residual)?;
        arrays::matrix(py, map)
    }

    /// Tabulates what the target's predictions lose with each head, or each layer, switched off.
    #[pyo3(signature = (*, kind=None, layer=None, head=None, by="head", top=None))]
    fn knockout<'py>(
        &self,
        py: Python<'py>,
        kind: Option<&str>,
        layer: Option<usize>,
        head: Option<usize>,
        by: &str,
        top: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.tabulate(py, |capture, watch| {
            let whole_layers = match by {
                "head" => false,
                "layer" => true,
                other => return Err(Error::Usage(format!("by: '{other}' is not one of head, layer"))),
            };
            let no_model = "knock-outs need the model: this capture comes from a file or from arrays, not from \
                            model.capture";
            let origin = self.origin.as_ref().ok_or_else(|| Error::Usage(no_model.into()))?;
            let selection = selection(kind, layer, head)?;
            let mut table = analyses::knockout(capture, origin, &selection, whole_layers, watch)?;
            table.rows.truncate(top.unwrap_or(usize::MAX));
            Ok(table)
        })
    }

    /// Returns a page of its own with the selected maps, to be explored in a browser.
    #[pyo3(signature = (*, kind=None, layer=None, head=None, dark=false))]
    fn to_html(
        &self,
        py: Python<'_>,
        kind: Option<&str>,
        layer: Option<usize>,
        head: Option<usize>,
        dark: bool,
    ) -> PyResult<String> {
        let selection = checked(py, selection(kind, layer, head))?;
        self.page(py, &selection, dark)
    }

    /// Shows the maps in a notebook, in a frame that keeps scripts and styles of page and notebook apart.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let Some(selection) = self.notebook_selection() else {
            return Ok(format!("<p>{}</p>", svg::escaped(&self.__repr__())));
        };
        let page = svg::escaped(&self.page(py, &selection, false)?);
        Ok(format!(
            "<iframe srcdoc=\"{page}\" title=\"attention maps\" sandbox=\"allow-scripts\" width=\"100%\" height=\"620\" \
             style=\"border: 0\"></iframe>"
        ))
    }

    fn __repr__(&self) -> String {
        let Self { capture, .. } = self;
        let heads: usize = capture.all_heads().len();
        format!(
            "<Capture of {}: {} source and {} target tokens, {heads} heads>",
            if capture.model.is_empty() { "a model" } else { &capture.model },
            capture.source.len(),
            capture.decoder_input.len()
        )
    }
}

/// The error for a site that the capture lacks.
fn checked_site(capture: &captures::Capture, site: Site) -> Error {
    capture.check(site.head(0)).err().unwrap_or_else(|| Error::NoSuchHead(format!("there is no {site}")))
}
