//! The world outside the state: threads that send messages, and effects that are carried out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyModifiers};

use super::action::Effect;
use super::answers::Question;
use super::pixels::Protocol;
use super::stage::Stage;
use super::survey::{self, Surveyed};
use super::terminal::{self, Screen};
use super::tour::{Play, Ready};
use super::wish::{self, Granted, Wish};
use crate::engine::Event;
use crate::error::Result;

/// Anything that comes in.
pub enum Message {
    /// The user.
    Terminal(TerminalEvent),
    /// The terminal told its background.
    Background {
        /// Whether it is light.
        light: bool,
    },
    /// The terminal told how it takes pictures.
    Pictures {
        /// The best protocol that it named.
        takes: Option<Protocol>,
        /// Width and height of a cell in pixels.
        cell: Option<(u16, u16)>,
    },
    /// The engine.
    Engine(Event),
    /// The survey.
    Surveyed(Box<Surveyed>),
    /// What a frame lacked.
    Granted(Box<Granted>),
    /// A step of the tour.
    Ready(Box<Ready>),
    /// A thread panicked.
    Crashed(String),
    /// The system asks to stop for a while.
    #[cfg(unix)]
    Suspend,
    /// A signal asks to end.
    End(i32),
}

impl Message {
    /// Whether it only tells how something advances, so that a frame for it may wait for the next one.
    pub fn can_wait(&self) -> bool {
        match self {
            Message::Engine(Event::Progress(_)) => true,
            Message::Surveyed(part) => !part.complete,
            Message::Granted(part) => !part.complete,
            _ => false,
        }
    }
}

/// Everything that runs beside the screen.
pub struct World {
    ask: super::Ask,
    sender: Sender<Message>,
    /// The newest survey: an older one stops.
    newest: Arc<AtomicU64>,
    /// The newest wish, likewise.
    wish: Arc<AtomicU64>,
    stage: OnceLock<Stage>,
}

impl World {
    /// Starts to listen to signals and panics.
    pub fn start(sender: Sender<Message>, ask: super::Ask) -> Result<Self> {
        hook_panics(sender.clone());
        #[cfg(unix)]
        listen_to_signals(sender.clone())?;
        Ok(Self { ask, sender, newest: Arc::default(), wish: Arc::default(), stage: OnceLock::new() })
    }

    /// Starts to listen to the terminal; first to its answers, where it was asked.
    pub fn listen(&self, asked: Question) {
        listen(self.sender.clone(), asked);
    }

    /// Carries out what an update asked for.
    pub fn perform(&self, screen: &mut Screen, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Ask(request) => (self.ask)(request),
                Effect::Survey { serial, capture, distance } => self.survey(serial, capture, distance),
                Effect::Play(play) => self.play(play),
                Effect::Copy(text) => screen.copy(&text)?,
                Effect::Redraw => screen.redraw()?,
                Effect::Suspend => screen.suspend()?,
            }
        }
        Ok(())
    }

    fn survey(&self, serial: u64, capture: Arc<crate::capture::Capture>, distance: usize) {
        let mine = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        let (newest, sender) = (Arc::clone(&self.newest), self.sender.clone());
        thread::spawn(move || {
            let go_on = || newest.load(Ordering::SeqCst) == mine;
            survey::run(serial, &capture, distance, go_on, |part| {
                // After the last frame there is nobody to tell.
                let _ = sender.send(Message::Surveyed(Box::new(part)));
            });
        });
    }

    /// Makes what a frame lacked, in the place of what an earlier one did.
    pub fn grant(&self, wish: Wish) {
        let mine = self.wish.fetch_add(1, Ordering::SeqCst) + 1;
        let (newest, sender) = (Arc::clone(&self.wish), self.sender.clone());
        thread::spawn(move || {
            let go_on = || newest.load(Ordering::SeqCst) == mine;
            wish::grant(&wish, go_on, |part| {
                go_on() && sender.send(Message::Granted(Box::new(part))).is_ok()
            });
        });
    }

    fn play(&self, play: Play) {
        self.stage.get_or_init(|| Stage::start(self.sender.clone())).play(play);
    }

    /// After the terminal is back: dies of the signal that ended the program, as the shell expects.
    pub fn end(&self, signal: Option<i32>) -> Result<()> {
        #[cfg(unix)]
        if let Some(signal) = signal {
            signal_hook::low_level::emulate_default_handler(signal)
                .map_err(|e| crate::error::Error::io("signal", e))?;
        }
        let _ = signal;
        Ok(())
    }
}

/// How long a terminal is given to answer. The screen does not wait for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sends what the terminal says, from a thread of its own.
fn listen(sender: Sender<Message>, asked: Question) {
    thread::spawn(move || {
        let mut late = 0;
        if asked.any() {
            let answer = terminal::answers(PATIENCE);
            late = if answer.complete { 0 } else { asked.strings() };
            let told = answer.light.map(|light| Message::Background { light });
            let takes = answer.takes().filter(|_| asked.pictures);
            let pictures = (takes.is_some() || answer.cell.is_some())
                .then_some(Message::Pictures { takes, cell: answer.cell });
            let typed = answer.typed.into_iter().map(|key| Message::Terminal(TerminalEvent::Key(key)));
            for message in told.into_iter().chain(pictures).chain(typed) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        }
        loop {
            match event::read() {
                Ok(event) if late > 0 && starts_an_answer(&event) => {
                    skip_an_answer();
                    late -= 1;
                }
                Ok(event) => {
                    if sender.send(Message::Terminal(event)).is_err() {
                        return;
                    }
                }
                // the terminal is gone
                Err(_) => {
                    let _ = sender.send(Message::End(HANGUP));
                    return;
                }
            }
        }
    });
}

/// An answer that comes late reads like keys: Alt-] or Alt-_, then its text.
fn starts_an_answer(event: &TerminalEvent) -> bool {
    matches!(event, TerminalEvent::Key(key)
        if matches!(key.code, KeyCode::Char(']' | '_')) && key.modifiers.contains(KeyModifiers::ALT))
}

/// Drops the rest of a late answer, up to its end or to a pause.
fn skip_an_answer() {
    const LONGEST: usize = 64;
    for _ in 0..LONGEST {
        if !event::poll(Duration::from_millis(100)).unwrap_or(false) {
            return;
        }
        if let Ok(TerminalEvent::Key(key)) = event::read() {
            let bell = key.code == KeyCode::Char('g') && key.modifiers.contains(KeyModifiers::CONTROL);
            let end = key.code == KeyCode::Char('\\') && key.modifiers.contains(KeyModifiers::ALT);
            if bell || end {
                return;
            }
        }
    }
}

#[cfg(unix)]
const HANGUP: i32 = signal_hook::consts::SIGHUP;
#[cfg(not(unix))]
const HANGUP: i32 = 1;

#[cfg(unix)]
fn listen_to_signals(sender: Sender<Message>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])
        .map_err(|e| crate::error::Error::io("signals", e))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let message = if signal == SIGTSTP { Message::Suspend } else { Message::End(signal) };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// A panic of the thread that draws gives the terminal back before it is reported; one of another thread is
/// shown on the screen.
fn hook_panics(sender: Sender<Message>) {
    let drawing = thread::current().id();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if thread::current().id() == drawing {
            terminal::restore();
            report(info);
        } else {
            let _ = sender.send(Message::Crashed(info.to_string()));
        }
    }));
}
