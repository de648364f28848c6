//! Rows of weights that are replaced and heads at their mean: runs agree with transformers with hooks
//! (`tests/fixtures/make_edits.py`), and the explorer shows what they change.

use std::sync::Arc;

use attn_tui::capture::Capture;
use attn_tui::engine::{
    AblatedRun, Event, IntactRun, OpenOptions, Opened, Request, RunOptions, Session, Source, open,
};
use attn_tui::error::Error;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind, RowEdit, Site};
use attn_tui::tui::action::{Action, Effect};
use serde_json::Value;

use crate::evidence::{assert_near, base_of, numbers, session};
use crate::made;
use crate::screens::{Driver, screen_text};

/// The query whose row the references replace.
const QUERY: usize = 3;

/// Runs a fixture on the tokens of its patching reference, forced to the reference's target.
fn intact(name: &str, session: &Session) -> (Capture, IntactRun, RunOptions) {
    let all: Value = serde_json::from_str(include_str!("../fixtures/patching.json")).unwrap();
    let (base, source) = base_of(&all[name]);
    let (capture, intact, options) = run(session, &source, base.target.ids());
    assert_eq!(capture.target.ids(), base.target.ids(), "{name}");
    (capture, intact, options)
}

fn run(session: &Session, source: &Source, target: Vec<u32>) -> (Capture, IntactRun, RunOptions) {
    let options = RunOptions {
        max_new_tokens: Some(target.len()),
        beams: Some(1),
        prefix: target,
        predictions: true,
        forced_only: true,
        ..RunOptions::default()
    };
    let (capture, intact) = session.run_intact(source, &options, &Unwatched).unwrap();
    (capture, intact, options)
}

fn log_probabilities(run: &AblatedRun) -> Vec<f32> {
    run.forced.iter().map(|found| found.probability.ln()).collect()
}

fn edit(head: Head, query: usize, weights: Vec<f32>) -> RowEdit {
    RowEdit { head, query, weights: weights.into() }
}

#[test]
fn replaced_rows_and_mean_heads_agree_with_transformers() {
    let references: Value = serde_json::from_str(include_str!("../fixtures/edits.json")).unwrap();
    for name in ["t5", "bart", "marian"] {
        let session = session(name);
        let (capture, intact, options) = intact(name, &session);
        let forced =
            |run: RunOptions| log_probabilities(&session.run_ablated(&intact, &run, &Unwatched).unwrap());
        let near = |key: &str, change: &dyn Fn(Head) -> RunOptions| {
            let ours: Vec<f32> =
                capture.all_heads().into_iter().flat_map(|head| forced(change(head))).collect();
            assert_near(&ours, &numbers(&references[name][key]), &format!("{name} {key}"));
        };
        let edited = |edit: RowEdit| RunOptions { edits: vec![edit], ..options.clone() };
        near("uniform", &|head| {
            let keys = capture.shape(head.kind()).1;
            let visible = if head.kind() == Kind::Decoder { QUERY + 1 } else { keys };
            let weight = |key| if key < visible { 1.0 / visible as f32 } else { 0.0 };
            edited(edit(head, QUERY, (0..keys).map(weight).collect()))
        });
        near("weighted", &|head| edited(edit(head, QUERY, vec![0.0, 0.6, 0.0, 0.4])));
        near("mean", &|head| RunOptions {
            ablations: vec![Ablation::Head(head)],
            own_means: true,
            ..options.clone()
        });
    }
}

