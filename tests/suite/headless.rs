//! Commands that print numbers, run as the real binary on a capture file.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const DEMO: &str = "tests/fixtures/captures/demo.safetensors";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(args).output().unwrap()
}

fn ok(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Vec<Value> {
    serde_json::from_str(&ok(args)).unwrap()
}

fn fails(args: &[&str], code: i32) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn show_prints_numbers_where_there_is_no_terminal() {
    let shown = ok(&["show", DEMO, "--kind", "cross", "--layer", "2", "--head", "4"]);
    assert!(!shown.contains('\x1b'));
    let row = shown.lines().find(|line| line.contains("La → femme")).unwrap();
    assert!(row.contains(" 0.980 "), "{row}");
    assert!(ok(&["show", DEMO, "--cells", "glyphs"]).contains('█'));
    assert!(ok(&["show", DEMO, "--color", "always"]).contains("\x1b[48;5;"));
    let merged = ok(&["show", DEMO, "--kind", "encoder", "--layer", "0", "--merge", "mean"]);
    assert!(merged.starts_with("encoder self-attention, mean over 6 heads of layer 0"));
    assert!(fails(&["show", DEMO, "--kind", "cross", "--layer", "7"], 1).contains("layers 0 to 2"));
    assert!(fails(&["show", DEMO, "--kind", "sideways"], 2).contains("encoder"));
}

#[test]
fn heads_lists_sorts_and_groups() {
    let all = json(&["heads", DEMO, "--json"]);
    assert_eq!(all.len(), 54);
    assert_eq!(all[0]["kind"], "encoder");
    assert!(all[0]["monotonicity"].is_null() && all[53]["monotonicity"].is_number());
    assert!(all[0]["offset"].is_i64() && all[0]["entropy"].is_f64());
    let sorted = json(&["heads", DEMO, "--kind", "cross", "--sort", "confidence", "--top", "3", "--json"]);
    assert_eq!(sorted.len(), 3);
    let confidence = |row: usize| sorted[row]["confidence"].as_f64().unwrap();
    assert!(confidence(0) >= confidence(1) && confidence(1) >= confidence(2) && confidence(0) > 0.8);
    let csv = ok(&["heads", DEMO, "--csv", "--columns", "entropy,sink_key"]);
    assert_eq!(csv.lines().next(), Some("kind,layer,head,entropy,sink_key"));
    let groups = json(&["heads", DEMO, "--kind", "cross", "--groups", "2", "--json"]);
    assert!(groups.iter().all(|row| row["group"].as_u64().unwrap() < 2));
    assert!(fails(&["heads", DEMO, "--sort", "beauty"], 2).contains("entropy"));
}

#[test]
fn links_are_far_and_strong_first() {
    let links = json(&["links", DEMO, "--kind", "encoder", "--min-distance", "6", "--top", "5", "--json"]);
    assert_eq!(links.len(), 5);
    // the subject and its verb, seven tokens apart
    assert_eq!((&links[0]["query_token"], &links[0]["key_token"]), (&"The".into(), &"is".into()));
    assert_eq!((&links[0]["layer"], &links[0]["head"]), (&1.into(), &4.into()));
    assert!(links.iter().all(|link| link["distance"].as_f64().unwrap() >= 6.0));
    assert_eq!(json(&["links", DEMO, "--min-distance", "99", "--json"]).len(), 0);
}

/// The measures taken during a pass equal those taken from its capture file, whole or compact, and those taken
/// afterwards of a selection.
#[test]
fn heads_and_links_of_a_run_are_those_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let source =
        "the cat , which sleeps in the garden behind the old house , is the cat of the neighbours . "
            .repeat(5);
    let text = ["--source", &source, "--target", "le chat qui dort dans le jardin est celui des voisins ."];
    let with = |command: &str, model: &str, more: &[&str]| {
        let texts: &[&str] = if model == "demo" { &text } else { &[] };
        json(&[&[command, model, "--json"], texts, more].concat())
    };
    let files = ["0", "1G"].map(|memory| {
        let path = folder.path().join(format!("{memory}.safetensors")).to_str().unwrap().to_string();
        ok(&[&["capture", "demo", "--output", &path, "--memory", memory][..], &text].concat());
        path
    });
    let near = |ours: &[Value], theirs: &[Value]| {
        assert_eq!(ours.len(), theirs.len());
        let pairs = ours.iter().zip(theirs).flat_map(|(a, b)| {
            let (a, b) = (a.as_object().unwrap(), b.as_object().unwrap());
            assert!(a.keys().eq(b.keys()));
            a.iter().map(|(column, a)| (column.clone(), a.clone(), b[column].clone())).collect::<Vec<_>>()
        });
        for (column, a, b) in pairs.filter(|(column, ..)| column != "sink_key") {
            match (a.as_f64(), b.as_f64()) {
                (Some(x), Some(y)) => assert!((x - y).abs() <= 1e-5 * y.abs().max(1.0), "{column}: {a} {b}"),
                _ => assert_eq!(a, b, "{column}"),
            }
        }
    };
    for more in [&[][..], &["--groups", "3"], &["--far", "2.5"], &["--weights", "values"]] {
        let of_run = with("heads", "demo", more);
        assert!(of_run[0]["gini"].is_number());
        for file in files.iter().filter(|_| !more.contains(&"values")) {
            near(&of_run, &with("heads", file, more));
        }
        let cross = with("heads", "demo", &[&["--kind", "cross"], more].concat());
        let rows: Vec<Value> = of_run.iter().filter(|row| row["kind"] == "cross").cloned().collect();
        near(&rows, &cross);
    }
    let columns = ["--columns", "entropy,gini", "--sort", "gini"];
    assert!(
        with("heads", "demo", &columns)
            .windows(2)
            .all(|rows| rows[0]["gini"].as_f64() >= rows[1]["gini"].as_f64())
    );
    for more in [&["--top", "1000"][..], &["--sinks", "--special", "--punctuation", "--min-distance", "1"]] {
        let of_run = with("links", "demo", more);
        // Weaker links than the strong ones that a profile lists by itself.
        assert!(more.len() > 2 || of_run.last().unwrap()["weight"].as_f64().unwrap() < 0.1);
        files.iter().for_each(|file| near(&of_run, &with("links", file, more)));
        let decoder = with("links", "demo", &[&["--kind", "decoder"], more].concat());
        assert!(decoder.iter().all(|row| row["kind"] == "decoder"));
    }
}

