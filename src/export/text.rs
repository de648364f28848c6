//! Text export: a map with its tokens, for terminals and text files.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::ansi::Colors;
use super::labels::{Labels, keys_title, model_title, queries_title};
use super::options::Options;
use super::prepared::PreparedExport;
use crate::capture::Capture;
use crate::error::Result;
use crate::matrix::{Matrix, span_of};
use crate::paint::{Colormap, Pool, Ramp, Region, Scale, pool};
use crate::site::Head;

/// Content of a map's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellStyle {
    /// The weight with three decimals.
    Numbers,
    /// A character from a ramp.
    Glyphs(Ramp),
    /// A background colour, with the weight on it if there is room.
    Colors(Colors),
}

/// Appearance of a map as text.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// Content of the cells.
    pub cells: CellStyle,
    /// Colour map of the weights.
    pub colormap: Colormap,
    /// Scale from weight to shade.
    pub scale: Scale,
    /// Columns of the terminal; `None` sets no limit. [`CellStyle::Numbers`] ignores it.
    pub width: Option<usize>,
}

/// Extension of its files.
pub const EXTENSION: &str = "txt";

/// Prepares the export of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the selection is empty.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> Result<PreparedExport<'a>> {
    let colors = options.colors;
    let cells = if colors == Colors::None { CellStyle::Numbers } else { CellStyle::Colors(colors) };
    let style =
        TextStyle { cells, colormap: options.style.colormap, scale: options.style.scale, width: None };
    Ok(PreparedExport::whole(render(capture, options.selection.one_head(capture)?, &style)?))
}

/// Width limit of a row label, in columns.
const MOST_LABEL: usize = 28;
/// Width limit of a column label, in columns.
const MOST_WORD: usize = 10;
/// Width of a number such as `0.123`.
const NUMBER: usize = 5;
/// Width of a cell without text.
const SHADE: usize = 2;
/// Length limit of a label that is written downwards.
const MOST_DEEP: usize = 12;

/// Renders the map of one head: two title lines, the keys above their columns, and one line per query.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the capture lacks the head.
pub fn render(capture: &Capture, head: Head, style: &TextStyle) -> Result<String> {
    let map = capture.map(head)?;
    let kind = head.kind();
    let title = format!(
        "{head} · {} · {} × {}\n{} · {}",
        model_title(capture),
        map.rows(),
        map.cols(),
        queries_title(capture, kind),
        keys_title(capture, kind)
    );
    Ok(render_map(&title, &map, &Labels::of(capture, kind), style))
}

/// Renders any map with a title and axis labels.
pub fn render_map(title: &str, map: &Matrix, labels: &Labels, style: &TextStyle) -> String {
    let mut out = format!("{title}\n\n");
    let rows: Vec<_> = labels.queries.iter().map(|label| cut(label, MOST_LABEL)).collect();
    let margin = rows.iter().map(|label| label.width()).max().unwrap_or(0);
    let words: Vec<_> = labels.keys.iter().map(|label| cut(label, MOST_WORD)).collect();
    let column = words.iter().map(|word| word.width()).max().unwrap_or(0).max(NUMBER);
    let room = style.width.unwrap_or(usize::MAX).saturating_sub(margin + 1);
    let grid = TextGrid { map, rows: &rows, margin, style };
    out += &if style.cells == CellStyle::Numbers {
        grid.numbers(&words)
    } else if map.cols().saturating_mul(column + 1) <= room {
        grid.shades(map, column, &across(&words, column, margin))
    } else if map.cols().saturating_mul(SHADE) <= room {
        grid.shades(map, SHADE, &downwards(&labels.keys, margin))
    } else {
        let cells = (room / SHADE).max(1);
        let pooled = pool(map, &Region::whole(map), map.rows(), cells, Pool::Max);
        grid.shades(&pooled, SHADE, &positions(map.cols(), pooled.cols(), margin))
    };
    out
}

struct TextGrid<'a> {
    map: &'a Matrix,
    rows: &'a [String],
    margin: usize,
    style: &'a TextStyle,
}

