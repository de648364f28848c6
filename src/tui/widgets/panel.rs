//! A text shaded by weights with a list of the largest below it, for Text and Flow.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::bar::bar;
use super::cells::{fit_left, part, put};
use super::passage;
use super::picture::SourcePicture;
use super::rule::rule;
use super::timeline::{self, Timeline};
use crate::paint::Scale;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::reading::{Axis, max_of};
use crate::tui::theme::Theme;

/// A text and the weights that shade it.
pub struct Panel<'a> {
    /// Title above it.
    pub title: String,
    /// Axis of the text.
    pub axis: &'a Axis,
    /// Words and loudness of the axis, if its units are frames of a recording.
    pub timeline: Timeline<'a>,
    /// One weight per unit; empty if nothing shades the text. The largest, where several heads lie over each
    /// other.
    pub weights: &'a [f32],
    /// Name and weights of each head, if several heads shade the text at once.
    pub overlaid: &'a [(String, Vec<f32>)],
    /// Weight that gets the full colour.
    pub top: f32,
    /// The selected query.
    pub query: Option<usize>,
    /// The selected key.
    pub key: Option<usize>,
    /// Mouse target of a unit.
    pub hit: fn(usize) -> ViewHit,
    /// Scale from weight to shade.
    pub scale: Scale,
    /// Colours.
    pub theme: &'a Theme,
    /// The picture that the units are patches of, which is drawn in place of the text.
    pub picture: Option<SourcePicture<'a>>,
}

/// Parts of a panel besides its text.
#[derive(Clone, Copy, Debug)]
pub struct PanelShape {
    /// True if head names are above the text.
    pub named: bool,
    /// True if the largest weights are listed below the text.
    pub listed: bool,
}

/// Positions of a panel's parts.
#[derive(Clone, Copy, Debug)]
pub struct PanelParts {
    /// Names of heads.
    pub names: Option<Rect>,
    /// The text.
    pub text: Rect,
    /// The list of the largest weights.
    pub list: Option<Rect>,
}

impl PanelShape {
    /// Computes the layout of the parts in the panel's area, below its title.
    pub fn parts(self, area: Rect, axis: &Axis) -> PanelParts {
        let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
        let named = self.named && inner.height >= 3;
        let names = named.then_some(inner);
        let inner = part(inner, 0, u16::from(named), inner.width, inner.height);
        let size = (usize::from(inner.width), usize::from(inner.height));
        let lines = match axis.is_timed() {
            true => timeline::lines(axis, size.0, size.1),
            false => passage::lines(axis, size.0, size.1),
        };
        let lines = lines as u16;
        Self { named, listed: self.listed }.below(names, inner, lines)
    }

    /// Computes the layout of the parts of a panel with a picture, which goes before the list.
    fn picture_parts(self, area: Rect, lines: u16) -> PanelParts {
        let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
        self.below(None, inner, lines)
    }

    /// Returns the parts where a text of `lines` lines begins `inner`.
    fn below(self, names: Option<Rect>, inner: Rect, lines: u16) -> PanelParts {
        let listed = if self.listed && inner.height >= 5 { (inner.height / 2).min(12) } else { 0 };
        let text = part(inner, 0, 0, inner.width, lines.min(inner.height - listed));
        let below =
            part(inner, 0, text.height + 1, inner.width, inner.height.saturating_sub(text.height + 1));
        PanelParts { names, text, list: (listed > 0).then_some(below) }
    }
}

