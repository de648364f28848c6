//! Evidence in the explorer: agreement of maps with leave-one-out, importance and direct logits of heads.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use attn_tui::analysis::attribution::{Attribution, AttributionMethod};
use attn_tui::analysis::faithful::{ErasureScope, LeaveOneOut};
use attn_tui::analysis::lens::DirectLogits;
use attn_tui::engine::{
    AttributionOptions, Eraser, Event, Evidence, EvidenceKind, EvidenceRequest, HeadEvidence, Masking,
    OpenOptions, Opened, Request, RunOptions, open,
};
use attn_tui::matrix::Matrix;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Head, Kind};
use attn_tui::tui::action::{Action, Effect};
use serde_json::Value;

use crate::evidence::{assert_near, base_of, session};
use crate::made;
use crate::screens::{Driver, screen_text};

fn reference(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/evidence.json")).unwrap();
    all[name].clone()
}

#[test]
fn leave_one_out_is_occlusion_of_each_token() {
    for name in ["t5", "marian"] {
        let (base, source) = base_of(&reference(name));
        let session = session(name);
        let options = AttributionOptions::default();
        let occluded =
            session.attribution(&base, &source, AttributionMethod::Occlusion, options, &Unwatched).unwrap();
        let scope = ErasureScope::new(&base.source.items, &base.target.items);
        let mut eraser = Eraser::new(&session, &base, scope, Masking::Unknown, &Unwatched).unwrap();
        let found = eraser.leave_one_out().unwrap();
        let losses = Matrix::from_fn(base.target.len(), base.source.len(), |row, token| {
            found.intact[row].ln() - found.left_out.row(token)[row].ln()
        });
        assert_near(losses.as_slice(), occluded.source.as_slice(), name);
    }
}

#[test]
fn the_agreement_is_that_of_the_command_line() {
    let source = "The cat that sleeps in the garden is black.";
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    let Ok(Opened::Model(session)) = open(&options, &Unwatched) else { panic!("no built-in model") };
    let run = RunOptions { source: source.into(), ..RunOptions::default() };
    let base = Arc::new(session.run(&run, &Unwatched).unwrap());
    let request =
        EvidenceRequest { serial: 1, base: Arc::clone(&base), run, kind: EvidenceKind::LeaveOneOut };
    let Evidence::LeaveOneOut(found) = session.evidence(&request, &Unwatched).unwrap() else { panic!() };
    let args = ["faithful", "demo", "-s", source, "--methods", "cross.2.4", "--json"];
    let printed = |more: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(args).args(more).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let tau = |printed: &Value, at: usize| printed["rows"][at]["tau"].as_f64().unwrap() as f32;
    let map = base.map(Head::new(Kind::Cross, 2, 4)).unwrap();
    let whole = printed(&[]);
    assert!((found.tau(&map).unwrap() - tau(&whole, 0)).abs() < 0.01, "{whole} {:?}", found.tau(&map));
    assert!((found.random_tau().unwrap() - tau(&whole, 1)).abs() < 0.01);
    let row = printed(&["--row", "3"]);
    assert!((found.row_tau(3, map.row(3)).unwrap() - tau(&row, 0)).abs() < 0.01);
    assert!(found.tau(&map).unwrap() > found.random_tau().unwrap(), "the aligning head says something");
}

#[test]
fn evidence_about_heads_is_measured_or_says_why_not() {
    let ask = |name: &str| {
        let (base, _) = base_of(&reference("t5"));
        let session = session(name);
        // The source is read anew; the fixtures' tokenizer has other tokens than the reference.
        let run = RunOptions { source: "a b c".into(), ..RunOptions::default() };
        let base = match name {
            "t5" => session.run(&run, &Unwatched).unwrap(),
            _ => base,
        };
        let base = Arc::new(base);
        let request = EvidenceRequest { serial: 1, base: Arc::clone(&base), run, kind: EvidenceKind::Heads };
        let Evidence::Heads(found) = session.evidence(&request, &Unwatched).unwrap() else { panic!() };
        (session, base, found)
    };
    let (session, base, found) = ask("t5");
    let importance: BTreeMap<_, _> =
        session.head_importance(&base, &Unwatched).unwrap().into_iter().collect();
    assert_eq!(found.importance.as_ref().unwrap(), &importance);
    assert_eq!(importance.len(), base.all_heads().len());
    let direct = found.direct.as_ref().unwrap();
    assert_eq!(direct.logit.len(), base.target.len());
    assert!(direct.largest_gap() < 1e-3);
    assert_eq!(found.direct_logit(direct.heads[0].0, 0), Some(direct.heads[0].1[0]));
    assert_eq!(found.direct_logit(Head::new(Kind::Encoder, 0, 0), 0), None);
    let (_, _, refused) = ask("prophetnet");
    assert!(refused.importance.is_err_and(|why| why.contains("does not apply to this model")));
    assert!(refused.direct.is_err_and(|why| why.contains("does not apply to this model")));
}

