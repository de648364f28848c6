//! Mean ablation and patching of single weights agree with transformers with hooks
//! (`tests/fixtures/make_interventions.py`).

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;

use attn_tui::analysis::faithful::kendall_tau;
use attn_tui::analysis::knockout::effect;
use attn_tui::analysis::patching::{ActivationKind, PatchEffects, PatchedLink, PositionMap};
use attn_tui::capture::{Ablator, Capture, HeadMeans};
use attn_tui::engine::{EstimatedPatches, PatchOptions, RunOptions, Session, Source};
use attn_tui::error::Error;
use attn_tui::model::EncoderInput;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind, Site};
use serde_json::Value;

use crate::evidence::{assert_near, base, base_of, numbers, session};
use crate::gradients::model;

const MODELS: [&str; 3] = ["t5", "bart", "marian"];

/// The entry of a model, and that of its patching.
fn references(name: &str) -> [Value; 2] {
    [include_str!("../fixtures/interventions.json"), include_str!("../fixtures/patching.json")]
        .map(|text| serde_json::from_str::<Value>(text).unwrap()[name].clone())
}

fn ids(reference: &Value, key: &str) -> Vec<u32> {
    numbers(&reference[key]).iter().map(|&id| id as u32).collect()
}

/// Sites in the order of the references.
fn sites(session: &Session) -> Vec<Site> {
    let (encoder, decoder) = session.info().layers;
    let counts = [(Kind::Encoder, encoder), (Kind::Decoder, decoder), (Kind::Cross, decoder)];
    counts
        .into_iter()
        .flat_map(|(kind, layers)| (0..layers).map(move |layer| Site::new(kind, layer)))
        .collect()
}

/// Means over the runs on the three sources of a reference.
fn means(session: &Session, patching: &Value) -> HeadMeans {
    let mut means = HeadMeans::default();
    for key in ["source", "corrupt", "shorter"] {
        let base = base(&ids(patching, key), &ids(patching, "fed"), &ids(patching, "target"));
        let source = Source::tokens(base.source.clone());
        session.add_to_means(&mut means, &base, &source, &Unwatched).unwrap();
    }
    means
}

#[test]
fn means_of_what_heads_read_agree_with_transformers() {
    for name in MODELS {
        let [reference, patching] = references(name);
        let session = session(name);
        let means = means(&session, &patching);
        let all: Vec<f32> = sites(&session).into_iter().flat_map(|site| means.at(site).unwrap()).collect();
        assert_near(&all, &numbers(&reference["means"]), name);
        // The three sources have 9, 9 and 7 tokens, and the target 7 each time.
        let counts: Vec<_> = means.positions().map(|(site, count)| (site.kind, count)).collect();
        let expected = |kind| if kind == Kind::Encoder { 25 } else { 21 };
        assert!(counts.iter().all(|&(kind, count)| count == expected(kind)), "{name}: {counts:?}");
    }
}

#[test]
fn mean_ablation_agrees_with_transformers() {
    for name in MODELS {
        let [reference, patching] = references(name);
        let (session, model) = (session(name), model(name));
        let means = Arc::new(means(&session, &patching));
        let [source, fed, target] = ["source", "fed", "target"].map(|key| ids(&patching, key));
        let mut all = Vec::new();
        for site in sites(&session) {
            let (encoder, decoder) = session.info().heads;
            for head in 0..if site.kind == Kind::Encoder { encoder } else { decoder } {
                let mut hook =
                    Ablator::new(vec![Ablation::Head(site.head(head))]).with_means(Some(Arc::clone(&means)));
                let encoded = model.encode(EncoderInput::Ids(&source), &mut hook, &mut |_| Ok(())).unwrap();
                let states = model.decode(&fed, 1, &encoded, None, &mut hook, &mut |_| Ok(())).unwrap();
                let logits = model.logits(&states).unwrap().squeeze(0).unwrap().to_vec2::<f32>().unwrap();
                all.extend(logits.iter().zip(&target).map(|(row, &id)| row[id as usize] - log_sum_exp(row)));
            }
        }
        assert_near(&all, &numbers(&reference["mean_heads"]), name);
    }
}

