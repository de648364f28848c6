//! Reading of maps: the items on their axes, pieces merged into words, the scale.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::axis::{AxisItem, ItemKind};
use crate::capture::MapWeights;
use crate::matrix::Matrix;
use crate::paint::{Pool, Scale};
use crate::text::{label, word_starts};

/// Treatment of special tokens (end, start, padding, language tags).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Special {
    /// Shown.
    #[default]
    Show,
    /// Left out; rows sum to less than 1.
    Hide,
    /// Left out, and the remaining weights of each row are scaled to sum to 1.
    Renormalise,
}

impl Special {
    /// Returns the next treatment, cyclically.
    pub fn next(self) -> Self {
        match self {
            Special::Show => Special::Hide,
            Special::Hide => Special::Renormalise,
            Special::Renormalise => Special::Show,
        }
    }
}

/// Settings that all views read maps and lists by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// Merge pieces into words: weights summed over keys, averaged over queries.
    pub words: bool,
    /// Treatment of special tokens.
    pub special: Special,
    /// Attention weights, or value-weighted ones.
    pub weights: MapWeights,
    /// Scale from weight to shade.
    pub scale: Scale,
    /// Value of a cell that covers several weights.
    pub pool: Pool,
    /// Weights below this are not drawn.
    pub threshold: f32,
    /// Links longer than this are long-range, in positions.
    pub distance: usize,
    /// True if lists show only heads and links of the selected kind.
    pub one_kind: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            words: false,
            special: Special::default(),
            weights: MapWeights::default(),
            scale: Scale::default(),
            pool: Pool::default(),
            threshold: 0.0,
            distance: 4,
            one_kind: false,
        }
    }
}

impl Reading {
    /// Maximum of [`Reading::distance`].
    pub const FARTHEST: usize = 9999;

    /// Returns the reading with every number in its range, for values from a file.
    pub fn bounded(mut self) -> Self {
        if !(1..=100).contains(&self.scale.gamma) {
            self.scale.gamma = Scale::default().gamma;
        }
        self.threshold = if self.threshold.is_finite() { self.threshold.clamp(0.0, 1.0) } else { 0.0 };
        self.distance = self.distance.clamp(1, Self::FARTHEST);
        self
    }
}

/// Unit of an axis: a token, or the tokens of a word.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Range of tokens that it covers.
    pub tokens: Range<usize>,
    /// Label on the axis.
    pub label: String,
    /// True if a space precedes it in running text.
    pub space: bool,
    /// True for a special token.
    pub special: bool,
    /// True if another unit of the axis has the same label.
    pub repeated: bool,
    /// Begin and end of a frame of a recording, in seconds.
    pub seconds: Option<(f64, f64)>,
}

/// Axis of a displayed map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// Units in order.
    pub units: Vec<Unit>,
    of: Vec<usize>,
    plain: bool,
}

impl Axis {
    /// Creates the axis of a sequence of tokens.
    pub fn new(tokens: &[AxisItem], reading: &Reading) -> Self {
        let starts = word_starts(tokens);
        let mut units: Vec<Unit> = Vec::new();
        let mut of = Vec::with_capacity(tokens.len());
        for (at, (token, space)) in tokens.iter().zip(starts).enumerate() {
            let label = label(&token.piece);
            if token.special && reading.special != Special::Show {
                of.push(units.len().saturating_sub(1));
                continue;
            }
            match units.last_mut() {
                Some(word) if reading.words && !space && word.tokens.end == at => {
                    word.tokens.end = at + 1;
                    word.label.push_str(&label);
                }
                _ => {
                    let (tokens, special) = (at..at + 1, token.special);
                    let seconds = match token.kind {
                        ItemKind::Frame { start, end } => Some((start, end)),
                        _ => None,
                    };
                    units.push(Unit { tokens, label, space, special, repeated: false, seconds });
                }
            }
            of.push(units.len() - 1);
        }
        mark_repeated(&mut units);
        let plain = units.len() == tokens.len();
        Self { units, of, plain }
    }

    /// Creates an axis of units that are one token each, in order.
    pub fn of_units(units: Vec<Unit>) -> Self {
        Self { of: (0..units.len()).collect(), units, plain: true }
    }

    /// Creates an axis of some of its units, in order.
    pub fn select(&self, places: &[usize]) -> Self {
        let units: Vec<Unit> = places.iter().filter_map(|&place| self.units.get(place)).cloned().collect();
        let mut of = Vec::with_capacity(self.of.len());
        let mut at = 0;
        for token in 0..self.of.len() {
            while units.get(at + 1).is_some_and(|next| next.tokens.start <= token) {
                at += 1;
            }
            of.push(at);
        }
        Self { units, of, plain: false }
    }

