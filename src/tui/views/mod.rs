//! The views, and the frame around them:
//!
//! ```text
//! attn-tui  demo · marian 3+3 × 6 heads                 Map Text Grid …   title
//! encoder decoder [cross]   layer ◂ 2 ▸   head ◂ 4 ▸    entropy …         selection
//! …                                                                        the view
//! jouent → dans .74 · playing · 0.143 · 2nd of 12 · 3 apart                the value in words
//! ←→↑↓ move  [ ] head  …                                                   keys, or work under way
//! ```

pub mod bare;
pub mod compare;
pub mod flow;
pub mod grid;
pub mod heads;
pub mod links;
pub mod map;
pub mod panel;
pub mod side;
pub mod text;
pub mod tour;
pub mod trial;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Command;
use super::app::{App, View};
use super::cache::Cache;
use super::keymap::{self, When};
use super::layout::{Hit, Layout};
use super::overlays;
use super::survey;
use super::widgets::cells::{fit, part, put, width, wrap};
use crate::capture::Score;
use crate::human::{bytes, duration};
use crate::progress::Progress;
use crate::site::Kind;

/// Draws the whole screen and tells where things are. A pure function of the state; `cache` only saves work.
pub fn draw(app: &App, cache: &mut Cache, buf: &mut Buffer) -> Layout {
    let area = buf.area;
    let mut layout = Layout::default();
    if area.is_empty() {
        return layout;
    }
    // the smaller the screen, the less stands around the view
    let (top, bottom) = match area.height {
        0..=2 => (0, 0),
        3..=5 => (0, 1),
        6..=8 => (1, 1),
        _ => (2, 2),
    };
    if top == 2 {
        title(buf, part(area, 0, 0, area.width, 1), app, &mut layout);
    }
    if top > 0 {
        selection(buf, part(area, 0, top - 1, area.width, 1), app, &mut layout);
    }
    let body = part(area, 0, top, area.width, area.height - top - bottom);
    let (body, panel) = tour::split(app, body);
    let off = trial::height(app, body.height);
    trial::draw(buf, part(body, 0, body.height - off, body.width, off), app, &mut layout);
    let body = part(body, 0, 0, body.width, body.height - off);
    match (&app.capture, app.view) {
        (None, _) => opening(buf, body, app),
        (Some(_), View::Tour) => tour::draw(buf, body, app),
        (Some(capture), view) if capture.kinds().is_empty() && view != View::Compare => {
            bare::draw(buf, body, app, capture);
        }
        (Some(_), View::Grid) => grid::draw(buf, body, app, &mut layout),
        (Some(_), View::Text) => text::draw(buf, body, app, cache, &mut layout),
        (Some(_), View::Heads) => heads::draw(buf, body, app, &mut layout),
        (Some(_), View::Links) => links::draw(buf, body, app, &mut layout),
        (Some(_), View::Flow) => flow::draw(buf, body, app, &mut layout),
        (Some(_), View::Compare) => compare::draw(buf, body, app, &mut layout),
        (Some(_), View::Map) => map::draw(buf, body, app, cache, &mut layout),
    }
    if let Some(panel) = panel {
        tour::panel(buf, panel, app, &mut layout);
    }
    if bottom > 0 {
        value(buf, part(area, 0, area.height - bottom, area.width, 1), app, cache);
    }
    if bottom > 1 {
        footer(buf, part(area, 0, area.height - 1, area.width, 1), app, &mut layout);
    }
    overlays::draw(buf, area, app, &mut layout);
    layout
}