/// The kind of evidence that was asked for last.
fn asked(driver: &Driver) -> Option<EvidenceKind> {
    driver.asked.iter().rev().find_map(|effect| match effect {
        Effect::Ask(Request::Measure(request)) => Some(request.kind),
        _ => None,
    })
}

fn answer(driver: &mut Driver, evidence: Evidence) {
    let serial = driver.app.serial;
    driver.act(Action::Engine(Event::Measured { serial, evidence: Box::new(evidence) }));
}

fn screen(driver: &mut Driver) -> String {
    screen_text(&driver.draw())
}

/// Losses of the made sentence that rank its tokens from the first to the last.
fn losses() -> LeaveOneOut {
    let capture = made::sentence();
    let scope = ErasureScope::new(&capture.source.items, &capture.target.items);
    let (tokens, rows) = (scope.tokens.len(), capture.target.len());
    let left_out = Matrix::from_fn(tokens, rows, |token, _| 0.1 + 0.05 * token as f32);
    LeaveOneOut { scope, intact: vec![0.9; rows], left_out }
}

#[test]
fn a_key_measures_once_a_run_how_far_the_map_may_be_believed() {
    let capture = made::sentence();
    let mut driver = Driver::over(Arc::clone(&capture), (100, 30));
    driver.press(":enc 1.2<enter>M");
    assert_eq!(asked(&driver), None);
    assert!(driver.app.notice.as_deref().is_some_and(|notice| notice.contains("do not rank the source")));
    driver.press(":cross 2.4<enter>M");
    assert_eq!(asked(&driver), Some(EvidenceKind::LeaveOneOut));
    // It can be stopped, and asked for again.
    driver.press("<esc>");
    driver.act(Action::Engine(Event::Cancelled));
    assert!(driver.app.run.activity.is_none() && driver.app.evidence.losses.is_none());
    driver.asked.clear();
    driver.press("MM");
    assert_eq!(driver.asked.len(), 1, "asked once while it runs");
    answer(&mut driver, Evidence::LeaveOneOut(losses()));
    let tau = |driver: &Driver| losses().tau(&capture.map(driver.app.selection.head).unwrap()).unwrap();
    let line = |driver: &Driver| format!("ranks the source as leave-one-out does: tau {:.2}", tau(driver));
    let random = losses().random_tau().unwrap();
    let shown = screen(&mut driver);
    assert!(shown.contains(&format!("cross.2.4 {}", line(&driver))), "{shown}");
    assert!(shown.contains(&format!("; random {random:.2}")), "{shown}");
    // Another head is judged by the same runs.
    driver.press("]");
    let shown = screen(&mut driver);
    assert!(shown.contains(&format!("cross.2.5 {}", line(&driver))), "{shown}");
    driver.press("M");
    assert_eq!(driver.asked.len(), 1, "it is known");
    // It is kept with the run.
    driver.act(Action::Engine(Event::Captured(made::awkward())));
    assert!(driver.app.evidence.losses.is_none());
    driver.act(Action::Engine(Event::Captured(capture)));
    assert!(driver.app.evidence.losses.is_some());
}

#[test]
fn the_flow_is_tried_by_the_same_runs() {
    let capture = made::sentence();
    let mut driver = Driver::over(Arc::clone(&capture), (100, 30));
    driver.press("6M");
    assert_eq!(asked(&driver), Some(EvidenceKind::LeaveOneOut));
    answer(&mut driver, Evidence::LeaveOneOut(losses()));
    let rollout = driver.app.survey.flow.as_ref().unwrap().mean.source.clone();
    let tau = losses().tau(&rollout).unwrap();
    let shown = screen(&mut driver);
    assert!(
        shown.contains(&format!("rollout ranks the source as leave-one-out does: tau {tau:.2}")),
        "{shown}"
    );
    driver.app.selection.target_query = 2;
    driver.press("ooo");
    assert_eq!(asked(&driver), Some(EvidenceKind::Relevance { contrast: None }));
    let falling = Matrix::from_fn(10, 12, |_, token| 1.0 - 0.05 * token as f32);
    let prefix = Matrix::from_fn(10, 10, |_, _| 0.1);
    let attribution = Attribution { source: falling, prefix: Some(prefix), completeness_error: None };
    answer(&mut driver, Evidence::Relevance { contrast: None, attribution });
    let shown = screen(&mut driver);
    assert!(
        shown.contains("relevance ranks the source as leave-one-out does: tau 1.00, of this row 1.00"),
        "{shown}"
    );
}

