//! Colour bar of a figure.

use super::{FigureStyle, SMALL, anchored, text};
use crate::export::scene::{Anchor, Area, CellGrid, Shape};
use crate::paint::{Colormap, Range};

/// Width of a bar with its numbers.
pub const WIDTH: f32 = 64.0;
const BAR: f32 = 12.0;
const STEPS: usize = 64;

/// Draws a vertical colour bar with its top at (`x`, `y`), labelled with the weights that its colours stand
/// for. `map_max` is the largest weight in the figure.
pub fn upright(x: f32, y: f32, height: f32, map_max: f32, style: &FigureStyle) -> Vec<Shape> {
    let area = Area { x, y, width: BAR, height };
    let colors =
        (0..STEPS).rev().map(|i| style.colormap.color(i as f32 / (STEPS - 1) as f32)).collect::<Vec<_>>();
    let mut shapes =
        vec![Shape::Cells(CellGrid { area, cols: 1, colors }), Shape::Outline(area, style.theme.line())];
    let top = style.scale.top(1.0, map_max, usize::MAX);
    for tick in 0..=4 {
        let t = tick as f32 / 4.0;
        let at = y + height * (1.0 - t);
        shapes.push(text(
            x + BAR + 5.0,
            at + SMALL * 0.36,
            SMALL,
            style.theme.dim(),
            &number(style.scale.weight(t, top)),
        ));
    }
    let unit = if style.scale.range == Range::Row { "of row max." } else { "weight" };
    shapes.push(anchored(x, y - 10.0, SMALL, style.theme.dim(), unit, Anchor::Start));
    shapes
}

/// Draws a vertical bar for values from `-largest` to `largest`, like [`upright`].
pub fn signed(x: f32, y: f32, height: f32, largest: f32, style: &FigureStyle) -> Vec<Shape> {
    let area = Area { x, y, width: BAR, height };
    let color = |step: usize| Colormap::Diverging.color(step as f32 / (STEPS - 1) as f32);
    let colors = (0..STEPS).rev().map(color).collect();
    let mut shapes =
        vec![Shape::Cells(CellGrid { area, cols: 1, colors }), Shape::Outline(area, style.theme.line())];
    for (share, value) in [(0.0, largest), (0.5, 0.0), (1.0, -largest)] {
        let sign = if value > 0.0 {
            "+"
        } else if value < 0.0 {
            "−"
        } else {
            ""
        };
        let label = format!("{sign}{}", number(value.abs()));
        let baseline = y + height * share + SMALL * 0.36;
        shapes.push(text(x + BAR + 5.0, baseline, SMALL, style.theme.dim(), &label));
    }
    shapes
}

/// Formats a weight with at most three decimals.
pub fn number(value: f32) -> String {
    let text = if value == 0.0 || value >= 0.1 { format!("{value:.2}") } else { format!("{value:.3}") };
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short.is_empty() || short == "0" { "0".into() } else { short.into() }
}