impl TextGrid<'_> {
    fn numbers(&self, words: &[String]) -> String {
        let widths: Vec<_> = words.iter().map(|word| word.width().max(NUMBER)).collect();
        let head: String =
            words.iter().zip(&widths).map(|(word, &width)| format!(" {}", right(word, width))).collect();
        let mut out = format!("{}{head}\n", " ".repeat(self.margin));
        for (i, label) in self.rows.iter().enumerate().take(self.map.rows()) {
            out += &right(label, self.margin);
            for (weight, &width) in self.map.row(i).iter().zip(&widths) {
                out += &format!(" {}", right(&format!("{weight:.3}"), width));
            }
            out.push('\n');
        }
        out
    }

    /// Renders the weights of `cells` (the map, or the map with pooled columns) as shades of `column`
    /// terminal columns.
    fn shades(&self, cells: &Matrix, column: usize, head: &str) -> String {
        let shades = self.style.scale.map(cells, false);
        let mut out = head.to_string();
        for (i, label) in self.rows.iter().enumerate().take(cells.rows()) {
            out += &right(label, self.margin);
            out.push(' ');
            for (&weight, &shade) in cells.row(i).iter().zip(shades.row(i)) {
                out += &self.cell(weight, shade, column);
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        out
    }

    fn cell(&self, weight: f32, shade: f32, column: usize) -> String {
        let words = column > SHADE;
        match self.style.cells {
            CellStyle::Numbers => String::new(),
            CellStyle::Glyphs(ramp) => {
                let glyphs = ramp.glyph(shade).to_string().repeat(column);
                if words { glyphs + " " } else { glyphs }
            }
            CellStyle::Colors(colors) => {
                let text =
                    if words { format!("{:^column$} ", format!("{weight:.2}")) } else { " ".repeat(column) };
                colors.on(self.style.colormap, shade, &text)
            }
        }
    }
}

/// Formats the labels above their columns.
fn across(words: &[String], column: usize, margin: usize) -> String {
    let words: String = words.iter().map(|word| format!("{} ", centred(word, column))).collect();
    format!("{} {}\n", " ".repeat(margin), words.trim_end())
}

/// Formats labels downwards, one character per line, so that they end just above the map.
fn downwards(labels: &[String], margin: usize) -> String {
    let letters: Vec<Vec<String>> = labels
        .iter()
        .map(|label| cut(label, MOST_DEEP).graphemes(true).map(str::to_string).collect())
        .collect();
    let deep = letters.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for line in 0..deep {
        let mut text = " ".repeat(margin + 1);
        for label in &letters {
            let letter = (line + label.len()).checked_sub(deep).and_then(|at| label.get(at));
            text += &left(letter.map_or("", String::as_str), SHADE);
        }
        out += text.trim_end();
        out.push('\n');
    }
    out
}

/// Formats the position of the first key of every eighth cell.
fn positions(keys: usize, cells: usize, margin: usize) -> String {
    const EVERY: usize = 8;
    let marks = (0..cells)
        .step_by(EVERY)
        .map(|cell| left(&span_of(cell, keys, cells).start.to_string(), EVERY * SHADE));
    format!("{} {}\n", " ".repeat(margin), marks.collect::<String>().trim_end())
}

/// Cuts a text to at most `width` columns; an ellipsis marks the cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut kept = String::new();
    for letter in text.graphemes(true) {
        if kept.width() + letter.width() + 1 > width {
            break;
        }
        kept.push_str(letter);
    }
    kept + "…"
}

fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

fn centred(text: &str, width: usize) -> String {
    let space = width.saturating_sub(text.width());
    format!("{}{text}{}", " ".repeat(space / 2), " ".repeat(space - space / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_by_columns() {
        assert_eq!(cut("你好世界", 5), "你好…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
    }

    #[test]
    fn labels_downwards_end_at_the_map() {
        assert_eq!(downwards(&["ab".into(), "你".into(), "abc".into()], 1), "      a\n  a   b\n  b 你c\n");
    }
}
