//! The tables of the documentation come from the program: `UPDATE_DOCS=1 cargo test docs::` writes them anew.
//! Links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use attn_tui::analysis::metrics::HeadMetrics;
use attn_tui::analysis::roles::ROLES;
use attn_tui::config::KEYS;
use attn_tui::model::registry;
use attn_tui::tui::keymap;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program in the project's folder and returns its standard output.
fn output(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_attn-tui")).current_dir(root()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Fixture folders by the `model_type` of their config.json.
fn fixtures() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let folders = ["models", "speech", "vision"].map(|kind| root().join("tests/fixtures").join(kind));
    for entry in folders.into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if let Some(model_type) = model_type(&path) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.entry(model_type).or_default().push(name);
        }
    }
    found.values_mut().for_each(|names| names.sort());
    found
}

fn model_type(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("model/config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    config["model_type"].as_str().map(str::to_string)
}

fn families() -> String {
    let fixtures = fixtures();
    let mut table = String::from("| model type | on the hub, for example | fixtures |\n|---|---|---|\n");
    for family in registry() {
        let proof = fixtures.get(family.model_type).map(|names| names.join(", ")).unwrap_or_default();
        table += &format!("| `{}` | {} | {proof} |\n", family.model_type, family.examples);
    }
    table
}

/// One section per metric: the sentence of the tables, then the definition.
fn metrics() -> String {
    HeadMetrics::COLUMNS
        .iter()
        .map(|column| {
            format!(
                "### `{}`\n\n{}.\n\n{}\n\n",
                column.name,
                capital(column.about),
                unindented(column.definition)
            )
        })
        .collect()
}

/// One line per role of a head: its conditions, and what such a head does.
fn roles() -> String {
    let mut table = String::from("| role | score | conditions | the head |\n|---|---|---|---|\n");
    for role in ROLES {
        let further = role.also.iter().map(|(name, least)| format!(", `{name}` >= {least}"));
        let conditions = format!("`{}` >= {}{}", role.score, role.at_least, further.collect::<String>());
        table += &format!("| `{}` | `{}` | {conditions} | {} |\n", role.name, role.score, role.about);
    }
    table
}

/// The lines of a doc comment without the space that each begins with.
fn unindented(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn settings() -> String {
    let rows: String = KEYS.iter().map(|(name, about)| format!("| `{name}` | {about} |\n")).collect();
    format!("| key | what it sets |\n|---|---|\n{rows}")
}

/// The short help of the program and of every command.
fn commands() -> String {
    let help = output(&["-h"]);
    let names = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // Names stand behind two spaces; further lines of a sentence stand farther right.
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names = names.take_while(|line| !line.is_empty()).filter(is_name);
    let names = names.filter_map(|line| line.split_whitespace().next());
    let section = |title: &str, help: &str| format!("## {title}\n\n```text\n{}\n```\n\n", help.trim_end());
    let mut page = section("attn-tui", &help);
    for name in names.filter(|name| *name != "help") {
        page += &section(name, &output(&[name, "-h"]));
    }
    page
}

/// The table that `attn-tui heads demo` prints for its example, from the stored capture of it.
fn heads() -> String {
    let columns = "entropy,confidence,mean_distance,far_mass,far_ratio,offset,offset_share,special_mass";
    let capture = "tests/fixtures/captures/demo.safetensors";
    let csv = output(&["heads", capture, "--sort", "far_ratio", "--top", "6", "--csv", "--columns", columns]);
    let mut table = String::new();
    for (at, line) in csv.lines().enumerate() {
        let cell = |text: &str| match text.parse::<f32>() {
            Ok(number) if text.contains('.') => format!("{number:.2}"),
            _ => text.to_string(),
        };
        let cells: Vec<_> = line.split(',').map(cell).collect();
        table += &format!("| {} |\n", cells.join(" | "));
        if at == 0 {
            table += &format!("|{}\n", "---|".repeat(cells.len()));
        }
    }
    table
}

fn with_table(page: &str, name: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = page.find(&open).expect("the page has a place for the table") + open.len();
    let end = page.find(&close).expect("the table's place ends");
    format!("{}{table}{}", &page[..start], &page[end..])
}

/// Compares the generated part of a page with what the program makes of it today.
fn check(page: &str, name: &str, table: &str) {
    let path = root().join("docs/reference").join(page);
    let old = std::fs::read_to_string(&path).unwrap();
    let new = with_table(&old, name, table);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &new).unwrap();
    } else {
        assert!(new == old, "docs/reference/{page} is old: run `UPDATE_DOCS=1 cargo test docs::`");
    }
}

#[test]
fn the_key_table_comes_from_the_program() {
    check("keys.md", "keys", &keymap::markdown());
}

#[test]
fn the_metrics_come_from_the_program() {
    check("metrics.md", "metrics", &metrics());
    check("metrics.md", "roles", &roles());
}

#[test]
fn the_families_come_from_the_program() {
    check("families.md", "families", &families());
}

#[test]
fn the_settings_come_from_the_program() {
    check("settings.md", "settings", &settings());
}

#[test]
fn the_commands_come_from_the_program() {
    check("commands.md", "commands", &commands());
}

#[test]
fn the_example_table_comes_from_the_program() {
    check("tables.md", "heads", &heads());
}

#[test]
fn every_family_has_a_fixture() {
    let fixtures = fixtures();
    for family in registry() {
        assert!(fixtures.contains_key(family.model_type), "{} has no fixture", family.model_type);
    }
}

/// Every Markdown page that links to others, by its path from the project's root.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "PERFORMANCE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("assets")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// Targets of the links of a page, code blocks left out.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if !code {
            let targets = line.split("](").skip(1).filter_map(|piece| piece.split(')').next());
            links.extend(targets.map(str::to_string));
        }
    }
    links
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_string());
    let anchor = |title: String| {
        title
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    text.lines().filter_map(heading).map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => root().join(&page),
                file => root().join(page.parent().unwrap()).join(file),
            };
            let found = target.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor));
            if !found {
                broken.push(format!("{} -> {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_page_stands_in_the_summary() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let listed: BTreeSet<_> = links(&summary).into_iter().map(|link| Path::new("docs").join(link)).collect();
    let written: BTreeSet<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs") && !page.ends_with("SUMMARY.md"))
        .collect();
    assert_eq!(listed, written);
}

#[test]
fn the_book_links_to_its_own_pages() {
    let book = root().join("docs").canonicalize().unwrap();
    for page in pages().iter().filter(|page| page.starts_with("docs")) {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for link in links(&text).iter().filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = root().join(page.parent().unwrap()).join(link.split('#').next().unwrap());
            let inside = file.canonicalize().is_ok_and(|file| file.starts_with(&book));
            assert!(inside, "{} -> {link}: mdBook has the pages below docs alone", page.display());
        }
    }
}

#[test]
fn the_readme_stays_short() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
}

#[test]
fn anchors_and_links_are_read_as_markdown_has_them() {
    assert_eq!(links("a [b](c.md#d) and ![e](f.svg)\n```\n[no](no.md)\n```"), ["c.md#d", "f.svg"]);
    let made = anchors("# Long texts: the compact layout\n## `span90`, and more\ntext");
    assert_eq!(made, ["long-texts-the-compact-layout", "span90-and-more"].map(String::from).into());
}
