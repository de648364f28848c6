//! A picture with weights over its patches: true pixels where the terminal has them, or else half blocks in
//! colour, glyphs without.

use std::rc::Rc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cells::{fit, part, put, width};
use crate::axis::{AxisItem, PixelBox};
use crate::capture::Capture;
use crate::image::RgbPicture;
use crate::paint::overlay;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, LitPicture, Picture};
use crate::tui::palette::Rgb;
use crate::tui::pixels::PixelGraphics;
use crate::tui::reading::Axis;
use crate::tui::theme::Theme;

/// Lines below the picture: class tokens, and the place of the selected patch.
const BELOW: u16 = 2;

/// The picture that the patches of a source are parts of.
pub struct SourcePicture<'a> {
    /// Items of the source.
    items: &'a [AxisItem],
    /// Width and height of the picture.
    size: [f64; 2],
    /// The picture with a pixel for each half of a cell; `None` if the capture does not hold it.
    scaled: Option<Rc<RgbPicture>>,
    /// Its cells, from the top left corner of the area on.
    cells: [u16; 2],
    theme: &'a Theme,
    /// Graphics to draw it with in place of cells; `None` for cells.
    graphics: Option<PixelGraphics>,
    /// True if the lines below it are drawn.
    captioned: bool,
    /// Rectangle around the windows of the selected patch, drawn as a frame.
    window: Option<PixelBox>,
}

/// Returns true if the source of a capture consists of patches.
pub fn is_picture(capture: &Capture) -> bool {
    capture.source.items.iter().any(|item| item.place().is_some())
}

/// Returns the lines that the picture of a capture and what is below it take in an area.
pub fn lines(capture: &Capture, area: Rect) -> u16 {
    cells(size(capture), area)[1] + BELOW
}

impl<'a> SourcePicture<'a> {
    /// Prepares the picture of the capture for an area; `None` if its source is no picture.
    pub fn new(app: &'a App, cache: &mut Cache, area: Rect) -> Option<Self> {
        let capture = app.capture.as_ref().filter(|capture| is_picture(capture))?;
        let items = &capture.source.items;
        let size = size(capture);
        let cells = cells(size, area);
        let graphics = app.shows_pixels().then_some(app.pixels);
        let scaled = match app.theme.draws_glyphs() || graphics.is_some() {
            true => None,
            false => cache.picture(app, [usize::from(cells[0]), 2 * usize::from(cells[1])]),
        };
        Some(Self { items, size, scaled, cells, theme: &app.theme, graphics, captioned: true, window: None })
    }

    /// Prepares the picture in cells alone, without lines below it, to be drawn several times.
    pub fn small(app: &'a App, cache: &mut Cache, area: Rect) -> Option<Self> {
        let capture = app.capture.as_ref().filter(|capture| is_picture(capture))?;
        let size = size(capture);
        let cells = cells(size, Rect { height: area.height.saturating_add(BELOW), ..area });
        let scaled = match app.theme.draws_glyphs() {
            true => None,
            false => cache.picture(app, [usize::from(cells[0]), 2 * usize::from(cells[1])]),
        };
        let items = &capture.source.items;
        let theme = &app.theme;
        Some(Self { items, size, scaled, cells, theme, graphics: None, captioned: false, window: None })
    }

    /// The same picture with a frame around a rectangle of it, where there are colours.
    pub fn with_window(self, window: Option<PixelBox>) -> Self {
        Self { window, ..self }
    }

    /// Number of lines that the picture and what is below it take.
    pub fn height(&self) -> u16 {
        self.cells[1] + BELOW
    }

