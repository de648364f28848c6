//! Source and target as paragraphs: choose a token, every other is shaded by what it gives to it, or receives
//! from it. For a decoder row the source is shaded by cross-attention and the prefix by self-attention, side
//! by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::panel::{Panel, halves};
use crate::site::{Head, Kind};
use crate::tui::app::{App, Over};
use crate::tui::cache::{Cache, max_of};
use crate::tui::layout::{Hit, Layout};
use crate::tui::reading::read_rows;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let (left, right) = halves(area);
    let kind = app.place.head.kind();
    if app.receives {
        return received(buf, (left, right), app, cache, layout);
    }
    if kind == Kind::Encoder {
        let row = row(app, Kind::Encoder, app.place.source_query);
        shaded(app, &row, true, Some(app.query()), Some(app.key())).draw(buf, left, app, layout);
        panel(app, "target".into(), &[], false, None, None).draw(buf, right, app, layout);
        return;
    }
    let query = app.query();
    let key = app.key();
    let cross = row(app, Kind::Cross, app.place.target_query);
    shaded(app, &cross, true, None, (kind == Kind::Cross).then_some(key)).draw(buf, left, app, layout);
    let own = row(app, Kind::Decoder, app.place.target_query);
    let key = (kind == Kind::Decoder).then_some(key);
    shaded(app, &own, false, Some(query), key).draw(buf, right, app, layout);
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
        overlaid: &[],
        top: app.reading.scale.top(max_of(weights), max_of(weights)),
        query,
        key,
        hit: if source { Hit::Source } else { Hit::Target },
    }
}

/// What a query gives to its keys, and whose weights these are.
struct Row {
    title: String,
    /// One weight a key.
    weights: Vec<f32>,
    /// The same of each head, where they lie over each other.
    overlaid: Vec<(String, Vec<f32>)>,
}

fn shaded<'a>(
    app: &'a App,
    row: &'a Row,
    source: bool,
    query: Option<usize>,
    key: Option<usize>,
) -> Panel<'a> {
    Panel { overlaid: &row.overlaid, ..panel(app, row.title.clone(), &row.weights, source, query, key) }
}

/// Heads that lie over each other at most: as many as there are hues.
const MOST_OVERLAID: usize = 6;

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
        Over::Mean | Over::Max | Over::Hues => {
            let marked: Vec<Head> = app.marks.iter().filter(|head| head.kind() == kind).copied().collect();
            let mut heads = if marked.is_empty() {
                (0..capture.heads(site)).map(|head| site.head(head)).collect()
            } else {
                marked
            };
            if app.over == Over::Hues {
                heads.truncate(MOST_OVERLAID);
            }
            heads
        }
    }
}

/// What a query token gives to its keys, and whose weights these are.
fn row(app: &App, kind: Kind, query: usize) -> Row {
    let heads = heads(app, kind);
    let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
    let what = match kind {
        Kind::Encoder | Kind::Cross => "source",
        Kind::Decoder => "prefix",
    };
    let unit = queries.unit_of(query);
    let rows: Vec<(Head, Vec<f32>)> = heads
        .iter()
        .filter_map(|&head| {
            let rows = app.rows(head, |count| queries.tokens_of(unit, count))?;
            Some((head, read_rows(&rows, queries, keys, &app.reading, unit)))
        })
        .collect();
    if rows.is_empty() {
        let why = app.capture.as_ref().map(|capture| capture.why_absent(kind)).unwrap_or_default();
        return Row { title: format!("{what}: {why}"), weights: Vec::new(), overlaid: Vec::new() };
    }
    let mut weights = vec![0.0f32; keys.len()];
    for (_, row) in &rows {
        for (sum, weight) in weights.iter_mut().zip(row) {
            *sum = if app.over == Over::Mean { *sum + weight } else { sum.max(*weight) };
        }
    }
    if app.over == Over::Mean {
        weights.iter_mut().for_each(|weight| *weight /= rows.len() as f32);
    }
    let marked = app.marks.iter().any(|marked| marked.kind() == kind);
    let whose = match (app.over, heads.first()) {
        (Over::Head, Some(head)) => head.to_string(),
        (over, Some(head)) if marked => {
            format!("{} of {} marked {} heads", over.name(), heads.len(), head.kind())
        }
        (over, Some(head)) => format!("{} of {} heads of {}", over.name(), heads.len(), head.site),
        (_, None) => String::new(),
    };
    let name = |head: Head| format!("{}.{}", head.layer(), head.head);
    let overlaid = match app.over {
        Over::Hues => rows.into_iter().map(|(head, row)| (name(head), row)).collect(),
        _ => Vec::new(),
    };
    Row { title: format!("{what}, by {whose}"), weights, overlaid }
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
    let column = sheet.column(key);
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
