//! Drawing of Grid: a row of thumbnails for each layer. Heads that look at a picture light it up for the
//! selected query.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::site::{Head, Kind, Site};
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::reading::{max_of, read_rows};
use crate::tui::widgets::cells::{part, put};
use crate::tui::widgets::list::cue;
use crate::tui::widgets::picture::{SourcePicture, is_picture, size};
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;

/// Returns the heads in Grid: all of the selected kind.
pub fn heads(app: &App) -> Vec<Head> {
    let kind = app.selection.head.kind();
    app.capture.as_ref().map_or_else(Vec::new, |capture| capture.heads_of(kind))
}

/// Sizes and numbers of the thumbnails.
pub struct Tiles {
    /// Area of all thumbnails.
    pub room: Rect,
    /// Width and height of each in cells.
    pub size: (u16, u16),
    /// Thumbnails side by side.
    pub across: usize,
    /// Lines of thumbnails.
    pub rows: usize,
    /// Layers of the selected kind.
    pub layers: usize,
    /// Heads of its largest layer.
    pub heads: usize,
}

impl Tiles {
    /// Computes the layout of the thumbnails in the view's area.
    pub fn new(app: &App, area: Rect) -> Self {
        let kind = app.selection.head.kind();
        let layers = app.layers();
        let count = |layer| app.capture.as_ref().map_or(0, |capture| capture.heads(Site::new(kind, layer)));
        let heads = (0..layers).map(count).max().unwrap_or(0);
        let room = part(area, 0, 1, area.width, area.height.saturating_sub(1));
        let seen = app.capture.as_ref().filter(|capture| kind != Kind::Decoder && is_picture(capture));
        let size = seen.and_then(|capture| picture_tile(room, layers, heads, size(capture)));
        let size = size.unwrap_or_else(|| tile_size(room, layers, heads));
        let across = usize::from(room.width / size.0).clamp(1, heads.max(1));
        let rows = usize::from(room.height / size.1).max(1);
        Self { room, size, across, rows, layers, heads }
    }
}

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let Tiles { room, size: (width, height), across, rows, layers, heads: most } = Tiles::new(app, area);
    let title = match most > across {
        true => {
            format!("{}: {layers} layers down, {most} heads in lines of {across}", app.selection.head.kind())
        }
        false => format!("{}: {layers} layers down, {most} heads across", app.selection.head.kind()),
    };
    let aligning = heads(app).into_iter().any(|head| app.aligns(head));
    let title = if aligning { format!("{title} · ◇ aligns, by the model's settings") } else { title };
    let seen = app.selection.head.kind() != Kind::Decoder;
    let tile = part(room, 1, 1, width.saturating_sub(2), height.saturating_sub(2));
    let picture = seen.then(|| SourcePicture::small(app, cache, tile)).flatten();
    let title = match &picture {
        Some(_) => format!("{title} · where each looks for {}", app.query_name(app.query())),
        None => title,
    };
    rule(buf, part(area, 0, 0, area.width, 1), &[(1, &title)], &app.theme);
    if most == 0 || room.is_empty() {
        return;
    }
    let lines_a_layer = most.div_ceil(across);
    let line_of = |head: Head| head.layer() * lines_a_layer + head.head / across;
    let total = layers * lines_a_layer;
    let first = (line_of(app.selection.head) + 1).saturating_sub(rows).min(total.saturating_sub(rows));
    cue(buf, part(area, 0, 0, area.width, 1), &app.theme, (first, rows, total));
    for (at, head) in heads(app).into_iter().enumerate() {
        let line = line_of(head);
        if line < first || line >= first + rows {
            continue;
        }
        let x = (head.head % across) as u16 * width;
        let y = (line - first) as u16 * height;
        let tile = part(room, x, y, width, height);
        draw_tile(buf, tile, app, head, (picture.as_ref(), layout));
        layout.hit(tile, Hit::View(ViewHit::Item(at)));
    }
}