    /// Returns the index on this axis of a unit of another axis over the same tokens.
    pub fn place_of(&self, unit: &Unit) -> Option<usize> {
        let place = self.unit_of(unit.tokens.start);
        self.units.get(place).filter(|own| own.tokens == unit.tokens).map(|_| place)
    }

    /// Returns true if every token is a unit of its own.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Returns true if the units are frames of a recording.
    pub fn is_timed(&self) -> bool {
        self.units.first().is_some_and(|unit| unit.seconds.is_some())
    }

    /// Returns the number of units.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Returns true if there are no units.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Returns the index of the unit that contains a token, or of the unit before it if the token is hidden.
    pub fn unit_of(&self, token: usize) -> usize {
        self.of.get(token).or(self.of.last()).copied().unwrap_or(0)
    }

    /// Returns the first token of a unit.
    pub fn token_of(&self, unit: usize) -> usize {
        self.units.get(unit).or(self.units.last()).map_or(0, |unit| unit.tokens.start)
    }

    /// Returns the tokens of a unit that are among the first `count`.
    pub fn tokens_of(&self, place: usize, count: usize) -> Range<usize> {
        let tokens = self.units.get(place).map_or(0..0, |unit| unit.tokens.clone());
        tokens.start.min(count)..tokens.end.min(count)
    }

    /// Returns the label of a unit; empty outside the axis.
    pub fn label(&self, unit: usize) -> &str {
        self.units.get(unit).map_or("", |unit| &unit.label)
    }

    /// Returns the labels of the units that contain some tokens, in one word; of frames their begin and end.
    pub fn text(&self, tokens: &Range<usize>) -> String {
        let last = self.unit_of(tokens.end.saturating_sub(1));
        let seconds = |unit: usize| self.units.get(unit).and_then(|unit| unit.seconds);
        if let Some(((start, _), (_, end))) = seconds(self.unit_of(tokens.start)).zip(seconds(last))
            && tokens.len() > 1
        {
            return format!("{start:.2}–{end:.2}s");
        }
        (self.unit_of(tokens.start)..=last).map(|unit| self.label(unit)).collect()
    }

    /// Returns the label of a unit, with its position if another unit has the same label: `the@7`.
    pub fn name(&self, unit: usize) -> String {
        match self.units.get(unit) {
            Some(unit) if unit.repeated => format!("{}@{}", unit.label, unit.tokens.start),
            _ => self.label(unit).to_string(),
        }
    }
}

fn mark_repeated(units: &mut [Unit]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for unit in &*units {
        *counts.entry(unit.label.clone()).or_default() += 1;
    }
    for unit in units {
        unit.repeated = counts.get(&unit.label).is_some_and(|count| *count > 1);
    }
}

/// Applies a reading to a map. Returns `[query units, key units]`. With words, the weights of a word's keys
/// are summed and those of its queries averaged, so that rows still sum to 1; hidden special tokens are left
/// out, and the rows divided by what is left where asked for.
pub fn read(map: &Matrix, queries: &Axis, keys: &Axis, reading: &Reading) -> Matrix {
    if queries.plain && keys.plain {
        return map.clone();
    }
    let mut data = Vec::with_capacity(queries.len() * keys.len());
    for query in 0..queries.len() {
        data.extend(read_row(map, queries, keys, reading, query));
    }
    Matrix::new(queries.len(), keys.len(), data)
}

/// Computes one row of [`read`]: the weights of query unit `query`, one per key unit.
pub fn read_row(map: &Matrix, queries: &Axis, keys: &Axis, reading: &Reading, query: usize) -> Vec<f32> {
    read_rows(&map.part(queries.tokens_of(query, map.rows())), queries, keys, reading, query)
}

/// Computes [`read_row`] from the rows of the unit's tokens alone ([`Axis::tokens_of`]).
pub fn read_rows(rows: &Matrix, queries: &Axis, keys: &Axis, reading: &Reading, query: usize) -> Vec<f32> {
    let mut row = vec![0.0f32; keys.len()];
    let Some(unit) = queries.units.get(query) else { return row };
    for weights in (0..rows.rows()).map(|row| rows.row(row)) {
        for (sum, key) in row.iter_mut().zip(&keys.units) {
            *sum += weights.get(key.tokens.clone()).map_or(0.0, |piece| piece.iter().sum());
        }
    }
    let share = match reading.special {
        Special::Renormalise => row.iter().sum::<f32>(),
        _ => unit.tokens.len() as f32,
    };
    for weight in &mut row {
        *weight = if share > 0.0 { *weight / share } else { 0.0 };
    }
    row
}

