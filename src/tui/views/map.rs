//! One head as a heatmap:
//!
//! ```text
//! ─ reads → predicts ──┬─ keys ──────────────┬─ strongest keys ──
//!                      │ The chil dren …     │ children  ███ .61
//!  ⟨s⟩ → Les       .91 │ ██ ▒▒ ░░            │ are       █   .14
//!  Les → enfants   .88 │ ░░ ██ ▓▓            │
//! ─ source ────────────┴──────── target ─────┴───────────────────
//!  The children who …            Les enfants …
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::side;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::cache::{Cache, WindowPixels, score_top};
use crate::tui::filter;
use crate::tui::layout::{Hit, Layout};
use crate::tui::reading::Axis;
use crate::tui::sheet::Sheet;
use crate::tui::widgets::axis::{self, LabelLayout};
use crate::tui::widgets::bar::{color_bar, signed_bar};
use crate::tui::widgets::cells::{fit_left, fit_right, part, put, width, wrap};
use crate::tui::widgets::heat::{Heat, short, short_score};
use crate::tui::widgets::passage;
use crate::tui::zoom::{self, Window, ZoomStep};

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let Some(sheet) = cache.sheet(app) else {
        let why = filter::pictured(app).err().map_or_else(String::new, |why| why.to_string());
        for (y, line) in (area.y..area.bottom()).zip(wrap(&why, usize::from(area.width.saturating_sub(2)))) {
            put(buf, area, area.x + 1, y, &line, app.theme.dim());
        }
        return;
    };
    let text = text_height(area, app);
    let side = side_width(area);
    let upper = part(area, 0, 0, area.width - side, area.height - text);
    map(buf, upper, app, cache, &sheet, layout);
    if side > 0 {
        let panel = part(area, area.width - side, 0, side, area.height - text);
        side::draw(buf, panel, app, &sheet, layout.window.as_ref());
    }
    if text > 0 {
        texts(buf, part(area, 0, area.height - text, area.width, text), app, &sheet, layout);
    }
}

/// Columns of the panel at the right.
fn side_width(area: Rect) -> u16 {
    match area.width {
        0..=69 => 0,
        70..=99 => 22,
        100..=139 => 30,
        _ => 38,
    }
}

/// Rows of the running texts, their rule included.
fn text_height(area: Rect, app: &App) -> u16 {
    if area.height < 14 || area.width < 30 {
        return 0;
    }
    let columns = usize::from(area.width / 2).saturating_sub(2);
    let most = usize::from(area.height);
    let lines = |axis: &Axis| passage::lines(axis, columns, most);
    let lines = lines(&app.axes.source).max(lines(&app.axes.input));
    (lines as u16 + 1).clamp(2, (area.height / 4).max(3))
}

/// A line across with titles set into it.
pub fn rule(buf: &mut Buffer, area: Rect, titles: &[(u16, &str)], app: &App) {
    put(buf, area, area.x, area.y, &"─".repeat(usize::from(area.width)), app.theme.line());
    for (x, title) in titles {
        put(buf, area, area.x + x, area.y, &format!(" {title} "), app.theme.dim());
    }
}

/// Widths of a row's label: what it reads, what it predicts, the probability.
struct Gutter {
    reads: usize,
    predicts: usize,
    probability: usize,
}

