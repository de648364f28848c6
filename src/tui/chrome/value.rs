//! The line of the selected weight.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::progress;
use crate::capture::Score;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::reading::{Axis, Special};
use crate::tui::views::view;
use crate::tui::widgets::cells::{fit, part, put, width};

/// Formats an ordinal: `1st`, `2nd`, `3rd`, `4th`.
fn ordinal(n: usize) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

/// Draws the line: the selected weight in words, or the work in progress. It is the same in every view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache) {
    let theme = &app.theme;
    if let Some(work) = progress::work(app).filter(|_| app.capture.is_some()) {
        progress::line(buf, area, app, &work);
        return;
    }
    if let Some(wordings) = view::value(app, cache) {
        own(buf, area, app, &wordings);
        return;
    }
    let Some(sheet) = cache.sheet(app) else { return };
    let (query, key) = (app.query(), app.key());
    let Some(weight) = sheet.get(query, key) else { return };
    let row = sheet.row(query);
    let rank = 1 + row.iter().filter(|&&other| other > weight).count();
    let kind = app.selection.head.kind();
    let axes = app.capture.as_ref().map(|capture| capture.axes(kind));
    let distance = axes.and_then(|axes| axes.distance(app.selection.query(), app.selection.key()));
    let frame = app.keys().units.first().and_then(|unit| unit.seconds).map(|(start, end)| end - start);
    let distance = distance.map(|distance| match frame {
        Some(frame) => format!("{:.2} s", f64::from(distance) * frame),
        None if distance.fract() > 0.0 => format!("{distance:.1}"),
        None => format!("{distance}"),
    });
    let tokens = |axis: &Axis, place: usize| axis.units.get(place).map_or(0..1, |unit| unit.tokens.clone());
    let (queries, keys) = (tokens(app.queries(), query), tokens(app.keys(), key));
    let ahead = kind == Kind::Decoder && keys.start >= queries.end;
    let outside = app.window().is_some_and(|keys| keys.binary_search(&(app.selection.key() as u32)).is_err());
    let masked = ahead || outside || !weight.is_finite();
    let numbers = if masked {
        let why = match () {
            () if ahead => ": masked, it lies ahead",
            () if outside => ": not seen, it lies outside the windows",
            () => ": masked, it lies too far",
        };
        let short = if outside { ": not seen" } else { ": masked" };
        [why.to_string(), short.into(), short.into()]
    } else {
        let patches = axes.is_some_and(|axes| axes.keys_are_patches());
        let from = match kind {
            Kind::Cross => "off the diagonal",
            _ if patches => "patches apart",
            _ => "apart",
        };
        let number = match weight {
            w if w > 0.0 && w < 0.0005 => format!(": {w:.1e}"),
            w => format!(": {w:.4}"),
        };
        let rank = format!("{number} · {} of {}", ordinal(rank), row.len());
        let whole = distance.map_or_else(|| rank.clone(), |distance| format!("{rank} · {distance} {from}"));
        [whole, rank, number]
    };
    let (query, key) = (app.query_name(query), app.keys().name(key));
    let wordings = app.notice.clone().map_or_else(|| notes(app).to_vec(), |notice| vec![notice]);
    let line = part(area, 1, 0, area.width.saturating_sub(2), 1);
    let wording = ValueLine { query: &query, key: &key, numbers: &numbers, notes: &wordings };
    let verb = if line.width < 40 { " ← " } else { " looks at " };
    let (query, key, numbers, notes) = wording.fitted(usize::from(line.width), width(verb));
    let x = put(buf, line, line.x, line.y, &query, theme.accent());
    let x = put(buf, line, x, line.y, verb, theme.dim());
    let x = put(buf, line, x, line.y, &key, theme.accent());
    put(buf, line, x, line.y, numbers, theme.text());
    let start = line.right().saturating_sub(width(&notes) as u16);
    put(buf, line, start, line.y, &notes, if app.notice.is_some() { theme.text() } else { theme.dim() });
}

