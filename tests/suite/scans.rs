//! Scans of corpora: their measures, their files, and how they go on after an interruption.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use attn_tui::analysis::places::Places;
use attn_tui::columns::{ColumnTable, ColumnValues, ParquetFile, TypedColumn, encode};
use attn_tui::corpus::{BadRow, ColumnNames, Corpus, CorpusFiles, CorpusFormat, SentencePair};
use attn_tui::engine::{OpenOptions, Opened, RunOptions, Session, open};
use attn_tui::error::Error;
use attn_tui::progress::Unwatched;
use attn_tui::scan::{ExemplarFilter, Scan, ScanOptions, ScanTarget, SentenceMeasures, Shard, find, scan};
use attn_tui::site::Head;
use serde_json::Value;

const SENTENCES: [&str; 7] = [
    "The woman who lives near my parents is very tired.",
    "The house is old.",
    "",
    "The dogs that sleep in the garden behind the old house are happy.",
    "A cat sleeps.",
    "The children who live next door are playing.",
    "The man who reads the books of the woman is tired.",
];

fn session() -> Box<Session> {
    let options = OpenOptions { model: "demo".into(), threads: Some(2), ..OpenOptions::default() };
    match open(&options, &Unwatched).unwrap() {
        Opened::Model(session) => session,
        Opened::Capture(_) => panic!("demo is a model"),
    }
}

fn corpus(folder: &Path, lines: &[&str]) -> Corpus {
    let source = folder.join("corpus.txt");
    std::fs::write(&source, lines.join("\n") + "\n").unwrap();
    CorpusFiles { source, ..CorpusFiles::default() }.open().unwrap()
}

fn target(folder: &Path, batch: usize) -> ScanTarget<'_> {
    ScanTarget { folder, opened: "demo", shard: Shard::default(), batch, fraction: &|| None }
}

/// A column of all files of a table, as numbers.
fn numbers(scan: &Scan, table: &str, name: &str) -> Vec<Option<f32>> {
    let parts = (0..scan.parts()).map(|part| scan.read(table, part, &[name]).unwrap());
    parts.flat_map(|part| (0..part.rows()).map(|row| part.number(name, row)).collect::<Vec<_>>()).collect()
}

pub fn texts(scan: &Scan, table: &str, name: &str) -> Vec<Option<String>> {
    let parts = (0..scan.parts()).map(|part| scan.read(table, part, &[name]).unwrap());
    let text = |part: &ColumnTable, row| part.text(name, row).map(String::from);
    parts.flat_map(|part| (0..part.rows()).map(|row| text(&part, row)).collect::<Vec<_>>()).collect()
}

fn assert_near(ours: &[Option<f32>], theirs: &[Option<f32>], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        let near = match (ours, theirs) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0),
            (ours, theirs) => ours == theirs,
        };
        assert!(near, "{what}: {ours:?} {theirs:?}");
    }
}

