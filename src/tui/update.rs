//! The one place where the state changes.

mod click;
mod engine;
mod look;
mod overlay;
pub mod tour;
mod walk;

use std::sync::Arc;

use super::action::{Action, Command, Effect};
use super::app::{App, View};
use super::filter::Sides;
use super::links;
use super::overlays::{Overlay, Side, picker};
use super::reading::Axis;
use super::trial;
use super::widgets::editor::Editor;
use crate::engine::Request;
use crate::site::{Kind, Site};

/// Applies one action to the state and returns what the world should do. Pure: nothing else is read or
/// written.
pub fn update(app: &mut App, action: Action) -> Vec<Effect> {
    let by_user = !matches!(
        action,
        Action::Engine(_)
            | Action::Surveyed(_)
            | Action::Ready(_)
            | Action::Resize
            | Action::Background { .. }
            | Action::Pictures { .. }
            | Action::Crashed(_)
            | Action::End
    );
    app.untouched &= !by_user;
    let effects = apply(app, action);
    refilter(app);
    effects
}

fn apply(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Do(command) => {
            app.notice = None;
            command_(app, command)
        }
        Action::Edit(edit) => overlay::edit(app, edit),
        Action::Scroll(steps) => overlay::scroll(app, steps),
        Action::Accept => overlay::accept(app),
        Action::Paste(text) => overlay::paste(app, &text),
        Action::Click { at, drag } => click::click(app, at, drag),
        Action::Wheel { at, steps, across } => click::wheel(app, at, steps, across),
        Action::Resize => Vec::new(),
        Action::Background { light } => {
            app.theme = app.theme.clone().on(light);
            Vec::new()
        }
        Action::Pictures { takes, cell } => {
            app.pixels.takes = app.pixels.takes.or(takes);
            app.pixels.cell = app.pixels.cell.or(cell);
            Vec::new()
        }
        Action::Engine(event) => engine::event(app, event),
        Action::Surveyed(part) => {
            if part.serial == app.serial && part.distance == app.distance {
                app.survey.heads.extend(part.heads);
                app.survey.complete |= part.complete;
                if part.complete && app.untouched {
                    links::open_at_strongest(app);
                }
                match part.flow {
                    Some(Ok(flow)) => app.survey.flow = Some(flow),
                    Some(Err(why)) => app.survey.no_flow = Some(why),
                    None => {}
                }
            }
            Vec::new()
        }
        Action::Ready(ready) => tour::ready(app, *ready),
        Action::Crashed(message) => {
            app.job = None;
            show_error(app, message, Some("this is a fault of the program; please report it".into()));
            Vec::new()
        }
        Action::End => {
            app.done = true;
            Vec::new()
        }
    }
}

/// Filters the map that is selected now, and brings the cursor to a place that shows. Other views show all.
fn refilter(app: &mut App) {
    if app.view != View::Map || app.filter.is_empty() {
        app.sides = None;
        return;
    }
    app.sides = Sides::new(app);
    if app.sides.is_none() {
        app.notice = Some("nothing fits the filter: all shows".into());
        return;
    }
    let (query, key) = (app.place.query(), app.place.key());
    let (queries, keys) = (app.queries(), app.keys());
    let shown = |axis: &Axis, token: usize| {
        let place = axis.unit_of(token);
        let unit = axis.units.get(place).filter(|unit| unit.tokens.contains(&token));
        unit.map_or_else(|| axis.token_of(place), |_| token)
    };
    let (query, key) = (shown(queries, query), shown(keys, key));
    app.place.set_query(query);
    app.place.set_key(key);
}

/// Shows an error over the view, in place of an earlier one.
fn show_error(app: &mut App, message: String, hint: Option<String>) {
    app.overlays.retain(|overlay| !matches!(overlay, Overlay::Error { .. }));
    app.overlays.push(Overlay::Error { message, hint });
}

