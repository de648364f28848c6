//! Key labels above a map.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::cells::{fit, grapheme_width, put, width};
use crate::tui::reading::Axis;
use crate::tui::theme::Theme;
use crate::tui::zoom::Window;

/// Layout of the key labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelLayout {
    /// Horizontal labels on several levels. Holds the level of each visible label: 0 is next to the map, and
    /// a label on a higher level has a line down to its column.
    Level(Vec<usize>),
    /// Vertical labels, one character per row.
    Vertical,
    /// Only as many labels as there is room for.
    Sparse,
    /// Round times above frames of a recording.
    Ruler,
}

/// Maximum width of a label in columns.
const LONGEST: usize = 14;

/// Chooses the layout for the visible keys. Returns it with its height, at most `rows`.
pub fn layout(axis: &Axis, window: &Window, rows: u16) -> (LabelLayout, u16) {
    if rows == 0 || window.cols.is_empty() {
        return (LabelLayout::Sparse, rows.min(1));
    }
    if axis.is_timed() {
        return (LabelLayout::Ruler, 1);
    }
    if window.columns < 2 {
        return (LabelLayout::Sparse, 1);
    }
    let columns = usize::from(window.columns);
    let labels: Vec<usize> =
        window.cols.clone().map(|key| width(axis.label(key)).clamp(1, LONGEST)).collect();
    let mut levels = vec![0usize; labels.len()];
    for at in (0..labels.len()).rev() {
        let covered = (labels.get(at).copied().unwrap_or(1) / columns).min(labels.len() - 1 - at);
        let above = levels.get(at + 1..=at + covered).and_then(|levels| levels.iter().max());
        let level = above.map_or(0, |level| level + 1);
        if let Some(slot) = levels.get_mut(at) {
            *slot = level;
        }
    }
    let highest = levels.iter().max().copied().unwrap_or(0);
    if highest < usize::from(rows.min(5)) {
        return (LabelLayout::Level(levels), highest as u16 + 1);
    }
    let letters = window.cols.clone().map(|key| axis.label(key).graphemes(true).count()).max().unwrap_or(1);
    (LabelLayout::Vertical, (letters as u16).clamp(1, rows.min(10)))
}

/// Draws the labels into `area`, whose last row is next to the map. The label of `selected` is highlighted.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    axis: &Axis,
    window: &Window,
    labels: &LabelLayout,
    selected: usize,
    theme: &Theme,
) {
    let style = |key: usize| -> Style {
        if key == selected {
            theme.accent()
        } else if axis.units.get(key).is_some_and(|unit| unit.special) {
            theme.dim()
        } else {
            theme.text()
        }
    };
    match labels {
        LabelLayout::Level(levels) => {
            for (key, &level) in window.cols.clone().zip(levels) {
                let x = window.x_of(key);
                let level = level as u16;
                let Some(y) = area.bottom().checked_sub(1 + level) else { continue };
                if y < area.top() {
                    continue;
                }
                put(buf, area, x, y, &fit(axis.label(key), LONGEST), style(key));
                for below in y + 1..area.bottom() {
                    let line = if key == selected { theme.accent() } else { theme.line() };
                    put(buf, area, x, below, "│", line);
                }
            }
        }
        LabelLayout::Vertical => {
            for key in window.cols.clone() {
                let letters: Vec<&str> = axis.label(key).graphemes(true).collect();
                let rows = usize::from(area.height);
                let cut = letters.len() > rows;
                let top = area.bottom() - letters.len().min(rows) as u16;
                for (row, letter) in letters.iter().take(rows).enumerate() {
                    let last = cut && row + 1 == rows;
                    let letter = if last || grapheme_width(letter) > usize::from(window.columns) {
                        "⋮"
                    } else {
                        letter
                    };
                    put(buf, area, window.x_of(key), top + row as u16, letter, style(key));
                }
            }
        }
        LabelLayout::Sparse => sparse(buf, area, axis, window, selected, theme),
        LabelLayout::Ruler => ruler(buf, area, axis, window, selected, theme),
    }
}

/// Distances of a ruler's marks in seconds.
const STEPS: [f64; 11] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0];

