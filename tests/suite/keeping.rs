//! Nothing of the user's is lost, and nothing is guessed: keys without effect, questions before runs, the
//! history of places and runs, prompts, and copies.

use std::sync::Arc;

use attn_tui::engine::{Event, Request, RunOptions};
use attn_tui::error::Error;
use attn_tui::site::{Head, Kind};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::clipboard::{Carried, ClipboardRoute};
use attn_tui::tui::copying::{CopyFormat, rows_text};
use attn_tui::tui::reproduce::command_line;
use attn_tui::tui::session_file;
use ratatui::crossterm::event::Event as TerminalEvent;
use serde_json::Value;

use crate::made;
use crate::screens::{Driver, screen_text};

fn notice(driver: &Driver) -> &str {
    driver.app.notice.as_deref().unwrap_or_default()
}

fn last_run(driver: &Driver) -> &RunOptions {
    match driver.asked.last() {
        Some(Effect::Ask(Request::Run(run))) => run,
        other => panic!("{other:?}"),
    }
}

/// Runs the last requested run: shows a capture.
fn captured(driver: &mut Driver) {
    driver.act(Action::Engine(Event::Captured(made::sentence())));
}

#[test]
fn a_key_that_does_nothing_says_so() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    for (keys, said) in [
        ("3F", "no filter in Grid"),
        ("5/", "no search in Links"),
        ("5l", "the list moves up and down"),
        ("6m", "no strongest in Flow"),
        ("1Z", "Z has no command in Map: ? shows the keys"),
        ("U", "nothing to go forward to"),
        ("5|<enter>", "nothing was asked for"),
    ] {
        driver.press(keys);
        assert!(notice(&driver).starts_with(said), "{keys}: {}", notice(&driver));
    }
    let mut driver = Driver::over(made::long(20), (80, 24));
    driver.press("u]");
    assert!(notice(&driver).ends_with("has one head"), "{}", notice(&driver));
}

#[test]
fn letters_typed_into_nothing_run_nothing() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("t<ctrl-u>Bonjour.<enter>");
    captured(&mut driver);
    driver.asked.clear();
    driver.press("The very Strange Evening");
    assert!(driver.asked.is_empty(), "{:?}", driver.asked);
    assert_eq!(driver.app.run.options.target.as_deref(), Some("Bonjour."));
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("Drop the forced target") && screen.contains("Enter yes"), "{screen}");
    driver.press("<esc>");
    assert!(driver.app.overlays.is_empty());
    for keys in ["v", "S", "E"] {
        driver.press(keys).press("x<esc>");
        assert!(driver.asked.is_empty() && driver.app.overlays.is_empty(), "{keys}");
    }
}

#[test]
fn a_forced_target_has_a_badge_and_comes_back() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    let badge = |driver: &mut Driver| screen_text(&driver.draw()).contains("forced target");
    assert!(!badge(&mut driver));
    driver.press("t<ctrl-u>Bonjour.<enter>");
    captured(&mut driver);
    assert!(badge(&mut driver));
    driver.press("T<enter>");
    assert_eq!(last_run(&driver).target, None);
    captured(&mut driver);
    assert!(!badge(&mut driver));
    driver.press("u");
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("forced target “Bonjour.”"), "{screen}");
    driver.press("<enter>");
    assert_eq!(last_run(&driver).target.as_deref(), Some("Bonjour."));
}

#[test]
fn undo_covers_runs_and_their_places() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("s<ctrl-u>One.<enter>");
    captured(&mut driver);
    driver.press(":enc 1.2<enter>4");
    let place = (driver.app.view, driver.app.selection);
    driver.press("s<ctrl-u>Two.<enter>");
    assert_eq!(last_run(&driver).source, "Two.");
    captured(&mut driver);
    driver.press("1jjj");
    // back over the change of view, then over the run, whose capture is kept
    let asked = driver.asked.len();
    driver.press("uu");
    assert!(driver.app.overlays.is_empty() && driver.asked.len() == asked, "{:?}", driver.asked);
    assert_eq!(driver.app.run.options.source, "One.");
    assert_eq!((driver.app.view, driver.app.selection), place);
    driver.press("U");
    assert_eq!(driver.app.run.options.source, "Two.");
    // without its capture the run is made again
    driver.app.runs = Default::default();
    driver.press("u");
    assert!(screen_text(&driver.draw()).contains("Run the earlier source “One.” again?"));
    driver.press("<enter>");
    assert_eq!(last_run(&driver).source, "One.");
    captured(&mut driver);
    assert_eq!((driver.app.view, driver.app.selection), place);
    driver.press("U<enter>");
    assert_eq!(last_run(&driver).source, "Two.");
    // a failed run leaves the place
    driver.act(Action::Engine(Event::Cancelled));
    assert_eq!(driver.app.run.arrival, None);
}

