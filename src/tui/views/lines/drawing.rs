//! Content of Lines as a drawing. All queries and keys are in it, those that are scrolled away, too.

use super::links::{heads, links, rows};
use super::state::ShownLines;
use crate::export::drawing::Drawing;
use crate::export::figure::lines::{DrawnLink, LinesDrawing, MOST_TOKENS};
use crate::tui::app::App;
use crate::tui::exporting::remark;
use crate::tui::theme::Theme;

/// Returns the two columns of tokens and their links.
pub fn drawing(app: &App) -> Option<Drawing> {
    let queries = 0..app.queries().len().min(MOST_TOKENS);
    let of_heads = rows(app, &heads(app), queries.clone());
    let links = links(app, &of_heads, queries.clone());
    let keys = app.keys().len().min(MOST_TOKENS);
    let weight = |head: Option<usize>, query: usize, key: usize| {
        of_heads.get(head.unwrap_or(0)).map_or(0.0, |rows| rows.weight(query, key))
    };
    let drawn = links.iter().filter(|link| link.key < keys).map(|link| DrawnLink {
        query: link.query,
        key: link.key,
        weight: weight(link.hue, link.query, link.key),
        level: link.level,
        head: link.hue,
    });
    let colour = |at: usize| Theme { light: app.theme.light, ..Theme::default() }.stroke_color(Some(at), 1.0);
    let names = of_heads.iter().enumerate().filter(|(_, rows)| rows.hue.is_some());
    let title = match app.views.lines.shows {
        ShownLines::Head if of_heads.len() > 1 => "marked heads".to_string(),
        ShownLines::Head => app.selection.head.to_string(),
        ShownLines::Token => format!("heads of {}", app.selection.head.site),
    };
    Some(Drawing::Lines(LinesDrawing {
        title,
        remark: remark(app),
        queries: app.queries().units.iter().take(queries.len()).map(|unit| unit.label.clone()).collect(),
        keys: app.keys().units.iter().take(keys).map(|unit| unit.label.clone()).collect(),
        links: drawn.collect(),
        heads: names.map(|(at, rows)| (rows.head.to_string(), colour(at))).collect(),
    }))
}
