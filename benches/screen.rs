//! Times a key press through the real update and drawing to its frame, and counts the bytes that the terminal is
//! sent for it: `cargo bench --bench screen`.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use attn_tui::analysis::profile::{HeadProfile, ProfileAxes};
use attn_tui::axis::{AxisItem, Sequence};
use attn_tui::capture::{Capture, MapStore, MapWeights, SiteMaps, ValuesBySite};
use attn_tui::engine::Event;
use attn_tui::nn::{CompactMaps, KeyPart, Visible};
use attn_tui::site::{Kind, Site};
use attn_tui::tui::action::Action;
use attn_tui::tui::app::App;
use attn_tui::tui::cache::Cache;
use attn_tui::tui::keymap::Keymap;
use attn_tui::tui::theme::Theme;
use attn_tui::tui::{chrome, input, render, update};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

const SIZE: Rect = Rect { x: 0, y: 0, width: 200, height: 60 };
const ROUNDS: usize = 15;

fn main() {
    println!(
        "{:>6}  {:<28} {:>12} {:>10} {:>10} {:>9}",
        "tokens", "key", "computing ms", "frame ms", "worst ms", "bytes"
    );
    for length in [64, 1024, 4096] {
        let capture = capture(length);
        for (what, before, key) in [
            ("right", "", 'l'),
            ("next head", "", ']'),
            ("next head, whole map", "z", ']'),
            ("down, whole map", "z", 'j'),
            ("zoom: whole map and back", "", 'z'),
            ("text", "", '2'),
            ("grid", "", '3'),
        ] {
            measure(length, what, &capture, before, key);
        }
    }
    println!("\n{:>6}  {:<28} {:>10} {:>10}", "tokens", "of a map that is computed", "first ms", "all ms");
    // Room for one head of 4096 tokens, none of 16384.
    for (length, budget) in [(4096, 4096 * 4096 * 4), (16384, 0)] {
        let capture = computed(length, budget);
        for (what, before, key) in [
            ("next head, window", "", ']'),
            ("next head, whole map", "z", ']'),
            ("down, window", "", 'j'),
            ("down, whole map", "z", 'j'),
        ] {
            glimpse(length, what, &capture, before, key);
        }
    }
}

/// A head that is not there: the first frame, and the one after all that it lacked was made.
fn glimpse(length: usize, what: &str, capture: &Arc<Capture>, before: &str, key: char) {
    let mut app = App::new("bench", Theme::default(), Keymap::default());
    update::update(&mut app, Action::Engine(Event::Opened(Box::default())));
    update::update(&mut app, Action::Engine(Event::Captured(Arc::clone(capture))));
    let mut cache = Cache::default();
    let options = TerminalOptions { viewport: Viewport::Fixed(SIZE) };
    let backend = CrosstermBackend::new(Line(Arc::default()));
    let mut terminal = Terminal::with_options(backend, options).expect("a terminal");
    let fill = |app: &App, cache: &mut Cache| {
        while let Some(job) = cache.render_job(app) {
            render::render(
                &job,
                || true,
                |part| {
                    cache.take(part);
                    true
                },
            );
        }
    };
    draw(&mut app, &mut cache, &mut terminal);
    for key in before.chars() {
        press(&mut app, key);
        draw(&mut app, &mut cache, &mut terminal);
    }
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let start = Instant::now();
        press(&mut app, key);
        draw(&mut app, &mut cache, &mut terminal);
        first.push(start.elapsed());
        fill(&app, &mut cache);
        draw(&mut app, &mut cache, &mut terminal);
        all.push(start.elapsed());
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    println!("{length:>6}  {what:<28} {:>10.2} {:>10.2}", median(&mut first), median(&mut all));
}

/// Two cross heads of `length` x `length` tokens that follow from queries and keys, with their profiles.
fn computed(length: usize, budget: usize) -> Arc<Capture> {
    let (heads, width) = (2, 64);
    let noise = |seed: usize| -> Vec<f32> {
        let value = |at: usize| ((at * 7919 + seed * 104_729) % 1999) as f32 / 1000.0 - 1.0;
        (0..length * heads * width).map(value).collect()
    };
    let compact = CompactMaps {
        heads,
        key_heads: heads,
        queries: length,
        keys: length,
        width,
        scale: 0.3,
        softcap: None,
        visible: Visible::All,
        bias: None,
        extra: None,
        part: KeyPart::Tokens,
        masked: Vec::new(),
        query: noise(1),
        key: noise(2),
    };
    let mut capture = Capture::clone(&capture(8));
    let tokens: Vec<AxisItem> =
        (0..length).map(|at| AxisItem::token(at as u32, format!("▁token{at}"), false)).collect();
    let axes = Arc::new(ProfileAxes::new(Kind::Cross, [length, length], &tokens));
    let profiles = (0..heads).map(|head| HeadProfile::of_compact(&compact, head, &axes)).collect();
    capture.source = Sequence { text: String::new(), items: tokens.clone() };
    capture.target = capture.source.clone();
    capture.decoder_input = tokens;
    capture.maps = MapStore::within(Some(budget));
    capture.maps.insert(Site::new(Kind::Cross, 0), SiteMaps::of(compact).with_profiles(profiles));
    Arc::new(capture)
}