impl Panel<'_> {
    /// Draws the panel.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, layout: &mut Layout) {
        rule(buf, part(area, 0, 0, area.width, 1), &[(1, &self.title)], self.theme);
        let shape = PanelShape { named: !self.overlaid.is_empty(), listed: !self.weights.is_empty() };
        if let Some(picture) = &self.picture {
            return self.over_picture(buf, area, picture, layout);
        }
        let parts = shape.parts(area, self.axis);
        if let Some(names) = parts.names {
            self.names(buf, names);
        }
        let focus = self.query.or(self.key).unwrap_or(0);
        let style = |place: usize| {
            if self.query == Some(place) {
                return self.theme.selected();
            }
            let Some(weight) = self.weights.get(place) else { return self.theme.text() };
            let scale = self.scale;
            let style = if self.overlaid.is_empty() {
                self.theme.shaded_text(scale.unit(*weight, self.top))
            } else {
                let level = |of: &(String, Vec<f32>)| {
                    let top = max_of(&of.1);
                    scale.unit(of.1.get(place).copied().unwrap_or(0.0), scale.top(top, top, of.1.len()))
                };
                self.theme.overlaid_text(&self.overlaid.iter().map(level).collect::<Vec<_>>())
            };
            if self.key == Some(place) {
                style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            } else {
                style
            }
        };
        let places = match self.axis.is_timed() {
            true => self.timeline.draw(buf, parts.text, (self.axis, self.weights), focus, self.theme, style),
            false => passage::draw(buf, parts.text, self.axis, focus, style),
        };
        if !self.axis.is_timed() {
            passage::cue(buf, part(area, 0, 0, area.width, 1), self.theme, self.axis, &places);
        }
        for (rect, place) in places {
            layout.hit(rect, Hit::View((self.hit)(place)));
        }
        if let Some(list) = parts.list {
            self.list(buf, list);
        }
    }

    /// Draws the picture with the weights over it, and the list below.
    fn over_picture(&self, buf: &mut Buffer, area: Rect, picture: &SourcePicture, layout: &mut Layout) {
        let shape = PanelShape { named: false, listed: !self.weights.is_empty() };
        let parts = shape.picture_parts(area, picture.height());
        let text = part(parts.text, 0, 0, parts.text.width, picture.height());
        let level = |place: usize| Some(self.scale.unit(*self.weights.get(place)?, self.top));
        let hits = picture.draw(buf, text, self.axis, (self.query, self.key), &level, layout);
        for (rect, place) in hits {
            layout.hit(rect, Hit::View((self.hit)(place)));
        }
        if let Some(list) = parts.list {
            self.list(buf, list);
        }
    }

    /// Returns the area of a picture in a panel's area.
    pub fn picture_area(area: Rect) -> Rect {
        let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
        // Room for the list of the largest weights.
        part(
            inner,
            0,
            0,
            inner.width,
            if inner.height >= 9 { inner.height - inner.height / 4 } else { inner.height },
        )
    }

    /// Draws the names of the heads that shade the text, each in its hue.
    fn names(&self, buf: &mut Buffer, area: Rect) {
        let mut x = area.x;
        for (at, (name, _)) in self.overlaid.iter().enumerate() {
            x = put(buf, area, x, area.y, &format!("■{name} "), self.theme.hue(at));
        }
    }

    /// Returns the name and hue of the head with the largest weight at a unit.
    fn strongest(&self, place: usize) -> Option<(&str, Style)> {
        let weight = |of: &(String, Vec<f32>)| of.1.get(place).copied().unwrap_or(0.0);
        let heads = self.overlaid.iter().enumerate();
        let (at, (name, _)) = heads.max_by(|a, b| weight(a.1).total_cmp(&weight(b.1)))?;
        Some((name, self.theme.hue(at)))
    }

    fn list(&self, buf: &mut Buffer, area: Rect) {
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
            let style = if self.key == Some(place) { self.theme.accent() } else { self.theme.text() };
            let x = put(buf, area, area.x, y, &fit_left(self.axis.label(place), labels), style);
            let mut x = put(buf, area, x + 1, y, &format!("{weight:.3} "), style);
            if let Some((name, hue)) = self.strongest(place) {
                x = put(buf, area, x, y, &format!("{name} "), hue);
            }
            let room = usize::from(area.right().saturating_sub(x)).min(40);
            put(buf, area, x, y, &bar(weight / full, room), self.theme.bar());
        }
    }
}

/// Splits an area for two panels: side by side, or stacked on a narrow screen.
pub fn halves(area: Rect) -> (Rect, Rect) {
    if area.width >= 60 {
        let left = area.width / 2;
        (part(area, 0, 0, left, area.height), part(area, left, 0, area.width - left, area.height))
    } else {
        let upper = area.height / 2;
        (part(area, 0, 0, area.width, upper), part(area, 0, upper, area.width, area.height - upper))
    }
}
