//! Contents and commands of Map, Text, Heads, Compare, Lines and Flow; the export of the screen and the rows to
//! leave with.

use std::sync::Arc;
use std::time::Duration;

use attn_tui::analysis::metrics::HeadMetrics;
use attn_tui::engine::{Event, Openable, Request};
use attn_tui::error::Error;
use attn_tui::export::table::Cell;
use attn_tui::progress::Progress;
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::keymap::entry::group;
use attn_tui::tui::views::compare::state::cursor;
use ratatui::crossterm::event::{
    Event as TerminalEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::made;
use crate::screens::{Driver, screen_text};

fn screen(driver: &mut Driver) -> String {
    screen_text(&driver.draw())
}

/// Captures two sentences that differ in their second word, and pins the first.
fn compared(size: (u16, u16)) -> Driver {
    let source = ["▁The", "▁dog", "▁who", "▁live", "▁next", "▁door", "▁is", "▁play", "ing", ".", "</s>"];
    let target = ["▁Les", "▁enfants", "▁qui", "▁vit", "▁à", "▁côté", "▁joue", ".", "</s>"];
    let mut driver = Driver::over(made::sentence(), size);
    driver.press("P");
    driver.act(Action::Engine(Event::Captured(Arc::new(made::capture(&source, &target, 3, 6)))));
    driver.press(":cross 0.0<enter>7");
    driver
}

#[test]
fn the_map_says_what_full_colour_stands_for() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":0.0<enter>");
    let row = driver.app.map(driver.app.selection.head).unwrap().row(driver.app.query()).to_vec();
    let max = row.iter().copied().fold(0.0, f32::max);
    let shown = screen(&mut driver);
    assert!(shown.contains(&format!("row max {max:.2}")), "{shown}");
    assert!(shown.contains("→ predicts") && shown.contains(" prob "), "{shown}");
    assert!(shown.contains("layer ◂ 0 ▸ of 0–2"), "{shown}");
    driver.press("rr");
    assert!(!screen(&mut driver).contains("row max"));
}

#[test]
fn every_metric_can_be_a_column() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("4");
    let mut seen = std::collections::BTreeSet::new();
    let columns = HeadMetrics::COLUMNS.len();
    for _ in 0..columns {
        let shown = screen(&mut driver);
        let names = shown.lines().nth(3).unwrap().split_whitespace().map(String::from);
        seen.extend(names);
        driver.press("l");
    }
    for name in ["far", "gini", "induct.", "duplic.", "top5", "span90", "ent", "diagonal", "key"] {
        assert!(seen.contains(name), "{name}: {seen:?}");
    }
    driver.press(&"h".repeat(columns));
    assert!(screen(&mut driver).lines().nth(3).unwrap().contains("far ratio"));
}

#[test]
fn lists_tell_where_they_are() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("4<end>");
    let shown = screen(&mut driver);
    assert!(shown.contains("of 54 ↑ "), "{shown}");
    let wide = Arc::new(made::capture(&["▁a", "▁b", "</s>"], &["▁c", "▁d", "</s>"], 11, 12));
    let mut driver = Driver::over(wide, (80, 24));
    driver.press(":encoder 10.11<enter>4");
    assert!(screen(&mut driver).contains("▸ encoder.10.11 "));
}

#[test]
fn text_pairs_the_heads_that_were_chosen() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":cross 2.4<enter>2");
    let shown = screen(&mut driver);
    assert!(shown.contains("source, by cross.2.4"), "{shown}");
    assert!(shown.contains("prefix, by decoder.2, mean of 6 heads"), "{shown}");
    driver.press("<backtab>]");
    assert!(screen(&mut driver).contains("prefix, by decoder.2.5"));
    driver.press("<tab>");
    let shown = screen(&mut driver);
    assert!(shown.contains("source, by cross.2.4") && shown.contains("prefix, by decoder.2.5"), "{shown}");
}

