//! The steps of a guided tour.

use std::sync::Arc;

use super::engine::captured;
use super::show_error;
use crate::engine::{OpenOptions, Request};
use crate::error::Error;
use crate::tour::{Tour, built_in};
use crate::tui::action::{Command, Effect};
use crate::tui::app::{App, Job, Place, View};
use crate::tui::tour::{Guide, Ready, view};

/// Begins a tour.
pub fn start(app: &mut App, tour: Arc<Tour>) -> Vec<Effect> {
    app.guide = Some(Guide::new(tour));
    enter(app, 0)
}

/// Begins the built-in tour, leaves one, or walks it.
pub fn command(app: &mut App, command: Command) -> Vec<Effect> {
    let Some(guide) = &mut app.guide else {
        if command != Command::Tour {
            let key = app.keymap.keys(Command::Tour).first().cloned().unwrap_or_default();
            app.notice = Some(format!("{key} starts the guided tour"));
            return Vec::new();
        }
        return match built_in() {
            Ok(tour) => start(app, Arc::new(tour)),
            Err(error) => {
                show_error(app, error.to_string(), error.hint());
                Vec::new()
            }
        };
    };
    let (shown, all) = app.layout.lines;
    match command {
        Command::NextStep if guide.first + shown < all => guide.first += shown.max(1),
        Command::PreviousStep if guide.first > 0 => guide.first = guide.first.saturating_sub(shown.max(1)),
        Command::NextStep if guide.at + 1 < guide.tour.steps.len() => {
            let next = guide.at + 1;
            return enter(app, next);
        }
        Command::PreviousStep if guide.at > 0 => {
            let before = guide.at - 1;
            return enter(app, before);
        }
        Command::NextStep => app.notice = Some("this was the last step".into()),
        Command::PreviousStep => app.notice = Some("this is the first step".into()),
        _ => {
            app.guide = None;
            if app.view == View::Tour {
                app.view = View::Map;
            }
            app.notice = Some("the tour is over; what it showed stays".into());
        }
    }
    Vec::new()
}

/// Goes to a step: shows it where it is ready, has it made ready where it is not.
fn enter(app: &mut App, at: usize) -> Vec<Effect> {
    let Some(guide) = &mut app.guide else { return Vec::new() };
    (guide.at, guide.first, guide.why) = (at, 0, None);
    if guide.now().is_some() {
        let mut effects = show(app);
        effects.extend(prepare_next(app));
        return effects;
    }
    app.job = Some(Job { what: format!("preparing step {}", at + 1), progress: None });
    if guide.asked == Some(at) {
        return Vec::new();
    }
    guide.asked = Some(at);
    vec![Effect::Play(guide.play(at, &app.how))]
}

/// Has the step after the present one made ready, so that the reader does not wait for it.
fn prepare_next(app: &mut App) -> Option<Effect> {
    let guide = app.guide.as_mut()?;
    let next = guide.at + 1;
    let missing = guide.played.get(next).is_some_and(Option::is_none);
    if !missing || guide.asked.is_some() {
        return None;
    }
    guide.asked = Some(next);
    Some(Effect::Play(guide.play(next, &app.how)))
}

/// Takes a step that was made ready.
pub fn ready(app: &mut App, ready: Ready) -> Vec<Effect> {
    let Some(guide) = app.guide.as_mut().filter(|guide| guide.edition == ready.edition) else {
        return Vec::new();
    };
    if guide.asked == Some(ready.at) {
        guide.asked = None;
    }
    let now = guide.at == ready.at;
    if now && app.pending == 0 {
        app.job = None;
    }
    match ready.played {
        Ok(played) => {
            if let Some(slot) = guide.played.get_mut(ready.at) {
                *slot = Some(Arc::new(played));
            }
        }
        // The step is asked for again when the reader comes to it.
        Err(_) if !now => return Vec::new(),
        Err(Error::Cancelled) => return Vec::new(),
        Err(error) => {
            guide.why = Some(error.to_string());
            show_error(app, error.to_string(), error.hint());
            return Vec::new();
        }
    }
    if !now {
        return Vec::new();
    }
    let mut effects = show(app);
    effects.extend(prepare_next(app));
    effects
}

/// Shows the present step's picture.
fn show(app: &mut App) -> Vec<Effect> {
    let Some(guide) = &mut app.guide else { return Vec::new() };
    let (Some(played), Some(step)) = (guide.now().cloned(), guide.tour.steps.get(guide.at)) else {
        return Vec::new();
    };
    let (Some(run), Some(capture)) = (step.runs.get(step.show), played.captures.get(step.show)) else {
        return Vec::new();
    };
    app.run = run.options(guide.own.as_deref().filter(|_| step.own));
    app.view = view(step.view);
    if let Some(pinned) = step.pin.and_then(|pin| played.captures.get(pin)) {
        app.pinned = Some(Arc::clone(pinned));
    }
    let mut asks = None;
    if run.model != app.model {
        app.model.clone_from(&run.model);
        guide.opening = true;
        app.pending += 1;
        asks = Some(Effect::Ask(Request::Open(OpenOptions { model: run.model.clone(), ..app.how.clone() })));
    }
    let mut effects = captured(app, Arc::clone(capture));
    effects.extend(asks);
    app.untouched = false;
    app.place = Place::default();
    app.settle();
    if let Some(location) = played.location {
        app.place.head = location.head;
        app.settle();
        if let Some(query) = location.query {
            app.place.set_query(query);
        }
        if let Some(key) = location.key {
            app.place.set_key(key);
        }
        app.settle();
    }
    effects
}

/// Plays the present step on the reader's own sentence, where the step takes one; `None` where it does not.
pub fn own(app: &mut App, text: &str) -> Option<Vec<Effect>> {
    let guide = app.guide.as_mut()?;
    guide.step().filter(|step| step.own)?;
    guide.own = Some(text.to_string());
    guide.edition += 1;
    guide.asked = None;
    for (step, played) in guide.tour.steps.iter().zip(&mut guide.played) {
        if step.own {
            *played = None;
        }
    }
    let at = guide.at;
    Some(enter(app, at))
}
