//! Words in the picture that they were read from, each with its box.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::picture::PicturePlate;
use super::{FigureStyle, MARGIN, SMALL, heading, heading_width, text};
use crate::analysis::regions::BoxedWord;
use crate::axis::PixelBox;
use crate::capture::Capture;
use crate::export::font::Fonts;
use crate::export::png::encode_picture;
use crate::export::scene::{Scene, Shape};
use crate::export::shaping::in_order;
use crate::export::svg::escaped;
use crate::export::table::Table;

/// Words with their boxes, over the picture of a capture.
#[derive(Clone, Debug)]
pub struct BoxesDrawing<'a> {
    /// Title.
    pub title: String,
    /// The capture.
    pub capture: &'a Capture,
    /// The words.
    pub words: &'a [BoxedWord],
    /// Levels in `0..=1` over the patches.
    pub levels: Vec<(PixelBox, f32)>,
    /// The numbers of the words.
    pub table: Table,
}

/// Lays out the picture with a frame around each word; the words stand below. `None` if the source is no
/// picture.
pub fn scene(drawing: &BoxesDrawing, style: &FigureStyle, fonts: &Fonts) -> Option<Scene> {
    let plate = PicturePlate::of(drawing.capture)?;
    let words: Vec<_> = drawing.words.iter().map(|word| word.text.as_str()).collect();
    let (mut shapes, top) = heading(&drawing.title, &words.join(" "), style);
    let corner = [MARGIN, top + 10.0];
    shapes.push(Shape::Bitmap(plate.bitmap(&drawing.levels, style, corner)));
    for word in drawing.words {
        let Some(region) = word.region else { continue };
        let area = plate.area(region.place, corner);
        shapes.push(Shape::Outline(area, style.theme.accent()));
        let below = corner[1] + plate.size[1] + 16.0;
        shapes.push(text(area.x, below, SMALL, style.theme.ink(), &word.text));
    }
    Some(Scene {
        width: (MARGIN + plate.size[0]).max(heading_width(&shapes[..2], fonts)) + MARGIN,
        height: corner[1] + plate.size[1] + 24.0 + MARGIN,
        background: style.theme.background(),
        description: format!("{}: {}", drawing.title, words.join(" ")),
        shapes,
    })
}

/// Returns a page on which a word lights its region while the mouse is over it, and the numbers as a table.
/// It needs no script. `None` if the source is no picture.
pub fn page(drawing: &BoxesDrawing, style: &FigureStyle) -> Option<String> {
    let plate = PicturePlate::of(drawing.capture)?;
    let bitmap = plate.bitmap(&[], style, [0.0, 0.0]);
    let png = BASE64_STANDARD.encode(encode_picture(&bitmap.picture, None).ok()?);
    let title = escaped(&drawing.title);
    let percent = |length: f32, side: f32| 100.0 * length / side.max(1.0);
    let (mut rules, mut boxes, mut words) = (String::new(), String::new(), String::new());
    for (at, word) in drawing.words.iter().enumerate() {
        let label = escaped(&in_order(&word.text));
        // Writing to a String cannot fail.
        let _ = match word.region {
            None => write!(words, "<span>{label}</span> "),
            Some(region) => {
                let area = plate.area(region.place, [0.0, 0.0]);
                let [width, height] = plate.size;
                let _ = writeln!(
                    boxes,
                    "<a id=\"b{at}\" title=\"{label}\" style=\"left:{:.3}%;top:{:.3}%;width:{:.3}%;height:{:.3}%\"></a>",
                    percent(area.x, width),
                    percent(area.y, height),
                    percent(area.width, width),
                    percent(area.height, height)
                );
                let _ = writeln!(
                    rules,
                    "body:has(#w{at}:hover) #b{at}, #b{at}:hover {{ background: #f5a62399; }}"
                );
                let _ = writeln!(rules, "body:has(#b{at}:hover) #w{at} {{ background: #f5a623; }}");
                write!(words, "<span id=\"w{at}\" tabindex=\"0\">{label}</span> ")
            }
        };
    }
    Some(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body {{ font: 16px/1.6 \"DejaVu Sans\", Verdana, sans-serif; margin: 24px; }} \
         figure {{ position: relative; margin: 0; max-width: 960px; }} figure img {{ width: 100%; display: block; }} \
         figure a {{ position: absolute; border: 1px solid #c83c14; box-sizing: border-box; }} \
         p span {{ padding: 0 2px; cursor: default; }} pre {{ font-size: 13px; }}\n{rules}</style>\n</head>\n<body>\n\
         <main>\n<h1>{title}</h1>\n<figure>\n<img alt=\"{}\" src=\"data:image/png;base64,{png}\">\n{boxes}</figure>\n\
         <p>{words}</p>\n<details>\n<summary>The numbers</summary>\n<pre>{}</pre>\n</details>\n</main>\n</body>\n</html>\n",
        escaped(&drawing.capture.source.text),
        escaped(&drawing.table.to_csv()),
    ))
}
