//! The selected head's maps in both captures and their difference, on the common order of their tokens.

use crate::capture::comparison::ComparedMaps;
use crate::export::compared::{PlaceLabel, place_labels};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::tui::app::App;
use crate::tui::reading::{Axis, Unit, max_of};

/// Maps of the selected head in the pinned capture and the current one, with the labels of their common order.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownMaps {
    /// The maps: the first is the pinned capture's.
    pub maps: ComparedMaps,
    /// Largest absolute difference.
    pub largest: f32,
    /// Labels of the queries.
    pub queries: Axis,
    /// Labels of the keys.
    pub keys: Axis,
}

impl ShownMaps {
    /// Computes the maps of a head; `None` without a comparison.
    pub fn new(app: &App, head: Head) -> Option<Self> {
        let (view, present) = (&app.views.compare, app.capture.as_ref()?);
        let maps = view.known()?.maps(view.pinned.as_ref()?, present, head);
        let size = |map: &Matrix| map.as_slice().iter().map(|value| value.abs()).fold(0.0, f32::max);
        let largest = maps.difference.as_ref().map_or(0.0, size);
        let (queries, keys) = (axis(app, head.kind(), true), axis(app, head.kind(), false));
        Some(Self { maps, largest, queries, keys })
    }

    /// Returns the weight of the pinned capture, that of the current one, and their difference at a place, as far
    /// as they exist.
    pub fn at(&self, row: usize, col: usize) -> [Option<f32>; 3] {
        [&self.maps.first, &self.maps.second, &self.maps.difference]
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
    let unit = |(at, place): (usize, PlaceLabel)| Unit {
        tokens: at..at + 1,
        label: place.label,
        space: false,
        special: place.special,
        repeated: false,
        seconds: None,
    };
    Axis::of_units(
        place_labels(places, [pinned, present], kind, queries).into_iter().enumerate().map(unit).collect(),
    )
}
