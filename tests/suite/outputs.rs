//! Files and tables of the command line: pictures of tables, comparisons, settings, and refusals in plain words.

use std::process::{Command, Output};

use attn_tui::capture::comparison::{Comparison, common};
use attn_tui::site::Kind;
use serde_json::Value;

use crate::made;

const DEMO: &str = "tests/fixtures/captures/demo.safetensors";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(args).env_remove("ATTN_TUI_BEAMS").output().unwrap()
}

fn ok(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn tables_are_written_as_pictures_pages_and_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (command, holds) in [("heads", "far mass"), ("links", "query token"), ("rollout", "source share")] {
        let svg = path(&format!("{command}.svg"));
        assert_eq!(ok(&[command, DEMO, "-o", &svg]), "");
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(text.starts_with("<svg") && text.contains(holds), "{command}");
        assert_eq!(run(&[command, DEMO, "-o", &svg]).status.code(), Some(1), "it exists");
        ok(&[command, DEMO, "-o", &svg, "--force"]);
    }
    let csv = path("heads.csv");
    ok(&["heads", DEMO, "-o", &csv]);
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), ok(&["heads", DEMO, "--csv"]));
    let html = path("links.html");
    ok(&["links", DEMO, "-o", &html]);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("<table>") && page.contains("<th scope=\"col\">query_token</th>"), "{page}");
    let png = path("rollout.png");
    ok(&["rollout", DEMO, "--map", "-o", &png]);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    assert!(refused(&["heads", DEMO, "-o", &path("heads.npz")]).contains("holds the maps of a capture"));
}

#[test]
fn a_file_holds_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (command, more) in [
        ("attribute", &["-s", "The cat sleeps.", "--row", "1"][..]),
        ("faithful", &["-s", "The cat sleeps.", "--methods", "mean"]),
        ("lens", &["-s", "The cat sleeps."]),
        ("lens", &["-s", "The cat sleeps.", "--direct"]),
        ("patch", &["-s", "The cat sleeps.", "--corrupt", "The dog sleeps.", "--estimate"]),
    ] {
        let arguments = [&[command, "demo", "-t", "Le chat dort."], more].concat();
        let path = folder.path().join(format!("{}.json", more.len())).display().to_string();
        ok(&[&arguments[..], &["-o", &path, "--force"]].concat());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, ok(&[&arguments[..], &["--json"]].concat()), "{command}");
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["schema"], format!("attn-tui {command} 1"));
    }
}

#[test]
fn an_export_ignores_no_view() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("x.csv").display().to_string();
    let error = refused(&["export", DEMO, "--view", "grid", "-o", &csv]);
    assert!(error.contains("--view chooses the content of a picture"), "{error}");
    let svg = folder.path().join("lines.svg").display().to_string();
    ok(&["export", DEMO, "--view", "lines", "--kind", "cross", "--layer", "2", "--head", "4", "-o", &svg]);
    let text = std::fs::read_to_string(&svg).unwrap();
    assert!(text.contains("cross-attention, layer 2, head 4") && text.contains("femme"), "{text}");
    // Each row of this head has one strong key.
    assert!(text.matches("<line").count() >= 12, "{text}");
    let other = folder.path().join("other.svg").display().to_string();
    assert!(refused(&["export", DEMO, "--view", "lines", "--query", "1", "-o", &other]).contains("all rows"));
}

#[test]
fn wrong_numbers_are_told_what_is_wanted() {
    const WHOLE: &str = "must be a whole number, 0 or more";
    for (arguments, said) in [
        (&["show", DEMO, "--layer", "x"][..], WHOLE),
        (&["show", DEMO, "--head", "-1"], WHOLE),
        (&["links", DEMO, "--top", "1.5"], WHOLE),
        (&["lens", DEMO, "--row", "99999999999999999999"], "is too large"),
        (&["scan", DEMO, "--batch", "0"], "must be a whole number from 1 to 1000000"),
        (&["faithful", DEMO, "--random", "x"], "must be a whole number from 1 to 1000"),
        (&["links", DEMO, "--min-distance", "-2"], "must be a number, 0 or more"),
        (&["DEMO", "--beams", "-2"], "must be a whole number from 1 to 65536"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(said) && error.contains(arguments[2]), "{arguments:?}: {error}");
        assert!(!error.contains("invalid digit"), "{error}");
    }
}

