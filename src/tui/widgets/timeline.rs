//! A recording as a timeline: its words, and below them its loudness, shaded by weights.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::cells::{cut, put, width};
use crate::analysis::word_times::TimedWord;
use crate::tui::reading::Axis;
use crate::tui::theme::Theme;

/// Lines of a stretch of the timeline: the words, and the loudness below them.
pub const BAND: usize = 2;

/// Characters for loudness, from silence on.
const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The words and the loudness of a recording.
pub struct Timeline<'a> {
    /// Words with their times.
    pub words: &'a [TimedWord],
    /// Number of the target's token whose word is highlighted.
    pub token: usize,
    /// Largest absolute sample of each frame; empty if it is not known.
    pub peaks: &'a [f32],
}

/// Number of units that one column stands for.
fn covers(units: usize, area: Rect) -> usize {
    let bands = (usize::from(area.height) / BAND).max(1);
    units.div_ceil((usize::from(area.width) * bands).max(1)).max(1)
}

/// Returns the number of lines of a timeline with one unit in each of `columns`, at most `most`.
pub fn lines(axis: &Axis, columns: usize, most: usize) -> usize {
    (axis.len().div_ceil(columns.max(1)) * BAND).min(most)
}

/// Returns the unit on the stretch below unit `now`, or on that above; `now` itself if there is none.
pub fn line_away(axis: &Axis, area: Rect, now: usize, down: bool) -> usize {
    let step = covers(axis.len(), area) * usize::from(area.width);
    match down {
        true => Some(now + step).filter(|&to| to < axis.len()),
        false => now.checked_sub(step),
    }
    .unwrap_or(now)
}

/// Returns the character for a peak. The square root makes quiet speech visible.
pub fn loudness(peak: f32) -> &'static str {
    let steps = LEVELS.len() - 1;
    LEVELS[((peak.clamp(0.0, 1.0).sqrt() * steps as f32).ceil() as usize).min(steps)]
}

impl Timeline<'_> {
    /// Draws the units of an axis in stretches as wide as the area. A column that stands for several units shows
    /// the one at `focus` or the one of the largest weight. Returns the rectangles of the shown units.
    pub fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        (axis, weights): (&Axis, &[f32]),
        focus: usize,
        theme: &Theme,
        style: impl Fn(usize) -> Style,
    ) -> Vec<(Rect, usize)> {
        let (columns, covers) = (usize::from(area.width).max(1), covers(axis.len(), area));
        let above = u16::from(usize::from(area.height) >= BAND);
        let place = |column: usize| {
            let line = (column / columns * BAND) as u16 + above;
            (area.x + (column % columns) as u16, area.y + line)
        };
        let mut places = Vec::new();
        for column in 0..axis.len().div_ceil(covers) {
            let units = column * covers..((column + 1) * covers).min(axis.len());
            let weight = |unit: &usize| weights.get(*unit).copied().unwrap_or(0.0);
            let shown = match units.contains(&focus) {
                true => focus,
                false => units.clone().max_by(|a, b| weight(a).total_cmp(&weight(b))).unwrap_or(units.start),
            };
            let items = axis.units.get(units).unwrap_or(&[]).iter();
            let timed = items.filter(|unit| unit.seconds.is_some()).map(|unit| unit.tokens.start);
            let glyph = timed.map(|item| self.peaks.get(item).copied().unwrap_or(0.0)).reduce(f32::max);
            let (x, y) = place(column);
            if y >= area.bottom() {
                break;
            }
            put(buf, area, x, y, glyph.map_or("▐", loudness), style(shown));
            places.push((Rect { x, y, width: 1, height: 1 }, shown));
        }
        if above > 0 {
            let column = |word: &TimedWord| {
                let before = |unit: &crate::tui::reading::Unit| {
                    unit.seconds.is_some_and(|(_, end)| end <= word.start + 1e-6)
                };
                axis.units.partition_point(before) / covers
            };
            for (at, word) in self.words.iter().enumerate() {
                let from = column(word);
                let next = self.words.get(at + 1).map_or(usize::MAX, column);
                let room = (columns - from % columns).min(next.saturating_sub(from + 1));
                let (x, y) = place(from);
                if room == 0 || y > area.bottom() {
                    continue;
                }
                // A single letter with an ellipsis says less than a dot.
                let fits = room > 2 || width(&word.text) <= room;
                let text = if fits { cut(&word.text, room) } else { "·".into() };
                let style = if word.tokens.contains(&self.token) { theme.accent() } else { theme.text() };
                put(buf, area, x, y - above, &text, style);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisItem;
    use crate::tui::reading::Reading;

    #[test]
    fn words_stand_above_the_frames_in_which_they_begin() {
        let items: Vec<AxisItem> =
            (0..12).map(|at| AxisItem::frame(f64::from(at), f64::from(at + 1))).collect();
        let axis = Axis::new(&items, &Reading::default());
        let word = |text: &str, token: usize, start: f64| TimedWord {
            text: text.into(),
            spaced: true,
            tokens: token..token + 1,
            start,
            end: start + 1.0,
            confidence: None,
        };
        let words = [word("He", 1, 0.0), word("might", 2, 3.0), word("even", 3, 8.0)];
        let mut peaks = vec![0.0f32; 12];
        (peaks[3], peaks[11]) = (1.0, 0.01);
        let timeline = Timeline { words: &words, token: 2, peaks: &peaks };
        let area = Rect::new(0, 0, 6, 4);
        let mut buf = Buffer::empty(area);
        let theme = Theme::default();
        let places = timeline.draw(&mut buf, area, (&axis, &[]), 4, &theme, |_| Style::new());
        let line = |buf: &Buffer, y: u16| (0..6).map(|x| buf[(x, y)].symbol()).collect::<String>();
        assert_eq!([0, 1, 2, 3].map(|y| line(&buf, y)), ["He mi…", "   █  ", "  even", "     ▁"]);
        assert_eq!((places.len(), places[7]), (12, (Rect::new(1, 3, 1, 1), 7)));
        assert_eq!(
            (lines(&axis, 6, 9), line_away(&axis, area, 4, true), line_away(&axis, area, 4, false)),
            (4, 10, 4)
        );
        // In one line a column stands for two frames, of which the loudest and the heaviest show.
        let area = Rect::new(0, 0, 6, 1);
        let weights: Vec<f32> = (0..12).map(|at| at as f32).collect();
        let mut buf = Buffer::empty(area);
        let places = timeline.draw(&mut buf, area, (&axis, &weights), 4, &theme, |_| Style::new());
        assert_eq!(places.iter().map(|(_, place)| *place).collect::<Vec<_>>(), [1, 3, 4, 7, 9, 11]);
        assert_eq!(line(&buf, 0), " █   ▁");
    }
}