    /// Draws the picture. `level` returns the weight of a unit of `axis`, scaled to `0..=1`, or `None` where
    /// weights shade nothing. Returns the cells of each unit.
    pub fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        axis: &Axis,
        (query, key): (Option<usize>, Option<usize>),
        level: &dyn Fn(usize) -> Option<f32>,
        layout: &mut Layout,
    ) -> Vec<(Rect, usize)> {
        let theme = self.theme;
        let cells = part(area, 0, 0, self.cells[0], self.cells[1]);
        if cells.is_empty() {
            return Vec::new();
        }
        let raster = self.raster(axis, cells);
        let levels: Vec<Option<f32>> = (0..axis.len()).map(level).collect();
        let level = |place: Option<usize>| place.and_then(|place| levels.get(place).copied().flatten());
        if theme.draws_glyphs() {
            glyphs(buf, cells, &raster, level, (query, key), theme);
        } else if self.graphics.is_some_and(|graphics| graphics.take(cells, buf.area)) {
            let patch = |place: usize| self.patch(axis, place);
            let patches = (0..axis.len()).filter_map(|place| Some((patch(place)?, level(Some(place)))));
            layout.pictures.push(Picture::Source(LitPicture {
                area: cells,
                size: self.size,
                patches: patches.collect(),
                key: key.and_then(patch),
                query: query.and_then(patch),
                window: self.window,
            }));
        } else {
            self.half_blocks(buf, cells, &raster, level, (query, key));
        }
        let mut hits = match self.captioned {
            true => self.below(buf, area, axis, (query, key), &|place| level(Some(place))),
            false => Vec::new(),
        };
        for y in 0..cells.height {
            let row = &raster[usize::from(2 * y) * usize::from(cells.width)..][..usize::from(cells.width)];
            for (x, place) in row.iter().enumerate() {
                hits.extend(place.map(|place| (part(cells, x as u16, y, 1, 1), place)));
            }
        }
        hits
    }

    /// Returns the unit under each half of a cell, `[2 * height, width]`.
    fn raster(&self, axis: &Axis, cells: Rect) -> Vec<Option<usize>> {
        let (width, height) = (usize::from(cells.width), 2 * usize::from(cells.height));
        let mut raster = vec![None; width * height];
        for place in 0..axis.len() {
            let Some(patch) = self.patch(axis, place) else { continue };
            let [columns, rows] = self.span(patch, [width, height]);
            for y in rows {
                raster[y * width..][columns.clone()].fill(Some(place));
            }
        }
        raster
    }

    fn patch(&self, axis: &Axis, place: usize) -> Option<PixelBox> {
        self.items.get(axis.token_of(place)).filter(|_| place < axis.len())?.place()
    }

    /// Returns the columns and rows of a raster whose middles are in a rectangle of the picture; at least one
    /// of each.
    fn span(&self, patch: PixelBox, raster: [usize; 2]) -> [std::ops::Range<usize>; 2] {
        let along = |axis: usize, from: f64, length: f64| {
            let scale = raster[axis] as f64 / self.size[axis].max(1.0);
            let at = |place: f64| (place * scale).round().clamp(0.0, raster[axis] as f64) as usize;
            let first = at(from).min(raster[axis].saturating_sub(1));
            first..at(from + length).max(first + 1)
        };
        [along(0, patch.x, patch.w), along(1, patch.y, patch.h)]
    }

    fn half_blocks(
        &self,
        buf: &mut Buffer,
        cells: Rect,
        raster: &[Option<usize>],
        level: impl Fn(Option<usize>) -> Option<f32>,
        (query, key): (Option<usize>, Option<usize>),
    ) {
        let (theme, width) = (self.theme, usize::from(cells.width));
        let paper = theme.paper();
        let color = |x: usize, y: usize| {
            let own = self.scaled.as_ref().map_or(paper, |scaled| scaled.pixel(x, y));
            let place = raster.get(y * width + x).copied().flatten();
            level(place).map_or(own, |level| overlay(own, theme.weight_color(level), level))
        };
        let mut pixels: Vec<Rgb> = (0..2 * usize::from(cells.height))
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| color(x, y))
            .collect();
        if let Some(window) = self.window {
            let [columns, rows] = self.span(window, [width, 2 * usize::from(cells.height)]);
            let inside = |x: usize, y: usize| columns.contains(&x) && rows.contains(&y);
            outline(&mut pixels, width, inside, theme.palette.bar);
        }
        for (place, frame) in [(key, theme.palette.selected_ground), (query, theme.palette.accent)] {
            if let Some(place) = place {
                outline(&mut pixels, width, |x, y| raster[y * width + x] == Some(place), frame);
            }
        }
        for y in 0..cells.height {
            for x in 0..cells.width {
                let at = |half: usize| pixels[(2 * usize::from(y) + half) * width + usize::from(x)];
                if let Some(cell) = buf.cell_mut((cells.x + x, cells.y + y)) {
                    cell.reset();
                    cell.set_char('▀').set_fg(theme.rgb(at(0))).set_bg(theme.rgb(at(1)));
                }
            }
        }
    }

    /// Draws class tokens and padding with their weights, and the place of the selected patch. Returns the
    /// cells of the tokens.
    fn below(
        &self,
        buf: &mut Buffer,
        area: Rect,
        axis: &Axis,
        (query, key): (Option<usize>, Option<usize>),
        level: &dyn Fn(usize) -> Option<f32>,
    ) -> Vec<(Rect, usize)> {
        let theme = self.theme;
        let mut hits = Vec::new();
        let line =
            part(area, 0, self.cells[1], area.width, BELOW.min(area.height.saturating_sub(self.cells[1])));
        if line.height == 0 {
            return hits;
        }
        let mut x = line.x;
        for place in 0..axis.len() {
            let item = self.items.get(axis.token_of(place));
            if !item.is_some_and(|item| item.special && item.place().is_none()) || x + 8 > line.right() {
                continue;
            }
            let mut style = level(place).map_or(theme.text(), |level| theme.shaded_text(level));
            if query == Some(place) || key == Some(place) {
                style = theme.selected();
            }
            let label = axis.label(place);
            let from = x;
            x = put(buf, line, x, line.y, label, style);
            hits.push((Rect::new(from, line.y, x - from, 1), place));
            x = put(buf, line, x, line.y, " ", theme.text());
        }
        let selected = query.or(key).and_then(|place| self.patch(axis, place));
        if let Some(patch) = selected.filter(|_| line.height > 1) {
            let wordings = in_words(patch, self.size, self.items);
            let room = usize::from(line.width);
            let words = wordings.iter().find(|words| width(words) <= room).unwrap_or(&wordings[2]);
            put(buf, line, line.x, line.y + 1, &fit(words, room), theme.dim());
        }
        hits
    }
}

