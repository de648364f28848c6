//! Figure of two columns of tokens, joined by lines as strong as their weights.

use super::map::MapDrawing;
use super::{FigureStyle, MARGIN, SMALL, TOKEN, anchored, fitted, heading, heading_width, text};
use crate::capture::Capture;
use crate::error::Result;
use crate::export::font::Fonts;
use crate::export::scene::{Anchor, Color, Scene, Segment, Shape};
use crate::paint::Scale;
use crate::site::Head;

/// Tokens and links to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct LinesDrawing {
    /// Title.
    pub title: String,
    /// Line below the title.
    pub remark: String,
    /// Labels of the queries, at the left.
    pub queries: Vec<String>,
    /// Labels of the keys, at the right.
    pub keys: Vec<String>,
    /// The links, the weakest first.
    pub links: Vec<DrawnLink>,
    /// Names of the heads with their colours, if there are several.
    pub heads: Vec<(String, Color)>,
}

/// A link to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawnLink {
    /// Query, an index into the labels.
    pub query: usize,
    /// Key, an index into the labels.
    pub key: usize,
    /// Weight.
    pub weight: f32,
    /// Strength of the line, `0..=1`.
    pub level: f32,
    /// Head, an index into the names; `None` if there is only one.
    pub head: Option<usize>,
}

/// Height of a token.
const ROW: f32 = 20.0;
/// Width of the lines' area.
const WIDTH: f32 = 320.0;
const LABEL_WIDTH: f32 = 190.0;

/// Largest number of tokens of a column.
pub const MOST_TOKENS: usize = 400;
/// Largest number of lines.
pub const MOST_LINES: usize = 800;
/// Strength below which no line is drawn.
pub const FAINTEST: f32 = 0.06;

impl LinesDrawing {
    /// Returns the lines of a head.
    ///
    /// # Errors
    /// [`crate::error::Error::NoSuchHead`] if the capture lacks the head.
    pub fn of(capture: &Capture, head: Head, scale: Scale) -> Result<Self> {
        let MapDrawing { title, remark, map, mut queries, mut keys, causal, .. } =
            MapDrawing::of(capture, head)?;
        queries.truncate(MOST_TOKENS);
        keys.truncate(MOST_TOKENS);
        let largest = |row: &[f32]| row.iter().copied().fold(0.0, f32::max);
        let map_max = largest(map.as_slice());
        let mut links = Vec::new();
        for query in 0..queries.len() {
            let seen = if causal { query + 1 } else { map.cols() };
            let top = scale.top(largest(map.row(query)), map_max, seen);
            for (key, &weight) in map.row(query).iter().take(keys.len()).enumerate() {
                links.push(DrawnLink { query, key, weight, level: scale.unit(weight, top), head: None });
            }
        }
        links.retain(|link| link.level >= FAINTEST);
        links.sort_by(|a, b| a.level.total_cmp(&b.level));
        links.drain(..links.len().saturating_sub(MOST_LINES));
        Ok(Self { title, remark, queries, keys, links, heads: Vec::new() })
    }
}

/// Lays out the columns and the lines.
pub fn scene(drawing: &LinesDrawing, style: &FigureStyle, fonts: &Fonts) -> Scene {
    let (mut shapes, top) = heading(&drawing.title, &drawing.remark, style);
    let theme = style.theme;
    let label = |label: &String| fitted(label, TOKEN, LABEL_WIDTH, fonts);
    let (queries, keys): (Vec<_>, Vec<_>) =
        (drawing.queries.iter().map(label).collect(), drawing.keys.iter().map(label).collect());
    let widest =
        |labels: &[String]| labels.iter().map(|text| fonts.width(text, TOKEN)).fold(0.0f32, f32::max);
    let mut first = top + 6.0;
    let mut x = MARGIN;
    for (name, color) in &drawing.heads {
        shapes.push(text(x, first + SMALL, SMALL, *color, name));
        x += fonts.width(name, SMALL) + 12.0;
    }
    first += if drawing.heads.is_empty() { 0.0 } else { 22.0 };
    let left = MARGIN + widest(&queries) + 8.0;
    let right = left + WIDTH;
    let middle = |row: usize| first + (row as f32 + 0.5) * ROW;
    for link in &drawing.links {
        let strong = match link.head.and_then(|head| drawing.heads.get(head)) {
            Some((_, color)) => *color,
            None => theme.accent(),
        };
        shapes.push(Shape::Segment(Segment {
            from: (left, middle(link.query)),
            to: (right, middle(link.key)),
            width: 0.8 + 1.8 * link.level,
            color: mixed(theme.background(), strong, 0.1 + 0.9 * link.level),
        }));
    }
    for (row, label) in queries.iter().enumerate() {
        shapes.push(anchored(left - 6.0, middle(row) + 4.0, TOKEN, theme.ink(), label, Anchor::End));
    }
    for (row, label) in keys.iter().enumerate() {
        shapes.push(text(right + 6.0, middle(row) + 4.0, TOKEN, theme.ink(), label));
    }
    let rows = queries.len().max(keys.len()) as f32;
    Scene {
        width: (right + widest(&keys) + 8.0).max(heading_width(&shapes[..2], fonts)).max(x) + MARGIN,
        height: first + rows * ROW + MARGIN,
        background: theme.background(),
        description: format!("{}: {} links", drawing.title, drawing.links.len()),
        shapes,
    }
}

fn mixed(ground: Color, color: Color, share: f32) -> Color {
    let channel = |at: usize| (f32::from(ground[at]) * (1.0 - share) + f32::from(color[at]) * share) as u8;
    [channel(0), channel(1), channel(2)]
}
