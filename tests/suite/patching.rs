//! Activation patching agrees with transformers with hooks (`tests/fixtures/make_patching.py`).

use std::sync::Arc;

use attn_tui::analysis::patching::{ActivationKind, PatchScores, PatchedActivation, PositionMap, SpanPair};
use attn_tui::capture::Capture;
use attn_tui::engine::{Event, PatchOptions, PatchRequest, PatchedRun, Request};
use attn_tui::error::Error;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Head, Kind, Site};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::views::ViewId;
use serde_json::Value;

use crate::evidence::{assert_near, base_of, numbers, session};
use crate::made;
use crate::screens::{Driver, screen_text};

const MODELS: [&str; 3] = ["t5", "bart", "marian"];

fn reference(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/patching.json")).unwrap();
    all[name].clone()
}

fn ids(reference: &Value, key: &str) -> Vec<u32> {
    numbers(&reference[key]).iter().map(|&id| id as u32).collect()
}

/// Patches the run of `name` into the run on the reference's tokens `key`.
fn patched(name: &str, key: &str, kind: ActivationKind) -> (Value, Capture, PatchScores) {
    let reference = reference(name);
    let (clean, _) = base_of(&reference);
    let corrupt = ids(&reference, key);
    let scores = session(name).patch(&clean, &corrupt, kind, &PatchOptions::default(), &Unwatched).unwrap();
    (reference, clean, scores)
}

fn flat<'a>(scores: impl IntoIterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    scores.into_iter().flatten().copied().collect()
}

#[test]
fn every_kind_of_activation_agrees_with_transformers() {
    for name in MODELS {
        for kind in ActivationKind::ALL {
            let (reference, _, scores) = patched(name, "corrupt", kind);
            let what = format!("{name} {kind}");
            assert_near(&scores.clean, &numbers(&reference["clean"]), &what);
            assert_near(&scores.corrupt, &numbers(&reference["corrupt_score"]), &what);
            let all = flat(scores.patched.iter().map(|(_, scores)| scores));
            assert_near(&all, &numbers(&reference[kind.name()]), &what);
            assert!(scores.patched.iter().all(|(activation, _)| activation.kind == kind), "{what}");
        }
    }
}

#[test]
fn sources_of_different_lengths_share_their_ends() {
    for name in MODELS {
        let (reference, _, heads) = patched(name, "shorter", ActivationKind::Heads);
        assert_near(&heads.corrupt, &numbers(&reference["shorter_score"]), name);
        let encoder = heads.patched.iter().filter(|(what, _)| what.site.kind == Kind::Encoder);
        let encoder = flat(encoder.map(|(_, scores)| scores));
        assert_near(&encoder, &numbers(&reference["shorter_heads"]), &format!("{name} heads"));
        let (reference, _, output) = patched(name, "shorter", ActivationKind::Encoder);
        let output = flat(output.patched.iter().map(|(_, scores)| scores));
        assert_near(&output, &numbers(&reference["shorter_encoder"]), &format!("{name} encoder"));
        // Weights of another number of keys fit decoder self-attention alone.
        let (_, _, pattern) = patched(name, "shorter", ActivationKind::Pattern);
        assert!(pattern.patched.iter().all(|(what, _)| what.site.kind == Kind::Decoder), "{name}");
        assert!(!pattern.patched.is_empty());
    }
}

#[test]
fn a_patch_of_a_run_into_itself_changes_nothing_and_a_contrast_is_a_difference() {
    let (clean, _) = base_of(&reference("marian"));
    let session = session("marian");
    let source = clean.source.ids();
    let same =
        session.patch(&clean, &source, ActivationKind::Resid, &PatchOptions::default(), &Unwatched).unwrap();
    for (what, scores) in &same.patched {
        assert_near(scores, &same.clean, &format!("{what:?}"));
    }
    assert_eq!(same.effects(0..7).effect(1.0), None);
    let heads = session.patch(&clean, &source, ActivationKind::Heads, &PatchOptions::default(), &Unwatched);
    assert_eq!(heads.unwrap().effects(0..7).effect(1.0), None);
    let against = PatchOptions { contrast: Some(5), ..PatchOptions::default() };
    let other = session.patch(&clean, &source, ActivationKind::Encoder, &against, &Unwatched).unwrap();
    let target = clean.target.ids();
    for (row, score) in other.clean.iter().enumerate() {
        assert_eq!(*score == 0.0, target[row] == 5, "row {row}");
    }
}

