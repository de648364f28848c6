//! A map as text with its tokens.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::ansi::Colors;
use super::labels::{Labels, keys_title, model_title, queries_title};
use crate::capture::Capture;
use crate::error::Result;
use crate::matrix::{Matrix, span_of};
use crate::paint::{Colormap, Pool, Ramp, Region, Scale, pool};
use crate::site::Head;

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// The weight in three decimals.
    Numbers,
    /// A shade made of characters.
    Glyphs(Ramp),
    /// A colour, with the weight on it where there is room.
    Colors(Colors),
}

/// How a map is written.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// What stands in a cell.
    pub cells: Cells,
    /// Colours of the weights.
    pub colormap: Colormap,
    /// From weight to shade.
    pub scale: Scale,
    /// Columns of the terminal; `None`: as wide as it gets. Numbers are never narrowed.
    pub width: Option<usize>,
}

/// The widest label, in columns.
const MOST_LABEL: usize = 28;
/// The widest column of a map that writes labels above it.
const MOST_WORD: usize = 10;
/// Columns of `0.123`.
const NUMBER: usize = 5;
/// Columns of a shade without words.
const SHADE: usize = 2;
/// The longest label written downwards.
const MOST_DEEP: usize = 12;

/// One head's map as text: lines that name it, the keys above the columns, and a line a query.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`].
pub fn render(capture: &Capture, head: Head, picture: &Picture) -> Result<String> {
    let map = capture.map(head)?;
    let kind = head.kind();
    let title = format!(
        "{head} · {} · {} × {}\n{} · {}",
        model_title(capture),
        map.rows(),
        map.cols(),
        queries_title(kind),
        keys_title(kind)
    );
    Ok(render_map(&title, &map, &Labels::of(capture, kind), picture))
}

/// Any map as text, with a title and labels for its axes.
pub fn render_map(title: &str, map: &Matrix, labels: &Labels, picture: &Picture) -> String {
    let mut out = format!("{title}\n\n");
    let rows: Vec<_> = labels.queries.iter().map(|label| cut(label, MOST_LABEL)).collect();
    let margin = rows.iter().map(|label| label.width()).max().unwrap_or(0);
    let words: Vec<_> = labels.keys.iter().map(|label| cut(label, MOST_WORD)).collect();
    let column = words.iter().map(|word| word.width()).max().unwrap_or(0).max(NUMBER);
    let room = picture.width.unwrap_or(usize::MAX).saturating_sub(margin + 1);
    let sheet = Sheet { map, rows: &rows, margin, picture };
    out += &if picture.cells == Cells::Numbers {
        sheet.numbers(&words)
    } else if map.cols().saturating_mul(column + 1) <= room {
        sheet.shades(map, column, &across(&words, column, margin))
    } else if map.cols().saturating_mul(SHADE) <= room {
        sheet.shades(map, SHADE, &downwards(&labels.keys, margin))
    } else {
        let cells = (room / SHADE).max(1);
        let pooled = pool(map, &Region::whole(map), map.rows(), cells, Pool::Max);
        sheet.shades(&pooled, SHADE, &positions(map.cols(), pooled.cols(), margin))
    };
    out
}

struct Sheet<'a> {
    map: &'a Matrix,
    rows: &'a [String],
    margin: usize,
    picture: &'a Picture,
}

impl Sheet<'_> {
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

    /// The weights of `cells` (the map, or fewer columns of it) as shades, `column` terminal columns each.
    fn shades(&self, cells: &Matrix, column: usize, head: &str) -> String {
        let shades = self.picture.scale.map(cells);
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
        match self.picture.cells {
            Cells::Numbers => String::new(),
            Cells::Glyphs(ramp) => {
                let glyphs = ramp.glyph(shade).to_string().repeat(column);
                if words { glyphs + " " } else { glyphs }
            }
            Cells::Colors(colors) => {
                let text =
                    if words { format!("{:^column$} ", format!("{weight:.2}")) } else { " ".repeat(column) };
                colors.on(self.picture.colormap.color(shade), &text)
            }
        }
    }
}

/// Labels above the columns of a map.
fn across(words: &[String], column: usize, margin: usize) -> String {
    let words: String = words.iter().map(|word| format!("{} ", centred(word, column))).collect();
    format!("{} {}\n", " ".repeat(margin), words.trim_end())
}

/// Labels written downwards, a character a line, ending just above the map.
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

/// The position of the first key of every eighth cell.
fn positions(keys: usize, cells: usize, margin: usize) -> String {
    const EVERY: usize = 8;
    let marks = (0..cells)
        .step_by(EVERY)
        .map(|cell| left(&span_of(cell, keys, cells).start.to_string(), EVERY * SHADE));
    format!("{} {}\n", " ".repeat(margin), marks.collect::<String>().trim_end())
}

/// A text in at most `width` columns, with an ellipsis where something is missing.
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