/// The line to the terminal: counts what goes over it.
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

fn measure(length: usize, what: &str, capture: &Arc<Capture>, before: &str, key: char) {
    let mut app = App::new("bench", Theme::default(), Keymap::default());
    update::update(&mut app, Action::Engine(Event::Opened(Box::default())));
    update::update(&mut app, Action::Engine(Event::Captured(Arc::clone(capture))));
    let mut cache = Cache::default();
    let options = TerminalOptions { viewport: Viewport::Fixed(SIZE) };
    let sent = Arc::new(AtomicUsize::new(0));
    let backend = CrosstermBackend::new(Line(Arc::clone(&sent)));
    let mut terminal = Terminal::with_options(backend, options).expect("a terminal");
    draw(&mut app, &mut cache, &mut terminal);
    for key in before.chars() {
        press(&mut app, key);
        draw(&mut app, &mut cache, &mut terminal);
    }
    let (mut times, mut computing) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        sent.store(0, Ordering::Relaxed);
        let start = Instant::now();
        press(&mut app, key);
        let pressed = start.elapsed();
        let drawn = draw(&mut app, &mut cache, &mut terminal);
        times.push(start.elapsed());
        computing.push(pressed + drawn);
        bytes = bytes.max(sent.load(Ordering::Relaxed));
        if "23".contains(key) {
            press(&mut app, '1');
            draw(&mut app, &mut cache, &mut terminal);
        }
    }
    times.sort();
    computing.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, worst) = (ms(times[ROUNDS / 2]), ms(times[ROUNDS - 1]));
    let computing = ms(computing[ROUNDS / 2]);
    println!("{length:>6}  {what:<28} {computing:>12.2} {median:>10.2} {worst:>10.2} {bytes:>9}");
}

fn press(app: &mut App, key: char) {
    let event = TerminalEvent::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
    if let Some(action) = input::action(app, event) {
        update::update(app, action);
    }
}

/// Draws a frame, and says how long our views took for it; the rest is what ratatui compares and sends.
fn draw(app: &mut App, cache: &mut Cache, terminal: &mut Terminal<CrosstermBackend<Line>>) -> Duration {
    let mut done = None;
    let paint = |frame: &mut ratatui::Frame| {
        let start = Instant::now();
        let layout = chrome::draw(app, cache, frame.buffer_mut());
        done = Some((layout, start.elapsed()));
    };
    terminal.draw(paint).expect("a frame");
    let (layout, took) = done.expect("a layout");
    app.layout = layout;
    took
}

/// Two cross heads of `length` x `length` tokens.
fn capture(length: usize) -> Arc<Capture> {
    let tokens: Vec<AxisItem> =
        (0..length).map(|at| AxisItem::token(at as u32, format!("▁token{at}"), false)).collect();
    let sequence = Sequence { text: String::new(), items: tokens.clone() };
    let heads = 2;
    let mut data = Vec::with_capacity(heads * length * length);
    for head in 0..heads {
        for i in 0..length {
            for j in 0..length {
                let noise = (i * 7919 + j * 104_729 + head * 31) % 1000;
                let near = if i.abs_diff(j) < 3 { 0.2 } else { 0.0 };
                data.push(near + noise as f32 / (1000.0 * length as f32));
            }
        }
    }
    let mut maps = MapStore::default();
    maps.insert(Site::new(Kind::Cross, 0), SiteMaps::new(heads, length, length, data));
    Arc::new(Capture {
        model: "bench".into(),
        model_type: "bench".into(),
        architecture: Default::default(),
        source: sequence.clone(),
        target: sequence,
        decoder_input: tokens,
        predictions: Vec::new(),
        logits: None,
        maps,
        values: ValuesBySite::new(),
        weights: MapWeights::Attention,
        media: None,
        picture: None,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        notes: Vec::new(),
    })
}
