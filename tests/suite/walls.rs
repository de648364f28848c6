//! The walls of the house: who may import whom (the table in `src/lib.rs`), and where a crate may be used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates and the only places under `src` that may name them.
const CRATES: [(&[&str], &[&str]); 6] = [
    (&["ratatui", "ratatui_core", "ratatui_widgets", "crossterm"], &["tui/"]),
    (
        &["candle_core", "candle_nn", "candle_transformers"],
        &["nn/", "model/", "generate/", "capture/", "engine/"],
    ),
    (&["hf_hub"], &["hub/cache.rs"]),
    (&["ureq", "rustls", "rustls_graviola", "graviola"], &["hub/"]),
    (&["tokenizers"], &["text/"]),
    (&["clap", "clap_complete", "clap_mangen"], &["cli/"]),
];

/// A source file: its path under `src` with `/`, and its code without comments and strings.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The top module that it belongs to: `hub` for `hub/cache.rs`, `error` for `error.rs`.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// The top modules that it imports, where `modules` are all there are.
    fn imports(&self, modules: &BTreeSet<String>) -> BTreeSet<String> {
        let mut named = after(&self.code, "crate::");
        named.extend(after(&self.code, "attn_tui::"));
        // `super` leads to the top from a module's root file, `super::super` from the files beside it
        let up = if self.path.ends_with("/mod.rs") || !self.path.contains('/') {
            "super::"
        } else {
            "super::super::"
        };
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(self.module());
        named.extend(
            after(&self.code, up)
                .into_iter()
                .filter(|name| !own.join(name).exists() && !own.join(format!("{name}.rs")).exists()),
        );
        named.into_iter().filter(|name| modules.contains(name) && name != self.module()).collect()
    }
}

/// The names that follow a path prefix, also within `{…}`.
fn after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads(group)),
            None => names.extend(ident(rest)),
        }
    }
    names
}

/// The first name of each path in a group, up to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(ident(group[start..at].trim()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn ident(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Code without comments, and with strings emptied.
fn strip(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut quoted = false;
        let mut previous = ' ';
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => {
                    chars.next();
                }
                '"' if previous != '\'' => {
                    quoted = !quoted;
                    code.push(c);
                }
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                _ if !quoted => code.push(c),
                _ => {}
            }
            previous = c;
        }
        code.push('\n');
    }
    code
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { path: name, code: strip(&std::fs::read_to_string(&path).unwrap()) });
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

#[test]
fn modules_import_only_what_the_table_allows() {
    let table = table();
    let modules: BTreeSet<_> = table.keys().cloned().collect();
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !["lib.rs", "main.rs"].contains(&source.path.as_str())) {
        let Some(allowed) = table.get(source.module()) else {
            breaches.push(format!("{} is in no row of the table", source.path));
            continue;
        };
        for import in source.imports(&modules).difference(allowed) {
            breaches.push(format!("{} imports {import}", source.path));
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn crates_stay_behind_their_walls() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (crates, places) in CRATES {
            let free = places.iter().any(|place| source.path.starts_with(place));
            for name in crates {
                let named = source
                    .code
                    .match_indices(name)
                    .any(|(at, _)| is_crate_name(&source.code, at, at + name.len()));
                if named && !free {
                    breaches.push(format!("{} uses {name}", source.path));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// Whether the name at a place is a crate's: a path begins with it, or a `use` names it alone.
fn is_crate_name(code: &str, from: usize, to: usize) -> bool {
    let before = code[..from].trim_end_matches("::");
    let inner =
        before.len() == from && code[..from].ends_with(|c: char| c.is_alphanumeric() || "_.".contains(c));
    let nested = before.len() < from && before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    !inner && !nested && (code[to..].starts_with("::") || code[..from].trim_end().ends_with("use"))
}

#[test]
fn the_scanner_sees_every_way_to_import() {
    let modules: BTreeSet<String> = ["text", "tui", "hub", "error", "engine"].map(String::from).into();
    let source = |path: &str, code: &str| Source { path: path.into(), code: strip(code) };
    let seen = |path: &str, code: &str| source(path, code).imports(&modules).into_iter().collect::<Vec<_>>();
    assert_eq!(seen("nn/mod.rs", "use crate::text::Tokenizer;"), ["text"]);
    assert_eq!(
        seen("nn/a.rs", "use crate::{error::{Error, Result}, tui::app,\n hub};"),
        ["error", "hub", "tui"]
    );
    assert_eq!(seen("nn/a.rs", "let x = crate::engine::open(); // crate::tui"), ["engine"]);
    assert_eq!(seen("nn/a.rs", "use super::super::tui;"), ["tui"]);
    assert_eq!(seen("nn.rs", "use super::hub;"), ["hub"]);
    assert_eq!(seen("nn/a.rs", "use super::text; let s = \"crate::hub\";"), [] as [&str; 0]);
    let code = "use clap::Parser; my_clap::x(); a.clap(); crate::clap::y";
    let hits: Vec<_> = code.match_indices("clap").map(|(at, _)| is_crate_name(code, at, at + 4)).collect();
    assert_eq!(hits, [true, false, false, false]);
}

#[test]
fn the_table_is_read_as_written() {
    let table = table();
    assert!(table["generate"].contains("model") && !table["generate"].contains("text"));
    assert!(table["cli"].contains("tui") && table["matrix"].contains("error"));
    assert!(table.len() >= 19, "{:?}", table.keys());
}
