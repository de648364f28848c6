//! Commands of Tour.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw;
use super::state::{TourCommand, TourView};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::Layout;
use crate::tui::views::view::View;

impl View for TourView {
    type OwnCommand = TourCommand;

    fn command(_app: &mut App, command: TourCommand) -> Vec<Effect> {
        match command {}
    }

    /// There is no cursor.
    fn movement(_app: &mut App, _motion: Motion) {}

    fn draw(app: &App, area: Rect, buf: &mut Buffer, _: &mut Cache, _: &mut Layout) {
        draw::draw(buf, area, app);
    }
}