/// Returns the width and height of a capture's picture, or those that its patches reach to.
pub fn size(capture: &Capture) -> [f64; 2] {
    if let Some(size) = capture.media.as_ref().and_then(|media| media.size) {
        return size.map(|side| side.max(1) as f64);
    }
    let places = capture.source.items.iter().filter_map(AxisItem::place);
    places.fold([1.0, 1.0], |[width, height], place| {
        [f64::max(width, place.x + place.w), f64::max(height, place.y + place.h)]
    })
}

/// Returns the columns and lines of the largest picture of these proportions in an area, with room below. A
/// cell is twice as high as it is wide.
fn cells(size: [f64; 2], area: Rect) -> [u16; 2] {
    let (width, height) = (f64::from(area.width), f64::from(area.height.saturating_sub(BELOW)));
    let scale = (width / size[0]).min(2.0 * height / size[1]);
    let columns = (size[0] * scale).round().clamp(1.0, width.max(1.0));
    let lines = (size[1] * scale / 2.0).round().clamp(1.0, height.max(1.0));
    [columns as u16, lines as u16]
}

/// Describes the place of a patch: its row and column among the patches, the part of the picture, its pixels; the
/// longest wording first.
fn in_words(patch: PixelBox, size: [f64; 2], items: &[AxisItem]) -> [String; 3] {
    let places = || items.iter().filter_map(AxisItem::place);
    let number = |of: fn(PixelBox) -> f64| {
        let mut all: Vec<f64> = places().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        (all.iter().position(|&at| at == of(patch)).map_or(0, |at| at + 1), all.len())
    };
    let ((row, rows), (column, columns)) = (number(|place| place.y), number(|place| place.x));
    let [x, y] = patch.centre();
    let third = |at: f64, side: f64| ((3.0 * at / side.max(1.0)) as usize).min(2);
    let part = match (third(y, size[1]), third(x, size[0])) {
        (1, 1) => "middle",
        (0, 0) => "upper left",
        (0, 1) => "top",
        (0, _) => "upper right",
        (1, 0) => "left",
        (1, _) => "right",
        (_, 0) => "lower left",
        (_, 1) => "bottom",
        (_, _) => "lower right",
    };
    let [right, bottom] = [patch.x + patch.w, patch.y + patch.h];
    let pixels = format!("pixels {:.0}–{right:.0} × {:.0}–{bottom:.0}", patch.x, patch.y);
    let grid = format!("row {row} of {rows}, column {column} of {columns}");
    [format!("{grid}, {part}: {pixels}"), format!("{grid}: {pixels}"), pixels]
}

/// Draws a frame around the pixels that are `inside`.
fn outline(pixels: &mut [Rgb], width: usize, inside: impl Fn(usize, usize) -> bool, color: Rgb) {
    let height = pixels.len() / width.max(1);
    let inside = |x: usize, y: usize| x < width && y < height && inside(x, y);
    let touches = |x: usize, y: usize| {
        let around = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        around.into_iter().any(|(x, y)| inside(x, y))
    };
    for y in 0..height {
        for x in 0..width {
            if !inside(x, y) && touches(x, y) {
                pixels[y * width + x] = color;
            }
        }
    }
}

