//! The tasks of docs/how-to/tasks.md, counted in key presses from the open explorer. Typed words are not counted.

use std::sync::Arc;

use attn_tui::capture::Capture;
use attn_tui::engine::{Event, Openable, Request};
use attn_tui::export::format::Format;
use attn_tui::site::Ablation;
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::views::links::rows::rows;

use crate::questions::{demo, long, press};
use crate::screens::{Driver, screen_text};

/// Returns the explorer on the built-in model's sentence.
fn opened() -> Driver {
    Driver::over(demo(), (80, 24))
}

#[test]
fn the_head_that_links_two_words() {
    let mut driver = opened();
    let mut keys = press(&mut driver, &["|"]);
    driver.press("it | cat");
    keys += press(&mut driver, &["<enter>", "<enter>"]);
    assert!(keys <= 5);
    assert_eq!(driver.app.view.name(), "Map");
    let capture = driver.app.capture.clone().unwrap();
    let (query, key) = (driver.app.selection.query(), driver.app.selection.key());
    let pieces = [query, key].map(|at| capture.source.items[at].piece.clone());
    assert_eq!(pieces, ["▁it", "▁cat"]);
    let weight = |head| capture.map(head).unwrap().get(query, key).unwrap();
    let heads = capture.heads_of(driver.app.selection.head.kind());
    assert!(heads.into_iter().all(|head| weight(head) <= weight(driver.app.selection.head)));
}

#[test]
fn whether_the_output_depends_on_it() {
    let mut driver = opened();
    assert_eq!(press(&mut driver, &["X"]), 1);
    let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!(run.ablations, [Ablation::Head(driver.app.selection.head)]);
}

#[test]
fn the_strongest_far_link_of_a_long_text() {
    let mut driver = Driver::over(long(), (80, 24));
    assert_eq!(press(&mut driver, &["5", "<home>"]), 2);
    let strongest = &rows(&driver.app)[0];
    assert_eq!((strongest.pair.queries.start, strongest.pair.keys.start), (600, 20));
    assert!(screen_text(&driver.draw()).contains("w19 ‹w20› w21"));
}

#[test]
fn a_variant_is_compared() {
    let mut driver = opened();
    let mut keys = press(&mut driver, &["P", "s"]);
    driver.press("<ctrl-u>The dog is sleeping because it is very tired.");
    keys += press(&mut driver, &["<enter>"]);
    let mut variant = Capture::clone(&demo());
    variant.source.items[1].piece = "▁dog".into();
    driver.act(Action::Engine(Event::Captured(Arc::new(variant))));
    keys += press(&mut driver, &["7"]);
    assert!(keys <= 5);
    assert!(driver.app.views.compare.known().is_some_and(|comparison| !comparison.changes.is_empty()));
}

#[test]
fn the_picture_is_saved() {
    let mut driver = opened();
    assert!(press(&mut driver, &["e", "<down>", "<enter>"]) <= 3);
    let Some(Effect::Export(job)) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    let folder = tempfile::tempdir().unwrap();
    let path = job.run_in(folder.path()).unwrap().path;
    assert_eq!(path.extension().unwrap(), Format::Png.extension());
    assert!(std::fs::read(path).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn the_explorer_is_left_with_data() {
    let mut driver = opened();
    driver.app.picks = true;
    assert_eq!(press(&mut driver, &["Q"]), 1);
    assert!(driver.app.done && !driver.app.picked.unwrap().rows.is_empty());
}

#[test]
fn another_model_is_opened() {
    let mut driver = opened();
    let mut keys = press(&mut driver, &["<ctrl-o>"]);
    driver
        .act(Action::Openable(vec![Openable::new("demo", "built in"), Openable::new("org/name", "cached")]));
    keys += press(&mut driver, &["<down>", "<enter>"]);
    assert!(keys <= 3);
    let Some(Effect::Ask(Request::Open(options))) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    assert_eq!(options.model, "org/name");
}

#[test]
fn the_aligning_heads_are_listed() {
    let mut driver = opened();
    let mut keys = press(&mut driver, &["4", "/"]);
    driver.press("aligning");
    keys += press(&mut driver, &["<enter>"]);
    assert!(keys <= 3);
    let role = |head| {
        let metrics = &driver.app.survey.heads.get(head).unwrap().metrics;
        metrics.role().map(|found| (found.role.name, found.score))
    };
    let (name, score) = role(&driver.app.selection.head).unwrap();
    assert_eq!(name, "aligning");
    let others = driver.app.survey.heads.keys().filter_map(role).filter(|(name, _)| *name == "aligning");
    assert!(others.map(|(_, other)| other).all(|other| other <= score), "the surest one is selected");
}

#[test]
fn a_session_is_shared() {
    let mut driver = opened();
    driver.press("4jj");
    assert!(press(&mut driver, &["W", "<enter>"]) <= 3);
    let Some(Effect::SaveSession(file)) = driver.asked.pop() else { panic!("{:?}", driver.asked) };
    let folder = tempfile::tempdir().unwrap();
    let path = file.write(Some(folder.path())).unwrap();
    let mut other = Driver::new((80, 24));
    other.act(Action::Engine(Event::Captured(Arc::new(attn_tui::capture::read(&path).unwrap()))));
    assert_eq!((other.app.view, other.app.selection), (driver.app.view, driver.app.selection));
}

#[test]
fn the_next_best_beam_is_shown() {
    let mut driver = opened();
    assert_eq!(press(&mut driver, &["<ctrl-r>", "<down>", "<enter>"]), 3);
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!(run.prefix, demo().beams[1].target.ids());
}
