//! Filter of rows and columns, which Map and Links share.

use serde::{Deserialize, Serialize};

use super::axes::Axes;
use super::reading::{Axis, Special, max_of};
use crate::analysis::places::{AxisNames, Places};
use crate::export::select::PlaceSelection;
use crate::matrix::Matrix;
use crate::site::{Head, RowEdit};

/// A filter as the user types it: conditions on rows, a bar, conditions on columns, as in `jou ent | child
/// 3-9 >0.2`.
///
/// A row or column is shown if it is one of the named places, if there are any, and if its largest weight
/// is at least the minimum ([`Places`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Filter {
    text: String,
    /// The conditions on rows and on columns.
    pub places: PlaceSelection,
}

impl Filter {
    /// Parses a filter. Every text is valid.
    pub fn new(text: &str) -> Self {
        Self { text: text.trim().into(), places: PlaceSelection::parse(text) }
    }

    /// Returns the text as typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns true if the filter has no conditions.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl From<String> for Filter {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> String {
        filter.text
    }
}

/// Returns for each of `count` positions whether it is in a named place; all are without such a condition.
pub fn chosen(places: &Places, names: &[AxisNames], count: usize) -> Vec<bool> {
    let mut chosen = vec![!places.names_any(); count];
    for place in places.named(names) {
        chosen.get_mut(place).into_iter().flatten().for_each(|chosen| *chosen = true);
    }
    chosen
}

/// Returns the units of an axis that meet the conditions; `largest` holds the largest weight of each unit.
fn fitting(places: &Places, axis: &Axis, names: &[AxisNames], largest: &[f32]) -> Vec<usize> {
    let end = axis.units.iter().map(|unit| unit.tokens.end).max().unwrap_or(0);
    let chosen = chosen(places, names, end);
    let least = places.min_weight();
    let fits = |(place, unit): (usize, &super::reading::Unit)| {
        let named = chosen.get(unit.tokens.clone()).is_some_and(|tokens| tokens.contains(&true));
        let strong = largest.get(place).copied().unwrap_or(0.0) >= least;
        (named && strong).then_some(place)
    };
    axis.units.iter().enumerate().filter_map(fits).collect()
}

/// Axes of a filtered map.
#[derive(Clone, Debug, PartialEq)]
pub struct FilteredAxes {
    /// Remaining queries.
    pub queries: Axis,
    /// Remaining keys.
    pub keys: Axis,
    rows: Vec<usize>,
    cols: Vec<usize>,
    made_for: FilterKey,
}

/// Everything that the result of a filter depends on: equal keys mean equal results.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterKey {
    /// Number of the capture.
    pub serial: u64,
    /// The head.
    pub head: Head,
    /// [`Reading::words`](super::reading::Reading::words).
    pub words: bool,
    /// [`Reading::special`](super::reading::Reading::special).
    pub special: Special,
    /// True if the map is value-weighted.
    pub weighed: bool,
    /// Replaced rows of the head's weights.
    pub edits: Vec<RowEdit>,
    /// The filter.
    pub filter: Filter,
}

impl FilteredAxes {
    /// Filters a map; `None` if no row or no column fits.
    pub fn new(made_for: FilterKey, map: &Matrix, axes: &Axes) -> Option<Self> {
        let (kind, places) = (made_for.head.kind(), &made_for.filter.places);
        let (queries, keys) = (axes.queries(kind), axes.keys(kind));
        let largest: Vec<f32> = (0..map.rows()).map(|row| max_of(map.row(row))).collect();
        let rows = fitting(&places.queries, queries, axes.query_names(kind), &largest);
        let mut largest = vec![0.0f32; map.cols()];
        for &row in rows.iter().filter(|&&row| row < map.rows()) {
            for (max, &weight) in largest.iter_mut().zip(map.row(row)) {
                *max = max.max(weight);
            }
        }
        let cols = fitting(&places.keys, keys, axes.key_names(kind), &largest);
        if rows.is_empty() || cols.is_empty() {
            return None;
        }
        Some(Self { queries: queries.select(&rows), keys: keys.select(&cols), rows, cols, made_for })
    }

    /// Returns true if the result is still valid for a key, so that a large map is not filtered again at
    /// every action.
    pub fn holds_for(&self, key: &FilterKey) -> bool {
        self.made_for == *key
    }

    /// Returns the remaining rows and columns of a map.
    pub fn of(&self, map: &Matrix) -> Matrix {
        let weights = self.rows.iter().flat_map(|&row| self.cols.iter().map(move |&col| (row, col)));
        let data = weights.map(|(row, col)| map.get(row, col).unwrap_or(0.0)).collect();
        Matrix::new(self.rows.len(), self.cols.len(), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisItem;
    use crate::export::labels::axis_names;
    use crate::tui::reading::Reading;

    #[test]
    fn units_are_chosen_by_words_positions_and_weights() {
        let words = ["▁The", "▁chil", "dren", "▁play", "▁the", "▁chess"];
        let tokens: Vec<AxisItem> = words.iter().map(|word| AxisItem::token(0, *word, false)).collect();
        let names = [axis_names(&tokens)];
        let axis = Axis::new(&tokens, &Default::default());
        let largest = [0.9, 0.1, 0.1, 0.5, 0.3, 0.2];
        let fits = |axis: &Axis, text: &str| fitting(&Places::new(text), axis, &names, &largest);
        assert_eq!(fits(&axis, "the"), [0, 4]);
        assert_eq!(fits(&axis, "ch 2-3"), [1, 2, 3, 5]);
        assert_eq!(fits(&axis, "children"), [1, 2]);
        assert_eq!(fits(&axis, ">0.3"), [0, 3, 4]);
        assert_eq!(fits(&axis, "ch >0.15"), [5]);
        assert_eq!(fits(&axis, "4"), [4]);
        assert_eq!(fits(&axis, ""), [0, 1, 2, 3, 4, 5]);
        let merged = Axis::new(&tokens, &Reading { words: true, ..Reading::default() });
        assert_eq!(fits(&merged, "dren 3"), [1, 2]);
        assert!(Filter::new("  |  ").is_empty());
        let some = axis.select(&[1, 5]);
        assert_eq!((some.len(), some.label(1)), (2, "chess"));
        assert_eq!((some.unit_of(0), some.unit_of(2), some.unit_of(5)), (0, 0, 1));
    }
}