/// A row that is replaced by itself changes nothing, whatever else a head reads beside the keys of its map.
#[test]
fn a_row_replaced_by_itself_changes_nothing() {
    for name in ["t5", "marian", "longt5-local", "longt5-tglobal", "led", "pegasus_x", "recurrent"] {
        let session = session(name);
        let all: Value = serde_json::from_str(include_str!("../fixtures/patching.json")).unwrap();
        let (base, source) = base_of(&all["t5"]);
        let (capture, intact, options) = run(&session, &source, base.target.ids());
        let plain = session.run_ablated(&intact, &options, &Unwatched).unwrap();
        for head in capture.all_heads() {
            let map = capture.map(head).unwrap();
            let edits: Vec<_> = [1, QUERY].map(|row| edit(head, row, map.row(row).to_vec())).into();
            let run = RunOptions { edits, ..options.clone() };
            let same = session.run_ablated(&intact, &run, &Unwatched).unwrap();
            assert_near(&log_probabilities(&same), &log_probabilities(&plain), &format!("{name} {head}"));
        }
        // Other weights do change something.
        let head = Site::new(Kind::Cross, 0).head(0);
        let keys = capture.shape(Kind::Cross).1;
        let weights = (0..keys).map(|key| if key == 0 { 1.0 } else { 0.0 }).collect();
        let run = RunOptions { edits: vec![edit(head, QUERY, weights)], ..options.clone() };
        let other = session.run_ablated(&intact, &run, &Unwatched).unwrap();
        assert_ne!(log_probabilities(&other), log_probabilities(&plain), "{name}");
    }
}

#[test]
fn models_whose_streams_have_weights_of_their_own_are_refused() {
    let session = session("prophetnet");
    let all: Value = serde_json::from_str(include_str!("../fixtures/patching.json")).unwrap();
    let (base, source) = base_of(&all["t5"]);
    let (capture, intact, options) = run(&session, &source, base.target.ids());
    let head = Head::new(Kind::Cross, 0, 0);
    let weights = capture.map(head).unwrap().row(QUERY).to_vec();
    for run in [
        RunOptions { edits: vec![edit(head, QUERY, weights)], ..options.clone() },
        RunOptions { ablations: vec![Ablation::Head(head)], own_means: true, ..options.clone() },
    ] {
        let error = session.run_ablated(&intact, &run, &Unwatched).unwrap_err();
        assert!(matches!(error, Error::NotForModel { .. }), "{error}");
    }
}

fn demo() -> (Box<Session>, RunOptions) {
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    let Ok(Opened::Model(session)) = open(&options, &Unwatched) else { panic!("no built-in model") };
    let run = RunOptions {
        source: "The cat that sleeps in the garden is black.".into(),
        predictions: true,
        ..RunOptions::default()
    };
    (session, run)
}

/// Generation reads the replaced rows token by token, from its cache and with beams.
#[test]
fn a_text_is_generated_anew_with_replaced_rows() {
    let (session, run) = demo();
    let source = session.source(&run).unwrap();
    let (capture, intact) = session.run_intact(&source, &run, &Unwatched).unwrap();
    let heads = capture.all_heads().into_iter().filter(|head| head.layer() == 1);
    let rows = |weights: &dyn Fn(Head, usize) -> Vec<f32>| -> Vec<RowEdit> {
        let of = |head: Head| (0..capture.target.len().min(5)).map(move |row| (head, row));
        heads.clone().flat_map(of).map(|(head, row)| edit(head, row, weights(head, row))).collect()
    };
    let own = rows(&|head, row| capture.map(head).unwrap().row(row).to_vec());
    let same = session.run_ablated(&intact, &RunOptions { edits: own, ..run.clone() }, &Unwatched).unwrap();
    assert_eq!(same.generated.unwrap().ids(), capture.target.ids());
    let first = rows(&|head, _| {
        (0..capture.shape(head.kind()).1).map(|key| if key == 0 { 1.0 } else { 0.0 }).collect()
    });
    let other =
        session.run_ablated(&intact, &RunOptions { edits: first, ..run.clone() }, &Unwatched).unwrap();
    assert_ne!(other.generated.unwrap().ids(), capture.target.ids());
    // They belong to the run that they were read off.
    let edits = vec![edit(Head::new(Kind::Cross, 0, 0), 0, vec![1.0])];
    let error = session.run(&RunOptions { edits, ..run.clone() }, &Unwatched).unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
}

