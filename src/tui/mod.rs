//! The screen: an explorer of one capture at a time, keyboard first.
//!
//! State is in one place ([`app::App`]) and changes in one place ([`update::update`]), which is pure and
//! returns the effects to carry out. Drawing ([`chrome::draw`]) is a pure function of the state. Keys mean
//! commands through one table ([`keymap::TABLE`]). Everything that happens (keys, the engine's events,
//! surveys, signals) arrives through one channel. The main loop handles all waiting messages, then draws a
//! frame.

pub mod ablation;
pub mod action;
pub mod answers;
pub mod app;
pub mod axes;
pub mod cache;
pub mod chrome;
pub mod clipboard;
pub mod command;
pub mod copying;
pub mod decoder;
pub mod evidence;
pub mod evidence_lines;
pub mod export_job;
pub mod exporting;
pub mod filter;
pub mod guide;
pub mod input;
pub mod keymap;
mod labels;
pub mod layout;
mod message;
pub mod overlays;
pub mod pair_search;
pub mod palette;
pub mod picking;
pub mod pixels;
pub mod prompts;
mod reader;
pub mod reading;
pub mod recent;
pub mod render;
pub mod reproduce;
pub mod requests;
pub mod runs;
pub mod scan_reader;
pub mod selected;
pub mod selection;
pub mod session;
pub mod session_file;
pub mod sheet;
pub mod survey;
pub mod terminal;
pub mod theme;
mod tour_worker;
pub mod update;
pub mod views;
pub mod widgets;
mod world;
pub mod zoom;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use action::{Action, Effect};
use answers::Question;
use app::App;
use cache::Cache;
use clipboard::{Carried, ClipboardRoute, through_tmux};
use keymap::Keymap;
use message::Message;
use pixels::{PixelGraphics, Protocol};
use prompts::PromptHistory;
use session::Saved;
use terminal::Screen;
use theme::Theme;
pub use world::SESSIONS;
use world::{StateFolder, World};

use crate::config::{self, Background, PixelProtocol as Choice};
use crate::engine::{Event, OpenOptions, Request, RunOptions};
use crate::error::{Error, Result};
use crate::export::table::Table;
use crate::scan::Scan;
use crate::tour::Tour;

/// Options that the explorer starts with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The model or the capture file.
    pub model: OpenOptions,
    /// Options of the first run.
    pub run: RunOptions,
    /// True if the run has its texts; otherwise the model's example is the source.
    pub given: bool,
    /// Selection and settings of the session that is resumed.
    pub resume: Option<Saved>,
    /// File that the session is saved to when the explorer is left, if any.
    pub session: Option<PathBuf>,
    /// Tour to start with, instead of the model.
    pub tour: Option<Arc<Tour>>,
    /// Scan to show first, of which the first run is a sentence.
    pub scan: Option<Arc<Scan>>,
    /// True if a key leaves with the selected rows.
    pub pick: bool,
}

/// Appearance and keys of the explorer.
#[derive(Clone, Debug, Default)]
pub struct ScreenSettings {
    /// Colours.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
    /// Pixel graphics for maps.
    pub pixels: PixelGraphics,
    /// The way of copied text to the clipboard.
    pub clipboard: ClipboardRoute,
    /// Questions to ask the terminal at the start.
    pub ask: Question,
    /// True to panic at the first command, which a test of debug builds asks for (`ATTN_TUI_PANIC`).
    pub panic: bool,
}

