//! Painting lines between two columns of tokens as a picture.

use super::IndexedImage;
use crate::tui::layout::LinePicture;
use crate::tui::theme::Theme;

/// Half the width of a line in pixels.
const HALF: f32 = 1.0;

/// Number of shades of each hue. With a palette for each hue, all must fit into 255 colours.
const SHADES: usize = 32;

/// Paints lines with smooth edges. Where lines meet, the strongest is on top.
pub fn paint(picture: &LinePicture, cell: (usize, usize), theme: &Theme) -> IndexedImage {
    let (width, height) =
        (usize::from(picture.area.width) * cell.0, usize::from(picture.area.height) * cell.1);
    let several = picture.strokes.iter().any(|stroke| stroke.hue.is_some());
    let mut image = IndexedImage { width, height, pixels: vec![0; width * height], palette: vec![[0; 3]] };
    let hues = if several { (0..Theme::HUES).map(Some).collect() } else { vec![None] };
    for hue in hues {
        image.palette.extend((1..=SHADES).map(|step| theme.stroke_color(hue, step as f32 / SHADES as f32)));
    }
    let mut shade = vec![0.0f32; width * height];
    for stroke in &picture.strokes {
        let slope = (stroke.right - stroke.left) * cell.1 as f32 / width.max(1) as f32;
        // A steep line covers more rows of a column.
        let reach = HALF * (1.0 + slope * slope).sqrt();
        let first = stroke.hue.map_or(0, |hue| hue % Theme::HUES * SHADES);
        for x in 0..width {
            let middle = stroke.at((x as f32 + 0.5) / width as f32) * cell.1 as f32;
            let (top, bottom) = ((middle - reach - 0.5).floor(), (middle + reach + 0.5).ceil());
            for y in (top.max(0.0) as usize)..(bottom.clamp(0.0, height as f32) as usize) {
                let away = (y as f32 + 0.5 - middle).abs();
                let level = stroke.level * (reach + 0.5 - away).clamp(0.0, 1.0);
                let at = y * width + x;
                let step = (level * SHADES as f32).round() as usize;
                if step > 0 && level >= shade[at] {
                    shade[at] = level;
                    image.pixels[at] = (first + step.min(SHADES)) as u8;
                }
            }
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;
    use crate::tui::widgets::strokes::Stroke;

    #[test]
    fn strong_lines_lie_over_weak_ones() {
        let area = Rect::new(0, 0, 3, 2);
        let stroke = |left, right, level, hue| Stroke { left, right, level, hue };
        let strokes = vec![
            stroke(0.5, 1.5, 0.25, Some(0)),
            stroke(0.5, 0.5, 1.0, Some(1)),
            stroke(9.0, 9.0, 1.0, None),
        ];
        let image = paint(&LinePicture { area, strokes }, (10, 20), &Theme::default());
        assert_eq!((image.width, image.height, image.palette.len()), (30, 40, 1 + Theme::HUES * SHADES));
        let at = |x: usize, y: usize| usize::from(image.pixels[y * 30 + x]);
        assert_eq!(at(0, 10), 2 * SHADES, "the level line is at its full strength");
        assert_eq!(at(29, 10), 2 * SHADES);
        assert_eq!(at(29, 29), SHADES / 4, "the other one is a quarter as strong");
        assert_eq!(at(15, 0), 0);
    }
}
