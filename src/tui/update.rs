//! Changes of the state. Nothing outside of this module and the views changes it.

mod click;
pub mod engine;
mod history;
mod look;
mod overlay;
mod runs;
mod texts;
pub mod tour;

use ratatui::crossterm::event::KeyEvent;

use super::ablation;
use super::action::{Action, Effect};
use super::app::App;
use super::clipboard::Carried;
use super::command::Command;
use super::copying;
use super::keymap::Chord;
use super::overlays::overlay::{Decision, HelpPage, Overlay, Picker, Purpose};
use super::overlays::text_prompt::TextPrompt;
use super::picking;
use super::prompts::EditedText;
use super::reading::{Axis, Reading, Special};
use super::requests;
use super::selected;
use super::selection::HistoryStep;
use super::session_file::suggested_name;
use super::views::{self, ViewId, view};
use crate::engine::{EvidenceKind, Request};
use crate::site::{Kind, Site};

/// Applies one action to the state and returns the effects to carry out. Pure: nothing else is read or
/// written.
pub fn update(app: &mut App, action: Action) -> Vec<Effect> {
    let by_user = !matches!(
        action,
        Action::Engine(_)
            | Action::Clock(_)
            | Action::Surveyed(_)
            | Action::Compared(_)
            | Action::Openable(_)
            | Action::Exported(_)
            | Action::PairsFound(_)
            | Action::ScanRead(_)
            | Action::Copied(_)
            | Action::StepReady(_)
            | Action::Resize
            | Action::Background { .. }
            | Action::Pictures { .. }
            | Action::Crashed(_)
            | Action::End
    );
    app.untouched &= !by_user;
    let mut effects = apply(app, action);
    effects.extend(requests::gini(app));
    refilter(app);
    if app.capture.is_some() {
        view::settle(app);
    }
    effects.extend(views::corpus::request(app));
    effects
}

fn apply(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Do(command) => {
            app.notice = None;
            run(app, command)
        }
        Action::NoCommand(key) => {
            app.notice = Some(no_command(app, &key));
            Vec::new()
        }
        Action::Edit(edit) => overlay::edit(app, edit),
        Action::OpenGroup(group) => {
            if let Some(Overlay::Menu(open)) = app.overlays.last_mut() {
                *open = group;
            }
            Vec::new()
        }
        Action::FromMenu(command) => {
            app.overlays.pop();
            app.notice = None;
            run(app, command)
        }
        Action::Complete => overlay::complete(app),
        Action::Scroll(steps) => overlay::scroll(app, steps),
        Action::Accept => overlay::accept(app),
        Action::Paste(text) => overlay::paste(app, &text),
        Action::Click { at, drag } => click::click(app, at, drag),
        Action::Wheel { steps, across, .. } => click::wheel(app, steps, across),
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
        Action::Clock(time) => {
            app.run.clock = time;
            Vec::new()
        }
        Action::Engine(event) => engine::event(app, event),
        Action::Surveyed(part) => {
            if part.serial == app.serial && part.distance == app.reading.distance {
                app.survey.add(part.heads);
                app.survey.complete |= part.complete;
                if part.complete && app.untouched {
                    views::links::rows::select_strongest(app);
                }
                match part.flow {
                    Some(Ok(flow)) => app.survey.flow = Some(flow),
                    Some(Err(why)) => app.survey.no_flow = Some(why),
                    None => {}
                }
            }
            Vec::new()
        }
        Action::Compared(compared) => {
            app.views.compare.take(app.serial, *compared);
            Vec::new()
        }
        Action::Openable(openable) => {
            app.openable = openable;
            Vec::new()
        }
        Action::Exported(result) => requests::exported(app, result),
        Action::PairsFound(part) => {
            views::links::pairs::found(app, *part);
            Vec::new()
        }
        Action::ScanRead(part) => {
            views::corpus::take(app, *part);
            Vec::new()
        }
        Action::Copied(carried) => {
            let how = match carried {
                Carried::Sent(route) => route.name().to_string(),
                Carried::BufferOnly => "in tmux's buffer (paste there)".into(),
                Carried::Failed(why) => format!("not on the clipboard: {why}"),
            };
            let what = app.notice.take().filter(|notice| notice.starts_with("copied"));
            app.notice = Some(format!("{}: {how}", what.unwrap_or_else(|| "copied".into())));
            Vec::new()
        }
        Action::StepReady(ready) => tour::ready(app, *ready),
        Action::Crashed(message) => {
            app.run.activity = None;
            app.show_error(message, Some("this is a fault of the program; please report it".into()));
            Vec::new()
        }
        Action::End => {
            app.done = true;
            Vec::new()
        }
    }
}