/// The last request for a changed run.
fn asked(driver: &Driver) -> &RunOptions {
    let request = driver.asked.iter().rev().find_map(|effect| match effect {
        Effect::Ask(Request::Ablate(run)) => Some(run),
        _ => None,
    });
    request.unwrap_or_else(|| panic!("{:?}", driver.asked))
}

/// The weights of the last edit of the last request.
fn new_weights(driver: &Driver) -> &[f32] {
    &asked(driver).edits.last().unwrap().weights
}

fn assert_weights(ours: &[f32], theirs: &[f32]) {
    let near = |(ours, theirs): (&f32, &f32)| (ours - theirs).abs() < 1e-5;
    assert!(ours.len() == theirs.len() && ours.iter().zip(theirs).all(near), "{ours:?} {theirs:?}");
}

fn notice(driver: &Driver) -> &str {
    driver.app.notice.as_deref().unwrap_or_default()
}

fn screen(driver: &mut Driver) -> String {
    screen_text(&driver.draw())
}

/// The explorer over a made sentence, with a row and a key of a head selected.
fn over(head: &str) -> Driver {
    let mut driver = Driver::over(made::sentence(), (100, 30));
    driver.press(&format!(":{head}<enter>"));
    (driver.app.selection.target_query, driver.app.selection.source_key) = (3, 4);
    driver
}

#[test]
fn a_row_is_edited_as_typed_and_shows_what_it_changes() {
    let capture = made::sentence();
    let head = Head::new(Kind::Cross, 2, 4);
    let old = capture.map(head).unwrap().row(3).to_vec();
    let mut driver = over("cross 2.4");
    let near = |ours: f32, theirs: f32| assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    let type_in = |driver: &mut Driver, text: &str| {
        driver.press(&format!("<ctrl-e>{text}<enter>"));
    };
    type_in(&mut driver, "uniform");
    assert_eq!((asked(&driver).edits[0].head, asked(&driver).edits[0].query), (head, 3));
    new_weights(&driver).iter().for_each(|&weight| near(weight, 1.0 / 12.0));
    // The map shows the new weights at once, and says so.
    let shown = screen(&mut driver);
    assert!(
        shown.contains("edited row") && shown.contains('≠') && shown.contains("with row 3 of cross.2.4"),
        "{shown}"
    );
    near(driver.app.map(head).unwrap().row(3)[7], 1.0 / 12.0);
    assert_eq!(driver.app.map(head).unwrap().row(2), capture.map(head).unwrap().row(2));
    // The result of the run, token by token.
    let mut forced = capture.predictions.clone();
    forced[0].probability /= std::f32::consts::E;
    let run = asked(&driver).clone();
    driver.act(Action::Engine(Event::Ablated(AblatedRun {
        ablations: Vec::new(),
        own_means: false,
        edits: run.edits.clone(),
        forced,
        generated: None,
    })));
    near(driver.app.ablation_changes()[0].change, -1.0);
    let shown = screen(&mut driver);
    assert!(shown.contains("with row 3 of cross.2.4 edited · −0.10 nats a token"), "{shown}");
    assert!(driver.app.run.activity.is_none() && shown.contains("Les −1.00"), "{shown}");
    // Edits add up: the selected weight, with the others in proportion.
    type_in(&mut driver, "0.4");
    assert_eq!(asked(&driver).edits.len(), 2);
    near(new_weights(&driver)[4], 0.4);
    near(new_weights(&driver)[0], 0.6 / 11.0);
    assert!(screen(&mut driver).contains("· edited row ·"));
    type_in(&mut driver, "key 2");
    assert_weights(&new_weights(&driver)[..4], &[0.0, 0.0, 1.0, 0.0]);
    type_in(&mut driver, "children");
    assert_weights(&new_weights(&driver)[..4], &[0.0, 0.5, 0.5, 0.0]);
    type_in(&mut driver, "head 1.0");
    assert_weights(new_weights(&driver), capture.map(Head::new(Kind::Cross, 1, 0)).unwrap().row(3));
    // Undo takes back the last one, an empty text all.
    type_in(&mut driver, "undo");
    assert_eq!(asked(&driver).edits.len(), 4);
    assert_weights(&new_weights(&driver)[..4], &[0.0, 0.5, 0.5, 0.0]);
    type_in(&mut driver, "");
    assert!(driver.app.ablation.is_none());
    assert_eq!(driver.app.map(head).unwrap().row(3), old);
    type_in(&mut driver, "undo");
    assert_eq!(notice(&driver), "no row is edited");
}