/// Logarithm of the sum of exponentials, in f64.
fn log_sum_exp(row: &[f32]) -> f32 {
    row.iter().map(|&logit| f64::from(logit).exp()).sum::<f64>().ln() as f32
}

#[test]
fn means_are_read_in_whole_runs_and_in_those_from_a_layer_on() {
    let run = RunOptions {
        source: "the woman who lives near my parents is tired".into(),
        target: Some("la femme est fatiguée".into()),
        logits: true,
        ..RunOptions::default()
    };
    // Grouped key heads with one softmax over two sites; global summaries; additive attention.
    for name in ["t5", "led", "t5gemma2", "longt5-tglobal", "m2m_100", "pegasus", "recurrent"] {
        let session = session(name);
        let texts = [&run.source, "we have two old houses"]
            .map(|source| Ok(RunOptions { source: source.into(), ..run.clone() }));
        let means = Arc::new(session.head_means(texts, &Unwatched).unwrap());
        let source = session.source(&run).unwrap();
        let (base, intact) = session.run_intact(&source, &run, &Unwatched).unwrap();
        let logits = base.logits.as_ref().unwrap();
        let mut variants: Vec<_> =
            base.all_heads().into_iter().map(|head| vec![Ablation::Head(head)]).collect();
        variants.push(vec![Ablation::Site(Site::new(Kind::Cross, 0))]);
        let effects = session.ablation_effects(&intact, logits, &variants, Some(&means), &Unwatched).unwrap();
        let zero = session.ablation_effects(&intact, logits, &variants, None, &Unwatched).unwrap();
        let mut differ = 0;
        for ((variant, found), zero) in variants.iter().zip(&effects).zip(&zero) {
            let head_means = Some(Arc::clone(&means));
            let run = RunOptions { ablations: variant.clone(), head_means, ..run.clone() };
            let whole = session.run(&run, &Unwatched).unwrap().logits.unwrap();
            let expected = effect(logits, &whole, &base.target.ids()).unwrap();
            assert_near(&found.after, &expected.after, &format!("{name} {variant:?}"));
            let forced = session.run_ablated(&intact, &run, &Unwatched).unwrap().forced;
            let logp: Vec<f32> = forced.iter().map(|row| row.probability.ln()).collect();
            assert_near(&logp, &expected.after, &format!("{name} {variant:?}, again"));
            differ += usize::from(found.after != zero.after);
        }
        assert!(2 * differ > variants.len(), "{name}: {differ}");
    }
    // Heads that read other states, too, have no mean over the tokens.
    for name in ["prophetnet", "pegasus_x"] {
        let found = session(name).head_means([Ok(run.clone())], &Unwatched);
        assert!(matches!(found, Err(Error::NotForModel { .. })), "{name}: {found:?}");
    }
    let none = session("t5").head_means([], &Unwatched);
    assert!(matches!(none, Err(Error::Text(_))), "{none:?}");
}

/// The links of a reference.
fn links(session: &Session, reference: &Value) -> Vec<PatchedLink> {
    let sites = sites(session);
    let link = |link: &Value| {
        let [site, head, query, key] = numbers(link)[..] else { panic!("{link}") };
        PatchedLink {
            head: sites[site as usize].head(head as usize),
            query: query as usize,
            key: key as usize,
        }
    };
    reference["links"].as_array().unwrap().iter().map(link).collect()
}

/// Estimates all links of the run that gave `clean`.
fn estimated(
    session: &Session,
    clean: &Capture,
    corrupt: &[u32],
    options: &PatchOptions,
) -> PatchEffects<PatchedLink> {
    let rows = 0..clean.target.len();
    let runs = EstimatedPatches { clean, corrupt, rows, options };
    session.estimate_links(&runs, usize::MAX, &Unwatched).unwrap()
}

