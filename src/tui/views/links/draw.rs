//! Drawing of Links.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::{LinkRow, rows};
use super::state::KeptLinks;
use crate::site::Kind;
use crate::text::label;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::views::view::head_columns;
use crate::tui::widgets::bar::bar;
use crate::tui::widgets::cells::{fit, fit_left, fit_right, part, put, width};
use crate::tui::widgets::context::TextContext;
use crate::tui::widgets::list::{cue, first_line, position};
use crate::tui::widgets::picture::{SourcePicture, is_picture};
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;

/// Lines below the list that show the selected link in its texts, if there is room.
const CONTEXT: u16 = 2;

/// Returns the lines of the list below its title and the names of its columns.
pub fn list(area: Rect) -> Rect {
    let below = if area.height >= 8 { CONTEXT } else { 0 };
    part(area, 0, 2, area.width, area.height.saturating_sub(2 + below))
}

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let links = rows(app);
    let line = part(area, 0, 0, area.width, 1);
    let title = title(app, links.len());
    let side = if area.width >= 100 { area.width / 3 } else { 0 };
    let selected = app.views.links.selected.min(links.len().saturating_sub(1));
    let list = list(area);
    if let Some(link) = links.get(selected) {
        let beside = part(area, area.width - side, 1, side, list.height + 1);
        preview(buf, beside, app, link, (cache, layout));
        context(buf, part(area, 0, list.height + 2, area.width, CONTEXT), app, link);
    }
    let list = part(list, 0, 0, area.width - side, list.height);
    let columns = Columns::new(app, list.width);
    put(buf, part(area, 0, 1, list.width, 1), area.x, area.y + 1, &columns.titles(), app.theme.dim());
    if links.is_empty() {
        put(buf, list, list.x + 2, list.y, &nothing(app), app.theme.dim());
    }
    let room = usize::from(list.height);
    let first = first_line(app.layout.first, selected, room, links.len());
    let shown = position(first, room, links.len()).map_or(0, |text| width(&text) + 3);
    let title = fit(&title, usize::from(area.width).saturating_sub(4 + shown));
    rule(buf, line, &[(1, &title)], &app.theme);
    cue(buf, line, &app.theme, (first, room, links.len()));
    for (y, (at, link)) in (list.y..list.bottom()).zip(links.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        columns.draw(buf, row, app, link, at == selected);
        layout.hit(row, Hit::View(ViewHit::Item(at)));
    }
    layout.first = first;
}

fn title(app: &App, count: usize) -> String {
    let kinds = if app.reading.one_kind { app.selection.head.kind().name() } else { "all kinds" };
    let filter = match app.filter.is_empty() {
        true => String::new(),
        false => format!(", filter {}", app.filter.text()),
    };
    if let Some(list) = &app.views.links.pairs {
        let still = if list.complete { "" } else { " · searching …" };
        return format!("{} in every head of {kinds}: {count} links{filter}{still}", list.title);
    }
    let keep = match app.views.links.keep {
        KeptLinks::All => "special tokens left out",
        KeptLinks::Words => "special tokens and punctuation left out",
        KeptLinks::NoSinks => "special tokens, punctuation and sinks left out",
    };
    let still = if app.survey.complete { "" } else { " · measuring …" };
    let unit = if app.axes.source.is_timed() { "places" } else { "tokens" };
    if app.capture.as_ref().is_some_and(|capture| is_picture(capture)) {
        let beyond = app.reading.distance;
        return format!("links of {kinds}, self-attention beyond {beyond} places{filter}, {keep}{still}");
    }
    format!("links of {kinds} beyond {} {unit}{filter}, {keep}{still}", app.reading.distance)
}

/// Explains an empty list.
fn nothing(app: &App) -> String {
    let complete = app.views.links.pairs.as_ref().map_or(app.survey.complete, |list| list.complete);
    let one_kind = app.reading.one_kind.then(|| app.first_key(Command::OneKind));
    match (complete, &app.views.links.pairs, one_kind) {
        (false, ..) => "measuring …".into(),
        (true, Some(_), Some(key)) => format!("no such link in this kind; {key} shows all kinds"),
        (true, Some(_), None) => {
            "no such link: the key lies ahead of the query, or the filter hides it".into()
        }
        (true, None, _) if !app.filter.is_empty() => "no head has such a link under the filter".into(),
        (true, None, _) => "no head has such a link".into(),
    }
}