#[test]
fn a_scan_has_the_measures_of_single_runs_in_order() {
    let (folder, session) = (tempfile::tempdir().unwrap(), session());
    let run = RunOptions { beams: Some(1), ..RunOptions::default() };
    let options = ScanOptions {
        maps: true,
        source_share: true,
        min_weight: 0.02,
        min_distance: 2.0,
        ..ScanOptions::default()
    };
    let rows = corpus(folder.path(), &SENTENCES);
    let out = folder.path().join("scan");
    let summary = scan(&session, rows, &run, &options, &target(&out, 4), &Unwatched).unwrap();
    assert_eq!((summary.sentences, summary.bad, summary.resumed), (6, 1, 0));
    assert_eq!(summary.first_bad, [(2, BadRow::Blank.to_string())]);

    let read = Scan::open(&out).unwrap();
    assert_eq!(read.parts(), 2);
    assert_eq!(numbers(&read, "sentences", "sentence"), [0, 1, 2, 3, 4, 5, 6].map(|row| Some(row as f32)));
    let one = |source: &&str| {
        let run = options.run(RunOptions { source: (*source).into(), ..run.clone() });
        SentenceMeasures::of(&session.run(&run, &Unwatched).unwrap(), &options).unwrap()
    };
    let alone: Vec<_> = SENTENCES.iter().filter(|source| !source.is_empty()).map(one).collect();
    let flat =
        |of: &dyn Fn(&SentenceMeasures) -> Vec<Option<f32>>| alone.iter().flat_map(of).collect::<Vec<_>>();
    let sentence = |of: fn(&SentenceMeasures) -> Option<f32>| {
        let mut all: Vec<_> = alone.iter().map(of).collect();
        all.insert(2, None);
        all
    };
    let log_probabilities = sentence(|found| Some(found.log_probability));
    assert!(log_probabilities[0].unwrap() < 0.0);
    assert_near(&numbers(&read, "sentences", "log_probability"), &log_probabilities, "log-probability");
    assert_near(&numbers(&read, "sentences", "source_share"), &sentence(|found| found.source_share), "share");
    let alignments = texts(&read, "sentences", "alignment");
    assert_eq!(alignments[0], Some(alone[0].alignment.to_string()));
    assert!(alignments[0].as_ref().unwrap().starts_with("0-0") && alignments[2].is_none());
    assert_eq!(texts(&read, "sentences", "target")[1], Some(alone[1].target.clone()));
    for (at, column) in attn_tui::analysis::metrics::HeadMetrics::COLUMNS.iter().enumerate() {
        let of = |found: &SentenceMeasures| found.heads.iter().map(|(_, values)| values[at]).collect();
        assert_near(&numbers(&read, "heads", column.name), &flat(&of), column.name);
    }
    let weights = flat(&|found| found.links.iter().map(|link| Some(link.link.weight)).collect());
    assert!(weights.len() > 100);
    assert_near(&numbers(&read, "links", "weight"), &weights, "links");
    let keys: Vec<_> =
        alone.iter().flat_map(|found| &found.links).map(|link| Some(link.key_token.clone())).collect();
    assert_eq!(texts(&read, "links", "key_token"), keys);

    let maps = read.read("maps", 0, &["queries", "keys", "weights"]).unwrap();
    let (_, map) = &alone[0].maps[0];
    assert_eq!(maps.whole("queries", 0), Some(map.rows() as i64));
    let Some(ColumnValues::Blobs(blobs)) = maps.column("weights") else { panic!("maps are blobs") };
    let halves: Vec<f32> =
        blobs[0].chunks(2).map(|two| half::f16::from_le_bytes([two[0], two[1]]).to_f32()).collect();
    assert_eq!(halves.len(), map.as_slice().len());
    assert!(halves.iter().zip(map.as_slice()).all(|(half, weight)| (half - weight).abs() < 1e-3));
}