#[test]
fn a_row_is_taken_from_the_pinned_run() {
    let mut driver = over("cross 2.4");
    driver.press("<ctrl-e>run<enter>");
    assert!(notice(&driver).contains("P pins one"), "{}", notice(&driver));
    driver.press("P");
    // Another sentence of the same length, whose tokens belong together one by one.
    let mut other = Arc::unwrap_or_clone(made::sentence());
    other.source.items[1].piece = "▁cats".into();
    let [first, second] = [0, 1].map(|at| Head::new(Kind::Cross, 2, at));
    driver.act(Action::Engine(Event::Captured(Arc::new(other))));
    driver.app.selection.head = first;
    driver.press("<ctrl-e>run<enter>");
    let pinned = made::sentence().map(first).unwrap();
    assert_weights(new_weights(&driver), pinned.row(3));
    driver.app.selection.head = second;
    driver.press("<ctrl-e>run<enter>");
    assert_eq!(asked(&driver).edits.len(), 2);
    assert_weights(new_weights(&driver), made::sentence().map(second).unwrap().row(3));
}

#[test]
fn edits_that_make_no_sense_are_refused_in_words() {
    let mut driver = over("decoder 1.2");
    driver.app.selection.target_key = 6;
    for (text, why) in [
        ("1.5", "between 0.0 and 1.0"),
        ("zebra", "no key is named zebra"),
        ("7", "7 lies ahead of the row"),
        ("0.5", "this key lies ahead"),
        ("head cross.1.2", "take a head of decoder attention"),
        ("head 7.0", "layers 0 to 2"),
        ("head two", "no head like cross.2.4"),
    ] {
        driver.press(&format!("<ctrl-e>{text}<enter>"));
        assert!(notice(&driver).contains(why), "{text}: {}", notice(&driver));
    }
    assert!(driver.app.ablation.is_none());
    // Equal weights over what the row can read: itself and the rows before.
    driver.press("<ctrl-e>uniform<enter>");
    assert_weights(&new_weights(&driver)[..5], &[0.25, 0.25, 0.25, 0.25, 0.0]);
    driver.press("<esc><esc>");
    for (keys, why) in [("w<ctrl-e>", "w shows them"), ("w<ctrl-e>", "")] {
        driver.press(keys);
        assert!(notice(&driver).contains(why), "{}", notice(&driver));
    }
    assert_eq!(driver.app.overlays.len(), 1);
    driver.press("<esc>");
    driver.app.run.info = None;
    driver.press("<ctrl-e>");
    assert!(notice(&driver).contains("capture file has no model"));
}

#[test]
fn a_head_is_set_to_its_mean_and_back() {
    let mut driver = over("cross 2.4");
    driver.press("<ctrl-x>");
    let head = [Ablation::Head(Head::new(Kind::Cross, 2, 4))];
    assert_eq!((&asked(&driver).ablations[..], asked(&driver).own_means), (&head[..], true));
    assert!(screen(&mut driver).contains("with cross.2.4 at its mean"));
    driver.press("X");
    assert_eq!((&asked(&driver).ablations[..], asked(&driver).own_means), (&head[..], false));
    driver.press("<ctrl-x><ctrl-x>");
    assert!(driver.app.ablation.is_none());
}
