//! Drawing of Flow: how much of an output token comes from each source token and each earlier target token,
//! through all layers (the rollout of an encoder-decoder) or through the heads of one layer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::FlowMethod;
use crate::analysis::merge::{Merge, merge};
use crate::capture::Capture;
use crate::matrix::Matrix;
use crate::site::{Kind, Site};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::reading::{Axis, max_of, read_row, read_rows};
use crate::tui::widgets::cells::{fit, part, put, wrap};
use crate::tui::widgets::panel::{Panel, PanelShape, halves};
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    if app.views.flow.one_layer {
        return one_layer(buf, area, app, layout);
    }
    let Some(flows) = &app.survey.flow else {
        let why = match (&app.survey.no_flow, app.survey.complete) {
            (Some(why), _) => why.clone(),
            (None, _) => "rolling attention out through all layers …".into(),
        };
        for (y, line) in
            (area.y + 1..area.bottom()).zip(wrap(&why, usize::from(area.width.saturating_sub(4))))
        {
            put(buf, area, area.x + 2, y, &line, app.theme.dim());
        }
        return;
    };
    let flow = match app.views.flow.method {
        FlowMethod::Mean => Some(&flows.mean),
        FlowMethod::Max => Some(&flows.max),
        FlowMethod::Alti => flows.alti.as_ref(),
    };
    let Some(flow) = flow else { return no_values(buf, area, app) };
    let row = app.axes.input.unit_of(app.selection.target_query);
    if app.views.flow.method == FlowMethod::Alti {
        let read = |map: &Matrix, keys: &Axis| read_row(map, &app.axes.input, keys, &app.reading, row);
        let (source, prefix) = (read(&flow.source, &app.axes.source), read(&flow.prefix, &app.axes.input));
        let share = |row: &[f32]| row.iter().sum::<f32>();
        let titles = [
            format!("{:.2} comes from the source", share(&source)),
            format!("{:.2} comes from the prefix", share(&prefix)),
        ];
        let below = "all rows, through all layers: ALTI+, contributions measured with the values".into();
        let maps = Some((below, &flow.source, &flow.prefix));
        return sides(buf, area, app, titles, [&source, &prefix], maps, layout);
    }
    // With attention weights alone, the share of the source as a whole follows from the residual's share.
    // Only its distribution over tokens is informative, so each side is scaled to sum to 1.
    let source = normalised(read_row(&flow.source, &app.axes.input, &app.axes.source, &app.reading, row));
    let prefix = normalised(read_row(&flow.prefix, &app.axes.input, &app.axes.input, &app.reading, row));
    let titles = ["shares of what comes from the source", "shares of what comes from the prefix"];
    let how = app.views.flow.method.name();
    let below = format!("all rows, through all layers: rollout of the heads' {how}, residual ½");
    let maps = Some((below, &flow.source, &flow.prefix));
    sides(buf, area, app, titles.map(String::from), [&source, &prefix], maps, layout);
}

/// Draws the selected layer alone: its merged heads, without flow through other layers.
fn one_layer(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let Some(capture) = &app.capture else { return };
    if app.views.flow.method == FlowMethod::Alti {
        return one_layer_with_values(buf, area, app, capture, layout);
    }
    let how = if app.views.flow.method == FlowMethod::Max { Merge::Max } else { Merge::Mean };
    let of = |kind: Kind| -> (String, Vec<f32>, Option<Matrix>) {
        let layer = app.selection.head.layer().min(capture.layers(kind).saturating_sub(1));
        let site = Site::new(kind, layer);
        let heads = capture.heads(site);
        let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
        let row = queries.unit_of(app.selection.target_query);
        let tokens = queries.tokens_of(row, capture.shape(kind).0);
        let rows: Vec<Matrix> = (0..heads)
            .filter_map(|head| capture.maps.rows(site.head(head), tokens.clone()))
            .map(|rows| Matrix::new(1, keys.len(), read_rows(&rows, queries, keys, &app.reading, row)))
            .collect();
        let merged = merge(&rows, how).map(|row| row.as_slice().to_vec()).unwrap_or_default();
        let small = |head| app.survey.heads.get(&site.head(head)).map(|facts| facts.thumbnail.clone());
        let thumbnails: Vec<Matrix> = (0..heads).filter_map(small).collect();
        let name = app.views.flow.method.name();
        (format!("{site}: {name} of {heads} heads"), merged, merge(&thumbnails, how).ok())
    };
    let (left, source, source_map) = of(Kind::Cross);
    let (right, prefix, prefix_map) = of(Kind::Decoder);
    let maps = source_map.as_ref().zip(prefix_map.as_ref());
    let maps = maps.map(|(a, b)| ("all rows of this layer".to_string(), a, b));
    sides(buf, area, app, [left, right], [&source, &prefix], maps, layout);
}

