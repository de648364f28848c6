//! Pickers: the command palette, token search, and languages.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::frame;
use super::overlay::{Picker, Purpose};
use crate::engine::Openable;
use crate::export::format::Format;
use crate::site::{Head, Kind};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::copying::CopyFormat;
use crate::tui::exporting;
use crate::tui::keymap::CommandEntry;
use crate::tui::layout::{Hit, Layout};
use crate::tui::reading::Axis;
use crate::tui::runs::{BEAMS, ListedRun};
use crate::tui::selected;
use crate::tui::views::ViewId;
use crate::tui::widgets::cells::{fit_left, part, put, tail, width};
use crate::tui::widgets::context::TextContext;
use crate::tui::widgets::list::cue;

/// Effect of picking an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Run a command.
    Do(Command),
    /// Go to a head.
    Go(Head),
    /// Select a query, by its token.
    Query(usize),
    /// Select a key, by its token.
    Key(usize),
    /// Open a MODEL argument.
    Open(String),
    /// Take a predicted token, by its index, and generate from there.
    Branch(usize),
    /// Explain the selected row's token against its predicted token with this number.
    Contrast(usize),
    /// Write what the screen shows.
    Export(Format),
    /// Copy rows in a format.
    Copy(CopyFormat),
    /// Choose a language, by its index in the model's list.
    Language(Purpose, usize),
    /// Show a run, by its index in the list.
    Run(usize),
    /// Compare the shown run with another one.
    CompareRun(usize),
    /// Search the target with several beams.
    SearchBeams,
}

/// An item of a picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickerItem {
    /// Main text.
    pub label: String,
    /// Additional text.
    pub detail: String,
    /// Effect of picking it.
    pub outcome: Outcome,
}

/// Most columns of labels.
const LABEL: usize = 40;

/// Returns the items that match the typed text, best first.
pub fn items(app: &App, picker: &Picker) -> Vec<PickerItem> {
    match picker.purpose {
        Purpose::Palette => commands(app, picker.input.text()),
        Purpose::Search if app.view == ViewId::Heads => heads(app, picker.input.text()),
        Purpose::Search => tokens(app, picker.input.text()),
        Purpose::Export => formats(app, picker.input.text()),
        Purpose::Alternatives => alternatives(app, picker.input.text(), Outcome::Branch),
        Purpose::Contrast => alternatives(app, picker.input.text(), Outcome::Contrast),
        Purpose::Copy => copy_formats(picker.input.text()),
        Purpose::Open => models(app, picker.input.text()),
        Purpose::Runs | Purpose::CompareRun => runs(app, picker.purpose, picker.input.text()),
        Purpose::SourceLanguage | Purpose::TargetLanguage => {
            languages(app, picker.purpose, picker.input.text())
        }
    }
}

fn commands(app: &App, typed: &str) -> Vec<PickerItem> {
    let mut items: Vec<(CommandRank, PickerItem)> = Vec::new();
    if let Some(head) = parse_head(app, typed) {
        let item =
            PickerItem { label: format!("go to {head}"), detail: String::new(), outcome: Outcome::Go(head) };
        items.push((CommandRank::Place, item));
    }
    for (entry, keys) in app.keymap.entries(app.view) {
        if let Some(rank) = CommandRank::of(typed, entry) {
            let label = entry.name.replace('-', " ");
            let detail = format!("{}  {}", keymap_hint(&keys), entry.sentence);
            items.push((rank, PickerItem { label, detail, outcome: Outcome::Do(entry.command) }));
        }
    }
    items.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    items.into_iter().map(|(_, item)| item).collect()
}

/// Rank of an item of the palette; the last variant is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CommandRank {
    /// The typed letters occur in the description, in order.
    Sentence(i32),
    /// The typed letters occur in the name, in order.
    Name(i32),
    /// The name has the typed text as it is; names that begin with it are true.
    Exact(bool),
    /// A head to go to.
    Place,
}

impl CommandRank {
    fn of(typed: &str, entry: &CommandEntry) -> Option<Self> {
        let wanted = typed.trim().to_lowercase().replace(' ', "-");
        if !wanted.is_empty() && entry.name.contains(&wanted) {
            return Some(Self::Exact(entry.name.starts_with(&wanted)));
        }
        let described = || fuzzy(typed, entry.sentence).filter(|_| typed.chars().count() > 1);
        fuzzy(typed, entry.name).map(Self::Name).or_else(|| described().map(Self::Sentence))
    }
}