/// Draws weights as glyphs; the selected units are reversed.
fn glyphs(
    buf: &mut Buffer,
    cells: Rect,
    raster: &[Option<usize>],
    level: impl Fn(Option<usize>) -> Option<f32>,
    (query, key): (Option<usize>, Option<usize>),
    theme: &Theme,
) {
    let width = usize::from(cells.width);
    for y in 0..cells.height {
        for x in 0..cells.width {
            let halves = [0, 1].map(|half| raster[(2 * usize::from(y) + half) * width + usize::from(x)]);
            let strongest = halves.into_iter().filter_map(&level).fold(0.0, f32::max);
            let glyph = theme.shade(strongest).glyph;
            let selected = halves.iter().any(|place| place.is_some() && (*place == query || *place == key));
            let (glyph, style) = match (glyph, selected) {
                (glyph, true) => (glyph, theme.selected()),
                (' ', false) => ('·', theme.line()),
                (glyph, false) => (glyph, theme.text()),
            };
            put(buf, cells, cells.x + x, cells.y + y, &glyph.to_string(), style);
        }
    }
}

/// Returns the unit that a movement leads to from unit `now` in two dimensions; `None` if the movement has no
/// meaning there. Class tokens lie above the patches.
pub fn moved(items: &[AxisItem], axis: &Axis, now: usize, motion: Motion) -> Option<usize> {
    let place = |unit: usize| items.get(axis.token_of(unit)).and_then(AxisItem::place);
    let patches = || (0..axis.len()).filter_map(|unit| Some((unit, place(unit)?.centre())));
    let first = || patches().next().map(|(unit, _)| unit);
    let last = axis.len().saturating_sub(1);
    let step = match motion {
        Motion::Left => [-1.0, 0.0],
        Motion::Right => [1.0, 0.0],
        Motion::Up => [0.0, -1.0],
        Motion::Down => [0.0, 1.0],
        Motion::FirstKey | Motion::FirstQuery => return Some(0),
        Motion::LastKey | Motion::LastQuery => return Some(last),
        _ => return None,
    };
    let Some(patch) = place(now) else {
        let back = motion == Motion::Left || motion == Motion::Up;
        return Some(if back { now.saturating_sub(1) } else { (now + 1).min(last) });
    };
    let [x, y] = patch.centre();
    let ahead = patches().filter_map(|(unit, [to_x, to_y])| {
        let (along, across) = match step[0] == 0.0 {
            true => ((to_y - y) * step[1], (to_x - x).abs()),
            false => ((to_x - x) * step[0], (to_y - y).abs()),
        };
        // Rounded corners must not make a neighbour in the same line count as ahead.
        (along > 0.1).then_some((unit, along + 4.0 * across))
    });
    let nearest = ahead.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(unit, _)| unit);
    let above = || first().and_then(|first| first.checked_sub(1)).filter(|_| motion == Motion::Up);
    Some(nearest.or_else(above).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::reading::Reading;

    #[test]
    fn movements_follow_the_grid() {
        let items = AxisItem::picture(2, 3);
        let axis = Axis::new(&items, &Reading::default());
        let to = |now, motion| moved(&items, &axis, now, motion).unwrap();
        assert_eq!([to(1, Motion::Right), to(1, Motion::Down), to(5, Motion::Up)], [2, 4, 2]);
        assert_eq!([to(3, Motion::Right), to(4, Motion::Left), to(6, Motion::Down)], [3, 4, 6]);
        assert_eq!([to(2, Motion::Up), to(0, Motion::Down), to(0, Motion::Up)], [0, 1, 0]);
        assert_eq!([to(3, Motion::FirstKey), to(3, Motion::LastKey)], [0, 6]);
        assert_eq!(moved(&items, &axis, 3, Motion::PageDown), None);
    }

    #[test]
    fn a_place_is_said_in_words() {
        let items = AxisItem::picture(2, 3);
        let words = in_words(items[6].place().unwrap(), [30.0, 40.0], &items);
        assert_eq!(words[0], "row 2 of 2, column 3 of 3, lower right: pixels 20–30 × 20–40");
        assert_eq!(words[1..], ["row 2 of 2, column 3 of 3: pixels 20–30 × 20–40", "pixels 20–30 × 20–40"]);
    }

    #[test]
    fn pictures_keep_their_proportions() {
        assert_eq!(cells([320.0, 32.0], Rect::new(0, 0, 80, 20)), [80, 4]);
        assert_eq!(cells([100.0, 200.0], Rect::new(0, 0, 80, 22)), [20, 20]);
        assert_eq!(cells([1.0, 1.0], Rect::new(0, 0, 0, 0)), [1, 1]);
    }
}
