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

use super::geometry::Geometry;
use super::side;
use super::strip;
use crate::paint::{Curve, Pool, Range};
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::cache::{Cache, WindowPixels, score_top};
use crate::tui::evidence_lines;
use crate::tui::layout::{Hit, Layout, Picture, ViewHit};
use crate::tui::reading::Axis;
use crate::tui::selected;
use crate::tui::sheet::Sheet;
use crate::tui::widgets::axis;
use crate::tui::widgets::bar::{color_bar, signed_bar};
use crate::tui::widgets::cells::{part, put, width, wrap};
use crate::tui::widgets::heat::{Heat, fine, short, short_score};
use crate::tui::widgets::passage;
use crate::tui::widgets::picture::SourcePicture;
use crate::tui::widgets::rule::rule;
use crate::tui::zoom::{self, Window, ZoomStep};

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let Some(sheet) = cache.sheet(app) else {
        let why = selected::pictured(app).err().map_or_else(String::new, |why| why.to_string());
        for (y, line) in (area.y..area.bottom()).zip(wrap(&why, usize::from(area.width.saturating_sub(2)))) {
            put(buf, area, area.x + 1, y, &line, app.theme.dim());
        }
        return;
    };
    let geometry = Geometry::new(app, area);
    map(buf, &geometry, app, cache, &sheet, layout);
    if !geometry.side.is_empty() {
        side::draw(buf, geometry.side, app, (&sheet, &geometry.window), layout);
    }
    if !geometry.evidence.is_empty() {
        let lines = evidence_lines::lines(app, cache.agreement(app), usize::from(geometry.evidence.width));
        for (y, line) in (geometry.evidence.y..geometry.evidence.bottom()).zip(&lines) {
            put(buf, geometry.evidence, geometry.evidence.x, y, line, app.theme.text());
        }
    }
    if !geometry.texts.is_empty() {
        texts(buf, geometry.texts, app, &sheet, (cache, layout));
    }
    layout.window = Some(geometry.window);
}

fn map(
    buf: &mut Buffer,
    geometry: &Geometry,
    app: &App,
    cache: &mut Cache,
    sheet: &Sheet,
    layout: &mut Layout,
) {
    let theme = &app.theme;
    let kind = app.selection.head.kind();
    let Geometry { map: area, gutter, left, window, .. } = geometry;
    let (area, left) = (*area, *left);
    let small = !matches!(zoom::STEPS.get(window.step), Some(ZoomStep::Cell(_)));
    // The picture's palette has no colours for signed values.
    let pictured =
        app.shows_pixels() && small && app.scored().is_none() && app.pixels.take(window.area, buf.area);
    if pictured {
        layout.pictures.push(Picture::Map(window.clone()));
    }
    if geometry.has_rule {
        let keys = match kind {
            Kind::Decoder => "keys: what the decoder has read",
            _ if app.keys().is_timed() => "keys: frames of the recording",
            Kind::Encoder if app.window().is_some() => "keys: patches, within windows",
            _ => "keys: source",
        };
        let shows = match pictured {
            true => shows(app, &window.fine(app.pixels.cell()).0),
            false => shows(app, window),
        };
        let line = part(area, 0, 0, area.width, 1);
        let wordings = match shows.is_empty() {
            true => [keys.to_string(), "keys".into()],
            false => [format!("{keys} · {shows}"), shows],
        };
        // The legend, which needs about as much, comes before the name of the keys.
        const LEGEND: usize = 16;
        let room = usize::from(line.width.saturating_sub(left)).saturating_sub(LEGEND + 3);
        let keys = wordings.iter().find(|keys| width(keys) <= room).unwrap_or(&wordings[1]).clone();
        let mut titles = gutter.titles(kind);
        titles.push((left, &keys));
        rule(buf, line, &titles, &app.theme);
        let taken = left + width(&keys) as u16 + 3;
        legend(buf, part(line, taken, 0, line.width, 1), app, sheet);
    }
    strip::draw(buf, geometry.strip, app, window, layout);
    axis::draw(buf, geometry.keys, app.keys(), window, &geometry.flags, app.key(), theme);
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
        let edited = app
            .queries()
            .units
            .get(query)
            .is_some_and(|unit| unit.tokens.clone().any(|row| app.is_edited(row)));
        let mark = match (edited, here) {
            (true, _) => "≠",
            (false, true) => "▸",
            (false, false) => " ",
        };
        put(buf, line, line.x, line.y, mark, theme.accent());
        put(buf, line, line.x + 1, line.y, &label, style);
        layout.hit(line, Hit::View(ViewHit::Query(query)));
    }
    if !pictured {
        heat(app, &cache.pixels(app, sheet, window), window).draw(buf);
        if app.views.map.path {
            strip::draw_path(buf, &cache.path(app), window, theme);
        }
    }
    layout.hit(window.area, Hit::View(ViewHit::Map));
}

