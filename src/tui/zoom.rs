//! Zoom and scrolling: the visible part of a map and the size of its cells.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

use crate::matrix::{cell_of, span_of};

/// Zoom level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoomStep {
    /// Each weight takes one row and the given number of columns.
    Cell(u16),
    /// Each weight takes one column and half a row, drawn with half blocks.
    Half,
    /// Half blocks that each cover the given number of queries and keys.
    Pool(usize),
    /// The whole map in the available area.
    Whole,
}

/// Zoom levels from large to small cells.
pub const STEPS: [ZoomStep; 15] = [
    ZoomStep::Cell(10),
    ZoomStep::Cell(8),
    ZoomStep::Cell(6),
    ZoomStep::Cell(5),
    ZoomStep::Cell(4),
    ZoomStep::Cell(3),
    ZoomStep::Cell(2),
    ZoomStep::Half,
    ZoomStep::Pool(2),
    ZoomStep::Pool(4),
    ZoomStep::Pool(8),
    ZoomStep::Pool(16),
    ZoomStep::Pool(32),
    ZoomStep::Pool(64),
    ZoomStep::Whole,
];

/// The last level whose cells have room for labels, as an index into [`STEPS`].
pub const SMALLEST_CELL: usize = 6;

/// The level that shows the whole map, as an index into [`STEPS`].
pub const WHOLE: usize = STEPS.len() - 1;

impl ZoomStep {
    /// Returns the number of screen columns per pixel.
    pub fn columns(self) -> u16 {
        match self {
            ZoomStep::Cell(columns) => columns,
            ZoomStep::Half | ZoomStep::Pool(_) | ZoomStep::Whole => 1,
        }
    }

    /// Returns the description shown on the screen.
    pub fn name(self) -> String {
        match self {
            ZoomStep::Cell(columns) => format!("{columns} columns per key"),
            ZoomStep::Half => "1 column per key".into(),
            ZoomStep::Pool(n) => format!("{n}×{n} weights per cell"),
            ZoomStep::Whole => "whole map".into(),
        }
    }
}

/// Visible part of a map, in positions of its axes, and its area on the screen.
///
/// A pixel is the unit that is drawn in one colour: a cell of the screen, several cells, or half a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Screen area of the map.
    pub area: Rect,
    /// Zoom level, an index into [`STEPS`].
    pub step: usize,
    /// Screen columns per pixel.
    pub columns: u16,
    /// Screen rows per pixel: more than 1 if there is room for tall cells; 1 with half blocks.
    pub lines: u16,
    /// Rows of pixels per screen row: 2 with half blocks, otherwise 1.
    pub stacked: usize,
    /// Visible queries.
    pub rows: Range<usize>,
    /// Visible keys.
    pub cols: Range<usize>,
    /// Number of rows and columns of pixels.
    pub pixels: (usize, usize),
}

/// Arguments of [`Window::new`].
#[derive(Clone, Debug)]
pub struct WindowRequest<'a> {
    /// Available screen area.
    pub room: Rect,
    /// Number of queries and keys.
    pub size: (usize, usize),
    /// Selected query and key, which stay visible.
    pub cursor: (usize, usize),
    /// Zoom level; `None` chooses one that fits.
    pub step: Option<usize>,
    /// True to draw two rows of pixels per screen row.
    pub half_blocks: bool,
    /// Window of the last frame. The new one scrolls away from it as little as possible.
    pub last: Option<&'a Window>,
}