fn title(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let wide = area.width >= 100;
    let name = |view: View| {
        let key = app.keymap.keys(Command::Show(view)).first().cloned().unwrap_or_default();
        if wide { format!(" {key} {} ", view.name()) } else { format!(" {} ", view.name()) }
    };
    let tabs: usize = View::ALL.iter().map(|&view| width(&name(view))).sum();
    let left = part(area, 0, 0, area.width.saturating_sub(tabs as u16 + 1), 1);
    let x = put(buf, left, left.x, left.y, " attn-tui  ", theme.accent());
    put(buf, left, x, left.y, &model(app), theme.text());
    let mut x = area.right().saturating_sub(tabs as u16);
    for &view in View::ALL {
        let text = name(view);
        let style = if view == app.view { theme.selected() } else { theme.dim() };
        let end = put(buf, area, x, area.y, &text, style);
        layout.hit(
            Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 },
            Hit::Command(Command::Show(view)),
        );
        x = end;
    }
}

/// The model in a few words: `demo · marian 3+3 × 6 heads`, and whether the text is one that it may not have said.
fn model(app: &App) -> String {
    let mut text = String::new();
    if let Some(capture) = &app.capture {
        text += if capture.int8_target { " · 8-bit text" } else { "" };
        if let Some(seed) = capture.sampled {
            text += &format!(" · sampled, seed {seed}");
        }
    }
    match (&app.info, &app.capture) {
        (Some(info), _) => {
            let (encoder, decoder) = info.layers;
            let heads = match info.heads {
                (a, b) if a == b => format!("{a} heads"),
                (a, b) => format!("{a}/{b} heads"),
            };
            let languages = match app.languages() {
                (source, Some(target)) if !info.languages.is_empty() => {
                    format!(" · {} → {target}", source.unwrap_or_else(|| "?".into()))
                }
                _ => String::new(),
            };
            format!("{}{text}{languages} · {} {encoder}+{decoder} × {heads}", info.name, info.model_type)
        }
        (None, Some(capture)) => format!("{}{text} · {} · capture", capture.model, capture.model_type),
        (None, None) => app.model.clone(),
    }
}

fn selection(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let Some(capture) = &app.capture else { return };
    let head = app.place.head;
    let mut x = area.x + 1;
    for kind in capture.kinds() {
        let name = if area.width >= 60 { kind.name() } else { kind.name().get(..3).unwrap_or("") };
        let text = format!(" {name} ");
        let style = if kind == head.kind() { theme.selected() } else { theme.dim() };
        let end = put(buf, area, x, area.y, &text, style);
        layout.hit(Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 }, Hit::Kind(kind));
        x = end;
    }
    if capture.kinds().is_empty() {
        put(buf, area, x, area.y, &capture.why_absent(Kind::Cross), theme.dim());
        return;
    }
    for (name, at, of, before, after) in [
        ("layer", head.layer(), app.layers(), Command::PreviousLayer, Command::NextLayer),
        ("head", head.head, app.heads(), Command::PreviousHead, Command::NextHead),
    ] {
        let name = if area.width >= 60 { format!("   {name} ") } else { format!(" {} ", &name[..1]) };
        x = put(buf, area, x, area.y, &name, theme.dim());
        for (text, style, command) in [
            ("◂ ".to_string(), theme.dim(), Some(before)),
            (at.to_string(), theme.accent(), None),
            (" ▸".to_string(), theme.dim(), Some(after)),
        ] {
            let end = put(buf, area, x, area.y, &text, style);
            if let Some(command) = command {
                layout.hit(
                    Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 },
                    Hit::Command(command),
                );
            }
            x = end;
        }
        if area.width >= 100 {
            x = put(buf, area, x, area.y, &format!(" of {of}"), theme.dim());
        }
    }
    let facts = facts(app);
    let room = usize::from(area.right().saturating_sub(x + 3));
    if let Some(text) = facts.iter().find(|text| width(text) <= room) {
        let x = area.right().saturating_sub(width(text) as u16 + 1);
        put(buf, area, x, area.y, text, theme.text());
    }
}

