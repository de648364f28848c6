//! Commands of Corpus.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::draw;
use super::rows::rows;
use super::state::{CorpusCommand, CorpusView};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::views::view::{View, line};

impl View for CorpusView {
    type OwnCommand = CorpusCommand;

    fn command(app: &mut App, command: CorpusCommand) -> Vec<Effect> {
        match command {
            CorpusCommand::NextMetric => app.views.corpus.turn_metric(1),
            CorpusCommand::PreviousMetric => app.views.corpus.turn_metric(-1),
        }
        Vec::new()
    }

    /// Moves from line to line; left and right move between the heads and the exemplars.
    fn movement(app: &mut App, motion: Motion) {
        let [heads, exemplars] = draw::lists(app.layout.view).map(|list| usize::from(list.height));
        let view = &mut app.views.corpus;
        match motion {
            Motion::Left => view.in_exemplars = false,
            Motion::Right => view.in_exemplars = !view.found().is_empty(),
            motion if view.in_exemplars => {
                view.selected = line(motion, view.selected, view.found().len(), exemplars);
            }
            motion => {
                let rows: Vec<_> = rows(app).into_iter().map(|(head, _)| head).collect();
                let at = rows.iter().position(|&head| head == app.selection.head).unwrap_or(0);
                select_head(app, rows.get(line(motion, at, rows.len(), heads)).copied());
            }
        }
    }

    /// Selects a head, or an exemplar, whose lines count on from those of the heads.
    fn click(app: &mut App, hit: ViewHit, _: Position) {
        let ViewHit::Item(item) = hit else { return };
        let rows: Vec<_> = rows(app).into_iter().map(|(head, _)| head).collect();
        match item.checked_sub(rows.len()) {
            None => {
                app.views.corpus.in_exemplars = false;
                select_head(app, rows.get(item).copied());
            }
            Some(exemplar) => {
                let view = &mut app.views.corpus;
                view.in_exemplars = true;
                view.selected = exemplar.min(view.found().len().saturating_sub(1));
            }
        }
    }

    fn header(app: &App) -> Option<String> {
        Some(match &app.views.corpus.scan {
            None => "no scan".into(),
            Some(scan) => format!("scan {} of {}", scan.folder().display(), scan.manifest.model.name),
        })
    }

    fn value(app: &App, _: &mut Cache) -> Option<Vec<String>> {
        let view = &app.views.corpus;
        let exemplar = view.found().get(view.selected)?;
        let place = format!("sentence {}", exemplar.sentence);
        Some(vec![format!("{place} · {} → {}", exemplar.source, exemplar.target), place])
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, _: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, layout);
    }
}

fn select_head(app: &mut App, head: Option<crate::site::Head>) {
    let Some(head) = head.filter(|&head| head != app.selection.head) else { return };
    app.selection.head = head;
    app.views.corpus.like = None;
    app.views.corpus.selected = 0;
}
