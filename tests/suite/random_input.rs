//! Random keys, mouse events, sizes and captures, which must not break the explorer.

use std::sync::Arc;

use attn_tui::engine::Event;
use attn_tui::tui::action::Action;
use ratatui::crossterm::event::{
    Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::made;
use crate::screens::Driver;

/// Random number generator (SplitMix64); a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

fn random_event(random: &mut Random, size: (u16, u16)) -> TerminalEvent {
    const CODES: [KeyCode; 14] = [
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
    ];
    const LETTERS: &str = "hjklHLJK0$mnN<>uU/[]{}g fdoOi stTyYzwxrcp.,CG:?1234567+-=qaé注XDSVFv()\u{301}👩";
    match random.next(20) {
        0..=2 => TerminalEvent::Mouse(MouseEvent {
            kind: [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::Drag(MouseButton::Left),
                MouseEventKind::ScrollDown,
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollRight,
            ][random.next(5)],
            column: random.next(usize::from(size.0) + 3) as u16,
            row: random.next(usize::from(size.1) + 3) as u16,
            modifiers: KeyModifiers::NONE,
        }),
        3 => TerminalEvent::Paste("pasted\n注意\u{200b} text".into()),
        4..=8 => TerminalEvent::Key(KeyEvent::new(CODES[random.next(CODES.len())], KeyModifiers::NONE)),
        choice => {
            let letters: Vec<char> = LETTERS.chars().collect();
            let modifiers = if choice == 9 { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            TerminalEvent::Key(KeyEvent::new(KeyCode::Char(letters[random.next(letters.len())]), modifiers))
        }
    }
}

/// Sends random keys, mouse events, sizes and captures: nothing panics and the selection stays valid. Runs
/// for two thousand events, or for `ATTN_TUI_FUZZ_SECONDS`.
#[test]
fn random_input_is_harmless() {
    let seconds = std::env::var("ATTN_TUI_FUZZ_SECONDS").ok().and_then(|text| text.parse::<u64>().ok());
    let start = std::time::Instant::now();
    let captures = [made::sentence(), made::awkward(), made::long(40), Arc::new(made::cross_alone())];
    let mut random = Random(7);
    let mut driver = Driver::over(made::sentence(), (80, 24));
    let mut count = 0;
    while seconds.map_or(count < 2000, |seconds| start.elapsed().as_secs() < seconds) {
        count += 1;
        if random.next(25) == 0 {
            driver.size = (random.next(140) as u16, random.next(50) as u16);
        }
        if random.next(120) == 0 {
            let capture = Arc::clone(&captures[random.next(captures.len())]);
            driver.act(Action::Engine(Event::Captured(capture)));
        }
        let event = random_event(&mut random, driver.size);
        driver.send(event);
        let app = &driver.app;
        let capture = app.capture.as_ref().expect("a capture");
        assert!(capture.map(app.selection.head).is_ok(), "{} after event {count}", app.selection.head);
        let (queries, keys) = capture.shape(app.selection.head.kind());
        assert!(app.selection.query() < queries && app.selection.key() < keys, "outside after event {count}");
        driver.app.done = false;
    }
}
