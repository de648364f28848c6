//! Models.

use std::path::PathBuf;
use std::sync::Arc;

use attn_tui::analysis::metrics::FAR;
use attn_tui::device::Device;
use attn_tui::engine::{self, AudioOptions, ImageOptions, OpenOptions, Opened, RunOptions, Session};
use attn_tui::error::{Error, Result};
use attn_tui::hub::Hub;
use attn_tui::scan::ScanOptions;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::capture::{Origin, PyCapture};
use crate::options::{checked, model_text, named, non_negative, threads};
use crate::scan::PyPair;
use crate::{errors, interrupt, scan};

/// An open encoder-decoder model. It may be used by several threads at once.
#[pyclass(frozen, name = "Model", module = "attn_tui")]
pub struct PyModel {
    session: Arc<Session>,
    threads: usize,
}

#[pymethods]
impl PyModel {
    /// Opens a model: a hub id, a folder, or a built-in one such as "demo". Missing files are fetched.
    #[staticmethod]
    #[pyo3(signature = (
        model, *, revision=None, device="cpu", threads=None, memory=None, offline=false, tokenizer=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn open(
        py: Python<'_>,
        model: PathBuf,
        revision: Option<String>,
        device: &str,
        threads: Option<usize>,
        memory: Option<usize>,
        offline: bool,
        tokenizer: Option<String>,
    ) -> PyResult<Self> {
        let options = OpenOptions {
            model: checked(py, model_text(&model))?,
            revision,
            // Built-in models and folders open without a cache folder.
            hub: Hub::from_env().ok(),
            tokenizer,
            offline,
            device: checked(py, named::<Device>("device", device))?,
            threads: checked(py, self::threads(threads))?,
            memory,
            ..OpenOptions::default()
        };
        let threads = engine::threads(options.threads);
        match interrupt::run(py, |watch| engine::open(&options, watch))? {
            Opened::Model(session) => Ok(Self { session: Arc::from(session), threads }),
            Opened::Capture(_) => {
                let why = format!("{} is a file with attention maps: Capture.open opens it", options.model);
                Err(errors::to_python(py, &Error::Usage(why)))
            }
        }
    }

    /// Runs the model on a source and records the maps of every layer and head. The target is generated unless
    /// it is given.
    #[pyo3(signature = (
        source=None, target=None, *, audio=None, image=None, src_lang=None, tgt_lang=None, beams=None, max_new_tokens=None,
        seed=0, logits=false, values=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn capture(
        &self,
        py: Python<'_>,
        source: Option<String>,
        target: Option<String>,
        audio: Option<PathBuf>,
        image: Option<PathBuf>,
        src_lang: Option<String>,
        tgt_lang: Option<String>,
        beams: Option<usize>,
        max_new_tokens: Option<usize>,
        seed: u64,
        logits: bool,
        values: bool,
    ) -> PyResult<PyCapture> {
        if [source.is_some(), audio.is_some(), image.is_some()].into_iter().filter(|&given| given).count()
            != 1
        {
            let why =
                "give one of a source, audio=, the file of a recording, and image=, the file of a picture";
            return Err(errors::to_python(py, &Error::Usage(why.into())));
        }
        let run = RunOptions {
            source: source.unwrap_or_default(),
            audio: audio.map(|path| AudioOptions { path, ..AudioOptions::default() }),
            image: image.map(|path| ImageOptions { path, ..ImageOptions::default() }),
            target,
            src_lang,
            tgt_lang,
            beams,
            max_new_tokens,
            seed,
            logits,
            values,
            ..RunOptions::default()
        };
        let run = checked(py, positive(run))?;
        let capture = interrupt::run(py, |watch| self.session.run(&run, watch))?;
        let origin = Origin { session: Arc::clone(&self.session), run };
        Ok(PyCapture::new(capture, Some(origin), self.threads))
    }

    /// Measures many sentences, several at a time, and returns the tables "sentences", "heads", "links" and, with
    /// maps=True, "maps".
    #[pyo3(signature = (
        rows, *, source="source", target="target", src_lang=None, tgt_lang=None, beams=None, max_new_tokens=None, seed=0,
        far=FAR, links=3, min_distance=None, min_weight=None, source_share=false, maps=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn scan<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        source: &str,
        target: &str,
        src_lang: Option<String>,
        tgt_lang: Option<String>,
        beams: Option<usize>,
        max_new_tokens: Option<usize>,
        seed: u64,
        far: f32,
        links: usize,
        min_distance: Option<f32>,
        min_weight: Option<f32>,
        source_share: bool,
        maps: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let pairs = py.import("attn_tui._rows")?.call_method1("pairs", (rows, source, target))?;
        let pairs: Vec<PyPair> = pairs.extract()?;
        let usual = ScanOptions::default();
        let options = ScanOptions {
            far: checked(py, non_negative("far", far))?,
            links,
            min_distance: checked(
                py,
                non_negative("min_distance", min_distance.unwrap_or(usual.min_distance)),
            )?,
            min_weight: checked(py, non_negative("min_weight", min_weight.unwrap_or(usual.min_weight)))?,
            source_share,
            maps,
        };
        let run = RunOptions { src_lang, tgt_lang, beams, max_new_tokens, seed, ..RunOptions::default() };
        let run = checked(py, positive(run))?;
        let tables = interrupt::run(py, |watch| scan::scan(&self.session, pairs, &run, &options, watch))?;
        scan::to_python(py, tables)
    }

    /// Hub id, name of the folder, or name of the built-in model.
    #[getter]
    fn name(&self) -> &str {
        &self.session.info().name
    }

    /// Type of the model in its config.json.
    #[getter]
    fn model_type(&self) -> &str {
        &self.session.info().model_type
    }

    /// Number of layers of encoder and decoder.
    #[getter]
    fn layers(&self) -> (usize, usize) {
        self.session.info().layers
    }

    /// Number of heads of a layer of encoder and decoder.
    #[getter]
    fn heads(&self) -> (usize, usize) {
        self.session.info().heads
    }

    /// Number of parameters.
    #[getter]
    fn parameters(&self) -> usize {
        self.session.info().parameters
    }

    /// Languages of a multilingual model.
    #[getter]
    fn languages(&self) -> Vec<String> {
        self.session.info().languages.clone()
    }

    /// Notes on the model, such as settings that are not followed.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.session.info().all_notes()
    }

    /// Number of threads.
    #[getter]
    fn threads(&self) -> usize {
        self.threads
    }

    fn __repr__(&self) -> String {
        let info = self.session.info();
        let ((encoder, decoder), (encoder_heads, decoder_heads)) = (info.layers, info.heads);
        format!(
            "<Model {} ({}): {encoder} x {encoder_heads} encoder, {decoder} x {decoder_heads} decoder heads>",
            info.name, info.model_type
        )
    }
}

/// Checks the numbers of beams and of tokens, which are bounded as on the command line.
fn positive(run: RunOptions) -> Result<RunOptions> {
    const MOST: usize = 65_536;
    let fits = |number: Option<usize>| number.is_none_or(|number| (1..=MOST).contains(&number));
    match fits(run.beams) && fits(run.max_new_tokens) {
        true => Ok(run),
        false => Err(Error::Usage(format!("beams and max_new_tokens: from 1 to {MOST}"))),
    }
}
