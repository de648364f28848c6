//! The README's tables are made by the program: run the tests with `UPDATE_README=1` to write them anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use attn_tui::analysis::metrics::HeadMetrics;
use attn_tui::model::registry;
use attn_tui::tui::keymap;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Fixture folders by the `model_type` of their config.json.
fn fixtures() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/fixtures/models")).unwrap() {
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
    let mut table = String::from("| model type | on the hub, for example | proven on |\n|---|---|---|\n");
    for family in registry() {
        let proof = fixtures.get(family.model_type).map(|names| names.join(", ")).unwrap_or_default();
        table += &format!("| `{}` | {} | {proof} |\n", family.model_type, family.examples);
    }
    table
}

fn metrics() -> String {
    let mut table = String::from("| column | what it tells |\n|---|---|\n");
    for column in HeadMetrics::COLUMNS {
        table += &format!("| `{}` | {} |\n", column.name, column.about);
    }
    table
}

/// What `attn-tui heads demo` prints of its example, from the stored capture of it.
fn heads() -> String {
    let columns = "entropy,confidence,mean_distance,far_mass,far_ratio,offset,offset_share,special_mass";
    let args = ["--sort", "far_ratio", "--top", "6", "--csv", "--columns", columns];
    let output = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .args(["heads", "tests/fixtures/captures/demo.safetensors"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success());
    let csv = String::from_utf8(output.stdout).unwrap();
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

fn with_table(readme: &str, name: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = readme.find(&open).expect("the README has a place for the table") + open.len();
    let end = readme.find(&close).expect("the table's place ends");
    format!("{}{table}{}", &readme[..start], &readme[end..])
}

#[test]
fn tables_come_from_the_program() {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let made = with_table(&readme, "families", &families());
    let made = with_table(&made, "keys", &keymap::markdown());
    let made = with_table(&made, "metrics", &metrics());
    let made = with_table(&made, "heads", &heads());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(made == readme, "the README's tables are old: run `UPDATE_README=1 cargo test tables_come`");
}

#[test]
fn every_family_is_proven() {
    let fixtures = fixtures();
    for family in registry() {
        assert!(fixtures.contains_key(family.model_type), "{} has no fixture", family.model_type);
    }
}

#[test]
fn pictures_and_links_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for piece in readme.split("](").skip(1) {
        let Some(target) = piece.split(')').next().filter(|target| !target.starts_with("http")) else {
            continue;
        };
        assert!(root().join(target).exists(), "the README links to {target}");
    }
}