#[test]
fn prompts_recall_and_complete() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    for text in ["First.", "Second."] {
        driver.press(&format!("s<ctrl-u>{text}<enter>"));
        captured(&mut driver);
    }
    assert!(matches!(&driver.asked[0], Effect::Remember(accepted) if accepted.text == "First."));
    driver.press("s<ctrl-u>Own<up><up>");
    let text = |driver: &mut Driver| screen_text(&driver.draw());
    assert!(text(&mut driver).contains("First."));
    driver.press("<down><down>");
    assert!(text(&mut driver).contains("Own"));
    driver.press("<ctrl-u>Fi<tab><enter>");
    assert_eq!(last_run(&driver).source, "First.");
    captured(&mut driver);
    driver.press("|viv<tab> | chi<tab>");
    assert!(text(&mut driver).contains("vivent | children"), "{}", text(&mut driver));
    driver.press("<esc>").press(":cross 0.0<enter>F| d<tab><tab>");
    assert!(text(&mut driver).contains("| door"), "{}", text(&mut driver));
}

#[test]
fn pasted_lines_stay_lines() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.send(TerminalEvent::Paste("One.\r\nTwo.\tThree.".into()));
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("One.⏎") && screen.contains("Two.⇥Three."), "{screen}");
    driver.press("<enter>");
    assert_eq!(last_run(&driver).source, "One.\nTwo.\tThree.");
    driver.press("|");
    driver.send(TerminalEvent::Paste("it |\ncat".into()));
    assert!(screen_text(&driver.draw()).contains("it | cat"));
}

#[test]
fn copies_carry_their_head_and_tokens_and_say_how_they_went() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press(":cross 2.1<enter>");
    let json: Vec<Value> = serde_json::from_str(&rows_text(&driver.app, CopyFormat::Json).unwrap()).unwrap();
    let (query, map) = (driver.app.selection.query(), driver.app.map(driver.app.selection.head).unwrap());
    assert_eq!(json.len(), map.cols());
    for (key, row) in json.iter().enumerate() {
        assert_eq!((row["model"].as_str(), row["kind"].as_str()), (Some("made"), Some("cross")));
        assert_eq!([&row["layer"], &row["head"], &row["query"], &row["key"]], [2, 1, query, key]);
        assert_eq!(row["weight"].as_f64().unwrap() as f32, map.get(query, key).unwrap());
        assert!(row["predicted"].is_string());
    }
    assert!(rows_text(&driver.app, CopyFormat::Csv).unwrap().starts_with("model,kind,layer,head,query,"));
    driver.press("YCS<enter>");
    assert!(matches!(driver.asked.last(), Some(Effect::Copy(text)) if text.starts_with("model,kind")));
    driver.act(Action::Copied(Carried::Sent(ClipboardRoute::Terminal)));
    assert_eq!(notice(&driver), "copied the rows: through the terminal (OSC 52)");
    driver.press("y");
    driver.act(Action::Copied(Carried::Failed("tmux: exit status: 1".into())));
    assert_eq!(notice(&driver), "copied the weight: not on the clipboard: tmux: exit status: 1");
    driver.press("5Y<enter>");
    let listed = attn_tui::tui::views::links::rows::rows(&driver.app).len();
    assert!(matches!(driver.asked.last(), Some(Effect::Copy(text)) if text.lines().count() == listed + 1));
}

#[test]
fn a_first_key_shows_the_rest() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press(";");
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("c  Choose heads or links") && screen.contains("l  Change the look"), "{screen}");
    driver.press("c");
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("every head") && screen.contains("previous layer"), "{screen}");
    // a key of another group does nothing here
    driver.press("w");
    assert!(!driver.app.reading.words && !driver.app.overlays.is_empty());
    driver.press("*");
    assert_eq!((driver.app.view.name(), driver.app.overlays.len()), ("Links", 0));
    driver.press(";lw");
    assert!(driver.app.reading.words);
}

#[test]
fn a_key_means_the_same_in_every_view() {
    use attn_tui::tui::keymap::TABLE;
    // which heads show, and how they are combined; by which metric heads are sorted
    let alike = [
        &["over", "flow-heads", "lines-of"][..],
        &["sort", "next-metric"],
        &["sort-back", "previous-metric"],
        // what the output loses without what is listed or shown
        &["effects", "faithful", "importance"],
    ];
    for (at, entry) in TABLE.iter().enumerate() {
        for other in &TABLE[..at] {
            let clash = entry.keys.iter().find(|key| other.keys.contains(key));
            let same = alike.iter().any(|names| names.contains(&entry.name) && names.contains(&other.name));
            assert!(clash.is_none() || same, "{clash:?}: {} and {}", other.name, entry.name);
        }
    }
}