#[test]
fn sources_without_a_common_end_have_no_common_positions() {
    let (clean, _) = base_of(&reference("t5"));
    let source = clean.source.ids();
    let corrupt: Vec<u32> = source.iter().map(|id| if *id == 7 { 8 } else { 7 }).chain([9]).collect();
    let session = session("t5");
    let patch = |kind, map| {
        let options = PatchOptions { map, ..PatchOptions::default() };
        session.patch(&clean, &corrupt, kind, &options, &Unwatched)
    };
    let error = patch(ActivationKind::Encoder, None).unwrap_err();
    assert!(matches!(error, Error::NoCommonPositions) && error.hint().unwrap().contains("--map"), "{error}");
    // What the decoder does can still be patched.
    let heads = patch(ActivationKind::Heads, None).unwrap();
    assert!(heads.patched.iter().all(|(what, _)| what.site.kind != Kind::Encoder));
    // Positions that are given belong together.
    let spans: Vec<SpanPair> = ["2-3:4-5", "7:0"].map(|span| span.parse().unwrap()).into();
    let map = PositionMap::given(&spans, [source.len(), corrupt.len()]).unwrap();
    let encoder = patch(ActivationKind::Encoder, Some(map)).unwrap();
    let places: Vec<_> = encoder.patched.iter().map(|(what, _)| what.at).collect();
    assert_eq!(places, [0, 4, 5]);
}

/// The request of the effects that the view asks for.
fn asked(driver: &Driver) -> PatchRequest {
    let request = driver.asked.iter().rev().find_map(|effect| match effect {
        Effect::Ask(Request::Patch(request)) => Some(request.clone()),
        _ => None,
    });
    request.unwrap()
}

#[test]
fn the_view_shows_what_each_head_restores() {
    let clean = made::sentence();
    let mut driver = Driver::over(Arc::clone(&clean), (100, 24));
    let screen = |driver: &mut Driver| screen_text(&driver.draw());
    driver.press("9");
    assert!(screen(&mut driver).contains("This run is the clean one."));
    // Without a corrupt source, the view asks for one.
    driver.press("!");
    assert!(screen(&mut driver).contains("source of the corrupt run"));
    driver.press("<esc>");
    driver.app.views.patching.corrupt = Some("The dogs who live next door.".into());
    assert!(screen(&mut driver).contains("the corrupt source is \"The dogs who live next door.\""));
    driver.press("!");
    let request = asked(&driver);
    assert_eq!(
        (request.kind, request.corrupt.source.as_str()),
        (ActivationKind::Heads, "The dogs who live next door.")
    );
    // The second head of the last layer of cross-attention restores half of the difference in the first row.
    let rows = clean.target.len();
    let row =
        |first: f32| std::iter::once(first).chain(std::iter::repeat_n(-1.0, rows - 1)).collect::<Vec<_>>();
    let heads = (0..3).flat_map(|layer| (0..6).map(move |head| (layer, head)));
    let patched = heads.map(|(layer, head)| {
        let what =
            PatchedActivation { kind: ActivationKind::Heads, site: Site::new(Kind::Cross, layer), at: head };
        (what, row(if (layer, head) == (2, 1) { -2.0 } else { -3.0 }))
    });
    let scores = PatchScores { clean: row(-1.0), corrupt: row(-3.0), patched: patched.collect() };
    let run = PatchedRun { request, corrupt: clean.source.ids(), scores };
    driver.act(Action::Engine(Event::Patched(Box::new(run))));
    driver.press("m");
    assert_eq!(driver.app.selection.head, Head::new(Kind::Cross, 2, 1));
    let shown = screen(&mut driver);
    assert!(shown.contains("+.50") && shown.contains("heads of cross.2.1: effect +0.5000"), "{shown}");
    driver.press("<up>");
    assert!(screen(&mut driver).contains("heads of cross.1.1: effect +0.0000"));
    // Scored by a row that both runs predict alike, there is nothing to restore.
    driver.app.selection.target_query = 1;
    driver.press("#");
    assert!(screen(&mut driver).contains("there is nothing to restore"));
    driver.press("#<enter>");
    assert_eq!((driver.app.view, driver.app.selection.head), (ViewId::Map, Head::new(Kind::Cross, 1, 1)));
}

#[test]
fn the_pinned_run_is_the_corrupt_one() {
    let mut driver = Driver::over(made::awkward(), (100, 24));
    driver.press("P");
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    driver.press("9");
    let pinned = made::awkward().source.text.clone();
    driver.press("!");
    let request = asked(&driver);
    assert_eq!((request.corrupt.source, &request.clean.source.text), (pinned, &made::sentence().source.text));
}
