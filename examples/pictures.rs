//! Draws the README's pictures of the views: the explorer's own frames as SVG.
//!
//! `cargo run --release --example pictures` writes `assets/pictures/*.svg`.

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
use attn_tui::tui::widgets::cells;
use attn_tui::tui::{chrome, input, survey, update};
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

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
        let picture = svg(&frame(&info, &capture, keys));
        std::fs::write(folder.join(format!("{name}.svg")), picture)?;
    }
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

/// The frame that the explorer shows after these keys.
fn frame(info: &ModelInfo, capture: &Arc<Capture>, keys: &str) -> Buffer {
    let mut app = App::new("demo", Theme::default(), Keymap::default());
    let mut cache = Cache::default();
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    act(&mut app, Action::Engine(Event::Opened(Box::new(info.clone()))));
    act(&mut app, Action::Engine(Event::Captured(Arc::clone(capture))));
    app.layout = chrome::draw(&app, &mut cache, &mut buffer);
    for key in keys.chars() {
        let code = if key == '\t' { KeyCode::Tab } else { KeyCode::Char(key) };
        let event = TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE));
        if let Some(action) = input::action(&app, event) {
            act(&mut app, action);
        }
        buffer.reset();
        app.layout = chrome::draw(&app, &mut cache, &mut buffer);
    }
    buffer
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

const CELL: (f32, f32) = (8.4, 18.0);
const INK: &str = "#d7dae0";
const PAPER: &str = "#14161b";

/// A frame as an SVG picture of a terminal.
fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (f32::from(buffer.area.width), f32::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 24.0, rows * CELL.1 + 24.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"'DejaVu Sans Mono','Menlo','Consolas',monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n<g transform=\"translate(12 12)\">\n"
    );
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let mut end = x + 1;
            while end < buffer.area.width && paper(&buffer[(end, y)]) == paper(cell) {
                end += 1;
            }
            if let Some(color) = paper(cell) {
                rect(&mut out, (x, y), f32::from(end - x), (0.0, 1.0), &color);
            }
            x = end;
        }
    }
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let columns = cells::width(cell.symbol()).max(1) as u16;
            match cell.symbol() {
                " " => {}
                "▀" => rect(&mut out, (x, y), 1.0, (0.0, 0.5), &ink(cell)),
                "▄" => rect(&mut out, (x, y), 1.0, (0.5, 0.5), &ink(cell)),
                "█" => rect(&mut out, (x, y), 1.0, (0.2, 0.6), &ink(cell)),
                "▏" | "▎" | "▍" | "▌" | "▋" | "▊" | "▉" => {
                    let eighths =
                        "▏▎▍▌▋▊▉".chars().position(|c| cell.symbol().starts_with(c)).unwrap_or(0) + 1;
                    rect(&mut out, (x, y), eighths as f32 / 8.0, (0.2, 0.6), &ink(cell));
                }
                _ => text(&mut out, (x, y), columns, cell),
            }
            x += columns;
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn rect(out: &mut String, (x, y): (u16, u16), columns: f32, (top, part): (f32, f32), color: &str) {
    let (left, top) = (f32::from(x) * CELL.0, (f32::from(y) + top) * CELL.1);
    out.push_str(&format!(
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{color}\"/>\n",
        columns * CELL.0 + 0.15,
        part * CELL.1 + 0.15
    ));
}

fn text(out: &mut String, (x, y): (u16, u16), columns: u16, cell: &Cell) {
    let symbol = cell.symbol().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let middle = (f32::from(x) + f32::from(columns) / 2.0) * CELL.0;
    let base = f32::from(y) * CELL.1 + 13.5;
    let bold = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let line =
        if cell.modifier.contains(Modifier::UNDERLINED) { " text-decoration=\"underline\"" } else { "" };
    out.push_str(&format!(
        "<text x=\"{middle:.1}\" y=\"{base:.1}\" text-anchor=\"middle\" fill=\"{}\"{bold}{line}>{symbol}</text>\n",
        ink(cell)
    ));
}

fn ink(cell: &Cell) -> String {
    color(cell.fg).unwrap_or_else(|| INK.into())
}

fn paper(cell: &Cell) -> Option<String> {
    color(cell.bg)
}

fn color(color: Color) -> Option<String> {
    match color {
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        _ => None,
    }
}
