//! What the terminal says of itself when it is asked.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The question: the background's colour (OSC 11), then the terminal's class (DA1), which every terminal answers,
/// so that one which knows nothing of the first need not be waited for.
pub const QUESTION: &str = "\x1b]11;?\x1b\\\x1b[c";

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Whether the background is light, where it was told.
    pub light: Option<bool>,
    /// Whether the last question was answered: no more will come.
    pub complete: bool,
    /// What the user typed meanwhile.
    pub typed: Vec<KeyEvent>,
}

/// Reads what came back so far.
pub fn parse(bytes: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let mut typed = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [] => break,
            [0x1b, b']', body @ ..] => {
                let Some(end) = body.iter().position(|&byte| byte == 0x07 || byte == 0x1b) else { break };
                let (text, after) = body.split_at(end);
                answer.light = answer.light.or(text.strip_prefix(b"11;").and_then(lightness));
                let after = after.strip_prefix(b"\x1b\\").or(after.get(1..)).unwrap_or(&[]);
                rest = after;
            }
            [0x1b, b'[' | b'O', body @ ..] => {
                let Some(end) = body.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { break };
                answer.complete |= body.first() == Some(&b'?') && body.get(end) == Some(&b'c');
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

/// `rgb:ffff/ffff/ffff`, one to four digits each, to whether it is nearer to white than to black.
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

/// The key of a character as terminals send it.
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
    fn answers_are_read_in_any_form() {
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
    fn what_is_typed_meanwhile_is_kept() {
        let answer = parse("j\x1b]11;rgb:0/0/0\x1b\\é\x03\x1b[?6c\r".as_bytes());
        let codes: Vec<KeyCode> = answer.typed.iter().map(|key| key.code).collect();
        assert_eq!(codes, [KeyCode::Char('j'), KeyCode::Char('é'), KeyCode::Char('c'), KeyCode::Enter]);
        assert!(answer.complete && answer.light == Some(false));
        assert_eq!(parse(b"\x1b").typed.len(), 1);
    }
}