/// Lists the models and files that can be opened, and the typed name.
fn models(app: &App, typed: &str) -> Vec<PickerItem> {
    let item = |model: &str, name: &str, detail: &str| PickerItem {
        label: name.into(),
        detail: detail.into(),
        outcome: Outcome::Open(model.into()),
    };
    let scored = |found: &Openable| {
        Some((fuzzy(typed, &found.name)?, item(&found.model, &tail(&found.name, LABEL), found.what)))
    };
    let mut items: Vec<_> = app.openable.iter().filter_map(scored).collect();
    items.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let mut items: Vec<PickerItem> = items.into_iter().map(|(_, item)| item).collect();
    let typed = typed.trim();
    if !typed.is_empty() && items.iter().all(|item| item.label != typed) {
        items.push(item(typed, typed, "as typed: a path, or a model of the hub"));
    }
    items
}

/// Lists the runs, those of the shown source first, and a search with beams if there was none.
fn runs(app: &App, purpose: Purpose, typed: &str) -> Vec<PickerItem> {
    let shown = app.capture.as_ref().and_then(|capture| app.runs.of(capture));
    let text = app.capture.as_ref().map_or("", |capture| capture.target.text.as_str());
    let source = |at: usize| app.runs.runs().get(at).map(|run| &run.run.options.source);
    let elsewhere = |at: usize| shown.is_some_and(|shown| source(at) != source(shown));
    let mut listed: Vec<_> = app.runs.runs().iter().enumerate().collect();
    listed.retain(|(at, _)| purpose == Purpose::Runs || Some(*at) != shown);
    listed.sort_by_key(|(at, _)| elsewhere(*at));
    let item = |(at, run): (usize, &ListedRun)| {
        let from = if elsewhere(at) { format!("  ← {}", run.run.options.source) } else { String::new() };
        let mark = if Some(at) == shown { "▸" } else { " " };
        PickerItem {
            label: format!("{mark} {}", run.describe()),
            detail: format!("{}{from}", run.text_beside(text)),
            outcome: if purpose == Purpose::Runs { Outcome::Run(at) } else { Outcome::CompareRun(at) },
        }
    };
    let wanted = typed.trim().to_lowercase();
    let fits = |item: &PickerItem| format!("{} {}", item.label, item.detail).to_lowercase().contains(&wanted);
    let beams = app.runs.runs().iter().any(|run| run.beam.is_some());
    let search = PickerItem {
        label: format!("  search with {BEAMS} beams"),
        detail: "generates the target again, and lists what the search finishes".into(),
        outcome: Outcome::SearchBeams,
    };
    let search = (purpose == Purpose::Runs && !beams).then_some(search);
    listed.into_iter().map(item).chain(search).filter(fits).collect()
}

/// Lists the tokens that the selected decoder row predicts, the most likely first.
fn alternatives(app: &App, typed: &str, outcome: fn(usize) -> Outcome) -> Vec<PickerItem> {
    let items = selected::alternatives(app).into_iter().enumerate().map(|(at, alternative)| PickerItem {
        label: alternative.label,
        detail: match alternative.chosen {
            true => format!("{:.4}  the target's token", alternative.probability),
            false => format!("{:.4}", alternative.probability),
        },
        outcome: outcome(at),
    });
    items.filter(|item| fuzzy(typed, &item.label).is_some()).collect()
}

/// Lists the formats, the pictures first, with the files that they would write.
fn formats(app: &App, typed: &str) -> Vec<PickerItem> {
    let named = |&(format, what): &(Format, &str)| {
        let label = format!("{} {what}", format.extension());
        let score = fuzzy(typed, &label)?;
        let outcome = Outcome::Export(format);
        Some((score, PickerItem { label, detail: exporting::file_name(app, format), outcome }))
    };
    let mut items: Vec<_> = FORMATS.iter().filter_map(named).collect();
    items.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    items.into_iter().map(|(_, item)| item).collect()
}

/// Formats in the order of the list, with a description.
const FORMATS: [(Format, &str); 8] = [
    (Format::Svg, "picture"),
    (Format::Png, "picture"),
    (Format::Html, "page"),
    (Format::Csv, "table"),
    (Format::Json, "table"),
    (Format::Txt, "text"),
    (Format::Npz, "maps for NumPy"),
    (Format::Safetensors, "capture file: all maps, this place and view"),
];

/// Lists the formats of copied rows.
fn copy_formats(typed: &str) -> Vec<PickerItem> {
    let fits = |format: &CopyFormat| fuzzy(typed, format.info().0).is_some();
    let item = |format: CopyFormat| {
        let (name, about) = format.info();
        PickerItem { label: name.into(), detail: about.into(), outcome: Outcome::Copy(format) }
    };
    CopyFormat::ALL.into_iter().filter(fits).map(item).collect()
}

