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
    const DENY: &str = include_str!("../../deny.toml");
    const MANIFEST: &str = include_str!("../../Cargo.toml");

    /// Name, version and licence of the listed crates.
    fn listed() -> Vec<[&'static str; 3]> {
        let lines = LICENSES.lines().skip_while(|line| *line != "Crates:").skip(1);
        let lines = lines.take_while(|line| line.starts_with("  "));
        let entry = |line: &'static str| {
            let (package, licence) = line.trim_start().split_once("  ").unwrap();
            let (name, version) = package.split_once(' ').unwrap();
            [name, version, licence]
        };
        lines.map(entry).collect()
    }

    #[test]
    fn listed_crates_are_those_of_the_lock_file() {
        let listed = listed();
        assert!(listed.len() > 100, "{}", listed.len());
        for [name, version, _] in &listed {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(LOCK.contains(&entry), "{name} {version}: run python assets/licenses.py");
        }
    }

    #[test]
    fn every_direct_dependency_is_listed() {
        let manifest: toml::Table = toml::from_str(MANIFEST).unwrap();
        let listed: Vec<&str> = listed().into_iter().map(|[name, ..]| name).collect();
        for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
            let optional = dependency.get("optional").and_then(toml::Value::as_bool) == Some(true);
            let own = dependency.get("path").is_some();
            assert!(
                optional || own || listed.contains(&name.as_str()),
                "{name}: run python assets/licenses.py"
            );
        }
    }

    #[test]
    fn every_crate_can_be_taken_under_a_licence_of_the_list() {
        let deny: toml::Table = toml::from_str(DENY).unwrap();
        let allowed: Vec<&str> =
            deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
        for [name, _, licence] in listed() {
            let choices = licence.replace('/', " OR ").replace(['(', ')'], "");
            let satisfied = |part: &str| part.split(" OR ").any(|choice| allowed.contains(&choice.trim()));
            assert!(choices.split(" AND ").all(satisfied), "{name}: {licence}");
        }
    }
}