/// Draws a mark at each round time, and the selected key's own label over them.
fn ruler(buf: &mut Buffer, area: Rect, axis: &Axis, window: &Window, selected: usize, theme: &Theme) {
    /// Columns of a label with a space after it.
    const LABEL: f64 = 8.0;
    let y = area.bottom().saturating_sub(1);
    let row = Rect { y, height: area.height.min(1), ..area };
    let begin = |pixel: usize| axis.units.get(window.cols_of(pixel).start).and_then(|unit| unit.seconds);
    let columns = f64::from(window.columns) * window.pixels.1 as f64;
    let timed = (0..window.pixels.1).filter_map(begin);
    let (first, last) =
        timed.fold((f64::INFINITY, 0f64), |(low, high), (start, end)| (low.min(start), high.max(end)));
    let step = STEPS.into_iter().find(|step| step / (last - first).max(1e-9) * columns >= LABEL);
    let step = step.unwrap_or(STEPS[STEPS.len() - 1]);
    // Zero is added, since the mark at the begin would be -0.
    let mut mark = (first / step - 1e-6).ceil() + 0.0;
    for pixel in 0..window.pixels.1 {
        let x = window.area.x + pixel as u16 * window.columns;
        match begin(pixel) {
            Some((start, _)) if start + 1e-6 >= mark * step => {
                let time = mark * step;
                let end = put(buf, row, x, y, "╷", theme.line());
                let decimals = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
                put(buf, row, end, y, &format!("{time:.decimals$}s"), theme.dim());
                mark = (start / step + 1e-6).floor() + 1.0;
            }
            Some(_) => {}
            None => {
                put(buf, row, x, y, "▐", theme.dim());
            }
        }
    }
    if window.cols.contains(&selected) {
        let label = format!("▾{} ", fit(axis.label(selected), LONGEST));
        let x = window.x_of(selected).min(area.right().saturating_sub(width(&label) as u16));
        put(buf, row, x, y, &label, theme.accent());
    }
}

fn sparse(buf: &mut Buffer, area: Rect, axis: &Axis, window: &Window, selected: usize, theme: &Theme) {
    let y = area.bottom().saturating_sub(1);
    let row = Rect { y, height: area.height.min(1), ..area };
    // Place the selected label first; the others keep clear of it.
    let mut taken = 0..0;
    if window.cols.contains(&selected) {
        let label = format!("▾{}", fit(axis.label(selected), LONGEST));
        let x = window.x_of(selected).min(area.right().saturating_sub(width(&label) as u16));
        taken = x..put(buf, row, x, y, &label, theme.accent()) + 1;
    }
    let mut free = area.left();
    for pixel in 0..window.pixels.1 {
        let key = window.cols_of(pixel).start;
        let x = window.area.x + pixel as u16 * window.columns;
        let label = fit(axis.label(key), 8);
        let end = x + 1 + width(&label) as u16;
        let clear = end <= taken.start || x >= taken.end;
        if x >= free && clear && end <= area.right() {
            let x = put(buf, row, x, y, "'", theme.line());
            free = put(buf, row, x, y, &label, theme.dim()) + 3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisItem;
    use crate::tui::reading::Reading;
    use crate::tui::zoom::WindowRequest;

    fn case(words: &[&str], room: u16) -> (Axis, Window) {
        let tokens: Vec<AxisItem> =
            words.iter().map(|w| AxisItem::token(0, format!("▁{w}"), false)).collect();
        let axis = Axis::new(&tokens, &Reading::default());
        let request = WindowRequest {
            room: Rect::new(0, 6, room, 4),
            size: (4, words.len()),
            cursor: (0, 0),
            step: None,
            half_blocks: true,
            last: None,
        };
        (axis, Window::new(&request))
    }

    #[test]
    fn short_labels_stand_in_one_row() {
        let (axis, window) = case(&["The", "cat", "sat"], 20);
        assert_eq!(layout(&axis, &window, 8), (LabelLayout::Level(vec![0, 0, 0]), 1));
    }

    #[test]
    fn long_labels_rise_above_their_neighbours() {
        let (axis, window) = case(&["The", "children", "who", "play"], 16);
        assert_eq!(window.columns, 4);
        let (labels, rows) = layout(&axis, &window, 8);
        assert_eq!((labels, rows), (LabelLayout::Level(vec![0, 1, 0, 0]), 2));
    }

    #[test]
    fn many_keys_read_downwards() {
        let words = ["attention"; 20];
        let (axis, window) = case(&words, 40);
        assert_eq!(layout(&axis, &window, 8), (LabelLayout::Vertical, 8));
    }
}