/// What is known of the selected head, the longest wording first.
fn facts(app: &App) -> Vec<String> {
    let Some(facts) = app.survey.heads.get(&app.place.head) else { return Vec::new() };
    let metrics = &facts.metrics;
    let far = format!("far mass {:.2} ({:.1}× uniform)", metrics.far_mass, metrics.far_ratio);
    let entropy = format!("entropy {:.2}", metrics.entropy);
    let d = app.distance;
    let short = format!("{entropy} · far {:.2}", metrics.far_mass);
    vec![format!("{entropy} nats · {far} beyond {d} tokens"), format!("{entropy} · {far}"), short, entropy]
}

fn opening(buf: &mut Buffer, area: Rect, app: &App) {
    let theme = &app.theme;
    let y = area.y + area.height / 3;
    let (what, bar) = work(app).unwrap_or_else(|| ("nothing is open".into(), None));
    for (row, line) in (y..area.bottom()).zip(wrap(&what, usize::from(area.width.saturating_sub(4)))) {
        let x = area.x + (area.width.saturating_sub(width(&line) as u16)) / 2;
        put(buf, area, x, row, &line, theme.text());
    }
    if let Some(share) = bar {
        let columns = usize::from(area.width.saturating_sub(8)).min(50);
        let x = area.x + (area.width.saturating_sub(columns as u16)) / 2;
        let done = (share * columns as f32).round() as usize;
        let end = put(buf, area, x, y + 2, &"━".repeat(done), theme.accent());
        put(buf, area, end, y + 2, &"─".repeat(columns - done.min(columns)), theme.line());
    }
}

/// What is being done, in words, and how much of it is.
fn work(app: &App) -> Option<(String, Option<f32>)> {
    let job = app.job.as_ref()?;
    let share = |done: f64, total: f64| (total > 0.0).then(|| (done / total).clamp(0.0, 1.0) as f32);
    Some(match &job.progress {
        None => (format!("{} …", job.what), None),
        Some(Progress::Download { file, done, total, speed }) => {
            let left = total.filter(|_| *speed > 0.0).map(|total| total.saturating_sub(*done) as f64 / speed);
            let left = left.map_or_else(String::new, |s| format!(" · {} left", duration(s)));
            let of = total.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
            let text = format!("fetching {file} · {}{of} · {}/s{left}", bytes(*done), bytes(*speed as u64));
            (text, total.and_then(|total| share(*done as f64, total as f64)))
        }
        Some(Progress::Load { done, total }) => {
            (format!("reading weights · {done} of {total}"), share(*done as f64, *total as f64))
        }
        Some(Progress::Encode) => ("encoding the source …".into(), None),
        Some(Progress::Generate { tokens, text }) => (format!("generating · {tokens} tokens · {text}"), None),
        Some(Progress::Capture { done, total }) => {
            (format!("recording attention · layer {done} of {total}"), share(*done as f64, *total as f64))
        }
    })
}

/// `1st`, `2nd`, `3rd`, `4th`.
pub fn ordinal(n: usize) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

