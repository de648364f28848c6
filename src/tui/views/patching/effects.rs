//! Effects that the view shows: one map, by the kind of the selected head.

use crate::analysis::patching::{ActivationKind, PositionMap};
use crate::export::labels::{Labels, item_label};
use crate::export::patching::LabelledEffects;
use crate::matrix::Matrix;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::reading::{Axis, Unit};

use super::state::measured;

/// The shown map of effects, with its axes. Positions are those of the shown run.
pub struct ShownEffects {
    /// All effects.
    pub labelled: LabelledEffects,
    /// Kind of the sites on the map.
    pub kind: Kind,
    /// `[layers, heads]` or `[layers, positions]`, shares of the difference between the runs.
    pub map: Matrix,
    /// Labels of the layers.
    pub layers: Axis,
    /// Labels of heads or positions.
    pub columns: Axis,
    /// Largest absolute effect on the map.
    pub largest: f32,
}

impl ShownEffects {
    /// Computes the map; `None` if nothing is measured, or the runs score the target the same.
    pub fn new(app: &App) -> Option<Self> {
        let labelled = labelled(app)?;
        labelled.effects.effect(1.0)?;
        let wanted = match (labelled.kind.is_of_heads(), app.selection.head.kind()) {
            (false, Kind::Cross) => Kind::Decoder,
            (_, kind) => kind,
        };
        let mut maps = labelled.effects.maps();
        maps.sort_by_key(|(kind, _)| *kind != wanted);
        let (kind, mut map) = maps.into_iter().next()?;
        let mut layers: Vec<String> = (0..map.rows()).map(|layer| format!("layer {layer}")).collect();
        if labelled.kind == ActivationKind::Encoder {
            map = map.part(map.rows() - 1..map.rows());
            layers = vec!["output".into()];
        }
        let names = if kind == Kind::Encoder { &labelled.source } else { &labelled.rows };
        let columns = match labelled.kind.is_of_heads() {
            true => (0..map.cols()).map(|head| head.to_string()).collect(),
            false => names.iter().take(map.cols()).cloned().collect(),
        };
        let sizes = map.as_slice().iter().map(|effect| effect.abs()).filter(|size| size.is_finite());
        let largest = sizes.fold(0.0, f32::max);
        Some(Self { kind, map, layers: axis(layers), columns: axis(columns), largest, labelled })
    }

    /// Returns the row and the column of the selection.
    pub fn cursor(&self, app: &App) -> (usize, usize) {
        let selection = &app.selection;
        let column = match (self.labelled.kind.is_of_heads(), self.kind) {
            (true, _) => selection.head.head,
            (false, Kind::Encoder) => selection.source_key,
            (false, _) => selection.target_query,
        };
        let last = |len: usize| len.saturating_sub(1);
        (selection.head.layer().min(last(self.map.rows())), column.min(last(self.map.cols())))
    }

    /// Selects a row and a column.
    pub fn select(&self, app: &mut App, row: usize, column: usize) {
        let last = |len: usize| len.saturating_sub(1);
        let (row, column) = (row.min(last(self.map.rows())), column.min(last(self.map.cols())));
        let selection = &mut app.selection;
        if self.labelled.kind != ActivationKind::Encoder {
            selection.head.site.layer = row;
        }
        match (self.labelled.kind.is_of_heads(), self.kind) {
            (true, kind) => (selection.head.site.kind, selection.head.head) = (kind, column),
            (false, Kind::Encoder) => selection.source_key = column,
            (false, _) => selection.target_query = column,
        }
    }

    /// Returns the place of the largest effect, by absolute value.
    pub fn strongest(&self) -> Option<(usize, usize)> {
        let columns = self.map.cols().max(1);
        let effects = self.map.as_slice().iter().enumerate().filter(|(_, effect)| effect.is_finite());
        let best = effects.reduce(|best, next| if next.1.abs() > best.1.abs() { next } else { best });
        best.map(|(at, _)| (at / columns, at % columns))
    }
}

/// Returns the measured effects with the labels of the shown run, on which positions of the corrupt run are moved.
pub fn labelled(app: &App) -> Option<LabelledEffects> {
    let run = measured(app)?;
    let clean = &run.request.clean;
    let all = 0..clean.target.len();
    let row = app.selection.target_query.min(all.end.saturating_sub(1));
    let rows = if app.views.patching.one_row { row..row + 1 } else { all };
    let mut effects = run.scores.effects(rows);
    let map = PositionMap::of(&clean.source.ids(), &run.corrupt);
    for (what, _) in &mut effects.changes {
        if !what.kind.is_of_heads() && what.site.kind == Kind::Encoder {
            what.at = map.clean_of(what.at).unwrap_or(what.at);
        }
    }
    Some(LabelledEffects {
        kind: run.request.kind,
        effects,
        source: clean.source.items.iter().map(item_label).collect(),
        rows: Labels::of(clean, Kind::Decoder).queries,
    })
}

fn axis(labels: Vec<String>) -> Axis {
    let unit = |(at, label)| Unit {
        tokens: at..at + 1,
        label,
        space: false,
        special: false,
        repeated: false,
        seconds: None,
    };
    Axis::of_units(labels.into_iter().enumerate().map(unit).collect())
}
