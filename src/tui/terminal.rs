//! The terminal: its modes, drawing and suspension.
//!
//! No other file sets or resets terminal modes.

use std::io::{self, Stdout, Write, stdout};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute, queue};

use super::answers::Question;
use super::app::App;
use super::cache::Cache;
use super::chrome;
use super::layout::{Layout, Picture};
use super::pixels::{self, Protocol, paint};
use crate::config;
use crate::error::{Error, Result};
use crate::sys;

/// True while the terminal modes are set. Whoever clears it has to reset the modes.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// The terminal under the program's control. Dropping it restores the terminal.
pub struct Screen {
    /// Not dropped with the screen: it would show the cursor, which [`restore`] does, and print an error where
    /// the terminal is closed.
    inner: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    /// Keys of the pictures on the screen.
    shown: Vec<paint::Key>,
}

fn new_terminal() -> Result<Terminal<CrosstermBackend<Stdout>>> {
    Terminal::new(CrosstermBackend::new(stdout())).map_err(failed)
}

fn failed(source: io::Error) -> Error {
    Error::io("terminal", source)
}

/// Returns true if an error means that the terminal is closed, which is no reason for a message.
pub fn is_gone(error: &Error) -> bool {
    /// Error number of an input or output error, which a closed terminal gives.
    const EIO: i32 = 5;
    matches!(error, Error::Io { path, source } if path.as_os_str() == "terminal"
        && (source.kind() == io::ErrorKind::BrokenPipe || source.raw_os_error() == Some(EIO)))
}

impl Screen {
    /// Takes control of the terminal: raw mode, alternate screen, mouse reports, bracketed paste.
    pub fn enter() -> Result<Self> {
        set_modes().map_err(failed)?;
        Ok(Self { inner: ManuallyDrop::new(new_terminal()?), shown: Vec::new() })
    }

    /// Sends a question about the terminal's features. The decoder of its input recognises the reply.
    #[cfg(unix)]
    pub fn ask(&mut self, question: Question) -> Result<()> {
        let mut out = stdout();
        out.write_all(question.text().as_bytes()).and_then(|()| out.flush()).map_err(failed)
    }

    /// Does nothing: replies are not read on this platform.
    #[cfg(not(unix))]
    pub fn ask(&mut self, _: Question) -> Result<()> {
        Ok(())
    }

    /// Draws the state and stores the layout in it. Only changed cells are sent, and of the pictures only those
    /// that changed.
    pub fn draw(&mut self, app: &mut App, cache: &mut Cache) -> Result<()> {
        if app.pixels.choice != config::PixelProtocol::Off {
            app.pixels.cell = cell().or(app.pixels.cell);
        }
        queue!(self.inner.backend_mut(), BeginSynchronizedUpdate).map_err(failed)?;
        let mut layout = self.cells(app, cache)?;
        let screen = self.inner.get_frame().area();
        let key = |picture| Some(paint::Key::new(app, app.pixels.protocol()?, picture, screen));
        let keys: Vec<paint::Key> = layout.pictures.iter().filter_map(key).collect();
        let place = |key: &paint::Key| (key.protocol, key.area);
        let moved = !self.shown.iter().map(place).eq(keys.iter().map(place));
        if let Some(protocol) = self.shown.first().map(|shown| shown.protocol).filter(|_| moved) {
            match protocol {
                Protocol::Kitty => delete_pictures().map_err(failed)?,
                // These pictures are part of the text: only a full redraw removes them.
                Protocol::Iterm2 | Protocol::Sixel => {
                    self.redraw()?;
                    layout = self.cells(app, cache)?;
                }
            }
            self.shown.clear();
        }
        for (number, (key, picture)) in keys.iter().zip(&layout.pictures).enumerate() {
            if self.shown.get(number) != Some(key) {
                send_picture(app, cache, key, (number, picture))?;
            }
        }
        self.shown = keys;
        execute!(self.inner.backend_mut(), EndSynchronizedUpdate).map_err(failed)?;
        app.layout = layout;
        Ok(())
    }

