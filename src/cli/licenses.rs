//! `attn-tui --licenses`: the licences of everything in the program.

use super::output;
use crate::error::Result;

/// The crates that are linked into the program with the texts of their licences, and those of fonts and
/// models; written by `assets/licenses.py`.
pub const LICENSES: &str = include_str!("../../assets/licenses.txt");

/// Prints the licences.
///
/// # Errors
/// Those of standard output.
pub fn run() -> Result<()> {
    output::print(LICENSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = include_str!("../../Cargo.lock");
    const MANIFEST: &str = include_str!("../../Cargo.toml");

    /// Names and versions of the listed crates.
    fn listed() -> Vec<(&'static str, &'static str)> {
        let lines = LICENSES.lines().skip_while(|line| *line != "Crates:").skip(1);
        let lines = lines.take_while(|line| line.starts_with("  "));
        lines
            .map(|line| line.trim_start().split_once(' ').unwrap())
            .map(|(n, v)| (n, v.split(' ').next().unwrap()))
            .collect()
    }

    #[test]
    fn listed_crates_are_those_of_the_lock_file() {
        let listed = listed();
        assert!(listed.len() > 100, "{}", listed.len());
        for (name, version) in &listed {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(LOCK.contains(&entry), "{name} {version}: run python assets/licenses.py");
        }
    }

    #[test]
    fn every_direct_dependency_is_listed() {
        let manifest: toml::Table = toml::from_str(MANIFEST).unwrap();
        let listed: Vec<&str> = listed().into_iter().map(|(name, _)| name).collect();
        for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
            let optional = dependency.get("optional").and_then(toml::Value::as_bool) == Some(true);
            let own = dependency.get("path").is_some();
            assert!(
                optional || own || listed.contains(&name.as_str()),
                "{name}: run python assets/licenses.py"
            );
        }
    }
}
