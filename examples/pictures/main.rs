//! Draws the README's pictures, all of them the explorer's own frames as SVG: one of each view, and the moving
//! picture of a session.
//!
//! `cargo run --release --example pictures` writes `assets/pictures/*.svg` and `docs/pictures/session.svg`.

mod session;
mod svg;

use std::path::Path;
use std::sync::Arc;

use attn_tui::capture::Capture;
use attn_tui::engine::{self, Event, ModelInfo, OpenOptions, Opened, RunOptions};
use attn_tui::progress::Unwatched;
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::app::App;
use attn_tui::tui::cache::Cache;
use attn_tui::tui::keymap::Keymap;
use attn_tui::tui::theme::Theme;
use attn_tui::tui::{chrome, input, survey, update};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

/// Columns and rows of the pictures.
const SIZE: (u16, u16) = (132, 36);

/// A picture's name and the keys that lead to it.
const PICTURES: [(&str, &str); 6] =
    [("map", ""), ("text", "2"), ("grid", "g"), ("heads", "4"), ("links", "5"), ("flow", "6")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pictures");
    std::fs::create_dir_all(&folder)?;
    let (info, capture) = open()?;
    for (name, keys) in PICTURES {
        let mut explorer = Explorer::open(&info, &capture, SIZE);
        keys.chars().for_each(|key| explorer.press(KeyCode::Char(key)));
        std::fs::write(folder.join(format!("{name}.svg")), svg::picture(&explorer.frame))?;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("session.svg"), session::draw(&info, &capture))?;
    Ok(())
}

/// The demo model and its run on its own example.
fn open() -> attn_tui::error::Result<(ModelInfo, Arc<Capture>)> {
    let options = OpenOptions { model: "demo".into(), ..OpenOptions::default() };
    match engine::open(&options, &Unwatched)? {
        Opened::Model(session) => {
            let info = session.info().clone();
            let run = RunOptions { source: info.example.clone(), ..RunOptions::default() };
            Ok((info, Arc::new(session.run(&run, &Unwatched)?)))
        }
        Opened::Capture(capture) => Ok((ModelInfo::default(), Arc::from(capture))),
    }
}

/// The explorer with its last frame.
struct Explorer {
    app: App,
    cache: Cache,
    frame: Buffer,
}

impl Explorer {
    /// Opens a capture at a size in columns and rows.
    fn open(info: &ModelInfo, capture: &Arc<Capture>, (width, height): (u16, u16)) -> Self {
        let app = App::new("demo", Theme::default(), Keymap::default());
        let frame = Buffer::empty(Rect::new(0, 0, width, height));
        let mut explorer = Self { app, cache: Cache::default(), frame };
        act(&mut explorer.app, Action::Engine(Event::Opened(Box::new(info.clone()))));
        act(&mut explorer.app, Action::Engine(Event::Captured(Arc::clone(capture))));
        explorer.draw();
        explorer
    }

    /// Presses a key and draws the next frame.
    fn press(&mut self, code: KeyCode) {
        let event = TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE));
        if let Some(action) = input::action(&self.app, event) {
            act(&mut self.app, action);
        }
        self.draw();
    }

    fn draw(&mut self) {
        self.frame.reset();
        self.app.layout = chrome::draw(&self.app, &mut self.cache, &mut self.frame);
    }
}

fn act(app: &mut App, action: Action) {
    for effect in update::update(app, action) {
        if let Effect::Survey(request) = effect {
            let mut parts = Vec::new();
            survey::run(&request, || true, |part| parts.push(part));
            parts.into_iter().for_each(|part| act(app, Action::Surveyed(Box::new(part))));
        }
    }
}