#[test]
fn compare_walks_the_largest_changes_and_names_both_weights() {
    let mut driver = compared((200, 60));
    let shown = screen(&mut driver);
    for text in ["JS divergence, nats", "pinned: ", "now: ", "now − pinned", "−vivent", "+vit"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    driver.press("n");
    let first = cursor(&driver.app).unwrap();
    let shown = screen(&mut driver);
    assert!(shown.contains("change 1 of ") && shown.contains(" · now − pinned "), "{shown}");
    driver.press("n");
    assert_ne!(cursor(&driver.app), Some(first));
    driver.press("N");
    assert_eq!(cursor(&driver.app), Some(first));
    // A token that only the pinned sentence has: its weight shows, and there is none to subtract from.
    driver.press("<home>ll");
    let shown = screen(&mut driver);
    assert!(shown.contains("looks at −dren: pinned 0.") && shown.contains("now –"), "{shown}");
    let head = driver.app.selection.head;
    driver.press("'");
    assert_ne!(driver.app.selection.head, head);
}

#[test]
fn lines_follow_the_keys_and_the_mouse() {
    let mut driver = Driver::over(made::sentence(), (100, 30));
    driver.press(":cross 0.0<enter>8");
    driver.app.selection.target_query = 0;
    driver.app.selection.source_key = 0;
    driver.press("jj");
    assert_eq!((driver.app.query(), driver.app.key()), (2, 0));
    driver.press("lj");
    assert_eq!((driver.app.query(), driver.app.key()), (2, 1));
    let braille = |text: &str| text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
    assert!(braille(&screen(&mut driver)));
    driver.press("ho");
    let shown = screen(&mut driver);
    assert!(shown.contains("in cross.0: ■0 ■1"), "{shown}");
    let line = shown.lines().position(|line| line.contains(" playing ") || line.contains("play")).unwrap();
    let column = shown.lines().nth(line).unwrap().split("play").next().unwrap().chars().count();
    driver.send(TerminalEvent::Mouse(MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: column as u16,
        row: line as u16,
        modifiers: KeyModifiers::NONE,
    }));
    assert!(driver.app.keys().label(driver.app.key()).starts_with("play"));
    assert!(driver.app.views.lines.on_keys);
}

#[test]
fn the_flow_measures_contributions_when_they_are_chosen() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("6");
    let shown = screen(&mut driver);
    assert!(shown.contains("flow into ") && shown.contains("rollout of the heads' mean"), "{shown}");
    assert!(shown.contains(" draws ") && shown.contains(" from the source"), "{shown}");
    assert!(!shown.contains("layer ◂"), "the flow is of no head");
    driver.press("oo");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert!(run.values);
    assert!(screen(&mut driver).contains("measuring contributions (ALTI)"));
}

#[test]
fn progress_tells_the_rate_and_the_time_left() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("T").press("sHello<enter>");
    driver.act(Action::Clock(Duration::from_secs(10)));
    driver.act(Action::Engine(Event::Progress(Progress::Capture { done: 0, total: 12 })));
    driver.act(Action::Clock(Duration::from_secs(12)));
    driver.act(Action::Engine(Event::Progress(Progress::Capture { done: 4, total: 12 })));
    let shown = screen(&mut driver);
    let line = shown.lines().nth(38).unwrap();
    assert!(line.contains("4 of 12 layers · 2.0/s · 4 s left") && line.contains("Esc stops"), "{line}");
}

#[test]
fn the_screen_is_written_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, name, holds) in [
        ("", "made-cross.0.0.svg", "<svg"),
        ("4", "made-heads.svg", "far mass"),
        ("6", "made-flow.svg", "flow into"),
        ("8", "made-cross.0.0-lines.svg", "<line"),
        ("2", "made-cross.0.0-text.svg", "<svg"),
        ("3", "made-cross-grid.svg", "all heads"),
    ] {
        let mut driver = Driver::over(made::sentence(), (120, 40));
        driver.press(":cross 0.0<enter>").press(keys).press("e");
        assert!(screen(&mut driver).contains(name), "{name}");
        driver.press("<enter>");
        let Some(Effect::Export(job)) = driver.asked.pop() else { panic!("{keys}: {:?}", driver.asked) };
        for copy in ["", "-2"] {
            let path = job.clone().run_in(folder.path()).unwrap().path;
            let expected = name.replace(".svg", &format!("{copy}.svg"));
            assert_eq!(path.file_name().unwrap().to_str(), Some(expected.as_str()), "no file is overwritten");
            assert!(std::fs::read_to_string(&path).unwrap().contains(holds), "{name}");
        }
    }
}

