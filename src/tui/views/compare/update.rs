//! Commands of Compare.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::state::{CompareCommand, CompareView};
use super::{draw, rows::rows};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::views::view::{View, click_head, line, select_hit};

impl View for CompareView {
    type OwnCommand = CompareCommand;

    fn command(_app: &mut App, command: CompareCommand) -> Vec<Effect> {
        match command {}
    }

    /// Moves from line to line: the selected line is the selected head.
    fn movement(app: &mut App, motion: Motion) {
        let heads = rows(app);
        let at = heads.iter().position(|(head, _)| *head == app.selection.head).unwrap_or(0);
        let room = usize::from(draw::list(app.layout.view).height);
        if let Some(&(head, _)) = heads.get(line(motion, at, heads.len(), room)) {
            app.selection.head = head;
        }
    }

    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Item(item) => click_head(app, rows(app).get(item).map(|(head, _)| *head)),
            hit => select_hit(app, hit, at),
        }
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, _: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, layout);
    }
}