fn languages(app: &App, purpose: Purpose, typed: &str) -> Vec<PickerItem> {
    let Some(info) = &app.run.info else { return Vec::new() };
    let (source, target) = app.run.languages();
    let now = if purpose == Purpose::SourceLanguage { source } else { target };
    let mut items: Vec<(i32, PickerItem)> = Vec::new();
    for (at, name) in info.languages.iter().enumerate() {
        let Some(score) = fuzzy(typed, name) else { continue };
        let detail = if now.as_deref() == Some(name) { "current" } else { "" };
        let outcome = Outcome::Language(purpose, at);
        items.push((score, PickerItem { label: name.clone(), detail: detail.into(), outcome }));
    }
    items.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    items.into_iter().map(|(_, item)| item).collect()
}

fn keymap_hint(keys: &[String]) -> String {
    fit_left(keys.first().map_or("", String::as_str), 9)
}

/// Parses a head written as `3.5` (layer, head), `cross 3.5` or `cross.3.5`. Without a kind it is of the
/// selected kind. Returns `None` if the capture has no such head.
pub fn parse_head(app: &App, typed: &str) -> Option<Head> {
    let capture = app.capture.as_ref()?;
    let typed = typed.trim().to_lowercase();
    let mut parts = typed.split([' ', '.', ',']).filter(|part| !part.is_empty()).peekable();
    let named = parts.peek().and_then(|word| {
        let first = word.chars().next().filter(|c| c.is_alphabetic())?;
        Kind::ALL.into_iter().find(|kind| kind.name().starts_with(*word)).filter(|_| first.is_alphabetic())
    });
    if named.is_some() {
        parts.next();
    }
    let kind = named.unwrap_or(app.selection.head.kind());
    let layer: usize = parts.next()?.parse().ok()?;
    let head: usize = parts.next().map_or(Some(0), |number| number.parse().ok())?;
    let head = Head::new(kind, layer, head);
    (parts.next().is_none() && capture.check(head).is_ok()).then_some(head)
}

/// Lists the heads whose name or role has the typed text: those with a role first, the surest of each role
/// first.
fn heads(app: &App, typed: &str) -> Vec<PickerItem> {
    let wanted = typed.trim().to_lowercase();
    let mut found: Vec<(Option<(&str, f32)>, PickerItem)> = Vec::new();
    for head in app.capture.iter().flat_map(|capture| capture.all_heads()) {
        let metrics = app.survey.heads.get(&head).map(|facts| &facts.metrics);
        let role = metrics.and_then(|metrics| metrics.role()).map(|found| (found.role.name, found.score));
        let detail = role.map_or_else(String::new, |(name, score)| format!("{name} {score:.2}"));
        if format!("{head} {detail}").to_lowercase().contains(&wanted) {
            found.push((role, PickerItem { label: head.to_string(), detail, outcome: Outcome::Go(head) }));
        }
    }
    found.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some((a, sure)), Some((b, other))) => a.cmp(b).then(other.total_cmp(sure)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    found.into_iter().map(|(_, item)| item).collect()
}

/// Returns the queries and the keys of the selected map that hold the typed text, those first that the cursor
/// of the view moves along.
fn tokens(app: &App, typed: &str) -> Vec<PickerItem> {
    let kind = app.selection.head.kind();
    let queries = || places(app, app.axes.queries(kind), "query", typed, Outcome::Query);
    let keys = || places(app, app.axes.keys(kind), "key", typed, Outcome::Key);
    match app.view {
        ViewId::Flow => queries(),
        ViewId::Text if !app.views.text.receives => [queries(), keys()].concat(),
        _ => [keys(), queries()].concat(),
    }
}

fn places(app: &App, axis: &Axis, what: &str, typed: &str, outcome: fn(usize) -> Outcome) -> Vec<PickerItem> {
    /// Columns of the text around a token.
    const CONTEXT: usize = 44;
    let wanted = typed.to_lowercase();
    let holds = |label: &str| label.to_lowercase().contains(&wanted);
    let predicts = what == "query" && app.selection.head.kind() != Kind::Encoder;
    let predicted = |place: usize| app.axes.predicts.get(place).filter(|_| predicts).map(|(label, _)| label);
    let found = axis.units.iter().enumerate();
    let found =
        found.filter(|(place, unit)| holds(&unit.label) || predicted(*place).is_some_and(|l| holds(l)));
    found
        .map(|(place, unit)| {
            let next = predicted(place).map_or_else(String::new, |label| format!(" → {label}"));
            let context = TextContext::new(axis, place, CONTEXT);
            PickerItem {
                label: unit.label.clone(),
                detail: format!("{what} {}{next}  {context}", unit.tokens.start),
                outcome: outcome(unit.tokens.start),
            }
        })
        .collect()
}