/// Runs one command.
fn command_(app: &mut App, command: Command) -> Vec<Effect> {
    match command {
        Command::Quit => app.done = true,
        Command::Suspend => return vec![Effect::Suspend],
        Command::Redraw => return vec![Effect::Redraw],
        Command::Help => app.overlays.push(Overlay::Help(0)),
        Command::Palette => {
            app.overlays.push(Overlay::Picker(picker::Picker::new(picker::Purpose::Palette)));
        }
        Command::Search => {
            app.overlays.push(Overlay::Picker(picker::Picker::new(picker::Purpose::Search)));
        }
        Command::Tour | Command::NextStep | Command::PreviousStep => return tour::command(app, command),
        Command::Cancel => return cancel(app),
        Command::EditSource => edit(app, Side::Source),
        Command::EditTarget => edit(app, Side::Target),
        Command::Generate => return generate(app),
        Command::Values => return engine::weigh(app),
        Command::Scores => return engine::score(app),
        Command::Filter => app.overlays.push(Overlay::Edit(Side::Filter, Editor::new(app.filter.text()))),
        Command::SourceLanguage => engine::choose_language(app, picker::Purpose::SourceLanguage),
        Command::TargetLanguage => engine::choose_language(app, picker::Purpose::TargetLanguage),
        Command::Show(view) => show(app, view),
        Command::Overview if app.view == View::Grid => app.view = app.before,
        Command::Overview => show(app, View::Grid),
        Command::Open => open(app),
        Command::Back => {
            if let Some(place) = app.history.back((app.view, app.place)) {
                (app.view, app.place) = place;
                app.settle();
            }
        }
        Command::Forward => {
            if let Some(place) = app.history.forward((app.view, app.place)) {
                (app.view, app.place) = place;
                app.settle();
            }
        }
        Command::CopyValue | Command::CopyRow | Command::CopyMap => return copy(app, command),
        Command::Farther => return set_distance(app, app.distance.saturating_add(1).min(9999)),
        Command::Nearer => return set_distance(app, app.distance.saturating_sub(1).max(1)),
        Command::NextLink => next_link(app, true),
        Command::PreviousLink => next_link(app, false),
        Command::HeadOff => return engine::without(app, trial::heads(app)),
        Command::LinkOff => return engine::without(app, trial::link(app)),
        Command::Pin => {
            app.pinned = app.capture.clone();
            app.compare();
            app.notice = Some("pinned: run another text, then compare".into());
        }
        Command::Mark => {
            let head = app.place.head;
            if !app.marks.remove(&head) {
                app.marks.insert(head);
            }
        }
        _ if look::look(app, command) => {}
        _ if choose(app, command) => {}
        _ => walk_(app, command),
    }
    Vec::new()
}

fn cancel(app: &mut App) -> Vec<Effect> {
    if app.overlays.pop().is_some() {
        return Vec::new();
    }
    if let Some(job) = &mut app.job {
        job.what = format!("stopping {}", job.what.trim_start_matches("stopping "));
        return vec![Effect::Ask(Request::Cancel)];
    }
    if app.trial.take().is_some() {
        return Vec::new();
    }
    if app.view == View::Grid {
        app.view = app.before;
    }
    Vec::new()
}

/// Opens what is selected in a list or an overview as a map.
fn open(app: &mut App) {
    app.history.leave(app.view, app.place);
    if app.view == View::Links
        && let Some(link) = links::everywhere(app).get(app.link)
    {
        app.place.head = link.head;
        app.place.set_query(link.query);
        app.place.set_key(link.key);
    }
    app.view = View::Map;
}

fn show(app: &mut App, view: View) {
    if app.view == view {
        return;
    }
    app.history.leave(app.view, app.place);
    if app.view != View::Grid {
        app.before = app.view;
    }
    app.view = view;
}

fn edit(app: &mut App, side: Side) {
    if app.capture.is_some() && app.info.is_none() {
        app.notice = Some("a capture file has no model to run another text".into());
        return;
    }
    let text = match (side, &app.capture) {
        (Side::Source, Some(capture)) => capture.source.text.clone(),
        (Side::Target, Some(capture)) => {
            app.run.target.clone().unwrap_or_else(|| capture.target.text.clone())
        }
        (Side::Source, None) => app.run.source.clone(),
        (Side::Target, None) => app.run.target.clone().unwrap_or_default(),
        (Side::Filter, _) => app.filter.text().to_string(),
    };
    app.overlays.push(Overlay::Edit(side, Editor::new(text)));
}

fn generate(app: &mut App) -> Vec<Effect> {
    if app.run.target.is_none() {
        app.notice = Some("the target is generated already".into());
        return Vec::new();
    }
    app.run.target = None;
    engine::run(app)
}

