//! Filter of a map's rows and columns.

use serde::{Deserialize, Serialize};

use super::reading::{Axis, Special, max_of};
use crate::matrix::Matrix;
use crate::site::Head;

/// One condition of a filter.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    /// The label contains these letters.
    Word(String),
    /// The position is in this inclusive range, counted from 0.
    Range(usize, usize),
    /// The largest weight is at least this.
    Over(f32),
}

/// A filter as the user types it: conditions on rows, a bar, conditions on columns, as in `jou ent | child
/// 3-9 >0.2`.
///
/// A condition is letters of a label, a range of positions, or a minimum for the largest weight. A row or
/// column is shown if it meets one of the letter and range conditions, if there are any, and all of the
/// weight conditions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Filter {
    text: String,
    rows: Vec<Term>,
    cols: Vec<Term>,
}

impl Filter {
    /// Parses a filter. Every text is valid.
    pub fn new(text: &str) -> Self {
        let (rows, cols) = text.split_once('|').unwrap_or((text, ""));
        let terms = |side: &str| side.split_whitespace().map(term).collect();
        Self { text: text.trim().into(), rows: terms(rows), cols: terms(cols) }
    }

    /// Returns the text as typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns true if the filter has no conditions.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.cols.is_empty()
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

fn term(word: &str) -> Term {
    if let Some(weight) = word.strip_prefix('>').and_then(|number| number.parse().ok()) {
        return Term::Over(weight);
    }
    let range = word.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match (range, word.parse()) {
        (Some((from, to)), _) => Term::Range(from, to),
        (None, Ok(place)) => Term::Range(place, place),
        (None, Err(_)) => Term::Word(word.to_lowercase()),
    }
}

/// Returns the positions of an axis that meet the conditions; `largest` holds the largest weight of each
/// position.
fn fitting(terms: &[Term], axis: &Axis, largest: &[f32]) -> Vec<usize> {
    let named = terms.iter().any(|term| !matches!(term, Term::Over(_)));
    let fits = |place: usize| {
        let label = axis.label(place).to_lowercase();
        let weight = largest.get(place).copied().unwrap_or(0.0);
        let is_named = |term: &Term| match term {
            Term::Word(letters) => label.contains(letters),
            Term::Range(from, to) => (*from..=*to).contains(&place),
            Term::Over(_) => false,
        };
        let strong = |term: &Term| if let Term::Over(least) = term { weight >= *least } else { true };
        (!named || terms.iter().any(is_named)) && terms.iter().all(strong)
    };
    (0..axis.len()).filter(|&place| fits(place)).collect()
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
    /// The filter.
    pub filter: Filter,
}

impl FilteredAxes {
    /// Filters a map; `None` if no row or no column fits.
    pub fn new(made_for: FilterKey, map: &Matrix, queries: &Axis, keys: &Axis) -> Option<Self> {
        let filter = &made_for.filter;
        let largest: Vec<f32> = (0..map.rows()).map(|row| max_of(map.row(row))).collect();
        let rows = fitting(&filter.rows, queries, &largest);
        let mut largest = vec![0.0f32; map.cols()];
        for &row in rows.iter().filter(|&&row| row < map.rows()) {
            for (max, &weight) in largest.iter_mut().zip(map.row(row)) {
                *max = max.max(weight);
            }
        }
        let cols = fitting(&filter.cols, keys, &largest);
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

    #[test]
    fn places_are_chosen_by_letters_ranges_and_weights() {
        let words = ["The", "children", "play", "the", "chess"];
        let tokens: Vec<AxisItem> =
            words.iter().map(|word| AxisItem::token(0, format!("▁{word}"), false)).collect();
        let axis = Axis::new(&tokens, &Default::default());
        let largest = [0.9, 0.1, 0.5, 0.3, 0.2];
        let rows = |text: &str| fitting(&Filter::new(text).rows, &axis, &largest);
        assert_eq!(rows("the"), [0, 3]);
        assert_eq!(rows("ch 2-3"), [1, 2, 3, 4]);
        assert_eq!(rows(">0.3"), [0, 2, 3]);
        assert_eq!(rows("ch >0.15"), [4]);
        assert_eq!(rows("4"), [4]);
        assert_eq!(rows("| the"), [0, 1, 2, 3, 4]);
        assert_eq!(fitting(&Filter::new("x | the").cols, &axis, &largest), [0, 3]);
        assert!(Filter::new("  |  ").is_empty());
        let some = axis.select(&[1, 4]);
        assert_eq!((some.len(), some.label(1)), (2, "chess"));
        assert_eq!((some.unit_of(0), some.unit_of(2), some.unit_of(4)), (0, 0, 1));
    }
}
