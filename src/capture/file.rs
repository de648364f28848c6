//! The capture file: a safetensors file with the maps and their tokens (format `attn-tui capture 1`).
//!
//! Tensors `encoder.{layer}`, `decoder.{layer}`, `cross.{layer}`, each `[heads, queries, keys]`, and
//! `logits` `[target, vocabulary]`; where values were kept `values.{site}` `[heads, keys]` and
//! `contributions.{site}` `[queries, keys]` (cross: `[queries, keys + 1]`); texts, ids and tokens in the
//! metadata, lists as JSON.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{SafeTensors, TensorView};

use super::assemble::assemble;
use super::file_maps::FileMaps;
use super::foreign::{self, Form, arrays, arrays::ArrayFile};
use super::tensors::{Parsed, check_weights, decode};
use super::{Capture, MapStore, ReadOptions, SiteMaps, WINDOWS_NOTE, compact_layout, padding, sparse_layout};
use crate::error::{Error, Result};
use crate::files::{Bytes, ModelFile, sentence_of};
use crate::site::{Kind, Site};

/// Value of the metadata field `format`.
pub const FORMAT: &str = "attn-tui capture 1";

/// Reads a capture file, or attention maps in one of the forms of other programs (`foreign`). Of a file
/// with many sentences it reads the first, or with `FILE@N` sentence `N`, from 0.
///
/// # Errors
/// [`Error::Io`]; [`Error::BadFile`], naming the tensor, field or line at fault; [`Error::OtherFormat`] for a
/// known format that is not opened; [`Error::NotAModel`] for any other file.
pub fn read(path: &Path) -> Result<Capture> {
    read_with(path, &ReadOptions::default())
}

/// [`read`] with options.
///
/// # Errors
/// Those of [`read`].
pub fn read_with(path: &Path, options: &ReadOptions) -> Result<Capture> {
    let (path, sentence) = sentence_of(path);
    let bytes = ModelFile::Path(path.clone()).bytes()?;
    parse(&path, bytes, sentence, options)
}

/// Reads sentence `sentence` of the contents of a file, as [`read_with`] does. `path` names the file in
/// messages.
///
/// # Errors
/// Those of [`read`], other than [`Error::Io`].
pub fn parse(path: &Path, bytes: Bytes, sentence: usize, options: &ReadOptions) -> Result<Capture> {
    let file = path.display().to_string();
    let bad = |why| Error::BadFile { file: file.clone(), why };
    let other = |found, hint| Error::OtherFormat { file: file.clone(), found, hint };
    let of_arrays = |found: ArrayFile| match found.holds_weights() {
        true => Err(other("a file of a model's weights, not of attention maps", WEIGHTS_HINT)),
        false => arrays::capture(found, sentence, options).map_err(bad),
    };
    match foreign::recognise(path, &bytes) {
        Form::Capture => match contents(&bytes, sentence, options).map_err(bad)? {
            Contents::Capture(capture) => Ok(*capture),
            Contents::Arrays(found) => of_arrays(found),
        },
        Form::Arrays(read) => of_arrays(read(&bytes).map_err(bad)?),
        Form::Sentences(read) => read(&bytes, sentence, options).map_err(bad),
        Form::Other { found, hint } => Err(other(found, hint)),
        Form::Unknown => Err(Error::NotAModel { path: path.into() }),
    }
}

const WEIGHTS_HINT: &str =
    "give the model's folder, which also has its config.json and tokenizer, or its hub id";

/// Contents of a safetensors file.
enum Contents<'a> {
    /// A capture of the program's own.
    Capture(Box<Capture>),
    /// Arrays by other names.
    Arrays(ArrayFile<'a>),
}

