//! Help: the keys of the view, from the command table, in up to three columns, narrowed down by a typed text.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::overlay::HelpPage;
use super::{frame, inside};
use crate::tui::app::App;
use crate::tui::keymap::CommandEntry;
use crate::tui::keymap::entry::group;
use crate::tui::layout::Layout;
use crate::tui::widgets::cells::{fit_left, part, put, width as width_of, wrap};
use crate::tui::widgets::list::cue;

/// Width of the column of keys, if there is room.
const KEYS: usize = 16;
/// Least widths of a screen with two and with three columns.
const TWO_COLUMNS: u16 = 110;
const THREE_COLUMNS: u16 = 180;
/// Columns between two columns of text.
const GAP: u16 = 2;

/// A line of the help.
struct HelpLine {
    keys: String,
    text: String,
}

impl HelpLine {
    fn is_heading(&self) -> bool {
        !self.keys.is_empty() && self.text.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.text.is_empty()
    }

    /// Returns true for a line that has to stay below the line before it.
    fn continues(&self) -> bool {
        self.keys.is_empty() && !self.text.is_empty()
    }
}

/// Lines of the help and their arrangement on a screen.
struct HelpColumns {
    lines: Vec<HelpLine>,
    /// Number of columns.
    columns: u16,
    /// Lines of a column.
    rows: usize,
}

impl HelpColumns {
    fn new(app: &App, page: &HelpPage, screen: Rect) -> Self {
        let columns = match screen.width {
            0..TWO_COLUMNS => 1,
            TWO_COLUMNS..THREE_COLUMNS => 2,
            _ => 3,
        };
        let lines = lines(app, page.input.text(), column_width(screen, columns));
        // The frame and the line of the typed text take three lines.
        let room = usize::from(screen.height.saturating_sub(3)).max(1);
        let rows = lines.len().div_ceil(usize::from(columns)).clamp(1, room);
        let mut help = Self { lines, columns, rows };
        while help.rows < room && help.end(0) < help.lines.len() {
            help.rows += 1;
        }
        help
    }

    /// Returns the lines of each column where `first` is the first line of the first. A column ends neither inside
    /// of a command's sentence nor with a heading, and only the first begins with an empty line.
    fn spans(&self, first: usize) -> Vec<Range<usize>> {
        let mut start = first;
        let mut spans = Vec::new();
        for _ in 0..self.columns {
            let full = (start + self.rows).min(self.lines.len());
            let breaks = |end: &usize| {
                let splits = self.lines.get(*end).is_some_and(HelpLine::continues);
                let parts =
                    *end < self.lines.len() && self.lines.get(end - 1).is_some_and(HelpLine::is_heading);
                !splits && !parts
            };
            let end = (start + 1..=full).rev().find(breaks).unwrap_or(full);
            spans.push(start..end);
            start = end + usize::from(self.lines.get(end).is_some_and(HelpLine::is_empty));
        }
        spans
    }

    /// Returns the end of the shown lines where `first` is the first one.
    fn end(&self, first: usize) -> usize {
        self.spans(first).last().map_or(first, |span| span.end)
    }

    /// Returns the first line from which on all others show.
    fn last(&self) -> usize {
        let least = self.lines.len().saturating_sub(self.rows * usize::from(self.columns));
        (least..self.lines.len()).find(|&first| self.end(first) == self.lines.len()).unwrap_or(0)
    }
}

