//! Padding at the ends of a capture's texts: positions that a batch adds, which no query attends to.

use super::{Capture, Rest, SiteMaps, SiteValues};
use crate::axis::AxisItem;
use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// Spellings of padding tokens.
const PADS: [&str; 4] = ["<pad>", "[PAD]", "<blank>", "<|pad|>"];

/// Marks padding at the ends of both texts as special tokens, or leaves it out if `trim` is true. Target rows
/// without any weight are left out if `drop_empty_rows` is true. A note says what was done.
pub fn settle(mut capture: Capture, trim: bool, drop_empty_rows: bool) -> Capture {
    let source = match Rest::of(&capture.source.items) {
        Some(_) => Padding { count: 0, named: false },
        None => Padding::find(&capture.source.items, || empty_keys(&capture)),
    };
    let target = Padding::find(&capture.target.items, || empty_rows(&capture));
    let trim_target = trim || (drop_empty_rows && !target.named);
    for (side, padding, trim) in [("source", &source, trim), ("target", &target, trim_target)] {
        if padding.count > 0 {
            let positions = if padding.count == 1 { "position is" } else { "positions are" };
            let done = if trim { "left out" } else { "marked as special (--trim-padding leaves it out)" };
            let note = format!("the last {} {side} {positions} padding: {done}", padding.count);
            capture.notes.push(note);
        }
    }
    mark(&mut capture.source.items, &source);
    mark(&mut capture.target.items, &target);
    let kept = |length: usize, padding: &Padding, trim: bool| length - if trim { padding.count } else { 0 };
    let source = kept(capture.source.len(), &source, trim);
    let target = kept(capture.target.len(), &target, trim_target);
    cropped(capture, source, target)
}

/// Padding at the end of a text.
struct Padding {
    count: usize,
    /// True if the tokens are spelt as padding, false if it is known by its weights.
    named: bool,
}

impl Padding {
    /// Finds padding by its tokens, or else by its weights.
    fn find(items: &[AxisItem], by_weights: impl FnOnce() -> usize) -> Self {
        let spelt = items.iter().rev().take_while(|item| PADS.contains(&item.piece.as_str())).count();
        let most = items.len().saturating_sub(1);
        match spelt {
            0 => Self { count: by_weights().min(most), named: false },
            count => Self { count: count.min(most), named: true },
        }
    }
}

/// Marks padding as special; positions without a name of their own become `<pad>`.
fn mark(items: &mut [AxisItem], padding: &Padding) {
    let first = items.len() - padding.count.min(items.len());
    for item in items.iter_mut().skip(first) {
        item.special = true;
        if item.piece.starts_with('#') {
            item.piece = "<pad>".into();
        }
    }
}

/// Returns the number of last source positions that get no weight in any stored map.
fn empty_keys(capture: &Capture) -> usize {
    fewest(capture, [Kind::Encoder, Kind::Cross], |map| {
        let used = (0..map.rows()).filter_map(|row| map.row(row).iter().rposition(|&weight| weight > 0.0));
        used.max().map_or(map.cols(), |last| map.cols() - 1 - last)
    })
}

/// Returns the number of last target positions whose rows have no weight in any stored map.
fn empty_rows(capture: &Capture) -> usize {
    fewest(capture, [Kind::Decoder, Kind::Cross], |map| {
        (0..map.rows()).rev().take_while(|&row| map.row(row).iter().all(|&weight| weight == 0.0)).count()
    })
}

/// Returns the smallest `count` of all maps of some kinds, and 0 if a map would have to be computed for it.
fn fewest(capture: &Capture, kinds: [Kind; 2], count: impl Fn(&Matrix) -> usize) -> usize {
    let heads: Vec<Head> = kinds.into_iter().flat_map(|kind| capture.heads_of(kind)).collect();
    if capture.maps.sites().any(|(_, maps)| !maps.is_whole()) {
        return 0;
    }
    let mut least = usize::MAX;
    for head in &heads {
        least = least.min(capture.maps.map(*head).map_or(0, |map| count(&map)));
        if least == 0 {
            return 0;
        }
    }
    if heads.is_empty() { 0 } else { least }
}

/// Keeps the first positions of both texts.
fn cropped(mut capture: Capture, source: usize, target: usize) -> Capture {
    if (source, target) == (capture.source.len(), capture.target.len()) {
        return capture;
    }
    let mut maps = capture.maps.like();
    for (site, site_maps) in capture.maps.sites() {
        let [heads, rows, columns] = site_maps.shape();
        let (queries, keys) = kept(site.kind, source, target);
        // An encoder has no rows for the rest of a recording.
        let (queries, keys) = (queries.min(rows), keys.min(columns));
        let mut values = Vec::with_capacity(heads * queries * keys);
        for head in 0..heads {
            if let Some(map) = site_maps.map(head) {
                (0..queries).for_each(|row| values.extend_from_slice(&map.row(row)[..keys]));
            }
        }
        maps.insert(site, SiteMaps::new(heads, queries, keys, values));
    }
    capture.maps = maps;
    for (site, values) in &mut capture.values {
        let (queries, keys) = kept(site.kind, source, target);
        let SiteValues { norms, contributions, beginnings } = values;
        *beginnings = None;
        *norms = Matrix::from_fn(norms.rows(), keys, |row, key| norms.row(row)[key]);
        // The last column of cross-attention is the residual.
        let last = contributions.cols() - 1;
        let columns = keys + usize::from(site.kind == Kind::Cross);
        *contributions = Matrix::from_fn(queries, columns, |row, key| {
            contributions.row(row)[if key == keys { last } else { key }]
        });
    }
    capture.logits = capture.logits.map(|logits| logits.part(0..target));
    capture.predictions.truncate(target);
    capture.source.items.truncate(source);
    capture.target.items.truncate(target);
    capture.decoder_input.truncate(target);
    capture
}

/// Returns queries and keys of a kind's maps for texts of these lengths.
fn kept(kind: Kind, source: usize, target: usize) -> (usize, usize) {
    match kind {
        Kind::Encoder => (source, source),
        Kind::Decoder => (target, target),
        Kind::Cross => (target, source),
    }
}