#[test]
fn heads_have_columns_of_evidence_once_they_are_measured() {
    let capture = made::sentence();
    let mut driver = Driver::over(Arc::clone(&capture), (120, 30));
    driver.press("4");
    assert!(!screen(&mut driver).contains("import."));
    driver.press("M");
    assert_eq!(asked(&driver), Some(EvidenceKind::Heads));
    let best = Head::new(Kind::Decoder, 1, 3);
    let heads = capture.all_heads();
    let importance = heads.iter().map(|&head| (head, if head == best { 0.75 } else { 0.25 })).collect();
    let rows = capture.target.len();
    let direct = DirectLogits {
        logit: vec![9.5; rows],
        heads: heads
            .iter()
            .filter(|head| head.kind() != Kind::Encoder)
            .map(|&head| (head, (0..rows).map(|row| if head == best { row as f32 } else { -0.5 }).collect()))
            .collect(),
        ..DirectLogits::default()
    };
    answer(&mut driver, Evidence::Heads(HeadEvidence { importance: Ok(importance), direct: Ok(direct) }));
    driver.press("<home>");
    driver.app.selection.target_query = 2;
    let shown = screen(&mut driver);
    let line = shown.lines().find(|line| line.contains("decoder.1.3")).unwrap();
    assert!(line.contains("0.750") && line.contains("+2.000"), "{line}");
    let first = shown.lines().position(|line| line.contains("head") && line.contains("import.")).unwrap();
    assert!(shown.lines().nth(first + 1).unwrap().contains("decoder.1.3"), "{shown}");
    assert!(shown.contains("by importance: how much the target depends"), "{shown}");
    // The next column is what the head adds to the logit of the selected row's token.
    driver.press("i");
    driver.press(":decoder 1.3<enter>");
    driver.press("1");
    let shown = screen(&mut driver);
    assert!(shown.contains("decoder.1.3 adds +2.00 directly to the logit of qui, 9.50 in all"), "{shown}");
    // What does not apply says why.
    driver.act(Action::Engine(Event::Captured(made::awkward())));
    driver.press("4M");
    let refused = || Err("it does not apply to this model: why".to_string());
    answer(
        &mut driver,
        Evidence::Heads(HeadEvidence {
            importance: refused().map(|()| BTreeMap::new()),
            direct: refused().map(|()| DirectLogits::default()),
        }),
    );
    driver.press("M");
    assert!(driver.app.notice.as_deref().is_some_and(|notice| notice.contains("does not apply")));
}

#[test]
fn a_token_is_explained_against_another_one() {
    let mut driver = Driver::over(made::sentence(), (100, 30));
    driver.app.selection.target_query = 2;
    driver.press("<ctrl-w>");
    let shown = screen(&mut driver);
    assert!(
        shown.contains("explain this row's token against") && shown.contains("the target's token"),
        "{shown}"
    );
    // The token of the row itself is not selected.
    driver.press("<enter>");
    let other = driver.app.capture.as_ref().unwrap().predictions[2].candidates[1].0.clone();
    assert_eq!(asked(&driver), Some(EvidenceKind::Relevance { contrast: Some(other.id) }));
    assert_eq!(driver.app.view.name(), "Flow");
    let scores = |tokens| Matrix::from_fn(10, tokens, |_, token| 1.0 / (1.0 + token as f32));
    let attribution = Attribution { source: scores(12), prefix: Some(scores(10)), completeness_error: None };
    // Relevance without the contrast is something else.
    answer(&mut driver, Evidence::Relevance { contrast: None, attribution: attribution.clone() });
    assert!(!screen(&mut driver).contains("relevance, weights times gradients"));
    answer(&mut driver, Evidence::Relevance { contrast: Some(other.id), attribution });
    let shown = screen(&mut driver);
    assert!(shown.contains("flow into enfants → qui") && shown.contains("relevance, not vivent"), "{shown}");
    let command = attn_tui::tui::reproduce::command_line(&driver.app).unwrap();
    assert!(command.contains("attribute made") && command.contains("--row 2 --contrast vivent"), "{command}");
    driver.press("<ctrl-w><up><enter>");
    assert!(driver.app.notice.as_deref().is_some_and(|notice| notice.contains("take another one")));
}