#[test]
fn patches_of_single_weights_agree_with_transformers() {
    for name in MODELS {
        let [reference, patching] = references(name);
        let session = session(name);
        let (clean, _) = base_of(&patching);
        let (corrupt, options) = (ids(&patching, "corrupt"), PatchOptions::default());
        let links = links(&session, &reference);
        let measured = session.patch_links(&clean, &corrupt, &links, &options, &Unwatched).unwrap();
        let scores: Vec<f32> = links
            .iter()
            .flat_map(|link| measured.patched.iter().find(|(found, _)| found == link).unwrap().1.clone())
            .collect();
        assert_near(&scores, &numbers(&reference["link_scores"]), name);
        let all = estimated(&session, &clean, &corrupt, &options);
        let changes: BTreeMap<_, _> = all.changes.iter().copied().collect();
        let ours: Vec<f32> = links.iter().map(|link| changes.get(link).copied().unwrap_or(0.0)).collect();
        assert_near(&ours, &numbers(&reference["link_estimates"]), name);
        // Those of a head's links add up to that of its whole map.
        let runs = EstimatedPatches {
            clean: &clean,
            corrupt: &corrupt,
            rows: 0..clean.target.len(),
            options: &options,
        };
        let maps = session.estimate_patching(&runs, ActivationKind::Pattern, &Unwatched).unwrap();
        for (what, whole) in maps.changes {
            let head = what.site.head(what.at);
            let parts = all.changes.iter().filter(|(link, _)| link.head == head);
            assert_near(&[parts.map(|(_, change)| change).sum()], &[whole], &format!("{name} {head}"));
        }
        assert!(all.changes.is_sorted_by(|a, b| a.1.abs() >= b.1.abs()), "{name}");
        let runs = EstimatedPatches {
            clean: &clean,
            corrupt: &corrupt,
            rows: 0..clean.target.len(),
            options: &options,
        };
        let few = session.estimate_links(&runs, 5, &Unwatched).unwrap();
        assert_eq!(few.changes, all.changes[..5], "{name}");
    }
}

#[test]
fn links_of_sources_of_different_lengths_are_those_of_common_positions() {
    let [_, patching] = references("bart");
    let session = session("bart");
    let (clean, _) = base_of(&patching);
    let (shorter, options) = (ids(&patching, "shorter"), PatchOptions::default());
    let all = estimated(&session, &clean, &shorter, &options);
    assert!(all.changes.iter().any(|(link, _)| link.head.kind() == Kind::Encoder));
    // All 7 tokens of the shorter source stand in the longer one.
    let largest = |kind| {
        all.changes.iter().filter(move |(link, _)| link.head.kind() == kind).map(|(link, _)| link.key).max()
    };
    assert_eq!((largest(Kind::Encoder), largest(Kind::Cross)), (Some(6), Some(6)));
    let links: Vec<_> = all.changes.iter().take(8).map(|(link, _)| *link).collect();
    let measured = session.patch_links(&clean, &shorter, &links, &options, &Unwatched).unwrap();
    let effects = measured.effects(0..clean.target.len());
    let agree = effects.changes.iter().filter(|(link, change)| {
        let estimate = all.changes.iter().find(|(found, _)| found == link).unwrap().1;
        (estimate > 0.0) == (*change > 0.0)
    });
    assert!(agree.count() >= 7, "{:?} {:?}", effects.changes, all.changes);
    // A position that has no like is no link of both.
    let map = PositionMap::given(&["0-1:0-1".parse().unwrap()], [9, 7]).unwrap();
    let options = PatchOptions { map: Some(map), ..PatchOptions::default() };
    let link = PatchedLink { head: Head::new(Kind::Cross, 0, 0), query: 0, key: 5 };
    let found = session.patch_links(&clean, &shorter, &[link], &options, &Unwatched);
    assert!(matches!(found, Err(Error::NoSuchHead(_))), "{found:?}");
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(arguments).args(["--threads", "2"]).output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = if json.is_array() { json } else { json["rows"].clone() };
    rows.as_array().unwrap().clone()
}