#[test]
fn align_gives_pharaoh_and_error_rates() {
    let line = ok(&["align", DEMO, "--layer", "2", "--head", "4"]);
    assert!(line.starts_with("0-0 1-1 2-2 3-3 4-4 "), "{line}");
    let folder = tempfile::tempdir().unwrap();
    let gold = folder.path().join("gold");
    std::fs::write(&gold, "0-0 1-1 2-2 3-3 4-4 4?5 5-6 6-7 7-8 8-9 9-10\n").unwrap();
    let gold = gold.to_str().unwrap();
    let rates = json(&["align", DEMO, "--per-head", "--gold", gold, "--json"]);
    assert_eq!(rates.len(), 18);
    assert!(rates[0]["aer"].as_f64().unwrap() < 0.2);
    assert!(rates[0]["aer"].as_f64() <= rates[17]["aer"].as_f64());
    let fed = ok(&["align", DEMO, "--layer", "2", "--head", "4", "--convention", "fed"]);
    assert_ne!(fed, line);
}

#[test]
fn rollout_shares_sum_to_one() {
    for row in json(&["rollout", DEMO, "--json"]) {
        let sum = row["source_share"].as_f64().unwrap() + row["prefix_share"].as_f64().unwrap();
        assert!((sum - 1.0).abs() < 1e-5, "{row}");
    }
    let map = json(&["rollout", DEMO, "--kind", "encoder", "--map", "--json"]);
    assert_eq!(map.len(), 144);
}

