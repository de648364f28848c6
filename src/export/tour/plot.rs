//! Bar chart of the influence experiment: one bar per distance and model.

use crate::export::scene::{Anchor, Area, Color, Scene, Shape, TextLine};
use crate::tour::Plot;

const INK: Color = [24, 24, 27];
const DIM: Color = [104, 104, 112];
/// Colours that people with colour-vision deficiency can tell apart (Okabe and Ito 2008).
const COLORS: [Color; 4] = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167]];
const BAR: f32 = 18.0;
const LENGTH: f32 = 380.0;
const LEFT: f32 = 210.0;
const SIZE: f32 = 12.0;

/// Draws the bars with their values.
pub fn scene(plot: &Plot) -> Scene {
    let mut shapes = vec![label(20.0, 30.0, Anchor::Start, INK, CAPTION)];
    let largest = plot.largest().max(1e-6);
    let mut y = 48.0;
    for (at, distance) in plot.distances.iter().enumerate() {
        let middle = y + BAR * plot.series.len() as f32 / 2.0 + SIZE * 0.36;
        shapes.push(label(20.0, middle, Anchor::Start, INK, &format!("{distance} tokens")));
        for (series, color) in plot.series.iter().zip(COLORS.iter().cycle()) {
            let drop = series.drops.get(at).copied().unwrap_or(0.0);
            let width = (drop / largest).max(0.0) as f32 * LENGTH;
            let base = y + BAR / 2.0 + SIZE * 0.36;
            shapes.push(label(LEFT - 8.0, base, Anchor::End, DIM, &series.model));
            shapes.push(Shape::Fill(Area { x: LEFT, y: y + 2.0, width, height: BAR - 4.0 }, *color));
            shapes.push(label(LEFT + width + 6.0, base, Anchor::Start, INK, &format!("{drop:.2}")));
            y += BAR;
        }
        y += 14.0;
    }
    Scene {
        width: LEFT + LENGTH + 80.0,
        height: y + 10.0,
        background: [255, 255, 255],
        description: CAPTION.into(),
        shapes,
    }
}

const CAPTION: &str = "loss of the output's log-probability when the far word is changed, in nats";

fn label(x: f32, y: f32, anchor: Anchor, color: Color, content: &str) -> Shape {
    Shape::Text(TextLine { x, y, size: SIZE, anchor, angle: 0.0, color, content: content.into() })
}
