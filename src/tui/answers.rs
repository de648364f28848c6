//! Questions to the terminal about itself, and its replies.

/// Questions to the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Background colour (OSC 11).
    pub background: bool,
    /// Support for kitty's graphics protocol, asked with a query of one pixel that is not displayed.
    pub pictures: bool,
    /// Size of a cell in pixels (XTWINOPS 16).
    pub cell: bool,
}

impl Question {
    /// Returns the escape sequences to send. The last one asks for the device attributes (DA1), which tell of
    /// sixel graphics.
    pub fn text(self) -> String {
        let mut text = String::new();
        for (asked, question) in [
            (self.background, "\x1b]11;?\x1b\\"),
            (self.pictures, "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"),
            (self.cell, "\x1b[16t"),
            (self.pictures, "\x1b[c"),
        ] {
            text.push_str(if asked { question } else { "" });
        }
        text
    }
}

/// A terminal's reply to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Its background colour.
    Background {
        /// True if the colour is light.
        light: bool,
    },
    /// It supports kitty's graphics protocol.
    Kitty,
    /// Its device attributes.
    Attributes {
        /// True if it supports sixel graphics.
        sixel: bool,
    },
    /// Width and height of a cell in pixels.
    Cell(u16, u16),
}

impl Reply {
    /// Parses the string that follows `ESC` and `intro`, without its end.
    pub fn of_string(intro: u8, text: &[u8]) -> Option<Self> {
        match intro {
            b']' => text.strip_prefix(b"11;").and_then(lightness).map(|light| Self::Background { light }),
            b'_' => (text == b"Gi=31;OK").then_some(Self::Kitty),
            _ => None,
        }
    }

    /// Parses a control sequence, given its parameters and its last byte.
    pub fn of_control(parameters: &str, end: u8) -> Option<Self> {
        match (parameters.strip_prefix('?'), end) {
            (Some(attributes), b'c') => {
                Some(Self::Attributes { sixel: attributes.split(';').skip(1).any(|part| part == "4") })
            }
            (None, b't') => cell(parameters).map(|(width, height)| Self::Cell(width, height)),
            _ => None,
        }
    }
}

/// Parses `6;HEIGHT;WIDTH`. Returns width and height.
fn cell(parameters: &str) -> Option<(u16, u16)> {
    let (height, width) = parameters.strip_prefix("6;")?.split_once(';')?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

/// Parses `rgb:ffff/ffff/ffff`, with one to four digits a channel. Returns true if the colour is light.
fn lightness(text: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, channels) = text.split_once(':')?;
    let mut luminance = 0.0;
    let mut channels = channels.split('/');
    for weight in [0.2126, 0.7152, 0.0722] {
        let channel = channels.next()?;
        let most = 16f32.powi(i32::try_from(channel.len()).ok()?) - 1.0;
        luminance += weight * u32::from_str_radix(channel, 16).ok()? as f32 / most;
    }
    Some(luminance > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_parsed_in_every_form() {
        let light = |text: &str| Reply::of_string(b']', text.as_bytes());
        assert_eq!(light("11;rgb:ffff/ffff/ffff"), Some(Reply::Background { light: true }));
        assert_eq!(light("11;rgb:1e/1e/2e"), Some(Reply::Background { light: false }));
        assert_eq!(light("11;rgba:ff/ff/e0/ff"), Some(Reply::Background { light: true }));
        assert_eq!(light("11;rgb:ff"), None);
        assert_eq!(light("10;rgb:ff/ff/ff"), None);
        assert_eq!(light("11;rgb:x/y/z"), None);
    }

    #[test]
    fn graphics_are_queried_before_device_attributes() {
        let all = Question { background: true, pictures: true, cell: true };
        assert_eq!(all.text(), "\x1b]11;?\x1b\\\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c");
        assert_eq!(Question::default().text(), "");
        assert_eq!(Reply::of_string(b'_', b"Gi=31;OK"), Some(Reply::Kitty));
        assert_eq!(Reply::of_string(b'_', b"Gi=31;ENOTSUPPORTED"), None);
        let sixel = |parameters| Reply::of_control(parameters, b'c');
        assert_eq!(sixel("?62;4;22"), Some(Reply::Attributes { sixel: true }));
        assert_eq!(sixel("?4"), Some(Reply::Attributes { sixel: false }), "the first number is the class");
        assert_eq!(sixel("1;5"), None);
        assert_eq!(Reply::of_control("6;20;9", b't'), Some(Reply::Cell(9, 20)));
        assert_eq!(Reply::of_control("6;0;0", b't'), None);
        assert_eq!(Reply::of_control("8;24;80", b't'), None);
    }
}