/// Returns the size of the largest tiles with a picture of `width` x `height` pixels at which all heads fit;
/// `None` if there is none.
fn picture_tile(room: Rect, layers: usize, heads: usize, [width, height]: [f64; 2]) -> Option<(u16, u16)> {
    // A cell is twice as high as it is wide. A tile has a title and a free line, and a free column at each
    // side.
    let lines = |columns: u16| (f64::from(columns.saturating_sub(2)) * height / width / 2.0).round().max(1.0);
    let mut sizes = (1..=heads).map(|across| (across, room.width / across as u16));
    sizes.find_map(|(across, columns)| {
        let all = (layers * heads.div_ceil(across)) as f64 * (lines(columns) + 2.0);
        // Narrower tiles have no room for a picture.
        (columns > 2 && all <= f64::from(room.height)).then(|| (columns, lines(columns) as u16 + 2))
    })
}

/// Returns the largest tile size at which all heads fit, but at least the smallest readable one.
fn tile_size(room: Rect, layers: usize, heads: usize) -> (u16, u16) {
    let width = (room.width / heads.max(1) as u16).clamp(9, 34);
    let height = (room.height / layers.max(1) as u16).clamp(4, width / 2 + 2);
    (width.min(room.width.max(1)), height.min(room.height.max(1)))
}

fn draw_tile(
    buf: &mut Buffer,
    tile: Rect,
    app: &App,
    head: Head,
    (picture, layout): (Option<&SourcePicture>, &mut Layout),
) {
    let theme = &app.theme;
    let here = head == app.selection.head;
    let mark = match (app.marks.contains(&head), app.aligns(head)) {
        (true, _) => "●",
        (false, true) => "◇",
        (false, false) => " ",
    };
    let facts = app.survey.heads.get(&head);
    let name = format!("{}{}.{}", if here { "▸" } else { mark }, head.layer(), head.head);
    let style = if here { theme.selected() } else { theme.text() };
    let end = put(buf, part(tile, 0, 0, tile.width, 1), tile.x, tile.y, &name, style);
    let Some(facts) = facts else {
        put(buf, tile, tile.x + 1, tile.y + 1, "…", theme.dim());
        return;
    };
    let metrics = &facts.metrics;
    let far = match (metrics.locality, metrics.far_mass) {
        (Some(locality), _) => format!(" local {locality:.2}"),
        (None, far) => far.map(|far| format!(" far {far:.2}")).unwrap_or_default(),
    };
    let role = metrics.role_label().map(|role| format!(" {role}")).unwrap_or_default();
    let room = usize::from(tile.right().saturating_sub(end + 1));
    // The role goes first where there is no room for both.
    let texts = [format!("{role}{far}"), role, far];
    if let Some(text) = texts.iter().find(|text| !text.is_empty() && text.len() <= room) {
        put(buf, tile, end, tile.y, text, theme.dim());
    }
    let inner = part(tile, 1, 1, tile.width.saturating_sub(2), tile.height.saturating_sub(1));
    match picture {
        Some(picture) => lit_by(buf, inner, app, head, (picture, layout)),
        None => {
            thumbnail(buf, inner, theme, &facts.thumbnail, app.reading.scale, head.kind() == Kind::Decoder);
        }
    }
}

/// Draws the picture with the weights of a head for the selected query over it.
fn lit_by(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    head: Head,
    (picture, layout): (&SourcePicture, &mut Layout),
) {
    let (queries, keys, query) = (app.queries(), app.keys(), app.query());
    let Some(rows) = app.rows(head, |count| queries.tokens_of(query, count)) else { return };
    let weights = read_rows(&rows, queries, keys, &app.reading, query);
    let largest = max_of(&weights);
    let scale = app.reading.scale;
    let top = scale.top(largest, largest, weights.len());
    let level = |place: usize| Some(scale.unit(*weights.get(place)?, top));
    let selected = (head.kind() == Kind::Encoder).then_some(query);
    picture.draw(buf, area, keys, (selected, None), &level, layout);
}
