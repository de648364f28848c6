//! Commands of Flow.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::{Contrast, FlowCommand, FlowMethod, FlowView};
use super::{draw, drawing};
use crate::export::drawing::Drawing;
use crate::site::{Head, Kind};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::Layout;
use crate::tui::views::ViewId;
use crate::tui::views::view::{View, place};
use crate::tui::{requests, selected};

impl View for FlowView {
    type OwnCommand = FlowCommand;

    fn command(app: &mut App, command: FlowCommand) -> Vec<Effect> {
        let view = &mut app.views.flow;
        match command {
            FlowCommand::Heads => {
                (view.method, view.contrast) = (view.method.next(), None);
                match view.method {
                    FlowMethod::Alti => return requests::measure_contributions(app),
                    FlowMethod::Relevance => {
                        let evidence = view.evidence();
                        return requests::measure(app, evidence);
                    }
                    FlowMethod::Mean | FlowMethod::Max => {}
                }
            }
            FlowCommand::Layers => view.one_layer = !view.one_layer,
        }
        Vec::new()
    }

    /// Moves the query along the tokens and from line to line of the target.
    fn movement(app: &mut App, motion: Motion) {
        let axis = &app.axes.input;
        let now = axis.unit_of(app.selection.target_query);
        if let Some(to) = place(motion, axis, draw::prefix_text(app, app.layout.view), now) {
            app.selection.target_query = axis.token_of(to);
        }
    }

    /// Selects a head of cross-attention in place of the encoder's, whose queries are not those of the view.
    fn settle(app: &mut App) {
        let head = app.selection.head;
        if head.kind() == Kind::Encoder {
            app.selection.head = Head::new(Kind::Cross, head.layer(), head.head);
            app.settle();
        }
    }

    fn header(app: &App) -> Option<String> {
        Some(draw::header(app))
    }

    fn value(app: &App, _: &mut Cache) -> Option<Vec<String>> {
        Some(draw::value(app))
    }

    fn drawing(app: &App) -> Option<Drawing> {
        drawing::drawing(app)
    }

    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
        draw::draw(buf, area, app, cache, layout);
    }
}

/// Shows relevance for the difference between the target's tokens and a predicted token of the selected row.
pub fn explain(app: &mut App, at: usize) -> Vec<Effect> {
    let Some(other) = selected::alternatives(app).into_iter().nth(at) else { return Vec::new() };
    if other.chosen {
        app.notice = Some("this is the token of the row: take another one to explain it against".into());
        return Vec::new();
    }
    app.show(ViewId::Flow);
    let flow = &mut app.views.flow;
    flow.method = FlowMethod::Relevance;
    flow.contrast = Some(Contrast { id: other.id, label: other.label });
    let evidence = flow.evidence();
    requests::measure(app, evidence)
}