/// The selected weight in words: the same line in every view.
fn value(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache) {
    let theme = &app.theme;
    if let Some((text, _)) = work(app).filter(|_| app.capture.is_some()) {
        let x = put(buf, area, area.x, area.y, " ⋯ ", theme.accent());
        let room = usize::from(area.right().saturating_sub(x + 12));
        let x = put(buf, area, x, area.y, &fit(&text, room), theme.text());
        put(buf, area, x, area.y, "  Esc stop", theme.dim());
        return;
    }
    let Some(sheet) = cache.sheet(app) else { return };
    let (query, key) = (app.query(), app.key());
    let Some(weight) = sheet.get(query, key) else { return };
    let row = sheet.row(query);
    let rank = 1 + row.iter().filter(|&&other| other > weight).count();
    let kind = app.place.head.kind();
    let distance = app
        .capture
        .as_ref()
        .map_or(0.0, |capture| survey::context(capture, kind).distance(app.place.query(), app.place.key()));
    let distance = if distance.fract() > 0.0 { format!("{distance:.1}") } else { format!("{distance}") };
    let ahead = kind == Kind::Decoder && app.place.key() > app.place.query();
    let masked = ahead || !weight.is_finite();
    let numbers = if masked {
        let why = if ahead { ": masked, it lies ahead" } else { ": masked, it lies too far" };
        [why.to_string(), ": masked".into(), ": masked".into()]
    } else {
        let from = if kind == Kind::Cross { "off the diagonal" } else { "apart" };
        let rank = format!(": {weight:.4} · {} of {}", ordinal(rank), row.len());
        [format!("{rank} · {distance} {from}"), rank, format!(": {weight:.4}")]
    };
    let (query, key) = (query_name(app, query), app.keys().label(key).to_string());
    let wordings = app.notice.clone().map_or_else(|| notes(app).to_vec(), |notice| vec![notice]);
    let line = part(area, 1, 0, area.width.saturating_sub(2), 1);
    let words = Words { query: &query, key: &key, numbers: &numbers, notes: &wordings };
    let verb = if line.width < 40 { " ← " } else { " looks at " };
    let (query, key, numbers, notes) = words.fitted(usize::from(line.width), width(verb));
    let x = put(buf, line, line.x, line.y, &query, theme.accent());
    let x = put(buf, line, x, line.y, verb, theme.dim());
    let x = put(buf, line, x, line.y, &key, theme.accent());
    put(buf, line, x, line.y, numbers, theme.text());
    let start = line.right().saturating_sub(width(&notes) as u16);
    put(buf, line, start, line.y, &notes, if app.notice.is_some() { theme.text() } else { theme.dim() });
}

/// What the line of the selected weight says, each part the longest wording first.
struct Words<'a> {
    query: &'a str,
    key: &'a str,
    numbers: &'a [String],
    notes: &'a [String],
}

impl Words<'_> {
    /// The longest wordings that fit into so many columns with a verb of so many: the number always, then what was done to the map, then
    /// the names.
    fn fitted(&self, columns: usize, verb: usize) -> (String, String, &str, String) {
        const NAMES: usize = 6;
        let shortest = self.numbers.last().map_or("", String::as_str);
        let least = self.query.len().min(NAMES) + verb + self.key.len().min(NAMES) + 2;
        let room = columns.saturating_sub(least + width(shortest));
        let notes = self.notes.iter().find(|notes| width(notes) <= room).or(self.notes.last());
        let notes = notes.map_or_else(String::new, |notes| fit(notes, room.max(2)));
        let taken = if notes.is_empty() { 0 } else { width(&notes) + 2 };
        let names = width(self.query) + verb + width(self.key);
        let room = columns.saturating_sub(taken);
        let whole = self.numbers.iter().find(|numbers| names + width(numbers) <= room);
        let numbers = whole.map_or(shortest, String::as_str);
        let names = room.saturating_sub(verb + width(numbers));
        let query = fit(self.query, names.saturating_sub(width(self.key)).max(names / 2));
        let key = fit(self.key, names.saturating_sub(width(&query)));
        (query, key, numbers, notes)
    }
}

/// The selected query: for a decoder row what it reads and what it predicts.
fn query_name(app: &App, query: usize) -> String {
    let label = app.queries().label(query);
    if app.place.head.kind() == Kind::Encoder {
        return label.to_string();
    }
    match app.predicted(query) {
        Some((predicted, _)) => format!("{label} → {predicted}"),
        None => label.to_string(),
    }
}

