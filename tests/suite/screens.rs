//! Snapshots of every view and overlay, with text and styles, from hand-made captures.

use std::collections::BTreeMap;
use std::sync::Arc;

use attn_tui::capture::Capture;
use attn_tui::engine::{Event, ModelInfo};
use attn_tui::error::Error;
use attn_tui::progress::Progress;
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::app::App;
use attn_tui::tui::cache::Cache;
use attn_tui::tui::keymap::Keymap;
use attn_tui::tui::theme::{Depth, Theme};
use attn_tui::tui::{chrome, input, pair_search, survey, update};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::made;

/// The explorer without a terminal: takes keys, returns frames.
pub struct Driver {
    pub app: App,
    cache: Cache,
    pub size: (u16, u16),
    /// Effects of all updates except surveys and searches for links, which are run at once.
    pub asked: Vec<Effect>,
}

impl Driver {
    /// Creates the explorer before anything is open.
    pub fn new(size: (u16, u16)) -> Self {
        let app = App::new("made", Theme::default(), Keymap::default());
        Self { app, cache: Cache::default(), size, asked: Vec::new() }
    }

    /// Creates the explorer with a capture.
    pub fn over(capture: Arc<Capture>, size: (u16, u16)) -> Self {
        let mut driver = Self::new(size);
        let info = ModelInfo {
            name: "made".into(),
            model_type: "marian".into(),
            layers: (3, 3),
            heads: (6, 6),
            parameters: 1_000_000,
            example: "The children who live next door are playing.".into(),
            ..ModelInfo::default()
        };
        driver.act(Action::Engine(Event::Opened(Box::new(info))));
        driver.act(Action::Engine(Event::Captured(capture)));
        driver.asked.clear();
        driver
    }

    pub fn act(&mut self, action: Action) {
        for effect in update::update(&mut self.app, action) {
            if let Effect::Survey(request) = effect {
                let mut parts = Vec::new();
                survey::run(&request, || true, |part| parts.push(part));
                for part in parts {
                    self.act(Action::Surveyed(Box::new(part)));
                }
            } else if let Effect::Compare(request) = effect {
                update::update(&mut self.app, Action::Compared(Box::new(request.run())));
            } else if let Effect::WeighPairs(request) = effect {
                let mut parts = Vec::new();
                pair_search::run(&request, || true, |part| parts.push(part));
                for part in parts {
                    update::update(&mut self.app, Action::PairsFound(Box::new(part)));
                }
            } else {
                self.asked.push(effect);
            }
        }
    }

    /// Draws a frame.
    pub fn draw(&mut self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        self.app.layout = chrome::draw(&self.app, &mut self.cache, &mut buffer);
        buffer
    }

    /// Handles an event of the terminal, then draws.
    pub fn send(&mut self, event: TerminalEvent) {
        if let Some(action) = input::action(&self.app, event) {
            self.act(action);
        }
        self.draw();
    }

    /// Presses keys: single characters, or names in angle brackets (`<enter>`, `<ctrl-p>`).
    pub fn press(&mut self, keys: &str) -> &mut Self {
        self.draw();
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            let (name, after) = match rest.strip_prefix('<').and_then(|tail| tail.split_once('>')) {
                Some((name, after)) if !name.is_empty() => (name.to_string(), after),
                _ => (first.to_string(), &rest[first.len_utf8()..]),
            };
            self.send(TerminalEvent::Key(key(&name)));
            rest = after;
        }
        self
    }
}

pub fn key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.strip_prefix("ctrl-") {
        Some(name) => (KeyModifiers::CONTROL, name),
        None => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "backspace" => KeyCode::Backspace,
        "space" => KeyCode::Char(' '),
        name => KeyCode::Char(name.chars().next().expect("a key")),
    };
    KeyEvent::new(code, modifiers)
}