/// Draws the help and adds the text cursor to the layout.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, page: &HelpPage, layout: &mut Layout) {
    let (theme, help) = (&app.theme, HelpColumns::new(app, page, area));
    let title = format!("{} — keys · type to search · Esc close", app.view.name());
    let inner = frame(buf, area, width(area), help.rows as u16 + 3, &title, theme);
    let line = part(inner, 0, 0, inner.width, 1);
    let x = put(buf, line, line.x, line.y, "› ", theme.accent());
    let cursor = page.input.draw(buf, part(line, x - line.x, 0, line.width, 1), theme.text());
    layout.cursor = cursor.map(Into::into);
    let list = part(inner, 0, 1, inner.width, inner.height.saturating_sub(1));
    if help.lines.is_empty() {
        put(buf, list, list.x, list.y, "no key and no command of this view has it", theme.dim());
    }
    let first = page.first.min(help.last());
    let column = column_width(area, help.columns);
    let names = KEYS.min(column / 3);
    for (at, span) in help.spans(first).into_iter().enumerate() {
        let x = at as u16 * (column as u16 + GAP);
        for (y, line) in help.lines.get(span).unwrap_or(&[]).iter().enumerate() {
            let cell = part(list, x, y as u16, column as u16, 1);
            match line.is_heading() {
                true => put(buf, cell, cell.x, cell.y, &line.keys, theme.text()),
                false => {
                    let x = put(buf, cell, cell.x, cell.y, &fit_left(&line.keys, names), theme.accent());
                    put(buf, cell, x, cell.y, &line.text, theme.text())
                }
            };
        }
    }
    let below = Rect { y: inner.bottom(), height: 1, ..inner };
    cue(buf, below, theme, (first, help.end(first) - first, help.lines.len()));
}

/// Returns the number of lines that the help shows at once.
pub fn room(app: &App, page: &HelpPage, screen: Rect) -> usize {
    let help = HelpColumns::new(app, page, screen);
    let first = page.first.min(help.last());
    help.end(first) - first
}

/// Returns the largest number of lines that the help scrolls by on a screen.
pub fn last(app: &App, page: &HelpPage, screen: Rect) -> usize {
    HelpColumns::new(app, page, screen).last()
}

fn width(screen: Rect) -> u16 {
    screen.width.saturating_sub(4).min(if screen.width >= TWO_COLUMNS { 220 } else { 96 })
}

fn column_width(screen: Rect, columns: u16) -> usize {
    let (_, inner) = inside(screen, width(screen), screen.height);
    usize::from(inner.width.saturating_sub(GAP * (columns - 1)) / columns)
}

/// Returns true if every word of `typed` occurs in the name, the sentence, the group or the keys of a command.
fn matches(typed: &str, entry: &CommandEntry, keys: &[String]) -> bool {
    let text = format!("{} {} {}", entry.name.replace('-', " "), entry.sentence, entry.group).to_lowercase();
    let fits = |word: &str| text.contains(&word.to_lowercase()) || keys.iter().any(|key| key == word);
    typed.split_whitespace().all(fits)
}

fn lines(app: &App, typed: &str, columns: usize) -> Vec<HelpLine> {
    let names = KEYS.min(columns / 3);
    let mut lines: Vec<HelpLine> = Vec::new();
    let found = app.keymap.entries(app.view).filter(|(entry, keys)| matches(typed, entry, keys));
    let found: Vec<_> = found.collect();
    for (group, _) in group::ALL {
        let mut heading = Some(group);
        for (entry, keys) in found.iter().filter(|(entry, _)| entry.group == group) {
            if let Some(heading) = heading.take() {
                if !lines.is_empty() {
                    lines.push(HelpLine { keys: String::new(), text: String::new() });
                }
                lines.push(HelpLine { keys: heading.to_string(), text: String::new() });
            }
            for (at, text) in wrap(entry.sentence, columns.saturating_sub(names)).into_iter().enumerate() {
                let keys = if at == 0 { fitting(keys, names) } else { String::new() };
                lines.push(HelpLine { keys, text });
            }
        }
    }
    lines
}

/// Formats as many keys as fit into a column.
fn fitting(keys: &[String], columns: usize) -> String {
    let mut text = String::from(" ");
    for key in keys {
        if width_of(&text) + 2 + width_of(key) <= columns || text.len() == 1 {
            text = format!("{text} {key}");
        }
    }
    text
}