/// Columns of the list that fit its width.
struct Columns {
    /// Width of the names of heads.
    head: usize,
    /// Width of the bars; 0 without them.
    bars: usize,
    /// True for given links, whose rank shows instead of the distance.
    ranked: bool,
    value_weighted: bool,
    effects: bool,
}

const NUMBER: usize = 9;
const EFFECT: usize = 18;

impl Columns {
    fn new(app: &App, width: u16) -> Self {
        let ranked = app.views.links.pairs.is_some();
        let known = app.capture.as_ref().is_some_and(|capture| !capture.values.is_empty());
        let effects = !app.views.links.effects.found.is_empty();
        let bars = match width {
            0..=66 => 0,
            67..=119 if effects => 0,
            _ => 12,
        };
        Self {
            head: head_columns(app),
            bars,
            ranked,
            value_weighted: ranked && known && width >= 60,
            effects,
        }
    }

    fn titles(&self) -> String {
        let mut titles =
            fit_left("  head", self.head) + &fit_right("weight ", NUMBER) + &" ".repeat(self.bars);
        titles += &fit_right(if self.ranked { "rank " } else { "distance " }, NUMBER);
        if self.value_weighted {
            titles += &fit_right("by value ", NUMBER);
        }
        if self.effects {
            titles += &fit_left("  without it", EFFECT);
        }
        titles + "  query ← key"
    }

    fn draw(&self, buf: &mut Buffer, row: Rect, app: &App, link: &LinkRow, here: bool) {
        let theme = &app.theme;
        let y = row.y;
        let style = if here { theme.selected() } else { theme.text() };
        let name = format!("{} {}", if here { "▸" } else { " " }, link.head);
        let mut x = put(buf, row, row.x, y, &fit_left(&name, self.head), style);
        let style = if here { theme.accent() } else { theme.text() };
        x = put(buf, row, x, y, &fit_right(&format!("{:.3} ", link.weight), NUMBER), style);
        if self.bars > 0 {
            put(buf, row, x, y, &bar(link.weight, self.bars - 2), theme.bar());
            x = x.saturating_add(self.bars as u16);
        }
        let number = match link.rank {
            Some((rank, of)) => format!("{rank}/{of} "),
            None => link
                .distance
                .map_or_else(|| "– ".into(), |distance| format!("{distance:.1} ").replace(".0 ", " ")),
        };
        x = put(buf, row, x, y, &fit_right(&number, NUMBER), style);
        if self.value_weighted {
            let value = link.value_weighted.map_or_else(|| "– ".into(), |value| format!("{value:.3} "));
            x = put(buf, row, x, y, &fit_right(&value, NUMBER), style);
        }
        if self.effects {
            x = put(buf, row, x, y, &fit_left(&effect(app, link), EFFECT), style);
        }
        x = put(buf, row, x + 2, y, &names(app, link), style);
        contexts(buf, row, x + 2, app, link);
    }
}

/// Formats the largest loss of a target token without the link.
fn effect(app: &App, link: &LinkRow) -> String {
    let Some(loss) = app.views.links.effects.found.get(&link.pair.ablations(link.head)) else {
        return String::new();
    };
    if loss.change > -0.005 {
        return "  0.00".into();
    }
    let token = app.capture.as_ref().and_then(|capture| capture.target.items.get(loss.row));
    let token = token.map(|token| label(&token.piece)).unwrap_or_default();
    format!("  −{:.2} {token}", loss.change.abs())
}

