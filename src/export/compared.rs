//! Drawing of two captures side by side.

use super::drawing::Drawing;
use super::figure::map::MapDrawing;
use super::figure::table::TitledTable;
use super::labels::item_label;
use super::table::{Cell, Table};
use crate::axis::AxisItem;
use crate::capture::Capture;
use crate::capture::comparison::{Comparison, Place};
use crate::site::{Head, Kind};

/// Label of a place in the common order of two captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceLabel {
    /// The token. One that only the first capture has is marked with `−`, one that only the second has with `+`.
    pub label: String,
    /// True for a special token.
    pub special: bool,
}

/// Returns the labels of the places of the queries or the keys of a kind.
pub fn place_labels(places: &[Place], captures: [&Capture; 2], kind: Kind, queries: bool) -> Vec<PlaceLabel> {
    let [before, now] =
        captures.map(|capture| if queries { capture.queries(kind) } else { capture.keys(kind) });
    let label = |place: &Place| {
        let (item, mark): (Option<&AxisItem>, &str) = match *place {
            (Some(_), Some(at)) => (now.get(at), ""),
            (Some(at), None) => (before.get(at), "−"),
            (None, Some(at)) => (now.get(at), "+"),
            (None, None) => (None, ""),
        };
        let text = item.map(item_label).unwrap_or_default();
        PlaceLabel { label: format!("{mark}{text}"), special: item.is_some_and(|item| item.special) }
    };
    places.iter().map(label).collect()
}

/// Returns the table of the heads by their change, with the columns `kind`, `layer`, `head` and `divergence`.
pub fn changes(heads: &[(Head, f32)]) -> Table {
    let mut table = Table::new(["kind", "layer", "head", "divergence"]).with_schema("attn-tui compare 1");
    let row = |(head, change): &(Head, f32)| {
        vec![
            Cell::Text(head.kind().name().into()),
            Cell::Whole(head.layer() as i64),
            Cell::Whole(head.head as i64),
            Cell::Number(*change),
        ]
    };
    table.rows = heads.iter().map(row).collect();
    table
}

/// Returns the heads by their change, and one head's two maps with their difference. `names` are those of the two
/// captures.
pub fn drawing(
    comparison: &Comparison,
    captures: [&Capture; 2],
    names: [&str; 2],
    (head, heads): (Head, &[(Head, f32)]),
    remark: &str,
) -> Drawing {
    let maps = comparison.maps(captures[0], captures[1], head);
    let labels = |queries: bool| {
        let places = if queries { comparison.queries(head.kind()) } else { comparison.keys(head.kind()) };
        let labels = place_labels(places, captures, head.kind(), queries);
        labels.into_iter().map(|place| place.label).collect::<Vec<_>>()
    };
    let map = |title: String, remark: &str, map, signed| {
        Some(Drawing::Map(MapDrawing {
            description: format!("{title} of {}", captures[1].model),
            title,
            remark: remark.into(),
            map: map?,
            queries: labels(true),
            keys: labels(false),
            sound: None,
            causal: false,
            signed,
            part: None,
        }))
    };
    let list = TitledTable {
        title: "heads by change".into(),
        remark: format!("{remark} · mean Jensen-Shannon divergence of common rows, nats"),
        table: changes(heads),
    };
    let [before, now] = names;
    let drawings = [
        Some(Drawing::Table(list)),
        map(format!("{head}, {before}"), &captures[0].source.text, maps.first, false),
        map(format!("{head}, {now}"), &captures[1].source.text, maps.second, false),
        map(format!("{head}, {now} − {before}"), "", maps.difference, true),
    ];
    Drawing::Beside(drawings.into_iter().flatten().collect())
}
