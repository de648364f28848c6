//! Drawing of Heads.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::columns::{self, DIRECT, about, is_whole, shown};
use super::rows::rows;
use crate::tui::app::App;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::views::view::head_columns;
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put};
use crate::tui::widgets::list::{cue, first_line};
use crate::tui::widgets::rule::rule;

const COLUMN: usize = 9;
const BAR: usize = 12;

/// Width of the column of roles: the longest name with its score.
const ROLE: usize = 17;

/// Returns the lines of the table below its title and the names of its columns.
pub fn list(area: Rect) -> Rect {
    part(area, 0, 2, area.width, area.height.saturating_sub(2))
}

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let heads = rows(app);
    let sorted = columns::sorted(app);
    let kinds = if app.reading.one_kind { app.selection.head.kind().name() } else { "all kinds" };
    let title = format!("{} heads of {kinds}, by {sorted}: {}", heads.len(), about(app, sorted));
    let line = part(area, 0, 0, area.width, 1);
    rule(buf, line, &[(1, &fit(&title, usize::from(area.width).saturating_sub(4)))], &app.theme);
    let name_width = head_columns(app);
    let columns = visible(app, usize::from(area.width));
    let head_line = part(area, 0, 1, area.width, 1);
    let mut x = put(buf, head_line, area.x, head_line.y, &fit_left("  head", name_width), theme.dim());
    x = put(buf, head_line, x, head_line.y, &fit_left("role", ROLE), theme.dim());
    let hidden = shown(app).len() - columns.len();
    for name in &columns {
        let style = if *name == sorted { theme.accent() } else { theme.dim() };
        x = put(buf, head_line, x, head_line.y, &fit_right(&short_name(name), COLUMN), style);
        if *name == sorted {
            x = put(
                buf,
                head_line,
                x,
                head_line.y,
                if app.views.heads.reverse { " ▲" } else { " ▼" },
                theme.accent(),
            );
            x = x.saturating_add(BAR as u16 - 2);
        }
    }
    if hidden > 0 {
        let before = app.views.heads.scroll.min(hidden);
        let arrows =
            if before > 0 { "◂" } else { " " }.to_string() + if before < hidden { "▸" } else { " " };
        put(buf, head_line, area.right().saturating_sub(3).max(x), head_line.y, &arrows, theme.accent());
    }
    let list = list(area);
    let room = usize::from(list.height);
    let selected = heads.iter().position(|&head| head == app.selection.head).unwrap_or(0);
    let first = first_line(app.layout.first, selected, room, heads.len());
    cue(buf, line, theme, (first, room, heads.len()));
    let full = heads
        .iter()
        .filter_map(|head| columns::value(app, *head, sorted))
        .fold(0.0f32, |max, value| max.max(value.abs()));
    for (y, (at, &head)) in (list.y..list.bottom()).zip(heads.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = at == selected;
        let mark = if app.marks.contains(&head) {
            "●"
        } else if here {
            "▸"
        } else if app.aligns(head) {
            "◇"
        } else {
            " "
        };
        let style = if here { theme.selected() } else { theme.text() };
        let mut x = put(buf, row, row.x, y, &fit_left(&format!("{mark} {head}"), name_width), style);
        layout.hit(row, Hit::View(ViewHit::Item(at)));
        let Some(facts) = app.survey.heads.get(&head) else {
            put(buf, row, x + 1, y, "measuring …", theme.dim());
            continue;
        };
        let role = facts.metrics.role().zip(facts.metrics.role_label());
        let role = role.map_or_else(|| "–".into(), |(found, label)| format!("{label} {:.2}", found.score));
        x = put(buf, row, x, y, &fit_left(&role, ROLE), if here { theme.accent() } else { theme.text() });
        for name in &columns {
            let value = columns::value(app, head, name);
            let text = match value {
                Some(value) if is_whole(name) && value == 0.0 => "0".into(),
                Some(value) if is_whole(name) => format!("{value:+.0}"),
                Some(value) if *name == DIRECT => format!("{value:+.3}"),
                Some(value) => format!("{value:.3}"),
                None => "–".into(),
            };
            let style = if here {
                theme.accent()
            } else if *name == sorted {
                theme.text()
            } else {
                theme.dim()
            };
            x = put(buf, row, x, y, &fit_right(&text, COLUMN), style);
            if *name == sorted {
                let share = if full > 0.0 { value.unwrap_or(0.0).abs() / full } else { 0.0 };
                put(buf, row, x + 1, y, &bar(share, BAR - 2), theme.bar());
                x = x.saturating_add(BAR as u16);
            }
        }
    }
    layout.first = first;
}

/// Returns the number of columns beside that of the sorted metric that fit.
fn room_for_others(app: &App, width: usize) -> usize {
    // Arrows at the end of the line of names say that there are more.
    const ARROWS: usize = 3;
    (width.saturating_sub(head_columns(app) + ROLE + BAR + ARROWS) / COLUMN).saturating_sub(1)
}

/// Returns the largest number of columns to scroll by in an area.
pub fn last_scroll(app: &App, area: Rect) -> usize {
    (shown(app).len() - 1).saturating_sub(room_for_others(app, usize::from(area.width)))
}

/// Returns the columns that show: that of the sorted metric, then the others from the scroll position on.
fn visible(app: &App, width: usize) -> Vec<&'static str> {
    let mut all = shown(app);
    let others = all.split_off(1);
    let room = room_for_others(app, width);
    let scroll = app.views.heads.scroll.min(others.len().saturating_sub(room));
    all.extend(others.into_iter().skip(scroll).take(room));
    all
}

fn short_name(name: &str) -> String {
    name.replace("mean_distance", "distance")
        .replace("special_mass", "special")
        .replace("separator_mass", "separat.")
        .replace("local_ratio", "loc_rat")
        .replace("effective_keys", "eff_keys")
        .replace("monotonicity", "monotone")
        .replace("offset_share", "off_shr")
        .replace("confidence", "confid.")
        .replace("entropy_norm", "ent_norm")
        .replace("duplicate", "duplic.")
        .replace("induction", "induct.")
        .replace("top5_mass", "top5")
        .replace("direct_logit", "direct")
        .replace("importance", "import.")
        .replace('_', " ")
}
