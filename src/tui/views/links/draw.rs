//! Drawing of Links.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::rows;
use super::state::KeptLinks;
use crate::analysis::links::Link;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put};
use crate::tui::widgets::list::first_line;
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;

/// Returns the lines of the list below its title and the names of its columns.
pub fn list(area: Rect) -> Rect {
    part(area, 0, 2, area.width, area.height.saturating_sub(2))
}

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let links = rows(app);
    let kinds = if app.reading.one_kind { app.selection.head.kind().name() } else { "all kinds" };
    let keep = match app.views.links.keep {
        KeptLinks::All => "special tokens left out",
        KeptLinks::Words => "special tokens and punctuation left out",
        KeptLinks::NoSinks => "special tokens, punctuation and sinks left out",
    };
    let still = if app.survey.complete { "" } else { " · measuring …" };
    let title = format!("links of {kinds} beyond {} tokens, {keep}{still}", app.reading.distance);
    let line = part(area, 0, 0, area.width, 1);
    rule(buf, line, &[(1, &fit(&title, usize::from(area.width).saturating_sub(4)))], &app.theme);
    let bars = if area.width >= 70 { 12 } else { 0 };
    let side = if area.width >= 100 { area.width / 3 } else { 0 };
    if let Some(link) = links.get(app.views.links.selected).filter(|_| side > 0) {
        preview(buf, part(area, area.width - side, 1, side, area.height), app, link);
    }
    let area = part(area, 0, 0, area.width - side, area.height);
    let header = part(area, 0, 1, area.width, 1);
    let titles = format!(
        "{}{}{}{}  {}",
        fit_left("  head", 13),
        fit_right("weight ", 9),
        " ".repeat(bars),
        fit_right("distance ", 9),
        "query ← key"
    );
    put(buf, header, header.x, header.y, &titles, theme.dim());
    let list = list(area);
    if links.is_empty() {
        let text = if app.survey.complete { "no head has such a link" } else { "measuring …" };
        put(buf, list, list.x + 2, list.y, text, theme.dim());
    }
    let room = usize::from(list.height);
    let selected = app.views.links.selected.min(links.len().saturating_sub(1));
    let first = first_line(app.layout.first, selected, room, links.len());
    for (y, (at, link)) in (list.y..list.bottom()).zip(links.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = at == selected;
        let style = if here { theme.selected() } else { theme.text() };
        let name = format!("{} {}", if here { "▸" } else { " " }, link.head);
        let mut x = put(buf, row, row.x, y, &fit_left(&name, 13), style);
        let style = if here { theme.accent() } else { theme.text() };
        x = put(buf, row, x, y, &fit_right(&format!("{:.3} ", link.weight), 9), style);
        if bars > 0 {
            put(buf, row, x, y, &bar(link.weight, bars - 2), theme.bar());
            x = x.saturating_add(bars as u16);
        }
        let distance = format!("{:.1} ", link.distance).replace(".0 ", " ");
        x = put(buf, row, x, y, &fit_right(&distance, 9), style);
        put(
            buf,
            row,
            x + 2,
            y,
            &fit(&tokens(app, link), usize::from(list.right().saturating_sub(x + 2))),
            style,
        );
        layout.hit(row, Hit::View(ViewHit::Item(at)));
    }
    layout.first = first;
}

/// Draws a thumbnail of a link's head.
fn preview(buf: &mut Buffer, area: Rect, app: &App, link: &Link) {
    let Some(facts) = app.survey.heads.get(&link.head) else { return };
    put(buf, area, area.x + 1, area.y, &link.head.to_string(), app.theme.dim());
    let picture =
        part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(2).min(area.width / 2));
    thumbnail(
        buf,
        picture,
        &app.theme,
        &facts.thumbnail,
        app.reading.scale,
        link.head.kind() == Kind::Decoder,
    );
}

fn tokens(app: &App, link: &Link) -> String {
    let kind = link.head.kind();
    let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
    let query = queries.unit_of(link.query);
    let predicted = match app.axes.predicts.get(query) {
        Some((label, _)) if kind != Kind::Encoder => format!(" → {label}"),
        _ => String::new(),
    };
    format!("{}{predicted} ← {}", queries.label(query), keys.label(keys.unit_of(link.key)))
}
