//! Drawing of Corpus.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::rows;
use crate::axis::AxisItem;
use crate::scan::{BINS, Distribution, Exemplar};
use crate::site::Kind;
use crate::terminal::printable;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::reading::{Axis, Reading};
use crate::tui::views::view::head_columns;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put};
use crate::tui::widgets::context::TextContext;
use crate::tui::widgets::list::{cue, first_line};
use crate::tui::widgets::rule::rule;

/// Lines below the exemplars that show the selected one's link in its texts, if there is room.
const CONTEXT: u16 = 2;

const NUMBER: usize = 9;

/// Width of the column that names the link of an exemplar.
const LINK: usize = 28;

/// Returns the lines of the heads and those of the exemplars, below their titles.
pub fn lists(area: Rect) -> [Rect; 2] {
    let upper = area.height / 2;
    let below = if area.height >= 12 { CONTEXT } else { 0 };
    let heads = part(area, 0, 2, area.width, upper.saturating_sub(2));
    let exemplars = part(area, 0, upper + 1, area.width, (area.height - upper).saturating_sub(1 + below));
    [heads, exemplars]
}

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    if app.views.corpus.scan.is_none() {
        let how = "no scan is open: attn-tui scan writes one, and attn-tui FOLDER opens it";
        put(buf, area, area.x + 2, area.y + 1, how, app.theme.dim());
        return;
    }
    let [heads, exemplars] = lists(area);
    let count = draw_heads(buf, area, heads, app, layout);
    let title = part(area, 0, area.height / 2, area.width, 1);
    draw_exemplars(buf, title, exemplars, app, count, layout);
    let view = &app.views.corpus;
    if let Some(exemplar) = view.found().get(view.selected) {
        let below = Rect { y: exemplars.bottom(), height: area.bottom() - exemplars.bottom(), ..area };
        draw_context(buf, below, app, exemplar);
    }
}

/// Draws the list of heads and returns their number.
fn draw_heads(buf: &mut Buffer, area: Rect, list: Rect, app: &App, layout: &mut Layout) -> usize {
    let theme = &app.theme;
    let view = &app.views.corpus;
    let rows = rows(app);
    let metric = view.metric();
    let known = view.distributions.as_ref().filter(|(known, _)| *known == metric);
    let title = match known {
        None => format!("heads by their mean {metric} · reading …"),
        Some((_, found)) => {
            let sample = match found.parts {
                (read, all) if read < all => format!(", a sample: {read} of {all} files"),
                _ => String::new(),
            };
            let (low, high) = found.range;
            let sentences = found.sentences;
            format!(
                "heads by their mean {metric} over {sentences} sentences{sample}; bars from {low:.2} to {high:.2}"
            )
        }
    };
    let line = part(area, 0, 0, area.width, 1);
    rule(buf, line, &[(1, &fit(&title, usize::from(area.width).saturating_sub(22)))], theme);
    let names = head_columns(app);
    let columns = fit_left("  head", names) + &fit_right("mean", NUMBER) + &fit_right("sd", NUMBER);
    put(buf, part(area, 0, 1, area.width, 1), area.x, area.y + 1, &columns, theme.dim());
    let selected = rows.iter().position(|(head, _)| *head == app.selection.head).unwrap_or(0);
    let room = usize::from(list.height);
    let first = first_line(app.layout.first, selected, room, rows.len());
    cue(buf, line, theme, (first, room, rows.len()));
    for (y, (at, (head, found))) in (list.y..list.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = at == selected;
        let style = match (here, view.in_exemplars) {
            (true, false) => theme.selected(),
            (true, true) => theme.accent(),
            (false, _) => theme.text(),
        };
        let name = format!("{} {head}", if here { "▸" } else { " " });
        let mut x = put(buf, row, row.x, y, &fit_left(&name, names), style);
        for value in [found.spread.mean(), found.spread.deviation()] {
            let text = value.map_or_else(|| "–".into(), |value| format!("{value:.3}"));
            x = put(buf, row, x, y, &fit_right(&text, NUMBER), theme.text());
        }
        put(buf, row, x + 2, y, &histogram(found), theme.bar());
        layout.hit(row, Hit::View(ViewHit::Item(at)));
    }
    layout.first = first;
    rows.len()
}

