//! The terminal's modes: set and undone here and nowhere else.

use std::io::{self, IsTerminal, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute, queue};

use super::answers::Answer;
use super::app::App;
use super::cache::Cache;
use super::views;
use crate::error::{Error, Result};

/// Whether the modes are set: whoever turns it off undoes them.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// The terminal while the program has it. Dropping it gives the terminal back.
pub struct Screen {
    inner: Terminal<CrosstermBackend<Stdout>>,
}

fn failed(source: io::Error) -> Error {
    Error::io("terminal", source)
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, mouse, bracketed paste.
    pub fn enter() -> Result<Self> {
        set_modes().map_err(failed)?;
        let inner = Terminal::new(CrosstermBackend::new(stdout())).map_err(failed)?;
        Ok(Self { inner })
    }

    /// Asks the terminal what it is; see [`answers`].
    pub fn ask(&mut self) -> Result<()> {
        let mut out = stdout();
        out.write_all(super::answers::QUESTION.as_bytes()).and_then(|()| out.flush()).map_err(failed)
    }

    /// Draws the state and notes where things are. Only cells that changed are sent.
    pub fn draw(&mut self, app: &mut App, cache: &mut Cache) -> Result<()> {
        let backend = self.inner.backend_mut();
        queue!(backend, BeginSynchronizedUpdate).map_err(failed)?;
        let mut layout = None;
        self.inner
            .draw(|frame| {
                let drawn = views::draw(app, cache, frame.buffer_mut());
                if let Some(cursor) = drawn.cursor {
                    frame.set_cursor_position(cursor);
                }
                layout = Some(drawn);
            })
            .map_err(failed)?;
        execute!(self.inner.backend_mut(), EndSynchronizedUpdate).map_err(failed)?;
        if let Some(layout) = layout {
            app.layout = layout;
        }
        Ok(())
    }

    /// Forgets what is on the screen, so that the next frame draws everything.
    pub fn redraw(&mut self) -> Result<()> {
        execute!(stdout(), Clear(ClearType::All)).map_err(failed)?;
        // a fresh terminal has an empty last frame; clearing this one would ask the terminal for its cursor
        self.inner = Terminal::new(CrosstermBackend::new(stdout())).map_err(failed)?;
        Ok(())
    }

    /// Puts text into the terminal's clipboard.
    pub fn copy(&mut self, text: &str) -> Result<()> {
        let mut out = stdout();
        write!(out, "\x1b]52;c;{}\x07", base64(text.as_bytes())).and_then(|()| out.flush()).map_err(failed)
    }

    /// Hands the terminal to the shell and stops the process until it is continued.
    #[cfg(unix)]
    pub fn suspend(&mut self) -> Result<()> {
        restore();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP).map_err(failed)?;
        set_modes().map_err(failed)?;
        self.redraw()
    }

    /// There is no suspending where there are no job signals.
    #[cfg(not(unix))]
    pub fn suspend(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

// Presses, releases and drags, in the encoding without a limit on columns. Not every motion, which is what
// crossterm's own command asks for: over a slow line each would be a message.
#[cfg(unix)]
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
#[cfg(unix)]
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

fn set_modes() -> io::Result<()> {
    enable_raw_mode()?;
    ACTIVE.store(true, Ordering::SeqCst);
    let mut out = stdout();
    execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide, SetTitle("attn-tui"))?;
    #[cfg(unix)]
    out.write_all(MOUSE_ON.as_bytes())?;
    #[cfg(not(unix))]
    execute!(out, ratatui::crossterm::event::EnableMouseCapture)?;
    out.flush()
}

/// Gives the terminal back as it was, once; also from a panic.
pub fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    // whatever fails here, the rest is still worth doing, and there is nobody left to tell
    #[cfg(unix)]
    let _ = out.write_all(MOUSE_OFF.as_bytes());
    #[cfg(not(unix))]
    let _ = execute!(out, ratatui::crossterm::event::DisableMouseCapture);
    let _ = execute!(out, EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

/// What the terminal answers within `patience`, and what is typed meanwhile. Nothing where keys do not come from
/// standard input.
#[cfg(unix)]
pub fn answers(patience: Duration) -> Answer {
    let end = Instant::now() + patience;
    let mut bytes = Vec::new();
    let mut answer = Answer::default();
    while io::stdin().is_terminal() && !answer.complete {
        let left = end.saturating_duration_since(Instant::now()).as_millis();
        let mut wanted = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which lives through the call.
        let ready = unsafe { libc::poll(&mut wanted, 1, i32::try_from(left).unwrap_or(0)) };
        if left == 0 || ready <= 0 {
            break;
        }
        let mut buffer = [0u8; 256];
        // SAFETY: the buffer is ours and as long as it says.
        let count = unsafe { libc::read(libc::STDIN_FILENO, buffer.as_mut_ptr().cast(), buffer.len()) };
        let Some(read) = usize::try_from(count).ok().filter(|&count| count > 0).and_then(|n| buffer.get(..n))
        else {
            break;
        };
        bytes.extend_from_slice(read);
        answer = super::answers::parse(&bytes);
    }
    answer
}

/// Elsewhere the terminal is not asked.
#[cfg(not(unix))]
pub fn answers(_: Duration) -> Answer {
    Answer { complete: true, ..Answer::default() }
}

/// Base64 with padding (RFC 4648), which OSC 52 wants.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &byte| (bits << 8) | u32::from(byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * at)) as usize & 63).copied().unwrap_or(b'=');
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// Columns of the terminal; `None` where it does not tell.
pub fn width() -> Option<usize> {
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|&n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_standard() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