/// Scores a fuzzy match: the typed letters have to occur in order, with gaps allowed. Higher is better;
/// `None` means no match.
pub fn fuzzy(typed: &str, text: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut score = 0;
    let mut at = 0;
    let mut last = None;
    for letter in typed.to_lowercase().chars().filter(|c| *c != ' ' && *c != '-') {
        let found = (at..text.len()).find(|&i| text.get(i) == Some(&letter))?;
        let starts = found == 0 || text.get(found - 1).is_some_and(|c| !c.is_alphanumeric());
        score += match last {
            Some(previous) if previous + 1 == found => 4,
            _ if starts => 3,
            _ => -1,
        };
        last = Some(found);
        at = found + 1;
    }
    Some(score)
}

/// Draws a picker.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, picker: &Picker, layout: &mut Layout) {
    let items = items(app, picker);
    let widest = if matches!(picker.purpose, Purpose::Runs | Purpose::CompareRun) { 160 } else { 78 };
    let wide = area.width.saturating_sub(4).min(widest);
    let height = area.height.saturating_sub(2).min(18);
    let title = match picker.purpose {
        Purpose::Palette => "commands, or a head such as 3.5 or cross 2.4",
        Purpose::Search if app.view == ViewId::Heads => "find a head by its name or its role",
        Purpose::Search => "find a query or a key",
        Purpose::Copy => "copy the rows as",
        Purpose::SourceLanguage => "source language",
        Purpose::TargetLanguage => "target language",
        Purpose::Export => "write what the screen shows",
        Purpose::Alternatives => "take another token here, and generate the rest",
        Purpose::Contrast => "explain this row's token against",
        Purpose::Open => "open a model (org/name is fetched from the hub), a session or a file",
        Purpose::Runs => "runs: Enter shows one",
        Purpose::CompareRun => "compare the shown run with",
    };
    let inner = frame(buf, area, wide, height, title, &app.theme);
    let line = part(inner, 0, 0, inner.width, 1);
    let x = put(buf, line, line.x, line.y, "› ", app.theme.accent());
    let cursor = picker.input.draw(buf, part(line, x - line.x, 0, line.width, 1), app.theme.text());
    layout.cursor = cursor.map(Into::into);
    let list = part(inner, 0, 1, inner.width, inner.height.saturating_sub(1));
    let room = usize::from(list.height);
    let selected = picker.selected.min(items.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(room);
    let labels = items.iter().map(|item| width(&item.label)).max().unwrap_or(0).min(LABEL);
    if items.is_empty() {
        let kind = app.selection.head.kind();
        let text = match picker.purpose {
            Purpose::Search if app.view != ViewId::Heads => {
                format!("no query and no key of {kind} maps has it; another kind may")
            }
            _ => "no matches".into(),
        };
        put(buf, list, list.x, list.y, &text, app.theme.dim());
    }
    if inner.height > 1 {
        cue(buf, Rect { y: inner.bottom(), height: 1, ..inner }, &app.theme, (first, room, items.len()));
    }
    for (y, (at, item)) in (list.y..list.bottom()).zip(items.iter().enumerate().skip(first)) {
        let row = Rect { y, height: 1, ..list };
        let here = at == selected;
        let style = if here { app.theme.selected() } else { app.theme.text() };
        let x = put(buf, row, row.x, y, &fit_left(&format!(" {}", item.label), labels + 2), style);
        put(buf, row, x + 1, y, &item.detail, app.theme.dim());
        layout.hit(row, Hit::Item(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_fit_and_runs_fit_better() {
        assert!(fuzzy("nh", "next-head").is_some());
        assert!(fuzzy("hn", "next-hea").is_none());
        assert!(fuzzy("next", "next-head") > fuzzy("nxhd", "next-head"));
    }

    #[test]
    fn names_come_before_descriptions() {
        let app =
            App::new("made", crate::tui::theme::Theme::default(), crate::tui::keymap::Keymap::default());
        let labels = |typed: &str| -> Vec<String> {
            commands(&app, typed).into_iter().map(|item| item.label).collect()
        };
        assert_eq!(labels("export")[0], "export");
        assert_eq!(labels("head")[..2], ["head off", "heads"]);
        let words = labels("words");
        let position = |name: &str| words.iter().position(|label| label == name).unwrap();
        assert!(position("words") < position("filter"), "{words:?}");
    }
}
