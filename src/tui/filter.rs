//! Filter of a map's rows and columns.

use super::app::App;
use super::reading::{self, Axis, Special};
use super::sheet::Sheet;
use crate::error::{Error, Result};
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
#[derive(Clone, Debug, Default, PartialEq)]
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

/// What a filter leaves of the selected map.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// The queries that show.
    pub queries: Axis,
    /// The keys that show.
    pub keys: Axis,
    rows: Vec<usize>,
    cols: Vec<usize>,
    made_for: MadeFor,
}

/// What a filter's outcome depends on.
#[derive(Clone, Debug, PartialEq)]
struct MadeFor {
    serial: u64,
    head: Head,
    words: bool,
    special: Special,
    weighed: bool,
    filter: Filter,
}

impl MadeFor {
    fn new(app: &App) -> Self {
        Self {
            serial: app.serial,
            head: app.place.head,
            words: app.reading.words,
            special: app.reading.special,
            weighed: app.is_weighed(),
            filter: app.filter.clone(),
        }
    }
}

impl Sides {
    /// What the filter of the state leaves of its map; `None` where nothing is filtered. The state's own
    /// where it still holds: a large map is not searched anew with every key.
    pub fn new(app: &App) -> Option<Self> {
        if app.filter.is_empty() {
            return None;
        }
        let made_for = MadeFor::new(app);
        if let Some(sides) = app.sides.as_ref().filter(|sides| sides.made_for == made_for) {
            return Some(sides.clone());
        }
        let map = whole(app)?;
        let kind = app.place.head.kind();
        let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
        let largest: Vec<f32> = (0..map.rows()).map(|row| super::cache::max_of(map.row(row))).collect();
        let rows = fitting(&app.filter.rows, queries, &largest);
        let mut largest = vec![0.0f32; map.cols()];
        for &row in rows.iter().filter(|&&row| row < map.rows()) {
            for (max, &weight) in largest.iter_mut().zip(map.row(row)) {
                *max = max.max(weight);
            }
        }
        let cols = fitting(&app.filter.cols, keys, &largest);
        if rows.is_empty() || cols.is_empty() {
            return None;
        }
        Some(Self { queries: queries.select(&rows), keys: keys.select(&cols), rows, cols, made_for })
    }

    fn of(&self, map: &Matrix) -> Matrix {
        let weights = self.rows.iter().flat_map(|&row| self.cols.iter().map(move |&col| (row, col)));
        let data = weights.map(|(row, col)| map.get(row, col).unwrap_or(0.0)).collect();
        Matrix::new(self.rows.len(), self.cols.len(), data)
    }
}

/// The selected map as it is read, with all its rows and columns.
fn whole(app: &App) -> Option<Matrix> {
    let head = app.place.head;
    let map = app.map(head)?;
    Some(reading::read(&map, app.axes.queries(head.kind()), app.axes.keys(head.kind()), &app.reading))
}

/// What Map shows as it is read, filtered: scores where they are asked for, else [`shown`].
///
/// # Errors
/// Why there is nothing to show.
pub fn pictured(app: &App) -> Result<Matrix> {
    let head = app.place.head;
    let recorded = || Error::NoSuchHead("this head was not recorded".into());
    let Some(score) = app.scored() else { return shown(app).ok_or_else(recorded) };
    let scores = app.capture.as_ref().ok_or_else(recorded)?.score(head, score)?;
    let read = reading::read_scores(&scores, app.axes.queries(head.kind()), app.axes.keys(head.kind()));
    Ok(app.sides.as_ref().map_or(read.clone(), |sides| sides.of(&read)))
}

/// The selected map as it is read, filtered: `[app.queries(), app.keys()]`.
pub fn shown(app: &App) -> Option<Matrix> {
    let map = whole(app)?;
    Some(match &app.sides {
        Some(sides) => sides.of(&map),
        None => map,
    })
}

/// The selected row of [`shown`]; where the map is not there, this row alone is computed.
pub fn shown_row(app: &App) -> Option<Vec<f32>> {
    if let Some(sheet) = Sheet::preview(app) {
        return Some(sheet.row(app.query()).into_owned()).filter(|row| !row.is_empty());
    }
    let (map, query) = (shown(app)?, app.query());
    (query < map.rows()).then(|| map.row(query).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Item;

    #[test]
    fn places_are_chosen_by_letters_ranges_and_weights() {
        let words = ["The", "children", "play", "the", "chess"];
        let tokens: Vec<Item> = words.iter().map(|word| Item::token(0, format!("▁{word}"), false)).collect();
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