#[test]
fn the_file_holds_what_the_screen_shows() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":cross 0.0<enter>w").press("ecsv<enter>");
    let Some(Effect::Export(job)) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    let text = std::fs::read_to_string(job.run_in(folder.path()).unwrap().path).unwrap();
    let (rows, keys) = (driver.app.queries().len(), driver.app.keys().len());
    assert!(rows < 10 && keys < 12, "words are merged");
    assert_eq!(text.lines().count(), 1 + rows * keys, "{text}");
    assert!(text.contains("children") && !text.contains(",chil,"));
}

#[test]
fn the_explorer_is_left_with_the_selected_rows() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":cross 0.0<enter>Q");
    assert!(!driver.app.done && driver.app.notice.as_ref().unwrap().contains("--pick"));
    driver.app.picks = true;
    driver.press("jQ");
    assert!(driver.app.done);
    let table = driver.app.picked.take().unwrap();
    assert_eq!(table.rows.len(), 12);
    let weight = |row: &Vec<Cell>| if let Cell::Number(weight) = row[3] { weight } else { f32::NAN };
    assert!(table.rows.windows(2).all(|pair| weight(&pair[0]) >= weight(&pair[1])));
    assert!((table.rows.iter().map(weight).sum::<f32>() - 1.0).abs() < 1e-5);
    let json = table.with_schema("attn-tui pick 1").to_json();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json["schema"].as_str(), json["rows"][0]["kind"].as_str()),
        (Some("attn-tui pick 1"), Some("cross"))
    );
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.app.picks = true;
    driver.press("4<space>j<space>Q");
    assert_eq!(driver.app.picked.unwrap().rows.len(), 2);
}

#[test]
fn another_model_opens_and_keeps_the_text() {
    let mut driver = Driver::over(made::sentence(), (100, 30));
    driver.press("<ctrl-o>");
    assert!(matches!(driver.asked.pop(), Some(Effect::ListOpenable(_))));
    let found = |model: &str, what| Openable::new(model, what);
    driver.act(Action::Openable(vec![found("demo", "built in"), found("org/name", "cached")]));
    assert!(screen(&mut driver).contains("org/name"));
    driver.press("org<enter>");
    let Some(Effect::Ask(Request::Open(options))) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    assert_eq!(options.model, "org/name");
    driver.act(Action::Engine(Event::Failed(Error::Text("no".into()))));
    assert_eq!(driver.app.run.model, "made", "the open model stays");
    driver.press("<esc><ctrl-o>other/model<enter>");
    assert!(
        matches!(driver.asked.pop(), Some(Effect::Ask(Request::Open(options))) if options.model == "other/model")
    );
    driver.app.run.options.source = "Hello.".into();
    driver.act(Action::Engine(Event::Opened(Box::default())));
    assert_eq!(
        (driver.app.run.model.as_str(), driver.app.run.options.source.as_str()),
        ("other/model", "Hello.")
    );
    // A capture file has no model.
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    driver.press("<ctrl-o>maps.npz<enter>");
    driver.act(Action::Engine(Event::Captured(made::awkward())));
    assert!(driver.app.run.info.is_none() && driver.app.run.model == "maps.npz");
}

