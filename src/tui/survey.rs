//! What is known of every head of a capture: thumbnails and metrics, measured behind the screen.

use std::collections::BTreeMap;

use crate::capture::Capture;
use crate::matrix::Matrix;
use crate::paint::{Pool, Window, pool};
use crate::site::{Head, Kind};

/// What is known of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The map in at most [`THUMBNAIL`] rows and columns, max-pooled.
    pub thumbnail: Matrix,
    /// Mean entropy of the rows, in nats.
    pub entropy: f32,
    /// Mean share of a row's weight at least `distance` away.
    pub far: f32,
    /// The same share over what uniform rows would have there.
    pub far_ratio: f32,
}

/// Rows and columns of a thumbnail, at most.
pub const THUMBNAIL: usize = 64;

/// What is known of every head of one capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The heads measured so far.
    pub heads: BTreeMap<Head, Facts>,
    /// Whether all are.
    pub complete: bool,
}

/// A part of a survey, as its thread sends it.
#[derive(Debug)]
pub struct Surveyed {
    /// The capture's number.
    pub serial: u64,
    /// Links at least this far apart counted as far.
    pub distance: usize,
    /// Heads that were measured.
    pub heads: Vec<(Head, Facts)>,
    /// Whether these were the last.
    pub complete: bool,
}

/// Measures every head of a capture, layer by layer; `tell` is called after each layer and stops the work by
/// returning false.
pub fn run(serial: u64, capture: &Capture, distance: usize, mut tell: impl FnMut(Surveyed) -> bool) {
    for kind in Kind::ALL {
        for layer in 0..capture.layers(kind) {
            let heads = capture.heads_of(kind).into_iter().filter(|head| head.layer() == layer);
            let heads = heads.filter_map(|head| Some((head, measure(kind, &capture.map(head).ok()?, distance)))).collect();
            if !tell(Surveyed { serial, distance, heads, complete: false }) {
                return;
            }
        }
    }
    tell(Surveyed { serial, distance, heads: Vec::new(), complete: true });
}

fn measure(kind: Kind, map: &Matrix, distance: usize) -> Facts {
    let thumbnail = pool(map, &Window::whole(map), THUMBNAIL, THUMBNAIL, Pool::Max);
    let (mut entropy, mut far, mut uniform) = (0.0f64, 0.0f64, 0.0f64);
    for query in 0..map.rows() {
        let row = map.row(query);
        let seen = if kind == Kind::Decoder { (query + 1).min(row.len()) } else { row.len() };
        let mut away = 0;
        for (key, &weight) in row.iter().enumerate().take(seen) {
            if weight > 0.0 {
                entropy -= f64::from(weight) * f64::from(weight.ln());
            }
            if distance_of(kind, (map.rows(), map.cols()), query, key) >= distance {
                far += f64::from(weight);
                away += 1;
            }
        }
        uniform += f64::from(away) / seen.max(1) as f64;
    }
    let rows = map.rows().max(1) as f64;
    Facts {
        thumbnail,
        entropy: (entropy / rows) as f32,
        far: (far / rows) as f32,
        far_ratio: if uniform > 0.0 { (far / uniform) as f32 } else { 0.0 },
    }
}

/// How far apart a query and a key are: in tokens, or from the alignment diagonal in a cross map of
/// `(queries, keys)`, rounded.
pub fn distance_of(kind: Kind, (queries, keys): (usize, usize), query: usize, key: usize) -> usize {
    match kind {
        Kind::Cross => {
            let diagonal = query as f32 * keys as f32 / queries.max(1) as f32;
            (diagonal - key as f32).abs().round() as usize
        }
        _ => query.abs_diff(key),
    }
}
