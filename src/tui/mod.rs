//! The screen: an explorer of one capture at a time, keyboard first.
//!
//! State is in one place ([`app::App`]) and changes in one place ([`update::update`]), which is pure and
//! returns what the world should do. Drawing ([`chrome::draw`]) is a pure function of the state. Keys mean
//! commands through one table ([`keymap::TABLE`]). Everything that happens (keys, the engine's events,
//! surveys, signals) comes through one channel; all that is there is taken, then one frame is drawn.

pub mod ablation;
pub mod action;
pub mod answers;
pub mod app;
pub mod axes;
pub mod cache;
pub mod chrome;
pub mod command;
pub mod comparison;
pub mod filter;
pub mod guide;
pub mod input;
pub mod keymap;
pub mod layout;
mod message;
pub mod overlays;
pub mod palette;
pub mod pixels;
pub mod reading;
pub mod render;
pub mod requests;
pub mod selected;
pub mod selection;
pub mod session;
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

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use action::{Action, Effect};
use answers::Question;
use app::App;
use cache::Cache;
use keymap::Keymap;
use message::Message;
use pixels::{PixelGraphics, Protocol};
use session::Saved;
use terminal::Screen;
use theme::Theme;
use world::World;

use crate::config::{self, Background, PixelProtocol as Choice};
use crate::engine::{Event, OpenOptions, Request, RunOptions};
use crate::error::{Error, Result};
use crate::tour::Tour;

/// Options that the explorer starts with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The model or the capture file.
    pub model: OpenOptions,
    /// The run to begin with.
    pub run: RunOptions,
    /// True if the run has its texts; otherwise the model's own example is the source.
    pub given: bool,
    /// Selection and settings of the session that is resumed.
    pub resume: Option<Saved>,
    /// File that the session is saved to when the explorer is left, if any.
    pub session: Option<PathBuf>,
    /// The tour to begin with, in the model's place.
    pub tour: Option<Arc<Tour>>,
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
    /// Questions to the terminal.
    pub ask: Question,
    /// True to panic at the first command, which a test of debug builds asks for (`ATTN_TUI_PANIC`).
    pub panic: bool,
}

impl ScreenSettings {
    /// The settings of the program, on the terminal that the environment describes.
    ///
    /// # Errors
    /// [`Error::Usage`] when the user's keys name a command or a key that does not exist; a theme file that
    /// cannot be read.
    pub fn new(config: &config::Settings, var: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let told = var("COLORFGBG").is_some();
        let panic = cfg!(debug_assertions) && var("ATTN_TUI_PANIC").is_some();
        let (takes, more) = Protocol::detect(&var);
        let mut theme = Theme::detect(var);
        if let Some(path) = &config.theme {
            theme = theme.with(palette::Chosen::read(path)?);
        }
        match config.background {
            Background::Auto => {}
            Background::Dark => theme = theme.on(false),
            Background::Light => theme = theme.on(true),
        }
        let made_for = theme.chosen.as_ref().map_or(Background::Auto, |chosen| chosen.background);
        // an old console would print the question, and its sixteen colours do not depend on the answer
        let open = config.background == Background::Auto && made_for == Background::Auto;
        let modern = theme.depth > theme::Depth::Ansi16;
        let ask = Question {
            background: open && !told && modern,
            pictures: config.pixels == Choice::Auto && more && modern,
            cell: config.pixels != Choice::Off && modern,
        };
        let pixels = PixelGraphics {
            choice: config.pixels,
            takes: takes.filter(|_| modern),
            ..PixelGraphics::default()
        };
        theme.colormap = config.colormap.unwrap_or(theme.colormap);
        theme.glyphs = config.glyphs;
        let keymap = Keymap::with(&config.keys).map_err(|wrong| Error::Usage(wrong.to_string()))?;
        Ok(Self { theme, keymap, pixels, ask, panic })
    }
}

