//! Terminal graphics: maps whose weights are smaller than a cell of the terminal, lines, the picture that a
//! model reads and the spectrum that it hears, drawn in pixels.

mod kitty;
pub mod lines;
pub mod media;
pub mod paint;
mod sixel;

pub use kitty::delete;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ratatui::layout::Rect;

use crate::config::PixelProtocol as Choice;
use crate::export::png::encode_picture;
use crate::image::RgbPicture;

/// Terminal graphics protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's graphics protocol. Pictures lie over the text and are deleted by their number.
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// iTerm2's inline images. Pictures are part of the text.
    /// <https://iterm2.com/documentation-images.html>
    Iterm2,
    /// DEC's sixel graphics. Pictures are part of the text and sized in pixels instead of cells.
    /// <https://vt100.net/docs/vt3xx-gp/chapter14.html>
    Sixel,
}

impl Protocol {
    /// Detects the protocol from environment variables. The second value is true if the terminal should be
    /// asked about further protocols.
    ///
    /// Terminal multiplexers do not pass pictures on, and some old consoles print the question.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> (Option<Self>, bool) {
        let set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        if set("TMUX")
            || set("STY")
            || set("ZELLIJ")
            || term.starts_with("screen")
            || term.starts_with("tmux")
        {
            return (None, false);
        }
        let program = var("TERM_PROGRAM").unwrap_or_default();
        let iterm2 = matches!(program.as_str(), "iTerm.app" | "WezTerm")
            || var("LC_TERMINAL").is_some_and(|name| name == "iTerm2");
        (iterm2.then_some(Self::Iterm2), !iterm2 && program != "Apple_Terminal")
    }
}

/// Most pictures on the screen at once.
pub const MOST: usize = 3;

/// Settings and state of terminal graphics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PixelGraphics {
    /// Choice of the user.
    pub choice: Choice,
    /// Best protocol that the terminal is known to support.
    pub takes: Option<Protocol>,
    /// Width and height of a terminal cell in pixels, if known.
    pub cell: Option<(u16, u16)>,
    /// True if the user has switched graphics off for now.
    pub paused: bool,
}

impl PixelGraphics {
    /// Returns the protocol in use, or `None` if maps are drawn with cells.
    pub fn protocol(&self) -> Option<Protocol> {
        let protocol = match self.choice {
            Choice::Off => None,
            Choice::Auto => self.takes,
            Choice::Kitty => Some(Protocol::Kitty),
            Choice::Iterm2 => Some(Protocol::Iterm2),
            Choice::Sixel => Some(Protocol::Sixel),
        };
        // Without the cell size a sixel picture might cover what is around it.
        protocol.filter(|&protocol| !self.paused && (protocol != Protocol::Sixel || self.cell.is_some()))
    }

    /// Returns true if an area of a frame can be a picture: some terminals scroll if it reaches the last
    /// line.
    pub fn take(&self, area: Rect, frame: Rect) -> bool {
        self.protocol().is_some() && !area.is_empty() && area.bottom() < frame.bottom()
    }

    /// Returns the width and height of a cell in pixels. If they are unknown, it returns 8 by 16; the
    /// protocols that do not need the exact size stretch the picture.
    pub fn cell(&self) -> (usize, usize) {
        let (width, height) = self.cell.unwrap_or((8, 16));
        (usize::from(width.max(1)), usize::from(height.max(1)))
    }
}

/// A picture with a colour palette.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexedImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Indices into the palette, `[height, width]`; 0 is transparent.
    pub pixels: Vec<u8>,
    /// Red, green and blue of each colour. The first is never shown.
    pub palette: Vec<[u8; 3]>,
}

/// Steps of red, of green and of blue in the palette of [`IndexedImage::of_rgb`].
const STEPS: u16 = 6;

/// Greys of the palette beside them: pages are mostly grey. Sixel has 255 colours in all.
const GREYS: u16 = 38;

/// Largest difference between the parts of a colour that is shown as a grey.
const TINT: u8 = 16;

impl IndexedImage {
    /// Rounds the colours of a picture to those of a fixed palette.
    pub fn of_rgb(picture: &RgbPicture) -> Self {
        let part = |at: u16, steps: u16| (at * 255 / (steps - 1)) as u8;
        let nearest = |part: u8, steps: u16| (u16::from(part) * (steps - 1) + 127) / 255;
        let mut palette = vec![[0; 3]];
        for color in 0..STEPS.pow(3) {
            palette.push(
                [color / (STEPS * STEPS), color / STEPS % STEPS, color % STEPS].map(|at| part(at, STEPS)),
            );
        }
        palette.extend((0..GREYS).map(|grey| [part(grey, GREYS); 3]));
        let index = |&[red, green, blue]: &[u8; 3]| {
            let (least, most) = (red.min(green).min(blue), red.max(green).max(blue));
            let color = match most - least <= TINT {
                true => STEPS.pow(3) + nearest(green, GREYS),
                false => [red, green, blue].iter().fold(0, |all, &part| all * STEPS + nearest(part, STEPS)),
            };
            1 + color as u8
        };
        let (pixels, _) = picture.values().as_chunks::<3>();
        let pixels = pixels.iter().map(index).collect();
        Self { width: picture.width(), height: picture.height(), pixels, palette }
    }

    /// Encodes the picture as a PNG file with a palette.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(self.palette.concat());
        encoder.set_trns(vec![0u8]);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

/// A painted picture.
#[derive(Clone, Debug, PartialEq)]
pub enum PaintedPicture {
    /// In the colours of a palette, with transparent pixels.
    Indexed(IndexedImage),
    /// In any colours.
    Rgb(RgbPicture),
}

impl PaintedPicture {
    /// Encodes the picture as a PNG file.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        match self {
            Self::Indexed(picture) => picture.png(),
            Self::Rgb(picture) => encode_picture(picture, Some(png::Compression::Fast)),
        }
    }

    /// Encodes the picture as a sixel sequence.
    fn sixel(&self) -> String {
        match self {
            Self::Indexed(picture) => sixel::encode(picture),
            Self::Rgb(picture) => sixel::encode(&IndexedImage::of_rgb(picture)),
        }
    }
}