#[test]
fn a_capture_compared_with_itself_changes_nowhere() {
    let json: Value = serde_json::from_str(&ok(&["compare", DEMO, "--with", DEMO, "--json"])).unwrap();
    assert_eq!(json["schema"], "attn-tui compare 1");
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 54);
    assert!(rows.iter().all(|row| row["divergence"].as_f64().unwrap() < 1e-6));
    assert!(refused(&["compare", DEMO]).contains("--with-source"));
}

#[test]
fn changes_are_jensen_shannon_divergences_of_common_rows() {
    let source = ["▁The", "▁dog", "▁who", "▁live", "▁next", "▁door", "▁is", "▁play", "ing", ".", "</s>"];
    let target = ["▁Les", "▁enfants", "▁qui", "▁vit", "▁à", "▁côté", "▁joue", ".", "</s>"];
    let (a, b) = (made::sentence(), made::capture(&source, &target, 3, 6));
    let comparison = Comparison::new(&a, &b).unwrap();
    assert_eq!(comparison.changes.len(), 54);
    let (queries, keys) = (common(comparison.queries(Kind::Cross)), common(comparison.keys(Kind::Cross)));
    assert!(keys.len() < source.len() && !keys.is_empty());
    for &(head, change) in comparison.changes.iter().filter(|(head, _)| head.kind() == Kind::Cross).take(4) {
        let (first, second) = (a.map(head).unwrap(), b.map(head).unwrap());
        let mut sum = 0.0f64;
        for &(i, k) in &queries {
            let pair = |&(j, l): &(usize, usize)| {
                (f64::from(first.get(i, j).unwrap()), f64::from(second.get(k, l).unwrap()))
            };
            let mut cells: Vec<(f64, f64)> = keys.iter().map(pair).collect();
            // One key more holds the weight of the tokens that only one sentence has.
            let rest = cells.iter().fold((1.0, 1.0), |rest, cell| (rest.0 - cell.0, rest.1 - cell.1));
            cells.push(rest);
            let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            sum += cells
                .iter()
                .map(|(p, q)| entropy((p + q) / 2.0) - (entropy(*p) + entropy(*q)) / 2.0)
                .sum::<f64>();
        }
        assert!((sum / queries.len() as f64 - f64::from(change)).abs() < 1e-4, "{head}: {sum} {change}");
    }
}

#[test]
fn settings_tell_their_place() {
    let json: Value = serde_json::from_str(&ok(&["config", "--json"])).unwrap();
    assert_eq!(json["schema"], "attn-tui config 1");
    let model = json["rows"].as_array().unwrap().iter().find(|row| row["setting"] == "model").unwrap();
    assert!(model["value"].is_string() && model["from"].is_string());
    assert!(ok(&["config"]).lines().count() > 15);
}

#[test]
fn mistyped_commands_and_missing_devices_are_told_in_plain_words() {
    // The check comes before the one for a terminal.
    assert!(refused(&["hedas"]).contains("did you mean 'heads'?"));
    if !cfg!(feature = "cuda") {
        let error = refused(&["show", "demo", "--device", "cuda"]);
        assert!(error.contains("built without cuda"), "{error}");
    }
}

#[test]
fn every_command_has_two_examples() {
    let commands = ["capture", "show", "heads", "links", "align", "compare", "rollout", "knockout", "export"];
    for command in commands.into_iter().chain(["tour", "models", "doctor", "config", "completions", "man"]) {
        let help = ok(&[command, "--help"]);
        let examples = help
            .lines()
            .filter(|line| {
                line.starts_with("  attn-tui ")
                    || line.contains("| attn-tui ")
                    || line.contains("attn-tui config --json")
            })
            .count();
        assert!(help.contains("Examples:") && examples >= 2, "{command}: {help}");
    }
}
