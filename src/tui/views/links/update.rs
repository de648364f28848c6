//! Commands of Links.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::rows::{LinkRow, rows};
use super::state::{LinksCommand, LinksView};
use super::{draw, effects};
use crate::site::Ablation;
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
            LinksCommand::Keep if app.views.links.pairs.is_some() => {
                app.notice = Some("given links are shown in every head, whatever they are".into());
            }
            LinksCommand::Keep => app.views.links.keep = app.views.links.keep.next(),
            LinksCommand::Effects => return effects::measure(app),
        }
        Vec::new()
    }

    /// Moves from line to line, and the selection with it.
    fn movement(app: &mut App, motion: Motion) {
        if matches!(motion, Motion::Left | Motion::Right) {
            app.notice = Some("the list moves up and down".into());
            return;
        }
        let rows = rows(app);
        let at = app.views.links.selected.min(rows.len().saturating_sub(1));
        let room = usize::from(draw::list(app.layout.view).height);
        select(app, &rows, line(motion, at, rows.len(), room));
    }

    /// Selects a line; a second click opens it.
    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Item(item) if app.views.links.selected == item => view::open(app),
            ViewHit::Item(item) => select(app, &rows(app), item),
            hit => select_hit(app, hit, at),
        }
    }

    /// Keeps the selection on a line of the list: on its own link or, if that is not listed, on the first link
    /// of its head, or else on the line that was selected last. It stays where it is until all links are found.
    fn settle(app: &mut App) {
        let rows = rows(app);
        if app.views.links.pairs.as_ref().is_some_and(|list| list.untouched) {
            return select_line(app, &rows, 0);
        }
        let last = app.views.links.selected.min(rows.len().saturating_sub(1));
        if rows.get(last).is_some_and(|row| row.is_selected(app)) {
            app.views.links.selected = last;
            return;
        }
        let own = rows.iter().position(|row| row.is_selected(app));
        let complete = app.views.links.pairs.as_ref().map_or(app.survey.complete, |list| list.complete);
        if own.is_none() && !complete {
            return;
        }
        let of_head = || rows.iter().position(|row| row.head == app.selection.head);
        let at = own.or_else(of_head).unwrap_or(last);
        select_line(app, &rows, at);
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, cache, layout);
    }
}

/// Selects a line that the user went to.
fn select(app: &mut App, rows: &[LinkRow], at: usize) {
    if let Some(list) = &mut app.views.links.pairs {
        list.untouched = false;
    }
    select_line(app, rows, at);
}

/// Selects a line, its head, query and key.
fn select_line(app: &mut App, rows: &[LinkRow], at: usize) {
    app.views.links.selected = at;
    let Some(row) = rows.get(at).filter(|row| !row.is_selected(app)) else { return };
    app.selection.head = row.head;
    app.selection.set(row.pair.queries.start, row.pair.keys.start);
}

/// Returns the ablation of the selected line; `None` outside of Links.
pub fn selected_link(app: &App) -> Option<Vec<Ablation>> {
    let rows = rows(app);
    let row = rows.get(app.views.links.selected).filter(|row| row.is_selected(app))?;
    Some(row.pair.ablations(row.head))
}