/// Returns the visible part of the map, ready to be drawn.
pub fn heat<'a>(app: &'a App, pixels: &'a WindowPixels, window: &'a Window) -> Heat<'a> {
    let causal = app.selection.head.kind() == Kind::Decoder;
    Heat {
        pixels: &pixels.weights,
        tops: &pixels.tops,
        window,
        scale: app.reading.scale,
        signed: app.scored().is_some(),
        number: if app.scored().is_some() { short_score } else { short },
        threshold: app.reading.threshold,
        causal: causal.then(|| (app.queries(), app.keys())),
        cursor: (app.query(), app.key()),
        theme: &app.theme,
    }
}

/// Describes the visible part of the map, if it is not the whole map, and the number of weights per cell.
fn shows(app: &App, window: &Window) -> String {
    let (queries, keys) = (app.queries().len(), app.keys().len());
    let mut parts = Vec::new();
    if window.cols.len() < keys {
        parts.push(format!("{}–{} of {keys}", window.cols.start, window.cols.end.saturating_sub(1)));
    }
    if window.rows.len() < queries {
        parts.push(format!("rows {}–{} of {queries}", window.rows.start, window.rows.end.saturating_sub(1)));
    }
    if let Some(axes) = &app.views.map.filtered {
        let kind = app.selection.head.kind();
        let (rows, cols) = (app.axes.queries(kind).len(), app.axes.keys(kind).len());
        let (left, right) = (axes.queries.len(), axes.keys.len());
        parts.push(format!("filter leaves {left} of {rows} rows, {right} of {cols} keys"));
    }
    let (down, across) = window.covers();
    if down * across > 1 {
        let how = if app.reading.pool == Pool::Max { "largest" } else { "mean" };
        parts.push(format!("{how} of {down}×{across}"));
    }
    parts.join(", ")
}