/// Chooses a head, layer or kind; false where the command is none of these.
fn choose(app: &mut App, command: Command) -> bool {
    let Some(capture) = app.capture.clone() else { return false };
    let head = app.place.head;
    let (layers, heads) = (app.layers().max(1), app.heads().max(1));
    let turn = |at: usize, by: isize, of: usize| (at as isize + by).rem_euclid(of as isize) as usize;
    app.place.head = match command {
        Command::NextHead => head.site.head(turn(head.head, 1, heads)),
        Command::PreviousHead => head.site.head(turn(head.head, -1, heads)),
        Command::NextLayer => Site::new(head.kind(), turn(head.layer(), 1, layers)).head(head.head),
        Command::PreviousLayer => Site::new(head.kind(), turn(head.layer(), -1, layers)).head(head.head),
        Command::NextKind | Command::PreviousKind => {
            let kinds = capture.kinds();
            if kinds.len() == 1 {
                let absent =
                    Kind::ALL.into_iter().find(|kind| !kinds.contains(kind)).unwrap_or(Kind::Encoder);
                app.notice = Some(capture.why_absent(absent));
            }
            let at = kinds.iter().position(|&kind| kind == head.kind()).unwrap_or(0);
            let by = if command == Command::NextKind { 1 } else { -1 };
            let kind = kinds.get(turn(at, by, kinds.len().max(1))).copied().unwrap_or(Kind::Cross);
            Site::new(kind, head.layer()).head(head.head)
        }
        _ => return false,
    };
    app.settle();
    true
}

/// Moves the cursor of the view.
fn walk_(app: &mut App, command: Command) {
    if app.capture.is_none() {
        return;
    }
    match app.view {
        View::Grid => walk::grid(app, command),
        View::Heads | View::Compare => walk::heads(app, command),
        View::Links => walk::links(app, command),
        View::Text | View::Flow => walk::text(app, command),
        _ => walk::map(app, command),
    }
}

/// Selects a pair of places on the axes.
fn select(app: &mut App, query: usize, key: usize) {
    let (query_token, key_token) = (app.queries().token_of(query), app.keys().token_of(key));
    // within a merged word the cursor keeps its token
    if app.query() != query {
        app.place.set_query(query_token);
    }
    if app.key() != key {
        app.place.set_key(key_token);
    }
}

fn next_link(app: &mut App, forward: bool) {
    let links = links::far(app);
    if links.is_empty() {
        app.notice = Some(format!("{} has no link beyond {} tokens", app.place.head, app.distance));
        return;
    }
    let here = (app.place.query(), app.place.key());
    let at = links.iter().position(|link| (link.query, link.key) == here);
    let next = match (at, forward) {
        (None, true) => 0,
        (None, false) => links.len() - 1,
        (Some(at), true) => (at + 1) % links.len(),
        (Some(at), false) => (at + links.len() - 1) % links.len(),
    };
    if let Some(link) = links.get(next) {
        app.history.leave(app.view, app.place);
        app.place.set_query(link.query);
        app.place.set_key(link.key);
        app.notice = Some(format!("far link {} of {}", next + 1, links.len()));
    }
}

fn set_distance(app: &mut App, distance: usize) -> Vec<Effect> {
    app.distance = distance;
    app.notice = Some(format!("far: beyond {distance} tokens"));
    survey(app)
}

/// Asks for a survey of the present capture.
fn survey(app: &mut App) -> Vec<Effect> {
    let Some(capture) = &app.capture else { return Vec::new() };
    app.survey.complete = false;
    vec![Effect::Survey { serial: app.serial, capture: Arc::clone(capture), distance: app.distance }]
}

fn copy(app: &mut App, command: Command) -> Vec<Effect> {
    let text = match command {
        Command::CopyValue => links::value_text(app),
        Command::CopyRow => links::row_text(app),
        _ => links::map_text(app),
    };
    let Some(text) = text else { return Vec::new() };
    app.notice = Some(format!(
        "copied {}",
        match command {
            Command::CopyValue => "the weight",
            Command::CopyRow => "the row",
            _ => "the map",
        }
    ));
    vec![Effect::Copy(text)]
}