impl Gutter {
    fn new(app: &App, room: u16) -> Self {
        let longest = |labels: &mut dyn Iterator<Item = usize>| labels.max().unwrap_or(0);
        // labels of thousands of tokens are not measured in every frame
        const LOOK: usize = 512;
        let axis = app.queries();
        let reads = longest(&mut axis.units.iter().take(LOOK).map(|unit| width(&unit.label)));
        let most = usize::from(room / 3);
        if app.place.head.kind() == Kind::Encoder {
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

    fn label(&self, app: &App, query: usize) -> String {
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

fn map(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, sheet: &Sheet, layout: &mut Layout) {
    let theme = &app.theme;
    let kind = app.place.head.kind();
    let gutter = Gutter::new(app, area.width);
    let left = gutter.width().min(area.width);
    let has_rule = area.height >= 6;
    let below = part(area, left, u16::from(has_rule), area.width - left, area.height);
    let view = |room: Rect| {
        let last = layout_window(app);
        Window::new(&zoom::WindowRequest {
            room,
            size: (app.queries().len(), app.keys().len()),
            cursor: (app.query(), app.key()),
            step: app.zoom,
            half_blocks: !theme.draws_glyphs(),
            last,
        })
    };
    let most = (below.height / 3).max(3).min(below.height / 2).min(10);
    let (flags, rows) = if below.height >= 2 {
        axis::layout(app.keys(), &view(below), most)
    } else {
        (LabelLayout::Sparse, 0)
    };
    let room = part(below, 0, rows, below.width.saturating_sub(1), below.height - rows);
    let window = view(room);
    // a picture that reached the last line would scroll some terminals
    let small = !matches!(zoom::STEPS.get(window.step), Some(ZoomStep::Cell(_)));
    layout.picture = app.pixels.protocol().is_some()
        && small
        // signed values have colours that the picture's palette lacks
        && app.scored().is_none()
        && !theme.draws_glyphs()
        && app.overlays.is_empty()
        && !window.area.is_empty()
        && window.area.bottom() < buf.area.bottom();
    if has_rule {
        let queries = if kind == Kind::Encoder { "source" } else { "reads → predicts" };
        let keys = match kind {
            Kind::Decoder => "keys: what the decoder has read",
            _ => "keys: source",
        };
        let shows = match layout.picture {
            true => shows(app, &window.fine(app.pixels.cell()).0),
            false => shows(app, &window),
        };
        let keys = if shows.is_empty() { keys.to_string() } else { format!("{keys} · {shows}") };
        let line = part(area, 0, 0, area.width, 1);
        rule(buf, line, &[(1, queries), (left, &keys)], app);
        let taken = left + width(&keys) as u16 + 3;
        legend(buf, part(line, taken, 0, line.width, 1), app, sheet);
    }
    let keys_area = Rect { height: rows, ..below };
    axis::draw(buf, keys_area, app.keys(), &window, &flags, app.key(), theme);
    for y in 0..window.area.height {
        if y % window.lines != (window.lines - 1) / 2 {
            continue;
        }
        let pixels = window.pixels_at(y);
        let places = window.rows_of(pixels.start).start..window.rows_of(pixels.end.saturating_sub(1)).end;
        let here = places.contains(&app.query());
        let query = if here { app.query() } else { places.start };
        let style = if here {
            theme.accent()
        } else if app.queries().units.get(query).is_some_and(|unit| unit.special) || places.len() > 1 {
            theme.dim()
        } else {
            theme.text()
        };
        let label = gutter.label(app, query);
        let line = part(area, 0, window.area.y - area.y + y, left, 1);
        put(buf, line, line.x, line.y, if here { "▸" } else { " " }, theme.accent());
        put(buf, line, line.x + 1, line.y, &label, style);
        layout.hit(line, Hit::Query(query));
    }
    if !layout.picture {
        heat(app, &cache.pixels(app, sheet, &window), &window).draw(buf);
    }
    layout.hit(window.area, Hit::Map);
    layout.page = window.rows.len();
    layout.window = Some(window);
}

/// The map under a window, ready to be drawn.
pub fn heat<'a>(app: &'a App, pixels: &'a WindowPixels, window: &'a Window) -> Heat<'a> {
    let causal = app.place.head.kind() == Kind::Decoder;
    Heat {
        pixels: &pixels.weights,
        tops: &pixels.tops,
        window,
        scale: app.reading.scale,
        signed: app.scored().is_some(),
        threshold: app.reading.threshold,
        causal: causal.then(|| (app.queries(), app.keys())),
        cursor: (app.query(), app.key()),
        theme: &app.theme,
    }
}

fn layout_window(app: &App) -> Option<&Window> {
    app.layout.window.as_ref()
}

/// Which part of the map shows, where not all of it does; and what a cell covers.
fn shows(app: &App, window: &Window) -> String {
    let (queries, keys) = (app.queries().len(), app.keys().len());
    let mut parts = Vec::new();
    if window.cols.len() < keys {
        parts.push(format!("{}–{} of {keys}", window.cols.start, window.cols.end.saturating_sub(1)));
    }
    if window.rows.len() < queries {
        parts.push(format!("rows {}–{} of {queries}", window.rows.start, window.rows.end.saturating_sub(1)));
    }
    if let Some(sides) = &app.sides {
        let kind = app.place.head.kind();
        let (rows, cols) = (app.axes.queries(kind).len(), app.axes.keys(kind).len());
        let (left, right) = (sides.queries.len(), sides.keys.len());
        parts.push(format!("filter leaves {left} of {rows} rows, {right} of {cols} keys"));
    }
    let (down, across) = window.covers();
    if down * across > 1 {
        let how = if app.reading.pool == crate::paint::Pool::Max { "largest" } else { "mean" };
        parts.push(format!("{how} of {down}×{across}"));
    }
    parts.join(", ")
}

/// Source and target as running text, shaded by the weights of the selected row.
fn texts(buf: &mut Buffer, area: Rect, app: &App, sheet: &Sheet, layout: &mut Layout) {
    let half = area.width / 2;
    rule(
        buf,
        part(area, 0, 0, area.width, 1),
        &[(1, "source"), (half, "target, as the decoder reads it")],
        app,
    );
    let height = area.height.saturating_sub(1);
    let left = part(area, 1, 1, half.saturating_sub(2), height);
    let right = part(area, half + 1, 1, area.width.saturating_sub(half + 2), height);
    let kind = app.place.head.kind();
    let row = sheet.row(app.query());
    let top = sheet.row_max.get(app.query()).copied().unwrap_or(1.0);
    let scale = app.reading.scale;
    let style = |axis: &Axis, keys: bool, queries: bool, place: usize| {
        let mut style = app.theme.text();
        let Some(unit) = axis.units.get(place) else { return style };
        // a place that the filter leaves out is read, but not shaded
        let (key, query) = (app.keys().place_of(unit), app.queries().place_of(unit));
        if let Some(place) = key.filter(|_| keys) {
            let weight = row.get(place).copied().unwrap_or(0.0);
            style = match app.scored() {
                None => app.theme.shaded_text(scale.unit(weight, scale.top(top, sheet.max))),
                Some(_) if weight.is_finite() => {
                    let shade = app.theme.signed(weight / score_top(scale, top, sheet.max).max(1e-9));
                    shade.color.map_or(style, |color| style.fg(shade.ink).bg(color))
                }
                Some(_) => style,
            };
            if place == app.key() {
                style =
                    style.add_modifier(ratatui::style::Modifier::BOLD | ratatui::style::Modifier::UNDERLINED);
            }
        }
        if queries && query == Some(app.query()) {
            style = app.theme.selected();
        }
        style
    };
    let axes: [(&Axis, Rect, bool, bool); 2] = [
        (&app.axes.source, left, kind != Kind::Decoder, kind == Kind::Encoder),
        (&app.axes.input, right, kind == Kind::Decoder, kind != Kind::Encoder),
    ];
    for (at, (axis, area, keys, queries)) in axes.into_iter().enumerate() {
        let focus = if queries { app.place.query() } else { app.place.key() };
        let places =
            passage::draw(buf, area, axis, axis.unit_of(focus), |place| style(axis, keys, queries, place));
        for (rect, place) in places {
            layout.hit(rect, if at == 0 { Hit::Source(place) } else { Hit::Target(place) });
        }
    }
}

/// The colour bar, at the right end of a line.
fn legend(buf: &mut Buffer, area: Rect, app: &App, sheet: &Sheet) {
    let scale = app.reading.scale;
    let row_max = sheet.row_max.get(app.query()).copied().unwrap_or(0.0);
    if app.scored().is_some() {
        let top = short_score(score_top(scale, row_max, sheet.max));
        let (low, high) = (format!("-{top}"), top);
        let needed = (14 + width(&low) + width(&high)) as u16;
        if needed < area.width {
            let at = part(area, area.width - needed, 0, needed, 1);
            put(buf, at, at.x, at.y, " ", app.theme.text());
            let end = signed_bar(buf, at, at.x + 1, at.y, &app.theme, [&low, &high]);
            put(buf, at, end, at.y, " ", app.theme.text());
        }
        return;
    }
    let top = short(scale.top(row_max, sheet.max));
    let top = match scale.range {
        crate::paint::Range::Row => format!("{top}, the row's largest"),
        crate::paint::Range::Map => format!("{top}, the map's largest"),
        crate::paint::Range::Absolute => "1.0".into(),
    };
    let curve = match scale.curve {
        crate::paint::Curve::Linear => "",
        crate::paint::Curve::Sqrt => " √",
        crate::paint::Curve::Log => " log",
    };
    let gamma = match scale.gamma {
        10 => String::new(),
        tenths => format!(" γ {:.1}", f32::from(tenths) / 10.0),
    };
    let curve = format!("{curve}{gamma}");
    for high in [format!("{top}{curve}"), format!("{}{curve}", top.split(',').next().unwrap_or(""))] {
        let needed = 15 + width(&high) as u16;
        if needed < area.width {
            let at = part(area, area.width - needed, 0, needed, 1);
            put(buf, at, at.x, at.y, " ", app.theme.text());
            let end = color_bar(buf, at, at.x + 1, at.y, &app.theme, &high);
            put(buf, at, end, at.y, " ", app.theme.text());
            return;
        }
    }
}
