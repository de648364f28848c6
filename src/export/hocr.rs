//! Words with their places in a picture as hOCR, which OCR tools read.
//! <https://kba.github.io/hocr-spec/1.2/>

use super::svg::escaped;
use crate::analysis::regions::BoxedWord;

/// Formats the words that were read from the picture `file` of `width` x `height` pixels. Words without a
/// place are left out.
pub fn write(words: &[BoxedWord], file: &str, [width, height]: [usize; 2]) -> String {
    let mut spans = String::new();
    for (at, word) in words.iter().enumerate() {
        let Some(region) = word.region else { continue };
        let place = region.place;
        let sides = [place.x, place.y, place.x + place.w, place.y + place.h].map(f64::round);
        let [left, top, right, bottom] = sides;
        let confidence = (100.0 * word.probability.unwrap_or(region.share)).round();
        spans += &format!(
            "   <span class=\"ocrx_word\" id=\"word_1_{}\" title=\"bbox {left} {top} {right} {bottom}; x_wconf \
             {confidence}\">{}</span>\n",
            at + 1,
            escaped(&word.text)
        );
    }
    // The name stands in quotes of its own inside an attribute.
    let file = escaped(&file.replace(['"', '\\'], "_"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n <head>\n  <meta charset=\"utf-8\">\n  <title>{file}</title>\n  \
         <meta name=\"ocr-system\" content=\"attn-tui {}\">\n  \
         <meta name=\"ocr-capabilities\" content=\"ocr_page ocrx_word\">\n </head>\n <body>\n  \
         <div class=\"ocr_page\" id=\"page_1\" title=\"image &quot;{file}&quot;; bbox 0 0 {width} {height}\">\n\
         {spans}  </div>\n </body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::regions::PictureRegion;
    use crate::axis::PixelBox;

    #[test]
    fn words_have_boxes_and_are_escaped() {
        let region = PictureRegion {
            place: PixelBox { x: 1.6, y: 2.0, w: 10.0, h: 5.0 },
            point: [0.0; 2],
            share: 0.5,
        };
        let word = |text: &str, region| BoxedWord { text: text.into(), region, probability: None };
        let written = write(&[word("a<b", Some(region)), word("gone", None)], "x\"y.png", [320, 32]);
        assert!(written.contains("bbox 2 2 12 7; x_wconf 50\">a&lt;b</span>"), "{written}");
        assert!(written.contains("image &quot;x_y.png&quot;; bbox 0 0 320 32"), "{written}");
        assert!(!written.contains("gone"));
    }
}