/// Draws a distribution as a row of bars, of which the highest fills its cell.
fn histogram(found: &Distribution) -> String {
    const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = found.bins.iter().copied().max().unwrap_or(0).max(1);
    let height = |count: usize| if count == 0 { 0 } else { (count * (HEIGHTS.len() - 1)).div_ceil(most) };
    found.bins.iter().take(BINS).map(|&count| HEIGHTS[height(count)]).collect()
}

/// Draws the list of exemplars, whose regions for the mouse count on from `count`.
fn draw_exemplars(buf: &mut Buffer, title: Rect, list: Rect, app: &App, count: usize, layout: &mut Layout) {
    let theme = &app.theme;
    let view = &app.views.corpus;
    let head = app.selection.head;
    let known = view.exemplars.is_some();
    let found = view.found();
    let order = match &view.like {
        Some([query, key]) => format!(", those like {} ← {} first", printable(query), printable(key)),
        None => ", the strongest link first".into(),
    };
    let text = if known {
        format!("sentences of {head}{order}")
    } else {
        format!("sentences of {head} · reading …")
    };
    rule(buf, title, &[(1, &fit(&text, usize::from(title.width).saturating_sub(22)))], theme);
    if known && found.is_empty() {
        put(buf, list, list.x + 2, list.y, "this head has no far link in the scan", theme.dim());
    }
    let room = usize::from(list.height);
    let first = first_line(0, view.selected, room, found.len());
    cue(buf, title, theme, (first, room, found.len()));
    for (y, (at, exemplar)) in (list.y..list.bottom()).zip(found.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = at == view.selected;
        let style = match (here, view.in_exemplars) {
            (true, true) => theme.selected(),
            (true, false) => theme.accent(),
            (false, _) => theme.text(),
        };
        let mark = if here { "▸" } else { " " };
        let link = exemplar.link.as_ref();
        let weight = link.map_or(exemplar.score, |found| found.link.weight);
        let x = put(buf, row, row.x, y, &format!("{mark} {weight:.3} "), style);
        let x = put(buf, row, x, y, &fit_left(&name(exemplar), LINK), style);
        let [_, (axis, at)] = axes(exemplar);
        let columns = usize::from(row.right().saturating_sub(x + 1));
        TextContext::new(&axis, axis.unit_of(at), columns).draw(buf, row, x, y, theme);
        layout.hit(row, Hit::View(ViewHit::Item(count + (y - list.y) as usize + first)));
    }
}

/// Names the link of an exemplar: `fed → predicted ← key`.
fn name(exemplar: &Exemplar) -> String {
    let Some(found) = &exemplar.link else { return String::new() };
    let predicted = found.predicted.as_ref().map(|token| format!(" → {token}")).unwrap_or_default();
    printable(&format!("{}{predicted} ← {}", found.query_token, found.key_token))
}

/// Returns the axis of the queries and that of the keys, each with the link's place on it.
fn axes(exemplar: &Exemplar) -> [(Axis, usize); 2] {
    let axis = |tokens: &[String]| {
        let items: Vec<_> = tokens.iter().map(|token| AxisItem::token(0, token.as_str(), false)).collect();
        Axis::new(&items, &Reading::default())
    };
    let (query, key) = exemplar.link.as_ref().map_or((0, 0), |found| (found.link.query, found.link.key));
    let (queries, keys) = match exemplar.head.kind() {
        Kind::Encoder => (&exemplar.source_tokens, &exemplar.source_tokens),
        Kind::Decoder => (&exemplar.decoder_tokens, &exemplar.decoder_tokens),
        Kind::Cross => (&exemplar.target_tokens, &exemplar.source_tokens),
    };
    [(axis(queries), query), (axis(keys), key)]
}

/// Draws the query and the key of an exemplar's link in their texts.
fn draw_context(buf: &mut Buffer, area: Rect, app: &App, exemplar: &Exemplar) {
    for (y, (name, (axis, at))) in
        (area.y..area.bottom()).zip(["query", "key"].into_iter().zip(axes(exemplar)))
    {
        let x = put(buf, area, area.x, y, &fit_left(&format!("  {name} {at}"), 12), app.theme.dim());
        let columns = usize::from(area.right().saturating_sub(x + 1));
        TextContext::new(&axis, axis.unit_of(at), columns).draw(buf, area, x, y, &app.theme);
    }
}
