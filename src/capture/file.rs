//! The capture file: a safetensors file with the maps and their tokens (format `attn-tui capture 1`).
//!
//! Tensors `encoder.{layer}`, `decoder.{layer}`, `cross.{layer}`, each `[heads, queries, keys]`, and
//! `logits` `[target, vocabulary]`; where values were kept `values.{site}` `[heads, keys]` and
//! `contributions.{site}` `[queries, keys]` (cross: `[queries, keys + 1]`); texts, ids and tokens in the
//! metadata, lists as JSON.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{SafeTensors, TensorView};

use super::axes::{Lengths, Tokens, items_by_id, list};
use super::file_maps::FileMaps;
use super::predictions::predictions;
use super::tensors::{Parsed, decode, matrix};
use super::{Capture, MapStore, SiteMaps, SiteValues, ValuesBySite};
use super::{compact_layout, npz, soft};
use crate::axis::{Sequence, Token, token_ids};
use crate::checkpoint::Architecture;
use crate::error::{Error, Result};
use crate::files::{Bytes, ModelFile, looks_like_alignments, sentence_of};
use crate::matrix::Matrix;
use crate::site::{Kind, MAX_LAYERS, Site};

/// Value of the metadata field `format`.
pub const FORMAT: &str = "attn-tui capture 1";
/// Maximum sum of a row of weights: 1, plus rounding to 16 bits. The sum may be less if extra keys share
/// the softmax or rows were truncated.
const MOST: f32 = 1.02;

/// Reads a capture file, written by this program or from Python, safetensors or npz; or one sentence of a
/// file of soft alignments by Marian or Nematus: the first, or with `FILE@N` sentence `N`, from 0.
pub fn read(path: &Path) -> Result<Capture> {
    read_within(path, None)
}

/// [`read`] that keeps at most `memory` bytes of maps in memory ([`MapStore::within`]) and reads the others
/// when they are needed.
pub fn read_within(path: &Path, memory: Option<usize>) -> Result<Capture> {
    let (path, sentence) = sentence_of(path);
    let name = path.display().to_string();
    let bytes = ModelFile::Path(path).bytes()?;
    let parsed = if looks_like_alignments(&bytes) {
        soft::parse(&bytes, sentence)
    } else if npz::is_npz(&bytes) {
        npz::to_safetensors(&bytes).and_then(|bytes| parse(&bytes, None, memory))
    } else {
        parse(&bytes, Some(&bytes), memory)
    };
    parsed.map_err(|why| Error::BadFile { file: name, why })
}

/// Metadata field that is present if the target was generated with 8-bit weights.
pub(super) const INT8_TARGET: &str = "target_generated_with";
/// The field with the seed of a sampled target.
pub(super) const SAMPLED: &str = "target_sampled_with_seed";

/// Parses a capture. Maps may stay in `file`, which holds the same bytes.
fn parse(bytes: &[u8], file: Option<&Bytes>, memory: Option<usize>) -> Parsed<Capture> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
    let empty = HashMap::new();
    let fields = header.metadata().as_ref().unwrap_or(&empty);
    let mut maps = MapStore::within(memory);
    let mut all_heads = 0usize;
    for (name, view) in tensors.iter() {
        let (site, found) = if let Some(site) = site_of(name) {
            (site, site_maps(name, &view, |shape| file.filter(|_| maps.prefers_compact(shape, 0)))?)
        } else if let Some(site) = name.strip_suffix(".query").and_then(site_of) {
            (site, SiteMaps::of(compact_layout::read(site, &tensors, fields)?))
        } else {
            continue;
        };
        let [heads, ..] = found.shape();
        all_heads = all_heads.saturating_add(heads);
        check_counts(site, heads, all_heads)?;
        maps.insert(site, found);
    }
    // A network without attention has tokens only.
    if maps.sites().next().is_none() && !(fields.contains_key("format") && fields.contains_key("target_ids"))
    {
        return Err("there are no tensors named encoder.N, decoder.N or cross.N: not a capture file".into());
    }
    let values = site_values(&tensors, &maps)?;
    let lengths = Lengths::of(&maps)?;
    let special: Vec<u32> = list(fields, "special_ids")?.unwrap_or_default();
    let tokens = Tokens { fields, special: special.into_iter().collect() };
    let source = tokens.read("source", lengths.source)?;
    let target = tokens.read("target", lengths.target)?;
    let decoder_input = tokens.decoder_input(&source, &target, lengths.target)?;
    let text = |key: &str| fields.get(key).cloned().unwrap_or_default();
    let logits = match tensors.tensor("logits") {
        Err(_) => None,
        Ok(view) => Some(logits_of(&view, target.len())?),
    };
    let spelt = items_by_id(&[&target, &source]);
    let named = |id: u32| {
        let known = spelt.get(&id);
        let (piece, special) =
            known.map_or_else(|| (format!("#{id}"), false), |item| (item.piece.clone(), item.special));
        Token { id, piece, special }
    };
    let predictions = logits.as_ref().map_or_else(Vec::new, |logits| {
        predictions(logits.as_slice(), logits.cols(), &token_ids(&target), named)
    });
    Ok(Capture {
        model: text("model"),
        model_type: text("model_type"),
        architecture: Architecture::default(),
        source: Sequence { text: text("source"), items: source },
        target: Sequence { text: text("target"), items: target },
        decoder_input,
        predictions,
        logits,
        maps,
        values,
        weights: fields.get("weights").and_then(|name| name.parse().ok()).unwrap_or_default(),
        int8_target: fields.contains_key(INT8_TARGET),
        sampled: fields.get(SAMPLED).and_then(|seed| seed.parse().ok()),
    })
}

