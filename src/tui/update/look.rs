//! How maps and lists look.

use crate::paint::{Colormap, Curve, GAMMAS, Pool, Range};
use crate::tui::action::Command;
use crate::tui::app::{App, Axes};
use crate::tui::views::heads::ORDER;
use crate::tui::zoom::{self, STEPS, ZoomStep};

/// Changes how maps look; false where the command is none of these.
pub fn look(app: &mut App, command: Command) -> bool {
    let reading = &mut app.reading;
    match command {
        Command::ZoomIn | Command::ZoomOut | Command::ZoomFit => zoom_(app, command),
        Command::Words => {
            reading.words = !reading.words;
            refresh(app);
        }
        Command::Special => {
            reading.special = reading.special.next();
            refresh(app);
        }
        Command::Range => reading.scale.range = next_of(Range::ALL, reading.scale.range),
        Command::Curve => reading.scale.curve = next_of(Curve::ALL, reading.scale.curve),
        Command::Pooling => reading.pool = if reading.pool == Pool::Max { Pool::Mean } else { Pool::Max },
        Command::Brighter => {
            let now = reading.scale.gamma;
            reading.scale.gamma = GAMMAS.into_iter().rfind(|&gamma| gamma < now).unwrap_or(now);
        }
        Command::Darker => {
            let now = reading.scale.gamma;
            reading.scale.gamma = GAMMAS.into_iter().find(|&gamma| gamma > now).unwrap_or(now);
        }
        Command::ThresholdUp => {
            reading.threshold = THRESHOLDS.into_iter().find(|&t| t > reading.threshold + 1e-6).unwrap_or(0.8);
        }
        Command::ThresholdDown => {
            reading.threshold =
                THRESHOLDS.into_iter().rev().find(|&t| t < reading.threshold - 1e-6).unwrap_or(0.0);
        }
        Command::Sort => app.sort = (app.sort + 1) % ORDER.len(),
        Command::SortBack => app.sort = (app.sort + ORDER.len() - 1) % ORDER.len(),
        Command::Reverse => app.reverse = !app.reverse,
        Command::OneKind => app.one_kind = !app.one_kind,
        Command::Keep => app.keep = app.keep.next(),
        Command::Over => app.over = app.over.next(),
        Command::FlowHeads => app.flow = app.flow.next(),
        Command::FlowLayers => app.one_layer = !app.one_layer,
        Command::Receives => app.receives = !app.receives,
        Command::Colormap => {
            let sequential = &Colormap::ALL[..Colormap::ALL.len() - 1];
            app.theme.colormap = next_of(sequential, app.theme.colormap);
            app.notice = Some(format!("colours: {}", app.theme.colormap));
        }
        Command::Pixels => pixels(app),
        Command::Glyphs => app.theme.glyphs = !app.theme.glyphs,
        _ => return false,
    }
    true
}

fn pixels(app: &mut App) {
    app.pixels.paused ^= true;
    let on = app.pixels.protocol().is_some();
    let notice = match (app.pixels.paused, on) {
        (true, _) => "zoomed-out maps: cells",
        (false, true) => "zoomed-out maps: pixels",
        (false, false) => "this terminal takes no pictures, as far as is known",
    };
    app.notice = Some(notice.into());
}

const THRESHOLDS: [f32; 9] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8];

fn next_of<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let next = all.iter().position(|&item| item == now).map_or(0, |at| at + 1);
    all.get(next).or(all.first()).copied().unwrap_or(now)
}

/// Builds the axes anew after the reading changed.
fn refresh(app: &mut App) {
    if let Some(capture) = &app.capture {
        app.axes = Axes::new(capture, &app.reading);
    }
}

fn zoom_(app: &mut App, command: Command) {
    let Some(window) = &app.layout.window else { return };
    let all = window.rows.len() == app.queries().len() && window.cols.len() == app.keys().len();
    app.zoom = match command {
        Command::ZoomIn if window.step == zoom::WHOLE => {
            let (rows, cols) = window.covers();
            // the nearest step that shows more detail than this whole map
            let covered = rows.max(cols);
            STEPS.iter().rposition(|step| match step {
                ZoomStep::Pool(n) => *n < covered,
                ZoomStep::Whole => false,
                _ => true,
            })
        }
        Command::ZoomIn => Some(window.step.saturating_sub(1)),
        Command::ZoomOut if all && window.step >= zoom::SMALLEST_CELL => Some(zoom::WHOLE),
        Command::ZoomOut => Some((window.step + 1).min(zoom::WHOLE)),
        _ if app.zoom.is_none() => Some(zoom::WHOLE),
        _ => None,
    };
    let step = app.zoom.and_then(|step| STEPS.get(step));
    app.notice = Some(match step {
        Some(step) => format!("zoom: {}", step.name()),
        None => "zoom: cells with labels".into(),
    });
}
