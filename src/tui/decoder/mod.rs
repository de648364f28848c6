//! Decoding of what a terminal sends: keys, mouse, pasted text and replies to questions.
//!
//! A pure function of the bytes and of the times at which they arrive. Keys that cannot be told from the start
//! of a longer sequence, such as Esc, wait for the rest for a moment; so does pasted text without its end.

mod control;

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};

use super::answers::Reply;

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const PASTE: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// Time to wait for the rest of a key.
const KEY_WAIT: Duration = Duration::from_millis(50);
/// Time to wait for the rest of a pasted text or of a reply.
const TEXT_WAIT: Duration = Duration::from_secs(1);
/// Reads of fewer bytes may be typed keys. They do not prolong the wait for the rest of a text, or its end
/// would never be missed while keys arrive.
const TYPED: usize = 8;
/// Longest sequence of a key or a mouse event, in bytes.
const LONGEST_SEQUENCE: usize = 64;
/// Longest reply, in bytes.
const LONGEST_REPLY: usize = 1024;
/// Longest pasted text that is kept, in bytes. The rest is dropped.
const LONGEST_PASTE: usize = 1 << 20;

/// An item of what a terminal sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A key, a mouse event or pasted text.
    Event(TerminalEvent),
    /// A reply to a question.
    Reply(Reply),
}

/// Decoder of the bytes that a terminal sends.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes that are not decoded yet.
    pending: Vec<u8>,
    /// Text of a paste whose end has not arrived.
    paste: Option<Vec<u8>>,
    deadline: Option<Instant>,
}

impl Decoder {
    /// Decodes `bytes`, which one read returned at the time `now`.
    pub fn decode(&mut self, bytes: &[u8], now: Instant) -> Vec<Input> {
        let mut inputs = Vec::new();
        if bytes == [CTRL_C] && self.paste.is_some() {
            inputs = self.give_up();
        }
        let waiting = self.deadline.filter(|_| self.awaits_text());
        self.pending.extend_from_slice(bytes);
        while self.step(&mut inputs) {}
        let idle = self.pending.is_empty() && self.paste.is_none();
        let prolonged = bytes.len() >= TYPED || !inputs.is_empty();
        self.deadline = match (waiting, self.awaits_text()) {
            _ if idle => None,
            (Some(deadline), true) if !prolonged => Some(deadline),
            (_, true) => Some(now + TEXT_WAIT),
            (_, false) => Some(now + KEY_WAIT),
        };
        inputs
    }

    /// Returns the time at which to call [`Decoder::expire`], if the decoder waits for more bytes.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Decodes what has arrived without its rest, once the deadline has passed.
    pub fn expire(&mut self, now: Instant) -> Vec<Input> {
        if self.deadline.is_none_or(|deadline| now < deadline) { Vec::new() } else { self.give_up() }
    }

    fn give_up(&mut self) -> Vec<Input> {
        self.deadline = None;
        let mut inputs = Vec::new();
        let mut rest = std::mem::take(&mut self.pending);
        if let Some(mut text) = self.paste.take() {
            if rest != [ESC] {
                text.append(&mut rest);
            }
            inputs.push(pasted(&text));
        }
        inputs.extend(match *rest {
            [ESC] => Some(key(KeyCode::Esc)),
            [ESC, letter] => character(&[letter]).and_then(|(_, input)| input).map(with_alt),
            _ => None,
        });
        inputs
    }

    /// Returns true if what is missing is the rest of a text rather than of a key.
    fn awaits_text(&self) -> bool {
        match &self.paste {
            Some(_) => self.pending != [ESC],
            None => matches!(*self.pending, [ESC, b']' | b'_' | b'P' | b'^' | b'X', _, ..]),
        }
    }

