//! Layout of Map: the areas of its parts, and the visible part of the map.

use ratatui::layout::Rect;

use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::evidence_lines;
use crate::tui::reading::Axis;
use crate::tui::widgets::axis::{self, LabelLayout};
use crate::tui::widgets::cells::{fit_left, fit_right, part, width};
use crate::tui::widgets::heat::short;
use crate::tui::widgets::{passage, picture, timeline};
use crate::tui::zoom::{self, Window};

/// Positions of the parts of Map in its area. Drawing and movement read them alike.
pub struct Geometry {
    /// The map with its labels.
    pub map: Rect,
    /// The panel at the right; empty on a narrow screen.
    pub side: Rect,
    /// Lines of evidence below the map; empty if there is none, or on a low screen.
    pub evidence: Rect,
    /// The running texts below; empty on a low screen.
    pub texts: Rect,
    /// Labels of the rows.
    pub gutter: Gutter,
    /// Width of the row labels in columns.
    pub left: u16,
    /// True if there is a title line above the map.
    pub has_rule: bool,
    /// Picture of the recording above the labels of the keys; empty without one, or on a low screen.
    pub strip: Rect,
    /// Labels of the keys.
    pub keys: Rect,
    /// Layout of the labels of the keys.
    pub flags: LabelLayout,
    /// Visible part of the map, and its cells.
    pub window: Window,
}

impl Geometry {
    /// Computes the layout of the view in its area.
    pub fn new(app: &App, area: Rect) -> Self {
        let text = text_height(area, app);
        let side = side_width(area);
        let above = area.height - text;
        let lines = if above >= EVIDENCE_ABOVE { evidence_lines::line_count(app) } else { 0 };
        let height = above - lines;
        let map = part(area, 0, 0, area.width - side, height);
        let gutter = Gutter::new(app, map.width);
        let left = gutter.width().min(map.width);
        let has_rule = map.height >= 6;
        let below = part(map, left, u16::from(has_rule), map.width - left, map.height);
        let strip = Rect { height: strip_height(app, below.height), ..below };
        let below = part(below, 0, strip.height, below.width, below.height - strip.height);
        let window = |room: Rect| {
            Window::new(&zoom::WindowRequest {
                room,
                size: (app.queries().len(), app.keys().len()),
                cursor: (app.query(), app.key()),
                step: app.views.map.zoom,
                half_blocks: !app.theme.draws_glyphs(),
                last: app.layout.window.as_ref(),
            })
        };
        let most = (below.height / 3).max(3).min(below.height / 2).min(10);
        let (flags, rows) = match below.height {
            0..=1 => (LabelLayout::Sparse, 0),
            _ => axis::layout(app.keys(), &window(below), most),
        };
        let room = part(below, 0, rows, below.width.saturating_sub(1), below.height - rows);
        Self {
            map,
            side: part(area, area.width - side, 0, side, height),
            evidence: part(area, 1, height, area.width.saturating_sub(2), lines),
            texts: part(area, 0, area.height - text, area.width, text),
            gutter,
            left,
            has_rule,
            strip,
            keys: Rect { height: rows, ..below },
            flags,
            window: window(room),
        }
    }
}

/// Least height of the map from which on there is room for lines of evidence.
const EVIDENCE_ABOVE: u16 = 10;

/// Returns the height of the picture of the recording above a map of `height` lines.
fn strip_height(app: &App, height: u16) -> u16 {
    let sound = app.capture.as_ref().and_then(|capture| capture.sound.as_ref());
    match height {
        _ if sound.is_none() || app.selection.head.kind() == Kind::Decoder => 0,
        0..=9 => 0,
        10..=17 => 3,
        18..=29 => 5,
        _ => 7,
    }
}

/// Returns the width of the panel at the right.
fn side_width(area: Rect) -> u16 {
    match area.width {
        0..=69 => 0,
        70..=99 => 22,
        100..=139 => 30,
        _ => 38,
    }
}

/// Returns the height of the running texts, including their rule.
fn text_height(area: Rect, app: &App) -> u16 {
    if area.height < 14 || area.width < 30 {
        return 0;
    }
    if let Some(capture) = app.capture.as_ref().filter(|capture| picture::is_picture(capture)) {
        let room = part(area, 0, 0, (area.width / 2).saturating_sub(2), area.height / 2);
        return picture::lines(capture, room) + 1;
    }
    let columns = usize::from(area.width / 2).saturating_sub(2);
    let most = usize::from(area.height);
    let lines =
        |axis: &Axis| if axis.is_timed() { timeline::BAND } else { passage::lines(axis, columns, most) };
    let lines = lines(&app.axes.source).max(lines(&app.axes.input));
    (lines as u16 + 1).clamp(2, (area.height / 4).max(3))
}

/// Widths of a row's label: the input token, the predicted token, the probability.
pub struct Gutter {
    reads: usize,
    predicts: usize,
    probability: usize,
}

impl Gutter {
    fn new(app: &App, room: u16) -> Self {
        let longest = |labels: &mut dyn Iterator<Item = usize>| labels.max().unwrap_or(0);
        // Measuring the labels of thousands of tokens in every frame would be slow.
        const LOOK: usize = 512;
        let axis = app.queries();
        let reads = longest(&mut axis.units.iter().take(LOOK).map(|unit| width(&unit.label)));
        let most = usize::from(room / 3);
        if app.selection.head.kind() == Kind::Encoder {
            return Self { reads: reads.min(most.max(3)).min(18), predicts: 0, probability: 0 };
        }
        let predicts = longest(&mut app.axes.predicts.iter().take(LOOK).map(|(label, _)| width(label)));
        let known = app.axes.predicts.iter().any(|(_, probability)| probability.is_some());
        let probability = if known && room >= 40 { 4 } else { 0 };
        let each = most.saturating_sub(3 + probability) / 2;
        if each < 3 {
            return Self { reads: reads.min(most), predicts: 0, probability: 0 };
        }
        let reads = reads.min(14).min(each.max(most.saturating_sub(3 + probability + predicts.min(14))));
        let predicts = predicts.min(14).min(most.saturating_sub(3 + probability + reads));
        Self { reads, predicts, probability }
    }

    fn width(&self) -> u16 {
        let predicts = if self.predicts > 0 { 3 + self.predicts } else { 0 };
        (2 + self.reads + predicts + self.probability) as u16
    }

    /// Returns the titles of the columns, each with its place.
    pub fn titles(&self, kind: Kind) -> Vec<(u16, &'static str)> {
        if kind == Kind::Encoder {
            return vec![(1, "source")];
        }
        // The columns end one column before the map.
        let room = usize::from(self.width()).saturating_sub(1 + self.probability);
        let fits = |title: &&str| width(title) + 2 < room;
        let title = ["reads → predicts", "→ predicts", "→"].into_iter().find(fits).unwrap_or_default();
        let mut titles = vec![(1, if self.probability > 0 { title } else { "reads → predicts" })];
        if self.probability > 0 {
            titles.push((self.width().saturating_sub(5), "prob"));
        }
        titles
    }

    /// Formats the label of a row.
    pub fn label(&self, app: &App, query: usize) -> String {
        let mut text = fit_right(app.queries().label(query), self.reads);
        if self.predicts > 0 {
            let (predicted, probability) = app.predicted(query).cloned().unwrap_or_default();
            text.push_str(&format!(" → {}", fit_left(&predicted, self.predicts)));
            if self.probability > 0 {
                let known =
                    probability.map_or_else(String::new, |p| if p < 0.005 { ".00".into() } else { short(p) });
                text.push_str(&fit_right(&known, self.probability));
            }
        }
        text
    }
}
