//! The capture file: a safetensors file with the maps and their tokens (format `attn-tui capture 1`).
//!
//! Tensors `encoder.{layer}`, `decoder.{layer}`, `cross.{layer}`, each `[heads, queries, keys]`, and
//! `logits` `[target, vocabulary]`; where values were kept `values.{site}` `[heads, keys]` and
//! `contributions.{site}` `[queries, keys]` (cross: `[queries, keys + 1]`); texts, ids and tokens in the metadata, lists as JSON.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::axes::{Lengths, Tokens, list};
use super::{Capture, Flows, MapStore, Prediction, SiteFlow, SiteMaps};
use super::{npz, soft};
use crate::error::{Error, Result};
use crate::files::{ModelFile, looks_like_alignments, sentence_of};
use crate::matrix::Matrix;
use crate::nn::kernels::softmax::normaliser;
use crate::site::{Kind, Site};
use crate::token::{Sequence, Token};

/// What `format` says in the metadata.
pub const FORMAT: &str = "attn-tui capture 1";
/// What a row of weights sums to at most: 1, and what 16 bits make of it. It may be less, where a model looks at
/// more than the tokens, or where its rows were cut.
const MOST: f32 = 1.02;
/// Candidates kept for each decoder row.
pub const CANDIDATES: usize = 5;

/// Number type of the maps in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits: half the size, three decimal digits.
    F16,
}

/// The bytes of a capture file.
///
/// # Errors
/// [`Error::BadFile`] where the parts do not form a valid file.
pub fn to_bytes(capture: &Capture, precision: Precision) -> Result<Vec<u8>> {
    let mut parts: Vec<(String, Vec<usize>, Vec<u8>)> = capture
        .maps
        .sites()
        .map(|(site, maps)| (site.to_string(), maps.shape().to_vec(), encode(maps.data(), precision)))
        .collect();
    for (site, flow) in &capture.flows {
        for (what, matrix) in [("values", &flow.norms), ("contributions", &flow.contributions)] {
            let shape = vec![matrix.rows(), matrix.cols()];
            parts.push((format!("{what}.{site}"), shape, encode(matrix.as_slice(), Precision::F32)));
        }
    }
    if let Some(logits) = &capture.logits {
        let shape = vec![logits.rows(), logits.cols()];
        parts.push(("logits".into(), shape, encode(logits.as_slice(), precision)));
    }
    let bad = |e: safetensors::SafeTensorError| Error::BadFile { file: "capture".into(), why: e.to_string() };
    let views = parts
        .iter()
        .map(|(name, shape, bytes)| {
            let wide = bytes.len() == 4 * shape.iter().product::<usize>();
            let dtype = if wide { Dtype::F32 } else { Dtype::F16 };
            Ok((name.clone(), TensorView::new(dtype, shape.clone(), bytes)?))
        })
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(bad)?;
    safetensors::serialize(views, Some(metadata(capture))).map_err(bad)
}

/// Reads a capture file, ours or one written from Python, safetensors or npz; or a sentence's soft alignment from a
/// file of Marian or Nematus, the first, or of `FILE@N` the one of that number, from 0.
///
/// # Errors
/// [`Error::Io`], or [`Error::BadFile`] naming the tensor or field at fault.
pub fn read(path: &Path) -> Result<Capture> {
    let (path, sentence) = sentence_of(path);
    let name = path.display().to_string();
    let bytes = ModelFile::Path(path).bytes()?;
    let parsed = if looks_like_alignments(&bytes) {
        soft::parse(&bytes, sentence)
    } else if npz::is_npz(&bytes) {
        npz::to_safetensors(&bytes).and_then(|bytes| parse(&bytes))
    } else {
        parse(&bytes)
    };
    parsed.map_err(|why| Error::BadFile { file: name, why })
}

/// The likeliest `CANDIDATES` tokens and the target's probability for each row of `logits`. `piece` spells a
/// token.
pub fn predictions(logits: &Matrix, target: &[Token], piece: impl Fn(u32) -> Token) -> Vec<Prediction> {
    // The vocabulary is wide: the rows are read by all threads, the few tokens named by one.
    let rows: Vec<_> = (0..logits.rows().min(target.len()))
        .into_par_iter()
        .map(|row| {
            let scores = logits.row(row);
            let (max, sum) = normaliser(scores);
            let probability = |id: usize| scores.get(id).map_or(0.0, |s| (s - max).exp() / sum);
            let best: Vec<_> = likeliest(scores).into_iter().map(|id| (id, probability(id))).collect();
            (probability(target[row].id as usize), best)
        })
        .collect();
    rows.into_iter()
        .map(|(probability, best)| Prediction {
            probability,
            candidates: best.into_iter().map(|(id, probability)| (piece(id as u32), probability)).collect(),
        })
        .collect()
}

/// The places of the `CANDIDATES` largest scores, the largest first, the first of equals first.
fn likeliest(scores: &[f32]) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(CANDIDATES + 1);
    let mut worst = f32::NEG_INFINITY;
    for (id, &score) in scores.iter().enumerate() {
        if best.len() == CANDIDATES && score <= worst {
            continue;
        }
        let at = best.partition_point(|&other| scores[other].total_cmp(&score).is_ge());
        best.insert(at, id);
        best.truncate(CANDIDATES);
        worst = best.last().map_or(worst, |&last| scores[last]);
    }
    best
}