/// Returns the text of a screen, then the same screen with a letter for each style, and the legend of the
/// letters.
pub fn picture(buffer: &Buffer) -> String {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut styles: BTreeMap<String, char> = BTreeMap::new();
    let (mut text, mut inks) = (String::new(), String::new());
    for y in buffer.area.top()..buffer.area.bottom() {
        let (mut line, mut ink) = (String::new(), String::new());
        let mut skip = 0;
        for x in buffer.area.left()..buffer.area.right() {
            let cell = &buffer[(x, y)];
            if skip > 0 {
                skip -= 1;
            } else {
                line.push_str(cell.symbol());
                skip = attn_tui::tui::widgets::cells::width(cell.symbol()).saturating_sub(1);
            }
            let style = cell.style();
            let plain = style == Style::reset() || name_of(style).is_empty();
            let next = LETTERS.chars().nth(styles.len()).unwrap_or('?');
            ink.push(if plain { ' ' } else { *styles.entry(name_of(style)).or_insert(next) });
        }
        text.push_str(&format!("|{line}|\n"));
        inks.push_str(&format!("|{}|\n", ink.trim_end()));
    }
    let mut legend: Vec<_> = styles.into_iter().map(|(style, letter)| (letter, style)).collect();
    legend.sort();
    let legend: String = legend.iter().map(|(letter, style)| format!("{letter} {style}\n")).collect();
    format!("{text}\n{inks}\n{legend}")
}

/// Returns the text of a screen.
pub fn screen_text(buffer: &Buffer) -> String {
    picture(buffer).lines().take(usize::from(buffer.area.height)).collect::<Vec<_>>().join("\n")
}

/// Returns a hash of the styles of a row (FNV-1a).
fn digest(buffer: &Buffer, y: u16) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    for x in buffer.area.left()..buffer.area.right() {
        for byte in name_of(buffer[(x, y)].style()).bytes().chain([0]) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    hash
}

const DEPTHS: [(&str, Depth); 3] =
    [("truecolor", Depth::True), ("16 colours", Depth::Ansi16), ("NO_COLOR", Depth::Mono)];

/// Draws a state at three colour depths. Returns its rows, each with the hashes of its styles at every depth,
/// then the rows whose text differs at lower depths.
fn depths(driver: &mut Driver) -> String {
    let before = driver.app.theme.depth;
    let screens = DEPTHS.map(|(_, depth)| {
        driver.app.theme.depth = depth;
        driver.draw()
    });
    driver.app.theme.depth = before;
    driver.draw();
    let texts = screens.each_ref().map(screen_text);
    let mut out = String::new();
    for (y, line) in texts[0].lines().enumerate() {
        let styles: Vec<String> =
            screens.iter().map(|screen| format!("{:08x}", digest(screen, y as u16))).collect();
        out.push_str(&format!("{line} {}\n", styles.join(" ")));
    }
    for ((name, _), text) in DEPTHS.iter().zip(&texts).skip(1) {
        out.push_str(&format!("\n{name}\n"));
        for (y, (line, first)) in text.lines().zip(texts[0].lines()).enumerate() {
            if line != first {
                out.push_str(&format!("{y:>2} {line}\n"));
            }
        }
    }
    out
}

fn name_of(style: Style) -> String {
    use ratatui::style::{Color, Modifier};
    let mut parts = Vec::new();
    for (name, color) in [("fg", style.fg), ("bg", style.bg)] {
        if let Some(color) = color.filter(|color| *color != Color::Reset) {
            parts.push(format!("{name}:{color}"));
        }
    }
    if style.add_modifier != Modifier::empty() {
        parts.push(format!("{:?}", style.add_modifier));
    }
    parts.join(" ")
}

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 60), (30, 8)];

fn snapshots(name: &str, capture: &Arc<Capture>, keys: &str) {
    for size in SIZES {
        let mut driver = Driver::over(Arc::clone(capture), size);
        driver.press(keys);
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), depths(&mut driver));
    }
}

#[test]
fn map() {
    snapshots("map", &made::sentence(), "");
    snapshots("map-encoder", &made::sentence(), "<tab>jjll");
    snapshots("map-decoder", &made::sentence(), "<backtab>jj]");
    snapshots("map-awkward", &made::awkward(), "jl");
    snapshots("map-long", &made::long(300), "z");
    snapshots("map-filter", &made::sentence(), "F| >0.5<enter>((");
}

#[test]
fn grid() {
    snapshots("grid", &made::sentence(), "g");
    snapshots("grid-decoder", &made::sentence(), "g<backtab>l<space>");
}

#[test]
fn text() {
    snapshots("text", &made::sentence(), "2jll");
    snapshots("text-encoder", &made::sentence(), "<tab>2ll");
    snapshots("text-received", &made::awkward(), "2Ro");
    snapshots("text-mean", &made::sentence(), "2o");
    snapshots("text-hues", &made::sentence(), "3<space>l<space>2ooojj");
}

#[test]
fn heads() {
    snapshots("heads", &made::sentence(), "4jj");
    snapshots("heads-kind", &made::sentence(), "4fiiO<space>");
}

