//! Source and target as paragraphs: choose a token, every other is shaded by what it gives to it, or receives
//! from it. For a decoder row the source is shaded by cross-attention and the prefix by self-attention, side
//! by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::panel::{Panel, halves};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::tui::app::{App, Over};
use crate::tui::cache::{Cache, max_of};
use crate::tui::layout::{Hit, Layout};
use crate::tui::reading::read_row;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let (left, right) = halves(area);
    let kind = app.place.head.kind();
    if app.receives {
        return received(buf, (left, right), app, cache, layout);
    }
    if kind == Kind::Encoder {
        let (title, row) = row(app, Kind::Encoder, app.place.source_query);
        panel(app, title, &row, true, Some(app.query()), Some(app.key())).draw(buf, left, app, layout);
        panel(app, "target".into(), &[], false, None, None).draw(buf, right, app, layout);
        return;
    }
    let query = app.query();
    let key = app.key();
    let (title, cross) = row(app, Kind::Cross, app.place.target_query);
    panel(app, title, &cross, true, None, (kind == Kind::Cross).then_some(key)).draw(buf, left, app, layout);
    let (title, own) = row(app, Kind::Decoder, app.place.target_query);
    let key = (kind == Kind::Decoder).then_some(key);
    panel(app, title, &own, false, Some(query), key).draw(buf, right, app, layout);
}

fn panel<'a>(
    app: &'a App,
    title: String,
    weights: &'a [f32],
    source: bool,
    query: Option<usize>,
    key: Option<usize>,
) -> Panel<'a> {
    Panel {
        title,
        axis: if source { &app.axes.source } else { &app.axes.input },
        weights,
        top: app.reading.scale.top(max_of(weights), max_of(weights)),
        query,
        key,
        hit: if source { Hit::Source } else { Hit::Target },
    }
}

/// The heads of a kind that shade: the selected layer and head, or those that are merged.
fn heads(app: &App, kind: Kind) -> Vec<Head> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let layer = app.place.head.layer().min(capture.layers(kind).saturating_sub(1));
    let site = crate::site::Site::new(kind, layer);
    match app.over {
        Over::Head => {
            let head = app.place.head.head.min(capture.heads(site).saturating_sub(1));
            vec![site.head(head)]
        }
        Over::Mean | Over::Max => {
            let marked: Vec<Head> = app.marks.iter().filter(|head| head.kind() == kind).copied().collect();
            if marked.is_empty() {
                (0..capture.heads(site)).map(|head| site.head(head)).collect()
            } else {
                marked
            }
        }
    }
}

/// What a query token gives to its keys, and whose weights these are.
fn row(app: &App, kind: Kind, query: usize) -> (String, Vec<f32>) {
    let heads = heads(app, kind);
    let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
    let what = match kind {
        Kind::Encoder | Kind::Cross => "source",
        Kind::Decoder => "prefix",
    };
    let maps: Vec<Matrix> = heads.iter().filter_map(|&head| app.capture.as_ref()?.map(head).ok()).collect();
    if maps.is_empty() {
        let why = app.capture.as_ref().map(|capture| capture.why_absent(kind)).unwrap_or_default();
        return (format!("{what}: {why}"), Vec::new());
    }
    let unit = queries.unit_of(query);
    let mut sum = vec![0.0f32; keys.len()];
    for map in &maps {
        for (sum, weight) in sum.iter_mut().zip(read_row(map, queries, keys, &app.reading, unit)) {
            *sum = if app.over == Over::Max { sum.max(weight) } else { *sum + weight };
        }
    }
    if app.over == Over::Mean {
        sum.iter_mut().for_each(|weight| *weight /= maps.len() as f32);
    }
    let whose = match (app.over, heads.first()) {
        (Over::Head, Some(head)) => head.to_string(),
        (over, Some(head)) if app.marks.iter().any(|marked| marked.kind() == kind) => {
            format!("{} of {} marked {} heads", over.name(), heads.len(), head.kind())
        }
        (over, Some(head)) => format!("{} of {} heads of {}", over.name(), heads.len(), head.site),
        (_, None) => String::new(),
    };
    (format!("{what}, by {whose}"), sum)
}

/// What the selected key receives from every query of the selected head.
fn received(
    buf: &mut Buffer,
    (left, right): (Rect, Rect),
    app: &App,
    cache: &mut Cache,
    layout: &mut Layout,
) {
    let Some(sheet) = cache.sheet(app) else { return };
    let (kind, key) = (app.place.head.kind(), app.key());
    let column: Vec<f32> = (0..sheet.map.rows()).map(|row| sheet.map.get(row, key).unwrap_or(0.0)).collect();
    let title = format!("what {} receives in {}", app.keys().label(key), app.place.head);
    let selected = Some(key);
    match kind {
        Kind::Encoder => {
            panel(app, title, &column, true, selected, Some(app.query())).draw(buf, left, app, layout);
            panel(app, "target".into(), &[], false, None, None).draw(buf, right, app, layout);
        }
        Kind::Decoder => {
            panel(app, "source".into(), &[], true, None, None).draw(buf, left, app, layout);
            panel(app, title, &column, false, selected, Some(app.query())).draw(buf, right, app, layout);
        }
        Kind::Cross => {
            panel(app, "source".into(), &[], true, selected, None).draw(buf, left, app, layout);
            panel(app, title, &column, false, None, Some(app.query())).draw(buf, right, app, layout);
        }
    }
}