/// Returns the escape sequences that show picture `number` of the screen in the cells of `area` and leave the
/// cursor in place.
pub fn show(
    protocol: Protocol,
    picture: &PaintedPicture,
    number: usize,
    area: Rect,
) -> Result<String, png::EncodingError> {
    let at = format!("\x1b7\x1b[{};{}H", area.y + 1, area.x + 1);
    let shown = match protocol {
        Protocol::Kitty => at + &kitty::show(&picture.png()?, number, area),
        Protocol::Iterm2 => erase(area) + &at + &inline(&picture.png()?, area),
        Protocol::Sixel => erase(area) + &at + &picture.sixel(),
    };
    Ok(shown + "\x1b8")
}

/// Returns the escape sequences that clear the cells of an area, and with them an earlier picture.
fn erase(area: Rect) -> String {
    let rows = (area.y..area.bottom()).map(|y| format!("\x1b[{};{}H\x1b[{}X", y + 1, area.x + 1, area.width));
    format!("\x1b7\x1b[0m{}\x1b8", rows.collect::<String>())
}

fn inline(png: &[u8], area: Rect) -> String {
    let (size, data) = (png.len(), BASE64_STANDARD.encode(png));
    format!(
        "\x1b]1337;File=inline=1;size={size};width={};height={};preserveAspectRatio=0;doNotMoveCursor=1:{data}\x07",
        area.width, area.height
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn picture(width: usize, height: usize) -> IndexedImage {
        let pixels = (0..width * height).map(|at| (at * at / 5 % 4) as u8).collect();
        IndexedImage {
            width,
            height,
            pixels,
            palette: vec![[0, 0, 0], [255, 0, 51], [0, 102, 0], [51, 51, 255]],
        }
    }

    #[test]
    fn a_png_decodes_to_its_pixels() {
        let picture = picture(7, 5);
        let mut reader = png::Decoder::new(std::io::Cursor::new(picture.png().unwrap())).read_info().unwrap();
        let mut pixels = vec![0; 35];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, picture.pixels);
        assert_eq!(reader.info().palette.as_deref(), Some(picture.palette.concat().as_slice()));
        assert_eq!(reader.info().trns.as_deref(), Some(&[0u8][..]));
    }

    #[test]
    fn an_inline_image_takes_its_cells() {
        let area = Rect::new(4, 2, 3, 2);
        let shown = show(Protocol::Iterm2, &PaintedPicture::Indexed(picture(7, 5)), 0, area).unwrap();
        let png = picture(7, 5).png().unwrap();
        let wanted = format!(
            "\x1b7\x1b[0m\x1b[3;5H\x1b[3X\x1b[4;5H\x1b[3X\x1b8\x1b7\x1b[3;5H\x1b]1337;File=inline=1;size={};\
             width=3;height=2;preserveAspectRatio=0;doNotMoveCursor=1:{}\x07\x1b8",
            png.len(),
            BASE64_STANDARD.encode(&png)
        );
        assert_eq!(shown, wanted);
    }

    #[test]
    fn colours_are_rounded_to_a_palette() {
        let colours: [[u8; 3]; 4] = [[0; 3], [255, 0, 255], [100, 43, 140], [110, 113, 108]];
        let picture = RgbPicture::new(4, 1, colours.concat()).unwrap();
        let indexed = IndexedImage::of_rgb(&picture);
        assert_eq!(indexed.palette.len(), 255);
        let shown: Vec<_> = indexed.pixels.iter().map(|&at| indexed.palette[usize::from(at)]).collect();
        assert_eq!(shown, [[0, 0, 0], [255, 0, 255], [102, 51, 153], [110; 3]]);
        let file = PaintedPicture::Rgb(picture).png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; 12];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, colours.concat());
    }

    #[test]
    fn the_environment_tells_what_it_can() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            Protocol::detect(move |name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(of(&[("TERM", "xterm-kitty")]), (None, true));
        assert_eq!(of(&[("TERM_PROGRAM", "WezTerm")]), (Some(Protocol::Iterm2), false));
        assert_eq!(of(&[("LC_TERMINAL", "iTerm2")]), (Some(Protocol::Iterm2), false));
        assert_eq!(of(&[("LC_TERMINAL", "iTerm2"), ("TMUX", "/tmp/x")]), (None, false));
        assert_eq!(of(&[("TERM", "screen-256color")]), (None, false));
        assert_eq!(of(&[("TERM_PROGRAM", "Apple_Terminal")]), (None, false));
    }

    #[test]
    fn the_choice_wins_over_what_the_terminal_takes() {
        let auto = PixelGraphics { takes: Some(Protocol::Sixel), ..PixelGraphics::default() };
        assert_eq!(auto.protocol(), None, "the size of a cell is not known");
        let auto = PixelGraphics { cell: Some((9, 18)), ..auto };
        assert_eq!(auto.protocol(), Some(Protocol::Sixel));
        assert_eq!(PixelGraphics { choice: Choice::Off, ..auto }.protocol(), None);
        assert_eq!(PixelGraphics { choice: Choice::Kitty, ..auto }.protocol(), Some(Protocol::Kitty));
        assert_eq!(PixelGraphics { paused: true, ..auto }.protocol(), None);
        assert_eq!(PixelGraphics::default().protocol(), None);
    }
}