#[test]
fn a_predicted_token_is_taken_and_the_rest_generated() {
    let mut driver = Driver::over(made::sentence(), (100, 30));
    driver.press(":cross 0.0<enter>");
    driver.app.selection.target_query = 3;
    driver.press("b<down><enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    // The prefix of the made target, then the second candidate of the row.
    assert_eq!((run.prefix.as_slice(), &run.target), (&[0, 1, 2, 4][..], &None));
    driver.press("T<enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert!(run.prefix.is_empty());
}

#[test]
fn a_picture_of_a_long_map_shows_the_visible_part_and_where_it_is() {
    let mut driver = Driver::over(crate::questions::long(), (80, 24));
    driver.press("1");
    let window = |driver: &Driver| {
        let window = driver.app.layout.window.as_ref().unwrap();
        (window.rows.clone(), window.cols.clone())
    };
    if window(&driver).1.len() == 641 {
        driver.press("z");
    }
    let (rows, cols) = window(&driver);
    assert!(rows.len() < 100 && cols.len() < 100, "{rows:?} {cols:?}");
    driver.press("esvg<enter>");
    let Some(Effect::Export(job)) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    let folder = tempfile::tempdir().unwrap();
    let picture = std::fs::read_to_string(job.run_in(folder.path()).unwrap().path).unwrap();
    let part = format!(
        "rows {}–{} of 641, columns {}–{} of 641",
        rows.start,
        rows.end - 1,
        cols.start,
        cols.end - 1
    );
    assert!(picture.contains(&part), "{part}");
    let label = |at: usize| format!(">w{}</text>", at % 40);
    assert!(picture.matches(&label(cols.start)).count() >= 1, "every column has its label");
    // the whole map stands beside it, small, with a frame around the part
    let frames = picture.matches("fill=\"none\"").count();
    assert_eq!(frames, 4, "map, colour bar, overview and the part in it");
}

#[test]
fn texts_and_lists_of_the_map_say_that_there_is_more() {
    let mut driver = Driver::over(made::long(300), (80, 24));
    driver.press(":enc 0.0<enter><home>");
    let shown = screen(&mut driver);
    let titles = shown.lines().find(|line| line.contains("─ source ─")).unwrap().to_string();
    let positions: Vec<&str> = titles.split(" of 300 ↓").collect();
    assert_eq!(positions.len(), 3, "one for each text: {titles}");
    let end: usize = positions[0].rsplit('–').next().unwrap().parse().unwrap();
    assert!(shown.contains(&format!("t{}", end - 1)), "{shown}");
    driver.press("J");
    let shown = screen(&mut driver);
    assert!(shown.contains(" of 300 ↑ ") && shown.contains("t299"), "{shown}");
    let listed = shown.lines().find(|line| line.contains("┬ strongest")).unwrap();
    assert!(listed.contains(" of 300"), "{listed}");
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":enc 0.0<enter>");
    let shown = screen(&mut driver);
    assert!(!shown.contains(" of 12 ↓") && shown.contains("┬ strongest keys"), "{shown}");
}

#[test]
fn help_breaks_no_sentence_between_its_columns() {
    for size in [(120, 40), (200, 60), (112, 20)] {
        let mut driver = Driver::over(made::sentence(), size);
        driver.press("?");
        let mut checked = 0;
        for _ in 0..6 {
            let shown = screen(&mut driver);
            let heading = |line: &str| {
                // "Go" also begins sentences.
                let names = group::ALL.iter().filter(|(name, _)| name.len() > 4);
                let found = names.filter_map(|(name, _)| line.rfind(name));
                found.map(|at| line[..at].chars().count()).find(|&at| at > usize::from(size.0) / 2)
            };
            if let Some(column) = shown.lines().find_map(heading) {
                let top: String = shown.lines().nth(2).unwrap().chars().skip(column).collect();
                let keys: String = top.chars().take(14).collect();
                // Corpus has no key.
                assert!(!keys.trim().is_empty() || top.trim_start().starts_with("Corpus:"), "{shown}");
                checked += 1;
            }
            driver.press("<pagedown>");
        }
        assert!(checked > 0, "{size:?}");
    }
}

#[test]
fn a_long_path_keeps_its_end_in_the_title() {
    let path = "/home/someone/models/an-organisation/opus-mt-tc-bible-big-deu_eng_fra_por_spa-mul";
    for width in [60, 80, 120] {
        let mut driver = Driver::new((width, 15));
        driver.app.run.model = path.into();
        let shown = screen(&mut driver);
        let title = shown.lines().next().unwrap();
        assert!(title.contains('…') && title.contains("por_spa-mul "), "{title}");
    }
}