fn metadata(capture: &Capture) -> HashMap<String, String> {
    let pieces = |tokens: &[Token]| {
        serde_json::Value::from(tokens.iter().map(|t| t.piece.clone()).collect::<Vec<_>>()).to_string()
    };
    let ids = |tokens: &[Token]| {
        serde_json::Value::from(tokens.iter().map(|t| t.id).collect::<Vec<_>>()).to_string()
    };
    let special = |tokens: &[Token]| {
        serde_json::Value::from(tokens.iter().filter(|t| t.special).map(|t| t.id).collect::<Vec<_>>())
            .to_string()
    };
    let all: Vec<Token> = [&capture.source.tokens, &capture.target.tokens, &capture.decoder_input]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    HashMap::from(
        [
            ("format", FORMAT.to_string()),
            ("model", capture.model.clone()),
            ("model_type", capture.model_type.clone()),
            ("weights", capture.weights.name().to_string()),
            ("source", capture.source.text.clone()),
            ("target", capture.target.text.clone()),
            ("source_ids", ids(&capture.source.tokens)),
            ("target_ids", ids(&capture.target.tokens)),
            ("source_tokens", pieces(&capture.source.tokens)),
            ("target_tokens", pieces(&capture.target.tokens)),
            ("decoder_input_ids", ids(&capture.decoder_input)),
            ("decoder_input_tokens", pieces(&capture.decoder_input)),
            ("special_ids", special(&all)),
        ]
        .map(|(key, value)| (key.to_string(), value)),
    )
}

fn encode(values: &[f32], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Precision::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
    }
}

type Parsed<T> = std::result::Result<T, String>;

fn parse(bytes: &[u8]) -> Parsed<Capture> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
    let empty = HashMap::new();
    let fields = header.metadata().as_ref().unwrap_or(&empty);
    let mut maps = MapStore::default();
    for (name, view) in tensors.iter() {
        if let Some(site) = site_of(name) {
            maps.insert(site, site_maps(name, &view)?);
        }
    }
    // A network without any attention has its tokens alone to show.
    if maps.sites().next().is_none() && !(fields.contains_key("format") && fields.contains_key("target_ids"))
    {
        return Err("there are no tensors named encoder.N, decoder.N or cross.N: not a capture file".into());
    }
    let flows = flows(&tensors, &maps)?;
    let lengths = Lengths::of(&maps)?;
    let special: Vec<u32> = list(fields, "special_ids")?.unwrap_or_default();
    let tokens = Tokens { fields, special };
    let source = tokens.read("source", lengths.source)?;
    let target = tokens.read("target", lengths.target)?;
    let decoder_input = tokens.decoder_input(&source, &target, lengths.target)?;
    let text = |key: &str| fields.get(key).cloned().unwrap_or_default();
    let logits = match tensors.tensor("logits") {
        Err(_) => None,
        Ok(view) => Some(logits_of(&view, target.len())?),
    };
    let named = |id: u32| {
        let known = target.iter().chain(&source).find(|token| token.id == id).cloned();
        known.unwrap_or_else(|| Token { id, piece: format!("#{id}"), special: false })
    };
    let predictions = logits.as_ref().map_or_else(Vec::new, |logits| predictions(logits, &target, named));
    Ok(Capture {
        model: text("model"),
        model_type: text("model_type"),
        source: Sequence { text: text("source"), tokens: source },
        target: Sequence { text: text("target"), tokens: target },
        decoder_input,
        predictions,
        logits,
        maps,
        flows,
        weights: fields.get("weights").and_then(|name| name.parse().ok()).unwrap_or_default(),
    })
}

/// What is kept besides the maps, of every site that has both parts.
fn flows(tensors: &SafeTensors, maps: &MapStore) -> Parsed<Flows> {
    let mut flows = Flows::new();
    for (site, site_maps) in maps.sites() {
        let [heads, queries, keys] = site_maps.shape();
        let columns = keys + usize::from(site.kind == Kind::Cross);
        let (values, contributions) = (format!("values.{site}"), format!("contributions.{site}"));
        let norms = matrix(tensors, &values, [heads, keys])?;
        if let (Some(norms), Some(contributions)) =
            (norms, matrix(tensors, &contributions, [queries, columns])?)
        {
            flows.insert(site, SiteFlow { norms, contributions });
        }
    }
    Ok(flows)
}

fn matrix(tensors: &SafeTensors, name: &str, [rows, cols]: [usize; 2]) -> Parsed<Option<Matrix>> {
    let Ok(view) = tensors.tensor(name) else { return Ok(None) };
    if view.shape() != [rows, cols] {
        return Err(format!("{name} has shape {:?}, not [{rows}, {cols}]", view.shape()));
    }
    let values = decode(name, &view)?;
    match values.iter().find(|value| !value.is_finite() || **value < 0.0) {
        Some(bad) => Err(format!("{name} holds {bad}")),
        None => Ok(Some(Matrix::new(rows, cols, values))),
    }
}

fn site_of(name: &str) -> Option<Site> {
    let (kind, layer) = name.split_once('.')?;
    Some(Site::new(kind.parse::<Kind>().ok()?, layer.parse().ok()?))
}

fn site_maps(name: &str, view: &TensorView) -> Parsed<SiteMaps> {
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
    let values = decode(name, view)?;
    if let Some(bad) = values.iter().find(|v| !v.is_finite() || **v < 0.0) {
        return Err(format!("{name} holds {bad}, which is no weight after a softmax"));
    }
    for (at, row) in values.chunks(keys).enumerate() {
        let sum: f32 = row.iter().sum();
        if sum > MOST {
            let (head, query) = (at / queries, at % queries);
            return Err(format!(
                "{name}: row {query} of head {head} sums to {sum}; weights sum to 1 at most"
            ));
        }
    }
    Ok(SiteMaps::new(heads, queries, keys, values))
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

fn decode(name: &str, view: &TensorView) -> Parsed<Vec<f32>> {
    let data = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F16 => data.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => {
            data.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
        }
        other => return Err(format!("{name} is of type {other:?}, not a float")),
    })
}
