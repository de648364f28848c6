//! Questions to the terminal about itself, and its replies.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::pixels::Protocol;

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
    /// Returns true if there is any question.
    pub fn any(self) -> bool {
        self.background || self.pictures || self.cell
    }

    /// Returns the number of replies that are strings; such a reply reads like key presses if it comes too
    /// late.
    pub fn strings(self) -> usize {
        usize::from(self.background) + usize::from(self.pictures)
    }

    /// Returns the escape sequences to send. The last one asks for the device attributes (DA1). Every
    /// terminal answers it, so that its reply ends the wait even if the other questions are not understood.
    pub fn text(self) -> String {
        let mut text = String::new();
        for (asked, question) in [
            (self.background, "\x1b]11;?\x1b\\"),
            (self.pictures, "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"),
            (self.cell, "\x1b[16t"),
            (self.any(), "\x1b[c"),
        ] {
            text.push_str(if asked { question } else { "" });
        }
        text
    }
}

/// Replies of the terminal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// True if the background is light; `None` if the terminal did not reply.
    pub light: Option<bool>,
    /// True if it supports kitty's graphics protocol.
    pub kitty: bool,
    /// True if it supports sixel graphics.
    pub sixel: bool,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// True if the last question was answered, so that no more replies come.
    pub complete: bool,
    /// Keys that the user typed meanwhile.
    pub typed: Vec<KeyEvent>,
}

impl Answer {
    /// Returns the best graphics protocol that the terminal supports.
    pub fn takes(&self) -> Option<Protocol> {
        if self.kitty { Some(Protocol::Kitty) } else { self.sixel.then_some(Protocol::Sixel) }
    }
}

/// Parses the bytes received so far.
pub fn parse(bytes: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let mut typed = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [] => break,
            [0x1b, intro @ (b']' | b'_'), body @ ..] => {
                let Some(end) = body.iter().position(|&byte| byte == 0x07 || byte == 0x1b) else { break };
                let (text, after) = body.split_at(end);
                match intro {
                    b']' => {
                        answer.light = answer.light.or(text.strip_prefix(b"11;").and_then(lightness));
                    }
                    _ => answer.kitty |= text == b"Gi=31;OK",
                }
                let after = after.strip_prefix(b"\x1b\\").or(after.get(1..)).unwrap_or(&[]);
                rest = after;
            }
            [0x1b, b'[' | b'O', body @ ..] => {
                let Some(end) = body.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { break };
                let parameters = body.get(..end).unwrap_or(&[]);
                match (parameters.strip_prefix(b"?"), body.get(end)) {
                    (Some(class), Some(b'c')) => {
                        answer.complete = true;
                        answer.sixel |= class.split(|&byte| byte == b';').skip(1).any(|part| part == b"4");
                    }
                    (None, Some(b't')) => answer.cell = answer.cell.or(cell(parameters)),
                    _ => {}
                }
                rest = body.get(end + 1..).unwrap_or(&[]);
            }
            [byte, after @ ..] => {
                typed.push(*byte);
                rest = after;
            }
        }
    }
    answer.typed = String::from_utf8_lossy(&typed).chars().filter_map(key).collect();
    answer
}

/// Parses `6;HEIGHT;WIDTH`. Returns width and height.
fn cell(parameters: &[u8]) -> Option<(u16, u16)> {
    let text = std::str::from_utf8(parameters).ok()?.strip_prefix("6;")?;
    let (height, width) = text.split_once(';')?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

/// Parses `rgb:ffff/ffff/ffff`, with one to four digits a channel. Returns true if the colour is light.
fn lightness(text: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, channels) = text.split_once(':')?;
    let mut luminance = 0.0;
    for (channel, weight) in channels.split('/').zip([0.2126, 0.7152, 0.0722]) {
        let most = 16f32.powi(i32::try_from(channel.len()).ok()?) - 1.0;
        luminance += weight * u32::from_str_radix(channel, 16).ok()? as f32 / most;
    }
    Some(luminance > 0.5)
}

/// Returns the key event of a character that a terminal sends.
fn key(letter: char) -> Option<KeyEvent> {
    let plain = |code| Some(KeyEvent::new(code, KeyModifiers::NONE));
    match letter {
        '\r' | '\n' => plain(KeyCode::Enter),
        '\t' => plain(KeyCode::Tab),
        '\x1b' => plain(KeyCode::Esc),
        '\x7f' => plain(KeyCode::Backspace),
        '\x01'..='\x1a' => {
            let letter = char::from(letter as u8 - 1 + b'a');
            Some(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
        }
        letter if letter.is_control() => None,
        letter => plain(KeyCode::Char(letter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_parsed_in_every_form() {
        let light = |text: &str| parse(text.as_bytes()).light;
        assert_eq!(light("\x1b]11;rgb:ffff/ffff/ffff\x1b\\"), Some(true));
        assert_eq!(light("\x1b]11;rgb:1e/1e/2e\x07"), Some(false));
        assert_eq!(light("\x1b]11;rgba:ff/ff/e0/ff\x07"), Some(true));
        assert_eq!(light("\x1b]11;rgb:ff"), None);
        assert_eq!(light("\x1b]10;rgb:ff/ff/ff\x07"), None);
        assert_eq!(light("\x1b]11;rgb:x/y/z\x07"), None);
        assert!(parse(b"\x1b]11;rgb:0/0/0\x07\x1b[?62;4c").complete);
        assert!(!parse(b"\x1b]11;rgb:0/0/0\x07\x1b[?62;4").complete);
        assert!(!parse(b"\x1b[1;5C").complete, "a key is no answer");
    }

    #[test]
    fn graphics_are_queried_before_device_attributes() {
        let all = Question { background: true, pictures: true, cell: true };
        assert_eq!(all.text(), "\x1b]11;?\x1b\\\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c");
        assert_eq!(Question::default().text(), "");
        let kitty = parse(b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;9tj\x1b[?62;c");
        assert_eq!((kitty.takes(), kitty.cell), (Some(Protocol::Kitty), Some((9, 20))));
        assert_eq!(kitty.typed.len(), 1, "an answer is no key");
        assert!(kitty.complete);
        assert_eq!(parse(b"\x1b[?62;4;22c").takes(), Some(Protocol::Sixel));
        assert_eq!(parse(b"\x1b[?4c").takes(), None, "the first number is the class");
        assert_eq!(parse(b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?62;22c").takes(), None);
        assert_eq!(parse(b"\x1b[6;0;0t\x1b[8;24;80t").cell, None);
    }

    #[test]
    fn keys_between_replies_are_kept() {
        let answer = parse("j\x1b]11;rgb:0/0/0\x1b\\é\x03\x1b[?6c\r".as_bytes());
        let codes: Vec<KeyCode> = answer.typed.iter().map(|key| key.code).collect();
        assert_eq!(codes, [KeyCode::Char('j'), KeyCode::Char('é'), KeyCode::Char('c'), KeyCode::Enter]);
        assert!(answer.complete && answer.light == Some(false));
        assert_eq!(parse(b"\x1b").typed.len(), 1);
    }
}
