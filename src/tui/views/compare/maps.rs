//! The selected head's maps in both captures and their difference, on the common order of their tokens.

use crate::axis::AxisItem;
use crate::capture::Capture;
use crate::capture::comparison::Place;
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::text::label;
use crate::tui::app::App;
use crate::tui::reading::{Axis, Unit, max_of};

/// Maps of one head, `[places of queries, places of keys]`. NaN stands where a capture lacks the query or the
/// key, and where the key lies ahead of its query.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedMaps {
    /// The pinned capture's map; `None` if it lacks the head.
    pub pinned: Option<Matrix>,
    /// The current capture's map; `None` if it lacks the head.
    pub present: Option<Matrix>,
    /// The current weights minus the pinned ones.
    pub difference: Option<Matrix>,
    /// Largest absolute difference.
    pub largest: f32,
    /// Labels of the queries.
    pub queries: Axis,
    /// Labels of the keys.
    pub keys: Axis,
}

impl ComparedMaps {
    /// Computes the maps of a head; `None` without a comparison.
    pub fn new(app: &App, head: Head) -> Option<Self> {
        let (view, present) = (&app.views.compare, app.capture.as_ref()?);
        let (comparison, pinned) = (view.known()?, view.pinned.as_ref()?);
        let (queries, keys) = (comparison.queries(head.kind()), comparison.keys(head.kind()));
        let of = |capture: &Capture, position: fn(&Place) -> Option<usize>| {
            let map = capture.map(head).ok()?;
            let ahead = |query: usize, key: usize| head.kind() == Kind::Decoder && key > query;
            Some(Matrix::from_fn(queries.len(), keys.len(), |row, col| {
                let pair = position(&queries[row]).zip(position(&keys[col]));
                let weight = pair.filter(|&(query, key)| !ahead(query, key)).and_then(|(i, j)| map.get(i, j));
                weight.unwrap_or(f32::NAN)
            }))
        };
        let (pinned, present) = (of(pinned, |place| place.0), of(present, |place| place.1));
        let difference = pinned.as_ref().zip(present.as_ref()).map(|(pinned, present)| {
            let cells = present.as_slice().iter().zip(pinned.as_slice());
            Matrix::new(present.rows(), present.cols(), cells.map(|(now, before)| now - before).collect())
        });
        let sizes = |map: &Matrix| map.as_slice().iter().map(|value| value.abs()).fold(0.0, f32::max);
        let largest = difference.as_ref().map_or(0.0, sizes);
        let (queries, keys) = (axis(app, head.kind(), true), axis(app, head.kind(), false));
        Some(Self { pinned, present, difference, largest, queries, keys })
    }

    /// Returns the weight of the pinned capture, that of the current one, and their difference at a place, as far
    /// as they exist.
    pub fn at(&self, row: usize, col: usize) -> [Option<f32>; 3] {
        [&self.pinned, &self.present, &self.difference]
            .map(|map| map.as_ref().and_then(|map| map.get(row, col)).filter(|value| !value.is_nan()))
    }
}

/// Returns the weights that get the full colour in each row of a map.
pub fn tops(app: &App, map: &Matrix) -> Vec<f32> {
    let rows = (0..map.rows()).map(|row| map.row(row));
    let maxima: Vec<f32> = rows.clone().map(max_of).collect();
    let seen = rows.map(|row| row.iter().filter(|weight| !weight.is_nan()).count());
    let largest = max_of(&maxima);
    maxima.iter().zip(seen).map(|(&max, seen)| app.reading.scale.top(max, largest, seen)).collect()
}

/// Returns the labels of the queries or the keys of a kind. Tokens that only one capture has are marked with `−`
/// if it is the pinned one and with `+` if it is the current one.
pub fn axis(app: &App, kind: Kind, queries: bool) -> Axis {
    let view = &app.views.compare;
    let (Some(comparison), Some(pinned), Some(present)) = (view.known(), &view.pinned, &app.capture) else {
        return Axis::default();
    };
    let places = if queries { comparison.queries(kind) } else { comparison.keys(kind) };
    fn items(capture: &Capture, kind: Kind, queries: bool) -> &[AxisItem] {
        if queries { capture.queries(kind) } else { capture.keys(kind) }
    }
    let (before, now) = (items(pinned, kind, queries), items(present, kind, queries));
    let unit = |(at, place): (usize, &Place)| {
        let (item, mark) = match *place {
            (Some(_), Some(at)) => (now.get(at), ""),
            (Some(at), None) => (before.get(at), "−"),
            (None, Some(at)) => (now.get(at), "+"),
            (None, None) => (None, ""),
        };
        let text = item.map(|item| label(&item.piece)).unwrap_or_default();
        let special = item.is_some_and(|item| item.special);
        Unit { tokens: at..at + 1, label: format!("{mark}{text}"), space: false, special, repeated: false }
    };
    Axis::of_units(places.iter().enumerate().map(unit).collect())
}