/// Takes events of the engine to the screen; may be called from any thread.
pub type Tell = Box<dyn Fn(Event) + Send + Sync>;

/// Takes requests of the screen to the engine; returns at once.
pub type Ask = Box<dyn Fn(Request)>;

/// Opens the explorer over an engine and returns when the user has left it. `connect` is given the way to
/// the screen and returns the way to the engine. The terminal is given back whatever happens.
///
/// # Errors
/// The terminal cannot be used. Errors of the engine are shown on the screen.
pub fn run_with(start: Start, settings: ScreenSettings, connect: impl FnOnce(Tell) -> Ask) -> Result<()> {
    let (sender, inbox) = channel();
    let tell = sender.clone();
    let ask = connect(Box::new(move |event| {
        // after the last frame there is nobody to tell
        let _ = tell.send(Message::Engine(event));
    }));
    let world = World::start(sender, ask)?;
    let mut app = App::new(start.model.model.clone(), settings.theme, settings.keymap);
    (app.run.options, app.run.given) = (start.run, start.given);
    if let Some(saved) = &start.resume {
        saved.restore(&mut app);
    }
    app.pixels = settings.pixels;
    app.run.open = OpenOptions { model: String::new(), revision: None, ..start.model.clone() };
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
        Err(error) if terminal::is_gone(&error) => Ok(Some(world::HANGUP)),
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
        // leaving works all the same; only `--resume` will miss it
        crate::terminal::message("note", &format!("the session was not saved: {error}"));
    }
    world.end(ended?)
}

/// Shortest time between two frames that only tell how something advances: a stream of them would take the
/// processor from what they tell of, and fill a slow line.
const STEADY: Duration = Duration::from_millis(50);

/// Draws, waits, takes all that has come, and so on; returns the signal that ended it, if one did.
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
        let (mut advanced, mut urgent) = (false, false);
        while !urgent {
            let first = if advanced {
                let Ok(message) = inbox.recv_timeout(STEADY.saturating_sub(drawn.elapsed())) else { break };
                message
            } else {
                let Ok(message) = inbox.recv() else { return Ok(None) };
                message
            };
            for message in std::iter::once(first).chain(inbox.try_iter()) {
                advanced = true;
                urgent |= !message.can_wait();
                if let Message::Rendered(result) = message {
                    cache.take(*result);
                    continue;
                }
                match take(app, screen, world, message, panic)? {
                    Taken::GoOn => {}
                    Taken::Ended(signal) => return Ok(signal),
                }
            }
        }
    }
}

/// Continuation after a message.
enum Taken {
    GoOn,
    /// It ends, by that signal if it was one.
    Ended(Option<i32>),
}

/// Takes one message into the state and carries out what follows from it.
fn take(app: &mut App, screen: &mut Screen, world: &World, message: Message, panic: bool) -> Result<Taken> {
    let action = match message {
        Message::Terminal(event) => match input::action(app, event) {
            Some(action) => action,
            None => return Ok(Taken::GoOn),
        },
        Message::Background { light } => Action::Background { light },
        Message::Pictures { takes, cell } => Action::Pictures { takes, cell },
        Message::Engine(event) => Action::Engine(event),
        Message::Surveyed(part) => Action::Surveyed(part),
        // it is the drawing's, and changes no state
        Message::Rendered(_) => return Ok(Taken::GoOn),
        Message::StepReady(ready) => Action::StepReady(ready),
        Message::Crashed(message) => Action::Crashed(message),
        #[cfg(unix)]
        Message::Suspend => Action::Do(command::Command::Suspend),
        Message::End(signal) => return Ok(Taken::Ended(Some(signal))),
    };
    assert!(!(panic && matches!(action, Action::Do(_))), "asked to panic");
    let effects = update::update(app, action);
    world.perform(screen, effects)?;
    Ok(if app.done { Taken::Ended(None) } else { Taken::GoOn })
}
