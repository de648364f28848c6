//! Draws the README's pictures, all of them the explorer's own frames as SVG: one of each view, and the moving
//! picture of a session.
//!
//! `cargo run --release --example pictures` writes `assets/pictures/*.svg` and `docs/pictures/session.svg`.

mod session;
mod svg;

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use attn_tui::engine::{Event, OpenOptions, Request, Worker};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::app::App;
use attn_tui::tui::cache::Cache;
use attn_tui::tui::keymap::Keymap;
use attn_tui::tui::theme::Theme;
use attn_tui::tui::{chrome, input, pair_search, survey, update};
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
    for (name, keys) in PICTURES {
        let mut explorer = Explorer::open("demo", SIZE);
        keys.chars().for_each(|key| explorer.press(KeyCode::Char(key)));
        std::fs::write(folder.join(format!("{name}.svg")), svg::picture(&explorer.frame))?;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("session.svg"), session::draw())?;
    Ok(())
}

/// The explorer with its last frame, and the engine that answers its requests.
struct Explorer {
    app: App,
    cache: Cache,
    frame: Buffer,
    worker: Worker,
    events: Receiver<Event>,
}

impl Explorer {
    /// Opens a model and runs it on its own example, at a size in columns and rows.
    fn open(model: &str, (width, height): (u16, u16)) -> Self {
        let app = App::new(model, Theme::default(), Keymap::default());
        let frame = Buffer::empty(Rect::new(0, 0, width, height));
        let (sender, events) = channel();
        let worker = Worker::spawn(move |event| drop(sender.send(event)));
        let mut explorer = Self { app, cache: Cache::default(), frame, worker, events };
        explorer.ask(Request::Open(OpenOptions { model: model.into(), ..OpenOptions::default() }));
        explorer.draw();
        explorer
    }

    /// Presses a key and draws the next frame.
    fn press(&mut self, code: KeyCode) {
        let event = TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE));
        if let Some(action) = input::action(&self.app, event) {
            self.act(action);
        }
        self.draw();
    }

    /// Handles an action with all that follows from it.
    fn act(&mut self, action: Action) {
        for effect in update::update(&mut self.app, action) {
            let mut answers = Vec::new();
            match effect {
                Effect::Ask(request) => self.ask(request),
                Effect::Survey(request) => {
                    survey::run(&request, || true, |part| answers.push(Action::Surveyed(Box::new(part))));
                }
                Effect::WeighPairs(request) => {
                    pair_search::run(
                        &request,
                        || true,
                        |part| answers.push(Action::PairsFound(Box::new(part))),
                    );
                }
                _ => {}
            }
            answers.into_iter().for_each(|answer| self.act(answer));
        }
    }

    /// Sends a request to the engine and handles its events, up to the one that answers it.
    fn ask(&mut self, request: Request) {
        self.worker.send(request);
        while let Ok(event) = self.events.recv() {
            let last = !matches!(event, Event::Progress(_));
            self.act(Action::Engine(event));
            if last {
                return;
            }
        }
    }

    fn draw(&mut self) {
        self.frame.reset();
        self.app.layout = chrome::draw(&self.app, &mut self.cache, &mut self.frame);
    }
}