/// Draws source and target as running text, shaded by the weights of the selected row.
fn texts(buf: &mut Buffer, area: Rect, app: &App, sheet: &Sheet, (cache, layout): (&mut Cache, &mut Layout)) {
    let half = area.width / 2;
    let height = area.height.saturating_sub(1);
    let left = part(area, 1, 1, half.saturating_sub(2), height);
    let right = part(area, half + 1, 1, area.width.saturating_sub(half + 2), height);
    let room = usize::from(height);
    let overflows = passage::lines(&app.axes.input, usize::from(right.width), room + 1) > room;
    // The position in a long text comes before the longer title.
    let target = if overflows && half < 60 { "target" } else { "target, as the decoder reads it" };
    rule(buf, part(area, 0, 0, area.width, 1), &[(1, "source"), (half, target)], &app.theme);
    let kind = app.selection.head.kind();
    let row = sheet.row(app.query());
    let seconds = app.axes.source.is_timed();
    let top = sheet.row_max.get(app.query()).copied().unwrap_or(1.0);
    let (scale, seen) = (app.reading.scale, app.keys_seen(app.query()));
    let style = |axis: &Axis, keys: bool, queries: bool, place: usize| {
        let mut style = app.theme.text();
        let Some(unit) = axis.units.get(place) else { return style };
        // Tokens that the filter leaves out are drawn without shading.
        let (key, query) = (app.keys().place_of(unit), app.queries().place_of(unit));
        if let Some(place) = key.filter(|_| keys) {
            let weight = row.get(place).copied().unwrap_or(0.0);
            style = match app.scored() {
                None => app.theme.shaded_text(scale.unit(weight, scale.top(top, sheet.max, seen))),
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
    let titles = [part(area, 0, 0, half, 1), part(area, half, 0, area.width - half, 1)];
    for (at, (axis, area, keys, queries)) in axes.into_iter().enumerate() {
        if at == 0
            && let Some(picture) = SourcePicture::new(app, cache, area)
        {
            let level = |place: usize| {
                let key = app.keys().place_of(axis.units.get(place)?).filter(|_| keys)?;
                Some(scale.unit(*row.get(key)?, scale.top(top, sheet.max, seen)))
            };
            let selected = |chosen: usize, shown: bool| shown.then(|| axis.unit_of(chosen));
            let selected =
                (selected(app.selection.source_query, queries), selected(app.selection.source_key, keys));
            let picture = picture.with_window(app.window_place(app.selection.source_query));
            let places = picture.draw(buf, area, axis, selected, &level, layout);
            places.into_iter().for_each(|(rect, place)| layout.hit(rect, Hit::View(ViewHit::Source(place))));
            continue;
        }
        let focus = if queries { app.selection.query() } else { app.selection.key() };
        let style = |place: usize| style(axis, keys, queries, place);
        // A filtered row has its own places.
        let weights: &[f32] = if row.len() == axis.len() { &row } else { &[] };
        let places = match at == 0 && seconds {
            true => app.timeline().draw(buf, area, (axis, weights), axis.unit_of(focus), &app.theme, style),
            false => passage::draw(buf, area, axis, axis.unit_of(focus), style),
        };
        if !axis.is_timed() {
            passage::cue(buf, titles[at], &app.theme, axis, &places);
        }
        for (rect, place) in places {
            let hit = if at == 0 { ViewHit::Source(place) } else { ViewHit::Target(place) };
            layout.hit(rect, Hit::View(hit));
        }
    }
}

/// Draws the colour bar at the right end of a line.
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
    let full = scale.top(row_max, sheet.max, app.keys_seen(app.query()));
    let (long, top) = match scale.range {
        Range::Row if full > row_max => {
            let full = fine(full);
            (format!("row max {}, full at {full} (2× uniform)", fine(row_max)), format!("full at {full}"))
        }
        Range::Row => (format!("row max {}", fine(full)), format!("row max {}", fine(full))),
        Range::Map => (format!("map max {}", fine(full)), format!("map max {}", fine(full))),
        Range::Absolute => ("1".into(), "1".into()),
    };
    let curve = match scale.curve {
        Curve::Linear => "",
        Curve::Sqrt => " √",
        Curve::Log => " log",
    };
    let gamma = match scale.gamma {
        10 => String::new(),
        tenths => format!(" γ {:.1}", f32::from(tenths) / 10.0),
    };
    let curve = format!("{curve}{gamma}");
    const BAR: u16 = 15;
    for (high, bar) in [(&long, BAR), (&top, BAR), (&top, 2)] {
        let high = format!("{high}{curve}");
        let needed = bar + width(&high) as u16;
        if needed < area.width {
            let at = part(area, area.width - needed, 0, needed, 1);
            put(buf, at, at.x, at.y, " ", app.theme.text());
            let end = match bar {
                BAR => color_bar(buf, at, at.x + 1, at.y, &app.theme, &high),
                _ => put(buf, at, at.x + 1, at.y, &high, app.theme.dim()),
            };
            put(buf, at, end, at.y, " ", app.theme.text());
            return;
        }
    }
}
