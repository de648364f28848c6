//! Drawing of Text: every token is shaded by its weight for the selected one. For a decoder row the source is
//! shaded by cross-attention and the prefix by self-attention, side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::panels::{heads, sides};
use super::state::Shading;
use crate::site::{Head, Kind};
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::reading::{max_of, read_rows};
use crate::tui::widgets::panel::Panel;
use crate::tui::widgets::picture::SourcePicture;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let (left, right) = sides(area);
    let kind = app.selection.head.kind();
    if app.views.text.receives {
        return received(buf, (left, right), app, cache, layout);
    }
    if kind == Kind::Encoder {
        let row = row(app, Kind::Encoder, app.selection.source_query);
        // Windows of other layers may lie elsewhere.
        let one_layer = heads(app, kind).0.iter().all(|head| head.site == app.selection.head.site);
        let framed = Some(app.selection.source_query).filter(|_| one_layer);
        let shaded = shaded(app, &row, true, Some(app.query()), Some(app.key()));
        with_picture(shaded, app, cache, left, framed).draw(buf, left, layout);
        panel(app, "target".into(), &[], false, None, None).draw(buf, right, layout);
        return;
    }
    let query = app.query();
    let key = app.key();
    let cross = row(app, Kind::Cross, app.selection.target_query);
    let shaded_source = shaded(app, &cross, true, None, (kind == Kind::Cross).then_some(key));
    with_picture(shaded_source, app, cache, left, None).draw(buf, left, layout);
    let decoder_row = row(app, Kind::Decoder, app.selection.target_query);
    let key = (kind == Kind::Decoder).then_some(key);
    shaded(app, &decoder_row, false, Some(query), key).draw(buf, right, layout);
}

fn panel<'a>(
    app: &'a App,
    title: String,
    weights: &'a [f32],
    source: bool,
    query: Option<usize>,
    key: Option<usize>,
) -> Panel<'a> {
    let seen = query.filter(|_| !source).map_or(weights.len(), |query| query + 1);
    Panel {
        title,
        axis: if source { &app.axes.source } else { &app.axes.input },
        timeline: app.timeline(),
        weights,
        overlaid: &[],
        top: app.reading.scale.top(max_of(weights), max_of(weights), seen),
        query,
        key,
        hit: if source { ViewHit::Source } else { ViewHit::Target },
        scale: app.reading.scale,
        theme: &app.theme,
        picture: None,
    }
}

/// Returns the panel of a source, with its picture if it is one. Around the window of the patch `framed` is a frame,
/// if the encoder attends within windows.
fn with_picture<'a>(
    panel: Panel<'a>,
    app: &'a App,
    cache: &mut Cache,
    area: Rect,
    framed: Option<usize>,
) -> Panel<'a> {
    let picture = SourcePicture::new(app, cache, Panel::picture_area(area));
    let window = framed.and_then(|patch| app.window_place(patch));
    Panel { picture: picture.map(|picture| picture.with_window(window)), ..panel }
}

/// Weights of one query, with a title.
struct ShadingRow {
    title: String,
    /// One weight per key.
    weights: Vec<f32>,
    /// Weights of each head, if several heads shade the text at once.
    overlaid: Vec<(String, Vec<f32>)>,
}

fn shaded<'a>(
    app: &'a App,
    row: &'a ShadingRow,
    source: bool,
    query: Option<usize>,
    key: Option<usize>,
) -> Panel<'a> {
    Panel { overlaid: &row.overlaid, ..panel(app, row.title.clone(), &row.weights, source, query, key) }
}

/// Returns the weights of a query token, with the head or heads in the title.
fn row(app: &App, kind: Kind, query: usize) -> ShadingRow {
    let (heads, shading) = heads(app, kind);
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
        return ShadingRow { title: format!("{what}: {why}"), weights: Vec::new(), overlaid: Vec::new() };
    }
    let mut weights = vec![0.0f32; keys.len()];
    for (_, row) in &rows {
        for (sum, weight) in weights.iter_mut().zip(row) {
            *sum = if shading == Shading::Mean { *sum + weight } else { sum.max(*weight) };
        }
    }
    if shading == Shading::Mean {
        weights.iter_mut().for_each(|weight| *weight /= rows.len() as f32);
    }
    let marked = app.views.text.shading != Shading::Head && app.marks.iter().any(|mark| mark.kind() == kind);
    let whose = match (shading, heads.first()) {
        (Shading::Head, Some(head)) => head.to_string(),
        (over, Some(head)) if marked => {
            format!("{} of {} marked {} heads", over.name(), heads.len(), head.kind())
        }
        (over, Some(head)) => format!("{}, {} of {} heads", head.site, over.name(), heads.len()),
        (_, None) => String::new(),
    };
    let name = |head: Head| format!("{}.{}", head.layer(), head.head);
    let overlaid = match shading {
        Shading::Hues => rows.into_iter().map(|(head, row)| (name(head), row)).collect(),
        _ => Vec::new(),
    };
    ShadingRow { title: format!("{what}, by {whose}"), weights, overlaid }
}

/// Draws the weights that the selected key receives from every query of the selected head.
fn received(
    buf: &mut Buffer,
    (left, right): (Rect, Rect),
    app: &App,
    cache: &mut Cache,
    layout: &mut Layout,
) {
    let Some(sheet) = cache.sheet(app) else { return };
    let (kind, key) = (app.selection.head.kind(), app.key());
    let column = sheet.column(key);
    let title = format!("what {} receives in {}", app.keys().label(key), app.selection.head);
    let selected = Some(key);
    match kind {
        Kind::Encoder => {
            // The patches that a key receives from are those that share a window with it.
            let framed = Some(app.selection.source_key);
            let receives = panel(app, title, &column, true, selected, Some(app.query()));
            with_picture(receives, app, cache, left, framed).draw(buf, left, layout);
            panel(app, "target".into(), &[], false, None, None).draw(buf, right, layout);
        }
        Kind::Decoder => {
            with_picture(panel(app, "source".into(), &[], true, None, None), app, cache, left, None)
                .draw(buf, left, layout);
            panel(app, title, &column, false, selected, Some(app.query())).draw(buf, right, layout);
        }
        Kind::Cross => {
            with_picture(panel(app, "source".into(), &[], true, selected, None), app, cache, left, None)
                .draw(buf, left, layout);
            panel(app, title, &column, false, None, Some(app.query())).draw(buf, right, layout);
        }
    }
}