#[test]
fn the_command_ablates_to_the_mean_over_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.tsv");
    std::fs::write(
        &file,
        "source\ttarget\nThe house is old.\tLa maison est vieille.\nA cat sleeps.\tUn chat dort.\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let knockout = |more: &[&str]| {
        let common =
            ["knockout", "demo", "-s", "The dog is old.", "-t", "Le chien est vieux.", "--kind", "cross"];
        program(&[&common[..], &["--json"], more].concat())
    };
    let mean = knockout(&["--mean-over", path]);
    let note = String::from_utf8_lossy(&mean.stderr).into_owned();
    assert!(note.contains("mean over") && note.contains("sentences: 2"), "{note}");
    let (mean, zero) = (rows(&mean), rows(&knockout(&[])));
    assert_eq!((mean.len(), zero.len()), (18, 18));
    assert!(
        mean.iter().all(|row| row["ablation"] == "mean") && zero.iter().all(|row| row["ablation"] == "zero")
    );
    assert_ne!(mean[0]["drop"], zero[0]["drop"]);
    let tokens = rows(&knockout(&["--mean-over", path, "--tokens"]));
    assert!(tokens.iter().all(|row| row["ablation"] == "mean"));
    let link = knockout(&["--mean-over", path, "--layer", "0", "--head", "0", "--link", "0:0"]);
    assert_eq!(link.status.code(), Some(2));
    let empty = folder.path().join("empty.txt");
    std::fs::write(&empty, "\n").unwrap();
    let empty = knockout(&["--mean-over", empty.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&empty.stderr).contains("no sentences in"), "{empty:?}");
    let absent = knockout(&["--mean-over", "/nowhere.txt"]);
    assert!(!absent.status.success() && String::from_utf8_lossy(&absent.stderr).contains("nowhere.txt"));
}

#[test]
fn the_command_patches_links_and_takes_given_positions() {
    let patch = |corrupt: &str, more: &[&str]| {
        let common = ["patch", "demo", "--clean", "The house is old.", "--corrupt", corrupt];
        program(&[&common[..], more].concat())
    };
    let measured = rows(&patch("The house is new.", &["--what", "links", "--top", "6", "--json"]));
    assert_eq!(measured.len(), 6);
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap();
    assert!(measured.is_sorted_by(|a, b| number(a, "effect").abs() >= number(b, "effect").abs()));
    assert!(measured.iter().all(|row| row["what"] == "links" && row["estimate"].is_number()));
    let all = rows(&patch("The house is new.", &["--what", "links", "--estimate", "--json"]));
    assert!(all.len() > 1000 && all[0].get("estimate").is_none(), "{}", all.len());
    // docs/explanation/evidence.md says how well estimates rank the links of the built-in model.
    let all = rows(&patch("The house is new.", &["--what", "links", "--top", "5000", "--json"]));
    let [effects, estimates] =
        ["effect", "estimate"].map(|key| all.iter().map(|row| number(row, key) as f32).collect::<Vec<_>>());
    let tau = kendall_tau(&effects, &estimates).unwrap();
    assert!(all.len() > 1500 && (0.96..0.98).contains(&tau), "{} links, {tau}", all.len());
    let table = patch("The house is new.", &["--what", "links", "--top", "3"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.lines().next().unwrap().ends_with("estimate") && text.lines().count() == 4, "{text}");

    let longer = "The big house is very old.";
    let found = patch(longer, &["--what", "encoder", "--json"]);
    let note = String::from_utf8_lossy(&found.stderr).into_owned();
    assert!(note.contains("--map gives others") && note.contains("without like are"), "{note}");
    let positions = |output: &Output| -> Vec<u64> {
        rows(output).iter().map(|row| row["position"].as_u64().unwrap()).collect()
    };
    let given = patch(longer, &["--what", "encoder", "--json", "--map", "0:0,1-2:2-3"]);
    assert_eq!(positions(&given), [0, 2, 3]);
    assert_ne!(positions(&found), [0, 2, 3]);
    for (map, says) in [("0-1:0", "more positions"), ("0:99", "counted from 0"), ("0:0,1:0", "twice")] {
        let output = patch(longer, &["--map", map]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(says), "{map}: {error}");
    }
}