impl Window {
    /// Computes the window for the available area.
    pub fn new(request: &WindowRequest) -> Self {
        let step = request.step.unwrap_or_else(|| fitting(request.room, request.size)).min(WHOLE);
        let size = STEPS.get(step).copied().unwrap_or(ZoomStep::Half);
        // A map of a text beside a recording has few rows, each of which gets a line of its own.
        let (rows, keys) = request.size;
        let flat = size == ZoomStep::Whole
            && rows <= usize::from(request.room.height)
            && keys > usize::from(request.room.width);
        let small = !matches!(size, ZoomStep::Cell(_)) && !flat;
        let stacked = if request.half_blocks && small { 2 } else { 1 };
        let columns = size.columns();
        let fits = (usize::from(request.room.height) * stacked, usize::from(request.room.width / columns));
        let last = request.last.filter(|last| last.step == step);
        let span = |len: usize, pixels: usize, cursor: usize, last: Option<usize>| {
            let covers = match size {
                ZoomStep::Pool(n) => n,
                ZoomStep::Whole => return (0..if pixels == 0 { 0 } else { len }, len.min(pixels)),
                _ => 1,
            };
            let shown = (pixels * covers).min(len);
            let margin = (shown / 8).min(3);
            // Keep the cursor visible with a small margin, and do not scroll beyond the end.
            let first = last.unwrap_or(0).min(cursor.saturating_sub(margin));
            let first = first.max((cursor + 1 + margin).saturating_sub(shown)).min(len - shown);
            (first..first + shown, shown.div_ceil(covers))
        };
        let (rows, down) = span(request.size.0, fits.0, request.cursor.0, last.map(|last| last.rows.start));
        let (cols, across) = span(request.size.1, fits.1, request.cursor.1, last.map(|last| last.cols.start));
        let lines = match size {
            // Terminal cells are about twice as high as wide: taller cells look nearly square.
            ZoomStep::Cell(columns @ 5..) if down > 0 => {
                (request.room.height / down as u16).clamp(1, if columns >= 8 { 3 } else { 2 })
            }
            _ => 1,
        };
        let area = Rect {
            width: (across * usize::from(columns)) as u16,
            height: down.div_ceil(stacked) as u16 * lines,
            ..request.room
        };
        Self { area, step, columns, lines, stacked, rows, cols, pixels: (down, across) }
    }

    /// Returns the same window in real pixels, at most one per weight, for screen cells of `cell` pixels
    /// (width, height). The second value is the number of painted pixel rows; the last screen row may be
    /// painted only in part.
    pub fn fine(&self, cell: (usize, usize)) -> (Self, usize) {
        let painted = self.pixels.0 * cell.1 / self.stacked.max(1);
        let width = usize::from(self.area.width) * cell.0;
        let pixels = (self.rows.len().min(painted), self.cols.len().min(width));
        (Self { pixels, ..self.clone() }, painted)
    }

    /// Returns the number of queries and keys that one pixel covers, rounded up.
    pub fn covers(&self) -> (usize, usize) {
        (
            self.rows.len().div_ceil(self.pixels.0.max(1)).max(1),
            self.cols.len().div_ceil(self.pixels.1.max(1)).max(1),
        )
    }

    /// Returns the rows of pixels in screen row `line` of the area.
    pub fn pixels_at(&self, line: u16) -> Range<usize> {
        let first = usize::from(line / self.lines.max(1)) * self.stacked;
        first..(first + self.stacked).min(self.pixels.0)
    }

    /// Returns the queries that a row of pixels covers.
    pub fn rows_of(&self, pixel: usize) -> Range<usize> {
        let span = span_of(pixel, self.rows.len(), self.pixels.0);
        self.rows.start + span.start..self.rows.start + span.end
    }

    /// Returns the keys that a column of pixels covers.
    pub fn cols_of(&self, pixel: usize) -> Range<usize> {
        let span = span_of(pixel, self.cols.len(), self.pixels.1);
        self.cols.start + span.start..self.cols.start + span.end
    }

    /// Returns the pixel (row, column) of a query and a key, if it is visible.
    pub fn pixel_of(&self, query: usize, key: usize) -> Option<(usize, usize)> {
        (self.rows.contains(&query) && self.cols.contains(&key)).then(|| {
            (
                cell_of(query - self.rows.start, self.rows.len(), self.pixels.0),
                cell_of(key - self.cols.start, self.cols.len(), self.pixels.1),
            )
        })
    }

