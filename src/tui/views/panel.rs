//! A text shaded by weights, and under it the list of its largest: what Text and Flow are made of.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::map::rule;
use crate::tui::app::App;
use crate::tui::cache::max_of;
use crate::tui::layout::{Hit, Layout};
use crate::tui::reading::Axis;
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit_left, part, put};
use crate::tui::widgets::passage;

/// A text and what shades it.
pub struct Panel<'a> {
    /// What stands over it.
    pub title: String,
    /// Its places.
    pub axis: &'a Axis,
    /// One weight a place; none where nothing shades it. The largest, where several heads lie over each other.
    pub weights: &'a [f32],
    /// Heads that lie over each other, each in its hue: name and weights.
    pub overlaid: &'a [(String, Vec<f32>)],
    /// The weight painted as full.
    pub top: f32,
    /// The place that asks.
    pub query: Option<usize>,
    /// The selected key.
    pub key: Option<usize>,
    /// What a place is for the mouse.
    pub hit: fn(usize) -> Hit,
}

impl Panel<'_> {
    /// Draws the panel.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
        rule(buf, part(area, 0, 0, area.width, 1), &[(1, &self.title)], app);
        let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
        let names = self.names(buf, inner, app);
        let inner = part(inner, 0, names, inner.width, inner.height);
        let lines = passage::lines(self.axis, usize::from(inner.width), usize::from(inner.height)) as u16;
        let listed = if self.weights.is_empty() || inner.height < 5 { 0 } else { (inner.height / 2).min(12) };
        let text = part(inner, 0, 0, inner.width, lines.min(inner.height - listed));
        let focus = self.query.or(self.key).unwrap_or(0);
        let places = passage::draw(buf, text, self.axis, focus, |place| {
            if self.query == Some(place) {
                return app.theme.selected();
            }
            let Some(weight) = self.weights.get(place) else { return app.theme.text() };
            let scale = app.reading.scale;
            let style = if self.overlaid.is_empty() {
                app.theme.shaded_text(scale.unit(*weight, self.top))
            } else {
                let level = |of: &(String, Vec<f32>)| {
                    let top = max_of(&of.1);
                    scale.unit(of.1.get(place).copied().unwrap_or(0.0), scale.top(top, top))
                };
                app.theme.overlaid_text(&self.overlaid.iter().map(level).collect::<Vec<_>>())
            };
            if self.key == Some(place) {
                style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            } else {
                style
            }
        });
        for (rect, place) in places {
            layout.hit(rect, (self.hit)(place));
        }
        if listed > 0 {
            let below =
                part(inner, 0, text.height + 1, inner.width, inner.height.saturating_sub(text.height + 1));
            self.list(buf, below, app);
        }
    }

    /// Names the heads that lie over each other, each in its hue; returns the rows this takes.
    fn names(&self, buf: &mut Buffer, area: Rect, app: &App) -> u16 {
        if self.overlaid.is_empty() || area.height < 3 {
            return 0;
        }
        let mut x = area.x;
        for (at, (name, _)) in self.overlaid.iter().enumerate() {
            x = put(buf, area, x, area.y, &format!("■{name} "), app.theme.hue(at));
        }
        1
    }

    /// The head that lies over the others at a place: its name and its hue.
    fn strongest(&self, place: usize, app: &App) -> Option<(&str, Style)> {
        let weight = |of: &(String, Vec<f32>)| of.1.get(place).copied().unwrap_or(0.0);
        let heads = self.overlaid.iter().enumerate();
        let (at, (name, _)) = heads.max_by(|a, b| weight(a.1).total_cmp(&weight(b.1)))?;
        Some((name, app.theme.hue(at)))
    }

    fn list(&self, buf: &mut Buffer, area: Rect, app: &App) {
        let mut order: Vec<(usize, f32)> =
            self.weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0).collect();
        let most = usize::from(area.height);
        if order.len() > most && most > 0 {
            order.select_nth_unstable_by(most - 1, |a, b| b.1.total_cmp(&a.1));
            order.truncate(most);
        }
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let full = order.first().map_or(1.0, |(_, weight)| *weight).max(1e-9);
        let labels = usize::from(area.width).saturating_sub(12).min(18);
        for (y, (place, weight)) in (area.y..area.bottom()).zip(order) {
            let style = if self.key == Some(place) { app.theme.accent() } else { app.theme.text() };
            let x = put(buf, area, area.x, y, &fit_left(self.axis.label(place), labels), style);
            let mut x = put(buf, area, x + 1, y, &format!("{weight:.3} "), style);
            if let Some((name, hue)) = self.strongest(place, app) {
                x = put(buf, area, x, y, &format!("{name} "), hue);
            }
            let room = usize::from(area.right().saturating_sub(x)).min(40);
            put(buf, area, x, y, &bar(weight / full, room), app.theme.bar());
        }
    }
}

/// Two areas for two panels: side by side, or one over the other on a narrow screen.
pub fn halves(area: Rect) -> (Rect, Rect) {
    if area.width >= 60 {
        let left = area.width / 2;
        (part(area, 0, 0, left, area.height), part(area, left, 0, area.width - left, area.height))
    } else {
        let upper = area.height / 2;
        (part(area, 0, 0, area.width, upper), part(area, 0, upper, area.width, area.height - upper))
    }
}