/// Draws the longest wording that fits, and the notice beside it.
fn own(buf: &mut Buffer, area: Rect, app: &App, wordings: &[String]) {
    let line = part(area, 1, 0, area.width.saturating_sub(2), 1);
    let notice = app.notice.as_deref().unwrap_or_default();
    let taken = if notice.is_empty() { 0 } else { width(notice) + 2 };
    let room = usize::from(line.width).saturating_sub(taken);
    let text = wordings.iter().find(|text| width(text) <= room).or(wordings.last());
    put(buf, line, line.x, line.y, &fit(text.map_or("", String::as_str), room), app.theme.text());
    put(
        buf,
        line,
        line.right().saturating_sub(width(notice) as u16).max(line.x),
        line.y,
        notice,
        app.theme.text(),
    );
}

/// Returns the parts of the line, each in several wordings, the longest first.
struct ValueLine<'a> {
    query: &'a str,
    key: &'a str,
    numbers: &'a [String],
    notes: &'a [String],
}

impl ValueLine<'_> {
    /// Returns the longest wordings that fit into `columns` with a verb of `verb` columns. The number always
    /// shows, then the notes, then the names.
    fn fitted(&self, columns: usize, verb: usize) -> (String, String, &str, String) {
        const NAMES: usize = 6;
        let shortest = self.numbers.last().map_or("", String::as_str);
        let least = self.query.len().min(NAMES) + verb + self.key.len().min(NAMES) + 2;
        let room = columns.saturating_sub(least + width(shortest));
        let notes = self.notes.iter().find(|notes| width(notes) <= room).or(self.notes.last());
        let notes = notes.map_or_else(String::new, |notes| fit(notes, room.max(2)));
        let taken = if notes.is_empty() { 0 } else { width(&notes) + 2 };
        let names = width(self.query) + verb + width(self.key);
        let room = columns.saturating_sub(taken);
        let whole = self.numbers.iter().find(|numbers| names + width(numbers) <= room);
        let numbers = whole.map_or(shortest, String::as_str);
        let names = room.saturating_sub(verb + width(numbers));
        let query = fit(self.query, names.saturating_sub(width(self.key)).max(names / 2));
        let key = fit(self.key, names.saturating_sub(width(&query)));
        (query, key, numbers, notes)
    }
}

/// Returns the differences of the reading from plain weights, in full and abbreviated.
fn notes(app: &App) -> [String; 2] {
    let reading = &app.reading;
    let mut notes: Vec<(String, String)> = Vec::new();
    let mut note = |long: &str, short: &str| notes.push((long.into(), short.into()));
    if let (Some(window), Some(capture)) = (app.window(), &app.capture) {
        let of = format!("{} of {}", window.len(), capture.keys(Kind::Encoder).len());
        note(&format!("within its windows: {of} merged patches"), &format!("windows: {of} patches"));
    }
    match app.scored() {
        Some(Score::Whole) => note("scores before the softmax, in Map alone", "scores"),
        Some(Score::Content) => note("content part of the scores, in Map alone", "content"),
        Some(Score::Bias) => note("position bias of the scores, in Map alone", "bias"),
        None => {}
    }
    if app.is_weighed() && app.scored().is_none() {
        note("value-weighted in Map, Text and Lines", "value-weighted");
    }
    if reading.words && app.scored().is_some() {
        note("words: means", "words");
    } else if reading.words {
        note("words: keys summed, queries averaged", "words");
    }
    match reading.special {
        Special::Show => {}
        Special::Hide => note("special tokens hidden, rows as they were", "no special"),
        Special::Renormalise => note("special tokens hidden, rows renormalised", "no special, rows to 1"),
    }
    if reading.threshold > 0.0 {
        let from = format!("from {:.2}", reading.threshold);
        note(&from, &from);
    }
    let (long, short): (Vec<String>, Vec<String>) = notes.into_iter().unzip();
    [long.join(" · "), short.join(" · ")]
}