    /// Returns the query and key at a position on the screen.
    pub fn places_at(&self, at: Position) -> Option<(usize, usize)> {
        if !self.area.contains(at) {
            return None;
        }
        let row = self.pixels_at(at.y - self.area.y).start;
        let col = usize::from((at.x - self.area.x) / self.columns.max(1));
        Some((self.rows_of(row).start, self.cols_of(col).start))
    }

    /// Returns the screen column of a visible key.
    pub fn x_of(&self, key: usize) -> u16 {
        let pixel = cell_of(key.saturating_sub(self.cols.start), self.cols.len(), self.pixels.1);
        self.area.x + pixel as u16 * self.columns
    }
}

/// Returns the largest zoom level at which all keys are visible. If even the smallest cells with labels do
/// not fit, it returns that level, and the map scrolls.
fn fitting(room: Rect, size: (usize, usize)) -> usize {
    (0..=SMALLEST_CELL)
        .find(|&step| {
            STEPS.get(step).is_some_and(|s| size.1 * usize::from(s.columns()) <= usize::from(room.width))
        })
        .unwrap_or(SMALLEST_CELL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(size: (usize, usize), cursor: (usize, usize), step: Option<usize>) -> WindowRequest<'static> {
        WindowRequest { room: Rect::new(10, 5, 60, 20), size, cursor, step, half_blocks: true, last: None }
    }

    #[test]
    fn a_small_map_gets_wide_cells() {
        let window = Window::new(&request((8, 9), (0, 0), None));
        assert_eq!((window.columns, window.rows.clone(), window.cols.clone()), (6, 0..8, 0..9));
        assert_eq!((window.lines, window.area), (2, Rect::new(10, 5, 54, 16)));
    }

    #[test]
    fn a_large_map_scrolls_to_the_cursor() {
        let window = Window::new(&request((100, 100), (50, 99), None));
        assert_eq!(window.columns, 2);
        assert!(window.rows.contains(&50) && window.cols.contains(&99));
        assert_eq!(window.cols, 70..100);
        let kept = Window::new(&WindowRequest { last: Some(&window), ..request((100, 100), (49, 90), None) });
        assert_eq!((kept.rows, kept.cols), (window.rows, window.cols));
    }

    #[test]
    fn pixels_and_places_agree() {
        let window = Window::new(&request((1000, 1000), (500, 500), Some(11)));
        for (query, key) in [(500, 500), (window.rows.start, window.cols.end - 1)] {
            let (row, col) = window.pixel_of(query, key).unwrap();
            assert!(window.rows_of(row).contains(&query) && window.cols_of(col).contains(&key));
        }
        assert_eq!(window.pixel_of(2000, 0), None);
    }

    #[test]
    fn the_whole_map_fills_the_room() {
        let window = Window::new(&request((1000, 500), (999, 0), Some(WHOLE)));
        assert_eq!((window.pixels, window.covers()), ((40, 60), (25, 9)));
        assert_eq!(window.places_at(Position::new(10, 5)), Some((0, 0)));
    }

    #[test]
    fn a_wide_map_of_few_rows_has_a_line_for_each() {
        let window = Window::new(&request((12, 1500), (0, 0), Some(WHOLE)));
        assert_eq!((window.stacked, window.pixels, window.area.height), (1, (12, 60), 12));
    }

    #[test]
    fn no_room_is_harmless() {
        let window =
            Window::new(&WindowRequest { room: Rect::new(0, 0, 0, 0), ..request((10, 10), (9, 9), None) });
        assert_eq!(window.pixels, (0, 0));
        assert_eq!(window.places_at(Position::new(0, 0)), None);
        let empty = Window::new(&request((0, 0), (0, 0), None));
        assert!(empty.area.is_empty());
    }
}
