//! DEC's sixel graphics: bands of six rows, drawn one colour at a time.

use std::collections::BTreeMap;

use super::IndexedImage;

/// Encodes a picture as a sixel sequence. Pixels with index 0 stay transparent.
pub fn encode(picture: &IndexedImage) -> String {
    // The second parameter keeps unset pixels transparent; the raster attributes give square pixels and the
    // size.
    let mut out = format!("\x1bP0;1;0q\"1;1;{};{}", picture.width, picture.height);
    for (index, color) in picture.palette.iter().enumerate().skip(1) {
        let [r, g, b] = color.map(|part| (u32::from(part) * 100 + 127) / 255);
        out.push_str(&format!("#{index};2;{r};{g};{b}"));
    }
    let rows: Vec<&[u8]> = picture.pixels.chunks(picture.width.max(1)).take(picture.height).collect();
    for (at, band) in rows.chunks(6).enumerate() {
        if at > 0 {
            out.push('-');
        }
        // Columns of each colour of the band; the lowest bit is the top row.
        let mut columns: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (y, row) in band.iter().enumerate() {
            for (x, &color) in row.iter().enumerate().filter(|(_, color)| **color > 0) {
                let bits = columns.entry(color).or_insert_with(|| vec![0; picture.width]);
                bits[x] |= 1 << y;
            }
        }
        for (nth, (color, bits)) in columns.iter().enumerate() {
            if nth > 0 {
                out.push('$');
            }
            out.push_str(&format!("#{color}"));
            runs(&mut out, bits);
        }
    }
    out.push_str("\x1b\\");
    out
}

/// Appends the columns of one colour of a band, run-length encoded, a character a column.
fn runs(out: &mut String, bits: &[u8]) {
    let runs: Vec<&[u8]> = bits.chunk_by(|a, b| a == b).collect();
    for (at, run) in runs.iter().enumerate() {
        let (now, last, run) = (run[0], at + 1 == runs.len(), run.len());
        // Trailing empty columns can be left out.
        if now == 0 && last {
            break;
        }
        let letter = char::from(now + b'?');
        match run {
            1..=3 => (0..run).for_each(|_| out.push(letter)),
            _ => out.push_str(&format!("!{run}{letter}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &mut &str) -> usize {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        *text = rest.strip_prefix(';').unwrap_or(rest);
        digits.parse().unwrap()
    }

    /// Decodes a sequence like a terminal.
    fn decode(text: &str) -> IndexedImage {
        let mut rest = text.strip_prefix("\x1bP0;1;0q\"1;1;").unwrap().strip_suffix("\x1b\\").unwrap();
        let (width, height) = (number(&mut rest), number(&mut rest));
        let mut picture =
            IndexedImage { width, height, pixels: vec![0; width * height], palette: vec![[0; 3]] };
        let (mut x, mut top, mut color) = (0, 0, 0);
        while let Some(letter) = rest.chars().next() {
            rest = &rest[1..];
            let run = match letter {
                '#' => {
                    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
                    let defines = rest[end..].starts_with(';');
                    color = number(&mut rest);
                    if defines {
                        assert_eq!((number(&mut rest), color), (2, picture.palette.len()));
                        let mut part = || (number(&mut rest) * 255 / 100) as u8;
                        picture.palette.push([part(), part(), part()]);
                    }
                    continue;
                }
                '$' | '-' => {
                    x = 0;
                    top += if letter == '-' { 6 } else { 0 };
                    continue;
                }
                '!' => number(&mut rest),
                _ => 1,
            };
            let letter = if letter == '!' {
                let letter = rest.chars().next().unwrap();
                rest = &rest[1..];
                letter
            } else {
                letter
            };
            for _ in 0..run {
                for bit in (0..6).filter(|bit| (letter as u8 - b'?') >> bit & 1 == 1) {
                    picture.pixels[(top + bit) * width + x] = color as u8;
                }
                x += 1;
            }
        }
        picture
    }

    #[test]
    fn a_terminal_sees_the_picture() {
        for (width, height) in [(1, 1), (7, 5), (12, 6), (31, 20), (300, 13)] {
            let picture = super::super::tests::picture(width, height);
            assert_eq!(decode(&encode(&picture)), picture);
        }
    }

    #[test]
    fn runs_are_counted() {
        let picture =
            IndexedImage { width: 5, height: 1, pixels: vec![1; 5], palette: vec![[0; 3], [255; 3]] };
        assert_eq!(encode(&picture), "\x1bP0;1;0q\"1;1;5;1#1;2;100;100;100#1!5@\x1b\\");
    }
}