#[test]
fn alti_shares_differ_by_row() {
    let rows = json(&["rollout", "demo", "--method", "alti", "--json"]);
    let shares: Vec<f64> = rows.iter().map(|row| row["source_share"].as_f64().unwrap()).collect();
    for (row, share) in rows.iter().zip(&shares) {
        assert!((share + row["prefix_share"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{row}");
    }
    let spread = shares.iter().fold(0.0, |most: f64, share| most.max((share - shares[0]).abs()));
    assert!(spread > 0.01, "{shares:?}");
    assert!(fails(&["rollout", DEMO, "--method", "alti"], 1).contains("capture --values"));
    assert!(fails(&["rollout", DEMO, "--method", "alti", "--residual", "0.5"], 2).contains("--residual"));
}

#[test]
fn value_weighted_maps_come_from_a_file_with_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (file, again, weighted) = (path("a.safetensors"), path("b.npz"), path("c.safetensors"));
    ok(&["capture", "demo", "--values", "-o", &file]);
    let heads = ["--weights", "values", "--kind", "cross", "--json"];
    let ours = json(&[&["heads", "demo"], &heads[..]].concat());
    assert_eq!(json(&[&["heads", &file], &heads[..]].concat()), ours);
    assert_ne!(json(&["heads", "demo", "--kind", "cross", "--json"]), ours);
    ok(&["export", &file, "-o", &again]);
    assert_eq!(json(&[&["heads", &again], &heads[..]].concat()), ours);
    ok(&["export", &file, "--weights", "values", "-o", &weighted]);
    assert_eq!(json(&["heads", &weighted, "--kind", "cross", "--json"]), ours);
    assert!(fails(&["show", DEMO, "--weights", "values"], 1).contains("capture --values"));
    assert_eq!(ok(&["rollout", &file, "--method", "alti"]), ok(&["rollout", "demo", "--method", "alti"]));
}

/// Asserts that the metrics of two sets of heads agree within 1e-5.
fn assert_same_heads(ours: &[Value], theirs: &[Value]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        for (name, value) in ours.as_object().unwrap() {
            match (value.as_f64(), theirs[name].as_f64()) {
                (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-5, "{name}: {ours} and {theirs}"),
                _ => assert_eq!(value, &theirs[name], "{name}"),
            }
        }
    }
}

#[test]
fn a_capture_written_in_python_has_the_same_heads() {
    // tests/fixtures/make_captures.py
    let t5 = "tests/fixtures/models/t5/model";
    for (file, model) in [("readme-demo", "demo"), ("readme-t5", t5)] {
        let file = format!("tests/fixtures/captures/{file}.safetensors");
        let capture = attn_tui::capture::read(Path::new(&file)).unwrap();
        let (source, target) = (capture.source.text.as_str(), capture.target.text.as_str());
        let ours = json(&["heads", model, "--source", source, "--target", target, "--json"]);
        assert_same_heads(&ours, &json(&["heads", &file, "--json"]));
    }
}

#[test]
fn the_demo_aligns_words() {
    let file = |name: &str| format!("tests/fixtures/alignment/{name}.txt");
    let (source, target, gold) = (file("source"), file("target"), file("gold"));
    let base =
        ["align", "demo", "--source-file", &source, "--target-file", &target, "--gold", &gold, "--json"];
    let heads = json(&[&base[..], &["--per-head"]].concat());
    assert_eq!((&heads[0]["layer"], &heads[0]["head"]), (&2.into(), &4.into()));
    let aer = |row: &Value| row["aer"].as_f64().unwrap();
    assert!(aer(&heads[0]) < 0.15, "{}", heads[0]);
    let merged = json(&[&base[..], &["--layer", "2"]].concat());
    assert!(aer(&merged[0]) < 0.1, "{}", merged[0]);
    let listed = |heads: &str, more: &[&str]| json(&[&base[..], &["--heads", heads], more].concat());
    assert_eq!(listed("2.0,2.1,2.2,2.3,2.4,2.5", &[]), merged);
    assert_eq!(listed("2.4", &[])[0], heads[0]);
    let two = listed("1.0,2.4", &["--per-head"]);
    assert_eq!(two.len(), 2);
    assert!(two.iter().all(|row| heads.contains(row)), "{two:?}");
    let refused = fails(&[&base[..], &["--heads", "2.9"]].concat(), 1);
    assert!(refused.contains("heads 0 to 5, not 9"), "{refused}");
    fails(&[&base[..], &["--heads", "2.4", "--layer", "2"]].concat(), 2);
    let fed = json(&[&base[..], &["--layer", "2", "--convention", "fed"]].concat());
    assert!(aer(&fed[0]) > 0.4, "{}", fed[0]);
}

#[test]
fn soft_alignments_of_marian_and_nematus_open() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    let marian = write("out.txt", "▁ja ||| 0.75,0.25 0.5,0.5\nyes ||| ▁nein ||| 0.9,0.1 0.2,0.8\n");
    assert!(ok(&["show", &marian]).contains("0.750"));
    let second = format!("{marian}@1");
    assert_eq!(ok(&["align", &second]), "0-0\n");
    let csv = folder.path().join("x.csv").to_str().unwrap().to_string();
    ok(&["export", &second, "-o", &csv]);
    assert!(std::fs::read_to_string(csv).unwrap().contains("cross,0,0,0,0,<start>,yes,0.9\n"));
    assert!(fails(&["show", &format!("{marian}@2")], 1).contains("sentences 0 to 1"));
    assert!(fails(&["show", &format!("{marian}@x")], 1).contains("no such file"));
    let nematus = write("ali", "0 ||| ja ||| 0.5 ||| yes ||| 2 2\n0.75 0.25\n0.5 0.5\n");
    assert_eq!(json(&["heads", &nematus, "--json"]).len(), 1);
}