impl ScreenSettings {
    /// Combines the program's settings with the terminal's abilities, which the environment variables
    /// describe.
    ///
    /// # Errors
    /// [`Error::Usage`] when the user's keys name a command or a key that does not exist; a theme file that
    /// cannot be read.
    pub fn new(config: &config::Settings, var: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let background_known = var("COLORFGBG").is_some();
        let panic = cfg!(debug_assertions) && var("ATTN_TUI_PANIC").is_some();
        let (protocol, uncertain) = Protocol::detect(&var);
        let clipboard = ClipboardRoute::detect(&var);
        let mut theme = Theme::detect(var);
        if let Some(path) = &config.theme {
            theme = theme.with(palette::Chosen::read(path)?);
        }
        match config.background {
            Background::Auto => {}
            Background::Dark => theme = theme.on(false),
            Background::Light => theme = theme.on(true),
        }
        let theme_background = theme.chosen.as_ref().map_or(Background::Auto, |chosen| chosen.background);
        // An old console would print the question, and its 16 colours do not depend on the answer.
        let undecided = config.background == Background::Auto && theme_background == Background::Auto;
        let modern = theme.depth > theme::Depth::Ansi16;
        let ask = Question {
            background: undecided && !background_known && modern,
            pictures: config.pixels == Choice::Auto && uncertain && modern,
            cell: config.pixels != Choice::Off && modern,
        };
        let pixels = PixelGraphics {
            choice: config.pixels,
            takes: protocol.filter(|_| modern),
            ..PixelGraphics::default()
        };
        theme.colormap = config.colormap.unwrap_or(theme.colormap);
        theme.glyphs = config.glyphs;
        let keymap = Keymap::with(&config.keys).map_err(|wrong| Error::Usage(wrong.to_string()))?;
        Ok(Self { theme, keymap, pixels, clipboard, ask, panic })
    }
}

/// Sends an event of the engine to the screen. May be called from any thread.
pub type Tell = Box<dyn Fn(Event) + Send + Sync>;

/// Sends a request of the screen to the engine, without blocking.
pub type Ask = Box<dyn Fn(Request)>;

/// Runs the explorer until the user leaves it, and returns the rows that it was left with. `connect` starts the engine: it receives the function that
/// sends events to the screen, and returns the one that sends requests to the engine. The terminal is always
/// restored.
///
/// # Errors
/// The terminal cannot be used. Errors of the engine are shown on the screen.
pub fn run_with(
    start: Start,
    settings: ScreenSettings,
    connect: impl FnOnce(Tell) -> Ask,
) -> Result<Option<Table>> {
    let (sender, inbox) = channel();
    let tell = sender.clone();
    let ask = connect(Box::new(move |event| {
        // The receiver is gone after the last frame.
        let _ = tell.send(Message::Engine(event));
    }));
    let state = start.session.as_deref().and_then(Path::parent).map(StateFolder::new);
    let history = state.as_ref().map(|state| PromptHistory::read(&state.prompts())).unwrap_or_default();
    let world = World::start(sender, ask, state, settings.clipboard)?;
    let mut app = App::new(start.model.model.clone(), settings.theme, settings.keymap);
    (app.run.options, app.run.given) = (start.run, start.given);
    app.picks = start.pick;
    if let Some(saved) = &start.resume {
        saved.restore(&mut app);
    }
    if let Some(scan) = &start.scan {
        app.view = views::ViewId::Corpus;
        app.views.corpus.scan = Some(Arc::clone(scan));
    }
    (app.pixels, app.prompts) = (settings.pixels, history);
    app.run.open =
        OpenOptions { model: String::new(), revision: None, tokenizer: None, ..start.model.clone() };
    let first = match start.tour {
        None => vec![Effect::Ask(Request::Open(start.model.clone()))],
        Some(tour) => {
            (app.run.model, app.run.pending) = (String::new(), 0);
            update::tour::start(&mut app, tour)
        }
    };
    let mut screen = Screen::enter()?;
    screen.ask(settings.ask)?;
    world.listen(settings.ask);
    world.perform(&mut screen, first)?;
    let ended = match explore(&mut app, &mut screen, &world, &inbox, settings.panic) {
        Err(error) if terminal::is_gone(&error) => Ok(Some(message::HANGUP)),
        ended => ended,
    };
    drop(screen);
    // A tour may have opened another model.
    let last = match app.run.model == start.model.model {
        true => start.model,
        false => OpenOptions { model: app.run.model.clone(), ..app.run.open.clone() },
    };
    if let (Some(path), Some(saved)) = (&start.session, Saved::new(&app, &last))
        && let Err(error) = saved.write(path)
    {
        // Not fatal: only `--resume` is affected.
        crate::terminal::message("note", &format!("the session was not saved: {error}"));
    }
    world.end(ended?)?;
    Ok(app.picked)
}

