//! A key press sends only changed cells to the terminal.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::made;
use crate::screens::Driver;

/// Counts the bytes that are sent to the terminal.
struct Line(Arc<AtomicUsize>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the bytes of each frame: the first one, then one per key.
fn bytes(driver: &mut Driver, keys: &[&str]) -> Vec<usize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let area = Rect::new(0, 0, driver.size.0, driver.size.1);
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    let backend = CrosstermBackend::new(Line(Arc::clone(&sent)));
    let mut terminal = Terminal::with_options(backend, options).expect("a terminal");
    let mut show = |buffer: &Buffer| {
        sent.store(0, Ordering::Relaxed);
        terminal.draw(|frame| frame.buffer_mut().clone_from(buffer)).expect("a frame");
        sent.load(Ordering::Relaxed)
    };
    let mut counts = vec![show(&driver.draw())];
    for key in keys {
        driver.press(key);
        counts.push(show(&driver.draw()));
    }
    counts
}

#[test]
fn a_key_press_sends_only_what_changed() {
    let mut driver = Driver::over(made::long(400), (200, 60));
    driver.press("1");
    let counts = bytes(&mut driver, &["l", "l", "j", "y"]);
    let (all, keys) = (counts[0], &counts[1..]);
    // a cell of the map takes at most 40 bytes with both colours
    assert!(all < 200 * 60 * 40, "a whole frame takes {all} bytes");
    for (key, &count) in ["l", "l", "j", "y"].iter().zip(keys) {
        assert!(count < 8_000, "{key} took {count} bytes");
    }
    assert!(keys[3] < 500, "a word at the bottom took {} bytes", keys[3]);
}

#[test]
fn a_frame_without_changes_sends_nothing() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    // Home on the first key changes nothing
    driver.press("0");
    let counts = bytes(&mut driver, &["0"]);
    assert!(counts[1] < 40, "{} bytes for no change", counts[1]);
}