    /// Decodes one input. Returns false if it needs more bytes.
    fn step(&mut self, inputs: &mut Vec<Input>) -> bool {
        let Some(text) = &mut self.paste else {
            if self.pending.starts_with(PASTE) {
                self.pending.drain(..PASTE.len());
                self.paste = Some(Vec::new());
                return true;
            }
            let Some((used, input)) = first(&self.pending) else { return false };
            self.pending.drain(..used);
            inputs.extend(input);
            return true;
        };
        let end = self.pending.windows(PASTE_END.len()).position(|part| part == PASTE_END);
        // What is left may be the start of the end.
        let start = (0..PASTE_END.len()).rev().find(|&n| self.pending.ends_with(&PASTE_END[..n]));
        let length = end.unwrap_or(self.pending.len() - start.unwrap_or(0));
        let room = LONGEST_PASTE.saturating_sub(text.len());
        text.extend(self.pending.drain(..length).take(room));
        if end.is_some() {
            self.pending.drain(..PASTE_END.len());
            inputs.extend(self.paste.take().map(|text| pasted(&text)));
        }
        end.is_some()
    }
}

fn pasted(text: &[u8]) -> Input {
    Input::Event(TerminalEvent::Paste(String::from_utf8_lossy(text).into_owned()))
}

fn key(code: KeyCode) -> Input {
    Input::Event(TerminalEvent::Key(KeyEvent::from(code)))
}

fn with_alt(input: Input) -> Input {
    match input {
        Input::Event(TerminalEvent::Key(mut key)) => {
            key.modifiers |= KeyModifiers::ALT;
            Input::Event(TerminalEvent::Key(key))
        }
        input => input,
    }
}

/// A number of bytes and what they mean, if anything; `None` if more bytes are needed.
type Decoded = Option<(usize, Option<Input>)>;

/// Decodes the first input in `bytes`.
fn first(bytes: &[u8]) -> Decoded {
    match bytes {
        [] | [ESC] | [ESC, b'[' | b'O'] => None,
        [ESC, b'[', ..] => control::sequence(bytes),
        [ESC, b'O', end, ..] => Some((3, control::application_key(*end).map(key))),
        [ESC, intro @ (b']' | b'_' | b'P' | b'^' | b'X'), text @ ..] => string(*intro, text),
        [ESC, ESC, ..] => Some((1, Some(key(KeyCode::Esc)))),
        [ESC, rest @ ..] => character(rest).map(|(used, input)| (used + 1, input.map(with_alt))),
        _ => character(bytes),
    }
}

/// Decodes a string, which ends in `ESC \` or BEL. `text` is what follows `ESC` and `intro`.
fn string(intro: u8, text: &[u8]) -> Decoded {
    const BEL: u8 = 0x07;
    let Some(length) = text.iter().position(|byte| [BEL, ESC].contains(byte)) else {
        return (text.len() > LONGEST_REPLY).then_some((2 + text.len(), None));
    };
    let reply = || Reply::of_string(intro, &text[..length]).map(Input::Reply);
    match text[length..] {
        [BEL, ..] => Some((2 + length + 1, reply())),
        [ESC, b'\\', ..] => Some((2 + length + 2, reply())),
        [ESC] => None,
        // Something else starts: the string was cut off.
        _ => Some((2 + length, None)),
    }
}

/// Decodes a character key.
fn character(bytes: &[u8]) -> Decoded {
    let control = |letter: u8| {
        Some(Input::Event(TerminalEvent::Key(KeyEvent::new(
            KeyCode::Char(char::from(letter)),
            KeyModifiers::CONTROL,
        ))))
    };
    let input = match *bytes.first()? {
        b'\r' => Some(key(KeyCode::Enter)),
        b'\t' => Some(key(KeyCode::Tab)),
        0x7f => Some(key(KeyCode::Backspace)),
        0 => control(b' '),
        byte @ 0x01..=0x1a => control(byte - 1 + b'a'),
        byte @ 0x1c..=0x1f => control(byte - 0x1c + b'4'),
        _ => return text_character(bytes),
    };
    Some((1, input))
}

/// Decodes a character in UTF-8. Bytes that are none are dropped.
fn text_character(bytes: &[u8]) -> Decoded {
    let start = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() == 0 => return error.error_len().map(|length| (length, None)),
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).ok()?,
    };
    let letter = valid.chars().next()?;
    let modifiers = if letter.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    let event = KeyEvent::new(KeyCode::Char(letter), modifiers);
    Some((letter.len_utf8(), Some(Input::Event(TerminalEvent::Key(event)))))
}

#[cfg(test)]
mod tests;
