//! Commands of Heads.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::columns::{IMPORTANCE, order};
use super::state::{HeadsCommand, HeadsView};
use super::{draw, drawing, rows::rows};
use crate::engine::EvidenceKind;
use crate::export::drawing::Drawing;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::requests;
use crate::tui::views::view::{View, click_head, line, select_hit};

impl View for HeadsView {
    type OwnCommand = HeadsCommand;

    fn command(app: &mut App, command: HeadsCommand) -> Vec<Effect> {
        let columns = order(app).len();
        let view = &mut app.views.heads;
        match command {
            HeadsCommand::Sort => view.sort = (view.sort + 1) % columns,
            HeadsCommand::SortBack => view.sort = (view.sort + columns - 1) % columns,
            HeadsCommand::Reverse => view.reverse = !view.reverse,
            HeadsCommand::Importance => return measure(app),
        }
        Vec::new()
    }

    /// Moves from line to line: the selected line is the selected head. Scrolls the columns to the side.
    fn movement(app: &mut App, motion: Motion) {
        let last = draw::last_scroll(app, app.layout.view);
        let scroll = &mut app.views.heads.scroll;
        match motion {
            Motion::Left => *scroll = (*scroll).min(last).saturating_sub(1),
            Motion::Right => *scroll = (*scroll + 1).min(last),
            _ => {}
        }
        let heads = rows(app);
        let at = heads.iter().position(|&head| head == app.selection.head).unwrap_or(0);
        let room = usize::from(draw::list(app.layout.view).height);
        if let Some(&head) = heads.get(line(motion, at, heads.len(), room)) {
            app.selection.head = head;
        }
    }

    fn click(app: &mut App, hit: ViewHit, at: Position) {
        match hit {
            ViewHit::Item(item) => click_head(app, rows(app).get(item).copied()),
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

/// Measures evidence about heads and sorts by their importance; says why there is none if it is known.
fn measure(app: &mut App) -> Vec<Effect> {
    let importance = order(app).iter().position(|name| *name == IMPORTANCE);
    let view = &mut app.views.heads;
    view.sort = importance.unwrap_or(view.sort);
    view.scroll = 0;
    if let Some(known) = &app.evidence.heads {
        let reasons = [known.importance.as_ref().err(), known.direct.as_ref().err()];
        let reasons: Vec<String> = reasons.into_iter().flatten().cloned().collect();
        app.notice = (!reasons.is_empty()).then(|| reasons.join("; "));
    }
    requests::measure(app, EvidenceKind::Heads)
}
