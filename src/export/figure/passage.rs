//! Figure of a text whose tokens are shaded by the attention weight that they receive.

use super::picture::PicturePlate;
use super::{FigureStyle, MARGIN, SMALL, TITLE, TOKEN, bar, heading, heading_width, text};
use crate::axis::{AxisItem, PixelBox};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::export::font::Fonts;
use crate::export::labels::{Labels, item_label, model_title, site_title};
use crate::export::scene::{Area, Color, Scene, Shape};
use crate::paint::ink;
use crate::site::{Head, Kind};

/// Width at which lines are broken.
const WIDTH: f32 = 640.0;
const SIZE: f32 = TOKEN + 2.0;
const LINE: f32 = 30.0;
const PAD: f32 = 4.0;

pub fn scene(
    capture: &Capture,
    head: Head,
    query: Option<usize>,
    style: &FigureStyle,
    fonts: &Fonts,
) -> Result<Scene> {
    let kind = head.kind();
    let weights = weights(capture, head, query)?;
    let labels = Labels::of(capture, kind).queries;
    let remark = match query.and_then(|at| Some((at, labels.get(at)?))) {
        Some((at, label)) => format!("attention of query {at} ({label})"),
        None => "mean weight that each token receives".to_string(),
    };
    let window = query.and_then(|at| capture.window(head.site, at));
    let remark = match window {
        Some(window) => {
            format!("{remark} · within its windows: {} of {} patches", window.len(), capture.keys(kind).len())
        }
        None if capture.has_windows(kind) => format!("{remark} · within windows"),
        None => remark,
    };
    let title = format!("{}, head {}", site_title(kind, head.layer()), head.head);
    let (mut shapes, top) = heading(&title, &format!("{} · {remark}", model_title(capture)), style);
    let largest = weights.iter().copied().fold(0.0, f32::max);
    let seen = query.filter(|_| kind == Kind::Decoder).map_or(weights.len(), |query| query + 1);
    let shades = weights.iter().map(|&w| style.scale.unit(w, style.scale.top(largest, largest, seen)));
    let levels: Vec<f32> = shades.collect();

    let mut page = Page { style, fonts, y: top + 14.0, right: 0.0, shapes: Vec::new() };
    let self_attention = kind != Kind::Cross;
    page.caption(if kind == Kind::Decoder { "fed to the decoder" } else { "source" });
    let keys = capture.keys(kind);
    let marked = query.filter(|_| self_attention);
    match PicturePlate::of(capture).filter(|_| kind != Kind::Decoder) {
        Some(plate) => {
            let window = query.and_then(|at| capture.window_place(head.site, at));
            page.picture(&plate, (keys, window), &levels, marked);
        }
        None => page.shaded(keys, &levels, marked),
    }
    if !self_attention {
        page.caption("fed to the decoder");
        page.tokens(capture.queries(kind), &vec![None; labels.len()], query);
    }
    let (bottom, right) = (page.y, page.right);
    shapes.extend(page.shapes);
    shapes.extend(bar::upright(right + 24.0, top + 20.0, 90.0, largest, style));
    Ok(Scene {
        width: (right + 24.0 + bar::WIDTH).max(heading_width(&shapes[..2], fonts)) + MARGIN,
        height: bottom.max(top + 120.0) + MARGIN,
        background: style.theme.background(),
        description: format!("{title} of {}: {remark}", capture.model),
        shapes,
    })
}

