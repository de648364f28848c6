//! Commands of Text.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::state::{TextCommand, TextView};
use super::{draw, panels};
use crate::site::Kind;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::selected;
use crate::tui::views::view::{View, place, select_hit};
use crate::tui::widgets::picture::{is_picture, moved};

impl View for TextView {
    type OwnCommand = TextCommand;

    fn command(app: &mut App, command: TextCommand) -> Vec<Effect> {
        let view = &mut app.views.text;
        match command {
            TextCommand::Over => view.shading = view.shading.next(),
            TextCommand::Receives => view.receives = !view.receives,
        }
        Vec::new()
    }

    /// Moves along the tokens and from line to line of the running text: the query, or the key where the text
    /// shows what it receives.
    fn movement(app: &mut App, motion: Motion) {
        let kind = app.selection.head.kind();
        if motion == Motion::Strongest {
            let key = selected::strongest(app).unwrap_or(app.key());
            return app.select(app.query(), key);
        }
        let receives = app.views.text.receives;
        let in_source = if receives { kind != Kind::Decoder } else { kind == Kind::Encoder };
        let axis = if in_source { &app.axes.source } else { &app.axes.input };
        let now = match (receives, in_source) {
            (true, _) => app.key(),
            (false, true) => axis.unit_of(app.selection.source_query),
            (false, false) => axis.unit_of(app.selection.target_query),
        };
        let patches = app.capture.as_ref().filter(|capture| in_source && is_picture(capture));
        let to = match patches {
            Some(capture) => moved(&capture.source.items, axis, now, motion),
            None => place(motion, axis, panels::text_area(app, app.layout.view, in_source), now),
        };
        let Some(to) = to else { return };
        let token = axis.token_of(to);
        match (receives, in_source) {
            (true, _) => app.select(app.query(), to),
            (false, true) => app.selection.source_query = token,
            (false, false) => app.selection.target_query = token,
        }
    }

    fn click(app: &mut App, hit: ViewHit, at: Position) {
        select_hit(app, hit, at);
        if matches!(hit, ViewHit::Source(_)) && !app.views.text.receives {
            app.selection.source_query = app.selection.source_key;
        }
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, cache, layout);
    }
}
