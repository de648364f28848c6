//! A line editor for Unicode text, with a cursor between graphemes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::cells::{self, grapheme_width};
use crate::text::visible;

/// Column, line and glyph of a grapheme.
type PlacedGrapheme = (usize, usize, String);

/// Editing operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Insert a character.
    Insert(char),
    /// Delete the grapheme before the cursor.
    Backspace,
    /// Delete the grapheme after the cursor.
    Delete,
    /// Delete the word before the cursor.
    DeleteWord,
    /// Delete everything before the cursor.
    DeleteToStart,
    /// Delete everything after the cursor.
    DeleteToEnd,
    /// Move one grapheme to the left.
    Left,
    /// Move one grapheme to the right.
    Right,
    /// Move one word to the left.
    WordLeft,
    /// Move one word to the right.
    WordRight,
    /// Move to the start.
    Home,
    /// Move to the end.
    End,
}

/// Edited text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Editor {
    text: String,
    /// Byte offset of the cursor, always on a grapheme boundary.
    cursor: usize,
}

impl Editor {
    /// Creates an editor with the cursor at the end of `text`.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Inserts pasted text at the cursor. Control characters are dropped; line breaks and tabs stay if
    /// `multiline`, otherwise they become spaces.
    pub fn paste(&mut self, text: &str, multiline: bool) {
        let clean: String = text
            .replace("\r\n", "\n")
            .chars()
            .filter_map(|c| match c {
                '\n' | '\r' if multiline => Some('\n'),
                '\t' if multiline => Some('\t'),
                '\n' | '\r' | '\t' => Some(' '),
                c if c.is_control() => None,
                c => Some(c),
            })
            .collect();
        self.insert(&clean);
    }

    fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor = self.boundary_at_or_after(self.cursor + text.len());
    }

    /// Applies an operation.
    pub fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Insert(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Edit::Backspace => self.delete(self.previous(), self.cursor),
            Edit::Delete => self.delete(self.cursor, self.next()),
            Edit::DeleteWord => self.delete(self.word_left(), self.cursor),
            Edit::DeleteToStart => self.delete(0, self.cursor),
            Edit::DeleteToEnd => self.delete(self.cursor, self.text.len()),
            Edit::Left => self.cursor = self.previous(),
            Edit::Right => self.cursor = self.next(),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = self.text.len(),
        }
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = self.boundary_at_or_after(from);
    }

    // Grapheme boundaries may move: a combining character joins the grapheme before it.
    fn boundary_at_or_after(&self, at: usize) -> usize {
        self.text.grapheme_indices(true).map(|(i, _)| i).find(|&i| i >= at).unwrap_or(self.text.len())
    }

    fn previous(&self) -> usize {
        self.text.grapheme_indices(true).map(|(i, _)| i).take_while(|&i| i < self.cursor).last().unwrap_or(0)
    }

    fn next(&self) -> usize {
        self.boundary_at_or_after(self.cursor + 1)
    }

    fn word_left(&self) -> usize {
        let words = self.text.unicode_word_indices();
        words.map(|(i, _)| i).take_while(|&i| i < self.cursor).last().unwrap_or(0)
    }

    fn word_right(&self) -> usize {
        let mut ends = self.text.unicode_word_indices().map(|(i, word)| i + word.len());
        ends.find(|&end| end > self.cursor).unwrap_or(self.text.len())
    }

    /// Returns the number of lines that the text takes.
    pub fn lines(&self, columns: usize) -> usize {
        let (places, cursor) = self.places(columns.max(1));
        places.iter().map(|(_, y, _)| y + 1).max().unwrap_or(1).max(cursor.1 + 1)
    }

    /// Returns the column, the line and the glyph of each grapheme, and the place of the cursor. Line breaks
    /// and tabs have a glyph, too.
    fn places(&self, columns: usize) -> (Vec<PlacedGrapheme>, (usize, usize)) {
        let mut places = Vec::new();
        let (mut x, mut y) = (0, 0);
        let mut cursor = (0usize, 0usize);
        for (at, grapheme) in self.text.grapheme_indices(true) {
            let shown = if grapheme_width(grapheme) == 0 { visible(grapheme) } else { grapheme.to_string() };
            let w = cells::width(&shown).max(1);
            if x + w > columns {
                (x, y) = (0, y + 1);
            }
            if at == self.cursor {
                cursor = (x, y);
            }
            places.push((x, y, shown));
            x += w;
            if grapheme == "\n" {
                (x, y) = (0, y + 1);
            }
        }
        if self.cursor == self.text.len() {
            if x >= columns {
                (x, y) = (0, y + 1);
            }
            cursor = (x, y);
        }
        (places, cursor)
    }

    /// Draws the text wrapped into `area`, scrolled so that the cursor is visible. Returns the cursor
    /// position.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, style: Style) -> Option<(u16, u16)> {
        let columns = usize::from(area.width);
        if columns == 0 || area.height == 0 {
            return None;
        }
        let (places, cursor) = self.places(columns);
        let first = (cursor.1 + 1).saturating_sub(usize::from(area.height));
        for (x, y, shown) in places {
            if y >= first && y < first + usize::from(area.height) {
                cells::put(buf, area, area.x + x as u16, area.y + (y - first) as u16, &shown, style);
            }
        }
        Some((area.x + cursor.0 as u16, area.y + (cursor.1 - first) as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_edit_graphemes_not_bytes() {
        let mut editor = Editor::new("año e\u{301}👩‍🔬");
        editor.apply(Edit::Backspace);
        assert_eq!(editor.text(), "año e\u{301}");
        editor.apply(Edit::Backspace);
        editor.apply(Edit::Left);
        editor.apply(Edit::Left);
        editor.apply(Edit::Delete);
        assert_eq!(editor.text(), "añ ");
    }

    #[test]
    fn words_are_walked_and_deleted() {
        let mut editor = Editor::new("the children play");
        editor.apply(Edit::DeleteWord);
        assert_eq!(editor.text(), "the children ");
        editor.apply(Edit::WordLeft);
        editor.apply(Edit::Insert('2'));
        assert_eq!(editor.text(), "the 2children ");
        editor.apply(Edit::DeleteToStart);
        assert_eq!(editor.text(), "children ");
        editor.apply(Edit::WordRight);
        editor.apply(Edit::DeleteToEnd);
        assert_eq!(editor.text(), "children");
    }

    #[test]
    fn a_combining_mark_joins_its_letter() {
        let mut editor = Editor::new("e");
        editor.apply(Edit::Insert('\u{301}'));
        assert_eq!(editor.text(), "e\u{301}");
        editor.apply(Edit::Left);
        editor.apply(Edit::Insert('x'));
        assert_eq!(editor.text(), "xe\u{301}");
    }

    #[test]
    fn pasted_line_breaks_stay_in_texts_and_become_spaces_in_a_line() {
        let mut editor = Editor::new("");
        editor.paste("a\r\nb\tc\u{1b}[0m", false);
        assert_eq!(editor.text(), "a b c[0m");
        let mut editor = Editor::new("");
        editor.paste("a\r\nb\tc\rd", true);
        assert_eq!(editor.text(), "a\nb\tc\nd");
        assert_eq!((editor.lines(10), editor.lines(2)), (3, 4));
    }
}
