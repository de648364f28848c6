//! Commands of Lines.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::geometry::LinesLayout;
use super::links::{heads, links, rows, strokes};
use super::state::{LinesCommand, LinesView, ShownLines};
use super::{draw, drawing};
use crate::export::drawing::Drawing;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::selected;
use crate::tui::views::view::{View, select_hit};

impl View for LinesView {
    type OwnCommand = LinesCommand;

    fn command(app: &mut App, command: LinesCommand) -> Vec<Effect> {
        match command {
            LinesCommand::Shown => {
                let view = &mut app.views.lines;
                view.shows = match view.shows {
                    ShownLines::Head => ShownLines::Token,
                    ShownLines::Token => ShownLines::Head,
                };
            }
        }
        Vec::new()
    }

    /// Moves along the tokens of one side, and from side to side.
    fn movement(app: &mut App, motion: Motion) {
        let on_keys = app.views.lines.on_keys;
        let (now, len) =
            if on_keys { (app.key(), app.keys().len()) } else { (app.query(), app.queries().len()) };
        let page = usize::from(app.layout.view.height).max(3) - 2;
        let to = match motion {
            Motion::Left | Motion::Right => {
                app.views.lines.on_keys = motion == Motion::Right;
                return;
            }
            Motion::Strongest => {
                let key = selected::strongest(app).unwrap_or(app.key());
                return app.select(app.query(), key);
            }
            Motion::Up => now.saturating_sub(1),
            Motion::Down => now + 1,
            Motion::PageUp => now.saturating_sub(page),
            Motion::PageDown => now + page,
            Motion::FirstKey | Motion::FirstQuery => 0,
            Motion::LastKey | Motion::LastQuery => len,
            Motion::PageLeft | Motion::PageRight => now,
        };
        let to = to.min(len.saturating_sub(1));
        if on_keys { app.select(app.query(), to) } else { app.select(to, app.key()) }
    }

    /// Selects the token, or the two tokens that the line nearest to the mouse joins.
    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Query(_) => {
                app.views.lines.on_keys = false;
                select_hit(app, hit, at);
            }
            ViewHit::Item(key) => {
                app.views.lines.on_keys = true;
                app.select(app.query(), key);
            }
            ViewHit::Map => {
                if let Some((query, key)) = nearest(app, at) {
                    app.select(query, key);
                }
            }
            hit => select_hit(app, hit, at),
        }
    }

    fn drawing(app: &App) -> Option<Drawing> {
        drawing::drawing(app)
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, _: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, layout);
    }
}

/// Returns the query and the key of the line nearest to a position on the canvas; of equally near ones the
/// strongest.
fn nearest(app: &App, at: Position) -> Option<(usize, usize)> {
    let geometry = LinesLayout::new(app, app.layout.view);
    // The canvas may have moved since the position was drawn.
    if !geometry.canvas.contains(at) {
        return None;
    }
    let shown = geometry.shown_queries.clone();
    let links = links(app, &rows(app, &heads(app), shown.clone()), shown);
    let share = (f32::from(at.x - geometry.canvas.x) + 0.5) / f32::from(geometry.canvas.width.max(1));
    let row = f32::from(at.y - geometry.canvas.y) + 0.5;
    let distance = |at: usize, strokes: &[crate::tui::widgets::strokes::Stroke]| {
        // Within half a row, all are equally near.
        let distance = strokes.get(at).map_or(f32::MAX, |stroke| (stroke.at(share) - row).abs());
        (distance * 2.0).floor()
    };
    let strokes = strokes(&links, &geometry);
    let best =
        (0..links.len()).rev().min_by(|&a, &b| distance(a, &strokes).total_cmp(&distance(b, &strokes)))?;
    links.get(best).map(|link| (link.query, link.key))
}
