//! DEC's sixel graphics: bands of six rows, drawn one colour at a time.

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
        let mut used = [false; 256];
        for &index in band.iter().copied().flatten() {
            if let Some(used) = used.get_mut(usize::from(index)) {
                *used = true;
            }
        }
        let colors = (1..=u8::MAX).filter(|&index| used.get(usize::from(index)) == Some(&true));
        for (nth, color) in colors.enumerate() {
            if nth > 0 {
                out.push('$');
            }
            out.push_str(&format!("#{color}"));
            runs(&mut out, band, color, picture.width);
        }
    }
    out.push_str("\x1b\\");
    out
}

/// Appends one colour of a band, run-length encoded: one character per column, whose lowest bit is the top
/// row.
fn runs(out: &mut String, band: &[&[u8]], color: u8, width: usize) {
    let bits = |x: usize| {
        band.iter().enumerate().fold(0u8, |bits, (y, row)| bits | (u8::from(row.get(x) == Some(&color)) << y))
    };
    let mut x = 0;
    while x < width {
        let now = bits(x);
        let run = 1 + (x + 1..width).take_while(|&next| bits(next) == now).count();
        x += run;
        // Trailing empty columns can be left out.
        if now == 0 && x == width {
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
