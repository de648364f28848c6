//! How much of an output token comes from each source token and each earlier target token, through all
//! layers: the rollout of an encoder-decoder.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::grid::thumbnail;
use super::map::rule;
use super::panel::{Panel, halves};
use crate::analysis::merge::CrossRollout;
use crate::tui::app::App;
use crate::tui::cache::max_of;
use crate::tui::layout::{Hit, Layout};
use crate::tui::reading::read_row;
use crate::tui::widgets::cells::{fit, part, put, wrap};

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let Some(flow) = &app.survey.flow else {
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
    let row = app.axes.input.unit_of(app.place.target_query);
    // with attention weights alone, how much comes from the source at all is fixed by the residual's share:
    // only how it is shared out among tokens says something, so each side is brought to a sum of 1
    let source = normalised(read_row(&flow.source, &app.axes.input, &app.axes.source, &app.reading, row));
    let prefix = normalised(read_row(&flow.prefix, &app.axes.input, &app.axes.input, &app.reading, row));
    let picture = if area.height >= 20 { area.height / 3 } else { 0 };
    let (left, right) = halves(part(area, 0, 0, area.width, area.height - picture));
    Panel {
        title: "shares of what comes from the source".into(),
        axis: &app.axes.source,
        weights: &source,
        top: app.reading.scale.top(max_of(&source), 1.0),
        query: None,
        key: None,
        hit: Hit::Source,
    }
    .draw(buf, left, app, layout);
    Panel {
        title: "shares of what comes from the prefix".into(),
        axis: &app.axes.input,
        weights: &prefix,
        top: app.reading.scale.top(max_of(&prefix), 1.0),
        query: Some(row),
        key: None,
        hit: Hit::Target,
    }
    .draw(buf, right, app, layout);
    if picture > 0 {
        let below = part(area, 0, area.height - picture, area.width, picture);
        pictures(buf, below, app, flow);
    }
}

fn normalised(mut row: Vec<f32>) -> Vec<f32> {
    let sum: f32 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    row
}

/// The whole rollout as two small maps, a row for each output token.
fn pictures(buf: &mut Buffer, area: Rect, app: &App, flow: &CrossRollout) {
    let title = "all rows, through all layers: rollout of the heads' mean, residual ½";
    rule(
        buf,
        part(area, 0, 0, area.width, 1),
        &[(1, &fit(title, usize::from(area.width).saturating_sub(4)))],
        app,
    );
    let (left, right) = halves(part(area, 0, 1, area.width, area.height - 1));
    for (area, map, causal) in [(left, &flow.source, false), (right, &flow.prefix, true)] {
        let inner = part(area, 1, 0, area.width.saturating_sub(3).min(80), area.height);
        thumbnail(buf, inner, &app.theme, map, app.reading.scale, causal);
    }
}
