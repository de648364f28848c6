//! Output files: tables that two runs want, links, devices and permissions, and runs that are interrupted.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const DEMO: &str = "tests/fixtures/captures/demo.safetensors";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn-tui"));
    command.args(args);
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn failure(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Arguments of a run over texts with a table.
fn survey<'a>(sources: &'a str, table: &'a str) -> Vec<&'a str> {
    vec!["heads", "demo", "--source-file", sources, "--table", table, "--beams", "1", "--csv"]
}

#[test]
fn two_runs_do_not_write_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let [sources, table] =
        ["s.txt", "t.jsonl"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    std::fs::write(&sources, "I am here.\nYou are tired.\n").unwrap();
    let part = format!("{table}.part");
    let locked = std::fs::File::create(&part).unwrap();
    locked.lock().unwrap();
    let told = failure(&survey(&sources, &table));
    assert!(told.contains("another run is writing") && told.contains("hint: "), "{told}");
    drop(locked);

    let start =
        || command(&survey(&sources, &table)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let runs: Vec<Output> = (0..3)
        .map(|_| start())
        .collect::<Vec<_>>()
        .into_iter()
        .map(|run| run.wait_with_output().unwrap())
        .collect();
    assert_eq!(runs.iter().filter(|run| run.status.success()).count(), 1);
    for run in runs.iter().filter(|run| !run.status.success()) {
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(told.contains("another run is writing") || told.contains("already exists"), "{told}");
    }
    let text = std::fs::read_to_string(&table).unwrap();
    assert_eq!(text.lines().count(), 2 * 54);
    assert!(!Path::new(&part).exists());

    // A model that does not open leaves nothing behind.
    let nothing = folder.path().join("n.jsonl");
    let args = ["heads", "./nothing", "--source-file", &sources, "--table", nothing.to_str().unwrap()];
    failure(&args);
    assert!(!folder.path().join("n.jsonl.part").exists());
}

#[test]
fn blank_lines_are_empty_rows() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let sources = write("s.txt", b"I am here.\n \t\nYou are tired.\n");
    let table = folder.path().join("t.jsonl");
    let output = run(&survey(&sources, table.to_str().unwrap()));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && told.contains("blank line in") && told.trim_end().ends_with(": 2"),
        "{told}"
    );
    let rows: Vec<serde_json::Value> = std::fs::read_to_string(&table)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2 * 54 + 1);
    assert_eq!((&rows[54]["sentence"], &rows[55]["sentence"]), (&1.into(), &2.into()));
    assert!(rows[54]["kind"].is_null() && rows[54]["entropy"].is_null());
    assert!(String::from_utf8_lossy(&output.stdout).lines().nth(1).unwrap().starts_with("encoder,0,0,2,"));
    // It resumes behind a blank line.
    let whole = std::fs::read_to_string(&table).unwrap();
    let again = folder.path().join("again.jsonl");
    let cut = whole.lines().take(60).map(|line| line.len() + 1).sum::<usize>();
    std::fs::write(folder.path().join("again.jsonl.part"), &whole[..cut]).unwrap();
    assert!(run(&survey(&sources, again.to_str().unwrap())).status.success());
    assert_eq!(std::fs::read_to_string(&again).unwrap(), whole);

    let targets = write("t.txt", b"Je suis l\xc3\xa0.\n\n\n");
    let output = run(&["align", "demo", "--source-file", &sources, "--target-file", &targets]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines.len() == 3 && !lines[0].is_empty() && lines[1..] == ["", ""], "{lines:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("blank lines"));
}

#[test]
fn lines_that_are_no_text_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.txt");
    let with = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        run(&["align", "demo", "--beams", "1", "--source-file", path.to_str().unwrap()])
    };
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told(&with(b"Hi.\na\xff\n")).contains("s.txt, line 2: byte 2 is not valid UTF-8"));
    assert!(told(&with(b"\xff\xfeH\0i\0")).contains("line 1: the file is UTF-16"));
    let marked = with(b"\xef\xbb\xbfI am here.\r\n");
    assert!(told(&marked).contains("line 1: byte order mark left out"));
    assert_eq!(marked.stdout, with(b"I am here.\n").stdout);
}

#[cfg(unix)]
#[test]
fn force_keeps_permissions_and_links_and_replaces_files_only() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let export = |name: &str| {
        run(&["export", DEMO, "--kind", "cross", "--force", "--output", path(name).to_str().unwrap()])
    };
    std::fs::write(path("private.svg"), "old").unwrap();
    std::fs::set_permissions(path("private.svg"), std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink(path("private.svg"), path("link.svg")).unwrap();
    assert!(export("link.svg").status.success());
    assert!(path("link.svg").is_symlink());
    assert!(std::fs::read_to_string(path("private.svg")).unwrap().contains("<svg"));
    assert_eq!(std::fs::metadata(path("private.svg")).unwrap().permissions().mode() & 0o777, 0o600);

    symlink(path("nothing"), path("dangling.svg")).unwrap();
    symlink("/dev/null", path("device.svg")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe.svg")).status().unwrap().success());
    for (name, what) in [("dangling.svg", "link to nothing"), ("device.svg", "device"), ("pipe.svg", "pipe")]
    {
        let output = export(name);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(what), "{told}");
        assert!(std::fs::symlink_metadata(path(name)).is_ok_and(|data| !data.is_file()), "{name}");
    }
}

/// A signal that ends an export while it writes removes the incomplete file.
#[cfg(unix)]
#[test]
fn an_interrupted_export_leaves_no_part() {
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.png");
    let mut export = command(&["export", DEMO, "--scale", "16", "--output", output.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let files = || std::fs::read_dir(&folder).unwrap().count();
    let end = Instant::now() + Duration::from_secs(60);
    while files() == 0 && Instant::now() < end && export.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // The export may win the race; then its whole file is there.
    if export.try_wait().unwrap().is_none() {
        Command::new("kill").args(["-INT", &export.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    }
    let ended = export.wait().unwrap();
    assert_eq!(files(), usize::from(ended.success()));
}