/// Parses a safetensors file. Large maps stay in it.
fn contents<'a>(file: &'a Bytes, sentence: usize, options: &ReadOptions) -> Parsed<Contents<'a>> {
    let (_, header) = SafeTensors::read_metadata(file).map_err(|e| format!("not a safetensors file: {e}"))?;
    let tensors = SafeTensors::deserialize(file).map_err(|e| format!("not a safetensors file: {e}"))?;
    let empty = HashMap::new();
    let fields = header.metadata().as_ref().unwrap_or(&empty);
    // A network without attention has tokens only.
    let tokens_only = fields.contains_key("format") && fields.contains_key("target_ids");
    let canonical = tensors.names().into_iter().any(is_canonical);
    if !tokens_only && (!canonical || tensors.names().into_iter().any(arrays::names_other_maps)) {
        return Ok(Contents::Arrays(arrays::of_safetensors(&tensors, fields)));
    }
    if sentence > 0 {
        return Err(format!("it has one sentence, number 0, not {sentence}"));
    }
    let mut maps = MapStore::within(options.memory);
    for (name, view) in tensors.iter() {
        if let Some(site) = site_of(name) {
            let found =
                site_maps(name, &view, |shape| Some(file).filter(|_| maps.prefers_compact(shape, 0)))?;
            maps.insert(site, found);
        } else if let Some(site) = name.strip_suffix(".query").and_then(site_of) {
            maps.insert(site, SiteMaps::of(compact_layout::read(site, &tensors, fields)?));
        } else if let Some(site) = name.strip_suffix(".entries").and_then(site_of) {
            maps.insert(site, SiteMaps::sparse(sparse_layout::read(site, &tensors, fields)?));
        }
    }
    let windows = maps.sites().any(|(_, maps)| maps.window(0).is_some()).then(|| WINDOWS_NOTE.to_string());
    let capture = assemble(maps, &|name| tensors.tensor(name).ok(), fields, Vec::from_iter(windows))?;
    Ok(Contents::Capture(Box::new(padding::settle(capture, options.trim_padding, false))))
}

/// Returns true for the name of a site's maps, of the queries of its compact layout, or of the entries of its
/// sparse layout.
fn is_canonical(name: &str) -> bool {
    let site = [".query", ".entries"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
    site_of(site.unwrap_or(name)).is_some()
}

fn site_of(name: &str) -> Option<Site> {
    let (kind, layer) = name.split_once('.')?;
    Some(Site::new(kind.parse::<Kind>().ok()?, layer.parse().ok()?))
}

/// Number of rows that are checked at once.
const ROWS: usize = 1024;

fn site_maps<'a>(
    name: &str,
    view: &TensorView,
    stays_in: impl FnOnce([usize; 3]) -> Option<&'a Bytes>,
) -> Parsed<SiteMaps> {
    // Python's attentions carry a batch of one in front.
    let shape = match view.shape() {
        [1, rest @ ..] if rest.len() == 3 => rest,
        shape => shape,
    };
    let &[heads, queries, keys] = shape else {
        return Err(format!("{name} has shape {:?}, not [heads, queries, keys]", view.shape()));
    };
    if heads * queries * keys == 0 {
        return Err(format!("{name} is empty: its shape is {:?}", view.shape()));
    }
    let check = |values: &[f32], first: usize| check_weights(name, values, first, queries, keys);
    let Some(file) = stays_in([heads, queries, keys]) else {
        let values = decode(name, view)?;
        check(&values, 0)?;
        return Ok(SiteMaps::new(heads, queries, keys, values));
    };
    let from = view.data().as_ptr() as usize - file.as_ptr() as usize;
    decode(name, &TensorView::new(view.dtype(), vec![0], &[]).map_err(|e| format!("{name}: {e}"))?)?;
    let stored = FileMaps::new(file.clone(), from, view.dtype());
    let rows = heads * queries;
    for first in (0..rows).step_by(ROWS) {
        check(&stored.values(first * keys..rows.min(first + ROWS) * keys), first)?;
    }
    Ok(SiteMaps::stored(heads, queries, keys, stored))
}