/// What has been changed about the way maps are read, in full and in short.
fn notes(app: &App) -> [String; 2] {
    use super::reading::Special;
    let reading = &app.reading;
    let mut notes: Vec<(String, String)> = Vec::new();
    let mut note = |long: &str, short: &str| notes.push((long.into(), short.into()));
    match app.scored() {
        Some(Score::Whole) => note("scores before the softmax, in Map alone", "scores"),
        Some(Score::Content) => note("content part of the scores, in Map alone", "content"),
        Some(Score::Bias) => note("position bias of the scores, in Map alone", "bias"),
        None => {}
    }
    if app.is_weighed() && app.scored().is_none() {
        note("value-weighted in Map and Text, weights elsewhere", "value-weighted");
    }
    if reading.words && app.scored().is_some() {
        note("words: means", "words");
    } else if reading.words {
        note("words: keys summed, queries averaged", "words");
    }
    match reading.special {
        Special::Show => {}
        Special::Hide => note("special tokens hidden, rows as they were", "no special"),
        Special::Renormalise => note("special tokens hidden, rows renormalised", "no special, rows to 1"),
    }
    if reading.threshold > 0.0 {
        let from = format!("from {:.2}", reading.threshold);
        note(&from, &from);
    }
    let (long, short): (Vec<String>, Vec<String>) = notes.into_iter().unzip();
    [long.join(" · "), short.join(" · ")]
}

fn footer(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let mut x = area.x + 1;
    let last = area.right();
    let mut show = |x: u16, keys: &str, hint: &str, command: Option<Command>, buf: &mut Buffer| {
        let needed = (width(keys) + width(hint) + 1) as u16;
        if x + needed > last {
            return x;
        }
        let end = put(buf, area, x, area.y, keys, theme.accent());
        let end = put(buf, area, end, area.y, &format!(" {hint}"), theme.dim());
        if let Some(command) = command {
            layout.hit(Rect { x, y: area.y, width: end - x, height: 1 }, Hit::Command(command));
        }
        end + 2
    };
    if app.guide.is_some() {
        let first = |command| app.keymap.keys(command).first().cloned().unwrap_or_default();
        let keys = format!("{} {}", first(Command::NextStep), first(Command::PreviousStep));
        x = show(x, &keys, "next/previous step", Some(Command::NextStep), buf);
        x = show(x, &first(Command::Tour), "leave the tour", Some(Command::Tour), buf);
    }
    for (command, hint) in [(Command::Help, "help"), (Command::Quit, "quit")] {
        if let Some(key) = app.keymap.keys(command).first() {
            x = show(x, key, hint, Some(command), buf);
        }
    }
    let arrows = if app.view == View::Map { "cell" } else { "move" };
    x = show(x, "←→↑↓", arrows, None, buf);
    if let Some(views) = view_keys(app) {
        x = show(x, &views, "views", None, buf);
    }
    let pairs = [
        ("head", Command::PreviousHead, Command::NextHead),
        ("layer", Command::PreviousLayer, Command::NextLayer),
    ];
    for (hint, before, after) in pairs {
        let keys: Vec<String> =
            [before, after].iter().filter_map(|c| app.keymap.keys(*c).first().cloned()).collect();
        x = show(x, &keys.join(" "), hint, Some(after), buf);
    }
    let shown = [Command::Help, Command::Quit, Command::NextHead, Command::NextLayer];
    // on the map kinds and far links come first, elsewhere what the view alone has
    let first = |command| match app.view {
        View::Map => [Command::NextKind, Command::NextLink].contains(&command),
        View::Compare => command == Command::Pin,
        _ => false,
    };
    let specific = |entry: &keymap::CommandEntry| match entry.when {
        _ if first(entry.command) => 0,
        When::In(_) => 1,
        When::Always => 2,
    };
    let mut entries: Vec<_> = app.keymap.entries(app.view).collect();
    entries.sort_by_key(|(entry, _)| specific(entry));
    for (entry, keys) in entries {
        if entry.hint.is_empty() || shown.contains(&entry.command) {
            continue;
        }
        if let Some(key) = keys.first() {
            x = show(x, key, entry.hint, Some(entry.command), buf);
        }
    }
}

/// The keys of the first and the last view, `1–7`.
fn view_keys(app: &App) -> Option<String> {
    let key = |view: Option<&View>| app.keymap.keys(Command::Show(*view?)).first().cloned();
    Some(format!("{}–{}", key(View::ALL.first())?, key(View::ALL.last())?))
}
