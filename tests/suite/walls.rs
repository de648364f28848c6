//! Limits on imports: between modules (the table in `src/lib.rs`), between files (no circles), of crates, and
//! the places of unsafe code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::imports::tokens::{is_name, tokens};
use super::imports::{Edges, Graph, circles};

/// Crates and the only places under `src` that may name them.
const CRATES: [(&[&str], &[&str]); 14] = [
    (
        &["attn_tui_kernels"],
        &["matrix.rs", "analysis/", "nn/", "model/", "generate/", "capture/", "engine/", "cli/"],
    ),
    (&["ratatui", "ratatui_core", "ratatui_widgets", "crossterm"], &["tui/", "terminal.rs"]),
    (
        &["candle_core", "candle_nn", "candle_transformers"],
        &["nn/", "model/", "generate/", "capture/", "engine/"],
    ),
    (&["hf_hub"], &["hub/cache.rs"]),
    (&["ureq", "rustls", "rustls_graviola", "graviola"], &["hub/"]),
    (&["tokenizers"], &["text/"]),
    (&["symphonia"], &["audio/"]),
    (&["image"], &["image/"]),
    (&["clap", "clap_complete", "clap_mangen"], &["cli/"]),
    (&["libc", "memmap2"], &["sys.rs", "sys/"]),
    (&["parquet"], &["columns/"]),
    (&["flate2"], &["corpus/", "generate/fallback.rs"]),
    (&["ruzstd"], &["corpus/"]),
    (&["signal_hook"], &["tui/", "cli/interrupt.rs"]),
];

/// A source file: its path under `src`, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

/// The top module of a file: `hub` for `hub/cache.rs`, `error` for `error.rs`.
fn top_module(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn sources() -> Vec<Source> {
    sources_of("src")
}

/// The source files of a crate, given its folder of sources.
fn sources_of(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { path: name, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources
}

/// The table of `src/lib.rs`: module to what it may import.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut words = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with("//! | [`")) {
        let cells: Vec<_> = row.trim_start_matches("//! |").split('|').collect();
        let names: BTreeSet<String> = quoted(cells[0]);
        let mut imports = quoted(cells[2]);
        match cells[2].trim() {
            "each other" => words = names.clone(),
            "everything above" => imports.extend(table.keys().cloned()),
            _ => {}
        }
        imports.extend(words.iter().cloned());
        table.extend(names.into_iter().map(|name| (name, imports.clone())));
    }
    table
}

/// The names between backquotes.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn edges() -> Edges {
    edges_of("src")
}

fn edges_of(folder: &str) -> Edges {
    let sources = sources_of(folder);
    Graph::read(sources.iter().map(|source| (source.path.as_str(), source.text.as_str()))).edges()
}

fn line(((from, to), names): (&(String, String), &BTreeSet<String>)) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    format!("{from} -> {to}: {}", names.join(", "))
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table = table();
    let mut breaches = Vec::new();
    for source in sources() {
        let module = top_module(&source.path);
        if !["lib", "main"].contains(&module) && !table.contains_key(module) {
            breaches.push(format!("{} is in no row of the table", source.path));
        }
    }
    for edge in &edges() {
        let (from, to) = (top_module(&edge.0.0), top_module(&edge.0.1));
        let breach = from != to && table.get(from).is_some_and(|allowed| !allowed.contains(to));
        if breach {
            breaches.push(line(edge));
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// The only files that may write to standard output and standard error.
const STREAMS: [&str; 2] = ["terminal.rs", "tui/terminal.rs"];

#[test]
fn printed_text_passes_one_place() {
    let mut breaches = Vec::new();
    for Source { path, text } in sources().into_iter().filter(|source| !STREAMS.contains(&&*source.path)) {
        let tokens = tokens(&text);
        for three in tokens.windows(3) {
            let [before, name, after] = [0, 1, 2].map(|at| three[at].as_str());
            let prints = after == "!" && ["print", "println", "eprint", "eprintln"].contains(&name);
            // A method of that name redirects the output of another program.
            let stream = after == "(" && before != "." && ["stdout", "stderr"].contains(&name);
            if prints || stream {
                breaches.push(format!("{path}: {name}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn modules_re_export_nothing_of_one_another() {
    let mut breaches = Vec::new();
    for Source { path, text } in sources() {
        let tokens = tokens(&text);
        let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
        for at in 0..words.len() {
            let [before, after] = [&words[..at], &words[at..]];
            let public = before.ends_with(&["pub"]) || before.ends_with(&["pub", "(", "crate", ")"]);
            if let (true, ["use", "crate", "::", module, ..]) = (public, after)
                && *module != top_module(&path)
            {
                breaches.push(format!("{path} re-exports from {module}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn files_import_one_another_in_no_circle() {
    let edges = edges();
    let mut breaches = Vec::new();
    for circle in circles(&edges) {
        breaches.push(format!("circle of {} files:", circle.len()));
        let inner = edges.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        breaches.extend(inner.map(|edge| format!("  {}", line(edge))));
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn kernels_import_one_another_in_no_circle() {
    let edges = edges_of("crates/kernels/src");
    assert!(edges.len() > 20);
    assert_eq!(circles(&edges), []);
}

#[test]
fn unsafe_code_stays_in_sys() {
    let mut breaches = Vec::new();
    for Source { path, text } in sources() {
        if tokens(&text).iter().any(|token| token == "unsafe") && top_module(&path) != "sys" {
            breaches.push(path);
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn crates_stay_behind_their_walls() {
    let mut breaches = Vec::new();
    for Source { path, text } in sources() {
        let tokens = tokens(&text);
        for (crates, places) in CRATES {
            let free = places.iter().any(|place| path.starts_with(place));
            let named = |name: &&&str| (0..tokens.len()).any(|at| is_crate(&tokens, at, name));
            breaches.extend(
                crates.iter().filter(|_| !free).filter(named).map(|name| format!("{path} uses {name}")),
            );
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// Returns true if the token at `at` names a crate: a path begins with it, or a `use` names it alone.
fn is_crate(tokens: &[String], at: usize, name: &str) -> bool {
    let token = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", String::as_str);
    let before = token(at.checked_sub(1));
    let inner = before == "." || (before == "::" && is_name(token(at.checked_sub(2))));
    token(Some(at)) == name && !inner && (token(Some(at + 1)) == "::" || before == "use")
}

#[test]
fn crates_are_told_from_other_names() {
    let tokens = tokens("use clap::Parser; use clap; my_clap::x(); a.clap(); crate::clap::y; ::clap::z");
    let hits: Vec<_> = (0..tokens.len()).filter(|&at| is_crate(&tokens, at, "clap")).collect();
    assert_eq!(hits.len(), 3, "{hits:?} of {tokens:?}");
}

#[test]
fn the_table_is_read_as_written() {
    let table = table();
    assert!(table["generate"].contains("model") && !table["generate"].contains("text"));
    assert!(table["cli"].contains("tui") && table["matrix"].contains("error"));
    assert!(table.len() >= 19, "{:?}", table.keys());
}
