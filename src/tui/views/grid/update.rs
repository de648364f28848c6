//! Commands of Grid.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::draw;
use super::state::{GridCommand, GridView};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::views::view::{View, click_head, select_hit};

impl View for GridView {
    type OwnCommand = GridCommand;

    fn command(_app: &mut App, command: GridCommand) -> Vec<Effect> {
        match command {}
    }

    /// Moves from thumbnail to thumbnail.
    fn movement(app: &mut App, motion: Motion) {
        let heads = draw::heads(app);
        let at = heads.iter().position(|&head| head == app.selection.head).unwrap_or(0);
        let last = heads.len().saturating_sub(1);
        let tiles = draw::Tiles::new(app, app.layout.view);
        let (across, page) = (tiles.across, tiles.across * tiles.rows);
        let to = match motion {
            Motion::Left => at.saturating_sub(1),
            Motion::Right => at + 1,
            Motion::Up => at.checked_sub(across).unwrap_or(at),
            Motion::Down if at + across <= last => at + across,
            Motion::Down => at,
            Motion::PageUp => at.saturating_sub(page),
            Motion::PageDown => at + page,
            Motion::FirstKey => 0,
            Motion::LastKey => last,
            Motion::PageLeft
            | Motion::PageRight
            | Motion::FirstQuery
            | Motion::LastQuery
            | Motion::Strongest => at,
        };
        if let Some(&head) = heads.get(to.min(last)) {
            app.selection.head = head;
        }
    }

    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Item(item) => click_head(app, draw::heads(app).get(item).copied()),
            hit => select_hit(app, hit, at),
        }
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, cache, layout);
    }
}
