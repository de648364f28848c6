//! Puts a capture together from its maps, the other tensors and the metadata of a file.

use std::collections::HashMap;

use safetensors::tensor::TensorView;

use super::axes::{Lengths, Tokens, items_by_id, list};
use super::items;
use super::predictions::predictions;
use super::tensors::{Parsed, decode, matrix};
use super::{Capture, MapStore, SiteValues, SoundStrip, ValuesBySite};
use crate::axis::{Sequence, Token, token_ids};
use crate::checkpoint::Architecture;
use crate::matrix::Matrix;
use crate::site::{Kind, MAX_LAYERS};

/// Metadata field of a target generated with 8-bit weights.
pub const INT8_TARGET: &str = "target_generated_with";

/// Metadata field with the seed of a sampled target.
pub const SAMPLED: &str = "target_sampled_with_seed";

/// Metadata field with the state of the explorer that wrote the file.
pub const SESSION: &str = "session";

/// Maximum number of heads of all sites together. No model has a tenth of it.
pub const MAX_HEADS: usize = 1 << 14;

/// Makes the capture of `maps`. `find` returns tensors besides the maps by name, `fields` is the metadata.
pub fn assemble<'a>(
    maps: MapStore,
    find: &dyn Fn(&str) -> Option<TensorView<'a>>,
    fields: &HashMap<String, String>,
    notes: Vec<String>,
) -> Parsed<Capture> {
    check_counts(&maps)?;
    let values = site_values(find, &maps)?;
    let lengths = Lengths::of(&maps)?;
    let special: Vec<u32> = list(fields, "special_ids")?.unwrap_or_default();
    let tokens = Tokens { fields, special: special.into_iter().collect() };
    let source = match items::read(fields, lengths.source)? {
        Some(source) => source,
        None => tokens.read("source", lengths.source)?,
    };
    lengths.check_queries(&source)?;
    let sound = SoundStrip::read(find, &source)?;
    let target = tokens.read("target", lengths.target)?;
    let decoder_input = tokens.decoder_input(&source, &target, lengths.target)?;
    let text = |key: &str| fields.get(key).cloned().unwrap_or_default();
    let logits = find("logits").map(|view| logits_of(&view, target.len())).transpose()?;
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
        media: items::media(fields)?,
        sound,
        alignment_heads: items::alignment_heads(fields)?,
        picture: find(items::SOURCE_PICTURE).map(|view| items::picture(&view)).transpose()?,
        target: Sequence { text: text("target"), items: target },
        decoder_input,
        predictions,
        logits,
        maps,
        values,
        weights: fields.get("weights").and_then(|name| name.parse().ok()).unwrap_or_default(),
        int8_target: fields.contains_key(INT8_TARGET),
        sampled: fields.get(SAMPLED).and_then(|seed| seed.parse().ok()),
        beams: Vec::new(),
        session: fields.get(SESSION).cloned(),
        notes,
    })
}

/// Checks the numbers of the layers and the number of all heads.
fn check_counts(maps: &MapStore) -> Parsed<()> {
    let mut all_heads = 0usize;
    for (site, site_maps) in maps.sites() {
        let [heads, ..] = site_maps.shape();
        all_heads = all_heads.saturating_add(heads);
        if site.layer >= MAX_LAYERS {
            return Err(format!("{site}: no more than {MAX_LAYERS} layers are read"));
        }
        if all_heads > MAX_HEADS {
            return Err(format!("{site} has {heads} heads: no more than {MAX_HEADS} in all are read"));
        }
    }
    Ok(())
}

/// Reads values and contributions of every site that has both.
fn site_values<'a>(find: &dyn Fn(&str) -> Option<TensorView<'a>>, maps: &MapStore) -> Parsed<ValuesBySite> {
    let read =
        |name: String, shape: [usize; 2]| find(&name).map(|view| matrix(&name, &view, shape)).transpose();
    let mut all = ValuesBySite::new();
    for (site, site_maps) in maps.sites() {
        let [heads, queries, keys] = site_maps.shape();
        let columns = keys + usize::from(site.kind == Kind::Cross);
        let norms = read(format!("values.{site}"), [heads, keys])?;
        let contributions = read(format!("contributions.{site}"), [queries, columns])?;
        if let (Some(norms), Some(contributions)) = (norms, contributions) {
            all.insert(site, SiteValues { norms, contributions, beginnings: None });
        }
    }
    Ok(all)
}

fn logits_of(view: &TensorView, rows: usize) -> Parsed<Matrix> {
    let shape = match view.shape() {
        [1, rest @ ..] if rest.len() == 2 => rest,
        shape => shape,
    };
    match *shape {
        [found, vocabulary] if found == rows => {
            let values = decode("logits", view)?;
            if values.iter().any(|value| value.is_nan()) {
                return Err("logits holds NaN".into());
            }
            Ok(Matrix::new(rows, vocabulary, values))
        }
        _ => Err(format!("logits has shape {shape:?}, not [{rows}, vocabulary]")),
    }
}