/// Names the query, what it predicts, and the key.
fn names(app: &App, link: &LinkRow) -> String {
    let kind = link.head.kind();
    let (queries, keys) = (app.axes.queries(kind), app.axes.keys(kind));
    let of = |is_key: bool, place: &std::ops::Range<usize>| {
        if let Some(label) = app.hidden_label(kind, is_key, place.start) {
            return label;
        }
        let axis = if is_key { keys } else { queries };
        let (first, last) = (axis.unit_of(place.start), axis.unit_of(place.end.saturating_sub(1)));
        if axis.is_timed() && place.len() > 1 {
            return axis.text(place);
        }
        let first_name = axis.name(first);
        let rest: String = (first + 1..=last).map(|unit| axis.label(unit)).collect();
        first_name + &rest
    };
    let predicted = app.prediction_label(kind, link.pair.queries.end.saturating_sub(1));
    let predicted = predicted.map_or_else(String::new, |label| format!(" → {label}"));
    format!("{}{predicted} ← {}", of(false, &link.pair.queries), of(true, &link.pair.keys))
}

/// Draws the text around tokens that occur several times, in the rest of a line.
fn contexts(buf: &mut Buffer, row: Rect, x: u16, app: &App, link: &LinkRow) {
    const LEAST: u16 = 16;
    let kind = link.head.kind();
    let places =
        [(app.axes.queries(kind), link.pair.queries.start), (app.axes.keys(kind), link.pair.keys.start)];
    let repeated: Vec<_> = places
        .into_iter()
        .map(|(axis, token)| (axis, axis.unit_of(token)))
        .filter(|(axis, unit)| axis.units.get(*unit).is_some_and(|unit| unit.repeated))
        .collect();
    let room = row.right().saturating_sub(x);
    let each = room / repeated.len().max(1) as u16;
    if each < LEAST {
        return;
    }
    let mut x = x;
    for (axis, unit) in repeated {
        let text = TextContext::new(axis, unit, usize::from(each - 2));
        x = put(buf, row, x, row.y, &text.to_string(), app.theme.dim()) + 2;
    }
}

/// Draws the query and the key of a link in their texts.
fn context(buf: &mut Buffer, area: Rect, app: &App, link: &LinkRow) {
    let kind = link.head.kind();
    let lines = [
        ("query", app.axes.queries(kind), link.pair.queries.start),
        ("key", app.axes.keys(kind), link.pair.keys.start),
    ];
    for (y, (name, axis, token)) in (area.y..area.bottom()).zip(lines) {
        let unit = axis.unit_of(token);
        let name = format!("  {} ", fit_left(&format!("{name} {token}"), 10));
        let x = put(buf, area, area.x, y, &name, app.theme.dim());
        let columns = usize::from(area.width).saturating_sub(width(&name) + 1);
        TextContext::new(axis, unit, columns).draw(buf, area, x, y, &app.theme);
    }
}

/// Draws a thumbnail of a link's head, with the link marked, or the picture that it leads to, with a frame
/// around its patches.
fn preview(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    link: &LinkRow,
    (cache, layout): (&mut Cache, &mut Layout),
) {
    let (Some(facts), Some(capture)) = (app.survey.heads.get(&link.head), &app.capture) else { return };
    put(buf, area, area.x + 1, area.y, &link.head.to_string(), app.theme.dim());
    let inner = part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(1));
    let seen = link.head.kind() != Kind::Decoder;
    if let Some(picture) = seen.then(|| SourcePicture::new(app, cache, inner)).flatten() {
        let keys = app.axes.keys(link.head.kind());
        let key = keys.unit_of(link.pair.keys.start);
        let query = app.axes.queries(link.head.kind()).unit_of(link.pair.queries.start);
        let query = (link.head.kind() == Kind::Encoder).then_some(query);
        let level = |place: usize| (place == key).then_some(link.weight);
        picture.draw(buf, inner, keys, (query, Some(key)), &level, layout);
        return;
    }
    let picture =
        part(area, 1, 1, area.width.saturating_sub(2), area.height.saturating_sub(2).min(area.width / 2));
    let kind = link.head.kind();
    thumbnail(buf, picture, &app.theme, &facts.thumbnail, app.reading.scale, kind == Kind::Decoder);
    let (rows, cols) = capture.shape(kind);
    let place =
        |at: usize, of: usize, cells: u16| ((2 * at + 1) * usize::from(cells) / (2 * of.max(1))) as u16;
    let x = picture.x + place(link.pair.keys.start, cols, picture.width);
    let y = picture.y + place(link.pair.queries.start, rows, picture.height);
    put(buf, picture, x, y, "◆", app.theme.accent());
}