    fn cells(&mut self, app: &App, cache: &mut Cache) -> Result<Layout> {
        let mut layout = Layout::default();
        self.inner
            .draw(|frame| {
                layout = chrome::draw(app, cache, frame.buffer_mut());
                if let Some(cursor) = layout.cursor {
                    frame.set_cursor_position(cursor);
                }
            })
            .map_err(failed)?;
        Ok(layout)
    }

    /// Clears the screen, so that the next frame draws everything.
    pub fn redraw(&mut self) -> Result<()> {
        delete_pictures().map_err(failed)?;
        self.shown.clear();
        execute!(stdout(), Clear(ClearType::All)).map_err(failed)?;
        // A new `Terminal` starts from an empty frame. Clearing the old one would query the cursor position.
        drop(ManuallyDrop::into_inner(std::mem::replace(
            &mut self.inner,
            ManuallyDrop::new(new_terminal()?),
        )));
        Ok(())
    }

    /// Sends an escape sequence to the terminal.
    pub fn send(&mut self, sequence: &str) -> Result<()> {
        let mut out = stdout();
        out.write_all(sequence.as_bytes()).and_then(|()| out.flush()).map_err(failed)
    }

    /// Restores the terminal and stops the process until it is continued.
    #[cfg(unix)]
    pub fn suspend(&mut self) -> Result<()> {
        restore();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP).map_err(failed)?;
        set_modes().map_err(failed)?;
        self.redraw()
    }

    /// Does nothing: this platform has no job control.
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

/// True while pictures of kitty's protocol are on the screen.
static PICTURES: AtomicBool = AtomicBool::new(false);

fn delete_pictures() -> io::Result<()> {
    if PICTURES.swap(false, Ordering::SeqCst) {
        let all: String = (0..pixels::MOST).map(pixels::delete).collect();
        stdout().write_all(all.as_bytes())?;
    }
    Ok(())
}

fn send_picture(
    app: &App,
    cache: &mut Cache,
    key: &paint::Key,
    (number, picture): (usize, &Picture),
) -> Result<()> {
    let Some(picture) = paint::paint(app, cache, picture) else { return Ok(()) };
    let bytes = pixels::show(key.protocol, &picture, number, key.area)
        .map_err(|error| Error::BadFile { file: "png".into(), why: error.to_string() })?;
    PICTURES.fetch_or(key.protocol == Protocol::Kitty, Ordering::SeqCst);
    let mut out = stdout();
    out.write_all(bytes.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

/// Returns the width and height of a cell in pixels, if the terminal driver knows them.
fn cell() -> Option<(u16, u16)> {
    let size = ratatui::crossterm::terminal::window_size().ok()?;
    let cell = (size.width.checked_div(size.columns)?, size.height.checked_div(size.rows)?);
    (cell.0 > 0 && cell.1 > 0).then_some(cell)
}

// Reports presses, releases and drags, in the encoding without a limit on columns. Crossterm's own command
// also reports every motion of the mouse, which floods a slow connection.
#[cfg(unix)]
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
#[cfg(unix)]
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Undoes [`set_modes`] for a program that dies: ends the synchronized update, mouse reports and bracketed
/// paste, leaves the alternate screen and shows the cursor.
const RESET: &str = "\x1b[?2026l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?2004l\x1b[?1049l\x1b[?25h";

fn set_modes() -> io::Result<()> {
    sys::save_terminal(RESET);
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

/// Restores the terminal, unless that is done already. A panic hook may call it.
pub fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    // Each step is tried even if an earlier one fails; errors cannot be reported any more.
    let _ = delete_pictures();
    #[cfg(unix)]
    let _ = out.write_all(MOUSE_OFF.as_bytes());
    #[cfg(not(unix))]
    let _ = execute!(out, ratatui::crossterm::event::DisableMouseCapture);
    let _ = execute!(out, EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
    sys::terminal_restored();
}