#[test]
fn wrong_input_is_a_one_line_error_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    std::fs::write(path("blank.txt"), " \n\n").unwrap();
    std::fs::write(path("none.txt"), "").unwrap();
    std::fs::create_dir(path("folder.png")).unwrap();
    let (blank, none, table) = (path("blank.txt"), path("none.txt"), path("t.jsonl"));
    let (inside, directory) = (path("nowhere/x.png"), path("folder.png"));
    let cases: [(&[&str], i32, &str); 12] = [
        (&["heads", "demo", "-s", " "], 1, "source is empty"),
        (&["heads", "demo", "-s", "Hi.", "-t", ""], 1, "target is empty"),
        (&["heads", "demo", "--source-file", &blank], 1, "no sentences"),
        (&["heads", "demo", "--source-file", &none, "--table", &table], 1, "no sentences"),
        (&["export", DEMO, "-o", &inside], 1, "nowhere"),
        (&["export", DEMO, "-o", &directory, "--force"], 1, "folder.png"),
        (&["export", DEMO, "-o", "x.png", "--query", "99"], 1, "queries 0 to 12"),
        (&["rollout", "tests/fixtures/captures/stacked.npz"], 1, "no encoder attention"),
        (&["align", DEMO, "--layer", "9"], 1, "layers 0 to 2"),
        (&["knockout", DEMO], 2, "capture file"),
        (&["links", DEMO, "--min-distance=-1"], 2, "0 or more"),
        (&["show", "nothing.safetensors"], 1, "no such file"),
    ];
    for (args, code, what) in cases {
        let told = fails(args, code);
        assert!(told.contains(what), "{args:?}: {told}");
    }
    let mut left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["blank.txt", "folder.png", "none.txt"]);
}

#[test]
fn imports_without_valid_weights_are_refused() {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let shown = |dtype: Dtype, shape: &[usize], data: &[u8]| {
        let view = TensorView::new(dtype, shape.to_vec(), data).unwrap();
        std::fs::write(&path, safetensors::serialize([("cross.0", view)], None).unwrap()).unwrap();
        run(&["show", path.to_str().unwrap()])
    };
    let wide = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let refused = |values: &[f32], shape: &[usize]| {
        let output = shown(Dtype::F32, shape, &wide(values));
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[f32::NAN, 1.0], &[1, 1, 2]).contains("cross.0 holds NaN"));
    assert!(refused(&[-0.5, 1.5], &[1, 1, 2]).contains("-0.5, which is no weight"));
    assert!(refused(&[0.5, 0.5, 2.0, 1.0], &[1, 2, 2]).contains("row 1 of head 0 sums to 3"));
    assert!(refused(&[0.5, 0.5], &[1, 2]).contains("not [heads, queries, keys]"));
    // rows may sum to less than 1; half and double precision are read
    assert!(shown(Dtype::F32, &[1, 1, 2], &wide(&[0.25, 0.5])).status.success());
    let double: Vec<u8> = [0.25f64, 0.75].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(shown(Dtype::F64, &[1, 1, 1, 2], &double).status.success());
    for (dtype, half) in [(Dtype::F16, 0x3400u16), (Dtype::BF16, 0x3e80)] {
        let output = shown(dtype, &[1, 1, 1], &half.to_le_bytes());
        assert!(String::from_utf8(output.stdout).unwrap().contains("0.250"), "{dtype:?}");
    }
    assert!(!shown(Dtype::I64, &[1, 1, 1], &[0; 8]).status.success());
}

