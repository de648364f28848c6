//! Commands of Map.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::geometry::Geometry;
use super::state::{MapCommand, MapView};
use super::{draw, drawing, edit};
use crate::capture::Score;
use crate::export::drawing::Drawing;
use crate::export::spoken::is_heard;
use crate::paint::Pool;
use crate::site::Kind;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::Layout;
use crate::tui::overlays::overlay::{Decision, Overlay};
use crate::tui::views::corpus;
use crate::tui::views::view::View;
use crate::tui::zoom::{self, STEPS, Window, ZoomStep};
use crate::tui::{requests, selected};

impl View for MapView {
    type OwnCommand = MapCommand;

    fn command(app: &mut App, command: MapCommand) -> Vec<Effect> {
        match command {
            MapCommand::ZoomIn => zoom(app, nearer),
            MapCommand::ZoomOut => zoom(app, farther),
            MapCommand::ZoomFit => zoom(app, |app, _| match app.views.map.zoom {
                None => Some(zoom::WHOLE),
                Some(_) => None,
            }),
            MapCommand::Scores => return next_score(app),
            MapCommand::Pooling => {
                app.reading.pool = if app.reading.pool == Pool::Max { Pool::Mean } else { Pool::Max };
            }
            MapCommand::ThresholdUp => {
                let threshold = app.reading.threshold;
                let higher = THRESHOLDS.into_iter().find(|&other| other > threshold + 1e-6);
                app.reading.threshold = higher.unwrap_or(0.8);
            }
            MapCommand::ThresholdDown => {
                let threshold = app.reading.threshold;
                let lower = THRESHOLDS.into_iter().rev().find(|&other| other < threshold - 1e-6);
                app.reading.threshold = lower.unwrap_or(0.0);
            }
            MapCommand::Path => toggle_path(app),
            MapCommand::Elsewhere => corpus::elsewhere(app),
            MapCommand::EditRow => edit::ask(app),
        }
        Vec::new()
    }

    /// Moves from cell to cell.
    fn movement(app: &mut App, motion: Motion) {
        let (queries, keys) = (app.queries().len(), app.keys().len());
        let (query, key) = (app.query(), app.key());
        let window = Geometry::new(app, app.layout.view).window;
        let (rows, cols) = window.covers();
        let down = window.rows.len().max(2) - 1;
        let across = window.cols.len().max(2) - 1;
        let (query, key) = match motion {
            Motion::Left => (query, key.saturating_sub(cols)),
            Motion::Right => (query, key + cols),
            Motion::Up => (query.saturating_sub(rows), key),
            Motion::Down => (query + rows, key),
            Motion::PageUp => (query.saturating_sub(down), key),
            Motion::PageDown => (query + down, key),
            Motion::PageLeft => (query, key.saturating_sub(across)),
            Motion::PageRight => (query, key + across),
            Motion::FirstKey => (query, 0),
            Motion::LastKey => (query, keys),
            Motion::FirstQuery => (0, key),
            Motion::LastQuery => (queries, key),
            Motion::Strongest => (query, selected::strongest(app).unwrap_or(key)),
        };
        app.select(query.min(queries.saturating_sub(1)), key.min(keys.saturating_sub(1)));
    }

    fn drawing(app: &App) -> Option<Drawing> {
        drawing::drawing(app)
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, cache, layout);
    }
}

/// Thresholds that two keys switch between.
const THRESHOLDS: [f32; 9] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8];

/// Sets the zoom that `next` returns for the displayed window.
fn zoom(app: &mut App, next: impl Fn(&App, &Window) -> Option<usize>) {
    if app.capture.is_none() {
        return;
    }
    let window = Geometry::new(app, app.layout.view).window;
    app.views.map.zoom = next(app, &window);
    let step = app.views.map.zoom.and_then(|step| STEPS.get(step));
    app.notice = Some(match step {
        Some(step) => format!("zoom: {}", step.name()),
        None => "zoom: cells with labels".into(),
    });
}

/// Returns the next nearer step; from the whole map, the nearest step that shows more detail.
fn nearer(_: &App, window: &Window) -> Option<usize> {
    if window.step != zoom::WHOLE {
        return Some(window.step.saturating_sub(1));
    }
    let (rows, cols) = window.covers();
    let covered = rows.max(cols);
    STEPS.iter().rposition(|step| match step {
        ZoomStep::Pool(n) => *n < covered,
        ZoomStep::Whole => false,
        ZoomStep::Cell(_) | ZoomStep::Half => true,
    })
}

/// Returns the next farther step; the whole map if all of it is visible already.
fn farther(app: &App, window: &Window) -> Option<usize> {
    let all = window.rows.len() == app.queries().len() && window.cols.len() == app.keys().len();
    if all && window.step >= zoom::SMALLEST_CELL {
        return Some(zoom::WHOLE);
    }
    Some((window.step + 1).min(zoom::WHOLE))
}

/// Switches from weights to scores, their content part, their position part, and back to weights. The model
/// runs again if the scores are not known.
fn next_score(app: &mut App) -> Vec<Effect> {
    let Some(capture) = &app.capture else { return Vec::new() };
    let biased = capture.maps.sites().any(|(site, _)| capture.has_bias(site));
    let next = match app.views.map.score {
        None => Some(Score::Whole),
        Some(Score::Whole) if biased => Some(Score::Content),
        Some(Score::Content) => Some(Score::Bias),
        Some(Score::Whole | Score::Bias) => None,
    };
    let known = next != Some(Score::Whole) || capture.compact(app.selection.head.site).is_ok();
    if !known && app.run.info.is_some() && !app.run.options.scores {
        app.overlays.push(Overlay::Confirm(Decision::Scores));
        return Vec::new();
    }
    app.views.map.score = next;
    if !known {
        requests::drop_scores(app);
    }
    Vec::new()
}

/// Shows the path of time warping, or hides it.
fn toggle_path(app: &mut App) {
    let heard = app.capture.as_ref().is_some_and(|capture| is_heard(capture));
    if !heard || app.selection.head.kind() != Kind::Cross {
        app.notice = Some("only the cross maps of a recording have a path of time warping".into());
        return;
    }
    app.views.map.path ^= true;
    let notice =
        if app.views.map.path { "the path by which this head alone would time the words" } else { "no path" };
    app.notice = Some(notice.into());
}
