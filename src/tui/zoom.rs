//! Which part of a map shows, and how large.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

use crate::matrix::{cell_of, span_of};

/// How large a weight is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One row and so many columns for each weight.
    Cell(u16),
    /// Two rows of weights in one row of the screen, one column each (half blocks).
    Half,
    /// As half blocks, each covering so many queries and keys.
    Pool(usize),
    /// The whole map in the room there is.
    Whole,
}

/// The zoom steps from near to far.
pub const STEPS: [Step; 15] = [
    Step::Cell(10),
    Step::Cell(8),
    Step::Cell(6),
    Step::Cell(5),
    Step::Cell(4),
    Step::Cell(3),
    Step::Cell(2),
    Step::Half,
    Step::Pool(2),
    Step::Pool(4),
    Step::Pool(8),
    Step::Pool(16),
    Step::Pool(32),
    Step::Pool(64),
    Step::Whole,
];

/// The farthest step that still gives a weight a cell with room for a label.
pub const SMALLEST_CELL: usize = 6;

/// The step that shows the whole map.
pub const WHOLE: usize = STEPS.len() - 1;

impl Step {
    /// Columns of the screen that one pixel takes.
    pub fn columns(self) -> u16 {
        match self {
            Step::Cell(columns) => columns,
            Step::Half | Step::Pool(_) | Step::Whole => 1,
        }
    }

    /// What the step is called on the screen.
    pub fn name(self) -> String {
        match self {
            Step::Cell(columns) => format!("{columns} columns a key"),
            Step::Half => "1 column a key".into(),
            Step::Pool(n) => format!("{n}×{n} weights a cell"),
            Step::Whole => "the whole map".into(),
        }
    }
}

/// The part of a map that shows, in places of its axes, and the cells it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The cells of the map on the screen.
    pub area: Rect,
    /// Index into [`STEPS`].
    pub step: usize,
    /// Columns of the screen a pixel.
    pub columns: u16,
    /// Rows of the screen a pixel, where there is room for tall cells; 1 with half blocks.
    pub lines: u16,
    /// Rows of pixels in one row of the screen: 2 with half blocks.
    pub stacked: usize,
    /// Query places that show.
    pub rows: Range<usize>,
    /// Key places that show.
    pub cols: Range<usize>,
    /// Rows and columns of pixels.
    pub pixels: (usize, usize),
}

/// What a window is made of.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The room there is.
    pub room: Rect,
    /// Places on the queries' and the keys' axis.
    pub size: (usize, usize),
    /// The selected places, which always show.
    pub cursor: (usize, usize),
    /// The chosen step, or `None` for the one that fits.
    pub step: Option<usize>,
    /// Whether two rows of pixels share a row of the screen.
    pub half_blocks: bool,
    /// The window of the last frame, from which this one scrolls as little as possible.
    pub last: Option<&'a Window>,
}

impl Window {
    /// The window that a view shows.
    pub fn new(view: &View) -> Self {
        let step = view.step.unwrap_or_else(|| fitting(view.room, view.size)).min(WHOLE);
        let size = STEPS.get(step).copied().unwrap_or(Step::Half);
        let stacked = if view.half_blocks && !matches!(size, Step::Cell(_)) { 2 } else { 1 };
        let columns = size.columns();
        let fits = (usize::from(view.room.height) * stacked, usize::from(view.room.width / columns));
        let last = view.last.filter(|last| last.step == step);
        let span = |len: usize, pixels: usize, cursor: usize, last: Option<usize>| {
            let covers = match size {
                Step::Pool(n) => n,
                Step::Whole => return (0..if pixels == 0 { 0 } else { len }, len.min(pixels)),
                _ => 1,
            };
            let shown = (pixels * covers).min(len);
            let margin = (shown / 8).min(3);
            // the cursor shows, with a little room around it, and nothing beyond the end does
            let first = last.unwrap_or(0).min(cursor.saturating_sub(margin));
            let first = first.max((cursor + 1 + margin).saturating_sub(shown)).min(len - shown);
            (first..first + shown, shown.div_ceil(covers))
        };
        let (rows, down) = span(view.size.0, fits.0, view.cursor.0, last.map(|last| last.rows.start));
        let (cols, across) = span(view.size.1, fits.1, view.cursor.1, last.map(|last| last.cols.start));
        let lines = match size {
            // as square as cells of a terminal get, about twice as high as wide
            Step::Cell(columns @ 5..) if down > 0 => {
                (view.room.height / down as u16).clamp(1, if columns >= 8 { 3 } else { 2 })
            }
            _ => 1,
        };
        let area = Rect {
            width: (across * usize::from(columns)) as u16,
            height: down.div_ceil(stacked) as u16 * lines,
            ..view.room
        };
        Self { area, step, columns, lines, stacked, rows, cols, pixels: (down, across) }
    }