/// Runs a command line of the explorer with the program that is tested.
#[cfg(unix)]
fn printed(line: &str) -> String {
    let line = line.replacen("attn-tui", env!("CARGO_BIN_EXE_attn-tui"), 1);
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn the_command_line_prints_what_is_on_the_screen() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures/demo.safetensors");
    let mut capture = attn_tui::capture::read(&path).unwrap();
    capture.model = path.display().to_string();
    let mut driver = Driver::over(Arc::new(capture), (80, 24));
    driver.app.run.info = None;
    driver.app.run.displayed = None;
    driver.press(":cross 2.4<enter>Fvit | woman<enter>");
    let weight = driver.app.map(driver.app.selection.head).unwrap();
    let weight = weight.get(driver.app.selection.query(), driver.app.selection.key()).unwrap();
    let line = command_line(&driver.app).unwrap();
    assert!(printed(&line).contains(&format!("{weight:.3}")), "{line}");
    driver.press("F<ctrl-u><enter>").press("|vit | lives<enter>");
    let line = command_line(&driver.app).unwrap() + " --json";
    let printed_rows: Vec<Value> = serde_json::from_str(&printed(&line)).unwrap();
    let rows = attn_tui::tui::views::links::rows::rows(&driver.app);
    assert_eq!(printed_rows.len(), rows.len());
    assert!((printed_rows[0]["weight"].as_f64().unwrap() as f32 - rows[0].weight).abs() < 1e-6);
    for keys in ["5", "4O", "6", "2", "6B"] {
        driver.press(keys);
        printed(&command_line(&driver.app).unwrap());
    }
    driver.press("7");
    assert_eq!(command_line(&driver.app), None);
}

#[test]
fn a_session_is_saved_shared_and_opened_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.app.run.options.source = "The children".into();
    driver.press(":enc 1.2<enter>w2W");
    assert!(screen_text(&driver.draw()).contains("save the session"));
    driver.press("<ctrl-u>my find<enter>");
    let Some(Effect::SaveSession(file)) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    let path = file.write(Some(folder.path())).unwrap();
    assert_eq!(path, folder.path().join("my find.safetensors"));
    assert!(matches!(file.write(Some(folder.path())), Err(Error::Exists { .. })), "nothing is overwritten");
    let listed = session_file::list(folder.path());
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].what), (1, "my find", "session"));
    let capture = Arc::new(attn_tui::capture::read(&path).unwrap());
    assert!(capture.session.as_ref().unwrap().contains("model = \"made\""));
    let mut other = Driver::new((120, 40));
    other.app.run.model = path.display().to_string();
    other.act(Action::Engine(Event::Captured(capture)));
    assert_eq!(other.asked.pop(), Some(Effect::RememberFile(path.display().to_string())));
    let app = &other.app;
    assert_eq!((app.view.name(), app.selection.head), ("Text", Head::new(Kind::Encoder, 1, 2)));
    assert!(app.reading.words);
    // the open session may be replaced, no other file
    other.press("3W<enter>");
    let Some(Effect::SaveSession(file)) = other.asked.pop() else { panic!("{:?}", other.asked) };
    assert_eq!(file.write(Some(folder.path())).unwrap(), path);
    // another text needs the model, which is asked for
    other.press("s");
    assert!(screen_text(&other.draw()).contains("Open made and run this source?"));
    other.press("<enter>");
    let Some(Effect::Ask(Request::Open(options))) = other.asked.pop() else { panic!("{:?}", other.asked) };
    assert_eq!(
        (options.model.as_str(), other.app.run.options.source.as_str()),
        ("made", made::sentence().source.text.as_str())
    );
}

#[test]
fn a_key_is_found_in_the_help_by_its_words() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("?");
    assert!(screen_text(&driver.draw()).contains("type to search"));
    driver.press("strongest key");
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("Go to the strongest key of this query"), "{screen}");
    assert!(!screen.contains("Edit the source"), "{screen}");
    driver.press("<ctrl-u>zebra");
    assert!(screen_text(&driver.draw()).contains("no key and no command"));
    driver.press("<esc>");
    assert!(driver.app.overlays.is_empty());
    // three columns hold all keys at once
    let mut wide = Driver::over(made::sentence(), (200, 60));
    wide.press("?");
    let screen = screen_text(&wide.draw());
    assert!(screen.contains("Edit the source") && screen.contains("Redraw the screen"), "{screen}");
}

#[test]
fn the_footer_begins_with_the_texts_the_commands_and_the_help() {
    for size in [(80, 24), (120, 40), (60, 15)] {
        for view in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            let mut driver = Driver::over(made::sentence(), size);
            driver.press(view);
            let screen = screen_text(&driver.draw());
            let footer = screen.lines().last().unwrap().trim_start_matches(['|', ' ']);
            assert!(
                footer.starts_with("s source  t target  : commands  ? help"),
                "{view} {size:?}: {footer}"
            );
        }
    }
}