/// Minimum time between frames that only show progress: more would slow down the work itself, and a slow
/// connection.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// Runs the main loop: draws a frame, waits, and handles all waiting messages. Returns the signal that ended
/// it, if any.
fn explore(
    app: &mut App,
    screen: &mut Screen,
    world: &World,
    inbox: &Receiver<Message>,
    panic: bool,
) -> Result<Option<i32>> {
    let mut cache = Cache::default();
    loop {
        screen.draw(app, &mut cache)?;
        if let Some(job) = cache.render_job(app) {
            world.render(job);
        }
        let drawn = Instant::now();
        let (mut received, mut urgent) = (false, false);
        while !urgent {
            let first = if received {
                let Ok(message) = inbox.recv_timeout(PROGRESS_INTERVAL.saturating_sub(drawn.elapsed()))
                else {
                    break;
                };
                message
            } else {
                let Ok(message) = inbox.recv() else { return Ok(None) };
                message
            };
            for message in std::iter::once(first).chain(inbox.try_iter()) {
                received = true;
                urgent |= !message.can_wait();
                if let Message::Rendered(result) = message {
                    cache.take(*result);
                    continue;
                }
                match handle(app, screen, world, message, panic)? {
                    Handled::Continue => {}
                    Handled::Ended(signal) => return Ok(signal),
                }
            }
        }
    }
}

/// Result of handling a message.
enum Handled {
    Continue,
    /// The loop ends; holds the signal that asked for it, if any.
    Ended(Option<i32>),
}

/// Applies one message to the state and carries out the resulting effects.
fn handle(
    app: &mut App,
    screen: &mut Screen,
    world: &World,
    message: Message,
    panic: bool,
) -> Result<Handled> {
    let action = match message {
        Message::Terminal(event) => match input::action(app, event) {
            Some(action) => action,
            None => return Ok(Handled::Continue),
        },
        #[cfg(unix)]
        Message::Resized => Action::Resize,
        #[cfg(unix)]
        Message::Background { light } => Action::Background { light },
        #[cfg(unix)]
        Message::Pictures { takes, cell } => Action::Pictures { takes, cell },
        Message::Engine(event) => {
            if let Event::Progress(_) = event {
                update::update(app, Action::Clock(world.age()));
            }
            Action::Engine(event)
        }
        Message::Surveyed(part) => Action::Surveyed(part),
        Message::Copied(outcome) => {
            if let (Carried::BufferOnly, text) = &outcome {
                screen.send(&through_tmux(text))?;
            }
            Action::Copied(outcome.0)
        }
        Message::PairsFound(part) => Action::PairsFound(part),
        Message::ScanRead(part) => Action::ScanRead(part),
        // Handled by the main loop: it belongs to drawing and changes no state.
        Message::Rendered(_) => return Ok(Handled::Continue),
        Message::Compared(compared) => Action::Compared(compared),
        Message::Openable(openable) => Action::Openable(openable),
        Message::Exported(result) => Action::Exported(result),
        Message::StepReady(ready) => Action::StepReady(ready),
        Message::Crashed(message) => Action::Crashed(message),
        #[cfg(unix)]
        Message::Suspend => Action::Do(command::Command::Suspend),
        Message::End(signal) => return Ok(Handled::Ended(Some(signal))),
    };
    assert!(!(panic && matches!(action, Action::Do(_))), "asked to panic");
    let effects = update::update(app, action);
    world.perform(screen, effects)?;
    Ok(if app.done { Handled::Ended(None) } else { Handled::Continue })
}