#[test]
fn links() {
    snapshots("links", &made::sentence(), "5jj");
    snapshots("links-none", &made::sentence(), "5>>>>>>>>>>");
}

#[test]
fn flow() {
    snapshots("flow", &made::sentence(), "6ll");
    snapshots("flow-layer", &made::sentence(), "6llBo}");
}

#[test]
fn compare() {
    snapshots("compare-nothing", &made::sentence(), "7");
    for size in SIZES {
        let mut driver = Driver::over(made::sentence(), size);
        driver.press("P7");
        driver.act(Action::Engine(Event::Captured(Arc::new(made::capture(
            &[
                "▁The", "▁dog", "▁who", "▁live", "▁next", "▁to", "▁the", "▁door", "▁is", "▁play", "ing", ".",
                "</s>",
            ],
            &["▁Le", "▁chien", "▁qui", "▁vit", "▁à", "▁côté", "▁joue", ".", "</s>"],
            3,
            6,
        )))));
        driver.press("jj");
        insta::assert_snapshot!(format!("compare-{}x{}", size.0, size.1), depths(&mut driver));
    }
}

#[test]
fn overlays() {
    snapshots("help", &made::sentence(), "?");
    snapshots("menu", &made::sentence(), ";");
    snapshots("menu-group", &made::sentence(), ";c");
    snapshots("palette", &made::sentence(), ":zoo");
    snapshots("search", &made::sentence(), "/en");
    snapshots("edit-source", &made::sentence(), "s 注意 e\u{301}");
    snapshots("edit-target", &made::sentence(), "t");
    snapshots("edit-filter", &made::sentence(), "Fjou | 3-9");
}

#[test]
fn without_a_head() {
    for size in SIZES {
        let mut driver = Driver::over(made::sentence(), size);
        driver.press("X");
        let outcome = crate::explorer::without(&driver);
        driver.act(Action::Engine(Event::Ablated(outcome)));
        insta::assert_snapshot!(format!("off-{}x{}", size.0, size.1), depths(&mut driver));
    }
}

#[test]
fn without_colours() {
    for (name, depth) in [("mono", Depth::Mono), ("ansi16", Depth::Ansi16), ("ansi256", Depth::Ansi256)] {
        for (view, keys) in [("map", ""), ("grid", "g"), ("far", "z")] {
            let mut driver = Driver::over(made::sentence(), (80, 24));
            driver.app.theme.depth = depth;
            driver.press(keys);
            insta::assert_snapshot!(format!("{view}-{name}"), picture(&driver.draw()));
        }
    }
}

#[test]
fn opening_and_errors() {
    for size in SIZES {
        let mut driver = Driver::new(size);
        driver.act(Action::Engine(Event::Progress(Progress::Download {
            file: "model.safetensors".into(),
            done: 123_000_000,
            total: Some(300_000_000),
            speed: 12_500_000.0,
        })));
        insta::assert_snapshot!(format!("opening-{}x{}", size.0, size.1), depths(&mut driver));
        driver.act(Action::Engine(Event::Failed(Error::MissingFile {
            model: "org/name".into(),
            file: "tokenizer.json".into(),
        })));
        insta::assert_snapshot!(format!("error-{}x{}", size.0, size.1), depths(&mut driver));
    }
}

#[test]
fn working() {
    for size in SIZES {
        let mut driver = Driver::over(made::sentence(), size);
        driver.press("T").press("sHello<enter>");
        driver.act(Action::Engine(Event::Progress(Progress::Generate {
            tokens: 3,
            text: "Les enfants qui".into(),
        })));
        insta::assert_snapshot!(format!("working-{}x{}", size.0, size.1), depths(&mut driver));
    }
}

#[test]
fn every_size_is_harmless() {
    const WAYS: [&str; 13] = ["", "g", "1?", "1s", "1:", "1/", "1z", "1<tab>", "2", "4", "5", "6", "P7"];
    for capture in [made::sentence(), made::awkward(), made::long(70)] {
        let mut driver = Driver::over(capture, (80, 24));
        for keys in WAYS {
            driver.press(keys);
            for width in [0, 1, 2, 3, 5, 8, 13, 21, 34, 64, 79, 130] {
                for height in [0, 1, 2, 3, 4, 6, 8, 11, 17, 24, 50] {
                    driver.size = (width, height);
                    driver.draw();
                }
            }
            driver.press("<esc>");
        }
    }
}