    /// The same window in true pixels, with cells of so many across and down: at most one a weight. With it the rows of
    /// pixels of the screen that are painted, which end in the middle of a cell where half blocks would.
    pub fn fine(&self, cell: (usize, usize)) -> (Self, usize) {
        let painted = self.pixels.0 * cell.1 / self.stacked.max(1);
        let width = usize::from(self.area.width) * cell.0;
        let pixels = (self.rows.len().min(painted), self.cols.len().min(width));
        (Self { pixels, ..self.clone() }, painted)
    }

    /// Queries and keys that one pixel covers, rounded up.
    pub fn covers(&self) -> (usize, usize) {
        (
            self.rows.len().div_ceil(self.pixels.0.max(1)).max(1),
            self.cols.len().div_ceil(self.pixels.1.max(1)).max(1),
        )
    }

    /// The rows of pixels in a row of the screen within the area.
    pub fn pixels_at(&self, line: u16) -> Range<usize> {
        let first = usize::from(line / self.lines.max(1)) * self.stacked;
        first..(first + self.stacked).min(self.pixels.0)
    }

    /// The query places of a row of pixels.
    pub fn rows_of(&self, pixel: usize) -> Range<usize> {
        let span = span_of(pixel, self.rows.len(), self.pixels.0);
        self.rows.start + span.start..self.rows.start + span.end
    }

    /// The key places of a column of pixels.
    pub fn cols_of(&self, pixel: usize) -> Range<usize> {
        let span = span_of(pixel, self.cols.len(), self.pixels.1);
        self.cols.start + span.start..self.cols.start + span.end
    }

    /// The pixel of a pair of places, where it shows.
    pub fn pixel_of(&self, query: usize, key: usize) -> Option<(usize, usize)> {
        (self.rows.contains(&query) && self.cols.contains(&key)).then(|| {
            (
                cell_of(query - self.rows.start, self.rows.len(), self.pixels.0),
                cell_of(key - self.cols.start, self.cols.len(), self.pixels.1),
            )
        })
    }

    /// The places under a position on the screen.
    pub fn places_at(&self, at: Position) -> Option<(usize, usize)> {
        if !self.area.contains(at) {
            return None;
        }
        let row = self.pixels_at(at.y - self.area.y).start;
        let col = usize::from((at.x - self.area.x) / self.columns.max(1));
        Some((self.rows_of(row).start, self.cols_of(col).start))
    }

    /// The screen's column of a key place that shows.
    pub fn x_of(&self, key: usize) -> u16 {
        let pixel = cell_of(key.saturating_sub(self.cols.start), self.cols.len(), self.pixels.1);
        self.area.x + pixel as u16 * self.columns
    }
}

/// The nearest step at which all keys show, or else the smallest one with labels: the map then scrolls.
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

    fn view(size: (usize, usize), cursor: (usize, usize), step: Option<usize>) -> View<'static> {
        View { room: Rect::new(10, 5, 60, 20), size, cursor, step, half_blocks: true, last: None }
    }

    #[test]
    fn a_small_map_gets_wide_cells() {
        let window = Window::new(&view((8, 9), (0, 0), None));
        assert_eq!((window.columns, window.rows.clone(), window.cols.clone()), (6, 0..8, 0..9));
        assert_eq!((window.lines, window.area), (2, Rect::new(10, 5, 54, 16)));
    }

    #[test]
    fn a_large_map_scrolls_to_the_cursor() {
        let window = Window::new(&view((100, 100), (50, 99), None));
        assert_eq!(window.columns, 2);
        assert!(window.rows.contains(&50) && window.cols.contains(&99));
        assert_eq!(window.cols, 70..100);
        let kept = Window::new(&View { last: Some(&window), ..view((100, 100), (49, 90), None) });
        assert_eq!((kept.rows, kept.cols), (window.rows, window.cols));
    }

    #[test]
    fn pixels_and_places_agree() {
        let window = Window::new(&view((1000, 1000), (500, 500), Some(11)));
        for (query, key) in [(500, 500), (window.rows.start, window.cols.end - 1)] {
            let (row, col) = window.pixel_of(query, key).unwrap();
            assert!(window.rows_of(row).contains(&query) && window.cols_of(col).contains(&key));
        }
        assert_eq!(window.pixel_of(2000, 0), None);
    }

    #[test]
    fn the_whole_map_fills_the_room() {
        let window = Window::new(&view((1000, 500), (999, 0), Some(WHOLE)));
        assert_eq!((window.pixels, window.covers()), ((40, 60), (25, 9)));
        assert_eq!(window.places_at(Position::new(10, 5)), Some((0, 0)));
    }

    #[test]
    fn no_room_is_harmless() {
        let window = Window::new(&View { room: Rect::new(0, 0, 0, 0), ..view((10, 10), (9, 9), None) });
        assert_eq!(window.pixels, (0, 0));
        assert_eq!(window.places_at(Position::new(0, 0)), None);
        let empty = Window::new(&view((0, 0), (0, 0), None));
        assert!(empty.area.is_empty());
    }
}