#[test]
fn a_scan_goes_on_where_it_stopped_and_refuses_others() {
    let (folder, session) = (tempfile::tempdir().unwrap(), session());
    let run = RunOptions { beams: Some(1), ..RunOptions::default() };
    let options = ScanOptions::default();
    let (out, whole) = (folder.path().join("scan"), folder.path().join("whole"));
    let go = |lines: &[&str], out: &Path, run: &RunOptions, options: &ScanOptions| {
        scan(&session, corpus(folder.path(), lines), run, options, &target(out, 2), &Unwatched)
    };
    go(&SENTENCES[..5], &out, &run, &options).unwrap();
    // Files that a killed run left behind.
    std::fs::write(out.join("heads/part-000003.parquet"), "cut").unwrap();
    std::fs::write(out.join("heads/.part-000003.parquet.1.part"), "cut").unwrap();
    let summary = go(&SENTENCES, &out, &run, &options).unwrap();
    assert_eq!((summary.sentences, summary.bad, summary.resumed), (6, 1, 5));
    assert!(!out.join("heads/.part-000003.parquet.1.part").exists());
    let again = go(&SENTENCES, &out, &run, &options).unwrap();
    assert_eq!((again.sentences, again.bad, again.resumed), (6, 1, 7));
    go(&SENTENCES, &whole, &run, &options).unwrap();
    let [read, expected] = [&out, &whole].map(|folder| Scan::open(folder).unwrap());
    for (table, column) in
        [("sentences", "sentence"), ("heads", "sentence"), ("heads", "entropy"), ("links", "weight")]
    {
        assert_near(&numbers(&read, table, column), &numbers(&expected, table, column), column);
    }

    let what = |result: Result<_, Error>| match result {
        Err(Error::OtherScan { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        what(go(&SENTENCES, &out, &RunOptions { beams: Some(2), ..run.clone() }, &options)),
        "options.beams"
    );
    assert_eq!(what(go(&SENTENCES, &out, &run, &ScanOptions { far: 2.0, ..options.clone() })), "options.far");
    // A scan that is refused leaves nothing.
    assert_eq!(
        what(go(&SENTENCES, &out, &run, &ScanOptions { maps: true, ..options.clone() })),
        "options.maps"
    );
    assert!(!out.join("maps").exists() && !out.join(".part-lock").exists());
    let mut other = SENTENCES;
    other[6] = "A dog sleeps.";
    assert_eq!(what(go(&other, &out, &run, &options)), "corpus");
    assert_eq!(what(go(&SENTENCES[..3], &out, &run, &options)), "corpus");
}

#[test]
fn a_scan_of_other_given_targets_is_refused() {
    let (folder, session) = (tempfile::tempdir().unwrap(), session());
    let [source, targets, out] = ["en.txt", "fr.txt", "scan"].map(|name| folder.path().join(name));
    std::fs::write(&source, "The house is old.\nA cat sleeps.\n").unwrap();
    let go = |second: &str| {
        std::fs::write(&targets, format!("La maison est vieille .\n{second}\n")).unwrap();
        let files =
            CorpusFiles { source: source.clone(), target: Some(targets.clone()), ..CorpusFiles::default() };
        let (rows, run, options) = (files.open().unwrap(), RunOptions::default(), ScanOptions::default());
        scan(&session, rows, &run, &options, &target(&out, 2), &Unwatched)
    };
    assert_eq!(go("Un chat dort .").unwrap().sentences, 2);
    assert_eq!(go("Un chat dort .").unwrap().resumed, 2);
    assert!(matches!(go("Le chat dort ."), Err(Error::OtherScan { what, .. }) if what == "corpus"));
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn-tui"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> (Output, String) {
    let output = command(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

/// Ends a scan of the program by a signal once it has written a file, and returns the scan's folder.
#[cfg(unix)]
fn interrupted(folder: &Path, signal: &str) -> (PathBuf, Vec<String>) {
    let (corpus, out) = (folder.join("corpus.txt"), folder.join("scan"));
    let lines = SENTENCES.iter().filter(|line| !line.is_empty()).cycle().take(400);
    std::fs::write(&corpus, lines.fold(String::new(), |all, line| all + line + "\n")).unwrap();
    let args = [
        "scan",
        "demo",
        "--source-file",
        corpus.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
        "--max-new-tokens",
        "4",
        "--beams",
        "1",
        "--batch",
        "20",
        "--threads",
        "1",
    ];
    let mut child = command(&args).spawn().unwrap();
    while !out.join("sentences/part-000000.parquet").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    child.wait_with_output().unwrap();
    let args = args.map(String::from).into();
    (out, args)
}

#[cfg(unix)]
#[test]
fn a_killed_scan_loses_no_row_and_has_none_twice() {
    for signal in ["-KILL", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let (out, args) = interrupted(folder.path(), signal);
        let (output, errors) = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{errors}");
        assert!(
            errors.contains("sentences with measures: 400") && errors.contains("of earlier runs"),
            "{signal} {errors}"
        );
        let read = Scan::open(&out).unwrap();
        let rows: Vec<_> = (0..400).map(|row| Some(row as f32)).collect();
        assert_eq!(numbers(&read, "sentences", "sentence"), rows);
        assert_eq!(numbers(&read, "heads", "sentence").len(), 400 * 54);
    }
}

#[test]
fn shards_are_the_whole_and_bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (folder.path().join("c.jsonl"), folder.path().join("scan"));
    let lines = [
        r#"{"en": "The house is old.", "fr": "La maison est vieille ."}"#.to_string(),
        "not json".into(),
        r#"{"en": "A cat sleeps.", "fr": "Un chat dort ."}"#.into(),
        r#"{"en": " ", "fr": "Un chat ."}"#.into(),
        r#"{"en": "A dog sleeps."}"#.into(),
    ];
    std::fs::write(&corpus, lines.join("\n")).unwrap();
    let scan_of = |shard: &str| {
        run(&[
            "scan",
            "demo",
            "--source-file",
            corpus.to_str().unwrap(),
            "--source-column",
            "en",
            "--target-column",
            "fr",
            "-o",
            out.to_str().unwrap(),
            "--shard",
            shard,
        ])
    };
    for shard in ["2/2", "1/2"] {
        let (output, errors) = scan_of(shard);
        assert!(output.status.success(), "{errors}");
        if shard == "1/2" {
            assert!(errors.contains("row 4: the object has no string field `fr`"), "{errors}");
        } else {
            assert!(
                errors.contains("row 1: not a JSON object") && errors.contains("row 3: the source"),
                "{errors}"
            );
        }
    }
    let read = Scan::open(&out).unwrap();
    let mut rows = numbers(&read, "sentences", "sentence");
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(rows, [0, 1, 2, 3, 4].map(|row| Some(row as f32)));
    assert_eq!(texts(&read, "sentences", "error").iter().flatten().count(), 3);
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["schema"], &manifest["shards"]), (&"attn-tui scan 1".into(), &2.into()));
    assert_eq!(manifest["model"]["name"], "demo");
    let options = &manifest["options"];
    assert_eq!((&options["links"], &options["seed"], options.get("source")), (&3.into(), &0.into(), None));
    assert!(manifest["model"]["config_sha256"].as_str().is_none_or(|sum| sum.len() == 64));

    let (output, errors) = scan_of("1/3");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("another shards: 2 there, 3 now"), "{errors}");
    assert_eq!(scan_of("3/2").0.status.code(), Some(2));
    let (output, errors) = run(&["scan", "demo", "-o", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("--source-file"), "{errors}");
}

#[test]
fn exemplars_are_the_strongest_sentences_of_a_head() {
    let (folder, session) = (tempfile::tempdir().unwrap(), session());
    let run_options = RunOptions { beams: Some(1), ..RunOptions::default() };
    let out = folder.path().join("scan");
    let rows = corpus(folder.path(), &SENTENCES);
    scan(&session, rows, &run_options, &ScanOptions::default(), &target(&out, 3), &Unwatched).unwrap();
    let read = Scan::open(&out).unwrap();
    let head: Head = "encoder.1.4".parse().unwrap();
    let filter = ExemplarFilter { head: Some(head), top: 5, ..ExemplarFilter::default() };
    let found = find(&read, &filter, &Unwatched).unwrap();
    // This head links subject and verb.
    assert!(found.len() > 2 && found.iter().all(|exemplar| exemplar.head == head && exemplar.link.is_some()));
    assert!(found.is_sorted_by(|a, b| a.score >= b.score));
    let woman = found.iter().find(|exemplar| exemplar.sentence == 0).unwrap();
    assert_eq!(woman.source, SENTENCES[0]);
    let link = woman.link.as_ref().unwrap();
    let is = ExemplarFilter {
        query: Places::new(&link.query_token),
        key: Places::new(&link.key_token),
        ..filter.clone()
    };
    assert!(find(&read, &is, &Unwatched).unwrap().iter().any(|exemplar| exemplar.sentence == 0));
    let far = ExemplarFilter { min_distance: 1000.0, ..filter.clone() };
    assert_eq!(find(&read, &far, &Unwatched).unwrap(), []);

    let by = ExemplarFilter { by: Some("entropy".into()), top: 3, ..ExemplarFilter::default() };
    let found = find(&read, &by, &Unwatched).unwrap();
    let mut entropies: Vec<f32> = numbers(&read, "heads", "entropy").into_iter().flatten().collect();
    entropies.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(found.iter().map(|exemplar| exemplar.score).collect::<Vec<_>>(), entropies[..3]);
    let broad = ExemplarFilter { role: Some("broad".into()), by: Some("entropy_norm".into()), top: 99, ..by };
    let roles = texts(&read, "heads", "role");
    let broads = roles.iter().flatten().filter(|role| *role == "broad").count();
    assert_eq!(find(&read, &broad, &Unwatched).unwrap().len(), broads.min(99));

    let out = out.to_str().unwrap();
    let found = |args: &[&str]| -> Value {
        let (output, errors) = run(&[&["find", out, "--json"], args].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"))
    };
    let json = found(&["--head", "encoder.1.4", "--top", "1"]);
    assert_eq!(json["schema"], "attn-tui find 1");
    assert_eq!(json["rows"][0]["kind"], "encoder");

    // "dogs" are two tokens, and the head's link begins at the second one.
    let dogs = &found(&["--head", "encoder.1.2", "--query", "dogs", "--key", "ARE"])["rows"];
    assert_eq!((dogs.as_array().unwrap().len(), &dogs[0]["sentence"]), (1, &3.into()));
    assert_eq!((&dogs[0]["query_token"], &dogs[0]["key_token"]), (&"s".into(), &"are".into()));
    let token = found(&["--head", "encoder.1.2", "--query", "s", "--key", "12"]);
    assert_eq!(token["rows"], *dogs);
    // A special token ends no word: the full stop before it is one of its own.
    let ends = found(&["--query", ".", "--top", "1000"]);
    assert!(
        ends["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["query_token"] == "." || row["predicted"] == ".")
    );

    for (head, why) in
        [("cross.7.0", "cross has layers 0 to 2, not 7"), ("cross.0.9", "cross.0 has heads 0 to 5, not 9")]
    {
        let (output, errors) = run(&["find", out, "--head", head]);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.contains(why) && errors.contains("hint: "), "{errors}");
    }
    let (output, errors) = run(&["find", folder.path().to_str().unwrap(), "--head", "cross.0.0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("it holds no scan"), "{errors}");
}

#[test]
fn pyarrow_reads_the_tables() {
    let python = |args: &[&str]| Command::new("python3").args(args).output();
    if !python(&["-c", "import pyarrow"]).is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: there is no python3 with pyarrow; the tests of the Python package read the tables"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (folder.path().join("corpus.txt"), folder.path().join("scan"));
    std::fs::write(&corpus, SENTENCES.join("\n")).unwrap();
    let [corpus, out] = [&corpus, &out].map(|path| path.to_str().unwrap());
    let (output, errors) =
        run(&["scan", "demo", "--source-file", corpus, "-o", out, "--batch", "4", "--maps"]);
    assert!(output.status.success(), "{errors}");
    let read = python(&["tests/read_scan.py", out]).unwrap();
    let counts = String::from_utf8_lossy(&read.stdout);
    assert!(counts.contains("'sentences': 7") && counts.contains("'heads': 324"), "{read:?}");
    assert!(counts.contains("'maps': 324"), "{counts}");
}

#[test]
fn columns_are_read_back() {
    let long: Vec<i64> = (0..300).collect();
    let table = ColumnTable {
        name: "test".into(),
        columns: [
            ("flags", ColumnValues::Flags(vec![true, false, true])),
            ("wholes", ColumnValues::Wholes(vec![Some(-1), None, Some(i64::MAX)])),
            ("numbers", ColumnValues::Numbers(vec![None, Some(0.1), Some(f32::INFINITY)])),
            ("texts", ColumnValues::Texts(vec![Some("été".into()), Some("".into()), None])),
            ("blobs", ColumnValues::Blobs(vec![vec![0, 255], Vec::new(), vec![1]])),
            ("whole_lists", ColumnValues::WholeLists(vec![Vec::new(), long, vec![7]])),
            (
                "text_lists",
                ColumnValues::TextLists(vec![vec!["a".into(), "b".into()], Vec::new(), Vec::new()]),
            ),
        ]
        .map(|(name, values)| TypedColumn { name: name.into(), values })
        .into(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.parquet");
    std::fs::write(&path, encode(&table, &[("note", "n".into())]).unwrap()).unwrap();
    let file = ParquetFile::open(&path).unwrap();
    assert_eq!((file.rows(), file.note("note"), file.note("other")), (3, Some("n"), None));
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(file.read(&names).unwrap().columns, table.columns);
    assert_eq!(file.read(&["none"]).unwrap().columns, []);
    std::fs::write(&path, "no parquet").unwrap();
    assert!(matches!(ParquetFile::open(&path), Err(Error::BadFile { .. })));
}

const CORPORA: &str = "tests/fixtures/corpora";

fn pairs(files: &CorpusFiles) -> Vec<Result<SentencePair, BadRow>> {
    let rows: Vec<_> = files.open().unwrap().map(Result::unwrap).collect();
    assert!(rows.iter().enumerate().all(|(at, row)| row.row == at as u64));
    rows.into_iter().map(|row| row.pair).collect()
}

fn named(source: &str, target: &str) -> ColumnNames {
    ColumnNames { source: Some(source.into()), target: Some(target.into()), ..ColumnNames::default() }
}

#[test]
fn every_format_gives_the_same_pairs() {
    let pair = |source: &str, target: &str| {
        Ok(SentencePair { source: source.into(), target: Some(target.into()), ..SentencePair::default() })
    };
    let expected = [pair("The house, \"old\".", "La maison"), Err(BadRow::Blank), pair("日本 é", "Été")];
    let file = |name: &str| CorpusFiles { source: Path::new(CORPORA).join(name), ..CorpusFiles::default() };
    for name in [
        "pairs.jsonl",
        "pairs.jsonl.gz",
        "pairs.jsonl.zst",
        "pairs.tsv",
        "pairs.csv",
        "pairs.parquet",
        "gzip.parquet",
    ] {
        assert_eq!(pairs(&file(name)), expected, "{name}");
    }
    let nested = CorpusFiles { columns: named("translation.en", "translation.fr"), ..file("nested.parquet") };
    assert_eq!(pairs(&nested), expected);
    let nested = CorpusFiles { columns: named("translation.en", "translation.fr"), ..file("nested.jsonl") };
    assert_eq!(pairs(&nested), expected);
    let plain = CorpusFiles { columns: named("2", "1"), ..file("plain.tsv") };
    assert_eq!(pairs(&plain), expected);
    let renamed = CorpusFiles { format: Some(CorpusFormat::Text), ..file("pairs.csv") };
    assert_eq!(pairs(&renamed).len(), 4);

    let why = |files: &CorpusFiles| {
        let rows = files.open().map(|corpus| corpus.collect::<Result<Vec<_>, _>>().map(|rows| rows.len()));
        rows.and_then(|rows| rows).unwrap_err().to_string()
    };
    assert!(why(&file("zstd.parquet")).contains("Zstandard"));
    let missing = CorpusFiles { columns: named("english", "fr"), ..file("pairs.parquet") };
    assert!(why(&missing).contains("no column 'english'; there are source, target"), "{}", why(&missing));
    let lines = CorpusFiles { columns: named("english", "fr"), ..file("lines.txt") };
    assert!(why(&lines).contains("lines of text have no columns"), "{}", why(&lines));
    let missing = CorpusFiles { columns: named("english", "fr"), ..file("pairs.csv") };
    assert!(why(&missing).contains("no column 'english'"), "{}", why(&missing));
}