/// Applies the filter to the selected map, and moves the cursor to a visible position. Other views show all.
fn refilter(app: &mut App) {
    if app.reading.special != Special::Show && app.capture.is_some() {
        show_selection(app);
    }
    if app.view != ViewId::Map || app.filter.is_empty() {
        app.views.map.filtered = None;
        return;
    }
    app.views.map.filtered = selected::filtered(app);
    if app.views.map.filtered.is_none() {
        app.notice = Some("nothing fits the filter: all shows".into());
        return;
    }
    show_selection(app);
}

/// Moves the cursor from positions that are hidden to shown ones.
fn show_selection(app: &mut App) {
    let shown = |axis: &Axis, token: usize| {
        let place = axis.unit_of(token);
        let unit = axis.units.get(place).filter(|unit| unit.tokens.contains(&token));
        unit.map_or_else(|| axis.token_of(place), |_| token)
    };
    let query = shown(app.queries(), app.selection.query());
    let key = shown(app.keys(), app.selection.key());
    app.selection.set(query, key);
}

/// Runs one command. Every command has its arm here; the movements and the commands of one view go on to the
/// view.
fn run(app: &mut App, command: Command) -> Vec<Effect> {
    match command {
        Command::Move(motion) => {
            if app.capture.is_some() {
                view::movement(app, motion);
            }
        }
        Command::View(command) => return view::command(app, command),
        Command::Show(ViewId::Links) => {
            app.views.links.pairs = None;
            app.show(ViewId::Links);
        }
        Command::Show(view) => app.show(view),
        Command::Overview if app.view == ViewId::Grid => app.view = app.before,
        Command::Overview => app.show(ViewId::Grid),
        Command::Open if app.view == ViewId::Corpus => return views::corpus::open(app),
        Command::Open => view::open(app),
        Command::NextHead => turn_head(app, 1),
        Command::PreviousHead => turn_head(app, -1),
        Command::NextLayer => turn_layer(app, 1),
        Command::PreviousLayer => turn_layer(app, -1),
        Command::NextKind => turn_kind(app, 1),
        Command::PreviousKind => turn_kind(app, -1),
        Command::NextLink => next_link(app, true),
        Command::PreviousLink => next_link(app, false),
        Command::EveryHead => return views::links::pairs::of_cell(app),
        Command::FindLink => {
            app.overlays.push(Overlay::Edit(TextPrompt::new(EditedText::Link, "")));
        }
        Command::Farther => {
            let distance = app.reading.distance.saturating_add(1).min(Reading::FARTHEST);
            return set_distance(app, distance);
        }
        Command::Nearer => {
            let distance = app.reading.distance.saturating_sub(1).max(1);
            return set_distance(app, distance);
        }
        Command::OneKind => app.reading.one_kind = !app.reading.one_kind,
        Command::Mark => {
            let head = app.selection.head;
            if !app.marks.remove(&head) {
                app.marks.insert(head);
            }
        }
        Command::Pin if app.capture.is_none() => app.notice = Some("nothing has run yet".into()),
        Command::Pin => {
            app.views.pin(app.capture.clone());
            app.notice = Some("pinned: run another text, then compare".into());
            let request = app.views.compare.request(app.serial, app.capture.as_ref());
            return request.map(Effect::Compare).into_iter().collect();
        }
        Command::HeadOff => {
            let off = ablation::heads(&app.selection, &app.marks);
            return requests::ablate(app, off, false);
        }
        Command::MeanOff => {
            let off = ablation::heads(&app.selection, &app.marks);
            return requests::ablate(app, off, true);
        }
        Command::LinkOff => {
            let listed = (app.view == ViewId::Links).then(|| views::links::selected_link(app)).flatten();
            let off = listed.unwrap_or_else(|| ablation::link(&app.selection));
            return requests::ablate(app, off, false);
        }
        Command::Faithful => return measure_faithfulness(app),
        Command::Cover => return requests::cover(app),
        Command::Back => return history::step(app, HistoryStep::Back),
        Command::Forward => return history::step(app, HistoryStep::Forward),
        Command::EditSource => texts::edit_source(app),
        Command::NextWindow => return requests::turn_window(app, true),
        Command::PreviousWindow => return requests::turn_window(app, false),
        Command::EditTarget => texts::edit_target(app),
        Command::Generate => texts::generate(app),
        Command::SourceLanguage => requests::choose_language(app, Purpose::SourceLanguage),
        Command::TargetLanguage => requests::choose_language(app, Purpose::TargetLanguage),
        Command::CopyValue => {
            let text = copying::value_text(app);
            return copy(app, "the weight", text);
        }
        Command::CopyRow => app.overlays.push(Overlay::Picker(Picker::new(Purpose::Copy))),
        Command::CopyMap => {
            let text = copying::map_text(app);
            return copy(app, "the map", text);
        }
        Command::OpenModel => return requests::choose_model(app),
        Command::Alternatives => requests::choose_alternative(app),
        Command::Contrast => requests::choose_contrast(app),
        Command::Runs => runs::choose(app, Purpose::Runs),
        Command::CompareRun => runs::choose(app, Purpose::CompareRun),
        Command::SaveSession if app.capture.is_none() => {
            app.notice = Some("there is nothing to save yet".into());
        }
        Command::SaveSession => {
            let prompt = TextPrompt::new(EditedText::SessionName, suggested_name(app));
            app.overlays.push(Overlay::Edit(prompt));
        }
        Command::Export if app.capture.is_none() => app.notice = Some("there is nothing to write yet".into()),
        Command::Export => app.overlays.push(Overlay::Picker(Picker::new(Purpose::Export))),
        Command::Words => look::words(app),
        Command::Special => look::special(app),
        Command::Range => look::range(app),
        Command::Curve => look::curve(app),
        Command::Values => return requests::toggle_values(app),
        Command::Brighter => look::brighter(app),
        Command::Darker => look::darker(app),
        Command::Colormap => look::colormap(app),
        Command::Glyphs => app.theme.glyphs = !app.theme.glyphs,
        Command::Pixels => look::pixels(app),
        Command::Search => app.overlays.push(Overlay::Picker(Picker::new(Purpose::Search))),
        Command::Filter => {
            let prompt = TextPrompt::new(EditedText::Filter, app.filter.text());
            app.overlays.push(Overlay::Edit(prompt));
        }
        Command::Palette => app.overlays.push(Overlay::Picker(Picker::new(Purpose::Palette))),
        Command::Menu => app.overlays.push(Overlay::Menu(None)),
        Command::Help => app.overlays.push(Overlay::Help(HelpPage::default())),
        Command::Tour if app.guide.is_none() && app.capture.is_some() => {
            app.overlays.push(Overlay::Confirm(Decision::Tour));
        }
        Command::Tour => return tour::toggle(app),
        Command::NextStep => return tour::next(app),
        Command::PreviousStep => return tour::previous(app),
        Command::Cancel => return cancel(app),
        Command::Pick if !app.picks => {
            app.notice = Some("start with --pick to leave with the selected rows".into());
        }
        Command::Pick => {
            app.picked = app.capture.is_some().then(|| picking::rows(app));
            app.done = true;
        }
        Command::Redraw => return vec![Effect::Redraw],
        Command::Suspend => return vec![Effect::Suspend],
        Command::Quit => app.done = true,
    }
    Vec::new()
}

