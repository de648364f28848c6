//! Commands of Compare.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::geometry::{ComparePanes, list};
use super::maps::axis;
use super::state::{CompareCommand, CompareView, cursor, set_cursor};
use super::{draw, drawing, rows::rows};
use crate::export::drawing::Drawing;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::views::view::{View, click_head, line, select_hit};

impl View for CompareView {
    type OwnCommand = CompareCommand;

    fn command(app: &mut App, command: CompareCommand) -> Vec<Effect> {
        let motion = match command {
            CompareCommand::NextChanged => Motion::Down,
            CompareCommand::PreviousChanged => Motion::Up,
        };
        turn_list(app, motion);
        Vec::new()
    }

    /// Moves from cell to cell; from line to line of the list of heads where there is no room for maps.
    fn movement(app: &mut App, motion: Motion) {
        let kind = app.selection.head.kind();
        let (queries, keys) = (axis(app, kind, true), axis(app, kind, false));
        let geometry = ComparePanes::new(app, app.layout.view, [&queries, &keys]);
        let (Some(pane), Some((query, key))) = (geometry.panes.first(), cursor(app)) else {
            return turn_list(app, motion);
        };
        let down = pane.window.rows.len().max(2) - 1;
        let across = pane.window.cols.len().max(2) - 1;
        let (query, key) = match motion {
            Motion::Left => (query, key.saturating_sub(1)),
            Motion::Right => (query, key + 1),
            Motion::Up => (query.saturating_sub(1), key),
            Motion::Down => (query + 1, key),
            Motion::PageUp => (query.saturating_sub(down), key),
            Motion::PageDown => (query + down, key),
            Motion::PageLeft => (query, key.saturating_sub(across)),
            Motion::PageRight => (query, key + across),
            Motion::FirstKey => (query, 0),
            Motion::LastKey => (query, usize::MAX),
            Motion::FirstQuery => (0, key),
            Motion::LastQuery => (usize::MAX, key),
            Motion::Strongest => (query, key),
        };
        let last = |len: usize| len.saturating_sub(1);
        set_cursor(app, query.min(last(queries.len())), key.min(last(keys.len())));
    }

    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Item(item) => click_head(app, rows(app).get(item).map(|(head, _)| *head)),
            ViewHit::Map => {
                let kind = app.selection.head.kind();
                let (queries, keys) = (axis(app, kind, true), axis(app, kind, false));
                let geometry = ComparePanes::new(app, app.layout.view, [&queries, &keys]);
                let place = geometry.panes.iter().find_map(|pane| pane.window.places_at(at));
                if let Some((query, key)) = place {
                    set_cursor(app, query, key);
                }
            }
            hit => select_hit(app, hit, at),
        }
    }

    fn value(app: &App, cache: &mut Cache) -> Option<Vec<String>> {
        let maps = cache.compared(app)?;
        draw::value(app, &maps)
    }

    fn drawing(app: &App) -> Option<Drawing> {
        drawing::drawing(app)
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, cache, layout);
    }
}

/// Moves along the list of heads: the selected line is the selected head.
fn turn_list(app: &mut App, motion: Motion) {
    let heads = rows(app);
    let at = heads.iter().position(|(head, _)| *head == app.selection.head).unwrap_or(0);
    let room = usize::from(list(app, app.layout.view).height);
    if let Some(&(head, _)) = heads.get(line(motion, at, heads.len(), room)) {
        app.selection.head = head;
    }
}