/// Reads values and contributions of every site that has both.
fn site_values(tensors: &SafeTensors, maps: &MapStore) -> Parsed<ValuesBySite> {
    let mut all = ValuesBySite::new();
    for (site, site_maps) in maps.sites() {
        let [heads, queries, keys] = site_maps.shape();
        let columns = keys + usize::from(site.kind == Kind::Cross);
        let (values, contributions) = (format!("values.{site}"), format!("contributions.{site}"));
        let norms = matrix(tensors, &values, [heads, keys])?;
        if let (Some(norms), Some(contributions)) =
            (norms, matrix(tensors, &contributions, [queries, columns])?)
        {
            all.insert(site, SiteValues { norms, contributions });
        }
    }
    Ok(all)
}

fn site_of(name: &str) -> Option<Site> {
    let (kind, layer) = name.split_once('.')?;
    Some(Site::new(kind.parse::<Kind>().ok()?, layer.parse().ok()?))
}

/// Maximum number of heads of all sites together. No model has a tenth of it.
const MAX_HEADS: usize = 1 << 16;

/// Checks the number of a site's layer, and the number of all heads with those of that site.
fn check_counts(site: Site, heads: usize, all_heads: usize) -> Parsed<()> {
    if site.layer >= MAX_LAYERS {
        return Err(format!("{site}: no more than {MAX_LAYERS} layers are read"));
    }
    if all_heads > MAX_HEADS {
        return Err(format!("{site} has {heads} heads: no more than {MAX_HEADS} in all are read"));
    }
    Ok(())
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
    let check = |values: &[f32], first: usize| check(name, values, first, queries, keys);
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

/// Checks rows of weights, the first of which is row `first` of all heads.
fn check(name: &str, values: &[f32], first: usize, queries: usize, keys: usize) -> Parsed<()> {
    if let Some(bad) = values.iter().find(|v| !v.is_finite() || **v < 0.0) {
        return Err(format!("{name} holds {bad}, which is no weight after a softmax"));
    }
    for (at, row) in (first..).zip(values.chunks(keys)) {
        let sum: f32 = row.iter().sum();
        if sum > MOST {
            let (head, query) = (at / queries, at % queries);
            return Err(format!(
                "{name}: row {query} of head {head} sums to {sum}; weights sum to 1 at most"
            ));
        }
    }
    Ok(())
}

fn logits_of(view: &TensorView, rows: usize) -> Parsed<Matrix> {
    let shape = match view.shape() {
        [1, rest @ ..] if rest.len() == 2 => rest,
        shape => shape,
    };
    match *shape {
        [found, vocabulary] if found == rows => Ok(Matrix::new(rows, vocabulary, decode("logits", view)?)),
        _ => Err(format!("logits has shape {shape:?}, not [{rows}, vocabulary]")),
    }
}