#[test]
fn export_overwrites_only_with_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.svg");
    let path = path.to_str().unwrap();
    let export = ["export", DEMO, "--kind", "cross", "--output", path];
    ok(&export);
    assert!(fails(&export, 1).contains("--force"));
    ok(&[&export[..], &["--force", "--theme", "dark"]].concat());
    assert!(std::fs::read_to_string(path).unwrap().contains("all heads"));
    assert!(fails(&["export", DEMO, "--output", "x.pdf"], 2).contains("png"));
}

#[test]
fn analyses_of_texts_refuse_models_of_pictures() {
    let commands: [&[&str]; 3] = [&["needles"], &["patch", "--corrupt", "x"], &["faithful"]];
    for words in commands {
        let error = fails(&[&words[..1], &["demo-ocr"], &words[1..]].concat(), 1);
        assert!(error.contains("it sees pictures, and this analysis is one of texts"), "{error}");
    }
}

/// Runs `heads` over texts. Returns the lines of its table, and its output.
fn survey(folder: &Path, name: &str, texts: &str, more: &[&str]) -> (String, String) {
    let (sources, table) = (folder.join("sources.txt"), folder.join(name));
    std::fs::write(&sources, texts).unwrap();
    let (sources, path) = (sources.to_str().unwrap(), table.to_str().unwrap());
    let base = ["heads", "demo", "--source-file", sources, "--table", path, "--beams", "1", "--json"];
    let printed = ok(&[&base[..], more].concat());
    (std::fs::read_to_string(&table).unwrap(), printed)
}

#[test]
fn an_interrupted_run_over_texts_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let texts = "I am here.\nYou are tired.\nWho is she?\n";
    let (whole, printed) = survey(folder.path(), "whole.jsonl", texts, &[]);
    assert_eq!(whole.lines().count(), 3 * 54);
    let means: Vec<Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!(means.len(), 54);
    assert_eq!(means[0]["sentences"], 3);
    for cut in [0, 100, whole.len() / 2, whole.len()] {
        std::fs::write(folder.path().join("again.jsonl.part"), &whole[..cut]).unwrap();
        assert_eq!(
            survey(folder.path(), "again.jsonl", texts, &["--force"]),
            (whole.clone(), printed.clone())
        );
        assert!(!folder.path().join("again.jsonl.part").exists());
    }
    std::fs::write(folder.path().join("other.jsonl.part"), &whole).unwrap();
    let sources = folder.path().join("sources.txt");
    std::fs::write(&sources, "I am here.\nYou are tired.\nWhere are they?\n").unwrap();
    let (sources, other) = (sources.to_str().unwrap(), folder.path().join("other.jsonl"));
    let args =
        ["heads", "demo", "--source-file", sources, "--table", other.to_str().unwrap(), "--beams", "1"];
    assert!(fails(&args, 1).contains("other.jsonl.part"));
}

/// Copies a fixture's model with other generation settings.
fn model_with(generation: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir("tests/fixtures/models/t5/model").unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("generation_config.json"), generation).unwrap();
    folder
}

