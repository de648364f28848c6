//! Content of Map as a drawing.

use crate::export::drawing::Drawing;
use crate::export::figure::map::{MapDrawing, MapPart};
use crate::export::labels::{keys_title, queries_title, site_title};
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::exporting::remark;
use crate::tui::selected;

/// Returns the selected map as it shows: with merged words, the filter, values or scores.
pub fn drawing(app: &App) -> Option<Drawing> {
    let capture = app.capture.as_deref()?;
    let head = app.selection.head;
    let title = format!("{}, head {}", site_title(head.kind(), head.layer()), head.head);
    let queries = (0..app.queries().len()).map(|query| {
        let label = app.queries().label(query);
        match app.predicted(query).filter(|_| head.kind() != Kind::Encoder) {
            Some((predicted, _)) => format!("{label} → {predicted}"),
            None => label.to_string(),
        }
    });
    let scores = if app.scored().is_some() { " · scores before the softmax" } else { "" };
    let (rows, columns) = (queries_title(capture, head.kind()), keys_title(capture, head.kind()));
    Some(Drawing::Map(MapDrawing {
        description: format!("{title}, {}", remark(app)),
        title,
        remark: format!("{}{scores} · {rows} · {columns}", remark(app)),
        map: selected::pictured(app).ok()?,
        queries: queries.collect(),
        // The strip belongs to all frames.
        sound: capture.sound.clone().filter(|_| {
            head.kind() != Kind::Decoder && app.views.map.filtered.is_none() && app.keys().is_timed()
        }),
        keys: app.keys().units.iter().map(|unit| unit.label.clone()).collect(),
        causal: head.kind() == Kind::Decoder,
        signed: app.scored().is_some(),
        part: part(app),
    }))
}

/// Returns the part of the map that is on the screen; `None` if all of it is.
fn part(app: &App) -> Option<MapPart> {
    let window = app.layout.window.as_ref()?;
    let whole = (app.queries().len(), app.keys().len());
    let part = MapPart { rows: window.rows.clone(), cols: window.cols.clone() };
    ((part.rows.len(), part.cols.len()) != whole && part.rows.end <= whole.0 && part.cols.end <= whole.1)
        .then_some(part)
}