/// Returns the selected layer's contributions (ALTI).
fn one_layer_with_values(buf: &mut Buffer, area: Rect, app: &App, capture: &Capture, layout: &mut Layout) {
    let site =
        |kind: Kind| Site::new(kind, app.selection.head.layer().min(capture.layers(kind).saturating_sub(1)));
    let of = |kind: Kind| capture.site_values(site(kind)).map(|flow| &flow.contributions);
    let (Ok(cross), Ok(own)) = (of(Kind::Cross), of(Kind::Decoder)) else { return no_values(buf, area, app) };
    let row = app.axes.input.unit_of(app.selection.target_query);
    let read = |map: &Matrix, keys: &Axis| read_row(map, &app.axes.input, keys, &app.reading, row);
    let (source, prefix) = (read(cross, &app.axes.source), read(own, &app.axes.input));
    let titles = [
        format!("{}: contributions (ALTI), the rest is kept", site(Kind::Cross)),
        format!("{}: contributions (ALTI)", site(Kind::Decoder)),
    ];
    sides(buf, area, app, titles, [&source, &prefix], None, layout);
}

fn no_values(buf: &mut Buffer, area: Rect, app: &App) {
    let key = app.first_key(Command::Values);
    let text = format!("ALTI needs what the values add: {key} runs the model and keeps it.");
    for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&text, usize::from(area.width.saturating_sub(4)))) {
        put(buf, area, area.x + 2, y, &line, app.theme.dim());
    }
}

/// Returns the height of the maps below the texts; 0 without maps.
fn picture_height(app: &App, area: Rect) -> u16 {
    let measured = |kind: Kind| {
        let layers = app.capture.as_ref().map_or(0, |capture| capture.layers(kind));
        let site = Site::new(kind, app.selection.head.layer().min(layers.saturating_sub(1)));
        app.survey.heads.keys().any(|head| head.site == site)
    };
    let has_maps = match (app.views.flow.one_layer, app.views.flow.method) {
        (false, _) => true,
        (true, FlowMethod::Alti) => false,
        (true, FlowMethod::Mean | FlowMethod::Max) => measured(Kind::Cross) && measured(Kind::Decoder),
    };
    if area.height >= 20 && has_maps { area.height / 3 } else { 0 }
}

/// Returns the area of the target's running text.
pub fn prefix_text(app: &App, area: Rect) -> Rect {
    let (_, right) = halves(part(area, 0, 0, area.width, area.height - picture_height(app, area)));
    PanelShape { named: false, listed: true }.parts(right, &app.axes.input).text
}

/// Draws source and prefix of the selected row, with the maps of all rows below.
fn sides(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    [left_title, right_title]: [String; 2],
    [source, prefix]: [&[f32]; 2],
    maps: Option<(String, &Matrix, &Matrix)>,
    layout: &mut Layout,
) {
    let row = app.axes.input.unit_of(app.selection.target_query);
    let picture = picture_height(app, area);
    let (left, right) = halves(part(area, 0, 0, area.width, area.height - picture));
    Panel {
        title: left_title,
        axis: &app.axes.source,
        weights: source,
        overlaid: &[],
        top: app.reading.scale.top(max_of(source), 1.0),
        query: None,
        key: None,
        hit: ViewHit::Source,
        scale: app.reading.scale,
        theme: &app.theme,
    }
    .draw(buf, left, layout);
    Panel {
        title: right_title,
        axis: &app.axes.input,
        weights: prefix,
        overlaid: &[],
        top: app.reading.scale.top(max_of(prefix), 1.0),
        query: Some(row),
        key: None,
        hit: ViewHit::Target,
        scale: app.reading.scale,
        theme: &app.theme,
    }
    .draw(buf, right, layout);
    if let Some((title, source, prefix)) = maps.filter(|_| picture > 0) {
        let below = part(area, 0, area.height - picture, area.width, picture);
        pictures(buf, below, app, &title, source, prefix);
    }
}

fn normalised(mut row: Vec<f32>) -> Vec<f32> {
    let sum: f32 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    row
}

/// Draws two small maps side by side, with one row per output token.
fn pictures(buf: &mut Buffer, area: Rect, app: &App, title: &str, source: &Matrix, prefix: &Matrix) {
    let title = fit(title, usize::from(area.width).saturating_sub(4));
    rule(buf, part(area, 0, 0, area.width, 1), &[(1, &title)], &app.theme);
    let (left, right) = halves(part(area, 0, 1, area.width, area.height - 1));
    for (area, map, causal) in [(left, source, false), (right, prefix, true)] {
        let inner = part(area, 1, 0, area.width.saturating_sub(3).min(80), area.height);
        thumbnail(buf, inner, &app.theme, map, app.reading.scale, causal);
    }
}
