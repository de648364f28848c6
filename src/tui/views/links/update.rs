//! Commands of Links.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::state::{LinksCommand, LinksView};
use super::{draw, rows::rows};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::views::view::{self, View, line, select_hit};

impl View for LinksView {
    type OwnCommand = LinksCommand;

    fn command(app: &mut App, command: LinksCommand) -> Vec<Effect> {
        match command {
            LinksCommand::Keep => app.views.links.keep = app.views.links.keep.next(),
        }
        Vec::new()
    }

    /// Moves from line to line.
    fn movement(app: &mut App, motion: Motion) {
        let len = rows(app).len();
        let at = app.views.links.selected.min(len.saturating_sub(1));
        let room = usize::from(draw::list(app.layout.view).height);
        app.views.links.selected = line(motion, at, len, room);
    }

    /// Selects a line; a second click opens it.
    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Item(item) if app.views.links.selected == item => view::open(app),
            ViewHit::Item(item) => app.views.links.selected = item,
            hit => select_hit(app, hit, at),
        }
    }

    /// Selects the head, the query and the key of the selected link.
    fn open(app: &mut App) {
        if let Some(link) = rows(app).get(app.views.links.selected) {
            app.selection.head = link.head;
            app.selection.set(link.query, link.key);
        }
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, _: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, layout);
    }
}