/// Says that a key does nothing in the displayed view.
fn no_command(app: &App, key: &KeyEvent) -> String {
    let view = app.view.name();
    match app.keymap.elsewhere(key) {
        Some(entry) => format!("no {} in {view}", entry.name.replace('-', " ")),
        None => {
            let help = app.first_key(Command::Help);
            format!("{} has no command in {view}: {help} shows the keys", Chord::of(key))
        }
    }
}

fn cancel(app: &mut App) -> Vec<Effect> {
    if app.overlays.pop().is_some() {
        return Vec::new();
    }
    if let Some(activity) = &mut app.run.activity {
        activity.what = format!("stopping {}", activity.what.trim_start_matches("stopping "));
        return vec![Effect::Ask(Request::Cancel)];
    }
    if app.ablation.take().is_some() {
        return Vec::new();
    }
    match app.view {
        ViewId::Grid => app.view = app.before,
        ViewId::Links => app.views.links.pairs = None,
        ViewId::Corpus => app.views.corpus.in_exemplars = false,
        _ => {}
    }
    Vec::new()
}

/// Carries out what the user has confirmed.
fn decided(app: &mut App, decision: Decision) -> Vec<Effect> {
    match decision {
        Decision::Generate => {
            app.leave();
            app.run.options.target = None;
            app.run.options.prefix.clear();
            requests::run(app)
        }
        Decision::Values => requests::run_with_values(app),
        Decision::Scores => requests::run_with_scores(app),
        Decision::Tour => tour::toggle(app),
        Decision::OpenModel => texts::open_model(app),
        Decision::History(step) => history::take(app, step),
    }
}