#[test]
fn sampled_texts_follow_the_seed_and_say_so() {
    let model = model_with(
        r#"{"do_sample": true, "temperature": 1.5, "top_k": 40, "top_p": 0.99, "max_new_tokens": 12, "typical_p": 0.9}"#,
    );
    let file = model.path().join("maps.safetensors");
    let folder = model.path().to_str().unwrap();
    let sampled = |more: &[&str]| {
        let wanted = ["capture", folder, "-s", "The rain stops.", "--force", "-o", file.to_str().unwrap()];
        let output = run(&[&wanted, more].concat());
        let notes = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{notes}");
        let bytes = std::fs::read(&file).unwrap();
        let fields = safetensors::SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
        (fields["target_ids"].clone(), fields.get("target_sampled_with_seed").cloned(), notes)
    };
    let first = sampled(&[]);
    assert_eq!(first.1.as_deref(), Some("0"));
    assert!(
        first.2.contains("sampled, seed 0") && first.2.contains("not followed: typical_p"),
        "{}",
        first.2
    );
    assert_eq!(first.0, sampled(&["--seed", "0"]).0);
    let others: Vec<_> = ["1", "2", "3"].map(|seed| sampled(&["--seed", seed])).into();
    assert!(others.iter().any(|other| other.0 != first.0));
    assert!(others[0].2.contains("sampled, seed 1"));
    let beams = sampled(&["--beams", "3"]);
    assert_eq!((beams.0.clone(), beams.1.as_deref()), (sampled(&["--beams", "3"]).0, Some("0")));
    let given = sampled(&["-t", "La pluie."]);
    assert_eq!((given.1, given.2), (None, String::new()));
}

#[test]
fn settings_that_are_not_followed_are_named_once() {
    let model =
        model_with(r#"{"num_beams": 4, "num_beam_groups": 2, "stop_strings": ["x"], "max_new_tokens": 5}"#);
    let output = run(&["heads", model.path().to_str().unwrap(), "-s", "The rain stops."]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert_eq!(notes, "note: generation settings that are not followed: num_beam_groups, stop_strings\n");
}

#[test]
fn a_weight_that_is_no_number_is_an_error() {
    let model = model_with(r#"{"max_new_tokens": 5}"#);
    let path = model.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let name = "encoder.block.1.layer.0.SelfAttention.v.weight";
    let at = 8 + header + metadata.info(name).unwrap().data_offsets.0;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let folder = model.path().to_str().unwrap();
    for more in [&[][..], &["-t", "La pluie."]] {
        let said = fails(&[&["heads", folder, "-s", "The rain stops."], more].concat(), 1);
        assert!(said.contains("NaN") && said.contains(name), "{said}");
    }
}

#[test]
fn knockout_ranks_heads_and_looks_at_one_link() {
    let heads = json(&["knockout", "demo", "--beams", "1", "--kind", "cross", "--json"]);
    assert_eq!(heads.len(), 18);
    let drop = |row: usize| heads[row]["drop"].as_f64().unwrap();
    assert!((1..18).all(|row| drop(row - 1) >= drop(row)) && drop(0) > 0.0);
    assert!(heads.iter().all(|row| row["divergence"].as_f64().unwrap() >= 0.0));
    let layers = json(&["knockout", "demo", "--beams", "1", "--kind", "cross", "--by", "layer", "--json"]);
    assert_eq!(layers.len(), 3);
    // ablating a layer loses more than ablating its most important head
    assert!(layers[0]["drop"].as_f64() > heads[0]["drop"].as_f64());
    let link = ["knockout", "demo", "--beams", "1", "--kind", "cross", "--layer", "2", "--head", "4"];
    let tokens = json(&[&link[..], &["--link", "3:3", "--json"]].concat());
    assert_eq!(tokens.len(), 13);
    // only the row of the link, and rows that attend to it later, may change
    assert!((0..3).all(|row| tokens[row]["drop"].as_f64().unwrap().abs() < 1e-4));
    assert!(tokens[3]["divergence"].as_f64().unwrap() > 1e-4);
    assert!(fails(&[&link[..], &["--link", "99:0"]].concat(), 1).contains("13 queries"));
    assert!(fails(&["knockout", DEMO], 2).contains("capture file"));
}

#[test]
fn a_mistyped_command_is_told_with_and_without_arguments() {
    for args in [&["lnks"][..], &["lnks", "demo"], &["lnks", "demo", "-s", "Hello."]] {
        assert!(fails(args, 2).contains("did you mean 'links'?"), "{args:?}");
    }
}