/// Returns one weight per key: the query's row or, for `None`, the mean over the rows that can attend to the
/// key.
fn weights(capture: &Capture, head: Head, query: Option<usize>) -> Result<Vec<f32>> {
    let map = capture.map(head)?;
    if let Some(query) = query {
        if query >= map.rows() {
            return Err(Error::NoSuchHead(format!(
                "{head} has queries 0 to {}, not {query}",
                map.rows().saturating_sub(1)
            )));
        }
        return Ok(map.row(query).to_vec());
    }
    let rows_seeing =
        |key: usize| if head.kind() == Kind::Decoder { map.rows().saturating_sub(key) } else { map.rows() };
    let mut means = vec![0.0; map.cols()];
    for i in 0..map.rows() {
        means.iter_mut().zip(map.row(i)).for_each(|(mean, weight)| *mean += weight);
    }
    means.iter_mut().enumerate().for_each(|(key, mean)| *mean /= rows_seeing(key).max(1) as f32);
    Ok(means)
}

/// Lays out tokens in lines.
struct Page<'a> {
    style: &'a FigureStyle,
    fonts: &'a Fonts,
    /// Baseline of the next line.
    y: f32,
    /// Right edge of the longest line so far.
    right: f32,
    shapes: Vec<Shape>,
}

impl Page<'_> {
    fn caption(&mut self, caption: &str) {
        self.y += 4.0;
        self.shapes.push(text(MARGIN, self.y, SMALL, self.style.theme.dim(), caption));
        self.y += LINE - 4.0;
    }

    /// Draws a picture with levels over its patches, and class tokens below. `window` has an outline.
    fn picture(
        &mut self,
        plate: &PicturePlate,
        (items, window): (&[AxisItem], Option<PixelBox>),
        levels: &[f32],
        marked: Option<usize>,
    ) {
        let corner = [MARGIN, self.y - TITLE];
        let placed = items.iter().zip(levels).filter_map(|(item, &level)| Some((item.place()?, level)));
        let placed: Vec<_> = placed.collect();
        self.shapes.push(Shape::Bitmap(plate.bitmap(&placed, self.style, corner)));
        if let Some(bounds) = window {
            self.shapes.push(Shape::Outline(plate.area(bounds, corner), self.style.theme.background()));
        }
        if let Some(place) = marked.and_then(|at| items.get(at)?.place()) {
            self.shapes.push(Shape::Outline(plate.area(place, corner), self.style.theme.accent()));
        }
        self.right = self.right.max(MARGIN + plate.size[0]);
        self.y += plate.size[1] + LINE - TITLE;
        let class = items.iter().zip(levels).filter(|(item, _)| item.place().is_none());
        let (class, levels): (Vec<_>, Vec<_>) = class.map(|(item, &level)| (item.clone(), level)).unzip();
        if !class.is_empty() {
            self.shaded(&class, &levels, None);
        }
    }

    /// Lays out tokens, each in the colour of its level.
    fn shaded(&mut self, tokens: &[AxisItem], levels: &[f32], marked: Option<usize>) {
        let colors: Vec<_> = levels.iter().map(|&level| Some(self.style.colormap.color(level))).collect();
        self.tokens(tokens, &colors, marked);
    }

    fn tokens(&mut self, tokens: &[AxisItem], colors: &[Option<Color>], marked: Option<usize>) {
        let mut x = MARGIN;
        for (at, (token, color)) in tokens.iter().zip(colors).enumerate() {
            let label = item_label(token);
            let width = self.fonts.width(&label, SIZE) + 2.0 * PAD;
            if at > 0 && crate::text::starts_word(&token.piece) {
                x += 4.0;
            }
            if x + width > MARGIN + WIDTH && x > MARGIN {
                x = MARGIN;
                self.y += LINE;
            }
            let area = Area { x, y: self.y - TITLE - 1.0, width, height: TITLE + 8.0 };
            if let &Some(color) = color {
                self.shapes.push(Shape::Fill(area, color));
            }
            let plain = if token.special { self.style.theme.dim() } else { self.style.theme.ink() };
            self.shapes.push(text(x + PAD, self.y, SIZE, color.map_or(plain, ink), &label));
            if marked == Some(at) {
                self.shapes.push(Shape::Outline(area, self.style.theme.accent()));
            }
            x += width + 1.0;
            self.right = self.right.max(x);
        }
        self.y += LINE;
    }
}