/// Adds `by` to `at`, modulo `of`.
fn turn(at: usize, by: isize, of: usize) -> usize {
    (at as isize + by).rem_euclid(of.max(1) as isize) as usize
}

fn turn_head(app: &mut App, by: isize) {
    if app.capture.is_none() {
        return;
    }
    let head = app.selection.head;
    if app.heads() == 1 {
        app.notice = Some(format!("{} has one head", head.site));
    }
    app.selection.head = head.site.head(turn(head.head, by, app.heads()));
    app.settle();
}

fn turn_layer(app: &mut App, by: isize) {
    if app.capture.is_none() {
        return;
    }
    let head = app.selection.head;
    if app.layers() == 1 {
        app.notice = Some(format!("there is one layer of {} attention", head.kind()));
    }
    app.selection.head = Site::new(head.kind(), turn(head.layer(), by, app.layers())).head(head.head);
    app.settle();
}

fn turn_kind(app: &mut App, by: isize) {
    let Some(capture) = app.capture.clone() else { return };
    let head = app.selection.head;
    let kinds = capture.kinds();
    if kinds.len() == 1 {
        let absent = Kind::ALL.into_iter().find(|kind| !kinds.contains(kind)).unwrap_or(Kind::Encoder);
        app.notice = Some(capture.why_absent(absent));
    }
    let at = kinds.iter().position(|&kind| kind == head.kind()).unwrap_or(0);
    let kind = kinds.get(turn(at, by, kinds.len())).copied().unwrap_or(Kind::Cross);
    select_kind(app, kind);
}

/// Selects the head of another kind with the same numbers. In Text, where heads of two kinds show, it returns to
/// the head of that kind that was selected last.
fn select_kind(app: &mut App, kind: Kind) {
    let head = app.selection.head;
    let last = if app.view == ViewId::Text { app.views.text.turn(head, kind) } else { None };
    app.selection.head = last.unwrap_or(Site::new(kind, head.layer()).head(head.head));
    app.settle();
}

fn next_link(app: &mut App, forward: bool) {
    if app.view == ViewId::Compare {
        return views::compare::largest::next(app, forward);
    }
    let links = selected::far(app);
    if links.is_empty() {
        let (head, distance) = (app.selection.head, app.reading.distance);
        app.notice = Some(format!("{head} has no long-range link (more than {distance} tokens)"));
        return;
    }
    let here = (app.selection.query(), app.selection.key());
    let at = links.iter().position(|link| (link.query, link.key) == here);
    let next = match (at, forward) {
        (None, true) => 0,
        (None, false) => links.len() - 1,
        (Some(at), true) => (at + 1) % links.len(),
        (Some(at), false) => (at + links.len() - 1) % links.len(),
    };
    if let Some(link) = links.get(next) {
        app.leave();
        app.selection.set(link.query, link.key);
        app.notice = Some(format!("long-range link {} of {}", next + 1, links.len()));
    }
}

fn set_distance(app: &mut App, distance: usize) -> Vec<Effect> {
    app.reading.distance = distance;
    app.notice = Some(format!("far: beyond {distance} tokens"));
    requests::survey(app)
}

/// Measures what the target loses without each source token. Maps of self-attention do not rank the source.
fn measure_faithfulness(app: &mut App) -> Vec<Effect> {
    let kind = app.selection.head.kind();
    if app.view == ViewId::Map && kind != Kind::Cross {
        let key = app.first_key(Command::NextKind);
        app.notice =
            Some(format!("{kind} maps do not rank the source for the target: {key} shows cross maps"));
        return Vec::new();
    }
    requests::measure(app, EvidenceKind::LeaveOneOut)
}

/// Copies a text, if there is one.
fn copy(app: &mut App, what: &str, text: Option<String>) -> Vec<Effect> {
    let Some(text) = text else {
        app.notice = Some("there is nothing to copy, or the map is too large: export it".into());
        return Vec::new();
    };
    app.notice = Some(format!("copied {what}"));
    vec![Effect::Copy(text)]
}