/// Applies a reading to scores. Returns `[query units, key units]`: for words the mean of the visible scores,
/// since scores are no shares that could be summed. Minus infinity where all is masked.
pub fn read_scores(scores: &Matrix, queries: &Axis, keys: &Axis) -> Matrix {
    if queries.plain && keys.plain {
        return scores.clone();
    }
    Matrix::from_fn(queries.len(), keys.len(), |query, key| {
        let (Some(query), Some(key)) = (queries.units.get(query), keys.units.get(key)) else {
            return f32::NEG_INFINITY;
        };
        let cells = query.tokens.clone().flat_map(|row| key.tokens.clone().map(move |col| (row, col)));
        let seen = cells.filter_map(|(row, col)| scores.get(row, col)).filter(|score| score.is_finite());
        let (sum, count) = seen.fold((0.0, 0.0), |(sum, count), score| (sum + score, count + 1.0));
        if count > 0.0 { sum / count } else { f32::NEG_INFINITY }
    })
}

/// Returns the largest value, or 0 if none is positive. Independent lanes let the compiler vectorise it.
pub fn max_of(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    lanes.iter().chain(rest).fold(0.0, |max, &value| larger(max, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(pieces: &[&str]) -> Vec<AxisItem> {
        pieces.iter().map(|piece| AxisItem::token(0, *piece, piece.starts_with('<'))).collect()
    }

    #[test]
    fn pieces_become_words_and_rows_still_sum_to_one() {
        let reading = Reading { words: true, ..Reading::default() };
        let axis = Axis::new(&tokens(&["▁chil", "dren", "▁play", "</s>"]), &reading);
        let labels: Vec<_> = axis.units.iter().map(|unit| unit.label.as_str()).collect();
        assert_eq!(labels, ["children", "play", "</s>"]);
        assert_eq!((axis.unit_of(1), axis.token_of(1)), (0, 2));
        let repeated = Axis::new(&tokens(&["▁the", "▁cat", "▁the"]), &reading);
        assert_eq!([0, 1, 2].map(|unit| repeated.name(unit)), ["the@0", "cat", "the@2"]);
        let map = Matrix::new(
            4,
            4,
            vec![0.1, 0.2, 0.3, 0.4, 0.3, 0.4, 0.1, 0.2, 0.0, 0.0, 1.0, 0.0, 0.25, 0.25, 0.25, 0.25],
        );
        let words = read(&map, &axis, &axis, &reading);
        assert_eq!((words.rows(), words.cols()), (3, 3));
        assert!((words.get(0, 0).unwrap() - 0.5).abs() < 1e-6);
        for row in 0..3 {
            assert!((words.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn special_tokens_leave_and_rows_are_renormalised() {
        let map = Matrix::new(2, 2, vec![0.25, 0.75, 0.5, 0.5]);
        let hide = Reading { special: Special::Hide, ..Reading::default() };
        let axis = Axis::new(&tokens(&["▁a", "</s>"]), &hide);
        assert_eq!(read(&map, &axis, &axis, &hide).as_slice(), &[0.25]);
        let renormalise = Reading { special: Special::Renormalise, ..hide };
        assert_eq!(read(&map, &axis, &axis, &renormalise).as_slice(), &[1.0]);
        assert_eq!(axis.unit_of(1), 0);
    }

    #[test]
    fn scores_of_words_are_means_of_what_is_not_masked() {
        let reading = Reading { words: true, ..Reading::default() };
        let axis = Axis::new(&tokens(&["▁chil", "dren", "▁play"]), &reading);
        let off = f32::NEG_INFINITY;
        let scores = Matrix::new(3, 3, vec![1.0, off, off, -2.0, 4.0, off, 6.0, -8.0, 3.0]);
        assert_eq!(read_scores(&scores, &axis, &axis).as_slice(), [1.0, off, -1.0, 3.0]);
    }

    #[test]
    fn without_word_markers_nothing_is_merged() {
        let reading = Reading { words: true, ..Reading::default() };
        assert_eq!(Axis::new(&tokens(&["a", "t", "t"]), &reading).len(), 3);
    }
}
